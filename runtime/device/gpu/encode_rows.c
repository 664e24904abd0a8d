/* SPDX-License-Identifier: Apache-2.0 */
/* Operations on rows by themselves: norm.metal, rope.metal, elementwise.metal and rows.metal of
 * metal/kernels. */
#include "device/gpu/exec.h"
#include "program/record.h"

/* How many rows v has in a step. */
static tn_gpu_count rows_of(const tn_gpu_exec *x, tn_value v) {
    return tn_gpu_count_of(x->p->values[v].rows);
}

static int encode_rms_norm(tn_gpu_exec *x, const tn_op *op, tn_error *err) {
    const uint32_t cols = x->p->values[op->out].cols, n_group = cols / op->group;
    const bool by_simd = op->group <= TN_NORM_SIMD_GROUP;
    tn_gpu_command *c = tn_gpu_add(x, by_simd ? "rms_norm_simd" : "rms_norm", NULL, 0,
                                   by_simd ? TN_NORM_SIMD_THREADS : TN_NORM_THREADS, err);
    if (!c) return err->code;
    tn_gpu_grid(c, by_simd ? tn_ceil_div(n_group, TN_NORM_SIMD_THREADS / TN_SIMD_WIDTH) : n_group,
                rows_of(x, op->out), 1, 1);
    tn_gpu_bind_value(x, c, op->in[0], false);
    tn_gpu_bind(c, &x->weights[op->w].data);
    tn_gpu_bind_value(x, c, op->out, true);
    const tn_rms_norm_args args = {.cols = cols, .group = op->group, .eps = op->f};
    tn_gpu_bind_bytes(c, &args, sizeof args);
    return 0;
}

static int encode_layer_norm(tn_gpu_exec *x, const tn_op *op, tn_error *err) {
    const tn_gpu_weight *w = &x->weights[op->w];
    tn_gpu_command *c = tn_gpu_add(x, "layer_norm", NULL, 0, TN_NORM_THREADS, err);
    if (!c) return err->code;
    tn_gpu_grid(c, 1, rows_of(x, op->out), 1, 1);
    tn_gpu_bind_value(x, c, op->in[0], false);
    tn_gpu_bind(c, &w->data);
    tn_gpu_bind(c, op->bias ? &x->weights[op->bias].data : &w->data);
    tn_gpu_bind_value(x, c, op->out, true);
    const tn_layer_norm_args args = {
        .cols = x->p->values[op->out].cols, .has_bias = op->bias != 0, .eps = op->f};
    tn_gpu_bind_bytes(c, &args, sizeof args);
    return 0;
}

static int encode_rope(tn_gpu_exec *x, const tn_op *op, tn_error *err) {
    const tn_rope_info *r = &x->p->ropes[op->rope];
    const uint32_t n_head = x->p->values[op->out].cols / op->group, pairs = (op->group + 1) / 2;
    const tn_gpu_arg table = {.buffer = x->ropes[op->rope]};
    tn_gpu_command *c = tn_gpu_add(x, "rope", NULL, 0, TN_ELEMENT_THREADS, err);
    if (!c) return err->code;
    tn_gpu_grid(c, tn_ceil_div(pairs * tn_ceil_div(n_head, TN_ROPE_HEADS), TN_ELEMENT_THREADS), TN_GPU_TOKENS,
                1, 1);
    tn_gpu_bind_value(x, c, op->in[0], false);
    tn_gpu_bind_input(x, c, TN_GPU_IN_TOKENS);
    tn_gpu_bind(c, &table);
    tn_gpu_bind_value(x, c, op->out, true);
    const tn_rope_args args = {.n_head = n_head,
                               .head_dim = op->group,
                               .n_dims = r->n_dims,
                               .interleaved = r->style == TN_ROPE_INTERLEAVED,
                               .mscale = {r->mscale[0], r->mscale[r->n_variant > 1]},
                               .has_axes = r->axis != NULL};
    const tn_gpu_arg axes = {.buffer = table.buffer, .offset = r->n_dims * sizeof(float)};
    tn_gpu_bind_bytes(c, &args, sizeof args);
    tn_gpu_bind(c, r->axis ? &axes : &table); /* something must be bound where nothing is read */
    tn_gpu_bind_input(x, c, r->axis ? TN_GPU_IN_COORDS : TN_GPU_IN_TOKENS);
    return 0;
}

