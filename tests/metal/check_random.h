/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TN_TESTS_METAL_CHECK_RANDOM_H
#define TN_TESTS_METAL_CHECK_RANDOM_H

#include <stdint.h>

/* A number in -1 .. 1, drawn after the seed. */
void check_random_seed(uint32_t seed);
float check_random(void);

#endif
