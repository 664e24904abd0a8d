/* SPDX-License-Identifier: Apache-2.0 */
/* One function per element type: n elements (a multiple of the block) at src, any alignment, to F32. The
 * formulas are those of the format, each product and sum rounded to F32 in the order written here: other code
 * that dequantises is compared with these bit for bit. tensor.c lists them by type id. [any thread] */
#ifndef TN_WEIGHTS_DEQUANT_H
#define TN_WEIGHTS_DEQUANT_H

#include "weights/tensor.h"

typedef void tn__dequant(const uint8_t *restrict src, uint64_t n, float *restrict dst);

/* dequant_plain.c */
tn__dequant tn__dequant_f32, tn__dequant_f16, tn__dequant_bf16, tn__dequant_f64;
tn__dequant tn__dequant_i8, tn__dequant_i16, tn__dequant_i32, tn__dequant_i64;
tn__dequant tn__dequant_u8, tn__dequant_u16, tn__dequant_u32, tn__dequant_u64, tn__dequant_bool;
/* dequant_legacy.c */
tn__dequant tn__dequant_q4_0, tn__dequant_q4_1, tn__dequant_q5_0, tn__dequant_q5_1, tn__dequant_q8_0;
tn__dequant tn__dequant_q1_0, tn__dequant_q2_0;
/* dequant_k.c */
tn__dequant tn__dequant_q2_k, tn__dequant_q3_k, tn__dequant_q4_k, tn__dequant_q5_k, tn__dequant_q6_k;
tn__dequant tn__dequant_tq1_0, tn__dequant_tq2_0;
/* dequant_fp4.c */
tn__dequant tn__dequant_mxfp4, tn__dequant_nvfp4, tn__dequant_iq4_nl, tn__dequant_iq4_xs;
/* dequant_iq.c */
tn__dequant tn__dequant_iq1_s, tn__dequant_iq1_m;
tn__dequant tn__dequant_iq2_xxs, tn__dequant_iq2_xs, tn__dequant_iq2_s;
tn__dequant tn__dequant_iq3_xxs, tn__dequant_iq3_s;

/* dequant_scaled.c: the types with separate scales, as tn_tensor_dequantize. */
void tn__dequant_scaled(const tn_tensor *t, uint64_t row, uint64_t first, uint64_t count, float *dst);

#endif
