/* SPDX-License-Identifier: Apache-2.0 */
#include <metal_stdlib>

#include "metal/args.h"
#include "metal/kernels/linear_units.h"

using namespace metal;

constant uint WEIGHT_TYPE  [[function_constant(TN_FC_TYPE)]];
constant uint WEIGHT_BITS  [[function_constant(TN_FC_BITS)]];
constant uint WEIGHT_GROUP [[function_constant(TN_FC_GROUP)]];
constant uint SCALE_TYPE   [[function_constant(TN_FC_SCALE_TYPE)]];
constant uint WEIGHT_ALIGN [[function_constant(TN_FC_ALIGN)]];
constant uint PASS_ROWS    [[function_constant(TN_FC_ROWS)]];

/* What a simdgroup sums at most: element o * PASS_ROWS + r belongs to column o and row r of its pass. */
enum { MAX_SUMS = 64 };

/* Which units a lane takes: its own of the runs part, part + split .. */
struct work {
    uint n_in;
    uint bytes_256; /* of 256 elements of a row of the weight */
    uint part, split;
    uint lane;
};

static inline uint pass_cols()
{
    return tn_linear_cols(PASS_ROWS);
}

static inline bool is_aligned()
{
    return WEIGHT_ALIGN >= 16;
}

/* sum + w . x, in the order of the elements. */
static inline float add_quad(float4 w, float4 x, float sum)
{
    return fma(w.w, x.w, fma(w.z, x.z, fma(w.y, x.y, fma(w.x, x.x, sum))));
}

/* n runs farther on. */
static inline weight_row advance(weight_row row, uint bytes_256, uint n)
{
    const uint runs_256 = n * unit_quads(WEIGHT_TYPE) / 2;
    row.data += runs_256 * bytes_256;
    if (WEIGHT_TYPE == TYPE_AFFINE) {
        row.scales += runs_256 * (256 / WEIGHT_GROUP * plain_bytes(SCALE_TYPE));
        row.biases += runs_256 * (256 / WEIGHT_GROUP * plain_bytes(SCALE_TYPE));
    } else if (has_separate_scales(WEIGHT_TYPE))
        row.scales += runs_256 * (256 / WEIGHT_GROUP);
    return row;
}

static inline void load_run(work k, thread const weight_row *rows, thread unit_words *words)
{
#pragma unroll
    for (uint o = 0; o < pass_cols(); o++)
        words[o] = load_words(WEIGHT_TYPE, WEIGHT_BITS, WEIGHT_GROUP, SCALE_TYPE, is_aligned(), rows[o], k.lane);
}

/* Adds the lane's units of one run, whose x is at x + at[r]. */
static inline void add_run(work k, device const float *x, thread const uint *at, thread const weight_row *rows,
                           thread const unit_words *words, threadgroup const float *curve, thread float *sums)
{
    unit units[TN_LINEAR_MAX_COLS];
#pragma unroll
    for (uint o = 0; o < pass_cols(); o++) {
        units[o] = decode(WEIGHT_TYPE, WEIGHT_BITS, SCALE_TYPE, words[o], k.lane);
        if (!has_layout(WEIGHT_TYPE))
            units[o].piece = dequant8(WEIGHT_TYPE, WEIGHT_BITS, WEIGHT_GROUP, SCALE_TYPE, rows[o], k.lane);
    }
#pragma unroll
    for (uint q = 0; q < unit_quads(WEIGHT_TYPE); q++) {
        float4 quads[TN_LINEAR_MAX_COLS];
#pragma unroll
        for (uint o = 0; o < pass_cols(); o++)
            quads[o] = unit_quad(WEIGHT_TYPE, WEIGHT_BITS, units[o], q, curve);
#pragma unroll
        for (uint r = 0; r < PASS_ROWS; r++) {
            const float4 v = *(device const float4 *)(x + (at[r] + quad_at(WEIGHT_TYPE, k.lane, q)));
#pragma unroll
            for (uint o = 0; o < pass_cols(); o++)
                sums[o * PASS_ROWS + r] = add_quad(quads[o], v, sums[o * PASS_ROWS + r]);
        }
    }
}

/* Adds the units of the lane in the runs part, part + split .. The words of the next are loaded before those of the
 * last are multiplied. */
static inline void add_units(work k, device const float *x, thread uint *at, thread weight_row *rows,
                             threadgroup const float *curve, thread float *sums)
{
    const uint n_unit = k.n_in / unit_elems(WEIGHT_TYPE), step = k.split * TN_SIMD_WIDTH;
    unit_words words[TN_LINEAR_MAX_COLS];
#pragma unroll
    for (uint o = 0; o < pass_cols(); o++)
        rows[o] = advance(rows[o], k.bytes_256, k.part);
#pragma unroll
    for (uint r = 0; r < PASS_ROWS; r++)
        at[r] += k.part * TN_SIMD_WIDTH * unit_elems(WEIGHT_TYPE);
    uint u = k.part * TN_SIMD_WIDTH + k.lane;
    if (u < n_unit && has_layout(WEIGHT_TYPE))
        load_run(k, rows, words);
    for (; u < n_unit; u += step) {
        unit_words now[TN_LINEAR_MAX_COLS];
        weight_row now_rows[TN_LINEAR_MAX_COLS];
#pragma unroll
        for (uint o = 0; o < pass_cols(); o++) {
            now[o] = words[o];
            now_rows[o] = rows[o];
            rows[o] = advance(rows[o], k.bytes_256, k.split);
        }
        if (u + step < n_unit && has_layout(WEIGHT_TYPE))
            load_run(k, rows, words);
        add_run(k, x, at, now_rows, now, curve, sums);
#pragma unroll
        for (uint r = 0; r < PASS_ROWS; r++)
            at[r] += step * unit_elems(WEIGHT_TYPE);
    }
}

