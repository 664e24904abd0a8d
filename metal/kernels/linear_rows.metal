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

/* What a lane adds up: its unit of the runs part, part + split .. of the columns whose rows begin at these places. Offsets
 * of bytes are from the first column of the threadgroup, at which data, scales and biases point. */
struct work {
    weight_row weight;
    uint n_in;
    uint part, split;
    uint lane;
    uint bytes_256; /* of 256 elements of a row */
};

static inline uint pass_cols()
{
    return tn_linear_cols(PASS_ROWS);
}

static inline bool is_aligned()
{
    return WEIGHT_ALIGN >= 16;
}

/* Bytes of n runs, and of their scales. */
static inline uint runs_bytes(work k, uint n)
{
    return n * unit_quads(WEIGHT_TYPE) / 2 * k.bytes_256;
}
static inline uint runs_scales(uint n)
{
    if (WEIGHT_TYPE == TYPE_AFFINE)
        return n * (256 / WEIGHT_GROUP) * plain_bytes(SCALE_TYPE);
    return has_separate_scales(WEIGHT_TYPE) ? n * (256 / WEIGHT_GROUP) : 0;
}

static inline weight_row place_at(work k, uint bytes, uint scales)
{
    weight_row row = k.weight;
    row.data += bytes;
    row.scales += scales;
    row.biases += scales;
    return row;
}

/* The lane's units of the run whose columns begin at these bytes. */
static inline void load_run(work k, thread const uint *bytes, thread const uint *scales, thread unit_words *words)
{
#pragma unroll
    for (uint o = 0; o < pass_cols(); o++)
        words[o] = load_words(WEIGHT_TYPE, WEIGHT_BITS, WEIGHT_GROUP, SCALE_TYPE, is_aligned(),
                              place_at(k, bytes[o], scales[o]), k.lane);
}

/* w . x, and sum + w . x, in the order of the elements. */
static inline float times_quad(float4 w, float4 x)
{
    return fma(w.w, x.w, fma(w.z, x.z, fma(w.y, x.y, w.x * x.x)));
}
static inline float add_quad(float4 w, float4 x, float sum)
{
    return fma(w.w, x.w, fma(w.z, x.z, fma(w.y, x.y, fma(w.x, x.x, sum))));
}

/* Adds the units times x, which begins at x + at[r] for row r. */
static inline void add_run(device const float *x, thread const uint *at, thread const unit *units,
                           threadgroup const float *curve, thread float *sums)
{
#pragma unroll
    for (uint q = 0; q < unit_quads(WEIGHT_TYPE); q++) {
        float4 quads[TN_LINEAR_MAX_COLS];
#pragma unroll
        for (uint o = 0; o < pass_cols(); o++)
            quads[o] = unit_quad(WEIGHT_TYPE, WEIGHT_BITS, units[o], q, curve);
#pragma unroll
        for (uint r = 0; r < PASS_ROWS; r++) {
            const float4 v = *(device const float4 *)(x + at[r] + quad_at(WEIGHT_TYPE, q));
#pragma unroll
            for (uint o = 0; o < pass_cols(); o++)
                sums[o * PASS_ROWS + r] = add_quad(quads[o], v, sums[o * PASS_ROWS + r]);
        }
    }
}

/* The same where a unit has one scale. */
static inline void add_scaled_run(device const float *x, thread const uint *at, thread const unit *units,
                                  threadgroup const float *curve, thread float *sums)
{
    float4 quads[TN_LINEAR_MAX_COLS * 4];
#pragma unroll
    for (uint o = 0; o < pass_cols(); o++)
#pragma unroll
        for (uint q = 0; q < unit_quads(WEIGHT_TYPE); q++)
            quads[o * 4 + q] = unit_quad(WEIGHT_TYPE, WEIGHT_BITS, units[o], q, curve);
#pragma unroll
    for (uint r = 0; r < PASS_ROWS; r++) {
        float4 v[4];
#pragma unroll
        for (uint q = 0; q < unit_quads(WEIGHT_TYPE); q++)
            v[q] = *(device const float4 *)(x + at[r] + quad_at(WEIGHT_TYPE, q));
#pragma unroll
        for (uint o = 0; o < pass_cols(); o++) {
            float sum = times_quad(quads[o * 4], v[0]);
#pragma unroll
            for (uint q = 1; q < unit_quads(WEIGHT_TYPE); q++)
                sum = add_quad(quads[o * 4 + q], v[q], sum);
            sums[o * PASS_ROWS + r] = fma(units[o].scale[0], sum, sums[o * PASS_ROWS + r]);
        }
    }
}

/* Adds all units of the lane. bytes, scales: where the columns begin; at: where rows of x do. The words of the next run
 * are loaded before those of the last are multiplied. */
