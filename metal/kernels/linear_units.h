/* SPDX-License-Identifier: Apache-2.0 */
/* Weights as linear_rows takes them. A run of a row is a unit for each of its lanes (tn_linear_lanes); a unit is a few
 * words of codes with their scales, which become quads, four elements that lie side by side. Where the quads of a unit
 * lie is chosen so that neighbouring lanes load neighbouring words of the weight and quads of x that threadgroup memory
 * or a cache can give at once, and that a scale serves many elements. A run is a multiple of every block.
 *
 * Turns: where the quads that eight neighbouring lanes want at the same time would lie in the same banks (the same 16
 * of each 128 bytes), half of the lanes take each two quads in the other order.
 *
 * Loading and decoding are apart, so that the words of the next run can be on their way while those of this one are
 * multiplied. Types without a layout of their own here (has_layout) have units of a piece (dequant.h). */
#ifndef TN_KERNELS_LINEAR_UNITS_H
#define TN_KERNELS_LINEAR_UNITS_H

#include "metal/args.h"
#include "metal/kernels/dequant.h"
#include "metal/kernels/raised.h"

/* A unit as loaded: words of codes, of further bits of codes, of scales. */
struct unit_words {
    uint code[4];
    uint high[2];
    uint scale[4];
};

/* A unit whose scales are numbers: q * scale + add, for each group that it has elements of. */
struct unit {
    uint code[4];
    uint high[4];
    float scale[4];
    float add[4];
    uint turn; /* 1: the quads of each pair are in the other order */
    eight piece;
};

/* ---- layouts ---- */

/* Blocks of 32 whose byte j has elements j and j + 16. */
static inline bool has_half_blocks(uint type)
{
    return type == TYPE_Q4_0 || type == TYPE_Q4_1 || type == TYPE_Q5_0 || type == TYPE_Q5_1 || type == TYPE_IQ4_NL ||
           type == TYPE_MXFP4;
}

/* Q4_K, Q5_K: eight lanes a super-block. A lane has 8 bytes of two of the four pairs of groups. */
static inline bool has_k4_blocks(uint type)
{
    return type == TYPE_Q4_K || type == TYPE_Q5_K;
}

/* Super-blocks in planes: eight lanes a half of 128 elements, whose quads are 32 elements apart. */
static inline bool has_planes(uint type)
{
    return type == TYPE_Q2_K || type == TYPE_Q3_K || type == TYPE_Q6_K || type == TYPE_TQ2_0;
}

static inline bool has_separate_scales(uint type)
{
    return type >= TYPE_AFFINE;
}

static inline bool has_layout(uint type)
{
    return has_half_blocks(type) || has_k4_blocks(type) || has_planes(type) || has_separate_scales(type) ||
           is_plain(type) || type == TYPE_NVFP4 || type == TYPE_IQ4_XS || type == TYPE_Q8_0;
}

/* Affine with 64 elements or more a group: four lanes have 64 elements, a lane eight of each half. */
static inline bool is_affine_64(uint type)
{
    return type == TN_LINEAR_AFFINE_64;
}
static inline bool is_affine(uint type)
{
    return type == TYPE_AFFINE || is_affine_64(type);
}

/* Whether an element is a number times a scale that all of a unit share, and the two cannot be had at once: then
 * unit_quad gives the numbers and the scale is multiplied with their sum. */
static inline bool has_one_scale(uint type)
{
    return type == TYPE_IQ4_NL || type == TYPE_IQ4_XS || type == TYPE_MXFP4 || type == TYPE_NVFP4 ||
           type == TYPE_MLX_MXFP4 || type == TYPE_MLX_MXFP8 || type == TYPE_MLX_NVFP4;
}

/* Types whose units turn. */
static inline bool has_turns(uint type)
{
    return has_half_blocks(type) || has_k4_blocks(type) || has_separate_scales(type) || type == TYPE_Q8_0;
}

/* Of eight neighbouring lanes the upper four. */
static inline uint turn_of(uint type, uint lane)
{
    return has_turns(type) ? lane / 4 % 2 : 0;
}

static inline uint unit_elems(uint type)
{
    return tn_linear_unit(type);
}

/* Quads of a unit. */
static inline uint unit_quads(uint type)
{
    return unit_elems(type) / 4;
}

