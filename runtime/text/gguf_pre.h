/* SPDX-License-Identifier: Apache-2.0 */
/* What tokenizer.ggml.pre means: GGUF files name a family's splitting instead of spelling it out. */
#ifndef TN_TEXT_GGUF_PRE_H
#define TN_TEXT_GGUF_PRE_H

#include <stdbool.h>
#include <stddef.h>

enum { TN_PRE_MAX_REGEX = 6 };

typedef struct tn_pre {
    const char *regex[TN_PRE_MAX_REGEX + 1]; /* applied one after another; ends with NULL */
    bool ignore_merges;                      /* a word that is a piece is not split */
    bool add_bos;                            /* unless the file says otherwise */
    bool add_sep;
    bool nfc;        /* the family's texts are normalised first */
    bool characters; /* symbols are characters with spaces as U+2581, not bytes */
} tn_pre;

/* The entry called name, or NULL. Static. */
const tn_pre *tn__pre_find(const char *name, size_t len);
/* The i-th entry and its name, or NULL past the end. Static. */
const char *tn__pre_at(size_t i, const tn_pre **ret);

#endif
