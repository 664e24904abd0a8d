# SPDX-License-Identifier: Apache-2.0

# TN_CUDA
# Whether the device for NVIDIA's GPUs is part of the program. It needs nothing of NVIDIA's to be built; it needs its
# kernels' text, which Python makes from metal/kernels and which tarballs have. tn_cuda says yes, or why not.
AC_DEFUN([TN_CUDA], [
  AC_ARG_ENABLE([cuda], [AS_HELP_STRING([--disable-cuda], [no device for NVIDIA's GPUs])], [], [enable_cuda=auto])
  tn_cuda=yes
  AS_IF([test "$tn_have_python" = no && test ! -f "$srcdir/runtime/device/cuda/texts.c"],
    [tn_cuda="no: Python 3 is needed to translate the kernels"])
  AS_CASE([$host_os], [linux*], [], [tn_cuda="no: NVIDIA's driver is looked for on Linux alone"])
  AS_IF([test "$enable_cuda" = no], [tn_cuda="no: --disable-cuda"])
  AS_IF([test "$enable_cuda" = yes && test "$tn_cuda" != yes], [AC_MSG_ERROR([--enable-cuda: $tn_cuda])])
  AM_CONDITIONAL([CUDA_DEVICE], [test "$tn_cuda" = yes])
  AS_IF([test "$tn_cuda" = yes], [AC_DEFINE([TN_CUDA_DEVICE], [1], [the device for NVIDIA's GPUs is there])])
])
