/* SPDX-License-Identifier: Apache-2.0 */
#include "text/jinja/formatting.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "text/jinja/literal.h"
#include "text/jinja/chars.h"

int tn_jformat_padded(tn_jrun *r, tn_jsink *s, const tn_jformat *f, const char *prefix, tn_jval body) {
    size_t n = strlen(prefix) + tn_jutf8_count(body.u.s, body.len);
    size_t pad = f->width > 0 && (uint64_t)f->width > n ? (size_t)f->width - n : 0;
    size_t before = f->align == '>' ? pad : f->align == '^' ? pad / 2 : 0, inside = f->align == '=' ? pad : 0;
    TN_TRY(tn_jsink_fill(r, s, f->fill.u.s, f->fill.len, before));
    TN_TRY(tn_jsink_addz(r, s, prefix));
    TN_TRY(tn_jsink_fill(r, s, f->fill.u.s, f->fill.len, inside));
    TN_TRY(tn_jsink_add(r, s, body.u.s, body.len));
    return tn_jsink_fill(r, s, f->fill.u.s, f->fill.len, pad - before - inside);
}

/* n digits with a separator between every `every` of them, counted from the right; then whatever rest
 * follows. */
static int group(tn_jrun *r, tn_jsink *s, const char *digits, size_t n, char separator, size_t every,
                 const char *rest) {
    for (size_t i = 0; i < n; i++) {
        if (i && separator && (n - i) % every == 0) TN_TRY(tn_jsink_addc(r, s, separator));
        TN_TRY(tn_jsink_addc(r, s, digits[i]));
    }
    return tn_jsink_addz(r, s, rest);
}

static const char *sign_of(const tn_jformat *f, bool negative) {
    return negative ? "-" : f->sign == '+' ? "+" : f->sign == ' ' ? " " : "";
}

static int check_precision(tn_jrun *r, const tn_jformat *f) {
    if (f->precision <= TN_JPRECISION_MAX) return 0;
    return tn_jfail(r, TN_ELIMIT, "a precision of %lld: at most %d is allowed", (long long)f->precision,
                    TN_JPRECISION_MAX);
}

int tn_jformat_int(tn_jrun *r, tn_jsink *s, const tn_jformat *f, int64_t v) {
    unsigned base = f->type == 'x' || f->type == 'X' ? 16 : f->type == 'o' ? 8 : f->type == 'b' ? 2 : 10;
    const char *set = f->type == 'X' ? "0123456789ABCDEF" : "0123456789abcdef";
    char digits[TN_JPRECISION_MAX + 72], prefix[8];
    size_t at = sizeof digits;
    uint64_t u = v < 0 ? 0 - (uint64_t)v : (uint64_t)v;
    TN_TRY(check_precision(r, f));
    do digits[--at] = set[u % base];
    while ((u /= base) > 0);
    while ((int64_t)(sizeof digits - at) < f->precision) digits[--at] = '0';
    bool mark = f->alternate && base != 10;
    snprintf(prefix, sizeof prefix, "%s%s%.1s", sign_of(f, v < 0), mark ? "0" : "", mark ? &f->type : "");
    tn_jsink body = {0};
    TN_TRY(group(r, &body, digits + at, sizeof digits - at, f->grouping, base == 10 ? 3 : 4, ""));
    return tn_jformat_padded(r, s, f, prefix, tn_jsink_value(&body));
}

/* What str.format does with a precision and no type: like g, but a number without a point gets ".0", and
 * counts that. */
static void general(double v, int precision, char *text, size_t size) {
    snprintf(text, size, "%.*e", precision > 0 ? precision - 1 : 0, v);
    int exponent = atoi(strchr(text, 'e') + 1);
    if (exponent != precision - 1) {
        snprintf(text, size, "%.*g", precision, v);
        if (!strpbrk(text, ".e")) strcat(text, ".0");
        return;
    }
    char *e = strchr(text, 'e'), *end = e;
    while (end > text && end[-1] == '0' && memchr(text, '.', (size_t)(end - text))) end--;
    if (end > text && end[-1] == '.') end--;
    memmove(end, e, strlen(e) + 1);
}

static void print_finite(const tn_jformat *f, double v, char *text, size_t size) {
    int precision = f->precision < 0 ? 6 : (int)f->precision;
    switch (f->type) {
    case 'e': snprintf(text, size, f->alternate ? "%#.*e" : "%.*e", precision, v); break;
    case 'E': snprintf(text, size, f->alternate ? "%#.*E" : "%.*E", precision, v); break;
    case 'g': snprintf(text, size, f->alternate ? "%#.*g" : "%.*g", precision, v); break;
    case 'G': snprintf(text, size, f->alternate ? "%#.*G" : "%.*G", precision, v); break;
    case '%': snprintf(text, size, "%.*f%%", precision, v * 100); break;
    case 0:
        if (f->precision >= 0)
            general(v, precision ? precision : 1, text, size);
        else
            tn_jprint_float(v, text);
        break;
    default: snprintf(text, size, f->alternate ? "%#.*f" : "%.*f", precision, v);
    }
}

int tn_jformat_float(tn_jrun *r, tn_jsink *s, const tn_jformat *f, double v) {
    char text[TN_JPRECISION_MAX + 400];
    bool negative = signbit(v) && !isnan(v);
    tn_jsink body = {0};
    TN_TRY(check_precision(r, f));
    if (!isfinite(v)) {
        bool capital = f->type == 'E' || f->type == 'F' || f->type == 'G';
        strcpy(text, isnan(v) ? (capital ? "NAN" : "nan") : capital ? "INF" : "inf");
        if (f->type == '%') strcat(text, "%");
        TN_TRY(tn_jsink_addz(r, &body, text));
    } else {
        print_finite(f, fabs(v), text, sizeof text);
        size_t whole = strspn(text, "0123456789");
        TN_TRY(group(r, &body, text, whole, f->grouping, 3, text + whole));
    }
    return tn_jformat_padded(r, s, f, sign_of(f, negative), tn_jsink_value(&body));
}
