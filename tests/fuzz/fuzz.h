/* SPDX-License-Identifier: Apache-2.0 */
/* What a fuzz target gives. Every target builds two ways:
 *
 * - in `make check` with fuzz.c, which mutates the target's own seeds for a fixed number of runs, the same
 * every time (TENON_FUZZ_RUNS, TENON_FUZZ_SEED), or replays the files that are named as arguments; `make
 * fuzz` goes on for FUZZ_SECONDS with another seed each time;
 * - with libFuzzer: clang -fsanitize=fuzzer,address tests/fuzz/NAME.c and the library, built with
 * -fsanitize=fuzzer-no-link. */
#ifndef TN_TESTS_FUZZ_H
#define TN_TESTS_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

/* Reads the bytes as the target's format; they end where their allocation ends. Aborts when what must hold
 * does not. Returns 0. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Appends valid input number i to *ret; false past the last. */
bool fuzz_seed(unsigned i, tn_buf *ret);

#endif
