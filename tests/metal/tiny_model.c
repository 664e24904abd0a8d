/* SPDX-License-Identifier: Apache-2.0 */
#include "tiny_model.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "check_random.h"

/* ---- recording ---- */

static float *random_array(uint32_t n, float around, float spread) {
    float *p = malloc(n * sizeof *p);
    if (!p) abort();
    for (uint32_t i = 0; i < n; i++) p[i] = around + spread * check_random();
    return p;
}

/* A weight [rows, cols] of values around a mean. */
static tn_weight weight(tiny_model *m, uint32_t rows, uint32_t cols, float around, float spread) {
    const tn_weight w = ++m->program.n_weight;
    m->tensors[w] = (tn_tensor){.name = "w",
                                .type = TN_TYPE_F32,
                                .n_dim = 2,
                                .dim = {rows, cols},
                                .data = (const uint8_t *)random_array(rows * cols, around, spread),
                                .bytes = (uint64_t)rows * cols * sizeof(float)};
    m->weights[w] = (tn_weight_info){.tensor = &m->tensors[w], .rows = rows, .cols = cols};
    return w;
}

static tn_value value(tiny_model *m, uint32_t rows, uint32_t cols) {
    const tn_value v = ++m->program.n_value;
    m->values[v] = (tn_value_info){.rows = rows, .cols = cols, .slot = v - 1};
    m->slots[v - 1] = (tn_slot){.rows = rows, .cols = cols};
    m->program.n_slot = v;
    return v;
}

/* Appends op; its result has the rows of its first input and `cols` columns. In place where that is asked
 * for. */
static tn_value push(tiny_model *m, tn_op op, uint32_t cols, bool in_place) {
    const uint32_t rows = op.in[0] ? m->values[op.in[0]].rows : TN_ROWS_TOKEN;
    op.out = value(m, rows, cols);
    if (in_place) m->values[op.out].slot = m->values[op.in[0]].slot;
    m->ops[m->program.n_op++] = op;
    return op.out;
}

static tn_value linear(tiny_model *m, tn_value x, uint32_t n_out, bool bias) {
    const uint32_t n_in = m->values[x].cols;
    const tn_weight w = weight(m, n_out, n_in, 0, 2 / sqrtf((float)n_in));
    const tn_weight b = bias ? weight(m, 1, n_out, 0, 0.3f) : 0;
    return push(m, (tn_op){.kind = TN_OP_LINEAR, .in = {x}, .w = w, .bias = b}, n_out, false);
}

static tn_value norm(tiny_model *m, tn_value x, uint32_t group, bool add_one, bool in_place) {
    const tn_weight w = weight(m, 1, group, add_one ? 0 : 1, 0.3f);
    m->weights[w].add_one = add_one;
    return push(m, (tn_op){.kind = TN_OP_RMS_NORM, .in = {x}, .w = w, .group = group, .f = 1e-5f},
                m->values[x].cols, in_place);
}

static tn_value rope(tiny_model *m, tn_value x, tn_rope table, bool in_place) {
    return push(m, (tn_op){.kind = TN_OP_ROPE, .in = {x}, .rope = table, .group = TINY_HEAD_DIM},
                m->values[x].cols, in_place);
}

static tn_value attention_block(tiny_model *m, tn_value x, uint32_t layer) {
    const tn_attention_desc a = {.layer = layer,
                                 .n_head = TINY_HEAD,
                                 .n_head_kv = TINY_HEAD_KV,
                                 .head_dim = TINY_HEAD_DIM,
                                 .window = layer ? 7 : 0,
                                 .scale = 0.4f,
                                 .softcap = layer ? 0 : 3};
    const tn_value h = norm(m, x, TINY_EMBD, layer == 0, false);
    tn_value q = linear(m, h, TINY_HEAD * TINY_HEAD_DIM, true),
             k = linear(m, h, TINY_HEAD_KV * TINY_HEAD_DIM, layer);
    const tn_value v = linear(m, h, TINY_HEAD_KV * TINY_HEAD_DIM, false);
    if (layer) q = norm(m, q, TINY_HEAD_DIM, false, true);
    q = rope(m, q, 1 + layer, layer);
    k = rope(m, k, 1 + layer, true);
    m->caches[layer] = (tn_cache_info){
        .n_head_kv = TINY_HEAD_KV, .head_dim = TINY_HEAD_DIM, .window = a.window, .group = layer};
    const tn_value y = push(m, (tn_op){.kind = TN_OP_ATTENTION, .in = {q, k, v}, .attention = a},
                            TINY_HEAD * TINY_HEAD_DIM, false);
    return push(m, (tn_op){.kind = TN_OP_ADD, .in = {x, linear(m, y, TINY_EMBD, false)}}, TINY_EMBD, false);
}

