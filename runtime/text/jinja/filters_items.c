/* SPDX-License-Identifier: Apache-2.0 */
/* Filters that take lists and other containers apart or put them together. */
#include "text/jinja/letters.h"
#include "text/jinja/filters.h"
#include "text/jinja/literal.h"
#include "text/jinja/chars.h"

static int filter_length(tn_jrun *r, const tn_jcall *c, tn_jval *ret) {
    size_t n;
    if (!tn_jlength(c->self, &n))
        return tn_jfail(r, TN_EINVAL, "object of type '%s' has no length", tn_jtype_name(c->self));
    *ret = tn_jint((int64_t)n);
    return 0;
}

static int no_item(tn_jval *ret) {
    static const char why[] = "no first or last item: the sequence was empty";
    *ret = tn_jundefined(TN_J_UNDEF_TEXT, TN_J_LIST, why, sizeof why - 1);
    return 0;
}

static int filter_first(tn_jrun *r, const tn_jcall *c, tn_jval *ret) {
    tn_jlist list;
    if (c->self.type == TN_J_ITERATOR) { /* only one is taken from it */
        tn_jiterator *it = c->self.u.iterator;
        if (it->next == it->list.n) return no_item(ret);
        *ret = it->list.item[it->next++];
        return 0;
    }
    TN_TRY(tn_jiterate(r, c->self, &list));
    if (!list.n) return no_item(ret);
    *ret = list.item[0];
    return 0;
}

static int filter_last(tn_jrun *r, const tn_jcall *c, tn_jval *ret) {
    tn_jlist list;
    if (c->self.type == TN_J_ITERATOR)
        return tn_jfail(r, TN_EINVAL, "'generator' object is not reversible: use list first");
    TN_TRY(tn_jiterate(r, c->self, &list));
    if (!list.n) return no_item(ret);
    *ret = list.item[list.n - 1];
    return 0;
}

static int filter_list(tn_jrun *r, const tn_jcall *c, tn_jval *ret) {
    tn_jlist list, *copy;
    TN_TRY(tn_jiterate(r, c->self, &list));
    TN_TRY(tn_jlist_new(r, 0, &copy));
    *copy = list;
    *ret = tn_jof_list(TN_J_LIST, copy);
    return 0;
}

static int filter_items(tn_jrun *r, const tn_jcall *c, tn_jval *ret) {
    tn_jlist pairs = {0};
    if (c->self.type != TN_J_DICT && c->self.type != TN_J_UNDEFINED)
        return tn_jfail(r, TN_EINVAL, "can only get item pairs from a mapping, not %s",
                        tn_jtype_name(c->self));
    for (size_t i = 0; c->self.type == TN_J_DICT && i < c->self.u.dict->n; i++) {
        tn_jval pair;
        TN_TRY(tn_jpair(r, c->self.u.dict->entry[i].key, c->self.u.dict->entry[i].value, &pair));
        TN_TRY(tn_jlist_add(r, &pairs, pair));
    }
    return tn_jiterator_new(r, &pairs, "items", ret);
}

static int reverse_string(tn_jrun *r, tn_jval s, tn_jval *ret) {
    tn_jsink sink = {0};
    TN_TRY(tn_jsink_reserve(r, &sink, s.len));
    for (size_t n = s.len; n;) {
        uint32_t cp;
        size_t k = tn_jutf8_prev(s.u.s, n, &cp);
        n -= k;
        TN_TRY(tn_jsink_add(r, &sink, s.u.s + n, k));
    }
    *ret = tn_jsink_value(&sink);
    return 0;
}

static int filter_reverse(tn_jrun *r, const tn_jcall *c, tn_jval *ret) {
    tn_jlist list, *out;
    if (tn_jis_string(c->self)) return reverse_string(r, c->self, ret);
    TN_TRY(tn_jiterate(r, c->self, &list));
    TN_TRY(tn_jlist_new(r, list.n, &out));
    for (size_t i = list.n; i-- > 0;) TN_TRY(tn_jlist_add(r, out, list.item[i]));
    return tn_jiterator_new(r, out, "reverse", ret);
}

static int filter_join(tn_jrun *r, const tn_jcall *c, tn_jval *ret) {
    tn_jlist list;
    tn_jsink sink = {0};
    tn_jval separator = tn_jstringz("");
    if (tn_jarg_given(c, 0)) TN_TRY(tn_jto_str(r, c->arg[0], &separator));
    TN_TRY(tn_jiterate(r, c->self, &list));
    for (size_t i = 0; i < list.n; i++) {
        tn_jval v = list.item[i];
        if (tn_jarg_some(c, 1)) TN_TRY(tn_jattribute_of(r, v, c->arg[1], tn_jabsent(), &v));
        if (i) TN_TRY(tn_jsink_add(r, &sink, separator.u.s, separator.len));
        TN_TRY(tn_jwrite_str(r, &sink, v));
    }
    *ret = tn_jsink_value(&sink);
    return 0;
}

/* Keys to compare by: the item, or its attribute (with commas between: several), strings in lower case unless
 * case matters. */
