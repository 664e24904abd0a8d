/* SPDX-License-Identifier: Apache-2.0 */
#include <metal_stdlib>

#include "metal/args.h"
#include "metal/kernels/dequant.h"

using namespace metal;

constant uint WEIGHT_TYPE  [[function_constant(TN_FC_TYPE)]];
constant uint WEIGHT_BITS  [[function_constant(TN_FC_BITS)]];
constant uint WEIGHT_GROUP [[function_constant(TN_FC_GROUP)]];
constant uint SCALE_TYPE   [[function_constant(TN_FC_SCALE_TYPE)]];

/* out[t] = factor * weight[id of token t]. TN_OP_EMBED.
 *
 * data, scales, biases: [vocabulary, cols] of WEIGHT_TYPE (tn_tensor). tokens: [rows]. out: [rows, cols] F32.
 * Grid: (ceil(cols / (8 * TN_ELEMENT_THREADS)), rows) threadgroups of TN_ELEMENT_THREADS; a thread has 8 elements. */
kernel void embed(device const uchar          *data   [[buffer(0)]],
                  device const uchar          *scales [[buffer(1)]],
                  device const uchar          *biases [[buffer(2)]],
                  device const tn_metal_token *tokens [[buffer(3)]],
                  device float                *out    [[buffer(4)]],
                  constant tn_embed_args      &a      [[buffer(5)]],
                  uint3 at  [[threadgroup_position_in_grid]],
                  uint  tid [[thread_index_in_threadgroup]])
{
    const uint i = at.x * TN_ELEMENT_THREADS + tid;
    if (8 * i >= a.cols)
        return;
    const weight_row row = row_of(WEIGHT_TYPE, WEIGHT_GROUP, SCALE_TYPE, data, scales, biases, a.row_bytes, a.cols,
                                  tokens[at.y].id);
    device float *to = out + (ulong)at.y * a.cols + 8 * i;
    if (is_plain(WEIGHT_TYPE)) {
        for (uint k = 0; k < 8 && 8 * i + k < a.cols; k++)
            to[k] = a.factor * load_plain(WEIGHT_TYPE, row.data, 8 * i + k);
        return;
    }
    const eight v = dequant8(WEIGHT_TYPE, WEIGHT_BITS, WEIGHT_GROUP, SCALE_TYPE, row, i);
    *(device float4 *)to = v.a * a.factor;
    *(device float4 *)(to + 4) = v.b * a.factor;
}
