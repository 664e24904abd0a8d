/* SPDX-License-Identifier: Apache-2.0 */
/* Runs a fuzz target without a fuzzer: mutations of its seeds, reproducible, or files. Prints TAP. With
 * TENON_FUZZ_SECONDS it goes on for so long; what is being tried is then in the file that TENON_FUZZ_KEEP
 * names, so that a crash leaves its input there. */
#include "fuzz/fuzz.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"

/* A target whose runs are long has fewer. */
#ifndef FUZZ_RUNS
#    define FUZZ_RUNS 20000
#endif

enum { MAX_INPUT = 1 << 20, MAX_EDITS = 6 };

static uint64_t state;

/* xorshift64*; Vigna 2016. */
static uint64_t next(void) {
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    return state * 0x2545f4914f6cdd1du;
}

static size_t below(size_t n) {
    return n ? (size_t)(next() % n) : 0;
}

/* Numbers at the edges of what counts and offsets can hold. */
static uint64_t edge(void) {
    static const uint64_t edges[] = {0,     1,          4,          31,         32,        255,
                                     65535, 0x7fffffff, 0x80000000, 0xffffffff, INT64_MAX, UINT64_MAX};
    return edges[below(sizeof edges / sizeof *edges)] - below(2);
}

/* One change somewhere in data[0 .. *n); there is room for MAX_INPUT bytes. */
static void edit(uint8_t *data, size_t *n) {
    size_t at = below(*n), len = 1 + below(16), to = below(*n);
    uint64_t v = edge();
    if (!*n) return;
    if (len > *n - at) len = *n - at;
    switch (below(6)) {
    case 0: data[at] ^= (uint8_t)(1u << below(8)); break;
    case 1: data[at] = (uint8_t)next(); break;
    case 2: memcpy(data + at, &v, *n - at < 8 ? *n - at : (size_t)4 << below(2)); break;
    case 3: *n = at; break;
    case 4: /* a piece taken out */
        memmove(data + at, data + at + len, *n - at - len);
        *n -= len;
        break;
    default: /* a piece put in again elsewhere */
        if (*n + len > MAX_INPUT) break;
        memmove(data + to + len, data + to, *n - to);
        memmove(data + to, data + at, len);
        *n += len;
        break;
    }
}

static void keep(const uint8_t *data, size_t n) {
    static const char *path;
    if (!path) path = getenv("TENON_FUZZ_KEEP");
    FILE *f = path && *path ? fopen(path, "wb") : NULL;
    if (f && fwrite(data, 1, n, f) != n) exit(1);
    if (f) fclose(f);
}

/* The target sees an allocation of exactly n bytes. */
static void run(const uint8_t *data, size_t n) {
    uint8_t *copy = malloc(n ? n : 1);
    if (!copy) exit(1);
    memcpy(copy, data, n);
    keep(data, n);
    LLVMFuzzerTestOneInput(copy, n);
    free(copy);
}

static uint64_t setting(const char *name, uint64_t absent) {
    const char *value = getenv(name);
    return value && *value ? strtoull(value, NULL, 10) : absent;
}

static void mutate_and_run(const tn_buf *seed, uint8_t *scratch) {
    size_t n = seed->len;
    memcpy(scratch, seed->data, n);
    for (size_t i = below(MAX_EDITS) + 1; i > 0; i--) edit(scratch, &n);
    run(scratch, n);
}

static int run_mutations(void) {
    uint64_t seconds = setting("TENON_FUZZ_SECONDS", 0), i = 0;
    uint64_t runs = seconds ? UINT64_MAX : setting("TENON_FUZZ_RUNS", FUZZ_RUNS);
    int64_t end = tn_clock_ns() + (int64_t)seconds * 1000000000;
    uint8_t *scratch = malloc(MAX_INPUT);
    unsigned n_seeds = 0;
    tn_buf seed;
    if (!scratch) return 1;
    tn_buf_init(&seed, MAX_INPUT / 2);
    state = setting("TENON_FUZZ_SEED", 1) * 0x9e3779b97f4a7c15u | 1;
    for (; fuzz_seed(n_seeds, &seed); n_seeds++, tn_buf_clear(&seed))
        run((const uint8_t *)seed.data, seed.len);
    for (; n_seeds && i < runs && !(seconds && tn_clock_ns() > end); i++) {
        tn_buf_clear(&seed);
        fuzz_seed((unsigned)(i % n_seeds), &seed);
        mutate_and_run(&seed, scratch);
    }
    tn_buf_free(&seed);
    free(scratch);
    printf("1..1\n%s 1 - %u seeds, %" PRIu64 " mutations survived\n", n_seeds ? "ok" : "not ok", n_seeds, i);
    return !n_seeds;
}

static int run_file(const char *path) {
    char *data;
    size_t len;
    tn_error err = {0};
    if (tn_file_read(path, (size_t)1 << 30, &data, &len, &err)) {
        fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    run((const uint8_t *)data, len);
    free(data);
    return 0;
}

int main(int argc, char **argv) {
    int rc = 0;
    if (argc < 2) return run_mutations();
    for (int i = 1; i < argc; i++) rc |= run_file(argv[i]);
    return rc;
}
