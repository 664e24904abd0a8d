/* SPDX-License-Identifier: Apache-2.0 */
/* Four-bit codes of unequal steps: E2M1 with short scales (MXFP4, NVFP4) and the fixed curve of IQ4. In a
 * block of 2h elements byte j holds element j (low half) and element j + h. */
#include "weights/dequant.h"

#include "weights/bytes.h"
#include "weights/float.h"

/* dst[0 .. 2h) = scale * value of the code */
static inline void halves(const uint8_t *restrict qs, int h, const float values[16], float scale,
                          float *restrict dst) {
    for (int j = 0; j < h; j++) {
        dst[j] = scale * values[qs[j] & 15];
        dst[j + h] = scale * values[qs[j] >> 4];
    }
}

/* {u8 e; u8 qs[16]}: E8M0 scale e. 2^(e - 127) * value, also where e = 255 (NaN in the MX standard) is used:
 * 2^128 overflows, its half times the doubled value does not. */
void tn__dequant_mxfp4(const uint8_t *restrict src, uint64_t n, float *restrict dst) {
    for (; n; n -= 32, src += 17, dst += 32)
        halves(src + 1, 16, tn_e2m1_doubled, tn_e8m0_half_to_f32(src[0]), dst);
}

/* {u8 d[4]; u8 qs[32]}: four groups of 16 with an E4M3 scale each; 0x7f (NaN) counts as 0 */
void tn__dequant_nvfp4(const uint8_t *restrict src, uint64_t n, float *restrict dst) {
    for (; n; n -= 64, src += 36)
        for (int g = 0; g < 4; g++, dst += 16) {
            float scale = (src[g] & 0x7f) == 0x7f ? 0.0f : tn_e4m3_to_f32(src[g] & 0x7f) * 0.5f;
            halves(src + 4 + g * 8, 8, tn_e2m1_doubled, scale, dst);
        }
}

static const float iq4_values[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                     1,    13,   25,  38,  53,  69,  89,  113};

/* {f16 d; u8 qs[16]}: d * value */
void tn__dequant_iq4_nl(const uint8_t *restrict src, uint64_t n, float *restrict dst) {
    for (; n; n -= 32, src += 18, dst += 32)
        halves(src + 2, 16, iq4_values, tn_f16_to_f32(tn_load_u16(src)), dst);
}

/* {f16 d; u16 scales_h; u8 scales_l[4]; u8 qs[128]}: d * (scale - 32) * value, eight groups of 32; low four
 * bits of scale g in a nibble of scales_l, top two in scales_h */
void tn__dequant_iq4_xs(const uint8_t *restrict src, uint64_t n, float *restrict dst) {
    for (; n; n -= 256, src += 136) {
        float d = tn_f16_to_f32(tn_load_u16(src));
        unsigned high = tn_load_u16(src + 2);
        for (int g = 0; g < 8; g++, dst += 32) {
            int scale = (src[4 + g / 2] >> g % 2 * 4 & 15) | (int)(high >> 2 * g & 3) << 4;
            halves(src + 8 + g * 16, 16, iq4_values, d * (float)(scale - 32), dst);
        }
    }
}
