/* SPDX-License-Identifier: Apache-2.0 */
/* str.format. */
#include "text/jinja/formatting.h"
#include "text/jinja/literal.h"
#include "text/jinja/native.h"
#include "text/jinja/ops.h"
#include "text/jinja/strings.h"
#include "text/jinja/chars.h"

typedef struct formatter {
    tn_jrun *r;
    const tn_jcall *call;
    int64_t next;           /* argument for {} */
    bool automatic, manual; /* {} was seen, {0} was seen */
} formatter;

/* Replaces the fields in text. depth: fields may hold fields in what comes after ":", once. */
static int format_text(formatter *f, tn_jval text, int depth, tn_jsink *s);

static int bad(formatter *f, const char *why) {
    return tn_jfail(f->r, TN_EINVAL, "format(): %s", why);
}

static int positional(formatter *f, int64_t i, tn_jval *ret) {
    const tn_jargs *args = f->call->args;
    if (i < 0 || (uint64_t)i >= args->n_positional) return bad(f, "there are fewer arguments than fields");
    *ret = args->positional[i];
    return 0;
}

/* The argument that a field's name begins with. */
static int first_of(formatter *f, tn_jval name, tn_jval *ret) {
    const tn_jargs *args = f->call->args;
    int64_t i;
    bool number =
        name.len && *name.u.s >= '0' && *name.u.s <= '9' && tn_jparse_int(name.u.s, name.len, 10, &i);
    f->automatic |= !name.len;
    f->manual |= number;
    if (f->automatic && f->manual)
        return bad(f, "numbered fields and fields without a number cannot be mixed");
    if (!name.len) return positional(f, f->next++, ret);
    if (number) return positional(f, i, ret);
    for (size_t k = 0; k < args->n_keyword; k++)
        if (args->keyword[k].name.len == name.len && !memcmp(args->keyword[k].name.u.s, name.u.s, name.len)) {
            *ret = args->keyword[k].value;
            return 0;
        }
    return bad(f, "there is no argument of a field's name");
}

/* "name.attribute[item]..." */
static int field_value(formatter *f, tn_jval name, tn_jval *ret) {
    size_t at = 0;
    while (at < name.len && name.u.s[at] != '.' && name.u.s[at] != '[') at++;
    TN_TRY(first_of(f, tn_jstring(name.u.s, at), ret));
    while (at < name.len) {
        char open = name.u.s[at++];
        size_t begin = at;
        int64_t i;
        if (open != '.' && open != '[') return bad(f, "only . and [ may follow ]");
        while (at < name.len &&
               (open == '[' ? name.u.s[at] != ']' : name.u.s[at] != '.' && name.u.s[at] != '['))
            at++;
        tn_jval part = tn_jstring(name.u.s + begin, at - begin);
        if (!part.len || (open == '[' && at == name.len)) return bad(f, "a field's name is incomplete");
        if (open == '.') {
            TN_TRY(tn_jgetattr(f->r, *ret, part, ret));
            continue;
        }
        at++;
        TN_TRY(tn_jgetitem(f->r, *ret, tn_jparse_int(part.u.s, part.len, 10, &i) ? tn_jint(i) : part, ret));
    }
    return 0;
}

static int take_number(formatter *f, const char **at, const char *end, int64_t *ret) {
    for (*ret = 0; *at < end && **at >= '0' && **at <= '9'; ++*at) {
        if (*ret > 1000000000) return bad(f, "a width or precision is too big");
        *ret = *ret * 10 + (**at - '0');
    }
    return 0;
}

static bool is_align(char c) {
    return c && strchr("<>^=", c) != NULL;
}

/* [[fill]align][sign][#][0][width][grouping][.precision][type] */
static int parse_spec(formatter *f, tn_jval spec, tn_jformat *ret) {
    const char *at = spec.u.s, *end = at + spec.len;
    uint32_t cp;
    size_t k = spec.len ? tn_jutf8_next(at, spec.len, &cp) : 0;
    *ret = (tn_jformat){.sign = '-', .fill = tn_jstringz(" "), .precision = -1};
    if (k && k < spec.len && is_align(at[k])) {
        ret->fill = tn_jstring(at, k);
        ret->align = at[k];
        at += k + 1;
    } else if (at < end && is_align(*at)) {
        ret->align = *at++;
    }
    if (at < end && (*at == '+' || *at == '-' || *at == ' ')) ret->sign = *at++;
    if (at < end && *at == '#') ret->alternate = true, at++;
    if (at < end && *at == '0') {
        if (!ret->align) ret->align = '=', ret->fill = tn_jstringz("0");
        at++;
    }
    TN_TRY(take_number(f, &at, end, &ret->width));
    if (at < end && (*at == ',' || *at == '_')) ret->grouping = *at++;
    if (at < end && *at == '.') {
        if (++at == end || *at < '0' || *at > '9') return bad(f, "a precision is missing");
        TN_TRY(take_number(f, &at, end, &ret->precision));
    }
    if (at < end && strchr("bcdeEfFgGnosxX%", *at) && *at) ret->type = *at++;
    return at == end ? 0 : bad(f, "invalid format specifier");
}

