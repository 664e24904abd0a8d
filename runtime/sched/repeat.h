/* SPDX-License-Identifier: Apache-2.0 */
/* A watch for answers that have run into a loop: the same few tokens, or the same paragraph, over and over.
 *
 * An answer loops when its last ids are a pattern of p ids that stands there at least min_count times in a
 * row, with min_pattern <= p <= max_pattern, and those repetitions are at least min_tokens ids long. Each
 * period's run of ids that equal the one a period earlier is counted as ids arrive, so the decision is exact,
 * costs max_pattern comparisons for each id, and needs the last max_pattern ids only. */
#ifndef TN_SCHED_REPEAT_H
#define TN_SCHED_REPEAT_H

#include <stdbool.h>
#include <stdint.h>

enum {
    TN_REPEAT_PATTERN_MAX = 512, /* ids of a pattern */
    TN_REPEAT_COUNT_MAX = 1 << 16,
    TN_REPEAT_TOKENS_MAX = 1 << 20,
    /* Long enough for a paragraph; lists of numbers, tables and rulers of ordinary answers stay below. */
    TN_REPEAT_PATTERN_DEFAULT = 256,
    TN_REPEAT_COUNT_DEFAULT = 4,
    TN_REPEAT_TOKENS_DEFAULT = 256,
};

/* The first three are named and mean the same as in vLLM's RepetitionDetectionParams. */
typedef struct tn_repeat_params {
    uint32_t max_pattern; /* 1 .. TN_REPEAT_PATTERN_MAX; 0: nothing is watched */
    uint32_t min_pattern; /* 0, 1 .. max_pattern; 0 is 1 */
    uint32_t min_count;   /* 2 .. TN_REPEAT_COUNT_MAX */
    uint32_t min_tokens;  /* 0 .. TN_REPEAT_TOKENS_MAX */
} tn_repeat_params;

/* One answer's watch; about 6 KiB, no memory of its own. */
typedef struct tn_repeat {
    tn_repeat_params params;
    uint32_t at; /* where the next id goes in the first half of ids */
    uint32_t n;  /* ids seen, up to max_pattern */
    /* [2 * max_pattern]: the last ids, oldest first from `at`; written twice so that they lie in one piece.
     */
    int32_t ids[2 * TN_REPEAT_PATTERN_MAX];
    /* [max_pattern]: entry i counts the last ids that equal the id max_pattern - i before. */
    uint32_t run[TN_REPEAT_PATTERN_MAX];
} tn_repeat;

/* Begins an answer. params outside their ranges are taken as the nearest within. */
void tn_repeat_init(tn_repeat *r, const tn_repeat_params *params);
/* Takes the answer's next id; true when the answer, this id included, loops. Goes on watching either way.
 * Allocates nothing. */
bool tn_repeat_push(tn_repeat *r, int32_t id);

#endif
