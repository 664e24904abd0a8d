/* SPDX-License-Identifier: Apache-2.0 */
#include "device/gpu/check.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

const tn_gpu_check *const tn_gpu_checks[] = {tn_gpu_checks_linear, tn_gpu_checks_attention,
                                             tn_gpu_checks_recurrent, tn_gpu_checks_rows, NULL};

enum { MAX_BUFFERS = 64, MAX_HOST = 192 };

struct tn_gpu_launch {
    tn_gpu *gpu;
    uint64_t random;
    tn_gpu_buffer *buffers[MAX_BUFFERS];
    uint32_t n_buffer;
    void *host[MAX_HOST];
    uint32_t n_host;
    tn_gpu_arg args[TN_GPU_MAX_ARGS]; /* of the dispatch being put together */
    uint32_t n_arg;
    tn_gpu_constant constants[TN_GPU_MAX_CONSTANTS];
    uint32_t n_constant;
    uint64_t ticket; /* of the last dispatch */
    int rc;          /* the first failure: everything after it is left out */
    tn_error err;
};

/* Checks are small and have nobody to report to when the host itself is out of memory or a check is written
 * wrong. */
static void *must(void *p) {
    if (!p) abort();
    return p;
}

tn_gpu_launch *tn_gpu_launch_new(tn_gpu *g, uint32_t seed) {
    tn_gpu_launch *l = must(calloc(1, sizeof *l));
    l->gpu = g;
    l->random = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
    return l;
}

void tn_gpu_launch_end(tn_gpu_launch *l) {
    if (l->ticket) l->gpu->api->wait(l->gpu, l->ticket, &l->err);
    for (uint32_t i = 0; i < l->n_buffer; i++) l->gpu->api->buffer_free(l->gpu, l->buffers[i]);
    for (uint32_t i = 0; i < l->n_host; i++) free(l->host[i]);
    free(l);
}

/* ---- data ---- */

/* xorshift64* (Vigna 2016); the upper half. */
static uint32_t next_random(tn_gpu_launch *l) {
    l->random ^= l->random >> 12;
    l->random ^= l->random << 25;
    l->random ^= l->random >> 27;
    return (uint32_t)((l->random * UINT64_C(0x2545f4914f6cdd1d)) >> 32);
}

float tn_gpu_launch_random(tn_gpu_launch *l) {
    return (float)(next_random(l) >> 8) * 0x1p-23f - 1.0f;
}

uint32_t tn_gpu_launch_below(tn_gpu_launch *l, uint32_t n) {
    return (uint32_t)(((uint64_t)next_random(l) * n) >> 32);
}

void *tn_gpu_launch_host(tn_gpu_launch *l, size_t bytes) {
    if (l->n_host == MAX_HOST) abort();
    return l->host[l->n_host++] = must(calloc(bytes ? bytes : 1, 1));
}

float *tn_gpu_launch_floats(tn_gpu_launch *l, size_t n) {
    float *p = tn_gpu_launch_host(l, n * sizeof *p);
    for (size_t i = 0; i < n; i++) p[i] = tn_gpu_launch_random(l);
    return p;
}

double *tn_gpu_launch_expected(tn_gpu_launch *l, size_t n) {
    return tn_gpu_launch_host(l, n * sizeof(double));
}

/* ---- arguments ---- */

static void keep(tn_gpu_launch *l, int rc) {
    if (!l->rc) l->rc = rc;
}

static tn_gpu_arg *next_arg(tn_gpu_launch *l) {
    if (l->n_arg == TN_GPU_MAX_ARGS) abort();
    return &l->args[l->n_arg++];
}

void tn_gpu_launch_use(tn_gpu_launch *l, uint32_t nth, size_t offset) {
    if (nth >= l->n_buffer) abort();
    *next_arg(l) = (tn_gpu_arg){.buffer = l->buffers[nth], .offset = offset};
}

uint32_t tn_gpu_launch_buffer(tn_gpu_launch *l, const void *data, size_t bytes) {
    tn_gpu *g = l->gpu;
    const uint32_t nth = l->n_buffer;
    if (nth == MAX_BUFFERS) abort();
    if (bytes == 0) bytes = 1;
    void *nan = data ? NULL : must(malloc(bytes));
    if (nan) memset(nan, 0xff, bytes);
    if (!l->rc) keep(l, g->api->buffer_new(g, bytes, &l->buffers[nth], &l->err));
    if (!l->rc) keep(l, g->api->write(g, l->buffers[nth], 0, data ? data : nan, bytes, &l->err));
    free(nan);
    l->n_buffer++;
    tn_gpu_launch_use(l, nth, 0);
    return nth;
}

void tn_gpu_launch_bytes(tn_gpu_launch *l, const void *bytes, size_t n) {
    void *copy = memcpy(tn_gpu_launch_host(l, n), bytes, n);
    *next_arg(l) = (tn_gpu_arg){.bytes = copy, .n_bytes = (uint32_t)n};
}

void tn_gpu_launch_constant(tn_gpu_launch *l, uint32_t index, uint32_t value) {
    if (l->n_constant == TN_GPU_MAX_CONSTANTS) abort();
    l->constants[l->n_constant++] = (tn_gpu_constant){index, value};
}

void tn_gpu_launch_forget(tn_gpu_launch *l) {
    l->n_arg = l->n_constant = 0;
}

/* ---- running ---- */

void tn_gpu_launch_dispatch(tn_gpu_launch *l, const char *kernel, uint32_t gx, uint32_t gy, uint32_t gz,
                            uint32_t n_thread) {
    tn_gpu *g = l->gpu;
    tn_gpu_kernel *k = NULL;
    const uint32_t grid[3] = {gx, gy, gz};
    if (!l->rc) keep(l, g->api->kernel(g, kernel, l->constants, l->n_constant, &k, &l->err));
    if (!l->rc) keep(l, g->api->begin(g, &l->err));
    if (!l->rc) {
        g->api->dispatch(g, k, l->args, l->n_arg, grid, n_thread);
        keep(l, g->api->submit(g, &l->ticket, &l->err));
    }
    tn_gpu_launch_forget(l);
}

void *tn_gpu_launch_read(tn_gpu_launch *l, uint32_t nth, size_t n, tn_error *err) {
    void *got = tn_gpu_launch_host(l, n);
    if (nth >= l->n_buffer) abort();
    if (!l->rc && l->ticket) keep(l, l->gpu->api->wait(l->gpu, l->ticket, &l->err));
    if (!l->rc && n) keep(l, l->gpu->api->read(l->gpu, l->buffers[nth], 0, got, n, &l->err));
    if (!l->rc) return got;
    *err = l->err;
    return NULL;
}

double tn_gpu_launch_compare(tn_gpu_launch *l, uint32_t nth, const double *expected, size_t n,
                             tn_error *err) {
    const float *got = tn_gpu_launch_read(l, nth, n * sizeof *got, err);
    double worst = 0;
    if (!got) return INFINITY;
    for (size_t i = 0; i < n; i++) {
        const double off = fabs(got[i] - expected[i]) / fmax(1, fabs(expected[i]));
        if (off <= worst) continue;
        worst = off;
        if (isnan(off)) {
            tn_fail(err, TN_EDEVICE, "element %zu is %g, %g expected", i, got[i], expected[i]);
            return INFINITY;
        }
    }
    return worst;
}
