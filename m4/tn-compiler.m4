# SPDX-License-Identifier: Apache-2.0

# TN_COMPILER_FLAGS
# C11, warnings that the compiler has (never -Werror unless --enable-werror), hidden visibility, no contraction of
# a*b+c unless the source says fma: the bits of a result must not depend on what the optimiser fancied.
AC_DEFUN([TN_COMPILER_FLAGS], [
  AC_LANG_PUSH([C])
  TN_CFLAGS=
  for flag in -std=c11 -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith \
              -Wformat=2 -Wvla -Wno-unused-parameter -fvisibility=hidden -ffp-contract=off -fno-math-errno; do
    AS_VAR_PUSHDEF([var], [tn_cv_cflag_$flag])
    AC_CACHE_CHECK([whether $CC accepts $flag], [var], [
      saved=$CFLAGS; CFLAGS="-Werror $flag"
      AC_COMPILE_IFELSE([AC_LANG_PROGRAM([], [])], [AS_VAR_SET([var], [yes])], [AS_VAR_SET([var], [no])])
      CFLAGS=$saved])
    AS_VAR_IF([var], [yes], [TN_CFLAGS="$TN_CFLAGS $flag"])
    AS_VAR_POPDEF([var])
  done
  AC_ARG_ENABLE([werror], [AS_HELP_STRING([--enable-werror], [make warnings errors (for developers)])])
  AS_IF([test "x$enable_werror" = xyes], [TN_CFLAGS="$TN_CFLAGS -Werror"])
  AC_ARG_ENABLE([sanitize],
    [AS_HELP_STRING([--enable-sanitize=LIST], [build with sanitizers, for example address,undefined or thread])])
  AS_IF([test -n "$enable_sanitize" && test "x$enable_sanitize" != xno], [
    TN_CFLAGS="$TN_CFLAGS -fsanitize=$enable_sanitize -fno-omit-frame-pointer -fno-sanitize-recover=all"
    TN_SANITIZE_LDFLAGS="-fsanitize=$enable_sanitize"])
  AC_SUBST([TN_CFLAGS])
  AC_SUBST([TN_SANITIZE_LDFLAGS])
  AC_LANG_POP([C])
])

# TN_CPU_KERNEL_SETS
# One kernel source is compiled once per instruction set; the program picks at start by what the processor has.
AC_DEFUN([TN_CPU_KERNEL_SETS], [
  tn_cpu_sets=generic
  TN_CPU_AVX2_CFLAGS='-mavx2 -mfma -mf16c'
  TN_CPU_AVX512_CFLAGS='-mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx2 -mfma -mf16c'
  TN_CPU_AMX_CFLAGS='-mavx512vnni -mavx512bf16 -mamx-tile -mamx-int8 -mamx-bf16'
  tn_avx2=no; tn_avx512=no; tn_amx=no
  AS_CASE([$host_cpu], [x86_64|amd64], [
    saved=$CFLAGS
    CFLAGS="$CFLAGS $TN_CPU_AVX2_CFLAGS"
    AC_COMPILE_IFELSE([AC_LANG_PROGRAM([[#include <immintrin.h>]],
      [[__m256 a = _mm256_set1_ps(1); a = _mm256_fmadd_ps(a, a, a); (void)a;]])], [tn_avx2=yes])
    CFLAGS="$saved $TN_CPU_AVX512_CFLAGS"
    AC_COMPILE_IFELSE([AC_LANG_PROGRAM([[#include <immintrin.h>]],
      [[__m512 a = _mm512_set1_ps(1); a = _mm512_fmadd_ps(a, a, a); (void)a;]])], [tn_avx512=yes])
    AS_CASE([$host_os], [linux*], [
      CFLAGS="$saved $TN_CPU_AVX512_CFLAGS $TN_CPU_AMX_CFLAGS"
      AC_COMPILE_IFELSE([AC_LANG_PROGRAM([[#include <immintrin.h>]],
        [[_tile_zero(0); _tile_dpbssd(0, 1, 2); _tile_dpbf16ps(0, 1, 2);]])], [tn_amx=$tn_avx512])])
    CFLAGS=$saved])
  AS_IF([test $tn_avx2 = yes], [tn_cpu_sets="$tn_cpu_sets avx2"
    AC_DEFINE([TN_CPU_AVX2], [1], [the AVX2 kernel set is built])])
  AS_IF([test $tn_avx512 = yes], [tn_cpu_sets="$tn_cpu_sets avx512"
    AC_DEFINE([TN_CPU_AVX512], [1], [the AVX-512 kernel set is built])])
  AS_IF([test $tn_amx = yes], [tn_cpu_sets="$tn_cpu_sets amx"
    AC_DEFINE([TN_CPU_AMX], [1], [the AMX kernel set is built])])
  AM_CONDITIONAL([CPU_AVX2], [test $tn_avx2 = yes])
  AM_CONDITIONAL([CPU_AVX512], [test $tn_avx512 = yes])
  AM_CONDITIONAL([CPU_AMX], [test $tn_amx = yes])
  AC_SUBST([TN_CPU_AMX_CFLAGS])
  AC_SUBST([TN_CPU_AVX2_CFLAGS])
  AC_SUBST([TN_CPU_AVX512_CFLAGS])
])
