/* SPDX-License-Identifier: Apache-2.0 */
/* Weights in the layout of the kernels for rounded activations: the bits of the file, regrouped.
 *
 * Sixteen rows make a panel. A row's blocks are taken as 32-bit words, and word i of the sixteen rows makes
 * line i, 64 bytes: a vector lane is an output row, and its four bytes are four neighbouring k. Sums then run
 * down the lanes and never across them, and a panel is one stream. A unit is the least whole number of blocks
 * that fills whole lines. "nibbles": 4 lines for 32 k, line i having k 4i in its low halves, 16 + 4i in the
 * high ones; "pairs": line i has k 16i + 4p in bits 2p of its bytes; "bits": a line with k 4i in bits i.
 *
 *   Q8_0     64 k  17 lines  two f16 d; 16 of q + 128
 *   Q4_0     64 k   9 lines  two f16 d; 2 x nibbles
 *   IQ4_NL   64 k   9 lines  the same
 *   Q5_0     64 k  11 lines  two f16 d; 2 x nibbles and bits
 *   Q4_1     32 k   5 lines  f16 d and m; nibbles
 *   Q5_1     32 k   6 lines  f16 d and m; nibbles and bits
 *   MXFP4   128 k  17 lines  four e8m0; 4 x nibbles
 *   NVFP4    64 k   9 lines  four e4m3; for each 16 k 2 lines: low halves k 4i, high ones 8 + 4i
 *   Q4_K    256 k  36 lines  f16 d and dmin; 3 of scales and minima; 32: line 8j + g low k 64j + 4g, high
 *                            those 32 on
 *   Q5_K    256 k  44 lines  as Q4_K with 8 lines of fifth bits before the nibbles
 *   Q6_K    256 k  53 lines  32 of low nibbles, 16 of upper bits, 4 of scales; d as F32, for want of half a
 *                            line
 *   Q3_K    256 k  28 lines  8 of third bits: line 4j + g / 2 has those of line 8j + g of the next 16 in one
 *                            half of its bytes; 16 of two bits; 3 of scales; d as F32
 *   Q2_K    256 k  21 lines  4 of scales and minima; 16 of two bits; f16 d and dmin
 *   IQ4_XS  256 k  34 lines  f16 d and upper bits of scales; scales; 8 x nibbles
 *   BF16     32 k  16 lines  two k each: for matrix registers
 *   AFFINE  a group          for each 32 k nibbles, pairs and bits as the width has them, 8 lines of bytes
 *                            for 8 bits; scale and bias in a line, or two if they are F32
 *
 * MLX_MXFP4 and MLX_NVFP4 come as MXFP4 and NVFP4. The types that are not here (codes that index books of 4
 * or 8 elements, ternary and binary ones, MXFP8) go the way of F32. Missing rows of the last panel repeat the
 * last one. */
#ifndef TN_DEVICE_CPU_PANELS_H
#define TN_DEVICE_CPU_PANELS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/team.h"
#include "weights/tensor.h"

enum { TN_CPU_PANEL_ROWS = 16, TN_CPU_LINE_BYTES = 64 };

typedef struct tn_cpu_panels {
    tn_type type;
    uint32_t rows, cols;
    uint32_t bits, group; /* of TN_TYPE_AFFINE */
    tn_type scale_type;   /* the same */
    uint32_t unit_blocks; /* of 32 k */
    uint32_t unit_lines;
    uint32_t n_unit; /* in a row */
    uint64_t panel_bytes;
    uint8_t *data;     /* 64-byte aligned */
    const float *bias; /* [rows] or NULL */
} tn_cpu_panels;

/* Fills the sizes for so many rows of t; false where its type, or its width, has no such kernel. */
bool tn_cpu_panels_init(tn_cpu_panels *p, const tn_tensor *t, uint32_t rows);
static inline uint64_t tn_cpu_panels_count(const tn_cpu_panels *p) {
    return (p->rows + (uint64_t)TN_CPU_PANEL_ROWS - 1) / TN_CPU_PANEL_ROWS;
}
/* Regroups rows first_row .. of t into panels `range` of p->data. */
void tn_cpu_panels_fill(const tn_cpu_panels *p, const tn_tensor *t, uint64_t first_row, tn_range range);

/* Activations for them: int8 with a scale for each 32 of k. Rows go in groups whose words of the same k lie
 * together; per block of 32 a group of m rows has 8 x m words of values and then, each m words: -32 times the
 * sum of values 0 .. 15, the same of 16 .. 31, -128 and -8 times the whole sum (integers), scale, - scale *
 * whole sum (floats), and minus the sums of values 0 .. 15 and 16 .. 31 in 16 bits each. */
enum {
    TN_CPU_ACT_GROUP = 8, /* rows in a group at most; then 4, 2, 1 for the rest */
    TN_CPU_ACT_WORDS = 8,
    TN_CPU_ACT_LOW = 8,
    TN_CPU_ACT_HIGH,
    TN_CPU_ACT_SUM128,
    TN_CPU_ACT_SUM8,
    TN_CPU_ACT_SCALE,
    TN_CPU_ACT_MINUS,
    TN_CPU_ACT_PAIR,
    TN_CPU_ACT_STRIDE,    /* words of a row and block */
    TN_CPU_ACT_ROOM = 16, /* that are there for a row and block: as BF16 it takes so many */
};

/* Blocks of a row, whole units of up to 128 k: the last may be partly empty. */
static inline uint32_t tn_cpu_act_blocks(uint32_t cols) {
    return (cols + 127) / 128 * 4;
}
/* Words of a row. */
static inline uint64_t tn_cpu_act_words(uint32_t cols) {
    return (uint64_t)tn_cpu_act_blocks(cols) * TN_CPU_ACT_ROOM;
}
/* Rows of the group that starts at row t of n_row. */
static inline uint32_t tn_cpu_act_group(uint32_t t, uint32_t n_row) {
    uint32_t left = n_row - t, g = TN_CPU_ACT_GROUP;
    while (g > left) g /= 2;
    return g;
}

#endif
