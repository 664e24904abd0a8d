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

/* A chunk of a tile: where its rows start, how they are stored, and how many of the elements are there. */
typedef struct chunk {
    const uint8_t *w; /* [NB] rows */
    size_t w_stride;  /* bytes from a row to the next */
    uint32_t first_k, n;
    tn_type type;
    bool last, mapped; /* mapped: as the file has them; else F32 in scratch */
} chunk;

/* What a block of activation rows meets in a tile. */
typedef struct target {
    const float *x;
    size_t ldx;
    vf *park; /* [n_row][NB] */
    float *y;
    size_t ldy;
    const float *bias;
    uint32_t n_row;
    int n_store; /* rows of the tile that count */
} target;

/* The vector of elements k .. of a row; type is constant after inlining. */
ALWAYS_INLINE vf weights(const tn_type type, const uint8_t *row, uint32_t k) {
    if (type == TN_TYPE_F16) return vf_load_f16(row + 2 * (size_t)k);
    if (type == TN_TYPE_BF16) return vf_load_bf16(row + 2 * (size_t)k);
    return vf_load(row + 4 * (size_t)k);
}

/* sum[m][r] over a chunk for mr activation rows and nr weight rows, constants after inlining. ahead: bytes to
 * prefetch from, 0 for what is near. */
ALWAYS_INLINE void accumulate(const tn_type type, const int mr, const int nr, const int ahead, const chunk *c,
                              const uint8_t *w, const float *x, size_t ldx, vf sum[4][NB]) {
    uint32_t k = 0;
    for (; k + VN <= c->n; k += VN) {
        vf xv[4];
        UNROLL for (int m = 0; m < mr; m++) xv[m] = vf_load(x + m * ldx + k);
        UNROLL for (int r = 0; r < nr; r++) {
            const uint8_t *row = w + r * c->w_stride;
            if (ahead) __builtin_prefetch(row + (type == TN_TYPE_F32 ? 4 : 2) * (size_t)k + ahead);
            vf wv = weights(type, row, k);
            UNROLL for (int m = 0; m < mr; m++) sum[m][r] = vf_fma(xv[m], wv, sum[m][r]);
        }
    }
    if (k < c->n) { /* the end of a row: weights are padded with zeros in scratch, activations here */
        UNROLL for (int m = 0; m < mr; m++) {
            vf xv = vf_load_part(x + m * ldx + k, c->n - k);
            UNROLL for (int r = 0; r < nr; r++) sum[m][r] =
                vf_fma(xv, weights(type, w + r * c->w_stride, k), sum[m][r]);
        }
    }
}

/* One register block at activation row t and weight row r0: sums from the park (or zero), a chunk added, back
 * to the park or folded into y. */
ALWAYS_INLINE void block(const tn_type type, const int mr, const int nr, const int ahead, const chunk *c,
                         const target *to, uint32_t t, int r0) {
    vf sum[4][NB], *park = to->park + t * NB + r0;
    UNROLL for (int m = 0; m < mr; m++) {
        UNROLL for (int r = 0; r < nr; r++) sum[m][r] = c->first_k == 0 ? (vf){0} : park[m * NB + r];
    }
    accumulate(type, mr, nr, ahead, c, c->w + r0 * c->w_stride, to->x + t * to->ldx + c->first_k, to->ldx,
               sum);
    if (!c->last) {
        UNROLL for (int m = 0; m < mr; m++) {
            UNROLL for (int r = 0; r < nr; r++) park[m * NB + r] = sum[m][r];
        }
        return;
    }
    float *y = to->y + t * to->ldy + r0;
    UNROLL for (int m = 0; m < mr; m++) {
        UNROLL for (int r = 0; r < nr; r++) {
            if (r0 + r < to->n_store)
                y[m * to->ldy + r] = vf_sum(sum[m][r]) + (to->bias ? to->bias[r0 + r] : 0.0f);
        }
    }
}

/* mr activation rows at t against a chunk of a tile. A single row takes more weight rows at a time: more
 * chains to hide the latency of an addition. */
