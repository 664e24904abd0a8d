/* SPDX-License-Identifier: Apache-2.0 */
#include "gpu_sim.h"

#include <stdlib.h>
#include <string.h>

#include "device/gpu/device.h"
#include "libraries.h"

struct tn_gpu_kernel {
    tn_gpu_kernel *next;
    const sim_kernel *kernel;
    sim_constant constants[TN_GPU_MAX_CONSTANTS];
    uint32_t n_constant;
};

struct tn_gpu_buffer {
    sim_buffer *memory;
};

/* A dispatch that waits for its turn. */
typedef struct launch {
    const tn_gpu_kernel *kernel;
    sim_binding bindings[TN_GPU_MAX_ARGS];
    void *bytes[TN_GPU_MAX_ARGS]; /* copies */
    uint32_t n_binding;
    uint32_t groups[3], n_thread;
} launch;

/* Nothing runs before somebody waits, so whoever forgets to reads what was there before. */
typedef struct sim_gpu {
    tn_gpu base;
    tn_gpu_kernel *kernels;
    launch *todo;
    uint32_t n_todo, max_todo;
    uint64_t n_submitted;
    bool failed;
    tn_error err; /* of the dispatch that failed: nothing runs any more */
} sim_gpu;

static struct {
    const char *kernel;
    const sim_kernel *wrong;
} replaced;

void tn_gpu_sim_replace(const char *kernel, const sim_kernel *wrong) {
    replaced.kernel = wrong ? kernel : NULL;
    replaced.wrong = wrong;
}

static int sim_open(tn_gpu **ret, tn_error *err) {
    sim_gpu *g = calloc(1, sizeof *g);
    if (!g) return tn_fail(err, TN_ENOMEM, "out of memory");
    g->base.api = &tn_gpu_sim;
    *ret = &g->base;
    return 0;
}

static const tn_gpu_info *sim_info(const tn_gpu *base) {
    (void)base;
    static const tn_gpu_info info = {.name = "kernels run by the simulator, one thread"};
    return &info;
}

static int sim_buffer_create(tn_gpu *base, uint64_t bytes, tn_gpu_buffer **ret, tn_error *err) {
    (void)base;
    tn_gpu_buffer *b = malloc(sizeof *b);
    if (!b) return tn_fail(err, TN_ENOMEM, "out of memory");
    b->memory = bytes <= SIZE_MAX ? sim_buffer_new((size_t)bytes) : NULL;
    if (!b->memory) {
        free(b);
        return tn_fail(err, TN_ENOMEM, "out of memory for a buffer of %llu bytes", (unsigned long long)bytes);
    }
    *ret = b;
    return 0;
}

static int sim_buffer_wrap(tn_gpu *base, const void *ptr, uint64_t bytes, tn_gpu_buffer **ret,
                           tn_error *err) {
    (void)base;
    (void)ptr;
    (void)bytes;
    (void)ret;
    return tn_fail(err, TN_ENOTSUP, "the simulator's buffers are its own");
}

static void sim_buffer_destroy(tn_gpu *base, tn_gpu_buffer *b) {
    (void)base;
    if (b) sim_buffer_free(b->memory);
    free(b);
}

static int sim_write(tn_gpu *base, tn_gpu_buffer *b, uint64_t offset, const void *src, uint64_t n,
                     tn_error *err) {
    (void)base;
    return sim_buffer_write(b->memory, offset, src, n) == 0 ? 0 : tn_fail(err, TN_EDEVICE, "%s", sim_error());
}

static int sim_read(tn_gpu *base, tn_gpu_buffer *b, uint64_t offset, void *dst, uint64_t n, tn_error *err) {
    (void)base;
    return sim_buffer_read(b->memory, offset, dst, n) == 0 ? 0 : tn_fail(err, TN_EDEVICE, "%s", sim_error());
}

/* ---- kernels ---- */

static bool same_constants(const tn_gpu_kernel *k, const tn_gpu_constant *constants, uint32_t n) {
    for (uint32_t i = 0; i < n; i++)
        if (k->constants[i].index != constants[i].index || k->constants[i].value != constants[i].value)
            return false;
    return k->n_constant == n;
}

static int sim_kernel_get(tn_gpu *base, const char *name, const tn_gpu_constant *constants,
                          uint32_t n_constant, tn_gpu_kernel **ret, tn_error *err) {
    sim_gpu *g = (sim_gpu *)base;
    const sim_kernel *kernel = replaced.kernel && strcmp(name, replaced.kernel) == 0
                                   ? replaced.wrong
                                   : sim_kernel_find(&metal_kernels, name);
    if (!kernel) return tn_fail(err, TN_EDEVICE, "there is no kernel %s", name);
    if (n_constant > TN_GPU_MAX_CONSTANTS)
        return tn_fail(err, TN_EDEVICE, "%s: %u constants", name, n_constant);
    for (tn_gpu_kernel *k = g->kernels; k; k = k->next)
        if (k->kernel == kernel && same_constants(k, constants, n_constant)) {
            *ret = k;
            return 0;
        }
    tn_gpu_kernel *k = calloc(1, sizeof *k);
    if (!k) return tn_fail(err, TN_ENOMEM, "out of memory");
    k->kernel = kernel;
    k->n_constant = n_constant;
    for (uint32_t i = 0; i < n_constant; i++)
        k->constants[i] = (sim_constant){constants[i].index, constants[i].value};
    k->next = g->kernels;
    g->kernels = k;
    *ret = k;
    return 0;
}

