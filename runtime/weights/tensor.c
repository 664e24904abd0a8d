/* SPDX-License-Identifier: Apache-2.0 */
/* The table of element types, and rows as F32. */
#include "weights/tensor.h"

#include <assert.h>

#include "weights/dequant.h"

typedef struct type_entry {
    tn_type_info info; /* name NULL: no such type */
    tn__dequant *dequant;
} type_entry;

/* GGUF ids come first, ours from 1000 on follow without the gap. */
/* clang-format off */
#define GGUF_TYPES ((int)TN_TYPE_Q2_0 + 1)
#define OWN_FIRST ((int)TN_TYPE_AFFINE)
#define OWN_TYPES ((int)TN_TYPE_MLX_NVFP4 - OWN_FIRST + 1)
#define SLOT(type) ((int)(type) < GGUF_TYPES ? (int)(type) : (int)(type) - OWN_FIRST + GGUF_TYPES)
#define TYPE(NAME, elems, bytes, fn) [SLOT(TN_TYPE_##NAME)] = {{#NAME, elems, bytes}, tn__dequant_##fn}
#define SCALED(NAME, elems) [SLOT(TN_TYPE_##NAME)] = {{#NAME, elems, 0}, NULL}

static const type_entry types[GGUF_TYPES + OWN_TYPES] = {
    TYPE(F32, 1, 4, f32),
    TYPE(F16, 1, 2, f16),
    TYPE(BF16, 1, 2, bf16),
    TYPE(F64, 1, 8, f64),
    TYPE(I8, 1, 1, i8),
    TYPE(I16, 1, 2, i16),
    TYPE(I32, 1, 4, i32),
    TYPE(I64, 1, 8, i64),
    TYPE(U8, 1, 1, u8),
    TYPE(U16, 1, 2, u16),
    TYPE(U32, 1, 4, u32),
    TYPE(U64, 1, 8, u64),
    TYPE(BOOL, 1, 1, bool),
    TYPE(Q4_0, 32, 18, q4_0),
    TYPE(Q4_1, 32, 20, q4_1),
    TYPE(Q5_0, 32, 22, q5_0),
    TYPE(Q5_1, 32, 24, q5_1),
    TYPE(Q8_0, 32, 34, q8_0),
    TYPE(Q1_0, 128, 18, q1_0),
    TYPE(Q2_0, 64, 18, q2_0),
    TYPE(Q2_K, 256, 84, q2_k),
    TYPE(Q3_K, 256, 110, q3_k),
    TYPE(Q4_K, 256, 144, q4_k),
    TYPE(Q5_K, 256, 176, q5_k),
    TYPE(Q6_K, 256, 210, q6_k),
    TYPE(TQ1_0, 256, 54, tq1_0),
    TYPE(TQ2_0, 256, 66, tq2_0),
    TYPE(MXFP4, 32, 17, mxfp4),
    TYPE(NVFP4, 64, 36, nvfp4),
    TYPE(IQ4_NL, 32, 18, iq4_nl),
    TYPE(IQ4_XS, 256, 136, iq4_xs),
    TYPE(IQ1_S, 256, 50, iq1_s),
    TYPE(IQ1_M, 256, 56, iq1_m),
    TYPE(IQ2_XXS, 256, 66, iq2_xxs),
    TYPE(IQ2_XS, 256, 74, iq2_xs),
    TYPE(IQ2_S, 256, 82, iq2_s),
    TYPE(IQ3_XXS, 256, 98, iq3_xxs),
    TYPE(IQ3_S, 256, 110, iq3_s),
    SCALED(AFFINE, 1),
    SCALED(MLX_MXFP4, 32),
    SCALED(MLX_MXFP8, 32),
    SCALED(MLX_NVFP4, 16),
};
/* clang-format on */

static const type_entry *entry(uint32_t type) {
    if (type >= (uint32_t)GGUF_TYPES &&
        (type < (uint32_t)OWN_FIRST || type >= (uint32_t)(OWN_FIRST + OWN_TYPES)))
        return NULL;
    const type_entry *e = &types[SLOT(type)];
    return e->info.name ? e : NULL;
}

const tn_type_info *tn_type_info_get(uint32_t type) {
    const type_entry *e = entry(type);
    return e ? &e->info : NULL;
}

const char *tn_type_removed_name(uint32_t gguf_type) {
    static const char *const names[GGUF_TYPES] = {
        [4] = "Q4_2",      [5] = "Q4_3",      [9] = "Q8_1",        [15] = "Q8_K",       [31] = "Q4_0_4_4",
        [32] = "Q4_0_4_8", [33] = "Q4_0_8_8", [36] = "IQ4_NL_4_4", [37] = "IQ4_NL_4_8", [38] = "IQ4_NL_8_8",
    };
    return gguf_type < GGUF_TYPES ? names[gguf_type] : NULL;
}

uint64_t tn_tensor_row_bytes(const tn_tensor *t) {
    const type_entry *e = entry(t->type);
    assert(e);
    if (!e->dequant) return tn_tensor_cols(t) * t->bits / 8;
    return tn_tensor_cols(t) / e->info.block_elems * e->info.block_bytes;
}

void tn_dequantize(tn_type type, const void *src, uint64_t n, float *dst) {
    const type_entry *e = entry(type);
    assert(e && e->dequant && n % e->info.block_elems == 0);
    e->dequant(src, n, dst);
}

void tn_tensor_dequantize(const tn_tensor *t, uint64_t row, uint64_t first, uint64_t count, float *dst) {
    const type_entry *e = entry(t->type);
    assert(e && first % e->info.block_elems == 0);
    if (!e->dequant) {
        tn__dequant_scaled(t, row, first, count, dst);
        return;
    }
    const uint8_t *at = t->data + row * tn_tensor_row_bytes(t);
    tn_dequantize(t->type, at + first / e->info.block_elems * e->info.block_bytes, count, dst);
}
