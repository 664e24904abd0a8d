/* SPDX-License-Identifier: Apache-2.0 */
/* Lists, dicts and iterating. */
#include "base/checked.h"
#include "text/jinja/ops.h"
#include "text/jinja/chars.h"

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

static uint64_t hash_bytes(const char *s, size_t n) {
    uint64_t h = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < n; i++) h = (h ^ (unsigned char)s[i]) * UINT64_C(0x100000001b3);
    return h ^ h >> 29;
}

static uint64_t hash_int(uint64_t i) {
    i *= UINT64_C(0x9e3779b97f4a7c15);
    return i ^ i >> 32;
}

static uint64_t hash_float(double f) {
    if (f >= -9e18 && f <= 9e18 && f == (double)(int64_t)f) return hash_int((uint64_t)(int64_t)f);
    return hash_bytes((const char *)&f, sizeof f);
}

/* Equal values have equal hashes: true, 1 and 1.0 are one key. *ret_ok: v may be a key. */
static int hash_of(tn_jrun *r, tn_jval v, uint64_t *ret, bool *ret_ok) {
    *ret_ok = true;
    switch (v.type) {
    case TN_J_LIST:
    case TN_J_DICT:
    case TN_J_VIEW: *ret_ok = false; return 0;
    case TN_J_STRING: *ret = hash_bytes(v.u.s, v.len); return tn_jscan(r, v.len);
    case TN_J_BOOL:
    case TN_J_INT: *ret = hash_int((uint64_t)tn_jas_int(v)); return 0;
    case TN_J_FLOAT: *ret = hash_float(v.u.f); return 0;
    case TN_J_UNDEFINED:
    case TN_J_NONE: *ret = v.type; return 0;
    case TN_J_TUPLE: break;
    default: *ret = hash_int((uint64_t)(uintptr_t)v.u.s); return 0;
    }
    uint64_t h = 7, part = 0;
    TN_TRY(tn_jnest_enter(r));
    TN_TRY(tn_jsteps(r, v.u.list->n));
    for (size_t i = 0; *ret_ok && i < v.u.list->n; i++, h = hash_int(h ^ part))
        TN_TRY(hash_of(r, v.u.list->item[i], &part, ret_ok));
    tn_jnest_leave(r);
    *ret = h;
    return 0;
}

int tn_jcheck_key(tn_jrun *r, tn_jval v) {
    uint64_t hash;
    bool ok;
    TN_TRY(hash_of(r, v, &hash, &ok));
    return ok ? 0 : tn_jfail(r, TN_EINVAL, "a %s cannot be the key of a dict", tn_jtype_name(v));
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

static int same_key(tn_jrun *r, const tn_jentry *e, tn_jval key, uint64_t hash, bool *ret) {
    *ret = false;
    if (e->hash != hash) return 0;
    if (!tn_jis_string(key) || !tn_jis_string(e->key)) return tn_jequal(r, e->key, key, ret);
    *ret = e->key.len == key.len && (key.len == 0 || memcmp(e->key.u.s, key.u.s, key.len) == 0);
    return 0;
}

/* Position of key in d->entry, or d->n. Every probe is a step, so that keys made to collide cost no more than
 * the limit. */
static int find(tn_jrun *r, const tn_jdict *d, tn_jval key, uint64_t hash, size_t *ret) {
    bool same = false;
    if (!d->n_slot) {
        for (*ret = 0; *ret < d->n; ++*ret) {
            TN_TRY(same_key(r, &d->entry[*ret], key, hash, &same));
            if (same) break;
        }
        return 0;
    }
    *ret = d->n;
    for (size_t s = hash & (d->n_slot - 1); d->slot[s]; s = (s + 1) & (d->n_slot - 1)) {
        TN_TRY(tn_jsteps(r, 1));
        TN_TRY(same_key(r, &d->entry[d->slot[s] - 1], key, hash, &same));
        if (!same) continue;
        *ret = d->slot[s] - 1;
        break;
    }
    return 0;
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
    uint64_t hash;
    bool ok;
    TN_TRY(hash_of(r, key, &hash, &ok));
    if (!ok) return tn_jcheck_key(r, key);
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
    uint64_t hash;
    bool ok;
    *ret = tn_jabsent();
    if (!d->n) return 0;
    TN_TRY(hash_of(r, key, &hash, &ok));
    if (!ok) return 0;
    TN_TRY(find(r, d, key, hash, &at));
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
    for (size_t i = 0; i < range->n; i++) list->item[i] = tn_jrange_item(range, i);
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
