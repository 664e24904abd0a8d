/* SPDX-License-Identifier: Apache-2.0 */
/* What a tokenizer knows about its ids: pieces, roles, names, templates; and its beginning and end. */
#include <stdlib.h>
#include <string.h>

#include "text/tokenizer_internal.h"

enum { MAX_NAMED = 4096 };

/* Spellings of added tokens at which generation ends whatever the configuration says. Of those that may end a
 * turn the first that a vocabulary has is its end of turn, unless a role says otherwise. */
static const struct {
    const char *text;
    bool turn;
} end_spellings[] = {
    {"<|eot_id|>", true},
    {"<|im_end|>", true},
    {"<end_of_turn>", true},
    {"<turn|>", true},
    {"<|return|>", true},
    {"<|end|>", true},
    {"<end_of_utterance>", true},
    {"<|END_OF_TURN_TOKEN|>", true},
    {"[EOT]", true},
    {"<EOT>", true},
    {"_<EOT>", true},
    {"<|end_of_text|>", false},
    {"<|endoftext|>", false},
    {"<|eom_id|>", false},
    {"<|call|>", false},
    {"<|calls|>", false},
    {"<|flush|>", false},
    {"<|tool_response>", false},
    {"<eos>", false},
    {"[EOS]", false},
    {"[e~[", false},
    {"<\xef\xbd\x9c"
     "end\xe2\x96\x81of\xe2\x96\x81sentence\xef\xbd\x9c>",
     false},
};
enum { N_END = sizeof end_spellings / sizeof *end_spellings };

int tn_ids_add(tn_ids *ids, const int32_t *more, size_t n) {
    if (n > ids->cap - ids->len) {
        size_t cap = ids->cap ? ids->cap : 64;
        while (cap - ids->len < n)
            if (cap > SIZE_MAX / sizeof *more / 4)
                return TN_ENOMEM;
            else
                cap *= 2;
        int32_t *data = realloc(ids->data, cap * sizeof *data);
        if (!data) return TN_ENOMEM;
        ids->data = data;
        ids->cap = cap;
    }
    if (n) memcpy(ids->data + ids->len, more, n * sizeof *more);
    ids->len += n;
    return 0;
}

void tn_ids_free(tn_ids *ids) {
    free(ids->data);
    *ids = (tn_ids){0};
}

tn_tokenizer *tn__tokenizer_new(void) {
    tn_tokenizer *t = calloc(1, sizeof *t);
    if (t) t->bos = t->eos = t->eot = t->pad = t->unk = -1;
    return t;
}

static void named_fini(tn_named_list *l) {
    for (size_t i = 0; i < l->n; i++) {
        free(l->v[i].name);
        free(l->v[i].text);
    }
    free(l->v);
}

void tn_tokenizer_free(tn_tokenizer *t) {
    if (!t) return;
    tn__vocab_fini(&t->vocab);
    free(t->fact);
    tn__added_fini(&t->added);
    tn__normalizer_fini(&t->norm);
    tn__splitter_fini(&t->split);
    tn__bpe_fini(&t->bpe);
    tn__unigram_fini(&t->unigram);
    tn__wordpiece_fini(&t->wordpiece);
    tn__post_fini(&t->post);
    tn__decoder_fini(&t->decoder);
    named_fini(&t->names);
    named_fini(&t->templates);
    free(t);
}

const tn_named *tn__named_get(const tn_named_list *l, const char *name) {
    for (size_t i = 0; i < l->n; i++)
        if (strcmp(l->v[i].name, name) == 0) return &l->v[i];
    return NULL;
}

