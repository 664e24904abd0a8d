/* SPDX-License-Identifier: Apache-2.0 */
/* Nodes, the tree they form, and the heap of those that may go. */
#ifndef TN_CACHE_KV_INTERNAL_H
#define TN_CACHE_KV_INTERNAL_H

#include "cache/kv.h"
#include "cache/pool.h"

#define TN_NO_PAGE     UINT32_MAX
#define TN_NOT_IN_HEAP UINT32_MAX

typedef struct tn_node {
    struct tn_node *parent;
    struct tn_node *child;        /* top of the treap of its children */
    struct tn_node *left, *right; /* siblings whose ids come before, after (treap: Seidel & Aragon 1996) */
    uint32_t rank;                /* of the treap: random */
    uint32_t n_child, n_user;     /* n_user: chains that hold it */
    uint32_t depth;               /* pages before it */
    uint16_t n_ids, n_valid;      /* tokens that are known; whose keys and values are there */
    bool listed;                  /* among its parent's children */
    bool open;                    /* its one chain still computes it */
    uint8_t keep;                 /* by group: the page is kept when no chain holds it any more */
    uint32_t step;                /* the last step that computed some of it */
    uint32_t heap_at;
    double worth; /* what stands in the heap */
    uint32_t page[TN_CACHE_GROUPS], users[TN_CACHE_GROUPS];
    int32_t *ids; /* [page_tokens] */
} tn_node;

typedef struct tn_root {
    struct tn_root *next;
    tn_node node; /* without pages */
    uint32_t n_chain, variant;
    size_t n_salt;
    uint8_t salt[];
} tn_root;

struct tn_kv {
    tn_kv_config config;
    uint32_t page_tokens, n_group;
    uint32_t n_paged; /* groups of keys and values; the one of states, if any, has this index */
    tn_page_pool pools[TN_CACHE_GROUPS];
    uint32_t windows[TN_CACHE_GROUPS];
    tn_root *roots;
    tn_node *nodes; /* [n_node] */
    int32_t *ids;   /* [n_node, page_tokens] */
    uint32_t n_node, n_node_used;
    tn_node *free_nodes; /* through `parent` */
    tn_node **heap;      /* [n_heap]: leaves that no chain holds, the one worth least on top */
    uint32_t n_heap;
    double age;          /* what the last one given up was worth */
    double linear_reach; /* tokens of context at which attention costs as much as the rest */
    uint32_t step;
    uint32_t rank; /* of random ranks */
    uint64_t n_used[TN_CACHE_GROUPS], n_shared[TN_CACHE_GROUPS], n_cached[TN_CACHE_GROUPS];
    uint64_t n_evicted, n_copied;
};

static inline bool tn_node_has_page(const tn_kv *kv, const tn_node *n) {
    for (uint32_t g = 0; g < kv->n_group; g++)
        if (n->page[g] != TN_NO_PAGE) return true;
    return false;
}

/* tree.c */

/* Ids two runs of n and m ids have in common at their beginning. */
uint32_t tn_ids_common(const int32_t *a, uint32_t n, const int32_t *b, uint32_t m);
/* A fresh node, open, unlisted, with no pages; NULL when there is none. */
tn_node *tn_node_take(tn_kv *kv);
/* Unlisted, without pages, in no heap. */
void tn_node_give(tn_kv *kv, tn_node *n);
/* Puts n among the children of parent, by its ids. */
void tn_node_list(tn_kv *kv, tn_node *n, tn_node *parent);
void tn_node_unlist(tn_kv *kv, tn_node *n);
/* A closed child of parent with exactly these ids, or NULL. */
tn_node *tn_node_find(const tn_node *parent, const int32_t *ids, uint32_t n);
/* The child of parent that has most ids in common with these, of equals the one with more valid; NULL without
 * children. */
tn_node *tn_node_nearest(const tn_node *parent, const int32_t *ids, uint32_t n, uint32_t *ret_common);

/* state.c: recurrent states. Each chain has a page of its own, which steps overwrite; a node may have a copy
 * of what it held after the node's last token. Chains without recurrent layers: nothing happens, everything
 * is there. */

static inline bool tn_kv_has_state(const tn_kv *kv) {
    return kv->n_paged < kv->n_group;
}
/* Gives the chain its page; false when there is no memory. */
bool tn_state_take(tn_kv *kv, tn_chain *c);
/* Whether a chain can go on from behind the first n ids of a node; NULL is a root. */
bool tn_state_is_there(const tn_kv *kv, const tn_node *node, uint32_t n);
/* The chain's state becomes the node's. */
void tn_state_restore(tn_kv *kv, tn_chain *c, const tn_node *node);
/* How many of the next n tokens may be computed before a copy is due. */
uint32_t tn_state_until_copy(const tn_kv *kv, const tn_chain *c, uint32_t n);
/* After a step: makes the copy that is due, if there is memory. */
void tn_state_copy_if_due(tn_kv *kv, tn_chain *c);
/* The chain gives up its page, to the node that ends where the chain does (or NULL) if it stays in the index.
 */
void tn_state_leave(tn_kv *kv, tn_chain *c, tn_node *node);

/* evict.c */

/* Takes a page of a group, evicting as need be. */
bool tn_kv_take_page(tn_kv *kv, uint32_t group, uint32_t *ret);
/* Takes a node, evicting as need be. */
tn_node *tn_kv_take_node(tn_kv *kv);
/* A chain takes hold of a page of a node, or lets go; without keep the page is freed when it was the last. */
void tn_page_hold(tn_kv *kv, tn_node *n, uint32_t group);
void tn_page_let_go(tn_kv *kv, tn_node *n, uint32_t group, bool keep);
/* A chain takes hold of a node, or lets go. */
void tn_node_hold(tn_kv *kv, tn_node *n);
void tn_node_let_go(tn_kv *kv, tn_node *n);
/* Frees a node that no chain holds, its pages with it. */
void tn_node_drop(tn_kv *kv, tn_node *n);
/* Drops everything that no chain holds. */
void tn_kv_drop_cached(tn_kv *kv);

#endif
