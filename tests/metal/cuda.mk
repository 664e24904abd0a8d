# SPDX-License-Identifier: Apache-2.0
# The CUDA device without a GPU: kernels compiled where NVIDIA's compiler is.
if CUDA_DEVICE
unit_tests += tests/metal/cuda_compile
endif

tests_metal_cuda_compile_SOURCES = %D%/cuda_compile.c tests/unit/unit.h
tests_metal_cuda_compile_CPPFLAGS = $(test_cppflags) -I$(top_srcdir)
tests_metal_cuda_compile_LDADD = $(test_ldadd) $(BASE_LIBS)
