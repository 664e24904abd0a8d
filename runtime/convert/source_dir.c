/* SPDX-License-Identifier: Apache-2.0 */
/* A directory of safetensors as a source. The family's recorded program is what the model is: the numbers of
 * the metadata are read off it, and its weights carry both spellings of their names. Only the words are new
 * here: what GGUF calls the architecture, and how it speaks of rope. */
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "convert/source.h"
#include "text/tokenizer_to_gguf.h"

/* model_type of config.json, its architecture in GGUF files, and the rope base of a configuration without
 * one. */
typedef struct arch_name {
    const char *hf, *gguf;
    double theta;
} arch_name;

static const arch_name archs[] = {
    {"llama", "llama", 1e4},        {"mistral", "llama", 1e4}, {"qwen2", "qwen2", 1e4},
    {"qwen3", "qwen3", 1e4},        {"gemma2", "gemma2", 1e4}, {"gemma3", "gemma3", 1e6},
    {"gemma3_text", "gemma3", 1e6}, {"phi3", "phi3", 1e4},
};

static int find_arch(const char *model_type, const arch_name **ret, tn_error *err) {
    tn_buf known;
    tn_buf_init(&known, 1024);
    for (size_t i = 0; i < sizeof archs / sizeof *archs; i++) {
        if (strcmp(archs[i].hf, model_type) == 0) *ret = &archs[i];
        tn_buf_addf(&known, "%s%s", i ? ", " : "", archs[i].hf);
    }
    int rc = *ret ? 0
                  : tn_fail(err, TN_ENOTSUP, "models of type %.64s cannot be written to GGUF files (%s can)",
                            model_type, known.data ? known.data : "");
    tn_buf_free(&known);
    return rc;
}

/* --- numbers of the program --- */

typedef struct facts {
    const tn_attention_desc *first; /* the first attention */
    uint32_t window, period; /* the widest window, and which layers have none: every period-th; 0: all have */
    float norm_eps, logit_softcap;
    uint32_t n_ff;
} facts;

/* Every p-th layer has no window, p as small as fits; 0 where no period does. */
static uint32_t window_period(const tn_program *p) {
    for (uint32_t period = 1; period <= p->n_layer; period++) {
        bool fits = true;
        for (uint32_t i = 0; fits && i < p->n_layer; i++)
            fits = ((i + 1) % period == 0) == (p->caches[i].window == 0);
        if (fits) return period;
    }
    return 0;
}

static void find_facts(const tn_program *p, facts *ret) {
    *ret = (facts){.period = window_period(p)};
    for (uint32_t i = 0; i < p->n_op; i++) {
        const tn_op *op = &p->ops[i];
        if (op->kind == TN_OP_ATTENTION && !ret->first) ret->first = &op->attention;
        if (op->kind == TN_OP_RMS_NORM) ret->norm_eps = op->f;
        if (op->kind == TN_OP_SOFTCAP) ret->logit_softcap = op->f;
    }
    for (uint32_t i = 0; i < p->n_layer; i++)
        if (p->caches[i].window > ret->window) ret->window = p->caches[i].window;
    for (uint32_t i = 1; i <= p->n_weight; i++)
        if (p->weights[i].gguf && strcmp(p->weights[i].gguf, "blk.0.ffn_down.weight") == 0)
            ret->n_ff = p->weights[i].cols;
}

static void put_u32(tn_source *s, const char *arch, const char *suffix, uint32_t v) {
    char key[128];
    snprintf(key, sizeof key, "%s.%s", arch, suffix);
    tn_gguf_put_u32(&s->meta, key, v);
}

static void put_f32(tn_source *s, const char *arch, const char *suffix, float v) {
    char key[128];
    snprintf(key, sizeof key, "%s.%s", arch, suffix);
    tn_gguf_put_f32(&s->meta, key, v);
}

static void put_windows(tn_source *s, const char *arch, const facts *f) {
    if (!f->window) return;
    put_u32(s, arch, "attention.sliding_window", f->window);
    if (f->period) put_u32(s, arch, "attention.sliding_window_pattern", f->period);
}

/* Readers take 1 / sqrt(head) unless they are told. */
static void put_scales(tn_source *s, const char *arch, const facts *f) {
    const tn_attention_desc *a = f->first;
    if (a->scale != 1 / sqrtf((float)a->head_dim)) put_f32(s, arch, "attention.scale", a->scale);
    if (a->softcap > 0) put_f32(s, arch, "attn_logit_softcapping", a->softcap);
    if (f->logit_softcap > 0) put_f32(s, arch, "final_logit_softcapping", f->logit_softcap);
}

static int put_shape(tn_source *s, const char *arch, tn_error *err) {
    const tn_program *p = s->model->program;
    facts f;
    find_facts(p, &f);
    if (!f.first) return tn_fail(err, TN_ENOTSUP, "a model without attention");
    put_u32(s, arch, "context_length", s->model->info.n_ctx);
    put_u32(s, arch, "embedding_length", p->n_embd);
    put_u32(s, arch, "block_count", s->model->info.n_layer);
    put_u32(s, arch, "feed_forward_length", f.n_ff);
    put_u32(s, arch, "attention.head_count", f.first->n_head);
    put_u32(s, arch, "attention.head_count_kv", f.first->n_head_kv);
    put_u32(s, arch, "attention.key_length", f.first->head_dim);
    put_u32(s, arch, "attention.value_length", f.first->head_dim);
    put_f32(s, arch, "attention.layer_norm_rms_epsilon", f.norm_eps);
    put_u32(s, arch, "vocab_size", p->n_vocab);
    put_windows(s, arch, &f);
    put_scales(s, arch, &f);
    return 0;
}

