/* SPDX-License-Identifier: Apache-2.0 */
/* BF16 weights on the matrix registers of AMX, activations rounded to BF16, sums F32.
 *
 * A register holds 16 rows of 64 bytes. Two registers of 16 activation rows and two of 16 outputs, as panels
 * have them, make four registers of sums, each of which adds 32 k at a time, ascending: pairs of k as the
 * processor adds them (Intel's manual, TDPBF16PS). With many rows k goes in stretches, so that weights and
 * activations stay in near caches; sums that wait in memory meanwhile stay F32. So a result depends on its
 * row and the weights alone.
 *
 * Weights of fewer bits do not go this way: unpacking them costs more than the registers save, as the results
 * of 8-bit products have to be scaled for every 32 k. */
#include "device/cpu/kernels/set.h"

#if HAS_MATRIX
enum {
    LINE = TN_CPU_LINE_BYTES,
    ROWS = 16,           /* of a register */
    BLOCK = ROWS * LINE, /* bytes: 16 rows, or outputs, by 32 k */
    FEW = 2 * ROWS,      /* so many rows need no stretches */
    BLOCKS = 8,          /* of k in a stretch */
    BATCH = 256,         /* activation rows at a time */
    PANELS = 16,         /* in turn for a stretch, whose activations stay in the second cache */
    SUMS = ROWS * TN_CPU_PANEL_ROWS,
    PAIR_SUMS = BATCH / ROWS * 2 * SUMS, /* of two panels */
};
_Static_assert(PANELS / 2 * PAIR_SUMS * sizeof(float) <= TN_CPU_MATRIX_SCRATCH,
               "the scratch that is asked for suffices");

/* act: rows in groups of 16, the last one of what is left: [blocks][rows][32] BF16. */
void SET(tn_cpu_round_bf16)(const float *x, uint32_t cols, uint32_t n_row, tn_range blocks, int32_t *act) {
    const size_t n_block = tn_cpu_act_blocks(cols);
    for (uint32_t t = 0; t < n_row; t++) {
        const uint32_t first = t / ROWS * ROWS, g = n_row - first < ROWS ? n_row - first : ROWS;
        uint8_t *to = (uint8_t *)act + first * n_block * LINE + (t - first) * LINE;
        const float *from = x + (size_t)t * cols;
        for (uint64_t b = blocks.first; b < blocks.end; b++) {
            const uint64_t k = b * 32, left = k < cols ? cols - k : 0;
            vf low, high;
            if (left >= 32) {
                low = vf_load(from + k);
                high = vf_load(from + k + VN);
            } else {
                low = vf_load_part(from + k, left < VN ? (uint32_t)left : VN);
                high = left > VN ? vf_load_part(from + k + VN, (uint32_t)left - VN) : (vf){0};
            }
            __m512bh pair = _mm512_cvtne2ps_pbh((__m512)high, (__m512)low);
            memcpy(to + b * g * LINE, &pair, LINE);
        }
    }
}

/* What is the same for all rows of a batch in a stretch of k. */
typedef struct stretch {
    const tn_cpu_panels *p;
    uint64_t first; /* panel, of two or one */
    bool two;
    const uint8_t *w[2]; /* their blocks */
    uint32_t n_block;
    bool is_first, is_last; /* of the stretches */
    float *park;            /* [BATCH / ROWS][2][ROWS][16]: their sums */
    float *y;               /* of the batch's first row */
} stretch;

/* Registers, which must be literals: sums of two groups of rows by two panels; activations; weights. */
#    define SUM_00 0
#    define SUM_01 1
#    define SUM_10 2
#    define SUM_11 3
#    define ACT_0  4
#    define ACT_1  5
#    define W_0    6
#    define W_1    7

