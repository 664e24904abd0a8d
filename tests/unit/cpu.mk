# SPDX-License-Identifier: Apache-2.0
unit_tests += tests/unit/team tests/unit/cpu_kernels tests/unit/cpu_device tests/unit/cpu_cut \
	tests/unit/cpu_peak tests/unit/kv_types
tests_unit_team_SOURCES = %D%/team.c %D%/unit.h
tests_unit_team_CPPFLAGS = $(test_cppflags)
tests_unit_team_LDADD = $(test_ldadd)
tests_unit_cpu_kernels_SOURCES = %D%/cpu_kernels.c %D%/cpu_model.c %D%/cpu_model.h %D%/unit.h
tests_unit_cpu_kernels_CPPFLAGS = $(test_cppflags)
tests_unit_cpu_kernels_LDADD = $(test_ldadd) -lm
tests_unit_cpu_device_SOURCES = %D%/cpu_device.c %D%/cpu_model.c %D%/cpu_model.h %D%/unit.h
tests_unit_cpu_device_CPPFLAGS = $(test_cppflags)
tests_unit_cpu_device_LDADD = $(test_ldadd) -lm
tests_unit_cpu_cut_SOURCES = %D%/cpu_cut.c %D%/cpu_model.c %D%/cpu_model.h %D%/unit.h
tests_unit_cpu_cut_CPPFLAGS = $(test_cppflags)
tests_unit_cpu_cut_LDADD = $(test_ldadd) -lm
tests_unit_cpu_peak_SOURCES = %D%/cpu_peak.c %D%/cpu_model.c %D%/cpu_model.h %D%/unit.h
tests_unit_cpu_peak_CPPFLAGS = $(test_cppflags)
tests_unit_cpu_peak_LDADD = $(test_ldadd) -lm
tests_unit_kv_types_SOURCES = %D%/kv_types.c %D%/cpu_model.c %D%/cpu_model.h %D%/unit.h
tests_unit_kv_types_CPPFLAGS = $(test_cppflags)
tests_unit_kv_types_LDADD = $(test_ldadd) -lm

unit_tests += tests/unit/recurrent
tests_unit_recurrent_SOURCES = %D%/recurrent.c %D%/toy.c %D%/toy.h %D%/cpu_model.c %D%/cpu_model.h %D%/files.h \
	%D%/model_files.h %D%/unit.h
tests_unit_recurrent_CPPFLAGS = $(test_cppflags)
tests_unit_recurrent_LDADD = $(test_ldadd) -lm
