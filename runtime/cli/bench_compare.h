/* SPDX-License-Identifier: Apache-2.0 */
/* The same measurements by us and by another program in turn, so that what disturbs a machine for minutes
 * meets both. */
#ifndef TN_CLI_BENCH_COMPARE_H
#define TN_CLI_BENCH_COMPARE_H

#include <jansson.h>

#include "cli/bench_measure.h"

typedef struct tn_bench_compare_args {
    const char *command;
    uint32_t n_pair;
    uint32_t timeout_s; /* of the command, each time */
    uint32_t reps;      /* of ours in a pair: their median counts */
} tn_bench_compare_args;

/* Ours, theirs, ours, theirs: the cases [n], each under its name in the command's JSON ("batch N": under N in
 * "batch"). *ret, the caller's: "command", "pairs", "timeout_s", "reps"; "results" by name: "ours", "theirs"
 * (medians), "ratio" (of the medians, ours over theirs), "pair_ratio" ("median", "least", "most" of the
 * pairs' own) and "pairs" ([ours, theirs], as they came); "not_compared": names of cases that the command
 * does not have. As tn_bench_child; TN_EFORMAT where it has none, or a figure is missing or no number above 0
 * once. [control thread] */
int tn_bench_compare(tn_model *m, const int32_t *ids, const tn_bench_case *cases, size_t n,
                     const tn_bench_compare_args *args, json_t **ret, tn_error *err);

/* The same as a table on stdout. */
void tn_bench_compare_print(const json_t *compared);

#endif
