/* SPDX-License-Identifier: Apache-2.0 */
/* Ids to text, all at once or as they arrive: both are a stream of pieces through the decoder. */
#include <stdlib.h>
#include <string.h>

#include "text/tokenizer_internal.h"

struct tn_detok {
    const tn_tokenizer *t;
    bool skip_special;
    tn_dec_stream *stream;
};

static int push_id(const tn_tokenizer *t, bool skip_special, tn_dec_stream *s, int32_t id, tn_buf *out) {
    size_t len;
    const char *piece = tn_tokenizer_piece(t, id, &len);
    if (!piece || (skip_special && tn_tokenizer_is_special(t, id))) return 0;
    return tn__dec_stream_push(s, piece, len, out);
}

int tn_tokenizer_decode(const tn_tokenizer *t, const int32_t *ids, size_t n, unsigned flags, tn_buf *ret_text,
                        tn_error *err) {
    tn_dec_stream *s = tn__dec_stream_new(&t->decoder, flags & TN_DECODE_CONTINUE ? TN_STREAM_CONTINUE : 0);
    if (!s) return tn_fail(err, TN_ENOMEM, "out of memory");
    int rc = 0;
    for (size_t i = 0; i < n && !rc; i++)
        rc = push_id(t, flags & TN_DECODE_SKIP_SPECIAL, s, ids[i], ret_text);
    if (!rc) rc = tn__dec_stream_finish(s, ret_text);
    tn__dec_stream_free(s);
    if (rc == TN_ELIMIT)
        return tn_fail(err, rc, "the text of %zu tokens is longer than %zu bytes", n, ret_text->max);
    return rc ? tn_fail(err, rc, "out of memory for the text of %zu tokens", n) : 0;
}

tn_detok *tn_detok_new(const tn_tokenizer *t, unsigned flags) {
    tn_detok *d = calloc(1, sizeof *d);
    if (!d) return NULL;
    d->t = t;
    d->skip_special = flags & TN_DECODE_SKIP_SPECIAL;
    d->stream = tn__dec_stream_new(&t->decoder,
                                   TN_STREAM_EAGER | (flags & TN_DECODE_CONTINUE ? TN_STREAM_CONTINUE : 0));
    if (d->stream) return d;
    free(d);
    return NULL;
}

void tn_detok_free(tn_detok *d) {
    if (!d) return;
    tn__dec_stream_free(d->stream);
    free(d);
}

int tn_detok_push(tn_detok *d, int32_t id, tn_buf *out) {
    return push_id(d->t, d->skip_special, d->stream, id, out);
}

int tn_detok_finish(tn_detok *d, tn_buf *out) {
    return tn__dec_stream_finish(d->stream, out);
}

int tn_tokenizer_token_bytes(const tn_tokenizer *t, int32_t id, tn_buf *out) {
    tn_dec_stream *s = tn__dec_stream_new(&t->decoder, TN_STREAM_RAW | TN_STREAM_CONTINUE);
    if (!s) return TN_ENOMEM;
    int rc = push_id(t, false, s, id, out);
    if (!rc) rc = tn__dec_stream_finish(s, out);
    tn__dec_stream_free(s);
    return rc;
}
