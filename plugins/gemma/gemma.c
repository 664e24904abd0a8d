/* SPDX-License-Identifier: Apache-2.0 */
/* Gemma 2 and 3 (Gemma Team 2024, section 2; 2025, section 2); what they see with is in tower.c.
 *
 *   x = sqrt(n_embd) * embed(id)
 *   per layer:  x = x + norm_post_attn(Wo attention(q, k, v))   with q, k, v from norm_in(x)
 *               x = x + norm_post_ff(Wdown(gelu(Wgate h) * Wup h))   with h = norm_pre_ff(x)
 *   logits = softcap(embed^T norm(x))
 *
 * Gemma 2 caps attention scores and logits and lets every second layer slide; Gemma 3 drops the caps,
 * normalises q and k per head, and has five sliding layers with a rope of their own to each full one. Norm
 * weights are stored minus one, except in GGUF files. */
#include "gemma.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct rope_pair {
    tn_rope full, sliding;
} rope_pair;

static int is_one_of(const char *name, const char *const *names) {
    for (; *names; names++)
        if (strcmp(name, *names) == 0) return 1;
    return 0;
}

static const char *const gemma3_names[] = {"gemma3", "gemma3_text", NULL};

static int32_t gemma_probe(const tn_config *c) {
    return strcmp(c->arch, "gemma2") == 0 || is_one_of(c->arch, gemma3_names) ? 100 : 0;
}

static void gemma_destroy(void *instance) {
    gemma *m = instance;
    if (m) free(m->sliding);
    free(m);
}

/* GGUF files do not carry query_pre_attn_scalar; the two sizes that differ from head_dim are known by their
 * depth. */
static float attention_scale(const gemma *m, const tn_config *c) {
    float scalar = c->f32(c, "query_pre_attn_scalar", NULL, 0),
          given = c->f32(c, NULL, ".attention.scale", 0);
    uint32_t odd_depth = m->is_gemma3 ? 62 : 46;
    if (given > 0) return given;
    if (scalar > 0) return 1 / sqrtf(scalar);
    if (c->format == TN_CONFIG_GGUF && m->n_layer == odd_depth)
        return 1 / sqrtf((float)m->n_embd / (float)m->n_head);
    return 1 / sqrtf((float)m->head_dim);
}

/* Every pattern-th layer is full; newer files spell each layer's type. */
static int read_windows(gemma *m, const tn_config *c) {
    uint32_t pattern =
        c->u32(c, "sliding_window_pattern", ".attention.sliding_window_pattern", m->is_gemma3 ? 6 : 2, 1024);
    m->window =
        c->u32(c, "sliding_window", ".attention.sliding_window", m->is_gemma3 ? 1024 : 4096, 1u << 30);
    m->sliding = calloc(m->n_layer, 1);
    if (!m->sliding) return TN_ENOMEM;
    for (uint32_t i = 0; i < m->n_layer; i++) {
        const char *def = pattern && (i + 1) % pattern != 0 ? "sliding_attention" : "full_attention";
        m->sliding[i] = strcmp(c->str_at(c, "layer_types", NULL, i, def), "sliding_attention") == 0;
    }
    return 0;
}

static int32_t gemma_create(const tn_host *host, const tn_option_value *options, const tn_config *c,
                            void **ret, tn_error *err) {
    (void)host;
    (void)options;
    gemma *m = calloc(1, sizeof *m);
    if (!m) return tn_fail(err, TN_ENOMEM, "out of memory");
    m->is_gemma3 = is_one_of(c->arch, gemma3_names);
    m->n_layer = c->u32(c, "num_hidden_layers", ".block_count", TN_REQUIRED_U32, 1024);
    m->n_embd = c->u32(c, "hidden_size", ".embedding_length", TN_REQUIRED_U32, 1 << 20);
    m->n_ff = c->u32(c, "intermediate_size", ".feed_forward_length", TN_REQUIRED_U32, 1 << 22);
    m->n_head = c->u32(c, "num_attention_heads", ".attention.head_count", 8, 4096);
    m->n_head_kv = c->u32(c, "num_key_value_heads", ".attention.head_count_kv", 4, 4096);
    m->head_dim = c->u32(c, "head_dim", ".attention.key_length", 256, 1024);
    m->n_ctx =
        c->u32(c, "max_position_embeddings", ".context_length", m->is_gemma3 ? 131072 : 8192, 1u << 30);
    m->norm_eps = c->f32(c, "rms_norm_eps", ".attention.layer_norm_rms_epsilon", 1e-6f);
    m->attn_softcap = c->f32(c, "attn_logit_softcapping", ".attn_logit_softcapping", m->is_gemma3 ? 0 : 50);
    m->logit_softcap =
        c->f32(c, "final_logit_softcapping", ".final_logit_softcapping", m->is_gemma3 ? 0 : 30);
    if (m->n_head == 0 || m->n_head_kv == 0) c->reject(c, TN_EFORMAT, "the number of attention heads is 0");
    m->attn_scale = attention_scale(m, c);
    m->is_bidirectional = c->flag(c, "use_bidirectional_attention", NULL, 0);
    gemma_read_tower(m, c);
    if (read_windows(m, c) != 0) {
        gemma_destroy(m);
        return tn_fail(err, TN_ENOMEM, "out of memory");
    }
    *ret = m;
    return 0;
}

