/* SPDX-License-Identifier: Apache-2.0 */
/* Types whose scales are tensors of their own: MLX affine, mxfp4, mxfp8 and nvfp4, and the MXFP4 of Hugging
 * Face checkpoints, which has the same bytes. Codes are one stream of bits a row, least significant first;
 * eight codes of b bits are b bytes for every b, and groups are multiples of 16 elements, so that a group
 * starts on a byte. */
#include "weights/dequant.h"

#include <assert.h>

#include "weights/bytes.h"
#include "weights/float.h"

/* How many codes are unpacked to bytes at a time: it divides every affine group. */
enum { STEP = 32 };

/* STEP codes of `bits` bits, a constant in every caller. */
static inline void unpack(const uint8_t *restrict src, unsigned bits, uint8_t *restrict ret) {
    const uint8_t mask = (uint8_t)((1u << bits) - 1);
    for (int i = 0; i < STEP; i += 8, src += bits) {
        uint64_t codes = 0;
        memcpy(&codes, src, bits);
        for (unsigned j = 0; j < 8; j++) ret[i + j] = (uint8_t)(codes >> j * bits) & mask;
    }
}

/* The width that matters most, in a form that becomes vector code. */
static inline void unpack_nibbles(const uint8_t *restrict src, uint8_t *restrict ret) {
    for (int i = 0; i < STEP / 2; i++) {
        ret[2 * i] = src[i] & 15;
        ret[2 * i + 1] = src[i] >> 4;
    }
}

static void unpack_any(const uint8_t *src, unsigned bits, uint8_t *ret) {
    switch (bits) {
    case 2: unpack(src, 2, ret); break;
    case 3: unpack(src, 3, ret); break;
    case 4: unpack_nibbles(src, ret); break;
    case 5: unpack(src, 5, ret); break;
    case 6: unpack(src, 6, ret); break;
    default: memcpy(ret, src, STEP); break;
    }
}

/* dst[i] = scale * code[i] + bias */
static void affine_group(const uint8_t *src, unsigned bits, uint64_t n, float scale, float bias,
                         float *restrict dst) {
    uint8_t codes[STEP];
    for (; n; n -= STEP, src += STEP / 8 * bits, dst += STEP) {
        unpack_any(src, bits, codes);
        for (int i = 0; i < STEP; i++) dst[i] = scale * (float)codes[i] + bias;
    }
}

static float scale_at(const uint8_t *scales, tn_type type, uint64_t i) {
    switch (type) {
    case TN_TYPE_F32: return tn_load_f32(scales + 4 * i);
    case TN_TYPE_F16: return tn_f16_to_f32(tn_load_u16(scales + 2 * i));
    default: return tn_bf16_to_f32(tn_load_u16(scales + 2 * i));
    }
}

static void fp4_group(const uint8_t *restrict src, uint64_t n, float scale, float *restrict dst) {
    for (uint64_t i = 0; i < n; i += 2, src++) {
        dst[i] = scale * tn_e2m1_to_f32(*src & 15);
        dst[i + 1] = scale * tn_e2m1_to_f32(*src >> 4);
    }
}

static void fp8_group(const uint8_t *restrict src, uint64_t n, float scale, float *restrict dst) {
    for (uint64_t i = 0; i < n; i++) dst[i] = scale * tn_e4m3_to_f32(src[i]);
}

void tn__dequant_scaled(const tn_tensor *t, uint64_t row, uint64_t first, uint64_t count, float *dst) {
    const uint64_t n = t->group;
    const uint8_t *src = t->data + row * tn_tensor_row_bytes(t) + first / 8 * t->bits;
    assert(first % n == 0 && count % n == 0);
    uint64_t g = row * (tn_tensor_cols(t) / n) + first / n, end = g + count / n;
    for (; g < end; g++, src += n / 8 * t->bits, dst += n) switch (t->type) {
        case TN_TYPE_MLX_MXFP4: fp4_group(src, n, tn_e8m0_to_f32(t->scales[g]), dst); break;
        case TN_TYPE_MLX_NVFP4: fp4_group(src, n, tn_e4m3_to_f32(t->scales[g]), dst); break;
        case TN_TYPE_MLX_MXFP8: fp8_group(src, n, tn_e8m0_to_f32(t->scales[g]), dst); break;
        default:
            affine_group(src, t->bits, n, scale_at(t->scales, t->scale_type, g),
                         scale_at(t->biases, t->scale_type, g), dst);
            break;
        }
}
