/* SPDX-License-Identifier: Apache-2.0 */
#include <metal_stdlib>

#include "metal/args.h"

using namespace metal;

/* Below every score, and still a number: fast arithmetic need not know infinity. */
#define NO_SCORE (-1.0e30f)

/* out = softmax(score) v over the positions that a token sees, for one token and one query head (Vaswani et al. 2017,
 * eq. 1; grouped heads: Ainslie et al. 2023). score = softcap(scale * q.k); a token at pos sees positions
 * max(0, pos - window + 1) .. pos of its own sequence.
 *
 * q, out: [rows, n_head * head_dim], not the same. tokens: [rows]. page_table: [sequences, pages_per_seq].
 * k_pool, v_pool: [pages, page_tokens, n_head_kv, head_dim], this step's tokens included.
 * Grid: (n_head, rows) threadgroups of TN_ATTENTION_THREADS. Second half of TN_OP_ATTENTION.
 *
 * The softmax is kept up to date over pieces of TN_ATTENTION_THREADS positions (Milakov & Gimelshein 2018, alg. 3). Pieces
 * begin at multiples of their length from position 0 of the sequence, those before the window are left out, and within a
 * piece sums run over ascending positions: a token's result depends on its position and what it sees, on nothing else. */
kernel void attention(device const float          *q          [[buffer(0)]],
                      device const float          *k_pool     [[buffer(1)]],
                      device const float          *v_pool     [[buffer(2)]],
                      device const tn_metal_token *tokens     [[buffer(3)]],
                      device const uint           *page_table [[buffer(4)]],
                      device float                *out        [[buffer(5)]],
                      constant tn_attention_args  &a          [[buffer(6)]],
                      uint3 at   [[threadgroup_position_in_grid]],
                      uint  tid  [[thread_index_in_threadgroup]],
                      uint  lane [[thread_index_in_simdgroup]],
                      uint  simd [[simdgroup_index_in_threadgroup]])
{
    threadgroup float query[TN_ATTENTION_MAX_HEAD_DIM];
    threadgroup float weight[TN_ATTENTION_THREADS]; /* exp(score - top) of each position of the piece */
    threadgroup uint row[TN_ATTENTION_THREADS];     /* its row in the pools */
    threadgroup float partial[TN_ATTENTION_THREADS / TN_SIMD_WIDTH];

    const uint head_kv = at.x / (a.n_head / a.n_head_kv);
    const ulong kv_cols = (ulong)a.n_head_kv * a.head_dim;
    const ulong q_first = ((ulong)at.y * a.n_head + at.x) * a.head_dim;
    const uint pos = tokens[at.y].pos;
    const uint first = a.window != 0 && pos >= a.window ? pos + 1 - a.window : 0;
    device const uint *pages = page_table + (ulong)tokens[at.y].seq * a.pages_per_seq;

    for (uint d = tid; d < a.head_dim; d += TN_ATTENTION_THREADS)
        query[d] = q[q_first + d];
    threadgroup_barrier(mem_flags::mem_threadgroup);

    /* Dimensions tid, tid + TN_ATTENTION_THREADS, ... of the sum of weight * v, the sum of weights, and the largest score:
     * so far, relative to top. */
    float acc[TN_ATTENTION_MAX_HEAD_DIM / TN_ATTENTION_THREADS] = {0.0f};
    float sum = 0.0f;
    float top = NO_SCORE;
    for (uint piece = first - first % TN_ATTENTION_THREADS; piece <= pos; piece += TN_ATTENTION_THREADS) {
        /* The thread's own position: its score. */
        const uint p = piece + tid;
        float score = NO_SCORE;
        if (p >= first && p <= pos) {
            row[tid] = pages[p / a.page_tokens] * a.page_tokens + p % a.page_tokens;
            device const float *k = k_pool + row[tid] * kv_cols + head_kv * a.head_dim;
            float dot = 0.0f;
            for (uint d = 0; d < a.head_dim; d++)
                dot += query[d] * k[d];
            score = a.scale * dot;
            if (a.softcap > 0.0f)
                score = a.softcap * precise::tanh(score / a.softcap);
        }
        const float highest = simd_max(score);
        if (lane == 0)
            partial[simd] = highest;
        threadgroup_barrier(mem_flags::mem_threadgroup);

        float new_top = top;
        for (uint s = 0; s < TN_ATTENTION_THREADS / TN_SIMD_WIDTH; s++)
            new_top = max(new_top, partial[s]);
        weight[tid] = precise::exp(score - new_top);
        threadgroup_barrier(mem_flags::mem_threadgroup);

        /* The thread's own dimensions: what the piece adds. */
        const float shrink = precise::exp(top - new_top);
        const uint begin = max(first, piece) - piece, end = min(pos, piece + TN_ATTENTION_THREADS - 1) - piece + 1;
        float piece_sum = 0.0f;
        for (uint j = begin; j < end; j++)
            piece_sum += weight[j];
        sum = sum * shrink + piece_sum;
        for (uint i = 0, d = tid; d < a.head_dim; i++, d += TN_ATTENTION_THREADS) {
            device const float *v = v_pool + head_kv * a.head_dim + d;
            float piece_acc = 0.0f;
            for (uint j = begin; j < end; j++)
                piece_acc += weight[j] * v[row[j] * kv_cols];
            acc[i] = acc[i] * shrink + piece_acc;
        }
        top = new_top;
        threadgroup_barrier(mem_flags::mem_threadgroup); /* before the next piece overwrites weight, row and partial */
    }
    for (uint i = 0, d = tid; d < a.head_dim; i++, d += TN_ATTENTION_THREADS)
        out[q_first + d] = acc[i] / sum;
}
