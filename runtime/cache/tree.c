/* SPDX-License-Identifier: Apache-2.0 */
/* Children of a node lie in a treap, ordered by their ids and, where those are equal, by address: those that
 * have most in common with a run of ids are its neighbours. */
#include <assert.h>
#include <string.h>

#include "cache/kv_internal.h"

uint32_t tn_ids_common(const int32_t *a, uint32_t n, const int32_t *b, uint32_t m) {
    uint32_t i = 0, most = n < m ? n : m;
    while (i < most && a[i] == b[i]) i++;
    return i;
}

/* Below, at or above 0 as a's ids come before, are, or come after the other ones. */
static int compare(const tn_node *a, const int32_t *ids, uint32_t n) {
    uint32_t i = tn_ids_common(a->ids, a->n_ids, ids, n);
    if (i < a->n_ids && i < n) return a->ids[i] < ids[i] ? -1 : 1;
    return (a->n_ids > n) - (a->n_ids < n);
}

static bool before(const tn_node *a, const tn_node *b) {
    int order = compare(a, b->ids, b->n_ids);
    return order ? order < 0 : a < b;
}

/* Ranks only shape the tree; what they must not be is guessable from outside, or it could be made a list. */
static uint32_t next_rank(tn_kv *kv) {
    kv->rank ^= kv->rank << 13;
    kv->rank ^= kv->rank >> 17;
    return kv->rank ^= kv->rank << 5;
}

tn_node *tn_node_take(tn_kv *kv) {
    tn_node *n = kv->free_nodes;
    int32_t *ids;
    if (n) {
        kv->free_nodes = n->parent;
        ids = n->ids;
    } else if (kv->n_node_used < kv->n_node) {
        ids = kv->ids + (size_t)kv->n_node_used * kv->page_tokens;
        n = &kv->nodes[kv->n_node_used++];
    } else {
        return NULL;
    }
    *n = (tn_node){.ids = ids, .open = true, .heap_at = TN_NOT_IN_HEAP, .rank = next_rank(kv)};
    for (uint32_t g = 0; g < TN_CACHE_GROUPS; g++) n->page[g] = TN_NO_PAGE;
    return n;
}

void tn_node_give(tn_kv *kv, tn_node *n) {
    assert(!n->listed && n->heap_at == TN_NOT_IN_HEAP && !tn_node_has_page(kv, n));
    n->parent = kv->free_nodes;
    kv->free_nodes = n;
}

/* Splits the treap at t into what comes before n and what comes after. */
static void split(tn_node *t, const tn_node *n, tn_node **ret_low, tn_node **ret_high) {
    while (t) {
        if (before(t, n)) {
            *ret_low = t;
            ret_low = &t->right;
            t = t->right;
        } else {
            *ret_high = t;
            ret_high = &t->left;
            t = t->left;
        }
    }
    *ret_low = *ret_high = NULL;
}

void tn_node_list(tn_kv *kv, tn_node *n, tn_node *parent) {
    tn_node **at = &parent->child;
    (void)kv;
    assert(!n->listed);
    while (*at && (*at)->rank > n->rank) at = before(*at, n) ? &(*at)->right : &(*at)->left;
    split(*at, n, &n->left, &n->right);
    *at = n;
    n->parent = parent;
    n->listed = true;
    parent->n_child++;
}

/* The treap of two whose nodes are in order. */
static tn_node *join(tn_node *low, tn_node *high) {
    tn_node *top = NULL, **at = &top;
    while (low && high) {
        if (low->rank > high->rank) {
            *at = low;
            at = &low->right;
            low = low->right;
        } else {
            *at = high;
            at = &high->left;
            high = high->left;
        }
    }
    *at = low ? low : high;
    return top;
}

void tn_node_unlist(tn_kv *kv, tn_node *n) {
    tn_node **at = &n->parent->child;
    (void)kv;
    assert(n->listed);
    while (*at != n) at = before(*at, n) ? &(*at)->right : &(*at)->left;
    *at = join(n->left, n->right);
    n->parent->n_child--;
    n->left = n->right = NULL;
    n->listed = false;
}

/* Equal ids may stand on both sides of a node: open ones of several chains. */
static tn_node *find(tn_node *t, const int32_t *ids, uint32_t n) {
    while (t) {
        int order = compare(t, ids, n);
        if (order == 0) {
            tn_node *lower = t->open ? find(t->left, ids, n) : t;
            if (lower) return lower;
        }
        t = order <= 0 ? t->right : t->left;
    }
    return NULL;
}

tn_node *tn_node_find(const tn_node *parent, const int32_t *ids, uint32_t n) {
    return find(parent->child, ids, n);
}

tn_node *tn_node_nearest(const tn_node *parent, const int32_t *ids, uint32_t n, uint32_t *ret_common) {
    tn_node *low = NULL, *high = NULL;
    for (tn_node *t = parent->child; t;) {
        if (compare(t, ids, n) < 0) {
            low = t;
            t = t->right;
        } else {
            high = t;
            t = t->left;
        }
    }
    uint32_t a = low ? tn_ids_common(low->ids, low->n_ids, ids, n) : 0;
    uint32_t b = high ? tn_ids_common(high->ids, high->n_ids, ids, n) : 0;
    bool take_low = low && (a > b || (a == b && (!high || low->n_valid >= high->n_valid)));
    *ret_common = take_low ? a : b;
    return take_low ? low : high;
}
