/* SPDX-License-Identifier: Apache-2.0 */
/* Fixture models: their list, their recorded references, and running prompts through the engine. */
#ifndef TN_TESTS_GOLDEN_FIXTURE_H
#define TN_TESTS_GOLDEN_FIXTURE_H

#include "unit/unit.h"

#include <jansson.h>

#include "modules/loader.h"
#include "sched/engine.h"

/* A model below the vectors' folder. Those whose file is absent are skipped, saying so. */
typedef struct fixture {
    const char *path;      /* a directory or a .gguf file, absolute: anywhere */
    const char *config;    /* for a directory: another config.json ("config_v5.json"), or NULL */
    const char *reference; /* path without .json / .safetensors; NULL: PATH/reference */
    bool quantised;
} fixture;

extern const fixture fixtures[];
extern const size_t n_fixtures;

/* How to run it. */
typedef struct setting {
    const char *device;
    tn_compute compute;
    const char *kv_type; /* NULL: what device and compute ask for */
    uint32_t n_ctx;      /* 0: 512 */
    uint32_t n_thread, step_tokens, max_seqs;
    bool all_rows, taps;
} setting;

/* Loads; a fixture that is absent skips the test. Fails the test on errors. */
typedef struct run {
    tn_registry *registry;
    tn_model *model;
} run;
run run_open(const fixture *f, const setting *s);
void run_close(run *r);

/* The recorded reference. */
typedef struct reference {
    json_t *json;
    tn_checkpoint *arrays;
    char *dir; /* a temporary view of the arrays as a checkpoint; removed by close */
} reference;
reference reference_open(const fixture *f);
void reference_close(reference *r);
/* prompts[i] with that name; NULL when there is none. */
const json_t *reference_prompt(const reference *r, const char *name);
/* An array's elements as F32 (the caller's) and its number of rows of n columns; fails the test when absent.
 */
float *reference_array(const reference *r, const char *name, size_t n_cols, size_t *ret_rows);

/* One sequence's ids and, after a run, its rows of logits. */
typedef struct sequence {
    int32_t *ids;
    uint32_t n_ids;
    float *logits;            /* [n_ids, n_vocab] */
    uint32_t n_vocab, n_rows; /* rows seen */
} sequence;
sequence sequence_of(const json_t *ids, uint32_t n_vocab);
void sequence_free(sequence *s);
/* The engine's callback that stores a row. */
void sequence_on_logits(void *ctx, uint32_t pos, const float *logits);

/* Runs all n together; all: every row, else the last ones only. */
void run_together(const run *r, sequence *seqs, size_t n, bool all);

#endif
