/* SPDX-License-Identifier: Apache-2.0 */
/* One render: its memory, its limits, its output, and how every part of it fails.
 *
 * A function that can fail returns 0 or a status code, with the error already described; TN_TRY passes it on.
 */
#ifndef TN_TEXT_JINJA_RUN_H
#define TN_TEXT_JINJA_RUN_H

#include <stddef.h>
#include <stdint.h>
#include <tenon/status.h>

#include "text/jinja/arena.h"
#include "text/jinja/value.h"

/* Expressions, statements and calls inside each other while rendering; bounds the use of the C stack. */
#define TN_JDEPTH_MAX 700
/* For functions off the path of the recursion: inlined, their variables would take stack at every level. */
#define TN_JASIDE __attribute__((noinline))
/* Containers inside each other, when they are read, printed or compared. */
#define TN_JNEST_MAX 200

/* A string under construction, in the arena. {0} is an empty one. */
typedef struct tn_jsink {
    char *data;
    size_t len, cap;
} tn_jsink;

/* A string that the last concatenation made, with room after it: appending to it again copies only what is
 * new. */
typedef struct tn_jroom {
    char *data;
    size_t len, cap;
} tn_jroom;

typedef struct tn_jrun {
    tn_jarena arena;
    tn_error *err;    /* may be NULL */
    const char *name; /* of the template */
    const char *now;  /* what strftime_now sees, or NULL */
    uint64_t steps, steps_max;
    uint32_t depth;          /* expressions and statements inside each other */
    uint32_t nest;           /* containers inside each other */
    uint32_t line;           /* of what is being evaluated */
    tn_jsink *out;           /* where output goes now */
    struct tn_jscope *scope; /* innermost variables */
    tn_jdict *vars;          /* what the caller passed */
    tn_jroom room[4];
    unsigned room_next;
} tn_jrun;

/* Describes a failure (its place is added later) and returns code. */
int tn_jfail(tn_jrun *r, int code, const char *fmt, ...) TN_PRINTF(3, 4);
/* After an allocation returned NULL: memory or its limit is spent. */
int tn_jnomem(tn_jrun *r);
/* Counts n steps; TN_ELIMIT when they are spent. */
int tn_jsteps(tn_jrun *r, uint64_t n);
/* Counts the steps of looking at n bytes. */
int tn_jscan(tn_jrun *r, size_t n);
/* One level further into expressions, statements and calls; r->depth-- leaves it. */
int tn_jenter(tn_jrun *r);
/* Around whatever recurses into values. */
int tn_jnest_enter(tn_jrun *r);
static inline void tn_jnest_leave(tn_jrun *r) {
    r->nest--;
}

/* NULL when out of memory: return tn_jnomem(r). */
static inline void *tn_jalloc(tn_jrun *r, size_t n) {
    return tn_jarena_alloc(&r->arena, n);
}
static inline void *tn_jzalloc(tn_jrun *r, size_t n) {
    return tn_jarena_zalloc(&r->arena, n);
}

int tn_jsink_reserve(tn_jrun *r, tn_jsink *s, size_t n);
int tn_jsink_add(tn_jrun *r, tn_jsink *s, const char *bytes, size_t n);
int tn_jsink_addz(tn_jrun *r, tn_jsink *s, const char *text);
int tn_jsink_addc(tn_jrun *r, tn_jsink *s, char c);
int tn_jsink_cp(tn_jrun *r, tn_jsink *s, uint32_t cp);
/* n times the same bytes. */
int tn_jsink_fill(tn_jrun *r, tn_jsink *s, const char *bytes, size_t len, size_t n);
/* The string so far, which must not grow any more. */
static inline tn_jval tn_jsink_value(const tn_jsink *s) {
    return tn_jstring(s->data ? s->data : "", s->len);
}

int tn_jlist_new(tn_jrun *r, size_t cap, tn_jlist **ret);
int tn_jlist_add(tn_jrun *r, tn_jlist *list, tn_jval v);
/* A tuple of two. */
int tn_jpair(tn_jrun *r, tn_jval a, tn_jval b, tn_jval *ret);
/* An iterator over the items of list; what is how it prints. */
int tn_jiterator_new(tn_jrun *r, const tn_jlist *list, const char *what, tn_jval *ret);

int tn_jdict_new(tn_jrun *r, size_t cap, tn_jdict **ret);
/* Sets or replaces; an error when key cannot be one. */
int tn_jdict_set(tn_jrun *r, tn_jdict *d, tn_jval key, tn_jval value);
/* *ret is the value or absent; absent too for what cannot be a key. */
int tn_jdict_get(tn_jrun *r, const tn_jdict *d, tn_jval key, tn_jval *ret);
/* An error when v cannot be a key. */
int tn_jcheck_key(tn_jrun *r, tn_jval v);

/* All items of v in order: of a dict its keys, of a string its characters. An iterator is spent by it. The
 * list must not be changed. An error when v cannot be iterated. */
int tn_jiterate(tn_jrun *r, tn_jval v, tn_jlist *ret);

#endif