/* For groups of m0 and m1 rows; m1 0: there is one. */
static void configure(uint32_t m0, uint32_t m1) {
    struct {
        uint8_t palette, start, reserved[14];
        uint16_t bytes[16]; /* of a row */
        uint8_t rows[16];
    } config = {.palette = 1};
    const uint8_t a = (uint8_t)m0, b = (uint8_t)(m1 ? m1 : 1);
    const uint8_t rows[] = {a, a, b, b, a, b, ROWS, ROWS};
    for (int i = 0; i < 8; i++) {
        config.bytes[i] = LINE;
        config.rows[i] = rows[i];
    }
    __asm__ volatile("" : : "r"(&config) : "memory"); /* compilers think that only its first bytes are read */
    _tile_loadconfig(&config);
}

/* A register of sums from memory, or zeros. */
#    define LOAD_SUM(r, at)                                                                                  \
        do {                                                                                                 \
            if (s->is_first)                                                                                 \
                _tile_zero(r);                                                                               \
            else                                                                                             \
                _tile_loadd(r, at, LINE);                                                                    \
        } while (0)

/* The weights some blocks on: with few rows they come from afar. */
ALWAYS_INLINE void ask_for(const uint8_t *w) {
    UNROLL for (int i = 0; i < ROWS; i++) __builtin_prefetch(w + 4 * BLOCK + i * LINE);
}

/* One or two groups of rows, the first blocks of which are at a0 and a1, by one or two panels. */
ALWAYS_INLINE void multiply(const bool two_groups, const bool two_panels, const stretch *s, const uint8_t *a0,
                            uint32_t m0, const uint8_t *a1, uint32_t m1, float *park) {
    const uint8_t *w0 = s->w[0], *w1 = s->w[1];
    LOAD_SUM(SUM_00, park);
    if (two_panels) LOAD_SUM(SUM_01, park + SUMS);
    if (two_groups) LOAD_SUM(SUM_10, park + 2 * SUMS);
    if (two_groups && two_panels) LOAD_SUM(SUM_11, park + 3 * SUMS);
    for (uint32_t b = 0; b < s->n_block; b++) {
        if (!two_groups) ask_for(w0 + (size_t)b * BLOCK);
        _tile_loadd(W_0, w0 + (size_t)b * BLOCK, LINE);
        _tile_loadd(ACT_0, a0 + (size_t)b * m0 * LINE, LINE);
        _tile_dpbf16ps(SUM_00, ACT_0, W_0);
        if (two_panels) {
            if (!two_groups) ask_for(w1 + (size_t)b * BLOCK);
            _tile_loadd(W_1, w1 + (size_t)b * BLOCK, LINE);
            _tile_dpbf16ps(SUM_01, ACT_0, W_1);
        }
        if (two_groups) {
            _tile_loadd(ACT_1, a1 + (size_t)b * m1 * LINE, LINE);
            _tile_dpbf16ps(SUM_10, ACT_1, W_0);
        }
        if (two_groups && two_panels) _tile_dpbf16ps(SUM_11, ACT_1, W_1);
    }
    _tile_stored(SUM_00, park, LINE);
    if (two_panels) _tile_stored(SUM_01, park + SUMS, LINE);
    if (two_groups) _tile_stored(SUM_10, park + 2 * SUMS, LINE);
    if (two_groups && two_panels) _tile_stored(SUM_11, park + 3 * SUMS, LINE);
}

/* m sums of panel `i` of the stretch, of rows t .. of the batch, to y. */
static void store_sums(const stretch *s, uint32_t i, uint32_t t, uint32_t m, const float *sums) {
    const uint64_t n = (s->first + i) * TN_CPU_PANEL_ROWS, left = s->p->rows - n;
    const uint32_t n_store = left < TN_CPU_PANEL_ROWS ? (uint32_t)left : TN_CPU_PANEL_ROWS;
    const vf bias = s->p->bias ? vf_load_part(s->p->bias + n, n_store) : (vf){0};
    float *y = s->y + (size_t)t * s->p->rows + n;
    for (uint32_t r = 0; r < m; r++, y += s->p->rows, sums += TN_CPU_PANEL_ROWS) {
        const vf v = s->p->bias ? vf_load(sums) + bias : vf_load(sums);
        if (n_store == TN_CPU_PANEL_ROWS)
            vf_store(y, v);
        else
            vf_store_part(y, v, n_store);
    }
}

