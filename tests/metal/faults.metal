/* SPDX-License-Identifier: Apache-2.0 */
/* Kernels with mistakes, to see that the simulator notices. Each has `out` as its only buffer. */
#include <metal_stdlib>

using namespace metal;

constant uint FACTOR [[function_constant(3)]];
constant uint UNUSED [[function_constant(4)]];

/* No mistake: out[thread] = thread. Runs after each of the others, to see that the simulator got over it. */
kernel void fine(device float *out [[buffer(0)]],
                 uint tid [[thread_index_in_threadgroup]])
{
    threadgroup float shared[64];
    shared[tid] = float(tid);
    threadgroup_barrier(mem_flags::mem_threadgroup);
    out[tid] = shared[tid];
}

kernel void sum_in_a_branch(device float *out [[buffer(0)]],
                            uint tid [[thread_index_in_threadgroup]])
{
    if (tid % 2 == 0)
        out[tid] = simd_sum(1.0f);
}

kernel void two_sums(device float *out [[buffer(0)]],
                     uint tid [[thread_index_in_threadgroup]])
{
    if (tid % 2 == 0)
        out[tid] = simd_sum(1.0f);
    else
        out[tid] = simd_sum(2.0f);
}

kernel void sum_and_barrier(device float *out [[buffer(0)]],
                            uint tid [[thread_index_in_threadgroup]])
{
    if (tid == 5)
        threadgroup_barrier(mem_flags::mem_threadgroup);
    out[tid] = simd_sum(1.0f);
}

kernel void barrier_in_a_branch(device float *out [[buffer(0)]],
                                uint tid [[thread_index_in_threadgroup]])
{
    if (tid >= 32)
        threadgroup_barrier(mem_flags::mem_threadgroup);
    out[tid] = 0.0f;
}

kernel void two_barriers(device float *out [[buffer(0)]],
                         uint tid [[thread_index_in_threadgroup]])
{
    if (tid >= 32)
        threadgroup_barrier(mem_flags::mem_threadgroup);
    else
        threadgroup_barrier(mem_flags::mem_threadgroup);
    out[tid] = 0.0f;
}

kernel void write_past_the_end(device float *out [[buffer(0)]],
                               uint tid [[thread_index_in_threadgroup]])
{
    out[tid + 64] = 0.0f;
}

kernel void write_just_past_the_end(device float *out [[buffer(0)]],
                                    uint tid [[thread_index_in_threadgroup]])
{
    if (tid == 0)
        out[61] = 0.0f;
}

kernel void write_before_the_start(device float *out [[buffer(0)]],
                                   uint tid [[thread_index_in_threadgroup]])
{
    out[int(tid) - 64] = 0.0f;
}

kernel void write_past_a_variable(device float *out [[buffer(0)]],
                                  uint tid [[thread_index_in_threadgroup]])
{
    threadgroup float shared[32];
    threadgroup float *p = shared;
    p[tid] = 0.0f;
    out[tid] = p[0];
}

kernel void too_many_variables(device float *out [[buffer(0)]],
                               uint tid [[thread_index_in_threadgroup]])
{
    threadgroup float first[8000];
    threadgroup float second[200];
    first[tid] = 0.0f;
    second[tid] = 0.0f;
    out[tid] = 0.0f;
}

kernel void too_large_a_stack(device float *out [[buffer(0)]],
                              uint tid [[thread_index_in_threadgroup]])
{
    float many[64 * 1024];
    for (uint i = 0; i < 64 * 1024; i++)
        many[i] = out[(i + tid) % 61];
    for (uint i = 0; i < 64 * 1024; i++)
        out[tid] += many[(i * 7 + tid) % (64 * 1024)];
}

/* out[thread] = what nobody has written. */
kernel void unwritten_variable(device float *out [[buffer(0)]],
                               uint tid [[thread_index_in_threadgroup]])
{
    threadgroup float shared[64];
    if (tid == 0)
        shared[0] = 1.0f;
    threadgroup_barrier(mem_flags::mem_threadgroup);
    out[tid] = shared[tid];
}

/* Every thread of every group adds itself to the only element: right in order only, like any race. */
kernel void last_one_wins(device float *out [[buffer(0)]],
                          uint tid [[thread_position_in_grid]])
{
    out[0] = float(tid);
}

struct two_numbers {
    uint a, b;
};

kernel void by_value(device float *out [[buffer(0)]],
                     constant two_numbers &n [[buffer(1)]],
                     uint tid [[thread_index_in_threadgroup]])
{
    out[tid] = float(n.a + n.b);
}

static inline float scaled(uint n)
{
    return float(n * FACTOR);
}

/* out[thread] = thread * FACTOR. */
kernel void with_constant(device float *out [[buffer(0)]],
                          uint tid [[thread_index_in_threadgroup]])
{
    out[tid] = scaled(tid);
}
