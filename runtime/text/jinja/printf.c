/* SPDX-License-Identifier: Apache-2.0 */
/* The % operator of strings. */
#include "text/jinja/formatting.h"
#include "text/jinja/ops.h"
#include "text/jinja/chars.h"

typedef struct printer {
    tn_jrun *r;
    tn_jsink sink;
    const char *at, *end; /* of the format */
    bool markup;          /* strings are escaped */
    tn_jval args;
    size_t next; /* argument */
} printer;

/* The next argument: of a tuple its next item, else args itself, once. */
static int next_arg(printer *p, tn_jval *ret) {
    bool tuple = p->args.type == TN_J_TUPLE;
    if (p->next >= (tuple ? p->args.u.list->n : 1))
        return tn_jfail(p->r, TN_EINVAL, "not enough arguments for format string");
    *ret = tuple ? p->args.u.list->item[p->next] : p->args;
    p->next++;
    return 0;
}

/* "(name)" after %: the value of that key becomes the argument. */
static int named_arg(printer *p, tn_jval *ret) {
    const char *begin = ++p->at;
    int depth = 1;
    while (p->at < p->end && depth) {
        depth += *p->at == '(';
        depth -= *p->at++ == ')';
    }
    if (depth) return tn_jfail(p->r, TN_EINVAL, "incomplete format key");
    if (p->args.type != TN_J_DICT) return tn_jfail(p->r, TN_EINVAL, "format requires a mapping");
    tn_jval key = tn_jstring(begin, (size_t)(p->at - begin) - 1);
    TN_TRY(tn_jdict_get(p->r, p->args.u.dict, key, ret));
    if (ret->type == TN_J_ABSENT)
        return tn_jfail(p->r, TN_EINVAL, "format: there is no key '%.*s'", tn_jcut(key, 40), key.u.s);
    return 0;
}

/* A number in the format, or "*" for the next argument. */
static int number(printer *p, int64_t *ret) {
    *ret = 0;
    if (p->at < p->end && *p->at == '*') {
        tn_jval v;
        p->at++;
        TN_TRY(next_arg(p, &v));
        if (!tn_jis_int(v)) return tn_jfail(p->r, TN_EINVAL, "* wants int");
        *ret = tn_jas_int(v);
    }
    for (; p->at < p->end && *p->at >= '0' && *p->at <= '9'; p->at++) {
        if (*ret > 1000000000) return tn_jfail(p->r, TN_ELIMIT, "a width or precision is too big");
        *ret = *ret * 10 + (*p->at - '0');
    }
    return 0;
}

static void flags(printer *p, tn_jformat *f, bool *ret_zero) {
    for (; p->at < p->end; p->at++) {
        switch (*p->at) {
        case '-': f->align = '<'; break;
        case '+': f->sign = '+'; break;
        case ' ':
            if (f->sign != '+') f->sign = ' ';
            break;
        case '#': f->alternate = true; break;
        case '0': *ret_zero = true; break;
        default: return;
        }
    }
}

static int put_string(printer *p, const tn_jformat *f, tn_jval v) {
    tn_jsink s = {0};
    if (f->type == 's')
        TN_TRY(tn_jwrite_str(p->r, &s, v));
    else
        TN_TRY(tn_jwrite_repr(p->r, &s, v));
    tn_jval text = tn_jsink_value(&s);
    if (tn_jis_string(v) && f->type == 's') text.flags = v.flags;
    if (p->markup) TN_TRY(tn_jescape(p->r, text, &text));
    if (f->precision >= 0) text.len = tn_jutf8_offset(text.u.s, text.len, (size_t)f->precision);
    return tn_jformat_padded(p->r, &p->sink, f, "", text);
}

static int put_char(printer *p, const tn_jformat *f, tn_jval v) {
    char bytes[4];
    if (tn_jis_string(v) && tn_jutf8_count(v.u.s, v.len) == 1)
        return tn_jformat_padded(p->r, &p->sink, f, "", v);
    int64_t cp = tn_jis_int(v) ? tn_jas_int(v) : -1;
    if (cp < 0 || cp > 0x10ffff || (cp >= 0xd800 && cp < 0xe000))
        return tn_jfail(p->r, TN_EINVAL, "%%c requires a character or its number");
    return tn_jformat_padded(p->r, &p->sink, f, "", tn_jstring(bytes, tn__utf8_put((uint32_t)cp, bytes)));
}

