/* SPDX-License-Identifier: Apache-2.0 */
#include "text/added.h"

#include <stdlib.h>
#include <string.h>

#include "text/tokenizer.h"
#include "text/utf8.h"

int tn__added_put(tn_added *a, tn_added_token token, tn_error *err) {
    if (a->n == a->cap) {
        size_t cap = a->cap ? a->cap * 2 : 64;
        tn_added_token *grown = realloc(a->token, cap * sizeof *grown);
        if (!grown) return tn_fail(err, TN_ENOMEM, "out of memory for added tokens");
        a->token = grown;
        a->cap = cap;
    }
    a->token[a->n++] = token;
    return 0;
}

static int compare_ids(const void *pa, const void *pb) {
    const tn_added_token *a = pa, *b = pb;
    return a->id < b->id ? -1 : a->id > b->id;
}

/* Of several tokens with one id the last that was put stays. */
static int keep_last(tn_added *a, tn_error *err) {
    uint32_t max = 0;
    for (size_t i = 0; i < a->n; i++)
        if (a->token[i].id > max) max = a->token[i].id;
    uint32_t *last = malloc(((size_t)max + 1) * sizeof *last);
    if (!last) return tn_fail(err, TN_ENOMEM, "out of memory for added tokens");
    for (size_t i = 0; i < a->n; i++) last[a->token[i].id] = (uint32_t)i;
    size_t kept = 0;
    for (size_t i = 0; i < a->n; i++)
        if (last[a->token[i].id] == i) a->token[kept++] = a->token[i];
    a->n = kept;
    free(last);
    if (kept) qsort(a->token, kept, sizeof *a->token, compare_ids);
    return 0;
}

static int normalized_spelling(tn_added_set *set, const tn_normalizer *norm, tn_matcher *m, const char *s,
                               size_t *len, tn_error *err) {
    tn_buf one;
    tn_buf_init(&one, 64 * TN_TOKENIZER_MAX_PIECE);
    int rc = tn__normalize(norm, m, s, *len, &one, err);
    if (!rc) rc = tn_buf_add(&set->text, one.data, one.len);
    *len = one.len;
    tn_buf_free(&one);
    return rc;
}

/* The spellings of one kind of token. Offsets into set->text become pointers once that no longer moves. */
static int build_set(const tn_added *a, bool normalized, tn_added_set *set, const tn_vocab *vocab,
                     const tn_normalizer *norm, tn_error *err) {
    tn_matcher m = {0};
    tn_trie_key *keys = malloc((a->n + 1) * sizeof *keys);
    size_t n = 0;
    int rc = keys ? 0 : tn_fail(err, TN_ENOMEM, "out of memory for added tokens");
    tn_buf_init(&set->text, TN_TOKENIZER_MAX_TEXT);
    for (size_t i = 0; i < a->n && !rc; i++) {
        size_t len, off = set->text.len;
        if (a->token[i].normalized != normalized) continue;
        const char *s = tn__vocab_text(vocab, a->token[i].id, &len);
        if (!tn__utf8_valid(s, len)) continue;
        if (len > TN_TOKENIZER_MAX_PIECE)
            rc = tn_fail(err, TN_ELIMIT, "added token %u has %zu bytes, the limit is %d", a->token[i].id, len,
                         TN_TOKENIZER_MAX_PIECE);
        else if (normalized)
            rc = normalized_spelling(set, norm, &m, s, &len, err);
        else
            rc = tn_buf_add(&set->text, s, len);
        if (!rc && len) keys[n++] = (tn_trie_key){(const char *)(uintptr_t)off, (uint32_t)len, (uint32_t)i};
    }
    if (rc && rc == set->text.status) rc = tn_fail(err, rc, "out of memory for added tokens");
    for (size_t i = 0; i < n && !rc; i++) {
        keys[i].s = set->text.data + (uintptr_t)keys[i].s;
        set->begins[(unsigned char)keys[i].s[0]] = true;
    }
    if (!rc) rc = tn__trie_init(&set->trie, keys, n, err);
    tn_buf_free(&set->text);
    tn__matcher_fini(&m);
    free(keys);
    return rc;
}

int tn__added_finish(tn_added *a, const tn_vocab *vocab, const tn_normalizer *norm, tn_error *err) {
    int rc = keep_last(a, err);
    if (!rc) rc = build_set(a, false, &a->raw, vocab, norm, err);
    if (!rc) rc = build_set(a, true, &a->normalized, vocab, norm, err);
    return rc;
}

void tn__added_fini(tn_added *a) {
    free(a->token);
    tn__trie_fini(&a->raw.trie);
    tn__trie_fini(&a->normalized.trie);
    *a = (tn_added){0};
}

static int add_segment(tn_segments *t, size_t off, size_t len, int32_t id) {
    if (!len && id < 0) return 0;
    if (t->n == t->cap) {
        size_t cap = t->cap ? t->cap * 2 : 16;
        tn_segment *v = realloc(t->v, cap * sizeof *v);
        if (!v) return TN_ENOMEM;
        t->v = v;
        t->cap = cap;
    }
    t->v[t->n++] = (tn_segment){off, len, id};
    return 0;
}

static bool is_single_word(const char *s, size_t n, size_t start, size_t end) {
    uint32_t cp;
    if (start) {
        tn__utf8_get(s + tn__utf8_last(s, start), &cp);
        if (tn__is_word(cp)) return false;
    }
    if (end == n) return true;
    tn__utf8_get(s + end, &cp);
    return !tn__is_word(cp);
}

/* Start of the white space that ends s[floor, end). */
static size_t space_before(const char *s, size_t floor, size_t end) {
    while (end > floor) {
        uint32_t cp;
        size_t last = tn__utf8_last(s, end);
        tn__utf8_get(s + last, &cp);
        if (last < floor || !tn__is_space(cp)) break;
        end = last;
    }
    return end;
}

static size_t space_after(const char *s, size_t n, size_t end) {
    while (end < n) {
        uint32_t cp;
        size_t k = tn__utf8_get(s + end, &cp);
        if (!tn__is_space(cp)) break;
        end += k;
    }
    return end;
}

/* The next token at or after from. */
static bool next_match(const tn_added_set *set, const char *s, size_t n, size_t from, size_t *ret_at,
                       size_t *ret_len, uint32_t *ret) {
    for (size_t i = from; i < n; i++) {
        if (!set->begins[(unsigned char)s[i]]) continue;
        size_t len = tn__trie_longest(&set->trie, 0, s + i, n - i, ret);
        if (!len) continue;
        *ret_at = i;
        *ret_len = len;
        return true;
    }
    return false;
}

int tn__added_split(const tn_added *a, bool normalized, bool parse_special, const char *s, size_t n,
                    tn_segments *ret) {
    const tn_added_set *set = normalized ? &a->normalized : &a->raw;
    size_t done = 0, from = 0, at, len;
    uint32_t which;
    ret->n = 0;
    while (set->trie.n && next_match(set, s, n, from, &at, &len, &which)) {
        const tn_added_token *t = &a->token[which];
        size_t start = at, end = at + len;
        from = end;
        if (t->special && !parse_special) continue;
        if (t->single_word && !is_single_word(s, n, start, end)) continue;
        if (start < done) continue; /* inside the white space that the token before took */
        if (t->lstrip) start = space_before(s, done, start);
        if (t->rstrip) end = space_after(s, n, end);
        if (add_segment(ret, done, start - done, -1) || add_segment(ret, start, end - start, (int32_t)t->id))
            return TN_ENOMEM;
        done = end;
    }
    return add_segment(ret, done, n - done, -1);
}
