/* SPDX-License-Identifier: Apache-2.0 */
/* Codes to floats by placing their bits: a byte becomes bits 16 to 23 (8 to 15) of a float whose bits 24 to 31 are
 * `top`. Where those bits are the first of the fraction this is 2^n (1 + code / 2^bits), exactly, and what is too much
 * of it goes into the number that is added after a scale.
 *
 * CUDA has an instruction for it that its compiler does not find: runtime/device/cuda/metal_stdlib.cuh stands in for
 * this file, with functions of the same results. */
#ifndef TN_KERNELS_RAISED_H
#define TN_KERNELS_RAISED_H

#include <metal_stdlib>

using namespace metal;

/* Of the four bytes of c. */
static inline float4 raised16(uint c, uint top)
{
    const uint t = top << 24;
    return float4(as_type<float>((c & 0xff) << 16 | t), as_type<float>((c >> 8 & 0xff) << 16 | t),
                  as_type<float>((c >> 16 & 0xff) << 16 | t), as_type<float>((c >> 24) << 16 | t));
}
static inline float4 raised8(uint c, uint top)
{
    const uint t = top << 24;
    return float4(as_type<float>((c & 0xff) << 8 | t), as_type<float>((c >> 8 & 0xff) << 8 | t),
                  as_type<float>((c >> 16 & 0xff) << 8 | t), as_type<float>((c >> 24) << 8 | t));
}

#endif
