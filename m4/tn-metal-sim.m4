# SPDX-License-Identifier: Apache-2.0

# TN_METAL_SIM
# What tests/metal needs: a C++17 compiler that has _Float16, Python for the translator, cmocka. Nothing that is built to
# be installed needs any of it. Where something is missing, tn_metal_sim says what, and the tests are skipped with that.
AC_DEFUN([TN_METAL_SIM], [
  tn_metal_sim=yes
  AC_LANG_PUSH([C++])
  TN_CXXFLAGS=
  for flag in -std=c++17 -Wall -Wextra -Wshadow -Wno-unused-parameter -fvisibility=hidden -ffp-contract=off \
              -fno-math-errno -fexcess-precision=16 -fno-strict-aliasing -ftrivial-auto-var-init=pattern \
              -Werror=vla; do
    AS_VAR_PUSHDEF([var], [tn_cv_cxxflag_$flag])
    AC_CACHE_CHECK([whether $CXX accepts $flag], [var], [
      saved=$CXXFLAGS; CXXFLAGS="-Werror $flag"
      AC_COMPILE_IFELSE([AC_LANG_PROGRAM([], [])], [AS_VAR_SET([var], [yes])], [AS_VAR_SET([var], [no])])
      CXXFLAGS=$saved])
    AS_VAR_IF([var], [yes], [TN_CXXFLAGS="$TN_CXXFLAGS $flag"])
    AS_VAR_POPDEF([var])
  done
  AC_CACHE_CHECK([whether $CXX has C++17 and _Float16], [tn_cv_cxx_float16], [
    saved=$CXXFLAGS; CXXFLAGS="$CXXFLAGS $TN_CXXFLAGS"
    AC_LINK_IFELSE([AC_LANG_PROGRAM([[template <class T> constexpr bool small = sizeof(T) == 2;]],
      [[static_assert(small<_Float16>, "size"); volatile _Float16 h = (_Float16)1.5f;
        if constexpr (small<_Float16>) return (float)(h + h) != 3.0f;]])],
      [tn_cv_cxx_float16=yes], [tn_cv_cxx_float16=no])
    CXXFLAGS=$saved])
  AC_LANG_POP([C++])
  AS_IF([test "$tn_cv_cxx_float16" = no],
    [tn_metal_sim="no: $CXX is no C++17 compiler with _Float16 (g++ 12 and clang++ 16 have it)"])
  AS_IF([test "$tn_have_python" = no], [tn_metal_sim="no: Python 3 is needed to translate the kernels"])
  AS_IF([test "$tn_have_cmocka" = no], [tn_metal_sim="no: cmocka is needed"])
  AS_IF([test "x$enable_werror" = xyes], [TN_CXXFLAGS="$TN_CXXFLAGS -Werror"])
  AS_IF([test -n "$enable_sanitize" && test "x$enable_sanitize" != xno],
    [TN_CXXFLAGS="$TN_CXXFLAGS -fsanitize=$enable_sanitize -fno-omit-frame-pointer -fno-sanitize-recover=all"])
  dnl Checks of single operations in kernels; tests/metal/sim/checks.cpp is their run-time library, unless a sanitizer is.
  TN_KERNEL_CXXFLAGS=
  AS_IF([test -z "$enable_sanitize" || test "x$enable_sanitize" = xno], [
    flag=-fsanitize=alignment,bounds,shift,integer-divide-by-zero,float-cast-overflow,signed-integer-overflow
    AC_LANG_PUSH([C++])
    AC_CACHE_CHECK([whether $CXX accepts $flag], [tn_cv_cxx_kernel_checks], [
      saved=$CXXFLAGS; CXXFLAGS="-Werror $flag"
      AC_COMPILE_IFELSE([AC_LANG_PROGRAM([], [])], [tn_cv_cxx_kernel_checks=yes], [tn_cv_cxx_kernel_checks=no])
      CXXFLAGS=$saved])
    AC_LANG_POP([C++])
    AS_IF([test "$tn_cv_cxx_kernel_checks" = yes], [TN_KERNEL_CXXFLAGS=$flag])])
  AS_IF([test -z "$TN_KERNEL_CXXFLAGS"], [TN_CXXFLAGS="$TN_CXXFLAGS -DSIM_OTHER_CHECKS"])
  AC_SUBST([TN_KERNEL_CXXFLAGS])
  AM_CONDITIONAL([METAL_SIM], [test "$tn_metal_sim" = yes])
  AC_SUBST([TN_CXXFLAGS])
  AC_SUBST([TN_METAL_SIM_ANSWER], [$tn_metal_sim])
])
