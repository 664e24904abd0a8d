/* SPDX-License-Identifier: Apache-2.0 */
/* Super-blocks of 256; their layouts are in dequant_k.c. Each is encoded in three steps: the best scale (and
 * minimum) of every group by itself; the F16 step of which the groups' scales become multiples; then, with
 * that step fixed, the multiple and the codes of every group by the error that is really left. */
#include "weights/quantize.h"

#include <float.h>

#include "weights/quantize_search.h"

enum { SUPER = 256, GROUP = 32, GROUPS = SUPER / GROUP, SMALL = 16, SMALLS = SUPER / SMALL };
enum { SIX_BITS = 63 };

/* x ~ scale * q - min, min >= 0. */
typedef struct affine {
    float scale, min;
    float weight; /* sum (q - mean q)^2: what an error of the scale costs when min makes up for the rest */
} affine;

/* The least-squares scale and minimum for given codes of a group whose elements sum to sum_x. *ret_gain: what
 * is taken off sum x^2. */
static affine solve(tn__code_sums c, float sum_x, float *ret_gain) {
    const float spread = c.qq - c.q * c.q / GROUP;
    affine a = {.weight = spread};
    if (spread > 0) a.scale = (c.xq - sum_x * c.q / GROUP) / spread;
    a.min = (a.scale * c.q - sum_x) / GROUP;
    if (a.min < 0 || a.scale <= 0) { /* the format has no positive offset, and no negative scale */
        a.min = 0;
        a.scale = c.qq > 0 ? c.xq / c.qq : 0;
        if (a.scale < 0) a.scale = 0;
    }
    *ret_gain = a.scale * c.xq - a.min * sum_x;
    return a;
}

static affine try_range(const float *x, float low, float high, float top, float sum_x, float *ret_gain) {
    float inv = high - low > TN_QUANTIZE_TINY ? top / (high - low) : 0;
    return solve(tn__sum_codes(x, GROUP, low, inv, 0, top), sum_x, ret_gain);
}

/* The best affine map of codes 0 .. top onto the group: candidates cut off a part of a code's width at either
 * end, or add it, then the best one's own solution gives new codes for as long as that helps. */
static affine search_affine(const float *x, float top) {
    enum { CUTS = 4, ROUNDS = 3 };
    static const float cuts[CUTS] = {0, 0.3f, 0.6f, 1};
    float low = 0, high = x[0], lane[TN_QUANTIZE_LANES] = {0}, best = -1, gain;
    affine found = {0};
    for (int i = 0; i < GROUP; i++) {
        low = x[i] < low ? x[i] : low;
        high = x[i] > high ? x[i] : high;
        lane[i % TN_QUANTIZE_LANES] += x[i];
    }
    const float sum_x = tn__sum_lanes(lane), width = (high - low) / top;
    for (int i = 0; i < CUTS * CUTS; i++) {
        affine a =
            try_range(x, low + cuts[i / CUTS] * width, high - cuts[i % CUTS] * width, top, sum_x, &gain);
        if (!(gain > best)) continue;
        best = gain;
        found = a;
    }
    for (int i = 0; i < ROUNDS; i++) {
        affine a = try_range(x, -found.min, found.scale * top - found.min, top, sum_x, &gain);
        if (!(gain > best)) break;
        best = gain;
        found = a;
    }
    return found;
}

/* A super-block on its way: x ~ d * scale * q - dmin * min. */
typedef struct k_block {
    float d, dmin, top;
    uint8_t scale[GROUPS], min[GROUPS];
    float q[SUPER];
} k_block;

static float sum(const float *x) {
    float lane[TN_QUANTIZE_LANES] = {0};
    for (int i = 0; i < GROUP; i++) lane[i % TN_QUANTIZE_LANES] += x[i];
    return tn__sum_lanes(lane);
}

/* The minimum that fits a group best under a given scale, starting from min; never negative. */
static float fit_min(const float *x, float scale, float min, float top) {
    tn__code_sums c = tn__sum_codes(x, GROUP, -min, tn__inverse(scale), 0, top);
    float fitted = (scale * c.q - sum(x)) / GROUP;
    return fitted > 0 ? fitted : 0;
}

/* Scale, minimum and codes of group g: the multiples next to what was found, by the error that they leave. */
static void settle(const float *x, int g, const affine *a, k_block *b) {
    const float *xg = x + g * GROUP;
    float nearest = tn__nearest(tn__clamp(a->scale * tn__inverse(b->d), 0, SIX_BITS)), best = FLT_MAX,
          q[GROUP];
    for (int t = -1; t <= 1; t++) {
        float l = tn__clamp(nearest + (float)t, 0, SIX_BITS), scale = b->d * l;
        float fitted = fit_min(xg, scale, a->min, b->top) * tn__inverse(b->dmin);
        for (int u = -1; u <= 1; u++) {
            float m = tn__clamp(tn__nearest(tn__clamp(fitted, 0, SIX_BITS)) + (float)u, 0, SIX_BITS);
            float error = tn__take_codes(xg, GROUP, -(b->dmin * m), tn__inverse(scale), 0, b->top, scale, q);
            if (!(error < best)) continue;
            best = error;
            b->scale[g] = (uint8_t)l;
            b->min[g] = (uint8_t)m;
            memcpy(b->q + g * GROUP, q, sizeof q);
        }
    }
}

