/* SPDX-License-Identifier: Apache-2.0 */
/* Equality, order and membership. */
#include <math.h>

#include "text/jinja/ops.h"

static int equal_lists(tn_jrun *r, const tn_jlist *a, const tn_jlist *b, bool *ret) {
    *ret = a->n == b->n;
    if (a == b) return 0;
    TN_TRY(tn_jnest_enter(r));
    for (size_t i = 0; *ret && i < a->n; i++) TN_TRY(tn_jequal(r, a->item[i], b->item[i], ret));
    tn_jnest_leave(r);
    return 0;
}

static int equal_dicts(tn_jrun *r, const tn_jdict *a, const tn_jdict *b, bool *ret) {
    *ret = a->n == b->n;
    if (a == b) return 0;
    TN_TRY(tn_jnest_enter(r));
    for (size_t i = 0; *ret && i < a->n; i++) {
        tn_jval other;
        TN_TRY(tn_jdict_get(r, b, a->entry[i].key, &other));
        if (other.type == TN_J_ABSENT)
            *ret = false;
        else
            TN_TRY(tn_jequal(r, a->entry[i].value, other, ret));
    }
    tn_jnest_leave(r);
    return 0;
}

static bool equal_ranges(const tn_jrange *a, const tn_jrange *b) {
    return a->n == b->n && (a->n == 0 || (a->start == b->start && (a->n == 1 || a->step == b->step)));
}

int tn_jequal(tn_jrun *r, tn_jval a, tn_jval b, bool *ret) {
    TN_TRY(tn_jsteps(r, 1));
    if (tn_jis_number(a) && tn_jis_number(b)) {
        *ret = tn_jis_int(a) && tn_jis_int(b) ? tn_jas_int(a) == tn_jas_int(b)
                                              : tn_jas_float(a) == tn_jas_float(b);
        return 0;
    }
    *ret = false;
    if (a.type != b.type) return 0;
    switch (a.type) {
    case TN_J_UNDEFINED:
    case TN_J_NONE: *ret = true; return 0;
    case TN_J_STRING:
        *ret = a.len == b.len && (a.len == 0 || memcmp(a.u.s, b.u.s, a.len) == 0);
        return tn_jscan(r, a.len == b.len ? a.len : 0);
    case TN_J_LIST:
    case TN_J_TUPLE: return equal_lists(r, a.u.list, b.u.list, ret);
    case TN_J_DICT: return equal_dicts(r, a.u.dict, b.u.dict, ret);
    case TN_J_RANGE: *ret = equal_ranges(a.u.range, b.u.range); return 0;
    default: *ret = a.u.s == b.u.s; return 0;
    }
}

static int order_numbers(tn_jval a, tn_jval b) {
    if (tn_jis_int(a) && tn_jis_int(b)) {
        int64_t x = tn_jas_int(a), y = tn_jas_int(b);
        return (x > y) - (x < y);
    }
    double x = tn_jas_float(a), y = tn_jas_float(b);
    return isnan(x) || isnan(y) ? 2 : (x > y) - (x < y);
}

/* Bytes of UTF-8 order as their code points do. */
static int order_strings(tn_jval a, tn_jval b) {
    size_t n = a.len < b.len ? a.len : b.len;
    int c = n ? memcmp(a.u.s, b.u.s, n) : 0;
    if (c) return c < 0 ? -1 : 1;
    return (a.len > b.len) - (a.len < b.len);
}

static int order_lists(tn_jrun *r, const tn_jlist *a, const tn_jlist *b, int *ret) {
    size_t n = a->n < b->n ? a->n : b->n;
    TN_TRY(tn_jnest_enter(r));
    for (size_t i = 0; i < n; i++) {
        bool same;
        TN_TRY(tn_jequal(r, a->item[i], b->item[i], &same));
        if (same) continue;
        tn_jnest_leave(r);
        return tn_jorder(r, a->item[i], b->item[i], ret);
    }
    tn_jnest_leave(r);
    *ret = (a->n > b->n) - (a->n < b->n);
    return 0;
}

int tn_jorder(tn_jrun *r, tn_jval a, tn_jval b, int *ret) {
    TN_TRY(tn_jsteps(r, 1));
    if (tn_jis_number(a) && tn_jis_number(b)) {
        *ret = order_numbers(a, b);
        return 0;
    }
    if (tn_jis_string(a) && tn_jis_string(b)) {
        *ret = order_strings(a, b);
        return tn_jscan(r, a.len < b.len ? a.len : b.len);
    }
    if (tn_jis_list(a) && a.type == b.type) {
        TN_TRY(tn_jnest_enter(r));
        TN_TRY(order_lists(r, a.u.list, b.u.list, ret));
        tn_jnest_leave(r);
        return 0;
    }
    if (a.type == TN_J_UNDEFINED) return tn_jundefined_error(r, a);
    if (b.type == TN_J_UNDEFINED) return tn_jundefined_error(r, b);
    return tn_jfail(r, TN_EINVAL, "'%s' and '%s' have no order between them", tn_jtype_name(a),
                    tn_jtype_name(b));
}

static int contains_string(tn_jrun *r, tn_jval s, tn_jval part, bool *ret) {
    if (part.type == TN_J_UNDEFINED) return tn_jundefined_error(r, part);
    if (!tn_jis_string(part))
        return tn_jfail(r, TN_EINVAL, "'in <string>' requires string as left operand, not %s",
                        tn_jtype_name(part));
    *ret = part.len == 0 || (s.len && memmem(s.u.s, s.len, part.u.s, part.len) != NULL);
    return tn_jscan(r, s.len);
}

int tn_jcontains(tn_jrun *r, tn_jval container, tn_jval item, bool *ret) {
    tn_jlist list;
    tn_jval found;
    *ret = false;
    switch (container.type) {
    case TN_J_STRING: return contains_string(r, container, item, ret);
    case TN_J_DICT:
        TN_TRY(tn_jcheck_key(r, item));
        TN_TRY(tn_jdict_get(r, container.u.dict, item, &found));
        *ret = found.type != TN_J_ABSENT;
        return 0;
    case TN_J_UNDEFINED:
    case TN_J_LIST:
    case TN_J_TUPLE:
    case TN_J_VIEW:
    case TN_J_RANGE:
    case TN_J_ITERATOR: break;
    default: return tn_jfail(r, TN_EINVAL, "argument of type '%s' is not iterable", tn_jtype_name(container));
    }
    TN_TRY(tn_jiterate(r, container, &list));
    for (size_t i = 0; !*ret && i < list.n; i++) TN_TRY(tn_jequal(r, list.item[i], item, ret));
    return 0;
}

int tn_jcompare_values(tn_jrun *r, tn_jcompare op, tn_jval a, tn_jval b, bool *ret) {
    int order = 0;
    switch (op) {
    case TN_JC_EQ: return tn_jequal(r, a, b, ret);
    case TN_JC_NE:
        TN_TRY(tn_jequal(r, a, b, ret));
        *ret = !*ret;
        return 0;
    case TN_JC_IN: return tn_jcontains(r, b, a, ret);
    case TN_JC_NOT_IN:
        TN_TRY(tn_jcontains(r, b, a, ret));
        *ret = !*ret;
        return 0;
    default: break;
    }
    TN_TRY(tn_jorder(r, a, b, &order));
    switch (op) {
    case TN_JC_LT: *ret = order == -1; break;
    case TN_JC_LE: *ret = order == -1 || order == 0; break;
    case TN_JC_GT: *ret = order == 1; break;
    default: *ret = order == 1 || order == 0; break;
    }
    return 0;
}
