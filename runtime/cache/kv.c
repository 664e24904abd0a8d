/* SPDX-License-Identifier: Apache-2.0 */
#include "cache/kv.h"

#include <assert.h>
#include <stdlib.h>

#include "cache/kv_internal.h"

/* By multiplications: a model of cost for eviction and for the lengths of steps, no more. */
static double linear_reach(const tn_program *p) {
    double linear = 0, attention = 0;
    for (uint32_t i = 0; i < p->n_op; i++) {
        const tn_op *op = &p->ops[i];
        if (op->kind == TN_OP_LINEAR) linear += (double)p->weights[op->w].rows * p->weights[op->w].cols;
        if (op->kind == TN_OP_ATTENTION && op->attention.window == 0)
            attention += 2.0 * op->attention.n_head * op->attention.head_dim;
    }
    return attention > 0 && linear > 0 ? linear / attention : 1e9;
}

static int pools_new(tn_kv *kv, tn_error *err) {
    const tn_kv_config *c = &kv->config;
    kv->n_node = c->pages->max_seqs * c->pages->max_seq_pages; /* those whose windows have moved on */
    for (uint32_t g = 0; g < kv->n_group; g++) {
        int rc = tn_page_pool_init(&kv->pools[g], c->pages->n_page[g], c->size->page[g], err);
        if (rc) return rc;
        kv->windows[g] = c->program->groups[g].window;
        kv->n_node += c->pages->n_page[g];
    }
    return 0;
}

int tn_kv_new(const tn_kv_config *config, tn_kv **ret, tn_error *err) {
    tn_kv *kv = calloc(1, sizeof *kv);
    if (!kv) return tn_fail(err, TN_ENOMEM, "out of memory");
    kv->config = *config;
    kv->page_tokens = config->pages->page_tokens;
    kv->n_group = config->program->n_group;
    while (kv->n_paged < kv->n_group && !config->program->groups[kv->n_paged].is_state) kv->n_paged++;
    kv->linear_reach = linear_reach(config->program);
    kv->rank = 0x9e3779b9u ^ (uint32_t)(uintptr_t)kv;
    if (kv->rank == 0) kv->rank = 1;
    int rc = pools_new(kv, err);
    /* Address space that is touched as far as nodes are ever needed. */
    kv->nodes = calloc((size_t)kv->n_node + 1, sizeof *kv->nodes);
    kv->ids = calloc((size_t)kv->n_node + 1, kv->page_tokens * sizeof *kv->ids);
    kv->heap = calloc((size_t)kv->n_node + 1, sizeof(tn_node *));
    if (!rc && (!kv->nodes || !kv->ids || !kv->heap))
        rc = tn_fail(err, TN_ENOMEM, "out of memory for an index of %u pages", kv->n_node);
    if (rc) {
        tn_kv_free(kv);
        return rc;
    }
    *ret = kv;
    return 0;
}

void tn_kv_free(tn_kv *kv) {
    if (!kv) return;
    if (kv->heap) tn_kv_shrink(kv, UINT64_MAX);
    for (tn_root *r = kv->roots, *next; r; r = next) {
        next = r->next;
        free(r);
    }
    for (uint32_t g = 0; g < kv->n_group; g++) tn_page_pool_fini(&kv->pools[g]);
    free(kv->nodes);
    free(kv->ids);
    free(kv->heap);
    free(kv);
}

double tn_kv_linear_reach(const tn_kv *kv) {
    return kv->linear_reach;
}

void tn_kv_begin_step(tn_kv *kv) {
    kv->step++;
}

/* Pages of a group that c has yet to take to grow to n tokens, in steps of at most step_tokens. */
static uint32_t missing(const tn_kv *kv, const tn_chain *c, uint32_t g, uint32_t n, uint32_t step_tokens) {
    if (g == kv->n_paged) return c->pages[g][0] == TN_NO_PAGE;
    uint32_t pt = kv->page_tokens, all = (n + pt - 1) / pt, held = c->n_page - c->first_held[g];
    uint64_t most = all > c->n_page ? all - c->n_page : 0;
    if (kv->windows[g] == 0) return (uint32_t)most;
    uint64_t at_once = kv->windows[g] / pt + (uint64_t)step_tokens / pt + 3;
    uint64_t more = at_once > held ? at_once - held : 0;
    return (uint32_t)(more < most ? more : most);
}

uint64_t tn_kv_missing(const tn_kv *kv, const tn_chain *c, uint32_t n, uint32_t step_tokens) {
    uint64_t bytes = 0;
    for (uint32_t g = 0; g < kv->n_group; g++)
        bytes += missing(kv, c, g, n, step_tokens) * kv->pools[g].page_bytes;
    return bytes;
}

uint64_t tn_kv_short(const tn_kv *kv, const tn_chain *c, uint32_t n, uint32_t step_tokens, uint64_t spare) {
    uint64_t wanted = spare + tn_kv_missing(kv, c, n, step_tokens), there = UINT64_MAX, loose_bytes = 0;
    if (kv->config.budget) there = tn_budget_left(kv->config.budget);
    for (uint32_t g = 0; g < kv->n_group; g++) {
        const tn_page_pool *p = &kv->pools[g];
        uint64_t loose = p->n_ready + kv->n_cached[g];
        if (missing(kv, c, g, n, step_tokens) > loose + tn_page_pool_n_blank(p)) return UINT64_MAX;
        loose_bytes += loose * p->page_bytes;
    }
    there = there > UINT64_MAX - loose_bytes ? UINT64_MAX : there + loose_bytes;
    return wanted > there ? wanted - there : 0;
}

tn_kv_stats tn_kv_get_stats(const tn_kv *kv) {
    tn_kv_stats s = {.n_evicted = kv->n_evicted, .n_copied = kv->n_copied};
    for (uint32_t g = 0; g < kv->n_group; g++) {
        uint64_t bytes = kv->pools[g].page_bytes;
        s.n_used += kv->n_used[g];
        s.n_shared += kv->n_shared[g];
        s.n_cached += kv->n_cached[g];
        s.n_free += kv->pools[g].n_ready;
        s.used_bytes += kv->n_used[g] * bytes;
        s.cached_bytes += kv->n_cached[g] * bytes;
        s.free_bytes += kv->pools[g].n_ready * bytes;
    }
    return s;
}
