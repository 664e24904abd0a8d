/* SPDX-License-Identifier: Apache-2.0 */
#include "sched/share.h"

#include <stddef.h>

void tn_shares_add(tn_shares *all, tn_share *s) {
    tn_share **at = &all->first;
    while (*at) at = &(*at)->next;
    *s = (tn_share){.used_ns = all->floor_ns};
    *at = s;
}

void tn_shares_remove(tn_shares *all, tn_share *s) {
    tn_share **at = &all->first;
    while (*at && *at != s) at = &(*at)->next;
    if (*at) *at = s->next;
}

void tn_shares_set_busy(const tn_shares *all, tn_share *s, bool busy) {
    if (busy && !s->busy && s->used_ns < all->floor_ns) s->used_ns = all->floor_ns;
    s->busy = busy;
}

tn_share *tn_shares_next(const tn_shares *all) {
    tn_share *least = NULL;
    for (tn_share *s = all->first; s; s = s->next)
        if (s->busy && (!least || s->used_ns < least->used_ns)) least = s;
    return least;
}

void tn_shares_charge(tn_shares *all, tn_share *s, uint64_t ns) {
    s->used_ns += ns;
    const tn_share *least = tn_shares_next(all);
    if (least && least->used_ns > all->floor_ns) all->floor_ns = least->used_ns;
}
