/* SPDX-License-Identifier: Apache-2.0 */
/* Eight neighbouring elements of a row of a weight as floats, for every type that a matrix may have. Layouts and
 * formulas are those of runtime/weights/dequant_*.c, where each is described; here an element may differ in its last
 * bit, since q * d + m is rounded once.
 *
 * A row begins at an address that its type's blocks allow: the bytes of a weight begin at a multiple of 4. Element 8 i
 * to 8 i + 7 of a row are its piece i. */
#ifndef TN_KERNELS_DEQUANT_H
#define TN_KERNELS_DEQUANT_H

#include <metal_stdlib>

#include "metal/kernels/iq_tables.h"

using namespace metal;

/* As in enum tn_type. */
enum {
    TYPE_F32 = 0,
    TYPE_F16 = 1,
    TYPE_Q4_0 = 2,
    TYPE_Q4_1 = 3,
    TYPE_Q5_0 = 6,
    TYPE_Q5_1 = 7,
    TYPE_Q8_0 = 8,
    TYPE_Q2_K = 10,
    TYPE_Q3_K = 11,
    TYPE_Q4_K = 12,
    TYPE_Q5_K = 13,
    TYPE_Q6_K = 14,
    TYPE_IQ2_XXS = 16,
    TYPE_IQ2_XS = 17,
    TYPE_IQ3_XXS = 18,
    TYPE_IQ1_S = 19,
    TYPE_IQ4_NL = 20,
    TYPE_IQ3_S = 21,
    TYPE_IQ2_S = 22,
    TYPE_IQ4_XS = 23,
    TYPE_IQ1_M = 29,
    TYPE_BF16 = 30,
    TYPE_TQ1_0 = 34,
    TYPE_TQ2_0 = 35,
    TYPE_MXFP4 = 39,
    TYPE_NVFP4 = 40,
    TYPE_Q1_0 = 41,
    TYPE_Q2_0 = 42,
    TYPE_AFFINE = 1000,
    TYPE_MLX_MXFP4 = 1006,
    TYPE_MLX_MXFP8 = 1007,
    TYPE_MLX_NVFP4 = 1008,
};

/* A piece: elements 0 to 3 and 4 to 7. */
struct eight {
    float4 a, b;
};

/* A row: its codes, and with separate scales those of its groups. */
struct weight_row {
    device const uchar *data;
    device const uchar *scales;
    device const uchar *biases;
};

/* ---- loads ---- */

static inline uint load2(device const uchar *p)
{
    return *(device const ushort *)p;
}

/* Four bytes at a multiple of 4, of 2, anywhere. */
static inline uint load4(device const uchar *p)
{
    return *(device const uint *)p;
}
static inline uint load4_at2(device const uchar *p)
{
    return load2(p) | load2(p + 2) << 16;
}
static inline uint load4_at1(device const uchar *p)
{
    return uint(p[0]) | uint(p[1]) << 8 | uint(p[2]) << 16 | uint(p[3]) << 24;
}

/* Eight and sixteen bytes at a multiple of that, or (not aligned) of 4. */
static inline uint2 load8(device const uchar *p, bool aligned)
{
    return aligned ? *(device const uint2 *)p : uint2(load4(p), load4(p + 4));
}
static inline uint4 load16(device const uchar *p, bool aligned)
{
    return aligned ? *(device const uint4 *)p : uint4(load4(p), load4(p + 4), load4(p + 8), load4(p + 12));
}

static inline float load_half(device const uchar *p)
{
    return float(*(device const half *)p);
}

/* The half in the lowest 16 bits of a word. */
static inline float half_of(uint v)
{
    return float(as_type<half2>(v).x);
}

/* ---- four codes in the bytes of a word ---- */

static inline float4 bytes(uint c)
{
    return float4(as_type<uchar4>(c));
}

static inline float4 signed_bytes(uint c)
{
    return float4(as_type<char4>(c));
}

