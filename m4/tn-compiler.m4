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

# TN_CPU_SET(NAME, FLAGS, HEADER, BODY)
# The kernel set NAME is built where the compiler takes BODY with FLAGS, unless --with-cpu-sets leaves it out. The
# conditional CPU_NAME and TN_CPU_NAME in config.h say so.
AC_DEFUN([TN_CPU_SET], [
  AS_VAR_PUSHDEF([var], [tn_cv_cpu_$1])
  AC_CACHE_CHECK([whether $CC can build the kernel set $1], [var], [
    saved=$CFLAGS; CFLAGS="$CFLAGS $2"
    AC_COMPILE_IFELSE([AC_LANG_PROGRAM([[#include <$3>]], [[$4]])],
      [AS_VAR_SET([var], [yes])], [AS_VAR_SET([var], [no])])
    CFLAGS=$saved])
  AS_VAR_COPY([tn_set], [var])
  AS_CASE([" $with_cpu_sets "], [*" all "*|*" $1 "*], [], [tn_set=no])
  AS_IF([test $tn_set = yes], [tn_cpu_sets="$tn_cpu_sets $1"
    AC_DEFINE([TN_CPU_]m4_toupper([$1]), [1], [the kernel set $1 is built])])
  AM_CONDITIONAL([CPU_]m4_toupper([$1]), [test "x$tn_set" = xyes])
  AS_VAR_POPDEF([var])
])

# TN_CPU_KERNEL_SETS
# One kernel source is compiled once per instruction set; the program picks at start by what the processor has. The
# headers tell processors apart: one that is not for this kind does not compile.
AC_DEFUN([TN_CPU_KERNEL_SETS], [
  AC_ARG_WITH([cpu-sets],
    [AS_HELP_STRING([--with-cpu-sets=LIST], [kernels of the device cpu besides the basic ones, for example "avx2 avx512"; default: all that the compiler can build])],
    [], [with_cpu_sets=all])
  AS_CASE([$host_cpu], [aarch64*|arm64*], [tn_cpu_sets=neon], [tn_cpu_sets=generic])
  TN_CPU_AVX2_CFLAGS='-mavx2 -mfma -mf16c'
  TN_CPU_AVX2VNNI_CFLAGS="$TN_CPU_AVX2_CFLAGS -mavxvnni"
  TN_CPU_AVX512_CFLAGS="$TN_CPU_AVX2_CFLAGS -mavx512f -mavx512bw -mavx512dq -mavx512vl"
  TN_CPU_AMX_CFLAGS="$TN_CPU_AVX512_CFLAGS -mavx512vnni -mavx512bf16 -mamx-tile -mamx-int8 -mamx-bf16"
  TN_CPU_DOTPROD_CFLAGS='-march=armv8.2-a+dotprod'
  TN_CPU_I8MM_CFLAGS='-march=armv8.2-a+dotprod+i8mm'
  TN_CPU_SET([avx2], [$TN_CPU_AVX2_CFLAGS], [immintrin.h],
    [__m256 a = _mm256_set1_ps(1); a = _mm256_fmadd_ps(a, a, a); (void)a;])
  TN_CPU_SET([avx2vnni], [$TN_CPU_AVX2VNNI_CFLAGS], [immintrin.h],
    [__m256i a = _mm256_set1_epi32(1); a = _mm256_dpbusd_avx_epi32(a, a, a); (void)a;])
  TN_CPU_SET([avx512], [$TN_CPU_AVX512_CFLAGS], [immintrin.h],
    [__m512 a = _mm512_set1_ps(1); a = _mm512_fmadd_ps(a, a, a); (void)a;])
  TN_CPU_SET([amx], [$TN_CPU_AMX_CFLAGS], [immintrin.h], [
#ifndef __linux__
#error "asked for as Linux wants it"
#endif
    _tile_zero(0); _tile_dpbf16ps(0, 1, 2);])
  TN_CPU_SET([dotprod], [$TN_CPU_DOTPROD_CFLAGS], [arm_neon.h],
    [int8x16_t a = vdupq_n_s8(1); int32x4_t b = vdotq_laneq_s32(vdupq_n_s32(0), a, a, 1); (void)b;])
  TN_CPU_SET([i8mm], [$TN_CPU_I8MM_CFLAGS], [arm_neon.h],
    [int8x16_t a = vdupq_n_s8(1); int32x4_t b = vmmlaq_s32(vdupq_n_s32(0), a, a); (void)b;])
  AC_SUBST([TN_CPU_AVX2_CFLAGS])
  AC_SUBST([TN_CPU_AVX2VNNI_CFLAGS])
  AC_SUBST([TN_CPU_AVX512_CFLAGS])
  AC_SUBST([TN_CPU_AMX_CFLAGS])
  AC_SUBST([TN_CPU_DOTPROD_CFLAGS])
  AC_SUBST([TN_CPU_I8MM_CFLAGS])
])
