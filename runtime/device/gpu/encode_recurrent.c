/* SPDX-License-Identifier: Apache-2.0 */
/* TN_OP_CONV and TN_OP_DELTA_RULE (metal/kernels/recurrent.metal). */
#include "device/gpu/exec.h"

static tn_state_place place_of(const tn_gpu_exec *x, const tn_op *op, uint32_t layer) {
    return (tn_state_place){.page_bytes = x->page_bytes[x->p->caches[layer].group],
                            .offset = x->layer_offset[layer] + op->state * sizeof(float),
                            .pages_per_seq = x->config.max_seq_pages};
}

static int encode_conv(tn_gpu_exec *x, const tn_op *op, const tn_conv_args *args, tn_error *err) {
    const uint32_t group = x->p->caches[op->conv.layer].group;
    const tn_gpu_constant constants[] = {{TN_FC_ACTIVATION, op->conv.activation}};
    tn_gpu_command *c = tn_gpu_add(x, "conv", constants, 1, TN_RECURRENT_THREADS, err);
    if (!c) return err->code;
    tn_gpu_grid(c, tn_ceil_div(args->cols, TN_RECURRENT_THREADS), TN_GPU_TOKENS, 1, 1);
    tn_gpu_bind_value(x, c, op->in[0], false);
    tn_gpu_bind(c, &x->weights[op->w].data);
    tn_gpu_bind(c, &x->weights[op->bias ? op->bias : op->w].data); /* something must be bound */
    tn_gpu_bind_pool(x, c, group, false);
    tn_gpu_bind_input(x, c, TN_GPU_IN_TOKENS);
    tn_gpu_bind_input(x, c, TN_GPU_IN_SEQS);
    tn_gpu_bind_input(x, c, TN_GPU_IN_PAGES + group);
    tn_gpu_bind_value(x, c, op->out, true);
    tn_gpu_bind_bytes(c, args, sizeof *args);
    return 0;
}

static int encode_conv_state(tn_gpu_exec *x, const tn_op *op, const tn_conv_args *args, tn_error *err) {
    const uint32_t group = x->p->caches[op->conv.layer].group;
    tn_gpu_command *c = tn_gpu_add(x, "conv_state", NULL, 0, TN_RECURRENT_THREADS, err);
    if (!c) return err->code;
    tn_gpu_grid(c, tn_ceil_div(args->cols, TN_RECURRENT_THREADS), TN_GPU_SEQS, 1, 1);
    tn_gpu_bind_value(x, c, op->in[0], false);
    tn_gpu_bind_pool(x, c, group, true);
    tn_gpu_bind_input(x, c, TN_GPU_IN_SEQS);
    tn_gpu_bind_input(x, c, TN_GPU_IN_PAGES + group);
    tn_gpu_bind_bytes(c, args, sizeof *args);
    return 0;
}

int tn_gpu_encode_conv(tn_gpu_exec *x, const tn_op *op, tn_error *err) {
    const tn_conv_args args = {.state = place_of(x, op, op->conv.layer),
                               .cols = x->p->values[op->out].cols,
                               .kernel_size = op->conv.kernel,
                               .has_bias = op->bias != 0};
    if (op->conv.activation != 0 && op->conv.activation != TN_ACT_SILU)
        return tn_fail(err, TN_ENOTSUP, "conv of layer %u: activation %u, the GPU's kernel has %d and none",
                       op->conv.layer, op->conv.activation, TN_ACT_SILU);
    int rc = encode_conv(x, op, &args, err);
    return rc ? rc : encode_conv_state(x, op, &args, err);
}

int tn_gpu_encode_delta_rule(tn_gpu_exec *x, const tn_op *op, tn_error *err) {
    const tn_delta_desc *d = &op->delta;
    const uint32_t group = x->p->caches[d->layer].group;
    const tn_gpu_constant constants[] = {{TN_FC_HEAD_DIM, d->head_dim_k}};
    if (d->head_dim_k > TN_DELTA_DIM)
        return tn_fail(err, TN_ENOTSUP,
                       "delta rule of layer %u: keys of %u dimensions, the GPU's kernel takes %d", d->layer,
                       d->head_dim_k, TN_DELTA_DIM);
    tn_gpu_command *c = tn_gpu_add(x, "delta_rule", constants, 1, TN_RECURRENT_THREADS, err);
    if (!c) return err->code;
    tn_gpu_bind_value(x, c, op->in[0], false);
    tn_gpu_bind_value(x, c, op->in[1], false);
    tn_gpu_bind_value(x, c, op->in[2], false);
    tn_gpu_bind(c, &x->weights[op->w].data);
    tn_gpu_bind(c, &x->weights[op->bias].data);
    tn_gpu_bind_pool(x, c, group, true);
    tn_gpu_bind_input(x, c, TN_GPU_IN_SEQS);
    tn_gpu_bind_input(x, c, TN_GPU_IN_PAGES + group);
    tn_gpu_bind_value(x, c, op->out, true);
    const tn_delta_args args = {.state = place_of(x, op, d->layer),
                                .n_head = d->n_head,
                                .n_head_k = d->n_head_k,
                                .head_dim_v = d->head_dim_v,
                                .tiled = d->order == TN_HEADS_TILED,
                                .scale = d->scale,
                                .eps = d->eps};
    tn_gpu_bind_bytes(c, &args, sizeof args);
    tn_gpu_grid(c, tn_ceil_div(d->head_dim_v * tn_delta_lanes(d->head_dim_k), TN_RECURRENT_THREADS),
                TN_GPU_SEQS, 1, d->n_head);
    return 0;
}
