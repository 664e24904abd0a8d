/* SPDX-License-Identifier: Apache-2.0 */
/* Methods of strings that look for something: find, count, startswith, split, replace and their like. */
#include "text/jinja/native.h"
#include "text/jinja/strings.h"
#include "text/jinja/chars.h"

/* The part of self that arguments first and first + 1 name (start and end, in characters). False when start
 * lies behind the end of the string: then not even an empty string is found. */
static int range_of(tn_jrun *r, const tn_jcall *c, int first, tn_jval *ret, size_t *ret_start, bool *ret_ok) {
    tn_jval s = c->self;
    int64_t n = (int64_t)tn_jutf8_count(s.u.s, s.len), start = 0, end = n;
    if (tn_jarg_some(c, first)) TN_TRY(tn_jarg_int(r, c, first, 0, &start));
    if (tn_jarg_some(c, first + 1)) TN_TRY(tn_jarg_int(r, c, first + 1, n, &end));
    if (start < 0) start = start < -n ? 0 : start + n;
    if (end < 0) end = end < -n ? 0 : end + n;
    if (end > n) end = n;
    *ret_ok = start <= end;
    if (!*ret_ok) return 0;
    size_t from = tn_jutf8_offset(s.u.s, s.len, (size_t)start);
    *ret_start = (size_t)start;
    *ret = tn_jstring(s.u.s + from, tn_jutf8_offset(s.u.s + from, s.len - from, (size_t)(end - start)));
    return 0;
}

/* Offset of the first or last occurrence of part in s, or -1. */
static ptrdiff_t search(tn_jval s, tn_jval part, bool last) {
    if (part.len > s.len) return -1;
    if (!part.len) return last ? (ptrdiff_t)s.len : 0;
    if (!last) {
        const char *p = memmem(s.u.s, s.len, part.u.s, part.len);
        return p ? p - s.u.s : -1;
    }
    for (size_t at = s.len - part.len + 1; at-- > 0;)
        if (s.u.s[at] == part.u.s[0] && memcmp(s.u.s + at, part.u.s, part.len) == 0) return (ptrdiff_t)at;
    return -1;
}

static int find(tn_jrun *r, const tn_jcall *c, bool last, bool must, tn_jval *ret) {
    tn_jval part, s;
    size_t start;
    bool ok;
    TN_TRY(tn_jarg_string(r, c, 0, "", &part));
    TN_TRY(range_of(r, c, 1, &s, &start, &ok));
    if (last && ok) TN_TRY(tn_jsteps(r, s.len / 16 * (part.len / 64 + 1)));
    ptrdiff_t at = ok ? search(s, part, last) : -1;
    if (at < 0 && must) return tn_jfail(r, TN_EINVAL, "%s(): substring not found", c->native->name);
    *ret = tn_jint(at < 0 ? -1 : (int64_t)(start + tn_jutf8_count(s.u.s, (size_t)at)));
    return 0;
}

static int method_find(tn_jrun *r, const tn_jcall *c, tn_jval *ret) {
    return find(r, c, false, false, ret);
}
static int method_rfind(tn_jrun *r, const tn_jcall *c, tn_jval *ret) {
    return find(r, c, true, false, ret);
}
static int method_index(tn_jrun *r, const tn_jcall *c, tn_jval *ret) {
    return find(r, c, false, true, ret);
}
static int method_rindex(tn_jrun *r, const tn_jcall *c, tn_jval *ret) {
    return find(r, c, true, true, ret);
}

static int method_count(tn_jrun *r, const tn_jcall *c, tn_jval *ret) {
    tn_jval part, s;
    size_t start;
    bool ok;
    int64_t n = 0;
    TN_TRY(tn_jarg_string(r, c, 0, "", &part));
    TN_TRY(range_of(r, c, 1, &s, &start, &ok));
    if (ok && !part.len) n = (int64_t)tn_jutf8_count(s.u.s, s.len) + 1;
    for (ptrdiff_t at; ok && part.len && (at = search(s, part, false)) >= 0; n++) {
        s.u.s += (size_t)at + part.len;
        s.len -= (size_t)at + part.len;
    }
    *ret = tn_jint(n);
    return tn_jsteps(r, (uint64_t)n);
}

