# SPDX-License-Identifier: Apache-2.0
libtenon_la_SOURCES += \
	%D%/assign.c %D%/assign.h \
	%D%/check.c %D%/check.h \
	%D%/finish.c \
	%D%/keys.c \
	%D%/listen.c %D%/listen.h \
	%D%/load.c \
	%D%/reader.c %D%/reader.h \
	%D%/settings.c %D%/settings.h \
	%D%/show.c %D%/show.h \
	%D%/table.c %D%/table.h \
	%D%/text.c %D%/text.h \
	%D%/unknown.c %D%/unknown.h \
	%D%/value.c %D%/value.h
libtenon_la_CPPFLAGS += $(CONFUSE_CFLAGS) -DTN_CONFIG_DIR='"$(sysconfdir)/tenon"'
libtenon_la_LIBADD += $(CONFUSE_LIBS)
