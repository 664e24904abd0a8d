/* SPDX-License-Identifier: Apache-2.0 */
#include "text/trie.h"

#include <stdlib.h>
#include <string.h>

#include "base/checked.h"

static int compare_keys(const void *pa, const void *pb) {
    const tn_trie_key *a = pa, *b = pb;
    int c = memcmp(a->s, b->s, a->len < b->len ? a->len : b->len);
    if (c) return c;
    if (a->len != b->len) return a->len < b->len ? -1 : 1;
    return a->value < b->value ? -1 : a->value > b->value;
}

static bool same_key(const tn_trie_key *a, const tn_trie_key *b) {
    return a->len == b->len && memcmp(a->s, b->s, a->len) == 0;
}

static size_t common_prefix(const tn_trie_key *a, const tn_trie_key *b) {
    size_t i = 0;
    while (i < a->len && i < b->len && a->s[i] == b->s[i]) i++;
    return i;
}

/* Nodes that the sorted keys need, the root included. */
static uint64_t count_nodes(const tn_trie_key *keys, size_t n) {
    uint64_t count = 1;
    for (size_t i = 0; i < n; i++) count += keys[i].len - (i ? common_prefix(&keys[i - 1], &keys[i]) : 0);
    return count;
}

typedef struct range {
    uint32_t lo, hi; /* keys that pass through a node */
} range;

/* Appends the children of node, whose keys agree in their first depth bytes. */
static uint32_t add_children(tn_trie *t, const tn_trie_key *keys, range *r, uint32_t node, uint32_t depth,
                             uint32_t next) {
    uint32_t lo = r[node].lo, hi = r[node].hi;
    t->value[node] = TN_TRIE_NONE;
    if (lo < hi && keys[lo].len == depth) t->value[node] = keys[lo++].value;
    while (lo < hi) {
        uint32_t from = lo;
        uint8_t c = (uint8_t)keys[lo].s[depth];
        while (lo < hi && (uint8_t)keys[lo].s[depth] == c) lo++;
        t->label[next] = c;
        r[next++] = (range){from, lo};
    }
    return next;
}

int tn__trie_init(tn_trie *t, tn_trie_key *keys, size_t n, tn_error *err) {
    *t = (tn_trie){0};
    if (!n) return 0;
    qsort(keys, n, sizeof *keys, compare_keys);
    size_t kept = 1;
    for (size_t i = 1; i < n; i++)
        if (!same_key(&keys[kept - 1], &keys[i])) keys[kept++] = keys[i];
    uint64_t nodes = count_nodes(keys, kept);
    if (nodes >= UINT32_MAX / 2 || kept >= UINT32_MAX)
        return tn_fail(err, TN_ELIMIT, "the pieces need a search tree of %llu nodes, the limit is %u",
                       (unsigned long long)nodes, UINT32_MAX / 2);
    range *r = malloc(nodes * sizeof *r);
    t->label = malloc(nodes);
    t->first = malloc((nodes + 1) * sizeof *t->first);
    t->value = malloc(nodes * sizeof *t->value);
    if (!r || !t->label || !t->first || !t->value) {
        free(r);
        tn__trie_fini(t);
        return tn_fail(err, TN_ENOMEM, "out of memory for a search tree of %llu nodes",
                       (unsigned long long)nodes);
    }
    r[0] = (range){0, (uint32_t)kept};
    t->label[0] = 0;
    uint32_t next = 1, level_end = 1, depth = 0;
    for (uint32_t i = 0; i < nodes; i++) {
        if (i == level_end) {
            level_end = next;
            depth++;
        }
        t->first[i] = next;
        next = add_children(t, keys, r, i, depth, next);
    }
    t->first[nodes] = next;
    t->n = (uint32_t)nodes;
    free(r);
    return 0;
}

void tn__trie_fini(tn_trie *t) {
    free(t->label);
    free(t->first);
    free(t->value);
    *t = (tn_trie){0};
}

bool tn__trie_step(const tn_trie *t, uint32_t *node, unsigned char c) {
    uint32_t lo = t->first[*node], hi = t->first[*node + 1];
    const uint8_t *p = lo < hi ? memchr(t->label + lo, c, hi - lo) : NULL;
    if (!p) return false;
    *node = (uint32_t)(p - t->label);
    return true;
}

size_t tn__trie_longest(const tn_trie *t, uint32_t node, const char *s, size_t n, uint32_t *ret_value) {
    size_t best = 0;
    if (!t->n) return 0;
    for (size_t i = 0; i < n && tn__trie_step(t, &node, (unsigned char)s[i]);) {
        i++;
        if (t->value[node] == TN_TRIE_NONE) continue;
        best = i;
        *ret_value = t->value[node];
    }
    return best;
}
