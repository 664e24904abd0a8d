/* SPDX-License-Identifier: Apache-2.0 */
#include "media/prompt.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_PIECE = 64, MAX_STAMP = 32 }; /* ids, bytes of the short texts around rows */

void tn_media_prompt_fini(tn_media_prompt *p) {
    free(p->ids), free(p->spans);
    *p = (tn_media_prompt){0};
}

/* --- growing a prompt --- */

typedef struct writer {
    const tn_media_rules *v;
    const tn_medium *media;
    size_t n_media;
    tn_media_prompt *p;
    size_t cap, span_cap;
    tn_error *err;
} writer;

static int no_memory(writer *w) {
    return tn_fail(w->err, TN_ENOMEM, "no memory for a prompt of %zu tokens", w->p->n);
}

/* Room for n more ids. */
static int reserve(writer *w, size_t n) {
    tn_media_prompt *p = w->p;
    if (n > TN_MEDIA_MAX_TOKENS - p->n)
        return tn_fail(w->err, TN_ELIMIT,
                       "a prompt of over %d tokens, with its media: send fewer or smaller ones",
                       TN_MEDIA_MAX_TOKENS);
    if (n <= w->cap - p->n) return 0;
    size_t cap = p->n + n + (p->n + n) / 2;
    int32_t *ids = realloc(p->ids, cap * sizeof *ids);
    if (!ids) return no_memory(w);
    p->ids = ids;
    w->cap = cap;
    return 0;
}

static int add(writer *w, const int32_t *ids, size_t n) {
    int rc = n ? reserve(w, n) : 0;
    if (rc || !n) return rc;
    memcpy(w->p->ids + w->p->n, ids, n * sizeof *ids);
    w->p->n += n;
    return 0;
}

static int add_span(writer *w, const tn_media_span *s) {
    tn_media_prompt *p = w->p;
    if (p->n_span == w->span_cap) {
        size_t cap = w->span_cap * 2 + 8;
        tn_media_span *spans = realloc(p->spans, cap * sizeof *spans);
        if (!spans) return no_memory(w);
        p->spans = spans;
        w->span_cap = cap;
    }
    p->spans[p->n_span++] = *s;
    return 0;
}

/* --- media and their pieces --- */

enum { N_KIND = TN_MEDIA_AUDIO + 1 };

static const char *kind_name(tn_media_kind kind) {
    return kind == TN_MEDIA_IMAGE ? "image" : kind == TN_MEDIA_VIDEO ? "video" : "recording";
}

static int32_t row_token(const tn_media_rules *v, tn_media_kind kind) {
    if (kind == TN_MEDIA_AUDIO) return v->audio ? v->audio->token : -1;
    if (!v->vision) return -1;
    return kind == TN_MEDIA_IMAGE ? v->vision->image_token : v->vision->video_token;
}

/* What the chat template writes for a medium, and what stands around its rows; NULL: nothing. */
static const char *place_text(const tn_media_rules *v, tn_media_kind kind) {
    if (kind == TN_MEDIA_AUDIO) return v->audio ? v->audio->text : NULL;
    if (!v->vision) return NULL;
    return kind == TN_MEDIA_IMAGE ? v->vision->image_text : v->vision->video_text;
}
static const char *begin_text(const tn_media_rules *v, tn_media_kind kind) {
    return kind == TN_MEDIA_AUDIO ? v->audio->begin : v->vision->begin;
}
static const char *end_text(const tn_media_rules *v, tn_media_kind kind) {
    return kind == TN_MEDIA_AUDIO ? v->audio->end : v->vision->end;
}
static uint32_t merge_of(const tn_media_rules *v, tn_media_kind kind) {
    return kind == TN_MEDIA_AUDIO ? 1 : v->vision->merge;
}

static bool timed(const tn_media_rules *v, const tn_medium *m) {
    return m->kind == TN_MEDIA_VIDEO && v->vision->video.text == TN_VIDEO_TIMED;
}

/* Runs of rows that a medium becomes. */
static uint32_t n_piece(const tn_media_rules *v, const tn_medium *m) {
    return timed(v, m) ? m->grid[0] : 1;
}

