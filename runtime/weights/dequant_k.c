/* SPDX-License-Identifier: Apache-2.0 */
/* Super-blocks of 256 elements: F16 scales of the whole, short scales of its groups. In the 2-bit layouts
 * ("planes of 32") byte b of a half holds elements b, b + 32, b + 64, b + 96 of that half's 128, lowest bits
 * first. */
#include "weights/dequant.h"

#include "weights/bytes.h"
#include "weights/float.h"

enum { SUPER = 256, GROUP = 16, GROUPS = SUPER / GROUP };

/* Where group g of 16 lies in planes of 32: its first byte, and the position of its bits in units of one
 * element. */
static inline int plane_byte(int g) {
    return g / 8 * 32 + g % 2 * 16;
}
static inline int plane(int g) {
    return g % 8 / 2;
}

/* {u8 scales[16] (scale low, min high nibble); u8 qs[64]; f16 d, dmin}: d * scale * q - dmin * min */
void tn__dequant_q2_k(const uint8_t *restrict src, uint64_t n, float *restrict dst) {
    for (; n; n -= SUPER, src += 84) {
        const uint8_t *scales = src, *qs = src + 16;
        float d = tn_f16_to_f32(tn_load_u16(src + 80)), dmin = tn_f16_to_f32(tn_load_u16(src + 82));
        for (int g = 0; g < GROUPS; g++, dst += GROUP) {
            const uint8_t *q = qs + plane_byte(g);
            float scale = d * (float)(scales[g] & 15), min = dmin * (float)(scales[g] >> 4);
            for (int i = 0; i < GROUP; i++) dst[i] = scale * (float)(q[i] >> 2 * plane(g) & 3) - min;
        }
    }
}

/* Six-bit scale g of 16 in 12 bytes: low halves in nibbles of the first 8, top two bits in the last 4. */
static inline int q3_scale(const uint8_t *s, int g) {
    int low = g < 8 ? s[g] & 15 : s[g - 8] >> 4;
    return (low | (s[8 + g % 4] >> 2 * (g / 4) & 3) << 4) - 32;
}

/* {u8 hmask[32]; u8 qs[64]; u8 scales[12]; f16 d}: d * scale * (q - 4); bit p of hmask[b] is the third bit of
 * element 32p + b */
void tn__dequant_q3_k(const uint8_t *restrict src, uint64_t n, float *restrict dst) {
    for (; n; n -= SUPER, src += 110) {
        const uint8_t *hmask = src, *qs = src + 32, *scales = src + 96;
        float d = tn_f16_to_f32(tn_load_u16(src + 108));
        for (int g = 0; g < GROUPS; g++, dst += GROUP) {
            const uint8_t *q = qs + plane_byte(g), *h = hmask + g % 2 * GROUP;
            float scale = d * (float)q3_scale(scales, g);
            for (int i = 0; i < GROUP; i++) {
                int v = (q[i] >> 2 * plane(g) & 3) | (h[i] >> g / 2 & 1) << 2;
                dst[i] = scale * (float)(v - 4);
            }
        }
    }
}

/* Six-bit scale and minimum g of 8 in the 12 bytes that Q4_K and Q5_K share. */
static inline void k4_scale(const uint8_t *s, int g, float d, float dmin, float *ret_scale, float *ret_min) {
    int scale = g < 4 ? s[g] & 63 : (s[g + 4] & 15) | s[g - 4] >> 6 << 4;
    int min = g < 4 ? s[g + 4] & 63 : s[g + 4] >> 4 | s[g] >> 6 << 4;
    *ret_scale = d * (float)scale;
    *ret_min = dmin * (float)min;
}

/* {f16 d, dmin; u8 scales[12]; u8 qs[128]}: d * scale * q - dmin * min, in groups of 32: a pair of groups
 * shares 32 bytes, the first in the low halves */
void tn__dequant_q4_k(const uint8_t *restrict src, uint64_t n, float *restrict dst) {
    for (; n; n -= SUPER, src += 144) {
        const uint8_t *scales = src + 4, *qs = src + 16;
        float d = tn_f16_to_f32(tn_load_u16(src)), dmin = tn_f16_to_f32(tn_load_u16(src + 2)), scale, min;
        for (int g = 0; g < SUPER / 32; g++, dst += 32) {
            const uint8_t *q = qs + g / 2 * 32;
            k4_scale(scales, g, d, dmin, &scale, &min);
            for (int i = 0; i < 32; i++) dst[i] = scale * (float)(q[i] >> g % 2 * 4 & 15) - min;
        }
    }
}

