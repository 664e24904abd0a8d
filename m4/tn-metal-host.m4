# SPDX-License-Identifier: Apache-2.0

# TN_METAL_HOST
# The Metal device needs an Objective-C compiler that is a clang. On macOS it becomes a part of the program; elsewhere the
# tests run it over a stand-in, for which gcc's Objective-C runtime is needed. Where something is missing,
# tn_metal_host says what.
AC_DEFUN([TN_METAL_HOST], [
  tn_have_metal=no
  TN_OBJCFLAGS=
  METAL_LIBS=
  OBJC_LIBS=
  AC_LANG_PUSH([Objective C])
  saved_flags=$OBJCFLAGS; saved_libs=$LIBS
  AS_CASE([$host_os],
  [darwin*], [
    METAL_LIBS='-framework Metal -framework Foundation -framework CoreGraphics'
    LIBS="$LIBS $METAL_LIBS"
    AC_CACHE_CHECK([whether $OBJC has Metal], [tn_cv_metal], [
      AC_LINK_IFELSE([AC_LANG_PROGRAM([[#import <Metal/Metal.h>]],
        [[@autoreleasepool { [MTLCreateSystemDefaultDevice() release]; }]])],
        [tn_cv_metal=yes], [tn_cv_metal=no])])
    tn_have_metal=$tn_cv_metal
    tn_metal_host='no: this is macOS, where the stand-in is not needed'
  ], [
    TN_OBJCFLAGS='-fobjc-runtime=gcc -fconstant-string-class=NSConstantString'
    OBJC_LIBS=-lobjc
    OBJCFLAGS="$OBJCFLAGS $TN_OBJCFLAGS"; LIBS="$LIBS $OBJC_LIBS"
    AC_CACHE_CHECK([whether $OBJC compiles Objective-C for gcc's runtime], [tn_cv_objc_gcc], [
      AC_LINK_IFELSE([AC_LANG_PROGRAM([[
        __attribute__((objc_root_class)) @interface NSAutoreleasePool { Class c; } + (id)new; - (void)drain; @end
        @implementation NSAutoreleasePool + (id)new { return (id)0; } - (void)drain {} @end]],
        [[@autoreleasepool { [[NSAutoreleasePool new] drain]; }]])],
        [tn_cv_objc_gcc=yes], [tn_cv_objc_gcc=no])])
    AS_IF([test "$tn_cv_objc_gcc" = yes], [tn_metal_host=yes],
      [tn_metal_host="no: clang with gcc's Objective-C runtime is needed (Debian: clang, libobjc-NN-dev)"])
    AS_IF([test "$tn_metal_sim" != yes], [tn_metal_host=$tn_metal_sim])
  ])
  OBJCFLAGS=$saved_flags; LIBS=$saved_libs
  AC_LANG_POP([Objective C])

  TN_OBJCFLAGS="$TN_OBJCFLAGS -std=c11 -Wall -Wextra -Wshadow -Wno-unused-parameter -Werror=objc-method-access \
-fno-objc-arc -fvisibility=hidden -ffp-contract=off"
  AS_IF([test "x$enable_werror" = xyes], [TN_OBJCFLAGS="$TN_OBJCFLAGS -Werror"])
  AS_IF([test -n "$enable_sanitize" && test "x$enable_sanitize" != xno],
    [TN_OBJCFLAGS="$TN_OBJCFLAGS -fsanitize=$enable_sanitize -fno-omit-frame-pointer -fno-sanitize-recover=all"])
  AS_IF([test $tn_have_metal = yes], [AC_DEFINE([HAVE_METAL], [1], [the Metal device is built])
    BASE_LIBS="$BASE_LIBS $METAL_LIBS"])
  AM_CONDITIONAL([HAVE_METAL], [test $tn_have_metal = yes])
  AM_CONDITIONAL([METAL_HOST], [test "$tn_metal_host" = yes])
  AC_SUBST([TN_OBJCFLAGS])
  AC_SUBST([OBJC_LIBS])
  AC_SUBST([TN_METAL_HOST_ANSWER], [$tn_metal_host])
])