/* The lowest bits, 4 codes of 1 bit (2, 3, 5, 6 bits), to a byte each. */
static inline uint spread1(uint v)
{
    return (v & 15) * 0x00204081u & 0x01010101u;
}
static inline uint spread2(uint v)
{
    return (v & 3) | (v & 0xc) << 6 | (v & 0x30) << 12 | (v & 0xc0) << 18;
}
static inline uint spread3(uint v)
{
    return (v & 7) | (v & 0x38) << 5 | (v & 0x1c0) << 10 | (v & 0xe00) << 15;
}
static inline uint spread5(uint v)
{
    return (v & 0x1f) | (v & 0x3e0) << 3 | (v & 0x7c00) << 6 | (v & 0xf8000) << 9;
}
static inline uint spread6(uint v)
{
    return (v & 0x3f) | (v & 0xfc0) << 2 | (v & 0x3f000) << 4 | (v & 0xfc0000) << 6;
}

/* q * scale + add of four codes. */
static inline float4 scaled(uint c, float scale, float add)
{
    return fma(bytes(c), float4(scale), float4(add));
}

static inline eight scaled8(uint low, uint high, float scale, float add)
{
    eight r;
    r.a = scaled(low, scale, add);
    r.b = scaled(high, scale, add);
    return r;
}

/* Codes in the order 0 2 4 6 and 1 3 5 7, as masks leave those of a word of nibbles. */
static inline eight interleaved(float4 even, float4 odd)
{
    eight r;
    r.a = float4(even.x, odd.x, even.y, odd.y);
    r.b = float4(even.z, odd.z, even.w, odd.w);
    return r;
}

/* ---- small floats ---- */

/* E2M1, four in the low halves of the bytes of c, times 2^-14: its bits are those of a half of that value. */
static inline float4 e2m1(uint c)
{
    const half2 even = as_type<half2>((c & 0x00070007u) << 9 | (c & 0x00080008u) << 12);
    const half2 odd = as_type<half2>((c & 0x07000700u) << 1 | (c & 0x08000800u) << 4);
    return float4(float(even.x), float(odd.x), float(even.y), float(odd.y));
}

/* E4M3, the four bytes of c, times 2^-8. NaN reads as 480. */
static inline float4 e4m3(uint c)
{
    const half2 even = as_type<half2>((c & 0x007f007fu) << 7 | (c & 0x00800080u) << 8);
    const half2 odd = as_type<half2>((c & 0x7f007f00u) >> 1 | (c & 0x80008000u));
    return float4(float(even.x), float(odd.x), float(even.y), float(odd.y));
}

/* One E4M3 times 2^-8. */
static inline float e4m3_scale(uint v)
{
    return float(as_type<half>(ushort((v & 0x7f) << 7 | (v & 0x80) << 8)));
}

/* E8M0: 2^(e - 127). 0 for 2^-127, infinite for 255, which is NaN. */
static inline float e8m0(uint e)
{
    return as_type<float>(e << 23);
}

/* ---- blocks of 32 ---- */

static inline eight dequant_q4_0(device const uchar *row, uint i)
{
    device const uchar *block = row + (ulong)(i / 4) * 18;
    const uint shift = i % 4 / 2 * 4;
    device const uchar *q = block + 2 + i % 2 * 8;
    const float d = load_half(block);
    return scaled8(load4_at2(q) >> shift & 0x0f0f0f0fu, load4_at2(q + 4) >> shift & 0x0f0f0f0fu, d, -8.0f * d);
}

static inline eight dequant_q4_1(device const uchar *row, uint i)
{
    device const uchar *block = row + (ulong)(i / 4) * 20;
    const uint shift = i % 4 / 2 * 4;
    device const uchar *q = block + 4 + i % 2 * 8;
    return scaled8(load4(q) >> shift & 0x0f0f0f0fu, load4(q + 4) >> shift & 0x0f0f0f0fu, load_half(block),
                   load_half(block + 2));
}

static inline eight dequant_q5_0(device const uchar *row, uint i)
{
    device const uchar *block = row + (ulong)(i / 4) * 22;
    const uint shift = i % 4 / 2 * 4;
    device const uchar *q = block + 6 + i % 2 * 8;
    const uint fifth = load4_at2(block + 2) >> (i % 4 * 8);
    const float d = load_half(block);
    return scaled8((load4_at2(q) >> shift & 0x0f0f0f0fu) | spread1(fifth) << 4,
                   (load4_at2(q + 4) >> shift & 0x0f0f0f0fu) | spread1(fifth >> 4) << 4, d, -16.0f * d);
}

