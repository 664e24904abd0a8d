/* SPDX-License-Identifier: Apache-2.0 */
#include "media/resize.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { PILLOW_BITS = 22, TORCH_MAX_BITS = 22, TORCH_WEIGHT_BITS = 15, LANES = 32 };

/* A triangle of support 1. */
static double bilinear(double x) {
    x = fabs(x);
    return x < 1 ? 1 - x : 0;
}

/* Keys 1981, "Cubic Convolution Interpolation for Digital Image Processing", equation 4 with a = -0.5. */
static double bicubic(double x) {
    const double a = -0.5;
    x = fabs(x);
    if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
    if (x < 2) return (((x - 5) * x + 8) * x - 4) * a;
    return 0;
}

/* The weights of target pixel i as reals that sum to 1: exact [used]. */
static void weigh(tn_resize_side *s, uint32_t i, uint32_t filter, double *exact) {
    double scale = (double)s->from / s->to, stretch = scale > 1 ? scale : 1;
    double support = (filter == TN_FILTER_BILINEAR ? 1.0 : 2.0) * stretch;
    double center = (i + 0.5) * scale, sum = 0;
    int64_t first = (int64_t)(center - support + 0.5), end = (int64_t)(center + support + 0.5);
    if (first < 0) first = 0;
    if (end > s->from) end = s->from;
    s->first[i] = (uint32_t)first;
    s->used[i] = (uint32_t)(end - first);
    for (uint32_t k = 0; k < s->used[i]; k++) {
        double x = ((double)(k + first) - center + 0.5) * (1.0 / stretch);
        exact[k] = filter == TN_FILTER_BILINEAR ? bilinear(x) : bicubic(x);
        sum += exact[k];
    }
    for (uint32_t k = 0; sum != 0 && k < s->used[i]; k++) exact[k] /= sum;
}

/* How many bits weights may have behind the point. */
static uint32_t torch_bits(double largest) {
    uint32_t bits = 0;
    while (bits < TORCH_MAX_BITS &&
           (int64_t)(0.5 + largest * (double)(1 << (bits + 1))) < 1 << TORCH_WEIGHT_BITS)
        bits++;
    return bits;
}

static void side_fini(tn_resize_side *s) {
    free(s->first), free(s->used), free(s->weight);
    *s = (tn_resize_side){0};
}

static int side_init(tn_resize_side *s, uint32_t from, uint32_t to, uint32_t filter,
                     tn_resize_weights weights) {
    double scale = (double)from / to, stretch = scale > 1 ? scale : 1, largest = 0;
    *s = (tn_resize_side){.from = from, .to = to, .bits = PILLOW_BITS};
    if (from == to) return 0;
    /* No more than all pixels, with one on either side that rounding may add. */
    s->n_weight = (uint32_t)ceil((filter == TN_FILTER_BILINEAR ? 1.0 : 2.0) * stretch) * 2 + 1;
    if (s->n_weight > from) s->n_weight = from;
    /* At most (4 * from + 3 * to) of them: both sides are limited, so none of these products overflows. */
    size_t n = (size_t)to * s->n_weight;
    double *exact = calloc(n, sizeof *exact);
    s->first = calloc(to, sizeof *s->first);
    s->used = calloc(to, sizeof *s->used);
    s->weight = calloc(n, sizeof *s->weight);
    if (!exact || !s->first || !s->used || !s->weight) {
        free(exact);
        side_fini(s);
        return TN_ENOMEM;
    }
    for (uint32_t i = 0; i < to; i++) weigh(s, i, filter, exact + (size_t)i * s->n_weight);
    for (size_t i = 0; i < n; i++)
        if (exact[i] > largest) largest = exact[i];
    if (weights == TN_WEIGHTS_TORCH) s->bits = torch_bits(largest);
    for (size_t i = 0; i < n; i++) {
        double v = exact[i] * (double)(1 << s->bits);
        s->weight[i] = (int32_t)(v < 0 ? v - 0.5 : v + 0.5);
    }
    free(exact);
    return 0;
}

