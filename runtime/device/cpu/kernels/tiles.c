/* SPDX-License-Identifier: Apache-2.0 */
#include "device/cpu/kernels/tiles.h"

#if HAS_TILES
enum {
    LINE = TN_CPU_LINE_BYTES,
    STRIDE = TN_CPU_ACT_STRIDE,
    GROUP = TN_CPU_ACT_GROUP,
};

_Static_assert(sizeof(tile) * TILE_PANELS * TILE_BLOCKS +
                       sizeof(float) * TILE_BATCH * TILE_PANELS * TN_CPU_PANEL_ROWS <=
                   TN_CPU_TILE_SCRATCH,
               "the scratch that is asked for suffices");

/* What the members of a loop over panels, blocks and rows have in common. */
typedef struct strip {
    const tn_cpu_panels *p;
    const tile_type *type;
    uint64_t first;         /* panel */
    uint32_t n_panel;       /* at most TILE_PANELS */
    uint32_t n_block;       /* unpacked */
    bool is_first, is_last; /* of the blocks of k */
    tile *tiles;            /* [TILE_PANELS][TILE_BLOCKS] */
    float *park;            /* [TILE_BATCH][TILE_PANELS][16]: sums between blocks */
    float *y;               /* of the batch's first row */
} strip;

#    if VEC_NEON
#        include "device/cpu/kernels/tiles_neon.h"
#    else
enum { MR = 4 /* rows against two panels */ };

/* MR sums of panel i to where they go: rows t .. of the batch. */
ALWAYS_INLINE void store_sums(const strip *s, uint32_t i, uint32_t t, const vf *f) {
    float *park = s->park + (t * TILE_PANELS + i) * TN_CPU_PANEL_ROWS;
    if (!s->is_last) {
        UNROLL for (int m = 0; m < MR; m++) vf_store(park + m * TILE_PANELS * TN_CPU_PANEL_ROWS, f[m]);
        return;
    }
    uint64_t n = (s->first + i) * TN_CPU_PANEL_ROWS, left = s->p->rows - n;
    const uint32_t n_store = left < TN_CPU_PANEL_ROWS ? (uint32_t)left : TN_CPU_PANEL_ROWS;
    vf bias = s->p->bias ? vf_load_part(s->p->bias + n, n_store) : (vf){0};
    float *y = s->y + (size_t)t * s->p->rows + n;
    UNROLL for (int m = 0; m < MR; m++, y += s->p->rows) {
        vf v = s->p->bias ? f[m] + bias : f[m];
        if (n_store == TN_CPU_PANEL_ROWS)
            vf_store(y, v);
        else
            vf_store_part(y, v, n_store);
    }
}
ALWAYS_INLINE void load_sums(const strip *s, uint32_t i, uint32_t t, vf *f) {
    const float *park = s->park + (t * TILE_PANELS + i) * TN_CPU_PANEL_ROWS;
    UNROLL for (int m = 0; m < MR; m++) f[m] =
        s->is_first ? (vf){0} : vf_load(park + m * TILE_PANELS * TN_CPU_PANEL_ROWS);
}

ALWAYS_INLINE vi word(const int32_t *a, int i, int m) {
    return vi_set1(a[i * GROUP + m]);
}

/* The sums of a block's lines first .. for MR rows and two panels, from `start` of the activations on. */
ALWAYS_INLINE void multiply(const bool two, const int first, const int n, const uint8_t (*q0)[LINE],
                            const uint8_t (*q1)[LINE], const int32_t *a, vi s[2][MR]) {
    UNROLL for (int i = first; i < first + n; i++) {
        vi w0 = vi_load(q0[i]), w1 = two ? vi_load(q1[i]) : w0;
        UNROLL for (int m = 0; m < MR; m++) {
            vi x = word(a, i, m);
            s[0][m] = vi_dot4(s[0][m], w0, x);
            if (two) s[1][m] = vi_dot4(s[1][m], w1, x);
        }
    }
}

