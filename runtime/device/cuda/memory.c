/* SPDX-License-Identifier: Apache-2.0 */
/* Buffers and copies. */
#include <stdlib.h>
#include <string.h>

#include "device/cuda/cuda_internal.h"

int tn_cuda_buffer_new(tn_gpu *base, uint64_t bytes, tn_gpu_buffer **ret, tn_error *err) {
    tn_cuda_gpu *g = (tn_cuda_gpu *)base;
    int rc = tn_cuda_enter(g, err);
    if (rc) return rc;
    tn_gpu_buffer *b = calloc(1, sizeof *b);
    if (!b) return tn_fail(err, TN_ENOMEM, "out of memory");
    b->bytes = bytes;
    rc = tn_cuda_check(g, g->cu.mem_alloc(&b->address, bytes), err, "a buffer of %llu MiB",
                       (unsigned long long)(bytes >> 20));
    if (rc)
        free(b);
    else
        *ret = b;
    return rc;
}

int tn_cuda_buffer_wrap(tn_gpu *base, const void *ptr, uint64_t bytes, tn_gpu_buffer **ret, tn_error *err) {
    (void)base, (void)ptr, (void)bytes, (void)ret;
    return tn_fail(err, TN_ENOTSUP, "cuda: the GPU has memory of its own");
}

void tn_cuda_buffer_free(tn_gpu *base, tn_gpu_buffer *b) {
    tn_cuda_gpu *g = (tn_cuda_gpu *)base;
    if (b && tn_cuda_enter(g, NULL) == 0)
        tn_cuda_check(g, g->cu.mem_free(b->address), NULL, "freeing a buffer");
    free(b);
}

static int check_range(const tn_gpu_buffer *b, uint64_t offset, uint64_t n, tn_error *err) {
    if (offset <= b->bytes && n <= b->bytes - offset) return 0;
    return tn_fail(err, TN_EDEVICE, "cuda: a copy of %llu bytes at %llu of a buffer of %llu",
                   (unsigned long long)n, (unsigned long long)offset, (unsigned long long)b->bytes);
}

/* Until every copy is done. */
static int wait_copies(tn_cuda_gpu *g, tn_error *err) {
    g->n_stage = 0;
    return tn_cuda_check(g, g->cu.stream_wait(g->copies_stream), err, "copying");
}

/* Through pinned memory, so that the caller need not wait. */
static int write_small(tn_cuda_gpu *g, tn_cu_address to, const void *src, uint32_t n, tn_error *err) {
    int rc = g->n_stage + n > TN_CUDA_STAGE ? wait_copies(g, err) : 0;
    if (rc) return rc;
    uint8_t *piece = memcpy(g->stage + g->n_stage, src, n);
    g->n_stage += (n + 63) / 64 * 64;
    return tn_cuda_check(g, g->cu.copy_to(to, piece, n, g->copies_stream), err, "writing %u bytes",
                         (unsigned)n);
}

int tn_cuda_write(tn_gpu *base, tn_gpu_buffer *b, uint64_t offset, const void *src, uint64_t n,
                  tn_error *err) {
    tn_cuda_gpu *g = (tn_cuda_gpu *)base;
    int rc = check_range(b, offset, n, err);
    if (!rc) rc = tn_cuda_enter(g, err);
    if (rc || n == 0) return rc;
    g->copies_pending = true;
    if (n <= TN_CUDA_SMALL) return write_small(g, b->address + offset, src, (uint32_t)n, err);
    rc = tn_cuda_check(g, g->cu.copy_to(b->address + offset, src, n, g->copies_stream), err,
                       "writing %llu bytes", (unsigned long long)n);
    return rc ? rc : wait_copies(g, err);
}

int tn_cuda_read(tn_gpu *base, tn_gpu_buffer *b, uint64_t offset, void *dst, uint64_t n, tn_error *err) {
    tn_cuda_gpu *g = (tn_cuda_gpu *)base;
    int rc = check_range(b, offset, n, err);
    if (!rc) rc = tn_cuda_enter(g, err);
    if (rc || n == 0) return rc;
    rc = tn_cuda_check(g, g->cu.copy_from(dst, b->address + offset, n, g->copies_stream), err,
                       "reading %llu bytes", (unsigned long long)n);
    return rc ? rc : wait_copies(g, err);
}
