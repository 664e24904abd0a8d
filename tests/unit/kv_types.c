/* SPDX-License-Identifier: Apache-2.0 */
/* How keys and values are rounded: by the definitions, for hostile numbers, and whether turning pays. */
#include "unit/unit.h"

#include <math.h>

#include "device/kv_type.h"
#include "unit/cpu_model.h"
#include "weights/float.h"

static const uint32_t widths[] = {1, 7, 16, 24, 31, 32, 40, 80, 96, 128, 256};
enum { N_WIDTH = sizeof widths / sizeof *widths, MOST = 256 };

static void sizes_are_those_of_the_types(void **state) {
    (void)state;
    assert_int_equal(tn_kv_type_bytes(TN_TYPE_F32, 80), 320);
    assert_int_equal(tn_kv_type_bytes(TN_TYPE_F16, 80), 160);
    assert_int_equal(tn_kv_type_bytes(TN_TYPE_BF16, 80), 160);
    assert_int_equal(tn_kv_type_bytes(TN_TYPE_Q8_0, 80), 80 + 2 * 3);
    for (uint32_t n = 32; n <= MOST; n += 32)
        assert_int_equal(tn_kv_type_bytes(TN_TYPE_Q8_0, n) * 64, tn_kv_type_bytes(TN_TYPE_F16, n) * 34);
    tn_error err = {0};
    assert_true(tn_kv_type_check(TN_TYPE_F32, &err) == 0 && tn_kv_type_check(TN_TYPE_Q8_0, &err) == 0);
    assert_int_equal(tn_kv_type_check(TN_TYPE_Q6_K, &err), TN_ENOTSUP);
    assert_non_null(strstr(err.text, "Q6_K"));
}

/* y = H x for one block of a power of two, element by element: H[i][j] = (-1)^(bits of i & j). */
static void turned(const float *x, uint32_t n, double *y) {
    for (uint32_t i = 0; i < n; i++) {
        y[i] = 0;
        for (uint32_t j = 0; j < n; j++) y[i] += __builtin_parity(i & j) ? -(double)x[j] : (double)x[j];
    }
}

static void turning_is_a_hadamard_matrix(void **state) {
    (void)state;
    rng r = {1};
    float x[32], y[32];
    double want[32];
    for (uint32_t n = 1; n <= 32; n++) {
        for (uint32_t i = 0; i < n; i++) x[i] = y[i] = rng_float(&r);
        tn_kv_type_turn_block(y, n);
        for (uint32_t at = 0, part; at < n; at += part) {
            for (part = 32; part > n - at; part /= 2) {}
            turned(x + at, part, want);
            for (uint32_t i = 0; i < part; i++) assert_true(fabs(y[at + i] - want[i]) <= 32 * 0x1p-24);
        }
    }
}

static void turning_twice_gives_back(void **state) {
    (void)state;
    rng r = {2};
    for (uint32_t k = 0; k < N_WIDTH; k++) {
        float x[MOST], y[MOST];
        uint32_t n = widths[k];
        for (uint32_t i = 0; i < n; i++) x[i] = rng_float(&r);
        tn_kv_type_turn(TN_TYPE_F16, x, n, y);
        assert_memory_equal(x, y, n * sizeof *x);
        memcpy(y, x, sizeof y);
        for (uint32_t b = 0; b < n; b += 32) tn_kv_type_turn_block(y + b, n - b < 32 ? n - b : 32);
        tn_kv_type_turn(TN_TYPE_Q8_0, y, n, y);
        for (uint32_t i = 0; i < n; i++) assert_true(fabsf(x[i] - y[i]) <= 16 * 0x1p-24f);
    }
}

/* No number is further from what it became than half a step, and the step is not larger than it must be. */
static void check_block(const float *x, uint32_t n) {
    int8_t q[32];
    float top = 0, scale = tn_f16_to_f32(tn_kv_type_quantize(x, n, q));
    for (uint32_t i = 0; i < n; i++) top = fmaxf(top, fabsf(x[i]));
    for (uint32_t i = 0; i < n; i++) {
        assert_true(q[i] >= -127);
        assert_true(fabs((double)q[i] * scale - x[i]) <= scale * (0.5 + 127 * 0x1p-22));
    }
    assert_true(scale <= top / 127.0f * (1 + 0x1p-11f) + 0x1p-24f);
}

static void integers_are_the_nearest(void **state) {
    (void)state;
    rng r = {3};
    float x[32];
    for (int size = -30; size < 20; size++)
        for (uint32_t n = 1; n <= 32; n++) {
            for (uint32_t i = 0; i < n; i++) x[i] = ldexpf(rng_float(&r), size);
            check_block(x, n);
        }
    static const float ties[] = {127, 0.5f, 1.5f, 2.5f, -0.5f, -1.5f, -126.5f, 126.5f};
    static const int8_t even[] = {127, 0, 2, 2, 0, -2, -126, 126};
    int8_t q[8];
    assert_int_equal(tn_kv_type_quantize(ties, 8, q), 0x3c00);
    assert_memory_equal(q, even, 8);
}

