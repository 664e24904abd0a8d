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
constant uint COLS         [[function_constant(TN_FC_COLS)]];
constant uint RESIDUAL     [[function_constant(TN_FC_RESIDUAL)]];

/* tn_linear_type. */
static inline uint unit_type()
{
    return tn_linear_type(WEIGHT_TYPE, WEIGHT_GROUP);
}

/* Sums of a lane at most: element o * PASS_ROWS + r belongs to its column o and row r of its pass. */
enum { MAX_SUMS = 64 };

static inline uint run_lanes()
{
    return tn_linear_lanes(unit_type());
}

static inline bool is_aligned()
{
    return WEIGHT_ALIGN >= 16;
}

/* Words are loaded a run ahead where there is little to do with them, and registers are left. */
static inline bool is_ahead()
{
    return has_layout(unit_type()) && PASS_ROWS * unit_elems(unit_type()) < 64;
}

/* n runs farther on, in bytes: data, and scales. */
static inline uint data_step(uint n)
{
    return n * run_lanes() * unit_elems(unit_type()) / 256 * bytes_256(WEIGHT_TYPE, WEIGHT_BITS);
}
static inline uint scale_step(uint n)
{
    return n * run_lanes() * unit_elems(unit_type()) / 256 * scale_bytes(WEIGHT_TYPE, WEIGHT_GROUP, SCALE_TYPE, 256);
}

