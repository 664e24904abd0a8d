/* SPDX-License-Identifier: Apache-2.0 */
/* Phi-3, Phi-3.5-mini, Phi-4 and Phi-4-mini, text; MODEL.md has their sizes and traps. A pre-norm decoder
 * with grouped heads and fused projections:
 *
 *   x = embed(id)
 *   per layer:  q, k, v = Wqkv rms_norm(x)          rows of Wqkv: all of q, all of k, all of v
 *               x = x + Wo attention(rope(q), rope(k), v)
 *               gate, up = Wgate_up rms_norm(x)     rows: all of gate, all of up
 *               x = x + Wdown(silu(gate) * up)
 *   logits = Wout rms_norm(x)
 *
 * Abdin et al. 2024, section 2; long contexts by LongRoPE (Ding et al. 2024), which the host reads. Models
 * that share the name but not this forward pass have a model_type of their own (phi3small, phimoe, phi4mm).
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <tenon/family.h>

typedef struct phi3 {
    uint32_t n_layer, n_embd, n_head, n_head_kv, head_dim, n_rot, n_ff, n_ctx;
    uint32_t window; /* tokens, 0: all */
    float norm_eps;
} phi3;

/* GGUF files of Phi-4-mini say phi3 as well. */
static int32_t phi3_probe(const tn_config *c) {
    return strcmp(c->arch, "phi3") == 0 ? 100 : 0;
}

/* Tokens that a layer looks back. GGUF files of Phi-3 4k made before their converter wrote the window lack
 * it; the published configuration of all 4k models says 2047. */
static uint32_t read_window(const tn_config *c, uint32_t n_ctx) {
    uint32_t absent = c->format == TN_CONFIG_GGUF && n_ctx == 4096 ? 2047 : 0;
    return c->u32(c, "sliding_window", ".attention.sliding_window", absent, 1u << 30);
}

static void read_sizes(phi3 *m, const tn_config *c) {
    m->n_layer = c->u32(c, "num_hidden_layers", ".block_count", TN_REQUIRED_U32, 1024);
    m->n_embd = c->u32(c, "hidden_size", ".embedding_length", TN_REQUIRED_U32, 1 << 20);
    m->n_ff = c->u32(c, "intermediate_size", ".feed_forward_length", TN_REQUIRED_U32, 1 << 22);
    m->n_head = c->u32(c, "num_attention_heads", ".attention.head_count", TN_REQUIRED_U32, 4096);
    m->n_head_kv = c->u32(c, "num_key_value_heads", ".attention.head_count_kv", m->n_head, 4096);
    m->head_dim = c->u32(c, "head_dim", ".attention.key_length", m->n_embd / m->n_head, 1024);
    m->n_rot = tn_rotary_dims(c, m->head_dim);
    m->n_ctx = c->u32(c, "max_position_embeddings", ".context_length", 4096, 1u << 30);
    m->window = read_window(c, m->n_ctx);
    m->norm_eps = c->f32(c, "rms_norm_eps", ".attention.layer_norm_rms_epsilon", 1e-5f);
}

static int32_t phi3_create(const tn_host *host, const tn_option_value *options, const tn_config *c,
                           void **ret, tn_error *err) {
    (void)options;
    phi3 *m = calloc(1, sizeof *m);
    if (!m) return tn_fail(err, TN_ENOMEM, "out of memory");
    read_sizes(m, c);
    const char *act = c->str(c, "hidden_act", NULL, "silu");
    if (strcmp(act, "silu") != 0)
        c->reject(c, TN_ENOTSUP, "hidden_act is \"%s\", only silu is supported", act);
    tn_host_logf(host, TN_SEVERITY_DEBUG, "%u layers of width %u, %u of %u dimensions turn", m->n_layer,
                 m->n_embd, m->n_rot, m->head_dim);
    *ret = m;
    return 0;
}

static void phi3_describe(void *instance, tn_model_info *ret) {
    const phi3 *m = instance;
    ret->n_layer = m->n_layer;
    ret->n_embd = m->n_embd;
    ret->n_ctx = m->n_ctx;
}

/* Rows first to first + rows of the layer's fused query, key and value projection. */
static tn_weight qkv_rows(const phi3 *m, tn_recorder *r, uint32_t i, uint32_t first, uint32_t rows) {
    tn_weight_desc d = {.hf = "layers.%u.self_attn.qkv_proj.weight",
                        .gguf = "blk.%u.attn_qkv.weight",
                        .rows = rows,
                        .cols = m->n_embd,
                        .first_row = first,
                        .fused_rows = (m->n_head + 2 * m->n_head_kv) * m->head_dim};
    return r->weight(r, &d, i);
}

