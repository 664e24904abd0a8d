/* SPDX-License-Identifier: Apache-2.0 */
/* Filters that apply a filter, a test or an attribute to every item. */
#include "text/jinja/chars.h"
#include "text/jinja/filters.h"
#include "text/jinja/literal.h"

int tn_jattribute_of(tn_jrun *r, tn_jval v, tn_jval attribute, tn_jval otherwise, tn_jval *ret) {
    *ret = v;
    if (!tn_jis_string(attribute)) {
        TN_TRY(tn_jgetitem(r, v, attribute, ret));
    } else {
        for (size_t at = 0; at <= attribute.len;) {
            const char *begin = attribute.u.s + at, *dot = memchr(begin, '.', attribute.len - at);
            size_t n = dot ? (size_t)(dot - begin) : attribute.len - at;
            int64_t index;
            bool number = n && *begin >= '0' && *begin <= '9' && tn_jparse_int(begin, n, 10, &index);
            TN_TRY(tn_jgetitem(r, *ret, number ? tn_jint(index) : tn_jstring(begin, n), ret));
            if (ret->type == TN_J_UNDEFINED && otherwise.type != TN_J_ABSENT) *ret = otherwise;
            at += n + 1;
        }
    }
    if (ret->type == TN_J_UNDEFINED && otherwise.type != TN_J_ABSENT) *ret = otherwise;
    return 0;
}

static int unknown(tn_jrun *r, const char *what, tn_jval name) {
    return tn_jfail(r, TN_ENOTSUP, "there is no %s '%.*s'", what, tn_jcut(name, 40), name.u.s);
}

/* The keyword argument of that name, or absent. */
static tn_jval keyword(const tn_jcall *c, const char *name) {
    for (size_t i = 0; i < c->args->n_keyword; i++)
        if (tn_jstring_is(c->args->keyword[i].name, name)) return c->args->keyword[i].value;
    return tn_jabsent();
}

static int map_attribute(tn_jrun *r, const tn_jcall *c, const tn_jlist *list, tn_jval attribute,
                         tn_jlist *out) {
    tn_jval otherwise = keyword(c, "default");
    if (c->args->n_keyword != 1u + (otherwise.type != TN_J_ABSENT))
        return tn_jfail(r, TN_EINVAL, "map() takes no keyword arguments but attribute and default");
    for (size_t i = 0; i < list->n; i++) {
        tn_jval v;
        TN_TRY(tn_jattribute_of(r, list->item[i], attribute, otherwise, &v));
        TN_TRY(tn_jlist_add(r, out, v));
    }
    return 0;
}

static int map_filter(tn_jrun *r, const tn_jcall *c, const tn_jlist *list, tn_jlist *out) {
    tn_jargs rest = *c->args;
    if (!rest.n_positional || !tn_jis_string(rest.positional[0]))
        return tn_jfail(r, TN_EINVAL, "map() needs the name of a filter or attribute=");
    const tn_jnative *filter = tn_jfilter_find(rest.positional[0]);
    if (!filter) return unknown(r, "filter", rest.positional[0]);
    rest.positional++;
    rest.n_positional--;
    TN_TRY(tn_jenter(r)); /* map may call map */
    for (size_t i = 0; i < list->n; i++) {
        tn_jval v;
        TN_TRY(tn_jnative_call(r, filter, list->item[i], &rest, &v));
        TN_TRY(tn_jlist_add(r, out, v));
    }
    r->depth--;
    return 0;
}

static int filter_map(tn_jrun *r, const tn_jcall *c, tn_jval *ret) {
    tn_jlist list, out = {0};
    tn_jval attribute = keyword(c, "attribute");
    if (!tn_jtruth(c->self)) return tn_jiterator_new(r, &out, "map", ret); /* none too */
    TN_TRY(tn_jiterate(r, c->self, &list));
    if (!c->args->n_positional && attribute.type != TN_J_ABSENT)
        TN_TRY(map_attribute(r, c, &list, attribute, &out));
    else
        TN_TRY(map_filter(r, c, &list, &out));
    return tn_jiterator_new(r, &out, "map", ret);
}

/* Whether v passes the test named by the first argument of args, or is true when there is none. */
static int passes(tn_jrun *r, tn_jval v, tn_jargs args, bool *ret) {
    if (args.n_positional) {
        tn_jval name = args.positional[0];
        if (!tn_jis_string(name)) return tn_jfail(r, TN_EINVAL, "the name of a test must be a string");
        const tn_jnative *test = tn_jtest_find(name);
        if (!test) return unknown(r, "test", name);
        args.positional++;
        args.n_positional--;
        TN_TRY(tn_jnative_call(r, test, v, &args, &v));
    }
    *ret = tn_jtruth(v);
    return 0;
}

/* The items for which the test says `wanted`. With attribute the first argument names what of each item is
 * tested. */
