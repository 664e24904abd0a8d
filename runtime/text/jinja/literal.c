/* SPDX-License-Identifier: Apache-2.0 */
#include "text/jinja/literal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/checked.h"
#include "text/jinja/chars.h"

static int digit_of(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'z') return c - 'a' + 10;
    if (c >= 'A' && c <= 'Z') return c - 'A' + 10;
    return 99;
}

/* Digits of base with single underscores between them: how many bytes, 0 when there is none. */
static size_t digits(const char *s, size_t n, int base) {
    size_t i = 0;
    while (i < n) {
        if (digit_of(s[i]) < base)
            i++;
        else if (i && s[i] == '_' && i + 1 < n && digit_of(s[i + 1]) < base)
            i += 2;
        else
            break;
    }
    return i;
}

static bool to_int(const char *s, size_t n, int base, bool negative, int64_t *ret) {
    uint64_t v = 0;
    for (size_t i = 0; i < n; i++) {
        if (s[i] == '_') continue;
        if (!tn_mul_u64(v, (uint64_t)base, &v) || !tn_add_u64(v, (uint64_t)digit_of(s[i]), &v)) return false;
    }
    if (v > (uint64_t)INT64_MAX + negative) return false;
    *ret = negative ? (int64_t)(0 - v) : (int64_t)v;
    return true;
}

static int prefix_base(const char *s, size_t n) {
    if (n < 2 || s[0] != '0') return 10;
    switch (s[1]) {
    case 'x':
    case 'X': return 16;
    case 'o':
    case 'O': return 8;
    case 'b':
    case 'B': return 2;
    default: return 10;
    }
}

/* Bytes of a float (digits, then a fraction or an exponent or both), 0 when it is none. */
static size_t float_length(const char *s, size_t n) {
    size_t whole = digits(s, n, 10), i = whole;
    if (!whole) return 0;
    if (i < n && s[i] == '.') {
        size_t k = digits(s + i + 1, n - i - 1, 10);
        if (k) i += 1 + k;
    }
    if (i < n && (s[i] == 'e' || s[i] == 'E')) {
        size_t e = i + 1;
        if (e < n && (s[e] == '+' || s[e] == '-')) e++;
        size_t k = digits(s + e, n - e, 10);
        if (k) return e + k;
    }
    return i > whole ? i : 0;
}

/* A float's text without underscores to strtod. Texts too long for the buffer keep their value: digits past
 * the first few hundred cannot matter, but an exponent does, so such texts are copied to the heap instead. */
static bool to_float(const char *s, size_t n, double *ret) {
    char small[128], *text = n < sizeof small ? small : malloc(n + 1), *end;
    size_t k = 0;
    if (!text) return false;
    for (size_t i = 0; i < n; i++)
        if (s[i] != '_') text[k++] = s[i];
    text[k] = 0;
    *ret = strtod(text, &end);
    bool ok = end == text + k && k > 0;
    if (text != small) free(text);
    return ok;
}

bool tn_jliteral_number(const char *s, size_t n, bool after_dot, tn_jval *ret, size_t *ret_n) {
    int64_t i = 0;
    double f = 0;
    size_t k = after_dot ? 0 : float_length(s, n);
    if (k) {
        *ret_n = k;
        if (!to_float(s, k, &f)) return false;
        *ret = tn_jfloat(f);
        return true;
    }
    int base = prefix_base(s, n);
    size_t skip = base == 10 ? 0 : 2;
    if (skip && n > 3 && s[2] == '_') skip = 3;
    k = digits(s + skip, n - skip, base);
    if (!k) base = 10, skip = 0, k = 1;
    if (base == 10 && s[0] == '0') k = digits(s, n, 1); /* 00 is a number, 007 is two */
    *ret_n = skip + k;
    if (!to_int(s + skip, k, base, false, &i)) return false;
    *ret = tn_jint(i);
    return true;
}

/* Hex or octal digits of an escape, at most max of them. */
static size_t escape_digits(const char *s, size_t n, int base, size_t max, uint32_t *ret_cp) {
    size_t i = 0;
    *ret_cp = 0;
    for (; i < n && i < max && digit_of(s[i]) < base; i++)
        *ret_cp = *ret_cp * (uint32_t)base + (uint32_t)digit_of(s[i]);
    return i;
}

static const char *numeric_escape(const char *s, size_t n, char *out, size_t *ret_in, size_t *ret_out) {
    size_t want = s[0] == 'x' ? 2 : s[0] == 'u' ? 4 : 8;
    uint32_t cp;
    if (escape_digits(s + 1, n - 1, 16, want, &cp) != want)
        return "a string has an escape with too few digits";
    if (cp > 0x10ffff || (cp >= 0xd800 && cp < 0xe000)) return "a string has an escape that is no character";
    *ret_in = 1 + want;
    *ret_out = tn__utf8_put(cp, out);
    return NULL;
}

/* The escape after a backslash: what it stands for, and how many bytes it took. An unknown one stands for
 * itself, backslash included. */
static const char *escape(const char *s, size_t n, char *out, size_t *ret_in, size_t *ret_out) {
    static const char from[] = "\\'\"abfnrtv", to[] = "\\'\"\a\b\f\n\r\t\v";
    const char *simple = *s ? strchr(from, *s) : NULL;
    uint32_t cp;
    *ret_in = 1;
    if (simple) {
        out[0] = to[simple - from];
        *ret_out = 1;
    } else if (*s == '\n') {
        *ret_out = 0;
    } else if (*s >= '0' && *s <= '7') {
        *ret_in = escape_digits(s, n, 8, 3, &cp);
        *ret_out = tn__utf8_put(cp, out);
    } else if (*s == 'x' || *s == 'u' || *s == 'U') {
        return numeric_escape(s, n, out, ret_in, ret_out);
    } else if (*s == 'N') {
        return "characters by name (\\N{...}) are not supported";
    } else {
        out[0] = '\\';
        *ret_in = 0;
        *ret_out = 1;
    }
    return NULL;
}

