/* SPDX-License-Identifier: Apache-2.0 */
/* Reading tokenizer.json. The two large parts, the model's vocab and merges, are read where they stand;
 * jansson gets the file without them, since its tree of them would take many times the memory of the file. */
#include "text/tokenizer_json.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/status.h"
#include "text/json_get.h"
#include "text/json_pipeline.h"
#include "text/json_reader.h"
#include "text/utf8.h"

static const char where[] = "model";

/* Where the large parts are. */
typedef struct parts {
    const char *text;
    size_t len;
    const char *name;
    struct cut {
        const char *from, *to; /* NULL where the key is absent */
    } vocab, merges;
} parts;

static bool is_key(const char *s, size_t n, const char *key) {
    return strlen(key) == n && memcmp(s, key, n) == 0;
}

static int note_part(tn_json_reader *r, struct cut *c) {
    if (c->from) return tn__jr_fail(r, "a second \"vocab\" or \"merges\" in the model");
    tn__jr_peek(r);
    c->from = r->at;
    int rc = tn__jr_skip(r);
    c->to = r->at;
    return rc;
}

static int scan_model(tn_json_reader *r, parts *p) {
    const char *key;
    size_t n;
    int more, rc;
    if (tn__jr_peek(r) != '{') return tn__jr_skip(r);
    r->at++;
    for (bool first = true; (more = tn__jr_next(r, '}', first)) == 1; first = false) {
        if ((rc = tn__jr_key(r, &key, &n))) return rc;
        if (is_key(key, n, "vocab"))
            rc = note_part(r, &p->vocab);
        else if (is_key(key, n, "merges"))
            rc = note_part(r, &p->merges);
        else
            rc = tn__jr_skip(r);
        if (rc) return rc;
    }
    return more;
}

static int scan_file(parts *p, tn_error *err) {
    tn_json_reader r;
    const char *key;
    size_t n;
    int more = 0;
    tn__jr_init(&r, p->text, p->len, p->name, err);
    int rc = tn__jr_take(&r, '{');
    for (bool first = true; !rc && (more = tn__jr_next(&r, '}', first)) == 1; first = false) {
        rc = tn__jr_key(&r, &key, &n);
        if (!rc) rc = is_key(key, n, "model") ? scan_model(&r, p) : tn__jr_skip(&r);
    }
    if (!rc) rc = more;
    if (!rc && tn__jr_peek(&r)) rc = tn__jr_fail(&r, "something after the end");
    tn__jr_fini(&r);
    return rc;
}

/* The file with null in place of the large parts, as a tree. */
static int parse_rest(const parts *p, json_t **ret, tn_error *err) {
    struct cut cut[2] = {p->vocab, p->merges};
    tn_buf rest;
    const char *at = p->text;
    tn_buf_init(&rest, p->len + 16);
    if (cut[1].from && cut[0].from && cut[1].from < cut[0].from) {
        struct cut swap = cut[0];
        cut[0] = cut[1];
        cut[1] = swap;
    }
    for (int i = 0; i < 2; i++) {
        if (!cut[i].from) continue;
        tn_buf_add(&rest, at, (size_t)(cut[i].from - at));
        tn_buf_adds(&rest, "null");
        at = cut[i].to;
    }
    tn_buf_add(&rest, at, (size_t)(p->text + p->len - at));
    int rc = rest.status ? tn_fail(err, rest.status, "%s: out of memory", p->name)
                         : tn_json_parse(rest.data, rest.len, p->name, ret, err);
    tn_buf_free(&rest);
    return rc;
}

/* {"piece": id, ...} */
static int read_vocab_object(tn_json_reader *r, tn_vocab *v) {
    const char *s;
    size_t n;
    uint64_t id;
    int more, rc;
    if ((rc = tn__jr_take(r, '{'))) return rc;
    for (bool first = true; (more = tn__jr_next(r, '}', first)) == 1; first = false) {
        if ((rc = tn__jr_key(r, &s, &n)) || (rc = tn__jr_uint(r, &id)) ||
            (rc = tn__vocab_add(v, id, s, n, TN_VOCAB_UNIQUE, r->err)))
            return rc;
    }
    return more;
}

