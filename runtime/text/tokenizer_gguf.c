/* SPDX-License-Identifier: Apache-2.0 */
/* A tokenizer from GGUF metadata. The file names a kind of model and of splitting; the pipeline that a
 * tokenizer.json would spell out follows from these names here. */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/status.h"
#include "text/gguf_pre.h"
#include "text/gguf_vocab.h"

#define KEY(name) "tokenizer.ggml." name
#define METASPACE "\xe2\x96\x81"

/* What is read before the model is built. */
typedef struct source {
    const tn_gguf *g;
    tn_tokenizer *t;
    tn_gguf_vocab v;
    tn_error *err;
    bool add_bos, add_eos, add_sep, add_space;
    int32_t sep;
} source;

static bool is_name(const char *s, size_t n, const char *name) {
    return strlen(name) == n && memcmp(s, name, n) == 0;
}

/* Spaces as U+2581, with one before the text where the file wants it. */
static int metaspace_normalizer(source *s, bool prepend) {
    int rc = prepend ? tn__normalizer_add_prepend(&s->t->norm, METASPACE, 3, s->err) : 0;
    return rc ? rc : tn__normalizer_add_replace(&s->t->norm, " ", 1, true, METASPACE, 3, s->err);
}

static int metaspace_decoder(source *s) {
    tn_decoder *d = &s->t->decoder;
    int rc = tn__decoder_add_replace(d, METASPACE, 3, true, " ", 1, s->err);
    if (!rc) rc = tn__decoder_add(d, (tn_dec_step){.kind = TN_DEC_BYTE_FALLBACK}, NULL, 0, s->err);
    if (!rc) rc = tn__decoder_add(d, (tn_dec_step){.kind = TN_DEC_FUSE}, NULL, 0, s->err);
    if (!rc && s->add_space)
        rc = tn__decoder_add(d, (tn_dec_step){.kind = TN_DEC_STRIP, .start = 1}, " ", 1, s->err);
    return rc;
}

/* The type of the token spelt text, 0 where there is none. Only added tokens are looked at. */
static int added_type(const source *s, const char *text) {
    for (size_t i = 0; i < s->t->added.n; i++) {
        size_t n;
        uint32_t id = s->t->added.token[i].id;
        const char *piece = tn__vocab_text(&s->t->vocab, id, &n);
        if (is_name(piece, n, text)) return s->v.type[id];
    }
    return 0;
}

/* Phi-3's special tokens take the white space after them along, but for the first few. The metadata cannot
 * say so; the name of the architecture does. */
static int phi3_tokens(source *s) {
    const char *arch = NULL;
    size_t n = 0;
    int rc = tn__gguf_string(s->g, "general.architecture", &arch, &n, s->err);
    if (rc || !arch || !is_name(arch, n, "phi3")) return rc;
    for (size_t i = 0; i < s->t->added.n; i++) {
        tn_added_token *a = &s->t->added.token[i];
        size_t len;
        const char *piece = tn__vocab_text(&s->t->vocab, a->id, &len);
        a->rstrip = !is_name(piece, len, "<unk>") && !is_name(piece, len, "<s>") &&
                    !is_name(piece, len, "<|endoftext|>");
    }
    return 0;
}

/* SentencePiece with BPE. Mistral's vocabularies with control tokens put the space before the first text
 * only; others before each text between control tokens. */
static int load_llama(source *s) {
    tn_bpe *b = &s->t->bpe;
    if (!s->v.has_score) return tn_fail(s->err, TN_EFORMAT, "%s is missing", KEY("scores"));
    tn__bpe_init(b, &s->t->vocab, false);
    b->byte_fallback = b->fuse_unk = true;
    if (s->t->unk >= 0) b->unk = (uint32_t)s->t->unk;
    int rc = tn__bpe_merges_from_scores(b, s->v.score, s->v.usable, s->err);
    bool first = s->add_space && added_type(s, "[INST]") == TN_GGUF_CONTROL;
    if (!rc) rc = metaspace_normalizer(s, s->add_space && !first);
    if (!rc && first)
        rc = tn__splitter_add(
            &s->t->split,
            (tn_split_step){
                .kind = TN_SPLIT_METASPACE, .prepend = TN_PREPEND_FIRST, .content = METASPACE, .length = 3},
            s->err);
    if (!rc) rc = phi3_tokens(s);
    s->t->model = TN_MODEL_BPE;
    return rc ? rc : metaspace_decoder(s);
}

