/* SPDX-License-Identifier: Apache-2.0 */
#include <metal_stdlib>

#include "metal/args.h"
#include "metal/kernels/kv.h"

using namespace metal;

/* The scale of a Q8_0 block whose largest magnitude has the bits `top`, as tn_kv_type_scale: the least half that takes
 * it to 127.5, at most 65504; NaN where something is not finite. */
static inline ushort scale_of(uint top)
{
    if (top >= 0x7f800000u)
        return ushort(0x7e00);
    const float most = as_type<float>(top);
    const ushort bits = as_type<ushort>(half(most / 127.0f));
    if (bits >= 0x7c00)
        return ushort(0x7bff);
    return bits < 0x7bff && float(as_type<half>(bits)) * 127.5f < most ? ushort(bits + 1) : bits;
}

/* The nearest BF16, ties to even, as bits. */
static inline ushort bf16_of(float x)
{
    const uint bits = as_type<uint>(x);
    if ((bits & 0x7fffffffu) > 0x7f800000u)
        return ushort(bits >> 16 | 0x40u);
    return ushort((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16);
}

/* A block of n dimensions, turned and rounded: lane i's code. top: what scale_of wants. */
static inline int code_of(float x, uint top)
{
    if (top == 0 || top >= 0x7f800000u)
        return 0;
    const float inverse = 1.0f / float(as_type<half>(scale_of(top)));
    return int(rint(clamp(x * inverse, -127.0f, 127.0f)));
}

/* Puts k and v of every token of the step where attention reads them (metal/args.h), rounded as tn_kv_type_round.
 *
 * k, v: [T, n_head_kv * HEAD_DIM]. tokens: [T]. page_table: [sequences, pages_per_seq]. pool: pages.
 * Grid: (ceil(blocks / simdgroups), T) threadgroups of TN_ATTENTION_THREADS: a simdgroup takes a block of TN_KV_BLOCK
 * dimensions of a head, first those of k, then those of v; a lane takes a dimension. First part of TN_OP_ATTENTION. */
kernel void kv_store(device const float          *k          [[buffer(0)]],
                     device const float          *v          [[buffer(1)]],
                     device const tn_metal_token *tokens     [[buffer(2)]],
                     device const uint           *page_table [[buffer(3)]],
                     device uchar                *pool       [[buffer(4)]],
                     constant tn_kv_store_args   &a          [[buffer(5)]],
                     uint3 at   [[threadgroup_position_in_grid]],
                     uint  lane [[thread_index_in_simdgroup]],
                     uint  simd [[simdgroup_index_in_threadgroup]])
{
    const uint blocks = kv_padded() / TN_KV_BLOCK;
    const uint index = at.x * (TN_ATTENTION_THREADS / TN_SIMD_WIDTH) + simd;
    const uint block = index % blocks, head = index / blocks; /* of k, then of v */
    if (head >= 2 * a.n_head_kv)
        return;
    const uint first = block * TN_KV_BLOCK, n = kv_block_dims(first), d = first + lane;
    device const float *from = head < a.n_head_kv ? k : v;
    const uint from_head = head < a.n_head_kv ? head : head - a.n_head_kv;
    float x = lane < n ? from[(ulong(at.y) * a.n_head_kv + from_head) * HEAD_DIM + d] : 0.0f;

    device const uint *pages = page_table + ulong(tokens[at.y].seq) * a.kv.pages_per_seq;
    device uchar *row = pool + kv_place(a.kv, pages, tokens[at.y].pos) + kv_head(a.kv, head);
    const bool stored = d < tn_kv_cols(HEAD_DIM);
    if (KV_TYPE == TN_KV_F32) {
        if (stored)
            ((device float *)row)[d] = x;
    } else if (KV_TYPE == TN_KV_F16) {
        if (stored)
            ((device half *)row)[d] = half(x);
    } else if (KV_TYPE == TN_KV_BF16) {
        if (stored)
            ((device ushort *)row)[d] = bf16_of(x);
    } else {
        x = kv_turn(x, n, lane);
        const uint top = simd_max(as_type<uint>(x) & 0x7fffffffu);
        if (stored)
            row[d] = uchar(code_of(x, top) & 0xff);
        if (lane == 0)
            ((device ushort *)(row + tn_kv_cols(HEAD_DIM)))[block] = scale_of(top);
    }
}
