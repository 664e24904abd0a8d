# SPDX-License-Identifier: Apache-2.0

# TN_MODALITIES
# The libraries of the modality modules, which alone are linked with them. Each module can be left out; one that was not
# is wanted.
AC_DEFUN([TN_MODALITIES], [
  AC_ARG_WITH([vision], [AS_HELP_STRING([--without-vision], [no images])], [], [with_vision=yes])
  AC_ARG_WITH([video], [AS_HELP_STRING([--without-video], [no videos])], [], [with_video=yes])
  AC_ARG_WITH([audio], [AS_HELP_STRING([--without-audio], [no recordings])], [], [with_audio=yes])
  tn_have_vision=no
  tn_have_audio=no
  tn_have_video=no
  AS_IF([test "$with_vision" != no], [
    PKG_CHECK_MODULES([VISION], [libjpeg libpng >= 1.6.32 libwebp libwebpdemux], [], [AC_MSG_ERROR([
      images need these (Debian: libjpeg-dev) (Debian: libpng-dev) (Debian: libwebp-dev), or --without-vision])])
    saved_CPPFLAGS=$CPPFLAGS
    saved_LIBS=$LIBS
    CPPFLAGS="$CPPFLAGS $VISION_CFLAGS"
    AC_CHECK_HEADER([gif_lib.h], [], [AC_MSG_ERROR([
      images need giflib (Debian: libgif-dev), or --without-vision])])
    AC_CHECK_LIB([gif], [DGifExtensionToGCB], [VISION_LIBS="$VISION_LIBS -lgif"], [AC_MSG_ERROR([
      images need giflib 5 (Debian: libgif-dev), or --without-vision])])
    CPPFLAGS=$saved_CPPFLAGS
    LIBS=$saved_LIBS
    tn_have_vision=yes])
  AS_IF([test "$with_video" != no], [
    PKG_CHECK_MODULES([VIDEO], [libavformat >= 59 libavcodec >= 59 libswscale >= 6 libavutil >= 57], [], [AC_MSG_ERROR([
      videos need these (Debian: libavformat-dev) (Debian: libavcodec-dev) (Debian: libswscale-dev), or --without-video])])
    tn_have_video=yes])
  AS_IF([test "$with_audio" != no], [
    PKG_CHECK_MODULES([AUDIO], [sndfile >= 1.0.28], [], [AC_MSG_ERROR([
      recordings need this (Debian: libsndfile1-dev), or --without-audio])])
    PKG_CHECK_MODULES([SOXR], [soxr], [], [AC_MSG_ERROR([
      recordings need this (Debian: libsoxr-dev), or --without-audio])])
    AC_DEFINE([HAVE_SOXR], [1], [recordings are resampled with libsoxr])
    tn_have_audio=yes])
  AM_CONDITIONAL([HAVE_AUDIO], [test $tn_have_audio = yes])
  AS_IF([test $tn_have_vision = yes], [AC_DEFINE([HAVE_VISION], [1], [the module vision is built])])
  AS_IF([test $tn_have_video = yes], [AC_DEFINE([HAVE_VIDEO], [1], [the module video is built])])
  AM_CONDITIONAL([HAVE_VISION], [test $tn_have_vision = yes])
  AM_CONDITIONAL([HAVE_VIDEO], [test $tn_have_video = yes])
])
