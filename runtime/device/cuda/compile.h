/* SPDX-License-Identifier: Apache-2.0 */
/* From a kernel's text to what the driver loads. */
#ifndef TN_DEVICE_CUDA_COMPILE_H
#define TN_DEVICE_CUDA_COMPILE_H

#include <stdbool.h>

#include "device/cuda/libraries.h"
#include "device/cuda/texts.h"

/* What to compile for. */
typedef struct tn_cuda_target {
    int arch;     /* 90: sm_90 */
    bool is_ptx;  /* NVRTC does not know the GPU: code for an older one, which the driver compiles on */
    bool verbose; /* the image gets what the compiler says about registers; the cache is not asked */
} tn_cuda_target;

/* A cubin, or PTX with its NUL. */
typedef struct tn_cuda_image {
    char *data; /* owned */
    size_t size;
    char *log; /* owned; NULL unless the target is verbose */
} tn_cuda_image;

/* The best that this NVRTC makes for a GPU of this architecture. TN_ENOTSUP when it makes nothing for it. */
int tn_cuda_target_find(const tn_cuda_nvrtc *n, int gpu_arch, tn_cuda_target *ret, tn_error *err);

/* Kernel e with its function constants, from the cache or compiled (and then put there). constants: those
 * that e needs, in ascending order. TN_EDEVICE: it does not compile, with the compiler's words; TN_ENOMEM. */
int tn_cuda_compile(const tn_cuda_nvrtc *n, const tn_cuda_target *target, const tn_cuda_entry *e,
                    const tn_gpu_constant *constants, uint32_t n_constant, tn_cuda_image *ret, tn_error *err);

#endif