/* {f16 d, dmin; u8 scales[12]; u8 qh[32]; u8 qs[128]}: as Q4_K; bit g of qh[i] is the fifth bit of element
 * 32g + i */
void tn__dequant_q5_k(const uint8_t *restrict src, uint64_t n, float *restrict dst) {
    for (; n; n -= SUPER, src += 176) {
        const uint8_t *scales = src + 4, *qh = src + 16, *qs = src + 48;
        float d = tn_f16_to_f32(tn_load_u16(src)), dmin = tn_f16_to_f32(tn_load_u16(src + 2)), scale, min;
        for (int g = 0; g < SUPER / 32; g++, dst += 32) {
            const uint8_t *q = qs + g / 2 * 32;
            k4_scale(scales, g, d, dmin, &scale, &min);
            for (int i = 0; i < 32; i++)
                dst[i] = scale * (float)((q[i] >> g % 2 * 4 & 15) | (qh[i] >> g & 1) << 4) - min;
        }
    }
}

/* {u8 ql[128]; u8 qh[64]; i8 scales[16]; f16 d}: d * scale * (q - 32); qh in planes of 32; in each half's 64
 * bytes of ql elements b and b + 64 share byte b */
void tn__dequant_q6_k(const uint8_t *restrict src, uint64_t n, float *restrict dst) {
    for (; n; n -= SUPER, src += 210) {
        const uint8_t *ql = src, *qh = src + 128, *scales = src + 192;
        float d = tn_f16_to_f32(tn_load_u16(src + 208));
        for (int g = 0; g < GROUPS; g++, dst += GROUP) {
            const uint8_t *low = ql + g / 8 * 64 + g % 4 * GROUP, *high = qh + plane_byte(g);
            float scale = d * (float)(int8_t)scales[g];
            for (int i = 0; i < GROUP; i++) {
                int v = (low[i] >> g % 8 / 4 * 4 & 15) | (high[i] >> 2 * plane(g) & 3) << 4;
                dst[i] = scale * (float)(v - 32);
            }
        }
    }
}

/* {u8 qs[64]; f16 d}: d * (q - 1), planes of 32 */
void tn__dequant_tq2_0(const uint8_t *restrict src, uint64_t n, float *restrict dst) {
    for (; n; n -= SUPER, src += 66) {
        float d = tn_f16_to_f32(tn_load_u16(src + 64));
        for (int g = 0; g < SUPER / 32; g++, dst += 32) {
            const uint8_t *q = src + g / 4 * 32;
            for (int i = 0; i < 32; i++) dst[i] = (float)((q[i] >> 2 * (g % 4) & 3) - 1) * d;
        }
    }
}

/* Digits of base 3: a byte is the fraction 0.d0 d1 d2 d3 d4 (rounded up) times 256; digit k of each of
 * `width` bytes, then digit k + 1 of each. */
static float *ternary(const uint8_t *src, int width, int n_digits, float d, float *dst) {
    unsigned pow3 = 1;
    for (int k = 0; k < n_digits; k++, pow3 *= 3, dst += width)
        for (int i = 0; i < width; i++) {
            unsigned fraction = src[i] * pow3 & 255;
            dst[i] = (float)((int)(fraction * 3 >> 8) - 1) * d;
        }
    return dst;
}

/* {u8 qs[48]; u8 qh[4]; f16 d}: d * (digit - 1); five digits in each of 32 and then 16 bytes, four in each of
 * the last 4 */
void tn__dequant_tq1_0(const uint8_t *restrict src, uint64_t n, float *restrict dst) {
    for (; n; n -= SUPER, src += 54) {
        float d = tn_f16_to_f32(tn_load_u16(src + 52));
        dst = ternary(src, 32, 5, d, dst);
        dst = ternary(src + 32, 16, 5, d, dst);
        dst = ternary(src + 48, 4, 4, d, dst);
    }
}
