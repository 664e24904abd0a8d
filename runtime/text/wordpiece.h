/* SPDX-License-Identifier: Apache-2.0 */
/* WordPiece: the longest piece that the word begins with, then the longest continuation, and so on; a word
 * that cannot be covered is one unknown token. Also WordLevel, where a word is a piece or unknown. */
#ifndef TN_TEXT_WORDPIECE_H
#define TN_TEXT_WORDPIECE_H

#include <stdbool.h>
#include <stdint.h>

#include "text/tokenizer.h"
#include "text/trie.h"
#include "text/vocab.h"

typedef struct tn_wordpiece {
    tn_trie trie;
    uint32_t continuation; /* node of the continuation prefix ("##"); UINT32_MAX: no continuations */
    size_t max_chars;      /* longer words are unknown */
    uint32_t unk;
    bool whole_words; /* WordLevel */
} tn_wordpiece;

/* usable[id]: the piece takes part; NULL for all. TN_ELIMIT, TN_ENOMEM. */
int tn__wordpiece_init(tn_wordpiece *w, const tn_vocab *vocab, const bool *usable, const char *prefix,
                       size_t prefix_len, size_t max_chars, uint32_t unk, tn_error *err);
void tn__wordpiece_fini(tn_wordpiece *w);

/* Appends the ids of one word, well-formed UTF-8, len > 0. TN_ENOMEM. [any thread] */
int tn__wordpiece_encode(const tn_wordpiece *w, const char *s, size_t len, tn_ids *ret, tn_error *err);

#endif
