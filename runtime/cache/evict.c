/* SPDX-License-Identifier: Apache-2.0 */
/* Who holds what, and what goes when memory is wanted. */
#include <assert.h>

#include "cache/kv_internal.h"

/* ---- The heap of leaves that no chain holds ---- */

static void put(tn_kv *kv, uint32_t at, tn_node *n) {
    kv->heap[at] = n;
    n->heap_at = at;
}

static void sift_up(tn_kv *kv, uint32_t at) {
    tn_node *n = kv->heap[at];
    for (; at > 0 && kv->heap[(at - 1) / 2]->worth > n->worth; at = (at - 1) / 2)
        put(kv, at, kv->heap[(at - 1) / 2]);
    put(kv, at, n);
}

static void sift_down(tn_kv *kv, uint32_t at) {
    tn_node *n = kv->heap[at];
    for (uint32_t next; (next = 2 * at + 1) < kv->n_heap; at = next) {
        if (next + 1 < kv->n_heap && kv->heap[next + 1]->worth < kv->heap[next]->worth) next++;
        if (n->worth <= kv->heap[next]->worth) break;
        put(kv, at, kv->heap[next]);
    }
    put(kv, at, n);
}

static void heap_add(tn_kv *kv, tn_node *n) {
    put(kv, kv->n_heap++, n);
    sift_up(kv, n->heap_at);
}

static void heap_remove(tn_kv *kv, tn_node *n) {
    uint32_t at = n->heap_at;
    tn_node *last = kv->heap[--kv->n_heap];
    n->heap_at = TN_NOT_IN_HEAP;
    if (last == n) return;
    put(kv, at, last);
    sift_up(kv, at);
    sift_down(kv, last->heap_at);
}

/* Time to compute a page's tokens again, in units of one without context: attention adds to it with what lies
 * before. Every node of a model takes about the same memory, so this is also the cost of a byte. */
static double cost(const tn_kv *kv, const tn_node *n) {
    return 1 + (double)n->depth * kv->page_tokens / kv->linear_reach;
}

/* ---- Holding ---- */

static void free_page(tn_kv *kv, tn_node *n, uint32_t group) {
    tn_page_pool_give(&kv->pools[group], n->page[group]);
    n->page[group] = TN_NO_PAGE;
    n->keep &= (uint8_t) ~(1u << group);
}

void tn_page_hold(tn_kv *kv, tn_node *n, uint32_t group) {
    uint32_t users = n->users[group]++;
    assert(n->page[group] != TN_NO_PAGE);
    if (users == 0 && (n->keep & (1u << group))) kv->n_cached[group]--;
    if (users == 0) kv->n_used[group]++;
    if (users == 1) kv->n_shared[group]++;
}

void tn_page_let_go(tn_kv *kv, tn_node *n, uint32_t group, bool keep) {
    uint32_t users = --n->users[group];
    if (users == 1) kv->n_shared[group]--;
    if (keep) n->keep |= (uint8_t)(1u << group);
    if (users) return;
    kv->n_used[group]--;
    if (n->keep & (1u << group))
        kv->n_cached[group]++;
    else
        free_page(kv, n, group);
}

void tn_node_hold(tn_kv *kv, tn_node *n) {
    if (n->n_user++ == 0 && n->heap_at != TN_NOT_IN_HEAP) heap_remove(kv, n);
}

/* Frees a node; returns the one it was listed under, or NULL. */
static tn_node *drop(tn_kv *kv, tn_node *n) {
    tn_node *parent = n->listed ? n->parent : NULL;
    assert(n->n_user == 0 && n->n_child == 0);
    if (n->heap_at != TN_NOT_IN_HEAP) heap_remove(kv, n);
    for (uint32_t g = 0; g < kv->n_group; g++) {
        if (n->page[g] == TN_NO_PAGE) continue;
        if (n->keep & (1u << g)) kv->n_cached[g]--;
        free_page(kv, n, g);
    }
    if (n->listed) tn_node_unlist(kv, n);
    tn_node_give(kv, n);
    return parent;
}

