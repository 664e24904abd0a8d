/* SPDX-License-Identifier: Apache-2.0 */
#include "text/normalizer.h"

#include <stdlib.h>
#include <string.h>

#include "text/unicode_forms.h"
#include "text/utf8.h"

enum { MAX_STEPS = 64 };

static void step_fini(tn_norm_step *s) {
    free(s->content);
    tn__pattern_free(s->pattern);
    tn__charsmap_free(s->map);
}

int tn__normalizer_add(tn_normalizer *t, tn_norm_step step, tn_error *err) {
    tn_norm_step *grown = NULL;
    if (t->n < MAX_STEPS) grown = realloc(t->step, (t->n + 1) * sizeof *grown);
    if (!grown) {
        step_fini(&step);
        if (t->n >= MAX_STEPS) return tn_fail(err, TN_ELIMIT, "more than %d normalizers", MAX_STEPS);
        return tn_fail(err, TN_ENOMEM, "out of memory");
    }
    t->step = grown;
    t->step[t->n++] = step;
    return 0;
}

static int set_content(tn_norm_step *s, const char *content, size_t len, tn_error *err) {
    s->content = malloc(len + 1);
    if (!s->content) return tn_fail(err, TN_ENOMEM, "out of memory");
    if (len) memcpy(s->content, content, len);
    s->content[len] = 0;
    s->content_len = len;
    return 0;
}

int tn__normalizer_add_prepend(tn_normalizer *t, const char *content, size_t len, tn_error *err) {
    tn_norm_step s = {.kind = TN_NORM_PREPEND};
    int rc = set_content(&s, content, len, err);
    return rc ? rc : tn__normalizer_add(t, s, err);
}

int tn__normalizer_add_replace(tn_normalizer *t, const char *from, size_t from_len, bool literal,
                               const char *content, size_t len, tn_error *err) {
    tn_norm_step s = {.kind = TN_NORM_REPLACE};
    int rc = set_content(&s, content, len, err);
    if (!rc) rc = tn__pattern_new(from, from_len, literal, &s.pattern, err);
    if (rc) {
        step_fini(&s);
        return rc;
    }
    return tn__normalizer_add(t, s, err);
}

void tn__normalizer_fini(tn_normalizer *t) {
    for (size_t i = 0; i < t->n; i++) step_fini(&t->step[i]);
    free(t->step);
    *t = (tn_normalizer){0};
}

static void put(tn_buf *out, uint32_t cp) {
    char c[4];
    tn_buf_add(out, c, tn__utf8_put(cp, c));
}

static void lowercase(const char *s, size_t n, tn_buf *out) {
    for (size_t i = 0; i < n;) {
        uint32_t cp, low[2];
        i += tn__utf8_get(s + i, &cp);
        size_t k = tn__to_lower(cp, low);
        for (size_t j = 0; j < k; j++) put(out, low[j]);
    }
}

static void strip(const tn_norm_step *st, const char *s, size_t n, tn_buf *out) {
    uint32_t cp;
    while (st->left && n) {
        size_t k = tn__utf8_get(s, &cp);
        if (!tn__is_space(cp)) break;
        s += k;
        n -= k;
    }
    while (st->right && n) {
        size_t last = tn__utf8_last(s, n);
        tn__utf8_get(s + last, &cp);
        if (!tn__is_space(cp)) break;
        n = last;
    }
    tn_buf_add(out, s, n);
}

/* What becomes of cp under a filter step: a character, or DROP. */
#define DROP UINT32_MAX

static uint32_t clean(uint32_t cp) {
    if (tn__is_space(cp)) return ' ';
    return cp == 0xfffd || tn__is_other(cp) ? DROP : cp;
}

static uint32_t nmt(uint32_t cp) {
    if ((cp >= 1 && cp <= 8) || cp == 0xb || (cp >= 0xe && cp <= 0x1f) || cp == 0x7f || cp == 0x8f ||
        cp == 0x9f)
        return DROP;
    if (cp == 9 || cp == 0xa || cp == 0xc || cp == 0xd || cp == 0x1680 || (cp >= 0x200b && cp <= 0x200f) ||
        cp == 0x2028 || cp == 0x2029 || cp == 0x2581 || cp == 0xfeff || cp == 0xfffd)
        return ' ';
    return cp;
}

/* Strips accents, cleans for BERT or for nmt. */
static void filter(tn_norm_kind kind, const char *s, size_t n, tn_buf *out) {
    for (size_t i = 0, k; i < n; i += k) {
        uint32_t cp, to;
        k = tn__utf8_get(s + i, &cp);
        if (kind == TN_NORM_STRIP_ACCENTS)
            to = tn__is_mark_nonspacing(cp) ? DROP : cp;
        else
            to = kind == TN_NORM_CLEAN ? clean(cp) : nmt(cp);
        if (to == cp)
            tn_buf_add(out, s + i, k);
        else if (to != DROP)
            put(out, to);
    }
}

