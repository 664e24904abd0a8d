/* SPDX-License-Identifier: Apache-2.0 */
/* rms_norm: out = x / sqrt(mean(x^2) + eps) * weight, per run of `group` columns (Zhang & Sennrich 2019, eq. 4).
 * TN_OP_RMS_NORM.
 *
 * x, out: [rows, cols], may be the same buffer. weight: [group].
 * A thread adds squares in ascending order, by four where a group's columns can be loaded so, in steps of what its
 * simdgroup or threadgroup takes at a time; simd_sum adds the threads of a simdgroup, then simdgroups are added in
 * ascending order: nothing of it depends on the number of rows. */
#include <metal_stdlib>

#include "metal/args.h"

using namespace metal;

/* Squares of thread `index` of n. */
static inline float squares(device const float *x, uint group, bool by_four, uint index, uint n)
{
    float sum = 0.0f;
    if (by_four) {
        device const float4 *x4 = (device const float4 *)x;
        float4 sum4 = float4(0.0f);
        for (uint i = index; i < group / 4; i += n)
            sum4 = fma(x4[i], x4[i], sum4);
        sum = (sum4.x + sum4.y) + (sum4.z + sum4.w);
    } else {
        for (uint i = index; i < group; i += n)
            sum = fma(x[i], x[i], sum);
    }
    return sum;
}

/* A threadgroup per group. Grid: (cols / group, rows) threadgroups of TN_NORM_THREADS. */
kernel void rms_norm(device const float        *x      [[buffer(0)]],
                     device const float        *weight [[buffer(1)]],
                     device float              *out    [[buffer(2)]],
                     constant tn_rms_norm_args &a      [[buffer(3)]],
                     uint3 at   [[threadgroup_position_in_grid]],
                     uint  tid  [[thread_index_in_threadgroup]],
                     uint  lane [[thread_index_in_simdgroup]],
                     uint  simd [[simdgroup_index_in_threadgroup]])
{
    threadgroup float partial[TN_NORM_THREADS / TN_SIMD_WIDTH];
    const ulong first = ulong(at.y) * a.cols + at.x * a.group;
    const bool by_four = a.cols % 4 == 0 && a.group % 4 == 0;

    const float sum = simd_sum(squares(x + first, a.group, by_four, tid, TN_NORM_THREADS));
    if (lane == 0)
        partial[simd] = sum;
    threadgroup_barrier(mem_flags::mem_threadgroup);

    float total = 0.0f;
    for (uint s = 0; s < TN_NORM_THREADS / TN_SIMD_WIDTH; s++)
        total += partial[s];
    const float factor = precise::rsqrt(total / float(a.group) + a.eps);
    for (uint i = tid; i < a.group; i += TN_NORM_THREADS)
        out[first + i] = x[first + i] * factor * weight[i];
}

/* A simdgroup per group, for groups as narrow as a head.
 * Grid: (cols / group, TN_NORM_SIMD_THREADS / TN_SIMD_WIDTH a threadgroup, rows). */
kernel void rms_norm_simd(device const float        *x      [[buffer(0)]],
                          device const float        *weight [[buffer(1)]],
                          device float              *out    [[buffer(2)]],
                          constant tn_rms_norm_args &a      [[buffer(3)]],
                          uint3 at   [[threadgroup_position_in_grid]],
                          uint  lane [[thread_index_in_simdgroup]],
                          uint  simd [[simdgroup_index_in_threadgroup]])
{
    const uint group = at.x * (TN_NORM_SIMD_THREADS / TN_SIMD_WIDTH) + simd;
    if (group >= a.cols / a.group)
        return;
    const ulong first = ulong(at.y) * a.cols + group * a.group;
    const bool by_four = a.cols % 4 == 0 && a.group % 4 == 0;
    const float total = simd_sum(squares(x + first, a.group, by_four, lane, TN_SIMD_WIDTH));
    const float factor = precise::rsqrt(total / float(a.group) + a.eps);
    for (uint i = lane; i < a.group; i += TN_SIMD_WIDTH)
        out[first + i] = x[first + i] * factor * weight[i];
}

/* out = (x - mean) / sqrt(variance + eps) * weight (+ bias) over each row (Ba et al. 2016, eq. 3), the variance summed
 * up from differences to the mean. TN_OP_LAYER_NORM.
 *
 * x, out: [rows, cols], may be the same buffer. weight, bias: [cols], bias read where has_bias. Order of sums: as
 * above, one by one. Grid: (1, rows) threadgroups of TN_NORM_THREADS. */
kernel void layer_norm(device const float          *x      [[buffer(0)]],
                       device const float          *weight [[buffer(1)]],
                       device const float          *bias   [[buffer(2)]],
                       device float                *out    [[buffer(3)]],
                       constant tn_layer_norm_args &a      [[buffer(4)]],
                       uint3 at   [[threadgroup_position_in_grid]],
                       uint  tid  [[thread_index_in_threadgroup]],
                       uint  lane [[thread_index_in_simdgroup]],
                       uint  simd [[simdgroup_index_in_threadgroup]])
{
    threadgroup float sums[TN_NORM_THREADS / TN_SIMD_WIDTH];
    threadgroup float spreads[TN_NORM_THREADS / TN_SIMD_WIDTH];
    const ulong row = ulong(at.y) * a.cols;

    float sum = 0.0f;
    for (uint i = tid; i < a.cols; i += TN_NORM_THREADS)
        sum += x[row + i];
    sum = simd_sum(sum);
    if (lane == 0)
        sums[simd] = sum;
    threadgroup_barrier(mem_flags::mem_threadgroup);
    float mean = 0.0f;
    for (uint s = 0; s < TN_NORM_THREADS / TN_SIMD_WIDTH; s++)
        mean += sums[s];
    mean /= float(a.cols);

    float spread = 0.0f;
    for (uint i = tid; i < a.cols; i += TN_NORM_THREADS) {
        const float off = x[row + i] - mean;
        spread = fma(off, off, spread);
    }
    spread = simd_sum(spread);
    if (lane == 0)
        spreads[simd] = spread;
    threadgroup_barrier(mem_flags::mem_threadgroup);
    float total = 0.0f;
    for (uint s = 0; s < TN_NORM_THREADS / TN_SIMD_WIDTH; s++)
        total += spreads[s];
    const float factor = precise::rsqrt(total / float(a.cols) + a.eps);
    for (uint i = tid; i < a.cols; i += TN_NORM_THREADS) {
        const float y = (x[row + i] - mean) * factor * weight[i];
        out[row + i] = a.has_bias != 0 ? y + bias[i] : y;
    }
}
