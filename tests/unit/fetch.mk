# SPDX-License-Identifier: Apache-2.0
# Where media come from.
unit_tests += tests/unit/fetch tests/unit/fetch_url
tests_unit_fetch_SOURCES = %D%/fetch.c %D%/files.h %D%/unit.h
tests_unit_fetch_CPPFLAGS = $(test_cppflags)
tests_unit_fetch_LDADD = $(test_ldadd)
tests_unit_fetch_url_SOURCES = %D%/fetch_url.c %D%/web.c %D%/web.h %D%/unit.h
tests_unit_fetch_url_CPPFLAGS = $(test_cppflags)
tests_unit_fetch_url_LDADD = $(test_ldadd)
