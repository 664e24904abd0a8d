/* SPDX-License-Identifier: Apache-2.0 */
/* Lists, dicts and iterating. */
#include "base/checked.h"
#include "text/jinja/run.h"
#include "text/jinja/utf8.h"

#define DICT_SCAN 8 /* up to as many entries are searched one by one */

int tn_jlist_new(tn_jrun *r, size_t cap, tn_jlist **ret) {
    size_t bytes;
    tn_jlist *list = tn_jzalloc(r, sizeof *list);
    if (!list) return tn_jnomem(r);
    if (!tn_mul_size(cap, sizeof(tn_jval), &bytes)) bytes = SIZE_MAX;
    if (cap && !(list->item = tn_jalloc(r, bytes))) return tn_jnomem(r);
    list->cap = cap;
    *ret = list;
    return 0;
}

int tn_jlist_add(tn_jrun *r, tn_jlist *list, tn_jval v) {
    if (list->n == list->cap) {
        size_t cap = list->cap ? list->cap * 2 : 4, bytes;
        if (!tn_mul_size(cap, sizeof(tn_jval), &bytes)) bytes = SIZE_MAX;
        tn_jval *item = tn_jalloc(r, bytes);
        if (!item) return tn_jnomem(r);
        if (list->n) memcpy(item, list->item, list->n * sizeof *item);
        list->item = item;
        list->cap = cap;
    }
    list->item[list->n++] = v;
    return 0;
}

int tn_jpair(tn_jrun *r, tn_jval a, tn_jval b, tn_jval *ret) {
    tn_jlist *list = NULL;
    TN_TRY(tn_jlist_new(r, 2, &list));
    list->item[0] = a;
    list->item[1] = b;
    list->n = 2;
    *ret = tn_jof_list(TN_J_TUPLE, list);
    return 0;
}

int tn_jiterator_new(tn_jrun *r, const tn_jlist *list, const char *what, tn_jval *ret) {
    tn_jiterator *it = tn_jzalloc(r, sizeof *it);
    if (!it) return tn_jnomem(r);
    it->list = *list;
    it->what = what;
    *ret = (tn_jval){.type = TN_J_ITERATOR, .u.iterator = it};
    return 0;
}

static bool hashable(tn_jval v, unsigned depth) {
    if (v.type != TN_J_TUPLE) return v.type != TN_J_LIST && v.type != TN_J_DICT && v.type != TN_J_VIEW;
    if (depth >= TN_JNEST_MAX) return false;
    for (size_t i = 0; i < v.u.list->n; i++)
        if (!hashable(v.u.list->item[i], depth + 1)) return false;
    return true;
}

bool tn_jhashable(tn_jval v) {
    return hashable(v, 0);
}

static uint64_t hash_bytes(const char *s, size_t n) {
    uint64_t h = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < n; i++) h = (h ^ (unsigned char)s[i]) * UINT64_C(0x100000001b3);
    return h ^ h >> 29;
}

static uint64_t hash_int(uint64_t i) {
    i *= UINT64_C(0x9e3779b97f4a7c15);
    return i ^ i >> 32;
}

/* Equal values have equal hashes: true, 1 and 1.0 are one key. */
static uint64_t hash_of(tn_jval v) {
    switch (v.type) {
    case TN_J_STRING: return hash_bytes(v.u.s, v.len);
    case TN_J_BOOL:
    case TN_J_INT: return hash_int((uint64_t)tn_jas_int(v));
    case TN_J_FLOAT:
        if (v.u.f >= -9e18 && v.u.f <= 9e18 && v.u.f == (double)(int64_t)v.u.f)
            return hash_int((uint64_t)(int64_t)v.u.f);
        return hash_bytes((const char *)&v.u.f, sizeof v.u.f);
    case TN_J_TUPLE: {
        uint64_t h = 7;
        for (size_t i = 0; i < v.u.list->n; i++) h = hash_int(h ^ hash_of(v.u.list->item[i]));
        return h;
    }
    case TN_J_UNDEFINED:
    case TN_J_NONE: return v.type;
    default: return hash_int((uint64_t)(uintptr_t)v.u.s);
    }
}

/* Keys are compared one level deep as values are, tuples item by item. */
static bool same_key(tn_jval a, tn_jval b) {
    if (a.type == TN_J_STRING || b.type == TN_J_STRING)
        return a.type == b.type && a.len == b.len && (a.len == 0 || memcmp(a.u.s, b.u.s, a.len) == 0);
    if (tn_jis_int(a) && tn_jis_int(b)) return tn_jas_int(a) == tn_jas_int(b);
    if (tn_jis_number(a) && tn_jis_number(b)) return tn_jas_float(a) == tn_jas_float(b);
    if (a.type != b.type) return false;
    if (a.type == TN_J_UNDEFINED || a.type == TN_J_NONE) return true;
    if (a.type != TN_J_TUPLE) return a.u.s == b.u.s;
    if (a.u.list->n != b.u.list->n) return false;
    for (size_t i = 0; i < a.u.list->n; i++)
        if (!same_key(a.u.list->item[i], b.u.list->item[i])) return false;
    return true;
}

int tn_jdict_new(tn_jrun *r, size_t cap, tn_jdict **ret) {
    size_t bytes;
    tn_jdict *d = tn_jzalloc(r, sizeof *d);
    if (!d) return tn_jnomem(r);
    if (!tn_mul_size(cap, sizeof(tn_jentry), &bytes)) bytes = SIZE_MAX;
    if (cap && !(d->entry = tn_jalloc(r, bytes))) return tn_jnomem(r);
    d->cap = cap;
    *ret = d;
    return 0;
}