ALWAYS_INLINE void block_row(const tn_type type, const int mr, const int ahead, const chunk *c,
                             const target *to, uint32_t t) {
    const int nr = mr == 1 && !MANY_REGISTERS ? NB : NR;
    for (int r = 0; r < to->n_store; r += nr) block(type, mr, nr, ahead, c, to, t, r);
}

ALWAYS_INLINE void tile_rows(const tn_type type, const int ahead, const chunk *c, const target *to) {
    for (uint32_t t = 0; t < to->n_row; t += MR) {
        uint32_t left = to->n_row - t;
        if (left >= MR)
            block_row(type, MR, ahead, c, to, t);
        else if (left == 3)
            block_row(type, 3, ahead, c, to, t);
        else if (left == 2)
            block_row(type, 2, ahead, c, to, t);
        else
            block_row(type, 1, ahead, c, to, t);
    }
}

/* Weights as they are mapped come from far: they are asked for ahead of use. */
static void tile_chunk(const chunk *c, const target *to) {
    enum { AHEAD = 1024 };
    if (!c->mapped)
        tile_rows(TN_TYPE_F32, 0, c, to);
    else if (c->type == TN_TYPE_F32)
        tile_rows(TN_TYPE_F32, AHEAD, c, to);
    else if (c->type == TN_TYPE_F16)
        tile_rows(TN_TYPE_F16, AHEAD, c, to);
    else
        tile_rows(TN_TYPE_BF16, AHEAD, c, to);
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

/* Types that a register block loads as they stand. Half precision is widened again for every few rows, which
 * pays while there are not many. */
static bool is_direct(tn_type type, uint32_t n_row) {
    enum { FEW = 4 * MR };
    return type == TN_TYPE_F32 || ((type == TN_TYPE_F16 || type == TN_TYPE_BF16) && n_row <= FEW);
}

/* The chunk from first on of the tile at `row`: mapped where rows and vectors are whole, else decoded. */
static chunk load_chunk(const tn_cpu_linear *l, uint64_t row, const target *to, float *tile, uint32_t first) {
    chunk c = {.type = l->tensor->type, .first_k = first, .n = l->cols - first};
    c.mapped = is_direct(c.type, to->n_row) && to->n_store == NB && l->cols % VN == 0;
    if (c.n > l->chunk && !(c.mapped && to->n_row <= MR)) c.n = l->chunk;
    c.last = first + c.n == l->cols;
    if (c.mapped) {
        c.w_stride = tn_tensor_row_bytes(l->tensor);
        c.w = l->tensor->data + (l->first_row + row) * c.w_stride + (uint64_t)first * c.w_stride / l->cols;
        return c;
    }
    c.w = (const uint8_t *)tile;
    c.w_stride = l->chunk * sizeof(float);
    for (int r = 0; r < NB; r++) {
        /* Missing rows of the last tile repeat the last one; nobody stores their sums. */
        uint64_t from = row + (uint64_t)(r < to->n_store ? r : to->n_store - 1);
        decode_row(l, from, first, c.n, tile + (size_t)r * l->chunk);
    }
    return c;
}

void SET(tn_cpu_linear_f32)(const tn_cpu_linear *l, const float *x, float *y, uint32_t n_row, tn_range rows,
                            void *scratch) {
    float *tile = scratch;
    target to = {.ldx = l->cols, .ldy = l->rows, .park = (vf *)(tile + (size_t)NB * l->chunk)};
    for (uint32_t t = 0; t < n_row; t += TB) {
        to.n_row = n_row - t < TB ? n_row - t : TB;
        to.x = x + (size_t)t * l->cols;
        for (uint64_t n = rows.first; n < rows.end; n += NB) {
            to.n_store = rows.end - n < NB ? (int)(rows.end - n) : NB;
            to.bias = l->bias ? l->bias + n : NULL;
            to.y = y + (size_t)t * l->rows + n;
            chunk c = {0};
            for (uint32_t k = 0; k < l->cols; k += c.n) {
                c = load_chunk(l, n, &to, tile, k);
                tile_chunk(&c, &to);
            }
        }
    }
}
