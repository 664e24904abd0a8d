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

void tn_ref_rope(float *head, const tn_rope_info *r, uint32_t v, uint32_t pos) {
    uint32_t half = r->n_dims / 2;
    for (uint32_t i = 0; i < half; i++) {
        uint32_t a = r->style == TN_ROPE_HALF ? i : 2 * i,
                 b = r->style == TN_ROPE_HALF ? i + half : 2 * i + 1;
        float angle = (float)pos * r->inv_freq[v][i];
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
    case TN_ACT_GELU_TANH: g = 0.5 * g * (1 + tanh(0.7978845608028654 * (g + 0.044715 * g * g * g))); break;
    case TN_ACT_GELU_ERF: g = 0.5 * g * (1 + erf(g * 0.7071067811865476)); break;
    }
    return (float)(g * up);
}

void tn_ref_attention(const float *q, tn_ref_kv_fn k, tn_ref_kv_fn v, const void *ctx,
                      const tn_attention_desc *a, uint32_t pos, float *scores, float *y) {
    uint32_t first = a->window && pos + 1 > a->window ? pos + 1 - a->window : 0;
    double max = -INFINITY, sum = 0;
    for (uint32_t p = first; p <= pos; p++) {
        double s = tn_ref_dot(q, k(ctx, p), a->head_dim) * a->scale;
        if (a->softcap > 0) s = a->softcap * tanh(s / a->softcap);
        scores[p - first] = (float)s;
        max = fmax(max, scores[p - first]);
    }
    double acc[TN_REF_MAX_HEAD_DIM] = {0};
    for (uint32_t p = first; p <= pos; p++) {
        double w = exp(scores[p - first] - max);
        const float *vp = v(ctx, p);
        sum += w;
        for (uint32_t i = 0; i < a->head_dim; i++) acc[i] += w * vp[i];
    }
    for (uint32_t i = 0; i < a->head_dim; i++) y[i] = (float)(acc[i] / sum);
}
