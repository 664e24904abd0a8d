/* SPDX-License-Identifier: Apache-2.0 */
/* Blocks of 32 with one F16 scale; their layouts are in dequant_legacy.c. */
#include "weights/quantize.h"

#include "weights/quantize_search.h"

enum { BLOCK = 32, HALF = 16 };

/* The largest magnitude becomes 127: with eight bits clipping never pays. */
void tn__quantize_q8_0(const float *restrict src, uint64_t n, uint8_t *restrict dst) {
    float q[BLOCK];
    for (; n; n -= BLOCK, src += BLOCK, dst += 34) {
        float most = tn__extreme(src, BLOCK), d = tn__as_f16((most < 0 ? -most : most) / 127);
        tn__take_codes(src, BLOCK, 0, tn__inverse(d), -127, 127, d, q);
        tn__store_f16(dst, d);
        for (int i = 0; i < BLOCK; i++) dst[2 + i] = (uint8_t)(int8_t)q[i];
    }
}

void tn__quantize_q4_0(const float *restrict src, uint64_t n, uint8_t *restrict dst) {
    float q[BLOCK], weight;
    for (; n; n -= BLOCK, src += BLOCK, dst += 18) {
        float d = tn__as_f16(tn__search_scale(src, BLOCK, 8, &weight));
        tn__take_codes(src, BLOCK, 0, tn__inverse(d), -8, 7, d, q);
        tn__store_f16(dst, d);
        for (int i = 0; i < HALF; i++) dst[2 + i] = (uint8_t)((int)(q[i] + 8) | (int)(q[i + HALF] + 8) << 4);
    }
}
