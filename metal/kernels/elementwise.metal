/* SPDX-License-Identifier: Apache-2.0 */
/* Kernels without sums. All matrices are [rows, cols]; out may be any of the inputs.
 * Grid of each: (ceil(cols / (TN_ELEMENT_THREADS * TN_ELEMENT_VEC)), rows) threadgroups of TN_ELEMENT_THREADS; a thread
 * takes TN_ELEMENT_VEC neighbouring columns, at once where rows begin at multiples of them. */
#include <metal_stdlib>

#include "metal/args.h"

using namespace metal;

constant uint ACTIVATION [[function_constant(TN_FC_ACTIVATION)]]; /* enum tn_activation */

#define SILU 1
#define GELU_TANH 2
#define GELU_ERF 3
#define GELU_QUICK 5

/* 1 / (1 + e^-x) without a large power. */
static inline float sigmoid(float x)
{
    const float e = precise::exp(-abs(x));
    return (x < 0.0f ? e : 1.0f) / (1.0f + e);
}

/* x Phi(x) = max(x, 0) - |x| / 2 erfc(|x| / sqrt(2)) (Hendrycks & Gimpel 2016, section 2), with
 * erfc(z) = (a1 t + ... + a5 t^5) e^-z^2, t = 1 / (1 + p z), off by at most 1.5e-7 (Abramowitz & Stegun 1964,
 * 7.1.26). */
static inline float gelu_erf(float x)
{
    const float z = abs(x) * 0.70710678f, t = 1.0f / fma(0.3275911f, z, 1.0f);
    float p = 1.061405429f;
    p = fma(p, t, -1.453152027f);
    p = fma(p, t, 1.421413741f);
    p = fma(p, t, -0.284496736f);
    p = fma(p, t, 0.254829592f);
    return max(x, 0.0f) - 0.5f * abs(x) * (p * t * precise::exp(-z * z));
}

/* gelu_quick: x sigmoid(1.702 x) (there).
 * gelu_tanh: x/2 (1 + tanh(u)) = x sigmoid(2 u), u = sqrt(2/pi) (x + 0.044715 x^3) (Hendrycks & Gimpel 2016, section
 * 2). */
static inline float activate(float x)
{
    if (ACTIVATION == SILU)
        return x * sigmoid(x);
    if (ACTIVATION == GELU_TANH)
        return x * sigmoid(1.59576912f * (x + 0.044715f * x * x * x));
    if (ACTIVATION == GELU_ERF)
        return gelu_erf(x);
    if (ACTIVATION == GELU_QUICK)
        return x * sigmoid(1.702f * x);
    return sigmoid(x);
}

/* The thread's columns first .. end of its row. */
static inline uint first_col(uint group, uint tid)
{
    return (group * TN_ELEMENT_THREADS + tid) * TN_ELEMENT_VEC;
}

/* out = act(gate) * up (Shazeer 2020). TN_OP_GLU. */
kernel void glu(device const float       *gate [[buffer(0)]],
                device const float       *up   [[buffer(1)]],
                device float             *out  [[buffer(2)]],
                constant tn_element_args &a    [[buffer(3)]],
                uint3 at  [[threadgroup_position_in_grid]],
                uint  tid [[thread_index_in_threadgroup]])
{
    const uint first = first_col(at.x, tid), end = min(first + TN_ELEMENT_VEC, a.cols);
    const ulong row = ulong(at.y) * a.cols;
    if (first >= a.cols)
        return;
    if (a.cols % TN_ELEMENT_VEC == 0) {
        const float4 x = *(device const float4 *)(gate + row + first);
        const float4 act = float4(activate(x.x), activate(x.y), activate(x.z), activate(x.w));
        *(device float4 *)(out + row + first) = act * *(device const float4 *)(up + row + first);
        return;
    }
    for (uint col = first; col < end; col++)
        out[row + col] = activate(gate[row + col]) * up[row + col];
}

/* out = act(x). TN_OP_ACTIVATE. */
kernel void activation(device const float       *x   [[buffer(0)]],
                       device float             *out [[buffer(1)]],
                       constant tn_element_args &a   [[buffer(2)]],
                       uint3 at  [[threadgroup_position_in_grid]],
                       uint  tid [[thread_index_in_threadgroup]])
{
    const uint first = first_col(at.x, tid), end = min(first + TN_ELEMENT_VEC, a.cols);
    const ulong row = ulong(at.y) * a.cols;
    if (first >= a.cols)
        return;
    if (a.cols % TN_ELEMENT_VEC == 0) {
        const float4 v = *(device const float4 *)(x + row + first);
        *(device float4 *)(out + row + first) = float4(activate(v.x), activate(v.y), activate(v.z), activate(v.w));
        return;
    }
    for (uint col = first; col < end; col++)
        out[row + col] = activate(x[row + col]);
}

/* out = x + y. TN_OP_ADD. */
kernel void add(device const float       *x   [[buffer(0)]],
                device const float       *y   [[buffer(1)]],
                device float             *out [[buffer(2)]],
                constant tn_element_args &a   [[buffer(3)]],
                uint3 at  [[threadgroup_position_in_grid]],
                uint  tid [[thread_index_in_threadgroup]])
{
    const uint first = first_col(at.x, tid), end = min(first + TN_ELEMENT_VEC, a.cols);
    const ulong row = ulong(at.y) * a.cols;
    if (first >= a.cols)
        return;
    if (a.cols % TN_ELEMENT_VEC == 0) {
        *(device float4 *)(out + row + first) =
            *(device const float4 *)(x + row + first) + *(device const float4 *)(y + row + first);
        return;
    }
    for (uint col = first; col < end; col++)
        out[row + col] = x[row + col] + y[row + col];
}

/* out = f * x. TN_OP_SCALE, and with f = 1 whatever copies a value: TN_OP_TAP, TN_OP_INPUT, TN_OP_FOLD. */
kernel void scale(device const float       *x   [[buffer(0)]],
                  device float             *out [[buffer(1)]],
                  constant tn_element_args &a   [[buffer(2)]],
                  uint3 at  [[threadgroup_position_in_grid]],
                  uint  tid [[thread_index_in_threadgroup]])
{
    const uint first = first_col(at.x, tid), end = min(first + TN_ELEMENT_VEC, a.cols);
    const ulong row = ulong(at.y) * a.cols;
    if (first >= a.cols)
        return;
    if (a.cols % TN_ELEMENT_VEC == 0) {
        *(device float4 *)(out + row + first) = *(device const float4 *)(x + row + first) * a.f;
        return;
    }
    for (uint col = first; col < end; col++)
        out[row + col] = x[row + col] * a.f;
}

/* out = f * tanh(x / f). TN_OP_SOFTCAP. precise: the fast tanh of a large argument is not a number. */
kernel void softcap(device const float       *x   [[buffer(0)]],
                    device float             *out [[buffer(1)]],
                    constant tn_element_args &a   [[buffer(2)]],
                    uint3 at  [[threadgroup_position_in_grid]],
                    uint  tid [[thread_index_in_threadgroup]])
{
    const uint first = first_col(at.x, tid), end = min(first + TN_ELEMENT_VEC, a.cols);
    const ulong row = ulong(at.y) * a.cols;
    for (uint col = first; col < end; col++)
        out[row + col] = a.f * precise::tanh(x[row + col] / a.f);
}