static int read_merges(source *s) {
    const tn_gguf_value *a;
    tn_gguf_value x;
    int rc = tn__gguf_array(s->g, KEY("merges"), TN_GGUF_STRING, &a, s->err);
    if (rc) return rc;
    if (!a) return tn_fail(s->err, TN_EFORMAT, "%s is missing", KEY("merges"));
    rc = tn__bpe_reserve(&s->t->bpe, (size_t)a->len, s->err);
    tn_gguf_iter it = tn_gguf_iter_begin(a);
    while (!rc && tn_gguf_iter_next(&it, &x)) {
        const char *space = x.len > 1 ? memchr(x.data + 1, ' ', (size_t)x.len - 1) : NULL;
        if (!space) return tn_fail(s->err, TN_EFORMAT, "%s: a merge without a space", KEY("merges"));
        size_t left = (size_t)(space - x.data);
        rc = tn__bpe_add_merge(&s->t->bpe, x.data, left, space + 1, (size_t)x.len - left - 1, s->err);
    }
    return rc;
}

/* The entry for tokenizer.ggml.pre; model is what a file says that has none. */
static int find_pre(source *s, const char *model, const tn_pre **ret) {
    const char *name = NULL;
    size_t n = 0;
    int rc = tn__gguf_string(s->g, KEY("pre"), &name, &n, s->err);
    if (rc) return rc;
    if (model) {
        *ret = tn__pre_find(model, strlen(model));
        return 0;
    }
    if (!name || !n) {
        tn_log(TN_LOG_WARN, "tokenizer",
               "the file has no %s; \"default\" is used, which may split words wrongly", KEY("pre"));
        name = "default";
        n = strlen(name);
    }
    *ret = tn__pre_find(name, n);
    if (*ret) return 0;
    return tn_fail(s->err, TN_ENOTSUP,
                   "%s is \"%.*s\", which is not known; a tokenizer.json beside the model would do",
                   KEY("pre"), n > 64 ? 64 : (int)n, name);
}

static int load_bpe(source *s, const char *model) {
    const tn_pre *pre;
    tn_tokenizer *t = s->t;
    bool nfc;
    int rc = find_pre(s, model, &pre);
    if (rc) return rc;
    nfc = pre->nfc;
    rc = tn__gguf_bool(s->g, KEY("normalizer.nfc"), &nfc, s->err);
    s->add_bos = pre->add_bos;
    s->add_sep = pre->add_sep;
    tn__bpe_init(&t->bpe, &t->vocab, !pre->characters);
    t->bpe.ignore_merges = pre->ignore_merges;
    t->bpe.byte_fallback = pre->characters;
    t->model = TN_MODEL_BPE;
    if (!rc && nfc) rc = tn__normalizer_add(&t->norm, (tn_norm_step){.kind = TN_NORM_NFC}, s->err);
    for (int i = 0; pre->regex[i] && !rc; i++) rc = tn__splitter_add_regex(&t->split, pre->regex[i], s->err);
    if (!rc) rc = read_merges(s);
    if (rc) return rc;
    if (!pre->characters)
        return tn__decoder_add(&t->decoder, (tn_dec_step){.kind = TN_DEC_BYTE_LEVEL}, NULL, 0, s->err);
    rc = metaspace_normalizer(s, s->add_space);
    return rc ? rc : metaspace_decoder(s);
}

/* Whether a piece that begins a word has a capital letter: then the vocabulary is for text as it is written.
 */
static bool is_cased(const source *s) {
    for (uint32_t id = 0; id < s->v.n; id++) {
        size_t n;
        const char *p = tn__vocab_text(&s->t->vocab, id, &n);
        if (s->v.type[id] == TN_GGUF_NORMAL && n && p[0] >= 'A' && p[0] <= 'Z') return true;
    }
    return false;
}