/* [["piece", score], ...] */
static int read_vocab_list(tn_json_reader *r, tn_vocab *v, double **ret_score) {
    const char *s;
    size_t n, cap = 0;
    int more, rc;
    if ((rc = tn__jr_take(r, '['))) return rc;
    for (bool first = true; (more = tn__jr_next(r, ']', first)) == 1; first = false) {
        if ((rc = tn__jr_take(r, '[')) || (rc = tn__jr_string(r, &s, &n)) ||
            (rc = tn__vocab_add(v, v->n_id, s, n, TN_VOCAB_UNIQUE, r->err)))
            return rc;
        if (v->n_id > cap) {
            cap = cap ? cap * 2 : 1024;
            double *grown = realloc(*ret_score, cap * sizeof *grown);
            if (!grown) return tn_fail(r->err, TN_ENOMEM, "out of memory for scores");
            *ret_score = grown;
        }
        if ((rc = tn__jr_take(r, ',')) || (rc = tn__jr_number(r, &(*ret_score)[v->n_id - 1])) ||
            (rc = tn__jr_take(r, ']')))
            return rc;
    }
    return more;
}

static int read_vocab(const parts *p, tn_vocab *v, double **ret_score, tn_error *err) {
    tn_json_reader r;
    if (!p->vocab.from) return tn_fail(err, TN_EFORMAT, "%s has no \"vocab\"", where);
    tn__jr_init(&r, p->text, (size_t)(p->vocab.to - p->text), p->name, err);
    r.at = p->vocab.from;
    int rc = ret_score ? read_vocab_list(&r, v, ret_score) : read_vocab_object(&r, v);
    tn__jr_fini(&r);
    return rc;
}

/* One merge: ["a", "b"], or "a b" in older files, split at the first space after the first character. */
static int read_merge(tn_json_reader *r, tn_bpe *b) {
    const char *s;
    size_t n;
    char left[512], *copy = left;
    int rc;
    if (tn__jr_peek(r) == '"') {
        if ((rc = tn__jr_string(r, &s, &n))) return rc;
        const char *space = n > 1 ? memchr(s + 1, ' ', n - 1) : NULL;
        if (!space) return tn__jr_fail(r, "a merge without a space");
        return tn__bpe_add_merge(b, s, (size_t)(space - s), space + 1, (size_t)(s + n - space - 1), r->err);
    }
    if ((rc = tn__jr_take(r, '[')) || (rc = tn__jr_string(r, &s, &n))) return rc;
    if (n > sizeof left && !(copy = malloc(n)))
        return tn_fail(r->err, TN_ENOMEM, "out of memory for a merge");
    memcpy(copy, s, n); /* the second string may overwrite it */
    size_t left_len = n;
    if (!(rc = tn__jr_take(r, ',')) && !(rc = tn__jr_string(r, &s, &n)) && !(rc = tn__jr_take(r, ']')))
        rc = tn__bpe_add_merge(b, copy, left_len, s, n, r->err);
    if (copy != left) free(copy);
    return rc;
}

/* Elements of the list at r->at, which is left where it is. */
static int count_elements(tn_json_reader *r, size_t *ret) {
    const char *at = r->at;
    int more, rc = tn__jr_take(r, '[');
    if (rc) return rc;
    *ret = 0;
    for (bool first = true; (more = tn__jr_next(r, ']', first)) == 1; first = false, ++*ret)
        if ((rc = tn__jr_skip(r))) return rc;
    r->at = at;
    return more;
}

static int read_merges(const parts *p, tn_bpe *b, tn_error *err) {
    tn_json_reader r;
    size_t n;
    int more = 0;
    if (!p->merges.from) return tn_fail(err, TN_EFORMAT, "%s has no \"merges\"", where);
    tn__jr_init(&r, p->text, (size_t)(p->merges.to - p->text), p->name, err);
    r.at = p->merges.from;
    int rc = count_elements(&r, &n);
    if (!rc) rc = tn__bpe_reserve(b, n, err);
    if (!rc) rc = tn__jr_take(&r, '[');
    for (bool first = true; !rc && (more = tn__jr_next(&r, ']', first)) == 1; first = false)
        rc = read_merge(&r, b);
    tn__jr_fini(&r);
    return rc ? rc : more;
}

static int copy_affix(const json_t *m, const char *key, char **ret, tn_error *err) {
    const char *s;
    size_t n;
    int rc = tn__json_opt_string(m, key, where, &s, &n, err);
    if (rc || !n) return rc;
    if (strlen(s) != n || n > 64)
        return tn_fail(err, TN_EFORMAT, "%s: \"%s\" is not a short string", where, key);
    *ret = strdup(s);
    return *ret ? 0 : tn_fail(err, TN_ENOMEM, "out of memory");
}

