/* SPDX-License-Identifier: Apache-2.0 */
/* Functions of the environment. */
#include "text/jinja/chars.h"
#include "text/jinja/eval.h"
#include "text/jinja/native.h"
#include "text/jinja/ops.h"
#include "text/jinja/strftime.h"

#define RANGE_MAX 100000 /* items, as in Jinja's sandbox */

static int new_range(tn_jrun *r, int64_t start, int64_t stop, int64_t step, tn_jval *ret) {
    if (step == 0) return tn_jfail(r, TN_EINVAL, "range() step must not be zero");
    uint64_t span = 0, stride = step > 0 ? (uint64_t)step : 0 - (uint64_t)step;
    if (step > 0 && stop > start) span = (uint64_t)stop - (uint64_t)start;
    if (step < 0 && stop < start) span = (uint64_t)start - (uint64_t)stop;
    uint64_t n = span / stride + (span % stride != 0);
    if (n > RANGE_MAX)
        return tn_jfail(r, TN_ELIMIT, "range() of %llu items: at most %d are allowed", (unsigned long long)n,
                        RANGE_MAX);
    tn_jrange *range = tn_jalloc(r, sizeof *range);
    if (!range) return tn_jnomem(r);
    *range = (tn_jrange){start, stop, step, (size_t)n};
    *ret = (tn_jval){.type = TN_J_RANGE, .u.range = range};
    return 0;
}

static int global_range(tn_jrun *r, const tn_jcall *c, tn_jval *ret) {
    int64_t a, b, step;
    TN_TRY(tn_jarg_int(r, c, 0, 0, &a));
    TN_TRY(tn_jarg_int(r, c, 1, 0, &b));
    TN_TRY(tn_jarg_int(r, c, 2, 1, &step));
    return tn_jarg_given(c, 1) ? new_range(r, a, b, step, ret) : new_range(r, 0, a, 1, ret);
}

/* A list of pairs into d. */
static int add_pairs(tn_jrun *r, tn_jdict *d, tn_jval pairs) {
    tn_jlist list, pair;
    TN_TRY(tn_jiterate(r, pairs, &list));
    for (size_t i = 0; i < list.n; i++) {
        TN_TRY(tn_jiterate(r, list.item[i], &pair));
        if (pair.n != 2) return tn_jfail(r, TN_EINVAL, "item %zu is no pair of key and value", i);
        TN_TRY(tn_jdict_set(r, d, pair.item[0], pair.item[1]));
    }
    return 0;
}

/* dict(...) and namespace(...): a dict or pairs, then keywords. */
static int new_dict(tn_jrun *r, const tn_jcall *c, tn_jdict **ret) {
    if (c->args->n_positional > 1)
        return tn_jfail(r, TN_EINVAL, "%s() takes at most 1 argument besides keywords", c->native->name);
    TN_TRY(tn_jdict_new(r, c->args->n_keyword, ret));
    if (c->args->n_positional) {
        tn_jval from = c->args->positional[0];
        if (from.type != TN_J_DICT) TN_TRY(add_pairs(r, *ret, from));
        for (size_t i = 0; from.type == TN_J_DICT && i < from.u.dict->n; i++)
            TN_TRY(tn_jdict_set(r, *ret, from.u.dict->entry[i].key, from.u.dict->entry[i].value));
    }
    for (size_t i = 0; i < c->args->n_keyword; i++)
        TN_TRY(tn_jdict_set(r, *ret, c->args->keyword[i].name, c->args->keyword[i].value));
    return 0;
}

static int global_dict(tn_jrun *r, const tn_jcall *c, tn_jval *ret) {
    tn_jdict *d;
    TN_TRY(new_dict(r, c, &d));
    *ret = tn_jof_dict(TN_J_DICT, d);
    return 0;
}

static int global_namespace(tn_jrun *r, const tn_jcall *c, tn_jval *ret) {
    tn_jdict *d;
    TN_TRY(new_dict(r, c, &d));
    *ret = tn_jof_dict(TN_J_NAMESPACE, d);
    return 0;
}