static tn_value mlp_block(tiny_model *m, tn_value x, uint32_t layer) {
    const tn_value h = norm(m, x, TINY_EMBD, false, false);
    const tn_value gate = linear(m, h, TINY_FF, false), up = linear(m, h, TINY_FF, false);
    const uint32_t activation = layer ? TN_ACT_GELU_TANH : TN_ACT_SILU;
    const tn_value y =
        push(m, (tn_op){.kind = TN_OP_GLU, .in = {gate, up}, .activation = activation}, TINY_FF, true);
    const tn_value down = linear(m, y, TINY_EMBD, false);
    const tn_value scaled = push(m, (tn_op){.kind = TN_OP_SCALE, .in = {down}, .f = 0.7f}, TINY_EMBD, true);
    return push(m, (tn_op){.kind = TN_OP_ADD, .in = {x, scaled}}, TINY_EMBD, false);
}

static void tap(tiny_model *m, tn_value x) {
    m->ops[m->program.n_op++] = (tn_op){.kind = TN_OP_TAP, .in = {x}, .index = m->program.n_tap++};
}

static tn_rope_info rope_table(uint32_t style, uint32_t n_dims, uint32_t n_variant) {
    tn_rope_info r = {.style = style, .n_dims = n_dims, .n_variant = n_variant, .mscale = {1, 1.1f}};
    for (uint32_t v = 0; v < n_variant; v++) r.inv_freq[v] = random_array(n_dims / 2, 0.5f, 0.5f);
    return r;
}

void tiny_model_init(tiny_model *m) {
    memset(m, 0, sizeof *m);
    check_random_seed(42);
    m->program = (tn_program){.ops = m->ops,
                              .values = m->values,
                              .slots = m->slots,
                              .weights = m->weights,
                              .ropes = m->ropes,
                              .caches = m->caches,
                              .n_rope = 2,
                              .n_layer = TINY_LAYER,
                              .n_group = TINY_LAYER,
                              .n_vocab = TINY_VOCAB,
                              .n_embd = TINY_EMBD};
    m->ropes[1] = rope_table(TN_ROPE_HALF, TINY_HEAD_DIM, 2);
    m->ropes[2] = rope_table(TN_ROPE_INTERLEAVED, TINY_HEAD_DIM - 4, 1);
    const tn_weight table = weight(m, TINY_VOCAB, TINY_EMBD, 0, 1);
    tn_value x = push(m, (tn_op){.kind = TN_OP_EMBED, .w = table, .f = 1.5f}, TINY_EMBD, false);
    tap(m, x);
    for (uint32_t layer = 0; layer < TINY_LAYER; layer++) {
        x = mlp_block(m, attention_block(m, x, layer), layer);
        tap(m, x);
    }
    const tn_value rows = push(m, (tn_op){.kind = TN_OP_OUTPUT_ROWS, .in = {x}}, TINY_EMBD, false);
    m->values[rows].rows = m->slots[rows - 1].rows = TN_ROWS_OUTPUT;
    const tn_value out = linear(m, norm(m, rows, TINY_EMBD, false, true), TINY_VOCAB, false);
    m->program.logits = push(m, (tn_op){.kind = TN_OP_SOFTCAP, .in = {out}, .f = 4}, TINY_VOCAB, true);
}

void tiny_model_fini(tiny_model *m) {
    for (uint32_t w = 1; w <= m->program.n_weight; w++) free((void *)(uintptr_t)m->tensors[w].data);
    for (uint32_t r = 1; r <= m->program.n_rope; r++)
        for (uint32_t v = 0; v < m->ropes[r].n_variant; v++) free(m->ropes[r].inv_freq[v]);
}

/* ---- forward in double ---- */

typedef struct forward {
    const tiny_model *m;
    const int32_t *ids;
    uint32_t n, rope_variant;
    double *values[TINY_MAX]; /* [n, cols] */
} forward;

static double weight_at(const forward *f, tn_weight w, uint32_t row, uint32_t col) {
    const float *data = (const float *)(const void *)f->m->tensors[w].data;
    return data[row * f->m->weights[w].cols + col] + (f->m->weights[w].add_one ? 1.0 : 0.0);
}

static void forward_linear(const forward *f, const tn_op *op, const double *x, double *y) {
    const tn_weight_info *w = &f->m->weights[op->w];
    for (uint32_t j = 0; j < w->rows; j++) {
        y[j] = op->bias ? weight_at(f, op->bias, 0, j) : 0;
        for (uint32_t i = 0; i < w->cols; i++) y[j] += x[i] * weight_at(f, op->w, j, i);
    }
}

static void forward_norm(const forward *f, const tn_op *op, uint32_t cols, const double *x, double *y) {
    for (uint32_t g = 0; g < cols; g += op->group) {
        double sum = 0;
        for (uint32_t i = 0; i < op->group; i++) sum += x[g + i] * x[g + i];
        for (uint32_t i = 0; i < op->group; i++)
            y[g + i] = x[g + i] / sqrt(sum / op->group + op->f) * weight_at(f, op->w, 0, i);
    }
}