/* ---- batches ---- */

static int sim_begin(tn_gpu *base, tn_error *err) {
    (void)base;
    (void)err;
    return 0;
}

static void forget(launch *l) {
    for (uint32_t i = 0; i < l->n_binding; i++) free(l->bytes[i]);
}

static void fail_with(sim_gpu *g, int status, const char *why) {
    if (!g->failed) tn_fail(&g->err, status, "%s", why);
    g->failed = true;
}

static void sim_launch(tn_gpu *base, tn_gpu_kernel *kernel, const tn_gpu_arg *args, uint32_t n_arg,
                       const uint32_t groups[3], uint32_t n_thread) {
    sim_gpu *g = (sim_gpu *)base;
    if (g->n_todo == g->max_todo) {
        const uint32_t n = g->max_todo ? 2 * g->max_todo : 256;
        launch *grown = realloc(g->todo, n * sizeof *grown);
        if (!grown) {
            fail_with(g, TN_ENOMEM, "out of memory");
            return;
        }
        g->todo = grown;
        g->max_todo = n;
    }
    launch *l = &g->todo[g->n_todo++];
    *l = (launch){.kernel = kernel,
                  .n_binding = n_arg,
                  .groups = {groups[0], groups[1], groups[2]},
                  .n_thread = n_thread};
    for (uint32_t i = 0; i < n_arg; i++) {
        l->bindings[i] = (sim_binding){.index = i, .n_bytes = args[i].n_bytes};
        if (args[i].buffer) {
            l->bindings[i].buffer = args[i].buffer->memory;
            l->bindings[i].offset = args[i].offset;
        } else if ((l->bytes[i] = malloc(args[i].n_bytes + 1))) {
            l->bindings[i].bytes = memcpy(l->bytes[i], args[i].bytes, args[i].n_bytes);
        } else {
            fail_with(g, TN_ENOMEM, "out of memory");
        }
    }
}

static void sim_barrier(tn_gpu *base) {
    (void)base; /* one dispatch after the other */
}

static int sim_submit(tn_gpu *base, uint64_t *ret_ticket, tn_error *err) {
    (void)err;
    *ret_ticket = ++((sim_gpu *)base)->n_submitted;
    return 0;
}

static int sim_wait(tn_gpu *base, uint64_t ticket, tn_error *err) {
    sim_gpu *g = (sim_gpu *)base;
    (void)ticket; /* all that were submitted */
    for (uint32_t i = 0; i < g->n_todo; i++) {
        launch *l = &g->todo[i];
        if (!g->failed && sim_dispatch(l->kernel->kernel, l->kernel->constants, l->kernel->n_constant,
                                       l->bindings, l->n_binding, l->groups, l->n_thread) != 0)
            fail_with(g, TN_EDEVICE, sim_error());
        forget(l);
    }
    g->n_todo = 0;
    if (g->failed) *err = g->err;
    return g->failed ? g->err.code : 0;
}

static void sim_close(tn_gpu *base) {
    sim_gpu *g = (sim_gpu *)base;
    tn_error err;
    sim_wait(base, g->n_submitted, &err);
    while (g->kernels) {
        tn_gpu_kernel *next = g->kernels->next;
        free(g->kernels);
        g->kernels = next;
    }
    free(g->todo);
    free(g);
}

const tn_gpu_api tn_gpu_sim = {
    .name = "msl-sim",
    .summary = "the GPU kernels on a simulator, for tests",
    .open = sim_open,
    .close = sim_close,
    .info = sim_info,
    .buffer_new = sim_buffer_create,
    .buffer_wrap = sim_buffer_wrap,
    .buffer_free = sim_buffer_destroy,
    .write = sim_write,
    .read = sim_read,
    .kernel = sim_kernel_get,
    .begin = sim_begin,
    .dispatch = sim_launch,
    .barrier = sim_barrier,
    .submit = sim_submit,
    .wait = sim_wait,
};

static int open_device(const tn_device_options *options, tn_device **ret, tn_error *err) {
    (void)options;
    return tn_gpu_device_open(&tn_gpu_sim, &tn_device_sim, ret, err);
}

const tn_device_class tn_device_sim =
    TN_GPU_DEVICE_CLASS("msl-sim", "the GPU kernels on a simulator, for tests", open_device);
