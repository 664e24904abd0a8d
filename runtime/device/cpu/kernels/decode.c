/* SPDX-License-Identifier: Apache-2.0 */
/* Weights to F32. The types met most often have their own decoder here, all others go through tn_dequantize;
 * either way the values are those that the format defines. In the formats below d * scale and d * q are exact
 * in F32 and a product or difference rounds once, so the grouping of the factors does not show. */
#include "device/cpu/kernels/set.h"

static uint32_t get16(const uint8_t *p) {
    return p[0] | (uint32_t)p[1] << 8;
}

/* A half-precision factor. The instruction takes subnormals, common among the factors of K-quants, in its
 * stride. */
static inline float half(const uint8_t *p) {
#ifdef __F16C__
    return _cvtsh_ss((unsigned short)get16(p));
#else
    uint8_t h[VN * 2] = {p[0], p[1]};
    return vf_load_f16(h)[0];
#endif
}

static void decode_f16(const uint8_t *src, uint64_t n, float *dst) {
    uint64_t i = 0;
    for (; i + VN <= n; i += VN) vf_store(dst + i, vf_load_f16(src + 2 * i));
    for (; i < n; i++) dst[i] = half(src + 2 * i);
}

static void decode_bf16(const uint8_t *src, uint64_t n, float *dst) {
    uint64_t i = 0;
    for (; i + VN <= n; i += VN) vf_store(dst + i, vf_load_bf16(src + 2 * i));
    for (; i < n; i++) {
        uint32_t bits = get16(src + 2 * i) << 16;
        memcpy(dst + i, &bits, sizeof bits);
    }
}

/* Blocks of 32: f16 d, 32 signed bytes. */
static void decode_q8_0(const uint8_t *src, uint64_t n, float *dst) {
    for (uint64_t b = 0; b < n / 32; b++, src += 34, dst += 32) {
        float d = half(src);
        UNROLL for (int i = 0; i < 32; i += VN) vf_store(dst + i, vf_from_i32(vi_load_i8(src + 2 + i)) * d);
    }
}

/* Blocks of 32: f16 d, 16 bytes of which the low nibbles are elements 0 .. 15, the high ones 16 .. 31;
 * less 8. */
static void decode_q4_0(const uint8_t *src, uint64_t n, float *dst) {
    for (uint64_t b = 0; b < n / 32; b++, src += 18, dst += 32) {
        float d = half(src);
        UNROLL for (int i = 0; i < 16; i += VN) {
            vi q = vi_load_u8(src + 2 + i);
            vf_store(dst + i, vf_from_i32((q & 15) - 8) * d);
            vf_store(dst + 16 + i, vf_from_i32((q >> 4) - 8) * d);
        }
    }
}

/* The 8 scales and 8 minima of 6 bits in the 12 bytes of a Q4_K or Q5_K block. */
static void unpack_k_scales(const uint8_t *p, float d, float dmin, float scale[8], float min[8]) {
    for (int j = 0; j < 4; j++) {
        scale[j] = d * (float)(p[j] & 63);
        min[j] = dmin * (float)(p[j + 4] & 63);
        scale[j + 4] = d * (float)((p[j + 8] & 15) | (p[j] >> 6) << 4);
        min[j + 4] = dmin * (float)((p[j + 8] >> 4) | (p[j + 4] >> 6) << 4);
    }
}

/* Blocks of 256: f16 d and dmin, 12 bytes of scales, 128 bytes of nibbles: of each 32 bytes the low nibbles
 * come first, then the high ones. */
static void decode_q4_k(const uint8_t *src, uint64_t n, float *dst) {
    for (uint64_t b = 0; b < n / 256; b++, src += 144, dst += 256) {
        float scale[8], min[8];
        unpack_k_scales(src + 4, half(src), half(src + 2), scale, min);
        for (int j = 0; j < 4; j++) {
            const uint8_t *qs = src + 16 + 32 * j;
            vf s0 = vf_set1(scale[2 * j]), m0 = vf_set1(min[2 * j]);
            vf s1 = vf_set1(scale[2 * j + 1]), m1 = vf_set1(min[2 * j + 1]);
            UNROLL for (int i = 0; i < 32; i += VN) {
                vi q = vi_load_u8(qs + i);
                vf_store(dst + 64 * j + i, vf_from_i32(q & 15) * s0 - m0);
                vf_store(dst + 64 * j + 32 + i, vf_from_i32(q >> 4) * s1 - m1);
            }
        }
    }
}