static inline eight dequant_q5_1(device const uchar *row, uint i)
{
    device const uchar *block = row + (ulong)(i / 4) * 24;
    const uint shift = i % 4 / 2 * 4;
    device const uchar *q = block + 8 + i % 2 * 8;
    const uint fifth = load4(block + 4) >> (i % 4 * 8);
    return scaled8((load4(q) >> shift & 0x0f0f0f0fu) | spread1(fifth) << 4,
                   (load4(q + 4) >> shift & 0x0f0f0f0fu) | spread1(fifth >> 4) << 4, load_half(block),
                   load_half(block + 2));
}

static inline eight dequant_q8_0(device const uchar *row, uint i)
{
    device const uchar *block = row + (ulong)(i / 4) * 34;
    device const uchar *q = block + 2 + i % 4 * 8;
    const float d = load_half(block);
    eight r;
    r.a = signed_bytes(load4_at2(q)) * d;
    r.b = signed_bytes(load4_at2(q + 4)) * d;
    return r;
}

/* 128 elements of a bit. */
static inline eight dequant_q1_0(device const uchar *row, uint i)
{
    device const uchar *block = row + (ulong)(i / 16) * 18;
    const uint v = block[2 + i % 16];
    const float d = load_half(block);
    return scaled8(spread1(v), spread1(v >> 4), 2.0f * d, -d);
}

/* 64 elements of two bits. */
static inline eight dequant_q2_0(device const uchar *row, uint i)
{
    device const uchar *block = row + (ulong)(i / 8) * 18;
    const uint v = load2(block + 2 + i % 8 * 2);
    const float d = load_half(block);
    return scaled8(spread2(v), spread2(v >> 8), d, -d);
}

/* ---- super-blocks of 256: piece i % 32 of it ---- */

static inline eight dequant_q2_k(device const uchar *row, uint i)
{
    device const uchar *block = row + (ulong)(i / 32) * 84;
    const uint j = i % 32, shift = j % 16 / 4 * 2, s = block[j / 2];
    device const uchar *q = block + 16 + j / 16 * 32 + j % 4 * 8;
    return scaled8(load4(q) >> shift & 0x03030303u, load4(q + 4) >> shift & 0x03030303u,
                   load_half(block + 80) * float(s & 15), -load_half(block + 82) * float(s >> 4));
}

/* Six-bit scale g of 16 in 12 bytes, times d. */
static inline float q3_scale(device const uchar *s, uint g, float d)
{
    const uint low = uint(s[g % 8]) >> g / 8 * 4 & 15, high = uint(s[8 + g % 4]) >> g / 4 * 2 & 3;
    return d * float(int(low | high << 4) - 32);
}

static inline eight dequant_q3_k(device const uchar *row, uint i)
{
    device const uchar *block = row + (ulong)(i / 32) * 110;
    const uint j = i % 32, shift = j % 16 / 4 * 2;
    device const uchar *q = block + 32 + j / 16 * 32 + j % 4 * 8;
    device const uchar *h = block + j % 4 * 8;
    const float scale = q3_scale(block + 96, j / 2, load_half(block + 108));
    return scaled8((load4_at2(q) >> shift & 0x03030303u) | (load4_at2(h) >> j / 4 & 0x01010101u) << 2,
                   (load4_at2(q + 4) >> shift & 0x03030303u) | (load4_at2(h + 4) >> j / 4 & 0x01010101u) << 2, scale,
                   -4.0f * scale);
}

/* Six-bit scale (x) and minimum (y) g of 8 in the 12 bytes that Q4_K and Q5_K share. */
static inline uint2 k4_scale(device const uchar *s, uint g)
{
    const uint a = s[g % 4], b = s[g % 4 + 4], c = s[g % 4 + 8];
    return g < 4 ? uint2(a & 63, b & 63) : uint2((c & 15) | a >> 6 << 4, c >> 4 | b >> 6 << 4);
}

static inline eight dequant_q4_k(device const uchar *row, uint i)
{
    device const uchar *block = row + (ulong)(i / 32) * 144;
    const uint j = i % 32, g = j / 4, shift = g % 2 * 4;
    device const uchar *q = block + 16 + g / 2 * 32 + j % 4 * 8;
    const uint2 s = k4_scale(block + 4, g);
    return scaled8(load4(q) >> shift & 0x0f0f0f0fu, load4(q + 4) >> shift & 0x0f0f0f0fu,
                   load_half(block) * float(s.x), -load_half(block + 2) * float(s.y));
}

