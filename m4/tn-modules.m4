# SPDX-License-Identifier: Apache-2.0

# TN_MODULE_FLAGS
# How a shared module is linked: complete at link time, functions bound when it is opened, so that an incomplete module
# is refused there and not at its first use. Makefile.am has the part that libtool understands.
AC_DEFUN([TN_MODULE_FLAGS], [
  TN_MODULE_LDFLAGS=
  for flag in -Wl,-z,defs -Wl,-z,now; do
    # A sanitizer's runtime is in the program, so -z defs cannot hold there.
    AS_IF([test "$flag" = -Wl,-z,defs && test -n "$TN_SANITIZE_LDFLAGS"], [continue])
    AS_VAR_PUSHDEF([var], [tn_cv_ldflag_$flag])
    AC_CACHE_CHECK([whether the linker accepts $flag], [var], [
      saved=$LDFLAGS; LDFLAGS="$LDFLAGS $flag"
      AC_LINK_IFELSE([AC_LANG_PROGRAM([], [])], [AS_VAR_SET([var], [yes])], [AS_VAR_SET([var], [no])])
      LDFLAGS=$saved])
    AS_VAR_IF([var], [yes], [TN_MODULE_LDFLAGS="$TN_MODULE_LDFLAGS $flag"])
    AS_VAR_POPDEF([var])
  done
  AC_SUBST([TN_MODULE_LDFLAGS])

  # The ABI's number is written in the header only.
  TN_ABI_VERSION=`$SED -n 's/^#define TN_ABI_MAJOR //p' "$srcdir/abi/tenon/module.h"`
  TN_ABI_VERSION=$TN_ABI_VERSION.`$SED -n 's/^#define TN_ABI_MINOR //p' "$srcdir/abi/tenon/module.h"`
  AC_SUBST([TN_ABI_VERSION])
])
