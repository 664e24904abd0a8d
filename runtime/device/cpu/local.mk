# SPDX-License-Identifier: Apache-2.0
libtenon_la_SOURCES += \
	%D%/calls.c \
	%D%/cpu.h \
	%D%/cut.c \
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
	%D%/kernels/direct.h \
	%D%/kernels/direct_affine.c \
	%D%/kernels/direct_blocks.c \
	%D%/kernels/direct_super.c \
	%D%/kernels/formats.h \
	%D%/kernels/int8.c \
	%D%/kernels/linear.c \
	%D%/kernels/matrix.c \
	%D%/kernels/peak.c \
	%D%/kernels/recurrent.c \
	%D%/kernels/rows.c \
	%D%/kernels/set.c %D%/kernels/set.h \
	%D%/kernels/tiles.c %D%/kernels/tiles.h %D%/kernels/tiles_neon.h \
	%D%/kernels/vec.h

# What every processor of this kind has: generic, or neon on arm64.
noinst_LTLIBRARIES += libcpu_base.la
libcpu_base_la_SOURCES = $(cpu_kernel_sources)
libcpu_base_la_CPPFLAGS = $(AM_CPPFLAGS)
libtenon_la_LIBADD += libcpu_base.la

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

if CPU_AMX
noinst_LTLIBRARIES += libcpu_amx.la
libcpu_amx_la_SOURCES = $(cpu_kernel_sources)
libcpu_amx_la_CPPFLAGS = $(AM_CPPFLAGS) -DTN_CPU_SET=amx
libcpu_amx_la_CFLAGS = $(AM_CFLAGS) $(TN_CPU_AMX_CFLAGS)
libtenon_la_LIBADD += libcpu_amx.la
endif

if CPU_AVX2VNNI
noinst_LTLIBRARIES += libcpu_avx2vnni.la
libcpu_avx2vnni_la_SOURCES = $(cpu_kernel_sources)
libcpu_avx2vnni_la_CPPFLAGS = $(AM_CPPFLAGS) -DTN_CPU_SET=avx2vnni
libcpu_avx2vnni_la_CFLAGS = $(AM_CFLAGS) $(TN_CPU_AVX2VNNI_CFLAGS)
libtenon_la_LIBADD += libcpu_avx2vnni.la
endif

if CPU_DOTPROD
noinst_LTLIBRARIES += libcpu_dotprod.la
libcpu_dotprod_la_SOURCES = $(cpu_kernel_sources)
libcpu_dotprod_la_CPPFLAGS = $(AM_CPPFLAGS) -DTN_CPU_SET=dotprod
libcpu_dotprod_la_CFLAGS = $(AM_CFLAGS) $(TN_CPU_DOTPROD_CFLAGS)
libtenon_la_LIBADD += libcpu_dotprod.la
endif

if CPU_I8MM
noinst_LTLIBRARIES += libcpu_i8mm.la
libcpu_i8mm_la_SOURCES = $(cpu_kernel_sources)
libcpu_i8mm_la_CPPFLAGS = $(AM_CPPFLAGS) -DTN_CPU_SET=i8mm
libcpu_i8mm_la_CFLAGS = $(AM_CFLAGS) $(TN_CPU_I8MM_CFLAGS)
libtenon_la_LIBADD += libcpu_i8mm.la
endif
