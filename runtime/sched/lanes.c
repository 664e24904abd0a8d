/* SPDX-License-Identifier: Apache-2.0 */
#include "sched/lanes.h"

tn_lane *tn_lanes_after(const tn_lanes *all, const tn_lane *l) {
    return (tn_lane *)(l ? l->share.next : all->shares.first);
}

/* Models that make embeddings take no pages: nothing to hold back, nothing to give. */
static void hold(const tn_lane *l, bool held) {
    if (l->engine) tn_engine_hold(l->engine, held);
}

/* Nobody but `starving` (NULL: everybody) takes in new sequences. */
static void hold_others(tn_lanes *all, tn_lane *starving) {
    all->starving = starving;
    for (tn_lane *l = NULL; (l = tn_lanes_after(all, l));) hold(l, starving && l != starving);
}

void tn_lanes_add(tn_lanes *all, tn_lane *l) {
    tn_shares_add(&all->shares, &l->share);
    l->all = all;
    hold(l, all->starving != NULL);
}

void tn_lanes_remove(tn_lanes *all, tn_lane *l) {
    tn_shares_remove(&all->shares, &l->share);
    if (all->starving == l) hold_others(all, NULL);
}

void tn_lanes_begin(tn_lanes *all) {
    for (tn_lane *l = NULL; (l = tn_lanes_after(all, l));)
        tn_shares_set_busy(&all->shares, &l->share, l->n_jobs > 0);
}

tn_lane *tn_lanes_next(const tn_lanes *all) {
    return (tn_lane *)tn_shares_next(&all->shares);
}

void tn_lanes_done(tn_lanes *all, tn_lane *l, uint64_t ns, bool idle) {
    if (idle)
        tn_shares_set_busy(&all->shares, &l->share, false);
    else
        tn_shares_charge(&all->shares, &l->share, ns);
}

uint64_t tn_lanes_shrink(const tn_lanes *all, const tn_lane *except, uint64_t bytes) {
    uint64_t given = 0;
    for (int with_jobs = 0; with_jobs < 2; with_jobs++)
        for (tn_lane *l = NULL; (l = tn_lanes_after(all, l)) && given < bytes;)
            if (l != except && l->engine && (l->n_jobs > 0) == with_jobs)
                given += tn_engine_shrink(l->engine, bytes - given);
    return given;
}

bool tn_lane_reclaim(void *ctx, uint64_t bytes) {
    const tn_lane *l = ctx;
    return tn_lanes_shrink(l->all, l, bytes) > 0;
}

static bool is_starved(const tn_lane *l) {
    return l->engine && l->n_jobs > 0 && tn_engine_is_starved(l->engine);
}

void tn_lanes_feed(tn_lanes *all) {
    if (all->starving && is_starved(all->starving)) return;
    tn_lane *l = NULL;
    while ((l = tn_lanes_after(all, l)) && !is_starved(l)) {}
    if (l || all->starving) hold_others(all, l);
}