/* GLU and ADD have two inputs, ACTIVATE one, SCALE and SOFTCAP one and a number. */
static int encode_element(tn_gpu_exec *x, const tn_op *op, const char *kernel, tn_error *err) {
    const uint32_t cols = x->p->values[op->out].cols;
    const tn_gpu_constant activation = {TN_FC_ACTIVATION, op->activation};
    const bool activates = op->kind == TN_OP_GLU || op->kind == TN_OP_ACTIVATE;
    tn_gpu_command *c = tn_gpu_add(x, kernel, &activation, activates, TN_ELEMENT_THREADS, err);
    if (!c) return err->code;
    tn_gpu_grid(c, tn_ceil_div(cols, TN_ELEMENT_THREADS * TN_ELEMENT_VEC), rows_of(x, op->out), 1, 1);
    tn_gpu_bind_value(x, c, op->in[0], false);
    if (op->in[1]) tn_gpu_bind_value(x, c, op->in[1], false);
    tn_gpu_bind_value(x, c, op->out, true);
    const tn_element_args args = {.cols = cols, .f = op->f};
    tn_gpu_bind_bytes(c, &args, sizeof args);
    return 0;
}

/* A copy, to be given its two values. */
static tn_gpu_command *add_copy(tn_gpu_exec *x, uint32_t cols, tn_gpu_count rows, tn_error *err) {
    tn_gpu_command *c = tn_gpu_add(x, "scale", NULL, 0, TN_ELEMENT_THREADS, err);
    if (c) tn_gpu_grid(c, tn_ceil_div(cols, TN_ELEMENT_THREADS * TN_ELEMENT_VEC), rows, 1, 1);
    return c;
}

static int end_copy(tn_gpu_command *c, uint32_t cols) {
    const tn_element_args args = {.cols = cols, .f = 1};
    tn_gpu_bind_bytes(c, &args, sizeof args);
    return 0;
}

/* No command reads a tap, and one alone writes it. */
static int encode_tap(tn_gpu_exec *x, const tn_op *op, tn_error *err) {
    const uint32_t cols = x->p->values[op->in[0]].cols;
    if (!x->taps) return 0;
    const tn_gpu_arg tap = {.buffer = x->taps[op->index]};
    tn_gpu_command *c = add_copy(x, cols, rows_of(x, op->in[0]), err);
    if (!c) return err->code;
    tn_gpu_bind_value(x, c, op->in[0], false);
    tn_gpu_bind(c, &tap);
    return end_copy(c, cols);
}

/* FOLD as well: rows that follow each other lie so in memory. */
static int encode_copy(tn_gpu_exec *x, const tn_op *op, tn_error *err) {
    const uint32_t cols = x->p->values[op->out].cols;
    tn_gpu_command *c = add_copy(x, cols, rows_of(x, op->out), err);
    if (!c) return err->code;
    if (op->kind == TN_OP_INPUT)
        tn_gpu_bind_input(x, c, TN_GPU_IN_PATCHES);
    else
        tn_gpu_bind_value(x, c, op->in[0], false);
    tn_gpu_bind_value(x, c, op->out, true);
    return end_copy(c, cols);
}

/* A step without media has no more to do than to copy, in place not even that. */
static int encode_media(tn_gpu_exec *x, const tn_op *op, tn_error *err) {
    const tn_program *p = x->p;
    const uint32_t cols = p->values[op->out].cols;
    const bool in_place = p->values[op->in[0]].slot == p->values[op->out].slot;
    int rc = in_place ? 0 : encode_copy(x, op, err);
    tn_gpu_command *c = rc ? NULL : tn_gpu_add(x, "media_rows", NULL, 0, TN_ELEMENT_THREADS, err);
    if (!c) return err->code;
    tn_gpu_grid(c, tn_ceil_div(cols, TN_ELEMENT_THREADS), TN_GPU_MEDIA, 1, 1);
    tn_gpu_bind_input_at(x, c, TN_GPU_IN_MEDIA_ROWS,
                         (uint64_t)op->index * x->config.max_tokens * p->n_embd * sizeof(float));
    tn_gpu_bind_input(x, c, TN_GPU_IN_MEDIA);
    tn_gpu_bind_value(x, c, op->out, true);
    const tn_media_args args = {.cols = cols, .adds = op->index != 0};
    tn_gpu_bind_bytes(c, &args, sizeof args);
    return 0;
}