static bool has_affix(tn_jval s, tn_jval affix, bool end) {
    if (affix.len > s.len) return false;
    return !affix.len || memcmp(s.u.s + (end ? s.len - affix.len : 0), affix.u.s, affix.len) == 0;
}

/* startswith and endswith: one string, or any of a tuple of them. */
static int affix_of(tn_jrun *r, const tn_jcall *c, bool end, tn_jval *ret) {
    tn_jval s;
    size_t start;
    bool ok, yes = false;
    tn_jlist one = {(tn_jval *)&c->arg[0], 1, 1},
             *list = c->arg[0].type == TN_J_TUPLE ? c->arg[0].u.list : &one;
    TN_TRY(range_of(r, c, 1, &s, &start, &ok));
    for (size_t i = 0; i < list->n; i++) {
        if (!tn_jis_string(list->item[i]))
            return tn_jfail(r, TN_EINVAL, "%s(): argument must be a string or a tuple of strings, not %s",
                            c->native->name, tn_jtype_name(list->item[i]));
        yes |= ok && has_affix(s, list->item[i], end);
    }
    *ret = tn_jbool(yes);
    return 0;
}

static int method_startswith(tn_jrun *r, const tn_jcall *c, tn_jval *ret) {
    return affix_of(r, c, false, ret);
}
static int method_endswith(tn_jrun *r, const tn_jcall *c, tn_jval *ret) {
    return affix_of(r, c, true, ret);
}

static int remove_affix(tn_jrun *r, const tn_jcall *c, bool end, tn_jval *ret) {
    tn_jval affix;
    TN_TRY(tn_jarg_string(r, c, 0, "", &affix));
    *ret = c->self;
    if (!has_affix(c->self, affix, end)) return 0;
    ret->len -= affix.len;
    if (!end) ret->u.s += affix.len;
    return 0;
}

static int method_removeprefix(tn_jrun *r, const tn_jcall *c, tn_jval *ret) {
    return remove_affix(r, c, false, ret);
}
static int method_removesuffix(tn_jrun *r, const tn_jcall *c, tn_jval *ret) {
    return remove_affix(r, c, true, ret);
}

/* Between all characters, and at both ends. */
static int replace_empty(tn_jrun *r, tn_jval s, tn_jval to, int64_t max, tn_jsink *sink) {
    for (size_t at = 0; at <= s.len;) {
        uint32_t cp;
        size_t k = at < s.len ? tn_jutf8_next(s.u.s + at, s.len - at, &cp) : 0;
        if (max) TN_TRY(tn_jsink_add(r, sink, to.u.s, to.len));
        max -= max > 0;
        if (!k) break;
        TN_TRY(tn_jsink_add(r, sink, s.u.s + at, k));
        at += k;
    }
    return 0;
}

int tn_jstring_replace(tn_jrun *r, tn_jval s, tn_jval from, tn_jval to, int64_t max, tn_jval *ret) {
    tn_jsink sink = {0};
    tn_jval rest = s;
    *ret = s;
    if (from.len) {
        for (ptrdiff_t at; max != 0 && (at = search(rest, from, false)) >= 0; max -= max > 0) {
            TN_TRY(tn_jsteps(r, 1));
            TN_TRY(tn_jsink_add(r, &sink, rest.u.s, (size_t)at));
            TN_TRY(tn_jsink_add(r, &sink, to.u.s, to.len));
            rest.u.s += (size_t)at + from.len;
            rest.len -= (size_t)at + from.len;
        }
        if (rest.u.s == s.u.s) return 0;
        TN_TRY(tn_jsink_add(r, &sink, rest.u.s, rest.len));
    } else {
        TN_TRY(replace_empty(r, s, to, max, &sink));
    }
    *ret = tn_jstring_as(s, sink.data ? sink.data : "", sink.len);
    return 0;
}

