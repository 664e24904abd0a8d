/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel_check.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static uint64_t random_state = 1;

void check_random_seed(uint32_t seed) { random_state = seed * 2u + 1u; }

float check_random(void) {
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (float)((double)(random_state >> 40) / (1 << 23) - 1.0);
}

/* Host memory of a check and the buffers made of it. */
enum { MAX_BINDINGS = 8 };
typedef struct launch {
    sim_binding bindings[MAX_BINDINGS];
    uint32_t n_binding;
    void *host[MAX_BINDINGS];
    uint32_t n_host;
} launch;

/* n random floats, freed with the launch. */
static float *random_floats(launch *l, size_t n) {
    float *p = malloc(n * sizeof *p);
    if (!p) abort();
    for (size_t i = 0; i < n; i++) p[i] = check_random();
    return l->host[l->n_host++] = p;
}

/* A buffer with these bytes (NULL: as it comes, NaN) as the next argument; returns its index. */
static uint32_t bind_buffer(launch *l, const void *data, size_t bytes) {
    sim_buffer *b = sim_buffer_new(bytes);
    if (!b || (data && sim_buffer_write(b, 0, data, bytes) != 0)) abort();
    const uint32_t index = l->n_binding++;
    l->bindings[index] = (sim_binding){.index = index, .buffer = b};
    return index;
}

/* The same buffer as another argument: a kernel that works in place. */
static void bind_again(launch *l, uint32_t index) {
    l->bindings[l->n_binding] = l->bindings[index];
    l->bindings[l->n_binding].index = l->n_binding;
    l->bindings[l->n_binding].offset = 0;
    l->n_binding++;
}

static void bind_bytes(launch *l, const void *bytes, size_t n) {
    l->bindings[l->n_binding] = (sim_binding){.index = l->n_binding, .bytes = bytes, .n_bytes = n};
    l->n_binding++;
}

/* Runs the kernel and compares buffer `index` with n expected values. Frees all. */
static double run(launch *l, const sim_kernel *kernel, uint32_t gx, uint32_t gy, uint32_t threads, uint32_t index,
                  const double *expected, size_t n) {
    double worst = 0;
    float *got = malloc(n * sizeof *got);
    const uint32_t groups[3] = {gx, gy, 1};
    if (sim_dispatch(kernel, l->bindings, l->n_binding, groups, threads) != 0 ||
        sim_buffer_read(l->bindings[index].buffer, 0, got, n * sizeof *got) != 0)
        worst = INFINITY;
    for (size_t i = 0; i < n && worst < INFINITY; i++) {
        const double off = fabs(got[i] - expected[i]) / fmax(1, fabs(expected[i]));
        worst = off <= worst ? worst : isnan(off) ? INFINITY : off;
    }
    free(got);
    for (uint32_t i = 0; i < l->n_host; i++) free(l->host[i]);
    for (uint32_t i = 0; i < l->n_binding; i++) {
        bool first = true;
        for (uint32_t j = 0; j < i; j++) first = first && l->bindings[j].buffer != l->bindings[i].buffer;
        if (first) sim_buffer_free(l->bindings[i].buffer);
    }
    return worst;
}

/* ---- rms_norm ---- */

static const struct {
    uint32_t rows, cols, group;
    bool in_place;
} norm_shapes[] = {{1, 1, 1, false}, {3, 7, 7, false}, {2, 128, 128, true}, {1, 300, 300, false}, {5, 96, 16, true}};

static double check_rms_norm(const sim_kernel *kernel, uint32_t shape) {
    launch l = {0};
    const uint32_t rows = norm_shapes[shape].rows, cols = norm_shapes[shape].cols, group = norm_shapes[shape].group;
    const size_t n = (size_t)rows * cols;
    const tn_rms_norm_args args = {.cols = cols, .group = group, .eps = 1e-5f};
    const float *x = random_floats(&l, n), *w = random_floats(&l, group);
    double expected[1000];
    for (size_t g = 0; g < n; g += group) {
        double sum = 0;
        for (uint32_t i = 0; i < group; i++) sum += (double)x[g + i] * x[g + i];
        for (uint32_t i = 0; i < group; i++) expected[g + i] = x[g + i] / sqrt(sum / group + 1e-5f) * w[i];
    }
    const uint32_t in = bind_buffer(&l, x, n * sizeof *x);
    bind_buffer(&l, w, group * sizeof *w);
    if (norm_shapes[shape].in_place)
        bind_again(&l, in);
    else
        bind_buffer(&l, NULL, n * sizeof *x);
    bind_bytes(&l, &args, sizeof args);
    return run(&l, kernel, cols / group, rows, TN_NORM_THREADS, 2, expected, n);
}

#define N_SHAPE(a) (sizeof(a) / sizeof *(a))

/* Tolerances: a few roundings of F32 (6e-8) per operation; sums of n terms of order 1 get sqrt(n) more. */
const kernel_check kernel_checks[] = {
    {"rms_norm", check_rms_norm, N_SHAPE(norm_shapes), 1e-6},
    {0},
};
