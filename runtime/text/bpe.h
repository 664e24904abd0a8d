/* SPDX-License-Identifier: Apache-2.0 */
/* Byte-pair encoding. A word begins as symbols (characters, or bytes) and neighbours are joined, best pair
 * first, until no pair can be joined. What can be joined, and in which order of preference, is a list of
 * merges; where there are only the scores of the pieces (SentencePiece vocabularies in GGUF) the list is made
 * from these. */
#ifndef TN_TEXT_BPE_H
#define TN_TEXT_BPE_H

#include <stdbool.h>
#include <stdint.h>

#include "text/tokenizer.h"
#include "text/vocab.h"

enum {
    TN_BPE_MAX_MERGES = 1 << 24,
    TN_BPE_MAX_SCORED =
        1024, /* bytes: longer pieces are not made from their parts by tn__bpe_merges_from_scores */
};

/* The merge of the symbols left and right, the rank-th in the list (0 is best), gives the symbol id. */
typedef struct tn_merge {
    uint32_t left, right, rank, id;
} tn_merge;

typedef struct tn_bpe {
    const tn_vocab *vocab;
    tn_merge *slot;  /* open addressing by (left, right); free where left is TN_BPE_NONE */
    uint32_t n_slot; /* a power of two, or 0 */
    uint32_t n_merge;
    bool byte_level;    /* symbols are bytes, spelt in the vocabulary by their stand-ins */
    bool byte_fallback; /* an unknown character becomes <0xXX> pieces */
    bool fuse_unk;      /* neighbouring unknown characters give one unknown token */
    bool ignore_merges; /* a word that is a piece is not split at all */
    bool cut_spaces; /* no merge has U+2581 after another character: what comes before one never joins it */
    uint32_t unk;    /* TN_BPE_NONE for none: unknown characters give nothing */
    uint32_t
        byte[256]; /* with byte_level: the byte's own piece; else its <0xXX>; TN_BPE_NONE where missing */
    char *prefix, *suffix; /* continuing_subword_prefix, end_of_word_suffix; NULL for none; owned */
} tn_bpe;

#define TN_BPE_NONE UINT32_MAX

/* vocab must be complete and outlive b. byte_level as in the struct. Fills byte[], unk is none. */
void tn__bpe_init(tn_bpe *b, const tn_vocab *vocab, bool byte_level);
/* Makes room for n merges. TN_ELIMIT, TN_ENOMEM. */
int tn__bpe_reserve(tn_bpe *b, size_t n, tn_error *err);
/* Adds the next merge. TN_EFORMAT when left, right or what they give is not a piece (named). */
int tn__bpe_add_merge(tn_bpe *b, const char *left, size_t left_len, const char *right, size_t right_len,
                      tn_error *err);
/* Makes the list: every way to cut a piece in two pieces is a merge; those of a higher score come first, then
 * those of a lower id, then of lower ids of their parts. That is how tokenizer.json files are made from
 * SentencePiece models. scores[0, vocab->n_id); usable[id] says whether a piece may arise by joining.
 * TN_ELIMIT, TN_ENOMEM. */
int tn__bpe_merges_from_scores(tn_bpe *b, const float *scores, const bool *usable, tn_error *err);
/* Once merges and settings are complete: sets cut_spaces. */
void tn__bpe_finish(tn_bpe *b);
/* The first place in s[from + 1, len) where cut_spaces allows a cut, or len. */
size_t tn__bpe_next_space(const char *s, size_t len, size_t from);
/* Where the merge of left and right is, or would be (left is TN_BPE_NONE there). Needs tn__bpe_reserve. */
tn_merge *tn__bpe_merge_slot(const tn_bpe *b, uint32_t left, uint32_t right);
void tn__bpe_fini(tn_bpe *b);

/* Memory of a call, reused from word to word; {0} is ready. */
typedef struct tn_bpe_work {
    struct tn_symbol *symbol;
    struct tn_join *heap;
    size_t n_symbol, symbol_cap, n_heap, heap_cap;
    tn_buf spelling;
} tn_bpe_work;
void tn__bpe_work_fini(tn_bpe_work *w);

/* Appends the ids of one word, well-formed UTF-8, len > 0. Time n log n. TN_ENOMEM. [any thread] */
int tn__bpe_encode(const tn_bpe *b, tn_bpe_work *w, const char *s, size_t len, tn_ids *ret, tn_error *err);

#endif
