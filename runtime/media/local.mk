# SPDX-License-Identifier: Apache-2.0
libtenon_la_SOURCES += \
	%D%/child.c %D%/child.h \
	%D%/decoder.c %D%/decoder.h \
	%D%/hash.c %D%/hash.h \
	%D%/helper.c %D%/helper.h \
	%D%/media.h \
	%D%/protocol.c %D%/protocol.h
libtenon_la_CPPFLAGS += $(SODIUM_CFLAGS)
libtenon_la_LIBADD += $(SODIUM_LIBS)
