/* SPDX-License-Identifier: Apache-2.0 */
/* The simulator's language does what Metal specifies: language.metal against values computed here. */
#include "unit/unit.h"

#include <math.h>

#include "libraries.h"
#include "weights/float.h"

enum { N_MATRIX = 8, STRIDE = 10 };

static sim_buffer *buffer_of(const void *data, size_t bytes) {
    sim_buffer *b = sim_buffer_new(bytes);
    assert_non_null(b);
    if (data) assert_int_equal(sim_buffer_write(b, 0, data, bytes), 0);
    return b;
}

/* Runs one threadgroup; out [n_out] from the buffer bound as number `index`. */
static void run(const char *kernel, const sim_binding *bindings, size_t n_binding, uint32_t index, float *out,
                size_t n_out, uint32_t n_thread) {
    const sim_kernel *k = sim_kernel_find(&metal_language, kernel);
    const sim_constant count = {0, 3};
    const uint32_t one[3] = {1, 1, 1};
    assert_non_null(k);
    if (sim_dispatch(k, &count, 1, bindings, n_binding, one, n_thread) != 0) fail_msg("%s", sim_error());
    assert_int_equal(sim_buffer_read(bindings[index].buffer, 0, out, n_out * sizeof *out), 0);
    for (size_t i = 0; i < n_binding; i++) sim_buffer_free(bindings[i].buffer);
}

static void expect(const char *what, size_t i, double got, double expected, double tolerance) {
    if (!(fabs(got - expected) <= tolerance))
        fail_msg("%s %zu: %.9g instead of %.9g", what, i, got, expected);
}

static void lanes_meet(void **state) {
    (void)state;
    static float out[14 * 32];
    for (uint32_t seed = 0; seed < 3; seed++) {
        sim_seed(seed);
        run("lanes", &(sim_binding){.index = 0, .buffer = buffer_of(NULL, sizeof out)}, 1, 0, out, 14 * 32,
            32);
        for (uint32_t l = 0; l < 32; l++) {
            const double x = l * 0.5;
            const double expected[14] = {
                248,
                0,
                3,
                496,
                -9,
                -40,
                32,
                (31 - l) * 0.5,
                (l ^ 5) * 0.5,
                l + 3 < 32 ? x + 1.5 : x,
                4.5,
                l ^ 16,
                l == 0 ? 15.5 : x,
                -(double)(l / 2) * 0.5,
            };
            for (size_t i = 0; i < 14; i++) expect("lanes", i, out[i * 32 + l], expected[i], 0);
        }
    }
    sim_seed(0);
}

static const double expected_values[] = {
    1.5,
    16256,
    1.0009765625,
    5,
    4,
    3.5,
    4,
    253,
    252,
    -3,
    15,
    33,
    -3,
    4,
    2,
    0x0f0e,
    0x0302,
    3.25,
    8,
    3.5,
    -3,
    6,
    1,
    12,
    13,
    2 * M_E,
    8 + M_SQRT2,
    0,
    4,
    0,
    0,
    2 * M_SQRT2,
    0.75,
    34.5,
    118,
    2,
    7.5,
    516,
    12,
    1,
    0.333251953125,
    0.0999755859375,
    300,
    -56,
    10,
    -2,
    1.5,
    26,
    9,
    10,
    0.199951171875,
    6,
    0,
};
enum { N_VALUE = sizeof expected_values / sizeof *expected_values };

/* Those that are sums of functions. */
static double expected_value(size_t i) {
    switch (i) {
    case 27: return 2 * log(10);
    case 29: return sin(1) + cos(1) + cos(2) + sin(2);
    case 30: return 2 * tanh(0.5);
    default: return expected_values[i];
    }
}

static void values_are_right(void **state) {
    (void)state;
    const struct {
        uint32_t n;
        float f[3];
    } n = {5, {0.5f, 1.5f, 2.5f}};
    uint8_t bytes[16];
    float out[N_VALUE];
    for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (uint8_t)i;
    const sim_binding bindings[] = {{.index = 0, .buffer = buffer_of(NULL, sizeof out)},
                                    {.index = 1, .bytes = &n, .n_bytes = sizeof n},
                                    {.index = 2, .buffer = buffer_of(bytes, sizeof bytes)}};
    run("values", bindings, 3, 0, out, N_VALUE, N_VALUE);
    for (size_t i = 0; i < N_VALUE; i++) {
        const double expected = expected_value(i);
        expect("value", i, out[i], expected, i >= 25 && i <= 32 ? 1e-6 * fabs(expected) : 0);
    }
}

static void matrices_multiply(void **state) {
    (void)state;
    float a[N_MATRIX * STRIDE], out[3 * 64];
    uint16_t b[64]; /* halves */
    float bf[64];
    for (int i = 0; i < N_MATRIX * STRIDE; i++) a[i] = (float)(i * 7 % 11) - 5;
    for (int i = 0; i < 64; i++) b[i] = tn_f32_to_f16(bf[i] = (float)(i * 5 % 13) * 0.25f);
    for (uint32_t seed = 0; seed < 3; seed++) {
        sim_seed(seed);
        const sim_binding bindings[] = {{.index = 0, .buffer = buffer_of(a, sizeof a)},
                                        {.index = 1, .buffer = buffer_of(b, sizeof b)},
                                        {.index = 2, .buffer = buffer_of(NULL, sizeof out)}};
        run("matrices", bindings, 3, 2, out, 3 * 64, 64);
        for (int r = 0; r < N_MATRIX; r++)
            for (int c = 0; c < N_MATRIX; c++) {
                const size_t at = (size_t)(r * 8 + c);
                double product = 1, other = 0;
                for (int k = 0; k < N_MATRIX; k++) {
                    product += (double)a[r * STRIDE + k] * bf[8 * k + c];
                    other += (double)bf[8 * k + r] * (a[c * STRIDE + k] + bf[8 * k + c]);
                }
                expect("product", at, out[at], product, 0);
                expect("transposed", at, out[64 + at], a[c * STRIDE + r], 0);
                expect("halves", at, out[128 + at], other, 0);
            }
    }
    sim_seed(0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lanes_meet),
        cmocka_unit_test(values_are_right),
        cmocka_unit_test(matrices_multiply),
    };
    return unit_main(tests);
}