ALWAYS_INLINE void add_block(const enum tile_kind kind, const bool two, const tile *w0, const tile *w1,
                             const int32_t *a, int shift, vf f[2][MR]) {
    vi s[2][MR];
    UNROLL for (int m = 0; m < MR; m++) s[0][m] = s[1][m] =
        kind == TILE_SCALE    ? word(a, TN_CPU_ACT_SUM8, m) << shift
        : kind == TILE_MIN128 ? word(a, TN_CPU_ACT_SUM128, m)
                              : (vi){0};
    multiply(two, 0, 8, w0->q, w1->q, a, s);
    UNROLL for (int p = 0; p < 2; p++) {
        if (p == 1 && !two) continue;
        const tile *w = p ? w1 : w0;
        vf scale = vf_load(w->scale[0]), min = vf_load(w->min);
        UNROLL for (int m = 0; m < MR; m++) {
            f[p][m] = vf_fma(vf_from_i32(s[p][m]), scale * (vf)word(a, TN_CPU_ACT_SCALE, m), f[p][m]);
            if (kind == TILE_MIN || kind == TILE_MIN128)
                f[p][m] = vf_fma(min, (vf)word(a, TN_CPU_ACT_MINUS, m), f[p][m]);
            if (kind == TILE_MINS) {
                vi sum = vi_dot2((vi){0}, vi_load(w->two), word(a, TN_CPU_ACT_PAIR, m));
                f[p][m] = vf_fma(vf_from_i32(sum), min * (vf)word(a, TN_CPU_ACT_SCALE, m), f[p][m]);
            }
        }
    }
}

ALWAYS_INLINE void add_halves(const bool two, const tile *w0, const tile *w1, const int32_t *a, vf f[2][MR]) {
    vf sum[2][MR];
    UNROLL for (int h = 0; h < 2; h++) {
        vi s[2][MR];
        UNROLL for (int m = 0; m < MR; m++) s[0][m] = s[1][m] = word(a, TN_CPU_ACT_LOW + h, m);
        multiply(two, 4 * h, 4, w0->q, w1->q, a, s);
        UNROLL for (int p = 0; p < 2; p++) {
            if (p == 1 && !two) continue;
            vf scale = vf_load((p ? w1 : w0)->scale[h]);
            UNROLL for (int m = 0; m < MR; m++) sum[p][m] =
                h ? vf_fma(vf_from_i32(s[p][m]), scale, sum[p][m]) : vf_from_i32(s[p][m]) * scale;
        }
    }
    UNROLL for (int p = 0; p < 2; p++) {
        if (p == 1 && !two) continue;
        UNROLL for (int m = 0; m < MR; m++) f[p][m] =
            vf_fma(sum[p][m], (vf)word(a, TN_CPU_ACT_SCALE, m), f[p][m]);
    }
}

/* All blocks of panel i, or of i and i + 1, for MR rows of a group, whose words of the first block are at a.
 */
ALWAYS_INLINE void panel_rows(const enum tile_kind kind, const bool two, const strip *s, uint32_t i,
                              uint32_t t, const int32_t *a) {
    vf f[2][MR];
    const tile *w0 = s->tiles + i * TILE_BLOCKS, *w1 = two ? w0 + TILE_BLOCKS : w0;
    load_sums(s, i, t, f[0]);
    if (two) load_sums(s, i + 1, t, f[1]);
    for (uint32_t b = 0; b < s->n_block; b++, a += STRIDE * GROUP) {
        if (kind == TILE_HALVES)
            add_halves(two, &w0[b], &w1[b], a, f);
        else
            add_block(kind, two, &w0[b], &w1[b], a, s->type->shift, f);
    }
    store_sums(s, i, t, f[0]);
    if (two) store_sums(s, i + 1, t, f[1]);
}

#        define ROWS(kind)                                                                                   \
            static void rows_##kind(const strip *s, uint32_t t, const int32_t *a) {                          \
                uint32_t i = 0;                                                                              \
                for (; i + 1 < s->n_panel; i += 2) panel_rows(kind, true, s, i, t, a);                       \
                if (i < s->n_panel) panel_rows(kind, false, s, i, t, a);                                     \
            }