/* A node may have become a leaf that nobody holds: it may go from now on, and does at once when it has no
 * pages. */
static void may_go(tn_kv *kv, tn_node *n) {
    while (n && n->parent && n->n_user == 0 && n->n_child == 0) {
        if (tn_node_has_page(kv, n)) {
            n->worth = kv->age + cost(kv, n);
            heap_add(kv, n);
            return;
        }
        n = drop(kv, n);
    }
}

void tn_node_let_go(tn_kv *kv, tn_node *n) {
    assert(n->n_user > 0);
    if (--n->n_user == 0) may_go(kv, n);
}

void tn_node_drop(tn_kv *kv, tn_node *n) {
    may_go(kv, drop(kv, n));
}

/* ---- Making room ---- */

static bool evict_one(tn_kv *kv) {
    if (kv->n_heap == 0) return false;
    kv->age = kv->heap[0]->worth;
    kv->n_evicted++;
    tn_node_drop(kv, kv->heap[0]);
    return true;
}

/* Pages of windows that were kept on the way of chains that still run: leaves are gone by now. Seldom, so
 * that looking at every node does not matter. */
static bool drop_kept(tn_kv *kv) {
    bool any = false;
    for (uint32_t g = 0; g < kv->n_group; g++) {
        for (uint32_t i = 0; kv->n_cached[g] && i < kv->n_node_used; i++) {
            tn_node *n = &kv->nodes[i];
            if (n->page[g] == TN_NO_PAGE || n->users[g] || !(n->keep & (1u << g))) continue;
            free_page(kv, n, g);
            kv->n_cached[g]--;
            kv->n_evicted++;
            any = true;
        }
    }
    return any;
}

/* Memory of free pages of other groups goes back to the budget. */
static bool drain_others(tn_kv *kv, uint32_t group) {
    uint32_t page;
    if (!kv->config.budget) return false;
    for (uint32_t g = 0; g < kv->n_group; g++) {
        if (g == group || !tn_page_pool_drain(&kv->pools[g], kv->config.budget, &page)) continue;
        kv->config.exec->cls->discard_page(kv->config.exec, g, page);
        return true;
    }
    return false;
}

static bool ask_others(tn_kv *kv, uint32_t group) {
    return kv->config.reclaim && kv->config.reclaim(kv->config.ctx, kv->pools[group].page_bytes);
}

bool tn_kv_take_page(tn_kv *kv, uint32_t group, uint32_t *ret) {
    tn_page_pool *pool = &kv->pools[group];
    while (!tn_page_pool_take(pool, kv->config.budget, ret)) {
        bool blank = tn_page_pool_n_blank(pool) > 0; /* else it is not the budget that is spent */
        if (blank && drain_others(kv, group)) continue;
        if (!evict_one(kv) && !drop_kept(kv) && !(blank && ask_others(kv, group))) return false;
    }
    return true;
}

tn_node *tn_kv_take_node(tn_kv *kv) {
    tn_node *n;
    while (!(n = tn_node_take(kv)))
        if (!evict_one(kv)) return NULL;
    return n;
}

void tn_kv_drop_cached(tn_kv *kv) {
    while (evict_one(kv)) {}
    drop_kept(kv);
}

static uint64_t drain(tn_kv *kv, uint64_t bytes) {
    uint64_t done = 0;
    uint32_t page;
    for (uint32_t g = 0; g < kv->n_group; g++)
        while (done < bytes && tn_page_pool_drain(&kv->pools[g], kv->config.budget, &page)) {
            kv->config.exec->cls->discard_page(kv->config.exec, g, page);
            done += kv->pools[g].page_bytes;
        }
    return done;
}

uint64_t tn_kv_shrink(tn_kv *kv, uint64_t bytes) {
    uint64_t done = drain(kv, bytes);
    while (done < bytes && (evict_one(kv) || drop_kept(kv))) done += drain(kv, bytes - done);
    return done;
}
