/* SPDX-License-Identifier: Apache-2.0 */
/* Fair shares of one worker's time. Every share has an account of the time it was given; the busy one with
 * the least goes next. A share that was idle comes back with at least what the least of the busy ones had:
 * nobody saves time up. One thread. */
#ifndef TN_SCHED_SHARE_H
#define TN_SCHED_SHARE_H

#include <stdbool.h>
#include <stdint.h>

typedef struct tn_share {
    struct tn_share *next;
    uint64_t used_ns;
    bool busy;
} tn_share;

/* Zeros are no shares. */
typedef struct tn_shares {
    tn_share *first;   /* in the order of their coming */
    uint64_t floor_ns; /* what the least busy one has, or had when there was one; never falls */
} tn_shares;

void tn_shares_add(tn_shares *all, tn_share *s);
void tn_shares_remove(tn_shares *all, tn_share *s);
void tn_shares_set_busy(const tn_shares *all, tn_share *s, bool busy);
/* Puts ns on the account of s. */
void tn_shares_charge(tn_shares *all, tn_share *s, uint64_t ns);
/* Whose turn it is, of several the one that came first; NULL when none is busy. */
tn_share *tn_shares_next(const tn_shares *all);

#endif
