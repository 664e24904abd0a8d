/* SPDX-License-Identifier: Apache-2.0 */
/* Oniguruma's (Ruby) and Rust's regular expressions in PCRE2's syntax. Only what means something else there
 * is touched; the rest is copied. */
#include <string.h>

#include "text/pattern.h"

/* Unicode's White_Space, and the rest of Unicode, as items of a class. PCRE2's own \s has U+180E too. */
#define SPACE                                                                                                \
    "\\x09-\\x0d\\x20\\x{85}\\x{a0}\\x{1680}\\x{2000}-\\x{200a}\\x{2028}\\x{2029}\\x{202f}\\x{205f}\\x{3000}"
#define NOT_SPACE                                                                                               \
    "\\x00-\\x08\\x0e-\\x1f\\x21-\\x{84}\\x{86}-\\x{9f}\\x{a1}-\\x{167f}\\x{1681}-\\x{1fff}\\x{200b}-\\x{2027}" \
    "\\x{202a}-\\x{202e}\\x{2030}-\\x{205e}\\x{2060}-\\x{2fff}\\x{3001}-\\x{10ffff}"
/* Alphabetic, Mark, Decimal_Number, Connector_Punctuation. */
#define WORD "\\p{L}\\p{Nl}\\x{24b6}-\\x{24e9}\\p{M}\\p{Nd}\\p{Pc}"
#define HEX  "0-9A-Fa-f"

enum { MAX_NESTING = 8, MAX_OPERANDS = 4 };

typedef struct scan {
    const char *at, *end;
    tn_error *err;
} scan;

static int unsupported(const scan *s, const char *what) {
    return tn_fail(s->err, TN_ENOTSUP, "a splitting expression uses %s, which is not supported", what);
}

