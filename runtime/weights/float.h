/* SPDX-License-Identifier: Apache-2.0 */
/* IEEE binary16, bfloat16 and the small floating-point formats of block scales, to and from F32. Widening is
 * exact; narrowing rounds to nearest, ties to even. Plain integer and F32 arithmetic, so that every machine
 * gives the same bits; a kernel that uses hardware conversions must agree with these. [any thread] */
#ifndef TN_WEIGHTS_FLOAT_H
#define TN_WEIGHTS_FLOAT_H

#include <stdint.h>
#include <string.h>

static inline float tn_f32_from_bits(uint32_t bits) {
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

static inline uint32_t tn_f32_bits(float f) {
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    return bits;
}

/* Infinities and NaNs (payload kept in the top bits) included. All cases are computed and masks select one,
 * so that loops over it become vector code. */
static inline float tn_f16_to_f32(uint16_t h) {
    uint32_t mag = h & 0x7fffu, sign = (uint32_t)(h & 0x8000u) << 16;
    uint32_t special = 0u - (mag >= 0x7c00), tiny = 0u - (mag < 0x0400);
    /* Exponent bias 15 -> 127; an exponent of all ones stays one. Subnormals are integers * 2^-24. */
    uint32_t normal = (mag << 13) + (112u << 23) + (special & 112u << 23);
    uint32_t subnormal = tn_f32_bits((float)(int32_t)mag * 0x1p-24f);
    return tn_f32_from_bits(sign | (subnormal & tiny) | (normal & ~tiny));
}

/* 65520 and above become infinity; NaNs stay NaNs. */
static inline uint16_t tn_f32_to_f16(float f) {
    uint32_t bits = tn_f32_bits(f), mag = bits & 0x7fffffffu, sign = bits >> 16 & 0x8000u;
    uint32_t out;
    if (mag > 0x7f800000u)
        out = 0x7e00u | (mag >> 13 & 0x1ffu);
    else if (mag >= 0x477ff000u)
        out = 0x7c00u;
    else if (mag < 0x38800000u) /* subnormal: the last place of the sum is 2^-24, the addition rounds */
        out = tn_f32_bits(tn_f32_from_bits(mag) + 0.5f) - 0x3f000000u;
    else
        out = (mag - (112u << 23) + 0xfffu + (mag >> 13 & 1u)) >> 13;
    return (uint16_t)(sign | out);
}

static inline float tn_bf16_to_f32(uint16_t b) {
    return tn_f32_from_bits((uint32_t)b << 16);
}

static inline uint16_t tn_f32_to_bf16(float f) {
    uint32_t bits = tn_f32_bits(f);
    if ((bits & 0x7fffffffu) > 0x7f800000u) return (uint16_t)(bits >> 16 | 0x40u);
    return (uint16_t)((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16);
}

/* E8M0, the scale of MX blocks: 2^(e - 127), 255 is NaN. */
static inline float tn_e8m0_to_f32(uint8_t e) {
    if (e == 0) return 0x1p-127f;
    return tn_f32_from_bits(e == 255 ? 0x7fc00000u : (uint32_t)e << 23);
}

/* Half of it, for use with tn_e2m1_doubled; GGUF files know no NaN here, 255 is 2^127. */
static inline float tn_e8m0_half_to_f32(uint8_t e) {
    return tn_f32_from_bits(e < 2 ? 0x00200000u << e : (uint32_t)(e - 1) << 23);
}

/* E4M3 (the "fn" flavour: no infinities, all ones is NaN). */
static inline float tn_e4m3_to_f32(uint8_t v) {
    uint32_t mag = v & 0x7fu, sign = (uint32_t)(v & 0x80u) << 24;
    uint32_t bits = (mag << 20) + (120u << 23); /* exponent bias 7 -> 127 */
    bits = mag < 8 ? tn_f32_bits((float)(int32_t)mag * 0x1p-9f) : bits;
    bits = mag == 0x7f ? 0x7fc00000u : bits;
    return tn_f32_from_bits(bits | sign);
}

/* E2M1, the four-bit element of MXFP4 and NVFP4, times two: then all are integers. Minus zero reads as zero,
 * as it does with integer tables. */
static const float tn_e2m1_doubled[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};

/* E2M1 itself: the low four bits of v. */
static inline float tn_e2m1_to_f32(unsigned v) {
    return tn_e2m1_doubled[v & 15] * 0.5f;
}

#endif
