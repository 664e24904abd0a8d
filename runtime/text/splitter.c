/* SPDX-License-Identifier: Apache-2.0 */
#include "text/splitter.h"

#include <stdlib.h>
#include <string.h>

#include "text/normalizer.h"
#include "text/utf8.h"

enum { MAX_STEPS = 64 };

int tn__splitter_add(tn_splitter *t, tn_split_step step, tn_error *err) {
    tn_split_step *grown = NULL;
    if (t->n < MAX_STEPS) grown = realloc(t->step, (t->n + 1) * sizeof *grown);
    if (!grown) {
        tn__pattern_free(step.pattern);
        if (t->n >= MAX_STEPS) return tn_fail(err, TN_ELIMIT, "more than %d pre-tokenizers", MAX_STEPS);
        return tn_fail(err, TN_ENOMEM, "out of memory");
    }
    t->step = grown;
    t->step[t->n++] = step;
    return 0;
}

int tn__splitter_add_regex(tn_splitter *t, const char *re, tn_error *err) {
    tn_split_step s = {.kind = TN_SPLIT_PATTERN, .behavior = TN_SPLIT_ISOLATED};
    int rc = tn__pattern_new(re, strlen(re), false, &s.pattern, err);
    return rc ? rc : tn__splitter_add(t, s, err);
}

void tn__splitter_fini(tn_splitter *t) {
    for (size_t i = 0; i < t->n; i++) tn__pattern_free(t->step[i].pattern);
    free(t->step);
    *t = (tn_splitter){0};
}

void tn__words_init(tn_words *w, size_t max_text) {
    *w = (tn_words){0};
    tn_buf_init(&w->text, max_text);
}

void tn__words_fini(tn_words *w) {
    tn_buf_free(&w->text);
    free(w->word);
    free(w->spare);
    *w = (tn_words){0};
}

static int add_word(tn_words *w, size_t off, size_t len) {
    if (!len) return 0;
    if (w->n == w->cap) {
        size_t cap = w->cap ? w->cap * 2 : 64;
        struct tn_word *word = realloc(w->word, cap * sizeof *word);
        if (!word) return TN_ENOMEM;
        w->word = word;
        w->cap = cap;
    }
    w->word[w->n++] = (struct tn_word){off, len};
    return 0;
}

/* Builds words from parts of one word, each a match or not, in order. */
typedef struct builder {
    tn_words *w;
    const tn_split_step *st;
    size_t first;    /* the word's own first result */
    bool open;       /* the last result may be extended */
    size_t held_off; /* TN_SPLIT_WITH_NEXT: a match that waits for what follows */
    size_t held_len;
} builder;

static int add_part(builder *b, size_t off, size_t len, bool match) {
    tn_words *w = b->w;
    int rc = 0;
    if (!len) return 0;
    match = match != b->st->invert;
    bool extend = false;
    switch (b->st->behavior) {
    case TN_SPLIT_REMOVED: return match ? 0 : add_word(w, off, len);
    case TN_SPLIT_ISOLATED: return add_word(w, off, len);
    case TN_SPLIT_CONTIGUOUS:
        extend = w->n > b->first && b->open == match;
        b->open = match;
        break;
    case TN_SPLIT_WITH_PREVIOUS:
        extend = w->n > b->first && match && !b->open;
        b->open = match;
        break;
    case TN_SPLIT_WITH_NEXT:
        if (b->held_len && match) rc = add_word(w, b->held_off, b->held_len);
        if (b->held_len && !match) off = b->held_off, len += b->held_len;
        b->held_len = 0;
        if (match) return b->held_off = off, b->held_len = len, rc;
        break;
    }
    if (extend)
        w->word[w->n - 1].len += len;
    else
        rc = add_word(w, off, len);
    return rc;
}

static int by_pattern(builder *b, tn_matcher *m, const struct tn_word *word, tn_error *err) {
    const char *s = b->w->text.data + word->off;
    size_t from = 0, start, end;
    int rc;
    while ((rc = tn__pattern_find(b->st->pattern, m, s, word->len, from, &start, &end, err)) == 1) {
        if (add_part(b, word->off + from, start - from, false) ||
            add_part(b, word->off + start, end - start, true))
            return TN_ENOMEM;
        from = end;
    }
    if (rc < 0) return rc;
    return add_part(b, word->off + from, word->len - from, false);
}

static bool in_class(tn_split_kind kind, uint32_t cp) {
    if (kind == TN_SPLIT_SPACE) return tn__is_space(cp);
    if (kind == TN_SPLIT_PUNCT) return tn__is_punct(cp);
    return tn__is_numeric(cp);
}

/* Each character of the class is a match of its own. */
static int by_class(builder *b, const struct tn_word *word) {
    const char *s = b->w->text.data + word->off;
    size_t from = 0;
    for (size_t i = 0, k; i < word->len; i += k) {
        uint32_t cp;
        k = tn__utf8_get(s + i, &cp);
        if (!in_class(b->st->kind, cp)) continue;
        if (add_part(b, word->off + from, i - from, false) || add_part(b, word->off + i, k, true))
            return TN_ENOMEM;
        from = i + k;
    }
    return add_part(b, word->off + from, word->len - from, false);
}

static int by_words(builder *b, const struct tn_word *word) {
    const char *s = b->w->text.data + word->off;
    size_t from = 0;
    int kind = -1; /* of the run from `from`: 0 space, 1 word, 2 other */
    for (size_t i = 0, k; i < word->len; i += k) {
        uint32_t cp;
        k = tn__utf8_get(s + i, &cp);
        int now = tn__is_space(cp) ? 0 : tn__is_word(cp) ? 1 : 2;
        if (now == kind) continue;
        if (kind > 0 && add_word(b->w, word->off + from, i - from)) return TN_ENOMEM;
        from = i;
        kind = now;
    }
    return kind > 0 ? add_word(b->w, word->off + from, word->len - from) : 0;
}

