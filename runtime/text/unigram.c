/* SPDX-License-Identifier: Apache-2.0 */
#include "text/unigram.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "text/utf8.h"

/* How far below the worst piece an unknown character is, as SentencePiece has it. */
static const double UNKNOWN_PENALTY = 10.0;

int tn__unigram_init(tn_unigram *u, const tn_vocab *vocab, double *score, const bool *usable, uint32_t unk,
                     bool byte_fallback, tn_error *err) {
    *u = (tn_unigram){.vocab = vocab, .score = score, .unk = unk, .byte_fallback = byte_fallback};
    double lowest = 0;
    size_t n = 0;
    tn_trie_key *keys = malloc((vocab->n_id + 1) * sizeof *keys);
    if (!keys) return tn_fail(err, TN_ENOMEM, "out of memory for %u pieces", vocab->n_id);
    for (uint32_t id = 0; id < vocab->n_id; id++) {
        size_t len;
        if (!tn__vocab_has(vocab, id) || (usable && !usable[id])) continue;
        const char *s = tn__vocab_text(vocab, id, &len);
        if (!n || score[id] < lowest) lowest = score[id];
        if (len > TN_TOKENIZER_MAX_PIECE) {
            free(keys);
            return tn_fail(err, TN_ELIMIT, "piece %u has %zu bytes, the limit is %d", id, len,
                           TN_TOKENIZER_MAX_PIECE);
        }
        if (len) keys[n++] = (tn_trie_key){s, (uint32_t)len, id};
    }
    int rc = tn__trie_init(&u->trie, keys, n, err);
    free(keys);
    u->unk_score = lowest - UNKNOWN_PENALTY;
    for (int i = 0; i < 256; i++) {
        char name[8];
        snprintf(name, sizeof name, "<0x%02X>", i);
        if (!tn__vocab_find(vocab, name, 6, &u->byte[i])) u->byte[i] = UINT32_MAX;
    }
    return rc;
}

void tn__unigram_fini(tn_unigram *u) {
    tn__trie_fini(&u->trie);
    free(u->score);
    *u = (tn_unigram){0};
}

/* The best path to a place in the word: its score, and the piece that ends there. */
struct tn_step {
    double score;
    uint32_t from; /* TN_STEP_NONE until something reaches this place */
    uint32_t id;
};
#define TN_STEP_NONE UINT32_MAX

void tn__unigram_work_fini(tn_unigram_work *w) {
    free(w->step);
    *w = (tn_unigram_work){0};
}

static int reserve(tn_unigram_work *w, size_t n) {
    if (n <= w->cap) return 0;
    size_t cap = w->cap ? w->cap : 256;
    while (cap < n) cap *= 2;
    struct tn_step *step = realloc(w->step, cap * sizeof *step);
    if (!step) return TN_ENOMEM;
    w->step = step;
    w->cap = cap;
    return 0;
}

static void relax(struct tn_step *to, double score, size_t from, uint32_t id) {
    if (to->from == TN_STEP_NONE || score > to->score) *to = (struct tn_step){score, (uint32_t)from, id};
}

static void forward(const tn_unigram *u, struct tn_step *step, const char *s, size_t len) {
    for (size_t i = 0, k; i < len; i += k) {
        uint32_t cp, node = 0;
        bool single = false;
        double here = step[i].score;
        k = tn__utf8_get(s + i, &cp);
        for (size_t j = i; j < len && u->trie.n && tn__trie_step(&u->trie, &node, (unsigned char)s[j]);) {
            uint32_t id = u->trie.value[node];
            j++;
            if (id == TN_TRIE_NONE) continue;
            relax(&step[j], here + u->score[id], i, id);
            if (j - i == k) single = true;
        }
        if (!single) relax(&step[i + k], here + u->unk_score, i, u->unk);
    }
}

/* A stretch that no piece covers. */
static int put_unknown(const tn_unigram *u, const char *s, size_t len, tn_ids *ret, tn_error *err) {
    bool all = u->byte_fallback;
    for (size_t i = 0; i < len && all; i++) all = u->byte[(unsigned char)s[i]] != UINT32_MAX;
    for (size_t i = 0; i < len && all; i++) {
        int32_t id = (int32_t)u->byte[(unsigned char)s[i]];
        if (tn_ids_add(ret, &id, 1)) return tn_fail(err, TN_ENOMEM, "out of memory for token ids");
    }
    if (all) return 0;
    if (u->unk == UINT32_MAX)
        return tn_fail(err, TN_EINVAL, "the vocabulary cannot express \"%.*s\" and has no unknown token",
                       len > 32 ? 32 : (int)len, s);
    int32_t unk = (int32_t)u->unk;
    return tn_ids_add(ret, &unk, 1) ? tn_fail(err, TN_ENOMEM, "out of memory for token ids") : 0;
}

/* Turns the backward links into forward ones: afterwards step[i].from is where the piece that begins at i
 * ends, and step[i].id is that piece. */
static void reverse_path(struct tn_step *step, size_t len) {
    size_t end = len;
    struct tn_step at = step[len];
    while (end > 0) {
        size_t start = at.from;
        struct tn_step before = step[start];
        step[start].from = (uint32_t)end;
        step[start].id = at.id;
        at = before;
        end = start;
    }
}

int tn__unigram_encode(const tn_unigram *u, tn_unigram_work *w, const char *s, size_t len, tn_ids *ret,
                       tn_error *err) {
    if (reserve(w, len + 1)) return tn_fail(err, TN_ENOMEM, "out of memory for a word of %zu bytes", len);
    for (size_t i = 1; i <= len; i++) w->step[i].from = TN_STEP_NONE;
    w->step[0] = (struct tn_step){0};
    forward(u, w->step, s, len);
    reverse_path(w->step, len);
    int rc = 0;
    for (size_t i = 0, end; i < len && !rc; i = end) {
        int32_t id = (int32_t)w->step[i].id;
        end = w->step[i].from;
        if (w->step[i].id != u->unk) {
            rc = tn_ids_add(ret, &id, 1) ? tn_fail(err, TN_ENOMEM, "out of memory for token ids") : 0;
            continue;
        }
        while (end < len && w->step[end].id == u->unk)
            end = w->step[end].from; /* neighbours are one unknown */
        rc = put_unknown(u, s + i, end - i, ret, err);
    }
    return rc;
}