/* First element of a lane's unit in a run, */
static inline uint unit_at(uint type, uint lane)
{
    if (has_half_blocks(type))
        return lane / 4 * 32 + lane % 4 * 4;
    if (type == TYPE_NVFP4)
        return lane / 2 * 16 + lane % 2 * 4;
    if (has_k4_blocks(type))
        return lane / 8 * 256 + lane % 8 / 4 * 64 + lane % 4 * 8;
    if (has_planes(type))
        return lane / 8 * 128 + lane % 8 * 4;
    if (is_affine_64(type))
        return lane / 4 * 64 + lane % 4 * 8;
    if (type == TYPE_IQ4_XS)
        return lane / 2 * 32 + lane % 2 * 8;
    return lane * 8;
}

/* and how far from it quad q begins. */
static inline uint quad_at(uint type, uint q)
{
    if (has_half_blocks(type))
        return q * 16;
    if (type == TYPE_NVFP4)
        return q * 8;
    if (has_k4_blocks(type))
        return q % 2 * 4 + q / 2 % 2 * 32 + q / 4 * 128;
    if (has_planes(type))
        return q * 32;
    if (is_affine_64(type))
        return q % 2 * 4 + q / 2 * 32;
    if (type == TYPE_IQ4_XS)
        return q % 2 * 4 + q / 2 * 16;
    return q * 4;
}

/* Bytes from the beginning of a run to the block of a lane's unit, or to its codes where scales are separate or
 * none. */
static inline uint block_at(uint type, uint bits, uint lane)
{
    if (has_half_blocks(type) || type == TYPE_Q8_0)
        return lane / 4 * (bytes_256(type, bits) / 8);
    if (type == TYPE_NVFP4)
        return lane / 8 * 36;
    if (has_k4_blocks(type))
        return lane / 8 * bytes_256(type, bits);
    if (has_planes(type) || type == TYPE_IQ4_XS)
        return lane / 16 * bytes_256(type, bits);
    if (is_affine_64(type))
        return (lane / 4 * 8 + lane % 4) * bits;
    return has_layout(type) ? lane * (bytes_256(type, bits) / 32) : 0;
}

/* The same of its scale. */
static inline uint scale_at(uint type, uint group, uint scale_type, uint lane)
{
    if (is_affine(type))
        return unit_at(type, lane) / group * plain_bytes(scale_type);
    return type == TYPE_MLX_NVFP4 ? lane / 2 : lane / 4;
}

/* ---- loads: the unit of `lane` whose block is given ---- */

static inline unit_words load_half_block(uint type, device const uchar *block, uint lane)
{
    unit_words w = {};
    const uint j = lane % 4 * 4;
    if (type == TYPE_Q4_0 || type == TYPE_IQ4_NL) {
        w.code[0] = load4_at2(block + 2 + j);
        w.scale[0] = load2(block);
    }
    if (type == TYPE_Q4_1) {
        w.code[0] = load4(block + 4 + j);
        w.scale[0] = load4(block);
    }
    if (type == TYPE_Q5_0) {
        w.code[0] = load4_at2(block + 6 + j);
        w.high[0] = load4_at2(block + 2);
        w.scale[0] = load2(block);
    }
    if (type == TYPE_Q5_1) {
        w.code[0] = load4(block + 8 + j);
        w.high[0] = load4(block + 4);
        w.scale[0] = load4(block);
    }
    if (type == TYPE_MXFP4) {
        w.code[0] = load4_at1(block + 1 + j);
        w.scale[0] = block[0];
    }
    return w;
}

static inline unit_words load_k4_block(uint type, bool aligned, device const uchar *block, uint lane)
{
    unit_words w = {};
    device const uchar *q = block + (type == TYPE_Q4_K ? 16 : 48) + lane % 8 / 4 * 32 + lane % 4 * 8;
    const uint4 s = load16(block, aligned);
    const uint2 low = load8(q, aligned), high = load8(q + 64, aligned);
    w.code[0] = low.x;
    w.code[1] = low.y;
    w.code[2] = high.x;
    w.code[3] = high.y;
    w.scale[0] = s.x;
    w.scale[1] = s.y;
    w.scale[2] = s.z;
    w.scale[3] = s.w;
    if (type == TYPE_Q5_K) {
        const uint2 fifth = load8(block + 16 + lane % 4 * 8, aligned);
        w.high[0] = fifth.x;
        w.high[1] = fifth.y;
    }
    return w;
}

