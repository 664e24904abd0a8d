/* SPDX-License-Identifier: Apache-2.0 */
/* Layers that keep a state instead of keys and values (tn_state_place): it is zero before the first token of a
 * sequence, whatever its page holds. */
#include <metal_stdlib>

#include "metal/args.h"

using namespace metal;

constant uint ACTIVATION [[function_constant(TN_FC_ACTIVATION)]]; /* conv: TN_ACT_SILU (1) or 0 */
constant uint HEAD_DIM [[function_constant(TN_FC_HEAD_DIM)]];     /* delta_rule: head_dim_k */

/* 1 / (1 + e^-x) without a large power. */
static inline float sigmoid(float x)
{
    const float e = precise::exp(-abs(x));
    return (x < 0.0f ? e : 1.0f) / (1.0f + e);
}

/* log(1 + e^x) = max(x, 0) + log(1 + e), e = e^-|x|: log(1 + e) = 2 atanh(z), z = e / (2 + e) <= 1/3, by its series
 * (Abramowitz & Stegun 1964, 4.1.27), of which the terms left out are below 1e-9. */
static inline float softplus(float x)
{
    const float e = precise::exp(-abs(x)), z = e / (2.0f + e), s = z * z;
    float series = fma(1.0f / 15.0f, s, 1.0f / 13.0f);
    series = fma(series, s, 1.0f / 11.0f);
    series = fma(series, s, 1.0f / 9.0f);
    series = fma(series, s, 1.0f / 7.0f);
    series = fma(series, s, 1.0f / 5.0f);
    series = fma(series, s, 1.0f / 3.0f);
    series = fma(series, s, 1.0f);
    return max(x, 0.0f) + 2.0f * z * series;
}

/* A sequence's state, as the kernels' operation has it. */
static inline ulong state_of(constant tn_state_place &state, device const uint *page_table, uint seq)
{
    return page_table[ulong(seq) * state.pages_per_seq] * ulong(state.page_bytes) + ulong(state.offset);
}

/* out[t][c] = act(bias[c] + sum over j of weight[c][j] * x[t - kernel + 1 + j][c]), j ascending (tn_conv_desc). Rows
 * before the step's are the state: the kernel - 1 before it, oldest first, [kernel - 1, cols].
 *
 * x, out: [T, cols], not the same. weight: [cols, kernel]. bias: [cols]. tokens: [T]. seqs, page_table: [sequences,
 * ...].
 * Grid: (ceil(cols / TN_RECURRENT_THREADS), T) threadgroups of TN_RECURRENT_THREADS. TN_OP_CONV, followed by
 * conv_state. */
kernel void conv(device const float          *x          [[buffer(0)]],
                 device const float          *weight     [[buffer(1)]],
                 device const float          *bias       [[buffer(2)]],
                 device const uchar          *pool       [[buffer(3)]],
                 device const tn_metal_token *tokens     [[buffer(4)]],
                 device const tn_metal_seq   *seqs       [[buffer(5)]],
                 device const uint           *page_table [[buffer(6)]],
                 device float                *out        [[buffer(7)]],
                 constant tn_conv_args       &a          [[buffer(8)]],
                 uint3 at  [[threadgroup_position_in_grid]],
                 uint  tid [[thread_index_in_threadgroup]])
{
    const uint col = at.x * TN_RECURRENT_THREADS + tid;
    if (col >= a.cols)
        return;
    const uint seq = tokens[at.y].seq, tail = a.kernel_size - 1;
    const uint n = at.y - seqs[seq].first_row; /* rows of the step before this one */
    const bool fresh = seqs[seq].first_pos == 0;
    device const float *state = (device const float *)(pool + state_of(a.state, page_table, seq));
    float sum = 0.0f;
    for (uint j = 0; j < a.kernel_size; j++) {
        float value = 0.0f;
        if (n + j >= tail)
            value = x[ulong(at.y + j - tail) * a.cols + col];
        else if (!fresh)
            value = state[ulong(n + j) * a.cols + col];
        sum = fma(weight[ulong(col) * a.kernel_size + j], value, sum);
    }
    if (a.has_bias != 0)
        sum += bias[col];
    out[ulong(at.y) * a.cols + col] = ACTIVATION != 0 ? sum * sigmoid(sum) : sum;
}

