/* SPDX-License-Identifier: Apache-2.0 */
/* The list of merges: from a file, or from the scores of the pieces. */
#include <stdlib.h>
#include <string.h>

#include "text/bpe.h"
#include "text/utf8.h"

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

tn_merge *tn__bpe_merge_slot(const tn_bpe *b, uint32_t left, uint32_t right) {
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
    *tn__bpe_merge_slot(b, l, r) = (tn_merge){l, r, b->n_merge++, id};
    return 0;
}

/* The place of the first U+2581 in s[from, len) that follows another character, or len. */
size_t tn__bpe_next_space(const char *s, size_t len, size_t from) {
    static const char space[] = "\xe2\x96\x81";
    for (size_t at = from + 1; at < len;) {
        const char *hit = memmem(s + at, len - at, space, 3);
        if (!hit) return len;
        at = (size_t)(hit - s);
        if (at < 3 || memcmp(hit - 3, space, 3) != 0) return at;
        at += 3;
    }
    return len;
}

void tn__bpe_finish(tn_bpe *b) {
    b->cut_spaces = b->byte_fallback && !b->byte_level && !b->ignore_merges && !b->prefix && !b->suffix;
    for (int i = 0; i < 256; i++)
        if (b->byte[i] == TN_BPE_NONE) b->cut_spaces = false; /* unknown characters could be fused across */
    for (uint32_t i = 0; b->cut_spaces && i < b->n_slot; i++) {
        size_t len;
        if (b->slot[i].left == TN_BPE_NONE) continue;
        const char *s = tn__vocab_text(b->vocab, b->slot[i].id, &len);
        b->cut_spaces = tn__bpe_next_space(s, len, 0) == len;
    }
}

/* Merges on their way into the table. */
typedef struct cuts {
    tn_merge *v;
    size_t n, cap;
} cuts;

static int compare_parts(const void *pa, const void *pb) {
    const tn_merge *a = pa, *b = pb;
    if (a->left != b->left) return a->left < b->left ? -1 : 1;
    return a->right < b->right ? -1 : a->right > b->right;
}

/* Every cut of piece id in two, in the order of the parts' ids. */
static int add_cuts(const tn_bpe *b, uint32_t id, cuts *c, tn_error *err) {
    size_t len, first = c->n;
    const char *s = tn__vocab_text(b->vocab, id, &len);
    if (len > TN_BPE_MAX_SCORED) return 0;
    for (size_t i = 1; i < len; i++) {
        uint32_t left, right;
        if (((unsigned char)s[i] & 0xc0) == 0x80) continue; /* inside a character */
        if (!tn__vocab_find(b->vocab, s, i, &left) || !tn__vocab_find(b->vocab, s + i, len - i, &right))
            continue;
        if (c->n == c->cap) {
            size_t cap = c->cap ? c->cap * 2 : 1024;
            tn_merge *v = realloc(c->v, cap * sizeof *v);
            if (!v) return tn_fail(err, TN_ENOMEM, "out of memory for merges");
            c->v = v;
            c->cap = cap;
        }
        c->v[c->n++] = (tn_merge){left, right, 0, id};
    }
    if (c->n - first > 1) qsort(c->v + first, c->n - first, sizeof *c->v, compare_parts);
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

int tn__bpe_merges_from_scores(tn_bpe *b, const float *scores, const bool *usable, tn_error *err) {
    uint32_t n = 0;
    cuts c = {0};
    scored *order = malloc(((size_t)b->vocab->n_id + 1) * sizeof *order);
    int rc = order ? 0 : tn_fail(err, TN_ENOMEM, "out of memory for %u scores", b->vocab->n_id);
    for (uint32_t id = 0; !rc && id < b->vocab->n_id; id++)
        if (usable[id]) order[n++] = (scored){scores[id], id};
    if (n) qsort(order, n, sizeof *order, compare_scores);
    for (uint32_t i = 0; !rc && i < n; i++) rc = add_cuts(b, order[i].id, &c, err);
    if (!rc) rc = tn__bpe_reserve(b, c.n, err);
    for (size_t i = 0; !rc && i < c.n; i++) {
        tn_merge *slot = tn__bpe_merge_slot(b, c.v[i].left, c.v[i].right);
        *slot = (tn_merge){c.v[i].left, c.v[i].right, b->n_merge++, c.v[i].id};
    }
    free(c.v);
    free(order);
    return rc;
}