static int check_medium(const tn_media_rules *v, const tn_medium *m, size_t i, tn_error *err) {
    if (m->kind < TN_MEDIA_IMAGE || m->kind > TN_MEDIA_AUDIO)
        return tn_fail(err, TN_ENOTSUP, "medium %zu is of no kind that models take", i + 1);
    if (row_token(v, m->kind) < 0 || (m->kind == TN_MEDIA_VIDEO && !v->vision->video.text))
        return tn_fail(err, TN_ENOTSUP, "medium %zu: this model takes no %ss", i + 1, kind_name(m->kind));
    const uint32_t merge = merge_of(v, m->kind);
    uint64_t area = (uint64_t)m->grid[1] * m->grid[2];
    bool fits = merge && area && m->grid[0] && m->grid[1] % merge == 0 && m->grid[2] % merge == 0 &&
                area <= INT32_MAX && area * m->grid[0] <= INT32_MAX && (!timed(v, m) || m->seconds);
    if (!fits)
        return tn_fail(err, TN_EFORMAT,
                       "medium %zu has %u x %u x %u patches, %u x %u of them merged: that cannot be", i + 1,
                       m->grid[0], m->grid[1], m->grid[2], merge, merge);
    return 0;
}

static int check_media(const tn_media_rules *v, const tn_medium *media, size_t n_media, tn_error *err) {
    int rc = 0;
    if (n_media > TN_MEDIA_MAX_MEDIA)
        return tn_fail(err, TN_ELIMIT, "%zu images, videos and recordings: at most %d are taken", n_media,
                       TN_MEDIA_MAX_MEDIA);
    for (size_t i = 0; !rc && i < n_media; i++) rc = check_medium(v, &media[i], i, err);
    return rc;
}

/* The rows of a medium's piece: all but where they stand in the prompt. */
static tn_media_span span_of(const tn_media_rules *v, const tn_medium *media, size_t medium, uint32_t piece) {
    const tn_medium *m = &media[medium];
    const uint32_t merge = merge_of(v, m->kind);
    tn_media_span s = {.medium = (uint32_t)medium,
                       .grid = {timed(v, m) ? 1 : m->grid[0], m->grid[1] / merge, m->grid[2] / merge}};
    s.n = s.grid[0] * s.grid[1] * s.grid[2];
    s.row = piece * s.n;
    if (s.grid[0] > 1) s.step = (float)m->step;
    return s;
}

/* Goes through the pieces of all media of one kind. */
typedef struct cursor {
    size_t medium;
    uint32_t piece;
} cursor;

/* The next medium of a kind, from i on; n_media: none. */
static size_t find_medium(const tn_medium *media, size_t n_media, tn_media_kind kind, size_t i) {
    while (i < n_media && media[i].kind != kind) i++;
    return i;
}

/* The piece at the cursor, which moves on. False: there is none left. */
static bool next_piece(const tn_media_rules *v, const tn_medium *media, size_t n_media, tn_media_kind kind,
                       cursor *c, tn_media_span *ret) {
    c->medium = find_medium(media, n_media, kind, c->medium);
    if (c->medium == n_media) return false;
    *ret = span_of(v, media, c->medium, c->piece);
    if (++c->piece == n_piece(v, &media[c->medium])) c->medium++, c->piece = 0;
    return true;
}

/* The tokens of a piece's rows. */
static int add_rows(writer *w, tn_media_span s) {
    int32_t token = row_token(w->v, w->media[s.medium].kind);
    int rc = reserve(w, s.n);
    if (rc) return rc;
    s.first = w->p->n;
    for (uint32_t i = 0; i < s.n; i++) w->p->ids[w->p->n++] = token;
    return add_span(w, &s);
}

/* "<1.5 seconds>" (Qwen3-VL). Nothing calls setlocale(LC_NUMERIC), so the point is one. */
static int stamp(double seconds, char ret[MAX_STAMP], tn_error *err) {
    if (!(seconds >= 0 && seconds < 1e9))
        return tn_fail(err, TN_EFORMAT, "a frame of a video at %g seconds: 0 to 1e9 can be", seconds);
    snprintf(ret, MAX_STAMP, "<%.1f seconds>", seconds);
    return 0;
}

static int check_count(tn_media_kind kind, size_t places, size_t given, tn_error *err) {
    if (places == given) return 0;
    const char *name = kind_name(kind);
    return tn_fail(err, TN_EINVAL,
                   "the prompt has %zu place%s for %ss, and %zu %s%s given; send one for each place", places,
                   places == 1 ? "" : "s", name, given, name, given == 1 ? " is" : "s are");
}

static size_t count_media(const tn_medium *media, size_t n_media, tn_media_kind kind) {
    size_t n = 0;
    for (size_t i = 0; i < n_media; i++) n += media[i].kind == kind;
    return n;
}