static inline unit_words load_planes(uint type, device const uchar *block, uint lane)
{
    unit_words w = {};
    const uint h = lane / 8 % 2, c = lane % 8 * 4;
    if (type == TYPE_Q2_K) {
        w.code[0] = load4(block + 16 + h * 32 + c);
        w.scale[0] = load4(block + 80);
        w.scale[1] = load4(block + h * 8);
        w.scale[2] = load4(block + h * 8 + 4);
    }
    if (type == TYPE_Q3_K) {
        w.code[0] = load4_at2(block + 32 + h * 32 + c);
        w.high[0] = load4_at2(block + c);
        w.scale[0] = load2(block + 108);
        w.scale[1] = load4_at2(block + 96);
        w.scale[2] = load4_at2(block + 100);
        w.scale[3] = load4_at2(block + 104);
    }
    if (type == TYPE_Q6_K) {
        w.code[0] = load4_at2(block + h * 64 + c);
        w.code[1] = load4_at2(block + h * 64 + 32 + c);
        w.high[0] = load4_at2(block + 128 + h * 32 + c);
        w.scale[0] = load2(block + 208);
        w.scale[1] = load4_at2(block + 192 + h * 8);
        w.scale[2] = load4_at2(block + 196 + h * 8);
    }
    if (type == TYPE_TQ2_0) {
        w.code[0] = load4_at2(block + h * 32 + c);
        w.scale[0] = load2(block + 64);
    }
    return w;
}

static inline unit_words load_plain_unit(uint type, bool aligned, device const uchar *block)
{
    unit_words w = {};
    const uint4 q = load16(block, aligned);
    w.code[0] = q.x;
    w.code[1] = q.y;
    w.code[2] = q.z;
    w.code[3] = q.w;
    if (type == TYPE_F32) {
        const uint4 more = load16(block + 16, aligned);
        w.scale[0] = more.x;
        w.scale[1] = more.y;
        w.scale[2] = more.z;
        w.scale[3] = more.w;
    }
    return w;
}

/* The scale lies group_at bytes from where those of the weight begin. */
static inline unit_words load_separate(uint type, uint bits, uint scale_type, bool aligned, weight_row block,
                                       uint group_at)
{
    unit_words w = {};
    const uint2 q = load_codes(bits, aligned, block.data);
    w.code[0] = q.x;
    w.code[1] = q.y;
    if (is_affine_64(type)) {
        const uint2 later = load_codes(bits, aligned, block.data + 4 * bits);
        w.code[2] = later.x;
        w.code[3] = later.y;
    }
    if (is_affine(type)) {
        w.scale[0] = scale_type == TYPE_F32 ? load4(block.scales + group_at) : load2(block.scales + group_at);
        w.scale[1] = scale_type == TYPE_F32 ? load4(block.biases + group_at) : load2(block.biases + group_at);
    } else
        w.scale[0] = block.scales[group_at];
    return w;
}

static inline unit_words load_words(uint type, uint bits, uint scale_type, bool aligned, weight_row at, uint group_at,
                                    uint lane)
{
    unit_words w = {};
    device const uchar *block = at.data;
    if (has_half_blocks(type))
        return load_half_block(type, block, lane);
    if (has_k4_blocks(type))
        return load_k4_block(type, aligned, block, lane);
    if (has_planes(type))
        return load_planes(type, block, lane);
    if (is_plain(type))
        return load_plain_unit(type, aligned, block);
    if (has_separate_scales(type))
        return load_separate(type, bits, scale_type, aligned, at, group_at);
    if (type == TYPE_Q8_0) {
        w.code[0] = load4_at2(block + 2 + lane % 4 * 8);
        w.code[1] = load4_at2(block + 6 + lane % 4 * 8);
        w.scale[0] = load2(block);
    }
    if (type == TYPE_NVFP4) {
        w.code[0] = load4(block + 4 + lane % 8 * 4);
        w.scale[0] = block[lane % 8 / 2];
    }
    if (type == TYPE_IQ4_XS) {
        const uint2 q = load8(block + 8 + lane % 16 * 8, aligned);
        w.code[0] = q.x;
        w.code[1] = q.y;
        w.scale[0] = load4(block);
        w.scale[1] = block[4 + lane % 16 / 4];
    }
    return w;
}

/* ---- scales as numbers ---- */

