/* SPDX-License-Identifier: Apache-2.0 */
#include "text/jinja/arena.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <tenon/status.h>

#include "base/checked.h"

/* Under AddressSanitizer every allocation is a chunk of its own, so that overruns are seen. */
#if defined(__SANITIZE_ADDRESS__)
#    define CHUNK_MIN ((size_t)0)
#    define CHUNK_MAX ((size_t)0)
#elif defined(__has_feature)
#    if __has_feature(address_sanitizer)
#        define CHUNK_MIN ((size_t)0)
#        define CHUNK_MAX ((size_t)0)
#    endif
#endif
#ifndef CHUNK_MIN
#    define CHUNK_MIN ((size_t)4096)
#    define CHUNK_MAX ((size_t)1 << 20)
#endif

#define ALIGN ((size_t)8)

typedef struct tn_jchunk {
    struct tn_jchunk *next;
    size_t used, size; /* bytes of data */
    max_align_t data[];
} tn_jchunk;

void tn_jarena_init(tn_jarena *a, size_t max_bytes) {
    *a = (tn_jarena){.max = max_bytes};
}

void tn_jarena_fini(tn_jarena *a) {
    while (a->chunk) {
        tn_jchunk *next = a->chunk->next;
        free(a->chunk);
        a->chunk = next;
    }
    tn_jarena_init(a, a->max);
}

/* Chunks double, so that small renders take little and big ones take few. A large allocation gets a chunk of
 * its own, put behind the current one, whose rest stays in use. */
static tn_jchunk *add_chunk(tn_jarena *a, size_t need) {
    size_t size = a->bytes < CHUNK_MIN ? CHUNK_MIN : a->bytes > CHUNK_MAX ? CHUNK_MAX : a->bytes, total;
    if (need > size / 4) size = need;
    if (!tn_add_size(size, sizeof(tn_jchunk), &total) || total > a->max - a->bytes) {
        a->status = TN_ELIMIT;
        return NULL;
    }
    tn_jchunk *c = malloc(total);
    if (!c) {
        a->status = TN_ENOMEM;
        return NULL;
    }
    a->bytes += total;
    c->used = 0;
    c->size = size;
    if (size == need && a->chunk) {
        c->next = a->chunk->next;
        a->chunk->next = c;
    } else {
        c->next = a->chunk;
        a->chunk = c;
    }
    return c;
}

void *tn_jarena_alloc(tn_jarena *a, size_t n) {
    uint64_t need;
    if (a->status) return NULL;
    if (!tn_align_u64(n ? n : 1, ALIGN, &need) || need > a->max) {
        a->status = TN_ELIMIT;
        return NULL;
    }
    tn_jchunk *c = a->chunk;
    if (!c || need > c->size - c->used) c = add_chunk(a, (size_t)need);
    if (!c) return NULL;
    void *p = (char *)c->data + c->used;
    c->used += (size_t)need;
    return p;
}

void *tn_jarena_zalloc(tn_jarena *a, size_t n) {
    void *p = tn_jarena_alloc(a, n);
    if (p) memset(p, 0, n);
    return p;
}
