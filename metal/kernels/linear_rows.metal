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
constant uint SPLIT        [[function_constant(TN_FC_SPLIT)]];

/* Sums of a simdgroup at most: element o * PASS_ROWS + r belongs to column o and row r of its pass. */
enum { MAX_SUMS = 64 };

static inline uint pass_cols()
{
    return tn_linear_cols(WEIGHT_TYPE, PASS_ROWS);
}

static inline bool is_aligned()
{
    return WEIGHT_ALIGN >= 16;
}

/* n runs farther on. */
static inline weight_row advance(weight_row row, uint n)
{
    const uint n_256 = n * unit_elems(WEIGHT_TYPE) / 8;
    row.data += n_256 * bytes_256(WEIGHT_TYPE, WEIGHT_BITS);
    if (has_separate_scales(WEIGHT_TYPE))
        row.scales += n_256 * scale_bytes(WEIGHT_TYPE, WEIGHT_GROUP, SCALE_TYPE, 256);
    if (WEIGHT_TYPE == TYPE_AFFINE)
        row.biases += n_256 * scale_bytes(WEIGHT_TYPE, WEIGHT_GROUP, SCALE_TYPE, 256);
    return row;
}

/* Loads the lane's unit of every column; rows: their blocks. */
static inline void load_run(thread const weight_row *rows, uint lane, thread unit_words *words)
{
#pragma unroll
    for (uint o = 0; o < pass_cols(); o++)
        words[o] = load_words(WEIGHT_TYPE, WEIGHT_BITS, SCALE_TYPE, is_aligned(), rows[o], lane);
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

/* Adds a unit of each column times x, which begins at x + at[r] for row r. */
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

/* Where the lane's unit of the run `part` of every column lies. */
static inline void find_blocks(uint part, uint lane, thread weight_row *rows)
{
#pragma unroll
    for (uint o = 0; o < pass_cols(); o++) {
        rows[o] = advance(rows[o], part);
        rows[o].data += block_at(WEIGHT_TYPE, WEIGHT_BITS, lane);
        if (has_separate_scales(WEIGHT_TYPE))
            rows[o].scales += scale_at(WEIGHT_TYPE, WEIGHT_GROUP, SCALE_TYPE, lane);
        if (WEIGHT_TYPE == TYPE_AFFINE)
            rows[o].biases += scale_at(WEIGHT_TYPE, WEIGHT_GROUP, SCALE_TYPE, lane);
    }
}

/* Adds a lane's units of the runs part, part + SPLIT .. of the columns that begin at rows. at: where rows of x begin. The
 * words of the next run are loaded before those of the last are multiplied. */
static inline void add_units(device const float *x, uint n_in, uint part, uint lane, thread uint *at,
                             thread weight_row *rows, threadgroup const float *curve, thread float *sums)
{
    const uint n_unit = n_in / unit_elems(WEIGHT_TYPE), step = SPLIT * TN_SIMD_WIDTH;
    unit_words words[TN_LINEAR_MAX_COLS];
    uint u = part * TN_SIMD_WIDTH + lane;
    find_blocks(part, lane, rows);
#pragma unroll
    for (uint r = 0; r < PASS_ROWS; r++)
        at[r] += part * TN_SIMD_WIDTH * unit_elems(WEIGHT_TYPE) + unit_at(WEIGHT_TYPE, lane);
    if (u < n_unit && has_layout(WEIGHT_TYPE))
        load_run(rows, lane, words);
    while (u < n_unit) {
        unit units[TN_LINEAR_MAX_COLS];
        unit_words now[TN_LINEAR_MAX_COLS];
#pragma unroll
        for (uint o = 0; o < pass_cols(); o++) {
            now[o] = words[o];
            if (!has_layout(WEIGHT_TYPE))
                units[o].piece = dequant8(WEIGHT_TYPE, WEIGHT_BITS, WEIGHT_GROUP, SCALE_TYPE, rows[o], lane);
            rows[o] = advance(rows[o], SPLIT);
        }
        u += step;
        if (u < n_unit && has_layout(WEIGHT_TYPE))
            load_run(rows, lane, words);
        if (has_layout(WEIGHT_TYPE)) {
#pragma unroll
            for (uint o = 0; o < pass_cols(); o++)
                units[o] = decode(WEIGHT_TYPE, WEIGHT_BITS, SCALE_TYPE, now[o], lane);
        }
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
static inline void add_elements(device const float *x, uint n_in, uint part, uint lane, thread const uint *at,
                                thread const weight_row *rows, thread float *sums)
{
    for (uint i = part * TN_SIMD_WIDTH + lane; i < n_in; i += SPLIT * TN_SIMD_WIDTH) {
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

/* One step of add_lanes: of 2 m sums a lane hands m to lane ^ mask and keeps m, or (m 0) both add their one. */
static inline void add_across(thread float *sums, uint m, uint mask, uint lane)
{
    const bool upper = (lane & mask) != 0;
    if (m == 0)
        sums[0] += simd_shuffle_xor(sums[0], ushort(mask));
#pragma unroll
    for (uint i = 0; i < m; i++) {
        const float give = upper ? sums[i] : sums[i + m], keep = upper ? sums[i + m] : sums[i];
        sums[i] = keep + simd_shuffle_xor(give, ushort(mask));
    }
}

/* Adds n sums, a power of two up to 32, over the lanes, each in butterfly order: l with l ^ 16, l ^ 8 .. l ^ 1. Lane l gets
 * sum l / (32 / n). */
static inline float add_lanes(thread float *sums, uint n, uint lane)
{
    add_across(sums, n / 2, 16, lane);
    add_across(sums, n / 4, 8, lane);
    add_across(sums, n / 8, 4, lane);
    add_across(sums, n / 16, 2, lane);
    add_across(sums, n / 32, 1, lane);
    return sums[0];
}

/* out = x weight^T (+ bias) for some of the rows: generated tokens and rows of logits. TN_OP_LINEAR.
 *
 * x: [rows, n_in] F32, fewer than 2^32 elements. list: rows to do, padded with TN_NO_ROW to a multiple of
 * TN_LINEAR_MAX_ROWS; with rows_are_listed 0 entry i stands for row i and only tells whether there is one. data, scales,
 * biases: [n_out, n_in] of WEIGHT_TYPE (tn_tensor), WEIGHT_ALIGN. bias: [n_out] F32, read where has_bias. out:
 * [rows, n_out] F32, not x.
 *
 * Grid: (ceil(n_out / (tn_linear_cols * TN_LINEAR_SIMDS / SPLIT)), ceil(rows / PASS_ROWS)) threadgroups of
 * TN_LINEAR_SIMDS simdgroups: a simdgroup takes tn_linear_cols columns, a weight is read once for all rows of a pass.
 * SPLIT simdgroups share the same columns, each every SPLIT-th run of units.
 *
 * Order of a sum: a lane adds its products unit by unit, add_lanes the lanes, then the simdgroups are added in ascending
 * order. It follows from n_in, the type and SPLIT. */
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

    const uint part = simd % SPLIT;
    const uint first_col = (place.x * (TN_LINEAR_SIMDS / SPLIT) + simd / SPLIT) * pass_cols();
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
    const uint n_sum = pass_cols() * PASS_ROWS;
#pragma unroll
    for (uint i = 0; i < n_sum; i++)
        sums[i] = 0.0f;
    if (is_plain(WEIGHT_TYPE) && a.n_in % 8 != 0)
        add_elements(x, a.n_in, part, lane, at, rows, sums);
    else
        add_units(x, a.n_in, part, lane, at, rows, curve, sums);

    const uint n_together = min(n_sum, uint(TN_SIMD_WIDTH));
#pragma unroll
    for (uint i = 0; i < n_sum; i += TN_SIMD_WIDTH) {
        const float sum = add_lanes(sums + i, n_together, lane);
        if (lane % (TN_SIMD_WIDTH / n_together) == 0)
            parts[simd * MAX_SUMS + i + lane / (TN_SIMD_WIDTH / n_together)] = sum;
    }
    threadgroup_barrier(mem_flags::mem_threadgroup);

    for (uint i = lane; part == 0 && i < n_sum; i += TN_SIMD_WIDTH) {
        const uint col = first_col + i / PASS_ROWS, r = i % PASS_ROWS;
        if (col >= a.n_out || pass[r] == TN_NO_ROW)
            continue;
        float sum = parts[simd * MAX_SUMS + i];
        for (uint p = 1; p < SPLIT; p++)
            sum += parts[(simd + p) * MAX_SUMS + i];
        const uint row = a.rows_are_listed != 0 ? pass[r] : place.y * PASS_ROWS + r;
        out[(ulong)row * a.n_out + col] = a.has_bias != 0 ? sum + bias[col] : sum;
    }
}
