/* SPDX-License-Identifier: Apache-2.0 */
/* Qwen2, Qwen2.5 and Qwen3 dense text models, and what is distilled into them (DeepSeek-R1-Distill-Qwen,
 * QwQ).
 *
 * The Llama decoder with two differences: Qwen2 has biases on q, k and v, and Qwen3 instead normalises q and
 * k per head before they are rotated (Yang et al. 2025, section 2). Heads rotate halves in every format.
 * Which of the two it is shows in the tensors that are there. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <tenon/family.h>

typedef struct qwen3 {
    uint32_t n_layer, n_embd, n_head, n_head_kv, head_dim, n_ff, n_ctx;
    uint32_t window;   /* tokens, of the layers that have one */
    uint8_t *windowed; /* [n_layer] */
    float norm_eps;
} qwen3;

static int32_t qwen3_probe(const tn_config *c) {
    static const char *const names[] = {"qwen2", "qwen3", NULL};
    for (const char *const *name = names; *name; name++)
        if (strcmp(c->arch, *name) == 0) return 100;
    return 0;
}

static void qwen3_destroy(void *instance) {
    qwen3 *m = instance;
    if (m) free(m->windowed);
    free(m);
}

/* Layers from max_window_layers on slide when use_sliding_window is set; newer files spell each layer's type.
 */
static int read_windows(qwen3 *m, const tn_config *c) {
    uint32_t first = c->u32(c, "max_window_layers", NULL, m->n_layer, UINT32_MAX - 1);
    int32_t use = c->flag(c, "use_sliding_window", NULL, 0);
    m->window = use ? c->u32(c, "sliding_window", NULL, 0, 1u << 30) : 0;
    m->windowed = calloc(m->n_layer, 1);
    if (!m->windowed) return TN_ENOMEM;
    for (uint32_t i = 0; m->window && i < m->n_layer; i++) {
        const char *type =
            c->str_at(c, "layer_types", NULL, i, i >= first ? "sliding_attention" : "full_attention");
        m->windowed[i] = strcmp(type, "sliding_attention") == 0;
    }
    return 0;
}

static int32_t qwen3_create(const tn_host *host, const tn_option_value *options, const tn_config *c,
                            void **ret, tn_error *err) {
    (void)host;
    (void)options;
    qwen3 *m = calloc(1, sizeof *m);
    if (!m) return tn_fail(err, TN_ENOMEM, "out of memory");
    m->n_layer = c->u32(c, "num_hidden_layers", ".block_count", TN_REQUIRED_U32, 1024);
    m->n_embd = c->u32(c, "hidden_size", ".embedding_length", TN_REQUIRED_U32, 1 << 20);
    m->n_ff = c->u32(c, "intermediate_size", ".feed_forward_length", TN_REQUIRED_U32, 1 << 22);
    m->n_head = c->u32(c, "num_attention_heads", ".attention.head_count", TN_REQUIRED_U32, 4096);
    m->n_head_kv = c->u32(c, "num_key_value_heads", ".attention.head_count_kv", m->n_head, 4096);
    m->head_dim = c->u32(c, "head_dim", ".attention.key_length", m->n_embd / m->n_head, 1024);
    m->n_ctx = c->u32(c, "max_position_embeddings", ".context_length", 32768, 1u << 30);
    m->norm_eps = c->f32(c, "rms_norm_eps", ".attention.layer_norm_rms_epsilon", 1e-6f);
    const char *act = c->str(c, "hidden_act", NULL, "silu");
    if (strcmp(act, "silu") != 0)
        c->reject(c, TN_ENOTSUP, "hidden_act is \"%s\", this family knows silu only", act);
    if (read_windows(m, c) != 0) {
        qwen3_destroy(m);
        return tn_fail(err, TN_ENOMEM, "out of memory");
    }
    *ret = m;
    return 0;
}

static void qwen3_describe(void *instance, tn_model_info *ret) {
    const qwen3 *m = instance;
    ret->n_layer = m->n_layer;
    ret->n_embd = m->n_embd;
    ret->n_ctx = m->n_ctx;
}

static tn_value attention(const qwen3 *m, tn_recorder *r, uint32_t i, tn_rope table, tn_value h) {
    uint32_t n = m->n_embd, n_q = m->n_head * m->head_dim, n_kv = m->n_head_kv * m->head_dim;
    uint32_t opt = TN_WEIGHT_OPTIONAL;
    tn_weight wq = tn_matrix(r, i, "layers.%u.self_attn.q_proj.weight", "blk.%u.attn_q.weight", n_q, n);
    tn_weight wk = tn_matrix(r, i, "layers.%u.self_attn.k_proj.weight", "blk.%u.attn_k.weight", n_kv, n);
    tn_weight wv = tn_matrix(r, i, "layers.%u.self_attn.v_proj.weight", "blk.%u.attn_v.weight", n_kv, n);
    tn_weight wo = tn_matrix(r, i, "layers.%u.self_attn.o_proj.weight", "blk.%u.attn_output.weight", n, n_q);
    tn_weight bq = tn_vector(r, i, "layers.%u.self_attn.q_proj.bias", "blk.%u.attn_q.bias", n_q, opt);
    tn_weight bk = tn_vector(r, i, "layers.%u.self_attn.k_proj.bias", "blk.%u.attn_k.bias", n_kv, opt);
    tn_weight bv = tn_vector(r, i, "layers.%u.self_attn.v_proj.bias", "blk.%u.attn_v.bias", n_kv, opt);
    tn_weight q_norm =
        tn_vector(r, i, "layers.%u.self_attn.q_norm.weight", "blk.%u.attn_q_norm.weight", m->head_dim, opt);
    tn_weight k_norm =
        tn_vector(r, i, "layers.%u.self_attn.k_norm.weight", "blk.%u.attn_k_norm.weight", m->head_dim, opt);
    tn_attention_desc a = {.layer = i,
                           .n_head = m->n_head,
                           .n_head_kv = m->n_head_kv,
                           .head_dim = m->head_dim,
                           .window = m->windowed[i] ? m->window : 0,
                           .scale = 1 / sqrtf((float)m->head_dim)};
    tn_value q = r->linear(r, h, wq, bq), k = r->linear(r, h, wk, bk), v = r->linear(r, h, wv, bv);
    if (q_norm) q = r->rms_norm(r, q, q_norm, m->norm_eps);
    if (k_norm) k = r->rms_norm(r, k, k_norm, m->norm_eps);
    q = r->rope(r, q, m->head_dim, table);
    k = r->rope(r, k, m->head_dim, table);
    return r->linear(r, r->attention(r, q, k, v, &a), wo, 0);
}

