/* SPDX-License-Identifier: Apache-2.0 */
/* Kernels that move rows, or make one of some. */
#include <metal_stdlib>

#include "metal/args.h"

using namespace metal;

/* out[r] = x[rows[r]].
 *
 * x: [T, cols]. rows: [R]. out: [R, cols], not x.
 * Grid: (ceil(cols / TN_ELEMENT_THREADS), R) threadgroups of TN_ELEMENT_THREADS. TN_OP_OUTPUT_ROWS. */
kernel void output_rows(device const float       *x    [[buffer(0)]],
                        device const uint        *rows [[buffer(1)]],
                        device float             *out  [[buffer(2)]],
                        constant tn_element_args &a    [[buffer(3)]],
                        uint3 at  [[threadgroup_position_in_grid]],
                        uint  tid [[thread_index_in_threadgroup]])
{
    const uint col = at.x * TN_ELEMENT_THREADS + tid;
    if (col < a.cols)
        out[ulong(at.y) * a.cols + col] = x[ulong(rows[at.y]) * a.cols + col];
}

/* out: of each run of `run` columns of x the n from `first` on.
 *
 * x: [rows, out_cols / n * run]. out: [rows, out_cols], not x.
 * Grid: (ceil(out_cols / TN_ELEMENT_THREADS), rows) threadgroups of TN_ELEMENT_THREADS. TN_OP_SLICE. */
kernel void slice(device const float     *x   [[buffer(0)]],
                  device float           *out [[buffer(1)]],
                  constant tn_slice_args &a   [[buffer(2)]],
                  uint3 at  [[threadgroup_position_in_grid]],
                  uint  tid [[thread_index_in_threadgroup]])
{
    const uint col = at.x * TN_ELEMENT_THREADS + tid;
    if (col >= a.out_cols)
        return;
    const uint cols = a.out_cols / a.n * a.run;
    out[ulong(at.y) * a.out_cols + col] = x[ulong(at.y) * cols + col / a.n * a.run + a.first + col % a.n];
}

/* Rows that stand for tokens of media: out[list[i]] = rows[i], or with adds out[list[i]] + rows[i] (Meng et al. 2024,
 * "DeepStack").
 *
 * rows: [n, cols]. list: [n], no row twice. out: [T, cols], not rows.
 * Grid: (ceil(cols / TN_ELEMENT_THREADS), n) threadgroups of TN_ELEMENT_THREADS. TN_OP_MEDIA. */
kernel void media_rows(device const float     *rows [[buffer(0)]],
                       device const uint      *list [[buffer(1)]],
                       device float           *out  [[buffer(2)]],
                       constant tn_media_args &a    [[buffer(3)]],
                       uint3 at  [[threadgroup_position_in_grid]],
                       uint  tid [[thread_index_in_threadgroup]])
{
    const uint col = at.x * TN_ELEMENT_THREADS + tid;
    if (col >= a.cols)
        return;
    const ulong to = ulong(list[at.y]) * a.cols + col;
    const float x = rows[ulong(at.y) * a.cols + col];
    out[to] = a.adds != 0 ? out[to] + x : x;
}

/* out[t] = sum over i of weight[i] * table[index[i]], i ascending, the four of parts[t].
 *
 * table: [rows of it, cols]. parts: [T]. out: [T, cols].
 * Grid: (ceil(cols / TN_ELEMENT_THREADS), T) threadgroups of TN_ELEMENT_THREADS. TN_OP_MIX. */
kernel void mix_rows(device const float        *table [[buffer(0)]],
                     device const tn_metal_mix *parts [[buffer(1)]],
                     device float              *out   [[buffer(2)]],
                     constant tn_element_args  &a     [[buffer(3)]],
                     uint3 at  [[threadgroup_position_in_grid]],
                     uint  tid [[thread_index_in_threadgroup]])
{
    const uint col = at.x * TN_ELEMENT_THREADS + tid;
    if (col >= a.cols)
        return;
    float sum = 0.0f;
    for (uint i = 0; i < 4; i++)
        sum = fma(parts[at.y].weight[i], table[ulong(parts[at.y].index[i]) * a.cols + col], sum);
    out[ulong(at.y) * a.cols + col] = sum;
}

/* out[t] = the mean of x[n t] .. x[n t + n - 1], added in ascending order.
 *
 * x: [n rows, cols]. out: [rows, cols], not x.
 * Grid: (ceil(cols / TN_ELEMENT_THREADS), rows) threadgroups of TN_ELEMENT_THREADS. TN_OP_MEAN. */
kernel void mean_rows(device const float    *x   [[buffer(0)]],
                      device float          *out [[buffer(1)]],
                      constant tn_mean_args &a   [[buffer(2)]],
                      uint3 at  [[threadgroup_position_in_grid]],
                      uint  tid [[thread_index_in_threadgroup]])
{
    const uint col = at.x * TN_ELEMENT_THREADS + tid;
    if (col >= a.cols)
        return;
    float sum = 0.0f;
    for (uint i = 0; i < a.n; i++)
        sum += x[(ulong(at.y) * a.n + i) * a.cols + col];
    out[ulong(at.y) * a.cols + col] = sum / float(a.n);
}

/* Page `to` of a pool gets the bytes of page `from`.
 *
 * pool: [pages, n_vec]. Grid: (ceil(n_vec / TN_ELEMENT_THREADS)) threadgroups of TN_ELEMENT_THREADS. */
kernel void copy_page(device uint4                *pool [[buffer(0)]],
                      constant tn_copy_page_args  &a    [[buffer(1)]],
                      uint3 at  [[threadgroup_position_in_grid]],
                      uint  tid [[thread_index_in_threadgroup]])
{
    const uint i = at.x * TN_ELEMENT_THREADS + tid;
    if (i < a.n_vec)
        pool[ulong(a.to) * a.n_vec + i] = pool[ulong(a.from) * a.n_vec + i];
}