/* As Q4_K, with 32 bytes before the nibbles whose bit j is the fifth bit of the elements of sub-block j. */
static void decode_q5_k(const uint8_t *src, uint64_t n, float *dst) {
    for (uint64_t b = 0; b < n / 256; b++, src += 176, dst += 256) {
        float scale[8], min[8];
        unpack_k_scales(src + 4, half(src), half(src + 2), scale, min);
        for (int j = 0; j < 4; j++) {
            const uint8_t *qs = src + 48 + 32 * j;
            vf s0 = vf_set1(scale[2 * j]), m0 = vf_set1(min[2 * j]);
            vf s1 = vf_set1(scale[2 * j + 1]), m1 = vf_set1(min[2 * j + 1]);
            UNROLL for (int i = 0; i < 32; i += VN) {
                vi q = vi_load_u8(qs + i), h = vi_load_u8(src + 16 + i) >> (2 * j);
                vf_store(dst + 64 * j + i, vf_from_i32((q & 15) | (h & 1) << 4) * s0 - m0);
                vf_store(dst + 64 * j + 32 + i, vf_from_i32((q >> 4) | (h & 2) << 3) * s1 - m1);
            }
        }
    }
}

/* Blocks of 256 in halves of 128: 64 bytes of low nibbles, 32 of upper bit pairs, 8 signed scales for 16
 * elements each; f16 d at the very end. Runs l, l + 32, l + 64, l + 96 of a half share a byte of upper bits;
 * less 32. */
static void decode_q6_k(const uint8_t *src, uint64_t n, float *dst) {
    for (uint64_t b = 0; b < n / 256; b++, src += 210, dst += 256) {
        float d = half(src + 208);
        for (int h = 0; h < 2; h++) {
            const uint8_t *ql = src + 64 * h, *qh = src + 128 + 32 * h;
            const int8_t *sc = (const int8_t *)src + 192 + 8 * h;
            float *y = dst + 128 * h;
            UNROLL for (int i = 0; i < 32; i += VN) {
                vi l0 = vi_load_u8(ql + i), l1 = vi_load_u8(ql + 32 + i), u = vi_load_u8(qh + i);
                const int8_t *s = sc + i / 16;
                vf_store(y + i, vf_from_i32(((l0 & 15) | (u & 3) << 4) - 32) * (d * s[0]));
                vf_store(y + 32 + i, vf_from_i32(((l1 & 15) | (u & 12) << 2) - 32) * (d * s[2]));
                vf_store(y + 64 + i, vf_from_i32(((l0 >> 4) | (u & 48)) - 32) * (d * s[4]));
                vf_store(y + 96 + i, vf_from_i32(((l1 >> 4) | (u & 192) >> 2) - 32) * (d * s[6]));
            }
        }
    }
}

void SET(tn_cpu_decode)(tn_type type, const uint8_t *src, uint64_t n, float *dst) {
    switch ((int)type) {
    case TN_TYPE_F32: memcpy(dst, src, n * sizeof *dst); return;
    case TN_TYPE_F16: decode_f16(src, n, dst); return;
    case TN_TYPE_BF16: decode_bf16(src, n, dst); return;
    case TN_TYPE_Q8_0: decode_q8_0(src, n, dst); return;
    case TN_TYPE_Q4_0: decode_q4_0(src, n, dst); return;
    case TN_TYPE_Q4_K: decode_q4_k(src, n, dst); return;
    case TN_TYPE_Q5_K: decode_q5_k(src, n, dst); return;
    case TN_TYPE_Q6_K: decode_q6_k(src, n, dst); return;
    default: tn_dequantize(type, src, n, dst); return;
    }
}