static tn_value feed_forward(const qwen3 *m, tn_recorder *r, uint32_t i, tn_value h) {
    uint32_t n = m->n_embd, n_ff = m->n_ff;
    tn_weight gate = tn_matrix(r, i, "layers.%u.mlp.gate_proj.weight", "blk.%u.ffn_gate.weight", n_ff, n);
    tn_weight up = tn_matrix(r, i, "layers.%u.mlp.up_proj.weight", "blk.%u.ffn_up.weight", n_ff, n);
    tn_weight down = tn_matrix(r, i, "layers.%u.mlp.down_proj.weight", "blk.%u.ffn_down.weight", n, n_ff);
    tn_value g = r->glu(r, r->linear(r, h, gate, 0), r->linear(r, h, up, 0), TN_ACT_SILU);
    return r->linear(r, g, down, 0);
}

static tn_value layers(const qwen3 *m, tn_recorder *r, tn_weight embed) {
    uint32_t n = m->n_embd;
    tn_rope_desc rope = {.style = TN_ROPE_HALF,
                         .n_dims = m->head_dim,
                         .hf_theta = "rope_theta",
                         .gguf_theta = ".rope.freq_base",
                         .default_theta = 10000};
    tn_rope table = r->rope_table(r, &rope);
    tn_value x = r->embed(r, embed, 1);
    for (uint32_t i = 0; i < m->n_layer; i++) {
        tn_weight norm = tn_vector(r, i, "layers.%u.input_layernorm.weight", "blk.%u.attn_norm.weight", n, 0);
        tn_weight post =
            tn_vector(r, i, "layers.%u.post_attention_layernorm.weight", "blk.%u.ffn_norm.weight", n, 0);
        r->tap(r, x, i);
        x = r->add(r, x, attention(m, r, i, table, r->rms_norm(r, x, norm, m->norm_eps)));
        x = r->add(r, x, feed_forward(m, r, i, r->rms_norm(r, x, post, m->norm_eps)));
    }
    return x;
}

static tn_weight embedding(const qwen3 *m, tn_recorder *r) {
    return tn_matrix(r, 0, "embed_tokens.weight", "token_embd.weight", TN_ROWS_OF_FILE, m->n_embd);
}
static tn_value final_norm(const qwen3 *m, tn_recorder *r, tn_value x) {
    tn_weight w = tn_vector(r, 0, "norm.weight", "output_norm.weight", m->n_embd, 0);
    return r->rms_norm(r, x, w, m->norm_eps);
}

static void qwen3_record(void *instance, tn_recorder *r) {
    const qwen3 *m = instance;
    tn_weight embed = embedding(m, r);
    tn_weight_desc head_desc = {.hf = "lm_head.weight",
                                .gguf = "output.weight",
                                .rows = TN_ROWS_OF_FILE,
                                .cols = m->n_embd,
                                .flags = TN_WEIGHT_OPTIONAL};
    tn_weight head = r->weight(r, &head_desc, 0); /* absent where it is tied to the embedding */
    tn_value x = final_norm(m, r, r->output_rows(r, layers(m, r, embed)));
    r->tap(r, x, m->n_layer);
    r->logits(r, r->linear(r, x, head ? head : embed, 0));
}

/* Qwen3-Embedding (Zhang et al. 2025, "Qwen3 Embedding", section 2): the last token's row after the norm. */
static int32_t qwen3_encoder(void *instance, const tn_config *c, tn_encoder_info *ret) {
    const qwen3 *m = instance;
    (void)c;
    ret->pooling = TN_POOL_LAST;
    ret->max_tokens = m->n_ctx;
    return TN_ENCODES_TOO;
}

static void qwen3_record_encoder(void *instance, tn_recorder *r) {
    const qwen3 *m = instance;
    r->output(r, final_norm(m, r, layers(m, r, embedding(m, r))), 0);
}

static const tn_family family = {
    .size = sizeof family,
    .summary = "Qwen2, Qwen2.5 and Qwen3, dense; Qwen3-Embedding",
    .chat = {.reasoning_open = "<think>", .reasoning_close = "</think>"},
    .probe = qwen3_probe,
    .create = qwen3_create,
    .describe = qwen3_describe,
    .record = qwen3_record,
    .destroy = qwen3_destroy,
    .encoder = qwen3_encoder,
    .record_encoder = qwen3_record_encoder,
};

static const void *get_factory(const tn_host *host, const char *factory_id) {
    (void)host;
    return strcmp(factory_id, TN_FAMILY_FACTORY) == 0 ? &family : NULL;
}

TN_MODULE_ENTRY(.id = "qwen3", .version = "0.1.0", .licence = "Apache-2.0", .get_factory = get_factory);
