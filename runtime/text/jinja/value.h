/* SPDX-License-Identifier: Apache-2.0 */
/* Values of the template language. A value is small and copied freely; what it points to lives in an arena
 * (or, for strings of the input, in the caller's JSON) and does not change once other values can see it. */
#ifndef TN_TEXT_JINJA_VALUE_H
#define TN_TEXT_JINJA_VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef enum tn_jtype {
    TN_J_ABSENT, /* not a value: an argument that was not passed */
    TN_J_UNDEFINED,
    TN_J_NONE,
    TN_J_BOOL,
    TN_J_INT,
    TN_J_FLOAT,
    TN_J_STRING,
    TN_J_LIST,
    TN_J_TUPLE,
    TN_J_DICT,
    TN_J_VIEW, /* what dict.keys(), .values() and .items() give */
    TN_J_RANGE,
    TN_J_ITERATOR, /* what map, select and their like give: passes once */
    TN_J_NAMESPACE,
    TN_J_LOOP,
    TN_J_MACRO,
    TN_J_FUNCTION, /* of the environment */
    TN_J_METHOD,   /* with the value it is of */
    TN_J_CYCLER,
    TN_J_JOINER
} tn_jtype;

/* Flags: of a string, that it is marked as safe (Markup): adding an unmarked string to it escapes that one.
 * Of a tuple, that it is a group of groupby. Of an undefined value, why it is undefined. */
enum { TN_J_MARKUP = 1, TN_J_GROUP = 2 };
enum { TN_J_UNDEF_NAME, TN_J_UNDEF_ATTRIBUTE, TN_J_UNDEF_ITEM, TN_J_UNDEF_UNSAFE, TN_J_UNDEF_TEXT };

struct tn_jnative;

typedef struct tn_jval {
    uint8_t type;   /* tn_jtype */
    uint8_t flags;  /* TN_J_x */
    uint16_t owner; /* undefined: the tn_jtype of what lacks it */
    uint32_t reserved;
    union {
        bool b;
        int64_t i;
        double f;
        const char *s;         /* valid UTF-8, NUL may be anywhere or nowhere; undefined: the name */
        struct tn_jlist *list; /* list, tuple, view */
        struct tn_jdict *dict; /* dict, namespace */
        struct tn_jrange *range;
        struct tn_jiterator *iterator;
        struct tn_jloop *loop;
        struct tn_jmacro *macro;
        const struct tn_jnative *function;
        struct tn_jmethod *method;
        struct tn_jcycler *cycler; /* cycler, joiner */
    } u;
    size_t len; /* string, undefined: bytes */
} tn_jval;

typedef struct tn_jlist {
    tn_jval *item;
    size_t n, cap;
} tn_jlist;

typedef struct tn_jentry {
    tn_jval key, value;
    uint64_t hash;
} tn_jentry;

/* In order of insertion; an index of slot numbers once there are more than a few. */
typedef struct tn_jdict {
    tn_jentry *entry;
    size_t n, cap;
    uint32_t *slot; /* n_slot numbers, each 0 or 1 + position in entry; n_slot is a power of two */
    size_t n_slot;
} tn_jdict;

typedef struct tn_jrange {
    int64_t start, stop, step;
    size_t n;
} tn_jrange;

typedef struct tn_jiterator {
    tn_jlist list;
    size_t next;
    const char *what; /* for printing */
} tn_jiterator;

typedef struct tn_jmethod {
    tn_jval self;
    const struct tn_jnative *native;
} tn_jmethod;

typedef struct tn_jcycler {
    tn_jlist list; /* joiner: the separator */
    size_t next;
} tn_jcycler;

static inline tn_jval tn_jabsent(void) {
    return (tn_jval){.type = TN_J_ABSENT};
}
static inline tn_jval tn_jnone(void) {
    return (tn_jval){.type = TN_J_NONE};
}
static inline tn_jval tn_jbool(bool b) {
    return (tn_jval){.type = TN_J_BOOL, .u.b = b};
}
static inline tn_jval tn_jint(int64_t i) {
    return (tn_jval){.type = TN_J_INT, .u.i = i};
}
static inline tn_jval tn_jfloat(double f) {
    return (tn_jval){.type = TN_J_FLOAT, .u.f = f};
}
/* s is borrowed. */
static inline tn_jval tn_jstring(const char *s, size_t len) {
    return (tn_jval){.type = TN_J_STRING, .u.s = s, .len = len};
}
static inline tn_jval tn_jstringz(const char *s) {
    return tn_jstring(s, strlen(s));
}
/* A string with the mark of another. */
static inline tn_jval tn_jstring_as(tn_jval like, const char *s, size_t len) {
    tn_jval v = tn_jstring(s, len);
    v.flags = like.flags & TN_J_MARKUP;
    return v;
}
static inline tn_jval tn_jof_list(tn_jtype type, tn_jlist *list) {
    return (tn_jval){.type = (uint8_t)type, .u.list = list};
}
static inline tn_jval tn_jof_dict(tn_jtype type, tn_jdict *dict) {
    return (tn_jval){.type = (uint8_t)type, .u.dict = dict};
}
static inline tn_jval tn_jundefined(int why, tn_jtype owner, const char *name, size_t len) {
    return (tn_jval){
        .type = TN_J_UNDEFINED, .flags = (uint8_t)why, .owner = (uint16_t)owner, .u.s = name, .len = len};
}

static inline bool tn_jis_string(tn_jval v) {
    return v.type == TN_J_STRING;
}
static inline bool tn_jis_list(tn_jval v) {
    return v.type == TN_J_LIST || v.type == TN_J_TUPLE;
}
static inline bool tn_jis_int(tn_jval v) {
    return v.type == TN_J_INT || v.type == TN_J_BOOL;
}
static inline bool tn_jis_number(tn_jval v) {
    return tn_jis_int(v) || v.type == TN_J_FLOAT;
}
/* Of an int or bool, and of any number. */
static inline int64_t tn_jas_int(tn_jval v) {
    return v.type == TN_J_BOOL ? v.u.b : v.u.i;
}
static inline double tn_jas_float(tn_jval v) {
    return v.type == TN_J_FLOAT ? v.u.f : (double)tn_jas_int(v);
}

static inline bool tn_jstring_is(tn_jval v, const char *s) {
    size_t n = strlen(s);
    return v.len == n && memcmp(v.u.s, s, n) == 0;
}

/* Item i (there are more than i). */
static inline tn_jval tn_jrange_item(const tn_jrange *range, size_t i) {
    return tn_jint((int64_t)((uint64_t)range->start + (uint64_t)i * (uint64_t)range->step));
}

/* What Python calls the type ("str"). [any thread] */
const char *tn_jtype_name(tn_jval v);
/* bool(v); undefined is false. [any thread] */
bool tn_jtruth(tn_jval v);
/* Whether v has a length, and it: strings in code points, containers in items. [any thread] */
bool tn_jlength(tn_jval v, size_t *ret);

#endif