int tn_jsort_key(tn_jrun *r, tn_jval v, tn_jval attribute, tn_jval otherwise, bool cased, tn_jval *ret) {
    *ret = v;
    if (attribute.type != TN_J_ABSENT && attribute.type != TN_J_NONE)
        TN_TRY(tn_jattribute_of(r, v, attribute, otherwise, ret));
    if (!cased && tn_jis_string(*ret)) return tn_jstring_case(r, *ret, TN_JCASE_LOWER, ret);
    return 0;
}

static int multi_key(tn_jrun *r, tn_jval v, tn_jval attribute, bool cased, tn_jval *ret) {
    tn_jlist *keys;
    if (!tn_jis_string(attribute) || !memchr(attribute.u.s, ',', attribute.len))
        return tn_jsort_key(r, v, attribute, tn_jabsent(), cased, ret);
    TN_TRY(tn_jlist_new(r, 2, &keys));
    for (size_t at = 0; at <= attribute.len;) {
        const char *begin = attribute.u.s + at, *comma = memchr(begin, ',', attribute.len - at);
        size_t n = comma ? (size_t)(comma - begin) : attribute.len - at;
        tn_jval key;
        TN_TRY(tn_jsort_key(r, v, tn_jstring(begin, n), tn_jabsent(), cased, &key));
        TN_TRY(tn_jlist_add(r, keys, key));
        at += n + 1;
    }
    *ret = tn_jof_list(TN_J_TUPLE, keys);
    return 0;
}

static int take_in_order(tn_jrun *r, const tn_jlist *list, const tn_jlist *keys, bool descending,
                         tn_jval *ret) {
    size_t *order;
    tn_jlist *out;
    TN_TRY(tn_jsort(r, keys->item, keys->n, descending, &order));
    TN_TRY(tn_jlist_new(r, list->n, &out));
    for (size_t i = 0; i < list->n; i++) TN_TRY(tn_jlist_add(r, out, list->item[order[i]]));
    *ret = tn_jof_list(TN_J_LIST, out);
    return 0;
}

static int filter_sort(tn_jrun *r, const tn_jcall *c, tn_jval *ret) {
    tn_jlist list, *keys;
    TN_TRY(tn_jiterate(r, c->self, &list));
    TN_TRY(tn_jlist_new(r, list.n, &keys));
    for (size_t i = 0; i < list.n; i++) {
        tn_jval key;
        TN_TRY(multi_key(r, list.item[i], c->arg[2], tn_jarg_bool(c, 1, false), &key));
        TN_TRY(tn_jlist_add(r, keys, key));
    }
    return take_in_order(r, &list, keys, tn_jarg_bool(c, 0, false), ret);
}

static int filter_dictsort(tn_jrun *r, const tn_jcall *c, tn_jval *ret) {
    tn_jlist *pairs, *keys;
    tn_jval by;
    TN_TRY(tn_jarg_string(r, c, 1, "key", &by));
    if (!tn_jstring_is(by, "key") && !tn_jstring_is(by, "value"))
        return tn_jfail(r, TN_EINVAL, "dictsort sorts by 'key' or 'value'");
    if (c->self.type != TN_J_DICT)
        return tn_jfail(r, TN_EINVAL, "dictsort needs a mapping, not %s", tn_jtype_name(c->self));
    const tn_jdict *d = c->self.u.dict;
    TN_TRY(tn_jlist_new(r, d->n, &pairs));
    TN_TRY(tn_jlist_new(r, d->n, &keys));
    for (size_t i = 0; i < d->n; i++) {
        tn_jval v = tn_jstring_is(by, "key") ? d->entry[i].key : d->entry[i].value;
        TN_TRY(tn_jsort_key(r, v, tn_jabsent(), tn_jabsent(), tn_jarg_bool(c, 0, false), &v));
        TN_TRY(tn_jlist_add(r, keys, v));
        TN_TRY(tn_jpair(r, d->entry[i].key, d->entry[i].value, &v));
        TN_TRY(tn_jlist_add(r, pairs, v));
    }
    return take_in_order(r, pairs, keys, tn_jarg_bool(c, 2, false), ret);
}

static int filter_unique(tn_jrun *r, const tn_jcall *c, tn_jval *ret) {
    tn_jlist list, out = {0};
    tn_jdict *seen;
    TN_TRY(tn_jiterate(r, c->self, &list));
    TN_TRY(tn_jdict_new(r, 0, &seen));
    for (size_t i = 0; i < list.n; i++) {
        tn_jval key, found;
        TN_TRY(tn_jsort_key(r, list.item[i], c->arg[1], tn_jabsent(), tn_jarg_bool(c, 0, false), &key));
        TN_TRY(tn_jdict_get(r, seen, key, &found));
        if (found.type != TN_J_ABSENT) continue;
        TN_TRY(tn_jdict_set(r, seen, key, tn_jnone()));
        TN_TRY(tn_jlist_add(r, &out, list.item[i]));
    }
    return tn_jiterator_new(r, &out, "unique", ret);
}