/* The same for plain types with rows of any length, an element at a time: lane, lane + 32 .. */
static inline void add_elements(work k, device const float *x, thread const uint *at, thread const weight_row *rows,
                                thread float *sums)
{
    for (uint i = k.part * TN_SIMD_WIDTH + k.lane; i < k.n_in; i += k.split * TN_SIMD_WIDTH) {
        float w[TN_LINEAR_MAX_COLS];
#pragma unroll
        for (uint o = 0; o < pass_cols(); o++)
            w[o] = load_plain(WEIGHT_TYPE, rows[o].data, i);
#pragma unroll
        for (uint r = 0; r < PASS_ROWS; r++) {
            const float v = x[at[r] + i];
#pragma unroll
            for (uint o = 0; o < pass_cols(); o++)
                sums[o * PASS_ROWS + r] = fma(w[o], v, sums[o * PASS_ROWS + r]);
        }
    }
}

/* out = x weight^T (+ bias) for some of the rows: generated tokens and rows of logits. TN_OP_LINEAR.
 *
 * x: [rows, n_in] F32, fewer than 2^32 elements. list: rows to do, padded with TN_NO_ROW to a multiple of TN_LINEAR_MAX_ROWS; with
 * rows_are_listed 0 entry i stands for row i and only tells whether there is one. data, scales, biases: [n_out, n_in] of
 * WEIGHT_TYPE (tn_tensor), WEIGHT_ALIGN. bias: [n_out] F32, read where has_bias. out: [rows, n_out] F32, not x.
 *
 * Grid: (ceil(n_out / (tn_linear_cols * TN_LINEAR_SIMDS / split)), ceil(rows / PASS_ROWS)) threadgroups of
 * TN_LINEAR_SIMDS simdgroups: a simdgroup takes tn_linear_cols columns, a weight is read once for all rows of a pass.
 * `split` simdgroups share the same columns, each every split-th run of units.
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
    threadgroup float parts[TN_LINEAR_SIMDS * MAX_SUMS];
    const bool is_curve = WEIGHT_TYPE == TYPE_IQ4_NL || WEIGHT_TYPE == TYPE_IQ4_XS;
    if (is_curve) {
        if (simd == 0 && lane < 16)
            curve[lane] = float(iq4_values[lane]);
        threadgroup_barrier(mem_flags::mem_threadgroup);
    }

    work k;
    k.n_in = a.n_in;
    k.bytes_256 = a.bytes_256;
    k.part = simd % a.split;
    k.split = a.split;
    k.lane = lane;
    const uint first_col = (place.x * (TN_LINEAR_SIMDS / a.split) + simd / a.split) * pass_cols();
    device const uint *pass = list + place.y * PASS_ROWS;

    /* Rows and columns that are not there repeat the first and last one that is; nobody stores them. */
    uint at[TN_LINEAR_MAX_ROWS];
#pragma unroll
    for (uint r = 0; r < PASS_ROWS; r++) {
        const uint there = pass[r] == TN_NO_ROW ? 0 : r;
        at[r] = (a.rows_are_listed != 0 ? pass[there] : place.y * PASS_ROWS + there) * a.n_in;
    }
    weight_row rows[TN_LINEAR_MAX_COLS];
#pragma unroll
    for (uint o = 0; o < pass_cols(); o++)
        rows[o] = row_of(WEIGHT_TYPE, WEIGHT_GROUP, SCALE_TYPE, data, scales, biases, a.row_bytes, a.n_in,
                         min(first_col + o, a.n_out - 1));

    float sums[MAX_SUMS];
#pragma unroll
    for (uint i = 0; i < pass_cols() * PASS_ROWS; i++)
        sums[i] = 0.0f;
    if (is_plain(WEIGHT_TYPE) && a.n_in % 8 != 0)
        add_elements(k, x, at, rows, sums);
    else
        add_units(k, x, at, rows, curve, sums);

#pragma unroll
    for (uint i = 0; i < pass_cols() * PASS_ROWS; i++) {
        const float sum = simd_sum(sums[i]);
        if (lane == i % TN_SIMD_WIDTH)
            parts[simd * MAX_SUMS + i] = sum;
    }
    threadgroup_barrier(mem_flags::mem_threadgroup);

    for (uint i = lane; k.part == 0 && i < pass_cols() * PASS_ROWS; i += TN_SIMD_WIDTH) {
        const uint col = first_col + i / PASS_ROWS, r = i % PASS_ROWS;
        if (col >= a.n_out || pass[r] == TN_NO_ROW)
            continue;
        float sum = parts[simd * MAX_SUMS + i];
        for (uint p = 1; p < a.split; p++)
            sum += parts[(simd + p) * MAX_SUMS + i];
        const uint row = a.rows_are_listed != 0 ? pass[r] : place.y * PASS_ROWS + r;
        out[(ulong)row * a.n_out + col] = a.has_bias != 0 ? sum + bias[col] : sum;
    }
}
