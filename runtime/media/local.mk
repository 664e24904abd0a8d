# SPDX-License-Identifier: Apache-2.0
libtenon_la_SOURCES += \
	%D%/address.c %D%/address.h \
	%D%/base64.c %D%/base64.h \
	%D%/child.c %D%/child.h \
	%D%/decoder.c %D%/decoder.h \
	%D%/fetch.c %D%/fetch.h \
	%D%/fetch_url.c %D%/fetch_url.h \
	%D%/hash.c %D%/hash.h \
	%D%/helper.c %D%/helper.h \
	%D%/intake.c %D%/intake.h \
	%D%/limits.h \
	%D%/local_file.c %D%/local_file.h \
	%D%/media.h \
	%D%/mel.c \
	%D%/patches.c %D%/patches.h \
	%D%/patches_size.c \
	%D%/positions.c \
	%D%/prompt.c %D%/prompt.h \
	%D%/protocol.c %D%/protocol.h \
	%D%/resize.c %D%/resize.h \
	%D%/sampling.c %D%/sampling.h \
	%D%/sound.c %D%/sound.h \
	%D%/source.c %D%/source.h \
	%D%/store.c %D%/store.h
libtenon_la_CPPFLAGS += $(SODIUM_CFLAGS) $(CURL_CFLAGS) $(SOXR_CFLAGS)
libtenon_la_LIBADD += $(SODIUM_LIBS) $(CURL_LIBS) $(SOXR_LIBS)