/* Position of key in d->entry, or d->n. Every probe is a step, so that keys made to collide cost no more than
 * the limit. */
static int find(tn_jrun *r, const tn_jdict *d, tn_jval key, uint64_t hash, size_t *ret) {
    size_t probes = 1;
    *ret = d->n;
    if (!d->n_slot) {
        for (size_t i = 0; i < d->n && *ret == d->n; i++)
            if (d->entry[i].hash == hash && same_key(d->entry[i].key, key)) *ret = i;
        return 0;
    }
    for (size_t s = hash & (d->n_slot - 1); d->slot[s]; s = (s + 1) & (d->n_slot - 1), probes++) {
        const tn_jentry *e = &d->entry[d->slot[s] - 1];
        if (e->hash == hash && same_key(e->key, key)) {
            *ret = d->slot[s] - 1;
            break;
        }
    }
    return tn_jsteps(r, probes);
}

static void index_entry(tn_jdict *d, size_t at) {
    size_t s = d->entry[at].hash & (d->n_slot - 1);
    while (d->slot[s]) s = (s + 1) & (d->n_slot - 1);
    d->slot[s] = (uint32_t)at + 1;
}

static int grow(tn_jrun *r, tn_jdict *d) {
    if (d->n == d->cap) {
        size_t cap = d->cap ? d->cap * 2 : 4, bytes;
        if (cap >= UINT32_MAX || !tn_mul_size(cap, sizeof(tn_jentry), &bytes)) bytes = SIZE_MAX;
        tn_jentry *entry = tn_jalloc(r, bytes);
        if (!entry) return tn_jnomem(r);
        if (d->n) memcpy(entry, d->entry, d->n * sizeof *entry);
        d->entry = entry;
        d->cap = cap;
    }
    if (d->n < DICT_SCAN || (d->n + 1) * 2 <= d->n_slot) return 0;
    size_t n_slot = d->n_slot ? d->n_slot * 2 : 32;
    while (n_slot < d->n * 2) n_slot *= 2;
    d->slot = tn_jzalloc(r, n_slot * sizeof *d->slot);
    if (!d->slot) return tn_jnomem(r);
    d->n_slot = n_slot;
    for (size_t i = 0; i < d->n; i++) index_entry(d, i);
    return tn_jsteps(r, d->n / 8);
}

int tn_jdict_set(tn_jrun *r, tn_jdict *d, tn_jval key, tn_jval value) {
    size_t at;
    if (!tn_jhashable(key))
        return tn_jfail(r, TN_EINVAL, "a %s cannot be the key of a dict", tn_jtype_name(key));
    uint64_t hash = hash_of(key);
    TN_TRY(find(r, d, key, hash, &at));
    if (at < d->n) {
        d->entry[at].value = value;
        return 0;
    }
    TN_TRY(grow(r, d));
    d->entry[d->n] = (tn_jentry){key, value, hash};
    if (d->n_slot) index_entry(d, d->n);
    d->n++;
    return 0;
}

int tn_jdict_get(tn_jrun *r, const tn_jdict *d, tn_jval key, tn_jval *ret) {
    size_t at;
    *ret = tn_jabsent();
    if (!d->n || !tn_jhashable(key)) return 0;
    TN_TRY(find(r, d, key, hash_of(key), &at));
    if (at < d->n) *ret = d->entry[at].value;
    return 0;
}

static int iterate_string(tn_jrun *r, tn_jval v, tn_jlist *ret) {
    tn_jlist *list;
    uint32_t cp;
    TN_TRY(tn_jlist_new(r, tn_jutf8_count(v.u.s, v.len), &list));
    for (size_t at = 0, k; at < v.len; at += k) {
        k = tn_jutf8_next(v.u.s + at, v.len - at, &cp);
        TN_TRY(tn_jlist_add(r, list, tn_jstring(v.u.s + at, k)));
    }
    *ret = *list;
    return 0;
}

static int iterate_dict(tn_jrun *r, const tn_jdict *d, tn_jlist *ret) {
    tn_jlist *list;
    TN_TRY(tn_jlist_new(r, d->n, &list));
    for (size_t i = 0; i < d->n; i++) list->item[i] = d->entry[i].key;
    list->n = d->n;
    *ret = *list;
    return 0;
}

static int iterate_range(tn_jrun *r, const tn_jrange *range, tn_jlist *ret) {
    tn_jlist *list;
    TN_TRY(tn_jlist_new(r, range->n, &list));
    for (size_t i = 0; i < range->n; i++) list->item[i] = tn_jint(range->start + (int64_t)i * range->step);
    list->n = range->n;
    *ret = *list;
    return 0;
}

int tn_jiterate(tn_jrun *r, tn_jval v, tn_jlist *ret) {
    tn_jiterator *it;
    switch (v.type) {
    case TN_J_UNDEFINED: *ret = (tn_jlist){0}; return 0;
    case TN_J_STRING: return iterate_string(r, v, ret);
    case TN_J_LIST:
    case TN_J_TUPLE:
    case TN_J_VIEW: *ret = *v.u.list; return 0;
    case TN_J_DICT: return iterate_dict(r, v.u.dict, ret);
    case TN_J_RANGE: return iterate_range(r, v.u.range, ret);
    case TN_J_ITERATOR:
        it = v.u.iterator;
        *ret = (tn_jlist){.item = it->list.n ? it->list.item + it->next : NULL, .n = it->list.n - it->next};
        it->next = it->list.n;
        return 0;
    default: return tn_jfail(r, TN_EINVAL, "'%s' object is not iterable", tn_jtype_name(v));
    }
}
