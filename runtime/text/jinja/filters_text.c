/* SPDX-License-Identifier: Apache-2.0 */
/* Filters of text. What is no string is taken as str() of it. */
#include "text/jinja/letters.h"
#include "text/jinja/filters.h"
#include "text/jinja/strings.h"
#include "text/jinja/chars.h"

static int filter_string(tn_jrun *r, const tn_jcall *c, tn_jval *ret) {
    return tn_jto_str(r, c->self, ret);
}

static int filter_upper(tn_jrun *r, const tn_jcall *c, tn_jval *ret) {
    TN_TRY(tn_jto_str(r, c->self, ret));
    return tn_jstring_case(r, *ret, TN_JCASE_UPPER, ret);
}

static int filter_lower(tn_jrun *r, const tn_jcall *c, tn_jval *ret) {
    TN_TRY(tn_jto_str(r, c->self, ret));
    return tn_jstring_case(r, *ret, TN_JCASE_LOWER, ret);
}

static int filter_capitalize(tn_jrun *r, const tn_jcall *c, tn_jval *ret) {
    TN_TRY(tn_jto_str(r, c->self, ret));
    return tn_jstring_capitalize(r, *ret, ret);
}

/* A word begins after white space, a hyphen or an opening bracket. */
static int filter_title(tn_jrun *r, const tn_jcall *c, tn_jval *ret) {
    tn_jsink sink = {0};
    tn_jval s;
    bool begins = true;
    TN_TRY(tn_jto_str(r, c->self, &s));
    for (size_t at = 0, k; at < s.len; at += k) {
        uint32_t cp;
        k = tn_jutf8_next(s.u.s + at, s.len - at, &cp);
        TN_TRY(tn_jcase_add(r, &sink, s, at, begins ? TN_JCASE_UPPER : TN_JCASE_LOWER));
        begins = tn_jcp_space(cp) || (cp < 0x80 && cp && strchr("-({[<", (int)cp));
    }
    *ret = tn_jsink_value(&sink);
    return tn_jsteps(r, s.len / 16);
}

static int filter_trim(tn_jrun *r, const tn_jcall *c, tn_jval *ret) {
    tn_jval chars = tn_jnone();
    if (tn_jarg_some(c, 0)) {
        TN_TRY(tn_jarg_string(r, c, 0, "", &chars));
        TN_TRY(tn_jsteps(r, c->self.len / 64 * (chars.len / 64 + 1)));
    }
    TN_TRY(tn_jto_str(r, c->self, ret));
    *ret = tn_jstring_strip(*ret, chars, TN_JSTRIP_BOTH);
    return 0;
}

static int filter_replace(tn_jrun *r, const tn_jcall *c, tn_jval *ret) {
    tn_jval s, from, to;
    int64_t max = -1;
    TN_TRY(tn_jto_str(r, c->self, &s));
    TN_TRY(tn_jto_str(r, c->arg[0], &from));
    TN_TRY(tn_jto_str(r, c->arg[1], &to));
    if (tn_jarg_some(c, 2)) TN_TRY(tn_jarg_int(r, c, 2, -1, &max));
    s.flags = 0;
    return tn_jstring_replace(r, s, from, to, max, ret);
}

static int filter_center(tn_jrun *r, const tn_jcall *c, tn_jval *ret) {
    int64_t width;
    TN_TRY(tn_jarg_int(r, c, 0, 80, &width));
    TN_TRY(tn_jto_str(r, c->self, ret));
    return tn_jstring_pad(r, *ret, width, tn_jstringz(" "), TN_JSTRIP_BOTH, ret);
}

/* What every line after the first begins with: so many blanks, or a string. */
static int indentation(tn_jrun *r, const tn_jcall *c, tn_jval *ret) {
    tn_jsink s = {0};
    int64_t width;
    *ret = c->arg[0];
    if (tn_jis_string(*ret)) return 0;
    TN_TRY(tn_jarg_int(r, c, 0, 4, &width));
    TN_TRY(tn_jsink_fill(r, &s, " ", 1, width > 0 ? (size_t)width : 0));
    *ret = tn_jsink_value(&s);
    return 0;
}

