/* SPDX-License-Identifier: Apache-2.0 */
#include <metal_stdlib>

#include "metal/args.h"
#include "metal/kernels/linear_units.h"

using namespace metal;

constant uint WEIGHT_TYPE  [[function_constant(TN_FC_TYPE)]];
constant uint WEIGHT_BITS  [[function_constant(TN_FC_BITS)]];
constant uint WEIGHT_GROUP [[function_constant(TN_FC_GROUP)]];
constant uint SCALE_TYPE   [[function_constant(TN_FC_SCALE_TYPE)]];
constant uint PASS_ROWS    [[function_constant(TN_FC_ROWS)]];

/* What a simdgroup sums: element o * TN_LINEAR_MAX_ROWS + r belongs to column o and row r of its pass. */
enum { SUMS = TN_LINEAR_COLS * TN_LINEAR_MAX_ROWS };

/* sum + w . x, in the order of the elements. */
static inline float add_quad(float4 w, float4 x, float sum)
{
    return fma(w.w, x.w, fma(w.z, x.z, fma(w.y, x.y, fma(w.x, x.x, sum))));
}

/* Adds the units first, first + step ... of the weights' rows times x to sums. at: where the rows of x begin. */
static inline void add_units(uint n_in, device const float *x, thread const ulong *at, thread const weight_row *rows,
                             uint first, uint step, threadgroup const float *curve, thread float *sums)
{
    const uint n_unit = n_in / (4 * unit_quads(WEIGHT_TYPE));
    for (uint u = first; u < n_unit; u += step) {
        unit w[TN_LINEAR_COLS];
        for (uint o = 0; o < TN_LINEAR_COLS; o++)
            w[o] = load_unit(WEIGHT_TYPE, WEIGHT_BITS, WEIGHT_GROUP, SCALE_TYPE, rows[o], u);
        for (uint q = 0; q < unit_quads(WEIGHT_TYPE); q++) {
            float4 quad[TN_LINEAR_COLS];
            for (uint o = 0; o < TN_LINEAR_COLS; o++)
                quad[o] = unit_quad(WEIGHT_TYPE, w[o], q, curve);
            for (uint r = 0; r < PASS_ROWS; r++) {
                const float4 v = *(device const float4 *)(x + at[r] + quad_at(WEIGHT_TYPE, u, q));
                for (uint o = 0; o < TN_LINEAR_COLS; o++)
                    sums[o * TN_LINEAR_MAX_ROWS + r] = add_quad(quad[o], v, sums[o * TN_LINEAR_MAX_ROWS + r]);
            }
        }
    }
}

/* The same for plain types, an element at a time: first, first + step ... */
static inline void add_elements(uint n_in, device const float *x, thread const ulong *at,
                                thread const weight_row *rows, uint first, uint step, thread float *sums)
{
    for (uint i = first; i < n_in; i += step) {
        float w[TN_LINEAR_COLS];
        for (uint o = 0; o < TN_LINEAR_COLS; o++)
            w[o] = load_plain(WEIGHT_TYPE, rows[o].data, i);
        for (uint r = 0; r < PASS_ROWS; r++) {
            const float v = x[at[r] + i];
            for (uint o = 0; o < TN_LINEAR_COLS; o++)
                sums[o * TN_LINEAR_MAX_ROWS + r] = fma(w[o], v, sums[o * TN_LINEAR_MAX_ROWS + r]);
        }
    }
}

/* out = x weight^T (+ bias) for some of the rows: generated tokens and rows of logits. TN_OP_LINEAR.
 *
 * x: [rows, n_in] F32. list: rows to do, padded with TN_NO_ROW to a multiple of TN_LINEAR_MAX_ROWS; with
 * rows_are_listed 0 entry i stands for row i and only tells whether there is one. data, scales, biases: [n_out, n_in] of
 * WEIGHT_TYPE (tn_tensor). bias: [n_out] F32, read where has_bias. out: [rows, n_out] F32, not x.
 *
 * Grid: (ceil(n_out / (TN_LINEAR_COLS * TN_LINEAR_SIMDS / split)), ceil(rows / PASS_ROWS)) threadgroups of
 * TN_LINEAR_SIMDS simdgroups: a simdgroup takes TN_LINEAR_COLS columns, a weight is read once for all rows of a pass.
 * `split` simdgroups share the same columns, each every split-th run of TN_SIMD_WIDTH units.
 *
 * Order of a sum: a lane adds its products unit by unit, simd_sum adds the lanes, then the simdgroups are added in
 * ascending order. It follows from n_in, the type and split. */
