/* SPDX-License-Identifier: Apache-2.0 */
/* Text to ids: added tokens are cut out, the rest is normalised, split and encoded word by word. */
#include <stdlib.h>
#include <string.h>

#include "text/tokenizer_internal.h"
#include "text/utf8.h"

/* How far normalising and splitting may make a text grow. */
enum { GROWTH = 4 };

/* Memory of one call. */
typedef struct job {
    const tn_tokenizer *t;
    bool parse_special;
    tn_matcher matcher;
    tn_buf normal;
    tn_segments raw, normalized;
    tn_words words;
    tn_bpe_work bpe;
    tn_unigram_work unigram;
    tn_ids *ids;
    tn_error *err;
} job;

static void job_init(job *j, const tn_tokenizer *t, unsigned flags, tn_ids *ids, tn_error *err) {
    *j = (job){.t = t, .parse_special = flags & TN_ENCODE_PARSE_SPECIAL, .ids = ids, .err = err};
    tn_buf_init(&j->normal, (size_t)GROWTH * TN_TOKENIZER_MAX_TEXT);
    tn__words_init(&j->words, (size_t)GROWTH * TN_TOKENIZER_MAX_TEXT);
}

static void job_fini(job *j) {
    tn__matcher_fini(&j->matcher);
    tn_buf_free(&j->normal);
    tn__words_fini(&j->words);
    tn__bpe_work_fini(&j->bpe);
    tn__unigram_work_fini(&j->unigram);
    free(j->raw.v);
    free(j->normalized.v);
}

static int no_memory(job *j) {
    return tn_fail(j->err, TN_ENOMEM, "out of memory while a text was encoded");
}

static int encode_word(job *j, const char *s, size_t n) {
    switch (j->t->model) {
    case TN_MODEL_BPE: return tn__bpe_encode(&j->t->bpe, &j->bpe, s, n, j->ids, j->err);
    case TN_MODEL_UNIGRAM: return tn__unigram_encode(&j->t->unigram, &j->unigram, s, n, j->ids, j->err);
    case TN_MODEL_WORDPIECE: return tn__wordpiece_encode(&j->t->wordpiece, s, n, j->ids, j->err);
    }
    return tn_fail(j->err, TN_EBUG, "a tokenizer without a model");
}

/* Normalised text without added tokens. */
static int encode_plain(job *j, bool at_start, const char *s, size_t n) {
    if (!j->t->split.n) return encode_word(j, s, n);
    int rc = tn__split(&j->t->split, &j->matcher, at_start, s, n, &j->words, j->err);
    for (size_t i = 0; i < j->words.n && !rc; i++)
        rc = encode_word(j, j->words.text.data + j->words.word[i].off, j->words.word[i].len);
    return rc;
}

/* Normalised text, in which those added tokens are looked for that live there. */
static int encode_normalized(job *j, bool at_start, const char *s, size_t n) {
    const tn_added *a = &j->t->added;
    if (!n) return 0;
    if (!a->normalized.trie.n) return encode_plain(j, at_start, s, n);
    if (tn__added_split(a, true, j->parse_special, s, n, &j->normalized)) return no_memory(j);
    int rc = 0;
    for (size_t i = 0; i < j->normalized.n && !rc; i++) {
        const tn_segment *g = &j->normalized.v[i];
        if (g->id < 0)
            rc = encode_plain(j, at_start && g->off == 0, s + g->off, g->len);
        else if (tn_ids_add(j->ids, &g->id, 1))
            rc = no_memory(j);
    }
    return rc;
}

static int encode_segment(job *j, const char *text, const tn_segment *g) {
    if (g->id >= 0) return tn_ids_add(j->ids, &g->id, 1) ? no_memory(j) : 0;
    if (!j->t->norm.n) return encode_normalized(j, g->off == 0, text + g->off, g->len);
    int rc = tn__normalize(&j->t->norm, &j->matcher, text + g->off, g->len, &j->normal, j->err);
    return rc ? rc : encode_normalized(j, g->off == 0, j->normal.data ? j->normal.data : "", j->normal.len);
}

static int encode_valid(job *j, const char *text, size_t n) {
    if (tn__added_split(&j->t->added, false, j->parse_special, text, n, &j->raw)) return no_memory(j);
    int rc = 0;
    for (size_t i = 0; i < j->raw.n && !rc; i++) rc = encode_segment(j, text, &j->raw.v[i]);
    return rc;
}

/* One text, without what the post-processor adds. */
static int encode_text(const tn_tokenizer *t, const char *text, size_t len, unsigned flags, tn_ids *ret,
                       tn_error *err) {
    job j;
    tn_buf clean;
    if (len > TN_TOKENIZER_MAX_TEXT)
        return tn_fail(err, TN_ELIMIT, "a text of %zu bytes, the limit is %d", len, TN_TOKENIZER_MAX_TEXT);
    job_init(&j, t, flags, ret, err);
    tn_buf_init(&clean, (size_t)GROWTH * TN_TOKENIZER_MAX_TEXT);
    int rc = 0;
    if (!tn__utf8_valid(text, len)) {
        if (tn__utf8_lossy(text, len, &clean)) rc = no_memory(&j);
        text = clean.data;
        len = clean.len;
    }
    if (!rc) rc = encode_valid(&j, len ? text : "", len);
    tn_buf_free(&clean);
    job_fini(&j);
    return rc;
}

/* Fills the post-processor's form with the ids of the texts. */
static int assemble(const tn_post_form *f, const tn_ids *a, const tn_ids *b, tn_ids *ret) {
    int rc = 0;
    for (size_t i = 0; i < f->n && !rc; i++) {
        if (f->item[i] == TN_POST_A)
            rc = tn_ids_add(ret, a->data, a->len);
        else if (f->item[i] == TN_POST_B)
            rc = b ? tn_ids_add(ret, b->data, b->len) : 0;
        else
            rc = tn_ids_add(ret, &f->item[i], 1);
    }
    if (!f->n) {
        rc = tn_ids_add(ret, a->data, a->len);
        if (!rc && b) rc = tn_ids_add(ret, b->data, b->len);
    }
    return rc;
}

int tn_tokenizer_encode(const tn_tokenizer *t, const char *text, size_t len, unsigned flags, tn_ids *ret_ids,
                        tn_error *err) {
    static const tn_post_form bare = {0};
    size_t before = ret_ids->len;
    tn_ids ids = {0};
    int rc = encode_text(t, text, len, flags, &ids, err);
    if (!rc && assemble(flags & TN_ENCODE_ADD_SPECIAL ? &t->post.single : &bare, &ids, NULL, ret_ids))
        rc = tn_fail(err, TN_ENOMEM, "out of memory for %zu tokens", ids.len);
    if (rc) ret_ids->len = before;
    tn_ids_free(&ids);
    return rc;
}

int tn_tokenizer_encode_pair(const tn_tokenizer *t, const char *a, size_t a_len, const char *b, size_t b_len,
                             unsigned flags, tn_ids *ret_ids, tn_error *err) {
    static const tn_post_form bare = {0};
    size_t before = ret_ids->len;
    tn_ids first = {0}, second = {0};
    int rc = encode_text(t, a, a_len, flags, &first, err);
    if (!rc) rc = encode_text(t, b, b_len, flags, &second, err);
    if (!rc && assemble(flags & TN_ENCODE_ADD_SPECIAL ? &t->post.pair : &bare, &first, &second, ret_ids))
        rc = tn_fail(err, TN_ENOMEM, "out of memory for %zu tokens", first.len + second.len);
    if (rc) ret_ids->len = before;
    tn_ids_free(&first);
    tn_ids_free(&second);
    return rc;
}
