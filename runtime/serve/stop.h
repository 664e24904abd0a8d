/* SPDX-License-Identifier: Apache-2.0 */
/* Stop strings over text that arrives in pieces: none of a stop string is ever handed out, wherever the
 * pieces are cut; what might become one is held back until it is decided.
 *
 * The text ends before the stop string that begins earliest in it. One that is complete still waits for
 * another that began before it and may yet be completed: of "abcd" and "c" in "abc", a "d" ends the text
 * before the "a", an "x" or the end of the text before the "c". What is held back is shorter than the longest
 * stop string. Each byte costs a step in each stop string (Knuth, Morris & Pratt 1977), whatever the text. */
#ifndef TN_SERVE_STOP_H
#define TN_SERVE_STOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

typedef struct tn_stop {
    const char *const *strings; /* [n], borrowed */
    const size_t *len;          /* [n], bytes, each at least 1 */
    size_t n;
    tn_buf held;    /* text that might still turn into a stop string */
    bool hit;       /* the text is over */
    size_t found;   /* where in held the earliest complete stop string begins; SIZE_MAX: none */
    size_t *tables; /* per string: bytes matched so far, then for each number of them the next shorter border;
                       owned */
} tn_stop;

/* max_text: most bytes that may be held back together with one piece. Allocates nothing yet. */
void tn_stop_init(tn_stop *s, const char *const *strings, const size_t *len, size_t n, size_t max_text);
void tn_stop_fini(tn_stop *s);
/* Takes a piece; appends to out what can no longer be part of a stop string. Returns true from the moment on
 * when the earliest stop string is certain; out then ends before it, and later pieces are dropped. Failures
 * (memory, a piece beyond max_text) stick in out->status. */
bool tn_stop_push(tn_stop *s, const char *text, size_t len, tn_buf *out);
/* The end of the text: what is held back is handed out, up to a stop string that waited for an earlier one.
 * Returns whether the text ended at a stop string. */
bool tn_stop_finish(tn_stop *s, tn_buf *out);

#endif