kernel void linear_rows(device const float      *x      [[buffer(0)]],
                        device const uint       *list   [[buffer(1)]],
                        device const uchar      *data   [[buffer(2)]],
                        device const uchar      *scales [[buffer(3)]],
                        device const uchar      *biases [[buffer(4)]],
                        device const float      *bias   [[buffer(5)]],
                        device float            *out    [[buffer(6)]],
                        constant tn_linear_args &a      [[buffer(7)]],
                        uint3 place [[threadgroup_position_in_grid]],
                        uint  lane  [[thread_index_in_simdgroup]],
                        uint  simd  [[simdgroup_index_in_threadgroup]])
{
    threadgroup float curve[16];
    threadgroup float parts[TN_LINEAR_SIMDS * SUMS];
    const bool is_curve = WEIGHT_TYPE == TYPE_IQ4_NL || WEIGHT_TYPE == TYPE_IQ4_XS;
    if (is_curve) {
        if (simd == 0 && lane < 16)
            curve[lane] = float(iq4_values[lane]);
        threadgroup_barrier(mem_flags::mem_threadgroup);
    }

    const uint part = simd % a.split;
    const uint first_col = (place.x * (TN_LINEAR_SIMDS / a.split) + simd / a.split) * TN_LINEAR_COLS;
    device const uint *pass = list + place.y * PASS_ROWS;

    /* Rows and columns that are not there repeat the first and last one that is; nobody stores them. */
    ulong at[TN_LINEAR_MAX_ROWS];
    for (uint r = 0; r < PASS_ROWS; r++) {
        const uint there = pass[r] == TN_NO_ROW ? 0 : r;
        at[r] = (ulong)(a.rows_are_listed != 0 ? pass[there] : place.y * PASS_ROWS + there) * a.n_in;
    }
    weight_row rows[TN_LINEAR_COLS];
    for (uint o = 0; o < TN_LINEAR_COLS; o++)
        rows[o] = row_of(WEIGHT_TYPE, WEIGHT_GROUP, SCALE_TYPE, data, scales, biases, a.row_bytes, a.n_in,
                         min(first_col + o, a.n_out - 1));

    float sums[SUMS];
    for (uint o = 0; o < TN_LINEAR_COLS; o++)
        for (uint r = 0; r < PASS_ROWS; r++)
            sums[o * TN_LINEAR_MAX_ROWS + r] = 0.0f;
    const uint first = part * TN_SIMD_WIDTH + lane, step = a.split * TN_SIMD_WIDTH;
    if (is_plain(WEIGHT_TYPE))
        add_elements(a.n_in, x, at, rows, first, step, sums);
    else
        add_units(a.n_in, x, at, rows, first, step, curve, sums);

    for (uint o = 0; o < TN_LINEAR_COLS; o++)
        for (uint r = 0; r < PASS_ROWS; r++) {
            const float sum = simd_sum(sums[o * TN_LINEAR_MAX_ROWS + r]);
            if (lane == (o * PASS_ROWS + r) % TN_SIMD_WIDTH)
                parts[simd * SUMS + o * PASS_ROWS + r] = sum;
        }
    threadgroup_barrier(mem_flags::mem_threadgroup);

    for (uint i = lane; part == 0 && i < TN_LINEAR_COLS * PASS_ROWS; i += TN_SIMD_WIDTH) {
        const uint col = first_col + i / PASS_ROWS, r = i % PASS_ROWS;
        if (col >= a.n_out || pass[r] == TN_NO_ROW)
            continue;
        float sum = parts[simd * SUMS + i];
        for (uint p = 1; p < a.split; p++)
            sum += parts[(simd + p) * SUMS + i];
        const uint row = a.rows_are_listed != 0 ? pass[r] : place.y * PASS_ROWS + r;
        out[(ulong)row * a.n_out + col] = a.has_bias != 0 ? sum + bias[col] : sum;
    }
}
