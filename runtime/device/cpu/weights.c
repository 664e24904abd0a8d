/* SPDX-License-Identifier: Apache-2.0 */
/* What the device makes of weights when a program is lowered: vectors as F32, and matrices that kernels for
 * rounded activations take as panels, in one mapping. All other matrices are used where they are. */
#include "device/cpu/cpu.h"

#include <math.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/checked.h"

#ifndef MAP_ANONYMOUS
#    define MAP_ANONYMOUS MAP_ANON
#endif

/* Room for the weight's elements as F32, and those in the order of the file. */
static int decode_elements(tn_cpu_exec *x, tn_weight w, float **ret, tn_error *err) {
    const tn_weight_info *info = &x->program->weights[w];
    size_t n = (size_t)info->rows * info->cols;
    float *v = aligned_alloc(TN_CPU_ALIGN, (n * sizeof(float) / TN_CPU_ALIGN + 1) * TN_CPU_ALIGN);
    if (!v) return tn_fail(err, TN_ENOMEM, "out of memory for %s, %zu floats", info->name, n);
    for (uint32_t r = 0; r < info->rows; r++)
        tn_tensor_dequantize(info->tensor, info->first_row + r, 0, info->cols, v + (size_t)r * info->cols);
    for (size_t i = 0; info->add_one && i < n; i++) v[i] += 1.0f;
    for (size_t i = 0; info->neg_exp && i < n; i++) v[i] = -expf(v[i]);
    x->size.weights += n * sizeof(float);
    *ret = v;
    return 0;
}

int tn_cpu_weights_vector(tn_cpu_exec *x, tn_weight w, const float **ret, tn_error *err) {
    int rc = x->vectors[w] ? 0 : decode_elements(x, w, &x->vectors[w], err);
    if (rc == 0) *ret = x->vectors[w];
    return rc;
}

int tn_cpu_weights_conv(tn_cpu_exec *x, tn_weight w, uint32_t kernel, const float **ret, tn_error *err) {
    const tn_weight_info *info = &x->program->weights[w];
    size_t cols = (size_t)info->rows * info->cols / kernel;
    float *by_channel;
    if (!x->vectors[w]) {
        int rc = decode_elements(x, w, &x->vectors[w], err);
        if (rc == 0) rc = decode_elements(x, w, &by_channel, err);
        if (rc) return rc;
        x->size.weights -= cols * kernel * sizeof(float);
        for (size_t c = 0; c < cols; c++)
            for (uint32_t j = 0; j < kernel; j++) x->vectors[w][j * cols + c] = by_channel[c * kernel + j];
        free(by_channel);
    }
    *ret = x->vectors[w];
    return 0;
}

uint64_t tn_cpu_tensor_bytes(const tn_tensor *t, uint32_t rows, uint32_t cols) {
    uint64_t row = tn_tensor_row_bytes(t);
    uint32_t scale = t->type != TN_TYPE_AFFINE ? 1 : t->scale_type == TN_TYPE_F32 ? 4 : 2;
    if (t->group) row += (uint64_t)cols / t->group * scale * (t->biases ? 2 : 1);
    return row * rows;
}

/* Narrower matrices are too small for their bytes to matter, and keep the precision of F32 activations. */
enum { PANEL_COLS_LEAST = 256 };

/* Sizes the panels of every matrix that linear layers use; false when the sum overflows. */
static bool size_panels(tn_cpu_exec *x, uint64_t *ret_bytes) {
    const tn_program *p = x->program;
    uint64_t bytes;
    *ret_bytes = 0;
    for (uint32_t i = 0; i < p->n_op; i++) {
        if (p->ops[i].kind != TN_OP_LINEAR) continue;
        const tn_weight_info *info = &p->weights[p->ops[i].w];
        tn_cpu_panels *panels = &x->panels[p->ops[i].w];
        if (info->cols < PANEL_COLS_LEAST) continue;
        if (info->tensor->type == TN_TYPE_BF16 && !x->device->kernels->linear_bf16) continue;
        if (panels->panel_bytes || !tn_cpu_panels_init(panels, info->tensor, info->rows)) continue;
        if (!tn_mul_u64(panels->panel_bytes, tn_cpu_panels_count(panels), &bytes) ||
            !tn_add_u64(*ret_bytes, bytes, ret_bytes))
            return false;
    }
    return *ret_bytes <= SIZE_MAX;
}

static int arena_new(tn_cpu_exec *x, uint64_t bytes, tn_error *err) {
    void *arena = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (arena == MAP_FAILED)
        return tn_fail(err, TN_ENOMEM, "%llu bytes for weights in the layout of the kernels: no such room",
                       (unsigned long long)bytes);
#ifdef MADV_HUGEPAGE
    madvise(arena, bytes, MADV_HUGEPAGE);
#endif
    x->arena = arena;
    x->arena_bytes = bytes;
    return 0;
}

typedef struct fill {
    const tn_cpu_panels *panels;
    const tn_weight_info *info;
} fill;

/* Maps rows of a file at once that would come in a few pages at a time. */
static void map_rows(const tn_tensor *t, uint64_t first, uint64_t end) {
#ifdef MADV_POPULATE_READ
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), row = tn_tensor_row_bytes(t);
    const uintptr_t from = ((uintptr_t)t->data + first * row) / page * page,
                    to = (uintptr_t)t->data + end * row;
    if (from < to)
        (void)madvise((void *)from, to - from, MADV_POPULATE_READ); /* a hint: older systems refuse */
#else
    (void)t, (void)first, (void)end;
#endif
}

static void run_fill(void *ctx, uint32_t member, uint32_t n_member) {
    const fill *f = ctx;
    tn_range r = tn_team_share(tn_cpu_panels_count(f->panels), 1, member, n_member);
    const uint64_t first = f->info->first_row, last = r.end * TN_CPU_PANEL_ROWS;
    map_rows(f->info->tensor, first + r.first * TN_CPU_PANEL_ROWS,
             first + (last < f->panels->rows ? last : f->panels->rows));
    tn_cpu_panels_fill(f->panels, f->info->tensor, f->info->first_row, r);
}

int tn_cpu_weights_new(tn_cpu_exec *x, tn_progress_fn progress, void *ctx, tn_error *err) {
    uint64_t total, done = 0;
    if (x->config.compute == TN_COMPUTE_F32) return 0;
    if (!size_panels(x, &total)) return tn_fail(err, TN_ENOMEM, "the weights are beyond any memory");
    x->size.weights += total;
    if (total == 0 || x->dry) return 0;
    int rc = arena_new(x, total, err);
    if (rc) return rc;
    for (uint32_t w = 1; w <= x->program->n_weight; w++) {
        tn_cpu_panels *panels = &x->panels[w];
        if (!panels->panel_bytes) continue;
        if (progress && progress(ctx, done, total))
            return tn_fail(err, TN_ECANCELED, "preparing the model was cancelled");
        panels->data = x->arena + done;
        tn_team_run(x->device->team, run_fill, &(fill){panels, &x->program->weights[w]});
        done += panels->panel_bytes * tn_cpu_panels_count(panels);
    }
    if (progress && progress(ctx, done, total))
        return tn_fail(err, TN_ECANCELED, "preparing the model was cancelled");
    return 0;
}

void tn_cpu_weights_free(tn_cpu_exec *x) {
    for (uint32_t i = 0; x->vectors && i <= x->program->n_weight; i++) free(x->vectors[i]);
    free(x->vectors);
    free(x->panels);
    if (x->arena) munmap(x->arena, x->arena_bytes);
}
