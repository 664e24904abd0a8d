/* SPDX-License-Identifier: Apache-2.0 */
/* Operations as kernel launches: which kernel, which arguments, how wide a grid. */
#include "exec_sim.h"

#include <stdlib.h>

#include "libraries.h"
#include "program/record.h"

static uint32_t ceil_div(uint32_t n, uint32_t unit) {
    return n / unit + (n % unit != 0);
}

/* The next command: kernel over `groups` threadgroups of n_thread for each row. */
static sim_command *add_command(sim_exec *x, const char *kernel, uint32_t groups, uint32_t n_thread,
                                uint32_t rows) {
    sim_command *c = &x->commands[x->n_command++];
    *c = (sim_command){.kernel = sim_kernel_find(&metal_kernels, kernel),
                       .groups = groups,
                       .n_thread = n_thread,
                       .rows = rows};
    return c;
}

static void bind_buffer(sim_command *c, sim_buffer *b) {
    c->bindings[c->n_binding] = (sim_binding){.index = c->n_binding, .buffer = b};
    c->n_binding++;
}

static void bind_value(sim_command *c, const sim_exec *x, tn_value v) {
    bind_buffer(c, x->slots[x->p->values[v].slot]);
}

/* The argument struct, always the last argument. */
static void bind_args(sim_command *c, size_t bytes) {
    c->bindings[c->n_binding] = (sim_binding){.index = c->n_binding, .bytes = &c->args, .n_bytes = bytes};
    c->n_binding++;
}

/* A kernel that runs a thread per element of the rows of v. */
static sim_command *add_element_command(sim_exec *x, const char *kernel, tn_value v) {
    const tn_value_info *info = &x->p->values[v];
    sim_command *c =
        add_command(x, kernel, ceil_div(info->cols, TN_ELEMENT_THREADS), TN_ELEMENT_THREADS, info->rows);
    c->args.element.cols = info->cols;
    return c;
}

static void encode_embed(sim_exec *x, const tn_op *op) {
    sim_command *c = add_element_command(x, "embed", op->out);
    bind_buffer(c, x->weights[op->w]);
    bind_buffer(c, x->tokens);
    bind_value(c, x, op->out);
    c->args.embed = (tn_embed_args){.cols = x->p->values[op->out].cols, .factor = op->f};
    bind_args(c, sizeof c->args.embed);
}

static void encode_linear(sim_exec *x, const tn_op *op) {
    const tn_weight_info *w = &x->p->weights[op->w];
    sim_command *c = add_command(x, "linear", ceil_div(w->rows, TN_LINEAR_ROWS),
                                 TN_LINEAR_ROWS * TN_SIMD_WIDTH, x->p->values[op->out].rows);
    bind_value(c, x, op->in[0]);
    bind_buffer(c, x->weights[op->w]);
    bind_buffer(
        c, x->weights[op->bias ? op->bias : op->w]); /* something must be bound; not read without a bias */
    bind_value(c, x, op->out);
    c->args.linear = (tn_linear_args){.n_in = w->cols, .n_out = w->rows, .has_bias = op->bias != 0};
    bind_args(c, sizeof c->args.linear);
}

static void encode_rms_norm(sim_exec *x, const tn_op *op) {
    const tn_value_info *v = &x->p->values[op->out];
    sim_command *c = add_command(x, "rms_norm", v->cols / op->group, TN_NORM_THREADS, v->rows);
    bind_value(c, x, op->in[0]);
    bind_buffer(c, x->weights[op->w]);
    bind_value(c, x, op->out);
    c->args.rms_norm = (tn_rms_norm_args){.cols = v->cols, .group = op->group, .eps = op->f};
    bind_args(c, sizeof c->args.rms_norm);
}

static void encode_rope(sim_exec *x, const tn_op *op) {
    const tn_value_info *v = &x->p->values[op->out];
    const tn_rope_info *r = &x->p->ropes[op->rope];
    const uint32_t n_head = v->cols / op->group, pairs = (op->group + 1) / 2;
    sim_command *c =
        add_command(x, "rope", ceil_div(n_head * pairs, TN_ELEMENT_THREADS), TN_ELEMENT_THREADS, v->rows);
    bind_value(c, x, op->in[0]);
    bind_buffer(c, x->tokens);
    bind_buffer(c, x->ropes[op->rope]);
    bind_value(c, x, op->out);
    c->args.rope = (tn_rope_args){.n_head = n_head,
                                  .head_dim = op->group,
                                  .n_dims = r->n_dims,
                                  .interleaved = r->style == TN_ROPE_INTERLEAVED,
                                  .mscale = {r->mscale[0], r->mscale[r->n_variant > 1]}};
    bind_args(c, sizeof c->args.rope);
}

static void encode_kv_store(sim_exec *x, const tn_op *op) {
    const uint32_t layer = op->attention.layer, cols = op->attention.n_head_kv * op->attention.head_dim;
    sim_command *c = add_element_command(x, "kv_store", op->in[1]);
    bind_value(c, x, op->in[1]);
    bind_value(c, x, op->in[2]);
    bind_buffer(c, x->tokens);
    bind_buffer(c, x->page_tables[x->p->caches[layer].group]);
    bind_buffer(c, x->pools[2 * layer]);
    bind_buffer(c, x->pools[2 * layer + 1]);
    c->args.kv_store = (tn_kv_store_args){
        .cols = cols, .page_tokens = x->config.page_tokens, .pages_per_seq = x->config.max_seq_pages};
    bind_args(c, sizeof c->args.kv_store);
}

