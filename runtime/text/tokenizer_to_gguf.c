/* SPDX-License-Identifier: Apache-2.0 */
#include "text/tokenizer_to_gguf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "text/gguf_pre.h"
#include "text/gguf_vocab.h"

#define KEY(name) "tokenizer.ggml." name
#define METASPACE "\xe2\x96\x81"

typedef struct writer {
    const tn_tokenizer *t;
    uint32_t n_vocab;
    tn_gguf_meta *out;
    tn_error *err;
    uint8_t *type; /* by id: tokenizer.ggml.token_type */
} writer;

static int cannot(const writer *w, const char *what) {
    return tn_fail(w->err, TN_ENOTSUP, "this tokenizer cannot be written to a GGUF file: %s", what);
}

/* --- which kind of splitting --- */

/* Digits one by one are a pre-tokenizer of their own in JSON, and an expression among the others here. A
 * removed inverted match is an isolated one of an expression that matches everything. */
static bool step_is(const tn_split_step *s, const char *re) {
    if (s->kind == TN_SPLIT_DIGITS) return s->behavior == TN_SPLIT_ISOLATED && strcmp(re, "\\p{N}") == 0;
    bool isolated = s->behavior == TN_SPLIT_ISOLATED && !s->invert;
    bool removed = s->behavior == TN_SPLIT_REMOVED && s->invert;
    return s->kind == TN_SPLIT_PATTERN && (isolated || removed) && tn__pattern_is(s->pattern, re);
}

static bool normalizes_nfc(const tn_normalizer *n) {
    return n->n == 1 && n->step[0].kind == TN_NORM_NFC;
}

static bool pre_fits(const tn_tokenizer *t, const tn_pre *pre) {
    size_t n = 0;
    if (pre->characters || pre->ignore_merges != t->bpe.ignore_merges || pre->nfc != normalizes_nfc(&t->norm))
        return false;
    for (; pre->regex[n]; n++)
        if (n >= t->split.n || !step_is(&t->split.step[n], pre->regex[n])) return false;
    return n == t->split.n;
}

static int put_pre(const writer *w) {
    const tn_pre *pre;
    const char *name;
    if (w->t->norm.n && !normalizes_nfc(&w->t->norm)) return cannot(w, "its normalizer is more than NFC");
    for (size_t i = 0; (name = tn__pre_at(i, &pre)); i++)
        if (pre_fits(w->t, pre)) {
            tn_gguf_put_string(w->out, KEY("pre"), name, strlen(name));
            return 0;
        }
    return cannot(w, "there is no name for its pre_tokenizer with these settings");
}

/* --- vocabulary --- */

static int find_types(writer *w) {
    const tn_tokenizer *t = w->t;
    w->type = malloc(w->n_vocab ? w->n_vocab : 1);
    if (!w->type) return tn_fail(w->err, TN_ENOMEM, "out of memory for %u tokens", w->n_vocab);
    for (uint32_t id = 0; id < w->n_vocab; id++)
        w->type[id] = tn__vocab_has(&t->vocab, id) ? TN_GGUF_NORMAL : TN_GGUF_UNUSED;
    for (int i = 0; !t->bpe.byte_level && i < 256; i++)
        if (t->bpe.byte[i] < w->n_vocab) w->type[t->bpe.byte[i]] = TN_GGUF_BYTE;
    for (size_t i = 0; i < t->added.n; i++)
        w->type[t->added.token[i].id] = t->added.token[i].special ? TN_GGUF_CONTROL : TN_GGUF_USER_DEFINED;
    if (!t->bpe.byte_level && t->unk >= 0) w->type[t->unk] = TN_GGUF_UNKNOWN;
    return 0;
}

