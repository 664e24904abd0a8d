/* SPDX-License-Identifier: Apache-2.0 */
/* Kernels by name and function constants. */
#include <stdlib.h>
#include <string.h>

#include "device/cuda/cuda_internal.h"

static const tn_cuda_entry *find_entry(const char *name) {
    for (const tn_cuda_entry *e = tn_cuda_entries; e->name; e++)
        if (strcmp(e->name, name) == 0) return e;
    return NULL;
}

/* Of the constants given, those that the kernel needs, by index. */
static int take_constants(tn_gpu_kernel *k, const tn_gpu_constant *given, uint32_t n, tn_error *err) {
    for (uint32_t index = 0; index < 64; index++) {
        if (!(k->entry->constants >> index & 1)) continue;
        uint32_t i = 0;
        while (i < n && given[i].index != index) i++;
        if (i == n)
            return tn_fail(err, TN_EDEVICE, "kernel %s needs function constant %u", k->entry->name,
                           (unsigned)index);
        if (k->n_constant == TN_GPU_MAX_CONSTANTS)
            return tn_fail(err, TN_EDEVICE, "kernel %s has more than %d function constants", k->entry->name,
                           (int)TN_GPU_MAX_CONSTANTS);
        k->constants[k->n_constant++] = given[i];
    }
    return 0;
}

static bool is_same(const tn_gpu_kernel *a, const tn_gpu_kernel *b) {
    if (a->entry != b->entry) return false;
    for (uint32_t i = 0; i < a->n_constant; i++)
        if (a->constants[i].value != b->constants[i].value) return false;
    return true;
}

static int load(tn_cuda_gpu *g, tn_gpu_kernel *k, tn_error *err) {
    tn_cuda_image image;
    const char *name = k->entry->name;
    int rc = tn_cuda_compile(&g->nvrtc, &g->target, k->entry, k->constants, k->n_constant, &image, err);
    if (rc) return rc;
    rc = tn_cuda_check(g, g->cu.module_load(&k->module, image.data), err, "loading kernel %s", name);
    free(image.data);
    if (!rc)
        rc = tn_cuda_check(g, g->cu.module_function(&k->function, k->module, name), err, "finding kernel %s",
                           name);
    if (!rc)
        rc = tn_cuda_check(g, g->cu.function_attribute(&k->max_thread, TN_CU_MAX_THREADS, k->function), err,
                           "asking about kernel %s", name);
    return rc;
}

static void kernel_free(tn_cuda_gpu *g, tn_gpu_kernel *k) {
    if (k->module) g->cu.module_unload(k->module);
    free(k);
}

int tn_cuda_kernel(tn_gpu *base, const char *name, const tn_gpu_constant *constants, uint32_t n_constant,
                   tn_gpu_kernel **ret, tn_error *err) {
    tn_cuda_gpu *g = (tn_cuda_gpu *)base;
    const tn_cuda_entry *entry = find_entry(name);
    if (!entry) return tn_fail(err, TN_EDEVICE, "cuda: there is no kernel %s", name);
    int rc = tn_cuda_enter(g, err);
    if (rc) return rc;
    tn_gpu_kernel *k = calloc(1, sizeof *k);
    if (!k) return tn_fail(err, TN_ENOMEM, "out of memory");
    k->entry = entry;
    rc = take_constants(k, constants, n_constant, err);
    for (tn_gpu_kernel *known = g->kernels; !rc && known; known = known->next)
        if (is_same(k, known)) {
            kernel_free(g, k);
            *ret = known;
            return 0;
        }
    if (!rc) rc = load(g, k, err);
    if (rc) {
        kernel_free(g, k);
        return rc;
    }
    k->next = g->kernels;
    g->kernels = k;
    *ret = k;
    return 0;
}

void tn_cuda_kernels_free(tn_cuda_gpu *g) {
    while (g->kernels) {
        tn_gpu_kernel *next = g->kernels->next;
        kernel_free(g, g->kernels);
        g->kernels = next;
    }
}