int tn__named_set(tn_named_list *l, const char *name, const char *text, size_t len, tn_error *err) {
    tn_named *at = NULL, *grown;
    char *copy = malloc(len + 1);
    if (!copy) return tn_fail(err, TN_ENOMEM, "out of memory");
    if (len) memcpy(copy, text, len);
    copy[len] = 0;
    for (size_t i = 0; i < l->n; i++)
        if (strcmp(l->v[i].name, name) == 0) at = &l->v[i];
    if (!at && l->n >= MAX_NAMED) {
        free(copy);
        return tn_fail(err, TN_ELIMIT, "more than %d named tokens or templates", MAX_NAMED);
    }
    if (!at) {
        grown = realloc(l->v, (l->n + 1) * sizeof *grown);
        if (grown) l->v = grown;
        char *own_name = grown ? strdup(name) : NULL;
        if (!own_name) {
            free(copy);
            return tn_fail(err, TN_ENOMEM, "out of memory");
        }
        at = &l->v[l->n++];
        *at = (tn_named){.name = own_name};
    }
    free(at->text);
    at->text = copy;
    at->text_len = len;
    return 0;
}

int tn__tokenizer_add_token(tn_tokenizer *t, uint64_t id, const char *s, size_t len, tn_added_token flags,
                            tn_error *err) {
    uint32_t model_id;
    int show = len > 64 ? 64 : (int)len;
    if (tn__vocab_find(&t->vocab, s, len, &model_id) && model_id != id)
        return tn_fail(err, TN_EFORMAT, "added token \"%.*s\" has id %llu, in the vocabulary it has %u", show,
                       s, (unsigned long long)id, model_id);
    if (tn__vocab_has(&t->vocab, id)) {
        size_t old_len;
        const char *old = tn__vocab_text(&t->vocab, (uint32_t)id, &old_len);
        if (old_len != len || memcmp(old, s, len) != 0)
            return tn_fail(err, TN_EFORMAT, "added token \"%.*s\" has id %llu, which belongs to \"%.64s\"",
                           show, s, (unsigned long long)id, old);
    } else {
        int rc = tn__vocab_add(&t->vocab, id, s, len, TN_VOCAB_HIDDEN, err);
        if (rc) return rc;
    }
    flags.id = (uint32_t)id;
    return tn__added_put(&t->added, flags, err);
}

/* The id of an added token, or -1. */
static int32_t added_id(const tn_tokenizer *t, const char *text, size_t len) {
    for (size_t i = 0; i < t->added.n; i++) {
        size_t n;
        const char *s = tn__vocab_text(&t->vocab, t->added.token[i].id, &n);
        if (n == len && memcmp(s, text, len) == 0) return (int32_t)t->added.token[i].id;
    }
    return -1;
}

/* Looks among added tokens too, which vocabulary look-ups do not find. */
int32_t tn_tokenizer_id(const tn_tokenizer *t, const char *piece, size_t len) {
    uint32_t id;
    return tn__vocab_find(&t->vocab, piece, len, &id) ? (int32_t)id : added_id(t, piece, len);
}

static int32_t role(const tn_tokenizer *t, int32_t known, const char *name) {
    const tn_named *n = tn__named_get(&t->names, name);
    if (known >= 0 || !n) return known;
    return tn_tokenizer_id(t, n->text, n->text_len);
}

/* With the harmony format <|end|> ends a message, not a turn: <|return|> and <|call|> do. */
static bool is_harmony(const tn_tokenizer *t) {
    return added_id(t, "<|call|>", 8) >= 0 ||
           (added_id(t, "<|calls|>", 9) >= 0 && added_id(t, "<|flush|>", 9) >= 0);
}

static void find_roles(tn_tokenizer *t) {
    bool harmony = is_harmony(t);
    t->bos = role(t, t->bos, "bos_token");
    t->eos = role(t, t->eos, "eos_token");
    t->eot = role(t, t->eot, "eot_token");
    t->pad = role(t, t->pad, "pad_token");
    t->unk = role(t, t->unk, "unk_token");
    for (int i = 0; i < N_END; i++) {
        int32_t id = added_id(t, end_spellings[i].text, strlen(end_spellings[i].text));
        if (id < 0 || (harmony && strcmp(end_spellings[i].text, "<|end|>") == 0)) continue;
        if (t->eot < 0 && end_spellings[i].turn) t->eot = id;
        t->fact[id] |= TN_TOKEN_END;
    }
    if (t->eot < 0) t->eot = t->eos;
    if (t->eos >= 0) t->fact[t->eos] |= TN_TOKEN_END;
    if (t->eot >= 0) t->fact[t->eot] |= TN_TOKEN_END;
}