static inline unit decode_k4(uint type, unit_words w, unit u, uint lane)
{
    const half2 d = as_type<half2>(w.scale[0]);
    const float scale_1 = float(d.x), min_1 = float(d.y);
    const uint pair = lane % 8 / 4;
    const uint a = w.scale[1] >> 16 * pair, b = w.scale[2] >> 16 * pair, c = w.scale[3] >> 16 * pair;
    const uint ac = (a & 0xffff) | c << 16, bc = (b & 0xffff) | c << 16;
    const uint scales = (ac & 0x0f0f3f3fu) | (ac << 14 & 0x30300000u);
    const uint mins = (bc & 0x3f3f) | (bc >> 4 & 0x0f0f0000u) | (bc << 14 & 0x30300000u);
    /* raised16 gives 128 more; that and what unit_quad has too much of a code goes into what is added. */
    const float4 scale = fma(raised16(scales, 0x43), float4(scale_1), float4(-128.0f * scale_1));
    const float4 less = fma(raised16(mins, 0x43), float4(-min_1), float4(128.0f * min_1));
    const float4 add = fma(scale, float4(type == TYPE_Q4_K ? -16.0f : -32.0f), less);
    u.scale[0] = scale.x;
    u.scale[1] = scale.y;
    u.scale[2] = scale.z;
    u.scale[3] = scale.w;
    u.add[0] = add.x;
    u.add[1] = add.y;
    u.add[2] = add.z;
    u.add[3] = add.w;
    const bool turned = u.turn != 0;
    for (uint i = 0; i < 4; i++)
        u.code[i] = turned ? w.code[i ^ 1] : w.code[i];
    for (uint i = 0; i < 2; i++)
        u.high[i] = (turned ? w.high[i ^ 1] : w.high[i]) >> 2 * pair;
    return u;
}

/* Of quad q in planes: its byte of the eight scales of its half, at the lowest bits. */
static inline uint plane_scale(unit_words w, uint lane, uint q)
{
    return w.scale[1 + q / 2] >> (q % 2 * 16 + lane % 8 / 4 * 8);
}

/* What unit_quad has too much of a code, and the codes' middle, are added here: exactly, but for Q2_K. */
static inline unit decode_planes(uint type, unit_words w, unit u, uint lane)
{
    const uint h = lane / 8 % 2;
    for (uint q = 0; q < 4; q++) {
        const uint s = plane_scale(w, lane, q);
        if (type == TYPE_Q2_K) {
            const half2 d = as_type<half2>(w.scale[0]);
            u.scale[q] = float(d.x) * float(s & 15);
            u.add[q] = fma(u.scale[q], -4.0f, -float(d.y) * float(s >> 4 & 15));
        }
        if (type == TYPE_Q3_K) {
            const uint high = w.scale[3] >> (q % 2 * 16 + lane % 8 / 4 * 8 + 4 * h + q / 2 * 2);
            u.scale[q] = half_of(w.scale[0]) * float(int((s >> 4 * h & 15) | (high & 3) << 4) - 32);
            u.add[q] = -132.0f * u.scale[q];
        }
        if (type == TYPE_Q6_K) {
            u.scale[q] = half_of(w.scale[0]) * float(int(s << 24) >> 24);
            u.add[q] = -160.0f * u.scale[q];
        }
        if (type == TYPE_TQ2_0) {
            u.scale[q] = half_of(w.scale[0]);
            u.add[q] = -5.0f * u.scale[q];
        }
    }
    u.high[0] = w.high[0] >> (type == TYPE_Q3_K ? 4 * h : 0);
    return u;
}

static inline unit decode_half_block(uint type, unit_words w, unit u, uint lane)
{
    const half2 d = as_type<half2>(w.scale[0]);
    u.high[0] = w.high[0] >> lane % 4 * 4;
    u.scale[0] = float(d.x);
    if (type == TYPE_Q4_0)
        u.add[0] = -136.0f * u.scale[0];
    if (type == TYPE_Q4_1)
        u.add[0] = fma(u.scale[0], -16.0f, float(d.y));
    if (type == TYPE_Q5_0)
        u.add[0] = -48.0f * u.scale[0];
    if (type == TYPE_Q5_1)
        u.add[0] = fma(u.scale[0], -32.0f, float(d.y));
    if (type == TYPE_MXFP4)
        u.scale[0] = e8m0(w.scale[0]) * 16384.0f;
    return u;
}

/* A unit whose words 0 and 1, 2 and 3 are of two quads. */
static inline unit turn_words(unit u)
{
    const bool turned = u.turn != 0;
    const uint a = u.code[0], b = u.code[1], c = u.code[2], d = u.code[3];
    u.code[0] = turned ? b : a;
    u.code[1] = turned ? a : b;
    u.code[2] = turned ? d : c;
    u.code[3] = turned ? c : d;
    return u;
}

