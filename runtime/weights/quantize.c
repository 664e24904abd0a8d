/* SPDX-License-Identifier: Apache-2.0 */
/* The table of encoders, the check of what goes in, and the types with one value an element. */
#include "weights/quantize.h"

#include <assert.h>
#include <float.h>
#include <string.h>

#include "weights/float.h"

static void quantize_f32(const float *restrict src, uint64_t n, uint8_t *restrict dst) {
    memcpy(dst, src, n * sizeof *src);
}

static void quantize_f16(const float *restrict src, uint64_t n, uint8_t *restrict dst) {
    for (uint64_t i = 0; i < n; i++) {
        uint16_t h = tn_f32_to_f16(src[i]);
        memcpy(dst + i * sizeof h, &h, sizeof h);
    }
}

static void quantize_bf16(const float *restrict src, uint64_t n, uint8_t *restrict dst) {
    for (uint64_t i = 0; i < n; i++) {
        uint16_t h = tn_f32_to_bf16(src[i]);
        memcpy(dst + i * sizeof h, &h, sizeof h);
    }
}

static const float f16_max = 65504;

typedef struct encoder {
    tn_type type;
    float max;
    tn__quantize *fn;
} encoder;

/* With blocks the largest value is F16's largest number times the fewest codes that a search may spread it
 * over (of a K-quant: half of its minimum's six bits), so that no candidate's scale is infinite. */
static const encoder *find(tn_type type) {
    static const encoder encoders[] = {
        {TN_TYPE_F32, FLT_MAX, quantize_f32},
        {TN_TYPE_F16, f16_max, quantize_f16},
        {TN_TYPE_BF16, 0x1.fep127f, quantize_bf16},
        {TN_TYPE_Q8_0, f16_max * 127, tn__quantize_q8_0},
        {TN_TYPE_Q4_0, f16_max * 6, tn__quantize_q4_0},
        {TN_TYPE_Q4_K, f16_max * 32, tn__quantize_q4_k},
        {TN_TYPE_Q5_K, f16_max * 32, tn__quantize_q5_k},
        {TN_TYPE_Q6_K, f16_max * 64 * 27, tn__quantize_q6_k},
    };
    for (size_t i = 0; i < sizeof encoders / sizeof *encoders; i++)
        if (encoders[i].type == type) return &encoders[i];
    return NULL;
}

bool tn_quantize_knows(tn_type type) {
    return find(type) != NULL;
}

float tn_quantize_max(tn_type type) {
    const encoder *e = find(type);
    assert(e);
    return e->max;
}

/* The first element that is not a number within +-max; n where there is none. */
static uint64_t find_outside(const float *src, uint64_t n, float max) {
    for (uint64_t i = 0; i < n; i++)
        if (!(src[i] >= -max && src[i] <= max)) return i;
    return n;
}

int tn_quantize(tn_type type, const float *src, uint64_t n, void *dst, uint64_t *ret_at) {
    const encoder *e = find(type);
    assert(e && n % tn_type_info_get(type)->block_elems == 0);
    uint64_t at = find_outside(src, n, e->max);
    if (at < n) {
        *ret_at = at;
        return src[at] >= -FLT_MAX && src[at] <= FLT_MAX ? TN_ELIMIT : TN_EFORMAT;
    }
    e->fn(src, n, dst);
    return 0;
}