static inline eight dequant_q5_k(device const uchar *row, uint i)
{
    device const uchar *block = row + (ulong)(i / 32) * 176;
    const uint j = i % 32, g = j / 4, shift = g % 2 * 4;
    device const uchar *q = block + 48 + g / 2 * 32 + j % 4 * 8;
    device const uchar *h = block + 16 + j % 4 * 8;
    const uint2 s = k4_scale(block + 4, g);
    return scaled8((load4(q) >> shift & 0x0f0f0f0fu) | (load4(h) >> g & 0x01010101u) << 4,
                   (load4(q + 4) >> shift & 0x0f0f0f0fu) | (load4(h + 4) >> g & 0x01010101u) << 4,
                   load_half(block) * float(s.x), -load_half(block + 2) * float(s.y));
}

static inline eight dequant_q6_k(device const uchar *row, uint i)
{
    device const uchar *block = row + (ulong)(i / 32) * 210;
    const uint j = i % 32, low = j % 16 / 8 * 4, high = j % 16 / 4 * 2;
    device const uchar *q = block + j / 16 * 64 + j % 8 * 8;
    device const uchar *h = block + 128 + j / 16 * 32 + j % 4 * 8;
    const float scale = load_half(block + 208) * float(as_type<char>(block[192 + j / 2]));
    return scaled8((load4_at2(q) >> low & 0x0f0f0f0fu) | (load4_at2(h) >> high & 0x03030303u) << 4,
                   (load4_at2(q + 4) >> low & 0x0f0f0f0fu) | (load4_at2(h + 4) >> high & 0x03030303u) << 4, scale,
                   -32.0f * scale);
}

static inline eight dequant_tq2_0(device const uchar *row, uint i)
{
    device const uchar *block = row + (ulong)(i / 32) * 66;
    const uint j = i % 32, shift = j % 16 / 4 * 2;
    device const uchar *q = block + j / 16 * 32 + j % 4 * 8;
    const float d = load_half(block + 64);
    return scaled8(load4_at2(q) >> shift & 0x03030303u, load4_at2(q + 4) >> shift & 0x03030303u, d, -d);
}

/* Digit k of base 3 of the fraction v / 256. */
static inline uint ternary(uint v, uint k)
{
    const uint pow3 = k == 0 ? 1 : k == 1 ? 3 : k == 2 ? 9 : k == 3 ? 27 : 81;
    return (v * pow3 & 255) * 3 >> 8;
}

static inline uint ternary4(device const uchar *p, uint k)
{
    return ternary(p[0], k) | ternary(p[1], k) << 8 | ternary(p[2], k) << 16 | ternary(p[3], k) << 24;
}

static inline eight dequant_tq1_0(device const uchar *row, uint i)
{
    device const uchar *block = row + (ulong)(i / 32) * 54;
    const uint j = i % 32;
    const float d = load_half(block + 52);
    if (j >= 30)
        return scaled8(ternary4(block + 48, j % 2 * 2), ternary4(block + 48, j % 2 * 2 + 1), d, -d);
    device const uchar *q = j < 20 ? block + j % 4 * 8 : block + 32 + j % 2 * 8;
    const uint k = j < 20 ? j / 4 : (j - 20) / 2;
    return scaled8(ternary4(q, k), ternary4(q + 4, k), d, -d);
}

/* ---- codes of unequal steps ---- */

static inline eight dequant_mxfp4(device const uchar *row, uint i)
{
    device const uchar *block = row + (ulong)(i / 4) * 17;
    const uint shift = i % 4 / 2 * 4;
    device const uchar *q = block + 1 + i % 2 * 8;
    const float scale = e8m0(block[0]) * 16384.0f;
    eight r;
    r.a = e2m1(load4_at1(q) >> shift) * scale;
    r.b = e2m1(load4_at1(q + 4) >> shift) * scale;
    return r;
}

/* The scale of NVFP4 in GGUF files, whose sign and NaN do not count, for e2m1's values. */
static inline float nvfp4_scale(uint v)
{
    return (v & 0x7f) == 0x7f ? 0.0f : e4m3_scale(v & 0x7f) * 4194304.0f;
}

