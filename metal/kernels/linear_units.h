/* SPDX-License-Identifier: Apache-2.0 */
/* Weights as linear_rows takes them: a lane loads a unit of a row, a few words of codes with their scales, and turns it into
 * quads, four elements that lie side by side. Where the quads of a unit lie is chosen so that neighbouring lanes load
 * neighbouring words of the weight and neighbouring quads of x, and that a scale serves many elements.
 *
 * Types without a layout of their own here have units of a piece (dequant.h). */
#ifndef TN_KERNELS_LINEAR_UNITS_H
#define TN_KERNELS_LINEAR_UNITS_H

#include "metal/kernels/dequant.h"

enum { MAX_QUADS = 8 };

/* Codes, and a scale and a minimum for each group that the unit has elements of. */
struct unit {
    uint code[4];
    uint high[2];
    float scale[4];
    float add[4];
    eight piece;
};

/* Which way a type goes. */
static inline bool has_half_blocks(uint type)
{
    return type == TYPE_Q4_0 || type == TYPE_Q4_1 || type == TYPE_Q5_0 || type == TYPE_Q5_1 || type == TYPE_IQ4_NL ||
           type == TYPE_MXFP4;
}
static inline bool has_k4_blocks(uint type)
{
    return type == TYPE_Q4_K || type == TYPE_Q5_K;
}
static inline bool has_planes(uint type)
{
    return type == TYPE_Q2_K || type == TYPE_Q3_K || type == TYPE_Q6_K || type == TYPE_TQ2_0;
}

/* Quads of a unit. */
static inline uint unit_quads(uint type)
{
    return has_k4_blocks(type) ? 8 : has_planes(type) || type == TYPE_IQ4_XS ? 4 : 2;
}

/* First element of quad q of unit u of a row. */
static inline uint quad_at(uint type, uint u, uint q)
{
    if (has_half_blocks(type))
        return u / 4 * 32 + u % 4 * 4 + q * 16;
    if (type == TYPE_NVFP4)
        return u / 2 * 16 + u % 2 * 4 + q * 8;
    if (has_k4_blocks(type))
        return u / 8 * 256 + u % 8 / 4 * 64 + u % 4 * 8 + q % 2 * 4 + q / 2 % 2 * 32 + q / 4 * 128;
    if (has_planes(type))
        return u / 8 * 128 + u % 8 * 4 + q * 32;
    if (type == TYPE_IQ4_XS)
        return u / 2 * 32 + u % 2 * 8 + q % 2 * 4 + q / 2 * 16;
    return u * 8 + q * 4;
}

/* ---- loads ---- */

/* Blocks of 32 whose byte j has elements j and j + 16. */
static inline unit load_half_block(uint type, device const uchar *row, uint u)
{
    unit w = {};
    const uint j = u % 4 * 4;
    if (type == TYPE_Q4_0 || type == TYPE_IQ4_NL) {
        device const uchar *block = row + (ulong)(u / 4) * 18;
        w.code[0] = load4_at2(block + 2 + j);
        w.scale[0] = load_half(block);
        w.add[0] = -8.0f * w.scale[0];
    }
    if (type == TYPE_Q4_1) {
        device const uchar *block = row + (ulong)(u / 4) * 20;
        const half2 d = as_type<half2>(load4(block));
        w.code[0] = load4(block + 4 + j);
        w.scale[0] = float(d.x);
        w.add[0] = float(d.y);
    }
    if (type == TYPE_Q5_0) {
        device const uchar *block = row + (ulong)(u / 4) * 22;
        w.code[0] = load4_at2(block + 6 + j);
        w.high[0] = load4_at2(block + 2) >> j;
        w.scale[0] = load_half(block);
        w.add[0] = -16.0f * w.scale[0];
    }
    if (type == TYPE_Q5_1) {
        device const uchar *block = row + (ulong)(u / 4) * 24;
        const half2 d = as_type<half2>(load4(block));
        w.code[0] = load4(block + 8 + j);
        w.high[0] = load4(block + 4) >> j;
        w.scale[0] = float(d.x);
        w.add[0] = float(d.y);
    }
    if (type == TYPE_MXFP4) {
        device const uchar *block = row + (ulong)(u / 4) * 17;
        w.code[0] = load4_at1(block + 1 + j);
        w.scale[0] = e8m0(block[0]) * 16384.0f;
    }
    return w;
}

