# SPDX-License-Identifier: Apache-2.0
libtenon_la_SOURCES += \
	%D%/calls.c \
	%D%/cpu.h \
	%D%/device.c \
	%D%/kernels.h \
	%D%/lower.c \
	%D%/panels.c %D%/panels.h \
	%D%/peak.c \
	%D%/profile.c \
	%D%/select.c \
	%D%/weights.c

# The kernel sources, once per instruction set.
cpu_kernel_sources = \
	%D%/kernels/attention.c \
	%D%/kernels/cache.c \
	%D%/kernels/decode.c \
	%D%/kernels/int8.c \
	%D%/kernels/linear.c \
	%D%/kernels/peak.c \
	%D%/kernels/recurrent.c \
	%D%/kernels/rows.c \
	%D%/kernels/set.c %D%/kernels/set.h \
	%D%/kernels/vec.h

noinst_LTLIBRARIES += libcpu_generic.la
libcpu_generic_la_SOURCES = $(cpu_kernel_sources)
libcpu_generic_la_CPPFLAGS = $(AM_CPPFLAGS) -DTN_CPU_SET=generic
libtenon_la_LIBADD += libcpu_generic.la

if CPU_AVX2
noinst_LTLIBRARIES += libcpu_avx2.la
libcpu_avx2_la_SOURCES = $(cpu_kernel_sources)
libcpu_avx2_la_CPPFLAGS = $(AM_CPPFLAGS) -DTN_CPU_SET=avx2
libcpu_avx2_la_CFLAGS = $(AM_CFLAGS) $(TN_CPU_AVX2_CFLAGS)
libtenon_la_LIBADD += libcpu_avx2.la
endif

if CPU_AVX512
noinst_LTLIBRARIES += libcpu_avx512.la
libcpu_avx512_la_SOURCES = $(cpu_kernel_sources)
libcpu_avx512_la_CPPFLAGS = $(AM_CPPFLAGS) -DTN_CPU_SET=avx512
libcpu_avx512_la_CFLAGS = $(AM_CFLAGS) $(TN_CPU_AVX512_CFLAGS)
libtenon_la_LIBADD += libcpu_avx512.la

noinst_LTLIBRARIES += libcpu_avx512vnni.la
libcpu_avx512vnni_la_SOURCES = $(cpu_kernel_sources)
libcpu_avx512vnni_la_CPPFLAGS = $(AM_CPPFLAGS) -DTN_CPU_SET=avx512vnni
libcpu_avx512vnni_la_CFLAGS = $(AM_CFLAGS) $(TN_CPU_AVX512_CFLAGS) -mavx512vnni
libtenon_la_LIBADD += libcpu_avx512vnni.la
endif
