/* SPDX-License-Identifier: Apache-2.0 */
#include "text/unicode_forms.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "base/checked.h"
#include "text/utf8.h"

/* What one character decomposes into at most (U+FDFA, compatibility: 18). */
enum { MAX_EXPANSION = 18 };

/* Code points of the stretch being normalised. */
typedef struct points {
    utf8proc_int32_t *cp;
    size_t n, cap;
} points;

static int combining_class(utf8proc_int32_t cp) {
    return utf8proc_get_property(cp)->combining_class;
}

/* Puts cp[0, n), all of them combining, in canonical order by counting. utf8proc does this by exchanging
 * neighbours, which a long run of marks makes quadratic. */
static int order_run(utf8proc_int32_t *cp, size_t n) {
    size_t count[257] = {0};
    bool sorted = true;
    for (size_t i = 1; i < n && sorted; i++) sorted = combining_class(cp[i - 1]) <= combining_class(cp[i]);
    if (sorted) return 0;
    utf8proc_int32_t *copy = malloc(n * sizeof *copy);
    if (!copy) return TN_ENOMEM;
    memcpy(copy, cp, n * sizeof *cp);
    for (size_t i = 0; i < n; i++) count[combining_class(copy[i]) + 1]++;
    for (size_t c = 1; c < 257; c++) count[c] += count[c - 1];
    for (size_t i = 0; i < n; i++) cp[count[combining_class(copy[i])]++] = copy[i];
    free(copy);
    return 0;
}

static int order_marks(points *p) {
    for (size_t i = 0; i < p->n;) {
        size_t from = i;
        while (i < p->n && combining_class(p->cp[i])) i++;
        if (i - from > 1 && order_run(p->cp + from, i - from)) return TN_ENOMEM;
        if (i == from) i++;
    }
    return 0;
}

static int points_reserve(points *p, size_t more) {
    size_t need, bytes;
    if (!tn_add_size(p->n, more, &need)) return TN_ENOMEM;
    if (need <= p->cap) return 0;
    size_t cap = p->cap ? p->cap : 256;
    while (cap < need) cap *= 2;
    if (!tn_mul_size(cap, sizeof *p->cp, &bytes)) return TN_ENOMEM;
    utf8proc_int32_t *cp = realloc(p->cp, bytes);
    if (!cp) return TN_ENOMEM;
    p->cp = cp;
    p->cap = cap;
    return 0;
}

static int decompose(points *p, const char *s, size_t n, utf8proc_option_t options) {
    int boundary = 0;
    p->n = 0;
    for (size_t i = 0; i < n;) {
        uint32_t cp;
        i += tn__utf8_get(s + i, &cp);
        if (points_reserve(p, MAX_EXPANSION)) return TN_ENOMEM;
        utf8proc_ssize_t k =
            utf8proc_decompose_char((utf8proc_int32_t)cp, p->cp + p->n, MAX_EXPANSION, options, &boundary);
        if (k < 0 || k > MAX_EXPANSION) {
            p->cp[p->n] = (utf8proc_int32_t)cp;
            k = 1;
        }
        p->n += (size_t)k;
    }
    return 0;
}

/* A stretch that does not interact with what is around it. */
static int stretch(points *p, const char *s, size_t n, bool compatibility, bool compose, tn_buf *out) {
    utf8proc_option_t options = UTF8PROC_STABLE | (compose ? UTF8PROC_COMPOSE : UTF8PROC_DECOMPOSE);
    if (compatibility) options |= UTF8PROC_COMPAT;
    if (decompose(p, s, n, options) || order_marks(p)) return TN_ENOMEM;
    utf8proc_ssize_t k = (utf8proc_ssize_t)p->n;
    if (compose) k = utf8proc_normalize_utf32(p->cp, k, options);
    for (utf8proc_ssize_t i = 0; i < k; i++) {
        char c[4];
        tn_buf_add(out, c, tn__utf8_put((uint32_t)p->cp[i], c));
    }
    return out->status;
}

/* Characters that the form leaves alone and that never join what is before them. A short list of ranges,
 * there for speed only: everything else takes the long way. */
static bool plain(uint32_t cp, bool composed_form) {
    if (!composed_form) return cp < 0x80;
    return cp < 0x300 || (cp >= 0x400 && cp <= 0x482) || (cp >= 0x48a && cp <= 0x52f) ||
           (cp >= 0x3041 && cp <= 0x3096) || (cp >= 0x30a1 && cp <= 0x30fa) ||
           (cp >= 0x3400 && cp <= 0x9fff) || (cp >= 0xac00 && cp <= 0xd7a3);
}

int tn__unicode_form(const char *s, size_t n, bool compatibility, bool compose, tn_buf *out) {
    bool nfc = compose && !compatibility;
    points p = {0};
    size_t from = 0, last = 0; /* of what is not yet out; of the last plain character */
    bool only_plain = true;    /* since from */
    int rc = 0;
    for (size_t i = 0, k; i < n && !rc; i += k) {
        uint32_t cp;
        k = tn__utf8_get(s + i, &cp);
        if (!plain(cp, nfc)) {
            /* The last plain character may take marks, so that it belongs to this stretch. */
            if (only_plain && i > from) {
                rc = tn_buf_add(out, s + from, last - from);
                from = last;
            }
            only_plain = false;
            continue;
        }
        if (!only_plain) {
            rc = stretch(&p, s + from, i - from, compatibility, compose, out);
            from = i;
            only_plain = true;
        }
        last = i;
    }
    if (!rc)
        rc = only_plain ? tn_buf_add(out, s + from, n - from)
                        : stretch(&p, s + from, n - from, compatibility, compose, out);
    free(p.cp);
    return rc;
}
