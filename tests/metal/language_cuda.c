/* SPDX-License-Identifier: Apache-2.0 */
/* language.c on a GPU: what it calls of the simulator, done by the CUDA device. Its kernels take the place of
 * the program's, being linked before libtenon. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "device/cuda/cuda.h"
#include "libraries.h"

enum {
    SLACK = 4096
}; /* whole simdgroups run, so that some threads have nothing to do and write past the end */

struct sim_library {
    int unused;
};
struct sim_buffer {
    tn_gpu_buffer *memory;
    size_t bytes;
};
struct sim_kernel {
    char name[64];
};

const sim_library metal_language = {0};

static tn_error err;

/* Opened when first wanted: in the process that runs the tests. */
static tn_gpu *gpu(void) {
    static tn_gpu *g;
    if (!g && tn_gpu_cuda.open(&g, &err) != 0) {
        printf("Bail out! %s\n", err.text);
        exit(1);
    }
    return g;
}

sim_buffer *sim_buffer_new(size_t bytes) {
    sim_buffer *b = calloc(1, sizeof *b);
    uint8_t *nan = malloc(bytes + SLACK);
    if (!b || !nan) abort();
    memset(nan, 0xff, bytes + SLACK);
    b->bytes = bytes;
    if (tn_gpu_cuda.buffer_new(gpu(), bytes + SLACK, &b->memory, &err) != 0 ||
        tn_gpu_cuda.write(gpu(), b->memory, 0, nan, bytes + SLACK, &err) != 0) {
        printf("# %s\n", err.text);
        free(b);
        b = NULL;
    }
    free(nan);
    return b;
}

void sim_buffer_free(sim_buffer *b) {
    if (b) tn_gpu_cuda.buffer_free(gpu(), b->memory);
    free(b);
}

int sim_buffer_write(sim_buffer *b, size_t offset, const void *src, size_t n) {
    return tn_gpu_cuda.write(gpu(), b->memory, offset, src, n, &err) == 0 ? 0 : -1;
}

int sim_buffer_read(const sim_buffer *b, size_t offset, void *dst, size_t n) {
    return tn_gpu_cuda.read(gpu(), b->memory, offset, dst, n, &err) == 0 ? 0 : -1;
}

const sim_kernel *sim_kernel_find(const sim_library *l, const char *name) {
    static sim_kernel k;
    (void)l;
    snprintf(k.name, sizeof k.name, "%s", name);
    return &k;
}

int sim_dispatch(const sim_kernel *kernel, const sim_constant *constants, size_t n_constant,
                 const sim_binding *bindings, size_t n_binding, const uint32_t groups[3], uint32_t n_thread) {
    const tn_gpu_api *api = &tn_gpu_cuda;
    tn_gpu_constant given[TN_GPU_MAX_CONSTANTS];
    tn_gpu_arg args[TN_GPU_MAX_ARGS];
    tn_gpu_kernel *k;
    uint64_t ticket;
    for (size_t i = 0; i < n_constant; i++)
        given[i] = (tn_gpu_constant){constants[i].index, constants[i].value};
    for (size_t i = 0; i < n_binding; i++)
        args[bindings[i].index] =
            (tn_gpu_arg){.buffer = bindings[i].buffer ? bindings[i].buffer->memory : NULL,
                         .bytes = bindings[i].bytes,
                         .n_bytes = (uint32_t)bindings[i].n_bytes};
    if (api->kernel(gpu(), kernel->name, given, (uint32_t)n_constant, &k, &err) != 0) return -1;
    if (api->begin(gpu(), &err) != 0) return -1;
    api->dispatch(gpu(), k, args, (uint32_t)n_binding, groups,
                  (n_thread + TN_SIMD_WIDTH - 1) / TN_SIMD_WIDTH * TN_SIMD_WIDTH);
    return api->submit(gpu(), &ticket, &err) == 0 && api->wait(gpu(), ticket, &err) == 0 ? 0 : -1;
}

void sim_seed(uint32_t seed) {
    (void)seed; /* a GPU's threads have an order of their own */
}

const char *sim_error(void) {
    return err.text;
}
