/* SPDX-License-Identifier: Apache-2.0 */
#include "text/decoder.h"

#include <stdlib.h>
#include <string.h>

#include "text/normalizer.h"
#include "text/utf8.h"

enum { MAX_STEPS = 64, MAX_HELD = 256 << 20 };

static void step_fini(tn_dec_step *s) {
    free(s->content);
    free(s->from);
    tn__pattern_free(s->pattern);
}

static char *copy_bytes(const char *s, size_t len) {
    char *copy = malloc(len + 1);
    if (!copy) return NULL;
    if (len) memcpy(copy, s, len);
    copy[len] = 0;
    return copy;
}

int tn__decoder_add(tn_decoder *d, tn_dec_step step, const char *content, size_t len, tn_error *err) {
    tn_dec_step *grown = NULL;
    step.content = copy_bytes(content, content ? len : 0);
    step.content_len = content ? len : 0;
    if (step.content && d->n < MAX_STEPS) grown = realloc(d->step, (d->n + 1) * sizeof *grown);
    if (!grown) {
        step_fini(&step);
        if (d->n >= MAX_STEPS) return tn_fail(err, TN_ELIMIT, "more than %d decoders", MAX_STEPS);
        return tn_fail(err, TN_ENOMEM, "out of memory");
    }
    d->step = grown;
    d->step[d->n++] = step;
    return 0;
}

int tn__decoder_add_replace(tn_decoder *d, const char *from, size_t from_len, bool literal,
                            const char *content, size_t len, tn_error *err) {
    tn_dec_step s = {.kind = TN_DEC_REPLACE};
    for (size_t i = 0; i < d->n && !literal; i++)
        if (d->step[i].kind == TN_DEC_FUSE)
            return tn_fail(err, TN_ENOTSUP, "decoder: Replace of an expression after Fuse");
    int rc = tn__pattern_new(from, from_len, literal, &s.pattern, err);
    if (rc) return rc;
    if (literal && !(s.from = copy_bytes(from, from_len))) {
        step_fini(&s);
        return tn_fail(err, TN_ENOMEM, "out of memory");
    }
    s.from_len = from_len;
    return tn__decoder_add(d, s, content, len, err);
}

void tn__decoder_fini(tn_decoder *d) {
    for (size_t i = 0; i < d->n; i++) step_fini(&d->step[i]);
    free(d->step);
    *d = (tn_decoder){0};
}

/* The state of one step. */
typedef struct state {
    tn_buf held;     /* what waits: bytes of a run, the end of a fused text, the last piece */
    tn_buf scratch;  /* the piece being made */
    size_t seen;     /* pieces */
    size_t to_strip; /* TN_DEC_STRIP after FUSE: copies that may still go */
    bool fused;      /* a FUSE came before */
    bool run;        /* TN_DEC_BYTE_FALLBACK: inside a run of byte pieces */
    bool bad;        /* which has turned out ill-formed */
} state;

struct tn_dec_stream {
    const tn_decoder *d;
    unsigned flags;
    tn_matcher matcher;
    tn_buf *out;
    tn_buf tail; /* the beginning of a character */
    state st[];
};

static void reset(tn_dec_stream *s) {
    bool fused = false, more = s->flags & TN_STREAM_CONTINUE;
    tn_buf_clear(&s->tail);
    for (size_t i = 0; i < s->d->n; i++) {
        state *st = &s->st[i];
        tn_buf_clear(&st->held);
        tn_buf_clear(&st->scratch);
        st->seen = more;
        st->run = st->bad = false;
        st->fused = fused;
        st->to_strip = more && fused ? 0 : s->d->step[i].start;
        if (s->d->step[i].kind == TN_DEC_FUSE) fused = true;
    }
}

tn_dec_stream *tn__dec_stream_new(const tn_decoder *d, unsigned flags) {
    tn_dec_stream *s = calloc(1, sizeof *s + d->n * sizeof *s->st);
    if (!s) return NULL;
    s->d = d;
    s->flags = flags;
    tn_buf_init(&s->tail, 16);
    for (size_t i = 0; i < d->n; i++) {
        tn_buf_init(&s->st[i].held, MAX_HELD);
        tn_buf_init(&s->st[i].scratch, MAX_HELD);
    }
    reset(s);
    return s;
}

void tn__dec_stream_free(tn_dec_stream *s) {
    if (!s) return;
    for (size_t i = 0; i < s->d->n; i++) {
        tn_buf_free(&s->st[i].held);
        tn_buf_free(&s->st[i].scratch);
    }
    tn_buf_free(&s->tail);
    tn__matcher_fini(&s->matcher);
    free(s);
}

static int push(tn_dec_stream *s, size_t i, const char *p, size_t n);

static const char replacement[] = "\xef\xbf\xbd";

