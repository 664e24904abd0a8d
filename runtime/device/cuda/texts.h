/* SPDX-License-Identifier: Apache-2.0 */
/* metal/kernels as CUDA C++, made by tools/mslx/cuda.py when the program is built. */
#ifndef TN_DEVICE_CUDA_TEXTS_H
#define TN_DEVICE_CUDA_TEXTS_H

#include "device/gpu/gpu.h"

typedef struct tn_cuda_text {
    const char *name; /* as #include and messages call it: "metal/kernels/norm.metal" */
    const char *text;
} tn_cuda_text;

/* A kernel: there in its file's text where the macro TN_KERNEL_name is defined. */
typedef struct tn_cuda_entry {
    const char *name;
    const tn_cuda_text *file;
    uint64_t constants; /* bit i: it needs function constant i */
    uint32_t n_param;
    uint32_t size[TN_GPU_MAX_ARGS]; /* of parameter i in bytes; 0: a pointer */
} tn_cuda_entry;

/* Each ends with an entry without a name. */
extern const tn_cuda_text tn_cuda_headers[], tn_cuda_files[];
extern const tn_cuda_entry tn_cuda_entries[];

#endif
