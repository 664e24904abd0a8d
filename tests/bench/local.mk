# SPDX-License-Identifier: Apache-2.0
# Measuring, not testing: built when asked for (make tests/bench/cpu_bench tests/bench/sampler_bench).
EXTRA_PROGRAMS += tests/bench/cpu_bench tests/bench/sampler_bench
tests_bench_cpu_bench_SOURCES = %D%/cpu_bench.c tests/unit/cpu_model.c tests/unit/cpu_model.h
tests_bench_cpu_bench_CPPFLAGS = $(test_cppflags)
tests_bench_cpu_bench_LDADD = libtenon.la -lm
tests_bench_sampler_bench_SOURCES = %D%/sampler_bench.c
tests_bench_sampler_bench_CPPFLAGS = $(test_cppflags)
tests_bench_sampler_bench_LDADD = libtenon.la -lm
EXTRA_DIST += %D%/make_vl.py
