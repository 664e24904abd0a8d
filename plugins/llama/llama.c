/* SPDX-License-Identifier: Apache-2.0 */
/* Llama 2 and 3.x, Mistral: the pre-norm decoder that most others vary.
 *
 *   x = embed(id)
 *   per layer:  h = rms_norm(x)                              Touvron et al. 2023, section 2.2
 *               q, k, v = Wq h, Wk h, Wv h ; q, k = rope(q), rope(k)
 *               x = x + Wo attention(q, k, v)
 *               h = rms_norm(x) ;  x = x + Wdown(silu(Wgate h) * Wup h)
 *   logits = Wout rms_norm(x)
 *
 * GGUF files of this family have the rows of Wq and Wk permuted, so their heads rotate interleaved pairs
 * where Hugging Face checkpoints rotate halves; the results are the same. Mistral differs by its sliding
 * window only. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <tenon/family.h>

typedef struct llama {
    uint32_t n_layer, n_embd, n_head, n_head_kv, head_dim, n_ff, n_ctx;
    uint32_t window; /* tokens, 0: none */
    float norm_eps;
    uint32_t rope_style, rope_dims;
} llama;

static int32_t llama_probe(const tn_config *c) {
    static const char *const hf[] = {"llama", "mistral", NULL}, *const gguf[] = {"llama", NULL};
    for (const char *const *name = c->format == TN_CONFIG_HF ? hf : gguf; *name; name++)
        if (strcmp(c->arch, *name) == 0) return c->has(c, NULL, ".expert_count") ? 0 : 100;
    return 0;
}

static int32_t llama_create(const tn_host *host, const tn_option_value *options, const tn_config *c,
                            void **ret, tn_error *err) {
    (void)host;
    (void)options;
    llama *m = calloc(1, sizeof *m);
    if (!m) return tn_fail(err, TN_ENOMEM, "out of memory");
    m->n_layer = c->u32(c, "num_hidden_layers", ".block_count", TN_REQUIRED_U32, 1024);
    m->n_embd = c->u32(c, "hidden_size", ".embedding_length", TN_REQUIRED_U32, 1 << 20);
    m->n_ff = c->u32(c, "intermediate_size", ".feed_forward_length", TN_REQUIRED_U32, 1 << 22);
    m->n_head = c->u32(c, "num_attention_heads", ".attention.head_count", TN_REQUIRED_U32, 4096);
    m->n_head_kv = c->u32(c, "num_key_value_heads", ".attention.head_count_kv", m->n_head, 4096);
    m->head_dim = c->u32(c, "head_dim", ".attention.key_length", m->n_embd / m->n_head, 1024);
    m->n_ctx = c->u32(c, "max_position_embeddings", ".context_length", 4096, 1u << 30);
    m->norm_eps = c->f32(c, "rms_norm_eps", ".attention.layer_norm_rms_epsilon", 1e-5f);
    m->window = c->u32(c, "sliding_window", ".attention.sliding_window", 0, 1u << 30);
    m->rope_dims = c->u32(c, NULL, ".rope.dimension_count", m->head_dim, 1024);
    m->rope_style = c->format == TN_CONFIG_GGUF ? TN_ROPE_INTERLEAVED : TN_ROPE_HALF;
    const char *act = c->str(c, "hidden_act", NULL, "silu");
    if (strcmp(act, "silu") != 0)
        c->reject(c, TN_ENOTSUP, "hidden_act is \"%s\", this family knows silu only", act);
    *ret = m;
    return 0;
}

static void llama_describe(void *instance, tn_model_info *ret) {
    const llama *m = instance;
    ret->n_layer = m->n_layer;
    ret->n_embd = m->n_embd;
    ret->n_ctx = m->n_ctx;
}

