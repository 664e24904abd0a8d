/* SPDX-License-Identifier: Apache-2.0 */
/* str() and repr(). */
#include <inttypes.h>
#include <stdio.h>

#include "text/jinja/literal.h"
#include "text/jinja/native.h"
#include "text/jinja/ops.h"
#include "text/jinja/chars.h"

static int write_int(tn_jrun *r, tn_jsink *s, int64_t i) {
    char text[24];
    snprintf(text, sizeof text, "%" PRId64, i);
    return tn_jsink_addz(r, s, text);
}

static int write_float(tn_jrun *r, tn_jsink *s, double f) {
    char text[TN_JFLOAT_TEXT];
    tn_jprint_float(f, text);
    return tn_jsink_addz(r, s, text);
}

static int write_escaped(tn_jrun *r, tn_jsink *s, uint32_t cp, char quote) {
    char text[12];
    const char *simple = cp == '\n'   ? "\\n"
                         : cp == '\r' ? "\\r"
                         : cp == '\t' ? "\\t"
                         : cp == '\\' ? "\\\\"
                                      : NULL;
    if (simple) return tn_jsink_addz(r, s, simple);
    if (cp == (uint32_t)(unsigned char)quote) {
        TN_TRY(tn_jsink_addc(r, s, '\\'));
        return tn_jsink_addc(r, s, quote);
    }
    if (tn_jcp_printable(cp)) return tn_jsink_cp(r, s, cp);
    snprintf(text, sizeof text, cp < 0x100 ? "\\x%02x" : cp < 0x10000 ? "\\u%04x" : "\\U%08x", (unsigned)cp);
    return tn_jsink_addz(r, s, text);
}

/* Single quotes, unless the text has those and no double ones. */
static int write_quoted(tn_jrun *r, tn_jsink *s, tn_jval v) {
    char quote = v.len && memchr(v.u.s, '\'', v.len) && !memchr(v.u.s, '"', v.len) ? '"' : '\'';
    TN_TRY(tn_jscan(r, v.len));
    TN_TRY(tn_jsink_addz(r, s, v.flags & TN_J_MARKUP ? "Markup(" : ""));
    TN_TRY(tn_jsink_addc(r, s, quote));
    for (size_t at = 0; at < v.len;) {
        uint32_t cp;
        at += tn_jutf8_next(v.u.s + at, v.len - at, &cp);
        TN_TRY(write_escaped(r, s, cp, quote));
    }
    TN_TRY(tn_jsink_addc(r, s, quote));
    return tn_jsink_addz(r, s, v.flags & TN_J_MARKUP ? ")" : "");
}

static int write_items(tn_jrun *r, tn_jsink *s, const tn_jlist *list) {
    TN_TRY(tn_jnest_enter(r));
    for (size_t i = 0; i < list->n; i++) {
        if (i) TN_TRY(tn_jsink_addz(r, s, ", "));
        TN_TRY(tn_jwrite_repr(r, s, list->item[i]));
    }
    tn_jnest_leave(r);
    return 0;
}

static int write_list(tn_jrun *r, tn_jsink *s, const char *open, const tn_jlist *list, const char *close) {
    TN_TRY(tn_jsink_addz(r, s, open));
    TN_TRY(write_items(r, s, list));
    return tn_jsink_addz(r, s, close);
}

static int write_dict(tn_jrun *r, tn_jsink *s, const tn_jdict *d) {
    TN_TRY(tn_jnest_enter(r));
    TN_TRY(tn_jsink_addc(r, s, '{'));
    for (size_t i = 0; i < d->n; i++) {
        if (i) TN_TRY(tn_jsink_addz(r, s, ", "));
        TN_TRY(tn_jwrite_repr(r, s, d->entry[i].key));
        TN_TRY(tn_jsink_addz(r, s, ": "));
        TN_TRY(tn_jwrite_repr(r, s, d->entry[i].value));
    }
    tn_jnest_leave(r);
    return tn_jsink_addc(r, s, '}');
}

static int write_range(tn_jrun *r, tn_jsink *s, const tn_jrange *range) {
    TN_TRY(tn_jsink_addz(r, s, "range("));
    TN_TRY(write_int(r, s, range->start));
    TN_TRY(tn_jsink_addz(r, s, ", "));
    TN_TRY(write_int(r, s, range->stop));
    if (range->step != 1) {
        TN_TRY(tn_jsink_addz(r, s, ", "));
        TN_TRY(write_int(r, s, range->step));
    }
    return tn_jsink_addc(r, s, ')');
}

