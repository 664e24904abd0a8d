/* SPDX-License-Identifier: Apache-2.0 */
/* What a tokenizer is made of; for the files that build one and those that run it. */
#ifndef TN_TEXT_TOKENIZER_INTERNAL_H
#define TN_TEXT_TOKENIZER_INTERNAL_H

#include "text/added.h"
#include "text/bpe.h"
#include "text/decoder.h"
#include "text/normalizer.h"
#include "text/postproc.h"
#include "text/splitter.h"
#include "text/tokenizer.h"
#include "text/unigram.h"
#include "text/vocab.h"
#include "text/wordpiece.h"

typedef enum tn_model_kind { TN_MODEL_BPE = 1, TN_MODEL_UNIGRAM, TN_MODEL_WORDPIECE } tn_model_kind;

/* Facts about an id. */
enum { TN_TOKEN_SPECIAL = 1, TN_TOKEN_END = 2 };

/* A name and a text, both owned. */
typedef struct tn_named {
    char *name, *text;
    size_t text_len;
} tn_named;

typedef struct tn_named_list {
    tn_named *v;
    size_t n;
} tn_named_list;

struct tn_tokenizer {
    tn_vocab vocab;
    uint8_t *fact; /* TN_TOKEN_* by id */
    tn_added added;
    tn_normalizer norm;
    tn_splitter split;
    tn_model_kind model;
    tn_bpe bpe;
    tn_unigram unigram;
    tn_wordpiece wordpiece;
    tn_postproc post;
    tn_decoder decoder;
    int32_t bos, eos, eot, pad, unk; /* -1 for none */
    tn_named_list names;             /* special tokens by the configuration's names */
    tn_named_list templates;
};

/* An empty one to fill, NULL when out of memory. */
tn_tokenizer *tn__tokenizer_new(void);
/* Replaces or appends the entry called name. TN_ENOMEM, TN_ELIMIT. */
int tn__named_set(tn_named_list *l, const char *name, const char *text, size_t len, tn_error *err);
/* The entry called name, or NULL. */
const tn_named *tn__named_get(const tn_named_list *l, const char *name);
/* Adds a token to vocabulary (where it is not there yet) and added tokens. TN_EFORMAT: the id belongs to
 * another piece, or the piece to another id. */
int tn__tokenizer_add_token(tn_tokenizer *t, uint64_t id, const char *s, size_t len, tn_added_token flags,
                            tn_error *err);
/* Once everything is read: search trees, facts about ids, roles that follow from names and spellings. */
int tn__tokenizer_finish(tn_tokenizer *t, tn_error *err);

#endif
