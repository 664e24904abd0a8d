/* SPDX-License-Identifier: Apache-2.0 */
/* Batches. */
#include "device/cuda/cuda_internal.h"

/* What is dispatched from here on comes after the copies given so far. */
static int order_copies(tn_cuda_gpu *g, tn_error *err) {
    if (!g->copies_pending) return 0;
    int rc =
        tn_cuda_check(g, g->cu.event_record(g->copied, g->copies_stream), err, "marking the end of copies");
    if (!rc)
        rc = tn_cuda_check(g, g->cu.stream_wait_event(g->kernels_stream, g->copied, 0), err,
                           "waiting for copies");
    g->copies_pending = rc != 0;
    return rc;
}

int tn_cuda_begin(tn_gpu *base, tn_error *err) {
    tn_cuda_gpu *g = (tn_cuda_gpu *)base;
    int rc = tn_cuda_enter(g, err);
    g->batch_error = (tn_error){0};
    return rc ? rc : order_copies(g, err);
}

/* An argument that the kernel does not take is an error: the kernel would read something else. */
static int check_arg(const tn_gpu_kernel *k, uint32_t i, const tn_gpu_arg *a, tn_error *err) {
    const uint32_t size = k->entry->size[i];
    if (size == 0 && !a->buffer)
        return tn_fail(err, TN_EDEVICE, "kernel %s: argument %u is a buffer", k->entry->name, (unsigned)i);
    if (size == 0 && (a->offset % 4 != 0 || a->offset >= a->buffer->bytes))
        return tn_fail(err, TN_EDEVICE, "kernel %s: argument %u begins at %llu of a buffer of %llu bytes",
                       k->entry->name, (unsigned)i, (unsigned long long)a->offset,
                       (unsigned long long)a->buffer->bytes);
    if (size != 0 && (a->buffer || a->n_bytes != size))
        return tn_fail(err, TN_EDEVICE, "kernel %s: argument %u is of %u bytes and was given %u",
                       k->entry->name, (unsigned)i, (unsigned)size, a->buffer ? 0 : (unsigned)a->n_bytes);
    return 0;
}

static int check_launch(const tn_gpu_kernel *k, uint32_t n_arg, const uint32_t groups[3], uint32_t n_thread,
                        tn_error *err) {
    if (n_arg != k->entry->n_param)
        return tn_fail(err, TN_EDEVICE, "kernel %s takes %u arguments and was given %u", k->entry->name,
                       (unsigned)k->entry->n_param, (unsigned)n_arg);
    if (n_thread < 1 || n_thread > (uint32_t)k->max_thread || n_thread % TN_SIMD_WIDTH != 0)
        return tn_fail(err, TN_EDEVICE, "kernel %s: %u threads; a multiple of %d, at most %d", k->entry->name,
                       (unsigned)n_thread, (int)TN_SIMD_WIDTH, k->max_thread);
    if (groups[0] > INT32_MAX || groups[1] > UINT16_MAX || groups[2] > UINT16_MAX)
        return tn_fail(err, TN_EDEVICE, "kernel %s: a grid of %u x %u x %u; at most %d x %d x %d",
                       k->entry->name, (unsigned)groups[0], (unsigned)groups[1], (unsigned)groups[2],
                       INT32_MAX, UINT16_MAX, UINT16_MAX);
    return 0;
}

/* The driver copies the arguments before it returns. */
void tn_cuda_dispatch(tn_gpu *base, tn_gpu_kernel *k, const tn_gpu_arg *args, uint32_t n_arg,
                      const uint32_t groups[3], uint32_t n_thread) {
    tn_cuda_gpu *g = (tn_cuda_gpu *)base;
    tn_error *err = &g->batch_error;
    tn_cu_address addresses[TN_GPU_MAX_ARGS];
    void *params[TN_GPU_MAX_ARGS];
    if (err->code || check_launch(k, n_arg, groups, n_thread, err) != 0) return;
    for (uint32_t i = 0; i < n_arg; i++) {
        if (check_arg(k, i, &args[i], err) != 0) return;
        if (args[i].buffer) {
            addresses[i] = args[i].buffer->address + args[i].offset;
            params[i] = &addresses[i];
        } else {
            params[i] = (void *)args[i].bytes;
        }
    }
    if (groups[0] == 0 || groups[1] == 0 || groups[2] == 0 || order_copies(g, err) != 0) return;
    tn_cuda_check(g,
                  g->cu.launch(k->function, groups[0], groups[1], groups[2], n_thread, 1, 1, 0,
                               g->kernels_stream, params, NULL),
                  err, "launching kernel %s", k->entry->name);
}

void tn_cuda_barrier(tn_gpu *base) {
    (void)base; /* a stream runs one kernel after the other */
}

int tn_cuda_submit(tn_gpu *base, uint64_t *ret_ticket, tn_error *err) {
    tn_cuda_gpu *g = (tn_cuda_gpu *)base;
    const uint64_t ticket = g->n_submitted + 1;
    if (g->batch_error.code) return tn_fail(err, g->batch_error.code, "%s", g->batch_error.text);
    int rc = tn_cuda_enter(g, err);
    if (!rc)
        rc = tn_cuda_check(g, g->cu.event_record(g->events[ticket % TN_CUDA_EVENTS], g->kernels_stream), err,
                           "marking the end of a batch");
    if (rc) return rc;
    g->n_submitted = *ret_ticket = ticket;
    return 0;
}

/* The event of a ticket that is TN_CUDA_EVENTS old is that of a later batch, which ends after it. */
int tn_cuda_wait(tn_gpu *base, uint64_t ticket, tn_error *err) {
    tn_cuda_gpu *g = (tn_cuda_gpu *)base;
    int rc = tn_cuda_enter(g, err);
    if (rc) return rc;
    if (ticket < 1 || ticket > g->n_submitted)
        return tn_fail(err, TN_EDEVICE, "cuda: batch %llu of %llu is waited for", (unsigned long long)ticket,
                       (unsigned long long)g->n_submitted);
    return tn_cuda_check(g, g->cu.event_wait(g->events[ticket % TN_CUDA_EVENTS]), err, "running batch %llu",
                         (unsigned long long)ticket);
}