static int put_string(formatter *f, tn_jformat *how, tn_jval v, tn_jsink *s) {
    if ((how->type && how->type != 's') || how->align == '=' || how->grouping)
        return bad(f, "a string cannot be written in that format");
    if (!how->align) how->align = '<';
    if (how->precision >= 0) v.len = tn_jutf8_offset(v.u.s, v.len, (size_t)how->precision);
    return tn_jformat_padded(f->r, s, how, "", v);
}

static int put_number(formatter *f, tn_jformat *how, tn_jval v, tn_jsink *s) {
    bool for_float = how->type && strchr("eEfFgG%", how->type);
    if (!how->align) how->align = '>';
    if (how->type == 's') return bad(f, "a number cannot be written as a string");
    if (how->type == 'n') how->type = v.type == TN_J_FLOAT ? 'g' : 'd';
    if (v.type == TN_J_FLOAT || for_float) {
        if (how->type && !for_float) return bad(f, "a float cannot be written as an integer");
        return tn_jformat_float(f->r, s, how, tn_jas_float(v));
    }
    if (how->precision >= 0) return bad(f, "an integer has no precision");
    if (how->type != 'c') return tn_jformat_int(f->r, s, how, tn_jas_int(v));
    int64_t cp = tn_jas_int(v);
    char bytes[4];
    if (cp < 0 || cp > 0x10ffff || (cp >= 0xd800 && cp < 0xe000)) return bad(f, "a number is no character");
    return tn_jformat_padded(f->r, s, how, "", tn_jstring(bytes, tn__utf8_put((uint32_t)cp, bytes)));
}

static int put_value(formatter *f, tn_jval v, tn_jval spec, tn_jsink *s) {
    tn_jformat how;
    if (!spec.len) return tn_jwrite_str(f->r, s, v);
    TN_TRY(parse_spec(f, spec, &how));
    if (tn_jis_string(v)) return put_string(f, &how, v, s);
    if (v.type == TN_J_BOOL && !how.type) v = tn_jint(v.u.b);
    if (tn_jis_number(v)) return put_number(f, &how, v, s);
    return bad(f, "only strings and numbers can be written in a format of their own");
}

/* name[!conversion][:spec] */
static int format_field(formatter *f, tn_jval field, int depth, tn_jsink *s) {
    size_t n = 0;
    tn_jsink sink = {0}, converted = {0};
    tn_jval v;
    for (bool in_item = false; n < field.len; n++) {
        if (field.u.s[n] == '[') in_item = true;
        if (field.u.s[n] == ']') in_item = false;
        if (!in_item && (field.u.s[n] == '!' || field.u.s[n] == ':')) break;
    }
    TN_TRY(field_value(f, tn_jstring(field.u.s, n), &v));
    if (n < field.len && field.u.s[n] == '!') {
        char c = n + 1 < field.len ? field.u.s[n + 1] : 0;
        if (c != 's' && c != 'r') return bad(f, "a conversion must be !s or !r");
        TN_TRY(c == 's' ? tn_jwrite_str(f->r, &converted, v) : tn_jwrite_repr(f->r, &converted, v));
        v = tn_jsink_value(&converted);
        n += 2;
        if (n < field.len && field.u.s[n] != ':') return bad(f, "expected ':' after a conversion");
    }
    n += n < field.len;
    TN_TRY(format_text(f, tn_jstring(field.u.s + n, field.len - n), depth + 1, &sink));
    if (f->call->self.flags & TN_J_MARKUP && tn_jis_string(v)) TN_TRY(tn_jescape(f->r, v, &v));
    return put_value(f, v, tn_jsink_value(&sink), s);
}

/* Length of the field that begins at text (after its brace), without the closing one. */
static bool field_length(const char *text, size_t n, size_t *ret) {
    int depth = 1;
    for (size_t i = 0; i < n; i++) {
        depth += text[i] == '{';
        depth -= text[i] == '}';
        *ret = i;
        if (!depth) return true;
    }
    return false;
}

static int format_text(formatter *f, tn_jval text, int depth, tn_jsink *s) {
    for (size_t at = 0; at < text.len;) {
        char c = text.u.s[at];
        size_t n;
        bool brace = c == '{' || c == '}', twice = brace && at + 1 < text.len && text.u.s[at + 1] == c;
        if (!brace || (twice && depth == 0)) {
            TN_TRY(tn_jsink_addc(f->r, s, c));
            at += brace ? 2 : 1;
            continue;
        }
        if (c == '}') return bad(f, "single '}'");
        if (depth > 1) return bad(f, "fields are nested too deeply");
        if (!field_length(text.u.s + at + 1, text.len - at - 1, &n)) return bad(f, "single '{'");
        TN_TRY(tn_jsteps(f->r, 1));
        TN_TRY(format_field(f, tn_jstring(text.u.s + at + 1, n), depth, s));
        at += n + 2;
    }
    return 0;
}

int tn_jstring_format(tn_jrun *r, const tn_jcall *c, tn_jval *ret) {
    formatter f = {.r = r, .call = c};
    tn_jsink s = {0};
    TN_TRY(format_text(&f, c->self, 0, &s));
    *ret = tn_jstring_as(c->self, s.data ? s.data : "", s.len);
    return 0;
}