/* The id of "unk_token", or none where the key is absent. */
static int unknown_token(const tn_tokenizer *t, const json_t *m, uint32_t *ret, tn_error *err) {
    const char *s;
    size_t n;
    int rc = tn__json_opt_string(m, "unk_token", where, &s, &n, err);
    if (rc || !s) return rc;
    if (tn__vocab_find(&t->vocab, s, n, ret)) return 0;
    return tn_fail(err, TN_EFORMAT, "%s: unk_token \"%.64s\" is not in the vocabulary", where, s);
}

/* A pipeline that ends in ByteLevel leaves bytes as they are: the model then takes bytes for symbols. */
static bool take_byte_level(tn_splitter *s) {
    if (!s->n || s->step[s->n - 1].kind != TN_SPLIT_BYTE_LEVEL) return false;
    s->n--;
    return true;
}

static int read_bpe(tn_tokenizer *t, const json_t *m, const parts *p, tn_error *err) {
    tn_bpe *b = &t->bpe;
    const json_t *dropout = json_object_get(m, "dropout");
    int rc = read_vocab(p, &t->vocab, NULL, err);
    if (rc) return rc;
    char *prefix = NULL, *suffix = NULL;
    rc = copy_affix(m, "continuing_subword_prefix", &prefix, err);
    if (!rc) rc = copy_affix(m, "end_of_word_suffix", &suffix, err);
    tn__bpe_init(b, &t->vocab, !prefix && !suffix && take_byte_level(&t->split));
    b->prefix = prefix;
    b->suffix = suffix;
    if (!rc && dropout && json_number_value(dropout) != 0)
        rc = tn_fail(err, TN_ENOTSUP, "%s: dropout makes encoding random and is not supported", where);
    if (!rc) rc = tn__json_bool(m, "fuse_unk", where, &b->fuse_unk, err);
    if (!rc) rc = tn__json_bool(m, "byte_fallback", where, &b->byte_fallback, err);
    if (!rc) rc = tn__json_bool(m, "ignore_merges", where, &b->ignore_merges, err);
    if (!rc) rc = unknown_token(t, m, &b->unk, err);
    if (!rc) rc = read_merges(p, b, err);
    if (!rc && b->unk != TN_BPE_NONE) t->unk = (int32_t)b->unk;
    t->model = TN_MODEL_BPE;
    return rc;
}

static int read_unigram(tn_tokenizer *t, const json_t *m, const parts *p, tn_error *err) {
    double *score = NULL;
    bool fallback = false;
    size_t unk = SIZE_MAX;
    int rc = read_vocab(p, &t->vocab, &score, err);
    if (!rc) rc = tn__json_size(m, "unk_id", where, TN_TOKENIZER_MAX_VOCAB, &unk, err);
    if (!rc) rc = tn__json_bool(m, "byte_fallback", where, &fallback, err);
    if (!rc && unk != SIZE_MAX && unk >= t->vocab.n_id)
        rc = tn_fail(err, TN_EFORMAT, "%s: unk_id %zu in a vocabulary of %u", where, unk, t->vocab.n_id);
    if (rc) {
        free(score);
        return rc;
    }
    t->model = TN_MODEL_UNIGRAM;
    if (unk != SIZE_MAX) t->unk = (int32_t)unk;
    return tn__unigram_init(&t->unigram, &t->vocab, score, NULL, unk == SIZE_MAX ? UINT32_MAX : (uint32_t)unk,
                            fallback, err);
}

static int read_wordpiece(tn_tokenizer *t, const json_t *m, const parts *p, bool whole_words, tn_error *err) {
    const char *prefix = "##";
    size_t prefix_len = 2, max_chars = 100;
    uint32_t unk = UINT32_MAX;
    int rc = read_vocab(p, &t->vocab, NULL, err);
    if (!rc) rc = unknown_token(t, m, &unk, err);
    if (!rc && unk == UINT32_MAX) rc = tn_fail(err, TN_EFORMAT, "%s has no \"unk_token\"", where);
    if (!rc && json_object_get(m, "continuing_subword_prefix"))
        rc = tn__json_string(m, "continuing_subword_prefix", where, &prefix, &prefix_len, err);
    if (!rc) rc = tn__json_size(m, "max_input_chars_per_word", where, 1 << 20, &max_chars, err);
    if (rc) return rc;
    if (whole_words) max_chars = SIZE_MAX;
    t->model = TN_MODEL_WORDPIECE;
    t->unk = (int32_t)unk;
    rc = tn__wordpiece_init(&t->wordpiece, &t->vocab, NULL, prefix, prefix_len, max_chars, unk, err);
    t->wordpiece.whole_words = whole_words;
    return rc;
}

