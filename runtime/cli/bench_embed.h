/* SPDX-License-Identifier: Apache-2.0 */
/* How many texts a second a model for embeddings takes, by their length and how many come at once. */
#ifndef TN_CLI_BENCH_EMBED_H
#define TN_CLI_BENCH_EMBED_H

#include "cli/bench_limits.h"
#include "cli/options.h"

typedef struct tn_bench_embed_args {
    const tn_opt_list *lengths, *batches; /* tokens of a text; texts of a job; zeros are left out */
    uint32_t reps;
    const tn_bench_limits *limits; /* NULL: shares are not wanted */
} tn_bench_embed_args;

/* *ret, the caller's: by length and batch {"texts_per_s", "tokens_per_s", "compute": the share of the limits
 * that the linear layers reach}, medians. TN_EINVAL: the model generates; TN_ELIMIT: texts longer than it
 * takes; TN_ENOMEM, TN_EDEVICE. ids: random ones, as many as the longest text has. [control thread] */
int tn_bench_embed(tn_model *m, const int32_t *ids, const tn_bench_embed_args *args, json_t **ret,
                   tn_error *err);
/* As a table on stdout. */
void tn_bench_embed_print(const json_t *figures);

#endif
