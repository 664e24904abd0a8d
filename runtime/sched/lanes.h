/* SPDX-License-Identifier: Apache-2.0 */
/* The models of an engine thread side by side: whose turn it is, and who gives memory to whom. All of it
 * belongs to that thread, but for what a lane says of itself. */
#ifndef TN_SCHED_LANES_H
#define TN_SCHED_LANES_H

#include <stdatomic.h>

#include "sched/engine.h"
#include "sched/metrics.h"
#include "sched/share.h"

/* One model's. */
typedef struct tn_lane {
    tn_share share; /* first, so that one is the other */
    tn_model *model;
    tn_engine *engine; /* NULL: the model makes embeddings */
    struct tn_lanes *all;
    tn_metrics *metrics;     /* borrowed; NULL: nobody counts */
    tn_engine_stats counted; /* what the engine said when metrics last heard of it */
    atomic_uint n_open;      /* jobs submitted and not final [any thread] */
    uint32_t n_jobs;         /* of them, those that the engine thread has */
} tn_lane;

/* Zeros are no lanes. */
typedef struct tn_lanes {
    tn_shares shares;
    tn_lane *starving; /* the others take in nothing new until it has something to run */
} tn_lanes;

void tn_lanes_add(tn_lanes *all, tn_lane *l);
void tn_lanes_remove(tn_lanes *all, tn_lane *l);
/* The one after l (NULL: the first); NULL past the last. */
tn_lane *tn_lanes_after(const tn_lanes *all, const tn_lane *l);

/* A new round: every lane with jobs has a turn to come. */
void tn_lanes_begin(tn_lanes *all);
/* Whose turn it is; NULL: nobody has anything to do in this round. */
tn_lane *tn_lanes_next(const tn_lanes *all);
/* l had its turn, for ns. idle: there was nothing that it could do, and it has no turn in this round. */
void tn_lanes_done(tn_lanes *all, tn_lane *l, uint64_t ns, bool idle);

/* Makes the engines but except's (NULL: all) give back up to bytes, idle ones first. Returns how many. */
uint64_t tn_lanes_shrink(const tn_lanes *all, const tn_lane *except, uint64_t bytes);
/* tn_engine_config.reclaim, ctx being the lane. */
bool tn_lane_reclaim(void *ctx, uint64_t bytes);
/* Looks for a lane that has jobs but no memory to begin with, and makes the others wait for it. */
void tn_lanes_feed(tn_lanes *all);

#endif