static bool is_hex(char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/* \uHHHH and \u{H...} at s->at (after the u) as \x{...}. */
static int unicode_escape(scan *s, tn_buf *out) {
    const char *from = s->at, *to;
    if (from < s->end && *from == '{') {
        to = ++from;
        while (to < s->end && is_hex(*to)) to++;
        if (to == from || to == s->end || *to != '}') return unsupported(s, "a damaged \\u{...}");
        s->at = to + 1;
    } else {
        to = from;
        while (to < s->end && to < from + 4 && is_hex(*to)) to++;
        if (to != from + 4) return unsupported(s, "a damaged \\uHHHH");
        s->at = to;
    }
    return tn_buf_addf(out, "\\x{%.*s}", (int)(to - from), from);
}

/* The escape at s->at (a backslash). */
static int escape(scan *s, bool in_class, tn_buf *out) {
    if (s->at + 1 >= s->end) return unsupported(s, "a backslash at its end");
    char c = s->at[1];
    const char *open = in_class ? "" : "[", *close = in_class ? "" : "]";
    s->at += 2;
    switch (c) {
    case 's': return tn_buf_addf(out, "%s%s%s", open, SPACE, close);
    case 'S': return tn_buf_addf(out, "%s%s%s", open, NOT_SPACE, close);
    case 'w': return tn_buf_addf(out, "%s%s%s", open, WORD, close);
    case 'W': return in_class ? unsupported(s, "\\W in a class") : tn_buf_adds(out, "[^" WORD "]");
    case 'h': return tn_buf_addf(out, "%s%s%s", open, HEX, close);
    case 'H': return in_class ? unsupported(s, "\\H in a class") : tn_buf_adds(out, "[^" HEX "]");
    case 'u': return unicode_escape(s, out);
    case 'K':
    case 'C': return unsupported(s, "\\K or \\C");
    }
    s->at -= 2;
    tn_buf_add(out, s->at, 2);
    s->at += 2;
    if ((c != 'p' && c != 'P' && c != 'x') || s->at >= s->end || *s->at != '{') return out->status;
    const char *to = memchr(s->at, '}', (size_t)(s->end - s->at));
    if (!to) return unsupported(s, "an unclosed {");
    tn_buf_add(out, s->at, (size_t)(to + 1 - s->at));
    s->at = to + 1;
    return out->status;
}

/* One side of && in a class. */
typedef struct operand {
    tn_buf items; /* without brackets */
    bool negated;
} operand;

typedef struct charclass {
    operand op[MAX_OPERANDS];
    size_t n;
    bool negated;
} charclass;

static void class_fini(charclass *c) {
    for (size_t i = 0; i < MAX_OPERANDS; i++) tn_buf_free(&c->op[i].items);
}

static void class_init(charclass *c) {
    *c = (charclass){.n = 1};
    for (size_t i = 0; i < MAX_OPERANDS; i++) tn_buf_init(&c->op[i].items, 4 * TN_PATTERN_MAX);
}

static int parse_class(scan *s, charclass *c, int depth);

/* [...] inside a class: a union with what is around it. */
static int nested_class(scan *s, operand *op, int depth) {
    charclass inner;
    class_init(&inner);
    int rc =
        depth >= MAX_NESTING ? unsupported(s, "deeply nested classes") : parse_class(s, &inner, depth + 1);
    if (rc) goto out;
    if (inner.n > 1 || op->negated || ((inner.negated || inner.op[0].negated) && op->items.len)) {
        rc = unsupported(s, "a nested class that is not a plain union");
        goto out;
    }
    op->negated = inner.negated != inner.op[0].negated;
    rc = tn_buf_add(&op->items, inner.op[0].items.data, inner.op[0].items.len);
out:
    class_fini(&inner);
    return rc;
}

static int class_item(scan *s, charclass *c, int depth) {
    operand *op = &c->op[c->n - 1];
    size_t left = (size_t)(s->end - s->at);
    if (left > 1 && s->at[0] == '&' && s->at[1] == '&') {
        if (c->n == MAX_OPERANDS) return unsupported(s, "more than three && in a class");
        c->n++;
        s->at += 2;
        return 0;
    }
    if (*s->at == '[' && left > 1 && s->at[1] == ':') {
        const char *to = memmem(s->at, left, ":]", 2);
        if (!to) return unsupported(s, "an unclosed [:");
        int rc = tn_buf_add(&op->items, s->at, (size_t)(to + 2 - s->at));
        s->at = to + 2;
        return rc;
    }
    if (*s->at == '[') return nested_class(s, op, depth);
    if (op->negated) return unsupported(s, "a nested class that is not a plain union");
    if (*s->at == '\\') return escape(s, true, &op->items);
    return tn_buf_addc(&op->items, *s->at++);
}

/* The class at s->at ('['), to after its ']'. */
static int parse_class(scan *s, charclass *c, int depth) {
    s->at++;
    if (s->at < s->end && *s->at == '^') {
        c->negated = true;
        s->at++;
    }
    if (s->at < s->end && *s->at == ']') { /* first of all it is a character */
        s->at++;
        tn_buf_adds(&c->op[0].items, "\\]");
    }
    while (s->at < s->end && *s->at != ']') {
        int rc = class_item(s, c, depth);
        if (rc) return rc;
    }
    if (s->at >= s->end) return unsupported(s, "an unclosed [");
    s->at++;
    for (size_t i = 0; i < c->n; i++)
        if (!c->op[i].items.len) return unsupported(s, "an empty class");
    return 0;
}

static void put_class(const operand *op, bool flip, tn_buf *out) {
    tn_buf_adds(out, op->negated != flip ? "[^" : "[");
    tn_buf_add(out, op->items.data, op->items.len);
    tn_buf_addc(out, ']');
}

/* [A&&B] is (?:(?=[B])[A]); its complement is any character that this is not. */
static int translate_class(scan *s, tn_buf *out) {
    charclass c;
    class_init(&c);
    int rc = parse_class(s, &c, 0);
    if (rc) goto out;
    if (c.n == 1) {
        put_class(&c.op[0], c.negated, out);
        goto out;
    }
    tn_buf_adds(out, c.negated ? "(?:(?!" : "(?:");
    for (size_t i = 1; i < c.n; i++) {
        tn_buf_adds(out, "(?=");
        put_class(&c.op[i], false, out);
        tn_buf_addc(out, ')');
    }
    put_class(&c.op[0], false, out);
    tn_buf_adds(out, c.negated ? ")(?s:.))" : ")");
out:
    class_fini(&c);
    return rc ? rc : out->status;
}

int tn__regex_translate(const char *re, size_t len, tn_buf *out, tn_error *err) {
    scan s = {re, re + len, err};
    int rc = 0;
    while (s.at < s.end && !rc) {
        if (*s.at == '\\')
            rc = escape(&s, false, out);
        else if (*s.at == '[')
            rc = translate_class(&s, out);
        else
            rc = tn_buf_addc(out, *s.at++);
    }
    if (rc && rc == out->status)
        return tn_fail(err, rc, "an expression of %zu bytes is too large when translated", len);
    return rc;
}
