/* SPDX-License-Identifier: Apache-2.0 */
/* Operations on single rows, heads and elements. An element's arithmetic is the same in a whole vector and at
 * the end of a row, so rows may be cut anywhere. */
#include "device/cpu/kernels/set.h"

void SET(tn_cpu_rms_norm)(float *y, const float *x, const float *w, uint32_t n, float eps) {
    float r = 1.0f / sqrtf(vf_square_sum(x, n) / (float)n + eps);
    uint32_t i = 0;
    for (; i + VN <= n; i += VN) vf_store(y + i, vf_load(x + i) * r * vf_load(w + i));
    for (; i < n; i++) y[i] = x[i] * r * w[i];
}

void SET(tn_cpu_layer_norm)(float *y, const float *x, const float *w, const float *bias, uint32_t n,
                            float eps) {
    vf sum = {0}, squares = {0};
    float end_sum = 0, end_squares = 0;
    uint32_t i = 0;
    for (; i + VN <= n; i += VN) sum += vf_load(x + i);
    for (uint32_t j = i; j < n; j++) end_sum += x[j];
    const float mean = (vf_sum(sum) + end_sum) / (float)n;
    for (i = 0; i + VN <= n; i += VN) {
        vf d = vf_load(x + i) - mean;
        squares = vf_fma(d, d, squares);
    }
    for (uint32_t j = i; j < n; j++) end_squares += (x[j] - mean) * (x[j] - mean);
    const float r = 1.0f / sqrtf((vf_sum(squares) + end_squares) / (float)n + eps);
    for (i = 0; i + VN <= n; i += VN) {
        vf v = (vf_load(x + i) - mean) * r * vf_load(w + i);
        vf_store(y + i, bias ? v + vf_load(bias + i) : v);
    }
    for (; i < n; i++) y[i] = (x[i] - mean) * r * w[i] + (bias ? bias[i] : 0);
}

/* Pairs (i, i + n_pair). */
static void rope_half(float *y, const float *x, uint32_t n_pair, const float *cos, const float *sin) {
    uint32_t i = 0;
    for (; i + VN <= n_pair; i += VN) {
        vf a = vf_load(x + i), b = vf_load(x + n_pair + i), c = vf_load(cos + i), s = vf_load(sin + i);
        vf_store(y + i, a * c - b * s);
        vf_store(y + n_pair + i, b * c + a * s);
    }
    for (; i < n_pair; i++) {
        float a = x[i], b = x[n_pair + i];
        y[i] = a * cos[i] - b * sin[i];
        y[n_pair + i] = b * cos[i] + a * sin[i];
    }
}

/* Pairs (2i, 2i + 1). */
static void rope_interleaved(float *y, const float *x, uint32_t n_pair, const float *cos, const float *sin) {
    for (uint32_t i = 0; i < n_pair; i++) {
        float a = x[2 * i], b = x[2 * i + 1];
        y[2 * i] = a * cos[i] - b * sin[i];
        y[2 * i + 1] = b * cos[i] + a * sin[i];
    }
}

void SET(tn_cpu_rope)(float *y, const float *x, uint32_t head_dim, uint32_t n_pair, const float *cos_sin,
                      uint32_t style) {
    if (style == TN_ROPE_HALF)
        rope_half(y, x, n_pair, cos_sin, cos_sin + n_pair);
    else
        rope_interleaved(y, x, n_pair, cos_sin, cos_sin + n_pair);
    if (y != x) memcpy(y + 2 * n_pair, x + 2 * n_pair, (head_dim - 2 * n_pair) * sizeof *y);
}

ALWAYS_INLINE vf gelu_erf(vf x) {
    float v[VN];
    vf_store(v, x);
    for (int i = 0; i < VN; i++) v[i] = 0.5f * v[i] * (1.0f + erff(v[i] * 0x1.6a09e6p-1f));
    return vf_load(v);
}

ALWAYS_INLINE vf activate(vf x, const uint32_t activation) {
    if (activation == TN_ACT_SILU) return vf_silu(x);
    if (activation == TN_ACT_SIGMOID) return 1.0f / (1.0f + vf_exp(-x));
    if (activation == TN_ACT_GELU_ERF) return gelu_erf(x);
    if (activation == TN_ACT_GELU_QUICK) return x / (1.0f + vf_exp(-1.702f * x));
    /* sqrt(2 / pi) (x + 0.044715 x^3) */
    vf inner = 0x1.988454p-1f * vf_fma(x * x * x, vf_set1(0.044715f), x);
    return 0.5f * x * (1.0f + vf_tanh(inner));
}

