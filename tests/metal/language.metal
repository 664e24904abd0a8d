/* SPDX-License-Identifier: Apache-2.0 */
/* The language of metal/README.md, every part of it once, to see that the simulator gives what Metal specifies.
 * language.c knows the expected values. */
#include <metal_stdlib>

#include "metal/args.h"

using namespace metal;

constant uint COUNT [[function_constant(TN_FC_TYPE)]];

constant uchar SQUARES[8] = {0, 1, 4, 9, 16, 25, 36, 49};
static constant float HALVES[2][2] = {{0.5f, 1.5f}, {2.5f, 3.5f}};
constant uint SEVEN = 7;

struct numbers {
    uint n;
    float f[3];
};

/* out[lane + 32 i]: operations of a simdgroup on the lane's number, ... */
kernel void lanes(device float *out [[buffer(0)]],
                  uint lane [[thread_index_in_simdgroup]])
{
    const float x = float(lane) * 0.5f;
    out[lane] = simd_sum(x);
    out[lane + 32] = simd_max(-x);
    out[lane + 64] = simd_min(x + 3.0f);
    out[lane + 96] = float(simd_sum(lane));
    out[lane + 128] = float(simd_max(int(lane) - 40));
    out[lane + 160] = float(simd_min(int(lane) - 40));
    out[lane + 192] = float(simd_max(lane + 1u));
    out[lane + 224] = simd_shuffle(x, 31 - lane);
    out[lane + 256] = simd_shuffle_xor(x, 5);
    out[lane + 288] = simd_shuffle_down(x, 3);
    out[lane + 320] = simd_broadcast(x, 9);
    out[lane + 352] = float(simd_shuffle_xor(ushort(lane), 16));
    out[lane + 384] = float(simd_shuffle_down(half(x), 31));
    out[lane + 416] = simd_shuffle(float2(x, -x), lane / 2).y;
}

static inline float tail(threadgroup const float *p, uint n)
{
    float sum = 0.0f;
    for (uint i = 0; i < n; i++)
        sum += p[i];
    return sum;
}

static inline void put(thread float &to, float x)
{
    to = x;
}

static inline float first_of(thread const float *p)
{
    return p[0];
}

