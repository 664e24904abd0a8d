/* SPDX-License-Identifier: Apache-2.0 */
#include "program/unread.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/log.h"

enum { MAX_NAMED = 5 };

static int by_address(const void *a, const void *b) {
    uintptr_t x = (uintptr_t)(*(const tn_tensor *const *)a), y = (uintptr_t)(*(const tn_tensor *const *)b);
    return (x > y) - (x < y);
}

/* The tensors that the program's weights name, in order of address; NULL when memory is short. */
static const tn_tensor **named_tensors(const tn_program *p) {
    const tn_tensor **named = calloc(p->n_weight + 1, sizeof *named);
    if (!named) return NULL;
    for (uint32_t i = 0; i < p->n_weight; i++) named[i] = p->weights[i + 1].tensor;
    qsort(named, p->n_weight, sizeof *named, by_address);
    return named;
}

/* Rope tables read these by themselves: rope_freqs, rope_factors_short and _long. */
static bool is_of_rope(const tn_tensor *t) {
    return strncmp(t->name, "rope_f", 6) == 0;
}

void tn_program_log_unread(const tn_program *p, const tn_checkpoint *c) {
    if (!tn_log_enabled(TN_LOG_INFO)) return;
    const tn_tensor **named = named_tensors(p);
    if (!named) return;
    uint64_t n = tn_checkpoint_tensor_count(c), unread = 0;
    tn_buf names;
    tn_buf_init(&names, 2048);
    for (uint64_t i = 0; i < n; i++) {
        const tn_tensor *t = tn_checkpoint_tensor_at(c, i);
        if (is_of_rope(t) || bsearch(&t, named, p->n_weight, sizeof *named, by_address)) continue;
        if (unread < MAX_NAMED) tn_buf_addf(&names, "%s%s", unread ? ", " : "", t->name);
        unread++;
    }
    if (unread)
        tn_log(TN_LOG_INFO, "model", "%llu of %llu tensors are not read: %s%s", (unsigned long long)unread,
               (unsigned long long)n, names.data ? names.data : "", unread > MAX_NAMED ? ", ..." : "");
    tn_buf_free(&names);
    free(named);
}
