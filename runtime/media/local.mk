# SPDX-License-Identifier: Apache-2.0
libtenon_la_SOURCES += \
	%D%/address.c %D%/address.h \
	%D%/base64.c %D%/base64.h \
	%D%/fetch.c %D%/fetch.h \
	%D%/fetch_url.c %D%/fetch_url.h \
	%D%/limits.h \
	%D%/local_file.c %D%/local_file.h \
	%D%/media.h \
	%D%/source.c %D%/source.h
libtenon_la_CPPFLAGS += $(CURL_CFLAGS)
libtenon_la_LIBADD += $(CURL_LIBS)
