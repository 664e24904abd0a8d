/* SPDX-License-Identifier: Apache-2.0 */
#include "text/json_reader.h"

#include <locale.h>
#include <stdlib.h>
#include <string.h>

#include "text/utf8.h"

enum { MAX_DEPTH = 128, MAX_STRING = 64 << 20, MAX_NUMBER = 64 };

void tn__jr_init(tn_json_reader *r, const char *text, size_t len, const char *name, tn_error *err) {
    *r = (tn_json_reader){.start = text, .at = text, .end = text + len, .name = name, .err = err};
    tn_buf_init(&r->text, MAX_STRING);
}

void tn__jr_fini(tn_json_reader *r) {
    tn_buf_free(&r->text);
}

int tn__jr_fail(tn_json_reader *r, const char *what) {
    return tn_fail(r->err, TN_EFORMAT, "%s: byte %zu: %s", r->name, (size_t)(r->at - r->start), what);
}

char tn__jr_peek(tn_json_reader *r) {
    while (r->at < r->end && (*r->at == ' ' || *r->at == '\n' || *r->at == '\r' || *r->at == '\t')) r->at++;
    return r->at < r->end ? *r->at : 0;
}

int tn__jr_take(tn_json_reader *r, char c) {
    char what[] = "'?' expected";
    if (tn__jr_peek(r) == c) {
        r->at++;
        return 0;
    }
    what[1] = c;
    return tn__jr_fail(r, what);
}

int tn__jr_next(tn_json_reader *r, char close, bool first) {
    if (tn__jr_peek(r) == close) {
        r->at++;
        return 0;
    }
    int rc = first ? 0 : tn__jr_take(r, ',');
    return rc ? rc : 1;
}

static int hex4(const char *s, const char *end, uint32_t *ret) {
    uint32_t v = 0;
    if (end - s < 4) return -1;
    for (int i = 0; i < 4; i++) {
        char c = s[i];
        int d = c >= '0' && c <= '9'   ? c - '0'
                : c >= 'a' && c <= 'f' ? c - 'a' + 10
                : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                       : -1;
        if (d < 0) return -1;
        v = v << 4 | (uint32_t)d;
    }
    *ret = v;
    return 0;
}

/* \uHHHH at r->at (after the u); pairs of surrogates are one character, lone ones are refused. */
static int unicode_escape(tn_json_reader *r) {
    uint32_t cp, low;
    char c[4];
    if (hex4(r->at, r->end, &cp)) return tn__jr_fail(r, "a damaged \\u escape");
    r->at += 4;
    if (cp >= 0xdc00 && cp <= 0xdfff) return tn__jr_fail(r, "half of a surrogate pair");
    if (cp >= 0xd800 && cp <= 0xdbff) {
        if (r->end - r->at < 6 || r->at[0] != '\\' || r->at[1] != 'u' || hex4(r->at + 2, r->end, &low) ||
            low < 0xdc00 || low > 0xdfff)
            return tn__jr_fail(r, "half of a surrogate pair");
        r->at += 6;
        cp = 0x10000 + ((cp - 0xd800) << 10) + (low - 0xdc00);
    }
    return tn_buf_add(&r->text, c, tn__utf8_put(cp, c));
}

static int escape(tn_json_reader *r) {
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    if (r->at >= r->end) return tn__jr_fail(r, "a string without an end");
    char c = *r->at++;
    if (c == 'u') return unicode_escape(r);
    const char *hit = c ? strchr(from, c) : NULL;
    if (!hit) return tn__jr_fail(r, "an unknown escape");
    return tn_buf_addc(&r->text, to[hit - from]);
}

/* The end of the run of plain string bytes at p. */
static const char *plain_run(const char *p, const char *end) {
    while (p < end && *p != '"' && *p != '\\' && (unsigned char)*p >= 0x20) p++;
    return p;
}

int tn__jr_string(tn_json_reader *r, const char **ret, size_t *ret_len) {
    int rc = tn__jr_take(r, '"');
    if (rc) return rc;
    const char *from = r->at;
    r->at = plain_run(from, r->end);
    if (r->at < r->end && *r->at == '"') {
        *ret = from;
        *ret_len = (size_t)(r->at++ - from);
        return 0;
    }
    tn_buf_clear(&r->text);
    for (;;) {
        tn_buf_add(&r->text, from, (size_t)(r->at - from));
        if (r->at >= r->end) return tn__jr_fail(r, "a string without an end");
        if (*r->at == '"') break;
        if (*r->at != '\\') return tn__jr_fail(r, "a control character in a string");
        r->at++;
        if ((rc = escape(r))) break;
        from = r->at;
        r->at = plain_run(from, r->end);
    }
    if (r->text.status) return tn_fail(r->err, r->text.status, "%s: a string is too long", r->name);
    if (rc) return rc;
    r->at++;
    *ret = r->text.data ? r->text.data : "";
    *ret_len = r->text.len;
    return 0;
}