/* Two quads in a word. */
static inline uint turn_halves(uint code, uint turn)
{
    return turn != 0 ? code >> 16 | code << 16 : code;
}

static inline unit decode_separate(uint type, uint bits, uint scale_type, unit_words w, unit u)
{
    if (is_affine(type)) {
        u.scale[0] = scale_of(scale_type, w.scale[0]);
        u.add[0] = scale_of(scale_type, w.scale[1]);
        if (bits == 4)
            u.add[0] = fma(u.scale[0], -16.0f, u.add[0]);
        else {
            const uint2 q = spread_codes(bits, uint2(w.code[0], w.code[1]));
            const uint2 later = spread_codes(bits, uint2(w.code[2], w.code[3]));
            u.code[0] = q.x;
            u.code[1] = q.y;
            u.code[2] = later.x;
            u.code[3] = later.y;
        }
    }
    if (bits == 4) {
        u.code[0] = turn_halves(u.code[0], u.turn);
        u.code[2] = turn_halves(u.code[2], u.turn);
    } else
        u = turn_words(u);
    if (type == TYPE_MLX_MXFP4)
        u.scale[0] = e8m0(w.scale[0]) * 16384.0f;
    if (type == TYPE_MLX_MXFP8)
        u.scale[0] = e8m0(w.scale[0]) * 256.0f;
    if (type == TYPE_MLX_NVFP4)
        u.scale[0] = e4m3_scale(w.scale[0]) * 4194304.0f;
    return u;
}

static inline unit decode(uint type, uint bits, uint scale_type, unit_words w, uint lane)
{
    unit u = {};
    u.turn = turn_of(type, lane);
    for (uint i = 0; i < 4; i++)
        u.code[i] = w.code[i];
    if (has_half_blocks(type))
        return decode_half_block(type, w, u, lane);
    if (has_k4_blocks(type))
        return decode_k4(type, w, u, lane);
    if (has_planes(type))
        return decode_planes(type, w, u, lane);
    if (has_separate_scales(type))
        return decode_separate(type, bits, scale_type, w, u);
    if (type == TYPE_Q8_0) {
        u.scale[0] = half_of(w.scale[0]);
        u.add[0] = -32896.0f * u.scale[0];
        u = turn_words(u);
    }
    if (type == TYPE_NVFP4)
        u.scale[0] = nvfp4_scale(w.scale[0]);
    if (type == TYPE_IQ4_XS) {
        const uint g = lane % 16 / 2, low = w.scale[1] >> g % 2 * 4 & 15, high = w.scale[0] >> (16 + 2 * g) & 3;
        u.scale[0] = half_of(w.scale[0]) * float(int(low | high << 4) - 32);
    }
    if (type == TYPE_F32)
        for (uint i = 0; i < 4; i++)
            u.high[i] = w.scale[i];
    return u;
}

/* ---- quads ---- */

/* IQ4's curve for four codes in the low halves of the bytes of c; curve: [16]. */
static inline float4 curve4(threadgroup const float *curve, uint c)
{
    return float4(curve[c & 15], curve[c >> 8 & 15], curve[c >> 16 & 15], curve[c >> 24 & 15]);
}

static inline float4 plain_quad(uint type, unit u, uint q)
{
    if (type == TYPE_F32)
        return q == 0 ? float4(as_type<float>(u.code[0]), as_type<float>(u.code[1]), as_type<float>(u.code[2]),
                               as_type<float>(u.code[3]))
                      : float4(as_type<float>(u.high[0]), as_type<float>(u.high[1]), as_type<float>(u.high[2]),
                               as_type<float>(u.high[3]));
    const uint a = u.code[2 * q], b = u.code[2 * q + 1];
    if (type == TYPE_BF16)
        return float4(as_type<float>(a << 16), as_type<float>(a & 0xffff0000u), as_type<float>(b << 16),
                      as_type<float>(b & 0xffff0000u));
    const half2 low = as_type<half2>(a), high = as_type<half2>(b);
    return float4(float(low.x), float(low.y), float(high.x), float(high.y));
}

/* q * scale + add. */
static inline float4 times(float4 q, float scale, float add)
{
    return fma(q, float4(scale), float4(add));
}

/* 2^bits + code for codes that end with bit 6 of each byte. */
static inline float4 two_bits(uint c)
{
    return raised16((c & 0x60606060u) | 0x80808080u, 0x40);
}
static inline float4 four_bits(uint c)
{
    return raised16((c & 0x78787878u) | 0x80808080u, 0x41);
}

