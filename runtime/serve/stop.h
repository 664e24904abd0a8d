/* SPDX-License-Identifier: Apache-2.0 */
/* Stop strings over text that arrives in pieces: none of a stop string is ever handed out, wherever the pieces are cut;
 * what might become one is held back until it is decided. */
#ifndef TN_SERVE_STOP_H
#define TN_SERVE_STOP_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

typedef struct tn_stop {
    const char *const *strings; /* [n], borrowed */
    const size_t *len;          /* [n], bytes, each at least 1 */
    size_t n;
    tn_buf held; /* text that might still turn into a stop string */
    bool hit;
} tn_stop;

/* max_text: most bytes that a text may have. Allocates nothing yet. */
void tn_stop_init(tn_stop *s, const char *const *strings, const size_t *len, size_t n, size_t max_text);
void tn_stop_fini(tn_stop *s);
/* Takes a piece; appends to out what can no longer be part of a stop string. Returns true from the first occurrence on:
 * the earliest in the text, the longest of those that begin together; out then ends before it, and later pieces are
 * dropped. Failures of memory stick in out->status. */
bool tn_stop_push(tn_stop *s, const char *text, size_t len, tn_buf *out);
/* The end of the text: what is held back is no stop string after all. */
void tn_stop_finish(tn_stop *s, tn_buf *out);

#endif
