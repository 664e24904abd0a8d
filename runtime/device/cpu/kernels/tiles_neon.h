/* SPDX-License-Identifier: Apache-2.0 */
/* The inner loops of tiles.c for arm64: a group of rows by half a panel, 8 by 8 sums.
 *
 * Tiles are rearranged once they are unpacked: offsets are taken off, so that codes are signed bytes and sums
 * begin at 0, which is the same integer. With matrix instructions (2 rows by 2 outputs by 8 k each), two
 * lines of 4 k of a pair of outputs lie side by side, and so do a pair of rows. Included by tiles.c alone. */
#ifndef TN_DEVICE_CPU_KERNELS_TILES_NEON_H
#define TN_DEVICE_CPU_KERNELS_TILES_NEON_H

#include "device/cpu/kernels/tiles.h"

enum {
    MR = TN_CPU_ACT_GROUP,
    SIDE = 2, /* vectors of outputs in half a panel */
};

#if defined(__ARM_FEATURE_MATMUL_INT8)
#    define BY_MATRIX 1
#else
#    define BY_MATRIX 0
#endif

static void arrange(const tile_type *type, tile *w) {
    const uint8x16_t offset = vdupq_n_u8((uint8_t)type->offset);
    for (int i = 0; i < 8; i += 2) {
        UNROLL for (int v = 0; v < LINE; v += 16) {
            uint32x4_t a = vreinterpretq_u32_u8(vsubq_u8(vld1q_u8(w->q[i] + v), offset));
            uint32x4_t b = vreinterpretq_u32_u8(vsubq_u8(vld1q_u8(w->q[i + 1] + v), offset));
            vst1q_u8(w->q[i] + v, vreinterpretq_u8_u32(BY_MATRIX ? vzip1q_u32(a, b) : a));
            vst1q_u8(w->q[i + 1] + v, vreinterpretq_u8_u32(BY_MATRIX ? vzip2q_u32(a, b) : b));
        }
    }
}

/* Activations of a group, a block's 16 vectors: for matrix instructions rows 2p and 2p + 1 of words i and i +
 * 1 at 2i + p, else as they were, rows 4p .. of word i at 2i + p. */
typedef int8x16_t block_rows[2 * TN_CPU_ACT_WORDS];

static void arrange_rows(const int32_t *a, block_rows x) {
    for (int i = 0; i < TN_CPU_ACT_WORDS; i += 2, a += 2 * GROUP) {
        UNROLL for (int p = 0; p < 2; p++) {
            int32x4_t first = vld1q_s32(a + 4 * p), second = vld1q_s32(a + GROUP + 4 * p);
            x[2 * i + (BY_MATRIX ? 2 * p : p)] =
                vreinterpretq_s8_s32(BY_MATRIX ? vzip1q_s32(first, second) : first);
            x[2 * i + (BY_MATRIX ? 2 * p + 1 : 2 + p)] =
                vreinterpretq_s8_s32(BY_MATRIX ? vzip2q_s32(first, second) : second);
        }
    }
}

/* x with lane l of `from` in place of its factor: acc + w * from[l], l constant after inlining. */
#if !BY_MATRIX
ALWAYS_INLINE int32x4_t dot_lane(int32x4_t acc, int8x16_t w, int8x16_t x, const int l) {
    int32x4_t words = vreinterpretq_s32_s8(x);
    int32x4_t all = l == 0   ? vdupq_laneq_s32(words, 0)
                    : l == 1 ? vdupq_laneq_s32(words, 1)
                    : l == 2 ? vdupq_laneq_s32(words, 2)
                             : vdupq_laneq_s32(words, 3);
#    if defined(__ARM_FEATURE_DOTPROD)
    (void)all;
    return l == 0   ? vdotq_laneq_s32(acc, w, x, 0)
           : l == 1 ? vdotq_laneq_s32(acc, w, x, 1)
           : l == 2 ? vdotq_laneq_s32(acc, w, x, 2)
                    : vdotq_laneq_s32(acc, w, x, 3);
#    else
    return (int32x4_t)vi_dot4_signed((vi)acc, (vi)w, (vi)all);
#    endif
}
#endif

