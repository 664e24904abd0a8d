# SPDX-License-Identifier: Apache-2.0
# Whole models: against recorded references, and against themselves in other company. All have the preopened modules, where
# there are such.
unit_tests += tests/golden/residents tests/golden/runner tests/golden/starter tests/golden/engine tests/golden/sharing \
	tests/golden/equalities tests/golden/golden tests/golden/seeing
tests_golden_golden_SOURCES = %D%/golden.c %D%/fixture.c %D%/fixture.h
tests_golden_golden_CPPFLAGS = $(test_cppflags)
tests_golden_golden_LDADD = $(test_ldadd)
tests_golden_golden_LDFLAGS = $(AM_LDFLAGS) $(preopen_flags)
EXTRA_tests_golden_golden_DEPENDENCIES = $(preopen_modules)
tests_golden_equalities_SOURCES = %D%/equalities.c %D%/fixture.c %D%/fixture.h
tests_golden_equalities_CPPFLAGS = $(test_cppflags)
tests_golden_equalities_LDADD = $(test_ldadd)
tests_golden_equalities_LDFLAGS = $(AM_LDFLAGS) $(preopen_flags)
EXTRA_tests_golden_equalities_DEPENDENCIES = $(preopen_modules)
tests_golden_engine_SOURCES = %D%/engine.c %D%/fixture.c %D%/fixture.h
tests_golden_engine_CPPFLAGS = $(test_cppflags)
tests_golden_engine_LDADD = $(test_ldadd)
tests_golden_engine_LDFLAGS = $(AM_LDFLAGS) $(preopen_flags)
EXTRA_tests_golden_engine_DEPENDENCIES = $(preopen_modules)
tests_golden_starter_SOURCES = %D%/starter.c %D%/fixture.c %D%/fixture.h
tests_golden_starter_CPPFLAGS = $(test_cppflags)
tests_golden_starter_LDADD = $(test_ldadd)
tests_golden_starter_LDFLAGS = $(AM_LDFLAGS) $(preopen_flags)
EXTRA_tests_golden_starter_DEPENDENCIES = $(preopen_modules)
tests_golden_runner_SOURCES = %D%/runner.c %D%/fixture.c %D%/fixture.h
tests_golden_runner_CPPFLAGS = $(test_cppflags)
tests_golden_runner_LDADD = $(test_ldadd)
tests_golden_runner_LDFLAGS = $(AM_LDFLAGS) $(preopen_flags)
EXTRA_tests_golden_runner_DEPENDENCIES = $(preopen_modules)
tests_golden_sharing_SOURCES = %D%/sharing.c %D%/company.c %D%/company.h %D%/fixture.c %D%/fixture.h
tests_golden_sharing_CPPFLAGS = $(test_cppflags)
tests_golden_sharing_LDADD = $(test_ldadd)
tests_golden_sharing_LDFLAGS = $(AM_LDFLAGS) $(preopen_flags)
EXTRA_tests_golden_sharing_DEPENDENCIES = $(preopen_modules)
tests_golden_residents_SOURCES = %D%/residents.c %D%/fixture.c %D%/fixture.h
tests_golden_residents_CPPFLAGS = $(test_cppflags)
tests_golden_residents_LDADD = $(test_ldadd)
tests_golden_residents_LDFLAGS = $(AM_LDFLAGS) $(preopen_flags)
EXTRA_tests_golden_residents_DEPENDENCIES = $(preopen_modules)
tests_golden_seeing_SOURCES = %D%/seeing.c %D%/fixture.c %D%/fixture.h tests/unit/png.c tests/unit/png.h
tests_golden_seeing_CPPFLAGS = $(test_cppflags)
tests_golden_seeing_LDADD = $(test_ldadd)
tests_golden_seeing_LDFLAGS = $(AM_LDFLAGS) $(preopen_flags)
EXTRA_tests_golden_seeing_DEPENDENCIES = $(preopen_modules)
