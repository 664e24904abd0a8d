/* SPDX-License-Identifier: Apache-2.0 */
#include <metal_stdlib>

#include "metal/args.h"

using namespace metal;

/* Rotates pair i of each head by the angle pos * inv_freq[i] (Su et al. 2021, eq. 15), or, with axes, by coordinate
 * axis[i] of the row instead of its position:
 *     out_a = x_a cos - x_b sin,  out_b = x_b cos + x_a sin
 * and copies the dimensions from n_dims on.
 *
 * x, out: [T, n_head * head_dim], may be the same buffer. tokens: [T]. inv_freq: [2, n_dims / 2], by rope variant.
 * axis: [n_dims / 2], 0 to 2, and coords: [T], read where has_axes.
 * Grid: (ceil(pairs * ceil(n_head / TN_ROPE_HEADS) / TN_ELEMENT_THREADS), T) threadgroups of TN_ELEMENT_THREADS, where
 * pairs = ceil(head_dim / 2): a thread takes the same pair of TN_ROPE_HEADS heads, and reads both elements before it
 * writes one. TN_OP_ROPE. precise: angles are as large as positions. */
kernel void rope(device const float          *x        [[buffer(0)]],
                 device const tn_metal_token *tokens   [[buffer(1)]],
                 device const float          *inv_freq [[buffer(2)]],
                 device float                *out      [[buffer(3)]],
                 constant tn_rope_args       &a        [[buffer(4)]],
                 device const uint           *axis     [[buffer(5)]],
                 device const tn_metal_coord *coords   [[buffer(6)]],
                 uint3 at  [[threadgroup_position_in_grid]],
                 uint  tid [[thread_index_in_threadgroup]])
{
    const uint pairs = (a.head_dim + 1) / 2;
    const uint index = at.x * TN_ELEMENT_THREADS + tid;
    const uint pair = index % pairs, first_head = index / pairs * TN_ROPE_HEADS;
    const uint end = min(first_head + TN_ROPE_HEADS, a.n_head);
    device const float *from = x + ulong(at.y) * a.n_head * a.head_dim;
    device float *to = out + ulong(at.y) * a.n_head * a.head_dim;

    if (pair >= a.n_dims / 2) {
        for (uint head = first_head; head < end; head++)
            for (uint d = 2 * pair; d < min(2 * pair + 2, a.head_dim); d++)
                to[head * a.head_dim + d] = from[head * a.head_dim + d];
        return;
    }
    const uint variant = tokens[at.y].rope_variant;
    const uint pos = a.has_axes != 0 ? coords[at.y].at[axis[pair]] : tokens[at.y].pos;
    const float angle = float(pos) * inv_freq[variant * (a.n_dims / 2) + pair];
    const float c = precise::cos(angle) * a.mscale[variant], s = precise::sin(angle) * a.mscale[variant];
    const uint first = a.interleaved != 0 ? 2 * pair : pair;
    const uint second = a.interleaved != 0 ? 2 * pair + 1 : pair + a.n_dims / 2;
    for (uint head = first_head; head < end; head++) {
        const float xa = from[head * a.head_dim + first], xb = from[head * a.head_dim + second];
        to[head * a.head_dim + first] = xa * c - xb * s;
        to[head * a.head_dim + second] = xb * c + xa * s;
    }
}