static int by_length(builder *b, const struct tn_word *word) {
    const char *s = b->w->text.data + word->off;
    size_t from = 0, i = 0;
    while (i < word->len) {
        uint32_t cp;
        for (size_t n = 0; n < b->st->length && i < word->len; n++) i += tn__utf8_get(s + i, &cp);
        if (add_word(b->w, word->off + from, i - from)) return TN_ENOMEM;
        from = i;
    }
    return 0;
}

/* Appends src[0, n) to out with each space as content. */
static int put_metaspace(const tn_split_step *st, const char *src, size_t n, tn_buf *out) {
    while (n) {
        const char *space = memchr(src, ' ', n);
        size_t k = space ? (size_t)(space - src) : n;
        tn_buf_add(out, src, k);
        if (space) tn_buf_add(out, st->content, st->length);
        k += space != NULL;
        src += k;
        n -= k;
    }
    return out->status;
}

/* Splits before each content; runs of it stay together, and at its end: matches merge with what follows. */
static int split_before(builder *b, size_t off, size_t len) {
    const tn_split_step *st = b->st;
    const char *s = b->w->text.data + off, *hit;
    size_t from = 0;
    while ((hit = memmem(s + from, len - from, st->content, st->length))) {
        size_t at = (size_t)(hit - s);
        if (add_part(b, off + from, at - from, false) || add_part(b, off + at, st->length, true))
            return TN_ENOMEM;
        from = at + st->length;
    }
    return add_part(b, off + from, len - from, false);
}

/* Appends the word's new form to text. */
static int rewrite(const tn_split_step *st, bool at_start, const char *s, size_t n, tn_buf *text) {
    if (st->kind == TN_SPLIT_BYTE_LEVEL) return tn__byte_level_put(s, n, text);
    bool has = *s == ' ' || (n >= st->length && memcmp(s, st->content, st->length) == 0);
    if (!has && (st->prepend == TN_PREPEND_ALWAYS || (st->prepend == TN_PREPEND_FIRST && at_start)))
        tn_buf_add(text, st->content, st->length);
    return put_metaspace(st, s, n, text);
}

/* For steps that change text: the words are copied to a fresh buffer on the way. */
static int rewrite_all(builder *b, bool at_start, const struct tn_word *old, size_t n) {
    tn_words *w = b->w;
    tn_buf text;
    size_t *end = malloc((n ? n : 1) * sizeof *end);
    int rc = end ? 0 : TN_ENOMEM;
    tn_buf_init(&text, w->text.max);
    for (size_t i = 0; i < n && !rc; i++) {
        rc = rewrite(b->st, at_start && i == 0 && old[0].off == 0, w->text.data + old[i].off, old[i].len,
                     &text);
        end[i] = text.len;
    }
    tn_buf swap = w->text;
    w->text = text;
    tn_buf_free(&swap);
    for (size_t i = 0; i < n && !rc; i++) {
        size_t from = i ? end[i - 1] : 0;
        b->first = w->n;
        b->held_len = 0;
        if (b->st->kind == TN_SPLIT_METASPACE && b->st->split) {
            rc = split_before(b, from, end[i] - from);
            if (!rc && b->held_len) rc = add_word(w, b->held_off, b->held_len);
        } else {
            rc = add_word(w, from, end[i] - from);
        }
    }
    free(end);
    return rc;
}

static int run_step(const tn_split_step *st, tn_matcher *m, bool at_start, tn_words *w, tn_error *err) {
    struct tn_word *old = w->word;
    size_t old_cap = w->cap, n = w->n;
    builder b = {.w = w, .st = st};
    int rc = 0;
    w->word = w->spare;
    w->cap = w->spare_cap;
    w->n = 0;
    w->spare = old;
    w->spare_cap = old_cap;
    if (st->kind == TN_SPLIT_METASPACE || st->kind == TN_SPLIT_BYTE_LEVEL)
        return rewrite_all(&b, at_start, old, n);
    for (size_t i = 0; i < n && !rc; i++) {
        b.first = w->n;
        b.open = false;
        b.held_len = 0;
        switch (st->kind) {
        case TN_SPLIT_PATTERN: rc = by_pattern(&b, m, &old[i], err); break;
        case TN_SPLIT_WORDS: rc = by_words(&b, &old[i]); break;
        case TN_SPLIT_FIXED: rc = by_length(&b, &old[i]); break;
        default: rc = by_class(&b, &old[i]); break;
        }
        if (!rc && b.held_len) rc = add_word(w, b.held_off, b.held_len);
    }
    return rc;
}

int tn__split(const tn_splitter *t, tn_matcher *m, bool at_start, const char *s, size_t n, tn_words *w,
              tn_error *err) {
    tn_buf_clear(&w->text);
    w->n = 0;
    int rc = tn_buf_add(&w->text, s, n);
    if (!rc) rc = add_word(w, 0, n);
    for (size_t i = 0; i < t->n && !rc; i++) rc = run_step(&t->step[i], m, at_start, w, err);
    if (rc == TN_ENOMEM) return tn_fail(err, rc, "out of memory while a text was split");
    if (rc && rc == w->text.status)
        return tn_fail(err, rc, "a text grows past %zu bytes when it is split", w->text.max);
    return rc;
}