static inline void add_units(work k, device const float *x, thread uint *at, thread uint *bytes, thread uint *scales,
                             threadgroup const float *curve, thread float *sums)
{
    const uint n_unit = k.n_in / unit_elems(WEIGHT_TYPE), step = k.split * TN_SIMD_WIDTH;
    unit_words words[TN_LINEAR_MAX_COLS];
#pragma unroll
    for (uint o = 0; o < pass_cols(); o++) {
        bytes[o] += runs_bytes(k, k.part);
        scales[o] += runs_scales(k.part);
    }
#pragma unroll
    for (uint r = 0; r < PASS_ROWS; r++)
        at[r] += k.part * TN_SIMD_WIDTH * unit_elems(WEIGHT_TYPE) + unit_at(WEIGHT_TYPE, k.lane);
    uint u = k.part * TN_SIMD_WIDTH + k.lane;
    if (u < n_unit && has_layout(WEIGHT_TYPE))
        load_run(k, bytes, scales, words);
    for (; u < n_unit; u += step) {
        unit units[TN_LINEAR_MAX_COLS];
#pragma unroll
        for (uint o = 0; o < pass_cols(); o++) {
            if (has_layout(WEIGHT_TYPE))
                units[o] = decode(WEIGHT_TYPE, WEIGHT_BITS, SCALE_TYPE, words[o], k.lane);
            else
                units[o].piece = dequant8(WEIGHT_TYPE, WEIGHT_BITS, WEIGHT_GROUP, SCALE_TYPE,
                                          place_at(k, bytes[o], scales[o]), k.lane);
            bytes[o] += runs_bytes(k, k.split);
            scales[o] += runs_scales(k.split);
        }
        if (u + step < n_unit && has_layout(WEIGHT_TYPE))
            load_run(k, bytes, scales, words);
        if (has_one_scale(WEIGHT_TYPE))
            add_scaled_run(x, at, units, curve, sums);
        else
            add_run(x, at, units, curve, sums);
#pragma unroll
        for (uint r = 0; r < PASS_ROWS; r++)
            at[r] += step * unit_elems(WEIGHT_TYPE);
    }
}

/* The same for plain types with rows of any length, an element at a time: lane, lane + 32 .. */
static inline void add_elements(work k, device const float *x, thread const uint *at, thread const uint *bytes,
                                thread float *sums)
{
    for (uint i = k.part * TN_SIMD_WIDTH + k.lane; i < k.n_in; i += k.split * TN_SIMD_WIDTH) {
        float w[TN_LINEAR_MAX_COLS];
#pragma unroll
        for (uint o = 0; o < pass_cols(); o++)
            w[o] = load_plain(WEIGHT_TYPE, k.weight.data + bytes[o], i);
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

    const uint group_cols = pass_cols() * (TN_LINEAR_SIMDS / a.split);
    const uint first_col = place.x * group_cols, own_col = simd / a.split * pass_cols();
    const uint row_scales = scale_bytes(WEIGHT_TYPE, WEIGHT_GROUP, SCALE_TYPE, a.n_in);
    work k;
    k.weight.data = data + (ulong)first_col * a.row_bytes;
    k.weight.scales = scales + (ulong)first_col * row_scales;
    k.weight.biases = biases + (ulong)first_col * row_scales;
    k.n_in = a.n_in;
    k.part = simd % a.split;
    k.split = a.split;
    k.lane = lane;
    k.bytes_256 = a.bytes_256;
    device const uint *pass = list + place.y * PASS_ROWS;

    /* Rows and columns that are not there repeat the first and last one that is; nobody stores them. */
    uint at[TN_LINEAR_MAX_ROWS];
#pragma unroll
    for (uint r = 0; r < PASS_ROWS; r++) {
        const uint there = pass[r] == TN_NO_ROW ? 0 : r;
        at[r] = (a.rows_are_listed != 0 ? pass[there] : place.y * PASS_ROWS + there) * a.n_in;
    }
    uint col_bytes[TN_LINEAR_MAX_COLS], col_scales[TN_LINEAR_MAX_COLS];
#pragma unroll
    for (uint o = 0; o < pass_cols(); o++) {
        const uint col = min(own_col + o, a.n_out - 1 - first_col);
        col_bytes[o] = col * a.row_bytes;
        col_scales[o] = col * row_scales;
    }

    float sums[MAX_SUMS];
#pragma unroll
    for (uint i = 0; i < pass_cols() * PASS_ROWS; i++)
        sums[i] = 0.0f;
    if (is_plain(WEIGHT_TYPE) && a.n_in % 8 != 0)
        add_elements(k, x, at, col_bytes, sums);
    else
        add_units(k, x, at, col_bytes, col_scales, curve, sums);

#pragma unroll
    for (uint i = 0; i < pass_cols() * PASS_ROWS; i++) {
        const float sum = simd_sum(sums[i]);
        if (lane == i % TN_SIMD_WIDTH)
            parts[simd * MAX_SUMS + i] = sum;
    }
    threadgroup_barrier(mem_flags::mem_threadgroup);

    for (uint i = lane; k.part == 0 && i < pass_cols() * PASS_ROWS; i += TN_SIMD_WIDTH) {
        const uint col = first_col + own_col + i / PASS_ROWS, r = i % PASS_ROWS;
        if (col >= a.n_out || pass[r] == TN_NO_ROW)
            continue;
        float sum = parts[simd * MAX_SUMS + i];
        for (uint p = 1; p < a.split; p++)
            sum += parts[(simd + p) * MAX_SUMS + i];
        const uint row = a.rows_are_listed != 0 ? pass[r] : place.y * PASS_ROWS + r;
        out[(ulong)row * a.n_out + col] = a.has_bias != 0 ? sum + bias[col] : sum;
    }
}
