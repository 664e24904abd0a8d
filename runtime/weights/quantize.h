/* SPDX-License-Identifier: Apache-2.0 */
/* Encoders: F32 elements to the blocks that dequant.h reads back. The codes are searched for the least
 * squared error of what dequantising gives; nothing but the block itself has a part in it, so the same block
 * gives the same bytes wherever it stands and whichever thread encodes it. Values that a format holds
 * exactly, ends of its code range included, come back bit for bit. */
#ifndef TN_WEIGHTS_QUANTIZE_H
#define TN_WEIGHTS_QUANTIZE_H

#include "weights/tensor.h"

/* Whether there is an encoder: F32, F16, BF16, Q8_0, Q4_0, Q4_K, Q5_K, Q6_K. [any thread] */
bool tn_quantize_knows(tn_type type);

/* dst = the blocks of src[0 .. n), n a multiple of the block. Returns 0; TN_EFORMAT where an element is a NaN
 * or infinite, TN_ELIMIT where one is larger than the scales of the type reach (*ret_at: its index, dst is
 * unfinished). Values too small for the scales become zero, as the format has it. No message. [any thread] */
int tn_quantize(tn_type type, const float *src, uint64_t n, void *dst, uint64_t *ret_at);

/* The largest magnitude that type can be asked to encode. [any thread] */
float tn_quantize_max(tn_type type);

/* One function for each type, for finite elements within tn_quantize_max: n a multiple of the block. */
typedef void tn__quantize(const float *restrict src, uint64_t n, uint8_t *restrict dst);
/* quantize_legacy.c */
tn__quantize tn__quantize_q8_0, tn__quantize_q4_0;
/* quantize_k.c */
tn__quantize tn__quantize_q4_k, tn__quantize_q5_k, tn__quantize_q6_k;

#endif
