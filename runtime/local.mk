# SPDX-License-Identifier: Apache-2.0
# The runtime is one convenience library, linked into the program and into the tests. Each part lists its own sources.
noinst_LTLIBRARIES += libtenon.la
libtenon_la_SOURCES =
libtenon_la_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir) $(PCRE2_CFLAGS) $(UTF8PROC_CFLAGS)
libtenon_la_LIBADD = $(JANSSON_LIBS) $(PCRE2_LIBS) $(UTF8PROC_LIBS) $(LTDL_LIBS) $(BASE_LIBS)

include runtime/base/local.mk
include runtime/modules/local.mk
include runtime/text/local.mk
include runtime/weights/local.mk
include runtime/program/local.mk
include runtime/device/local.mk
include runtime/cache/local.mk
include runtime/media/local.mk
include runtime/sched/local.mk
include runtime/config/local.mk
include runtime/convert/local.mk
include runtime/serve/local.mk
include runtime/cli/local.mk
