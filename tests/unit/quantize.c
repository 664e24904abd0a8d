/* SPDX-License-Identifier: Apache-2.0 */
/* The encoders: what a format holds exactly comes back bit for bit, what it does not stays within what the
 * format's steps allow, and no input makes a block that is not finite. */
#include "unit/unit.h"

#include <float.h>
#include <math.h>

#include "weights/float.h"
#include "weights/quantize.h"

enum { SUPER = 256, BLOCKS = 64, N = SUPER * BLOCKS };

static const tn_type all_types[] = {TN_TYPE_F32,  TN_TYPE_F16,  TN_TYPE_BF16, TN_TYPE_Q8_0,
                                    TN_TYPE_Q4_0, TN_TYPE_Q4_K, TN_TYPE_Q5_K, TN_TYPE_Q6_K};
enum { N_TYPE = sizeof all_types / sizeof *all_types };

static uint64_t state = 88172645463325252u;

static uint32_t draw(uint32_t n) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)((state >> 33) % n);
}

static float uniform(void) {
    return (float)draw(1 << 24) * 0x1p-23f - 1;
}

/* Near enough to a normal distribution of variance 1. */
static float normal(void) {
    float s = 0;
    for (int i = 0; i < 12; i++) s += uniform();
    return s / 2;
}

/* Encodes to an odd address in memory that ends with the blocks, and decodes. */
static void round_trip(tn_type type, const float *x, uint64_t n, float *ret) {
    const tn_type_info *info = tn_type_info_get(type);
    size_t bytes = n / info->block_elems * info->block_bytes;
    uint8_t *odd = malloc(bytes + 1);
    uint64_t at;
    assert_int_equal(tn_quantize(type, x, n, odd + 1, &at), 0);
    tn_dequantize(type, odd + 1, n, ret);
    for (uint64_t i = 0; i < n; i++)
        if (!isfinite(ret[i]))
            fail_msg("%s: element %d of %a became %a", info->name, (int)i, (double)x[i], (double)ret[i]);
    free(odd);
}

static void expect_same(tn_type type, const float *x, uint64_t n) {
    float *y = malloc(n * sizeof *y);
    round_trip(type, x, n, y);
    for (uint64_t i = 0; i < n; i++)
        if (tn_f32_bits(x[i] + 0.0f) != tn_f32_bits(y[i] + 0.0f)) /* -0 counts as 0 */
            fail_msg("%s: element %d is %a, not %a", tn_type_info_get(type)->name, (int)i, (double)y[i],
                     (double)x[i]);
    free(y);
}

/* --- blocks made from the formats --- */

static float random_scale(void) {
    return tn_f16_to_f32((uint16_t)(0x0800 + draw(0x4000)));
}

/* Codes of a group, the ends of the range among them: where an encoder puts the extreme element. */
static void random_codes(int n, int low, int high, float *ret) {
    for (int i = 0; i < n; i++) ret[i] = (float)(low + (int)draw((uint32_t)(high - low + 1)));
    uint32_t at = draw((uint32_t)n), other = (at + 1 + draw((uint32_t)n - 1)) % (uint32_t)n;
    ret[at] = (float)low;
    ret[other] = (float)high;
}

static void scaled_groups(int group, int low, int high, int max_scale, float *ret) {
    float q[SUPER];
    for (int s = 0; s < N; s += SUPER) {
        float d = random_scale();
        for (int g = 0; g < SUPER; g += group) {
            float scale =
                max_scale ? d * (float)((int)draw((uint32_t)(2 * max_scale)) - max_scale) : random_scale();
            random_codes(group, low, high, q);
            for (int i = 0; i < group; i++) ret[s + g + i] = scale * q[i];
        }
    }
}

static void affine_groups(int top, float *ret) {
    float q[32];
    for (int s = 0; s < N; s += SUPER) {
        float d = random_scale(), dmin = d * (float)(1 + draw(4)) / 4;
        dmin = tn_f16_to_f32(tn_f32_to_f16(dmin));
        for (int g = 0; g < SUPER; g += 32) {
            float scale = d * (float)(1 + draw(63)), min = dmin * (float)draw(64);
            random_codes(32, 0, top, q);
            for (int i = 0; i < 32; i++) ret[s + g + i] = scale * q[i] - min;
        }
    }
}

static void what_a_format_holds_comes_back(void **ctx) {
    (void)ctx;
    float *x = malloc(N * sizeof *x);
    for (int i = 0; i < N; i++) x[i] = tn_f32_from_bits(draw(0x7f800000u) | draw(2) << 31);
    expect_same(TN_TYPE_F32, x, N);
    for (int i = 0; i < N; i++) x[i] = tn_bf16_to_f32((uint16_t)(draw(0x7f80) | draw(2) << 15));
    expect_same(TN_TYPE_BF16, x, N);
    for (int i = 0; i < N; i++) x[i] = tn_f16_to_f32((uint16_t)(draw(0x7c00) | draw(2) << 15));
    expect_same(TN_TYPE_F16, x, N);
    scaled_groups(32, -127, 127, 0, x);
    expect_same(TN_TYPE_Q8_0, x, N);
    scaled_groups(32, -8, 7, 0, x);
    expect_same(TN_TYPE_Q4_0, x, N);
    affine_groups(15, x);
    expect_same(TN_TYPE_Q4_K, x, N);
    affine_groups(31, x);
    expect_same(TN_TYPE_Q5_K, x, N);
    scaled_groups(16, -32, 31, 127, x);
    expect_same(TN_TYPE_Q6_K, x, N);
    free(x);
}