static tn_value attention(const llama *m, tn_recorder *r, uint32_t i, tn_rope table, tn_value h) {
    uint32_t n = m->n_embd, n_q = m->n_head * m->head_dim, n_kv = m->n_head_kv * m->head_dim;
    uint32_t opt = TN_WEIGHT_OPTIONAL;
    tn_weight wq = tn_matrix(r, i, "layers.%u.self_attn.q_proj.weight", "blk.%u.attn_q.weight", n_q, n);
    tn_weight wk = tn_matrix(r, i, "layers.%u.self_attn.k_proj.weight", "blk.%u.attn_k.weight", n_kv, n);
    tn_weight wv = tn_matrix(r, i, "layers.%u.self_attn.v_proj.weight", "blk.%u.attn_v.weight", n_kv, n);
    tn_weight wo = tn_matrix(r, i, "layers.%u.self_attn.o_proj.weight", "blk.%u.attn_output.weight", n, n_q);
    tn_weight bq = tn_vector(r, i, "layers.%u.self_attn.q_proj.bias", "blk.%u.attn_q.bias", n_q, opt);
    tn_weight bk = tn_vector(r, i, "layers.%u.self_attn.k_proj.bias", "blk.%u.attn_k.bias", n_kv, opt);
    tn_weight bv = tn_vector(r, i, "layers.%u.self_attn.v_proj.bias", "blk.%u.attn_v.bias", n_kv, opt);
    tn_weight bo = tn_vector(r, i, "layers.%u.self_attn.o_proj.bias", "blk.%u.attn_output.bias", n, opt);
    tn_attention_desc a = {.layer = i,
                           .n_head = m->n_head,
                           .n_head_kv = m->n_head_kv,
                           .head_dim = m->head_dim,
                           .window = m->window,
                           .scale = 1 / sqrtf((float)m->head_dim)};
    tn_value q = r->rope(r, r->linear(r, h, wq, bq), m->head_dim, table);
    tn_value k = r->rope(r, r->linear(r, h, wk, bk), m->head_dim, table);
    tn_value v = r->linear(r, h, wv, bv);
    return r->linear(r, r->attention(r, q, k, v, &a), wo, bo);
}

static tn_value feed_forward(const llama *m, tn_recorder *r, uint32_t i, tn_value h) {
    uint32_t n = m->n_embd, n_ff = m->n_ff, opt = TN_WEIGHT_OPTIONAL;
    tn_weight gate = tn_matrix(r, i, "layers.%u.mlp.gate_proj.weight", "blk.%u.ffn_gate.weight", n_ff, n);
    tn_weight up = tn_matrix(r, i, "layers.%u.mlp.up_proj.weight", "blk.%u.ffn_up.weight", n_ff, n);
    tn_weight down = tn_matrix(r, i, "layers.%u.mlp.down_proj.weight", "blk.%u.ffn_down.weight", n, n_ff);
    tn_weight bg = tn_vector(r, i, "layers.%u.mlp.gate_proj.bias", "blk.%u.ffn_gate.bias", n_ff, opt);
    tn_weight bu = tn_vector(r, i, "layers.%u.mlp.up_proj.bias", "blk.%u.ffn_up.bias", n_ff, opt);
    tn_weight bd = tn_vector(r, i, "layers.%u.mlp.down_proj.bias", "blk.%u.ffn_down.bias", n, opt);
    tn_value g = r->glu(r, r->linear(r, h, gate, bg), r->linear(r, h, up, bu), TN_ACT_SILU);
    return r->linear(r, g, down, bd);
}

static void llama_record(void *instance, tn_recorder *r) {
    const llama *m = instance;
    uint32_t n = m->n_embd;
    tn_rope_desc rope = {.style = m->rope_style,
                         .n_dims = m->rope_dims,
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
    tn_weight head = r->weight(r, &head_desc, 0); /* absent where it is tied to the embedding */
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
    .summary = "Llama 2 and 3.x, Mistral",
    .probe = llama_probe,
    .create = llama_create,
    .describe = llama_describe,
    .record = llama_record,
    .destroy = free,
};

static const void *get_factory(const tn_host *host, const char *factory_id) {
    (void)host;
    return strcmp(factory_id, TN_FAMILY_FACTORY) == 0 ? &family : NULL;
}

TN_MODULE_ENTRY(.id = "llama", .version = "0.1.0", .licence = "Apache-2.0", .get_factory = get_factory);
