/* SPDX-License-Identifier: Apache-2.0 */
/* The functions of one kernel set, spread over several sources. */
#ifndef TN_DEVICE_CPU_KERNELS_SET_H
#define TN_DEVICE_CPU_KERNELS_SET_H

#include "device/cpu/kernels.h"
#include "device/cpu/kernels/vec.h"

/* As the members of tn_cpu_kernels. */
void SET(tn_cpu_linear_f32)(const tn_cpu_linear *l, const float *x, float *y, uint32_t n_row, tn_range rows,
                            void *scratch);
void SET(tn_cpu_quantize)(const float *x, uint32_t cols, uint32_t n_row, tn_range blocks, int32_t *act);
void SET(tn_cpu_linear_int8)(const tn_cpu_panels *p, const int32_t *act, float *y, uint32_t n_row,
                             tn_range panels, void *scratch);
/* Whether the set has matrix registers for BF16. */
#if defined(__AMX_TILE__) && defined(__AMX_BF16__) && defined(__AVX512BF16__)
#    define HAS_MATRIX 1
void SET(tn_cpu_round_bf16)(const float *x, uint32_t cols, uint32_t n_row, tn_range blocks, int32_t *act);
void SET(tn_cpu_linear_bf16)(const tn_cpu_panels *p, const int32_t *act, float *y, uint32_t n_row,
                             tn_range panels, void *scratch);
#else
#    define HAS_MATRIX 0
#endif
void SET(tn_cpu_decode)(tn_type type, const uint8_t *src, uint64_t n, float *dst);
void SET(tn_cpu_rms_norm)(float *y, const float *x, const float *w, uint32_t n, float eps);
void SET(tn_cpu_cross)(const float *q, const float *k, const float *v, uint32_t n_row, size_t stride,
                       uint32_t head_dim, float scale, float *scores, float *out);
void SET(tn_cpu_layer_norm)(float *y, const float *x, const float *w, const float *bias, uint32_t n,
                            float eps);
void SET(tn_cpu_rope)(float *y, const float *x, uint32_t head_dim, uint32_t n_pair, const float *cos_sin,
                      uint32_t style);
void SET(tn_cpu_glu)(float *y, const float *gate, const float *up, size_t n, uint32_t activation);
void SET(tn_cpu_add)(float *y, const float *a, const float *b, size_t n);
void SET(tn_cpu_scale)(float *y, const float *x, size_t n, float factor);
void SET(tn_cpu_softcap)(float *y, const float *x, size_t n, float cap);
void SET(tn_cpu_cache_store)(const tn_cpu_cache *c, uint32_t page, uint32_t slot, uint32_t head,
                             const float *k, const float *v);
void SET(tn_cpu_attention)(const tn_cpu_attention *a, const tn_cpu_attention_item *item, void *scratch);
void SET(tn_cpu_attention_part)(const tn_cpu_attention *a, const tn_cpu_attention_item *item, tn_range spans,
                                float *parts, void *scratch);
void SET(tn_cpu_attention_fold)(const tn_cpu_attention *a, const tn_cpu_attention_item *item,
                                const float *parts, void *scratch);
void SET(tn_cpu_conv)(const tn_cpu_conv *c, const float *x, float *y, float *tail, uint32_t n_row,
                      tn_range cols);
void SET(tn_cpu_delta_rule)(const tn_cpu_delta *d, const tn_cpu_delta_item *item, void *scratch);
uint64_t SET(tn_cpu_peak_read)(const uint8_t *p, size_t n, bool ahead);
uint64_t SET(tn_cpu_peak_spin)(tn_peak what, uint64_t n_round);

#endif
