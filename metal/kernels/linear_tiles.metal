/* SPDX-License-Identifier: Apache-2.0 */
#include <metal_stdlib>

#include "metal/args.h"
#include "metal/kernels/dequant.h"

using namespace metal;

constant uint WEIGHT_TYPE  [[function_constant(TN_FC_TYPE)]];
constant uint WEIGHT_BITS  [[function_constant(TN_FC_BITS)]];
constant uint WEIGHT_GROUP [[function_constant(TN_FC_GROUP)]];
constant uint SCALE_TYPE   [[function_constant(TN_FC_SCALE_TYPE)]];
constant uint HALF         [[function_constant(TN_FC_HALF)]];
constant uint RESIDUAL     [[function_constant(TN_FC_RESIDUAL)]];

/* Tiles in threadgroup memory: rows of K elements, a little longer so that neighbouring rows begin in other banks. */
enum {
    THREADS = TN_TILE_SIMDS * TN_SIMD_WIDTH,
    K = 32,
    PIECES = K / 8,
    X_STRIDE = K + 4,
    HALF_STRIDE = K + 8,
    FLOAT_STRIDE = K + 4,
    X_FLOATS = TN_TILE_ROWS * X_STRIDE,
    W_FLOATS = TN_TILE_COLS * FLOAT_STRIDE,
};

/* Weights as halves lose what is beyond 11 bits; values of F32 and BF16 may be out of their range. */
static inline bool is_float_tile()
{
    return HALF == 0;
}

/* Columns k .. k + K of TN_TILE_ROWS rows of x, zeros where there is none. */
static inline void fill_x(device const float *x, device const uint *rows, uint n_in, uint k, uint tid,
                          threadgroup float *tile)
{
    for (uint i = tid; i < TN_TILE_ROWS * K / 4; i += THREADS) {
        const uint r = i / (K / 4), c = i % (K / 4) * 4;
        const bool there = rows[r] != TN_NO_ROW;
        device const float *from = x + (ulong)(there ? rows[r] : 0) * n_in + k;
        float4 v = float4(0.0f);
        if (there && n_in % 4 == 0 && k + c < n_in)
            v = *(device const float4 *)(from + c);
        if (there && n_in % 4 != 0)
            v = float4(k + c < n_in ? from[c] : 0.0f, k + c + 1 < n_in ? from[c + 1] : 0.0f,
                       k + c + 2 < n_in ? from[c + 2] : 0.0f, k + c + 3 < n_in ? from[c + 3] : 0.0f);
        *(threadgroup float4 *)(tile + r * X_STRIDE + c) = v;
    }
}

static inline void store_half_piece(eight v, threadgroup half *to)
{
    *(threadgroup half4 *)to = half4(v.a);
    *(threadgroup half4 *)(to + 4) = half4(v.b);
}

static inline void store_float_piece(eight v, threadgroup float *to)
{
    *(threadgroup float4 *)to = v.a;
    *(threadgroup float4 *)(to + 4) = v.b;
}

/* out = x weight^T (+ bias) (+ other) for prompt rows, TN_TILE_COLS columns of TN_TILE_ROWS rows a threadgroup.
 * TN_OP_LINEAR, and TN_OP_ADD behind it.
 *
 * x: [rows, n_in] F32. list: rows to do, padded with TN_NO_ROW to a multiple of TN_TILE_ROWS. data, scales, biases:
 * [n_out, n_in] of WEIGHT_TYPE (tn_tensor). bias: [n_out] F32, read where has_bias. out: [rows, n_out] F32, not x.
 * other: [rows, n_out] F32, may be out; added with RESIDUAL, else not read.
 *
 * Grid: (ceil(n_out / TN_TILE_COLS), ceil(rows / TN_TILE_ROWS)) threadgroups of TN_TILE_SIMDS simdgroups, each of which
 * has 16 rows by half of the columns. Weights become halves or floats; x, which may be out of their range,
 * and the sums are floats. Order of a sum: k ascending in eights, so that it follows from n_in alone. */
