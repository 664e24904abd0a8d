/* SPDX-License-Identifier: Apache-2.0 */
#include <metal_stdlib>

#include "metal/args.h"
#include "metal/kernels/kv.h"

using namespace metal;

constant uint HALF [[function_constant(TN_FC_HALF)]];

#define SIMD_ROWS 8         /* rows of a simdgroup */
#define MAX_MATRICES 32     /* 8x8 matrices across a head */
#define STAGE_STRIDE 36     /* floats from row to row of a simdgroup's scores: 32 and room against bank conflicts */
#define STAGE (SIMD_ROWS * STAGE_STRIDE)
#define KV_FLOATS 4352      /* of keys and values: what the largest of tile_keys() x row_stride() needs */
#define LAZY 8.0f           /* powers of two that a weight may exceed 1 by before sums are scaled down */
#define HALF_MAX 65504.0f

/* Positions whose keys and values lie in threadgroup memory at a time. */
static inline uint tile_keys()
{
    const uint cols = tn_kv_cols(HEAD_DIM);
    if (HALF != 0)
        return cols <= 128 ? 32u : 16u;
    return cols <= 64 ? 32u : cols <= 128 ? 16u : 8u;
}
/* Elements from row to row there, with room against bank conflicts. */
static inline uint row_stride()
{
    return tn_kv_cols(HEAD_DIM) + (HALF != 0 ? 8u : 4u);
}

/* Where weights of positions 8 n .. lie in a row of halves, side by side: in the room of those scores that the lanes
 * which write them have read, so that no lane overwrites what another one has yet to read. */
static inline uint weights_at(uint n)
{
    return 16 * n + (tile_keys() == 32 ? 0u : 4u);
}

/* Whether q is multiplied as the sum of two halves: scores of large q and k would be off by hundredths otherwise. Where
 * keys were rounded to bytes that is less than they are off anyway. */
static inline bool takes_two_halves()
{
    return HALF != 0 && KV_TYPE == TN_KV_F16;
}

/* Eight elements to p + i, p an array of halves or floats. */
static inline void put8(threadgroup float *p, uint i, thread const float *x)
{
    if (HALF != 0) {
        threadgroup half4 *to = (threadgroup half4 *)((threadgroup half *)p + i);
        to[0] = half4(half(x[0]), half(x[1]), half(x[2]), half(x[3]));
        to[1] = half4(half(x[4]), half(x[5]), half(x[6]), half(x[7]));
    } else {
        threadgroup float4 *to = (threadgroup float4 *)(p + i);
        to[0] = float4(x[0], x[1], x[2], x[3]);
        to[1] = float4(x[4], x[5], x[6], x[7]);
    }
}

/* q of the simdgroup's rows, dimensions d .. d + TN_KV_BLOCK, as scores want it: a row from each 2 * STAGE_STRIDE
 * halves, the lower halves TN_KV_BLOCK farther on, or STAGE_STRIDE floats. q: the head in the tile's first row. */
static inline void stage_query(device const float *q, constant tn_attention_args &a, uint n_row, uint simd, uint d,
                               uint lane, threadgroup float *stage)
{
    threadgroup half *halves = (threadgroup half *)stage;
    for (uint i = 0; i < SIMD_ROWS; i++) {
        const uint r = simd * SIMD_ROWS + i;
        float x = r < n_row && d + lane < HEAD_DIM ? q[ulong(r) * a.n_head * HEAD_DIM + d + lane] : 0.0f;
        x = kv_turn_back(x, kv_block_dims(d), lane) * kv_query_factor(a.scale, a.softcap);
        if (HALF != 0) {
            const half high = half(clamp(x, -HALF_MAX, HALF_MAX));
            halves[i * 2 * STAGE_STRIDE + lane] = high;
            halves[i * 2 * STAGE_STRIDE + TN_KV_BLOCK + lane] = half(clamp(x - float(high), -HALF_MAX, HALF_MAX));
        } else {
            stage[i * STAGE_STRIDE + lane] = x;
        }
    }
}

/* Keys and values of positions block .. block + tile_keys() to k_rows and v_rows, 0 for those outside begin .. end.
 * k, v: the head in the pool. */