int tn_resizer_init(tn_resizer *r, uint32_t width, uint32_t height, uint32_t to_width, uint32_t to_height,
                    uint32_t filter, tn_resize_weights weights, tn_error *err) {
    uint32_t sides[4] = {width, height, to_width, to_height};
    *r = (tn_resizer){0};
    for (int i = 0; i < 4; i++) {
        if (!sides[i])
            return tn_fail(err, TN_EINVAL, "a picture of %u x %u pixels cannot be resized", width, height);
        if (sides[i] > TN_RESIZE_MAX_SIDE)
            return tn_fail(err, TN_ELIMIT,
                           "a side of %u pixels: at most %d are taken; send a smaller picture", sides[i],
                           TN_RESIZE_MAX_SIDE);
    }
    if (filter != TN_FILTER_BILINEAR && filter != TN_FILTER_BICUBIC)
        return tn_fail(err, TN_EINVAL, "resize filter %u: known are 2 (bilinear) and 3 (bicubic)", filter);
    int rc = side_init(&r->x, width, to_width, filter, weights);
    if (!rc) rc = side_init(&r->y, height, to_height, filter, weights);
    if (!rc && width != to_width && !(r->wide = malloc((size_t)width * 4 * sizeof *r->wide))) rc = TN_ENOMEM;
    if (!rc && width != to_width && height != to_height && !(r->rows = malloc((size_t)height * to_width * 3)))
        rc = TN_ENOMEM;
    if (rc) {
        tn_resizer_fini(r);
        return tn_fail(err, rc, "no memory to resize %u x %u pixels to %u x %u", width, height, to_width,
                       to_height);
    }
    return 0;
}

void tn_resizer_fini(tn_resizer *r) {
    side_fini(&r->x), side_fini(&r->y);
    free(r->rows), free(r->wide);
    *r = (tn_resizer){0};
}

static inline uint8_t clip(int32_t v) {
    return (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v);
}

typedef int32_t pixel __attribute__((vector_size(16))); /* red, green, blue, nothing */

/* One row to its new width. wide: the row, a pixel in four numbers. Sums stay below 2^31: weights of a target
 * pixel add up to 2^bits, and those below 0 to no more than a third of it. */
static inline __attribute__((always_inline)) void row_width(const tn_resize_side *s, const int32_t *wide,
                                                            uint8_t *ret) {
    const pixel *in = (const pixel *)wide;
    for (uint32_t i = 0; i < s->to; i++, ret += 3) {
        const int32_t *weight = s->weight + (size_t)i * s->n_weight;
        int32_t half = 1 << s->bits >> 1;
        pixel sum = {half, half, half, 0};
        for (uint32_t k = 0; k < s->used[i]; k++) sum += in[s->first[i] + k] * weight[k];
        sum >>= (int)s->bits;
        for (int c = 0; c < 3; c++) ret[c] = clip(sum[c]);
    }
}

/* One row of the new height: n bytes, out of rows that are n bytes apart. */
static inline __attribute__((always_inline)) void
row_height(const uint8_t *in, size_t n, const int32_t *weight, uint32_t used, uint32_t bits, uint8_t *ret) {
    size_t j = 0;
    for (; j + LANES <= n; j += LANES) {
        int32_t sum[LANES];
        for (int i = 0; i < LANES; i++) sum[i] = 1 << bits >> 1;
        for (uint32_t k = 0; k < used; k++)
            for (int i = 0; i < LANES; i++) sum[i] += in[k * n + j + (size_t)i] * weight[k];
        for (int i = 0; i < LANES; i++) ret[j + (size_t)i] = clip(sum[i] >> bits);
    }
    for (; j < n; j++) {
        int32_t sum = 1 << bits >> 1;
        for (uint32_t k = 0; k < used; k++) sum += in[k * n + j] * weight[k];
        ret[j] = clip(sum >> bits);
    }
}

static inline __attribute__((always_inline)) void resize(tn_resizer *r, const uint8_t *from, uint8_t *ret) {
    const tn_resize_side *x = &r->x, *y = &r->y;
    size_t n = (size_t)x->to * 3;
    if (x->from != x->to) {
        uint8_t *rows = r->rows ? r->rows : ret;
        for (uint32_t row = 0; row < y->from; row++, from += (size_t)x->from * 3) {
            for (uint32_t i = 0; i < x->from; i++)
                for (int c = 0; c < 4; c++) r->wide[i * 4 + c] = c < 3 ? from[i * 3 + c] : 0;
            row_width(x, r->wide, rows + row * n);
        }
        from = rows;
    }
    if (y->from == y->to) return;
    for (uint32_t i = 0; i < y->to; i++)
        row_height(from + y->first[i] * n, n, y->weight + (size_t)i * y->n_weight, y->used[i], y->bits,
                   ret + i * n);
}

#if defined(__x86_64__)
/* The same code for a processor that multiplies vectors of 32-bit integers. */
__attribute__((target("avx2"))) static void resize_avx2(tn_resizer *r, const uint8_t *from, uint8_t *ret) {
    resize(r, from, ret);
}
#endif

void tn_resizer_run(tn_resizer *r, const uint8_t *from, uint8_t *ret) {
    if (r->x.from == r->x.to && r->y.from == r->y.to) {
        memcpy(ret, from, (size_t)r->x.to * r->y.to * 3);
        return;
    }
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2")) {
        resize_avx2(r, from, ret);
        return;
    }
#endif
    resize(r, from, ret);
}