int tn__tokenizer_finish(tn_tokenizer *t, tn_error *err) {
    if (!t->vocab.n_id) return tn_fail(err, TN_EFORMAT, "the vocabulary is empty");
    tn__vocab_shrink(&t->vocab);
    if (t->model == TN_MODEL_BPE) tn__bpe_finish(&t->bpe);
    t->fact = calloc(t->vocab.n_id, 1);
    if (!t->fact) return tn_fail(err, TN_ENOMEM, "out of memory for %u tokens", t->vocab.n_id);
    int rc = tn__added_finish(&t->added, &t->vocab, &t->norm, err);
    if (rc) return rc;
    for (size_t i = 0; i < t->added.n; i++)
        if (t->added.token[i].special) t->fact[t->added.token[i].id] |= TN_TOKEN_SPECIAL;
    find_roles(t);
    return 0;
}

static bool in_range(const tn_tokenizer *t, int32_t id) {
    return id >= 0 && (uint32_t)id < t->vocab.n_id;
}

int32_t tn_tokenizer_n_vocab(const tn_tokenizer *t) {
    return (int32_t)t->vocab.n_id;
}

const char *tn_tokenizer_piece(const tn_tokenizer *t, int32_t id, size_t *ret_len) {
    size_t len;
    if (!in_range(t, id) || !tn__vocab_has(&t->vocab, (uint32_t)id)) return NULL;
    return tn__vocab_text(&t->vocab, (uint32_t)id, ret_len ? ret_len : &len);
}

bool tn_tokenizer_is_special(const tn_tokenizer *t, int32_t id) {
    return in_range(t, id) && t->fact[id] & TN_TOKEN_SPECIAL;
}

bool tn_tokenizer_is_end(const tn_tokenizer *t, int32_t id) {
    return in_range(t, id) && t->fact[id] & TN_TOKEN_END;
}

int32_t tn_tokenizer_bos(const tn_tokenizer *t) {
    return t->bos;
}
int32_t tn_tokenizer_eos(const tn_tokenizer *t) {
    return t->eos;
}
int32_t tn_tokenizer_eot(const tn_tokenizer *t) {
    return t->eot;
}
int32_t tn_tokenizer_pad(const tn_tokenizer *t) {
    return t->pad;
}
int32_t tn_tokenizer_unk(const tn_tokenizer *t) {
    return t->unk;
}

bool tn_tokenizer_adds_bos(const tn_tokenizer *t) {
    const tn_post_form *f = &t->post.single;
    return f->n && t->bos >= 0 && f->item[0] == t->bos;
}

bool tn_tokenizer_adds_eos(const tn_tokenizer *t) {
    const tn_post_form *f = &t->post.single;
    return f->n && t->eos >= 0 && f->item[f->n - 1] == t->eos;
}

const char *tn_tokenizer_named_token(const tn_tokenizer *t, const char *name) {
    const tn_named *n = tn__named_get(&t->names, name);
    return n ? n->text : NULL;
}

const char *tn_tokenizer_named_token_at(const tn_tokenizer *t, size_t i, const char **ret_text) {
    if (i >= t->names.n) return NULL;
    *ret_text = t->names.v[i].text;
    return t->names.v[i].name;
}

const char *tn_tokenizer_chat_template(const tn_tokenizer *t, const char *name, size_t *ret_len) {
    const tn_named *n = tn__named_get(&t->templates, name ? name : "default");
    if (n && ret_len) *ret_len = n->text_len;
    return n ? n->text : NULL;
}

const char *tn_tokenizer_chat_template_name(const tn_tokenizer *t, size_t i) {
    return i < t->templates.n ? t->templates.v[i].name : NULL;
}
