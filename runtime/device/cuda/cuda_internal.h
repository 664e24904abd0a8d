/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of the CUDA GPU.
 *
 * Two streams: kernels run in one, in the order in which they are dispatched, so that a barrier is nothing;
 * copies in the other, so that what the next batch needs is on its way while a batch runs. A kernel comes
 * after the copies given before it; a read waits for nothing but copies, as its caller has waited for the
 * batch that wrote. */
#ifndef TN_DEVICE_CUDA_CUDA_INTERNAL_H
#define TN_DEVICE_CUDA_CUDA_INTERNAL_H

#include "device/cuda/compile.h"
#include "device/cuda/cuda.h"

enum {
    TN_CUDA_EVENTS = 16,       /* batches whose ends are told apart */
    TN_CUDA_STAGE = 1 << 20,   /* bytes of pinned memory that small writes go through */
    TN_CUDA_SMALL = 128 << 10, /* a write up to here is small */
};

struct tn_gpu_buffer {
    tn_cu_address address;
    uint64_t bytes;
};

struct tn_gpu_kernel {
    tn_gpu_kernel *next;
    const tn_cuda_entry *entry;
    tn_gpu_constant constants[TN_GPU_MAX_CONSTANTS]; /* those it needs, ascending */
    uint32_t n_constant;
    tn_cu_module module;
    tn_cu_function function;
    int max_thread; /* of a threadgroup */
};

typedef struct tn_cuda_gpu {
    tn_gpu base;
    tn_gpu_info info;
    tn_cuda_driver cu;
    tn_cuda_nvrtc nvrtc;
    tn_cuda_target target;
    tn_cu_device device;
    tn_cu_context context; /* NULL until retained */
    tn_cu_stream kernels_stream, copies_stream;
    tn_cu_event events[TN_CUDA_EVENTS]; /* [ticket % TN_CUDA_EVENTS]: the end of a batch */
    tn_cu_event copied;  /* the end of what was in copies_stream when a kernel last waited for it */
    uint8_t *stage;      /* [TN_CUDA_STAGE] pinned */
    uint32_t n_stage;    /* bytes of it that copies under way may read */
    bool copies_pending; /* copies were given since then */
    tn_gpu_kernel *kernels;
    uint64_t n_submitted;
    tn_error batch_error; /* of a dispatch of this batch; submit's */
    tn_error lost;        /* code 0, or why nothing works any more */
} tn_cuda_gpu;

/* 0 for a result of 0; else the error: `what` failed, with the driver's words. TN_ENOMEM or TN_EDEVICE. Some
 * failures end the GPU's use in this process: they say so, and g->lost keeps them. */
int tn_cuda_check(tn_cuda_gpu *g, tn_cu_result result, tn_error *err, const char *what, ...) TN_PRINTF(4, 5);
/* Before every use: the context is the thread's; TN_EDEVICE when it was lost. */
int tn_cuda_enter(tn_cuda_gpu *g, tn_error *err);

/* memory.c */
int tn_cuda_buffer_new(tn_gpu *base, uint64_t bytes, tn_gpu_buffer **ret, tn_error *err);
int tn_cuda_buffer_wrap(tn_gpu *base, const void *ptr, uint64_t bytes, tn_gpu_buffer **ret, tn_error *err);
void tn_cuda_buffer_free(tn_gpu *base, tn_gpu_buffer *b);
int tn_cuda_write(tn_gpu *base, tn_gpu_buffer *b, uint64_t offset, const void *src, uint64_t n,
                  tn_error *err);
int tn_cuda_read(tn_gpu *base, tn_gpu_buffer *b, uint64_t offset, void *dst, uint64_t n, tn_error *err);

/* modules.c */
int tn_cuda_kernel(tn_gpu *base, const char *name, const tn_gpu_constant *constants, uint32_t n_constant,
                   tn_gpu_kernel **ret, tn_error *err);
void tn_cuda_kernels_free(tn_cuda_gpu *g);

/* queue.c */
int tn_cuda_begin(tn_gpu *base, tn_error *err);
void tn_cuda_dispatch(tn_gpu *base, tn_gpu_kernel *kernel, const tn_gpu_arg *args, uint32_t n_arg,
                      const uint32_t groups[3], uint32_t n_thread);
void tn_cuda_barrier(tn_gpu *base);
int tn_cuda_submit(tn_gpu *base, uint64_t *ret_ticket, tn_error *err);
int tn_cuda_wait(tn_gpu *base, uint64_t ticket, tn_error *err);

#endif
