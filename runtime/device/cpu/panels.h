/* SPDX-License-Identifier: Apache-2.0 */
/* Weights in the layout of the int8 kernels: the bytes of the file, regrouped.
 *
 * Sixteen rows make a panel. A row's blocks are taken as 32-bit words, and word i of the sixteen rows makes
 * line i, 64 bytes: a vector lane is an output row, and its four bytes are four neighbouring k. Sums then run
 * down the lanes and never across them, and a panel is one stream. A unit is the least whole number of blocks
 * that fills whole lines:
 *
 *   Q8_0   64 k  17 lines  two f16 d; 16 of q + 128
 *   Q4_0   64 k   9 lines  two f16 d; 8 of nibbles, low ones k 0 .. 15 of the block, high ones 16 .. 31
 *   Q4_K  256 k  36 lines  f16 d and dmin; 3 of scales and minima; 32 of nibbles: line 8j + g low k 64j + 4g,
 * high + 32 Q5_K  256 k  44 lines  as Q4_K with 8 lines of fifth bits before the nibbles Q6_K  256 k  53
 * lines  32 of low nibbles, 16 of upper bits, 4 of scales; d as F32, for want of half a line
 *
 * Missing rows of the last panel repeat the last one. */
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
    uint32_t n_unit; /* in a row */
    uint64_t panel_bytes;
    uint8_t *data;     /* 64-byte aligned */
    const float *bias; /* [rows] or NULL */
} tn_cpu_panels;

/* Fills the sizes for rows of cols elements of type; false where the type has no int8 kernel. */
bool tn_cpu_panels_init(tn_cpu_panels *p, tn_type type, uint32_t rows, uint32_t cols);
static inline uint64_t tn_cpu_panels_count(const tn_cpu_panels *p) {
    return (p->rows + (uint64_t)TN_CPU_PANEL_ROWS - 1) / TN_CPU_PANEL_ROWS;
}
/* Regroups rows first_row .. of t into panels `range` of p->data. */
void tn_cpu_panels_fill(const tn_cpu_panels *p, const tn_tensor *t, uint64_t first_row, tn_range range);

/* Activations for them: int8 with a scale for each 32 of k. Rows go in groups whose words of the same k lie
 * together; per block of 32 a group of m rows has 8 x m words of values and then, each m words: -32 times the
 * sum of values 0 .. 15, the same of 16 .. 31, -128 and -8 times the whole sum (integers), scale, - scale *
 * whole sum (floats). */
enum {
    TN_CPU_ACT_GROUP = 8, /* rows in a group at most; then 4, 2, 1 for the rest */
    TN_CPU_ACT_WORDS = 8,
    TN_CPU_ACT_LOW = 8,
    TN_CPU_ACT_HIGH,
    TN_CPU_ACT_SUM128,
    TN_CPU_ACT_SUM8,
    TN_CPU_ACT_SCALE,
    TN_CPU_ACT_MINUS,
    TN_CPU_ACT_STRIDE, /* words of a row and block */
};

/* Blocks of a row, an even number: units of 64 k may end in an empty half. */
static inline uint32_t tn_cpu_act_blocks(uint32_t cols) {
    return (cols + 63) / 64 * 2;
}
/* Words for n_row rows: whole groups, as some sets lay them out. */
static inline uint64_t tn_cpu_act_words(uint64_t n_row, uint32_t cols) {
    return (n_row + TN_CPU_ACT_GROUP - 1) / TN_CPU_ACT_GROUP * TN_CPU_ACT_GROUP * tn_cpu_act_blocks(cols) *
           TN_CPU_ACT_STRIDE;
}
/* Rows of the group that starts at row t of n_row. */
static inline uint32_t tn_cpu_act_group(uint32_t t, uint32_t n_row) {
    uint32_t left = n_row - t, g = TN_CPU_ACT_GROUP;
    while (g > left) g /= 2;
    return g;
}

#endif