/* Loads the lane's unit of every column. rows: their blocks; groups: where their scales are, if separate. */
static inline void load_run(thread const weight_row *rows, thread const uint *groups, uint k, thread unit_words *words)
{
#pragma unroll
    for (uint o = 0; o < COLS; o++)
        words[o] = load_words(unit_type(), WEIGHT_BITS, SCALE_TYPE, is_aligned(), rows[o], groups[o], k);
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

/* Quad q of the lane's unit of a row of x, which begins at x + at. Where units turn (linear_units.h), at is of the quad
 * that comes first, and the second of each pair lies odd behind it. */
static inline float4 x_quad(device const float *x, uint at, int odd, uint q)
{
    if (!has_turns(unit_type()))
        return *(device const float4 *)(x + at + quad_at(unit_type(), q));
    return *(device const float4 *)(x + (q % 2 == 0 ? at : at + uint(odd)) + quad_at(unit_type(), q - q % 2));
}

/* Adds a unit of each column times x. at, odd: x_quad. */
static inline void add_run(device const float *x, thread const uint *at, int odd, thread const unit *units,
                           threadgroup const float *curve, thread float *sums)
{
#pragma unroll
    for (uint q = 0; q < unit_quads(unit_type()); q++) {
        float4 quads[TN_LINEAR_MAX_COLS];
#pragma unroll
        for (uint o = 0; o < COLS; o++)
            quads[o] = unit_quad(unit_type(), WEIGHT_BITS, units[o], q, curve);
#pragma unroll
        for (uint r = 0; r < PASS_ROWS; r++) {
            const float4 v = x_quad(x, at[r], odd, q);
#pragma unroll
            for (uint o = 0; o < COLS; o++)
                sums[o * PASS_ROWS + r] = add_quad(quads[o], v, sums[o * PASS_ROWS + r]);
        }
    }
}

/* The same where a unit has one scale. */
static inline void add_scaled_run(device const float *x, thread const uint *at, int odd, thread const unit *units,
                                  threadgroup const float *curve, thread float *sums)
{
    float4 quads[TN_LINEAR_MAX_COLS * 4];
#pragma unroll
    for (uint o = 0; o < COLS; o++)
#pragma unroll
        for (uint q = 0; q < unit_quads(unit_type()); q++)
            quads[o * 4 + q] = unit_quad(unit_type(), WEIGHT_BITS, units[o], q, curve);
#pragma unroll
    for (uint r = 0; r < PASS_ROWS; r++) {
        float4 v[4];
#pragma unroll
        for (uint q = 0; q < unit_quads(unit_type()); q++)
            v[q] = x_quad(x, at[r], odd, q);
#pragma unroll
        for (uint o = 0; o < COLS; o++) {
            float sum = times_quad(quads[o * 4], v[0]);
#pragma unroll
            for (uint q = 1; q < unit_quads(unit_type()); q++)
                sum = add_quad(quads[o * 4 + q], v[q], sum);
            sums[o * PASS_ROWS + r] = fma(units[o].scale[0], sum, sums[o * PASS_ROWS + r]);
        }
    }
}

/* Adds a lane's units of the runs part, part + SPLIT .. of the columns that begin at rows. k: of the lanes that share
 * them. at: where rows of x begin. */
static inline void add_units(device const float *x, uint n_in, uint part, uint k, thread uint *at,
                             thread weight_row *rows, thread uint *groups, threadgroup const float *curve,
                             thread float *sums)
{
    const uint n_unit = n_in / unit_elems(unit_type()), step = SPLIT * run_lanes();
    const uint turn = turn_of(unit_type(), k) * quad_at(unit_type(), 1);
    const int odd = int(quad_at(unit_type(), 1)) - 2 * int(turn);
    unit_words words[TN_LINEAR_MAX_COLS];
    uint u = part * run_lanes() + k;
#pragma unroll
    for (uint o = 0; o < COLS; o++) {
        if (has_layout(unit_type()))
            rows[o].data += data_step(part) + block_at(unit_type(), WEIGHT_BITS, k);
        groups[o] += scale_step(part) + scale_at(unit_type(), WEIGHT_GROUP, SCALE_TYPE, k);
    }
#pragma unroll
    for (uint r = 0; r < PASS_ROWS; r++)
        at[r] += part * run_lanes() * unit_elems(unit_type()) + unit_at(unit_type(), k) + turn;
    if (u < n_unit && is_ahead())
        load_run(rows, groups, k, words);
    while (u < n_unit) {
        unit units[TN_LINEAR_MAX_COLS];
        if (has_layout(unit_type()) && !is_ahead())
            load_run(rows, groups, k, words);
#pragma unroll
        for (uint o = 0; o < COLS; o++) {
            if (has_layout(unit_type()))
                units[o] = decode(unit_type(), WEIGHT_BITS, SCALE_TYPE, words[o], k);
            else
                units[o].piece = dequant8(WEIGHT_TYPE, WEIGHT_BITS, WEIGHT_GROUP, SCALE_TYPE, rows[o], u);
            if (has_layout(unit_type()))
                rows[o].data += data_step(SPLIT);
            groups[o] += scale_step(SPLIT);
        }
        u += step;
        if (u < n_unit && is_ahead())
            load_run(rows, groups, k, words);
        if (has_one_scale(unit_type()))
            add_scaled_run(x, at, odd, units, curve, sums);
        else
            add_run(x, at, odd, units, curve, sums);
#pragma unroll
        for (uint r = 0; r < PASS_ROWS; r++)
            at[r] += step * unit_elems(unit_type());
    }
}

/* The same for plain types with rows of any length, an element at a time: k, k + run_lanes .. */
static inline void add_elements(device const float *x, uint n_in, uint part, uint k, thread const uint *at,
                                thread const weight_row *rows, thread float *sums)
{
    for (uint i = part * run_lanes() + k; i < n_in; i += SPLIT * run_lanes()) {
        float w[TN_LINEAR_MAX_COLS];
#pragma unroll
        for (uint o = 0; o < COLS; o++)
            w[o] = load_plain(WEIGHT_TYPE, rows[o].data, i);
#pragma unroll
        for (uint r = 0; r < PASS_ROWS; r++) {
            const float v = x[at[r] + i];
#pragma unroll
            for (uint o = 0; o < COLS; o++)
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

/* Adds n sums, a power of two up to run_lanes, over the lanes that share a column, each in butterfly order: l with l ^
 * 16 (of 32), l ^ 8 .. l ^ 1. Of them lane l gets sum l / (run_lanes / n). */
static inline float add_lanes(thread float *sums, uint n, uint lane)
{
    const bool is_whole = run_lanes() == TN_SIMD_WIDTH;
    const uint m = is_whole ? n / 2 : n;
    if (is_whole)
        add_across(sums, n / 2, 16, lane);
    add_across(sums, m / 2, 8, lane);
    add_across(sums, m / 4, 4, lane);
    add_across(sums, m / 8, 2, lane);
    add_across(sums, m / 16, 1, lane);
    return sums[0];
}

/* out = x weight^T (+ bias) (+ other) for some of the rows: generated tokens and rows of logits. TN_OP_LINEAR, and
 * TN_OP_ADD behind it.
 *
 * x: [rows, n_in] F32, fewer than 2^32 elements. list: rows to do, padded with TN_NO_ROW to a multiple of
 * TN_LINEAR_MAX_ROWS; with rows_are_listed 0 entry i stands for row i and only tells whether there is one. data,
 * scales, biases: [n_out, n_in] of WEIGHT_TYPE (tn_tensor), WEIGHT_ALIGN. bias: [n_out] F32, read where has_bias. out:
 * [rows, n_out] F32, not x. other: [rows, n_out] F32, may be out; added with RESIDUAL, else not read.
 *
 * Grid: (ceil(n_out / (c * TN_LINEAR_SIMDS / SPLIT)), ceil(rows / PASS_ROWS)) threadgroups of TN_LINEAR_SIMDS
 * simdgroups: a simdgroup takes c = COLS * TN_SIMD_WIDTH / tn_linear_lanes columns, a weight is read once for all rows
 * of a pass. SPLIT simdgroups share the same columns, each every SPLIT-th run of units.
 *
 * Order of a sum: a lane adds its products unit by unit, add_lanes the lanes, then the simdgroups are added in
 * ascending order. It follows from n_in, the type and SPLIT. */
kernel void linear_rows(device const float      *x      [[buffer(0)]],
                        device const uint       *list   [[buffer(1)]],
                        device const uchar      *data   [[buffer(2)]],
                        device const uchar      *scales [[buffer(3)]],
                        device const uchar      *biases [[buffer(4)]],
                        device const float      *bias   [[buffer(5)]],
                        device float            *out    [[buffer(6)]],
                        constant tn_linear_args &a      [[buffer(7)]],
                        device const float      *other  [[buffer(8)]],
                        uint3 place [[threadgroup_position_in_grid]],
                        uint  lane  [[thread_index_in_simdgroup]],
                        uint  simd  [[simdgroup_index_in_threadgroup]])
{
    threadgroup float curve[16];
    threadgroup float parts[TN_LINEAR_SIMDS * 2 * MAX_SUMS];
    const bool is_curve = WEIGHT_TYPE == TYPE_IQ4_NL || WEIGHT_TYPE == TYPE_IQ4_XS;
    if (is_curve) {
        if (simd == 0 && lane < 16)
            curve[lane] = float(iq4_values[lane]);
        threadgroup_barrier(mem_flags::mem_threadgroup);
    }

    const uint part = simd % SPLIT, k = lane % run_lanes(), beside = lane / run_lanes();
    const uint simd_cols = COLS * (TN_SIMD_WIDTH / run_lanes());
    const uint first_col = (place.x * (TN_LINEAR_SIMDS / SPLIT) + simd / SPLIT) * simd_cols;
    device const uint *pass = list + place.y * PASS_ROWS;

    /* Rows and columns that are not there repeat the first and last one that is; nobody stores them. */
    uint at[TN_LINEAR_MAX_ROWS];
#pragma unroll
    for (uint r = 0; r < PASS_ROWS; r++) {
        const uint there = pass[r] == TN_NO_ROW ? 0 : r;
        at[r] = (a.rows_are_listed != 0 ? pass[there] : place.y * PASS_ROWS + there) * a.n_in;
    }
    weight_row rows[TN_LINEAR_MAX_COLS];
    uint groups[TN_LINEAR_MAX_COLS];
#pragma unroll
    for (uint o = 0; o < COLS; o++) {
        const uint col = min(first_col + beside * COLS + o, a.n_out - 1);
        rows[o].data = data + (ulong)col * a.row_bytes;
        rows[o].scales = scales;
        rows[o].biases = biases;
        groups[o] = col * scale_bytes(WEIGHT_TYPE, WEIGHT_GROUP, SCALE_TYPE, a.n_in);
    }

    float sums[MAX_SUMS];
    const uint n_sum = COLS * PASS_ROWS;
#pragma unroll
    for (uint i = 0; i < n_sum; i++)
        sums[i] = 0.0f;
    if (is_plain(WEIGHT_TYPE) && a.n_in % 8 != 0)
        add_elements(x, a.n_in, part, k, at, rows, sums);
    else
        add_units(x, a.n_in, part, k, at, rows, groups, curve, sums);

    const uint n_together = min(n_sum, run_lanes());
#pragma unroll
    for (uint i = 0; i < n_sum; i += run_lanes()) {
        const float sum = add_lanes(sums + i, n_together, k);
        if (k % (run_lanes() / n_together) == 0)
            parts[simd * 2 * MAX_SUMS + beside * n_sum + i + k / (run_lanes() / n_together)] = sum;
    }
    threadgroup_barrier(mem_flags::mem_threadgroup);

    for (uint i = lane; part == 0 && i < simd_cols * PASS_ROWS; i += TN_SIMD_WIDTH) {
        const uint col = first_col + i / PASS_ROWS, r = i % PASS_ROWS;
        if (col >= a.n_out || pass[r] == TN_NO_ROW)
            continue;
        float sum = parts[simd * 2 * MAX_SUMS + i];
        for (uint p = 1; p < SPLIT; p++)
            sum += parts[(simd + p) * 2 * MAX_SUMS + i];
        const uint row = a.rows_are_listed != 0 ? pass[r] : place.y * PASS_ROWS + r;
        const ulong at_out = (ulong)row * a.n_out + col;
        sum = a.has_bias != 0 ? sum + bias[col] : sum;
        out[at_out] = RESIDUAL != 0 ? sum + other[at_out] : sum;
    }
}
