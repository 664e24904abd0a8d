/* SPDX-License-Identifier: Apache-2.0 */
#include "text/gguf_vocab.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"

static int wrong(const char *key, const char *what, tn_error *err) {
    return tn_fail(err, TN_EFORMAT, "%s must be %s", key, what);
}

static bool is_unsigned(tn_gguf_type t) {
    return t == TN_GGUF_U8 || t == TN_GGUF_U16 || t == TN_GGUF_U32 || t == TN_GGUF_U64 || t == TN_GGUF_BOOL;
}

static bool is_signed(tn_gguf_type t) {
    return t == TN_GGUF_I8 || t == TN_GGUF_I16 || t == TN_GGUF_I32 || t == TN_GGUF_I64;
}

int tn__gguf_bool(const tn_gguf *g, const char *key, bool *ret, tn_error *err) {
    const tn_gguf_value *v = tn_gguf_find(g, key);
    if (!v) return 0;
    if (!is_unsigned(v->type)) return wrong(key, "true or false", err);
    *ret = v->u != 0;
    return 0;
}

int tn__gguf_string(const tn_gguf *g, const char *key, const char **ret, size_t *ret_len, tn_error *err) {
    const tn_gguf_value *v = tn_gguf_find(g, key);
    if (!v) return 0;
    if (v->type != TN_GGUF_STRING) return wrong(key, "a string", err);
    *ret = v->data;
    *ret_len = (size_t)v->len;
    return 0;
}

int tn__gguf_id(const tn_gguf *g, const char *key, uint32_t n, int32_t *ret, tn_error *err) {
    const tn_gguf_value *v = tn_gguf_find(g, key);
    if (!v) return 0;
    if (!is_unsigned(v->type) && !is_signed(v->type)) return wrong(key, "an integer", err);
    if (is_signed(v->type) && v->i < 0) return *ret = -1, 0;
    if (v->u == UINT32_MAX) return *ret = -1, 0; /* how some files say none */
    if (v->u >= n)
        return tn_fail(err, TN_EFORMAT, "%s is %llu in a vocabulary of %u", key, (unsigned long long)v->u, n);
    *ret = (int32_t)v->u;
    return 0;
}

int tn__gguf_array(const tn_gguf *g, const char *key, tn_gguf_type elem, const tn_gguf_value **ret,
                   tn_error *err) {
    *ret = tn_gguf_find(g, key);
    if (*ret && ((*ret)->type != TN_GGUF_ARRAY || (*ret)->elem != elem))
        return wrong(key, "an array of the right type", err);
    return 0;
}

static int same_length(const char *key, const tn_gguf_value *v, uint32_t n, tn_error *err) {
    if (v->len == n) return 0;
    return tn_fail(err, TN_EFORMAT, "%s has %llu elements, the vocabulary %u tokens", key,
                   (unsigned long long)v->len, n);
}

static int read_types(tn_gguf_vocab *v, tn_error *err) {
    static const char key[] = "tokenizer.ggml.token_type";
    const tn_gguf_value *a = tn_gguf_find(v->g, key);
    tn_gguf_value x;
    memset(v->type, TN_GGUF_NORMAL, v->n);
    if (!a) return 0;
    if (a->type != TN_GGUF_ARRAY || (!is_signed(a->elem) && !is_unsigned(a->elem)))
        return wrong(key, "an array of integers", err);
    int rc = same_length(key, a, v->n, err);
    if (rc) return rc;
    tn_gguf_iter it = tn_gguf_iter_begin(a);
    for (uint32_t i = 0; tn_gguf_iter_next(&it, &x); i++)
        v->type[i] = x.u >= TN_GGUF_NORMAL && x.u <= TN_GGUF_BYTE ? (uint8_t)x.u : TN_GGUF_NORMAL;
    return 0;
}

static int read_scores(tn_gguf_vocab *v, tn_error *err) {
    static const char key[] = "tokenizer.ggml.scores";
    const tn_gguf_value *a = tn_gguf_find(v->g, key);
    tn_gguf_value x;
    if (!a) return 0;
    if (a->type != TN_GGUF_ARRAY || (a->elem != TN_GGUF_F32 && a->elem != TN_GGUF_F64 && !is_signed(a->elem)))
        return wrong(key, "an array of numbers", err);
    int rc = same_length(key, a, v->n, err);
    if (rc) return rc;
    tn_gguf_iter it = tn_gguf_iter_begin(a);
    for (uint32_t i = 0; tn_gguf_iter_next(&it, &x); i++) {
        v->score[i] = is_signed(a->elem) ? (float)x.i : (float)x.f;
        if (!isfinite(v->score[i]))
            return tn_fail(err, TN_EFORMAT, "%s: element %u is not a finite number", key, i);
    }
    v->has_score = true;
    return 0;
}