/* The end of the list: bytes that are not UTF-8 become U+FFFD, an incomplete character waits. */
static int output(tn_dec_stream *s, const char *p, size_t n) {
    uint32_t cp;
    if (s->flags & TN_STREAM_RAW) return tn_buf_add(s->out, p, n);
    while (n && s->tail.len) {
        tn_buf_addc(&s->tail, *p);
        int k = tn__utf8_next(s->tail.data, s->tail.len, &cp);
        if (k < 0) { /* the new byte does not belong to it */
            tn_buf_adds(s->out, replacement);
            tn_buf_clear(&s->tail);
            break;
        }
        p++;
        n--;
        if (k == 0) continue;
        tn_buf_add(s->out, s->tail.data, s->tail.len);
        tn_buf_clear(&s->tail);
    }
    for (size_t i = 0; i < n;) {
        int k = tn__utf8_next(p + i, n - i, &cp);
        if (k > 0)
            tn_buf_add(s->out, p + i, (size_t)k);
        else if (k < 0)
            tn_buf_adds(s->out, replacement);
        else
            return tn_buf_add(&s->tail, p + i, n - i);
        i += (size_t)(k > 0 ? k : -k);
    }
    return s->out->status;
}

static int byte_level(tn_dec_stream *s, size_t i, const char *p, size_t n) {
    tn_buf *b = &s->st[i].scratch;
    tn_buf_clear(b);
    for (size_t at = 0; at < n;) {
        uint32_t cp;
        int k = tn__utf8_next(p + at, n - at, &cp), byte = k > 0 ? tn__byte_level_get(cp) : -1;
        if (byte < 0) return push(s, i + 1, p, n); /* not in the alphabet: an added token, as it is */
        tn_buf_addc(b, (char)byte);
        at += (size_t)k;
    }
    return b->status ? b->status : push(s, i + 1, b->data ? b->data : "", b->len);
}

/* The value of a piece <0xXX>, or -1. */
static int byte_piece(const char *p, size_t n) {
    int value = 0;
    if (n != 6 || memcmp(p, "<0x", 3) != 0 || p[5] != '>') return -1;
    for (int i = 3; i < 5; i++) {
        char c = p[i];
        int digit = c >= '0' && c <= '9'   ? c - '0'
                    : c >= 'A' && c <= 'F' ? c - 'A' + 10
                    : c >= 'a' && c <= 'f' ? c - 'a' + 10
                                           : -1;
        if (digit < 0) return -1;
        value = value * 16 + digit;
    }
    return value;
}

/* A run is one character sequence, or else every byte of it is U+FFFD. */
static int give_up_run(tn_dec_stream *s, size_t i) {
    state *st = &s->st[i];
    int rc = 0;
    for (size_t k = 0; k < st->held.len && !rc; k++) rc = push(s, i + 1, replacement, 3);
    tn_buf_clear(&st->held);
    return rc;
}

static int end_run(tn_dec_stream *s, size_t i) {
    state *st = &s->st[i];
    int rc = 0;
    if (!st->run) return 0;
    if (st->held.len && tn__utf8_valid(st->held.data, st->held.len))
        rc = push(s, i + 1, st->held.data, st->held.len);
    else
        rc = give_up_run(s, i);
    tn_buf_clear(&st->held);
    st->run = st->bad = false;
    return rc;
}

static int byte_fallback(tn_dec_stream *s, size_t i, const char *p, size_t n) {
    state *st = &s->st[i];
    uint32_t cp;
    int byte = byte_piece(p, n), rc;
    if (byte < 0) {
        rc = end_run(s, i);
        return rc ? rc : push(s, i + 1, p, n);
    }
    char c = (char)byte;
    if (s->flags & TN_STREAM_RAW) return push(s, i + 1, &c, 1);
    st->run = true;
    rc = tn_buf_addc(&st->held, c);
    if (rc || !(s->flags & TN_STREAM_EAGER)) return rc;
    int k = tn__utf8_next(st->held.data, st->held.len, &cp);
    if (k < 0) st->bad = true;
    if (st->bad) return give_up_run(s, i);
    if (k == 0) return 0;
    rc = push(s, i + 1, st->held.data, st->held.len);
    tn_buf_clear(&st->held);
    return rc;
}

/* Replaces in a whole piece. */
static int replace_piece(tn_dec_stream *s, size_t i, const char *p, size_t n) {
    const tn_dec_step *d = &s->d->step[i];
    tn_buf *b = &s->st[i].scratch;
    size_t from = 0, start, end;
    int rc;
    tn_buf_clear(b);
    while ((rc = tn__pattern_find(d->pattern, &s->matcher, p, n, from, &start, &end, NULL)) == 1) {
        tn_buf_add(b, p + from, start - from);
        tn_buf_add(b, d->content, d->content_len);
        from = end;
    }
    if (rc < 0) return rc;
    tn_buf_add(b, p + from, n - from);
    return b->status ? b->status : push(s, i + 1, b->data ? b->data : "", b->len);
}

