/* SPDX-License-Identifier: Apache-2.0 */
#include "device/kv_type.h"

#include <string.h>

#include "base/status.h"
#include "weights/float.h"

int tn_kv_type_check(tn_type type, tn_error *err) {
    if (type == TN_TYPE_F32 || type == TN_TYPE_F16 || type == TN_TYPE_BF16 || type == TN_TYPE_Q8_0) return 0;
    const tn_type_info *t = tn_type_info_get(type);
    return tn_fail(err, TN_ENOTSUP, "keys and values as %s: they can be F32, F16, BF16 or Q8_0",
                   t ? t->name : "?");
}

uint32_t tn_kv_type_bytes(tn_type type, uint32_t n_dim) {
    if (type == TN_TYPE_Q8_0) return n_dim + 2 * tn_kv_type_blocks(n_dim);
    return n_dim * (type == TN_TYPE_F32 ? 4 : 2);
}

/* The largest power of two in n >= 1. */
static uint32_t part_of(uint32_t n) {
    uint32_t p = 1;
    while (2 * p <= n) p *= 2;
    return p;
}

void tn_kv_type_turn_block(float *x, uint32_t n) {
    while (n > 0) {
        uint32_t part = part_of(n);
        for (uint32_t h = 1; h < part; h *= 2) {
            for (uint32_t i = 0; i < part; i++) {
                if (i & h) continue;
                float a = x[i], b = x[i + h];
                x[i] = a + b;
                x[i + h] = a - b;
            }
        }
        x += part;
        n -= part;
    }
}

void tn_kv_type_turn(tn_type type, const float *x, uint32_t n_dim, float *y) {
    memmove(y, x, n_dim * sizeof *y);
    if (type != TN_TYPE_Q8_0) return;
    for (uint32_t b = 0; b < n_dim; b += TN_KV_TYPE_BLOCK) {
        uint32_t n = n_dim - b < TN_KV_TYPE_BLOCK ? n_dim - b : TN_KV_TYPE_BLOCK;
        tn_kv_type_turn_block(y + b, n);
        for (uint32_t i = 0, part; i < n; i += part) {
            part = part_of(n - i);
            for (uint32_t k = i; k < i + part; k++) y[b + k] *= 1.0f / (float)part;
        }
    }
}

/* In the normal range of F16 the nearest number does: it takes the largest to 127.06 at most. */
uint16_t tn_kv_type_scale(uint32_t top) {
    if (top >= 0x7f800000u) return 0x7e00;
    float most = tn_f32_from_bits(top);
    uint16_t h = tn_f32_to_f16(most / 127.0f);
    if (h >= 0x7c00) return 0x7bff;
    return h < 0x7bff && tn_f16_to_f32(h) * 127.5f < most ? (uint16_t)(h + 1) : h;
}

uint16_t tn_kv_type_quantize(const float *x, uint32_t n, int8_t *q) {
    uint32_t top = 0;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t bits = tn_f32_bits(x[i]) & 0x7fffffffu;
        top = bits > top ? bits : top;
    }
    uint16_t scale = tn_kv_type_scale(top);
    if (top == 0 || top >= 0x7f800000u) {
        memset(q, 0, n);
        return scale;
    }
    float inverse = 1.0f / tn_f16_to_f32(scale);
    for (uint32_t i = 0; i < n; i++) {
        float y = x[i] * inverse;
        y = y > 127.0f ? 127.0f : y < -127.0f ? -127.0f : y;
        y = (y + 0x1.8p23f) - 0x1.8p23f; /* to nearest, ties to even */
        q[i] = (int8_t)y;
    }
    return scale;
}

static void round_q8_0(float *x, uint32_t n) {
    int8_t q[TN_KV_TYPE_BLOCK];
    tn_kv_type_turn_block(x, n);
    float scale = tn_f16_to_f32(tn_kv_type_quantize(x, n, q));
    for (uint32_t i = 0; i < n; i++) x[i] = (float)q[i] * scale; /* exact: 7 bits times 11 */
}

void tn_kv_type_round(tn_type type, const float *x, uint32_t n_dim, float *y) {
    memmove(y, x, n_dim * sizeof *y);
    if (type == TN_TYPE_F16) {
        for (uint32_t i = 0; i < n_dim; i++) y[i] = tn_f16_to_f32(tn_f32_to_f16(y[i]));
    } else if (type == TN_TYPE_BF16) {
        for (uint32_t i = 0; i < n_dim; i++) y[i] = tn_bf16_to_f32(tn_f32_to_bf16(y[i]));
    } else if (type == TN_TYPE_Q8_0) {
        for (uint32_t b = 0; b < n_dim; b += TN_KV_TYPE_BLOCK)
            round_q8_0(y + b, n_dim - b < TN_KV_TYPE_BLOCK ? n_dim - b : TN_KV_TYPE_BLOCK);
    }
}
