/* SPDX-License-Identifier: Apache-2.0 */
/* A family module to copy: the smallest pre-norm decoder, for checkpoints whose model_type (or GGUF
 * architecture) is "template". doc/families.md walks through making it yours; the numbered comments are its
 * steps.
 *
 *   x = embed(id)
 *   per layer:  h = rms_norm(x) ;  x = x + Wo attention(rope(Wq h), rope(Wk h), Wv h)
 *               h = rms_norm(x) ;  x = x + Wdown(silu(Wgate h) * Wup h)
 *   logits = Wout rms_norm(x)
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <tenon/family.h>

/* 1. What the forward pass needs to know. Fixed after create(). */
typedef struct decoder {
    uint32_t n_layer, n_embd, n_head, n_head_kv, head_dim, n_ff, n_ctx;
    float norm_eps;
} decoder;

/* 2. Which checkpoints are yours. 100: made for them; less: could serve them; 0: not yours. */
static int32_t decoder_probe(const tn_config *c) {
    return strcmp(c->arch, "template") == 0 ? 100 : 0;
}

/* 3. Hyper-parameters, in both spellings, each with its largest sensible value. A failed look-up is reported
 * by the host after this returns, so that nothing need be checked here; reject() is for what you read but do
 * not support. */
static int32_t decoder_create(const tn_host *host, const tn_option_value *options, const tn_config *c,
                              void **ret, tn_error *err) {
    (void)options;
    decoder *m = calloc(1, sizeof *m);
    if (!m) return tn_fail(err, TN_ENOMEM, "out of memory");
    m->n_layer = c->u32(c, "num_hidden_layers", ".block_count", TN_REQUIRED_U32, 1024);
    m->n_embd = c->u32(c, "hidden_size", ".embedding_length", TN_REQUIRED_U32, 1 << 20);
    m->n_ff = c->u32(c, "intermediate_size", ".feed_forward_length", TN_REQUIRED_U32, 1 << 22);
    m->n_head = c->u32(c, "num_attention_heads", ".attention.head_count", TN_REQUIRED_U32, 4096);
    m->n_head_kv = c->u32(c, "num_key_value_heads", ".attention.head_count_kv", m->n_head, 4096);
    m->head_dim = c->u32(c, "head_dim", ".attention.key_length", m->n_embd / m->n_head, 1024);
    m->n_ctx = c->u32(c, "max_position_embeddings", ".context_length", 4096, 1u << 30);
    m->norm_eps = c->f32(c, "rms_norm_eps", ".attention.layer_norm_rms_epsilon", 1e-5f);
    const char *act = c->str(c, "hidden_act", NULL, "silu");
    if (strcmp(act, "silu") != 0)
        c->reject(c, TN_ENOTSUP, "hidden_act is \"%s\", only silu is supported", act);
    tn_host_logf(host, TN_SEVERITY_DEBUG, "%u layers of width %u", m->n_layer, m->n_embd);
    *ret = m;
    return 0;
}

/* 4. Facts that the host needs. */
static void decoder_describe(void *instance, tn_model_info *ret) {
    const decoder *m = instance;
    ret->n_layer = m->n_layer;
    ret->n_embd = m->n_embd;
    ret->n_ctx = m->n_ctx;
}

/* 5. The forward pass, recorded once. Weights are named where they are used, in both spellings. */
static tn_value attention(const decoder *m, tn_recorder *r, uint32_t i, tn_rope table, tn_value h) {
    uint32_t n = m->n_embd, n_q = m->n_head * m->head_dim, n_kv = m->n_head_kv * m->head_dim;
    tn_weight wq = tn_matrix(r, i, "layers.%u.self_attn.q_proj.weight", "blk.%u.attn_q.weight", n_q, n);
    tn_weight wk = tn_matrix(r, i, "layers.%u.self_attn.k_proj.weight", "blk.%u.attn_k.weight", n_kv, n);
    tn_weight wv = tn_matrix(r, i, "layers.%u.self_attn.v_proj.weight", "blk.%u.attn_v.weight", n_kv, n);
    tn_weight wo = tn_matrix(r, i, "layers.%u.self_attn.o_proj.weight", "blk.%u.attn_output.weight", n, n_q);
    tn_attention_desc a = {.layer = i,
                           .n_head = m->n_head,
                           .n_head_kv = m->n_head_kv,
                           .head_dim = m->head_dim,
                           .scale = 1 / sqrtf((float)m->head_dim)};
    tn_value q = r->rope(r, r->linear(r, h, wq, 0), m->head_dim, table);
    tn_value k = r->rope(r, r->linear(r, h, wk, 0), m->head_dim, table);
    tn_value v = r->linear(r, h, wv, 0);
    return r->linear(r, r->attention(r, q, k, v, &a), wo, 0);
}

static tn_value feed_forward(const decoder *m, tn_recorder *r, uint32_t i, tn_value h) {
    uint32_t n = m->n_embd, n_ff = m->n_ff;
    tn_weight gate = tn_matrix(r, i, "layers.%u.mlp.gate_proj.weight", "blk.%u.ffn_gate.weight", n_ff, n);
    tn_weight up = tn_matrix(r, i, "layers.%u.mlp.up_proj.weight", "blk.%u.ffn_up.weight", n_ff, n);
    tn_weight down = tn_matrix(r, i, "layers.%u.mlp.down_proj.weight", "blk.%u.ffn_down.weight", n, n_ff);
    return r->linear(r, r->glu(r, r->linear(r, h, gate, 0), r->linear(r, h, up, 0), TN_ACT_SILU), down, 0);
}

static void decoder_record(void *instance, tn_recorder *r) {
    const decoder *m = instance;
    uint32_t n = m->n_embd;
    tn_rope_desc rope = {.style = TN_ROPE_HALF,
                         .n_dims = m->head_dim,
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
        r->tap(r, x, i); /* lets people compare your layers with a reference, one by one */
        x = r->add(r, x, attention(m, r, i, table, r->rms_norm(r, x, norm, m->norm_eps)));
        x = r->add(r, x, feed_forward(m, r, i, r->rms_norm(r, x, post, m->norm_eps)));
    }
    tn_weight final_norm = tn_vector(r, 0, "norm.weight", "output_norm.weight", n, 0);
    x = r->rms_norm(r, r->output_rows(r, x), final_norm, m->norm_eps);
    r->tap(r, x, m->n_layer);
    r->logits(r, r->linear(r, x, head ? head : embed, 0));
}

/* 6. The factory, and the one symbol that the file exports. */
static const tn_family family = {
    .size = sizeof family,
    .summary = "a plain decoder, to copy from",
    .probe = decoder_probe,
    .create = decoder_create,
    .describe = decoder_describe,
    .record = decoder_record,
    .destroy = free,
};

static const void *get_factory(const tn_host *host, const char *factory_id) {
    (void)host;
    return strcmp(factory_id, TN_FAMILY_FACTORY) == 0 ? &family : NULL;
}

TN_MODULE_ENTRY(.id = "template", .version = "0.1.0", .licence = "Apache-2.0", .get_factory = get_factory);