static int filter_indent(tn_jrun *r, const tn_jcall *c, tn_jval *ret) {
    tn_jlist lines = {0};
    tn_jsink out = {0};
    tn_jval indent, text;
    bool first = tn_jarg_bool(c, 1, false), blank = tn_jarg_bool(c, 2, false);
    if (c->self.type == TN_J_UNDEFINED) return tn_jundefined_error(r, c->self);
    if (!tn_jis_string(c->self))
        return tn_jfail(r, TN_EINVAL, "indent needs a string, not %s", tn_jtype_name(c->self));
    TN_TRY(indentation(r, c, &indent));
    TN_TRY(tn_jconcat(r, c->self, tn_jstringz("\n"),
                      &text)); /* so that a last line break shows as an empty line */
    TN_TRY(tn_jstring_lines(r, text, false, &lines));
    for (size_t i = 0; i < lines.n; i++) {
        if (i) TN_TRY(tn_jsink_addc(r, &out, '\n'));
        if (i ? lines.item[i].len || blank : first) TN_TRY(tn_jsink_add(r, &out, indent.u.s, indent.len));
        TN_TRY(tn_jsink_add(r, &out, lines.item[i].u.s, lines.item[i].len));
    }
    *ret = tn_jstring_as(c->self, out.data ? out.data : "", out.len);
    return 0;
}

static int filter_truncate(tn_jrun *r, const tn_jcall *c, tn_jval *ret) {
    int64_t length, leeway;
    tn_jval end;
    TN_TRY(tn_jarg_int(r, c, 0, 255, &length));
    TN_TRY(tn_jarg_string(r, c, 2, "...", &end));
    if (tn_jarg_some(c, 3))
        TN_TRY(tn_jarg_int(r, c, 3, 5, &leeway));
    else
        leeway = 5;
    *ret = c->self;
    if (ret->type == TN_J_UNDEFINED) return 0;
    if (!tn_jis_string(*ret))
        return tn_jfail(r, TN_EINVAL, "truncate needs a string, not %s", tn_jtype_name(*ret));
    int64_t n = (int64_t)tn_jutf8_count(ret->u.s, ret->len),
            n_end = (int64_t)tn_jutf8_count(end.u.s, end.len);
    if (length < n_end || leeway < 0)
        return tn_jfail(r, TN_EINVAL,
                        "truncate: length must be at least that of the end (%lld), leeway at least 0",
                        (long long)n_end);
    if (n - length <= leeway) return 0;
    ret->len = tn_jutf8_offset(ret->u.s, ret->len, (size_t)(length - n_end));
    if (!tn_jarg_bool(c, 1, false))
        for (size_t at = ret->len; at-- > 0;)
            if (ret->u.s[at] == ' ') {
                ret->len = at;
                break;
            }
    return tn_jconcat(r, *ret, end, ret);
}

static int filter_wordcount(tn_jrun *r, const tn_jcall *c, tn_jval *ret) {
    tn_jval s;
    int64_t n = 0;
    bool inside = false;
    TN_TRY(tn_jto_str(r, c->self, &s));
    for (size_t at = 0; at < s.len;) {
        uint32_t cp;
        at += tn_jutf8_next(s.u.s + at, s.len - at, &cp);
        bool word = tn_jcp_name(cp, false);
        n += word && !inside;
        inside = word;
    }
    *ret = tn_jint(n);
    return 0;
}

static int filter_format(tn_jrun *r, const tn_jcall *c, tn_jval *ret) {
    tn_jval s, args;
    tn_jdict *d;
    tn_jlist *list;
    TN_TRY(tn_jto_str(r, c->self, &s));
    if (c->args->n_positional && c->args->n_keyword)
        return tn_jfail(r, TN_EINVAL, "format takes positional arguments or keywords, not both");
    TN_TRY(tn_jdict_new(r, c->args->n_keyword, &d));
    TN_TRY(tn_jlist_new(r, c->args->n_positional, &list));
    for (size_t i = 0; i < c->args->n_keyword; i++)
        TN_TRY(tn_jdict_set(r, d, c->args->keyword[i].name, c->args->keyword[i].value));
    for (size_t i = 0; i < c->args->n_positional; i++) TN_TRY(tn_jlist_add(r, list, c->args->positional[i]));
    args = c->args->n_keyword ? tn_jof_dict(TN_J_DICT, d) : tn_jof_list(TN_J_TUPLE, list);
    return tn_jprintf(r, s, args, ret);
}

static int filter_safe(tn_jrun *r, const tn_jcall *c, tn_jval *ret) {
    TN_TRY(tn_jto_str(r, c->self, ret));
    ret->flags = TN_J_MARKUP;
    return 0;
}

static int filter_escape(tn_jrun *r, const tn_jcall *c, tn_jval *ret) {
    return tn_jescape(r, c->self, ret);
}

static int filter_forceescape(tn_jrun *r, const tn_jcall *c, tn_jval *ret) {
    TN_TRY(tn_jto_str(r, c->self, ret));
    ret->flags = 0;
    return tn_jescape(r, *ret, ret);
}