static void put_tokens(const writer *w) {
    char unused[32];
    tn_gguf_put_array(w->out, KEY("tokens"), TN_GGUF_STRING, w->n_vocab);
    for (uint32_t id = 0; id < w->n_vocab; id++) {
        size_t n = (size_t)snprintf(unused, sizeof unused, "[PAD%u]", id);
        const char *s = tn__vocab_has(&w->t->vocab, id) ? tn__vocab_text(&w->t->vocab, id, &n) : unused;
        tn_gguf_item_string(w->out, s, n);
    }
    tn_gguf_put_array(w->out, KEY("token_type"), TN_GGUF_I32, w->n_vocab);
    for (uint32_t id = 0; id < w->n_vocab; id++) tn_gguf_item_i32(w->out, w->type[id]);
}

/* The merges of b in the order of the list; the caller's. Of a pair that was listed twice the earlier place
 * is empty (left is TN_BPE_NONE). */
static tn_merge *list_merges(const tn_bpe *b) {
    tn_merge *list = malloc((b->n_merge + 1) * sizeof *list);
    for (uint32_t i = 0; list && i < b->n_merge; i++) list[i].left = TN_BPE_NONE;
    for (uint32_t i = 0; list && i < b->n_slot; i++)
        if (b->slot[i].left != TN_BPE_NONE) list[b->slot[i].rank] = b->slot[i];
    return list;
}

static void put_merges(const writer *w, const tn_merge *list) {
    const tn_bpe *b = &w->t->bpe;
    tn_buf line;
    uint32_t n = 0;
    for (uint32_t i = 0; i < b->n_merge; i++) n += list[i].left != TN_BPE_NONE;
    tn_buf_init(&line, 4 * TN_TOKENIZER_MAX_PIECE);
    tn_gguf_put_array(w->out, KEY("merges"), TN_GGUF_STRING, n);
    for (uint32_t i = 0; i < b->n_merge; i++) {
        size_t left_len, right_len;
        if (list[i].left == TN_BPE_NONE) continue;
        const char *left = tn__vocab_text(b->vocab, list[i].left, &left_len);
        const char *right = tn__vocab_text(b->vocab, list[i].right, &right_len);
        tn_buf_clear(&line);
        tn_buf_add(&line, left, left_len);
        tn_buf_addc(&line, ' ');
        tn_buf_add(&line, right, right_len);
        tn_gguf_item_string(w->out, line.data ? line.data : "", line.len);
        if (line.status && !w->out->bytes.status) w->out->bytes.status = line.status;
    }
    tn_buf_free(&line);
}

/* What SentencePiece orders its joins by: the first merge that gives a piece is its place in the order.
 * Pieces that no merge gives come last. */
static int put_scores(const writer *w, const tn_merge *list) {
    const tn_bpe *b = &w->t->bpe;
    float *score = malloc(w->n_vocab * sizeof *score);
    if (!score) return tn_fail(w->err, TN_ENOMEM, "out of memory for %u scores", w->n_vocab);
    for (uint32_t id = 0; id < w->n_vocab; id++)
        score[id] = w->type[id] == TN_GGUF_NORMAL ? -(float)b->n_merge : 0;
    for (uint32_t i = b->n_merge; i-- > 0;)
        if (list[i].left != TN_BPE_NONE && list[i].id < w->n_vocab) score[list[i].id] = -(float)i;
    tn_gguf_put_array(w->out, KEY("scores"), TN_GGUF_F32, w->n_vocab);
    for (uint32_t id = 0; id < w->n_vocab; id++) tn_gguf_item_f32(w->out, score[id]);
    free(score);
    return 0;
}

/* Whether a space comes before the text, by either of the ways in which JSON says so. */
static bool adds_space(const tn_tokenizer *t) {
    for (size_t i = 0; i < t->norm.n; i++)
        if (t->norm.step[i].kind == TN_NORM_PREPEND) return true;
    for (size_t i = 0; i < t->split.n; i++)
        if (t->split.step[i].kind == TN_SPLIT_METASPACE && t->split.step[i].prepend != TN_PREPEND_NEVER)
            return true;
    return false;
}

