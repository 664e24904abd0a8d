# SPDX-License-Identifier: Apache-2.0

# TN_DEPENDENCIES
# The libraries the runtime needs, and those that are optional. A missing one is named with its Debian package.
AC_DEFUN([TN_DEPENDENCIES], [
  PKG_CHECK_MODULES([JANSSON], [jansson >= 2.13], [], [AC_MSG_ERROR([jansson is needed (Debian: libjansson-dev)])])
  PKG_CHECK_MODULES([PCRE2], [libpcre2-8 >= 10.36], [], [AC_MSG_ERROR([PCRE2 is needed (Debian: libpcre2-dev)])])
  PKG_CHECK_MODULES([UTF8PROC], [libutf8proc >= 2.5], [],
    [AC_MSG_ERROR([utf8proc is needed (Debian: libutf8proc-dev)])])
  PKG_CHECK_MODULES([CONFUSE], [libconfuse >= 3.0], [],
    [AC_MSG_ERROR([libconfuse is needed (Debian: libconfuse-dev)])])
  PKG_CHECK_MODULES([MICROHTTPD], [libmicrohttpd >= 0.9.70], [],
    [AC_MSG_ERROR([libmicrohttpd is needed (Debian: libmicrohttpd-dev)])])
  PKG_CHECK_MODULES([CURL], [libcurl >= 7.85], [], [AC_MSG_ERROR([libcurl is needed (Debian: libcurl4-gnutls-dev)])])
  PKG_CHECK_MODULES([SODIUM], [libsodium >= 1.0.16], [], [AC_MSG_ERROR([libsodium is needed (Debian: libsodium-dev)])])
  AC_CHECK_HEADER([ltdl.h], [], [AC_MSG_ERROR([libltdl is needed (Debian: libltdl-dev)])])
  saved=$LIBS
  AC_SEARCH_LIBS([lt_dlinit], [ltdl], [LTDL_LIBS="$ac_cv_search_lt_dlinit"],
    [AC_MSG_ERROR([libltdl is needed (Debian: libltdl-dev)])])
  AC_SEARCH_LIBS([dlopen], [dl], [AS_IF([test "$ac_cv_search_dlopen" != 'none required'],
    [LTDL_LIBS="$LTDL_LIBS $ac_cv_search_dlopen"])])
  LIBS=$saved
  AC_SUBST([LTDL_LIBS])

  saved=$LIBS
  AC_SEARCH_LIBS([pthread_create], [pthread])
  AC_SEARCH_LIBS([expf], [m])
  BASE_LIBS="$LIBS"
  LIBS=$saved
  AC_SUBST([BASE_LIBS])

  AC_ARG_WITH([editline], [AS_HELP_STRING([--without-editline], [no line editing in tenon chat])],
    [], [with_editline=auto])
  tn_have_editline=no
  AS_IF([test "$with_editline" != no], [
    PKG_CHECK_MODULES([LIBEDIT], [libedit], [tn_have_editline=yes], [
      AS_IF([test "$with_editline" = yes], [AC_MSG_ERROR([libedit was asked for (Debian: libedit-dev)])])])])
  AS_IF([test $tn_have_editline = yes], [AC_DEFINE([HAVE_LIBEDIT], [1], [libedit is there])])

  tn_have_cmocka=no
  PKG_CHECK_MODULES([CMOCKA], [cmocka >= 1.1.5], [tn_have_cmocka=yes], [:])
  AM_CONDITIONAL([HAVE_CMOCKA], [test $tn_have_cmocka = yes])
  tn_have_python=no
  AS_IF([test "$PYTHON" != :], [tn_have_python=yes])
  AM_CONDITIONAL([HAVE_PYTHON], [test $tn_have_python = yes])
])
