/* SPDX-License-Identifier: Apache-2.0 */
#include "text/vocab.h"

#include <stdlib.h>
#include <string.h>

#include "text/tokenizer.h"

static uint64_t hash_bytes(const char *s, size_t len) {
    uint64_t h = 0x9e3779b97f4a7c15u ^ len, w;
    for (; len >= 8; s += 8, len -= 8) {
        memcpy(&w, s, 8);
        h = (h ^ w) * 0xff51afd7ed558ccdu;
        h ^= h >> 32;
    }
    if (len) {
        w = 0;
        memcpy(&w, s, len);
        h = (h ^ w) * 0xff51afd7ed558ccdu;
        h ^= h >> 32;
    }
    h *= 0xc4ceb9fe1a85ec53u;
    return h ^ h >> 29;
}

static bool equals(const tn_vocab *v, uint32_t id, const char *s, size_t len) {
    return v->span[id].len == len && memcmp(v->arena + v->span[id].off, s, len) == 0;
}

/* The slot where s is, or the free one where it belongs. */
static uint32_t probe(const tn_vocab *v, const char *s, size_t len) {
    uint32_t mask = v->n_slot - 1, i = (uint32_t)hash_bytes(s, len) & mask;
    while (v->slot[i] && !equals(v, v->slot[i] - 1, s, len)) i = (i + 1) & mask;
    return i;
}

bool tn__vocab_find(const tn_vocab *v, const char *s, size_t len, uint32_t *ret) {
    if (!v->n_slot || len > v->max_len) return false;
    uint32_t i = probe(v, s, len);
    if (!v->slot[i]) return false;
    *ret = v->slot[i] - 1;
    return true;
}

static int grow_slots(tn_vocab *v) {
    uint32_t n = v->n_slot ? v->n_slot * 2 : 1024, old_n = v->n_slot;
    uint32_t *old = v->slot, *slot = calloc(n, sizeof *slot);
    if (!slot) return TN_ENOMEM;
    v->slot = slot;
    v->n_slot = n;
    for (uint32_t i = 0; i < old_n; i++) {
        if (!old[i]) continue;
        const struct tn_span *s = &v->span[old[i] - 1];
        slot[probe(v, v->arena + s->off, s->len)] = old[i];
    }
    free(old);
    return 0;
}

static int grow_ids(tn_vocab *v, uint32_t id) {
    if (id >= v->id_cap) {
        uint32_t cap = v->id_cap ? v->id_cap : 1024;
        while (cap <= id) cap *= 2;
        struct tn_span *span = realloc(v->span, cap * sizeof *span);
        if (!span) return TN_ENOMEM;
        v->span = span;
        v->id_cap = cap;
    }
    while (v->n_id <= id) v->span[v->n_id++] = (struct tn_span){.off = TN_VOCAB_HOLE};
    return 0;
}

static int grow_arena(tn_vocab *v, size_t len) {
    if (v->arena_cap - v->arena_len > len) return 0;
    size_t cap = v->arena_cap ? v->arena_cap : 4096;
    while (cap - v->arena_len <= len) cap *= 2;
    char *arena = realloc(v->arena, cap);
    if (!arena) return TN_ENOMEM;
    v->arena = arena;
    v->arena_cap = cap;
    return 0;
}

int tn__vocab_add(tn_vocab *v, uint64_t id, const char *s, size_t len, tn_vocab_mode mode, tn_error *err) {
    bool hidden = mode == TN_VOCAB_HIDDEN;
    uint32_t other = 0;
    int show = len > 64 ? 64 : (int)len;
    if (id >= TN_TOKENIZER_MAX_VOCAB)
        return tn_fail(err, TN_ELIMIT, "token \"%.*s\" has id %llu, the limit is %d", show, s,
                       (unsigned long long)id, TN_TOKENIZER_MAX_VOCAB - 1);
    if (len >= UINT32_MAX || v->arena_len + len + 1 >= UINT32_MAX)
        return tn_fail(err, TN_ELIMIT, "the vocabulary has more than 4 GiB of text");
    if (tn__vocab_has(v, id))
        return tn_fail(err, TN_EFORMAT, "id %llu is given to two tokens, \"%.40s\" and \"%.*s\"",
                       (unsigned long long)id, v->arena + v->span[id].off, show, s);
    if (mode == TN_VOCAB_UNIQUE && tn__vocab_find(v, s, len, &other))
        return tn_fail(err, TN_EFORMAT, "token \"%.*s\" is there twice, with ids %u and %llu", show, s, other,
                       (unsigned long long)id);
    if (grow_ids(v, (uint32_t)id) || grow_arena(v, len) ||
        (!hidden && (uint64_t)v->n_piece * 3 >= (uint64_t)v->n_slot * 2 && grow_slots(v)))
        return tn_fail(err, TN_ENOMEM, "out of memory for a vocabulary");
    if (len) memcpy(v->arena + v->arena_len, s, len);
    v->arena[v->arena_len + len] = 0;
    v->span[id] = (struct tn_span){(uint32_t)v->arena_len, (uint32_t)len};
    v->arena_len += len + 1;
    if (hidden) return 0;
    if (len > v->max_len) v->max_len = (uint32_t)len;
    uint32_t at = probe(v, s, len);
    if (!v->slot[at]) v->n_piece++;
    v->slot[at] = (uint32_t)id + 1;
    return 0;
}

void tn__vocab_shrink(tn_vocab *v) {
    char *arena = v->arena ? realloc(v->arena, v->arena_len) : NULL;
    struct tn_span *span = v->span ? realloc(v->span, v->n_id * sizeof *span) : NULL;
    if (arena) v->arena = arena, v->arena_cap = v->arena_len;
    if (span) v->span = span, v->id_cap = v->n_id;
}

void tn__vocab_fini(tn_vocab *v) {
    free(v->arena);
    free(v->span);
    free(v->slot);
    *v = (tn_vocab){0};
}
