# SPDX-License-Identifier: Apache-2.0
libtenon_la_SOURCES += \
	%D%/bytes.h %D%/float.h \
	%D%/dequant.h \
	%D%/dequant_legacy.c \
	%D%/dequant_plain.c \
	%D%/gguf.c %D%/gguf.h \
	%D%/gguf_part.c %D%/gguf_part.h \
	%D%/gguf_value.c \
	%D%/names.c %D%/names.h \
	%D%/tensor.c %D%/tensor.h
