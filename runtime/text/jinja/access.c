/* SPDX-License-Identifier: Apache-2.0 */
/* Attributes, items and slices. `a.b` looks for an attribute first and for a key second, `a['b']` the other
 * way round: `message.items` is dict's method even when there is a key of that name. */
#include "text/jinja/eval.h"
#include "text/jinja/native.h"
#include "text/jinja/ops.h"
#include "text/jinja/chars.h"

int tn_jundefined_error(tn_jrun *r, tn_jval v) {
    int n = tn_jcut(v, 80);
    const char *owner = tn_jtype_name((tn_jval){.type = (uint8_t)v.owner});
    switch (v.flags) {
    case TN_J_UNDEF_ATTRIBUTE:
        if (v.owner == TN_J_NONE) return tn_jfail(r, TN_EINVAL, "None has no attribute '%.*s'", n, v.u.s);
        return tn_jfail(r, TN_EINVAL, "'%s object' has no attribute '%.*s'", owner, n, v.u.s);
    case TN_J_UNDEF_ITEM:
        return tn_jfail(r, TN_EINVAL, "'%s object' has no such element: it is undefined", owner);
    case TN_J_UNDEF_UNSAFE:
        return tn_jfail(r, TN_EINVAL,
                        "access to attribute '%.*s' of '%s' object is unsafe: values cannot be changed", n,
                        v.u.s, owner);
    case TN_J_UNDEF_TEXT: return tn_jfail(r, TN_EINVAL, "%.*s", n, v.u.s);
    default: return tn_jfail(r, TN_EINVAL, "'%.*s' is undefined", n, v.u.s);
    }
}

/* The method `name` bound to object, undefined if it would change object, absent when there is none. */
static int get_method(tn_jrun *r, tn_jval object, tn_jval name, tn_jval *ret) {
    bool mutates = false;
    const tn_jnative *native = tn_jmethod_find(object, name, &mutates);
    *ret = tn_jabsent();
    if (mutates) *ret = tn_jundefined(TN_J_UNDEF_UNSAFE, (tn_jtype)object.type, name.u.s, name.len);
    if (!native) return 0;
    tn_jmethod *m = tn_jalloc(r, sizeof *m);
    if (!m) return tn_jnomem(r);
    *m = (tn_jmethod){object, native};
    *ret = (tn_jval){.type = TN_J_METHOD, .u.method = m};
    return 0;
}

static int get_attribute(tn_jrun *r, tn_jval object, tn_jval name, tn_jval *ret) {
    switch (object.type) {
    case TN_J_NAMESPACE: return tn_jdict_get(r, object.u.dict, name, ret);
    case TN_J_LOOP: TN_TRY(tn_jloop_attr(r, object, name, ret)); break;
    case TN_J_MACRO: TN_TRY(tn_jmacro_attr(r, object, name, ret)); break;
    case TN_J_TUPLE:
        *ret = tn_jabsent();
        if (object.flags & TN_J_GROUP && tn_jstring_is(name, "grouper")) *ret = object.u.list->item[0];
        if (object.flags & TN_J_GROUP && tn_jstring_is(name, "list")) *ret = object.u.list->item[1];
        break;
    case TN_J_CYCLER:
        *ret = tn_jabsent();
        if (tn_jstring_is(name, "current")) *ret = object.u.cycler->list.item[object.u.cycler->next];
        break;
    default: *ret = tn_jabsent();
    }
    return ret->type == TN_J_ABSENT ? get_method(r, object, name, ret) : 0;
}

int tn_jgetattr(tn_jrun *r, tn_jval object, tn_jval name, tn_jval *ret) {
    if (object.type == TN_J_UNDEFINED) return tn_jundefined_error(r, object);
    TN_TRY(get_attribute(r, object, name, ret));
    if (ret->type == TN_J_ABSENT && object.type == TN_J_DICT)
        TN_TRY(tn_jdict_get(r, object.u.dict, name, ret));
    if (ret->type == TN_J_ABSENT)
        *ret = tn_jundefined(TN_J_UNDEF_ATTRIBUTE, (tn_jtype)object.type, name.u.s, name.len);
    return 0;
}

/* Item i of n, counted from the end if negative; false when there is none. */
static bool in_range(int64_t i, size_t n, size_t *ret) {
    if (i < 0) i += (int64_t)n;
    *ret = (size_t)i;
    return i >= 0 && (uint64_t)i < n;
}

