# SPDX-License-Identifier: Apache-2.0
libtenon_la_SOURCES += \
	%D%/cache.c %D%/cache.h \
	%D%/discover.c %D%/discover.h \
	%D%/entry.c %D%/entry.h \
	%D%/facts.c %D%/facts.h \
	%D%/host.c %D%/host.h \
	%D%/image.c %D%/image.h \
	%D%/list.c %D%/list.h \
	%D%/loader.c %D%/loader.h \
	%D%/option_table.c %D%/option_table.h \
	%D%/registry.c %D%/registry.h \
	%D%/scan.c %D%/scan.h
libtenon_la_CPPFLAGS += -DTN_MODULE_DIR='"$(moduledir)"'
