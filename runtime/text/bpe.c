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
    free(b->rank);
    free(b->prefix);
    free(b->suffix);
    *b = (tn_bpe){0};
}

int tn__bpe_reserve(tn_bpe *b, size_t n, tn_error *err) {
    if (n > TN_BPE_MAX_MERGES)
        return tn_fail(err, TN_ELIMIT, "%zu merges, the limit is %d", n, TN_BPE_MAX_MERGES);
    uint32_t slots = 16;
    while (slots < n + n / 2) slots *= 2;
    b->slot = malloc(slots * sizeof *b->slot);
    if (!b->slot) return tn_fail(err, TN_ENOMEM, "out of memory for %zu merges", n);
    b->n_slot = slots;
    for (uint32_t i = 0; i < slots; i++) b->slot[i].left = TN_BPE_NONE;
    return 0;
}

static tn_merge *merge_slot(const tn_bpe *b, uint32_t left, uint32_t right) {
    uint64_t h = ((uint64_t)left << 32 | right) * 0x9e3779b97f4a7c15u;
    uint32_t mask = b->n_slot - 1, i = (uint32_t)(h >> 32) & mask;
    while (b->slot[i].left != TN_BPE_NONE && (b->slot[i].left != left || b->slot[i].right != right))
        i = (i + 1) & mask;
    return &b->slot[i];
}

static int need_piece(const tn_bpe *b, const char *s, size_t len, uint32_t *ret, tn_error *err) {
    if (tn__vocab_find(b->vocab, s, len, ret)) return 0;
    return tn_fail(err, TN_EFORMAT, "merge %u needs the token \"%.*s\", which the vocabulary does not have",
                   b->n_merge, len > 64 ? 64 : (int)len, s);
}

int tn__bpe_add_merge(tn_bpe *b, const char *left, size_t left_len, const char *right, size_t right_len,
                      tn_error *err) {
    char small[256], *joined = small;
    size_t skip = b->prefix ? strlen(b->prefix) : 0, len;
    uint32_t l, r, id;
    int rc = need_piece(b, left, left_len, &l, err);
    if (!rc) rc = need_piece(b, right, right_len, &r, err);
    if (rc) return rc;
    if (b->n_merge >= TN_BPE_MAX_MERGES || (uint64_t)b->n_merge * 3 >= (uint64_t)b->n_slot * 2 + 2)
        return tn_fail(err, TN_EBUG, "more merges than were announced");
    if (skip > right_len) skip = right_len;
    len = left_len + right_len - skip;
    if (len > sizeof small && !(joined = malloc(len)))
        return tn_fail(err, TN_ENOMEM, "out of memory for a merge");
    memcpy(joined, left, left_len);
    memcpy(joined + left_len, right + skip, right_len - skip);
    rc = need_piece(b, joined, len, &id, err);
    if (joined != small) free(joined);
    if (rc) return rc;
    *merge_slot(b, l, r) = (tn_merge){l, r, b->n_merge, id};
    b->n_merge++;
    return 0;
}

typedef struct scored {
    float score;
    uint32_t id;
} scored;

static int compare_scores(const void *pa, const void *pb) {
    const scored *a = pa, *b = pb;
    if (a->score != b->score) return a->score > b->score ? -1 : 1;
    return a->id < b->id ? -1 : a->id > b->id;
}

int tn__bpe_set_scores(tn_bpe *b, const float *scores, const bool *usable, tn_error *err) {
    uint32_t n = b->vocab->n_id, rank = 0, count = 0;
    scored *order = malloc((n + 1) * sizeof *order);
    b->rank = malloc((n + 1) * sizeof *b->rank);
    if (!order || !b->rank) {
        free(order);
        return tn_fail(err, TN_ENOMEM, "out of memory for %u scores", n);
    }
    for (uint32_t i = 0; i < n; i++) {
        b->rank[i] = TN_BPE_NONE;
        if (!usable[i]) continue;
        order[count++] = (scored){scores[i], i};
        if (b->vocab->span[i].len > b->max_piece) b->max_piece = b->vocab->span[i].len;
    }
    qsort(order, count, sizeof *order, compare_scores);
    for (uint32_t i = 0; i < count; i++) {
        if (i && order[i].score != order[i - 1].score) rank = i;
        b->rank[order[i].id] = rank;
    }
    free(order);
    return 0;
}

/* A symbol of a word: a piece (or, with scores, also a character that is none), linked to its neighbours. */
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
        int rc = 0;
        if (!known && b->rank)
            rc = add_symbol(w, TN_BPE_NONE, i, k); /* may still join into a piece */
        else if (!known)
            rc = add_unknown(b, w, &u, s, i, k);
        else if (!(rc = flush_unknown(b, w, &u)))
            rc = add_symbol(w, id, i, k);
        if (rc) return rc;
    }
    if (flush_unknown(b, w, &u)) return TN_ENOMEM;
    if (w->n_symbol) w->symbol[w->n_symbol - 1].next = -1;
    return 0;
}

