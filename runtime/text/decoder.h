/* SPDX-License-Identifier: Apache-2.0 */
/* From pieces to text: a list of steps, each of which sees the pieces that the one before it gives, as they
 * come. */
#ifndef TN_TEXT_DECODER_H
#define TN_TEXT_DECODER_H

#include <stdbool.h>
#include <stdint.h>
#include <tenon/status.h>

#include "base/buf.h"
#include "text/pattern.h"

typedef enum tn_dec_kind {
    TN_DEC_BYTE_LEVEL,    /* printable stand-ins become bytes */
    TN_DEC_BYTE_FALLBACK, /* runs of <0xXX> become characters */
    TN_DEC_REPLACE,       /* matches of pattern become content */
    TN_DEC_FUSE,          /* all pieces are one for the steps after this */
    TN_DEC_STRIP,         /* up to `start` and `stop` copies of content at a piece's ends */
    TN_DEC_METASPACE,     /* content becomes a space, or nothing in the first piece */
    TN_DEC_WORDPIECE, /* a space before pieces that do not begin with content; with cleanup of English spacing
                       */
    TN_DEC_SUFFIX,    /* content becomes a space, or nothing in the last piece */
    TN_DEC_JOIN_SPACE, /* a space between pieces */
} tn_dec_kind;

typedef struct tn_dec_step {
    tn_dec_kind kind;
    bool cleanup;        /* TN_DEC_WORDPIECE */
    bool keep_first;     /* TN_DEC_METASPACE: the first piece is like the others */
    char *content;       /* owned */
    size_t content_len;  /* bytes */
    size_t start, stop;  /* TN_DEC_STRIP */
    char *from;          /* TN_DEC_REPLACE of a literal; owned */
    size_t from_len;     /* bytes */
    tn_pattern *pattern; /* TN_DEC_REPLACE; owned */
} tn_dec_step;

typedef struct tn_decoder {
    tn_dec_step *step;
    size_t n;
} tn_decoder;

/* Appends a step with a copy of content (may be NULL). TN_ENOMEM, TN_ELIMIT. */
int tn__decoder_add(tn_decoder *d, tn_dec_step step, const char *content, size_t len, tn_error *err);
/* REPLACE. TN_ENOTSUP for an expression after FUSE, where a stream would have to wait for its end. */
int tn__decoder_add_replace(tn_decoder *d, const char *from, size_t from_len, bool literal,
                            const char *content, size_t len, tn_error *err);
void tn__decoder_fini(tn_decoder *d);

/* The state of one stream of pieces. */
typedef struct tn_dec_stream tn_dec_stream;

enum {
    TN_STREAM_EAGER = 1, /* characters made of byte pieces are handed out at once, not when their run ends */
    TN_STREAM_CONTINUE = 2, /* there was text before */
    TN_STREAM_RAW = 4,      /* bytes as they are: nothing is held back or replaced for being ill-formed */
};

/* d must outlive the result; NULL when out of memory. */
tn_dec_stream *tn__dec_stream_new(const tn_decoder *d, unsigned flags);
void tn__dec_stream_free(tn_dec_stream *s);
/* Appends the text that has become certain with this piece. TN_ENOMEM or TN_ELIMIT. */
int tn__dec_stream_push(tn_dec_stream *s, const char *piece, size_t len, tn_buf *out);
/* Appends the rest; s is then as new. */
int tn__dec_stream_finish(tn_dec_stream *s, tn_buf *out);

#endif
