/* SPDX-License-Identifier: Apache-2.0 */
#include "base/budget.h"

#include <assert.h>
#include <stdio.h>
#include <unistd.h>

bool tn_budget_take(tn_budget *b, uint64_t n) {
    uint_fast64_t used = atomic_load(&b->used);
    do {
        if (b->limit && (used > b->limit || n > b->limit - used)) return false;
    } while (!atomic_compare_exchange_weak(&b->used, &used, used + n));
    return true;
}

void tn_budget_give(tn_budget *b, uint64_t n) {
    uint_fast64_t before = atomic_fetch_sub(&b->used, n);
    assert(before >= n);
    (void)before;
}

uint64_t tn_budget_used(const tn_budget *b) {
    return atomic_load(&b->used);
}

uint64_t tn_budget_left(const tn_budget *b) {
    uint64_t used = tn_budget_used(b);
    if (!b->limit) return UINT64_MAX;
    return used < b->limit ? b->limit - used : 0;
}

/* The limit of this process's control group; UINT64_MAX where there is none ("max") or no such file. */
static uint64_t group_limit(const char *path) {
    unsigned long long n;
    FILE *f = fopen(path, "r");
    int got = f ? fscanf(f, "%llu", &n) : 0;
    if (f) fclose(f);
    return got == 1 ? n : UINT64_MAX;
}

uint64_t tn_memory_size(void) {
    long pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGESIZE);
    uint64_t n = pages > 0 && size > 0 ? (uint64_t)pages * (uint64_t)size : UINT64_MAX;
    uint64_t v2 = group_limit("/sys/fs/cgroup/memory.max");
    uint64_t v1 = group_limit("/sys/fs/cgroup/memory/memory.limit_in_bytes");
    if (v2 < n) n = v2;
    return v1 < n ? v1 : n;
}