static int check_counts(const size_t places[N_KIND], const tn_medium *media, size_t n_media, tn_error *err) {
    int rc = 0;
    for (int i = TN_MEDIA_IMAGE; !rc && i < N_KIND; i++)
        rc = check_count((tn_media_kind)i, places[i], count_media(media, n_media, (tn_media_kind)i), err);
    return rc;
}

/* --- placeholders in ids --- */

typedef struct piece {
    int32_t ids[MAX_PIECE];
    size_t n;
} piece;

static int encode_piece(const char *text, tn_media_encode encode, void *ctx, piece *ret, tn_error *err) {
    ret->n = 0;
    return text ? encode(ctx, text, ret->ids, MAX_PIECE, &ret->n, err) : 0;
}

/* What is looked for and what is written, by tn_media_kind. */
typedef struct pieces {
    piece place[N_KIND], begin[N_KIND], end[N_KIND];
} pieces;

static int encode_pieces(const tn_media_rules *v, tn_media_encode encode, void *ctx, pieces *ret,
                         tn_error *err) {
    int rc = 0;
    *ret = (pieces){0};
    for (int i = TN_MEDIA_IMAGE; !rc && i < N_KIND; i++) {
        const tn_media_kind kind = (tn_media_kind)i;
        if (row_token(v, kind) < 0 || !place_text(v, kind)) continue;
        rc = encode_piece(place_text(v, kind), encode, ctx, &ret->place[i], err);
        if (!rc) rc = encode_piece(begin_text(v, kind), encode, ctx, &ret->begin[i], err);
        if (!rc) rc = encode_piece(end_text(v, kind), encode, ctx, &ret->end[i], err);
    }
    return rc;
}

static bool starts(const piece *p, const int32_t *ids, size_t n) {
    return p->n && p->n <= n && memcmp(p->ids, ids, p->n * sizeof *ids) == 0;
}

/* The kind of the placeholder with which ids [n] begins; 0: none. */
static tn_media_kind placeholder(const pieces *s, const int32_t *ids, size_t n) {
    for (int kind = TN_MEDIA_IMAGE; kind < N_KIND; kind++)
        if (starts(&s->place[kind], ids, n)) return (tn_media_kind)kind;
    return (tn_media_kind)0;
}

static int check_places(const pieces *s, const int32_t *ids, size_t n, const tn_medium *media, size_t n_media,
                        tn_error *err) {
    size_t places[N_KIND] = {0};
    for (size_t i = 0; i < n;) {
        tn_media_kind kind = placeholder(s, ids + i, n - i);
        if (kind) places[kind]++;
        i += kind ? s->place[kind].n : 1;
    }
    return check_counts(places, media, n_media, err);
}

/* A medium where its placeholder was. */
static int add_medium(writer *w, const pieces *s, size_t medium, tn_media_encode encode, void *ctx) {
    const tn_medium *m = &w->media[medium];
    int rc = 0;
    for (uint32_t i = 0; !rc && i < n_piece(w->v, m); i++) {
        char text[MAX_STAMP];
        piece time = {.n = 0};
        if (timed(w->v, m)) rc = stamp(m->seconds[i], text, w->err);
        if (!rc && timed(w->v, m)) rc = encode_piece(text, encode, ctx, &time, w->err);
        if (!rc) rc = add(w, time.ids, time.n);
        if (!rc) rc = add(w, s->begin[m->kind].ids, s->begin[m->kind].n);
        if (!rc) rc = add_rows(w, span_of(w->v, w->media, medium, i));
        if (!rc) rc = add(w, s->end[m->kind].ids, s->end[m->kind].n);
    }
    return rc;
}

static int expand(writer *w, const pieces *s, const int32_t *ids, size_t n, tn_media_encode encode,
                  void *ctx) {
    size_t next[N_KIND] = {0};
    int rc = 0;
    for (size_t i = 0; !rc && i < n;) {
        tn_media_kind kind = placeholder(s, ids + i, n - i);
        if (!kind) {
            rc = add(w, ids + i++, 1);
            continue;
        }
        size_t medium = find_medium(w->media, w->n_media, kind, next[kind]);
        next[kind] = medium + 1;
        rc = add_medium(w, s, medium, encode, ctx);
        i += s->place[kind].n;
    }
    return rc;
}