static int method_replace(tn_jrun *r, const tn_jcall *c, tn_jval *ret) {
    tn_jval from, to;
    int64_t max;
    TN_TRY(tn_jarg_string(r, c, 0, "", &from));
    TN_TRY(tn_jarg_string(r, c, 1, "", &to));
    TN_TRY(tn_jarg_int(r, c, 2, -1, &max));
    return tn_jstring_replace(r, c->self, from, to, max, ret);
}

static int add_part(tn_jrun *r, tn_jlist *list, tn_jval s, size_t begin, size_t end) {
    TN_TRY(tn_jsteps(r, 1));
    return tn_jlist_add(r, list, tn_jstring_as(s, s.u.s + begin, end - begin));
}

/* At runs of white space; none at the ends. */
static int split_space(tn_jrun *r, tn_jval s, int64_t max, tn_jlist *list) {
    const char *p = s.u.s, *end = s.u.s + s.len;
    for (;; max -= max > 0) {
        size_t n = (size_t)(end - p), k = 0;
        uint32_t cp;
        tn_jutf8_trim_left(&p, &n);
        if (!n) return 0;
        if (max == 0) return add_part(r, list, s, (size_t)(p - s.u.s), s.len);
        while (k < n) {
            size_t step = tn_jutf8_next(p + k, n - k, &cp);
            if (tn_jcp_space(cp)) break;
            k += step;
        }
        TN_TRY(add_part(r, list, s, (size_t)(p - s.u.s), (size_t)(p - s.u.s) + k));
        p += k;
    }
}

static void reverse(tn_jlist *list) {
    for (size_t i = 0, k = list->n; i + 1 < k; i++) {
        tn_jval swap = list->item[i];
        list->item[i] = list->item[--k];
        list->item[k] = swap;
    }
}

/* The same from the right, parts collected last to first. */
static int rsplit_space(tn_jrun *r, tn_jval s, int64_t max, tn_jlist *list) {
    size_t end = s.len;
    for (;; max -= max > 0) {
        uint32_t cp;
        tn_jutf8_trim_right(s.u.s, &end);
        if (!end) return 0;
        if (max == 0) return add_part(r, list, s, 0, end);
        size_t begin = end;
        while (begin) {
            size_t step = tn_jutf8_prev(s.u.s, begin, &cp);
            if (tn_jcp_space(cp)) break;
            begin -= step;
        }
        TN_TRY(add_part(r, list, s, begin, end));
        end = begin;
    }
}

static int split_at(tn_jrun *r, tn_jval s, tn_jval separator, int64_t max, tn_jlist *list) {
    tn_jval rest = s;
    for (ptrdiff_t at; max != 0 && (at = search(rest, separator, false)) >= 0; max -= max > 0) {
        TN_TRY(add_part(r, list, tn_jstring_as(s, rest.u.s, rest.len), 0, (size_t)at));
        rest.u.s += (size_t)at + separator.len;
        rest.len -= (size_t)at + separator.len;
    }
    return add_part(r, list, tn_jstring_as(s, rest.u.s, rest.len), 0, rest.len);
}

static int rsplit_at(tn_jrun *r, tn_jval s, tn_jval separator, int64_t max, tn_jlist *list) {
    tn_jval rest = s;
    TN_TRY(tn_jsteps(r, s.len / 16 * (separator.len / 64 + 1)));
    for (ptrdiff_t at; max != 0 && (at = search(rest, separator, true)) >= 0; max -= max > 0) {
        TN_TRY(add_part(r, list, rest, (size_t)at + separator.len, rest.len));
        rest.len = (size_t)at;
    }
    return add_part(r, list, rest, 0, rest.len);
}