bool tn_jliteral_string(tn_jarena *arena, const char *s, size_t n, tn_jval *ret, const char **ret_why) {
    *ret = tn_jstring(s, n);
    if (!n || !memchr(s, '\\', n)) return true;
    char *text = tn_jarena_alloc(arena, n);
    size_t k = 0;
    if (!text) return false;
    for (size_t i = 0; i < n;) {
        if (s[i] != '\\' || i + 1 == n) {
            text[k++] = s[i++];
            continue;
        }
        size_t in, out;
        *ret_why = escape(s + i + 1, n - i - 1, text + k, &in, &out);
        if (*ret_why) return false;
        i += 1 + in;
        k += out;
    }
    *ret = tn_jstring(text, k);
    return true;
}

static bool strip_sign(const char **s, size_t *n) {
    tn_jutf8_trim_left(s, n);
    tn_jutf8_trim_right(*s, n);
    bool negative = *n && **s == '-';
    if (*n && (**s == '-' || **s == '+')) ++*s, --*n;
    return negative;
}

bool tn_jparse_int(const char *s, size_t n, int base, int64_t *ret) {
    bool negative = strip_sign(&s, &n);
    int prefix = prefix_base(s, n);
    if (prefix != 10 && (base == 0 || base == prefix)) {
        s += 2, n -= 2;
        if (n && *s == '_') s++, n--;
        base = prefix;
    } else if (base == 0) {
        base = 10;
        if (n > 1 && *s == '0' && digits(s, n, 1) != n) return false;
    }
    return n && digits(s, n, base) == n && to_int(s, n, base, negative, ret);
}

static bool word_is(const char *s, size_t n, const char *word) {
    if (strlen(word) != n) return false;
    for (size_t i = 0; i < n; i++)
        if ((s[i] | 0x20) != word[i]) return false;
    return true;
}

bool tn_jparse_float(const char *s, size_t n, double *ret) {
    bool negative = strip_sign(&s, &n);
    if (word_is(s, n, "inf") || word_is(s, n, "infinity")) {
        *ret = (double)INFINITY;
    } else if (word_is(s, n, "nan")) {
        *ret = (double)NAN;
    } else {
        size_t k = n && *s == '.' ? 0 : digits(s, n, 10), dot = k;
        if (k < n && s[k] == '.') k += 1 + digits(s + k + 1, n - k - 1, 10);
        if (k == 0 || (dot == 0 && k == 1)) return false;
        if (k < n && (s[k] | 0x20) == 'e') {
            size_t e = k + 1;
            if (e < n && (s[e] == '+' || s[e] == '-')) e++;
            size_t exp = digits(s + e, n - e, 10);
            if (!exp) return false;
            k = e + exp;
        }
        if (k != n || !to_float(s, n, ret)) return false;
    }
    if (negative) *ret = -*ret;
    return true;
}

/* f as "d.ddde+x" with the fewest digits that read back as f. At a power of two the nearest short decimal may
 * lie in the half-sized gap below and read back as something else while its upper neighbour does not: that
 * one is tried as well. */
static void shortest(double f, char buf[TN_JFLOAT_TEXT]) {
    int exponent;
    bool power = frexp(f, &exponent) == 0.5;
    for (int digits_after = 0; digits_after < 17; digits_after++) {
        snprintf(buf, TN_JFLOAT_TEXT, "%.*e", digits_after, f);
        if (strtod(buf, NULL) == f) return;
        if (!power) continue;
        size_t last = digits_after ? (size_t)digits_after + 1 : 0;
        if (buf[last] == '9') continue;
        buf[last]++;
        if (strtod(buf, NULL) == f) return;
    }
}

void tn_jprint_float(double f, char buf[TN_JFLOAT_TEXT]) {
    if (isnan(f) || isinf(f)) {
        strcpy(buf, isnan(f) ? "nan" : f < 0 ? "-inf" : "inf");
        return;
    }
    if (f == 0) {
        strcpy(buf, signbit(f) ? "-0.0" : "0.0");
        return;
    }
    char e[TN_JFLOAT_TEXT], digit[20];
    shortest(fabs(f), e);
    size_t n = 0;
    for (size_t i = 0; e[i] != 'e'; i++)
        if (e[i] != '.') digit[n++] = e[i];
    digit[n] = 0;
    int exponent = atoi(strchr(e, 'e') + 1), len = (int)n;
    const char *sign = f < 0 ? "-" : "";
    if (exponent < -4 || exponent >= 16)
        snprintf(buf, TN_JFLOAT_TEXT, "%s%c%s%s%s%02d", sign, digit[0], n > 1 ? "." : "", digit + 1,
                 exponent < 0 ? "e-" : "e+", abs(exponent));
    else if (exponent < 0)
        snprintf(buf, TN_JFLOAT_TEXT, "%s0.%.*s%s", sign, -exponent - 1, "0000", digit);
    else if (len <= exponent + 1)
        snprintf(buf, TN_JFLOAT_TEXT, "%s%s%.*s.0", sign, digit, exponent + 1 - len, "0000000000000000");
    else
        snprintf(buf, TN_JFLOAT_TEXT, "%s%.*s.%s", sign, exponent + 1, digit, digit + exponent + 1);
}