static inline void load_block(device const uchar *k, device const uchar *v, constant tn_attention_args &a,
                              device const uint *pages, uint block, uint begin, uint end, uint tid,
                              threadgroup float *k_rows, threadgroup float *v_rows)
{
    const uint eights = tn_kv_cols(HEAD_DIM) / 8;
    for (uint i = tid; i < tile_keys() * eights; i += TN_ATTENTION_THREADS) {
        const uint p = block + i / eights, d = i % eights * 8;
        float key[8], value[8];
        for (uint j = 0; j < 8; j++)
            key[j] = value[j] = 0.0f;
        if (p >= begin && p < end) {
            const ulong place = kv_place(a.kv, pages, p);
            kv_load8(k + place, d, key);
            kv_load8(v + place, d, value);
        }
        put8(k_rows, i / eights * row_stride() + d, key);
        put8(v_rows, i / eights * row_stride() + d, value);
    }
}

/* What row `row` of the tile sees, as row_sees; of a row that it has not, nothing: from beyond all to 0. */
static inline uint2 tile_row_sees(constant tn_attention_args &a, tn_metal_tile tile, device const tn_metal_sees *sees,
                                  uint row)
{
    if (row >= tile.n_row)
        return uint2(0xffffffffu, 0u);
    return row_sees(a.window, tile.first_pos + row, sees, tile.first_row + row);
}

/* Attention of the prompt rows of a tile, a query head at a time (Dao et al. 2022, "FlashAttention", alg. 1, with
 * simdgroup matrices): score and what a row sees as for attention_rows.
 *
 * q, out: [T, n_head * HEAD_DIM], not the same. pool, page_table: metal/args.h, this step's keys and values included.
 * sees: [T], read unless SEES is TN_SEE_PAST.
 * Grid: (n_head, tiles) threadgroups of TN_ATTENTION_THREADS; simdgroup i takes rows 8 i .. of the tile.
 * HEAD_DIM at most TN_TILE_MAX_HEAD_DIM. HALF: weights, keys and values are rounded to halves before they are
 * multiplied, q to one or two of them.
 *
 * Keys come in blocks of tile_keys() from position 0 on. A row's weights are relative to `top`, which follows its
 * largest score only when a block exceeds it by LAZY powers of two (sums are scaled down then), so that it depends on
 * the row's scores and on nothing beside it; a position that the row does not see adds 0 to its sums, which changes no
 * bit.
 *
 * Loads and stores of matrices follow one another in order; a store begins when all lanes have come to it. Barriers
 * stand where single lanes write what a load reads, read what a store wrote, or overwrite what a load read. */