static int string_item(tn_jrun *r, tn_jval s, int64_t i, tn_jval *ret) {
    size_t at, n = tn_jutf8_count(s.u.s, s.len);
    uint32_t cp;
    TN_TRY(tn_jscan(r, s.len));
    *ret = tn_jabsent();
    if (!in_range(i, n, &at)) return 0;
    if (n != s.len) at = tn_jutf8_offset(s.u.s, s.len, at);
    *ret = tn_jstring_as(s, s.u.s + at, tn_jutf8_next(s.u.s + at, s.len - at, &cp));
    return 0;
}

/* object[key] proper; absent when there is no such item. */
static int get_item(tn_jrun *r, tn_jval object, tn_jval key, tn_jval *ret) {
    size_t at;
    *ret = tn_jabsent();
    if (object.type == TN_J_DICT) return tn_jdict_get(r, object.u.dict, key, ret);
    if (!tn_jis_int(key)) return 0;
    switch (object.type) {
    case TN_J_STRING: return string_item(r, object, tn_jas_int(key), ret);
    case TN_J_LIST:
    case TN_J_TUPLE:
        if (in_range(tn_jas_int(key), object.u.list->n, &at)) *ret = object.u.list->item[at];
        return 0;
    case TN_J_RANGE:
        if (in_range(tn_jas_int(key), object.u.range->n, &at)) *ret = tn_jrange_item(object.u.range, at);
        return 0;
    case TN_J_LOOP: return tn_jfail(r, TN_EINVAL, "loop has no items");
    default: return 0;
    }
}

int tn_jgetitem(tn_jrun *r, tn_jval object, tn_jval key, tn_jval *ret) {
    if (object.type == TN_J_UNDEFINED) return tn_jundefined_error(r, object);
    TN_TRY(get_item(r, object, key, ret));
    if (ret->type != TN_J_ABSENT) return 0;
    if (tn_jis_string(key)) {
        TN_TRY(get_attribute(r, object, key, ret));
        if (ret->type == TN_J_ABSENT)
            *ret = tn_jundefined(TN_J_UNDEF_ATTRIBUTE, (tn_jtype)object.type, key.u.s, key.len);
    } else {
        *ret = tn_jundefined(TN_J_UNDEF_ITEM, (tn_jtype)object.type, "", 0);
    }
    return 0;
}

typedef struct slice {
    int64_t start, stop, step;
    size_t n; /* items it takes */
} slice;

static int64_t clamp(int64_t i, int64_t low, int64_t high) {
    return i < low ? low : i > high ? high : i;
}

static int slice_part(tn_jrun *r, tn_jval v, int64_t otherwise, int64_t *ret) {
    *ret = otherwise;
    if (v.type == TN_J_ABSENT || v.type == TN_J_NONE) return 0;
    if (!tn_jis_int(v))
        return tn_jfail(r, TN_EINVAL, "slice indices must be integers or none, not %s", tn_jtype_name(v));
    *ret = tn_jas_int(v);
    return 0;
}

/* Which items of n a slice takes. */
static int resolve_slice(tn_jrun *r, const tn_jval part[3], size_t n, slice *ret) {
    int64_t len = (int64_t)n, low, high;
    TN_TRY(slice_part(r, part[2], 1, &ret->step));
    if (ret->step == 0) return tn_jfail(r, TN_EINVAL, "slice step cannot be zero");
    ret->step = clamp(ret->step, -INT64_MAX, INT64_MAX);
    bool down = ret->step < 0;
    low = down ? -1 : 0;
    high = down ? len - 1 : len;
    TN_TRY(slice_part(r, part[0], down ? len - 1 : 0, &ret->start));
    TN_TRY(slice_part(r, part[1], down ? -len - 1 : len, &ret->stop));
    if (ret->start < 0) ret->start = ret->start < -len ? low : ret->start + len;
    if (ret->stop < 0) ret->stop = ret->stop < -len ? low : ret->stop + len;
    ret->start =
        clamp(part[0].type == TN_J_ABSENT || part[0].type == TN_J_NONE ? (down ? len - 1 : 0) : ret->start,
              low, high);
    ret->stop = clamp(ret->stop, low, high);
    ret->n = 0;
    if (down && ret->start > ret->stop) ret->n = (size_t)((ret->start - ret->stop - 1) / -ret->step + 1);
    if (!down && ret->stop > ret->start) ret->n = (size_t)((ret->stop - ret->start - 1) / ret->step + 1);
    return 0;
}

