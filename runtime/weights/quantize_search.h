/* SPDX-License-Identifier: Apache-2.0 */
/* What the encoders' searches share. A candidate is judged by its codes alone: once the codes q of a group
 * are fixed, the scale s that minimises sum (x - s q)^2 is sum x q / sum q^2, and it leaves sum x^2 minus
 * (sum x q)^2 / sum q^2. So one pass gives a candidate's error under its own best scale. Sums run in eight
 * lanes of fixed order, so every machine gives the same bytes. [any thread] */
#ifndef TN_WEIGHTS_QUANTIZE_SEARCH_H
#define TN_WEIGHTS_QUANTIZE_SEARCH_H

#include <stdint.h>
#include <string.h>

#include "weights/float.h"

enum { TN_QUANTIZE_LANES = 8 };

/* Far below half of F16's smallest number, which is the smallest scale: what is not larger becomes zero. */
#define TN_QUANTIZE_TINY 0x1p-40f

/* To the nearest integer, ties to even; |x| below 2^22. */
static inline float tn__nearest(float x) {
    return (x + 0x1.8p23f) - 0x1.8p23f;
}

static inline float tn__clamp(float x, float low, float high) {
    x = x < low ? low : x;
    return x > high ? high : x;
}

/* x as an F16 scale holds it. */
static inline float tn__as_f16(float x) {
    return tn_f16_to_f32(tn_f32_to_f16(x));
}

static inline void tn__store_f16(uint8_t *dst, float x) {
    uint16_t h = tn_f32_to_f16(x);
    memcpy(dst, &h, sizeof h);
}

/* 1 / d, or 0 where d is 0: then every code is the one of zero. */
static inline float tn__inverse(float d) {
    return d != 0 ? 1 / d : 0;
}

typedef struct tn__code_sums {
    float q, qq, xq;
} tn__code_sums;

static inline float tn__sum_lanes(const float lane[TN_QUANTIZE_LANES]) {
    return ((lane[0] + lane[4]) + (lane[1] + lane[5])) + ((lane[2] + lane[6]) + (lane[3] + lane[7]));
}

/* Sums over the codes q = nearest((x - low) * inv) within [q_min, q_max] of x[0 .. n), n a multiple of 8. */
static inline tn__code_sums tn__sum_codes(const float *x, int n, float low, float inv, float q_min,
                                          float q_max) {
    float q1[TN_QUANTIZE_LANES] = {0}, q2[TN_QUANTIZE_LANES] = {0}, xq[TN_QUANTIZE_LANES] = {0};
    for (int i = 0; i < n; i += TN_QUANTIZE_LANES)
        for (int l = 0; l < TN_QUANTIZE_LANES; l++) {
            float q = tn__nearest(tn__clamp((x[i + l] - low) * inv, q_min, q_max));
            q1[l] += q;
            q2[l] += q * q;
            xq[l] += x[i + l] * q;
        }
    return (tn__code_sums){tn__sum_lanes(q1), tn__sum_lanes(q2), tn__sum_lanes(xq)};
}

/* The codes for dequantised values low + q / inv as above, and the squared error of q * scale + offset. */
static inline float tn__take_codes(const float *x, int n, float low, float inv, float q_min, float q_max,
                                   float scale, float *ret_q) {
    float error[TN_QUANTIZE_LANES] = {0};
    for (int i = 0; i < n; i += TN_QUANTIZE_LANES)
        for (int l = 0; l < TN_QUANTIZE_LANES; l++) {
            float q = tn__nearest(tn__clamp((x[i + l] - low) * inv, q_min, q_max));
            float e = x[i + l] - (q * scale + low);
            ret_q[i + l] = q;
            error[l] += e * e;
        }
    return tn__sum_lanes(error);
}

/* The element of x[0 .. n) with the largest magnitude, its sign kept. */
static inline float tn__extreme(const float *x, int n) {
    float most = 0;
    for (int i = 0; i < n; i++) {
        float a = x[i] < 0 ? -x[i] : x[i], b = most < 0 ? -most : most;
        if (a > b) most = x[i];
    }
    return most;
}

/* The best scale found for x[0 .. n) = scale * q, q in [-half, half - 1]: candidates put the extreme element
 * at places around either end of the range. *ret_weight: sum q^2, what an error of the scale costs. */
static inline float tn__search_scale(const float *x, int n, int half, float *ret_weight) {
    enum { STEPS = 6 };
    const float extreme = tn__extreme(x, n), step = (float)half / 64;
    float best = 0, scale = 0;
    *ret_weight = 0;
    if (!(extreme > TN_QUANTIZE_TINY || extreme < -TN_QUANTIZE_TINY)) return 0;
    for (int side = 0; side < 2; side++)
        for (int t = -STEPS / 2; t <= STEPS; t++) {
            /* The middle of the candidates is exact for groups that reach the end of the range. */
            float place = side ? (float)(half - 1) - (float)t * step : (float)t * step - (float)half;
            tn__code_sums c = tn__sum_codes(x, n, 0, place / extreme, (float)-half, (float)(half - 1));
            float gain = c.qq > 0 ? c.xq * c.xq / c.qq : 0;
            if (!(gain > best)) continue;
            best = gain;
            scale = c.xq / c.qq;
            *ret_weight = c.qq;
        }
    return scale;
}

/* One F16 step for scales[0 .. n), which become integers of at most `most` times it: the largest scale
 * becomes k * step for a k of the upper half of the range (halving k halves the step, nothing else), and the
 * k counts whose multiples come closest to the others by weight. 0 where all are 0. */
static inline float tn__search_step(const float *scales, const float *weights, int n, int most) {
    const float largest = tn__extreme(scales, n);
    float best = -1, step = 0;
    for (int k = most; k > most / 2; k--) {
        float d = tn__as_f16(largest / (float)k), inv = tn__inverse(d), error = 0;
        for (int i = 0; i < n; i++) {
            float l = tn__nearest(tn__clamp(scales[i] * inv, (float)-most, (float)most));
            float e = scales[i] - d * l;
            error += weights[i] * e * e;
        }
        if (!(best < 0 || error < best)) continue;
        best = error;
        step = d;
    }
    return step;
}

#endif
