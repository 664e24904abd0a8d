# SPDX-License-Identifier: Apache-2.0
libtenon_la_SOURCES += \
	%D%/convert.c %D%/convert.h \
	%D%/encode.c %D%/encode.h \
	%D%/mix.c %D%/mix.h \
	%D%/same.c %D%/same.h \
	%D%/source.h \
	%D%/source_gguf.c \
	%D%/source_dir.c \
	%D%/source_rope.c
