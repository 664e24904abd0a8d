# SPDX-License-Identifier: Apache-2.0
# The kernels of metal/ on NVIDIA's GPUs. texts.c is made by Python and goes into tarballs, so that building from one needs
# none; where neither is there, the device is left out (m4/tn-cuda.m4).
cuda_texts = %D%/texts.c
cuda_stdlib = %D%/metal_stdlib.cuh
EXTRA_DIST += $(cuda_stdlib)

if CUDA_DEVICE
libtenon_la_SOURCES += \
	%D%/cache.c %D%/cache.h \
	%D%/compile.c %D%/compile.h \
	%D%/cuda.h %D%/cuda_internal.h \
	%D%/device.c \
	%D%/gpu.c \
	%D%/hash.c %D%/hash.h \
	%D%/libraries.c %D%/libraries.h \
	%D%/memory.c \
	%D%/modules.c \
	%D%/queue.c \
	%D%/texts.c %D%/texts.h
endif

if HAVE_PYTHON
MAINTAINERCLEANFILES = $(cuda_texts)
$(cuda_texts): $(metal_kernels) $(metal_headers) $(cuda_stdlib) $(mslx_sources) tools/mslx/cuda.py
	$(AM_V_GEN)$(MKDIR_P) $(@D) && PYTHONDONTWRITEBYTECODE=1 $(PYTHON) $(top_srcdir)/tools/mslx/cuda.py \
	  --root $(top_srcdir) --library $(cuda_stdlib) -o $@-t $(metal_kernels) && mv $@-t $@
endif
