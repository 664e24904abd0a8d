/* SPDX-License-Identifier: Apache-2.0 */
#include "device/tiny_model.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* -1 .. 1, by the linear congruence of Numerical Recipes. */
static float next_random(tn_tiny_model *m) {
    m->random = m->random * 1664525u + 1013904223u;
    return (float)(m->random >> 8) * 0x1p-23f - 1.0f;
}

static float *random_array(tn_tiny_model *m, uint32_t n, float around, float spread) {
    float *p = malloc(n * sizeof *p);
    if (!p) abort(); /* kilobytes, in a check */
    for (uint32_t i = 0; i < n; i++) p[i] = around + spread * next_random(m);
    return p;
}

/* A weight [rows, cols] of values around a mean. */
static tn_weight weight(tn_tiny_model *m, uint32_t rows, uint32_t cols, float around, float spread) {
    const tn_weight w = ++m->program.n_weight;
    m->tensors[w] = (tn_tensor){.name = "w",
                                .type = TN_TYPE_F32,
                                .n_dim = 2,
                                .dim = {rows, cols},
                                .data = (const uint8_t *)random_array(m, rows * cols, around, spread),
                                .bytes = (uint64_t)rows * cols * sizeof(float)};
    m->weights[w] = (tn_weight_info){.tensor = &m->tensors[w], .rows = rows, .cols = cols};
    return w;
}

static tn_value value(tn_tiny_model *m, uint32_t rows, uint32_t cols) {
    const tn_value v = ++m->program.n_value;
    m->values[v] = (tn_value_info){.rows = rows, .cols = cols, .slot = v - 1};
    m->slots[v - 1] = (tn_slot){.rows = rows, .cols = cols};
    m->program.n_slot = v;
    return v;
}

/* Appends op; its result has the rows of its first input and `cols` columns. In place where that is asked
 * for. */
static tn_value push(tn_tiny_model *m, tn_op op, uint32_t cols, bool in_place) {
    const uint32_t rows = op.in[0] ? m->values[op.in[0]].rows : TN_ROWS_TOKEN;
    op.out = value(m, rows, cols);
    if (in_place) m->values[op.out].slot = m->values[op.in[0]].slot;
    m->ops[m->program.n_op++] = op;
    return op.out;
}

static tn_value linear(tn_tiny_model *m, tn_value x, uint32_t n_out, bool bias) {
    const uint32_t n_in = m->values[x].cols;
    const tn_weight w = weight(m, n_out, n_in, 0, 2 / sqrtf((float)n_in));
    const tn_weight b = bias ? weight(m, 1, n_out, 0, 0.3f) : 0;
    return push(m, (tn_op){.kind = TN_OP_LINEAR, .in = {x}, .w = w, .bias = b}, n_out, false);
}

static tn_value norm(tn_tiny_model *m, tn_value x, uint32_t group, bool add_one, bool in_place) {
    const tn_weight w = weight(m, 1, group, add_one ? 0 : 1, 0.3f);
    m->weights[w].add_one = add_one;
    return push(m, (tn_op){.kind = TN_OP_RMS_NORM, .in = {x}, .w = w, .group = group, .f = 1e-5f},
                m->values[x].cols, in_place);
}

static tn_value rope(tn_tiny_model *m, tn_value x, tn_rope table, bool in_place) {
    return push(m, (tn_op){.kind = TN_OP_ROPE, .in = {x}, .rope = table, .group = TN_TINY_HEAD_DIM},
                m->values[x].cols, in_place);
}

static tn_value attention_block(tn_tiny_model *m, tn_value x, uint32_t layer) {
    const tn_attention_desc a = {.layer = layer,
                                 .n_head = TN_TINY_HEAD,
                                 .n_head_kv = TN_TINY_HEAD_KV,
                                 .head_dim = TN_TINY_HEAD_DIM,
                                 .window = layer ? 7 : 0,
                                 .scale = 0.4f,
                                 .softcap = layer ? 0 : 3};
    const tn_value h = norm(m, x, TN_TINY_EMBD, layer == 0, false);
    tn_value q = linear(m, h, TN_TINY_HEAD * TN_TINY_HEAD_DIM, true),
             k = linear(m, h, TN_TINY_HEAD_KV * TN_TINY_HEAD_DIM, layer);
    const tn_value v = linear(m, h, TN_TINY_HEAD_KV * TN_TINY_HEAD_DIM, false);
    if (layer) q = norm(m, q, TN_TINY_HEAD_DIM, false, true);
    q = rope(m, q, 1 + layer, layer);
    k = rope(m, k, 1 + layer, true);
    m->caches[layer] = (tn_cache_info){
        .n_head_kv = TN_TINY_HEAD_KV, .head_dim = TN_TINY_HEAD_DIM, .window = a.window, .group = layer};
    const tn_value y = push(m, (tn_op){.kind = TN_OP_ATTENTION, .in = {q, k, v}, .attention = a},
                            TN_TINY_HEAD * TN_TINY_HEAD_DIM, false);
    return push(m, (tn_op){.kind = TN_OP_ADD, .in = {x, linear(m, y, TN_TINY_EMBD, false)}}, TN_TINY_EMBD,
                false);
}