static inline float4 separate_quad(uint type, uint bits, unit u, uint q)
{
    if (type == TYPE_MLX_MXFP8)
        return e4m3(u.code[q]);
    if (bits != 4)
        return scaled(u.code[q], u.scale[0], u.add[0]);
    eight v;
    const uint c = u.code[q / 2 * 2];
    if (is_affine(type))
        v = interleaved(times(four_bits(c << 3), u.scale[0], u.add[0]), times(four_bits(c >> 1), u.scale[0], u.add[0]));
    else
        v = interleaved(e2m1(c), e2m1(c >> 4));
    return q % 2 == 0 ? v.a : v.b;
}

/* Codes q = 0, 1 of a unit of has_half_blocks or NVFP4: the low and the high halves of its bytes, or the other way
 * round; in the lowest bits of the bytes, */
static inline uint nibbles(unit u, uint q)
{
    return u.code[0] >> (4 * q ^ 4 * u.turn) & 0x0f0f0f0fu;
}

/* with bit 0 at bit n, 1 to 3, of its byte, among others; */
static inline uint nibbles_at(unit u, uint q, uint n)
{
    const uint left = (q ^ u.turn) != 0 ? n + 28 : n;
    return u.code[0] << left | u.code[0] >> (32 - left);
}

/* as 32 + code with the fifth bits. */
static inline float4 five_bits(unit u, uint q)
{
    return raised16((nibbles_at(u, q, 2) & 0x3c3c3c3cu) | spread1(u.high[0] >> (16 * q ^ 16 * u.turn)) << 6, 0x42);
}

/* Quad q of a unit, without the scale where has_one_scale. */
static inline float4 unit_quad(uint type, uint bits, unit u, uint q, threadgroup const float *curve)
{
    if (type == TYPE_Q4_0) /* 128 + code */
        return times(raised16(nibbles(u, q), 0x43), u.scale[0], u.add[0]);
    if (type == TYPE_Q4_1)
        return times(four_bits(nibbles_at(u, q, 3)), u.scale[0], u.add[0]);
    if (type == TYPE_Q5_0 || type == TYPE_Q5_1)
        return times(five_bits(u, q), u.scale[0], u.add[0]);
    if (type == TYPE_Q8_0) /* 2^15 + 128 + code */
        return times(raised8(u.code[q] ^ 0x80808080u, 0x47), u.scale[0], u.add[0]);
    if (type == TYPE_IQ4_NL)
        return curve4(curve, nibbles(u, q));
    if (type == TYPE_IQ4_XS)
        return curve4(curve, u.code[q % 2] >> q / 2 * 4);
    if (type == TYPE_MXFP4 || type == TYPE_NVFP4)
        return e2m1(nibbles(u, q));
    if (type == TYPE_Q4_K) {
        const uint c = u.code[q / 4 * 2 + q % 2];
        return times(four_bits(q / 2 % 2 == 0 ? c << 3 : c >> 1), u.scale[q / 2], u.add[q / 2]);
    }
    if (type == TYPE_Q5_K) {
        const uint c = u.code[q / 4 * 2 + q % 2], fifth = u.high[q % 2] >> (q / 4 * 4 + q / 2 % 2);
        return times(raised16(((q / 2 % 2 == 0 ? c << 2 : c >> 2) & 0x3c3c3c3cu) | (fifth << 6 & 0x40404040u), 0x42),
                     u.scale[q / 2], u.add[q / 2]);
    }
    if (type == TYPE_Q2_K || type == TYPE_TQ2_0)
        return times(two_bits(q == 3 ? u.code[0] >> 1 : u.code[0] << (5 - 2 * q)), u.scale[q], u.add[q]);
    if (type == TYPE_Q3_K) /* 128 + code, as Q6_K */
        return times(raised16((u.code[0] >> 2 * q & 0x03030303u) | (u.high[0] >> q & 0x01010101u) << 2, 0x43),
                     u.scale[q], u.add[q]);
    if (type == TYPE_Q6_K)
        return times(raised16((u.code[q % 2] >> q / 2 * 4 & 0x0f0f0f0fu) | (u.high[0] >> 2 * q & 0x03030303u) << 4,
                              0x43),
                     u.scale[q], u.add[q]);
    if (has_separate_scales(type))
        return separate_quad(type, bits, u, q);
    if (is_plain(type))
        return plain_quad(type, u, q);
    return q == 0 ? u.piece.a : u.piece.b;
}

#endif