static int split(tn_jrun *r, const tn_jcall *c, bool right, tn_jval *ret) {
    tn_jval separator;
    tn_jlist *list;
    int64_t max;
    TN_TRY(tn_jlist_new(r, 0, &list));
    TN_TRY(tn_jarg_int(r, c, 1, -1, &max));
    if (!tn_jarg_some(c, 0)) {
        TN_TRY(right ? rsplit_space(r, c->self, max, list) : split_space(r, c->self, max, list));
    } else {
        TN_TRY(tn_jarg_string(r, c, 0, "", &separator));
        if (!separator.len) return tn_jfail(r, TN_EINVAL, "%s(): empty separator", c->native->name);
        TN_TRY(right ? rsplit_at(r, c->self, separator, max, list)
                     : split_at(r, c->self, separator, max, list));
    }
    if (right) reverse(list);
    *ret = tn_jof_list(TN_J_LIST, list);
    return 0;
}

static int method_split(tn_jrun *r, const tn_jcall *c, tn_jval *ret) {
    return split(r, c, false, ret);
}
static int method_rsplit(tn_jrun *r, const tn_jcall *c, tn_jval *ret) {
    return split(r, c, true, ret);
}

int tn_jstring_lines(tn_jrun *r, tn_jval s, bool keep_ends, tn_jlist *ret) {
    size_t begin = 0;
    for (size_t at = 0; at < s.len;) {
        uint32_t cp;
        size_t end = at;
        at += tn_jutf8_next(s.u.s + at, s.len - at, &cp);
        if (!tn_jcp_linebreak(cp)) continue;
        if (cp == '\r' && at < s.len && s.u.s[at] == '\n') at++;
        TN_TRY(add_part(r, ret, s, begin, keep_ends ? at : end));
        begin = at;
    }
    return begin < s.len ? add_part(r, ret, s, begin, s.len) : 0;
}

static int method_splitlines(tn_jrun *r, const tn_jcall *c, tn_jval *ret) {
    tn_jlist *list;
    TN_TRY(tn_jlist_new(r, 0, &list));
    TN_TRY(tn_jstring_lines(r, c->self, tn_jarg_bool(c, 0, false), list));
    *ret = tn_jof_list(TN_J_LIST, list);
    return 0;
}

static int partition(tn_jrun *r, const tn_jcall *c, bool right, tn_jval *ret) {
    tn_jval separator, s = c->self;
    tn_jlist *list;
    TN_TRY(tn_jarg_string(r, c, 0, "", &separator));
    if (!separator.len) return tn_jfail(r, TN_EINVAL, "%s(): empty separator", c->native->name);
    TN_TRY(tn_jsteps(r, right ? s.len / 16 * (separator.len / 64 + 1) : 0));
    ptrdiff_t at = search(s, separator, right);
    size_t cut = at >= 0 ? (size_t)at : right ? 0 : s.len, end = at >= 0 ? cut + separator.len : cut;
    TN_TRY(tn_jlist_new(r, 3, &list));
    TN_TRY(add_part(r, list, s, 0, cut));
    TN_TRY(add_part(r, list, s, cut, end));
    TN_TRY(add_part(r, list, s, end, s.len));
    *ret = tn_jof_list(TN_J_TUPLE, list);
    return 0;
}

static int method_partition(tn_jrun *r, const tn_jcall *c, tn_jval *ret) {
    return partition(r, c, false, ret);
}
static int method_rpartition(tn_jrun *r, const tn_jcall *c, tn_jval *ret) {
    return partition(r, c, true, ret);
}

const tn_jnative tn_jmethods_search[] = {
    {"find", method_find, "sub start end", 1},
    {"rfind", method_rfind, "sub start end", 1},
    {"index", method_index, "sub start end", 1},
    {"rindex", method_rindex, "sub start end", 1},
    {"count", method_count, "sub start end", 1},
    {"startswith", method_startswith, "prefix start end", 1},
    {"endswith", method_endswith, "suffix start end", 1},
    {"removeprefix", method_removeprefix, "prefix", 1},
    {"removesuffix", method_removesuffix, "suffix", 1},
    {"replace", method_replace, "old new count", 2},
    {"split", method_split, "sep maxsplit", 0},
    {"rsplit", method_rsplit, "sep maxsplit", 0},
    {"splitlines", method_splitlines, "keepends", 0},
    {"partition", method_partition, "sep", 1},
    {"rpartition", method_rpartition, "sep", 1},
    {NULL, NULL, NULL, 0},
};