static tn_value attention(const phi3 *m, tn_recorder *r, uint32_t i, tn_rope table, tn_value h) {
    uint32_t n = m->n_embd, n_q = m->n_head * m->head_dim, n_kv = m->n_head_kv * m->head_dim;
    tn_weight wo = tn_matrix(r, i, "layers.%u.self_attn.o_proj.weight", "blk.%u.attn_output.weight", n, n_q);
    tn_attention_desc a = {.layer = i,
                           .n_head = m->n_head,
                           .n_head_kv = m->n_head_kv,
                           .head_dim = m->head_dim,
                           .window = m->window,
                           .scale = 1 / sqrtf((float)m->head_dim)};
    tn_value q = r->linear(r, h, qkv_rows(m, r, i, 0, n_q), 0);
    tn_value k = r->linear(r, h, qkv_rows(m, r, i, n_q, n_kv), 0);
    tn_value v = r->linear(r, h, qkv_rows(m, r, i, n_q + n_kv, n_kv), 0);
    q = r->rope(r, q, m->head_dim, table);
    k = r->rope(r, k, m->head_dim, table);
    return r->linear(r, r->attention(r, q, k, v, &a), wo, 0);
}

/* Rows of the layer's fused gate and up projection, which GGUF files call ffn_up. */
static tn_weight gate_up_rows(const phi3 *m, tn_recorder *r, uint32_t i, uint32_t first) {
    tn_weight_desc d = {.hf = "layers.%u.mlp.gate_up_proj.weight",
                        .gguf = "blk.%u.ffn_up.weight",
                        .rows = m->n_ff,
                        .cols = m->n_embd,
                        .first_row = first,
                        .fused_rows = 2 * m->n_ff};
    return r->weight(r, &d, i);
}

static tn_value feed_forward(const phi3 *m, tn_recorder *r, uint32_t i, tn_value h) {
    tn_weight down =
        tn_matrix(r, i, "layers.%u.mlp.down_proj.weight", "blk.%u.ffn_down.weight", m->n_embd, m->n_ff);
    tn_value gate = r->linear(r, h, gate_up_rows(m, r, i, 0), 0);
    tn_value up = r->linear(r, h, gate_up_rows(m, r, i, m->n_ff), 0);
    return r->linear(r, r->glu(r, gate, up, TN_ACT_SILU), down, 0);
}

static void phi3_record(void *instance, tn_recorder *r) {
    const phi3 *m = instance;
    uint32_t n = m->n_embd;
    tn_rope_desc rope = {.style = TN_ROPE_HALF,
                         .n_dims = m->n_rot,
                         .hf_theta = "rope_theta",
                         .gguf_theta = ".rope.freq_base",
                         .default_theta = 10000};
    tn_rope table = r->rope_table(r, &rope);
    tn_weight embed = tn_matrix(r, 0, "embed_tokens.weight", "token_embd.weight", TN_ROWS_OF_FILE, n);
    tn_weight_desc head_desc = {.hf = "lm_head.weight",
                                .gguf = "output.weight",
                                .rows = TN_ROWS_OF_FILE,
                                .cols = n,
                                .flags = TN_WEIGHT_OPTIONAL};
    tn_weight head = r->weight(r, &head_desc, 0); /* absent in Phi-4-mini: tied to the embedding */
    tn_value x = r->embed(r, embed, 1);
    for (uint32_t i = 0; i < m->n_layer; i++) {
        tn_weight norm = tn_vector(r, i, "layers.%u.input_layernorm.weight", "blk.%u.attn_norm.weight", n, 0);
        tn_weight post =
            tn_vector(r, i, "layers.%u.post_attention_layernorm.weight", "blk.%u.ffn_norm.weight", n, 0);
        r->tap(r, x, i);
        x = r->add(r, x, attention(m, r, i, table, r->rms_norm(r, x, norm, m->norm_eps)));
        x = r->add(r, x, feed_forward(m, r, i, r->rms_norm(r, x, post, m->norm_eps)));
    }
    tn_weight final_norm = tn_vector(r, 0, "norm.weight", "output_norm.weight", n, 0);
    x = r->rms_norm(r, r->output_rows(r, x), final_norm, m->norm_eps);
    r->tap(r, x, m->n_layer);
    r->logits(r, r->linear(r, x, head ? head : embed, 0));
}

static const tn_family family = {
    .size = sizeof family,
    .summary = "Phi-3, Phi-3.5-mini, Phi-4, Phi-4-mini",
    .probe = phi3_probe,
    .create = phi3_create,
    .describe = phi3_describe,
    .record = phi3_record,
    .destroy = free,
};

static const void *get_factory(const tn_host *host, const char *factory_id) {
    (void)host;
    return strcmp(factory_id, TN_FAMILY_FACTORY) == 0 ? &family : NULL;
}

TN_MODULE_ENTRY(.id = "phi3", .version = "0.1.0", .licence = "Apache-2.0", .get_factory = get_factory);
