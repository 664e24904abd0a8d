/* SPDX-License-Identifier: Apache-2.0 */
/* Super-blocks of 256 elements whose codes are positions in a code book of 8 (or 4) elements each. Signs are
 * bits of their own; where only 7 of 8 are stored the eighth makes their number even. */
#include "weights/dequant.h"

#include "weights/bytes.h"
#include "weights/float.h"
/* The code books are written once, in the kernels' language. */
#define constant static const
#define ushort   uint16_t
#include "metal/kernels/iq_tables.h"
#undef constant
#undef ushort

enum { SUPER = 256, GROUP = 32, GROUPS = SUPER / GROUP };

static const float iq2_levels[4] = {8, 25, 43, 0};
static const float iq3xxs_levels[8] = {4, 12, 20, 28, 36, 44, 52, 62};
static const float iq3s_levels[8] = {1, 3, 5, 7, 9, 11, 13, 15};

/* dst[0 .. 8) = +-scale * level */
static inline void eight(uint16_t entry, unsigned signs, float scale, float *dst) {
    for (int j = 0; j < 8; j++) {
        float v = scale * iq2_levels[entry >> 2 * j & 3];
        dst[j] = signs >> j & 1 ? -v : v;
    }
}

static inline void four(uint16_t entry, const float levels[8], unsigned signs, float scale, float *dst) {
    for (int j = 0; j < 4; j++) {
        float v = scale * levels[entry >> 3 * j & 7];
        dst[j] = signs >> j & 1 ? -v : v;
    }
}

static inline unsigned even_signs(unsigned seven) {
    return seven | (unsigned)__builtin_parity(seven) << 7;
}

/* {f16 d; group[8]: {u8 codes[4]; u32 signs: 4 x 7 bits, scale: 4}}: d * (scale + 1/2) / 4 */
void tn__dequant_iq2_xxs(const uint8_t *restrict src, uint64_t n, float *restrict dst) {
    for (; n; n -= SUPER, src += 66) {
        float d = tn_f16_to_f32(tn_load_u16(src));
        for (int g = 0; g < GROUPS; g++) {
            const uint8_t *codes = src + 2 + 8 * g;
            uint32_t bits = tn_load_u32(codes + 4);
            float scale = d * (0.5f + (float)(bits >> 28)) * 0.25f;
            for (int k = 0; k < 4; k++, dst += 8)
                eight(iq2xxs_grid[codes[k]], even_signs(bits >> 7 * k & 127), scale, dst);
        }
    }
}

/* Scales of 16 elements in nibbles: group g of 32 has two. */
static inline float iq2_scale(float d, uint8_t nibbles, int half) {
    return d * (0.5f + (float)(nibbles >> 4 * half & 15)) * 0.25f;
}

/* {f16 d; u16 qs[32]: code: 9 bits, signs: 7; u8 scales[8]} */
void tn__dequant_iq2_xs(const uint8_t *restrict src, uint64_t n, float *restrict dst) {
    for (; n; n -= SUPER, src += 74) {
        float d = tn_f16_to_f32(tn_load_u16(src));
        for (int i = 0; i < SUPER / 8; i++, dst += 8) {
            unsigned q = tn_load_u16(src + 2 + 2 * i);
            eight(iq2xs_grid[q & 511], even_signs(q >> 9), iq2_scale(d, src[66 + i / 4], i % 4 / 2), dst);
        }
    }
}

/* {f16 d; u8 qs[32]; u8 signs[32]; u8 qh[8]: two more bits a code; u8 scales[8]} */
void tn__dequant_iq2_s(const uint8_t *restrict src, uint64_t n, float *restrict dst) {
    for (; n; n -= SUPER, src += 82) {
        const uint8_t *qs = src + 2, *signs = src + 34, *qh = src + 66, *scales = src + 74;
        float d = tn_f16_to_f32(tn_load_u16(src));
        for (int i = 0; i < SUPER / 8; i++, dst += 8) {
            unsigned code = qs[i] | (qh[i / 4] >> 2 * (i % 4) & 3u) << 8;
            eight(iq2s_grid[code], signs[i], iq2_scale(d, scales[i / 4], i % 4 / 2), dst);
        }
    }
}