static void gemma_describe(void *instance, tn_model_info *ret) {
    const gemma *m = instance;
    ret->n_layer = m->n_layer;
    ret->n_embd = m->n_embd;
    ret->n_ctx = m->n_ctx;
}

static tn_value norm(const gemma *m, tn_recorder *r, uint32_t i, tn_value x, const char *hf, const char *gguf,
                     uint32_t n) {
    return r->rms_norm(r, x, tn_vector(r, i, hf, gguf, n, TN_WEIGHT_ADD_ONE_HF), m->norm_eps);
}

/* A window of n tokens lies around the token where that sees both sides: n / 2 before it and n / 2 after it.
 */
static void look_around(const gemma *m, tn_attention_desc *a) {
    a->sees = TN_SEES_AROUND;
    if (a->window) a->window = m->window / 2;
}

static tn_value attention(const gemma *m, tn_recorder *r, uint32_t i, const rope_pair *ropes, tn_value h) {
    uint32_t n = m->n_embd, n_q = m->n_head * m->head_dim, n_kv = m->n_head_kv * m->head_dim;
    tn_weight wq = tn_matrix(r, i, "layers.%u.self_attn.q_proj.weight", "blk.%u.attn_q.weight", n_q, n);
    tn_weight wk = tn_matrix(r, i, "layers.%u.self_attn.k_proj.weight", "blk.%u.attn_k.weight", n_kv, n);
    tn_weight wv = tn_matrix(r, i, "layers.%u.self_attn.v_proj.weight", "blk.%u.attn_v.weight", n_kv, n);
    tn_weight wo = tn_matrix(r, i, "layers.%u.self_attn.o_proj.weight", "blk.%u.attn_output.weight", n, n_q);
    tn_attention_desc a = {.layer = i,
                           .n_head = m->n_head,
                           .n_head_kv = m->n_head_kv,
                           .head_dim = m->head_dim,
                           .window = m->sliding[i] ? m->window : 0,
                           .scale = m->attn_scale,
                           .softcap = m->attn_softcap};
    if (m->is_bidirectional) look_around(m, &a);
    tn_rope table = m->sliding[i] ? ropes->sliding : ropes->full;
    tn_value q = r->linear(r, h, wq, 0), k = r->linear(r, h, wk, 0), v = r->linear(r, h, wv, 0);
    if (m->is_gemma3) {
        q = norm(m, r, i, q, "layers.%u.self_attn.q_norm.weight", "blk.%u.attn_q_norm.weight", m->head_dim);
        k = norm(m, r, i, k, "layers.%u.self_attn.k_norm.weight", "blk.%u.attn_k_norm.weight", m->head_dim);
    }
    q = r->rope(r, q, m->head_dim, table);
    k = r->rope(r, k, m->head_dim, table);
    return r->linear(r, r->attention(r, q, k, v, &a), wo, 0);
}

static tn_value feed_forward(const gemma *m, tn_recorder *r, uint32_t i, tn_value h) {
    uint32_t n = m->n_embd, n_ff = m->n_ff;
    tn_weight gate = tn_matrix(r, i, "layers.%u.mlp.gate_proj.weight", "blk.%u.ffn_gate.weight", n_ff, n);
    tn_weight up = tn_matrix(r, i, "layers.%u.mlp.up_proj.weight", "blk.%u.ffn_up.weight", n_ff, n);
    tn_weight down = tn_matrix(r, i, "layers.%u.mlp.down_proj.weight", "blk.%u.ffn_down.weight", n, n_ff);
    tn_value g = r->glu(r, r->linear(r, h, gate, 0), r->linear(r, h, up, 0), TN_ACT_GELU_TANH);
    return r->linear(r, g, down, 0);
}