static int choose(tn_jrun *r, const tn_jcall *c, bool attribute, bool wanted, tn_jval *ret) {
    tn_jlist list, out = {0};
    tn_jargs args = *c->args;
    if (attribute && !args.n_positional)
        return tn_jfail(r, TN_EINVAL, "%s() needs the name of an attribute", c->native->name);
    if (!tn_jtruth(c->self)) return tn_jiterator_new(r, &out, c->native->name, ret); /* none too */
    TN_TRY(tn_jiterate(r, c->self, &list));
    if (attribute) args.positional++, args.n_positional--;
    for (size_t i = 0; i < list.n; i++) {
        tn_jval v = list.item[i];
        bool yes = false;
        if (attribute) TN_TRY(tn_jattribute_of(r, v, c->args->positional[0], tn_jabsent(), &v));
        TN_TRY(passes(r, v, args, &yes));
        if (yes == wanted) TN_TRY(tn_jlist_add(r, &out, list.item[i]));
    }
    return tn_jiterator_new(r, &out, c->native->name, ret);
}

static int filter_select(tn_jrun *r, const tn_jcall *c, tn_jval *ret) {
    return choose(r, c, false, true, ret);
}
static int filter_reject(tn_jrun *r, const tn_jcall *c, tn_jval *ret) {
    return choose(r, c, false, false, ret);
}
static int filter_selectattr(tn_jrun *r, const tn_jcall *c, tn_jval *ret) {
    return choose(r, c, true, true, ret);
}
static int filter_rejectattr(tn_jrun *r, const tn_jcall *c, tn_jval *ret) {
    return choose(r, c, true, false, ret);
}

static int filter_attr(tn_jrun *r, const tn_jcall *c, tn_jval *ret) {
    tn_jval name;
    TN_TRY(tn_jto_str(r, c->arg[0], &name));
    /* Attributes only, not keys: a dict's keys are out of its reach. */
    if (c->self.type != TN_J_DICT) return tn_jgetattr(r, c->self, name, ret);
    tn_jdict empty = {0};
    TN_TRY(tn_jgetattr(r, tn_jof_dict(TN_J_DICT, &empty), name, ret));
    return ret->type == TN_J_METHOD ? tn_jgetattr(r, c->self, name, ret) : 0;
}

/* Groups in the order of their keys, each (key, items in their order). A key is shown as its first item has
 * it. */
static int filter_groupby(tn_jrun *r, const tn_jcall *c, tn_jval *ret) {
    tn_jlist list, *keys, *out, *group = NULL;
    size_t *order;
    bool cased = tn_jarg_bool(c, 2, false), same = false;
    TN_TRY(tn_jiterate(r, c->self, &list));
    TN_TRY(tn_jlist_new(r, list.n, &keys));
    TN_TRY(tn_jlist_new(r, 0, &out));
    for (size_t i = 0; i < list.n; i++) {
        tn_jval key;
        TN_TRY(tn_jsort_key(r, list.item[i], c->arg[0], c->arg[1], cased, &key));
        TN_TRY(tn_jlist_add(r, keys, key));
    }
    TN_TRY(tn_jsort(r, keys->item, keys->n, false, &order));
    for (size_t i = 0; i < list.n; i++) {
        size_t at = order[i];
        if (i) TN_TRY(tn_jequal(r, keys->item[order[i - 1]], keys->item[at], &same));
        if (!same) {
            tn_jval shown, pair;
            TN_TRY(tn_jlist_new(r, 1, &group));
            TN_TRY(tn_jsort_key(r, list.item[at], c->arg[0], c->arg[1], true, &shown));
            TN_TRY(tn_jpair(r, shown, tn_jof_list(TN_J_LIST, group), &pair));
            pair.flags = TN_J_GROUP;
            TN_TRY(tn_jlist_add(r, out, pair));
        }
        TN_TRY(tn_jlist_add(r, group, list.item[at]));
    }
    *ret = tn_jof_list(TN_J_LIST, out);
    return 0;
}

static int filter_default(tn_jrun *r, const tn_jcall *c, tn_jval *ret) {
    bool missing = c->self.type == TN_J_UNDEFINED || (tn_jarg_bool(c, 1, false) && !tn_jtruth(c->self));
    *ret = !missing ? c->self : tn_jarg_given(c, 0) ? c->arg[0] : tn_jstringz("");
    return 0;
}

const tn_jnative tn_jfilters_select[] = {
    {"map", filter_map, NULL, 0},
    {"select", filter_select, NULL, 0},
    {"reject", filter_reject, NULL, 0},
    {"selectattr", filter_selectattr, NULL, 0},
    {"rejectattr", filter_rejectattr, NULL, 0},
    {"attr", filter_attr, "name", 1},
    {"groupby", filter_groupby, "attribute default case_sensitive", 1},
    {"default", filter_default, "default_value boolean", 0},
    {"d", filter_default, "default_value boolean", 0},
    {NULL, NULL, NULL, 0},
};
