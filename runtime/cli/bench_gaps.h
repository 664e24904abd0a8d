/* SPDX-License-Identifier: Apache-2.0 */
/* How long streams wait for their next token while somebody's long prompt is computed. */
#ifndef TN_CLI_BENCH_GAPS_H
#define TN_CLI_BENCH_GAPS_H

#include <jansson.h>

#include "sched/engine.h"

enum { TN_BENCH_STREAM_PROMPT = 32 }; /* tokens that a stream begins with */

/* Runs n_stream sequences that decode, then beside them a prompt of n_prompt tokens from ids [n_prompt] to
 * its end. The model must hold n_stream + 1 sequences and n_prompt + 1 tokens. *ret, the caller's: "prompt",
 * "streams", "step_tokens"; "full_steps" (their number), "full_step_median_s", "full_step_max_s";
 * "gap_median_s", "gap_max_s" between two tokens of a stream; "gap_max_per_full_step": the longest gap over
 * the median duration of a full step. */
int tn_bench_gaps(tn_model *m, const int32_t *ids, uint32_t n_prompt, uint32_t n_stream, json_t **ret,
                  tn_error *err);

#endif
