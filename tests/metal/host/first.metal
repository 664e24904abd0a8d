/* SPDX-License-Identifier: Apache-2.0 */
/* Kernels of the tests of metal/host.m. They share names with second.metal, as kernels of different files do. */
#include <metal_stdlib>

#include "metal/args.h"

using namespace metal;

constant uint FACTOR [[function_constant(TN_FC_ROWS)]];
constant uint SHIFT [[function_constant(TN_FC_BITS)]];

/* Characters that a C string must not spoil: \ " ??/ \n %d */
#define TWICE(x) \
    ((x) + (x))

static inline float helper(float x)
{
    return x;
}

/* y = x * FACTOR + SHIFT + f. x, y: [cols]. Grid: one threadgroup. */
kernel void affine(device const float       *x [[buffer(0)]],
                   device float             *y [[buffer(1)]],
                   constant tn_element_args &a [[buffer(2)]],
                   uint tid [[thread_index_in_threadgroup]])
{
    if (tid < a.cols)
        y[tid] = helper(x[tid]) * float(FACTOR) + float(SHIFT) + a.f;
}

/* y = 2 * y + f. y: [cols]. Grid: one threadgroup. */
kernel void twice(device float             *y [[buffer(0)]],
                  constant tn_element_args &a [[buffer(1)]],
                  uint tid [[thread_index_in_threadgroup]])
{
    if (tid < a.cols)
        y[tid] = TWICE(y[tid]) + a.f;
}

/* y = f. y: [cols]. Grid: one threadgroup. */
kernel void fill(device float             *y [[buffer(0)]],
                 constant tn_element_args &a [[buffer(1)]],
                 uint tid [[thread_index_in_threadgroup]])
{
    if (tid < a.cols)
        y[tid] = a.f;
}