static tn_value mlp_block(tn_tiny_model *m, tn_value x, uint32_t layer) {
    const tn_value h = norm(m, x, TN_TINY_EMBD, false, false);
    const tn_value gate = linear(m, h, TN_TINY_FF, false), up = linear(m, h, TN_TINY_FF, false);
    const uint32_t activation = layer ? TN_ACT_GELU_TANH : TN_ACT_SILU;
    const tn_value y =
        push(m, (tn_op){.kind = TN_OP_GLU, .in = {gate, up}, .activation = activation}, TN_TINY_FF, true);
    const tn_value down = linear(m, y, TN_TINY_EMBD, false);
    const tn_value scaled =
        push(m, (tn_op){.kind = TN_OP_SCALE, .in = {down}, .f = 0.7f}, TN_TINY_EMBD, true);
    return push(m, (tn_op){.kind = TN_OP_ADD, .in = {x, scaled}}, TN_TINY_EMBD, false);
}

static void tap(tn_tiny_model *m, tn_value x) {
    m->ops[m->program.n_op++] = (tn_op){.kind = TN_OP_TAP, .in = {x}, .index = m->program.n_tap++};
}

static tn_rope_info rope_table(tn_tiny_model *m, uint32_t style, uint32_t n_dims, uint32_t n_variant) {
    tn_rope_info r = {.style = style, .n_dims = n_dims, .n_variant = n_variant, .mscale = {1, 1.1f}};
    for (uint32_t v = 0; v < n_variant; v++) r.inv_freq[v] = random_array(m, n_dims / 2, 0.5f, 0.5f);
    return r;
}

void tn_tiny_model_init(tn_tiny_model *m) {
    memset(m, 0, sizeof *m);
    m->random = 42;
    m->program = (tn_program){.ops = m->ops,
                              .values = m->values,
                              .slots = m->slots,
                              .weights = m->weights,
                              .ropes = m->ropes,
                              .caches = m->caches,
                              .n_stage = 1,
                              .n_rope = 2,
                              .n_layer = TN_TINY_LAYER,
                              .n_group = TN_TINY_LAYER,
                              .n_vocab = TN_TINY_VOCAB,
                              .n_embd = TN_TINY_EMBD};
    m->ropes[1] = rope_table(m, TN_ROPE_HALF, TN_TINY_HEAD_DIM, 2);
    m->ropes[2] = rope_table(m, TN_ROPE_INTERLEAVED, TN_TINY_HEAD_DIM - 4, 1);
    const tn_weight table = weight(m, TN_TINY_VOCAB, TN_TINY_EMBD, 0, 1);
    tn_value x = push(m, (tn_op){.kind = TN_OP_EMBED, .w = table, .f = 1.5f}, TN_TINY_EMBD, false);
    tap(m, x);
    for (uint32_t layer = 0; layer < TN_TINY_LAYER; layer++) {
        x = mlp_block(m, attention_block(m, x, layer), layer);
        tap(m, x);
    }
    const tn_value rows = push(m, (tn_op){.kind = TN_OP_OUTPUT_ROWS, .in = {x}}, TN_TINY_EMBD, false);
    m->values[rows].rows = m->slots[rows - 1].rows = TN_ROWS_OUTPUT;
    const tn_value out = linear(m, norm(m, rows, TN_TINY_EMBD, false, true), TN_TINY_VOCAB, false);
    m->program.logits = push(m, (tn_op){.kind = TN_OP_SOFTCAP, .in = {out}, .f = 4}, TN_TINY_VOCAB, true);
}

void tn_tiny_model_fini(tn_tiny_model *m) {
    for (uint32_t w = 1; w <= m->program.n_weight; w++) free((void *)(uintptr_t)m->tensors[w].data);
    for (uint32_t r = 1; r <= m->program.n_rope; r++)
        for (uint32_t v = 0; v < m->ropes[r].n_variant; v++) free(m->ropes[r].inv_freq[v]);
}