static inline eight dequant_nvfp4(device const uchar *row, uint i)
{
    device const uchar *block = row + (ulong)(i / 8) * 36;
    const uint g = i % 8 / 2, shift = i % 2 * 4;
    device const uchar *q = block + 4 + g * 8;
    const float scale = nvfp4_scale(block[g]);
    eight r;
    r.a = e2m1(load4(q) >> shift) * scale;
    r.b = e2m1(load4(q + 4) >> shift) * scale;
    return r;
}

constant char iq4_values[16] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};

/* Of four codes in the low halves of the bytes of c. */
static inline float4 iq4(uint c)
{
    return float4(float(iq4_values[c & 15]), float(iq4_values[c >> 8 & 15]), float(iq4_values[c >> 16 & 15]),
                  float(iq4_values[c >> 24 & 15]));
}

static inline eight dequant_iq4_nl(device const uchar *row, uint i)
{
    device const uchar *block = row + (ulong)(i / 4) * 18;
    const uint shift = i % 4 / 2 * 4;
    device const uchar *q = block + 2 + i % 2 * 8;
    const float d = load_half(block);
    eight r;
    r.a = iq4(load4_at2(q) >> shift) * d;
    r.b = iq4(load4_at2(q + 4) >> shift) * d;
    return r;
}

/* Scale of group g of 8. */
static inline float iq4_xs_scale(device const uchar *block, uint g)
{
    const uint low = uint(block[4 + g / 2]) >> g % 2 * 4 & 15, high = load2(block + 2) >> 2 * g & 3;
    return load_half(block) * float(int(low | high << 4) - 32);
}

static inline eight dequant_iq4_xs(device const uchar *row, uint i)
{
    device const uchar *block = row + (ulong)(i / 32) * 136;
    const uint g = i % 32 / 4, shift = i % 4 / 2 * 4;
    device const uchar *q = block + 8 + g * 16 + i % 2 * 8;
    const float scale = iq4_xs_scale(block, g);
    eight r;
    r.a = iq4(load4(q) >> shift) * scale;
    r.b = iq4(load4(q + 4) >> shift) * scale;
    return r;
}

/* ---- code books ---- */

/* -1 where a bit of the lowest four is set, else 1. */
static inline float4 signs4(uint bits)
{
    return fma(bytes(spread1(bits)), float4(-2.0f), float4(1.0f));
}

/* The eighth sign makes their number even. */
static inline uint even_signs(uint seven)
{
    return seven | (popcount(seven) & 1) << 7;
}

/* Levels 8, 25, 43 of four two-bit positions: 8 + 17 e + e / 2. */
static inline float4 iq2_levels(uint entry)
{
    const uint e = spread2(entry);
    return bytes(0x08080808u + e * 17 + (e >> 1 & 0x01010101u));
}

static inline eight iq2_eight(uint entry, uint signs, float scale)
{
    eight r;
    r.a = iq2_levels(entry) * signs4(signs) * scale;
    r.b = iq2_levels(entry >> 8) * signs4(signs >> 4) * scale;
    return r;
}

static inline eight dequant_iq2_xxs(device const uchar *row, uint i)
{
    device const uchar *block = row + (ulong)(i / 32) * 66;
    device const uchar *codes = block + 2 + i % 32 / 4 * 8;
    const uint bits = load4_at2(codes + 4), k = i % 4;
    return iq2_eight(iq2xxs_grid[codes[k]], even_signs(bits >> 7 * k & 127),
                     load_half(block) * (0.5f + float(bits >> 28)) * 0.25f);
}

/* Scale of piece j of a super-block in nibbles, one for two pieces. */
static inline float iq2_scale(device const uchar *block, device const uchar *scales, uint j)
{
    return load_half(block) * (0.5f + float(uint(scales[j / 4]) >> j % 4 / 2 * 4 & 15)) * 0.25f;
}

static inline eight dequant_iq2_xs(device const uchar *row, uint i)
{
    device const uchar *block = row + (ulong)(i / 32) * 74;
    const uint j = i % 32, q = load2(block + 2 + 2 * j);
    return iq2_eight(iq2xs_grid[q & 511], even_signs(q >> 9), iq2_scale(block, block + 66, j));
}

static inline eight dequant_iq2_s(device const uchar *row, uint i)
{
    device const uchar *block = row + (ulong)(i / 32) * 82;
    const uint j = i % 32, code = block[2 + j] | (uint(block[66 + j / 4]) >> 2 * (j % 4) & 3) << 8;
    return iq2_eight(iq2s_grid[code], block[34 + j], iq2_scale(block, block + 74, j));
}

