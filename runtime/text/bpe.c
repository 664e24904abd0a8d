/* SPDX-License-Identifier: Apache-2.0 */
#include "text/bpe.h"

#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "text/normalizer.h"
#include "text/utf8.h"

/* Up to here the best pair is found by looking at all of them; a heap costs more. */
enum { SHORT_WORD = 24 };

void tn__bpe_init(tn_bpe *b, const tn_vocab *vocab, bool byte_level) {
    *b = (tn_bpe){.vocab = vocab, .unk = TN_BPE_NONE, .byte_level = byte_level};
    for (int i = 0; i < 256; i++) {
        char name[8], c = (char)i;
        tn_buf spelling;
        tn_buf_init(&spelling, 16);
        if (byte_level)
            tn__byte_level_put(&c, 1, &spelling);
        else
            snprintf(name, sizeof name, "<0x%02X>", i);
        const char *s = byte_level ? spelling.data : name;
        size_t len = byte_level ? spelling.len : 6;
        if (!s || !tn__vocab_find(vocab, s, len, &b->byte[i])) b->byte[i] = TN_BPE_NONE;
        tn_buf_free(&spelling);
    }
}

void tn__bpe_fini(tn_bpe *b) {
    free(b->slot);
    free(b->prefix);
    free(b->suffix);
    *b = (tn_bpe){0};
}

/* A symbol of a word: a piece, linked to its neighbours. */
struct tn_symbol {
    uint32_t id;
    int32_t prev, next; /* -1 for none */
    uint32_t off, len;  /* bytes of the word; len is 0 once it was joined to its left neighbour */
};

/* A pair that can be joined: the symbol at pos with its next. Lower keys first. */
struct tn_join {
    uint64_t key; /* rank << 32 | pos */
    uint32_t id;
    uint32_t len; /* of both symbols, to tell entries that are out of date */
};

void tn__bpe_work_fini(tn_bpe_work *w) {
    free(w->symbol);
    free(w->heap);
    tn_buf_free(&w->spelling);
    *w = (tn_bpe_work){0};
}

static int add_symbol(tn_bpe_work *w, uint32_t id, size_t off, size_t len) {
    if (w->n_symbol == w->symbol_cap) {
        size_t cap = w->symbol_cap ? w->symbol_cap * 2 : 256;
        struct tn_symbol *s = cap < INT32_MAX ? realloc(w->symbol, cap * sizeof *s) : NULL;
        if (!s) return TN_ENOMEM;
        w->symbol = s;
        w->symbol_cap = cap;
    }
    int32_t i = (int32_t)w->n_symbol++;
    w->symbol[i] = (struct tn_symbol){id, i - 1, i + 1, (uint32_t)off, (uint32_t)len};
    return 0;
}

/* Unknown characters wait, so that neighbours can be fused. Byte fallback does not end the wait: the order of
 * tokens that results is the library's. */
typedef struct unknown {
    bool waiting;
    size_t off, len;
} unknown;

static int flush_unknown(const tn_bpe *b, tn_bpe_work *w, unknown *u) {
    if (!u->waiting) return 0;
    u->waiting = false;
    return add_symbol(w, b->unk, u->off, u->len);
}

static int add_unknown(const tn_bpe *b, tn_bpe_work *w, unknown *u, const char *s, size_t off, size_t len) {
    bool all = b->byte_fallback && !b->byte_level;
    for (size_t i = 0; i < len && all; i++) all = b->byte[(unsigned char)s[off + i]] != TN_BPE_NONE;
    for (size_t i = 0; i < len && all; i++)
        if (add_symbol(w, b->byte[(unsigned char)s[off + i]], off + i, 1)) return TN_ENOMEM;
    if (all || b->unk == TN_BPE_NONE) return 0;
    if (u->waiting && b->fuse_unk) {
        u->len += len;
        return 0;
    }
    if (flush_unknown(b, w, u)) return TN_ENOMEM;
    *u = (unknown){true, off, len};
    return 0;
}