/* The state of a conv after the step: the last kernel - 1 rows of what was there and x.
 *
 * x: [T, cols]. Grid: (ceil(cols / TN_RECURRENT_THREADS), sequences) threadgroups of TN_RECURRENT_THREADS; a thread
 * moves its column upwards. */
kernel void conv_state(device const float        *x          [[buffer(0)]],
                       device uchar              *pool       [[buffer(1)]],
                       device const tn_metal_seq *seqs       [[buffer(2)]],
                       device const uint         *page_table [[buffer(3)]],
                       constant tn_conv_args     &a          [[buffer(4)]],
                       uint3 at  [[threadgroup_position_in_grid]],
                       uint  tid [[thread_index_in_threadgroup]])
{
    const uint col = at.x * TN_RECURRENT_THREADS + tid;
    if (col >= a.cols)
        return;
    const tn_metal_seq seq = seqs[at.y];
    const uint tail = a.kernel_size - 1;
    device float *state = (device float *)(pool + state_of(a.state, page_table, at.y));
    for (uint j = 0; j < tail; j++) {
        float value = 0.0f;
        if (seq.n_row + j >= tail)
            value = x[ulong(seq.first_row + seq.n_row + j - tail) * a.cols + col];
        else if (seq.first_pos != 0)
            value = state[ulong(seq.n_row + j) * a.cols + col];
        state[ulong(j) * a.cols + col] = value;
    }
}

#define SIMDS (TN_RECURRENT_THREADS / TN_SIMD_WIDTH)
#define MAX_TOKENS 8      /* whose q and k lie in threadgroup memory at a time */
#define MAX_NUMBERS 1024  /* of q, and of k */
#define MAX_FOURS 8       /* of a lane's numbers of S, by four */

/* Fours of a lane, and a head's room in threadgroup memory. */
static inline uint lane_fours()
{
    return (HEAD_DIM + 4 * tn_delta_lanes(HEAD_DIM) - 1) / (4 * tn_delta_lanes(HEAD_DIM));
}
static inline uint padded_dim()
{
    return lane_fours() * 4 * tn_delta_lanes(HEAD_DIM);
}

/* The gated delta rule (tn_delta_desc; Yang et al. 2024, "Gated Delta Networks", eq. 10), token by token, on a group of
 * columns of a head's S [HEAD_DIM, head_dim_v]. A lane has fours i, i + tn_delta_lanes(HEAD_DIM), ... of its column;
 * sums over a column run over the lane's fours in ascending order, component by component, then over components, then
 * over the lanes.
 *
 * qkv: [T, 2 * n_head_k * HEAD_DIM + n_head * head_dim_v]. a_in, b_in: [T, n_head]. rate, dt_bias: [n_head].
 * out: [T, n_head * head_dim_v]. seqs: [grid's]. HEAD_DIM: at most 1024.
 * Grid: (ceil(head_dim_v * tn_delta_lanes(HEAD_DIM) / TN_RECURRENT_THREADS), sequences, n_head) threadgroups of
 * TN_RECURRENT_THREADS. TN_OP_DELTA_RULE. */