/* How many bytes at the end of p[0, n) may be the beginning of a match. */
static size_t partial_match(const tn_dec_step *d, const char *p, size_t n) {
    size_t k = d->from_len - 1 < n ? d->from_len - 1 : n;
    while (k && memcmp(p + n - k, d->from, k) != 0) k--;
    return k;
}

/* Replaces in a text that comes in parts: what may be the beginning of a match waits. */
static int replace_fused(tn_dec_stream *s, size_t i, const char *p, size_t n) {
    const tn_dec_step *d = &s->d->step[i];
    tn_buf all;
    size_t at = 0;
    int rc = 0;
    tn_buf_init(&all, MAX_HELD);
    tn_buf_add(&all, s->st[i].held.data, s->st[i].held.len);
    tn_buf_add(&all, p, n);
    tn_buf_clear(&s->st[i].held);
    while (!all.status && !rc && at < all.len) {
        const char *from = all.data + at, *hit = memmem(from, all.len - at, d->from, d->from_len);
        size_t k = hit ? (size_t)(hit - from) : all.len - at - partial_match(d, from, all.len - at);
        rc = push(s, i + 1, from, k);
        if (!hit) {
            tn_buf_add(&s->st[i].held, from + k, all.len - at - k);
            break;
        }
        if (!rc) rc = push(s, i + 1, d->content, d->content_len);
        at += k + d->from_len;
    }
    if (all.status) rc = all.status;
    tn_buf_free(&all);
    return rc ? rc : s->st[i].held.status;
}

/* Bytes at the start of p[0, n) that are up to max copies of content; *ret_copies says how many. */
static size_t leading(const tn_dec_step *d, const char *p, size_t n, size_t max, size_t *ret_copies) {
    size_t k = 0, copies = 0;
    while (d->content_len && copies < max && n - k >= d->content_len &&
           memcmp(p + k, d->content, d->content_len) == 0) {
        k += d->content_len;
        copies++;
    }
    *ret_copies = copies;
    return k;
}

static size_t trailing(const tn_dec_step *d, const char *p, size_t n, size_t max) {
    size_t k = 0;
    for (size_t i = 0; d->content_len && i < max && n - k >= d->content_len; i++) {
        if (memcmp(p + n - k - d->content_len, d->content, d->content_len) != 0) break;
        k += d->content_len;
    }
    return k;
}

static int strip(tn_dec_stream *s, size_t i, const char *p, size_t n) {
    const tn_dec_step *d = &s->d->step[i];
    state *st = &s->st[i];
    size_t copies, k = leading(d, p, n, st->to_strip, &copies), tail;
    p += k;
    n -= k;
    if (!st->fused) {
        st->to_strip = d->start;
        return push(s, i + 1, p, n - trailing(d, p, n, d->stop));
    }
    st->to_strip = n ? 0 : st->to_strip - copies;
    if (!d->stop) return push(s, i + 1, p, n);
    /* What may be stripped at the end waits for what comes. */
    tn_buf_clear(&st->scratch);
    tn_buf_add(&st->scratch, st->held.data, st->held.len);
    tn_buf_add(&st->scratch, p, n);
    if (st->scratch.status) return st->scratch.status;
    tail = trailing(d, st->scratch.data ? st->scratch.data : "", st->scratch.len, d->stop);
    tn_buf_clear(&st->held);
    if (tail) tn_buf_add(&st->held, st->scratch.data + st->scratch.len - tail, tail);
    return push(s, i + 1, st->scratch.data ? st->scratch.data : "", st->scratch.len - tail);
}

static int metaspace(tn_dec_stream *s, size_t i, const char *p, size_t n) {
    const tn_dec_step *d = &s->d->step[i];
    tn_buf *b = &s->st[i].scratch;
    bool drop = s->st[i].seen++ == 0 && !d->keep_first;
    tn_buf_clear(b);
    while (n) {
        const char *hit = memmem(p, n, d->content, d->content_len);
        size_t k = hit ? (size_t)(hit - p) : n;
        tn_buf_add(b, p, k);
        if (!hit) break;
        if (!drop) tn_buf_addc(b, ' ');
        p += k + d->content_len;
        n -= k + d->content_len;
    }
    return b->status ? b->status : push(s, i + 1, b->data ? b->data : "", b->len);
}

/* Undoes the spaces that splitting English at punctuation leaves. Applied in this order, one after another.
 */
