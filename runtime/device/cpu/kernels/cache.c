/* SPDX-License-Identifier: Apache-2.0 */
/* Storing keys and values: rounded to the cache's type (to nearest, ties to even), laid out as tn_cpu_cache
 * says. */
#include "device/cpu/kernels/set.h"
#include "weights/float.h"

static void store_strided(tn_type type, uint8_t *dst, uint32_t stride, const float *src, uint32_t n) {
    for (uint32_t i = 0; i < n; i++) {
        if (type == TN_TYPE_F32) {
            memcpy(dst + 4ull * i * stride, src + i, 4);
        } else {
            uint16_t h = type == TN_TYPE_F16 ? tn_f32_to_f16(src[i]) : tn_f32_to_bf16(src[i]);
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