kernel void delta_rule(device const float        *qkv        [[buffer(0)]],
                       device const float        *a_in       [[buffer(1)]],
                       device const float        *b_in       [[buffer(2)]],
                       device const float        *rate       [[buffer(3)]],
                       device const float        *dt_bias    [[buffer(4)]],
                       device uchar              *pool       [[buffer(5)]],
                       device const tn_metal_seq *seqs       [[buffer(6)]],
                       device const uint         *page_table [[buffer(7)]],
                       device float              *out        [[buffer(8)]],
                       constant tn_delta_args    &a          [[buffer(9)]],
                       uint3 at   [[threadgroup_position_in_grid]],
                       uint  tid  [[thread_index_in_threadgroup]],
                       uint  lane [[thread_index_in_simdgroup]],
                       uint  simd [[simdgroup_index_in_threadgroup]])
{
    threadgroup float qs[MAX_NUMBERS]; /* [tokens, padded_dim()]: unit(q) * scale, */
    threadgroup float ks[MAX_NUMBERS]; /* and unit(k) */
    threadgroup float decays[MAX_TOKENS];
    threadgroup float betas[MAX_TOKENS];

    const uint lanes = tn_delta_lanes(HEAD_DIM), fours = lane_fours(), padded = padded_dim();
    const uint tokens = min(MAX_NUMBERS / padded, uint(MAX_TOKENS));
    const tn_metal_seq seq = seqs[at.y];
    const uint head = at.z, head_k = a.tiled != 0 ? head % a.n_head_k : head / (a.n_head / a.n_head_k);
    const uint part = tid % lanes, col = (at.x * TN_RECURRENT_THREADS + tid) / lanes;
    const ulong cols = 2ul * a.n_head_k * HEAD_DIM + ulong(a.n_head) * a.head_dim_v;
    const bool there = col < a.head_dim_v;
    device float *state = (device float *)(pool + state_of(a.state, page_table, at.y)) +
                          ulong(head) * HEAD_DIM * a.head_dim_v;

    float4 s[MAX_FOURS];
#pragma unroll
    for (uint i = 0; i < fours; i++)
        for (uint c = 0; c < 4; c++) {
            const uint r = 4 * (i * lanes + part) + c;
            s[i][c] = there && r < HEAD_DIM && seq.first_pos != 0 ? state[ulong(r) * a.head_dim_v + col] : 0.0f;
        }

    for (uint done = 0; done < seq.n_row; done += tokens) {
        const uint n = min(tokens, seq.n_row - done);
        for (uint t = simd; t < n; t += SIMDS) {
            const ulong row = seq.first_row + done + t;
            device const float *q = qkv + row * cols + ulong(head_k) * HEAD_DIM;
            device const float *k = q + ulong(a.n_head_k) * HEAD_DIM;
            float qq = 0.0f, kk = 0.0f;
            for (uint i = lane; i < HEAD_DIM; i += TN_SIMD_WIDTH) {
                qq = fma(q[i], q[i], qq);
                kk = fma(k[i], k[i], kk);
            }
            const float unit_q = precise::rsqrt(simd_sum(qq) + a.eps) * a.scale;
            const float unit_k = precise::rsqrt(simd_sum(kk) + a.eps);
            for (uint i = lane; i < padded; i += TN_SIMD_WIDTH) {
                qs[t * padded + i] = i < HEAD_DIM ? q[i] * unit_q : 0.0f;
                ks[t * padded + i] = i < HEAD_DIM ? k[i] * unit_k : 0.0f;
            }
            if (lane == 0) {
                const float step = softplus(a_in[row * a.n_head + head] + dt_bias[head]);
                decays[t] = precise::exp(rate[head] * step);
                betas[t] = sigmoid(b_in[row * a.n_head + head]);
            }
        }
        threadgroup_barrier(mem_flags::mem_threadgroup);

        for (uint t = 0; t < n; t++) {
            const ulong row = seq.first_row + done + t;
            threadgroup const float4 *q = (threadgroup const float4 *)(qs + t * padded);
            threadgroup const float4 *k = (threadgroup const float4 *)(ks + t * padded);
            const float decay = decays[t];
            const ulong v_at = row * cols + 2ul * a.n_head_k * HEAD_DIM + ulong(head) * a.head_dim_v + col;
            const float v = there ? qkv[v_at] : 0.0f;
            float4 found4 = float4(0.0f);
#pragma unroll
            for (uint i = 0; i < fours; i++) {
                s[i] = s[i] * decay;
                found4 = fma(s[i], k[i * lanes + part], found4);
            }
            float found = (found4.x + found4.y) + (found4.z + found4.w);
            for (uint m = 1; m < lanes; m *= 2)
                found += simd_shuffle_xor(found, ushort(m));
            const float4 correction = float4(betas[t] * (v - found));
            float4 out4 = float4(0.0f);
#pragma unroll
            for (uint i = 0; i < fours; i++) {
                s[i] = fma(k[i * lanes + part], correction, s[i]);
                out4 = fma(s[i], q[i * lanes + part], out4);
            }
            float y = (out4.x + out4.y) + (out4.z + out4.w);
            for (uint m = 1; m < lanes; m *= 2)
                y += simd_shuffle_xor(y, ushort(m));
            if (there && part == 0)
                out[(row * a.n_head + head) * a.head_dim_v + col] = y;
        }
        threadgroup_barrier(mem_flags::mem_threadgroup); /* before the next tokens overwrite q and k */
    }
#pragma unroll
    for (uint i = 0; i < fours; i++)
        for (uint c = 0; c < 4; c++) {
            const uint r = 4 * (i * lanes + part) + c;
            if (there && r < HEAD_DIM)
                state[ulong(r) * a.head_dim_v + col] = s[i][c];
        }
}