static void forward_rope(const forward *f, const tn_op *op, uint32_t cols, uint32_t pos, const double *x,
                         double *y) {
    const tn_rope_info *r = &f->m->ropes[op->rope];
    const uint32_t v = f->rope_variant < r->n_variant ? f->rope_variant : 0, half = r->n_dims / 2;
    memcpy(y, x, cols * sizeof *y);
    for (uint32_t h = 0; h < cols; h += op->group)
        for (uint32_t i = 0; i < half; i++) {
            const uint32_t a = h + (r->style == TN_ROPE_HALF ? i : 2 * i);
            const uint32_t b = r->style == TN_ROPE_HALF ? a + half : a + 1;
            const double angle = (double)pos * r->inv_freq[v][i];
            y[a] = (x[a] * cos(angle) - x[b] * sin(angle)) * r->mscale[v];
            y[b] = (x[b] * cos(angle) + x[a] * sin(angle)) * r->mscale[v];
        }
}

static void forward_attention(const forward *f, const tn_op *op, uint32_t pos, double *y) {
    const tn_attention_desc *a = &op->attention;
    const uint32_t d = a->head_dim, first = a->window && pos >= a->window ? pos + 1 - a->window : 0;
    for (uint32_t h = 0; h < a->n_head; h++) {
        const double *q = f->values[op->in[0]] + ((size_t)pos * a->n_head + h) * d;
        double sum = 0, *out = y + (size_t)h * d;
        memset(out, 0, d * sizeof *out);
        for (uint32_t p = first; p <= pos; p++) {
            const size_t at = ((size_t)p * a->n_head_kv + h / (a->n_head / a->n_head_kv)) * d;
            double score = 0;
            for (uint32_t i = 0; i < d; i++) score += q[i] * f->values[op->in[1]][at + i];
            score *= a->scale;
            if (a->softcap > 0) score = a->softcap * tanh(score / a->softcap);
            sum += exp(score);
            for (uint32_t i = 0; i < d; i++) out[i] += exp(score) * f->values[op->in[2]][at + i];
        }
        for (uint32_t i = 0; i < d; i++) out[i] /= sum;
    }
}

static double element(const tn_op *op, double x, double y) {
    switch (op->kind) {
    case TN_OP_GLU:
        if (op->activation == TN_ACT_SILU) return x / (1 + exp(-x)) * y;
        return 0.5 * x * (1 + tanh(sqrt(2 / 3.14159265358979) * (x + 0.044715 * x * x * x))) * y;
    case TN_OP_ADD: return x + y;
    case TN_OP_SCALE: return x * op->f;
    case TN_OP_SOFTCAP: return op->f * tanh(x / op->f);
    default: return x; /* OUTPUT_ROWS: all rows are wanted */
    }
}

static void forward_row(const forward *f, const tn_op *op, uint32_t t) {
    const uint32_t cols = f->m->values[op->out].cols;
    const double *x = op->in[0] ? f->values[op->in[0]] + (size_t)t * f->m->values[op->in[0]].cols : NULL;
    const double *x1 = op->in[1] ? f->values[op->in[1]] + (size_t)t * f->m->values[op->in[1]].cols : x;
    double *y = f->values[op->out] + (size_t)t * cols;
    switch (op->kind) {
    case TN_OP_EMBED:
        for (uint32_t i = 0; i < cols; i++) y[i] = op->f * weight_at(f, op->w, (uint32_t)f->ids[t], i);
        break;
    case TN_OP_LINEAR: forward_linear(f, op, x, y); break;
    case TN_OP_RMS_NORM: forward_norm(f, op, cols, x, y); break;
    case TN_OP_ROPE: forward_rope(f, op, cols, t, x, y); break;
    case TN_OP_ATTENTION: forward_attention(f, op, t, y); break;
    default:
        for (uint32_t i = 0; i < cols; i++) y[i] = element(op, x[i], x1[i]);
    }
}

void tiny_model_forward(const tiny_model *m, const int32_t *ids, uint32_t n, uint32_t rope_variant,
                        double *ret_logits) {
    forward f = {.m = m, .ids = ids, .n = n, .rope_variant = rope_variant};
    for (uint32_t v = 1; v <= m->program.n_value; v++)
        if (!(f.values[v] = calloc((size_t)n * m->values[v].cols, sizeof(double)))) abort();
    for (uint32_t i = 0; i < m->program.n_op; i++)
        for (uint32_t t = 0; t < n && m->ops[i].kind != TN_OP_TAP; t++) forward_row(&f, &m->ops[i], t);
    memcpy(ret_logits, f.values[m->program.logits], (size_t)n * TINY_VOCAB * sizeof(double));
    for (uint32_t v = 1; v <= m->program.n_value; v++) free(f.values[v]);
}
