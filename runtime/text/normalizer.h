/* SPDX-License-Identifier: Apache-2.0 */
/* Normalisation of text before it is split: a list of steps, applied in order. */
#ifndef TN_TEXT_NORMALIZER_H
#define TN_TEXT_NORMALIZER_H

#include <stdbool.h>
#include <stddef.h>
#include <tenon/status.h>

#include "base/buf.h"
#include "text/charsmap.h"
#include "text/pattern.h"

typedef enum tn_norm_kind {
    TN_NORM_NFC,
    TN_NORM_NFD,
    TN_NORM_NFKC,
    TN_NORM_NFKD,
    TN_NORM_LOWERCASE,
    TN_NORM_STRIP,         /* white space at the left and right end */
    TN_NORM_STRIP_ACCENTS, /* drops category Mn */
    TN_NORM_CLEAN,         /* BERT: control characters dropped, white space becomes a space */
    TN_NORM_SPACE_CJK,     /* BERT: spaces around CJK ideographs */
    TN_NORM_NMT,           /* SentencePiece's nmt: control characters dropped, odd spaces become a space */
    TN_NORM_PREPEND,       /* content before the text, unless that is empty */
    TN_NORM_REPLACE,       /* each match of pattern becomes content */
    TN_NORM_CHARSMAP,
    TN_NORM_BYTE_LEVEL, /* each byte becomes its printable stand-in */
} tn_norm_kind;

typedef struct tn_norm_step {
    tn_norm_kind kind;
    bool left, right;    /* TN_NORM_STRIP */
    bool longest;        /* TN_NORM_CHARSMAP */
    char *content;       /* TN_NORM_PREPEND, TN_NORM_REPLACE; owned */
    size_t content_len;  /* bytes */
    tn_pattern *pattern; /* owned */
    tn_charsmap *map;    /* owned */
} tn_norm_step;

typedef struct tn_normalizer {
    tn_norm_step *step;
    size_t n;
} tn_normalizer;

/* Appends a step, which takes over what it owns (also on failure). TN_ENOMEM, TN_ELIMIT. */
int tn__normalizer_add(tn_normalizer *t, tn_norm_step step, tn_error *err);
/* Steps that need a string: PREPEND content, or REPLACE of the literal from by content. */
int tn__normalizer_add_prepend(tn_normalizer *t, const char *content, size_t len, tn_error *err);
int tn__normalizer_add_replace(tn_normalizer *t, const char *from, size_t from_len, bool literal,
                               const char *content, size_t len, tn_error *err);
void tn__normalizer_fini(tn_normalizer *t);

/* Replaces out's content with the normalised form of well-formed s[0, n) (which is not in out). Errors: those
 * of tn__pattern_find, TN_ELIMIT where the text grows too long, TN_ENOMEM. [any thread] */
int tn__normalize(const tn_normalizer *t, tn_matcher *m, const char *s, size_t n, tn_buf *out, tn_error *err);

/* Appends the printable stand-ins (GPT-2's byte alphabet) of bytes. */
int tn__byte_level_put(const char *bytes, size_t n, tn_buf *out);
/* The byte that cp stands for, or -1. */
int tn__byte_level_get(uint32_t cp);

#endif
