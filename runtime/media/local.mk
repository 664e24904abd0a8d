# SPDX-License-Identifier: Apache-2.0
libtenon_la_SOURCES += \
	%D%/child.c %D%/child.h \
	%D%/decoder.c %D%/decoder.h \
	%D%/hash.c %D%/hash.h \
	%D%/helper.c %D%/helper.h \
	%D%/intake.c %D%/intake.h \
	%D%/media.h \
	%D%/patches.c %D%/patches.h \
	%D%/patches_size.c \
	%D%/positions.c \
	%D%/prompt.c %D%/prompt.h \
	%D%/protocol.c %D%/protocol.h \
	%D%/resize.c %D%/resize.h \
	%D%/sampling.c %D%/sampling.h \
	%D%/store.c %D%/store.h
libtenon_la_CPPFLAGS += $(SODIUM_CFLAGS)
libtenon_la_LIBADD += $(SODIUM_LIBS)
