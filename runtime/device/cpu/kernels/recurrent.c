/* SPDX-License-Identifier: Apache-2.0 */
/* Operations with a state that goes along a sequence: the causal convolution, and the gated delta rule. What
 * a row gives depends on the state before it and on the row, so it is of no consequence how rows are dealt
 * out to steps. Channels, and columns of S, are independent: a vector holds neighbouring ones, and no sum
 * crosses lanes. */
#include "device/cpu/kernels/set.h"
#include "device/program.h"

/* n <= VN floats. */
ALWAYS_INLINE vf load_some(const float *p, uint32_t n) {
    return n == VN ? vf_load(p) : vf_load_part(p, n);
}
ALWAYS_INLINE void store_some(float *p, vf x, uint32_t n) {
    if (n == VN)
        vf_store(p, x);
    else
        vf_store_part(p, x, n);
}

/* Channels k .. k + n of row t. */
ALWAYS_INLINE vf conv_row(const tn_cpu_conv *c, const float *x, const float *tail, uint32_t t, uint64_t k,
                          uint32_t n) {
    const uint32_t before = c->kernel - 1;
    vf sum = {0};
    for (uint32_t j = 0; j <= before; j++) {
        const float *row =
            t + j < before ? tail + (size_t)(t + j) * c->cols : x + (size_t)(t + j - before) * c->cols;
        sum = vf_fma(load_some(c->w + (size_t)j * c->cols + k, n), load_some(row + k, n), sum);
    }
    if (c->bias) sum += load_some(c->bias + k, n);
    return c->activation == TN_ACT_SILU ? vf_silu(sum) : sum;
}

/* The tail becomes the last kernel - 1 rows of what it was, followed by x. */
static void conv_tail(const tn_cpu_conv *c, const float *x, float *tail, uint32_t n_row, tn_range cols) {
    const uint32_t before = c->kernel - 1;
    const size_t bytes = (cols.end - cols.first) * sizeof *x;
    for (uint32_t j = 0; j < before; j++) {
        const float *row = n_row + j < before ? tail + (size_t)(n_row + j) * c->cols
                                              : x + (size_t)(n_row + j - before) * c->cols;
        memmove(tail + (size_t)j * c->cols + cols.first, row + cols.first, bytes);
    }
}

void SET(tn_cpu_conv)(const tn_cpu_conv *c, const float *x, float *y, float *tail, uint32_t n_row,
                      tn_range cols) {
    for (uint32_t t = 0; t < n_row; t++) {
        float *out = y + (size_t)t * c->cols;
        uint64_t k = cols.first;
        for (; k + VN <= cols.end; k += VN) vf_store(out + k, conv_row(c, x, tail, t, k, VN));
        if (k == cols.end) continue;
        uint32_t left = (uint32_t)(cols.end - k);
        vf_store_part(out + k, conv_row(c, x, tail, t, k, left), left);
    }
    conv_tail(c, x, tail, n_row, cols);
}

/* What all columns of S need of one token, in scratch: q and k brought to their lengths. */
typedef struct token {
    float *q, *k; /* [head_dim_k] */
    float decay, beta;
    const float *v;
    float *out;
} token;

static void to_length(float *y, const float *x, uint32_t n, float eps, float scale) {
    float r = scale / sqrtf(vf_square_sum(x, n) + eps);
    for (uint32_t i = 0; i < n; i += VN) {
        uint32_t some = n - i < VN ? n - i : VN;
        store_some(y + i, load_some(x + i, some) * r, some);
    }
}

static void token_init(token *to, const tn_cpu_delta *d, const tn_cpu_delta_item *item, uint32_t t,
                       float *scratch) {
    const tn_delta_desc *e = &d->desc;
    const uint32_t dk = e->head_dim_k, dv = e->head_dim_v, head = item->head;
    const float *q = item->qkv + (size_t)t * tn_delta_cols(e), *k = q + (size_t)e->n_head_k * dk;
    const size_t head_k = tn_delta_head_k(e, head), at = (size_t)t * e->n_head + head;
    float a = item->a[at] + d->dt_bias[head];
    /* log(1 + e^x) is x to the last bit from 20 on. */
    to->decay = expf(d->rate[head] * (a > 20.0f ? a : log1pf(expf(a))));
    to->beta = 1.0f / (1.0f + expf(-item->b[at]));
    to->q = scratch;
    to->k = scratch + tn_cpu_head_stride(dk);
    to->v = k + (size_t)e->n_head_k * dk + (size_t)head * dv;
    to->out = item->out + at * dv;
    to_length(to->q, q + head_k * dk, dk, e->eps, e->scale);
    to_length(to->k, k + head_k * dk, dk, e->eps, 1.0f);
}

/* One token, columns j .. j + nv * VN of S, or the last n of them where nv is 1. */
ALWAYS_INLINE void delta_columns(const int nv, const tn_delta_desc *d, const token *t, float *s, uint32_t j,
                                 const uint32_t n) {
    vf found[4], out[4];
    float *at = s + j;
    UNROLL for (int v = 0; v < nv; v++) found[v] = out[v] = (vf){0};
    for (uint32_t i = 0; i < d->head_dim_k; i++, at += d->head_dim_v) {
        vf k = vf_set1(t->k[i]);
        UNROLL for (int v = 0; v < nv; v++) found[v] =
            vf_fma(load_some(at + v * VN, n) * t->decay, k, found[v]);
    }
    UNROLL for (int v = 0; v < nv; v++) found[v] = (load_some(t->v + j + v * VN, n) - found[v]) * t->beta;
    at = s + j;
    for (uint32_t i = 0; i < d->head_dim_k; i++, at += d->head_dim_v) {
        vf k = vf_set1(t->k[i]), q = vf_set1(t->q[i]);
        UNROLL for (int v = 0; v < nv; v++) {
            vf x = vf_fma(k, found[v], load_some(at + v * VN, n) * t->decay);
            store_some(at + v * VN, x, n);
            out[v] = vf_fma(x, q, out[v]);
        }
    }
    UNROLL for (int v = 0; v < nv; v++) store_some(t->out + j + v * VN, out[v], n);
}

void SET(tn_cpu_delta_rule)(const tn_cpu_delta *d, const tn_cpu_delta_item *item, void *scratch) {
    const tn_delta_desc *e = &d->desc;
    const uint32_t dv = e->head_dim_v;
    token tokens[TN_CPU_DELTA_ROWS];
    for (uint32_t first = 0; first < item->n_row; first += TN_CPU_DELTA_ROWS) {
        uint32_t n = item->n_row - first < TN_CPU_DELTA_ROWS ? item->n_row - first : TN_CPU_DELTA_ROWS, j = 0;
        for (uint32_t t = 0; t < n; t++)
            token_init(&tokens[t], d, item, first + t, (float *)scratch + t * tn_cpu_delta_stride(e));
        for (; j + 4 * VN <= dv; j += 4 * VN)
            for (uint32_t t = 0; t < n; t++) delta_columns(4, e, &tokens[t], item->state, j, VN);
        for (; j + VN <= dv; j += VN)
            for (uint32_t t = 0; t < n; t++) delta_columns(1, e, &tokens[t], item->state, j, VN);
        for (uint32_t t = 0; j < dv && t < n; t++) delta_columns(1, e, &tokens[t], item->state, j, dv - j);
    }
}
