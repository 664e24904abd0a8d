/* SPDX-License-Identifier: Apache-2.0 */
/* The reference operations, one row at a time. All matrices F32 row-major; out may alias the first input. */
#ifndef TN_DEVICE_REFERENCE_OPS_H
#define TN_DEVICE_REFERENCE_OPS_H

#include "device/device.h"

enum { TN_REF_MAX_HEAD_DIM = 1024 };

/* One element-row dot product: sum of x[i] * w[i] over n, ascending. */
double tn_ref_dot(const float *x, const float *w, uint32_t n);

/* y = x / sqrt(mean(x^2) + eps) * w, n columns.   Zhang & Sennrich 2019, eq. 4 */
void tn_ref_rms_norm(const float *x, const float *w, uint32_t n, float eps, float *y);

/* y = (x - mean) / sqrt(variance + eps) * w + bias, n columns; bias may be NULL.   Ba et al. 2016, eq. 3 */
void tn_ref_layer_norm(const float *x, const float *w, const float *bias, uint32_t n, float eps, float *y);

/* Rotates one head in place by position pos with variant v of table r; pairs that turn by an axis take
 * coord[axis] instead, where coord is not NULL.   Su et al. 2021, eq. 34 */
void tn_ref_rope(float *head, const tn_rope_info *r, uint32_t v, uint32_t pos, const uint32_t coord[3]);

/* act(gate) * up for one element. */
float tn_ref_glu(float gate, float up, uint32_t activation);

/* One query head over positions first .. end of k and v of one key/value head of its sequence.
 * q: [head_dim]. k, v: called back per position, [head_dim] each. y: [head_dim]. scores: [end] scratch. */
typedef const float *(*tn_ref_kv_fn)(const void *ctx, uint32_t pos);
void tn_ref_attention(const float *q, tn_ref_kv_fn k, tn_ref_kv_fn v, const void *ctx,
                      const tn_attention_desc *a, uint32_t first, uint32_t end, float *scores, float *y);

/* One channel of a causal convolution, kernel values of w and x each, oldest first.   See tn_conv_desc. */
float tn_ref_conv(const float *x, uint32_t stride, const float *w, uint32_t kernel, float bias,
                  uint32_t activation);

/* One token of one value head of the gated delta rule.   Yang et al. 2024, "Gated Delta Networks", eq. 10
 * q, k: [head_dim_k] before they are normalised. v, y: [head_dim_v]. decay: what S is multiplied by. beta: of
 * the correction. s: [head_dim_k, head_dim_v], brought up to date. */
void tn_ref_delta_rule(const tn_delta_desc *d, const float *q, const float *k, const float *v, double decay,
                       double beta, float *s, float *y);
/* exp(rate * log(1 + e^x)) and 1 / (1 + e^-x). */
double tn_ref_decay(double rate, double x);
double tn_ref_sigmoid(double x);

#endif