/* Byte offset of every code point, and the end. */
static int char_offsets(tn_jrun *r, tn_jval v, size_t n, size_t **ret) {
    size_t k = 0, *at = tn_jalloc(r, (n + 1) * sizeof *at);
    if (!at) return tn_jnomem(r);
    for (size_t i = 0; i < v.len; i++)
        if (((unsigned char)v.u.s[i] & 0xc0) != 0x80) at[k++] = i;
    at[k] = v.len;
    *ret = at;
    return 0;
}

static int slice_string(tn_jrun *r, tn_jval v, const tn_jval part[3], tn_jval *ret) {
    size_t n = tn_jutf8_count(v.u.s, v.len), *at = NULL;
    tn_jsink sink = {0};
    slice s;
    TN_TRY(resolve_slice(r, part, n, &s));
    TN_TRY(tn_jscan(r, v.len));
    if (s.step == 1) {
        size_t begin = n == v.len ? (size_t)s.start : tn_jutf8_offset(v.u.s, v.len, (size_t)s.start);
        size_t len = n == v.len ? s.n : tn_jutf8_offset(v.u.s + begin, v.len - begin, s.n);
        *ret = tn_jstring_as(v, v.u.s + begin, s.n ? len : 0);
        return 0;
    }
    if (n != v.len) TN_TRY(char_offsets(r, v, n, &at));
    for (size_t i = 0; i < s.n; i++) {
        size_t k = (size_t)(s.start + (int64_t)i * s.step);
        TN_TRY(at ? tn_jsink_add(r, &sink, v.u.s + at[k], at[k + 1] - at[k])
                  : tn_jsink_addc(r, &sink, v.u.s[k]));
    }
    *ret = tn_jstring_as(v, sink.data ? sink.data : "", sink.len);
    return 0;
}

static int slice_list(tn_jrun *r, tn_jval v, const tn_jval part[3], tn_jval *ret) {
    tn_jlist *list;
    slice s;
    TN_TRY(resolve_slice(r, part, v.u.list->n, &s));
    TN_TRY(tn_jsteps(r, s.n / 16));
    TN_TRY(tn_jlist_new(r, s.step == 1 ? 0 : s.n, &list));
    if (s.step == 1)
        list->item = v.u.list->item ? v.u.list->item + s.start : NULL;
    else
        for (size_t i = 0; i < s.n; i++) list->item[i] = v.u.list->item[s.start + (int64_t)i * s.step];
    list->n = list->cap = s.n;
    *ret = tn_jof_list((tn_jtype)v.type, list);
    return 0;
}

/* Where position i lies, one before the first and one after the last included; at the ends of 64 bits it
 * wraps, which only what is printed can show. */
static int64_t range_at(const tn_jrange *v, int64_t i) {
    return (int64_t)((uint64_t)v->start + (uint64_t)i * (uint64_t)v->step);
}

static int slice_range(tn_jrun *r, const tn_jrange *v, const tn_jval part[3], tn_jval *ret) {
    slice s;
    TN_TRY(resolve_slice(r, part, v->n, &s));
    tn_jrange *out = tn_jalloc(r, sizeof *out);
    if (!out) return tn_jnomem(r);
    *out = (tn_jrange){range_at(v, s.start), range_at(v, s.stop), s.n > 1 ? v->step * s.step : v->step, s.n};
    *ret = (tn_jval){.type = TN_J_RANGE, .u.range = out};
    return 0;
}

int tn_jslice(tn_jrun *r, tn_jval object, const tn_jval part[3], tn_jval *ret) {
    switch (object.type) {
    case TN_J_UNDEFINED: return tn_jundefined_error(r, object);
    case TN_J_STRING: return slice_string(r, object, part, ret);
    case TN_J_LIST:
    case TN_J_TUPLE: return slice_list(r, object, part, ret);
    case TN_J_RANGE: return slice_range(r, object.u.range, part, ret);
    default: return tn_jfail(r, TN_EINVAL, "'%s' object cannot be sliced", tn_jtype_name(object));
    }
}