/* min and max: the first of the items that none is less (greater) than. */
static int extreme(tn_jrun *r, const tn_jcall *c, int wanted, tn_jval *ret) {
    tn_jlist list;
    tn_jval best = tn_jabsent(), key;
    TN_TRY(tn_jiterate(r, c->self, &list));
    if (!list.n) return no_item(ret);
    for (size_t i = 0; i < list.n; i++) {
        int order = wanted;
        TN_TRY(tn_jsort_key(r, list.item[i], c->arg[1], tn_jabsent(), tn_jarg_bool(c, 0, false), &key));
        if (best.type != TN_J_ABSENT) TN_TRY(tn_jorder(r, key, best, &order));
        if (order != wanted) continue;
        best = key;
        *ret = list.item[i];
    }
    return 0;
}

static int filter_min(tn_jrun *r, const tn_jcall *c, tn_jval *ret) {
    return extreme(r, c, -1, ret);
}
static int filter_max(tn_jrun *r, const tn_jcall *c, tn_jval *ret) {
    return extreme(r, c, 1, ret);
}

static int filter_sum(tn_jrun *r, const tn_jcall *c, tn_jval *ret) {
    tn_jlist list;
    TN_TRY(tn_jiterate(r, c->self, &list));
    *ret = tn_jarg_given(c, 1) ? c->arg[1] : tn_jint(0);
    for (size_t i = 0; i < list.n; i++) {
        tn_jval v = list.item[i];
        if (tn_jarg_some(c, 0)) TN_TRY(tn_jattribute_of(r, v, c->arg[0], tn_jabsent(), &v));
        TN_TRY(tn_jbinary(r, TN_JT_ADD, *ret, v, ret));
    }
    return 0;
}

/* Items begin to end as a list, then fill as often as wanted. */
static int part_of(tn_jrun *r, const tn_jlist *list, size_t begin, size_t end, tn_jval fill, size_t n_fill,
                   tn_jval *ret) {
    tn_jlist *out;
    TN_TRY(tn_jlist_new(r, end - begin, &out));
    for (size_t i = begin; i < end; i++) TN_TRY(tn_jlist_add(r, out, list->item[i]));
    TN_TRY(tn_jsteps(r, n_fill));
    for (size_t i = 0; i < n_fill; i++) TN_TRY(tn_jlist_add(r, out, fill));
    *ret = tn_jof_list(TN_J_LIST, out);
    return 0;
}

static int positive(tn_jrun *r, const tn_jcall *c, size_t *ret) {
    int64_t n;
    TN_TRY(tn_jarg_int(r, c, 0, 1, &n));
    if (n < 1) return tn_jfail(r, TN_EINVAL, "%s() needs a positive number", c->native->name);
    *ret = (size_t)n;
    return 0;
}

static int filter_batch(tn_jrun *r, const tn_jcall *c, tn_jval *ret) {
    tn_jlist list, out = {0};
    size_t size;
    TN_TRY(positive(r, c, &size));
    TN_TRY(tn_jiterate(r, c->self, &list));
    for (size_t at = 0; at < list.n;) {
        size_t end = list.n - at < size ? list.n : at + size;
        tn_jval part;
        TN_TRY(part_of(r, &list, at, end, c->arg[1], tn_jarg_some(c, 1) ? at + size - end : 0, &part));
        TN_TRY(tn_jlist_add(r, &out, part));
        at = end;
    }
    return tn_jiterator_new(r, &out, "batch", ret);
}

static int filter_slice(tn_jrun *r, const tn_jcall *c, tn_jval *ret) {
    tn_jlist list, out = {0};
    size_t slices, at = 0;
    TN_TRY(positive(r, c, &slices));
    TN_TRY(tn_jiterate(r, c->self, &list));
    TN_TRY(tn_jsteps(r, slices));
    size_t each = list.n / slices, longer = list.n % slices;
    for (size_t i = 0; i < slices; i++) {
        size_t end = at + each + (i < longer);
        tn_jval part;
        TN_TRY(part_of(r, &list, at, end, c->arg[1], tn_jarg_some(c, 1) && i >= longer, &part));
        TN_TRY(tn_jlist_add(r, &out, part));
        at = end;
    }
    return tn_jiterator_new(r, &out, "slice", ret);
}

const tn_jnative tn_jfilters_items[] = {
    {"length", filter_length, "", 0},
    {"count", filter_length, "", 0},
    {"first", filter_first, "", 0},
    {"last", filter_last, "", 0},
    {"list", filter_list, "", 0},
    {"items", filter_items, "", 0},
    {"reverse", filter_reverse, "", 0},
    {"join", filter_join, "d attribute", 0},
    {"sort", filter_sort, "reverse case_sensitive attribute", 0},
    {"dictsort", filter_dictsort, "case_sensitive by reverse", 0},
    {"unique", filter_unique, "case_sensitive attribute", 0},
    {"min", filter_min, "case_sensitive attribute", 0},
    {"max", filter_max, "case_sensitive attribute", 0},
    {"sum", filter_sum, "attribute start", 0},
    {"batch", filter_batch, "linecount fill_with", 1},
    {"slice", filter_slice, "slices fill_with", 1},
    {NULL, NULL, NULL, 0},
};
