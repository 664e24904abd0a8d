/* SPDX-License-Identifier: Apache-2.0 */
/* Storing keys and values: rounded to the cache's type (to nearest, ties to even), laid out as tn_cpu_cache
 * says. */
#include "device/cpu/kernels/set.h"

static uint16_t to_bf16(float x) {
    uint32_t u;
    memcpy(&u, &x, sizeof u);
    if ((u & 0x7fffffff) > 0x7f800000) return (uint16_t)(u >> 16 | 0x40);
    return (uint16_t)((u + 0x7fff + (u >> 16 & 1)) >> 16);
}

/* By adding a power of two whose last place is the place to round at, the processor rounds. */
static uint16_t to_f16(float x) {
    uint32_t u, sign;
    memcpy(&u, &x, sizeof u);
    sign = u >> 16 & 0x8000;
    u &= 0x7fffffff;
    if (u > 0x7f800000) return (uint16_t)(sign | 0x7e00);
    if (u >= 0x477ff000) return (uint16_t)(sign | 0x7c00); /* 65520 and more round to infinity */
    if (u < 0x38800000) {                                  /* subnormal: places of 2^-24 */
        float f;
        memcpy(&f, &u, sizeof f);
        f += 0.5f;
        memcpy(&u, &f, sizeof u);
        return (uint16_t)(sign | (u - 0x3f000000));
    }
    u += 0xfff + (u >> 13 & 1);
    return (uint16_t)(sign | (u - 0x38000000) >> 13);
}

static void store_strided(tn_type type, uint8_t *dst, uint32_t stride, const float *src, uint32_t n) {
    for (uint32_t i = 0; i < n; i++) {
        if (type == TN_TYPE_F32) {
            memcpy(dst + 4ull * i * stride, src + i, 4);
        } else {
            uint16_t h = type == TN_TYPE_F16 ? to_f16(src[i]) : to_bf16(src[i]);
            memcpy(dst + 2ull * i * stride, &h, 2);
        }
    }
}

void SET(tn_cpu_cache_store)(const tn_cpu_cache *c, uint32_t page, uint32_t slot, uint32_t head,
                             const float *k, const float *v) {
    uint8_t *base = tn_cpu_cache_head(c, page, head);
    uint64_t group = slot / c->k_group * c->k_group, lane = slot % c->k_group;
    store_strided(c->type, base + (group * c->head_dim + lane) * c->elem_bytes, c->k_group, k, c->head_dim);
    uint64_t row = (uint64_t)(c->page_tokens + slot) * c->head_dim;
    store_strided(c->type, base + row * c->elem_bytes, 1, v, c->head_dim);
}
