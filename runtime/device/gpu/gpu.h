/* SPDX-License-Identifier: Apache-2.0 */
/* What a GPU offers: memory behind handles, kernels of metal/kernels by name, an in-order queue. Metal, CUDA
 * and the simulator of the tests each implement it; everything that knows about models stands above it
 * (exec.h).
 *
 * Work goes to the GPU in batches: begin, dispatches with barriers between those that depend on each other,
 * submit. Between two barriers dispatches may run in any order and at once. Batches run one after the other,
 * and see each other's writes.
 *
 * One thread at a time. Functions that can fail return 0 or TN_ENOMEM, TN_ENOTSUP, TN_EDEVICE. */
#ifndef TN_DEVICE_GPU_GPU_H
#define TN_DEVICE_GPU_GPU_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <tenon/status.h>

#include "base/status.h"
#include "metal/args.h"

typedef struct tn_gpu tn_gpu;
typedef struct tn_gpu_buffer tn_gpu_buffer;
typedef struct tn_gpu_kernel tn_gpu_kernel;

enum { TN_GPU_MAX_ARGS = 31, TN_GPU_MAX_CONSTANTS = 16, TN_GPU_MAX_BYTES = 4096 };

/* A function constant: `constant uint NAME [[function_constant(index)]]`, enum tn_metal_constant. All of a
 * kernel's must be given. */
typedef struct tn_gpu_constant {
    uint32_t index, value;
} tn_gpu_constant;

/* Argument i of a dispatch is [[buffer(i)]]: a part of a buffer (`device T *`), or bytes (`constant T &`). */
typedef struct tn_gpu_arg {
    tn_gpu_buffer *buffer; /* NULL: bytes */
    uint64_t offset;       /* into buffer, as aligned as the kernel's element type, at least to 4 */
    const void *bytes;     /* [n_bytes], at most TN_GPU_MAX_BYTES, copied by dispatch */
    uint32_t n_bytes;
} tn_gpu_arg;

typedef struct tn_gpu_info {
    char name[96];        /* "Apple M2 Max", "NVIDIA H200" */
    uint64_t working_set; /* bytes that may be in use at once; 0: unknown */
    uint64_t max_buffer;  /* bytes of one buffer; 0: unknown */
    uint32_t wrap_align;  /* address and length of what buffer_wrap takes; 0: it takes nothing */
} tn_gpu_info;

typedef struct tn_gpu_api {
    const char *name;    /* "metal" */
    const char *summary; /* one line for humans */
    /* TN_ENOTSUP where this machine has none; says what is missing. */
    int (*open)(tn_gpu **ret, tn_error *err);
    void (*close)(tn_gpu *g); /* waits for what runs */
    const tn_gpu_info *(*info)(const tn_gpu *g);

    /* bytes >= 1, contents undefined. TN_ENOMEM. */
    int (*buffer_new)(tn_gpu *g, uint64_t bytes, tn_gpu_buffer **ret, tn_error *err);
    /* A buffer that is the host's memory, read only; ptr and bytes are multiples of info's wrap_align. The
     * memory outlives the buffer. */
    int (*buffer_wrap)(tn_gpu *g, const void *ptr, uint64_t bytes, tn_gpu_buffer **ret, tn_error *err);
    /* Nothing submitted uses it any more. b may be NULL. */
    void (*buffer_free)(tn_gpu *g, tn_gpu_buffer *b);
    /* Host to buffer and back; nothing submitted and unfinished touches those bytes. */
    int (*write)(tn_gpu *g, tn_gpu_buffer *b, uint64_t offset, const void *src, uint64_t n, tn_error *err);
    int (*read)(tn_gpu *g, tn_gpu_buffer *b, uint64_t offset, void *dst, uint64_t n, tn_error *err);

    /* Kernel `name` with its constants, compiled if need be; owned by g, the same for the same arguments.
     * TN_EDEVICE (not there, does not compile: with the compiler's words). */
    int (*kernel)(tn_gpu *g, const char *name, const tn_gpu_constant *constants, uint32_t n_constant,
                  tn_gpu_kernel **ret, tn_error *err);

    int (*begin)(tn_gpu *g, tn_error *err);
    /* groups[0] * groups[1] * groups[2] threadgroups of n_thread threads in x; no group is no work. Errors
     * are submit's or wait's. */
    void (*dispatch)(tn_gpu *g, tn_gpu_kernel *kernel, const tn_gpu_arg *args, uint32_t n_arg,
                     const uint32_t groups[3], uint32_t n_thread);
    /* Dispatches after it see what those before it wrote. */
    void (*barrier)(tn_gpu *g);
    /* Hands the batch over; *ret_ticket counts up from 1. */
    int (*submit)(tn_gpu *g, uint64_t *ret_ticket, tn_error *err);
    /* Until the batch is done. TN_EDEVICE: it, or one before it, failed. */
    int (*wait)(tn_gpu *g, uint64_t ticket, tn_error *err);
} tn_gpu_api;

struct tn_gpu {
    const tn_gpu_api *api; /* first in each implementation's struct */
};

/* Threadgroups for n of something, unit in each. */
static inline uint32_t tn_ceil_div(uint32_t n, uint32_t unit) {
    return n / unit + (n % unit != 0);
}

#endif
