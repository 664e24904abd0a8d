/* SPDX-License-Identifier: Apache-2.0 */
#include <metal_stdlib>

#include "metal/args.h"

using namespace metal;

/* out = x weight^T (+ bias), one simdgroup per element of out.
 *
 * x: [rows, n_in]. weight: [n_out, n_in]. bias: [n_out], read where has_bias. out: [rows, n_out], not x.
 * Grid: (ceil(n_out / TN_LINEAR_ROWS), rows) threadgroups of TN_LINEAR_ROWS simdgroups. TN_OP_LINEAR.
 * A lane adds every 32nd product in ascending order, simd_sum adds the lanes: the order follows from n_in alone. */
kernel void linear(device const float      *x      [[buffer(0)]],
                   device const float      *weight [[buffer(1)]],
                   device const float      *bias   [[buffer(2)]],
                   device float            *out    [[buffer(3)]],
                   constant tn_linear_args &a      [[buffer(4)]],
                   uint3 at   [[threadgroup_position_in_grid]],
                   uint  lane [[thread_index_in_simdgroup]],
                   uint  simd [[simdgroup_index_in_threadgroup]])
{
    const uint col = at.x * TN_LINEAR_ROWS + simd;
    if (col >= a.n_out)
        return;
    device const float *x_row = x + (ulong)at.y * a.n_in;
    device const float *w_row = weight + (ulong)col * a.n_in;

    float sum = 0.0f;
    for (uint i = lane; i < a.n_in; i += TN_SIMD_WIDTH)
        sum += x_row[i] * w_row[i];
    sum = simd_sum(sum);
    if (lane == 0)
        out[(ulong)at.y * a.n_out + col] = a.has_bias ? sum + bias[col] : sum;
}
