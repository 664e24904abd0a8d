/* SPDX-License-Identifier: Apache-2.0 */
/* Many rows against a panel: its units are unpacked once into tiles near at hand, which all rows then use.
 * Bits are those of the kernels that unpack in registers (int8.c). */
#ifndef TN_DEVICE_CPU_KERNELS_TILES_H
#define TN_DEVICE_CPU_KERNELS_TILES_H

#include "device/cpu/kernels/set.h"

/* Whether the set goes this way with many rows, and from how many on: unpacking must pay. */
#define HAS_TILES (VEC_AVX512 || VEC_NEON)
#if VEC_NEON
enum { TILE_ROWS = TN_CPU_ACT_GROUP };
#else
enum { TILE_ROWS = 32 };
#endif

enum {
    TILE_BLOCKS = 8,  /* of 32 k: as many as are unpacked at a time, and as the largest unit has */
    TILE_PANELS = 4,  /* unpacked side by side: rows are loaded once for them */
    TILE_BATCH = 256, /* rows whose sums wait while the next blocks are unpacked */
};

/* What a block's sum of products is multiplied with. */
enum tile_kind {
    TILE_SCALE,  /* scale[0]; values are codes less an offset */
    TILE_MIN,    /* scale[0], and min[0] times the activations' sum is taken off */
    TILE_HALVES, /* scale[h] for 16 k each; codes less an offset */
    TILE_MIN128, /* as TILE_MIN, of codes less 128 */
    TILE_MINS,   /* as TILE_MIN, the activations' sums of 16 k times those of `two` */
};

/* 16 outputs by 32 k: codes q[k / 4][output][k % 4]. The lanes of a vector begin at the same byte of all
 * members' rows as of a panel's lines. */
typedef struct tile {
    uint8_t q[8][TN_CPU_LINE_BYTES];
    float scale[2][TN_CPU_PANEL_ROWS], min[TN_CPU_PANEL_ROWS];
    int32_t two[TN_CPU_PANEL_ROWS]; /* TILE_MINS: integers of 16 bits */
} tile;

typedef struct tile_type {
    enum tile_kind kind;
    int shift, offset; /* offset: 8 << shift; with halves 32; with minima 0 or 128 */
    /* A vector's lanes of a unit of a panel: w and `to` are at their first byte. */
    void (*unpack)(const tn_cpu_panels *p, const uint8_t *w, tile *to);
} tile_type;

/* Of panels that int8 kernels take. */
const tile_type *SET(tn_cpu_tile_type)(const tn_cpu_panels *p);

/* linear_int8 for the first rows of n_row; returns how many it did. scratch: TN_CPU_TILE_SCRATCH bytes. */
uint32_t SET(tn_cpu_linear_tiles)(const tn_cpu_panels *p, const int32_t *act, float *y, uint32_t n_row,
                                  tn_range panels, void *scratch);

#endif
