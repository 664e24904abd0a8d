/* SPDX-License-Identifier: Apache-2.0 */
#include "text/charsmap.h"

#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "text/utf8.h"

struct tn_charsmap {
    uint32_t *unit;
    size_t n_unit;
    char *text; /* ends in a NUL */
    size_t text_len;
};

/* Fields of a unit. */
static bool has_leaf(uint32_t u) {
    return u >> 8 & 1;
}
static uint32_t leaf_value(uint32_t u) {
    return u & 0x7fffffffu;
}
static uint32_t unit_label(uint32_t u) {
    return u & 0x800000ffu;
}
static uint32_t unit_offset(uint32_t u) {
    return (u >> 10) << ((u & 0x200u) >> 6);
}

int tn__charsmap_new(const void *blob, size_t len, tn_charsmap **ret, tn_error *err) {
    const unsigned char *b = blob;
    uint32_t trie = 0;
    if (len >= 4) trie = b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
    if (len < 5 || trie < 4 || trie % 4 || trie > len - 5 || b[len - 1] != 0)
        return tn_fail(err, TN_EFORMAT,
                       "precompiled_charsmap: %zu bytes with a trie of %u do not fit together", len, trie);
    tn_charsmap *c = calloc(1, sizeof *c);
    if (!c || !(c->unit = malloc(trie)) || !(c->text = malloc(len - 4 - trie))) {
        tn__charsmap_free(c);
        return tn_fail(err, TN_ENOMEM, "out of memory for a character map of %zu bytes", len);
    }
    c->n_unit = trie / 4;
    for (size_t i = 0; i < c->n_unit; i++) {
        const unsigned char *u = b + 4 + 4 * i;
        c->unit[i] = u[0] | (uint32_t)u[1] << 8 | (uint32_t)u[2] << 16 | (uint32_t)u[3] << 24;
    }
    c->text_len = len - 4 - trie;
    memcpy(c->text, b + 4 + trie, c->text_len);
    *ret = c;
    return 0;
}

static int base64_digit(char c) {
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (c >= '0' && c <= '9') return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

int tn__charsmap_new_base64(const char *text, size_t len, tn_charsmap **ret, tn_error *err) {
    unsigned char *blob = malloc(len / 4 * 3 + 3);
    size_t n = 0, digits = 0;
    uint32_t acc = 0;
    if (!blob) return tn_fail(err, TN_ENOMEM, "out of memory for a character map");
    while (len && text[len - 1] == '=') len--;
    for (; digits < len; digits++) {
        int d = base64_digit(text[digits]);
        if (d < 0) break;
        acc = acc << 6 | (uint32_t)d;
        if (digits % 4 != 0) blob[n++] = (unsigned char)(acc >> (6 - 2 * (digits % 4)));
    }
    int rc = digits == len ? tn__charsmap_new(blob, n, ret, err)
                           : tn_fail(err, TN_EFORMAT, "precompiled_charsmap is not base64");
    free(blob);
    return rc;
}

void tn__charsmap_free(tn_charsmap *c) {
    if (!c) return;
    free(c->unit);
    free(c->text);
    free(c);
}

/* Looks for keys that s[0, n) begins with: the length of the first or the longest, 0 for none. Every index is
 * checked: the units come from a file. */
static size_t find_key(const tn_charsmap *c, bool longest, const char *s, size_t n, const char **ret) {
    size_t pos = unit_offset(c->unit[0]), best = 0;
    for (size_t i = 0; i < n && s[i]; i++) {
        pos ^= (unsigned char)s[i];
        if (pos >= c->n_unit || unit_label(c->unit[pos]) != (unsigned char)s[i]) break;
        uint32_t u = c->unit[pos];
        pos ^= unit_offset(u);
        if (!has_leaf(u)) continue;
        if (pos >= c->n_unit || leaf_value(c->unit[pos]) >= c->text_len) break;
        *ret = c->text + leaf_value(c->unit[pos]);
        best = i + 1;
        if (!longest) break;
    }
    return best;
}

/* Bytes of the extended grapheme cluster at s. */
static size_t grapheme(const char *s, size_t n) {
    utf8proc_int32_t state = 0;
    uint32_t a, b;
    size_t len = tn__utf8_get(s, &a);
    while (len < n) {
        size_t k = tn__utf8_get(s + len, &b);
        if (utf8proc_grapheme_break_stateful((utf8proc_int32_t)a, (utf8proc_int32_t)b, &state)) break;
        len += k;
        a = b;
    }
    return len;
}

static int apply_longest(const tn_charsmap *c, const char *s, size_t n, tn_buf *out) {
    uint32_t cp;
    const char *to;
    for (size_t i = 0, k; i < n; i += k) {
        if ((k = find_key(c, true, s + i, n - i, &to)))
            tn_buf_adds(out, to);
        else
            tn_buf_add(out, s + i, k = tn__utf8_get(s + i, &cp));
    }
    return out->status;
}

int tn__charsmap_apply(const tn_charsmap *c, bool longest, const char *s, size_t n, tn_buf *out) {
    uint32_t cp;
    const char *to;
    if (longest) return apply_longest(c, s, n, out);
    for (size_t i = 0; i < n;) {
        size_t g = grapheme(s + i, n - i), k;
        if (g < 6 && find_key(c, false, s + i, g, &to)) {
            tn_buf_adds(out, to);
            i += g;
            continue;
        }
        for (size_t end = i + g; i < end; i += k) {
            k = tn__utf8_get(s + i, &cp);
            if (find_key(c, false, s + i, k, &to))
                tn_buf_adds(out, to);
            else
                tn_buf_add(out, s + i, k);
        }
    }
    return out->status;
}
