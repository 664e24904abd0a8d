/* SPDX-License-Identifier: Apache-2.0 */
/* Memory that goes away as a whole: a compiled template has one arena, each render has another. Nothing in it
 * is freed before the end, and its size has a limit. */
#ifndef TN_TEXT_JINJA_ARENA_H
#define TN_TEXT_JINJA_ARENA_H

#include <stddef.h>

typedef struct tn_jarena {
    struct tn_jchunk *chunk; /* newest first */
    size_t bytes;            /* taken from the system */
    size_t max;              /* most that may be taken */
    int status;              /* 0, TN_ELIMIT or TN_ENOMEM: the first failure */
} tn_jarena;

void tn_jarena_init(tn_jarena *a, size_t max_bytes);
void tn_jarena_fini(tn_jarena *a);
/* n bytes aligned for any value, not cleared; NULL (and status) over the limit or out of memory. */
void *tn_jarena_alloc(tn_jarena *a, size_t n);
/* The same, cleared. */
void *tn_jarena_zalloc(tn_jarena *a, size_t n);

/* Every function that can fail returns 0 or a status code with the error already described: this passes it
 * on. */
#define TN_TRY(call)                                                                                         \
    do {                                                                                                     \
        int try_rc_ = (call);                                                                                \
        if (try_rc_) return try_rc_;                                                                         \
    } while (0)

#endif
