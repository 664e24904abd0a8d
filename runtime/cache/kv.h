/* SPDX-License-Identifier: Apache-2.0 */
/* The KV cache of one model: pages, and an index by which sequences find what others have computed.
 *
 * The index is a tree. A node stands for one page of tokens below everything that comes before it, so a path
 * from a root is a prefix, and a sequence holds a path: its *chain*. Nodes are found by comparing token ids
 * themselves, never a hash of them, so no forged collision can hand one user's context to another. Roots keep
 * apart what must not be shared: salts of tenants, variants of positions.
 *
 * A node is *open* while its one sequence computes it: others may copy what is valid of it, or wait for the
 * rest. When its page is full it is closed and from then on constant: any number of chains share it, and
 * nobody's answer changes, because a device gives the same keys and values whoever computes them. Nodes that
 * no chain holds stay as a cache until their memory is wanted; those go first whose tokens are cheapest to
 * compute again, with age (GreedyDual-Size, Cao & Irani 1997).
 *
 * Groups with a window let go of pages that lie before it. Pages before certain positions (the end of a
 * prompt and of an answer, places where sequences parted, and regular distances) are kept like any cached
 * page, so that a later prompt can go on from there.
 *
 * One thread at a time, the engine's. After tn_kv_new and tn_chain_new nothing allocates. */
#ifndef TN_CACHE_KV_H
#define TN_CACHE_KV_H

#include "base/budget.h"
#include "device/device.h"

typedef struct tn_kv tn_kv;

typedef struct tn_kv_config {
    const tn_program *program;   /* what is cached; all pointers outlive the cache */
    const tn_exec_config *pages; /* its page_tokens, n_page and max_seq_pages count */
    const tn_exec_size *size;    /* bytes of pages */
    tn_exec *exec;               /* copies and discards pages */
    tn_budget *budget;           /* NULL: none */
    /* Makes others give back up to `bytes` of the budget; true: something came back. May be NULL. */
    bool (*reclaim)(void *ctx, uint64_t bytes);
    void *ctx;
} tn_kv_config;

/* TN_ENOMEM. */
int tn_kv_new(const tn_kv_config *config, tn_kv **ret, tn_error *err);
/* No chain may be left. Gives everything back to the budget. */
void tn_kv_free(tn_kv *kv);

/* What a sequence holds. Its fields are for reading. */
typedef struct tn_chain {
    uint32_t n_past;                  /* tokens whose keys and values are there */
    uint32_t n_page;                  /* entries of each table */
    uint32_t *pages[TN_CACHE_GROUPS]; /* page tables, as tn_step_seq wants them */
    /* the cache's: */
    struct tn_root *root;
    struct tn_node **nodes;               /* [n_page] */
    uint32_t first_held[TN_CACHE_GROUPS]; /* nodes before it are let go of in that group */
    uint32_t n_prompt, branch;            /* positions that are kept for later */
    bool shared;
} tn_chain;

/* Who may share with whom. */
typedef struct tn_chain_config {
    const void *salt; /* [n_salt] bytes; chains of other salts share nothing with it */
    size_t n_salt;
    uint32_t variant;  /* as tn_step_seq.rope_variant */
    uint32_t n_prompt; /* a later prompt may begin with this one */
    bool isolated;     /* shares with nobody, now or later */
} tn_chain_config;

/* An empty chain. TN_ENOMEM. */
int tn_chain_new(tn_kv *kv, const tn_chain_config *config, tn_chain **ret, tn_error *err);
/* Releases it first if need be. NULL is harmless. */
void tn_chain_free(tn_kv *kv, tn_chain *c);

/* Extends an chain that ends at a page border by what is in the index of ids [n_ids], the sequence's tokens
 * from its first one: n_past grows, at most to n_ids. Returns by how many tokens. *ret_wait: the next page of
 * these ids is being computed by another sequence in the step that is being built; it pays to wait for it. */
uint32_t tn_chain_match(tn_kv *kv, tn_chain *c, const int32_t *ids, uint32_t n_ids, bool *ret_wait);
/* Makes room for n more tokens; ids [n_ids] are those known so far. Returns for how many there is room, less
 * than n when memory ran out. What is cached gives way. */
uint32_t tn_chain_grow(tn_kv *kv, tn_chain *c, const int32_t *ids, uint32_t n_ids, uint32_t n);
/* n tokens, for which there is room, have been computed: ids [n_past + n] are the sequence's. */
void tn_chain_advance(tn_kv *kv, tn_chain *c, const int32_t *ids, uint32_t n);
/* The sequence lets go of everything; what is computed (ids [n_past]) stays in the index. The chain is empty.
 */
void tn_chain_release(tn_kv *kv, tn_chain *c, const int32_t *ids);
/* Forgets the last n computed tokens, n < n_past; ids [n_past]. n_past says what is left: up to a page less
 * than asked for where there was no memory for a copy of a page that others share. false, and nothing
 * changes, when a window has moved on too far. */
bool tn_chain_rewind(tn_kv *kv, tn_chain *c, const int32_t *ids, uint32_t n);

/* Bytes of pages that the chain has yet to take to grow to n tokens in steps of at most step_tokens. */
uint64_t tn_kv_missing(const tn_kv *kv, const tn_chain *c, uint32_t n, uint32_t step_tokens);
/* By how many bytes there is too little room for that and `spare` bytes more, counting what is cached as
 * free. 0: it fits; UINT64_MAX: not even the pools have so many pages. */
uint64_t tn_kv_short(const tn_kv *kv, const tn_chain *c, uint32_t n, uint32_t step_tokens, uint64_t spare);
/* Tokens of context over which attention computes as much for a token as all linear layers do; very many
 * where every layer has a window. */
double tn_kv_linear_reach(const tn_kv *kv);
/* A new step is being built. */
void tn_kv_begin_step(tn_kv *kv);
/* Gives up to `bytes` back to the budget: free pages, then cached ones. Returns how many. */
uint64_t tn_kv_shrink(tn_kv *kv, uint64_t bytes);

typedef struct tn_kv_stats {
    uint64_t n_used, n_shared, n_cached, n_free; /* pages: held by chains, by more than one, by none, with
                                                    memory but without contents */
    uint64_t used_bytes, cached_bytes, free_bytes;
    uint64_t n_evicted, n_copied; /* pages given up and copied since the cache was made */
} tn_kv_stats;
tn_kv_stats tn_kv_get_stats(const tn_kv *kv);

#endif