/* "▁the" is the beginning of a word, "ing" goes on; control tokens are spelt as they are. */
static int wordpiece_spelling(const tn_gguf_value *x, uint8_t type, tn_buf *out) {
    tn_buf_clear(out);
    if (type == TN_GGUF_CONTROL || type == TN_GGUF_UNKNOWN) return tn_buf_add(out, x->data, (size_t)x->len);
    if (x->len >= 3 && memcmp(x->data, "\xe2\x96\x81", 3) == 0)
        return tn_buf_add(out, x->data + 3, (size_t)x->len - 3);
    tn_buf_adds(out, "##");
    return tn_buf_add(out, x->data, (size_t)x->len);
}

static int add_piece(tn_gguf_vocab *v, tn_tokenizer *t, uint32_t id, const char *s, size_t len,
                     size_t *ret_twice, tn_error *err) {
    uint8_t type = v->type[id];
    uint32_t other;
    bool cut_out = type == TN_GGUF_CONTROL || type == TN_GGUF_UNKNOWN || type == TN_GGUF_USER_DEFINED;
    bool hidden = !len || type == TN_GGUF_CONTROL || type == TN_GGUF_UNKNOWN;
    if (!hidden && tn__vocab_find(&t->vocab, s, len, &other)) {
        v->usable[other] = false;
        ++*ret_twice;
    }
    int rc = tn__vocab_add(&t->vocab, id, s, len, hidden ? TN_VOCAB_HIDDEN : TN_VOCAB_LATEST, err);
    v->usable[id] = !hidden && type != TN_GGUF_BYTE;
    if (rc || !cut_out || !len) return rc;
    return tn__added_put(&t->added, (tn_added_token){.id = id, .special = type != TN_GGUF_USER_DEFINED}, err);
}

static int add_pieces(tn_gguf_vocab *v, const tn_gguf_value *tokens, bool wordpiece, tn_tokenizer *t,
                      tn_error *err) {
    tn_gguf_value x;
    tn_buf spelling;
    size_t twice = 0;
    int rc = 0;
    tn_buf_init(&spelling, UINT32_MAX);
    tn_gguf_iter it = tn_gguf_iter_begin(tokens);
    for (uint32_t i = 0; !rc && tn_gguf_iter_next(&it, &x); i++) {
        if (!wordpiece)
            rc = add_piece(v, t, i, x.data, (size_t)x.len, &twice, err);
        else if (wordpiece_spelling(&x, v->type[i], &spelling))
            rc = tn_fail(err, TN_ENOMEM, "out of memory for a vocabulary");
        else
            rc = add_piece(v, t, i, spelling.data, spelling.len, &twice, err);
    }
    tn_buf_free(&spelling);
    if (!rc && twice)
        tn_log(TN_LOG_WARN, "tokenizer",
               "%zu tokens of the vocabulary are spelt like an earlier one; text gives the later", twice);
    return rc;
}

int tn__gguf_vocab_read(tn_gguf_vocab *v, const tn_gguf *g, bool wordpiece, tn_tokenizer *t, tn_error *err) {
    static const char key[] = "tokenizer.ggml.tokens";
    const tn_gguf_value *tokens;
    *v = (tn_gguf_vocab){.g = g};
    int rc = tn__gguf_array(g, key, TN_GGUF_STRING, &tokens, err);
    if (rc) return rc;
    if (!tokens || !tokens->len) return tn_fail(err, TN_ENOENT, "the file has no vocabulary (%s)", key);
    if (tokens->len > TN_TOKENIZER_MAX_VOCAB)
        return tn_fail(err, TN_ELIMIT, "%s has %llu tokens, the limit is %d", key,
                       (unsigned long long)tokens->len, TN_TOKENIZER_MAX_VOCAB);
    v->n = (uint32_t)tokens->len;
    v->type = malloc(v->n);
    v->score = calloc(v->n, sizeof *v->score);
    v->usable = calloc(v->n, sizeof *v->usable);
    if (!v->type || !v->score || !v->usable)
        rc = tn_fail(err, TN_ENOMEM, "out of memory for %u tokens", v->n);
    if (!rc) rc = read_types(v, err);
    if (!rc) rc = read_scores(v, err);
    if (!rc) rc = add_pieces(v, tokens, wordpiece, t, err);
    return rc;
}

void tn__gguf_vocab_fini(tn_gguf_vocab *v) {
    free(v->type);
    free(v->score);
    free(v->usable);
    *v = (tn_gguf_vocab){0};
}
