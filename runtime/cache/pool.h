/* SPDX-License-Identifier: Apache-2.0 */
/* Which pages of one cache group are free. Contents are the device's; this knows numbers only. A free page
 * either still holds memory, which the budget counts, or holds none. One thread at a time. */
#ifndef TN_CACHE_POOL_H
#define TN_CACHE_POOL_H

#include <tenon/status.h>

#include "base/budget.h"

typedef struct tn_page_pool {
    uint32_t n_page;
    uint64_t page_bytes;
    uint32_t n_untouched; /* pages from n_page - n_untouched on were never handed out */
    uint32_t n_ready, n_empty;
    uint32_t *ready; /* [n_ready]: free, with memory */
    uint32_t *empty; /* [n_empty]: free, without */
} tn_page_pool;

/* TN_ENOMEM. */
int tn_page_pool_init(tn_page_pool *p, uint32_t n_page, uint64_t page_bytes, tn_error *err);
void tn_page_pool_fini(tn_page_pool *p);

/* Takes a page, one with memory if there is one, else one whose bytes fit the budget (which may be NULL). */
bool tn_page_pool_take(tn_page_pool *p, tn_budget *budget, uint32_t *ret);
/* The page is free again and keeps its memory. */
void tn_page_pool_give(tn_page_pool *p, uint32_t page);
/* Takes the memory of a free page out of the budget; which one, for the device to discard. false: none has
 * any. */
bool tn_page_pool_drain(tn_page_pool *p, tn_budget *budget, uint32_t *ret);

/* Free pages without memory. */
static inline uint32_t tn_page_pool_n_blank(const tn_page_pool *p) {
    return p->n_untouched + p->n_empty;
}
/* Pages that somebody holds. */
static inline uint32_t tn_page_pool_n_taken(const tn_page_pool *p) {
    return p->n_page - tn_page_pool_n_blank(p) - p->n_ready;
}

#endif