#    endif

ROWS(TILE_SCALE)
ROWS(TILE_MIN)
ROWS(TILE_HALVES)
ROWS(TILE_MIN128)
ROWS(TILE_MINS)

/* The strip's blocks, from block `first` on, for the rows of a batch: those from first_row on, whole
   groups. */
static void all_rows(const strip *s, const int32_t *act, uint32_t first_row, uint32_t n_row, uint32_t first) {
    static void (*const table[])(const strip *, uint32_t, const int32_t *) = {
        rows_TILE_SCALE, rows_TILE_MIN, rows_TILE_HALVES, rows_TILE_MIN128, rows_TILE_MINS};
    const size_t n_block = tn_cpu_act_blocks(s->p->cols);
    for (uint32_t t = 0; t < n_row; t += MR) {
        const uint32_t in_group = t % GROUP;
        const int32_t *a = act + STRIDE * ((first_row + t - in_group) * n_block + (size_t)first * GROUP);
        table[s->type->kind](s, t, a + in_group);
    }
}

/* What is left of the last group is a matter for the kernels of few rows. */
static uint32_t rows_taken(uint32_t n_row) {
    return n_row / GROUP * GROUP;
}

/* Unpacks some units of the strip's panels, from unit u on. */
static void unpack(strip *s, uint32_t u, uint32_t n_unit) {
    for (uint32_t i = 0; i < s->n_panel; i++) {
        const uint8_t *w =
            s->p->data + (s->first + i) * s->p->panel_bytes + (size_t)u * s->p->unit_lines * LINE;
        tile *to = s->tiles + i * TILE_BLOCKS;
        for (uint32_t j = 0; j < n_unit; j++, w += s->p->unit_lines * LINE, to += s->p->unit_blocks) {
            for (int v = 0; v < LINE; v += VN * 4)
                s->type->unpack(s->p, w + v, (tile *)(void *)((uint8_t *)to + v));
        }
#    if VEC_NEON
        for (uint32_t b = 0; b < s->n_block; b++) arrange(s->type, s->tiles + i * TILE_BLOCKS + b);
#    endif
    }
}

/* All k of a strip for a batch of rows. */
static void strip_rows(strip *s, const int32_t *act, uint32_t first_row, uint32_t n_row) {
    const uint32_t most = TILE_BLOCKS / s->p->unit_blocks;
    uint32_t n;
    for (uint32_t u = 0; u < s->p->n_unit; u += n) {
        n = s->p->n_unit - u < most ? s->p->n_unit - u : most;
        s->n_block = n * s->p->unit_blocks;
        s->is_first = u == 0;
        s->is_last = u + n == s->p->n_unit;
        unpack(s, u, n);
        all_rows(s, act, first_row, n_row, u * s->p->unit_blocks);
    }
}

uint32_t SET(tn_cpu_linear_tiles)(const tn_cpu_panels *p, const int32_t *act, float *y, uint32_t n_row,
                                  tn_range panels, void *scratch) {
    n_row = rows_taken(n_row);
    strip s = {.p = p, .type = SET(tn_cpu_tile_type)(p), .tiles = scratch};
    s.park = (float *)(void *)(s.tiles + TILE_PANELS * TILE_BLOCKS);
    uint32_t n;
    for (uint32_t t = 0; t < n_row; t += n) {
        n = n_row - t < TILE_BATCH ? n_row - t : TILE_BATCH;
        s.y = y + (size_t)t * p->rows;
        for (s.first = panels.first; s.first < panels.end; s.first += TILE_PANELS) {
            uint64_t left = panels.end - s.first;
            s.n_panel = left < TILE_PANELS ? (uint32_t)left : TILE_PANELS;
            strip_rows(&s, act, t, n);
        }
    }
    return n_row;
}
#endif