static void encode_affine(const float *x, int top, k_block *b) {
    affine a[GROUPS];
    float scale[GROUPS], weight[GROUPS], min[GROUPS];
    *b = (k_block){.top = (float)top};
    for (int g = 0; g < GROUPS; g++) {
        a[g] = search_affine(x + g * GROUP, b->top);
        scale[g] = a[g].scale;
        weight[g] = a[g].weight;
    }
    b->d = tn__search_step(scale, weight, GROUPS, SIX_BITS);
    for (int g = 0; g < GROUPS; g++) { /* minimums as the rounded scales want them */
        float s = b->d * tn__nearest(tn__clamp(scale[g] * tn__inverse(b->d), 0, SIX_BITS));
        min[g] = fit_min(x + g * GROUP, s, a[g].min, b->top);
        weight[g] = GROUP;
    }
    b->dmin = tn__search_step(min, weight, GROUPS, SIX_BITS);
    for (int g = 0; g < GROUPS; g++) settle(x, g, &a[g], b);
}

/* d, dmin and the 12 bytes of six-bit scales and minimums that Q4_K and Q5_K share. */
static void store_scales(const k_block *b, uint8_t *dst) {
    uint8_t *s = dst + 4;
    tn__store_f16(dst, b->d);
    tn__store_f16(dst + 2, b->dmin);
    for (int g = 0; g < GROUPS / 2; g++) {
        int high = g + GROUPS / 2;
        s[g] = (uint8_t)(b->scale[g] | b->scale[high] >> 4 << 6);
        s[g + 4] = (uint8_t)(b->min[g] | b->min[high] >> 4 << 6);
        s[g + 8] = (uint8_t)((b->scale[high] & 15) | (b->min[high] & 15) << 4);
    }
}

void tn__quantize_q4_k(const float *restrict src, uint64_t n, uint8_t *restrict dst) {
    k_block b;
    for (; n; n -= SUPER, src += SUPER, dst += 144) {
        encode_affine(src, 15, &b);
        store_scales(&b, dst);
        for (int g = 0; g < GROUPS; g += 2)
            for (int i = 0; i < GROUP; i++) {
                const float *q = b.q + g * GROUP + i;
                dst[16 + g / 2 * GROUP + i] = (uint8_t)((int)q[0] | (int)q[GROUP] << 4);
            }
    }
}

void tn__quantize_q5_k(const float *restrict src, uint64_t n, uint8_t *restrict dst) {
    k_block b;
    for (; n; n -= SUPER, src += SUPER, dst += 176) {
        encode_affine(src, 31, &b);
        store_scales(&b, dst);
        memset(dst + 16, 0, GROUP);
        for (int g = 0; g < GROUPS; g += 2)
            for (int i = 0; i < GROUP; i++) {
                int low = (int)b.q[g * GROUP + i], high = (int)b.q[(g + 1) * GROUP + i];
                dst[48 + g / 2 * GROUP + i] = (uint8_t)((low & 15) | (high & 15) << 4);
                dst[16 + i] = (uint8_t)(dst[16 + i] | low >> 4 << g | high >> 4 << (g + 1));
            }
    }
}

/* Scale and codes of a group of Q6_K with the step d fixed. */
static int8_t settle_small(const float *x, float found, float d, float *ret_q) {
    float nearest = tn__nearest(tn__clamp(found * tn__inverse(d), -127, 127)), best = FLT_MAX, q[SMALL];
    float multiple = 0;
    for (int t = -1; t <= 1; t++) {
        float l = tn__clamp(nearest + (float)t, -128, 127), scale = d * l;
        float error = tn__take_codes(x, SMALL, 0, tn__inverse(scale), -32, 31, scale, q);
        if (!(error < best)) continue;
        best = error;
        multiple = l;
        memcpy(ret_q, q, sizeof q);
    }
    return (int8_t)multiple;
}

static void store_q6_codes(const float *q, uint8_t *ql, uint8_t *qh) {
    memset(ql, 0, SUPER / 2);
    memset(qh, 0, SUPER / 4);
    for (int e = 0; e < SUPER; e++) {
        int code = (int)q[e] + 32, half = e / 128, in_half = e % 128;
        uint8_t *low = ql + half * 64 + in_half % 64, *high = qh + half * 32 + in_half % 32;
        *low = (uint8_t)(*low | (code & 15) << in_half / 64 * 4);
        *high = (uint8_t)(*high | code >> 4 << in_half / 32 * 2);
    }
}

void tn__quantize_q6_k(const float *restrict src, uint64_t n, uint8_t *restrict dst) {
    float scale[SMALLS], weight[SMALLS], q[SUPER];
    for (; n; n -= SUPER, src += SUPER, dst += 210) {
        for (int g = 0; g < SMALLS; g++) scale[g] = tn__search_scale(src + g * SMALL, SMALL, 32, &weight[g]);
        float d = tn__search_step(scale, weight, SMALLS, 127);
        for (int g = 0; g < SMALLS; g++)
            dst[192 + g] = (uint8_t)settle_small(src + g * SMALL, scale[g], d, q + g * SMALL);
        store_q6_codes(q, dst, dst + 128);
        tn__store_f16(dst + 208, d);
    }
}
