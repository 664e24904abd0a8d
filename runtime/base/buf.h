/* SPDX-License-Identifier: Apache-2.0 */
/* A growable byte buffer with a stated maximum, always NUL-terminated after its len bytes.
 *
 * Appends return 0, TN_ELIMIT past the maximum, or TN_ENOMEM; a failed append leaves the content as it was.
 * The first failure sticks (status), so that a run of appends can be checked once at the end. */
#ifndef TN_BASE_BUF_H
#define TN_BASE_BUF_H

#include <stdarg.h>
#include <stddef.h>
#include <tenon/status.h>

typedef struct tn_buf {
    char *data; /* NULL until the first append, else len bytes and a NUL; owned */
    size_t len; /* bytes */
    size_t cap; /* bytes allocated */
    size_t max; /* most bytes it may hold */
    int status; /* 0 or the first failure */
} tn_buf;

/* An empty buffer of at most max bytes; allocates nothing. */
void tn_buf_init(tn_buf *b, size_t max);
/* Frees the content; b is empty and usable again with the same maximum. */
void tn_buf_free(tn_buf *b);
/* Empties, keeps the memory, forgets a failure. */
void tn_buf_clear(tn_buf *b);
int tn_buf_add(tn_buf *b, const void *bytes, size_t n);
int tn_buf_adds(tn_buf *b, const char *s);
int tn_buf_addc(tn_buf *b, char c);
int tn_buf_addf(tn_buf *b, const char *fmt, ...) TN_PRINTF(2, 3);
/* The content as a string of the caller's (free() it), or NULL when an append had failed; b is empty
 * afterwards. */
char *tn_buf_steal(tn_buf *b, size_t *ret_len);

#endif
