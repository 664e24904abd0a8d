/* SPDX-License-Identifier: Apache-2.0 */
/* Checks of single kernels: each runs a kernel on random data and compares with plain loops in double. */
#ifndef TN_TESTS_METAL_KERNEL_CHECK_H
#define TN_TESTS_METAL_KERNEL_CHECK_H

#include <stddef.h>
#include <stdint.h>

#include "metal/args.h"
#include "sim/sim.h"

/* Runs shape number `shape` through `kernel`, which has the arguments of the check's own kernel. Returns the
 * largest difference of an element in units of max(1, |expected|), or INFINITY where it is not a number or
 * the dispatch failed (sim_error() has the reason, else ""). */
typedef double (*kernel_check_fn)(const sim_kernel *kernel, uint32_t shape);

typedef struct kernel_check {
    const char *kernel;
    kernel_check_fn run;
    uint32_t n_shape;
    double tolerance; /* why this much: see the table */
} kernel_check;

extern const kernel_check kernel_checks[]; /* ends with a NULL kernel */

/* A number in [-1, 1) from a fixed sequence; check_random_seed() starts it. */
float check_random(void);
void check_random_seed(uint32_t seed);

#endif
