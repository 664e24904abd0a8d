# SPDX-License-Identifier: 0BSD OR Apache-2.0
# tenon.m4: for the configure.ac of a module of Tenon's that lives outside its tree. Stable: macros are added, never
# changed in meaning.
#
#     LT_INIT([dlopen disable-static])
#     TENON_MODULE
#     ...
#     tenonmodule_LTLIBRARIES = example.la
#     example_la_SOURCES = example.c
#     example_la_CPPFLAGS = $(TENON_CFLAGS) -DTN_MODULE_NAME=example
#     example_la_LDFLAGS = -module $(TENON_MODULE_LDFLAGS)

# TENON_MODULE([ACTION-IF-FOUND], [ACTION-IF-NOT-FOUND])
# ------------------------------------------------------
# Finds Tenon by pkg-config and sets, for makefiles too:
#   TENON_CFLAGS           where <tenon/module.h> is
#   TENON_MODULE_LDFLAGS   how to link it with libtool, after the word -module, which automake has to see:
#                          one exported symbol, complete, bound when opened
#   tenonmoduledir         where it is installed: Tenon's own folder, or $(libdir)/tenon/modules after
#                          ./configure --with-tenonmoduledir=own, which TENON_MODULE_PATH has to name then
#   TENON                  the program: `$(TENON) modules inspect ./.libs/example.so` in `make check`
#   TENON_ABI              the module ABI, "0.1"
# Without ACTION-IF-NOT-FOUND configure ends when there is no Tenon.
AC_DEFUN([TENON_MODULE], [
  AC_REQUIRE([PKG_PROG_PKG_CONFIG])
  PKG_CHECK_MODULES([TENON], [tenon], [
    TENON_ABI=`$PKG_CONFIG --variable=abi tenon`
    AC_ARG_VAR([TENON], [the tenon program])
    AS_IF([test -z "$TENON"], [TENON=`$PKG_CONFIG --variable=tenon tenon`])
    AC_ARG_WITH([tenonmoduledir],
      [AS_HELP_STRING([--with-tenonmoduledir=DIR], [install modules in DIR ("own": LIBDIR/tenon/modules)])],
      [], [with_tenonmoduledir=`$PKG_CONFIG --variable=moduledir tenon`])
    AS_IF([test "$with_tenonmoduledir" = own], [with_tenonmoduledir='$(libdir)/tenon/modules'])
    tenonmoduledir=$with_tenonmoduledir
    TENON_MODULE_LDFLAGS='-avoid-version -shared -export-symbols-regex tn_module_entry'
    for tenon_flag in -Wl,-z,defs -Wl,-z,now; do
      AC_MSG_CHECKING([whether the linker accepts $tenon_flag])
      tenon_saved=$LDFLAGS; LDFLAGS="$LDFLAGS $tenon_flag"
      AC_LINK_IFELSE([AC_LANG_PROGRAM([], [])], [
        TENON_MODULE_LDFLAGS="$TENON_MODULE_LDFLAGS $tenon_flag"
        AC_MSG_RESULT([yes])], [AC_MSG_RESULT([no])])
      LDFLAGS=$tenon_saved
    done
    AC_SUBST([TENON_ABI])
    AC_SUBST([TENON_MODULE_LDFLAGS])
    AC_SUBST([tenonmoduledir])
    $1], [m4_default([$2], [AC_MSG_ERROR([Tenon is needed; when it is not installed where pkg-config looks, set
PKG_CONFIG_PATH to PREFIX/lib/pkgconfig, or to BUILD/data of a build tree])])])
])
