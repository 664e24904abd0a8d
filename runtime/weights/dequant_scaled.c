/* SPDX-License-Identifier: Apache-2.0 */
/* Types whose scales are tensors of their own: MLX affine, mxfp4, mxfp8 and nvfp4, and the MXFP4 of Hugging
 * Face checkpoints, which has the same bytes. Codes are one stream of bits a row, least significant first;
 * eight codes of b bits are b bytes for every b, and groups are multiples of 16 elements, so that a group
 * starts on a byte. */
#include "weights/dequant.h"

#include <assert.h>

#include "weights/bytes.h"
#include "weights/float.h"

enum { STEP = 8 };

/* dst[i] = scale * code[i] + bias; bits is a constant in every caller, which makes this a loop without
 * branches. */
static inline void affine_group(const uint8_t *src, unsigned bits, uint64_t n, float scale, float bias,
                                float *dst) {
    const uint32_t mask = (1u << bits) - 1;
    for (uint64_t i = 0; i < n; i += STEP, src += bits) {
        uint64_t codes = 0;
        memcpy(&codes, src, bits);
        for (unsigned j = 0; j < STEP; j++)
            dst[i + j] = scale * (float)(int32_t)((uint32_t)(codes >> j * bits) & mask) + bias;
    }
}

static void affine(const uint8_t *src, unsigned bits, uint64_t n, float scale, float bias, float *dst) {
    switch (bits) {
    case 2: affine_group(src, 2, n, scale, bias, dst); break;
    case 3: affine_group(src, 3, n, scale, bias, dst); break;
    case 4: affine_group(src, 4, n, scale, bias, dst); break;
    case 5: affine_group(src, 5, n, scale, bias, dst); break;
    case 6: affine_group(src, 6, n, scale, bias, dst); break;
    case 8: affine_group(src, 8, n, scale, bias, dst); break;
    default: assert(!"code width"); break;
    }
}

static float scale_at(const uint8_t *scales, tn_type type, uint64_t i) {
    switch (type) {
    case TN_TYPE_F32: return tn_load_f32(scales + 4 * i);
    case TN_TYPE_F16: return tn_f16_to_f32(tn_load_u16(scales + 2 * i));
    default: return tn_bf16_to_f32(tn_load_u16(scales + 2 * i));
    }
}

static void fp4_group(const uint8_t *src, uint64_t n, float scale, float *dst) {
    for (uint64_t i = 0; i < n; i += 2, src++) {
        dst[i] = scale * tn_e2m1_to_f32(*src & 15);
        dst[i + 1] = scale * tn_e2m1_to_f32(*src >> 4);
    }
}

static void fp8_group(const uint8_t *src, uint64_t n, float scale, float *dst) {
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
            affine(src, t->bits, n, scale_at(t->scales, t->scale_type, g),
                   scale_at(t->biases, t->scale_type, g), dst);
            break;
        }
}
