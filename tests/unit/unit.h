/* SPDX-License-Identifier: Apache-2.0 */
/* Includes in the order cmocka wants, TAP output, and where the test data lie. */
#ifndef TN_TESTS_UNIT_H
#define TN_TESTS_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Runs the group with TAP on stdout; the exit status is the number of failures. */
#define unit_main(tests) (cmocka_set_message_output(CM_OUTPUT_TAP), cmocka_run_group_tests(tests, NULL, NULL))

/* The folder with the test vectors: $TENON_VECTORS, else tests/vectors of the source tree. */
static inline const char *unit_vectors(void) {
    static char path[4096];
    const char *dir = getenv("TENON_VECTORS"), *src = getenv("TN_SRCDIR");
    if (dir && *dir) return dir;
    snprintf(path, sizeof path, "%s/tests/vectors", src ? src : ".");
    return path;
}

#endif