static int clean_up(tn_buf *b) {
    static const char *const rule[][2] = {
        {" .", "."},   {" ?", "?"},           {" !", "!"},   {" ,", ","},     {" ' ", "'"},   {" n't", "n't"},
        {" 'm", "'m"}, {" do not", " don't"}, {" 's", "'s"}, {" 've", "'ve"}, {" 're", "'re"}};
    for (size_t r = 0; r < sizeof rule / sizeof *rule && b->len; r++) {
        size_t from_len = strlen(rule[r][0]), to_len = strlen(rule[r][1]), w = 0;
        for (size_t i = 0; i < b->len;) { /* no replacement is longer */
            bool hit = b->len - i >= from_len && memcmp(b->data + i, rule[r][0], from_len) == 0;
            if (hit)
                memcpy(b->data + w, rule[r][1], to_len);
            else
                b->data[w] = b->data[i];
            w += hit ? to_len : 1;
            i += hit ? from_len : 1;
        }
        b->len = w;
    }
    return b->status;
}

static int wordpiece(tn_dec_stream *s, size_t i, const char *p, size_t n) {
    const tn_dec_step *d = &s->d->step[i];
    tn_buf *b = &s->st[i].scratch;
    tn_buf_clear(b);
    if (s->st[i].seen++) {
        size_t k = d->content_len;
        if (n >= k && memcmp(p, d->content, k) == 0)
            p += k, n -= k;
        else
            tn_buf_addc(b, ' ');
    }
    tn_buf_add(b, p, n);
    if (d->cleanup) clean_up(b);
    return b->status ? b->status : push(s, i + 1, b->data ? b->data : "", b->len);
}

/* Hands the waiting piece on, with each suffix as with[0, 1) or nothing. */
static int release_suffix(tn_dec_stream *s, size_t i, const char *with) {
    const tn_dec_step *d = &s->d->step[i];
    state *st = &s->st[i];
    const char *p = st->held.data ? st->held.data : "";
    size_t n = st->held.len;
    tn_buf_clear(&st->scratch);
    while (n) {
        const char *hit = d->content_len ? memmem(p, n, d->content, d->content_len) : NULL;
        size_t k = hit ? (size_t)(hit - p) : n;
        tn_buf_add(&st->scratch, p, k);
        if (!hit) break;
        tn_buf_adds(&st->scratch, with);
        p += k + d->content_len;
        n -= k + d->content_len;
    }
    tn_buf_clear(&st->held);
    if (st->scratch.status) return st->scratch.status;
    return push(s, i + 1, st->scratch.data ? st->scratch.data : "", st->scratch.len);
}

static int suffix(tn_dec_stream *s, size_t i, const char *p, size_t n) {
    state *st = &s->st[i];
    int rc = 0;
    if (st->run) rc = release_suffix(s, i, " ");
    st->run = true;
    return rc ? rc : tn_buf_add(&st->held, p, n);
}

static int join_space(tn_dec_stream *s, size_t i, const char *p, size_t n) {
    int rc = s->st[i].seen++ ? push(s, i + 1, " ", 1) : 0;
    return rc ? rc : push(s, i + 1, p, n);
}

static int push(tn_dec_stream *s, size_t i, const char *p, size_t n) {
    if (i == s->d->n) return output(s, p, n);
    switch (s->d->step[i].kind) {
    case TN_DEC_BYTE_LEVEL: return byte_level(s, i, p, n);
    case TN_DEC_BYTE_FALLBACK: return byte_fallback(s, i, p, n);
    case TN_DEC_REPLACE: return s->st[i].fused ? replace_fused(s, i, p, n) : replace_piece(s, i, p, n);
    case TN_DEC_FUSE: return push(s, i + 1, p, n);
    case TN_DEC_STRIP: return strip(s, i, p, n);
    case TN_DEC_METASPACE: return metaspace(s, i, p, n);
    case TN_DEC_WORDPIECE: return wordpiece(s, i, p, n);
    case TN_DEC_SUFFIX: return suffix(s, i, p, n);
    case TN_DEC_JOIN_SPACE: return join_space(s, i, p, n);
    }
    return TN_EBUG;
}

int tn__dec_stream_push(tn_dec_stream *s, const char *piece, size_t len, tn_buf *out) {
    s->out = out;
    return push(s, 0, piece, len);
}

static int flush(tn_dec_stream *s, size_t i) {
    state *st = &s->st[i];
    switch (s->d->step[i].kind) {
    case TN_DEC_BYTE_FALLBACK: return end_run(s, i);
    case TN_DEC_SUFFIX: return st->run ? release_suffix(s, i, "") : 0;
    case TN_DEC_REPLACE: return st->held.len ? push(s, i + 1, st->held.data, st->held.len) : 0;
    default: return 0; /* what STRIP holds is what it strips */
    }
}

int tn__dec_stream_finish(tn_dec_stream *s, tn_buf *out) {
    int rc = 0;
    s->out = out;
    for (size_t i = 0; i < s->d->n && !rc; i++) rc = flush(s, i);
    if (!rc && s->tail.len) rc = tn_buf_adds(out, replacement);
    reset(s);
    return rc;
}
