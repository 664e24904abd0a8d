/* SPDX-License-Identifier: Apache-2.0 */
/* Linear layers with F32 activations.
 *
 * Weights are decoded a tile at a time, TN_CPU_LINEAR_ROWS rows by a chunk of k, into scratch that stays in
 * the nearest cache, and used for a block of activation rows. A sum lives in one vector: lane i adds the
 * products of k = i, i + VN, i + 2 VN, ... Between chunks these vectors are parked in memory, which changes
 * nothing, so neither tiling nor chunk nor number of rows shows in the result. */
#include "device/cpu/kernels.h"
#include "device/cpu/kernels/set.h"
#include "device/cpu/kernels/vec.h"

enum {
    NB = TN_CPU_LINEAR_ROWS,
    TB = TN_CPU_LINEAR_BLOCK,
    /* A register block: MR activation rows by NR weight rows. */
    MR = MANY_REGISTERS ? 4 : 3,
    NR = MANY_REGISTERS ? 6 : 4,
};
_Static_assert(NB % NR == 0, "a tile is whole register blocks");

/* A chunk of a tile: where its rows start, and how many of the elements are there. */
typedef struct chunk {
    const float *w;  /* [NB] rows */
    size_t w_stride; /* floats from a row to the next */
    uint32_t n;      /* elements of k */
    bool first, last;
} chunk;

/* sum[m][r] over a chunk for mr activation rows and nr weight rows; constants after inlining. */
ALWAYS_INLINE void accumulate(const int mr, const int nr, const chunk *c, const float *w, const float *x,
                              size_t ldx, vf sum[4][NB]) {
    uint32_t k = 0;
    for (; k + VN <= c->n; k += VN) {
        vf xv[4];
        UNROLL for (int m = 0; m < mr; m++) xv[m] = vf_load(x + m * ldx + k);
        UNROLL for (int r = 0; r < nr; r++) {
            vf wv = vf_load(w + r * c->w_stride + k);
            UNROLL for (int m = 0; m < mr; m++) sum[m][r] = vf_fma(xv[m], wv, sum[m][r]);
        }
    }
    if (k < c->n) { /* the end of a row: weights are padded with zeros in scratch, activations here */
        UNROLL for (int m = 0; m < mr; m++) {
            vf xv = vf_load_part(x + m * ldx + k, c->n - k);
            UNROLL for (int r = 0; r < nr; r++) sum[m][r] =
                vf_fma(xv, vf_load(w + r * c->w_stride + k), sum[m][r]);
        }
    }
}

/* One register block: sums from the park (or zero), a chunk added, back to the park or folded into y. */
ALWAYS_INLINE void block(const int mr, const int nr, const chunk *c, const float *w, const float *x,
                         size_t ldx, vf *park, float *y, size_t ldy, const float *bias, int n_store) {
    vf sum[4][NB];
    UNROLL for (int m = 0; m < mr; m++) {
        UNROLL for (int r = 0; r < nr; r++) sum[m][r] = c->first ? (vf){0} : park[m * NB + r];
    }
    accumulate(mr, nr, c, w, x, ldx, sum);
    if (!c->last) {
        UNROLL for (int m = 0; m < mr; m++) {
            UNROLL for (int r = 0; r < nr; r++) park[m * NB + r] = sum[m][r];
        }
        return;
    }
    UNROLL for (int m = 0; m < mr; m++) {
        UNROLL for (int r = 0; r < nr; r++) {
            if (r < n_store) y[m * ldy + r] = vf_sum(sum[m][r]) + (bias ? bias[r] : 0.0f);
        }
    }
}

