/* SPDX-License-Identifier: Apache-2.0 */
#include "text/wordpiece.h"

#include <stdlib.h>

#include "text/utf8.h"

int tn__wordpiece_init(tn_wordpiece *w, const tn_vocab *vocab, const bool *usable, const char *prefix,
                       size_t prefix_len, size_t max_chars, uint32_t unk, tn_error *err) {
    *w = (tn_wordpiece){.max_chars = max_chars, .unk = unk};
    size_t n = 0;
    tn_trie_key *keys = malloc((vocab->n_id + 1) * sizeof *keys);
    if (!keys) return tn_fail(err, TN_ENOMEM, "out of memory for %u pieces", vocab->n_id);
    for (uint32_t id = 0; id < vocab->n_id; id++) {
        size_t len;
        if (!tn__vocab_has(vocab, id) || (usable && !usable[id])) continue;
        const char *s = tn__vocab_text(vocab, id, &len);
        if (len > TN_TOKENIZER_MAX_PIECE) {
            free(keys);
            return tn_fail(err, TN_ELIMIT, "piece %u has %zu bytes, the limit is %d", id, len,
                           TN_TOKENIZER_MAX_PIECE);
        }
        if (len) keys[n++] = (tn_trie_key){s, (uint32_t)len, id};
    }
    int rc = tn__trie_init(&w->trie, keys, n, err);
    free(keys);
    for (size_t i = 0; i < prefix_len && w->continuation != UINT32_MAX; i++)
        if (!w->trie.n || !tn__trie_step(&w->trie, &w->continuation, (unsigned char)prefix[i]))
            w->continuation = UINT32_MAX;
    return rc;
}

void tn__wordpiece_fini(tn_wordpiece *w) {
    tn__trie_fini(&w->trie);
    *w = (tn_wordpiece){0};
}

static bool too_long(const tn_wordpiece *w, const char *s, size_t len) {
    size_t chars = 0;
    if (len <= w->max_chars) return false;
    for (size_t i = 0; i < len; i++) chars += ((unsigned char)s[i] & 0xc0) != 0x80;
    return chars > w->max_chars;
}

int tn__wordpiece_encode(const tn_wordpiece *w, const char *s, size_t len, tn_ids *ret, tn_error *err) {
    size_t start = ret->len;
    int32_t unk = (int32_t)w->unk;
    bool bad = too_long(w, s, len);
    for (size_t i = 0; i < len && !bad;) {
        uint32_t id, node = i ? w->continuation : 0;
        size_t k = node == UINT32_MAX ? 0 : tn__trie_longest(&w->trie, node, s + i, len - i, &id);
        bad = !k || (w->whole_words && k != len);
        if (bad) break;
        int32_t one = (int32_t)id;
        if (tn_ids_add(ret, &one, 1)) return tn_fail(err, TN_ENOMEM, "out of memory for token ids");
        i += k;
    }
    if (!bad) return 0;
    ret->len = start;
    return tn_ids_add(ret, &unk, 1) ? tn_fail(err, TN_ENOMEM, "out of memory for token ids") : 0;
}
