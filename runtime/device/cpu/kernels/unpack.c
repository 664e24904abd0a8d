/* SPDX-License-Identifier: Apache-2.0 */
/* Units of panels (panels.h) as tiles (tiles.h). */
#include "device/cpu/kernels/tiles.h"

#if HAS_TILES
enum { LINE = TN_CPU_LINE_BYTES };

ALWAYS_INLINE void put(tile *to, int line, vi codes) {
    memcpy(to->q[line], &codes, sizeof codes);
}

/* Weights are read once: those some units on are asked for. */
ALWAYS_INLINE vi line(const uint8_t *p) {
    __builtin_prefetch(p + 4096);
    return vi_load(p);
}

ALWAYS_INLINE vf pair_scale(vi dd, int b) {
    return vf_from_half(b ? (vi)((vu)dd >> 16) : dd & 0xffff);
}

static void unpack_q8_0(const uint8_t *w, tile *to) {
    vi dd = line(w);
    for (int b = 0; b < 2; b++, to++) {
        vf_store(to->scale[0], pair_scale(dd, b));
        UNROLL for (int i = 0; i < 8; i++) put(to, i, line(w + (1 + 8 * b + i) * LINE));
    }
}

static void unpack_q4_0(const uint8_t *w, tile *to) {
    vi dd = line(w);
    for (int b = 0; b < 2; b++, to++) {
        vf_store(to->scale[0], pair_scale(dd, b));
        UNROLL for (int i = 0; i < 4; i++) {
            vi q = line(w + (1 + 4 * b + i) * LINE);
            put(to, i, q & 0x0f0f0f0f);
            put(to, 4 + i, (q >> 4) & 0x0f0f0f0f);
        }
    }
}

/* Scales and minima of a Q4_K or Q5_K unit, as int8.c's k_factors has them. */
ALWAYS_INLINE void unpack_k_factors(const uint8_t *w, tile *to) {
    vi dd = line(w), s0 = line(w + LINE), s1 = line(w + 2 * LINE), s2 = line(w + 3 * LINE);
    vf d = vf_from_half(dd & 0xffff), dmin = vf_from_half((vi)((vu)dd >> 16));
    vi sc[2] = {s0 & 0x3f3f3f3f, (s2 & 0x0f0f0f0f) | ((s0 >> 2) & 0x30303030)};
    vi mn[2] = {s1 & 0x3f3f3f3f, ((s2 >> 4) & 0x0f0f0f0f) | ((s1 >> 2) & 0x30303030)};
    UNROLL for (int b = 0; b < 8; b++) {
        vf_store(to[b].scale[0], d * vf_from_i32((sc[b / 4] >> 8 * (b % 4)) & 255));
        vf_store(to[b].min, dmin * vf_from_i32((mn[b / 4] >> 8 * (b % 4)) & 255));
    }
}

static void unpack_q4_k(const uint8_t *w, tile *to) {
    unpack_k_factors(w, to);
    w += 4 * LINE;
    for (int j = 0; j < 4; j++, w += 8 * LINE, to += 2) {
        UNROLL for (int i = 0; i < 8; i++) {
            vi q = line(w + i * LINE);
            put(to, i, q & 0x0f0f0f0f);
            put(to + 1, i, (q >> 4) & 0x0f0f0f0f);
        }
    }
}

static void unpack_q5_k(const uint8_t *w, tile *to) {
    unpack_k_factors(w, to);
    const uint8_t *fifth = w + 4 * LINE;
    w += 12 * LINE;
    for (int j = 0; j < 4; j++, w += 8 * LINE, to += 2) {
        for (int i = 0; i < 8; i++) {
            vi q = line(w + i * LINE);
            vu up = (vu)vi_load(fifth + i * LINE) >> 2 * j;
            put(to, i, (q & 0x0f0f0f0f) | (vi)(up & 0x01010101) << 4);
            put(to + 1, i, ((q >> 4) & 0x0f0f0f0f) | (vi)(up & 0x02020202) << 3);
        }
    }
}

/* Block 4h + b has its low codes in lines 16h + 8 (b % 2) .., its upper bits in lines 32 + 8h .., its scales
 * in line 48 + 2h + b / 2. */
static void unpack_q6_k(const uint8_t *w, tile *to) {
    vf d = vf_load(w + 52 * LINE);
    for (int block = 0; block < 8; block++, to++) {
        int h = block / 4, b = block % 4;
        const uint8_t *low = w + (16 * h + 8 * (b % 2)) * LINE, *up = w + (32 + 8 * h) * LINE;
        for (int i = 0; i < 8; i++) {
            vi q = (line(low + i * LINE) >> 4 * (b / 2)) & 0x0f0f0f0f;
            put(to, i, q | ((vi_load(up + i * LINE) >> 2 * b) & 0x03030303) << 4);
        }
        vi scales = vi_load(w + (48 + 2 * h + b / 2) * LINE);
        UNROLL for (int half = 0; half < 2; half++) {
            vi scale = (scales << (24 - 8 * (2 * (b % 2) + half))) >> 24;
            vf_store(to->scale[half], d * vf_from_i32(scale));
        }
    }
}

const tile_type *SET(tn_cpu_tile_type)(tn_type type) {
    static const tile_type q8_0 = {TILE_SCALE, 2, 17, 4, unpack_q8_0},
                           q4_0 = {TILE_SCALE, 2, 9, 0, unpack_q4_0},
                           q4_k = {TILE_MIN, 8, 36, 0, unpack_q4_k}, q5_k = {TILE_MIN, 8, 44, 0, unpack_q5_k},
                           q6_k = {TILE_HALVES, 8, 53, 2, unpack_q6_k};
    switch ((int)type) {
    case TN_TYPE_Q8_0: return &q8_0;
    case TN_TYPE_Q4_0: return &q4_0;
    case TN_TYPE_Q4_K: return &q4_k;
    case TN_TYPE_Q5_K: return &q5_k;
    case TN_TYPE_Q6_K: return &q6_k;
    default: return NULL;
    }
}
#endif
