/* SPDX-License-Identifier: Apache-2.0 */
#include "cache/pages.h"

#include <assert.h>
#include <stdlib.h>

int tn_pages_init(tn_pages *p, uint32_t n_page, tn_error *err) {
    *p = (tn_pages){.n_page = n_page, .n_free = n_page};
    p->free_list = malloc((size_t)n_page * sizeof *p->free_list);
    if (!p->free_list) return tn_fail(err, TN_ENOMEM, "out of memory for %u page numbers", n_page);
    /* Low numbers are handed out first, so that little of the pool is ever touched. */
    for (uint32_t i = 0; i < n_page; i++) p->free_list[i] = n_page - 1 - i;
    return 0;
}

void tn_pages_fini(tn_pages *p) {
    free(p->free_list);
    *p = (tn_pages){0};
}

bool tn_pages_reserve(tn_pages *p, uint32_t n) {
    if (n > p->n_free - p->n_reserved) return false;
    p->n_reserved += n;
    return true;
}

void tn_pages_unreserve(tn_pages *p, uint32_t n) {
    assert(n <= p->n_reserved);
    p->n_reserved -= n;
}

uint32_t tn_pages_take(tn_pages *p) {
    assert(p->n_reserved > 0 && p->n_free > 0);
    p->n_reserved--;
    return p->free_list[--p->n_free];
}

void tn_pages_give(tn_pages *p, uint32_t page) {
    assert(p->n_free < p->n_page);
    p->free_list[p->n_free++] = page;
}
