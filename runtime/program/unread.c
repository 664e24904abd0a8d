/* SPDX-License-Identifier: Apache-2.0 */
#include "program/unread.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/log.h"

enum { MAX_NAMED = 5 };

static int by_address(const void *a, const void *b) {
    uintptr_t x = (uintptr_t)(*(const uint8_t *const *)a), y = (uintptr_t)(*(const uint8_t *const *)b);
    return (x > y) - (x < y);
}

/* Where the data of the tensors that the programs' weights name begin, in order; NULL when memory is short.
 */
static const uint8_t **named_data(const tn_program *p, const tn_program *tower, size_t *n) {
    *n = p->n_weight + (tower ? tower->n_weight : 0);
    const uint8_t **named = calloc(*n + 1, sizeof *named);
    if (!named) return NULL;
    for (uint32_t i = 0; i < p->n_weight; i++) named[i] = p->weights[i + 1].tensor->data;
    for (uint32_t i = 0; tower && i < tower->n_weight; i++)
        named[p->n_weight + i] = tower->weights[i + 1].tensor->data;
    qsort(named, *n, sizeof *named, by_address);
    return named;
}

/* Rope tables read these by themselves: rope_freqs, rope_factors_short and _long. */
static bool is_of_rope(const tn_tensor *t) {
    return strncmp(t->name, "rope_f", 6) == 0;
}

void tn_program_log_unread(const tn_program *p, const tn_program *tower, const tn_checkpoint *c) {
    if (!tn_log_enabled(TN_LOG_INFO)) return;
    size_t n_named;
    const uint8_t **named = named_data(p, tower, &n_named);
    if (!named) return;
    uint64_t n = tn_checkpoint_tensor_count(c), unread = 0;
    tn_buf names;
    tn_buf_init(&names, 2048);
    for (uint64_t i = 0; i < n; i++) {
        const tn_tensor *t = tn_checkpoint_tensor_at(c, i);
        if (is_of_rope(t) || bsearch(&t->data, named, n_named, sizeof *named, by_address)) continue;
        if (unread < MAX_NAMED) tn_buf_addf(&names, "%s%s", unread ? ", " : "", t->name);
        unread++;
    }
    if (unread)
        tn_log(TN_LOG_INFO, "model", "%llu of %llu tensors are not read: %s%s", (unsigned long long)unread,
               (unsigned long long)n, names.data ? names.data : "", unread > MAX_NAMED ? ", ..." : "");
    tn_buf_free(&names);
    free(named);
}