/* Functions and the like, without the address that Python would print. */
static int write_object(tn_jrun *r, tn_jsink *s, tn_jval v) {
    const char *what = v.type == TN_J_ITERATOR   ? v.u.iterator->what
                       : v.type == TN_J_FUNCTION ? v.u.function->name
                       : v.type == TN_J_METHOD   ? v.u.method->native->name
                                                 : "";
    TN_TRY(tn_jsink_addc(r, s, '<'));
    TN_TRY(tn_jsink_addz(r, s, v.type == TN_J_ITERATOR ? "generator object" : tn_jtype_name(v)));
    TN_TRY(tn_jsink_addz(r, s, *what ? " " : ""));
    TN_TRY(tn_jsink_addz(r, s, what));
    return tn_jsink_addc(r, s, '>');
}

int tn_jwrite_repr(tn_jrun *r, tn_jsink *s, tn_jval v) {
    TN_TRY(tn_jsteps(r, 1));
    switch (v.type) {
    case TN_J_ABSENT:
    case TN_J_UNDEFINED: return tn_jsink_addz(r, s, "Undefined");
    case TN_J_NONE: return tn_jsink_addz(r, s, "None");
    case TN_J_BOOL: return tn_jsink_addz(r, s, v.u.b ? "True" : "False");
    case TN_J_INT: return write_int(r, s, v.u.i);
    case TN_J_FLOAT: return write_float(r, s, v.u.f);
    case TN_J_STRING: return write_quoted(r, s, v);
    case TN_J_LIST: return write_list(r, s, "[", v.u.list, "]");
    case TN_J_TUPLE: return write_list(r, s, "(", v.u.list, v.u.list->n == 1 ? ",)" : ")");
    case TN_J_VIEW:
        TN_TRY(tn_jsink_addz(r, s,
                             v.owner == 'k'   ? "dict_keys"
                             : v.owner == 'v' ? "dict_values"
                                              : "dict_items"));
        return write_list(r, s, "([", v.u.list, "])");
    case TN_J_DICT: return write_dict(r, s, v.u.dict);
    case TN_J_NAMESPACE:
        TN_TRY(tn_jsink_addz(r, s, "<Namespace "));
        TN_TRY(write_dict(r, s, v.u.dict));
        return tn_jsink_addc(r, s, '>');
    case TN_J_RANGE: return write_range(r, s, v.u.range);
    default: return write_object(r, s, v);
    }
}

int tn_jwrite_str(tn_jrun *r, tn_jsink *s, tn_jval v) {
    if (tn_jis_string(v)) return tn_jsink_add(r, s, v.u.s, v.len);
    return v.type == TN_J_UNDEFINED ? 0 : tn_jwrite_repr(r, s, v);
}

int tn_jto_str(tn_jrun *r, tn_jval v, tn_jval *ret) {
    tn_jsink s = {0};
    *ret = v;
    if (tn_jis_string(v)) return 0;
    TN_TRY(tn_jwrite_str(r, &s, v));
    *ret = tn_jsink_value(&s);
    return 0;
}

static const char *entity(char c) {
    switch (c) {
    case '&': return "&amp;";
    case '<': return "&lt;";
    case '>': return "&gt;";
    case '\'': return "&#39;";
    case '"': return "&#34;";
    default: return NULL;
    }
}

int tn_jescape(tn_jrun *r, tn_jval v, tn_jval *ret) {
    tn_jsink s = {0};
    TN_TRY(tn_jto_str(r, v, ret));
    if (ret->flags & TN_J_MARKUP) return 0;
    TN_TRY(tn_jscan(r, ret->len));
    size_t done = 0;
    for (size_t i = 0; i < ret->len; i++) {
        const char *e = entity(ret->u.s[i]);
        if (!e) continue;
        TN_TRY(tn_jsink_add(r, &s, ret->u.s + done, i - done));
        TN_TRY(tn_jsink_addz(r, &s, e));
        done = i + 1;
    }
    if (done) {
        TN_TRY(tn_jsink_add(r, &s, ret->u.s + done, ret->len - done));
        *ret = tn_jsink_value(&s);
    }
    ret->flags = TN_J_MARKUP;
    return 0;
}
