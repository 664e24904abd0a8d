# SPDX-License-Identifier: Apache-2.0
libtenon_la_SOURCES += \
	%D%/api.h \
	%D%/breakers.c %D%/breakers.h \
	%D%/defaults.c %D%/defaults.h \
	%D%/dispatch.c %D%/dispatch.h \
	%D%/exchange.c %D%/exchange.h \
	%D%/prometheus.c %D%/prometheus.h \
	%D%/models.c %D%/models.h \
	%D%/residency.c %D%/residency.h \
	%D%/seeing.c %D%/seeing.h \
	%D%/served.c %D%/served.h \
	%D%/server.c %D%/server.h \
	%D%/status.c %D%/status.h \
	%D%/stop.h \
	%D%/vectors.c %D%/vectors.h \
	%D%/warm.c %D%/warm.h \
	%D%/watch.c %D%/watch.h
libtenon_la_CPPFLAGS += $(MICROHTTPD_CFLAGS)
libtenon_la_LIBADD += $(MICROHTTPD_LIBS)

include %D%/api.mk