/* --- the rest of the metadata --- */

static void put_general(tn_source *s, const char *path, const char *arch) {
    tn_buf name;
    size_t end = strlen(path);
    while (end > 1 && path[end - 1] == '/') end--;
    size_t from = end;
    while (from && path[from - 1] != '/') from--;
    tn_buf_init(&name, 4096);
    tn_buf_add(&name, path + from, end - from);
    tn_gguf_put_string(&s->meta, "general.architecture", arch, strlen(arch));
    tn_gguf_put_string(&s->meta, "general.type", "model", 5);
    if (name.len && strcmp(name.data, ".") != 0 && strcmp(name.data, "..") != 0)
        tn_gguf_put_string(&s->meta, "general.name", name.data, name.len);
    tn_buf_free(&name);
}

/* What the publisher recommends. */
static void put_sampling(tn_source *s) {
    const json_t *g = tn_checkpoint_generation_config(s->model->checkpoint);
    static const char *const reals[][2] = {{"temperature", "temp"},
                                           {"top_p", "top_p"},
                                           {"min_p", "min_p"},
                                           {"repetition_penalty", "penalty_repeat"}};
    char key[64];
    for (size_t i = 0; i < sizeof reals / sizeof *reals; i++) {
        const json_t *v = json_object_get(g, reals[i][0]);
        snprintf(key, sizeof key, "general.sampling.%s", reals[i][1]);
        if (json_is_number(v)) tn_gguf_put_f32(&s->meta, key, (float)json_number_value(v));
    }
    const json_t *k = json_object_get(g, "top_k");
    if (json_is_integer(k) && json_integer_value(k) >= 0 && json_integer_value(k) <= INT32_MAX)
        tn_gguf_put_i32(&s->meta, "general.sampling.top_k", (int32_t)json_integer_value(k));
}

/* --- tensors --- */

static int add_weight(tn_source *s, const tn_weight_info *w, tn_error *err) {
    tn_source_tensor *added;
    if (!w->gguf) return tn_fail(err, TN_ENOTSUP, "tensor %s has no name in GGUF files", w->name);
    for (uint32_t i = 0; i < s->n_tensor; i++) /* another part of a fused one */
        if (s->tensors[i].tensor == w->tensor && strcmp(s->tensors[i].name, w->gguf) == 0) return 0;
    int rc = tn__source_add(s, w->gguf, w->tensor, &added, err);
    if (rc) return rc;
    added->add_one = w->add_one;
    added->neg_exp = w->neg_exp;
    return 0;
}

static bool is_read(const tn_source *s, const tn_tensor *t) {
    for (uint32_t i = 0; i < s->n_tensor; i++)
        if (s->tensors[i].tensor == t) return true;
    return false;
}

static int add_weights(tn_source *s, tn_error *err) {
    const tn_program *p = s->model->program;
    const tn_checkpoint *c = s->model->checkpoint;
    int rc = 0;
    for (uint32_t i = 1; !rc && i <= p->n_weight; i++) rc = add_weight(s, &p->weights[i], err);
    for (uint64_t i = 0; !rc && i < tn_checkpoint_tensor_count(c); i++) {
        const tn_tensor *t = tn_checkpoint_tensor_at(c, i);
        if (is_read(s, t)) continue;
        if (!s->n_unread++) s->unread = t->name;
    }
    return rc;
}

static int fill(tn_source *s, tn_hparams *h, const char *path, tn_error *err) {
    const arch_name *arch = NULL;
    int rc = find_arch(h->arch, &arch, err);
    if (!rc && !s->model->tokenizer)
        rc = tn_fail(err, s->model->tokenizer_error.code, "%s", s->model->tokenizer_error.text);
    if (rc) return rc;
    put_general(s, path, arch->gguf);
    rc = put_shape(s, arch->gguf, err);
    if (!rc) rc = tn__source_put_rope(s, h, arch->gguf, arch->theta, err);
    if (!rc) put_sampling(s);
    if (!rc) rc = tn_tokenizer_to_gguf(s->model->tokenizer, s->model->program->n_vocab, &s->meta, err);
    return rc ? rc : add_weights(s, err);
}

int tn__source_open_dir(const char *path, tn_source *s, tn_error *err) {
    tn_model_config config = {.path = path, .device = "reference", .n_thread = 1};
    tn_hparams h;
    int rc = tn_registry_new(NULL, &s->registry, err);
    if (!rc) tn_registry_log_problems(s->registry);
    if (!rc) rc = tn_model_open(s->registry, &config, &s->model, err);
    if (!rc) rc = tn_hparams_init(&h, s->model->checkpoint, err);
    if (rc) return rc;
    rc = fill(s, &h, path, err);
    tn_hparams_fini(&h);
    return rc;
}
