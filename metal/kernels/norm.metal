/* SPDX-License-Identifier: Apache-2.0 */
#include <metal_stdlib>

#include "metal/args.h"

using namespace metal;

/* out = x / sqrt(mean(x^2) + eps) * weight, per run of `group` columns (Zhang & Sennrich 2019, eq. 4).
 *
 * x, out: [rows, cols], may be the same buffer. weight: [group].
 * Grid: (cols / group, rows) threadgroups of TN_NORM_THREADS. TN_OP_RMS_NORM.
 * A thread adds every TN_NORM_THREADS-th square in ascending order, simd_sum adds the threads of a simdgroup, then the
 * simdgroups are added in ascending order: nothing of it depends on the number of rows. */
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
    const ulong first = (ulong)at.y * a.cols + at.x * a.group;

    float sum = 0.0f;
    for (uint i = tid; i < a.group; i += TN_NORM_THREADS)
        sum += x[first + i] * x[first + i];
    sum = simd_sum(sum);
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