static int encode_mix(tn_gpu_exec *x, const tn_op *op, tn_error *err) {
    const uint32_t cols = x->p->values[op->out].cols;
    if (x->weights[op->w].type != TN_TYPE_F32)
        return tn_fail(err, TN_ENOTSUP, "%.200s: a table of positions that is a matrix as well",
                       x->p->weights[op->w].name);
    tn_gpu_command *c = tn_gpu_add(x, "mix_rows", NULL, 0, TN_ELEMENT_THREADS, err);
    if (!c) return err->code;
    tn_gpu_grid(c, tn_ceil_div(cols, TN_ELEMENT_THREADS), TN_GPU_TOKENS, 1, 1);
    tn_gpu_bind(c, &x->weights[op->w].data);
    tn_gpu_bind_input(x, c, TN_GPU_IN_MIX);
    tn_gpu_bind_value(x, c, op->out, true);
    const tn_element_args args = {.cols = cols};
    tn_gpu_bind_bytes(c, &args, sizeof args);
    return 0;
}

static int encode_mean(tn_gpu_exec *x, const tn_op *op, tn_error *err) {
    const uint32_t cols = x->p->values[op->out].cols;
    tn_gpu_command *c = tn_gpu_add(x, "mean_rows", NULL, 0, TN_ELEMENT_THREADS, err);
    if (!c) return err->code;
    tn_gpu_grid(c, tn_ceil_div(cols, TN_ELEMENT_THREADS), rows_of(x, op->out), 1, 1);
    tn_gpu_bind_value(x, c, op->in[0], false);
    tn_gpu_bind_value(x, c, op->out, true);
    const tn_mean_args args = {.cols = cols, .n = op->group};
    tn_gpu_bind_bytes(c, &args, sizeof args);
    return 0;
}

static int encode_output_rows(tn_gpu_exec *x, const tn_op *op, tn_error *err) {
    const uint32_t cols = x->p->values[op->out].cols;
    tn_gpu_command *c = tn_gpu_add(x, "output_rows", NULL, 0, TN_ELEMENT_THREADS, err);
    if (!c) return err->code;
    tn_gpu_grid(c, tn_ceil_div(cols, TN_ELEMENT_THREADS), TN_GPU_OUTPUT, 1, 1);
    tn_gpu_bind_value(x, c, op->in[0], false);
    tn_gpu_bind_input(x, c, TN_GPU_IN_ROWS);
    tn_gpu_bind_value(x, c, op->out, true);
    const tn_element_args args = {.cols = cols};
    tn_gpu_bind_bytes(c, &args, sizeof args);
    return 0;
}

static int encode_slice(tn_gpu_exec *x, const tn_op *op, tn_error *err) {
    const uint32_t cols = x->p->values[op->in[0]].cols, out_cols = x->p->values[op->out].cols;
    tn_gpu_command *c = tn_gpu_add(x, "slice", NULL, 0, TN_ELEMENT_THREADS, err);
    if (!c) return err->code;
    tn_gpu_grid(c, tn_ceil_div(out_cols, TN_ELEMENT_THREADS), rows_of(x, op->out), 1, 1);
    tn_gpu_bind_value(x, c, op->in[0], false);
    tn_gpu_bind_value(x, c, op->out, true);
    const tn_slice_args args = {
        .run = op->group, .first = op->index, .n = out_cols / (cols / op->group), .out_cols = out_cols};
    tn_gpu_bind_bytes(c, &args, sizeof args);
    return 0;
}

int tn_gpu_encode_rows(tn_gpu_exec *x, const tn_op *op, tn_error *err) {
    switch (op->kind) {
    case TN_OP_RMS_NORM: return encode_rms_norm(x, op, err);
    case TN_OP_LAYER_NORM: return encode_layer_norm(x, op, err);
    case TN_OP_ROPE: return encode_rope(x, op, err);
    case TN_OP_GLU: return encode_element(x, op, "glu", err);
    case TN_OP_ACTIVATE: return encode_element(x, op, "activation", err);
    case TN_OP_ADD: return encode_element(x, op, "add", err);
    case TN_OP_SCALE: return encode_element(x, op, "scale", err);
    case TN_OP_SOFTCAP: return encode_element(x, op, "softcap", err);
    case TN_OP_OUTPUT_ROWS: return encode_output_rows(x, op, err);
    case TN_OP_SLICE: return encode_slice(x, op, err);
    case TN_OP_INPUT:
    case TN_OP_FOLD: return encode_copy(x, op, err);
    case TN_OP_MEDIA: return encode_media(x, op, err);
    case TN_OP_MIX: return encode_mix(x, op, err);
    case TN_OP_MEAN: return encode_mean(x, op, err);
    case TN_OP_TAP: return encode_tap(x, op, err);
    default: return tn_fail(err, TN_ENOTSUP, "the GPU has no kernel for %s", tn_op_name(op->kind));
    }
}
