/* SPDX-License-Identifier: Apache-2.0 */
/* Storing keys and values: rounded as device/kv_type.h says, laid out as tn_cpu_cache says. */
#include "device/cpu/kernels/set.h"
#include "weights/float.h"

/* As many as fill vectors, in half precision; returns how many. */
static uint32_t store_halves(uint8_t *dst, uint32_t stride, const float *src, uint32_t n) {
    uint32_t i = 0;
    (void)dst, (void)stride, (void)src, (void)n;
#if VEC_AVX512 || VEC_AVX2 || VEC_NEON
    for (; i + VN <= n; i += VN) {
        uint16_t h[VN];
        vf_store_f16(h, vf_load(src + i));
        if (stride == 1)
            memcpy(dst + 2ull * i, h, sizeof h);
        else
            UNROLL for (int j = 0; j < VN; j++) memcpy(dst + 2ull * (i + j) * stride, h + j, 2);
    }
#endif
    return i;
}

static void store_strided(tn_type type, uint8_t *dst, uint32_t stride, const float *src, uint32_t n) {
    uint32_t i = type == TN_TYPE_F16 ? store_halves(dst, stride, src, n) : 0;
    for (; i < n; i++) {
        if (type == TN_TYPE_F32) {
            memcpy(dst + 4ull * i * stride, src + i, 4);
        } else {
            uint16_t h = type == TN_TYPE_F16 ? tn_f32_to_f16(src[i]) : tn_f32_to_bf16(src[i]);
            memcpy(dst + 2ull * i * stride, &h, 2);
        }
    }
}

/* A whole block turned and rounded: what tn_kv_type_turn_block and tn_kv_type_quantize give. Returns the
 * scale. */
static uint16_t quantize_block(const float *x, int8_t *q) {
    enum { N = TN_KV_TYPE_BLOCK / VN };
    vf v[N];
    UNROLL for (int i = 0; i < N; i++) v[i] = vf_turn(vf_load(x + i * VN));
    vf_turn_across(v, N);
    vi top = {0};
    UNROLL for (int i = 0; i < N; i++) {
        vi bits = (vi)vf_abs(v[i]);
        top = (vi)vf_select(bits > top, (vf)bits, (vf)top);
    }
    uint32_t most = 0;
    UNROLL for (int i = 0; i < VN; i++) most = (uint32_t)top[i] > most ? (uint32_t)top[i] : most;
    uint16_t scale = tn_kv_type_scale(most);
    if (most == 0 || most >= 0x7f800000u) {
        memset(q, 0, TN_KV_TYPE_BLOCK);
        return scale;
    }
    vf inverse = vf_set1(1.0f / tn_f16_to_f32(scale));
    UNROLL for (int i = 0; i < N; i++) {
        vf y = v[i] * inverse;
        y = vf_select(y > 127.0f, vf_set1(127.0f), vf_select(y < -127.0f, vf_set1(-127.0f), y));
        vi n = __builtin_convertvector(vf_round(y), vi);
        for (int j = 0; j < VN; j++) q[i * VN + j] = (int8_t)n[j];
    }
    return scale;
}

/* Integers `stride` bytes and scales `scale_stride` apart. */
static void store_q8_0(uint8_t *dst, uint32_t stride, uint8_t *scales, uint32_t scale_stride,
                       const float *src, uint32_t n_dim) {
    for (uint32_t b = 0; b < n_dim; b += TN_KV_TYPE_BLOCK, scales += 2 * scale_stride) {
        uint32_t n = n_dim - b < TN_KV_TYPE_BLOCK ? n_dim - b : TN_KV_TYPE_BLOCK;
        uint16_t scale;
        int8_t q[TN_KV_TYPE_BLOCK];
        if (n == TN_KV_TYPE_BLOCK) {
            scale = quantize_block(src + b, q);
        } else {
            float x[TN_KV_TYPE_BLOCK];
            memcpy(x, src + b, n * sizeof *x);
            tn_kv_type_turn_block(x, n);
            scale = tn_kv_type_quantize(x, n, q);
        }
        for (uint32_t i = 0; i < n; i++) dst[(size_t)(b + i) * stride] = (uint8_t)q[i];
        memcpy(scales, &scale, 2);
    }
}

void SET(tn_cpu_cache_store)(const tn_cpu_cache *c, uint32_t page, uint32_t slot, uint32_t head,
                             const float *k, const float *v) {
    uint8_t *keys = tn_cpu_cache_keys(c, page, head, slot), *values = tn_cpu_cache_values(c, page, head);
    uint32_t lane = slot % c->k_group, dim = c->head_dim;
    uint8_t *to_k = keys + lane * c->elem_bytes, *to_v = values + (size_t)slot * dim * c->elem_bytes;
    if (c->type == TN_TYPE_Q8_0) {
        uint8_t *k_scales = keys + (size_t)dim * c->k_group,
                *v_scales = values + (size_t)dim * c->page_tokens;
        store_q8_0(to_k, c->k_group, k_scales + 2 * lane, c->k_group, k, dim);
        store_q8_0(to_v, 1, v_scales + 2 * (size_t)slot, c->page_tokens, v, dim);
    } else {
        store_strided(c->type, to_k, c->k_group, k, dim);
        store_strided(c->type, to_v, 1, v, dim);
    }
}
