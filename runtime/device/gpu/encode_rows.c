/* SPDX-License-Identifier: Apache-2.0 */
/* Operations on rows by themselves: norm.metal, rope.metal, elementwise.metal and rows.metal of
 * metal/kernels. */
#include "device/gpu/exec.h"
#include "program/record.h"

/* How many rows v has in a step. */
static tn_gpu_count rows_of(const tn_gpu_exec *x, tn_value v) {
    return x->p->values[v].rows == TN_ROWS_OUTPUT ? TN_GPU_OUTPUT : TN_GPU_TOKENS;
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
                               .mscale = {r->mscale[0], r->mscale[r->n_variant > 1]}};
    tn_gpu_bind_bytes(c, &args, sizeof args);
    tn_gpu_bind(c, &table); /* which are not read as such */
    tn_gpu_bind_input(x, c, TN_GPU_IN_TOKENS);
    return 0;
}

/* GLU and ADD have two inputs, SCALE and SOFTCAP one and a number. */
static int encode_element(tn_gpu_exec *x, const tn_op *op, const char *kernel, tn_error *err) {
    const uint32_t cols = x->p->values[op->out].cols;
    const tn_gpu_constant activation = {TN_FC_ACTIVATION, op->activation};
    tn_gpu_command *c =
        tn_gpu_add(x, kernel, &activation, op->kind == TN_OP_GLU ? 1 : 0, TN_ELEMENT_THREADS, err);
    if (!c) return err->code;
    tn_gpu_grid(c, tn_ceil_div(cols, TN_ELEMENT_THREADS * TN_ELEMENT_VEC), rows_of(x, op->out), 1, 1);
    tn_gpu_bind_value(x, c, op->in[0], false);
    if (op->in[1]) tn_gpu_bind_value(x, c, op->in[1], false);
    tn_gpu_bind_value(x, c, op->out, true);
    const tn_element_args args = {.cols = cols, .f = op->f};
    tn_gpu_bind_bytes(c, &args, sizeof args);
    return 0;
}

/* No command reads a tap, and one alone writes it. */
static int encode_tap(tn_gpu_exec *x, const tn_op *op, tn_error *err) {
    const uint32_t cols = x->p->values[op->in[0]].cols;
    if (!x->taps) return 0;
    const tn_gpu_arg tap = {.buffer = x->taps[op->index]};
    tn_gpu_command *c = tn_gpu_add(x, "scale", NULL, 0, TN_ELEMENT_THREADS, err);
    if (!c) return err->code;
    tn_gpu_grid(c, tn_ceil_div(cols, TN_ELEMENT_THREADS * TN_ELEMENT_VEC), rows_of(x, op->in[0]), 1, 1);
    tn_gpu_bind_value(x, c, op->in[0], false);
    tn_gpu_bind(c, &tap);
    const tn_element_args args = {.cols = cols, .f = 1};
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
    case TN_OP_ROPE: return encode_rope(x, op, err);
    case TN_OP_GLU: return encode_element(x, op, "glu", err);
    case TN_OP_ADD: return encode_element(x, op, "add", err);
    case TN_OP_SCALE: return encode_element(x, op, "scale", err);
    case TN_OP_SOFTCAP: return encode_element(x, op, "softcap", err);
    case TN_OP_OUTPUT_ROWS: return encode_output_rows(x, op, err);
    case TN_OP_SLICE: return encode_slice(x, op, err);
    case TN_OP_TAP: return encode_tap(x, op, err);
    default: return tn_fail(err, TN_ENOTSUP, "the GPU has no kernel for %s", tn_op_name(op->kind));
    }
}