/* Whether symbol i and its next can be joined. */
static bool can_join(const tn_bpe *b, const tn_bpe_work *w, const char *s, int32_t i, struct tn_join *ret) {
    const struct tn_symbol *l = &w->symbol[i], *r = &w->symbol[l->next];
    uint32_t rank;
    if (b->rank) {
        uint32_t len = l->len + r->len;
        if (len > b->max_piece || !tn__vocab_find(b->vocab, s + l->off, len, &ret->id)) return false;
        rank = b->rank[ret->id];
        if (rank == TN_BPE_NONE) return false;
    } else {
        if (!b->n_slot) return false;
        const tn_merge *m = merge_slot(b, l->id, r->id);
        if (m->left == TN_BPE_NONE) return false;
        rank = m->rank;
        ret->id = m->id;
    }
    ret->key = (uint64_t)rank << 32 | (uint32_t)i;
    ret->len = l->len + r->len;
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

static void join_short(const tn_bpe *b, tn_bpe_work *w, const char *s) {
    struct tn_join pair[SHORT_WORD], none = {.key = UINT64_MAX};
    for (size_t i = 0; i + 1 < w->n_symbol; i++)
        if (!can_join(b, w, s, (int32_t)i, &pair[i])) pair[i] = none;
    pair[w->n_symbol - 1] = none;
    for (;;) {
        struct tn_join best = none;
        for (int32_t i = 0; i >= 0; i = w->symbol[i].next)
            if (pair[i].key < best.key) best = pair[i];
        if (best.key == UINT64_MAX) return;
        int32_t at = (int32_t)(uint32_t)best.key, prev = w->symbol[at].prev;
        join(w, at, best.id);
        if (w->symbol[at].next < 0 || !can_join(b, w, s, at, &pair[at])) pair[at] = none;
        if (prev >= 0 && !can_join(b, w, s, prev, &pair[prev])) pair[prev] = none;
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

static int push_if(const tn_bpe *b, tn_bpe_work *w, const char *s, int32_t i) {
    struct tn_join x;
    if (i < 0 || w->symbol[i].next < 0 || !can_join(b, w, s, i, &x)) return 0;
    return push(w, &x, true);
}

/* Entries are not removed when a symbol changes: one that no longer fits its place is passed over. The joined
 * length identifies the pair, since a symbol only ever grows to the right. */
static int join_long(const tn_bpe *b, tn_bpe_work *w, const char *s) {
    struct tn_join x;
    w->n_heap = 0;
    for (size_t i = 0; i + 1 < w->n_symbol; i++)
        if (can_join(b, w, s, (int32_t)i, &x) && push(w, &x, false)) return TN_ENOMEM;
    for (size_t i = w->n_heap / 2; i--;) sift_down(w->heap, w->n_heap, i);
    while (w->n_heap) {
        x = w->heap[0];
        w->heap[0] = w->heap[--w->n_heap];
        if (w->n_heap) sift_down(w->heap, w->n_heap, 0);
        int32_t at = (int32_t)(uint32_t)x.key;
        const struct tn_symbol *l = &w->symbol[at];
        if (!l->len || l->next < 0 || l->len + w->symbol[l->next].len != x.len) continue;
        join(w, at, x.id);
        if (push_if(b, w, s, w->symbol[at].prev) || push_if(b, w, s, at)) return TN_ENOMEM;
    }
    return 0;
}

/* Symbols of a scored vocabulary that are no piece become bytes or the unknown token. */
static int put_unknown(const tn_bpe *b, const char *s, const struct tn_symbol *sym, tn_ids *ret) {
    bool all = b->byte_fallback;
    for (uint32_t i = 0; i < sym->len && all; i++)
        all = b->byte[(unsigned char)s[sym->off + i]] != TN_BPE_NONE;
    for (uint32_t i = 0; i < sym->len && all; i++) {
        int32_t id = (int32_t)b->byte[(unsigned char)s[sym->off + i]];
        if (tn_ids_add(ret, &id, 1)) return TN_ENOMEM;
    }
    int32_t unk = (int32_t)b->unk;
    return all || b->unk == TN_BPE_NONE ? 0 : tn_ids_add(ret, &unk, 1);
}

/* ignore_merges: the word as a whole. */
static bool whole_word(const tn_bpe *b, tn_bpe_work *w, const char *s, size_t len, uint32_t *ret) {
    if (!b->byte_level) return tn__vocab_find(b->vocab, s, len, ret);
    if (len > b->vocab->max_len) return false;
    tn_buf_clear(&w->spelling);
    tn__byte_level_put(s, len, &w->spelling);
    return !w->spelling.status && tn__vocab_find(b->vocab, w->spelling.data, w->spelling.len, ret);
}

int tn__bpe_encode(const tn_bpe *b, tn_bpe_work *w, const char *s, size_t len, tn_ids *ret, tn_error *err) {
    uint32_t id;
    w->spelling.max = (size_t)1 << 30;
    if (b->ignore_merges && whole_word(b, w, s, len, &id)) {
        int32_t one = (int32_t)id;
        return tn_ids_add(ret, &one, 1) ? tn_fail(err, TN_ENOMEM, "out of memory for token ids") : 0;
    }
    int rc = first_symbols(b, w, s, len);
    if (!rc && w->n_symbol > 1) {
        if (w->n_symbol <= SHORT_WORD)
            join_short(b, w, s);
        else
            rc = join_long(b, w, s);
    }
    for (int32_t i = w->n_symbol ? 0 : -1; i >= 0 && !rc; i = w->symbol[i].next) {
        int32_t one = (int32_t)w->symbol[i].id;
        rc =
            w->symbol[i].id == TN_BPE_NONE ? put_unknown(b, s, &w->symbol[i], ret) : tn_ids_add(ret, &one, 1);
    }
    return rc ? tn_fail(err, TN_ENOMEM, "out of memory for a word of %zu bytes", len) : 0;
}
