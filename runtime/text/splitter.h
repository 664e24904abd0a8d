/* SPDX-License-Identifier: Apache-2.0 */
/* Splitting of normalised text into the words that the model encodes one by one: a list of steps, each of
 * which splits (or rewrites) the words that the one before it left. */
#ifndef TN_TEXT_SPLITTER_H
#define TN_TEXT_SPLITTER_H

#include <stdbool.h>
#include <stddef.h>
#include <tenon/status.h>

#include "base/buf.h"
#include "text/pattern.h"

/* What happens to the matches of a splitting expression. */
typedef enum tn_split_behavior {
    TN_SPLIT_ISOLATED,      /* a word of their own */
    TN_SPLIT_REMOVED,       /* dropped */
    TN_SPLIT_WITH_PREVIOUS, /* end the word before them */
    TN_SPLIT_WITH_NEXT,     /* begin the word after them */
    TN_SPLIT_CONTIGUOUS,    /* neighbouring matches are one word */
} tn_split_behavior;

typedef enum tn_split_kind {
    TN_SPLIT_PATTERN,    /* at matches of pattern */
    TN_SPLIT_SPACE,      /* at characters of a class: white space, */
    TN_SPLIT_PUNCT,      /* punctuation, */
    TN_SPLIT_DIGITS,     /* numbers */
    TN_SPLIT_WORDS,      /* runs of word characters, runs of other characters; white space dropped */
    TN_SPLIT_FIXED,      /* every `length` characters */
    TN_SPLIT_METASPACE,  /* ' ' becomes content, which may be prepended too; may split before content */
    TN_SPLIT_BYTE_LEVEL, /* bytes become their printable stand-ins; no splitting */
} tn_split_kind;

typedef enum tn_prepend { TN_PREPEND_NEVER, TN_PREPEND_FIRST, TN_PREPEND_ALWAYS } tn_prepend;

typedef struct tn_split_step {
    tn_split_kind kind;
    tn_split_behavior behavior;
    bool invert;         /* what does not match counts as match */
    bool split;          /* TN_SPLIT_METASPACE: behavior must then be TN_SPLIT_WITH_NEXT */
    tn_prepend prepend;  /* TN_SPLIT_METASPACE: content before a word that does not begin with it */
    char content[8];     /* TN_SPLIT_METASPACE: one character */
    size_t length;       /* TN_SPLIT_FIXED: characters; bytes of content */
    tn_pattern *pattern; /* owned */
} tn_split_step;

typedef struct tn_splitter {
    tn_split_step *step;
    size_t n;
} tn_splitter;

/* Appends a step, which takes over its pattern (also on failure). TN_ENOMEM, TN_ELIMIT. */
int tn__splitter_add(tn_splitter *t, tn_split_step step, tn_error *err);
int tn__splitter_add_regex(tn_splitter *t, const char *re, tn_error *err);
void tn__splitter_fini(tn_splitter *t);

/* The words of one text: spans of text. */
typedef struct tn_words {
    tn_buf text;
    struct tn_word {
        size_t off, len; /* len > 0 */
    } * word, *spare;
    size_t n, cap, spare_cap;
} tn_words;

void tn__words_init(tn_words *w, size_t max_text);
void tn__words_fini(tn_words *w);

/* Splits well-formed s[0, n); w's content is replaced. at_start: s begins the whole text. TN_ELIMIT,
 * TN_ENOMEM. [any thread] */
int tn__split(const tn_splitter *t, tn_matcher *m, bool at_start, const char *s, size_t n, tn_words *w,
              tn_error *err);

#endif