int tn__jr_key(tn_json_reader *r, const char **ret, size_t *ret_len) {
    int rc = tn__jr_string(r, ret, ret_len);
    return rc ? rc : tn__jr_take(r, ':');
}

static bool is_digit(const tn_json_reader *r) {
    return r->at < r->end && *r->at >= '0' && *r->at <= '9';
}

/* Passes over digits; false where there are none. */
static bool digits(tn_json_reader *r) {
    if (!is_digit(r)) return false;
    while (is_digit(r)) r->at++;
    return true;
}

/* Passes over a number in JSON's grammar. */
static bool pass_number(tn_json_reader *r) {
    tn__jr_peek(r);
    if (r->at < r->end && *r->at == '-') r->at++;
    if (r->at + 1 < r->end && r->at[0] == '0' && r->at[1] >= '0' && r->at[1] <= '9') return false;
    if (!digits(r)) return false;
    if (r->at < r->end && *r->at == '.') {
        r->at++;
        if (!digits(r)) return false;
    }
    if (r->at < r->end && (*r->at == 'e' || *r->at == 'E')) {
        r->at++;
        if (r->at < r->end && (*r->at == '+' || *r->at == '-')) r->at++;
        if (!digits(r)) return false;
    }
    return true;
}

int tn__jr_uint(tn_json_reader *r, uint64_t *ret) {
    uint64_t v = 0;
    tn__jr_peek(r);
    const char *from = r->at;
    if (!pass_number(r)) return tn__jr_fail(r, "a number expected");
    for (const char *p = from; p < r->at; p++) {
        if (*p < '0' || *p > '9' || v > (uint64_t)INT64_MAX / 10 - 1) {
            r->at = from;
            return tn__jr_fail(r, "an integer from 0 on expected");
        }
        v = v * 10 + (uint64_t)(*p - '0');
    }
    *ret = v;
    return 0;
}

int tn__jr_number(tn_json_reader *r, double *ret) {
    char copy[MAX_NUMBER];
    tn__jr_peek(r);
    const char *from = r->at;
    if (!pass_number(r)) return tn__jr_fail(r, "a number expected");
    size_t n = (size_t)(r->at - from);
    if (n >= sizeof copy) return tn__jr_fail(r, "a number of too many digits");
    memcpy(copy, from, n);
    copy[n] = 0;
    char *dot = strchr(copy, '.');
    if (dot) *dot = *localeconv()->decimal_point;
    *ret = strtod(copy, NULL);
    return 0;
}

static int skip_word(tn_json_reader *r) {
    static const char *const word[] = {"true", "false", "null"};
    for (size_t i = 0; i < 3; i++) {
        size_t n = strlen(word[i]);
        if ((size_t)(r->end - r->at) < n || memcmp(r->at, word[i], n) != 0) continue;
        r->at += n;
        return 0;
    }
    return tn__jr_fail(r, "a value expected");
}

static int skip_value(tn_json_reader *r, int depth) {
    const char *s;
    size_t n;
    int more, rc = 0;
    char c = tn__jr_peek(r), close = c == '{' ? '}' : ']';
    if (c == '"') return tn__jr_string(r, &s, &n);
    if (c == '-' || (c >= '0' && c <= '9')) return pass_number(r) ? 0 : tn__jr_fail(r, "a damaged number");
    if (c != '{' && c != '[') return skip_word(r);
    if (depth >= MAX_DEPTH) return tn__jr_fail(r, "nested too deeply");
    r->at++;
    for (bool first = true; (more = tn__jr_next(r, close, first)) == 1; first = false) {
        if (c == '{') rc = tn__jr_key(r, &s, &n);
        if (!rc) rc = skip_value(r, depth + 1);
        if (rc) return rc;
    }
    return more;
}

int tn__jr_skip(tn_json_reader *r) {
    return skip_value(r, 0);
}