kernel void attention_tiles(device const float         *q          [[buffer(0)]],
                            device const uchar         *pool       [[buffer(1)]],
                            device const tn_metal_tile *tiles      [[buffer(2)]],
                            device const uint          *page_table [[buffer(3)]],
                            device float               *out        [[buffer(4)]],
                            constant tn_attention_args &a          [[buffer(5)]],
                            device const tn_metal_sees *sees       [[buffer(6)]],
                            uint3 at   [[threadgroup_position_in_grid]],
                            uint  tid  [[thread_index_in_threadgroup]],
                            uint  lane [[thread_index_in_simdgroup]],
                            uint  simd [[simdgroup_index_in_threadgroup]])
{
    threadgroup float kv[KV_FLOATS]; /* keys, then values */
    threadgroup float stages[TN_QUERY_TILE / SIMD_ROWS * STAGE];

    const uint cols = tn_kv_cols(HEAD_DIM), matrices = cols / 8, keys = tile_keys(), stride = row_stride();
    const tn_metal_tile tile = tiles[at.y];
    const uint head_kv = at.x / (a.n_head / a.n_head_kv);
    device const uchar *k = pool + kv_head(a.kv, head_kv), *v = pool + kv_head(a.kv, a.n_head_kv + head_kv);
    device const uint *pages = page_table + ulong(tile.seq) * a.kv.pages_per_seq;
    const float spread = kv_spread(a.softcap);

    /* The lane's row of scores and its part of the columns; what the row sees. */
    const uint row = simd * SIMD_ROWS + lane / 4, width = keys / 4, column = lane % 4 * width;
    const uint2 seen = tile_row_sees(a, tile, sees, row);
    /* What the tile's rows, one a lane, and the simdgroup's see together. */
    const uint2 of_lane = tile_row_sees(a, tile, sees, lane);
    const uint begin = simd_min(of_lane.x), end = simd_max(of_lane.y);
    const uint simd_begin = simd_min(seen.x), simd_end = simd_max(seen.y);

    threadgroup float *stage = stages + simd * STAGE;
    threadgroup half *stage_half = (threadgroup half *)stage;
    threadgroup float *v_rows = HALF != 0 ? kv + keys * stride / 2 : kv + keys * stride;

    simdgroup_half8x8 q_half[MAX_MATRICES], q_low[MAX_MATRICES];
    simdgroup_float8x8 q_float[MAX_MATRICES], acc[MAX_MATRICES];
#pragma unroll
    for (uint d = 0; d < cols; d += TN_KV_BLOCK) {
        stage_query(q + (ulong(tile.first_row) * a.n_head + at.x) * HEAD_DIM, a, tile.n_row, simd, d, lane, stage);
        simdgroup_barrier(mem_flags::mem_threadgroup);
#pragma unroll
        for (uint m = 0; m < TN_KV_BLOCK / 8; m++)
            if (d / 8 + m < matrices) {
                if (HALF != 0)
                    simdgroup_load(q_half[d / 8 + m], stage_half + 8 * m, 2 * STAGE_STRIDE);
                else
                    simdgroup_load(q_float[d / 8 + m], stage + 8 * m, STAGE_STRIDE);
                if (takes_two_halves())
                    simdgroup_load(q_low[d / 8 + m], stage_half + TN_KV_BLOCK + 8 * m, 2 * STAGE_STRIDE);
            }
        simdgroup_barrier(mem_flags::mem_threadgroup);
    }
#pragma unroll
    for (uint m = 0; m < matrices; m++)
        acc[m] = make_filled_simdgroup_matrix<float, 8, 8>(0.0f);

    float top = NO_SCORE, sum = 0.0f; /* sum: of the lane's columns */
    for (uint block = begin / keys * keys; block < end; block += keys) {
        threadgroup_barrier(mem_flags::mem_threadgroup); /* before the last block is overwritten */
        load_block(k, v, a, pages, block, begin, end, tid, kv, v_rows);
        threadgroup_barrier(mem_flags::mem_threadgroup);
        if (block >= simd_end || block + keys <= simd_begin)
            continue;

#pragma unroll
        for (uint n = 0; n < keys / 8; n++) {
            simdgroup_float8x8 s = make_filled_simdgroup_matrix<float, 8, 8>(0.0f);
#pragma unroll
            for (uint m = 0; m < matrices; m++) {
                if (HALF != 0) {
                    simdgroup_half8x8 key;
                    simdgroup_load(key, (threadgroup half *)kv + 8 * n * stride + 8 * m, stride, ulong2(0, 0), true);
                    simdgroup_multiply_accumulate(s, q_half[m], key, s);
                    if (takes_two_halves())
                        simdgroup_multiply_accumulate(s, q_low[m], key, s);
                } else {
                    simdgroup_float8x8 key;
                    simdgroup_load(key, kv + 8 * n * stride + 8 * m, stride, ulong2(0, 0), true);
                    simdgroup_multiply_accumulate(s, q_float[m], key, s);
                }
            }
            simdgroup_store(s, stage + 8 * n, STAGE_STRIDE);
        }
        simdgroup_barrier(mem_flags::mem_threadgroup);

        float score[8];
        float highest = NO_SCORE;
#pragma unroll
        for (uint i = 0; i < width; i++) {
            const uint p = block + column + i;
            float x = stage[lane / 4 * STAGE_STRIDE + column + i];
            if (a.softcap > 0.0f)
                x = precise::tanh(x);
            score[i] = p >= seen.x && p < seen.y ? x : NO_SCORE;
            highest = max(highest, score[i]);
        }
        highest = max(highest, simd_shuffle_xor(highest, ushort(1)));
        highest = max(highest, simd_shuffle_xor(highest, ushort(2)));
        const bool raised = (highest - top) * spread > LAZY;
        const float factor = raised ? exp2((top - highest) * spread) : 1.0f;
        const bool scales = simd_max(raised && top > NO_SCORE ? 1.0f : 0.0f) > 0.0f;
        top = raised ? highest : top;

        /* All have read the scores: their room serves to scale what was summed up. */
        if (scales) {
#pragma unroll
            for (uint m = 0; m < matrices; m += TN_KV_BLOCK / 8) {
#pragma unroll
                for (uint j = 0; j < TN_KV_BLOCK / 8; j++)
                    if (m + j < matrices)
                        simdgroup_store(acc[m + j], stage + 8 * j, STAGE_STRIDE);
                simdgroup_barrier(mem_flags::mem_threadgroup);
                for (uint i = 0; i < 8; i++)
                    stage[lane / 4 * STAGE_STRIDE + lane % 4 * 8 + i] *= factor;
                simdgroup_barrier(mem_flags::mem_threadgroup);
#pragma unroll
                for (uint j = 0; j < TN_KV_BLOCK / 8; j++)
                    if (m + j < matrices)
                        simdgroup_load(acc[m + j], stage + 8 * j, STAGE_STRIDE);
            }
            simdgroup_barrier(mem_flags::mem_threadgroup);
        }

        float added = 0.0f;
#pragma unroll
        for (uint i = 0; i < width; i++) {
            float weight = score[i] > NO_SCORE ? exp2((score[i] - top) * spread) : 0.0f;
            if (HALF != 0) {
                const half rounded = half(weight);
                stage_half[lane / 4 * 2 * STAGE_STRIDE + weights_at(column / 8) + column % 8 + i] = rounded;
                weight = float(rounded);
            } else {
                stage[lane / 4 * STAGE_STRIDE + column + i] = weight;
            }
            added += weight;
        }
        sum = fma(sum, factor, added);
        simdgroup_barrier(mem_flags::mem_threadgroup);

#pragma unroll
        for (uint n = 0; n < keys / 8; n++) {
            simdgroup_half8x8 p_half, v_half;
            simdgroup_float8x8 p_float, v_float;
            if (HALF != 0)
                simdgroup_load(p_half, stage_half + weights_at(n), 2 * STAGE_STRIDE);
            else
                simdgroup_load(p_float, stage + 8 * n, STAGE_STRIDE);
#pragma unroll
            for (uint m = 0; m < matrices; m++) {
                if (HALF != 0) {
                    simdgroup_load(v_half, (threadgroup half *)v_rows + 8 * n * stride + 8 * m, stride);
                    simdgroup_multiply_accumulate(acc[m], p_half, v_half, acc[m]);
                } else {
                    simdgroup_load(v_float, v_rows + 8 * n * stride + 8 * m, stride);
                    simdgroup_multiply_accumulate(acc[m], p_float, v_float, acc[m]);
                }
            }
        }
    }

    sum += simd_shuffle_xor(sum, ushort(1));
    sum += simd_shuffle_xor(sum, ushort(2));
#pragma unroll
    for (uint d = 0; d < cols; d += TN_KV_BLOCK) {
#pragma unroll
        for (uint m = 0; m < TN_KV_BLOCK / 8; m++)
            if (d / 8 + m < matrices)
                simdgroup_store(acc[d / 8 + m], stage + 8 * m, STAGE_STRIDE);
        simdgroup_barrier(mem_flags::mem_threadgroup);
        for (uint i = 0; i < SIMD_ROWS; i++) {
            const uint r = simd * SIMD_ROWS + i;
            const float x = stage[i * STAGE_STRIDE + lane] / simd_shuffle(sum, ushort(4 * i));
            const float y = kv_turn_back(x, kv_block_dims(d), lane);
            if (r < tile.n_row && d + lane < HEAD_DIM)
                out[(ulong(tile.first_row + r) * a.n_head + at.x) * HEAD_DIM + d + lane] = y;
        }
    }
}