kernel void linear_tiles(device const float      *x      [[buffer(0)]],
                         device const uint       *list   [[buffer(1)]],
                         device const uchar      *data   [[buffer(2)]],
                         device const uchar      *scales [[buffer(3)]],
                         device const uchar      *biases [[buffer(4)]],
                         device const float      *bias   [[buffer(5)]],
                         device float            *out    [[buffer(6)]],
                         constant tn_linear_args &a      [[buffer(7)]],
                         device const float      *other  [[buffer(8)]],
                         uint3 place [[threadgroup_position_in_grid]],
                         uint  tid   [[thread_index_in_threadgroup]],
                         uint  simd  [[simdgroup_index_in_threadgroup]])
{
    threadgroup float memory[X_FLOATS + W_FLOATS];
    threadgroup float *x_tile = memory;
    threadgroup float *w_floats = memory + X_FLOATS;
    threadgroup half *w_halves = (threadgroup half *)w_floats;
    device const uint *rows = list + place.y * TN_TILE_ROWS;
    const uint first_col = place.x * TN_TILE_COLS;
    const uint simd_row = simd / 2 * 16, simd_col = simd % 2 * 32;

    simdgroup_float8x8 sums[2][4];
    for (uint r = 0; r < 2; r++)
        for (uint c = 0; c < 4; c++)
            sums[r][c] = make_filled_simdgroup_matrix<float, 8, 8>(0.0f);

    for (uint k = 0; k < a.n_in; k += K) {
        fill_x(x, rows, a.n_in, k, tid, x_tile);
        for (uint i = tid; i < TN_TILE_COLS * PIECES; i += THREADS) {
            const uint c = i / PIECES, piece = i % PIECES;
            const weight_row row = row_of(WEIGHT_TYPE, WEIGHT_GROUP, SCALE_TYPE, data, scales, biases, a.row_bytes,
                                          a.n_in, min(first_col + c, a.n_out - 1));
            eight v;
            v.a = float4(0.0f);
            v.b = float4(0.0f);
            if (is_plain(WEIGHT_TYPE))
                v = dequant_plain(WEIGHT_TYPE, row.data, k / 8 + piece, a.n_in);
            else if (k + 8 * piece < a.n_in)
                v = dequant8(WEIGHT_TYPE, WEIGHT_BITS, WEIGHT_GROUP, SCALE_TYPE, row, k / 8 + piece);
            if (is_float_tile())
                store_float_piece(v, w_floats + c * FLOAT_STRIDE + piece * 8);
            else
                store_half_piece(v, w_halves + c * HALF_STRIDE + piece * 8);
        }
        threadgroup_barrier(mem_flags::mem_threadgroup);
        for (uint j = 0; j < K; j += 8) {
            simdgroup_float8x8 xs[2];
            for (uint r = 0; r < 2; r++)
                simdgroup_load(xs[r], x_tile + (simd_row + 8 * r) * X_STRIDE + j, X_STRIDE);
            for (uint c = 0; c < 4; c++) {
                const uint col = simd_col + 8 * c;
                if (is_float_tile()) {
                    simdgroup_float8x8 w;
                    simdgroup_load(w, w_floats + col * FLOAT_STRIDE + j, FLOAT_STRIDE, ulong2(0, 0), true);
                    for (uint r = 0; r < 2; r++)
                        simdgroup_multiply_accumulate(sums[r][c], xs[r], w, sums[r][c]);
                } else {
                    simdgroup_half8x8 w;
                    simdgroup_load(w, w_halves + col * HALF_STRIDE + j, HALF_STRIDE, ulong2(0, 0), true);
                    for (uint r = 0; r < 2; r++)
                        simdgroup_multiply_accumulate(sums[r][c], xs[r], w, sums[r][c]);
                }
            }
        }
        threadgroup_barrier(mem_flags::mem_threadgroup);
    }

    for (uint r = 0; r < 2; r++)
        for (uint c = 0; c < 4; c++)
            simdgroup_store(sums[r][c], memory + (simd_row + 8 * r) * TN_TILE_COLS + simd_col + 8 * c, TN_TILE_COLS);
    threadgroup_barrier(mem_flags::mem_threadgroup);
    for (uint i = tid; i < TN_TILE_ROWS * TN_TILE_COLS; i += THREADS) {
        const uint r = i / TN_TILE_COLS, col = first_col + i % TN_TILE_COLS;
        if (rows[r] == TN_NO_ROW || col >= a.n_out)
            continue;
        const ulong at = (ulong)rows[r] * a.n_out + col;
        const float sum = a.has_bias != 0 ? memory[i] + bias[col] : memory[i];
        out[at] = RESIDUAL != 0 ? sum + other[at] : sum;
    }
}