static int put_model(const writer *w) {
    const tn_bpe *b = &w->t->bpe;
    const char *model = b->byte_level ? "gpt2" : "llama";
    if (w->t->model != TN_MODEL_BPE) return cannot(w, "its model is not BPE");
    if (b->prefix || b->suffix) return cannot(w, "it has marks for parts of words");
    if (!b->byte_level && !b->byte_fallback)
        return cannot(w, "its BPE is neither of bytes nor falls back to them");
    tn_merge *list = list_merges(b);
    if (!list) return tn_fail(w->err, TN_ENOMEM, "out of memory for %u merges", b->n_merge);
    tn_gguf_put_string(w->out, KEY("model"), model, strlen(model));
    int rc = 0;
    if (b->byte_level)
        rc = put_pre(w);
    else
        tn_gguf_put_string(w->out, KEY("pre"), "default", 7);
    if (!rc) put_tokens(w);
    if (!rc && b->byte_level) put_merges(w, list);
    if (!rc && !b->byte_level) rc = put_scores(w, list);
    if (!rc && !b->byte_level) tn_gguf_put_bool(w->out, KEY("add_space_prefix"), adds_space(w->t));
    free(list);
    return rc;
}

/* --- roles and templates --- */

static void put_roles(const writer *w) {
    const tn_tokenizer *t = w->t;
    const struct {
        const char *key;
        int32_t id;
    } roles[] = {
        {KEY("bos_token_id"), t->bos},     {KEY("eos_token_id"), t->eos},     {KEY("eot_token_id"), t->eot},
        {KEY("unknown_token_id"), t->unk}, {KEY("padding_token_id"), t->pad},
    };
    for (size_t i = 0; i < sizeof roles / sizeof *roles; i++)
        if (roles[i].id >= 0) tn_gguf_put_u32(w->out, roles[i].key, (uint32_t)roles[i].id);
    tn_gguf_put_bool(w->out, KEY("add_bos_token"), tn_tokenizer_adds_bos(t));
    if (tn_tokenizer_adds_eos(t)) tn_gguf_put_bool(w->out, KEY("add_eos_token"), true);
}

static void put_templates(const writer *w) {
    char key[256];
    for (size_t i = 0; i < w->t->templates.n; i++) {
        const tn_named *v = &w->t->templates.v[i];
        bool plain = strcmp(v->name, "default") == 0;
        snprintf(key, sizeof key, "tokenizer.chat_template%s%.200s", plain ? "" : ".", plain ? "" : v->name);
        tn_gguf_put_string(w->out, key, v->text, v->text_len);
    }
}

int tn_tokenizer_to_gguf(const tn_tokenizer *t, uint32_t n_vocab, tn_gguf_meta *out, tn_error *err) {
    writer w = {t, n_vocab, out, err, NULL};
    if ((uint32_t)tn_tokenizer_n_vocab(t) > n_vocab) return tn_fail(err, TN_EBUG, "more tokens than rows");
    int rc = find_types(&w);
    if (!rc) rc = put_model(&w);
    free(w.type);
    if (rc) return rc;
    put_roles(&w);
    put_templates(&w);
    return out->bytes.status ? tn_fail(err, out->bytes.status, "out of memory for a tokenizer") : 0;
}

/* --- comparing --- */

/* Words in many scripts, contractions, numbers of all lengths, runs of white space, punctuation, source text,
 * characters that have two spellings, bytes that are no text. */
