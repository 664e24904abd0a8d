/* SPDX-License-Identifier: Apache-2.0 */
/* A tensor as a file stores it: element type, shape, and where its bytes are mapped. Nothing here converts on
 * load; rows are dequantised when asked for. */
#ifndef TN_WEIGHTS_TENSOR_H
#define TN_WEIGHTS_TENSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <tenon/status.h>

/* Element types. Values up to 42 are the ids of GGUF files; those from 1000 on exist in safetensors only. */
typedef enum tn_type {
    TN_TYPE_F32 = 0,
    TN_TYPE_F16 = 1,
    TN_TYPE_Q4_0 = 2,
    TN_TYPE_Q4_1 = 3,
    TN_TYPE_Q5_0 = 6,
    TN_TYPE_Q5_1 = 7,
    TN_TYPE_Q8_0 = 8,
    TN_TYPE_Q2_K = 10,
    TN_TYPE_Q3_K = 11,
    TN_TYPE_Q4_K = 12,
    TN_TYPE_Q5_K = 13,
    TN_TYPE_Q6_K = 14,
    TN_TYPE_IQ2_XXS = 16,
    TN_TYPE_IQ2_XS = 17,
    TN_TYPE_IQ3_XXS = 18,
    TN_TYPE_IQ1_S = 19,
    TN_TYPE_IQ4_NL = 20,
    TN_TYPE_IQ3_S = 21,
    TN_TYPE_IQ2_S = 22,
    TN_TYPE_IQ4_XS = 23,
    TN_TYPE_I8 = 24,
    TN_TYPE_I16 = 25,
    TN_TYPE_I32 = 26,
    TN_TYPE_I64 = 27,
    TN_TYPE_F64 = 28,
    TN_TYPE_IQ1_M = 29,
    TN_TYPE_BF16 = 30,
    TN_TYPE_TQ1_0 = 34,
    TN_TYPE_TQ2_0 = 35,
    TN_TYPE_MXFP4 = 39,
    TN_TYPE_NVFP4 = 40,
    TN_TYPE_Q1_0 = 41,
    TN_TYPE_Q2_0 = 42,
    TN_TYPE_AFFINE = 1000, /* MLX: see tn_tensor */
    TN_TYPE_U8 = 1001,
    TN_TYPE_U16 = 1002,
    TN_TYPE_U32 = 1003,
    TN_TYPE_U64 = 1004,
    TN_TYPE_BOOL = 1005,
    TN_TYPE_MLX_MXFP4 = 1006, /* MLX mode mxfp4, and Hugging Face's _blocks/_scales: see tn_tensor */
    TN_TYPE_MLX_MXFP8 = 1007,
    TN_TYPE_MLX_NVFP4 = 1008,
} tn_type;

typedef struct tn_type_info {
    const char *name;     /* "Q4_K" */
    uint32_t block_elems; /* elements per block; 1 for plain types and TN_TYPE_AFFINE, whose group varies */
    uint32_t block_bytes; /* bytes per block; 0 for the types with separate scales */
} tn_type_info;

/* Facts about a type, or NULL for an id that no live type has (removed ones included). [any thread] */
const tn_type_info *tn_type_info_get(uint32_t type);
/* The name of a GGUF type that files cannot have: removed ("Q4_0_4_4") or for activations only ("Q8_1"); else
 * NULL. [any thread] */
const char *tn_type_removed_name(uint32_t gguf_type);

/* GGUF stops at 4; the patch embeddings of vision checkpoints (conv3d) have 5. */
enum { TN_MAX_DIM = 6 };

/* Borrowed from the file that was opened: valid until that is closed.
 *
 * Types with separate scales (TN_TYPE_AFFINE, TN_TYPE_MLX_*): data holds codes of `bits` bits, a row being
 * one stream of bits, least significant first; scales and biases are [rows, cols / group]. An element is
 *
 *   AFFINE     scale * code + bias
 *   MLX_MXFP4  scale * value of the code: E2M1, scale E8M0
 *   MLX_MXFP8  the same: E4M3, scale E8M0
 *   MLX_NVFP4  the same: E2M1, scale E4M3 */
typedef struct tn_tensor {
    const char *name; /* as in the file; with separate scales that of the codes ("P.weight", "P_blocks") */
    tn_type type;
    uint32_t n_dim;           /* 1 .. TN_MAX_DIM */
    uint64_t dim[TN_MAX_DIM]; /* elements, outermost first; dim[n_dim - 1] is contiguous */
    const uint8_t *data;      /* mapped; any alignment */
    uint64_t bytes;           /* of data; checked against type, shape and file */
    uint32_t bits;            /* separate scales: width of a code (affine 2 3 4 5 6 8); else 0 */
    uint32_t group;           /* separate scales: elements per scale; else 0 */
    const uint8_t *scales;    /* separate scales: of scale_type, any alignment; else NULL */
    const uint8_t *biases;    /* TN_TYPE_AFFINE: as scales; else NULL */
    tn_type scale_type;       /* TN_TYPE_AFFINE: F32, F16 or BF16; TN_TYPE_MLX_*: U8; else unset */
} tn_tensor;

/* Rows (product of all dims but the last) and columns (the last dim). A file's reader has checked the
 * products. */
static inline uint64_t tn_tensor_cols(const tn_tensor *t) {
    return t->dim[t->n_dim - 1];
}
static inline uint64_t tn_tensor_rows(const tn_tensor *t) {
    uint64_t n = 1;
    for (uint32_t i = 0; i + 1 < t->n_dim; i++) n *= t->dim[i];
    return n;
}
/* Bytes of the data of one row; with separate scales, of its codes. */
uint64_t tn_tensor_row_bytes(const tn_tensor *t);

/* dst[0 .. count) = elements first .. first + count of row `row`, as F32; integers are converted. first and
 * count are multiples of the block (of the group with separate scales), or anything for plain types. The
 * values are exactly those that the format defines, computed in F32. [any thread] */
void tn_tensor_dequantize(const tn_tensor *t, uint64_t row, uint64_t first, uint64_t count, float *dst);

/* n elements (a multiple of the block) of a type without separate scales at src (any alignment) to F32. [any
 * thread] */
void tn_dequantize(tn_type type, const void *src, uint64_t n, float *dst);

#endif