/* Looks the character s[off, off + len) up, with the marks of its place in the word. */
static bool find_character(const tn_bpe *b, tn_bpe_work *w, const char *s, size_t off, size_t len, bool last,
                           uint32_t *ret) {
    if (!(b->prefix && off) && !(b->suffix && last)) return tn__vocab_find(b->vocab, s + off, len, ret);
    tn_buf_clear(&w->spelling);
    if (b->prefix && off) tn_buf_adds(&w->spelling, b->prefix);
    tn_buf_add(&w->spelling, s + off, len);
    if (b->suffix && last) tn_buf_adds(&w->spelling, b->suffix);
    return !w->spelling.status && tn__vocab_find(b->vocab, w->spelling.data, w->spelling.len, ret);
}

static int first_symbols(const tn_bpe *b, tn_bpe_work *w, const char *s, size_t len) {
    unknown u = {0};
    w->n_symbol = 0;
    for (size_t i = 0, k; i < len; i += k) {
        uint32_t id, cp;
        bool known;
        k = b->byte_level ? 1 : tn__utf8_get(s + i, &cp);
        if (b->byte_level)
            known = (id = b->byte[(unsigned char)s[i]]) != TN_BPE_NONE;
        else
            known = find_character(b, w, s, i, k, i + k == len, &id);
        int rc = known ? flush_unknown(b, w, &u) : add_unknown(b, w, &u, s, i, k);
        if (!rc && known) rc = add_symbol(w, id, i, k);
        if (rc) return rc;
    }
    if (flush_unknown(b, w, &u)) return TN_ENOMEM;
    if (w->n_symbol) w->symbol[w->n_symbol - 1].next = -1;
    return 0;
}

/* Whether symbol i and its next can be joined. */
static bool can_join(const tn_bpe *b, const tn_bpe_work *w, int32_t i, struct tn_join *ret) {
    const struct tn_symbol *l = &w->symbol[i], *r = &w->symbol[l->next];
    const tn_merge *m = tn__bpe_merge_slot(b, l->id, r->id);
    if (m->left == TN_BPE_NONE) return false;
    *ret = (struct tn_join){(uint64_t)m->rank << 32 | (uint32_t)i, m->id, l->len + r->len};
    return true;
}

/* Joins symbol i with its next. */
static void join(tn_bpe_work *w, int32_t i, uint32_t id) {
    struct tn_symbol *l = &w->symbol[i], *r = &w->symbol[l->next];
    l->id = id;
    l->len += r->len;
    l->next = r->next;
    r->len = 0;
    if (l->next >= 0) w->symbol[l->next].prev = i;
}

static void join_short(const tn_bpe *b, tn_bpe_work *w) {
    struct tn_join pair[SHORT_WORD], none = {.key = UINT64_MAX};
    for (size_t i = 0; i + 1 < w->n_symbol; i++)
        if (!can_join(b, w, (int32_t)i, &pair[i])) pair[i] = none;
    pair[w->n_symbol - 1] = none;
    for (;;) {
        struct tn_join best = none;
        for (int32_t i = 0; i >= 0; i = w->symbol[i].next)
            if (pair[i].key < best.key) best = pair[i];
        if (best.key == UINT64_MAX) return;
        int32_t at = (int32_t)(uint32_t)best.key, prev = w->symbol[at].prev;
        join(w, at, best.id);
        if (w->symbol[at].next < 0 || !can_join(b, w, at, &pair[at])) pair[at] = none;
        if (prev >= 0 && !can_join(b, w, prev, &pair[prev])) pair[prev] = none;
    }
}

static void sift_down(struct tn_join *h, size_t n, size_t i) {
    struct tn_join x = h[i];
    for (size_t child; (child = 2 * i + 1) < n; i = child) {
        if (child + 1 < n && h[child + 1].key < h[child].key) child++;
        if (h[child].key >= x.key) break;
        h[i] = h[child];
    }
    h[i] = x;
}