/* A group of m rows from row t of the batch on; its first block of the stretch is at act. */
typedef struct group {
    const uint8_t *act;
    uint32_t t, m;
} group;

/* Two groups that follow each other, the second one perhaps without rows. */
static void two_groups(const stretch *s, const group *a, const group *b) {
    float *park = s->park + (size_t)a->t / ROWS * 2 * SUMS;
    if (b->m && s->two)
        multiply(true, true, s, a->act, a->m, b->act, b->m, park);
    else if (b->m)
        multiply(true, false, s, a->act, a->m, b->act, b->m, park);
    else if (s->two)
        multiply(false, true, s, a->act, a->m, NULL, 0, park);
    else
        multiply(false, false, s, a->act, a->m, NULL, 0, park);
    for (uint32_t i = 0; s->is_last && i < (s->two ? 2 : 1); i++) {
        store_sums(s, i, a->t, a->m, park + i * SUMS);
        if (b->m) store_sums(s, i, b->t, b->m, park + (2 + i) * SUMS);
    }
}

/* The rows of a batch in a stretch, which begins at block `first` of k. act: of the batch. */
static void all_rows(const stretch *s, const uint8_t *act, uint32_t n_row, uint32_t first) {
    const size_t row_bytes = (size_t)tn_cpu_act_blocks(s->p->cols) * LINE;
    uint32_t configured[2] = {0, 0};
    for (uint32_t t = 0; t < n_row; t += 2 * ROWS) {
        group g[2];
        for (uint32_t i = 0; i < 2; i++) {
            const uint32_t from = t + i * ROWS, left = from < n_row ? n_row - from : 0;
            g[i] = (group){.t = from, .m = left < ROWS ? left : ROWS};
            g[i].act = act + from * row_bytes + (size_t)first * g[i].m * LINE;
        }
        if (g[0].m != configured[0] || g[1].m != configured[1])
            configure(configured[0] = g[0].m, configured[1] = g[1].m);
        two_groups(s, &g[0], &g[1]);
    }
}

/* Panels first .. first + n for the rows of a batch. */
static void strip(const tn_cpu_panels *p, uint64_t first, uint32_t n, const uint8_t *act, float *y,
                  uint32_t n_row, float *park) {
    const uint32_t most = n_row <= FEW ? p->n_unit : BLOCKS;
    stretch s = {.p = p, .y = y};
    for (uint32_t b = 0; b < p->n_unit; b += s.n_block) {
        s.n_block = p->n_unit - b < most ? p->n_unit - b : most;
        s.is_first = b == 0;
        s.is_last = b + s.n_block == p->n_unit;
        for (uint32_t i = 0; i < n; i += 2) {
            s.first = first + i;
            s.two = i + 1 < n;
            s.park = park + i / 2 * PAIR_SUMS;
            s.w[0] = p->data + s.first * p->panel_bytes + (size_t)b * BLOCK;
            s.w[1] = s.two ? s.w[0] + p->panel_bytes : NULL;
            all_rows(&s, act, n_row, b);
        }
    }
}

void SET(tn_cpu_linear_bf16)(const tn_cpu_panels *p, const int32_t *act, float *y, uint32_t n_row,
                             tn_range panels, void *scratch) {
    const size_t row_bytes = (size_t)tn_cpu_act_blocks(p->cols) * LINE;
    uint32_t n;
    for (uint32_t t = 0; t < n_row; t += n) {
        n = n_row - t < BATCH ? n_row - t : BATCH;
        for (uint64_t i = panels.first; i < panels.end; i += PANELS)
            strip(p, i, panels.end - i < PANELS ? (uint32_t)(panels.end - i) : PANELS,
                  (const uint8_t *)act + t * row_bytes, y + (size_t)t * p->rows, n, scratch);
    }
    _tile_release();
}
#endif