/* Files of before 2020 leave the type out; the keys tell. */
static int read_model(tn_tokenizer *t, const json_t *m, const parts *p, tn_error *err) {
    const char *type;
    size_t n;
    if (!json_is_object(m)) return tn_fail(err, TN_EFORMAT, "%s: no \"%s\"", p->name, where);
    int rc = tn__json_opt_string(m, "type", where, &type, &n, err);
    if (rc) return rc;
    if (!type) type = p->merges.from ? "BPE" : json_object_get(m, "unk_id") ? "Unigram" : "WordPiece";
    if (strcmp(type, "BPE") == 0) return read_bpe(t, m, p, err);
    if (strcmp(type, "Unigram") == 0) return read_unigram(t, m, p, err);
    if (strcmp(type, "WordPiece") == 0) return read_wordpiece(t, m, p, false, err);
    if (strcmp(type, "WordLevel") == 0) return read_wordpiece(t, m, p, true, err);
    return tn_fail(err, TN_ENOTSUP, "%s of type \"%.64s\" is not supported", where, type);
}

int tn__json_added_flags(const json_t *v, const char *place, tn_added_token *ret, tn_error *err) {
    int rc = tn__json_bool(v, "special", place, &ret->special, err);
    ret->normalized = !ret->special;
    if (!rc) rc = tn__json_bool(v, "normalized", place, &ret->normalized, err);
    if (!rc) rc = tn__json_bool(v, "single_word", place, &ret->single_word, err);
    if (!rc) rc = tn__json_bool(v, "lstrip", place, &ret->lstrip, err);
    return rc ? rc : tn__json_bool(v, "rstrip", place, &ret->rstrip, err);
}

static int read_added(tn_tokenizer *t, const json_t *list, tn_error *err) {
    static const char place[] = "added_tokens";
    const json_t *v;
    size_t i;
    if (!list || json_is_null(list)) return 0;
    if (!json_is_array(list)) return tn_fail(err, TN_EFORMAT, "%s must be an array", place);
    json_array_foreach(list, i, v) {
        tn_added_token a = {0};
        const char *s;
        size_t n, id = SIZE_MAX;
        int rc = tn__json_string(v, "content", place, &s, &n, err);
        if (!rc) rc = tn__json_size(v, "id", place, TN_TOKENIZER_MAX_VOCAB, &id, err);
        if (!rc && id == SIZE_MAX) rc = tn_fail(err, TN_EFORMAT, "%s: \"%.64s\" has no id", place, s);
        if (!rc) rc = tn__json_added_flags(v, place, &a, err);
        if (!rc) rc = tn__tokenizer_add_token(t, id, s, n, a, err);
        if (rc) return rc;
    }
    return 0;
}

int tn__tokenizer_parse_json(tn_tokenizer *t, const char *text, size_t len, const char *name, tn_error *err) {
    parts p = {.text = text, .len = len, .name = name};
    json_t *root = NULL;
    if (!tn__utf8_valid(text, len)) return tn_fail(err, TN_EFORMAT, "%s: not UTF-8", name);
    int rc = scan_file(&p, err);
    if (!rc) rc = parse_rest(&p, &root, err);
    if (rc) return rc;
    if (!rc) rc = tn__json_normalizer(json_object_get(root, "normalizer"), &t->norm, err);
    if (!rc) rc = tn__json_splitter(json_object_get(root, "pre_tokenizer"), &t->split, err);
    if (!rc) rc = read_model(t, json_object_get(root, "model"), &p, err);
    if (!rc) rc = read_added(t, json_object_get(root, "added_tokens"), err);
    if (!rc) rc = tn__json_postproc(json_object_get(root, "post_processor"), t->vocab.n_id, &t->post, err);
    if (!rc) rc = tn__json_decoder(json_object_get(root, "decoder"), &t->decoder, err);
    json_decref(root);
    return rc;
}
