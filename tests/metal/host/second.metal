/* SPDX-License-Identifier: Apache-2.0 */
#include <metal_stdlib>

#include "metal/args.h"

using namespace metal;

constant uint FACTOR [[function_constant(TN_FC_GROUP)]];

static inline float helper(float4 x)
{
    return x.x + x.y + x.z + x.w;
}

/* y = FACTOR * the sum of four x. x: [cols, 4], y: [cols]. Grid: one threadgroup. */
kernel void sum4(device const float4      *x [[buffer(0)]],
                 device float             *y [[buffer(1)]],
                 constant tn_element_args &a [[buffer(2)]],
                 uint tid [[thread_index_in_threadgroup]])
{
    if (tid < a.cols)
        y[tid] = helper(x[tid]) * float(FACTOR);
}