static void hostile_blocks_have_a_meaning(void **state) {
    (void)state;
    float x[32] = {0};
    int8_t q[32], none[32] = {0};
    assert_int_equal(tn_kv_type_quantize(x, 32, q), 0);
    assert_memory_equal(q, none, 32);
    x[3] = 1e-12f;
    assert_int_equal(tn_kv_type_quantize(x, 32, q), 1); /* the least scale; all is nearest to 0 */
    assert_memory_equal(q, none, 32);
    x[4] = 3e38f;
    x[5] = -65504;
    assert_int_equal(tn_kv_type_quantize(x, 32, q), 0x7bff);
    assert_true(q[3] == 0 && q[4] == 127 && q[5] == -1);
    static const float bad[] = {INFINITY, -INFINITY, NAN, -NAN};
    for (int i = 0; i < 4; i++) {
        float y[64] = {0}, z[64];
        x[31] = bad[i];
        assert_true(isnan(tn_f16_to_f32(tn_kv_type_quantize(x, 32, q))));
        assert_memory_equal(q, none, 32);
        y[40] = bad[i];
        y[3] = 1;
        tn_kv_type_round(TN_TYPE_Q8_0, y, 64, z);
        for (int k = 0; k < 64; k++) assert_true(k < 32 ? fabsf(fabsf(z[k]) - 1) < 0x1p-11f : isnan(z[k]));
    }
}

static void halves_are_rounded_once(void **state) {
    (void)state;
    static const float x[] = {1 + 0x1p-11f, 1 + 0x1.8p-10f, 70000, 1 + 0x1p-8f, -3, 0x1p-25f};
    static const float f16[] = {1, 1 + 0x1p-9f, INFINITY, 1 + 0x1p-8f, -3, 0};
    static const float bf16[] = {1, 1, 70144, 1, -3, 0x1p-25f};
    float y[6];
    tn_kv_type_round(TN_TYPE_F32, x, 6, y);
    assert_memory_equal(y, x, sizeof x);
    tn_kv_type_round(TN_TYPE_F16, x, 6, y);
    assert_memory_equal(y, f16, sizeof x);
    tn_kv_type_round(TN_TYPE_BF16, x, 6, y);
    assert_memory_equal(y, bf16, sizeof x);
}

/* Root mean square of what scores of random queries are off when keys are rounded, turned or not. Pairs of
 * channels, as rope makes them, are `factor` times larger than the others. */
static double score_error(uint32_t n_dim, float factor, bool turn) {
    enum { N = 400 };
    rng r = {n_dim};
    double sum = 0;
    for (int t = 0; t < N; t++) {
        float k[MOST], q[MOST], kept[MOST], qt[MOST];
        double off = 0;
        for (uint32_t i = 0; i < n_dim; i++) {
            k[i] = 0;
            for (int n = 0; n < 12; n++) k[i] += rng_float(&r); /* close to a normal distribution */
            if (i % (n_dim / 2) == 5) k[i] *= factor;
            q[i] = rng_float(&r);
        }
        tn_kv_type_turn(TN_TYPE_Q8_0, q, n_dim, qt);
        tn_kv_type_round(TN_TYPE_Q8_0, k, n_dim, kept);
        for (uint32_t b = 0; b < n_dim && !turn; b += 32) {
            int8_t n[32];
            float scale = tn_f16_to_f32(tn_kv_type_quantize(k + b, 32, n));
            for (uint32_t i = 0; i < 32; i++) kept[b + i] = (float)n[i] * scale;
        }
        for (uint32_t i = 0; i < n_dim; i++)
            off += (double)(turn ? qt[i] : q[i]) * kept[i] - (double)q[i] * k[i];
        sum += off * off;
    }
    return sqrt(sum / N);
}

static void turning_pays_where_channels_stand_out(void **state) {
    (void)state;
    for (uint32_t n_dim = 64; n_dim <= 256; n_dim *= 2) {
        assert_true(score_error(n_dim, 1, true) < 1.1 * score_error(n_dim, 1, false));
        assert_true(2.0 * score_error(n_dim, 20, true) < score_error(n_dim, 20, false));
        assert_true(2.5 * score_error(n_dim, 50, true) < score_error(n_dim, 50, false));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes_are_those_of_the_types),
        cmocka_unit_test(turning_is_a_hadamard_matrix),
        cmocka_unit_test(turning_twice_gives_back),
        cmocka_unit_test(integers_are_the_nearest),
        cmocka_unit_test(hostile_blocks_have_a_meaning),
        cmocka_unit_test(halves_are_rounded_once),
        cmocka_unit_test(turning_pays_where_channels_stand_out),
    };
    return unit_main(tests);
}
