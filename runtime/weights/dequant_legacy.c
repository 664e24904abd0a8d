/* SPDX-License-Identifier: Apache-2.0 */
/* Blocks of 32 (Q1_0: 128, Q2_0: 64) with one F16 scale d and, for the _1 types, one F16 minimum m.
 * Nibbles: byte j of a block's 16 holds element j (low) and element j + 16 (high). */
#include "weights/dequant.h"

#include "weights/bytes.h"
#include "weights/float.h"

enum { HALF = 16, BLOCK = 32 };

/* {f16 d; u8 qs[16]}: (q - 8) * d */
void tn__dequant_q4_0(const uint8_t *restrict src, uint64_t n, float *restrict dst) {
    for (; n; n -= BLOCK, src += 18, dst += BLOCK) {
        float d = tn_f16_to_f32(tn_load_u16(src));
        const uint8_t *qs = src + 2;
        for (int j = 0; j < HALF; j++) {
            dst[j] = (float)((qs[j] & 15) - 8) * d;
            dst[j + HALF] = (float)((qs[j] >> 4) - 8) * d;
        }
    }
}

/* {f16 d, m; u8 qs[16]}: q * d + m */
void tn__dequant_q4_1(const uint8_t *restrict src, uint64_t n, float *restrict dst) {
    for (; n; n -= BLOCK, src += 20, dst += BLOCK) {
        float d = tn_f16_to_f32(tn_load_u16(src)), m = tn_f16_to_f32(tn_load_u16(src + 2));
        const uint8_t *qs = src + 4;
        for (int j = 0; j < HALF; j++) {
            dst[j] = (float)(qs[j] & 15) * d + m;
            dst[j + HALF] = (float)(qs[j] >> 4) * d + m;
        }
    }
}

/* {f16 d; u32 qh; u8 qs[16]}: (q - 16) * d, bit j of qh is the fifth bit of element j */
void tn__dequant_q5_0(const uint8_t *restrict src, uint64_t n, float *restrict dst) {
    for (; n; n -= BLOCK, src += 22, dst += BLOCK) {
        float d = tn_f16_to_f32(tn_load_u16(src));
        uint32_t qh = tn_load_u32(src + 2);
        const uint8_t *qs = src + 6;
        for (int j = 0; j < HALF; j++) {
            int lo = (int)((qs[j] & 15u) | (qh >> j & 1u) << 4);
            int hi = (int)((uint32_t)qs[j] >> 4 | (qh >> (j + HALF) & 1u) << 4);
            dst[j] = (float)(lo - 16) * d;
            dst[j + HALF] = (float)(hi - 16) * d;
        }
    }
}

/* {f16 d, m; u32 qh; u8 qs[16]}: q * d + m */
void tn__dequant_q5_1(const uint8_t *restrict src, uint64_t n, float *restrict dst) {
    for (; n; n -= BLOCK, src += 24, dst += BLOCK) {
        float d = tn_f16_to_f32(tn_load_u16(src)), m = tn_f16_to_f32(tn_load_u16(src + 2));
        uint32_t qh = tn_load_u32(src + 4);
        const uint8_t *qs = src + 8;
        for (int j = 0; j < HALF; j++) {
            int lo = (int)((qs[j] & 15u) | (qh >> j & 1u) << 4);
            int hi = (int)((uint32_t)qs[j] >> 4 | (qh >> (j + HALF) & 1u) << 4);
            dst[j] = (float)lo * d + m;
            dst[j + HALF] = (float)hi * d + m;
        }
    }
}

/* {f16 d; i8 qs[32]}: q * d */
void tn__dequant_q8_0(const uint8_t *restrict src, uint64_t n, float *restrict dst) {
    for (; n; n -= BLOCK, src += 34, dst += BLOCK) {
        float d = tn_f16_to_f32(tn_load_u16(src));
        const uint8_t *qs = src + 2;
        for (int j = 0; j < BLOCK; j++) dst[j] = (float)(int8_t)qs[j] * d;
    }
}

/* {f16 d; u8 bits[16]}: bit j, LSB first, picks +d (1) or -d (0) */
void tn__dequant_q1_0(const uint8_t *restrict src, uint64_t n, float *restrict dst) {
    enum { ELEMS = 128 };
    for (; n; n -= ELEMS, src += 18, dst += ELEMS) {
        float d = tn_f16_to_f32(tn_load_u16(src));
        const uint8_t *bits = src + 2;
        for (int j = 0; j < ELEMS; j++) dst[j] = bits[j / 8] >> j % 8 & 1 ? d : -d;
    }
}

/* {f16 d; u8 qs[16]}: (q - 1) * d, four 2-bit codes a byte, LSB first */
void tn__dequant_q2_0(const uint8_t *restrict src, uint64_t n, float *restrict dst) {
    enum { ELEMS = 64 };
    for (; n; n -= ELEMS, src += 18, dst += ELEMS) {
        float d = tn_f16_to_f32(tn_load_u16(src));
        const uint8_t *qs = src + 2;
        for (int j = 0; j < ELEMS; j++) dst[j] = (float)((qs[j / 4] >> j % 4 * 2 & 3) - 1) * d;
    }
}
