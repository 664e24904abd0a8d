/* SPDX-License-Identifier: Apache-2.0 */
/* Kernels that move whole rows: to the KV cache, to the rows whose logits are wanted. */
#include <metal_stdlib>

#include "metal/args.h"

using namespace metal;

/* out[r] = x[rows[r]].
 *
 * x: [tokens, cols]. rows: [grid's rows]. out: [grid's rows, cols], not x.
 * Grid: (ceil(cols / TN_ELEMENT_THREADS), rows) threadgroups of TN_ELEMENT_THREADS. TN_OP_OUTPUT_ROWS. */
kernel void output_rows(device const float       *x    [[buffer(0)]],
                        device const uint        *rows [[buffer(1)]],
                        device float             *out  [[buffer(2)]],
                        constant tn_element_args &a    [[buffer(3)]],
                        uint3 at  [[threadgroup_position_in_grid]],
                        uint  tid [[thread_index_in_threadgroup]])
{
    const uint col = at.x * TN_ELEMENT_THREADS + tid;
    if (col < a.cols)
        out[(ulong)at.y * a.cols + col] = x[(ulong)rows[at.y] * a.cols + col];
}

/* Puts k and v of every token of the step where attention will read them (tn_kv_store_args).
 *
 * k, v: [rows, cols]. tokens: [rows]. page_table: [sequences, pages_per_seq]. k_pool, v_pool: [pages, page_tokens, cols].
 * Grid: (ceil(cols / TN_ELEMENT_THREADS), rows) threadgroups of TN_ELEMENT_THREADS. First half of TN_OP_ATTENTION. */
kernel void kv_store(device const float          *k          [[buffer(0)]],
                     device const float          *v          [[buffer(1)]],
                     device const tn_metal_token *tokens     [[buffer(2)]],
                     device const uint           *page_table [[buffer(3)]],
                     device float                *k_pool     [[buffer(4)]],
                     device float                *v_pool     [[buffer(5)]],
                     constant tn_kv_store_args   &a          [[buffer(6)]],
                     uint3 at  [[threadgroup_position_in_grid]],
                     uint  tid [[thread_index_in_threadgroup]])
{
    const uint col = at.x * TN_ELEMENT_THREADS + tid;
    if (col >= a.cols)
        return;
    const uint pos = tokens[at.y].pos;
    const uint page = page_table[(ulong)tokens[at.y].seq * a.pages_per_seq + pos / a.page_tokens];
    const ulong to = ((ulong)page * a.page_tokens + pos % a.page_tokens) * a.cols + col;
    k_pool[to] = k[(ulong)at.y * a.cols + col];
    v_pool[to] = v[(ulong)at.y * a.cols + col];
}
