/* SPDX-License-Identifier: Apache-2.0 */
#include "check_random.h"

static uint64_t random_state = 1;

void check_random_seed(uint32_t seed) {
    random_state = seed * 2u + 1u;
}

float check_random(void) {
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (float)((double)(random_state >> 40) / (1 << 23) - 1.0);
}
