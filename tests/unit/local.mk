# SPDX-License-Identifier: Apache-2.0
unit_tests += tests/unit/buf
tests_unit_buf_SOURCES = %D%/buf.c %D%/unit.h
tests_unit_buf_CPPFLAGS = $(test_cppflags)
tests_unit_buf_LDADD = $(test_ldadd)

unit_tests += tests/unit/kv
tests_unit_kv_SOURCES = %D%/kv.c %D%/unit.h
tests_unit_kv_CPPFLAGS = $(test_cppflags)
tests_unit_kv_LDADD = $(test_ldadd)

cli_test_ldadd = libtenoncli.la $(test_ldadd)
unit_tests += tests/unit/cli_ids tests/unit/cli_npy tests/unit/cli_options
tests_unit_cli_ids_SOURCES = %D%/cli_ids.c %D%/unit.h
tests_unit_cli_ids_CPPFLAGS = $(test_cppflags)
tests_unit_cli_ids_LDADD = $(cli_test_ldadd)
tests_unit_cli_options_SOURCES = %D%/cli_options.c %D%/unit.h
tests_unit_cli_options_CPPFLAGS = $(test_cppflags)
tests_unit_cli_options_LDADD = $(cli_test_ldadd)
tests_unit_cli_npy_SOURCES = %D%/cli_npy.c %D%/unit.h
tests_unit_cli_npy_CPPFLAGS = $(test_cppflags)
tests_unit_cli_npy_LDADD = $(cli_test_ldadd)

include tests/unit/weights.mk
include tests/unit/tokenizer.mk
include tests/unit/cpu.mk
include tests/unit/jinja.mk
include tests/unit/media.mk
include tests/unit/fetch.mk
unit_tests += tests/unit/sampler
tests_unit_sampler_SOURCES = %D%/sampler.c %D%/plain_sampling.c %D%/plain_sampling.h %D%/unit.h
tests_unit_sampler_CPPFLAGS = $(test_cppflags)
tests_unit_sampler_LDADD = $(test_ldadd) -lm
unit_tests += tests/unit/repeat
tests_unit_repeat_SOURCES = %D%/repeat.c %D%/unit.h
tests_unit_repeat_CPPFLAGS = $(test_cppflags)
tests_unit_repeat_LDADD = $(test_ldadd)
unit_tests += tests/unit/config
tests_unit_config_SOURCES = %D%/config.c %D%/files.h %D%/unit.h
tests_unit_config_CPPFLAGS = $(test_cppflags)
tests_unit_config_LDADD = $(test_ldadd) -lm
# With engines of its own instead of the library's.
unit_tests += tests/unit/lanes
tests_unit_lanes_SOURCES = %D%/lanes.c %D%/unit.h runtime/sched/lanes.c runtime/sched/share.c
tests_unit_lanes_CPPFLAGS = $(test_cppflags)
tests_unit_lanes_LDADD = $(CMOCKA_LIBS)
# Loads a model, so it wants the preopened modules where there are such.
unit_tests += tests/unit/gpu
tests_unit_gpu_SOURCES = %D%/gpu.c %D%/fake_gpu.c %D%/fake_gpu.h %D%/unit.h
tests_unit_gpu_CPPFLAGS = $(test_cppflags) -I$(top_srcdir)
tests_unit_gpu_LDADD = $(test_ldadd)
tests_unit_gpu_LDFLAGS = $(AM_LDFLAGS) $(preopen_flags)
EXTRA_tests_unit_gpu_DEPENDENCIES = $(preopen_modules)
