/* SPDX-License-Identifier: Apache-2.0 */
/* Added tokens: strings that are cut out of a text before anything else looks at it. */
#ifndef TN_TEXT_ADDED_H
#define TN_TEXT_ADDED_H

#include <stdbool.h>
#include <stdint.h>

#include "text/normalizer.h"
#include "text/trie.h"
#include "text/vocab.h"

typedef struct tn_added_token {
    uint32_t id;
    bool special;     /* left out by skip_special; plain text when special tokens are not to be parsed */
    bool normalized;  /* looked for in the normalised text, in its own normalised form */
    bool single_word; /* only where no word character touches it */
    bool lstrip;      /* takes the white space before it along */
    bool rstrip;      /* and after it */
} tn_added_token;

/* Where the tokens of one kind are found. */
typedef struct tn_added_set {
    tn_trie trie;     /* values: indices of tokens */
    bool begins[256]; /* whether a token begins with this byte */
    tn_buf text;      /* normalised spellings, while the trie is built */
} tn_added_set;

typedef struct tn_added {
    tn_added_token *token;
    size_t n, cap;
    tn_added_set raw, normalized;
} tn_added;

/* Adds a token; of several with one id the last stays. TN_ENOMEM. */
int tn__added_put(tn_added *a, tn_added_token token, tn_error *err);
/* Builds the search trees, once all tokens are there. TN_ELIMIT (a token too long), TN_ENOMEM. */
int tn__added_finish(tn_added *a, const tn_vocab *vocab, const tn_normalizer *norm, tn_error *err);
void tn__added_fini(tn_added *a);

/* A part of a text: a token, or text between tokens (id -1). */
typedef struct tn_segment {
    size_t off, len;
    int32_t id;
} tn_segment;

typedef struct tn_segments {
    tn_segment *v;
    size_t n, cap;
} tn_segments;

/* Cuts s[0, n) at the tokens of one kind; ret's content is replaced. Of the tokens that begin at a place the
 * longest counts. Without parse_special, special ones are text. TN_ENOMEM. [any thread] */
int tn__added_split(const tn_added *a, bool normalized, bool parse_special, const char *s, size_t n,
                    tn_segments *ret);

#endif
