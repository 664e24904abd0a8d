/* SPDX-License-Identifier: Apache-2.0 */
/* The struct that language.metal has of its own, for the C file that tools/mslx/cuda.py makes of it. */
#include <stdint.h>

typedef struct numbers {
    uint32_t n;
    float f[3];
} numbers;
