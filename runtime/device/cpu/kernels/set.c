/* SPDX-License-Identifier: Apache-2.0 */
#include "device/cpu/kernels/set.h"

#define STRING2(x) #x
#define STRING(x)  STRING2(x)

const tn_cpu_kernels SET(tn_cpu_kernels) = {
    .name = STRING(TN_CPU_SET),
    .lanes = VN,
    .linear_f32 = SET(tn_cpu_linear_f32),
    .quantize = SET(tn_cpu_quantize),
    .linear_int8 = SET(tn_cpu_linear_int8),
#if HAS_MATRIX
    .round_bf16 = SET(tn_cpu_round_bf16),
    .linear_bf16 = SET(tn_cpu_linear_bf16),
#endif
    .decode = SET(tn_cpu_decode),
    .rms_norm = SET(tn_cpu_rms_norm),
    .layer_norm = SET(tn_cpu_layer_norm),
    .rope = SET(tn_cpu_rope),
    .glu = SET(tn_cpu_glu),
    .add = SET(tn_cpu_add),
    .scale = SET(tn_cpu_scale),
    .softcap = SET(tn_cpu_softcap),
    .cache_store = SET(tn_cpu_cache_store),
    .attention = SET(tn_cpu_attention),
    .attention_part = SET(tn_cpu_attention_part),
    .attention_fold = SET(tn_cpu_attention_fold),
    .cross = SET(tn_cpu_cross),
    .conv = SET(tn_cpu_conv),
    .delta_rule = SET(tn_cpu_delta_rule),
    .peak_read = SET(tn_cpu_peak_read),
    .peak_spin = SET(tn_cpu_peak_spin),
};