static int new_cycler(tn_jrun *r, tn_jtype type, const tn_jval *item, size_t n, tn_jval *ret) {
    tn_jcycler *cycler = tn_jzalloc(r, sizeof *cycler);
    if (!cycler) return tn_jnomem(r);
    for (size_t i = 0; i < n; i++) TN_TRY(tn_jlist_add(r, &cycler->list, item[i]));
    *ret = (tn_jval){.type = (uint8_t)type, .u.cycler = cycler};
    return 0;
}

static int global_cycler(tn_jrun *r, const tn_jcall *c, tn_jval *ret) {
    if (!c->args->n_positional) return tn_jfail(r, TN_EINVAL, "cycler() needs at least one item");
    return new_cycler(r, TN_J_CYCLER, c->args->positional, c->args->n_positional, ret);
}

static int global_joiner(tn_jrun *r, const tn_jcall *c, tn_jval *ret) {
    tn_jval separator;
    TN_TRY(tn_jarg_string(r, c, 0, ", ", &separator));
    return new_cycler(r, TN_J_JOINER, &separator, 1, ret);
}

static int cycler_next(tn_jrun *r, const tn_jcall *c, tn_jval *ret) {
    tn_jcycler *cycler = c->self.u.cycler;
    *ret = cycler->list.item[cycler->next];
    cycler->next = (cycler->next + 1) % cycler->list.n;
    return 0;
}

static int cycler_reset(tn_jrun *r, const tn_jcall *c, tn_jval *ret) {
    c->self.u.cycler->next = 0;
    *ret = tn_jnone();
    return 0;
}

/* The message alone, cut between characters where the error object is too small for it. */
static int global_raise(tn_jrun *r, const tn_jcall *c, tn_jval *ret) {
    tn_jval s;
    TN_TRY(tn_jto_str(r, c->arg[0], &s));
    return tn_fail(r->err, TN_ERAISED, "%.*s", tn_jcut(s, sizeof r->err->text - 1), s.u.s);
}

static int global_strftime_now(tn_jrun *r, const tn_jcall *c, tn_jval *ret) {
    tn_jval format;
    TN_TRY(tn_jarg_string(r, c, 0, "", &format));
    return tn_jstrftime(r, format, ret);
}

static const tn_jnative globals[] = {
    {"range", global_range, "start stop step", 1},
    {"dict", global_dict, NULL, 0},
    {"namespace", global_namespace, NULL, 0},
    {"cycler", global_cycler, NULL, 0},
    {"joiner", global_joiner, "sep", 0},
    {"raise_exception", global_raise, "message", 1},
    {"strftime_now", global_strftime_now, "format", 1},
    {NULL, NULL, NULL, 0},
};

static const tn_jnative cycler_methods[] = {
    {"next", cycler_next, "", 0},
    {"reset", cycler_reset, "", 0},
    {NULL, NULL, NULL, 0},
};

const tn_jnative *tn_jglobal_find(tn_jval name) {
    return tn_jnative_in(globals, name);
}

static int dict_view(tn_jrun *r, const tn_jcall *c, char what, tn_jval *ret) {
    const tn_jdict *d = c->self.u.dict;
    tn_jlist *list;
    TN_TRY(tn_jsteps(r, d->n / 8));
    TN_TRY(tn_jlist_new(r, d->n, &list));
    for (size_t i = 0; i < d->n; i++) {
        tn_jval v = what == 'k' ? d->entry[i].key : d->entry[i].value;
        if (what == 'i') TN_TRY(tn_jpair(r, d->entry[i].key, d->entry[i].value, &v));
        TN_TRY(tn_jlist_add(r, list, v));
    }
    *ret = tn_jof_list(TN_J_VIEW, list);
    ret->owner = (uint16_t)what;
    return 0;
}

