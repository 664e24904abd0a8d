# SPDX-License-Identifier: Apache-2.0
libtenon_la_SOURCES += \
	%D%/media.h \
	%D%/patches.c %D%/patches.h \
	%D%/patches_size.c \
	%D%/positions.c \
	%D%/prompt.c %D%/prompt.h \
	%D%/resize.c %D%/resize.h \
	%D%/sampling.c %D%/sampling.h
