/* SPDX-License-Identifier: Apache-2.0 */
/* Unigram language model: of all ways to cut a word into pieces, the one with the highest sum of scores
 * (Viterbi; Kudo 2018, section 3.2). */
#ifndef TN_TEXT_UNIGRAM_H
#define TN_TEXT_UNIGRAM_H

#include <stdbool.h>
#include <stdint.h>

#include "text/tokenizer.h"
#include "text/trie.h"
#include "text/vocab.h"

typedef struct tn_unigram {
    const tn_vocab *vocab;
    tn_trie trie;
    double *score;    /* by id */
    double unk_score; /* of a character that no piece covers */
    uint32_t unk;     /* UINT32_MAX for none */
    bool byte_fallback;
    uint32_t byte[256]; /* the <0xXX> pieces; UINT32_MAX where missing */
} tn_unigram;

/* Takes over score[0, vocab->n_id) (also on failure). usable[id]: the piece takes part; NULL for all. vocab
 * must be complete and outlive u. TN_ELIMIT, TN_ENOMEM. */
int tn__unigram_init(tn_unigram *u, const tn_vocab *vocab, double *score, const bool *usable, uint32_t unk,
                     bool byte_fallback, tn_error *err);
void tn__unigram_fini(tn_unigram *u);

/* Memory of a call, reused from word to word; {0} is ready. */
typedef struct tn_unigram_work {
    struct tn_step *step;
    size_t cap;
} tn_unigram_work;
void tn__unigram_work_fini(tn_unigram_work *w);

/* Appends the ids of one word, well-formed UTF-8, len > 0. TN_EINVAL: an unknown character and no unknown
 * token; TN_ENOMEM. [any thread] */
int tn__unigram_encode(const tn_unigram *u, tn_unigram_work *w, const char *s, size_t len, tn_ids *ret,
                       tn_error *err);

#endif
