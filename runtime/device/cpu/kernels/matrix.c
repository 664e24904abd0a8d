/* SPDX-License-Identifier: Apache-2.0 */
/* Linear layers on the matrix registers of AMX, activations and weights rounded to BF16, sums F32.
 *
 * A register holds 16 rows of 64 bytes. Two registers of 16 activation rows and two of 16 outputs make four
 * registers of sums, each of which adds 32 k at a time, ascending: pairs of k as the processor adds them
 * (Intel's manual, TDPBF16PS). Sums that wait in memory while the next k are unpacked stay F32, so a result
 * depends on its row and the weights alone. BF16 weights lie in panels as the registers want them; others are
 * unpacked from their panels, a stretch of k at a time that stays in the nearest cache for all rows. */
#include "device/cpu/kernels/tiles.h"

#if HAS_MATRIX
enum {
    LINE = TN_CPU_LINE_BYTES,
    ROWS = 16,           /* of a register */
    BLOCK = ROWS * LINE, /* bytes: 16 rows, or outputs, by 32 k */
    BLOCKS = 16,         /* of k between visits to memory */
    BATCH = 512,         /* activation rows that meet the same unpacked weights */
    PANELS = 16,         /* in turn for a stretch of k, whose activations stay in the second cache */
    SUMS = ROWS * TN_CPU_PANEL_ROWS,
    PAIR_SUMS = BATCH / ROWS * 2 * SUMS, /* of two panels */
};
_Static_assert(2 * BLOCKS * BLOCK + PANELS / 2 * PAIR_SUMS * sizeof(float) <= TN_CPU_MATRIX_SCRATCH,
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

/* ---- Weights ---- */

/* a and b rounded to BF16, a in the low half of each lane: the nearer one, and of two as near the larger. */
ALWAYS_INLINE __m512i pair_of(vf a, vf b) {
    const vi low = (vi)((vu)((vi)a + 0x8000) >> 16), high = (vi)b + 0x8000;
    return _mm512_ternarylogic_epi32((__m512i)high, _mm512_set1_epi32((int)0xffff0000), (__m512i)low, 0xEA);
}

/* Codes of 8 bits, byte j of each lane, as floats: c becomes 128 + c / 2 when it stands behind the bits of
 * 128. */
ALWAYS_INLINE vf code(vi q, const int j) {
    const vi at = j < 2 ? q << (15 - 8 * j) : (vi)((vu)q >> (8 * j - 15));
    return (vf)_mm512_ternarylogic_epi32((__m512i)at, _mm512_set1_epi32(0x7f8000),
                                         _mm512_set1_epi32(0x43000000), 0xEA);
}

/* A tile's values: line i holds k 2i and 2i + 1 of 16 outputs. */
ALWAYS_INLINE void round_tile(const enum tile_kind kind, const tile *w, float offset, uint8_t *to) {
    UNROLL for (int h = 0; h < 2; h++) {
        const vf scale = vf_load(w->scale[kind == TILE_HALVES ? h : 0]);
        vf base = scale * -offset;
        if (kind == TILE_MIN128) base -= vf_load(w->min);
        if (kind == TILE_MINS) {
            const vi two = vi_load(w->two);
            base = vf_load(w->min) * -vf_from_i32(h ? two >> 16 : two & 0xffff);
        }
        base -= 256.0f * scale; /* code() adds that much */
        for (int i = 4 * h; i < 4 * h + 4; i++) {
            const vi q = vi_load(w->q[i]);
            vf v[4];
            UNROLL for (int j = 0; j < 4; j++) v[j] = vf_fma(code(q, j), 2.0f * scale, base);
            _mm512_storeu_si512(to + 2 * i * LINE, pair_of(v[0], v[1]));
            _mm512_storeu_si512(to + (2 * i + 1) * LINE, pair_of(v[2], v[3]));
        }
    }
}

/* n_unit units of a panel from w on as blocks. */
static void unpack(const tn_cpu_panels *p, const tile_type *type, const uint8_t *w, uint32_t n_unit,
                   uint8_t *to) {
    _Alignas(LINE) tile tiles[TILE_BLOCKS];
    const float offset = (float)type->offset;
    for (uint32_t u = 0; u < n_unit; u++, w += p->unit_lines * LINE) {
        type->unpack(p, w, tiles);
        for (uint32_t b = 0; b < p->unit_blocks; b++, to += BLOCK) {
            switch (type->kind) {
            case TILE_SCALE: round_tile(TILE_SCALE, &tiles[b], offset, to); break;
            case TILE_MIN:
            case TILE_MIN128: round_tile(TILE_MIN128, &tiles[b], offset, to); break;
            case TILE_HALVES: round_tile(TILE_HALVES, &tiles[b], offset, to); break;
            case TILE_MINS: round_tile(TILE_MINS, &tiles[b], 0, to); break;
            }
        }
    }
}

/* ---- Products ---- */

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

/* One or two groups of rows, the first blocks of which are at a0 and a1, by one or two panels. */
ALWAYS_INLINE void multiply(const bool two_groups, const bool two_panels, const stretch *s, const uint8_t *a0,
                            uint32_t m0, const uint8_t *a1, uint32_t m1, float *park) {
    const uint8_t *w0 = s->w[0], *w1 = s->w[1];
    LOAD_SUM(SUM_00, park);
    if (two_panels) LOAD_SUM(SUM_01, park + SUMS);
    if (two_groups) LOAD_SUM(SUM_10, park + 2 * SUMS);
    if (two_groups && two_panels) LOAD_SUM(SUM_11, park + 3 * SUMS);
    for (uint32_t b = 0; b < s->n_block; b++) {
        _tile_loadd(W_0, w0 + (size_t)b * BLOCK, LINE);
        _tile_loadd(ACT_0, a0 + (size_t)b * m0 * LINE, LINE);
        _tile_dpbf16ps(SUM_00, ACT_0, W_0);
        if (two_panels) {
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

/* Rows t .. of the batch: two groups, or the last one. */
static void two_groups(const stretch *s, uint32_t t, uint32_t n_row, const uint8_t *a, size_t group_bytes) {
    const uint32_t left = n_row - t, m0 = left < ROWS ? left : ROWS;
    const uint32_t m1 = left - m0 < ROWS ? left - m0 : ROWS;
    float *park = s->park + (size_t)t / ROWS * 2 * SUMS;
    const uint8_t *a1 = a + group_bytes;
    if (m1 && s->two)
        multiply(true, true, s, a, m0, a1, m1, park);
    else if (m1)
        multiply(true, false, s, a, m0, a1, m1, park);
    else if (s->two)
        multiply(false, true, s, a, m0, a1, m1, park);
    else
        multiply(false, false, s, a, m0, a1, m1, park);
    for (uint32_t i = 0; s->is_last && i < (s->two ? 2 : 1); i++) {
        store_sums(s, i, t, m0, park + i * SUMS);
        if (m1) store_sums(s, i, t + ROWS, m1, park + (2 + i) * SUMS);
    }
}

/* The rows of a batch in a stretch, which begins at block `first` of k. act: of the batch. */
static void all_rows(const stretch *s, const uint8_t *act, uint32_t n_row, uint32_t first) {
    const size_t row_bytes = (size_t)tn_cpu_act_blocks(s->p->cols) * LINE;
    uint32_t was0 = 0, was1 = 0;
    for (uint32_t t = 0; t < n_row; t += 2 * ROWS) {
        const uint32_t left = n_row - t, m0 = left < ROWS ? left : ROWS;
        const uint32_t m1 = left - m0 < ROWS ? left - m0 : ROWS;
        if (m0 != was0 || m1 != was1) configure(was0 = m0, was1 = m1);
        const uint8_t *a = act + t * row_bytes + (size_t)first * m0 * LINE;
        two_groups(s, t, n_row, a, ROWS * row_bytes + (size_t)first * m1 * LINE - (size_t)first * m0 * LINE);
    }
}

/* Panels first .. first + n for the rows of a batch. */
static void strip(const tn_cpu_panels *p, uint64_t first, uint32_t n, const uint8_t *act, float *y,
                  uint32_t n_row, uint8_t *unpacked, float *park) {
    const tile_type *type = p->type == TN_TYPE_BF16 ? NULL : SET(tn_cpu_tile_type)(p);
    const uint32_t unit_blocks = p->unit_blocks, most = BLOCKS / unit_blocks;
    uint32_t n_unit;
    for (uint32_t u = 0; u < p->n_unit; u += n_unit) {
        n_unit = p->n_unit - u < most ? p->n_unit - u : most;
        stretch s = {.p = p,
                     .n_block = n_unit * unit_blocks,
                     .is_first = u == 0,
                     .is_last = u + n_unit == p->n_unit,
                     .y = y};
        for (uint32_t i = 0; i < n; i += 2) {
            s.first = first + i;
            s.two = i + 1 < n;
            s.park = park + i / 2 * PAIR_SUMS;
            for (uint32_t j = 0; j < (s.two ? 2 : 1); j++) {
                const uint8_t *w =
                    p->data + (s.first + j) * p->panel_bytes + (size_t)u * p->unit_lines * LINE;
                uint8_t *to = unpacked + j * BLOCKS * BLOCK;
                s.w[j] = type ? to : w;
                if (type) unpack(p, type, w, n_unit, to);
            }
            __asm__ volatile("" ::
                                 : "memory"); /* compilers do not know that registers are loaded from there */
            all_rows(&s, act, n_row, u * unit_blocks);
        }
    }
}

void SET(tn_cpu_linear_bf16)(const tn_cpu_panels *p, const int32_t *act, float *y, uint32_t n_row,
                             tn_range panels, void *scratch) {
    const size_t row_bytes = (size_t)tn_cpu_act_blocks(p->cols) * LINE;
    uint8_t *unpacked = scratch;
    float *park = (float *)(void *)(unpacked + 2 * BLOCKS * BLOCK);
    uint32_t n;
    for (uint32_t t = 0; t < n_row; t += n) {
        n = n_row - t < BATCH ? n_row - t : BATCH;
        for (uint64_t i = panels.first; i < panels.end; i += PANELS)
            strip(p, i, panels.end - i < PANELS ? (uint32_t)(panels.end - i) : PANELS,
                  (const uint8_t *)act + t * row_bytes, y + (size_t)t * p->rows, n, unpacked, park);
    }
    _tile_release();
}
#endif
