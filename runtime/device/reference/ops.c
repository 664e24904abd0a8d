/* SPDX-License-Identifier: Apache-2.0 */
#include "device/reference/ops.h"

#include <math.h>

double tn_ref_dot(const float *x, const float *w, uint32_t n) {
    double sum = 0;
    for (uint32_t i = 0; i < n; i++) sum += (double)x[i] * w[i];
    return sum;
}

void tn_ref_rms_norm(const float *x, const float *w, uint32_t n, float eps, float *y) {
    double scale = 1 / sqrt(tn_ref_dot(x, x, n) / n + eps);
    for (uint32_t i = 0; i < n; i++) y[i] = (float)(x[i] * scale * w[i]);
}

void tn_ref_layer_norm(const float *x, const float *w, const float *bias, uint32_t n, float eps, float *y) {
    double mean = 0, variance = 0;
    for (uint32_t i = 0; i < n; i++) mean += x[i];
    mean /= n;
    for (uint32_t i = 0; i < n; i++) variance += (x[i] - mean) * (x[i] - mean);
    double scale = 1 / sqrt(variance / n + eps);
    for (uint32_t i = 0; i < n; i++) y[i] = (float)((x[i] - mean) * scale * w[i] + (bias ? bias[i] : 0));
}

void tn_ref_rope(float *head, const tn_rope_info *r, uint32_t v, uint32_t pos, const uint32_t coord[3]) {
    uint32_t half = r->n_dims / 2;
    for (uint32_t i = 0; i < half; i++) {
        uint32_t a = r->style == TN_ROPE_HALF ? i : 2 * i,
                 b = r->style == TN_ROPE_HALF ? i + half : 2 * i + 1;
        float angle = (float)(r->axis && coord ? coord[r->axis[i]] : pos) * r->inv_freq[v][i];
        double c = cos(angle) * r->mscale[v], s = sin(angle) * r->mscale[v];
        float x = head[a], y = head[b];
        head[a] = (float)(x * c - y * s);
        head[b] = (float)(y * c + x * s);
    }
}

float tn_ref_glu(float gate, float up, uint32_t activation) {
    double g = gate;
    switch (activation) {
    case TN_ACT_SILU: g = g / (1 + exp(-g)); break;
    case TN_ACT_SIGMOID: g = tn_ref_sigmoid(g); break;
    case TN_ACT_GELU_TANH: g = 0.5 * g * (1 + tanh(0.7978845608028654 * (g + 0.044715 * g * g * g))); break;
    case TN_ACT_GELU_ERF: g = 0.5 * g * (1 + erf(g * 0.7071067811865476)); break;
    case TN_ACT_GELU_QUICK: g = g * tn_ref_sigmoid(1.702 * g); break;
    }
    return (float)(g * up);
}

void tn_ref_attention(const float *q, tn_ref_kv_fn k, tn_ref_kv_fn v, const void *ctx,
                      const tn_attention_desc *a, uint32_t first, uint32_t end, float *scores, float *y) {
    double max = -INFINITY, sum = 0;
    for (uint32_t p = first; p < end; p++) {
        double s = tn_ref_dot(q, k(ctx, p), a->head_dim) * a->scale;
        if (a->softcap > 0) s = a->softcap * tanh(s / a->softcap);
        scores[p - first] = (float)s;
        max = fmax(max, scores[p - first]);
    }
    double acc[TN_REF_MAX_HEAD_DIM] = {0};
    for (uint32_t p = first; p < end; p++) {
        double w = exp(scores[p - first] - max);
        const float *vp = v(ctx, p);
        sum += w;
        for (uint32_t i = 0; i < a->head_dim; i++) acc[i] += w * vp[i];
    }
    for (uint32_t i = 0; i < a->head_dim; i++) y[i] = (float)(acc[i] / sum);
}

double tn_ref_sigmoid(double x) {
    return 1 / (1 + exp(-x));
}

/* log(1 + e^x) is x to the last bit of a double from 40 on, and e^x overflows later. */
double tn_ref_decay(double rate, double x) {
    return exp(rate * (x > 40 ? x : log1p(exp(x))));
}

float tn_ref_conv(const float *x, uint32_t stride, const float *w, uint32_t kernel, float bias,
                  uint32_t activation) {
    double sum = 0;
    for (uint32_t j = 0; j < kernel; j++) sum += (double)w[j] * x[(size_t)j * stride];
    sum += bias;
    return (float)(activation == TN_ACT_SILU ? sum * tn_ref_sigmoid(sum) : sum);
}

void tn_ref_delta_rule(const tn_delta_desc *d, const float *q, const float *k, const float *v, double decay,
                       double beta, float *s, float *y) {
    double unit_k = 1 / sqrt(tn_ref_dot(k, k, d->head_dim_k) + d->eps);
    double unit_q = d->scale / sqrt(tn_ref_dot(q, q, d->head_dim_k) + d->eps);
    for (uint32_t j = 0; j < d->head_dim_v; j++) {
        double found = 0, out = 0;
        for (uint32_t i = 0; i < d->head_dim_k; i++)
            found += decay * s[i * d->head_dim_v + j] * (k[i] * unit_k);
        double correction = beta * (v[j] - found);
        for (uint32_t i = 0; i < d->head_dim_k; i++) {
            float *at = &s[i * d->head_dim_v + j];
            *at = (float)(decay * *at + k[i] * unit_k * correction);
            out += *at * (q[i] * unit_q);
        }
        y[j] = (float)out;
    }
}
