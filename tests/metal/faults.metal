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

/* out[thread] = what a matrix store has not brought yet to threads that do not wait for it. */
kernel void store_without_barrier(device float *out [[buffer(0)]],
                                  uint tid [[thread_index_in_threadgroup]])
{
    threadgroup float shared[2][64];
    simdgroup_float8x8 m = make_filled_simdgroup_matrix<float, 8, 8>(1.0f);
    simdgroup_store(m, (threadgroup float *)shared[tid / 32], 8);
    out[tid] = shared[tid / 32][(tid * 2 + 17) % 64];
}

kernel void matrix_without_value(device float *out [[buffer(0)]],
                                 uint tid [[thread_index_in_threadgroup]])
{
    simdgroup_float8x8 m;
    if (tid < 32)
        simdgroup_store(m, out, 8);
}

kernel void lane_too_high(device float *out [[buffer(0)]],
                          uint tid [[thread_index_in_threadgroup]])
{
    out[tid] = simd_shuffle(1.0f, tid % 32 + 1);
}

kernel void lanes_disagree(device float *out [[buffer(0)]],
                           uint tid [[thread_index_in_threadgroup]])
{
    out[tid] = simd_broadcast(1.0f, tid % 2);
}

kernel void matrices_disagree(device float *out [[buffer(0)]],
                              uint tid [[thread_index_in_threadgroup]])
{
    simdgroup_float8x8 m;
    simdgroup_load(m, out + tid % 32 / 31, 1);
}

kernel void matrix_rows_overlap(device float *out [[buffer(0)]],
                                uint tid [[thread_index_in_threadgroup]])
{
    simdgroup_store(make_filled_simdgroup_matrix<float, 8, 8>(float(tid / 64)), out, 4);
}

/* Fine with whole simdgroups only. */
kernel void matrix_in_a_short_simdgroup(device float *out [[buffer(0)]],
                                        uint tid [[thread_index_in_threadgroup]])
{
    simdgroup_float8x8 m = make_filled_simdgroup_matrix<float, 8, 8>(1.0f);
    simdgroup_multiply_accumulate(m, m, m, m);
    out[tid] = 1.0f;
}

kernel void misaligned(device float *out [[buffer(0)]],
                       uint tid [[thread_index_in_threadgroup]])
{
    *(device float4 *)(out + tid % 2) = float4(1.0f);
}

kernel void index_too_high(device float *out [[buffer(0)]],
                           uint tid [[thread_index_in_threadgroup]])
{
    threadgroup float shared[4][16];
    shared[0][tid] = 1.0f;
    out[tid] = 1.0f;
}

kernel void shift_too_far(device uint *out [[buffer(0)]],
                          uint tid [[thread_index_in_threadgroup]])
{
    out[tid] = 1u << tid;
}

kernel void division_by_zero(device uint *out [[buffer(0)]],
                             uint tid [[thread_index_in_threadgroup]])
{
    out[tid] = 100u / (tid % 7);
}

kernel void float_too_large(device float *out [[buffer(0)]],
                            uint tid [[thread_index_in_threadgroup]])
{
    out[tid] = float(int(1.0e8f * float(tid)));
}

kernel void signed_overflow(device float *out [[buffer(0)]],
                            uint tid [[thread_index_in_threadgroup]])
{
    out[tid] = float(int(tid) * 0x7000000);
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
