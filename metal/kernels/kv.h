/* SPDX-License-Identifier: Apache-2.0 */
/* Keys and values as they are stored (metal/args.h: tn_kv_row_bytes, tn_kv_place; what storing does to numbers:
 * runtime/device/kv_type.h). */
#pragma once
#include <metal_stdlib>

#include "metal/args.h"

using namespace metal;

constant uint KV_TYPE [[function_constant(TN_FC_KV_TYPE)]];
constant uint HEAD_DIM [[function_constant(TN_FC_HEAD_DIM)]];
constant uint SEES [[function_constant(TN_FC_SEES)]];

/* Below every score, and still a number. */
#define NO_SCORE (-1.0e30f)

/* head_dim in whole blocks. */
static inline uint kv_padded()
{
    return (HEAD_DIM + TN_KV_BLOCK - 1) / TN_KV_BLOCK * TN_KV_BLOCK;
}

/* Dimensions of the block that begins at d; 0 past the end. */
static inline uint kv_block_dims(uint d)
{
    return d >= HEAD_DIM ? 0u : min(HEAD_DIM - d, uint(TN_KV_BLOCK));
}

/* The row of a position within the pool, in bytes: head 0 of k. pages: the sequence's row of the page table. */
static inline ulong kv_place(constant tn_kv_place &kv, device const uint *pages, uint pos)
{
    const uint slot = pos & ((1u << kv.page_shift) - 1u);
    return pages[pos >> kv.page_shift] * ulong(kv.page_bytes) + ulong(kv.layer_offset)
         + ulong(slot * tn_kv_row_bytes(KV_TYPE, HEAD_DIM));
}

/* What is added to a place for another head; for v, head n_head_kv is its head 0. */
static inline ulong kv_head(constant tn_kv_place &kv, uint head)
{
    return (ulong(head) << kv.page_shift) * tn_kv_row_bytes(KV_TYPE, HEAD_DIM);
}

/* Elements d .. d + 8 of a row as floats, d a multiple of 8. */
static inline void kv_load8(device const uchar *row, uint d, thread float *x)
{
    if (KV_TYPE == TN_KV_F32) {
        device const float4 *from = (device const float4 *)(row + 4 * d);
        const float4 a = from[0], b = from[1];
        x[0] = a.x; x[1] = a.y; x[2] = a.z; x[3] = a.w;
        x[4] = b.x; x[5] = b.y; x[6] = b.z; x[7] = b.w;
    } else if (KV_TYPE == TN_KV_F16) {
        const uint4 w = *(device const uint4 *)(row + 2 * d);
        for (uint i = 0; i < 4; i++) {
            const half2 pair = as_type<half2>(w[i]);
            x[2 * i] = float(pair.x);
            x[2 * i + 1] = float(pair.y);
        }
    } else if (KV_TYPE == TN_KV_BF16) {
        const uint4 w = *(device const uint4 *)(row + 2 * d);
        for (uint i = 0; i < 4; i++) {
            x[2 * i] = as_type<float>(w[i] << 16);
            x[2 * i + 1] = as_type<float>(w[i] & 0xffff0000u);
        }
    } else {
        const float scale = float(((device const half *)(row + tn_kv_cols(HEAD_DIM)))[d / TN_KV_BLOCK]);
        const uint2 w = *(device const uint2 *)(row + d);
        for (uint i = 0; i < 2; i++) {
            const char4 code = as_type<char4>(w[i]);
            x[4 * i] = float(code.x) * scale;
            x[4 * i + 1] = float(code.y) * scale;
            x[4 * i + 2] = float(code.z) * scale;
            x[4 * i + 3] = float(code.w) * scale;
        }
    }
}