/* Levels 4, 12, 20, 28, 36, 44, 52, 62 of four three-bit positions. */
static inline float4 iq3_xxs_levels(uint entry)
{
    const uint e = spread3(entry);
    return bytes(0x04040404u + e * 8 + (e & e >> 1 & e >> 2 & 0x01010101u) * 2);
}

static inline eight dequant_iq3_xxs(device const uchar *row, uint i)
{
    device const uchar *block = row + (ulong)(i / 32) * 98;
    const uint j = i % 32, bits = load4_at2(block + 66 + j / 4 * 4), signs = even_signs(bits >> 7 * (j % 4) & 127);
    const float scale = load_half(block) * (0.5f + float(bits >> 28)) * 0.5f;
    eight r;
    r.a = iq3_xxs_levels(iq3xxs_grid[block[2 + 2 * j]]) * signs4(signs) * scale;
    r.b = iq3_xxs_levels(iq3xxs_grid[block[3 + 2 * j]]) * signs4(signs >> 4) * scale;
    return r;
}

/* Levels 1, 3 .. 15 of four three-bit positions. */
static inline float4 iq3_s_levels(uint entry)
{
    return bytes(0x01010101u + spread3(entry) * 2);
}

static inline eight dequant_iq3_s(device const uchar *row, uint i)
{
    device const uchar *block = row + (ulong)(i / 32) * 110;
    const uint j = i % 32, g = j / 4, ninth = uint(block[66 + g]) >> 2 * (j % 4), signs = block[74 + j];
    const float scale = load_half(block) * float(1 + 2 * (uint(block[106 + g / 2]) >> g % 2 * 4 & 15));
    eight r;
    r.a = iq3_s_levels(iq3s_grid[block[2 + 2 * j] | (ninth & 1) << 8]) * signs4(signs) * scale;
    r.b = iq3_s_levels(iq3s_grid[block[3 + 2 * j] | (ninth & 2) << 7]) * signs4(signs >> 4) * scale;
    return r;
}

/* scale * (e - 1 + delta), e two-bit positions. */
static inline eight iq1_eight(uint entry, float delta, float scale)
{
    return scaled8(spread2(entry), spread2(entry >> 8), scale, scale * (delta - 1.0f));
}

static inline eight dequant_iq1_s(device const uchar *row, uint i)
{
    device const uchar *block = row + (ulong)(i / 32) * 50;
    const uint j = i % 32, bits = load2(block + 34 + j / 4 * 2);
    const float scale = load_half(block) * float(2 * (bits >> 12 & 7) + 1);
    return iq1_eight(iq1s_grid[block[2 + j] | (bits >> 3 * (j % 4) & 7) << 8], (bits >> 15) != 0 ? -0.125f : 0.125f,
                     scale);
}

static inline eight dequant_iq1_m(device const uchar *row, uint i)
{
    device const uchar *block = row + (ulong)(i / 32) * 56;
    device const uchar *scales = block + 48;
    const uint d = load2(scales) >> 12 | load2(scales + 2) >> 12 << 4 | load2(scales + 4) >> 12 << 8 |
                   load2(scales + 6) >> 12 << 12;
    const uint j = i % 32, high = uint(block[32 + j / 2]) >> j % 2 * 4, s = load2(scales + j / 8 * 2) >> j % 8 / 2 * 3;
    return iq1_eight(iq1s_grid[block[j] | (high & 7) << 8], (high & 8) != 0 ? -0.125f : 0.125f,
                     float(as_type<half>(ushort(d))) * float(2 * (s & 7) + 1));
}

/* ---- separate scales ---- */

/* A scale by its bits, in the lowest of a word. */
static inline float scale_of(uint type, uint v)
{
    return type == TYPE_F32 ? as_type<float>(v) : type == TYPE_F16 ? half_of(v) : as_type<float>(v << 16);
}

static inline float load_scale(device const uchar *p, uint type, uint i)
{
    return scale_of(type, type == TYPE_F32 ? load4(p + 4 * i) : load2(p + 2 * i));
}