/* The ranges that BERT's own code tests, an odd start of the last extension included. */
static bool is_cjk(uint32_t cp) {
    return (cp >= 0x4e00 && cp <= 0x9fff) || (cp >= 0x3400 && cp <= 0x4dbf) ||
           (cp >= 0x20000 && cp <= 0x2a6df) || (cp >= 0x2a700 && cp <= 0x2b73f) ||
           (cp >= 0x2b740 && cp <= 0x2b81f) || (cp >= 0x2b920 && cp <= 0x2ceaf) ||
           (cp >= 0xf900 && cp <= 0xfaff) || (cp >= 0x2f800 && cp <= 0x2fa1f);
}

static void space_cjk(const char *s, size_t n, tn_buf *out) {
    for (size_t i = 0, k; i < n; i += k) {
        uint32_t cp;
        k = tn__utf8_get(s + i, &cp);
        bool cjk = is_cjk(cp);
        if (cjk) tn_buf_addc(out, ' ');
        tn_buf_add(out, s + i, k);
        if (cjk) tn_buf_addc(out, ' ');
    }
}

static int replace(const tn_norm_step *st, tn_matcher *m, const char *s, size_t n, tn_buf *out,
                   tn_error *err) {
    size_t from = 0, a, b;
    int rc;
    while ((rc = tn__pattern_find(st->pattern, m, s, n, from, &a, &b, err)) == 1) {
        tn_buf_add(out, s + from, a - from);
        tn_buf_add(out, st->content, st->content_len);
        if (out->status) return out->status;
        from = b;
    }
    if (rc < 0) return rc;
    return tn_buf_add(out, s + from, n - from);
}

static int apply(const tn_norm_step *st, tn_matcher *m, const char *s, size_t n, tn_buf *out, tn_error *err) {
    switch (st->kind) {
    case TN_NORM_NFC: return tn__unicode_form(s, n, false, true, out);
    case TN_NORM_NFD: return tn__unicode_form(s, n, false, false, out);
    case TN_NORM_NFKC: return tn__unicode_form(s, n, true, true, out);
    case TN_NORM_NFKD: return tn__unicode_form(s, n, true, false, out);
    case TN_NORM_LOWERCASE: lowercase(s, n, out); break;
    case TN_NORM_STRIP: strip(st, s, n, out); break;
    case TN_NORM_STRIP_ACCENTS:
    case TN_NORM_CLEAN:
    case TN_NORM_NMT: filter(st->kind, s, n, out); break;
    case TN_NORM_SPACE_CJK: space_cjk(s, n, out); break;
    case TN_NORM_PREPEND:
        if (n) tn_buf_add(out, st->content, st->content_len);
        tn_buf_add(out, s, n);
        break;
    case TN_NORM_REPLACE: return replace(st, m, s, n, out, err);
    case TN_NORM_CHARSMAP: return tn__charsmap_apply(st->map, st->longest, s, n, out);
    case TN_NORM_BYTE_LEVEL: return tn__byte_level_put(s, n, out);
    }
    return out->status;
}

int tn__normalize(const tn_normalizer *t, tn_matcher *m, const char *s, size_t n, tn_buf *out,
                  tn_error *err) {
    tn_buf spare;
    int rc = 0;
    tn_buf_init(&spare, out->max);
    tn_buf_clear(out);
    if (!t->n) rc = tn_buf_add(out, s, n);
    for (size_t i = 0; i < t->n && !rc; i++) {
        if (i) {
            tn_buf swap = spare;
            spare = *out;
            *out = swap;
            s = spare.data ? spare.data : "";
            n = spare.len;
        }
        tn_buf_clear(out);
        rc = apply(&t->step[i], m, s, n, out, err);
    }
    if (rc == out->status && rc == TN_ELIMIT)
        rc = tn_fail(err, rc, "a text grows past %zu bytes when it is normalised", out->max);
    else if (rc == out->status && rc)
        rc = tn_fail(err, rc, "out of memory while a text was normalised");
    tn_buf_free(&spare);
    return rc;
}

/* GPT-2's alphabet: printable Latin-1 stands for itself, the other 68 bytes for U+0100 and on, in order. */
static bool is_direct(unsigned char b) {
    return (b >= 0x21 && b <= 0x7e) || (b >= 0xa1 && b <= 0xac) || b >= 0xae;
}

/* How many bytes below b are not direct. */
static uint32_t odd_rank(unsigned char b) {
    return b <= 0x20 ? b : b <= 0xa0 ? 33u + (b - 0x7fu) : 67u;
}

int tn__byte_level_put(const char *bytes, size_t n, tn_buf *out) {
    for (size_t i = 0; i < n; i++) {
        unsigned char b = (unsigned char)bytes[i];
        put(out, is_direct(b) ? b : 0x100 + odd_rank(b));
    }
    return out->status;
}

int tn__byte_level_get(uint32_t cp) {
    if (cp < 0x100) return is_direct((unsigned char)cp) ? (int)cp : -1;
    uint32_t rank = cp - 0x100;
    if (rank <= 32) return (int)rank;
    if (rank <= 66) return (int)(rank - 33 + 0x7f);
    return rank == 67 ? 0xad : -1;
}