static void encode_attention(sim_exec *x, const tn_op *op) {
    const tn_attention_desc *a = &op->attention;
    if (op->in[1]) encode_kv_store(x, op);
    sim_command *c = add_command(x, "attention", a->n_head, TN_ATTENTION_THREADS, TN_ROWS_TOKEN);
    bind_value(c, x, op->in[0]);
    bind_buffer(c, x->pools[2 * a->layer]);
    bind_buffer(c, x->pools[2 * a->layer + 1]);
    bind_buffer(c, x->tokens);
    bind_buffer(c, x->page_tables[x->p->caches[a->layer].group]);
    bind_value(c, x, op->out);
    c->args.attention = (tn_attention_args){.n_head = a->n_head,
                                            .n_head_kv = a->n_head_kv,
                                            .head_dim = a->head_dim,
                                            .page_tokens = x->config.page_tokens,
                                            .pages_per_seq = x->config.max_seq_pages,
                                            .window = a->window,
                                            .scale = a->scale,
                                            .softcap = a->softcap};
    bind_args(c, sizeof c->args.attention);
}

/* GLU and ADD have two inputs, SCALE and SOFTCAP one and a number. */
static void encode_element(sim_exec *x, const tn_op *op, const char *kernel) {
    sim_command *c = add_element_command(x, kernel, op->out);
    bind_value(c, x, op->in[0]);
    if (op->in[1]) bind_value(c, x, op->in[1]);
    bind_value(c, x, op->out);
    c->args.element.f = op->f;
    bind_args(c, sizeof c->args.element);
}

static void encode_output_rows(sim_exec *x, const tn_op *op) {
    sim_command *c = add_element_command(x, "output_rows", op->out);
    bind_value(c, x, op->in[0]);
    bind_buffer(c, x->rows);
    bind_value(c, x, op->out);
    bind_args(c, sizeof c->args.element);
}

static void encode_tap(sim_exec *x, const tn_op *op) {
    if (!x->taps) return;
    sim_command *c = add_element_command(x, "scale", op->in[0]);
    bind_value(c, x, op->in[0]);
    bind_buffer(c, x->taps[op->index]);
    c->args.element.f = 1;
    bind_args(c, sizeof c->args.element);
}

static const char *glu_kernel(uint32_t activation) {
    switch (activation) {
    case TN_ACT_SILU: return "glu_silu";
    case TN_ACT_GELU_TANH: return "glu_gelu_tanh";
    default: return NULL; /* the Metal library has no erf */
    }
}

static void encode_op(sim_exec *x, const tn_op *op) {
    switch (op->kind) {
    case TN_OP_EMBED: encode_embed(x, op); break;
    case TN_OP_LINEAR: encode_linear(x, op); break;
    case TN_OP_RMS_NORM: encode_rms_norm(x, op); break;
    case TN_OP_ROPE: encode_rope(x, op); break;
    case TN_OP_ATTENTION: encode_attention(x, op); break;
    case TN_OP_GLU: encode_element(x, op, glu_kernel(op->activation)); break;
    case TN_OP_ADD: encode_element(x, op, "add"); break;
    case TN_OP_SCALE: encode_element(x, op, "scale"); break;
    case TN_OP_SOFTCAP: encode_element(x, op, "softcap"); break;
    case TN_OP_OUTPUT_ROWS: encode_output_rows(x, op); break;
    case TN_OP_TAP: encode_tap(x, op); break;
    case TN_OP_CONV:
    case TN_OP_DELTA_RULE:
    case TN_OP_SLICE: break; /* refused by sim_check_program */
    }
}

int sim_check_program(const tn_program *p, const tn_exec_config *config, tn_error *err) {
    if (config->kv_type != TN_TYPE_F32)
        return tn_fail(err, TN_ENOTSUP, "msl-sim keeps keys and values in F32 only");
    for (uint32_t g = 0; g < p->n_group; g++)
        if ((uint64_t)config->n_page[g] * config->page_tokens > UINT32_MAX)
            return tn_fail(err, TN_ELIMIT,
                           "%u pages of %u tokens: the kernels count rows of a pool in 32 bits",
                           config->n_page[g], config->page_tokens);
    for (uint32_t i = 0; i < p->n_op; i++) {
        const tn_op *op = &p->ops[i];
        if (op->kind == TN_OP_CONV || op->kind == TN_OP_DELTA_RULE || op->kind == TN_OP_SLICE)
            return tn_fail(err, TN_ENOTSUP, "msl-sim has no kernel for %s", tn_op_name(op->kind));
        if (op->kind == TN_OP_GLU && !glu_kernel(op->activation))
            return tn_fail(err, TN_ENOTSUP, "msl-sim has no kernel for activation %u", op->activation);
        if (op->kind == TN_OP_ATTENTION && op->attention.head_dim > TN_ATTENTION_MAX_HEAD_DIM)
            return tn_fail(err, TN_ENOTSUP, "heads of %u dimensions, the attention kernel takes %d",
                           op->attention.head_dim, TN_ATTENTION_MAX_HEAD_DIM);
    }
    return 0;
}

int sim_encode(sim_exec *x, tn_error *err) {
    /* An attention makes two commands, everything else at most one. */
    x->commands = calloc((size_t)x->p->n_op * 2, sizeof *x->commands);
    if (!x->commands) return tn_fail(err, TN_ENOMEM, "out of memory for %u operations", x->p->n_op);
    for (uint32_t i = 0; i < x->p->n_op; i++) encode_op(x, &x->p->ops[i]);
    for (uint32_t i = 0; i < x->n_command; i++)
        if (!x->commands[i].kernel)
            return tn_fail(err, TN_EDEVICE, "command %u: its kernel is not linked in", i);
    return 0;
}