/* The `bits` bytes of eight codes: bytes 0 to 3 (x) and those behind them (y). */
static inline uint2 load_codes(uint bits, bool aligned, device const uchar *q)
{
    if (bits == 2)
        return uint2(load2(q), 0);
    if (bits == 3)
        return uint2(uint(q[0]) | uint(q[1]) << 8 | uint(q[2]) << 16, 0);
    if (bits == 4)
        return uint2(load4(q), 0);
    if (bits == 5)
        return uint2(load4_at1(q), q[4]);
    if (bits == 6)
        return uint2(load4_at2(q), load2(q + 4));
    return load8(q, aligned);
}

/* The same codes in a byte each. Not for 4 bits. */
static inline uint2 spread_codes(uint bits, uint2 v)
{
    if (bits == 2)
        return uint2(spread2(v.x), spread2(v.x >> 8));
    if (bits == 3)
        return uint2(spread3(v.x), spread3(v.x >> 12));
    if (bits == 5)
        return uint2(spread5(v.x), spread5(v.x >> 20 | v.y << 12));
    if (bits == 6)
        return uint2(spread6(v.x), spread6(v.x >> 24 | v.y << 8));
    return v;
}

static inline eight dequant_affine(uint bits, uint group, uint scale_type, weight_row row, uint i)
{
    const uint g = i / (group / 8);
    const float scale = load_scale(row.scales, scale_type, g), bias = load_scale(row.biases, scale_type, g);
    const uint2 v = load_codes(bits, false, row.data + (ulong)i * bits);
    if (bits == 4)
        return interleaved(scaled(v.x & 0x0f0f0f0fu, scale, bias), scaled(v.x >> 4 & 0x0f0f0f0fu, scale, bias));
    const uint2 c = spread_codes(bits, v);
    return scaled8(c.x, c.y, scale, bias);
}

static inline eight dequant_mlx_fp4(float scale, weight_row row, uint i)
{
    const uint w = load4(row.data + (ulong)i * 4);
    return interleaved(e2m1(w) * scale, e2m1(w >> 4) * scale);
}

static inline eight dequant_mlx_mxfp8(weight_row row, uint i)
{
    const float scale = e8m0(row.scales[i / 4]) * 256.0f;
    device const uchar *q = row.data + (ulong)i * 8;
    eight r;
    r.a = e4m3(load4(q)) * scale;
    r.b = e4m3(load4(q + 4)) * scale;
    return r;
}

/* ---- one value an element ---- */

static inline uint plain_bytes(uint type)
{
    return type == TYPE_F32 ? 4 : 2;
}

/* Whether the type has one value an element, so that a row may have any number of them. */
static inline bool is_plain(uint type)
{
    return type == TYPE_F32 || type == TYPE_F16 || type == TYPE_BF16;
}

static inline float load_plain(uint type, device const uchar *row, uint i)
{
    return scale_of(type, type == TYPE_F32 ? load4(row + (ulong)i * 4) : load2(row + (ulong)i * 2));
}

/* Piece i of a row of n elements, 0 beyond them. */
static inline eight dequant_plain(uint type, device const uchar *row, uint i, uint n)
{
    float v[8];
    for (uint k = 0; k < 8; k++)
        v[k] = 8 * i + k < n ? load_plain(type, row, 8 * i + k) : 0.0f;
    eight r;
    r.a = float4(v[0], v[1], v[2], v[3]);
    r.b = float4(v[4], v[5], v[6], v[7]);
    return r;
}

/* ---- all ---- */