/* {f16 d; u8 qs[64]; group[8]: u32 signs: 4 x 7 bits, scale: 4}: d * (scale + 1/2) / 2 */
void tn__dequant_iq3_xxs(const uint8_t *restrict src, uint64_t n, float *restrict dst) {
    for (; n; n -= SUPER, src += 98) {
        const uint8_t *qs = src + 2;
        float d = tn_f16_to_f32(tn_load_u16(src));
        for (int g = 0; g < GROUPS; g++) {
            uint32_t bits = tn_load_u32(src + 66 + 4 * g);
            float scale = d * (0.5f + (float)(bits >> 28)) * 0.5f;
            for (int k = 0; k < 4; k++, qs += 2, dst += 8) {
                unsigned signs = even_signs(bits >> 7 * k & 127);
                four(iq3xxs_grid[qs[0]], iq3xxs_levels, signs, scale, dst);
                four(iq3xxs_grid[qs[1]], iq3xxs_levels, signs >> 4, scale, dst + 4);
            }
        }
    }
}

/* {f16 d; u8 qs[64]; u8 qh[8]: the ninth bits; u8 signs[32]; u8 scales[4]: a nibble a group}: d * (2 scale +
 * 1) */
void tn__dequant_iq3_s(const uint8_t *restrict src, uint64_t n, float *restrict dst) {
    for (; n; n -= SUPER, src += 110) {
        const uint8_t *qs = src + 2, *qh = src + 66, *signs = src + 74, *scales = src + 106;
        float d = tn_f16_to_f32(tn_load_u16(src));
        for (int i = 0; i < SUPER / 4; i++, dst += 4) {
            int g = i / 8;
            unsigned code = qs[i] | (qh[g] >> i % 8 & 1u) << 8;
            float scale = d * (float)(1 + 2 * (scales[g / 2] >> g % 2 * 4 & 15));
            four(iq3s_grid[code], iq3s_levels, (unsigned)signs[i / 2] >> i % 2 * 4, scale, dst);
        }
    }
}

/* dst[0 .. 8) = scale * (-1, 0 or 1, plus delta) */
static inline void eight_ternary(uint16_t entry, float delta, float scale, float *dst) {
    for (int j = 0; j < 8; j++) dst[j] = scale * ((float)((int)(entry >> 2 * j & 3) - 1) + delta);
}

/* {f16 d; u8 qs[32]; u16 qh[8]: 4 x 3 more bits a code, scale: 3, sign of delta}: d * (2 scale + 1), delta
 * 1/8 */
void tn__dequant_iq1_s(const uint8_t *restrict src, uint64_t n, float *restrict dst) {
    for (; n; n -= SUPER, src += 50) {
        const uint8_t *qs = src + 2;
        float d = tn_f16_to_f32(tn_load_u16(src));
        for (int g = 0; g < GROUPS; g++) {
            unsigned bits = tn_load_u16(src + 34 + 2 * g);
            float scale = d * (float)(2 * (bits >> 12 & 7) + 1), delta = bits >> 15 ? -0.125f : 0.125f;
            for (int k = 0; k < 4; k++, dst += 8)
                eight_ternary(iq1s_grid[qs[4 * g + k] | (bits >> 3 * k & 7) << 8], delta, scale, dst);
        }
    }
}

/* {u8 qs[32]; u8 qh[16]: a nibble a code: 3 more bits, sign of delta; u16 scales[4]}: each word has four
 * scales of 16 elements in 12 bits; its top four bits are, word by word from the lowest, a part of the F16 d
 */
void tn__dequant_iq1_m(const uint8_t *restrict src, uint64_t n, float *restrict dst) {
    for (; n; n -= SUPER, src += 56) {
        const uint8_t *qs = src, *qh = src + 32, *scales = src + 48;
        unsigned half = 0;
        for (int w = 0; w < 4; w++) half |= (unsigned)tn_load_u16(scales + 2 * w) >> 12 << 4 * w;
        float d = tn_f16_to_f32((uint16_t)half);
        for (int i = 0; i < SUPER / 8; i++, dst += 8) {
            unsigned high = (unsigned)qh[i / 2] >> i % 2 * 4,
                     bits = tn_load_u16(scales + i / 8 * 2) >> i % 8 / 2 * 3;
            float scale = d * (float)(2 * (bits & 7) + 1), delta = high & 8 ? -0.125f : 0.125f;
            eight_ternary(iq1s_grid[qs[i] | (high & 7) << 8], delta, scale, dst);
        }
    }
}