static int load_bert(source *s) {
    tn_tokenizer *t = s->t;
    bool lower = !is_cased(s), strip;
    int rc = tn__gguf_bool(s->g, KEY("normalizer.lowercase"), &lower, s->err);
    strip = lower;
    if (!rc) rc = tn__gguf_bool(s->g, KEY("normalizer.strip_accents"), &strip, s->err);
    const struct {
        bool on;
        tn_norm_kind kind;
    } step[] = {{true, TN_NORM_CLEAN},
                {true, TN_NORM_SPACE_CJK},
                {strip, TN_NORM_NFD},
                {strip, TN_NORM_STRIP_ACCENTS},
                {lower, TN_NORM_LOWERCASE}};
    for (size_t i = 0; i < sizeof step / sizeof *step && !rc; i++)
        if (step[i].on) rc = tn__normalizer_add(&t->norm, (tn_norm_step){.kind = step[i].kind}, s->err);
    if (!rc)
        rc = tn__splitter_add(&t->split,
                              (tn_split_step){.kind = TN_SPLIT_SPACE, .behavior = TN_SPLIT_REMOVED}, s->err);
    if (!rc)
        rc = tn__splitter_add(&t->split,
                              (tn_split_step){.kind = TN_SPLIT_PUNCT, .behavior = TN_SPLIT_ISOLATED}, s->err);
    if (!rc && t->unk < 0) rc = tn_fail(s->err, TN_EFORMAT, "%s is missing", KEY("unknown_token_id"));
    if (!rc)
        rc =
            tn__wordpiece_init(&t->wordpiece, &t->vocab, s->v.usable, "##", 2, 100, (uint32_t)t->unk, s->err);
    t->model = TN_MODEL_WORDPIECE;
    s->add_bos = s->add_sep = true;
    return rc ? rc
              : tn__decoder_add(&t->decoder, (tn_dec_step){.kind = TN_DEC_WORDPIECE, .cleanup = true}, "##",
                                2, s->err);
}

static int unigram_normalizer(source *s) {
    const tn_gguf_value *map = tn_gguf_find(s->g, KEY("precompiled_charsmap"));
    tn_normalizer *norm = &s->t->norm;
    tn_norm_step chars = {.kind = TN_NORM_CHARSMAP, .longest = true};
    bool tidy = false;
    int rc = tn__gguf_bool(s->g, KEY("remove_extra_whitespaces"), &tidy, s->err);
    if (!rc && map && (map->type != TN_GGUF_ARRAY || (map->elem != TN_GGUF_U8 && map->elem != TN_GGUF_I8)))
        rc = tn_fail(s->err, TN_EFORMAT, "%s must be an array of bytes", KEY("precompiled_charsmap"));
    if (!rc && map && map->len) {
        rc = tn__charsmap_new(map->data, (size_t)map->len, &chars.map, s->err);
        if (!rc) rc = tn__normalizer_add(norm, chars, s->err);
    }
    if (!rc && tidy)
        rc = tn__normalizer_add(norm, (tn_norm_step){.kind = TN_NORM_STRIP, .left = true, .right = true},
                                s->err);
    if (!rc && tidy) rc = tn__normalizer_add_replace(norm, " {2,}", 5, false, " ", 1, s->err);
    return rc ? rc : metaspace_normalizer(s, s->add_space);
}

static int load_unigram(source *s) {
    tn_tokenizer *t = s->t;
    int rc = s->v.has_score ? 0 : tn_fail(s->err, TN_EFORMAT, "%s is missing", KEY("scores"));
    double *score = rc ? NULL : malloc(s->v.n * sizeof *score);
    if (!rc && !score) rc = tn_fail(s->err, TN_ENOMEM, "out of memory for %u scores", s->v.n);
    if (rc) return rc;
    for (uint32_t i = 0; i < s->v.n; i++) score[i] = s->v.score[i];
    if (t->unk < 0 && s->v.n > 2) t->unk = 2;
    rc = tn__unigram_init(&t->unigram, &t->vocab, score, s->v.usable,
                          t->unk < 0 ? UINT32_MAX : (uint32_t)t->unk, false, s->err);
    t->model = TN_MODEL_UNIGRAM;
    s->add_eos = true;
    if (!rc) rc = unigram_normalizer(s);
    return rc ? rc : metaspace_decoder(s);
}

static int load_model(source *s, const char *model, size_t n) {
    if (is_name(model, n, "llama")) return load_llama(s);
    if (is_name(model, n, "gpt2")) return load_bpe(s, NULL);
    if (is_name(model, n, "gemma4")) return load_bpe(s, "gemma4");
    if (is_name(model, n, "bert")) return load_bert(s);
    if (is_name(model, n, "t5")) return load_unigram(s);
    return tn_fail(s->err, TN_ENOTSUP, "%s is \"%.*s\", which is not supported", KEY("model"),
                   n > 64 ? 64 : (int)n, model);
}

