/* SPDX-License-Identifier: Apache-2.0 */
/* json.dumps. */
#include <math.h>
#include <stdio.h>

#include "text/jinja/literal.h"
#include "text/jinja/ops.h"
#include "text/jinja/chars.h"

typedef struct dumper {
    tn_jrun *r;
    tn_jsink *s;
    const tn_jdump *how;
    size_t level;
} dumper;

static int dump(dumper *d, tn_jval v);

static int unicode_escape(dumper *d, uint32_t unit) {
    char text[16];
    snprintf(text, sizeof text, "\\u%04x", (unsigned)unit);
    return tn_jsink_addz(d->r, d->s, text);
}

/* A character that does not stand for itself. */
static int dump_escape(dumper *d, uint32_t cp) {
    static const char from[] = "\"\\\n\r\t\f\b", to[] = "\"\\nrtfb";
    const char *simple = cp && cp < 0x80 ? strchr(from, (int)cp) : NULL;
    if (simple) {
        TN_TRY(tn_jsink_addc(d->r, d->s, '\\'));
        return tn_jsink_addc(d->r, d->s, to[simple - from]);
    }
    if (cp < 0x10000) return unicode_escape(d, cp);
    TN_TRY(unicode_escape(d, 0xd800 + ((cp - 0x10000) >> 10)));
    return unicode_escape(d, 0xdc00 + ((cp - 0x10000) & 0x3ff));
}

static int dump_string(dumper *d, tn_jval v) {
    size_t done = 0;
    TN_TRY(tn_jscan(d->r, v.len));
    TN_TRY(tn_jsink_reserve(d->r, d->s, v.len + 2));
    TN_TRY(tn_jsink_addc(d->r, d->s, '"'));
    for (size_t at = 0; at < v.len;) {
        uint32_t cp;
        size_t k = tn_jutf8_next(v.u.s + at, v.len - at, &cp);
        if (cp < 0x20 || cp == '"' || cp == '\\' || (d->how->ascii && cp >= 0x7f)) {
            TN_TRY(tn_jsink_add(d->r, d->s, v.u.s + done, at - done));
            TN_TRY(dump_escape(d, cp));
            done = at + k;
        }
        at += k;
    }
    TN_TRY(tn_jsink_add(d->r, d->s, v.u.s + done, v.len - done));
    return tn_jsink_addc(d->r, d->s, '"');
}

static int dump_float(dumper *d, double f) {
    char text[TN_JFLOAT_TEXT];
    if (isnan(f)) return tn_jsink_addz(d->r, d->s, "NaN");
    if (isinf(f)) return tn_jsink_addz(d->r, d->s, f < 0 ? "-Infinity" : "Infinity");
    tn_jprint_float(f, text);
    return tn_jsink_addz(d->r, d->s, text);
}

/* Before an item (first or not) or the closing bracket: separator, new line, indentation. */
static int dump_between(dumper *d, bool separator) {
    const tn_jdump *how = d->how;
    if (separator) TN_TRY(tn_jsink_add(d->r, d->s, how->item_separator.u.s, how->item_separator.len));
    if (how->indent.type == TN_J_ABSENT) return 0;
    TN_TRY(tn_jsink_addc(d->r, d->s, '\n'));
    return tn_jsink_fill(d->r, d->s, how->indent.u.s, how->indent.len, d->level);
}

static int dump_list(dumper *d, const tn_jlist *list) {
    if (!list->n) return tn_jsink_addz(d->r, d->s, "[]");
    TN_TRY(tn_jnest_enter(d->r));
    TN_TRY(tn_jsink_addc(d->r, d->s, '['));
    d->level++;
    for (size_t i = 0; i < list->n; i++) {
        TN_TRY(dump_between(d, i > 0));
        TN_TRY(dump(d, list->item[i]));
    }
    d->level--;
    tn_jnest_leave(d->r);
    TN_TRY(dump_between(d, false));
    return tn_jsink_addc(d->r, d->s, ']');
}

/* Keys are strings in JSON: numbers, booleans and none are written as such. */
static int dump_key(dumper *d, tn_jval key) {
    switch (key.type) {
    case TN_J_STRING: return dump_string(d, key);
    case TN_J_NONE:
    case TN_J_BOOL:
    case TN_J_INT:
    case TN_J_FLOAT:
        TN_TRY(tn_jsink_addc(d->r, d->s, '"'));
        TN_TRY(dump(d, key));
        return tn_jsink_addc(d->r, d->s, '"');
    default:
        return tn_jfail(d->r, TN_EINVAL, "tojson: keys must be str, int, float, bool or none, not %s",
                        tn_jtype_name(key));
    }
}

static int dump_entries(dumper *d, const tn_jentry *entry, size_t n) {
    for (size_t i = 0; i < n; i++) {
        TN_TRY(dump_between(d, i > 0));
        TN_TRY(dump_key(d, entry[i].key));
        TN_TRY(tn_jsink_add(d->r, d->s, d->how->key_separator.u.s, d->how->key_separator.len));
        TN_TRY(dump(d, entry[i].value));
    }
    return 0;
}

/* A copy of the entries in the order of their keys. */
static int sorted(dumper *d, tn_jdict *dict, const tn_jentry **ret) {
    tn_jlist keys;
    size_t *order;
    TN_TRY(tn_jiterate(d->r, tn_jof_dict(TN_J_DICT, dict), &keys));
    TN_TRY(tn_jsort(d->r, keys.item, keys.n, false, &order));
    tn_jentry *entry = tn_jalloc(d->r, dict->n * sizeof *entry);
    if (!entry) return tn_jnomem(d->r);
    for (size_t i = 0; i < dict->n; i++) entry[i] = dict->entry[order[i]];
    *ret = entry;
    return 0;
}

static int dump_dict(dumper *d, tn_jdict *dict) {
    const tn_jentry *entry = dict->entry;
    if (!dict->n) return tn_jsink_addz(d->r, d->s, "{}");
    if (d->how->sort_keys) TN_TRY(sorted(d, dict, &entry));
    TN_TRY(tn_jnest_enter(d->r));
    TN_TRY(tn_jsink_addc(d->r, d->s, '{'));
    d->level++;
    TN_TRY(dump_entries(d, entry, dict->n));
    d->level--;
    tn_jnest_leave(d->r);
    TN_TRY(dump_between(d, false));
    return tn_jsink_addc(d->r, d->s, '}');
}

static int dump(dumper *d, tn_jval v) {
    TN_TRY(tn_jsteps(d->r, 1));
    switch (v.type) {
    case TN_J_NONE: return tn_jsink_addz(d->r, d->s, "null");
    case TN_J_BOOL: return tn_jsink_addz(d->r, d->s, v.u.b ? "true" : "false");
    case TN_J_INT: return tn_jwrite_repr(d->r, d->s, v);
    case TN_J_FLOAT: return dump_float(d, v.u.f);
    case TN_J_STRING: return dump_string(d, v);
    case TN_J_LIST:
    case TN_J_TUPLE: return dump_list(d, v.u.list);
    case TN_J_DICT: return dump_dict(d, v.u.dict);
    case TN_J_UNDEFINED: return tn_jundefined_error(d->r, v);
    default:
        return tn_jfail(d->r, TN_EINVAL, "tojson: object of type %s is not JSON serializable",
                        tn_jtype_name(v));
    }
}

int tn_jtojson(tn_jrun *r, tn_jval v, const tn_jdump *how, tn_jsink *s) {
    dumper d = {r, s, how, 0};
    return dump(&d, v);
}