/* s[m][v] = the products of lines first .. first + n (even numbers) of half h of a panel. */
ALWAYS_INLINE void multiply(const int first, const int n, const tile *w, int h, const int8x16_t *x,
                            int32x4_t s[MR][SIDE]) {
    const uint8_t(*q)[LINE] = w->q;
#if BY_MATRIX
    int32x4_t c[MR / 2][2 * SIDE]; /* of a pair of rows and of outputs */
    UNROLL for (int p = 0; p < MR / 2; p++) {
        UNROLL for (int o = 0; o < 2 * SIDE; o++) c[p][o] = vdupq_n_s32(0);
    }
    UNROLL for (int i = first; i < first + n; i += 2) {
        int8x16_t b[2 * SIDE];
        UNROLL for (int o = 0; o < 2 * SIDE; o++) b[o] =
            vld1q_s8((const int8_t *)q[i + o % 2] + 16 * (SIDE * h + o / 2));
        UNROLL for (int p = 0; p < MR / 2; p++) {
            UNROLL for (int o = 0; o < 2 * SIDE; o++) c[p][o] = vmmlaq_s32(c[p][o], x[2 * i + p], b[o]);
        }
    }
    UNROLL for (int p = 0; p < MR / 2; p++) {
        UNROLL for (int v = 0; v < SIDE; v++) {
            int64x2_t left = vreinterpretq_s64_s32(c[p][2 * v]),
                      right = vreinterpretq_s64_s32(c[p][2 * v + 1]);
            s[2 * p][v] = vreinterpretq_s32_s64(vzip1q_s64(left, right));
            s[2 * p + 1][v] = vreinterpretq_s32_s64(vzip2q_s64(left, right));
        }
    }
#else
    UNROLL for (int m = 0; m < MR; m++) {
        UNROLL for (int v = 0; v < SIDE; v++) s[m][v] = vdupq_n_s32(0);
    }
    UNROLL for (int i = first; i < first + n; i++) {
        UNROLL for (int v = 0; v < SIDE; v++) {
            int8x16_t b = vld1q_s8((const int8_t *)q[i] + 16 * (SIDE * h + v));
            UNROLL for (int m = 0; m < MR; m++) s[m][v] = dot_lane(s[m][v], b, x[2 * i + m / 4], m % 4);
        }
    }
#endif
}

/* x * f[m], and acc + x * f[m], for a number of each row. */
ALWAYS_INLINE float32x4_t times_row(float32x4_t x, const float32x4_t f[2], const int m) {
    float32x4_t y = f[m / 4];
    return m % 4 == 0   ? vmulq_laneq_f32(x, y, 0)
           : m % 4 == 1 ? vmulq_laneq_f32(x, y, 1)
           : m % 4 == 2 ? vmulq_laneq_f32(x, y, 2)
                        : vmulq_laneq_f32(x, y, 3);
}
ALWAYS_INLINE float32x4_t add_times_row(float32x4_t acc, float32x4_t x, const float32x4_t f[2], const int m) {
    float32x4_t y = f[m / 4];
    return m % 4 == 0   ? vfmaq_laneq_f32(acc, x, y, 0)
           : m % 4 == 1 ? vfmaq_laneq_f32(acc, x, y, 1)
           : m % 4 == 2 ? vfmaq_laneq_f32(acc, x, y, 2)
                        : vfmaq_laneq_f32(acc, x, y, 3);
}
ALWAYS_INLINE void row_numbers(const int32_t *a, int i, float32x4_t f[2]) {
    UNROLL for (int p = 0; p < 2; p++) f[p] = vreinterpretq_f32_s32(vld1q_s32(a + i * GROUP + 4 * p));
}