static const char *const texts[] = {
    "Hello world",
    " leading space, and  two,   three    four spaces ",
    "It's what we'd call \"quoted\"; they'll've DON'T 'S y'all",
    "0 1 12 123 1234 12345 1234567890 3.14159 1,000,000 0x7f 2nd",
    "int main(void) {\n\treturn a[i] != 0 && b->c; /* ... */\n}\n\n\n  // end\r\n\r\n",
    "snake_case camelCase PascalCase ALLCAPS kebab-case path/to/file.txt user@example.org https://a.b/c?d=e&f=g#h",
    "\xc3\xa9 e\xcc\x81 \xc3\xbc\xc3\xb1\xc3\xa7 stra\xc3\x9f"
    "e na\xc3\xafve \xef\xac\x81 \xe2\x84\xab",
    "\xe4\xbd\xa0\xe5\xa5\xbd\xef\xbc\x8c\xe4\xb8\x96\xe7\x95\x8c\xe3\x80\x82\xe3\x81\x93\xe3\x82\x93\xe3\x81\xab"
    "\xe3\x81\xa1\xe3\x81\xaf \xec\x95\x88\xeb\x85\x95",
    "\xd0\x9f\xd1\x80\xd0\xb8\xd0\xb2\xd0\xb5\xd1\x82, \xd9\x85\xd8\xb1\xd8\xad\xd8\xa8\xd8\xa7 "
    "\xe0\xa4\xa8\xe0\xa4\xae\xe0\xa4\xb8\xe0\xa5\x8d\xe0\xa4\xa4\xe0\xa5\x87 \xe0\xb8\xaa\xe0\xb8\xa7\xe0\xb8\xb1",
    "\xf0\x9f\x98\x80\xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x92\xbb \xe2\x80\x94 \xe2\x80\xa6 \xe2\x82\xac"
    "5 \xc2\xb1 "
    "\xe2\x89\xa4 \xe2\x96\x81 \xc2\xa0 \xe3\x80\x80 \xff\xfe",
    "\n",
    "\n\n",
    " ",
    "  ",
    "\t\t x",
    "a\n\nb\n \n c",
    "!!!???...---***",
    "",
};

static int compare_text(const tn_tokenizer *a, const tn_tokenizer *b, const char *s, size_t n,
                        tn_error *err) {
    int rc = 0;
    for (unsigned flags = 0; !rc && flags < 4; flags++) {
        tn_ids x = {0}, y = {0};
        tn_buf p, q;
        tn_buf_init(&p, 1 << 24), tn_buf_init(&q, 1 << 24);
        rc = tn_tokenizer_encode(a, s, n, flags, &x, err);
        if (!rc) rc = tn_tokenizer_encode(b, s, n, flags, &y, err);
        bool same = !rc && x.len == y.len && (!x.len || memcmp(x.data, y.data, x.len * sizeof *x.data) == 0);
        if (same) rc = tn_tokenizer_decode(a, x.data, x.len, 0, &p, err);
        if (same && !rc) rc = tn_tokenizer_decode(b, x.data, x.len, 0, &q, err);
        same = same && !rc && p.len == q.len && (!p.len || memcmp(p.data, q.data, p.len) == 0);
        if (!rc && !same)
            rc = tn_fail(
                err, TN_ENOTSUP,
                "this tokenizer cannot be written to a GGUF file: what that can say would read \"%.60s\" "
                "differently",
                s);
        tn_ids_free(&x), tn_ids_free(&y);
        tn_buf_free(&p), tn_buf_free(&q);
    }
    return rc;
}

/* Every added token, with text and spaces around it. */
static int compare_added(const tn_tokenizer *a, const tn_tokenizer *b, tn_error *err) {
    tn_buf text;
    int rc = 0;
    tn_buf_init(&text, 1 << 26);
    for (size_t i = 0; i < a->added.n; i++) {
        size_t n;
        const char *s = tn__vocab_text(&a->vocab, a->added.token[i].id, &n);
        tn_buf_adds(&text, i % 3 ? "word" : " ");
        tn_buf_add(&text, s, n);
        tn_buf_adds(&text, i % 2 ? " \n word" : "");
        if (text.len < 2000 && i + 1 < a->added.n) continue;
        if (!rc) rc = compare_text(a, b, text.data, text.len, err);
        tn_buf_clear(&text);
    }
    tn_buf_free(&text);
    return rc;
}

int tn_tokenizer_same(const tn_tokenizer *a, const tn_tokenizer *b, tn_error *err) {
    int rc = 0;
    for (size_t i = 0; !rc && i < sizeof texts / sizeof *texts; i++)
        rc = compare_text(a, b, texts[i], strlen(texts[i]), err);
    return rc ? rc : compare_added(a, b, err);
}