/* Piece i of a row of a type that has no value an element. bits, group, scale_type: of types with separate scales. */
static inline eight dequant8(uint type, uint bits, uint group, uint scale_type, weight_row row, uint i)
{
    if (type == TYPE_Q4_0)
        return dequant_q4_0(row.data, i);
    if (type == TYPE_Q4_1)
        return dequant_q4_1(row.data, i);
    if (type == TYPE_Q5_0)
        return dequant_q5_0(row.data, i);
    if (type == TYPE_Q5_1)
        return dequant_q5_1(row.data, i);
    if (type == TYPE_Q8_0)
        return dequant_q8_0(row.data, i);
    if (type == TYPE_Q1_0)
        return dequant_q1_0(row.data, i);
    if (type == TYPE_Q2_0)
        return dequant_q2_0(row.data, i);
    if (type == TYPE_Q2_K)
        return dequant_q2_k(row.data, i);
    if (type == TYPE_Q3_K)
        return dequant_q3_k(row.data, i);
    if (type == TYPE_Q4_K)
        return dequant_q4_k(row.data, i);
    if (type == TYPE_Q5_K)
        return dequant_q5_k(row.data, i);
    if (type == TYPE_Q6_K)
        return dequant_q6_k(row.data, i);
    if (type == TYPE_TQ1_0)
        return dequant_tq1_0(row.data, i);
    if (type == TYPE_TQ2_0)
        return dequant_tq2_0(row.data, i);
    if (type == TYPE_MXFP4)
        return dequant_mxfp4(row.data, i);
    if (type == TYPE_NVFP4)
        return dequant_nvfp4(row.data, i);
    if (type == TYPE_IQ4_NL)
        return dequant_iq4_nl(row.data, i);
    if (type == TYPE_IQ4_XS)
        return dequant_iq4_xs(row.data, i);
    if (type == TYPE_IQ1_S)
        return dequant_iq1_s(row.data, i);
    if (type == TYPE_IQ1_M)
        return dequant_iq1_m(row.data, i);
    if (type == TYPE_IQ2_XXS)
        return dequant_iq2_xxs(row.data, i);
    if (type == TYPE_IQ2_XS)
        return dequant_iq2_xs(row.data, i);
    if (type == TYPE_IQ2_S)
        return dequant_iq2_s(row.data, i);
    if (type == TYPE_IQ3_XXS)
        return dequant_iq3_xxs(row.data, i);
    if (type == TYPE_IQ3_S)
        return dequant_iq3_s(row.data, i);
    if (type == TYPE_MLX_MXFP4)
        return dequant_mlx_fp4(e8m0(row.scales[i / 4]) * 16384.0f, row, i);
    if (type == TYPE_MLX_NVFP4)
        return dequant_mlx_fp4(e4m3_scale(row.scales[i / 2]) * 4194304.0f, row, i);
    if (type == TYPE_MLX_MXFP8)
        return dequant_mlx_mxfp8(row, i);
    return dequant_affine(bits, group, scale_type, row, i);
}

/* Bytes of 256 elements of a row, a multiple of every block; without separate scales. */
static inline uint bytes_256(uint type, uint bits)
{
    if (type == TYPE_Q4_0 || type == TYPE_IQ4_NL || type == TYPE_Q4_K || type == TYPE_NVFP4)
        return 144;
    if (type == TYPE_IQ2_XXS || type == TYPE_TQ2_0)
        return 66;
    if (type == TYPE_Q3_K || type == TYPE_IQ3_S)
        return 110;
    if (type == TYPE_Q5_0 || type == TYPE_Q5_K)
        return 176;
    if (type == TYPE_MXFP4 || type == TYPE_IQ4_XS)
        return 136;
    if (is_plain(type))
        return 256 * plain_bytes(type);
    if (type >= TYPE_AFFINE)
        return 32 * bits;
    return type == TYPE_Q4_1    ? 160
           : type == TYPE_Q5_1  ? 192
           : type == TYPE_Q8_0  ? 272
           : type == TYPE_Q1_0  ? 36
           : type == TYPE_Q2_0  ? 72
           : type == TYPE_Q2_K  ? 84
           : type == TYPE_Q6_K  ? 210
           : type == TYPE_TQ1_0 ? 54
           : type == TYPE_IQ1_S ? 50
           : type == TYPE_IQ1_M ? 56
           : type == TYPE_IQ2_XS ? 74
           : type == TYPE_IQ2_S  ? 82
                                 : 98; /* IQ3_XXS */
}

/* Bytes of the separate scales of a row of n elements. */
static inline uint scale_bytes(uint type, uint group, uint scale_type, uint n)
{
    if (type == TYPE_AFFINE)
        return n / group * plain_bytes(scale_type);
    return type == TYPE_MLX_NVFP4 ? n / 16 : type == TYPE_MLX_MXFP4 || type == TYPE_MLX_MXFP8 ? n / 32 : 0;
}

/* Row r of a weight [rows, n]. row_bytes: of its codes. */
static inline weight_row row_of(uint type, uint group, uint scale_type, device const uchar *data,
                                device const uchar *scales, device const uchar *biases, uint row_bytes, uint n, uint r)
{
    const ulong at = (ulong)r * scale_bytes(type, group, scale_type, n);
    weight_row w;
    w.data = data + (ulong)r * row_bytes;
    w.scales = scales + at;
    w.biases = biases + at;
    return w;
}

#endif
