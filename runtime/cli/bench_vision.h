/* SPDX-License-Identifier: Apache-2.0 */
/* How long a model that sees takes to its first token: for pictures and clips that nobody has seen, and for
 * the same under another question; and how long others' tokens wait while a picture is encoded. */
#ifndef TN_CLI_BENCH_VISION_H
#define TN_CLI_BENCH_VISION_H

#include <jansson.h>

#include "sched/engine.h"

enum { TN_BENCH_VISION_CTX = 8192, TN_BENCH_VISION_STREAMS = 2 };

/* A model that holds TN_BENCH_VISION_CTX tokens, or what it was made for, and TN_BENCH_VISION_STREAMS + 1
 * sequences. *ret, the caller's, by name ("image 1024", "video 64"): "tokens" of the prompt, "cold_s",
 * "repeated_s" (medians of reps), "times" (their ratio); "gaps" as in tn_bench_gaps, of streams beside an
 * image of 1024 x 1024. Frames of videos are 224 x 224, 2 a second. TN_ENOTSUP: it sees nothing. */
int tn_bench_vision(tn_model *m, uint32_t reps, json_t **ret, tn_error *err);

#endif