ALWAYS_INLINE void glu(float *y, const float *gate, const float *up, size_t n, const uint32_t activation) {
    size_t i = 0;
    for (; i + VN <= n; i += VN) {
        vf v = activate(vf_load(gate + i), activation);
        vf_store(y + i, up ? v * vf_load(up + i) : v);
    }
    if (i == n) return;
    uint32_t left = (uint32_t)(n - i);
    vf v = activate(vf_load_part(gate + i, left), activation);
    vf_store_part(y + i, up ? v * vf_load_part(up + i, left) : v, left);
}

void SET(tn_cpu_glu)(float *y, const float *gate, const float *up, size_t n, uint32_t activation) {
    if (activation == TN_ACT_SILU)
        glu(y, gate, up, n, TN_ACT_SILU);
    else if (activation == TN_ACT_SIGMOID)
        glu(y, gate, up, n, TN_ACT_SIGMOID);
    else if (activation == TN_ACT_GELU_TANH)
        glu(y, gate, up, n, TN_ACT_GELU_TANH);
    else if (activation == TN_ACT_GELU_QUICK)
        glu(y, gate, up, n, TN_ACT_GELU_QUICK);
    else
        glu(y, gate, up, n, TN_ACT_GELU_ERF);
}

void SET(tn_cpu_add)(float *y, const float *a, const float *b, size_t n) {
    size_t i = 0;
    for (; i + VN <= n; i += VN) vf_store(y + i, vf_load(a + i) + vf_load(b + i));
    for (; i < n; i++) y[i] = a[i] + b[i];
}

void SET(tn_cpu_scale)(float *y, const float *x, size_t n, float factor) {
    size_t i = 0;
    for (; i + VN <= n; i += VN) vf_store(y + i, vf_load(x + i) * factor);
    for (; i < n; i++) y[i] = x[i] * factor;
}

void SET(tn_cpu_softcap)(float *y, const float *x, size_t n, float cap) {
    size_t i = 0;
    for (; i + VN <= n; i += VN) vf_store(y + i, cap * vf_tanh(vf_load(x + i) / cap));
    if (i == n) return;
    uint32_t left = (uint32_t)(n - i);
    vf_store_part(y + i, cap * vf_tanh(vf_load_part(x + i, left) / cap), left);
}

/* q . k, in lanes, then what is left of the head. */
static float cross_score(const float *q, const float *k, uint32_t n) {
    vf sum = {0};
    float end = 0;
    uint32_t i = 0;
    for (; i + VN <= n; i += VN) sum = vf_fma(vf_load(q + i), vf_load(k + i), sum);
    for (; i < n; i++) end += q[i] * k[i];
    return vf_sum(sum) + end;
}

/* Dimensions 0 to 4 VN of the weighted sum of values. */
static void cross_values(const float *v, const float *weights, uint32_t n_row, size_t stride, float by,
                         float *out) {
    vf sum[4] = {{0}};
    for (uint32_t r = 0; r < n_row; r++, v += stride)
        for (int k = 0; k < 4; k++) sum[k] = vf_fma(vf_set1(weights[r]), vf_load(v + k * VN), sum[k]);
    for (int k = 0; k < 4; k++) vf_store(out + k * VN, sum[k] * by);
}

void SET(tn_cpu_cross)(const float *q, const float *k, const float *v, uint32_t n_row, size_t stride,
                       uint32_t head_dim, float scale, float *scores, float *out) {
    float top = -INFINITY;
    for (uint32_t r = 0; r < n_row; r++) {
        scores[r] = cross_score(q, k + r * stride, head_dim) * scale;
        if (scores[r] > top) top = scores[r];
    }
    for (uint32_t r = n_row; r % VN; r++) scores[r] = -INFINITY;
    vf all = {0};
    for (uint32_t r = 0; r < n_row; r += VN) {
        vf e = vf_exp(vf_load(scores + r) - top);
        vf_store(scores + r, e);
        all += e;
    }
    const float by = 1.0f / vf_sum(all);
    uint32_t i = 0;
    for (; i + 4 * VN <= head_dim; i += 4 * VN) cross_values(v + i, scores, n_row, stride, by, out + i);
    for (; i < head_dim; i++) {
        float sum = 0;
        for (uint32_t r = 0; r < n_row; r++) sum += scores[r] * v[r * stride + i];
        out[i] = sum * by;
    }
}