/* Elements d .. d + 4, d a multiple of 4. */
static inline void kv_load4(device const uchar *row, uint d, thread float *x)
{
    if (KV_TYPE == TN_KV_F32) {
        const float4 a = *(device const float4 *)(row + 4 * d);
        x[0] = a.x; x[1] = a.y; x[2] = a.z; x[3] = a.w;
    } else if (KV_TYPE == TN_KV_F16) {
        const uint2 w = *(device const uint2 *)(row + 2 * d);
        const half2 a = as_type<half2>(w.x), b = as_type<half2>(w.y);
        x[0] = float(a.x); x[1] = float(a.y); x[2] = float(b.x); x[3] = float(b.y);
    } else if (KV_TYPE == TN_KV_BF16) {
        const uint2 w = *(device const uint2 *)(row + 2 * d);
        x[0] = as_type<float>(w.x << 16); x[1] = as_type<float>(w.x & 0xffff0000u);
        x[2] = as_type<float>(w.y << 16); x[3] = as_type<float>(w.y & 0xffff0000u);
    } else {
        const float scale = float(((device const half *)(row + tn_kv_cols(HEAD_DIM)))[d / TN_KV_BLOCK]);
        const char4 code = as_type<char4>(*(device const uint *)(row + d));
        x[0] = float(code.x) * scale; x[1] = float(code.y) * scale;
        x[2] = float(code.z) * scale; x[3] = float(code.w) * scale;
    }
}

/* Elements d and d + 1, d even. */
static inline void kv_load2(device const uchar *row, uint d, thread float *x)
{
    if (KV_TYPE == TN_KV_F32) {
        const float2 a = *(device const float2 *)(row + 4 * d);
        x[0] = a.x; x[1] = a.y;
    } else if (KV_TYPE == TN_KV_F16) {
        const half2 a = as_type<half2>(*(device const uint *)(row + 2 * d));
        x[0] = float(a.x); x[1] = float(a.y);
    } else if (KV_TYPE == TN_KV_BF16) {
        const uint w = *(device const uint *)(row + 2 * d);
        x[0] = as_type<float>(w << 16); x[1] = as_type<float>(w & 0xffff0000u);
    } else {
        const float scale = float(((device const half *)(row + tn_kv_cols(HEAD_DIM)))[d / TN_KV_BLOCK]);
        const char2 code = as_type<char2>(*(device const ushort *)(row + d));
        x[0] = float(code.x) * scale; x[1] = float(code.y) * scale;
    }
}

/* A block of n <= 32 dimensions is cut into powers of two, the largest first (24: 16 and 8): the length of the
 * lane's. */
static inline uint kv_part(uint n, uint lane)
{
    uint part = 1, start = 0;
    for (uint p = TN_KV_BLOCK; p > 0; p /= 2)
        if ((n & p) != 0) {
            part = lane >= start && lane < start + p ? p : part;
            start += p;
        }
    return part;
}

/* H x for a block of n dimensions, lane i with element i; lanes from n on keep theirs. Butterflies of distance 1, 2, 4,
 * ... as tn_kv_type_turn_block. All lanes arrive. */
static inline float kv_turn(float x, uint n, uint lane)
{
    const uint part = kv_part(n, lane);
    for (uint h = 1; h < TN_KV_BLOCK; h *= 2) {
        const float other = simd_shuffle_xor(x, ushort(h));
        if (h < part)
            x = (lane & h) != 0 ? other - x : x + other;
    }
    return x;
}

/* x as scores and sums need it: queries before they meet keys, outputs after they met values (tn_kv_type_turn). */
static inline float kv_turn_back(float x, uint n, uint lane)
{
    if (KV_TYPE != TN_KV_Q8_0)
        return x;
    return kv_turn(x, n, lane) * (1.0f / float(kv_part(n, lane)));
}

/* What row `row` of T sees, at position pos: x the first position, y the one behind the last. */
static inline uint2 row_sees(uint window, uint pos, device const tn_metal_sees *sees, uint row)
{
    const uint first = window != 0 && pos >= window ? pos + 1 - window : 0;
    if (SEES == TN_SEE_PAST || sees[row].end == 0)
        return uint2(first, pos + 1);
    return uint2(SEES == TN_SEE_ONLY ? sees[row].first : min(first, sees[row].first), sees[row].end);
}

/* Scores are kept in units in which a weight is exp2(spread * (score - top)): q is multiplied by kv_query_factor; a
 * soft cap is then a tanh. */
static inline float kv_query_factor(float scale, float softcap)
{
    return softcap > 0.0f ? scale / softcap : scale * 1.44269504f;
}
static inline float kv_spread(float softcap)
{
    return softcap > 0.0f ? softcap * 1.44269504f : 1.0f;
}