int tn_media_expand(const tn_media_rules *v, const int32_t *ids, size_t n, const tn_medium *media,
                    size_t n_media, tn_media_encode encode, void *ctx, tn_media_prompt *ret, tn_error *err) {
    writer w = {.v = v, .media = media, .n_media = n_media, .p = ret, .err = err};
    pieces s;
    *ret = (tn_media_prompt){0};
    int rc = check_media(v, media, n_media, err);
    if (!rc) rc = encode_pieces(v, encode, ctx, &s, err);
    if (!rc) rc = check_places(&s, ids, n, media, n_media, err);
    if (!rc) rc = expand(&w, &s, ids, n, encode, ctx);
    if (rc) tn_media_prompt_fini(ret);
    return rc;
}

/* --- placeholders in text, then row tokens in its ids --- */

static bool starts_text(const char *text, size_t len, const char *what) {
    size_t n = what ? strlen(what) : 0;
    return n && n <= len && memcmp(text, what, n) == 0;
}

static tn_media_kind text_placeholder(const tn_media_rules *v, const char *text, size_t len) {
    for (int kind = TN_MEDIA_IMAGE; kind < N_KIND; kind++)
        if (starts_text(text, len, place_text(v, (tn_media_kind)kind))) return (tn_media_kind)kind;
    return (tn_media_kind)0;
}

static int write_medium(const tn_media_rules *v, const tn_medium *m, const char *row, tn_buf *out,
                        tn_error *err) {
    char text[MAX_STAMP] = "";
    for (uint32_t i = 0; i < n_piece(v, m); i++) {
        int rc = timed(v, m) ? stamp(m->seconds[i], text, err) : 0;
        if (rc) return rc;
        tn_buf_adds(out, text);
        tn_buf_adds(out, begin_text(v, m->kind) ? begin_text(v, m->kind) : "");
        tn_buf_adds(out, row);
        tn_buf_adds(out, end_text(v, m->kind) ? end_text(v, m->kind) : "");
    }
    return 0;
}

int tn_media_write(const tn_media_rules *v, const char *text, size_t len, const tn_medium *media,
                   size_t n_media, const tn_media_row_texts *rows, tn_buf *out, tn_error *err) {
    size_t places[N_KIND] = {0}, next[N_KIND] = {0}, copied = 0;
    int rc = check_media(v, media, n_media, err);
    for (size_t i = 0; !rc && i < len;) {
        tn_media_kind kind = text_placeholder(v, text + i, len - i);
        if (!kind) {
            i++;
            continue;
        }
        places[kind]++;
        tn_buf_add(out, text + copied, i - copied);
        i += strlen(place_text(v, kind));
        copied = i;
        size_t medium = find_medium(media, n_media, kind, next[kind]);
        next[kind] = medium < n_media ? medium + 1 : medium;
        const char *row = kind == TN_MEDIA_IMAGE   ? rows->image
                          : kind == TN_MEDIA_VIDEO ? rows->video
                                                   : rows->audio;
        if (medium < n_media && !row)
            rc = tn_fail(err, TN_EFORMAT, "the tokenizer has no token for a row of the %s", kind_name(kind));
        else if (medium < n_media)
            rc = write_medium(v, &media[medium], row, out, err);
    }
    if (!rc) rc = check_counts(places, media, n_media, err);
    if (rc) return rc;
    tn_buf_add(out, text + copied, len - copied);
    return out->status ? tn_fail(err, out->status, "a prompt of over %zu bytes, with its media", out->max)
                       : 0;
}

/* The kind that a row token stands for; 0: another token. */
static tn_media_kind row_kind(const tn_media_rules *v, int32_t id) {
    if (id < 0) return (tn_media_kind)0;
    for (int kind = TN_MEDIA_IMAGE; kind < N_KIND; kind++)
        if (id == row_token(v, (tn_media_kind)kind)) return (tn_media_kind)kind;
    return (tn_media_kind)0;
}

static size_t count_pieces(const tn_media_rules *v, const tn_medium *media, size_t n_media,
                           tn_media_kind kind) {
    size_t n = 0;
    for (size_t i = 0; i < n_media; i++) n += media[i].kind == kind ? n_piece(v, &media[i]) : 0;
    return n;
}

