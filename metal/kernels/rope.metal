/* SPDX-License-Identifier: Apache-2.0 */
#include <metal_stdlib>

#include "metal/args.h"

using namespace metal;

/* Rotates pair i of each head by the angle pos * inv_freq[i] (Su et al. 2021, eq. 15):
 *     out_a = x_a cos - x_b sin,  out_b = x_b cos + x_a sin
 * and copies the dimensions from n_dims on.
 *
 * x, out: [rows, n_head * head_dim], may be the same buffer. tokens: [rows]. inv_freq: [2, n_dims / 2], by rope variant.
 * Grid: (ceil(n_head * ceil(head_dim / 2) / TN_ELEMENT_THREADS), rows) threadgroups of TN_ELEMENT_THREADS, a thread per
 * pair: both elements of a pair are read before either is written. TN_OP_ROPE. */
kernel void rope(device const float          *x        [[buffer(0)]],
                 device const tn_metal_token *tokens   [[buffer(1)]],
                 device const float          *inv_freq [[buffer(2)]],
                 device float                *out      [[buffer(3)]],
                 constant tn_rope_args       &a        [[buffer(4)]],
                 uint3 at  [[threadgroup_position_in_grid]],
                 uint  tid [[thread_index_in_threadgroup]])
{
    const uint pairs = (a.head_dim + 1) / 2;
    const uint index = at.x * TN_ELEMENT_THREADS + tid;
    const uint head = index / pairs, pair = index % pairs;
    if (head >= a.n_head)
        return;
    const ulong first = ((ulong)at.y * a.n_head + head) * a.head_dim;

    if (pair >= a.n_dims / 2) {
        out[first + 2 * pair] = x[first + 2 * pair];
        if (2 * pair + 1 < a.head_dim)
            out[first + 2 * pair + 1] = x[first + 2 * pair + 1];
        return;
    }
    const uint variant = tokens[at.y].rope_variant;
    const float angle = float(tokens[at.y].pos) * inv_freq[variant * (a.n_dims / 2) + pair];
    const float c = precise::cos(angle) * a.mscale[variant], s = precise::sin(angle) * a.mscale[variant];
    const ulong ia = first + (a.interleaved ? 2 * pair : pair);
    const ulong ib = first + (a.interleaved ? 2 * pair + 1 : pair + a.n_dims / 2);
    const float xa = x[ia], xb = x[ib];
    out[ia] = xa * c - xb * s;
    out[ib] = xb * c + xa * s;
}