/* Roles by id, and the names that chat templates know them by. */
static int read_roles(source *s) {
    const struct {
        const char *key, *name;
        int32_t *id;
    } role[] = {
        {KEY("cls_token_id"), "cls_token", &s->t->bos}, /* replaced by the next where both are there */
        {KEY("bos_token_id"), "bos_token", &s->t->bos},
        {KEY("eos_token_id"), "eos_token", &s->t->eos},
        {KEY("eot_token_id"), "eot_token", &s->t->eot},
        {KEY("unknown_token_id"), "unk_token", &s->t->unk},
        {KEY("padding_token_id"), "pad_token", &s->t->pad},
        {KEY("seperator_token_id"), "sep_token", &s->sep}, /* the key's own spelling */
    };
    for (size_t i = 0; i < sizeof role / sizeof *role; i++) {
        int32_t id = -1;
        size_t n;
        int rc = tn__gguf_id(s->g, role[i].key, s->v.n, &id, s->err);
        if (rc) return rc;
        if (id < 0) continue;
        *role[i].id = id;
        const char *text = tn__vocab_text(&s->t->vocab, (uint32_t)id, &n);
        if ((rc = tn__named_set(&s->t->names, role[i].name, text, n, s->err))) return rc;
    }
    return 0;
}

static int post_text(source *s, tn_post_form *f, int32_t text, int32_t end) {
    int rc = 0;
    if (s->add_bos && s->t->bos >= 0 && (text == TN_POST_A || !s->add_sep))
        rc = tn__post_add(f, s->t->bos, s->err);
    if (!rc) rc = tn__post_add(f, text, s->err);
    return rc || end < 0 ? rc : tn__post_add(f, end, s->err);
}

static int post_processor(source *s) {
    tn_postproc *p = &s->t->post;
    int rc = tn__gguf_bool(s->g, KEY("add_bos_token"), &s->add_bos, s->err);
    if (!rc) rc = tn__gguf_bool(s->g, KEY("add_eos_token"), &s->add_eos, s->err);
    if (!rc) rc = tn__gguf_bool(s->g, KEY("add_sep_token"), &s->add_sep, s->err);
    int32_t end = s->add_sep ? s->sep : s->add_eos ? s->t->eos : -1;
    if (!rc) rc = post_text(s, &p->single, TN_POST_A, end);
    if (!rc) rc = post_text(s, &p->pair, TN_POST_A, end);
    return rc ? rc : post_text(s, &p->pair, TN_POST_B, end);
}

static int read_templates(source *s) {
    static const char prefix[] = "tokenizer.chat_template";
    const char *key;
    for (uint64_t i = 0; i < tn_gguf_kv_count(s->g); i++) {
        const tn_gguf_value *v = tn_gguf_kv_at(s->g, i, &key);
        size_t n = strlen(prefix);
        if (strncmp(key, prefix, n) != 0 || v->type != TN_GGUF_STRING) continue;
        if (key[n] != 0 && key[n] != '.') continue;
        int rc = tn__named_set(&s->t->templates, key[n] ? key + n + 1 : "default", v->data, (size_t)v->len,
                               s->err);
        if (rc) return rc;
    }
    return 0;
}

static int load(source *s) {
    const char *model = NULL;
    size_t n = 0;
    int rc = tn__gguf_string(s->g, KEY("model"), &model, &n, s->err);
    if (rc) return rc;
    if (!model) return tn_fail(s->err, TN_ENOENT, "the file has no tokenizer (%s)", KEY("model"));
    bool spm = is_name(model, n, "llama");
    s->add_bos = spm;
    s->add_space = spm || is_name(model, n, "t5");
    rc = tn__gguf_vocab_read(&s->v, s->g, is_name(model, n, "bert"), s->t, s->err);
    if (!rc) rc = tn__gguf_bool(s->g, KEY("add_space_prefix"), &s->add_space, s->err);
    if (!rc) rc = read_roles(s);
    if (!rc) rc = load_model(s, model, n);
    if (!rc) rc = post_processor(s);
    if (!rc) rc = read_templates(s);
    return rc ? rc : tn__tokenizer_finish(s->t, s->err);
}

int tn_tokenizer_load_gguf(const tn_gguf *g, tn_tokenizer **ret, tn_error *err) {
    source s = {.g = g, .t = tn__tokenizer_new(), .err = err, .sep = -1};
    if (!s.t) return tn_fail(err, TN_ENOMEM, "out of memory");
    int rc = load(&s);
    tn__gguf_vocab_fini(&s.v);
    if (rc) {
        tn_tokenizer_free(s.t);
        return rc;
    }
    *ret = s.t;
    return 0;
}