static int dict_items(tn_jrun *r, const tn_jcall *c, tn_jval *ret) {
    return dict_view(r, c, 'i', ret);
}
static int dict_keys(tn_jrun *r, const tn_jcall *c, tn_jval *ret) {
    return dict_view(r, c, 'k', ret);
}
static int dict_values(tn_jrun *r, const tn_jcall *c, tn_jval *ret) {
    return dict_view(r, c, 'v', ret);
}

static int dict_get(tn_jrun *r, const tn_jcall *c, tn_jval *ret) {
    TN_TRY(tn_jcheck_key(r, c->arg[0]));
    TN_TRY(tn_jdict_get(r, c->self.u.dict, c->arg[0], ret));
    if (ret->type == TN_J_ABSENT) *ret = tn_jarg_given(c, 1) ? c->arg[1] : tn_jnone();
    return 0;
}

/* Values never change, so a copy is the value itself. */
static int value_copy(tn_jrun *r, const tn_jcall *c, tn_jval *ret) {
    *ret = c->self;
    return 0;
}

static int list_count(tn_jrun *r, const tn_jcall *c, tn_jval *ret) {
    int64_t n = 0;
    for (size_t i = 0; i < c->self.u.list->n; i++) {
        bool same;
        TN_TRY(tn_jequal(r, c->self.u.list->item[i], c->arg[0], &same));
        n += same;
    }
    *ret = tn_jint(n);
    return 0;
}

static int list_index(tn_jrun *r, const tn_jcall *c, tn_jval *ret) {
    int64_t n = (int64_t)c->self.u.list->n, start, stop;
    TN_TRY(tn_jarg_int(r, c, 1, 0, &start));
    TN_TRY(tn_jarg_int(r, c, 2, n, &stop));
    if (start < 0) start = start + n < 0 ? 0 : start + n;
    if (stop < 0) stop += n;
    for (int64_t i = start; i < stop && i < n; i++) {
        bool same;
        TN_TRY(tn_jequal(r, c->self.u.list->item[i], c->arg[0], &same));
        if (!same) continue;
        *ret = tn_jint(i);
        return 0;
    }
    return tn_jfail(r, TN_EINVAL, "index(): the value is not in the list");
}

static const tn_jnative dict_methods[] = {
    {"items", dict_items, "", 0},        {"keys", dict_keys, "", 0},  {"values", dict_values, "", 0},
    {"get", dict_get, "key default", 1}, {"copy", value_copy, "", 0}, {NULL, NULL, NULL, 0},
};

static const tn_jnative list_methods[] = {
    {"index", list_index, "value start stop", 1},
    {"count", list_count, "value", 1},
    {"copy", value_copy, "", 0}, /* last: tuples have none */
    {NULL, NULL, NULL, 0},
};

static bool among(tn_jval name, const char *const *names) {
    for (; *names; names++)
        if (tn_jstring_is(name, *names)) return true;
    return false;
}

const tn_jnative *tn_jmethod_find(tn_jval v, tn_jval name, bool *ret_mutates) {
    static const char *const of_dict[] = {"clear", "pop", "popitem", "setdefault", "update", NULL};
    static const char *const of_list[] = {"append", "clear",   "extend", "insert", "pop",
                                          "remove", "reverse", "sort",   NULL};
    *ret_mutates =
        (v.type == TN_J_DICT && among(name, of_dict)) || (v.type == TN_J_LIST && among(name, of_list));
    switch (v.type) {
    case TN_J_STRING: return tn_jstring_method_find(name);
    case TN_J_DICT: return tn_jnative_in(dict_methods, name);
    case TN_J_TUPLE: return tn_jstring_is(name, "copy") ? NULL : tn_jnative_in(list_methods, name);
    case TN_J_LIST: return tn_jnative_in(list_methods, name);
    case TN_J_LOOP: return tn_jnative_in(tn_jloop_methods, name);
    case TN_J_CYCLER: return tn_jnative_in(cycler_methods, name);
    default: return NULL;
    }
}
