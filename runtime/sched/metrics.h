/* SPDX-License-Identifier: Apache-2.0 */
/* What a model's serving is measured by. The engine thread writes, anybody reads: every number is an atomic
 * of its own, so that a reader sees each of them right and all of them of about the same moment. Kept for as
 * long as the process runs, however often the model is loaded. */
#ifndef TN_SCHED_METRICS_H
#define TN_SCHED_METRICS_H

#include <stdatomic.h>

#include "sched/engine.h"

enum { TN_HISTOGRAM_BOUNDS = 18 };

/* Counts of values at most bounds[i], the last one of all that are larger. */
typedef struct tn_histogram {
    const double *bounds; /* [TN_HISTOGRAM_BOUNDS], ascending */
    atomic_uint_fast64_t count[TN_HISTOGRAM_BOUNDS + 1];
    atomic_uint_fast64_t sum; /* of the values, in millionths */
} tn_histogram;

/* [the one writer] */
void tn_histogram_add(tn_histogram *h, double value);

/* How jobs ended. */
typedef enum tn_outcome {
    TN_OUTCOME_STOP,
    TN_OUTCOME_LENGTH,
    TN_OUTCOME_REPETITION,
    TN_OUTCOME_CANCELLED,
    TN_OUTCOME_FAILED,
    TN_OUTCOME_COUNT
} tn_outcome;

typedef struct tn_metrics {
    /* seconds */
    tn_histogram queue;       /* from submission until a job first runs */
    tn_histogram first_token; /* from submission until its first token */
    tn_histogram inter_token; /* between tokens of a job */
    tn_histogram whole;       /* from submission to the end */
    tn_histogram step;        /* of one step */
    tn_histogram occupancy;   /* tokens of a step over the most it could have */
    atomic_uint_fast64_t outcomes[TN_OUTCOME_COUNT];
    /* sums since the process began */
    atomic_uint_fast64_t n_picture, n_step, n_step_tokens, n_prompt, n_hit, n_generated, n_preempted,
        n_evicted, n_copied;
    /* now; zeros while the model is not loaded */
    atomic_uint_fast64_t n_running, n_waiting;
    atomic_uint_fast64_t pages_used, pages_shared, pages_cached, pages_free;
    atomic_uint_fast64_t bytes_used, bytes_cached, bytes_free;
} tn_metrics;

void tn_metrics_init(tn_metrics *m);
/* Takes what an engine says of itself; before is what it said last time, zeros at first. [engine thread] */
void tn_metrics_take(tn_metrics *m, const tn_engine_stats *now, const tn_engine_stats *before);

#endif