/* A block's part of the sums of half h: f[m][v]. a: the activations' other numbers. */
ALWAYS_INLINE void add_block(const enum tile_kind kind, const tile *w, int h, const int8x16_t *x,
                             const int32_t *a, float32x4_t f[MR][SIDE]) {
    int32x4_t s[MR][SIDE];
    float32x4_t as[2], minus[2];
    row_numbers(a, TN_CPU_ACT_SCALE, as);
    row_numbers(a, TN_CPU_ACT_MINUS, minus);
    multiply(0, 8, w, h, x, s);
    UNROLL for (int v = 0; v < SIDE; v++) {
        float32x4_t scale = vld1q_f32(w->scale[0] + 4 * (SIDE * h + v)),
                    min = vld1q_f32(w->min + 4 * (SIDE * h + v));
        UNROLL for (int m = 0; m < MR; m++) {
            f[m][v] = vfmaq_f32(f[m][v], vcvtq_f32_s32(s[m][v]), times_row(scale, as, m));
            if (kind == TILE_MIN || kind == TILE_MIN128) f[m][v] = add_times_row(f[m][v], min, minus, m);
            if (kind == TILE_MINS) {
                const int32_t *two = w->two + 4 * (SIDE * h + v);
                vi sum = vi_dot2((vi){0}, vi_load(two), vi_set1(a[TN_CPU_ACT_PAIR * GROUP + m]));
                f[m][v] = vfmaq_f32(f[m][v], vcvtq_f32_s32((int32x4_t)sum), times_row(min, as, m));
            }
        }
    }
}
ALWAYS_INLINE void add_halves(const tile *w, int h, const int8x16_t *x, const int32_t *a,
                              float32x4_t f[MR][SIDE]) {
    int32x4_t s[MR][SIDE];
    float32x4_t as[2], sum[MR][SIDE];
    row_numbers(a, TN_CPU_ACT_SCALE, as);
    multiply(0, 4, w, h, x, s);
    UNROLL for (int v = 0; v < SIDE; v++) {
        float32x4_t scale = vld1q_f32(w->scale[0] + 4 * (SIDE * h + v));
        UNROLL for (int m = 0; m < MR; m++) sum[m][v] = vmulq_f32(vcvtq_f32_s32(s[m][v]), scale);
    }
    multiply(4, 4, w, h, x, s);
    UNROLL for (int v = 0; v < SIDE; v++) {
        float32x4_t scale = vld1q_f32(w->scale[1] + 4 * (SIDE * h + v));
        UNROLL for (int m = 0; m < MR; m++) {
            sum[m][v] = vfmaq_f32(sum[m][v], vcvtq_f32_s32(s[m][v]), scale);
            f[m][v] = add_times_row(f[m][v], sum[m][v], as, m);
        }
    }
}

/* MR sums of half h of panel i to where they go: rows t .. of the batch. */
static void store_sums(const strip *s, uint32_t i, int h, uint32_t t, float32x4_t f[MR][SIDE]) {
    enum { PANEL = TN_CPU_PANEL_ROWS };
    float *park = s->park + (t * TILE_PANELS + i) * PANEL + PANEL / 2 * h;
    uint64_t n = (s->first + i) * PANEL + PANEL / 2 * (uint32_t)h;
    float *y = s->y + (size_t)t * s->p->rows + n;
    for (int v = 0; v < SIDE; v++, park += VN, y += VN, n += VN) {
        if (!s->is_last) {
            UNROLL for (int m = 0; m < MR; m++) vf_store(park + m * TILE_PANELS * PANEL, (vf)f[m][v]);
            continue;
        }
        if (n >= s->p->rows) return;
        const uint32_t n_store = s->p->rows - n < VN ? (uint32_t)(s->p->rows - n) : VN;
        vf bias = s->p->bias ? vf_load_part(s->p->bias + n, n_store) : (vf){0};
        UNROLL for (int m = 0; m < MR; m++)
            vf_store_part(y + (size_t)m * s->p->rows, s->p->bias ? (vf)f[m][v] + bias : (vf)f[m][v], n_store);
    }
}
static void load_sums(const strip *s, uint32_t i, int h, uint32_t t, float32x4_t f[MR][SIDE]) {
    enum { PANEL = TN_CPU_PANEL_ROWS };
    const float *park = s->park + (t * TILE_PANELS + i) * PANEL + PANEL / 2 * h;
    UNROLL for (int m = 0; m < MR; m++) {
        UNROLL for (int v = 0; v < SIDE; v++) f[m][v] =
            s->is_first ? vdupq_n_f32(0) : vld1q_f32(park + m * TILE_PANELS * PANEL + v * VN);
    }
}

/* All blocks and panels of the strip for a group, whose words of the first block are at a. */
ALWAYS_INLINE void strip_group(const enum tile_kind kind, const strip *s, uint32_t t, const int32_t *a) {
    block_rows x[TILE_BLOCKS];
    for (uint32_t b = 0; b < s->n_block; b++) arrange_rows(a + b * STRIDE * GROUP, x[b]);
    for (uint32_t i = 0; i < s->n_panel; i++) {
        const tile *w = s->tiles + i * TILE_BLOCKS;
        for (int h = 0; h < 2; h++) {
            float32x4_t f[MR][SIDE];
            load_sums(s, i, h, t, f);
            for (uint32_t b = 0; b < s->n_block; b++) {
                if (kind == TILE_HALVES)
                    add_halves(&w[b], h, x[b], a + b * STRIDE * GROUP, f);
                else
                    add_block(kind, &w[b], h, x[b], a + b * STRIDE * GROUP, f);
            }
            store_sums(s, i, h, t, f);
        }
    }
}

#define ROWS(kind)                                                                                           \
    static void rows_##kind(const strip *s, uint32_t t, const int32_t *a) {                                  \
        strip_group(kind, s, t, a);                                                                          \
    }

#endif
