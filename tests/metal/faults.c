/* SPDX-License-Identifier: Apache-2.0 */
/* The simulator stops kernels that make a mistake, says which, and goes on with the next. */
#include "unit/unit.h"

#include <math.h>

#include "libraries.h"

enum { N_THREAD = 64, N_OUT = 61 }; /* 61 floats: the buffer's end is not that of an aligned block */

static float out[N_OUT];
static uint32_t n_thread = N_THREAD;

static int run(const char *kernel, size_t n_out, uint32_t n_group) {
    const sim_kernel *k = sim_kernel_find(&metal_faults, kernel);
    assert_non_null(k);
    sim_buffer *b = sim_buffer_new(n_out * sizeof(float));
    const sim_binding binding = {.index = 0, .buffer = b};
    const int rc = sim_dispatch(k, NULL, 0, &binding, 1, (const uint32_t[3]){n_group, 1, 1}, n_thread);
    if (rc == 0) assert_int_equal(sim_buffer_read(b, 0, out, n_out < N_OUT ? n_out * 4 : sizeof out), 0);
    sim_buffer_free(b);
    return rc;
}

static void fine_still_runs(void) {
    const uint32_t n = n_thread;
    n_thread = N_THREAD;
    assert_int_equal(run("fine", N_THREAD, 1), 0);
    for (int i = 0; i < N_OUT; i++) assert_true(out[i] == (float)i);
    n_thread = n;
}

/* The kernel fails in order and in random order, with these words. */
static void stops(const char *kernel, size_t n_out, const char *words) {
    for (uint32_t seed = 0; seed < 4; seed++) {
        sim_seed(seed);
        assert_int_equal(run(kernel, n_out, 1), -1);
        if (!strstr(sim_error(), kernel) || !strstr(sim_error(), words))
            fail_msg("%s: \"%s\" does not say \"%s\"", kernel, sim_error(), words);
        fine_still_runs();
    }
    sim_seed(0);
    printf("# %s\n", sim_error());
}

static void threads_part(void **state) {
    (void)state;
    stops("sum_in_a_branch", N_THREAD, "simdgroup part");
    stops("two_sums", N_THREAD, "simdgroup part");
    stops("sum_and_barrier", N_THREAD, "simdgroup part");
    stops("barrier_in_a_branch", N_THREAD, "threadgroup part");
    stops("two_barriers", N_THREAD, "threadgroup part");
}

static void memory_ends(void **state) {
    (void)state;
    stops("write_past_the_end", N_THREAD, "outside its memory");
    stops("write_just_past_the_end", N_OUT, "beyond its ends");
    stops("write_before_the_start", N_THREAD, "beyond its ends");
    stops("write_past_a_variable", N_THREAD, "threadgroup variable");
    stops("too_many_variables", N_THREAD, "32768 are allowed");
    stops("too_large_a_stack", N_THREAD, "stack");
}

static void lanes_agree(void **state) {
    (void)state;
    stops("lane_too_high", N_THREAD, "not there");
    stops("lanes_disagree", N_THREAD, "different numbers");
    stops("matrices_disagree", N_THREAD, "different arguments");
    stops("matrix_rows_overlap", N_THREAD, "stride is less than 8");
    n_thread = 40;
    stops("matrix_in_a_short_simdgroup", N_THREAD, "less than 32 threads");
    n_thread = N_THREAD;
    assert_int_equal(run("matrix_in_a_short_simdgroup", N_THREAD, 1), 0);
}

static void operations_are_checked(void **state) {
    (void)state;
    if (!sim_checks_operations()) {
        printf("# kernels were compiled without checks of single operations: a sanitizer has its own\n");
        skip();
    }
    stops("misaligned", N_THREAD, "no multiple of 16");
    stops("index_too_high", N_THREAD, "[16]'");
    stops("shift_too_far", N_THREAD, "shifted by");
    stops("division_by_zero", N_THREAD, "division by zero");
    stops("float_too_large", N_THREAD, "no 'int' can hold");
    stops("signed_overflow", N_THREAD, "product too large");
}

static void unwritten_memory_is_no_number(void **state) {
    (void)state;
    float fresh;
    assert_int_equal(run("unwritten_variable", N_THREAD, 2), 0);
    assert_true(out[0] == 1);
    for (int i = 1; i < N_OUT; i++) assert_true(isnan(out[i]));
    assert_int_equal(run("store_without_barrier", N_THREAD, 1), 0);
    int n = 0;
    for (int i = 0; i < N_OUT; i++) n += isnan(out[i]) != 0;
    assert_true(n >= 8);
    assert_int_equal(run("matrix_without_value", N_THREAD, 1), 0);
    for (int i = 0; i < N_OUT; i++) assert_true(isnan(out[i]));
    sim_buffer *b = sim_buffer_new(sizeof fresh);
    assert_int_equal(sim_buffer_read(b, 0, &fresh, sizeof fresh), 0);
    assert_true(isnan(fresh));
    assert_int_equal(sim_buffer_read(b, 1, &fresh, sizeof fresh), -1);
    assert_int_equal(sim_buffer_write(b, SIZE_MAX, &fresh, sizeof fresh), -1);
    sim_buffer_free(b);
}

