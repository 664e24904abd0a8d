/* SPDX-License-Identifier: Apache-2.0 */
/* What storing keys and values does to their numbers, the same on every device; where a device puts them is
 * its own affair.
 *
 * F32, F16, BF16: each element rounded to nearest, ties to even.
 *
 * Q8_0: a head's dimensions are cut into blocks of 32 (the last may be shorter), each turned by a Hadamard
 * matrix and rounded to 8-bit integers with one half-precision scale. The turn spreads channels that are many
 * times larger than the others, which keys have, over their block: without it they set the scale and the rest
 * drowns (Ashkboos et al. 2024, QuaRot). As H H = n I, scores do not change when queries are turned too and
 * divided by n, and what is summed up from values is turned back the same way. H has only ones and minus
 * ones and n is a power of two, so nothing but additions rounds, and those come in a fixed order. */
#ifndef TN_DEVICE_KV_TYPE_H
#define TN_DEVICE_KV_TYPE_H

#include "weights/tensor.h"

enum { TN_KV_TYPE_BLOCK = 32 };

/* TN_ENOTSUP, naming the type, unless it is one of the four. */
int tn_kv_type_check(tn_type type, tn_error *err);
/* Bytes of what is stored of n_dim dimensions, scales included. */
uint32_t tn_kv_type_bytes(tn_type type, uint32_t n_dim);
static inline uint32_t tn_kv_type_blocks(uint32_t n_dim) {
    return (n_dim + TN_KV_TYPE_BLOCK - 1) / TN_KV_TYPE_BLOCK;
}

/* x[0 .. n) = H x in place, H the Hadamard matrix of Sylvester's construction. A length that is no power of
 * two is cut into such, the largest first (24: 16 and 8). Butterflies of distance 1, 2, 4, ... each a + b and
 * a - b. n: at most TN_KV_TYPE_BLOCK. */
void tn_kv_type_turn_block(float *x, uint32_t n);
/* y = x as scores and sums need it: q before it meets keys, the output after it met values. For Q8_0 each
 * block is H x / n, otherwise y = x. May be in place. */
void tn_kv_type_turn(tn_type type, const float *x, uint32_t n_dim, float *y);

/* q = n numbers (at most TN_KV_TYPE_BLOCK) rounded to multiples of a scale, which is returned as F16 bits:
 * the least that takes the largest number to 127.5, or 65504 where that is more (what is beyond is clipped).
 * A number that is not finite makes the scale NaN: it spoils its block and nothing else. */
uint16_t tn_kv_type_quantize(const float *x, uint32_t n, int8_t *q);
/* The scale for a block whose largest magnitude has the bits `top`: what tn_kv_type_quantize returns. */
uint16_t tn_kv_type_scale(uint32_t top);

/* y = x as it reads back from where it is stored (turned, for Q8_0). May be in place. */
void tn_kv_type_round(tn_type type, const float *x, uint32_t n_dim, float *y);

#endif
