/* SPDX-License-Identifier: Apache-2.0 */
/* Which pages of a device's KV pool are taken. Page contents are the device's; this knows numbers only.
 *
 * A holder first reserves as many pages as it may ever need and takes them one by one as its sequence grows,
 * so that what was admitted can always finish. One thread at a time. */
#ifndef TN_CACHE_PAGES_H
#define TN_CACHE_PAGES_H

#include <stdbool.h>
#include <stdint.h>
#include <tenon/status.h>

typedef struct tn_pages {
    uint32_t n_page;
    uint32_t n_free;     /* not taken */
    uint32_t n_reserved; /* promised but not taken yet; at most n_free */
    uint32_t *free_list; /* [n_page]: the first n_free are free */
} tn_pages;

int tn_pages_init(tn_pages *p, uint32_t n_page, tn_error *err);
void tn_pages_fini(tn_pages *p);

/* Promises n pages; false when fewer are left. */
bool tn_pages_reserve(tn_pages *p, uint32_t n);
/* Gives back promises that will not be used. */
void tn_pages_unreserve(tn_pages *p, uint32_t n);
/* Takes one page that was promised. */
uint32_t tn_pages_take(tn_pages *p);
void tn_pages_give(tn_pages *p, uint32_t page);

#endif