static int push(tn_bpe_work *w, const struct tn_join *x, bool ordered) {
    if (w->n_heap == w->heap_cap) {
        size_t cap = w->heap_cap ? w->heap_cap * 2 : 256;
        struct tn_join *h = realloc(w->heap, cap * sizeof *h);
        if (!h) return TN_ENOMEM;
        w->heap = h;
        w->heap_cap = cap;
    }
    size_t i = w->n_heap++;
    for (; ordered && i && w->heap[(i - 1) / 2].key > x->key; i = (i - 1) / 2)
        w->heap[i] = w->heap[(i - 1) / 2];
    w->heap[i] = *x;
    return 0;
}

static int push_if(const tn_bpe *b, tn_bpe_work *w, int32_t i) {
    struct tn_join x;
    if (i < 0 || w->symbol[i].next < 0 || !can_join(b, w, i, &x)) return 0;
    return push(w, &x, true);
}

/* Entries are not removed when a symbol changes: one that no longer fits its place is passed over. The joined
 * length identifies the pair, since a symbol only ever grows to the right. */
static int join_long(const tn_bpe *b, tn_bpe_work *w) {
    struct tn_join x;
    w->n_heap = 0;
    for (size_t i = 0; i + 1 < w->n_symbol; i++)
        if (can_join(b, w, (int32_t)i, &x) && push(w, &x, false)) return TN_ENOMEM;
    for (size_t i = w->n_heap / 2; i--;) sift_down(w->heap, w->n_heap, i);
    while (w->n_heap) {
        x = w->heap[0];
        w->heap[0] = w->heap[--w->n_heap];
        if (w->n_heap) sift_down(w->heap, w->n_heap, 0);
        int32_t at = (int32_t)(uint32_t)x.key;
        const struct tn_symbol *l = &w->symbol[at];
        if (!l->len || l->next < 0 || l->len + w->symbol[l->next].len != x.len) continue;
        join(w, at, x.id);
        if (push_if(b, w, w->symbol[at].prev) || push_if(b, w, at)) return TN_ENOMEM;
    }
    return 0;
}

/* ignore_merges: the word as a whole. */
static bool whole_word(const tn_bpe *b, tn_bpe_work *w, const char *s, size_t len, uint32_t *ret) {
    if (!b->byte_level) return tn__vocab_find(b->vocab, s, len, ret);
    if (len > b->vocab->max_len) return false;
    tn_buf_clear(&w->spelling);
    tn__byte_level_put(s, len, &w->spelling);
    return !w->spelling.status && tn__vocab_find(b->vocab, w->spelling.data, w->spelling.len, ret);
}

/* A stretch that nothing outside joins. */
static int encode_stretch(const tn_bpe *b, tn_bpe_work *w, const char *s, size_t len, tn_ids *ret) {
    int rc = first_symbols(b, w, s, len);
    if (!rc && w->n_symbol > 1 && b->n_merge) {
        if (w->n_symbol <= SHORT_WORD)
            join_short(b, w);
        else
            rc = join_long(b, w);
    }
    for (int32_t i = w->n_symbol ? 0 : -1; i >= 0 && !rc; i = w->symbol[i].next) {
        int32_t one = (int32_t)w->symbol[i].id;
        rc = tn_ids_add(ret, &one, 1);
    }
    return rc;
}

int tn__bpe_encode(const tn_bpe *b, tn_bpe_work *w, const char *s, size_t len, tn_ids *ret, tn_error *err) {
    uint32_t id;
    int rc = 0;
    w->spelling.max = (size_t)1 << 30;
    if (b->ignore_merges && whole_word(b, w, s, len, &id)) {
        int32_t one = (int32_t)id;
        rc = tn_ids_add(ret, &one, 1);
    } else {
        for (size_t from = 0, to; from < len && !rc; from = to) {
            to = b->cut_spaces ? tn__bpe_next_space(s, len, from) : len;
            rc = encode_stretch(b, w, s + from, to - from, ret);
        }
    }
    return rc ? tn_fail(err, TN_ENOMEM, "out of memory for a word of %zu bytes", len) : 0;
}