/* As check_count, where each time of a video has a place. */
static int check_fill(const tn_media_rules *v, const int32_t *ids, size_t n, const tn_medium *media,
                      size_t n_media, tn_error *err) {
    for (int kind = TN_MEDIA_IMAGE; kind < N_KIND; kind++) {
        size_t places = 0, given = count_pieces(v, media, n_media, (tn_media_kind)kind);
        for (size_t i = 0; i < n; i++) places += row_kind(v, ids[i]) == (tn_media_kind)kind;
        if (places != given)
            return tn_fail(
                err, TN_EINVAL,
                "the prompt's text has token %d (a row of the %s) %zu times, where its media make %zu; "
                "leave that token out of messages",
                row_token(v, (tn_media_kind)kind), kind_name((tn_media_kind)kind), places, given);
    }
    return 0;
}

int tn_media_fill(const tn_media_rules *v, const int32_t *ids, size_t n, const tn_medium *media,
                  size_t n_media, tn_media_prompt *ret, tn_error *err) {
    writer w = {.v = v, .media = media, .n_media = n_media, .p = ret, .err = err};
    cursor at[N_KIND] = {{0, 0}};
    tn_media_span s;
    *ret = (tn_media_prompt){0};
    int rc = check_media(v, media, n_media, err);
    if (!rc) rc = check_fill(v, ids, n, media, n_media, err);
    for (size_t i = 0; !rc && i < n; i++) {
        tn_media_kind kind = row_kind(v, ids[i]);
        if (kind && next_piece(v, media, n_media, kind, &at[kind], &s))
            rc = add_rows(&w, s);
        else
            rc = add(&w, &ids[i], 1);
    }
    if (rc) tn_media_prompt_fini(ret);
    return rc;
}

/* --- rows that stand there already --- */

static int check_rows(const tn_media_rules *v, const int32_t *ids, size_t n, const tn_medium *media,
                      size_t n_media, tn_error *err) {
    for (int kind = TN_MEDIA_IMAGE; kind < N_KIND; kind++) {
        uint64_t want = 0, have = 0;
        for (size_t i = 0; i < n; i++) have += row_kind(v, ids[i]) == (tn_media_kind)kind;
        for (size_t i = 0; i < n_media; i++)
            if (media[i].kind == (tn_media_kind)kind)
                want += (uint64_t)span_of(v, media, i, 0).n * n_piece(v, &media[i]);
        if (want != have)
            return tn_fail(
                err, TN_EINVAL,
                "the prompt has token %d (a row of the %s) %llu times, and the %zu %ss given have %llu rows",
                row_token(v, (tn_media_kind)kind), kind_name((tn_media_kind)kind), (unsigned long long)have,
                count_media(media, n_media, (tn_media_kind)kind), kind_name((tn_media_kind)kind),
                (unsigned long long)want);
    }
    return 0;
}

/* The tokens from first on that are alike. */
static size_t run(const int32_t *ids, size_t n, size_t first) {
    size_t i = first;
    while (i < n && ids[i] == ids[first]) i++;
    return i - first;
}

/* A run of row tokens may hold several pieces, and none in part. */
static int bind_run(writer *w, tn_media_kind kind, size_t first, size_t n, cursor *c) {
    while (n) {
        tn_media_span s;
        if (!next_piece(w->v, w->media, w->n_media, kind, c, &s))
            return tn_fail(w->err, TN_EINVAL,
                           "%zu tokens for rows of the %s at token %zu, which no %s is left for", n,
                           kind_name(kind), first, kind_name(kind));
        if (s.n > n)
            return tn_fail(w->err, TN_EINVAL,
                           "at token %zu there are %zu tokens for rows of the %s, and %u are wanted for "
                           "the next %s",
                           first, n, kind_name(kind), s.n, kind_name(kind));
        s.first = first;
        int rc = add_span(w, &s);
        if (rc) return rc;
        first += s.n;
        n -= s.n;
    }
    return 0;
}

int tn_media_bind(const tn_media_rules *v, const int32_t *ids, size_t n, const tn_medium *media,
                  size_t n_media, tn_media_prompt *ret, tn_error *err) {
    writer w = {.v = v, .media = media, .n_media = n_media, .p = ret, .err = err};
    cursor at[N_KIND] = {{0, 0}};
    *ret = (tn_media_prompt){0};
    int rc = check_media(v, media, n_media, err);
    if (!rc) rc = check_rows(v, ids, n, media, n_media, err);
    for (size_t i = 0; !rc && i < n;) {
        tn_media_kind kind = row_kind(v, ids[i]);
        size_t length = kind ? run(ids, n, i) : 1;
        if (kind) rc = bind_run(&w, kind, i, length, &at[kind]);
        i += length;
    }
    if (!rc) rc = add(&w, ids, n);
    if (rc) tn_media_prompt_fini(ret);
    return rc;
}
