/* SPDX-License-Identifier: Apache-2.0 */
/* Qwen2-Audio (Chu et al. 2024) and Qwen3-ASR: the text of Qwen2 or Qwen3, in which rows of an audio tower
 * take the place of tokens. */
#include "qwen_audio.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static int32_t qwen_audio_probe(const tn_config *c) {
    return strcmp(c->arch, "qwen2_audio") == 0 || strcmp(c->arch, "qwen3_asr") == 0 ? 100 : 0;
}

static void qwen_audio_destroy(void *instance) {
    free(instance);
}

/* What config.json leaves out is as in transformers' Qwen2Config and Qwen3Config. */
static int32_t qwen_audio_create(const tn_host *host, const tn_option_value *options, const tn_config *c,
                                 void **ret, tn_error *err) {
    (void)host;
    (void)options;
    qwen_audio *m = calloc(1, sizeof *m);
    if (!m) return tn_fail(err, TN_ENOMEM, "out of memory");
    m->is_asr = strcmp(c->arch, "qwen3_asr") == 0;
    m->n_layer = c->u32(c, "num_hidden_layers", NULL, 32, 1024);
    m->n_embd = c->u32(c, "hidden_size", NULL, 4096, 1 << 20);
    m->n_ff = c->u32(c, "intermediate_size", NULL, 22016, 1 << 22);
    m->n_head = c->u32(c, "num_attention_heads", NULL, 32, 4096);
    m->n_head_kv = c->u32(c, "num_key_value_heads", NULL, 32, 4096);
    m->head_dim = c->u32(c, "head_dim", NULL, m->is_asr ? 128 : m->n_head ? m->n_embd / m->n_head : 0, 1024);
    m->n_ctx = c->u32(c, "max_position_embeddings", NULL, 32768, 1u << 30);
    m->norm_eps = c->f32(c, "rms_norm_eps", NULL, 1e-6f);
    if (c->flag(c, "use_sliding_window", NULL, 0))
        c->reject(c, TN_ENOTSUP, "use_sliding_window is set, this family has full attention only");
    const char *act = c->str(c, "hidden_act", NULL, "silu");
    if (strcmp(act, "silu") != 0)
        c->reject(c, TN_ENOTSUP, "hidden_act is \"%s\", this family knows silu only", act);
    qwen_audio_read_tower(m, c);
    *ret = m;
    return 0;
}

static void qwen_audio_describe(void *instance, tn_model_info *ret) {
    const qwen_audio *m = instance;
    ret->n_layer = m->n_layer;
    ret->n_embd = m->n_embd;
    ret->n_ctx = m->n_ctx;
}

static tn_value project(const qwen_audio *m, tn_recorder *r, uint32_t i, tn_value h, const char *weight,
                        const char *bias, uint32_t rows) {
    return r->linear(r, h, tn_matrix(r, i, weight, NULL, rows, m->n_embd),
                     tn_vector(r, i, bias, NULL, rows, TN_WEIGHT_OPTIONAL));
}

static tn_value attention(const qwen_audio *m, tn_recorder *r, uint32_t i, tn_rope table, tn_value h) {
    uint32_t n_q = m->n_head * m->head_dim, n_kv = m->n_head_kv * m->head_dim, opt = TN_WEIGHT_OPTIONAL;
    tn_attention_desc a = {.layer = i,
                           .n_head = m->n_head,
                           .n_head_kv = m->n_head_kv,
                           .head_dim = m->head_dim,
                           .scale = 1 / sqrtf((float)m->head_dim)};
    tn_value q =
        project(m, r, i, h, "layers.%u.self_attn.q_proj.weight", "layers.%u.self_attn.q_proj.bias", n_q);
    tn_value k =
        project(m, r, i, h, "layers.%u.self_attn.k_proj.weight", "layers.%u.self_attn.k_proj.bias", n_kv);
    tn_value v =
        project(m, r, i, h, "layers.%u.self_attn.v_proj.weight", "layers.%u.self_attn.v_proj.bias", n_kv);
    tn_weight q_norm = tn_vector(r, i, "layers.%u.self_attn.q_norm.weight", NULL, m->head_dim, opt);
    tn_weight k_norm = tn_vector(r, i, "layers.%u.self_attn.k_norm.weight", NULL, m->head_dim, opt);
    if (q_norm) q = r->rms_norm(r, q, q_norm, m->norm_eps);
    if (k_norm) k = r->rms_norm(r, k, k_norm, m->norm_eps);
    q = r->rope(r, q, m->head_dim, table);
    k = r->rope(r, k, m->head_dim, table);
    tn_weight wo = tn_matrix(r, i, "layers.%u.self_attn.o_proj.weight", NULL, m->n_embd, n_q);
    return r->linear(r, r->attention(r, q, k, v, &a), wo, 0);
}

