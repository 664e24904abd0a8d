/* SPDX-License-Identifier: Apache-2.0 */
/* As much of cmocka as the tests that kernels.sh cross-compiles use: cmocka itself is not there for the other
 * processor. Tests run one after the other; an assertion that fails ends its test, not those after it. */
#ifndef TN_TESTS_ARM_CMOCKA_H
#define TN_TESTS_ARM_CMOCKA_H

#include <inttypes.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct CMUnitTest {
    const char *name;
    void (*run)(void **state);
};
#define cmocka_unit_test(f)                                                                                  \
    (struct CMUnitTest) {                                                                                    \
        .name = #f, .run = f                                                                                 \
    }
#define cmocka_set_message_output(x) ((void)0)

static jmp_buf shim_leave;

_Noreturn static inline void shim_fail(const char *file, int line, const char *what) {
    printf("# %s:%d: %s\n", file, line, what);
    longjmp(shim_leave, 1);
}

#define assert_true(x)               ((x) ? (void)0 : shim_fail(__FILE__, __LINE__, #x))
#define assert_null(x)               assert_true((x) == NULL)
#define assert_non_null(x)           assert_true((x) != NULL)
#define assert_int_equal(a, b)       assert_true((intmax_t)(a) == (intmax_t)(b))
#define assert_string_equal(a, b)    assert_true(strcmp(a, b) == 0)
#define assert_memory_equal(a, b, n) assert_true(memcmp(a, b, n) == 0)
#define print_message(...)           printf(__VA_ARGS__)
#define fail()                       shim_fail(__FILE__, __LINE__, "failed")
#define skip()                       fail()

/* All tests, or those whose names begin with $SHIM_ONLY. Returns how many failed, 1 if none ran. */
static inline int shim_run(const struct CMUnitTest *tests, size_t n) {
    const char *only = getenv("SHIM_ONLY");
    volatile int n_failed = 0, n_run = 0;
    for (volatile size_t i = 0; i < n; i++) {
        if (only && strncmp(tests[i].name, only, strlen(only)) != 0) continue;
        volatile int ok = 0;
        n_run++;
        if (setjmp(shim_leave) == 0) {
            void *state = NULL;
            tests[i].run(&state);
            ok = 1;
        }
        n_failed += !ok;
        printf("%sok %d - %s\n", ok ? "" : "not ", n_run, tests[i].name);
        fflush(stdout);
    }
    return n_run ? n_failed : 1;
}
#define cmocka_run_group_tests(tests, up, down) shim_run(tests, sizeof(tests) / sizeof *(tests))

#endif
