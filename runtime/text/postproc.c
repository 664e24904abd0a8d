/* SPDX-License-Identifier: Apache-2.0 */
#include "text/postproc.h"

#include <stdlib.h>

enum { MAX_ITEMS = 4096 };

int tn__post_add(tn_post_form *f, int32_t item, tn_error *err) {
    if (f->n >= MAX_ITEMS)
        return tn_fail(err, TN_ELIMIT, "the post-processor adds more than %d tokens", MAX_ITEMS);
    int32_t *grown = realloc(f->item, (f->n + 1) * sizeof *grown);
    if (!grown) return tn_fail(err, TN_ENOMEM, "out of memory");
    f->item = grown;
    f->item[f->n++] = item;
    return 0;
}

void tn__post_fini(tn_postproc *p) {
    free(p->single.item);
    free(p->pair.item);
    *p = (tn_postproc){0};
}