/* --- errors --- */

static float largest(const float *x, int n) {
    float m = 0;
    for (int i = 0; i < n; i++) m = fmaxf(m, fabsf(x[i]));
    return m;
}

static void expect_within(tn_type type, const float *x, const float *y, int i, float most) {
    if (!(fabsf(x[i] - y[i]) <= most))
        fail_msg("%s: element %d is %a, not %a, and may be %a off", tn_type_info_get(type)->name, i,
                 (double)y[i], (double)x[i], (double)most);
}

static double squares(const float *x, const float *y, int n) {
    double e = 0;
    for (int i = 0; i < n; i++) e += ((double)x[i] - y[i]) * ((double)x[i] - y[i]);
    return e;
}

static void expect_mean_within(tn_type type, const float *x, const float *y, int n, double most) {
    double rms = sqrt(squares(x, y, n) / n);
    if (!(rms <= most))
        fail_msg("%s: %d elements are %g off on the mean, %g is allowed", tn_type_info_get(type)->name, n,
                 rms, most);
}

/* Half a unit in the last place of plain types; half a step of Q8_0. A searched scale may clip one element to
 * save the others, so for the rest the mean over the block is bounded, by what rounding to the format's steps
 * costs where the largest magnitude m (the range r, zero included) is mapped to the end of the codes: Q4_0 m
 * / 8 to one side of the range, half of it elsewhere Q6_K         half a step m / 32, and half of a scale's
 * step, 1 / 127 of the block's largest, times 32 Q4_K, Q5_K   half a step r / top, and the halves of the
 * scale's and minimum's steps, 1 / 63 of the block's largest, times top and 1 An F16 scale is off by at most
 * 2^-11 of itself, which is in the 1 / 1000. */
static void check_bounds(tn_type type, const float *x, const float *y) {
    const double slack = 1.001;
    for (int i = 0; i < N; i++) {
        if (type == TN_TYPE_F32) expect_within(type, x, y, i, 0);
        if (type == TN_TYPE_BF16) expect_within(type, x, y, i, fabsf(x[i]) * 0x1p-8f);
        if (type == TN_TYPE_F16) expect_within(type, x, y, i, fmaxf(fabsf(x[i]) * 0x1p-11f, 0x1p-25f));
        if (type == TN_TYPE_Q8_0)
            expect_within(type, x, y, i, largest(x + i / 32 * 32, 32) / 127 / 2 * (float)slack);
    }
    for (int i = 0; type == TN_TYPE_Q4_0 && i < N; i += 32)
        expect_mean_within(type, x + i, y + i, 32, largest(x + i, 32) / 8 * slack);
    for (int i = 0; type == TN_TYPE_Q6_K && i < N; i += SUPER) {
        double m = largest(x + i, SUPER) / 32;
        expect_mean_within(type, x + i, y + i, SUPER, (m / 2 + m / 127 / 2 * 32) * slack);
    }
    const int top = type == TN_TYPE_Q4_K ? 15 : 31;
    for (int i = 0; (type == TN_TYPE_Q4_K || type == TN_TYPE_Q5_K) && i < N; i += SUPER) {
        double r = 2 * (double)largest(x + i, SUPER), step = r / top;
        expect_mean_within(type, x + i, y + i, SUPER, (step / 2 + step / 63 / 2 * top + r / 63 / 2) * slack);
    }
}

/* The error of the whole against the type's number of steps in a normal distribution. */
static void rounding_stays_within_the_format_s_steps(void **ctx) {
    (void)ctx;
    float *x = malloc(N * sizeof *x), *y = malloc(N * sizeof *y);
    for (int kind = 0; kind < 4; kind++) {
        for (int i = 0; i < N; i++) {
            float g = normal();
            x[i] = kind == 0   ? g
                   : kind == 1 ? fabsf(g) + 1
                   : kind == 2 ? -expf(1.5f * g)
                               : 0.01f * g * (i % 97 ? 1 : 50);
        }
        for (int t = 0; t < N_TYPE; t++) {
            round_trip(all_types[t], x, N, y);
            check_bounds(all_types[t], x, y);
        }
    }
    free(x), free(y);
}

/* The plainest encoder of Q4_0: the extreme element becomes code -8. The search has that among its
 * candidates, so it never does worse but by what rounding its scale to F16 costs. */