/* Q4_K, Q5_K: eight lanes a super-block. A lane has 8 bytes of two of the four pairs of groups. */
static inline unit load_k4_block(uint type, device const uchar *row, uint u)
{
    unit w = {};
    device const uchar *block = row + (ulong)(u / 8) * (type == TYPE_Q4_K ? 144 : 176);
    device const uchar *q = block + (type == TYPE_Q4_K ? 16 : 48) + u % 8 / 4 * 32 + u % 4 * 8;
    device const uchar *s = block + 4 + u % 8 / 4 * 2;
    w.code[0] = load4(q);
    w.code[1] = load4(q + 4);
    w.code[2] = load4(q + 64);
    w.code[3] = load4(q + 68);
    if (type == TYPE_Q5_K) {
        w.high[0] = load4(block + 16 + u % 4 * 8) >> u % 8 / 4 * 2;
        w.high[1] = load4(block + 20 + u % 4 * 8) >> u % 8 / 4 * 2;
    }
    const half2 d = as_type<half2>(load4(block));
    const uint a = load2(s), b = load2(s + 4), c = load2(s + 8);
    const float4 scale =
        bytes((a & 0x3f3f) | ((c & 0x0f0f) | (a >> 2 & 0x3030)) << 16) * float(d.x);
    const float4 add =
        bytes((b & 0x3f3f) | ((c >> 4 & 0x0f0f) | (b >> 2 & 0x3030)) << 16) * -float(d.y);
    w.scale[0] = scale.x;
    w.scale[1] = scale.y;
    w.scale[2] = scale.z;
    w.scale[3] = scale.w;
    w.add[0] = add.x;
    w.add[1] = add.y;
    w.add[2] = add.z;
    w.add[3] = add.w;
    return w;
}

/* Super-blocks in planes: eight lanes a half of 128 elements, whose quads are 32 elements apart. */
static inline unit load_planes(uint type, device const uchar *row, uint u)
{
    unit w = {};
    const uint h = u / 8 % 2, c = u % 8 * 4;
    if (type == TYPE_Q2_K) {
        device const uchar *block = row + (ulong)(u / 16) * 84;
        device const uchar *s = block + h * 8 + c / 16;
        const half2 d = as_type<half2>(load4(block + 80));
        w.code[0] = load4(block + 16 + h * 32 + c);
        for (uint q = 0; q < 4; q++) {
            w.scale[q] = float(d.x) * float(uint(s[2 * q]) & 15);
            w.add[q] = -float(d.y) * float(uint(s[2 * q]) >> 4);
        }
    }
    if (type == TYPE_Q3_K) {
        device const uchar *block = row + (ulong)(u / 16) * 110;
        w.code[0] = load4_at2(block + 32 + h * 32 + c);
        w.high[0] = load4_at2(block + c) >> 4 * h;
        for (uint q = 0; q < 4; q++) {
            w.scale[q] = q3_scale(block + 96, h * 8 + q * 2 + c / 16, load_half(block + 108));
            w.add[q] = -4.0f * w.scale[q];
        }
    }
    if (type == TYPE_Q6_K) {
        device const uchar *block = row + (ulong)(u / 16) * 210;
        device const uchar *s = block + 192 + h * 8 + c / 16;
        const float d = load_half(block + 208);
        w.code[0] = load4_at2(block + h * 64 + c);
        w.code[1] = load4_at2(block + h * 64 + 32 + c);
        w.high[0] = load4_at2(block + 128 + h * 32 + c);
        for (uint q = 0; q < 4; q++) {
            w.scale[q] = d * float(as_type<char>(s[2 * q]));
            w.add[q] = -32.0f * w.scale[q];
        }
    }
    if (type == TYPE_TQ2_0) {
        device const uchar *block = row + (ulong)(u / 16) * 66;
        w.code[0] = load4_at2(block + h * 32 + c);
        w.scale[0] = load_half(block + 64);
    }
    return w;
}

