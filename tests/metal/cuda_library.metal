/* SPDX-License-Identifier: Apache-2.0 */
/* Kernels that no model needs: the language of metal/README.md, piece by piece, for checks of what stands for the Metal
 * standard library on other GPUs. Each is run over one threadgroup of 32 threads unless it says otherwise. */
#include <metal_stdlib>

#include "metal/args.h"

using namespace metal;

constant uint VARIANT [[function_constant(TN_FC_TYPE)]];

constant float powers[4] = {1.0f, 2.0f, 4.0f, 8.0f};

/* out[i] = x[i] of vectors: each load and store is one of all its bytes. Grid: any, 32 threads. */
kernel void library_copy(device const float4 *x4 [[buffer(0)]],
                         device const half4 *h4 [[buffer(1)]],
                         device const uchar4 *c4 [[buffer(2)]],
                         device const uint2 *u2 [[buffer(3)]],
                         device float4 *out [[buffer(4)]],
                         uint i [[thread_position_in_grid]])
{
    out[4 * i] = x4[i];
    out[4 * i + 1] = float4(h4[i]);
    out[4 * i + 2] = float4(c4[i]);
    const uint2 u = u2[i];
    out[4 * i + 3] = float4(as_type<float>(u.x), float(u.y), powers[i % 4], float(VARIANT));
}

/* 8x8: out[0] = a b + c of floats, out[64] of halves times floats, out[128] of halves, out[192] with b transposed
 * (floats), out[256] with b transposed (halves), out[320] with a and b transposed (halves), out[384] a stored transposed.
 * a, b: [8, 8], c: [8, 8]. */
kernel void library_matrix(device const float *a [[buffer(0)]],
                           device const float *b [[buffer(1)]],
                           device const float *c [[buffer(2)]],
                           device float *out [[buffer(3)]],
                           uint lane [[thread_index_in_simdgroup]])
{
    threadgroup half ha[64];
    threadgroup half hb[64];
    threadgroup float fb[72];
    for (uint i = lane; i < 64; i += TN_SIMD_WIDTH) {
        ha[i] = half(a[i]);
        hb[i] = half(b[i]);
        fb[i / 8 * 9 + i % 8] = b[i];
    }
    threadgroup_barrier(mem_flags::mem_threadgroup);

    simdgroup_float8x8 ma, mb, mc, md;
    simdgroup_half8x8 mha, mhb;
    simdgroup_load(ma, a, 8);
    simdgroup_load(mb, fb, 9);
    simdgroup_load(mc, c, 8);
    simdgroup_multiply_accumulate(md, ma, mb, mc);
    simdgroup_store(md, out, 8);

    simdgroup_load(mha, ha, 8);
    simdgroup_multiply_accumulate(md, mha, mb, mc);
    simdgroup_store(md, out + 64, 8);

    simdgroup_load(mhb, hb, 8);
    simdgroup_multiply_accumulate(md, mha, mhb, mc);
    simdgroup_store(md, out + 128, 8);

    simdgroup_load(mb, b, 8, ulong2(0, 0), true);
    simdgroup_multiply_accumulate(md, ma, mb, mc);
    simdgroup_store(md, out + 192, 8);

    simdgroup_load(mhb, hb, 8, ulong2(0, 0), true);
    simdgroup_multiply_accumulate(md, mha, mhb, mc);
    simdgroup_store(md, out + 256, 8);

    simdgroup_load(mha, ha, 8, ulong2(0, 0), true);
    simdgroup_multiply_accumulate(md, mha, mhb, mc);
    simdgroup_store(md, out + 320, 8);

    simdgroup_load(ma, a, 8, ulong2(0, 0), true);
    simdgroup_store(ma, out + 384, 8);
    md = make_filled_simdgroup_matrix<float, 8, 8>(2.5f);
    simdgroup_store(md, out + 448, 8);
}

/* What threads of a simdgroup give each other: out[32 * n + lane]. */
kernel void library_simd(device const float *x [[buffer(0)]],
                         device float *out [[buffer(1)]],
                         uint lane [[thread_index_in_simdgroup]])
{
    const float v = x[lane];
    const half2 pair = half2(half(v), half(-v));
    out[lane] = simd_sum(v);
    out[32 + lane] = simd_max(v);
    out[64 + lane] = simd_min(v);
    out[96 + lane] = simd_shuffle(v, ushort(31 - lane));
    out[128 + lane] = simd_shuffle_xor(v, 3);
    out[160 + lane] = simd_shuffle_down(v, 5);
    out[192 + lane] = simd_broadcast(v, 7);
    out[224 + lane] = float(simd_sum(lane));
    out[256 + lane] = float(simd_shuffle_xor(pair, 1).y);
    out[288 + lane] = float(simd_max(int(lane) - 16));
    simdgroup_barrier(mem_flags::mem_threadgroup);
}

/* Functions of one number: out[32 * n + lane] of x[lane], positive. */
kernel void library_math(device const float *x [[buffer(0)]],
                         device float *out [[buffer(1)]],
                         uint lane [[thread_index_in_threadgroup]])
{
    const float v = x[lane];
    const half h = half(v);
    const float4 four = float4(v, -v, 0.25f * v, 3.0f);
    out[lane] = exp(v);
    out[32 + lane] = precise::exp(-v);
    out[64 + lane] = exp2(v);
    out[96 + lane] = log(v);
    out[128 + lane] = log2(v);
    out[160 + lane] = precise::sin(v);
    out[192 + lane] = precise::cos(v);
    out[224 + lane] = precise::tanh(v);
    out[256 + lane] = sqrt(v);
    out[288 + lane] = rsqrt(v);
    out[320 + lane] = precise::rsqrt(v);
    out[352 + lane] = floor(v) + ceil(v) + rint(v) + round(v);
    out[384 + lane] = fma(v, v, 1.0f) + abs(-v) + abs(float(-int(lane)));
    out[416 + lane] = clamp(v, 0.5f, 1.5f) + max(v, 1.0f) + min(v, 1.0f) + select(1.0f, 2.0f, v > 1.0f);
    out[448 + lane] = float(popcount(as_type<uint>(v)));
    out[480 + lane] = dot(four, four) + max(four, float4(1.0f)).y + abs(four)[1];
    out[512 + lane] = h * 2.0f + float(h + h) + float(h * h) + float(-h) + float(h / half(3.0f));
    out[544 + lane] = float(as_type<half>(ushort(0x3c00 + lane))) + float(as_type<half2>(as_type<uint>(v)).x);
    const char4 signs = as_type<char4>(as_type<uint>(v));
    out[576 + lane] = float(signs.x) + float(signs.y) + float(signs.z) + float(signs.w);
    const uint4 bits = (uint4(as_type<uint>(v)) >> uint4(0, 8, 16, 24)) & uint4(255);
    out[608 + lane] = float(bits.x + bits.y + bits.z + bits.w);
    const half4 product = half4(four) * half4(half(0.5f));
    out[640 + lane] = float(product.x) + float(product[3]);
}