static void order_follows_the_seed(void **state) {
    (void)state;
    float last[8];
    int distinct = 0;
    for (uint32_t seed = 0; seed < 8; seed++)
        for (int again = 0; again < 2; again++) {
            sim_seed(seed);
            assert_int_equal(run("last_one_wins", 1, 5), 0);
            if (again) assert_true(out[0] == last[seed]); /* the same seed, the same order */
            last[seed] = out[0];
        }
    sim_seed(0);
    assert_true(last[0] == 5 * N_THREAD - 1);
    for (int i = 1; i < 8; i++) distinct += last[i] != last[0];
    assert_true(distinct >= 4);
}

static void arguments_are_checked(void **state) {
    (void)state;
    const sim_kernel *k = sim_kernel_find(&metal_faults, "by_value");
    sim_buffer *b = sim_buffer_new(N_THREAD * sizeof(float));
    const uint32_t one[3] = {1, 1, 1}, n[3] = {20, 22, 0};
    const sim_binding good = {.index = 0, .buffer = b}, value = {.index = 1, .bytes = n, .n_bytes = 8};
    const sim_binding long_value = {.index = 1, .bytes = n, .n_bytes = 12},
                      no_value = {.index = 1, .buffer = b};
    const sim_binding stray = {.index = 2, .buffer = b}, odd = {.index = 0, .buffer = b, .offset = 2};
    const struct {
        sim_binding bindings[3];
        size_t n;
        const char *words;
    } cases[] = {
        {{good}, 1, "buffer(1) is not bound"},
        {{value}, 1, "buffer(0) is not bound"},
        {{good, long_value}, 2, "reference to 8 bytes"},
        {{good, no_value}, 2, "reference to 8 bytes"},
        {{good, value, stray}, 3, "no buffer(2)"},
        {{good, good, value}, 3, "bound twice"},
        {{odd, value}, 2, "offset 2"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(sim_dispatch(k, NULL, 0, cases[i].bindings, cases[i].n, one, N_THREAD), -1);
        if (!strstr(sim_error(), cases[i].words))
            fail_msg("\"%s\" lacks \"%s\"", sim_error(), cases[i].words);
    }
    const sim_binding both[] = {value, good};
    assert_int_equal(sim_dispatch(k, NULL, 0, both, 2, one, 0), -1);
    assert_int_equal(sim_dispatch(k, NULL, 0, both, 2, one, SIM_MAX_GROUP_THREADS + 1), -1);
    assert_int_equal(sim_dispatch(k, NULL, 0, both, 2, one, N_THREAD), 0);
    assert_int_equal(sim_buffer_read(b, 0, out, sizeof out), 0);
    for (int i = 0; i < N_OUT; i++) assert_true(out[i] == 42);
    assert_null(sim_kernel_find(&metal_faults, "by_valu"));
    sim_buffer_free(b);
}

static void constants_are_checked(void **state) {
    (void)state;
    const sim_kernel *k = sim_kernel_find(&metal_faults, "with_constant");
    sim_buffer *b = sim_buffer_new(N_THREAD * sizeof(float));
    const sim_binding binding = {.index = 0, .buffer = b};
    const uint32_t one[3] = {1, 1, 1};
    const struct {
        sim_constant constants[3];
        size_t n;
        const char *words;
    } cases[] = {
        {{{0}}, 0, "function_constant(3), FACTOR, is not given"},
        {{{4, 1}}, 1, "function_constant(3), FACTOR, is not given"},
        {{{3, 1}, {5, 1}}, 2, "no function_constant(5)"},
        {{{3, 1}, {3, 1}}, 2, "FACTOR, is given twice"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(sim_dispatch(k, cases[i].constants, cases[i].n, &binding, 1, one, N_THREAD), -1);
        if (!strstr(sim_error(), cases[i].words))
            fail_msg("\"%s\" lacks \"%s\"", sim_error(), cases[i].words);
    }
    for (uint32_t factor = 1; factor < 4; factor++) {
        const sim_constant c = {3, factor};
        assert_int_equal(sim_dispatch(k, &c, 1, &binding, 1, one, N_THREAD), 0);
        assert_int_equal(sim_buffer_read(b, 0, out, sizeof out), 0);
        for (uint32_t i = 0; i < N_OUT; i++) assert_true(out[i] == (float)(i * factor));
    }
    sim_buffer_free(b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threads_part),
        cmocka_unit_test(memory_ends),
        cmocka_unit_test(lanes_agree),
        cmocka_unit_test(operations_are_checked),
        cmocka_unit_test(unwritten_memory_is_no_number),
        cmocka_unit_test(order_follows_the_seed),
        cmocka_unit_test(arguments_are_checked),
        cmocka_unit_test(constants_are_checked),
    };
    return unit_main(tests);
}