/* Gemma 2 has one table. Gemma 3's sliding layers have a base of their own, which scaling does not touch. */
static rope_pair rope_tables(const gemma *m, tn_recorder *r) {
    tn_rope_desc full = {.style = TN_ROPE_HALF,
                         .n_dims = m->head_dim,
                         .hf_theta = "rope_theta",
                         .hf_section = m->is_gemma3 ? "full_attention" : NULL,
                         .gguf_theta = ".rope.freq_base",
                         .default_theta = m->is_gemma3 ? 1000000 : 10000};
    tn_rope_desc sliding = {.style = TN_ROPE_HALF,
                            .n_dims = m->head_dim,
                            .hf_theta = "rope_local_base_freq",
                            .hf_section = "sliding_attention",
                            .gguf_theta = ".rope.freq_base_swa",
                            .default_theta = 10000,
                            .flags = TN_ROPE_NO_SCALING};
    rope_pair t;
    t.full = r->rope_table(r, &full);
    t.sliding = m->is_gemma3 ? r->rope_table(r, &sliding) : t.full;
    return t;
}

static tn_value layer(const gemma *m, tn_recorder *r, uint32_t i, const rope_pair *ropes, tn_value x) {
    uint32_t n = m->n_embd;
    tn_value h = norm(m, r, i, x, "layers.%u.input_layernorm.weight", "blk.%u.attn_norm.weight", n);
    h = attention(m, r, i, ropes, h);
    h = norm(m, r, i, h, "layers.%u.post_attention_layernorm.weight", "blk.%u.post_attention_norm.weight", n);
    x = r->add(r, x, h);
    h = norm(m, r, i, x, "layers.%u.pre_feedforward_layernorm.weight", "blk.%u.ffn_norm.weight", n);
    h = feed_forward(m, r, i, h);
    h = norm(m, r, i, h, "layers.%u.post_feedforward_layernorm.weight", "blk.%u.post_ffw_norm.weight", n);
    return r->add(r, x, h);
}

static tn_value layers(const gemma *m, tn_recorder *r, tn_weight embed) {
    rope_pair tables = rope_tables(m, r);
    tn_value x = r->embed(r, embed, sqrtf((float)m->n_embd));
    if (m->tower.n_layer) x = r->media(r, x, 0);
    for (uint32_t i = 0; i < m->n_layer; i++) {
        r->tap(r, x, i);
        x = layer(m, r, i, &tables, x);
    }
    return x;
}

static tn_weight embedding(const gemma *m, tn_recorder *r) {
    return tn_matrix(r, 0, "embed_tokens.weight", "token_embd.weight", TN_ROWS_OF_FILE, m->n_embd);
}

static void gemma_record(void *instance, tn_recorder *r) {
    const gemma *m = instance;
    tn_weight embed = embedding(m, r);
    tn_value x = r->output_rows(r, layers(m, r, embed));
    x = norm(m, r, 0, x, "norm.weight", "output_norm.weight", m->n_embd);
    r->tap(r, x, m->n_layer);
    x = r->linear(r, x, embed, 0);
    r->logits(r, m->logit_softcap > 0 ? r->softcap(r, x, m->logit_softcap) : x);
}

/* EmbeddingGemma (Gemma Team 2025, "EmbeddingGemma", section 2). */
static int32_t gemma_encoder(void *instance, const tn_config *c, tn_encoder_info *ret) {
    const gemma *m = instance;
    (void)c;
    ret->pooling = TN_POOL_MEAN;
    ret->max_tokens = m->n_ctx;
    if (m->is_bidirectional) return TN_ENCODES_ONLY;
    return m->is_gemma3 ? TN_ENCODES_TOO : 0;
}

static void gemma_record_encoder(void *instance, tn_recorder *r) {
    const gemma *m = instance;
    tn_value x = layers(m, r, embedding(m, r));
    r->output(r, norm(m, r, 0, x, "norm.weight", "output_norm.weight", m->n_embd), 0);
}

static const tn_family family = {
    .size = sizeof family,
    .summary = "Gemma 2 and 3, text and images; EmbeddingGemma",
    .probe = gemma_probe,
    .create = gemma_create,
    .describe = gemma_describe,
    .record = gemma_record,
    .destroy = gemma_destroy,
    .vision = gemma_vision,
    .record_vision = gemma_record_vision,
    .encoder = gemma_encoder,
    .record_encoder = gemma_record_encoder,
};

static const void *get_factory(const tn_host *host, const char *factory_id) {
    (void)host;
    return strcmp(factory_id, TN_FAMILY_FACTORY) == 0 ? &family : NULL;
}

TN_MODULE_ENTRY(.id = "gemma", .version = "0.1.0", .licence = "Apache-2.0", .get_factory = get_factory);
