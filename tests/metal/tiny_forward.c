/* SPDX-License-Identifier: Apache-2.0 */
#include "tiny_forward.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct forward {
    const tn_tiny_model *m;
    const int32_t *ids;
    uint32_t n, rope_variant;
    double *values[TN_TINY_MAX]; /* [n, cols] */
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

void tiny_forward(const tn_tiny_model *m, const int32_t *ids, uint32_t n, uint32_t rope_variant,
                  double *ret_logits) {
    forward f = {.m = m, .ids = ids, .n = n, .rope_variant = rope_variant};
    for (uint32_t v = 1; v <= m->program.n_value; v++)
        if (!(f.values[v] = calloc((size_t)n * m->values[v].cols, sizeof(double)))) abort();
    for (uint32_t i = 0; i < m->program.n_op; i++)
        for (uint32_t t = 0; t < n && m->ops[i].kind != TN_OP_TAP; t++) forward_row(&f, &m->ops[i], t);
    memcpy(ret_logits, f.values[m->program.logits], (size_t)n * TN_TINY_VOCAB * sizeof(double));
    for (uint32_t v = 1; v <= m->program.n_value; v++) free(f.values[v]);
}