static void a_search_is_no_worse_than_plain_rounding(void **ctx) {
    (void)ctx;
    float x[32], y[32], plain[32];
    for (int n = 0; n < 2000; n++) {
        float extreme = 0;
        for (int i = 0; i < 32; i++) {
            x[i] = normal() * (i == 3 ? 1 + (float)draw(9) : 1);
            if (fabsf(x[i]) > fabsf(extreme)) extreme = x[i];
        }
        float d = tn_f16_to_f32(tn_f32_to_f16(extreme / -8));
        for (int i = 0; i < 32; i++) plain[i] = d * fminf(fmaxf(nearbyintf(x[i] / d), -8), 7);
        round_trip(TN_TYPE_Q4_0, x, 32, y);
        assert_true(sqrt(squares(x, y, 32)) <=
                    sqrt(squares(x, plain, 32)) + 32 * fabs((double)extreme) * 0x1p-11);
    }
}

/* --- extremes --- */

static void zero_stays_zero(void **ctx) {
    (void)ctx;
    float x[SUPER] = {0}, y[SUPER];
    for (int t = 0; t < N_TYPE; t++) {
        round_trip(all_types[t], x, SUPER, y);
        for (int i = 0; i < SUPER; i++) assert_true(y[i] == 0);
    }
}

/* One large value in a block of zeros: it is met closely, and no other takes part of it. Types with a minimum
 * may spread over the group what rounding to F16 leaves. */
static void an_outlier_stands_alone(void **ctx) {
    (void)ctx;
    for (int t = 0; t < N_TYPE; t++)
        for (int sign = -1; sign <= 1; sign += 2) {
            float x[SUPER] = {0}, y[SUPER];
            bool affine = all_types[t] == TN_TYPE_Q4_K || all_types[t] == TN_TYPE_Q5_K;
            x[77] = (float)sign * 1000;
            round_trip(all_types[t], x, SUPER, y);
            for (int i = 0; i < SUPER; i++)
                assert_true(fabsf(y[i] - x[i]) <= (i == 77 ? 1000 * 0x1p-8f : affine ? 1000 * 0x1p-10f : 0));
        }
}

static void a_constant_is_met_closely(void **ctx) {
    (void)ctx;
    for (int t = 0; t < N_TYPE; t++)
        for (int sign = -1; sign <= 1; sign += 2) {
            float x[SUPER], y[SUPER];
            for (int i = 0; i < SUPER; i++) x[i] = (float)sign * 0.37f;
            round_trip(all_types[t], x, SUPER, y);
            for (int i = 0; i < SUPER; i++) assert_true(fabsf(y[i] - x[i]) <= 0.37f * 0x1p-8f);
        }
}

/* Nothing may be further off than the smallest F16 number times the widest code allows; most become zero. */
static void numbers_below_the_scales_become_small(void **ctx) {
    (void)ctx;
    float x[SUPER], y[SUPER];
    for (int e = -149; e < -20; e++) {
        for (int i = 0; i < SUPER; i++) x[i] = ldexpf(uniform(), e);
        for (int t = 0; t < N_TYPE; t++) {
            round_trip(all_types[t], x, SUPER, y);
            for (int i = 0; i < SUPER; i++) assert_true(fabsf(y[i] - x[i]) <= fmaxf(ldexpf(1, e), 0x1p-24f));
        }
    }
}

static void the_largest_numbers_are_taken(void **ctx) {
    (void)ctx;
    for (int t = 0; t < N_TYPE; t++) {
        float max = tn_quantize_max(all_types[t]), x[SUPER], y[SUPER];
        for (int i = 0; i < SUPER; i++) x[i] = i % 3 == 0 ? max : i % 3 == 1 ? -max : 0;
        round_trip(all_types[t], x, SUPER, y);
        for (int i = 0; i < SUPER; i++) assert_true(fabsf(y[i] - x[i]) <= max / 7);
    }
}

static void what_is_no_number_or_too_large_is_found(void **ctx) {
    (void)ctx;
    uint8_t out[SUPER * 4];
    for (int t = 0; t < N_TYPE; t++) {
        float x[SUPER] = {0};
        uint64_t at = 0;
        const float bad[] = {NAN, INFINITY, -INFINITY};
        for (int i = 0; i < 3; i++) {
            x[200] = bad[i];
            assert_int_equal(tn_quantize(all_types[t], x, SUPER, out, &at), TN_EFORMAT);
            assert_int_equal(at, 200);
        }
        if (all_types[t] == TN_TYPE_F32) continue;
        x[200] = nextafterf(tn_quantize_max(all_types[t]), INFINITY);
        assert_int_equal(tn_quantize(all_types[t], x, SUPER, out, &at), TN_ELIMIT);
    }
    assert_false(tn_quantize_knows(TN_TYPE_Q2_K));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_format_holds_comes_back),
        cmocka_unit_test(rounding_stays_within_the_format_s_steps),
        cmocka_unit_test(a_search_is_no_worse_than_plain_rounding),
        cmocka_unit_test(zero_stays_zero),
        cmocka_unit_test(an_outlier_stands_alone),
        cmocka_unit_test(a_constant_is_met_closely),
        cmocka_unit_test(numbers_below_the_scales_become_small),
        cmocka_unit_test(the_largest_numbers_are_taken),
        cmocka_unit_test(what_is_no_number_or_too_large_is_found),
    };
    return unit_main(tests);
}
