# SPDX-License-Identifier: Apache-2.0
unit_tests += tests/unit/jinja tests/unit/jinja_vectors
tests_unit_jinja_SOURCES = %D%/jinja.c %D%/unit.h
tests_unit_jinja_CPPFLAGS = $(test_cppflags)
tests_unit_jinja_LDADD = $(test_ldadd) -lpthread
tests_unit_jinja_vectors_SOURCES = %D%/jinja_vectors.c %D%/unit.h
tests_unit_jinja_vectors_CPPFLAGS = $(test_cppflags)
tests_unit_jinja_vectors_LDADD = $(test_ldadd)
EXTRA_DIST += tests/text/jinja_cases.json