/* All activation rows of a block against a chunk of a tile whose first n_store rows count. */
static void tile_chunk(const chunk *c, const float *x, size_t ldx, vf *park, float *y, size_t ldy,
                       const float *bias, uint32_t n_row, int n_store) {
    for (uint32_t t = 0; t < n_row;) {
        const float *xt = x + t * ldx;
        uint32_t left = n_row - t, m = left < MR ? left : MR;
        if (m == 1 && !MANY_REGISTERS) { /* more chains than one register block has, to hide their latency */
            block(1, NB, c, c->w, xt, ldx, park + t * NB, y + t * ldy, ldy, bias, n_store);
            t++;
            continue;
        }
        for (int r = 0; r < n_store; r += NR) {
            const float *w = c->w + r * c->w_stride, *b = bias ? bias + r : NULL;
            vf *p = park + t * NB + r;
            float *yt = y + t * ldy + r;
            if (m == 1)
                block(1, NR, c, w, xt, ldx, p, yt, ldy, b, n_store - r);
            else if (m == 2)
                block(2, NR, c, w, xt, ldx, p, yt, ldy, b, n_store - r);
            else if (m == 3)
                block(3, NR, c, w, xt, ldx, p, yt, ldy, b, n_store - r);
            else
                block(4, NR, c, w, xt, ldx, p, yt, ldy, b, n_store - r);
        }
        t += m;
    }
}

/* Decodes elements first .. first + n of a weight row, zeros up to a whole vector behind them. */
static void decode_row(const tn_cpu_linear *l, uint64_t row, uint32_t first, uint32_t n, float *dst) {
    const tn_tensor *t = l->tensor;
    const tn_type_info *info = tn_type_info_get(t->type);
    if (info->block_bytes == 0) { /* scales lie elsewhere */
        tn_tensor_dequantize(t, l->first_row + row, first, n, dst);
    } else {
        const uint8_t *src = t->data + (l->first_row + row) * tn_tensor_row_bytes(t);
        SET(tn_cpu_decode)(t->type, src + (uint64_t)(first / info->block_elems) * info->block_bytes, n, dst);
    }
    for (uint32_t i = n; i % VN; i++) dst[i] = 0.0f;
}

/* A chunk of the tile at `row`. F32 weights are used where they are mapped, when rows and vectors are whole.
 */
static void load_chunk(const tn_cpu_linear *l, uint64_t row, int n_store, float *tile, chunk *c,
                       uint32_t first) {
    uint32_t left = l->cols - first;
    c->n = left < l->chunk ? left : l->chunk;
    c->first = first == 0;
    c->last = c->n == left;
    if (l->tensor->type == TN_TYPE_F32 && n_store == NB && c->n % VN == 0 &&
        (uintptr_t)l->tensor->data % 4 == 0) {
        c->w = (const float *)l->tensor->data + (l->first_row + row) * l->cols + first;
        c->w_stride = l->cols;
        return;
    }
    c->w = tile;
    c->w_stride = l->chunk;
    for (int r = 0; r < NB; r++) {
        /* Missing rows of the last tile repeat the last one; nobody stores their sums. */
        uint64_t from = row + (uint64_t)(r < n_store ? r : n_store - 1);
        decode_row(l, from, first, c->n, tile + (size_t)r * l->chunk);
    }
}

void SET(tn_cpu_linear_f32)(const tn_cpu_linear *l, const float *x, float *y, uint32_t n_row, tn_range rows,
                            void *scratch) {
    float *tile = scratch;
    vf *park = (vf *)(tile + (size_t)NB * l->chunk);
    for (uint32_t t = 0; t < n_row; t += TB) {
        uint32_t block_rows = n_row - t < TB ? n_row - t : TB;
        const float *xt = x + (size_t)t * l->cols;
        float *yt = y + (size_t)t * l->rows;
        for (uint64_t n = rows.first; n < rows.end; n += NB) {
            int n_store = rows.end - n < NB ? (int)(rows.end - n) : NB;
            const float *bias = l->bias ? l->bias + n : NULL;
            for (uint32_t k = 0; k < l->cols; k += l->chunk) {
                chunk c;
                load_chunk(l, n, n_store, tile, &c, k);
                tile_chunk(&c, xt + k, l->cols, park, yt + n, l->rows, bias, block_rows, n_store);
            }
        }
    }
}
