/* SPDX-License-Identifier: Apache-2.0 */
/* A team of threads that stays. The caller is member 0; the others wait between jobs, spinning for a moment
 * and then asleep. Inside a job members meet at barriers. Work is split by fixed ranges: who does what
 * follows from the sizes alone, never from who came first. */
#ifndef TN_BASE_TEAM_H
#define TN_BASE_TEAM_H

#include <stdint.h>
#include <tenon/status.h>

enum { TN_TEAM_MAX = 256 };

typedef struct tn_team tn_team;

/* member: 0 .. n_member - 1. */
typedef void (*tn_team_fn)(void *ctx, uint32_t member, uint32_t n_member);

/* Processors that this process may keep busy, at least 1: its affinity, and its control group's limit. [any
 * thread] */
uint32_t tn_team_processors(void);

/* A team of n_member (0: tn_team_processors()), n_member - 1 threads of which are started here; one member
 * needs no thread at all. TN_ELIMIT over TN_TEAM_MAX, TN_ENOMEM, TN_EIO when a thread cannot be started. */
int tn_team_new(uint32_t n_member, tn_team **ret, tn_error *err);
/* Ends and joins the threads. Accepts NULL. Not during a job. */
void tn_team_free(tn_team *t);
uint32_t tn_team_size(const tn_team *t);

/* Runs fn on every member and returns when all have returned; what they wrote is visible then. One job at a
 * time. */
void tn_team_run(tn_team *t, tn_team_fn fn, void *ctx);
/* Inside a job: returns when every member has called it; writes before it are visible after it to all. */
void tn_team_barrier(tn_team *t);

typedef struct tn_range {
    uint64_t first, end;
} tn_range;

/* The member's share of n items: contiguous, in member order, cut at multiples of grain (>= 1). May be empty.
 */
static inline tn_range tn_team_share(uint64_t n, uint64_t grain, uint32_t member, uint32_t n_member) {
    uint64_t n_grain = n / grain + (n % grain != 0);
    uint64_t each = n_grain / n_member, more = n_grain % n_member;
    uint64_t first = member * each + (member < more ? member : more);
    uint64_t end = first + each + (member < more);
    tn_range r = {first * grain, end * grain};
    if (r.first > n) r.first = n;
    if (r.end > n) r.end = n;
    return r;
}

#endif
