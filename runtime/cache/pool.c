/* SPDX-License-Identifier: Apache-2.0 */
#include "cache/pool.h"

#include <assert.h>
#include <stdlib.h>

int tn_page_pool_init(tn_page_pool *p, uint32_t n_page, uint64_t page_bytes, tn_error *err) {
    *p = (tn_page_pool){.n_page = n_page, .page_bytes = page_bytes, .n_untouched = n_page};
    /* Address space that is touched as far as the stacks ever grow. */
    p->ready = calloc((size_t)n_page + 1, sizeof *p->ready);
    p->empty = calloc((size_t)n_page + 1, sizeof *p->empty);
    if (p->ready && p->empty) return 0;
    tn_page_pool_fini(p);
    return tn_fail(err, TN_ENOMEM, "out of memory for the numbers of %u pages", n_page);
}

void tn_page_pool_fini(tn_page_pool *p) {
    free(p->ready);
    free(p->empty);
    *p = (tn_page_pool){0};
}

bool tn_page_pool_take(tn_page_pool *p, tn_budget *budget, uint32_t *ret) {
    if (p->n_ready) {
        *ret = p->ready[--p->n_ready];
        return true;
    }
    if (tn_page_pool_n_blank(p) == 0 || (budget && !tn_budget_take(budget, p->page_bytes))) return false;
    *ret = p->n_empty ? p->empty[--p->n_empty] : p->n_page - p->n_untouched--;
    return true;
}

void tn_page_pool_give(tn_page_pool *p, uint32_t page) {
    assert(page < p->n_page && tn_page_pool_n_taken(p) > 0);
    p->ready[p->n_ready++] = page;
}

bool tn_page_pool_drain(tn_page_pool *p, tn_budget *budget, uint32_t *ret) {
    if (p->n_ready == 0) return false;
    *ret = p->empty[p->n_empty++] = p->ready[--p->n_ready];
    if (budget) tn_budget_give(budget, p->page_bytes);
    return true;
}