static inline unit load_unit(uint type, uint bits, uint group, uint scale_type, weight_row row, uint u)
{
    unit w = {};
    if (has_half_blocks(type))
        return load_half_block(type, row.data, u);
    if (has_k4_blocks(type))
        return load_k4_block(type, row.data, u);
    if (has_planes(type))
        return load_planes(type, row.data, u);
    if (type == TYPE_NVFP4) {
        device const uchar *block = row.data + (ulong)(u / 8) * 36;
        w.code[0] = load4(block + 4 + u % 8 * 4);
        w.scale[0] = nvfp4_scale(block[u % 8 / 2]);
        return w;
    }
    if (type == TYPE_IQ4_XS) {
        device const uchar *block = row.data + (ulong)(u / 16) * 136;
        w.code[0] = load4(block + 8 + u % 16 * 8);
        w.code[1] = load4(block + 12 + u % 16 * 8);
        w.scale[0] = iq4_xs_scale(block, u % 16 / 2);
        return w;
    }
    w.piece = dequant8(type, bits, group, scale_type, row, u);
    return w;
}

/* ---- quads ---- */

/* IQ4's curve for four codes in the low halves of the bytes of c; curve: [16]. */
static inline float4 curve4(threadgroup const float *curve, uint c)
{
    return float4(curve[c & 15], curve[c >> 8 & 15], curve[c >> 16 & 15], curve[c >> 24 & 15]);
}

/* Quad q of a unit. */
static inline float4 unit_quad(uint type, unit w, uint q, threadgroup const float *curve)
{
    if (type == TYPE_Q4_0 || type == TYPE_Q4_1)
        return scaled(w.code[0] >> 4 * q & 0x0f0f0f0fu, w.scale[0], w.add[0]);
    if (type == TYPE_Q5_0 || type == TYPE_Q5_1)
        return scaled((w.code[0] >> 4 * q & 0x0f0f0f0fu) | spread1(w.high[0] >> 16 * q) << 4, w.scale[0], w.add[0]);
    if (type == TYPE_IQ4_NL)
        return curve4(curve, w.code[0] >> 4 * q) * w.scale[0];
    if (type == TYPE_IQ4_XS)
        return curve4(curve, w.code[q % 2] >> q / 2 * 4) * w.scale[0];
    if (type == TYPE_MXFP4 || type == TYPE_NVFP4)
        return e2m1(w.code[0] >> 4 * q) * w.scale[0];
    if (type == TYPE_Q4_K)
        return scaled(w.code[q / 4 * 2 + q % 2] >> q / 2 % 2 * 4 & 0x0f0f0f0fu, w.scale[q / 2], w.add[q / 2]);
    if (type == TYPE_Q5_K)
        return scaled((w.code[q / 4 * 2 + q % 2] >> q / 2 % 2 * 4 & 0x0f0f0f0fu) |
                          (w.high[q % 2] >> (q / 4 * 4 + q / 2 % 2) & 0x01010101u) << 4,
                      w.scale[q / 2], w.add[q / 2]);
    if (type == TYPE_Q2_K)
        return scaled(w.code[0] >> 2 * q & 0x03030303u, w.scale[q], w.add[q]);
    if (type == TYPE_Q3_K)
        return scaled((w.code[0] >> 2 * q & 0x03030303u) | (w.high[0] >> q & 0x01010101u) << 2, w.scale[q], w.add[q]);
    if (type == TYPE_Q6_K)
        return scaled((w.code[q % 2] >> q / 2 * 4 & 0x0f0f0f0fu) | (w.high[0] >> 2 * q & 0x03030303u) << 4, w.scale[q],
                      w.add[q]);
    if (type == TYPE_TQ2_0)
        return scaled(w.code[0] >> 2 * q & 0x03030303u, w.scale[0], -w.scale[0]);
    return q == 0 ? w.piece.a : w.piece.b;
}

#endif
