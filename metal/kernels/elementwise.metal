/* SPDX-License-Identifier: Apache-2.0 */
/* Kernels without sums: one thread per element. All matrices are [rows, cols]; out may be any of the inputs.
 * Grid of each: (ceil(cols / TN_ELEMENT_THREADS), rows) threadgroups of TN_ELEMENT_THREADS. */
#include <metal_stdlib>

#include "metal/args.h"

using namespace metal;

/* out = silu(gate) * up, silu(x) = x / (1 + exp(-x)) (Shazeer 2020). TN_OP_GLU with TN_ACT_SILU. */
kernel void glu_silu(device const float       *gate [[buffer(0)]],
                     device const float       *up   [[buffer(1)]],
                     device float             *out  [[buffer(2)]],
                     constant tn_element_args &a    [[buffer(3)]],
                     uint3 at  [[threadgroup_position_in_grid]],
                     uint  tid [[thread_index_in_threadgroup]])
{
    const uint col = at.x * TN_ELEMENT_THREADS + tid;
    const ulong i = (ulong)at.y * a.cols + col;
    if (col < a.cols)
        out[i] = gate[i] / (1.0f + precise::exp(-gate[i])) * up[i];
}

/* out = gelu(gate) * up, gelu(x) = x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))) (Hendrycks & Gimpel 2016, section 2).
 * TN_OP_GLU with TN_ACT_GELU_TANH. precise: the fast tanh of a large argument is not a number. */
kernel void glu_gelu_tanh(device const float       *gate [[buffer(0)]],
                          device const float       *up   [[buffer(1)]],
                          device float             *out  [[buffer(2)]],
                          constant tn_element_args &a    [[buffer(3)]],
                          uint3 at  [[threadgroup_position_in_grid]],
                          uint  tid [[thread_index_in_threadgroup]])
{
    const uint col = at.x * TN_ELEMENT_THREADS + tid;
    const ulong i = (ulong)at.y * a.cols + col;
    if (col >= a.cols)
        return;
    const float x = gate[i];
    const float inner = 0.79788456f * (x + 0.044715f * x * x * x);
    out[i] = 0.5f * x * (1.0f + precise::tanh(inner)) * up[i];
}

/* out = x + y. TN_OP_ADD. */
kernel void add(device const float       *x   [[buffer(0)]],
                device const float       *y   [[buffer(1)]],
                device float             *out [[buffer(2)]],
                constant tn_element_args &a   [[buffer(3)]],
                uint3 at  [[threadgroup_position_in_grid]],
                uint  tid [[thread_index_in_threadgroup]])
{
    const uint col = at.x * TN_ELEMENT_THREADS + tid;
    const ulong i = (ulong)at.y * a.cols + col;
    if (col < a.cols)
        out[i] = x[i] + y[i];
}

/* out = f * x. TN_OP_SCALE, and TN_OP_TAP with f = 1. */
kernel void scale(device const float       *x   [[buffer(0)]],
                  device float             *out [[buffer(1)]],
                  constant tn_element_args &a   [[buffer(2)]],
                  uint3 at  [[threadgroup_position_in_grid]],
                  uint  tid [[thread_index_in_threadgroup]])
{
    const uint col = at.x * TN_ELEMENT_THREADS + tid;
    const ulong i = (ulong)at.y * a.cols + col;
    if (col < a.cols)
        out[i] = a.f * x[i];
}

/* out = f * tanh(x / f). TN_OP_SOFTCAP. */
kernel void softcap(device const float       *x   [[buffer(0)]],
                    device float             *out [[buffer(1)]],
                    constant tn_element_args &a   [[buffer(2)]],
                    uint3 at  [[threadgroup_position_in_grid]],
                    uint  tid [[thread_index_in_threadgroup]])
{
    const uint col = at.x * TN_ELEMENT_THREADS + tid;
    const ulong i = (ulong)at.y * a.cols + col;
    if (col < a.cols)
        out[i] = a.f * precise::tanh(x[i] / a.f);
}