static int quote(tn_jrun *r, tn_jsink *s, tn_jval v, bool query) {
    static const char hex[] = "0123456789ABCDEF";
    TN_TRY(tn_jto_str(r, v, &v));
    for (size_t i = 0; i < v.len; i++) {
        unsigned char b = (unsigned char)v.u.s[i];
        bool plain = (b >= '0' && b <= '9') || (b >= 'a' && b <= 'z') || (b >= 'A' && b <= 'Z') || b == '_' ||
                     b == '.' || b == '-' || b == '~' || (b == '/' && !query);
        char out[3] = {'%', hex[b >> 4], hex[b & 15]};
        if (plain || (b == ' ' && query))
            TN_TRY(tn_jsink_addc(r, s, plain ? (char)b : '+'));
        else
            TN_TRY(tn_jsink_add(r, s, out, 3));
    }
    return 0;
}

/* A string, or the pairs of a dict or list as a query. */
static int filter_urlencode(tn_jrun *r, const tn_jcall *c, tn_jval *ret) {
    tn_jsink s = {0};
    tn_jlist list, pair;
    size_t n;
    if (tn_jis_string(c->self) || !tn_jlength(c->self, &n)) {
        TN_TRY(quote(r, &s, c->self, false));
    } else {
        TN_TRY(tn_jiterate(r, c->self, &list));
        for (size_t i = 0; i < list.n; i++) {
            tn_jval value;
            if (c->self.type == TN_J_DICT) {
                value = c->self.u.dict->entry[i].value;
            } else {
                TN_TRY(tn_jiterate(r, list.item[i], &pair));
                if (pair.n != 2) return tn_jfail(r, TN_EINVAL, "urlencode: item %zu is no pair", i);
                list.item[i] = pair.item[0];
                value = pair.item[1];
            }
            if (i) TN_TRY(tn_jsink_addc(r, &s, '&'));
            TN_TRY(quote(r, &s, list.item[i], true));
            TN_TRY(tn_jsink_addc(r, &s, '='));
            TN_TRY(quote(r, &s, value, true));
        }
    }
    *ret = tn_jsink_value(&s);
    return 0;
}

/* indent= as a string, absent for one line. */
static int dump_indent(tn_jrun *r, const tn_jcall *c, tn_jval *ret) {
    tn_jsink s = {0};
    int64_t n;
    *ret = tn_jabsent();
    if (!tn_jarg_some(c, 1)) return 0;
    *ret = c->arg[1];
    if (tn_jis_string(*ret)) return 0;
    TN_TRY(tn_jarg_int(r, c, 1, 0, &n));
    TN_TRY(tn_jsink_fill(r, &s, " ", 1, n > 0 ? (size_t)n : 0));
    *ret = tn_jsink_value(&s);
    return 0;
}

static int dump_separators(tn_jrun *r, const tn_jcall *c, tn_jdump *how) {
    tn_jlist list;
    how->item_separator = tn_jstringz(how->indent.type == TN_J_ABSENT ? ", " : ",");
    how->key_separator = tn_jstringz(": ");
    if (!tn_jarg_some(c, 2)) return 0;
    TN_TRY(tn_jiterate(r, c->arg[2], &list));
    if (list.n != 2 || !tn_jis_string(list.item[0]) || !tn_jis_string(list.item[1]))
        return tn_jfail(r, TN_EINVAL, "tojson: separators must be two strings");
    how->item_separator = list.item[0];
    how->key_separator = list.item[1];
    return 0;
}

static int filter_tojson(tn_jrun *r, const tn_jcall *c, tn_jval *ret) {
    tn_jdump how = {.ascii = tn_jarg_bool(c, 0, false), .sort_keys = tn_jarg_bool(c, 3, false)};
    tn_jsink s = {0};
    TN_TRY(dump_indent(r, c, &how.indent));
    TN_TRY(dump_separators(r, c, &how));
    TN_TRY(tn_jtojson(r, c->self, &how, &s));
    *ret = tn_jsink_value(&s);
    return 0;
}

const tn_jnative tn_jfilters_text[] = {
    {"tojson", filter_tojson, "ensure_ascii indent separators sort_keys", 0},
    {"trim", filter_trim, "chars", 0},
    {"string", filter_string, "", 0},
    {"upper", filter_upper, "", 0},
    {"lower", filter_lower, "", 0},
    {"capitalize", filter_capitalize, "", 0},
    {"title", filter_title, "", 0},
    {"replace", filter_replace, "old new count", 2},
    {"indent", filter_indent, "width first blank", 0},
    {"center", filter_center, "width", 0},
    {"truncate", filter_truncate, "length killwords end leeway", 0},
    {"wordcount", filter_wordcount, "", 0},
    {"format", filter_format, NULL, 0},
    {"safe", filter_safe, "", 0},
    {"e", filter_escape, "", 0},
    {"escape", filter_escape, "", 0},
    {"forceescape", filter_forceescape, "", 0},
    {"urlencode", filter_urlencode, "", 0},
    {NULL, NULL, NULL, 0},
};