static tn_value feed_forward(const qwen_audio *m, tn_recorder *r, uint32_t i, tn_value h) {
    uint32_t n = m->n_embd, n_ff = m->n_ff;
    tn_weight gate = tn_matrix(r, i, "layers.%u.mlp.gate_proj.weight", NULL, n_ff, n);
    tn_weight up = tn_matrix(r, i, "layers.%u.mlp.up_proj.weight", NULL, n_ff, n);
    tn_weight down = tn_matrix(r, i, "layers.%u.mlp.down_proj.weight", NULL, n, n_ff);
    return r->linear(r, r->glu(r, r->linear(r, h, gate, 0), r->linear(r, h, up, 0), TN_ACT_SILU), down, 0);
}

static tn_value layer(const qwen_audio *m, tn_recorder *r, uint32_t i, tn_rope table, tn_value x) {
    tn_weight norm = tn_vector(r, i, "layers.%u.input_layernorm.weight", NULL, m->n_embd, 0);
    tn_weight post = tn_vector(r, i, "layers.%u.post_attention_layernorm.weight", NULL, m->n_embd, 0);
    x = r->add(r, x, attention(m, r, i, table, r->rms_norm(r, x, norm, m->norm_eps)));
    return r->add(r, x, feed_forward(m, r, i, r->rms_norm(r, x, post, m->norm_eps)));
}

static void qwen_audio_record(void *instance, tn_recorder *r) {
    const qwen_audio *m = instance;
    uint32_t n = m->n_embd;
    tn_rope_desc rope = {
        .style = TN_ROPE_HALF, .n_dims = m->head_dim, .hf_theta = "rope_theta", .default_theta = 10000};
    tn_rope table = r->rope_table(r, &rope);
    tn_weight embed = tn_matrix(r, 0, "embed_tokens.weight", NULL, TN_ROWS_OF_FILE, n);
    tn_weight_desc head_desc = {
        .hf = "lm_head.weight", .rows = TN_ROWS_OF_FILE, .cols = n, .flags = TN_WEIGHT_OPTIONAL};
    tn_weight head = r->weight(r, &head_desc, 0); /* absent where it is tied to the embedding */
    tn_value x = r->media(r, r->embed(r, embed, 1), 0);
    for (uint32_t i = 0; i < m->n_layer; i++) {
        r->tap(r, x, i);
        x = layer(m, r, i, table, x);
    }
    tn_weight final_norm = tn_vector(r, 0, "norm.weight", NULL, n, 0);
    x = r->rms_norm(r, r->output_rows(r, x), final_norm, m->norm_eps);
    r->tap(r, x, m->n_layer);
    r->logits(r, r->linear(r, x, head ? head : embed, 0));
}

static const tn_family family = {
    .size = sizeof family,
    .summary = "Qwen2-Audio, Qwen3-ASR",
    .probe = qwen_audio_probe,
    .create = qwen_audio_create,
    .describe = qwen_audio_describe,
    .record = qwen_audio_record,
    .destroy = qwen_audio_destroy,
    .audio = qwen_audio_audio,
    .record_audio = qwen_audio_record_audio,
};

static const void *get_factory(const tn_host *host, const char *factory_id) {
    (void)host;
    return strcmp(factory_id, TN_FAMILY_FACTORY) == 0 ? &family : NULL;
}

TN_MODULE_ENTRY(.id = "qwen_audio", .version = "0.1.0", .licence = "Apache-2.0", .get_factory = get_factory);
