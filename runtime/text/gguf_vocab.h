/* SPDX-License-Identifier: Apache-2.0 */
/* The tokenizer.ggml.* metadata, read and checked, before it becomes a tokenizer. */
#ifndef TN_TEXT_GGUF_VOCAB_H
#define TN_TEXT_GGUF_VOCAB_H

#include <stdbool.h>
#include <stdint.h>

#include "text/tokenizer_internal.h"
#include "weights/gguf.h"

/* Values of tokenizer.ggml.token_type. */
enum {
    TN_GGUF_NORMAL = 1,
    TN_GGUF_UNKNOWN = 2,
    TN_GGUF_CONTROL = 3,
    TN_GGUF_USER_DEFINED = 4,
    TN_GGUF_UNUSED = 5,
    TN_GGUF_BYTE = 6,
};

typedef struct tn_gguf_vocab {
    const tn_gguf *g;
    uint32_t n;    /* tokens */
    uint8_t *type; /* by id; TN_GGUF_NORMAL where the file has no types */
    float *score;  /* by id; 0 where the file has no scores */
    bool has_score;
    bool *usable; /* by id: text may give this piece */
} tn_gguf_vocab;

/* Reads tokens, types and scores; the pieces go to t->vocab, spelt as tokenizer.json files spell them
 * (wordpiece: "▁the" becomes "the", "ing" becomes "##ing"), control and user-defined tokens to t->added.
 * TN_ENOENT (no tokens), TN_EFORMAT (types, lengths that disagree), TN_ELIMIT, TN_ENOMEM. */
int tn__gguf_vocab_read(tn_gguf_vocab *v, const tn_gguf *g, bool wordpiece, tn_tokenizer *t, tn_error *err);
void tn__gguf_vocab_fini(tn_gguf_vocab *v);

/* Typed metadata. Absent keys leave *ret as it is; another type is TN_EFORMAT. */
int tn__gguf_bool(const tn_gguf *g, const char *key, bool *ret, tn_error *err);
int tn__gguf_string(const tn_gguf *g, const char *key, const char **ret, size_t *ret_len, tn_error *err);
/* A token's id, which must be below n. */
int tn__gguf_id(const tn_gguf *g, const char *key, uint32_t n, int32_t *ret, tn_error *err);
/* An array whose elements are of a type; *ret is NULL where the key is absent. */
int tn__gguf_array(const tn_gguf *g, const char *key, tn_gguf_type elem, const tn_gguf_value **ret,
                   tn_error *err);

#endif