/* out[thread]: a value each. */
kernel void values(device float *out [[buffer(0)]],
                   constant numbers &n [[buffer(1)]],
                   device const uchar *bytes [[buffer(2)]],
                   uint tid [[thread_index_in_threadgroup]])
{
    threadgroup float shared[4 * 8];
    threadgroup half2 pairs[2][2];
    shared[tid % 32] = float(tid % 32);
    if (tid == 0)
        pairs[1][0] = half2(1.5h, half(n.f[0]));
    threadgroup_barrier(mem_flags::mem_threadgroup);
    float v = -1.0f;
    float many[512];
    for (uint i = 0; i < 512; i++)
        many[i] = float(i);
    const float4 a = float4(1.0f, 2.0f, 3.0f, 4.0f), b = float4(0.5f);
    const uchar4 u = uchar4(250, 251, 252, 253);
    const int4 i4 = int4(-7, 7, -8, 8);
    switch (tid) {
    case 0: v = as_type<float>(uint(0x3fc0u) << 16); break;
    case 1: v = float(as_type<uint>(1.0f) >> 16); break;
    case 2: v = float(as_type<half>(ushort(0x3c01))); break;
    case 3: v = dot(a, b); break;
    case 4: v = (a * b + float4(1, 2, 3, 4) / 2.0f).w; break;
    case 5: v = (2.0f * a - b).y; break;
    case 6: v = float((u + uchar4(10)).x); break; /* stays 8 bits */
    case 7: v = float(u[3]); break;
    case 8: v = float4(u).z; break;
    case 9: v = float((i4 / 2).x + (i4 % 4).z); break;
    case 10: v = float(((uint2(0xf0f0u, 5) >> 4) & 0xfu).x); break;
    case 11: v = float((ushort4(1, 2, 3, 4) << 3 | ushort4(1)).w); break;
    case 12: v = float(char4(int4(-3)).x); break;
    case 13: v = float(as_type<uchar4>(0x04030201u).w); break;
    case 14: v = float(as_type<ushort2>(0x00020001u).y); break;
    case 15: v = float((*(device const uint2 *)(bytes + 8)).y >> 16); break;
    case 16: v = float(((device const ushort *)bytes)[1]); break;
    case 17: v = float(abs(-3)) + abs(-0.25f); break;
    case 18: v = min(2.0f, 3.0f) + max(2.0f, 3.0f) + float(min(1u, 2u) + max(1u, 2u)); break;
    case 19: v = clamp(7.0f, 0.0f, 5.5f) + float(clamp(-3, -2, 2)); break;
    case 20: v = floor(-1.5f) + ceil(-1.5f); break;
    case 21: v = rint(2.5f) + rint(3.5f) + round(2.5f) + round(-2.5f); break;
    case 22: v = fma(1.0f + 0.00000012f, 1.0f + 0.00000012f, -1.0f) * 4194304.0f; break;
    case 23: v = select(1.0f, 2.0f, true) + select(10.0f, 20.0f, false); break;
    case 24: v = float(popcount(0xffu) + popcount(uchar(7)) + popcount(ushort(0x8001))); break;
    case 25: v = exp(1.0f) + precise::exp(1.0f); break;
    case 26: v = exp2(3.0f) + precise::exp2(0.5f); break;
    case 27: v = log(10.0f) + precise::log(10.0f); break;
    case 28: v = log2(8.0f) + precise::log2(2.0f); break;
    case 29: v = sin(1.0f) + precise::cos(1.0f) + cos(2.0f) + precise::sin(2.0f); break;
    case 30: v = tanh(0.5f) + precise::tanh(0.5f); break;
    case 31: v = sqrt(2.0f) + precise::sqrt(2.0f); break;
    case 32: v = rsqrt(4.0f) + precise::rsqrt(16.0f); break;
    case 33: v = float(SQUARES[5]) + HALVES[1][0] + float(SEVEN); break;
    case 34: v = tail(shared + 28, 4); break;
    case 35: v = float(pairs[1][0].x) + float(pairs[1][0].y); break;
    case 36: v = n.f[2] + float(n.n); break;
    case 37: v = many[511] + many[n.n]; break;
    case 38: put(v, 12.0f); break;
    case 39: v = COUNT == 3 ? 1.0f : 0.0f; break;
    case 40: v = float(half(1.0f) / half(3.0f)); break; /* rounded to 11 bits */
    case 41: v = float(half(0.1f)); break;
    case 42: v = float(ushort(uchar(200) + uchar(100))); break;
    case 43: v = float(char(uchar(200))); break;
    case 44: v = float((ulong)n.n << 33 >> 32); break;
    case 45: v = float(int(-2.75f)); break;
    case 46: v = (float3(1.0f, 2.0f, 3.0f) * float3(n.f[0])).z; break;
    case 47: v = float(sizeof(float3)) + float(sizeof(half3)) + float(sizeof(uchar2)); break;
    case 48: v = first_of(many + 9); break;
    case 49: v = float((~uint2(0xfffffff0u)).x + (-int2(4, 5)).y); break;
    case 50: v = float(half2(float2(0.1f, 0.2f)).y); break;
    case 51: v = max(float2(1.0f, 5.0f), float2(4.0f, 2.0f)).y + floor(float2(1.75f)).x; break;
    case 52: v = float((device const uchar *)out == bytes); break;
    }
    out[tid] = v;
}

/* out [3, 8, 8]: a b + 1, a^T, b^T (a^T + b), of a [8, 10] without its last two columns and b [8, 8]. The first
 * simdgroup works on what all threads put into shared. */
kernel void matrices(device const float *a [[buffer(0)]],
                     device const half *b [[buffer(1)]],
                     device float *out [[buffer(2)]],
                     uint tid [[thread_index_in_threadgroup]],
                     uint simd [[simdgroup_index_in_threadgroup]])
{
    threadgroup float shared[80];
    threadgroup half again[64];
    for (uint i = tid; i < 80; i += 64)
        shared[i] = a[i];
    threadgroup_barrier(mem_flags::mem_threadgroup);
    if (simd == 0) {
        simdgroup_float8x8 ma, mt, acc[2];
        simdgroup_half8x8 mb, mc;
        simdgroup_load(ma, (threadgroup const float *)shared, 10);
        simdgroup_load(mt, a, 10, ulong2(0, 0), true);
        simdgroup_load(mb, b, 8);
        acc[0] = make_filled_simdgroup_matrix<float, 8, 8>(1.0f);
        acc[1] = make_filled_simdgroup_matrix<float, 8, 8>(0.0f);
        simdgroup_multiply_accumulate(acc[0], ma, mb, acc[0]);
        simdgroup_store(acc[0], out, 8);
        simdgroup_store(mt, out + 64, 8);
        simdgroup_store(mb, (threadgroup half *)again, 8);
        simdgroup_barrier(mem_flags::mem_threadgroup);
        simdgroup_load(mc, (threadgroup const half *)again, 8, ulong2(0, 0), true);
        simdgroup_multiply_accumulate(acc[1], mc, mt, acc[1]);
        simdgroup_multiply_accumulate(acc[1], mc, mb, acc[1]);
        simdgroup_store(acc[1], out + 128, 8);
    }
}
