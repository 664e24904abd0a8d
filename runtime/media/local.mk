# SPDX-License-Identifier: Apache-2.0
libtenon_la_SOURCES += \
	%D%/media.h \
	%D%/store.c %D%/store.h \
	%D%/patches.c %D%/patches.h \
	%D%/patches_size.c \
	%D%/resize.c %D%/resize.h \
	%D%/decoder.h \
	%D%/hash.c %D%/hash.h
libtenon_la_CPPFLAGS += $(SODIUM_CFLAGS)
libtenon_la_LIBADD += $(SODIUM_LIBS) \
	%D%/positions.c \
	%D%/prompt.c %D%/prompt.h \
	%D%/resize.c %D%/resize.h \
	%D%/sampling.c %D%/sampling.h