static int put_number(printer *p, tn_jformat *f, bool zero, tn_jval v) {
    bool whole = strchr("diuxXo", f->type) != NULL, decimal = strchr("diu", f->type) != NULL;
    if (v.type == TN_J_UNDEFINED) return tn_jundefined_error(p->r, v);
    if (!tn_jis_number(v) || (whole && !decimal && v.type == TN_J_FLOAT))
        return tn_jfail(p->r, TN_EINVAL, "%%%c format: a number is required, not %s", f->type,
                        tn_jtype_name(v));
    if (zero && f->align != '<') {
        f->align = '=';
        f->fill = tn_jstringz("0");
    }
    if (!whole) return tn_jformat_float(p->r, &p->sink, f, tn_jas_float(v));
    if (v.type == TN_J_FLOAT && !(v.u.f > -9e18 && v.u.f < 9e18))
        return tn_jfail(p->r, TN_ENOTSUP, "integers over 64 bits are not supported");
    return tn_jformat_int(p->r, &p->sink, f, v.type == TN_J_FLOAT ? (int64_t)v.u.f : tn_jas_int(v));
}

/* One conversion, p->at after its %. */
static int convert(printer *p) {
    tn_jformat f = {.align = '>', .sign = '-', .fill = tn_jstringz(" "), .precision = -1};
    tn_jval v = tn_jabsent();
    bool zero = false;
    if (p->at < p->end && *p->at == '%') return tn_jsink_addc(p->r, &p->sink, *p->at++);
    if (p->at < p->end && *p->at == '(') TN_TRY(named_arg(p, &v));
    flags(p, &f, &zero);
    TN_TRY(number(p, &f.width));
    if (f.width < 0) {
        f.align = '<';
        f.width = f.width < -INT64_MAX ? INT64_MAX : -f.width;
    }
    if (p->at < p->end && *p->at == '.') {
        p->at++;
        TN_TRY(number(p, &f.precision));
        if (f.precision < 0) f.precision = 0;
    }
    while (p->at < p->end && (*p->at == 'h' || *p->at == 'l' || *p->at == 'L')) p->at++;
    if (p->at == p->end) return tn_jfail(p->r, TN_EINVAL, "incomplete format");
    f.type = *p->at++;
    if (!f.type || !strchr("srcdiuxXoeEfFgG", f.type))
        return tn_jfail(p->r, TN_EINVAL, "unsupported format character U+%04X", (unsigned char)f.type);
    if (v.type == TN_J_ABSENT) TN_TRY(next_arg(p, &v));
    if (f.type == 's' || f.type == 'r') return put_string(p, &f, v);
    return f.type == 'c' ? put_char(p, &f, v) : put_number(p, &f, zero, v);
}

int tn_jprintf(tn_jrun *r, tn_jval format, tn_jval args, tn_jval *ret) {
    printer p = {.r = r, .at = format.u.s, .end = format.u.s + format.len, .args = args};
    p.markup = format.flags & TN_J_MARKUP;
    TN_TRY(tn_jscan(r, format.len));
    while (p.at < p.end) {
        const char *percent = memchr(p.at, '%', (size_t)(p.end - p.at));
        size_t n = (size_t)((percent ? percent : p.end) - p.at);
        TN_TRY(tn_jsink_add(r, &p.sink, p.at, n));
        p.at += n;
        if (!percent) break;
        p.at++;
        TN_TRY(tn_jsteps(r, 1));
        TN_TRY(convert(&p));
    }
    bool lookup = args.type == TN_J_DICT || args.type == TN_J_LIST || args.type == TN_J_RANGE ||
                  args.type == TN_J_UNDEFINED; /* such need not be used */
    size_t given = args.type == TN_J_TUPLE ? args.u.list->n : lookup ? 0 : 1;
    if (p.next < given) return tn_jfail(r, TN_EINVAL, "not all arguments converted during string formatting");
    *ret = tn_jstring_as(format, p.sink.data ? p.sink.data : "", p.sink.len);
    return 0;
}
