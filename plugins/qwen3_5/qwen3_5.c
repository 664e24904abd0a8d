/* SPDX-License-Identifier: Apache-2.0 */
/* Qwen3.5 dense models, text; MODEL.md has their traps. Three layers of four are gated delta nets (Yang et
 * al. 2024, "Gated Delta Networks"), every fourth is attention with a gate (Qiu et al. 2025, "Gated Attention
 * for Large Language Models"):
 *
 *   x = embed(id)
 *   per layer:  x = x + mix(norm_in(x))
 *               x = x + Wdown(silu(Wgate h) * Wup h)          with h = norm_post(x)
 *   logits = Wout norm(x)
 *
 *   attention:  q, gate = Wq h    alternating by head
 *               mix = Wo(sigmoid(gate) * attention(rope(norm(q)), rope(norm(Wk h)), Wv h))
 *   delta net:  mix = Wo(silu(Wz h) * norm(delta_rule(silu(conv(Wqkv h)), Wa h, Wb h)))
 *
 * Norms are stored minus one, except the delta net's, and except in GGUF files and those made for MLX. The
 * positions of text are the same in all three sections of its rope, which is then an ordinary one. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <tenon/family.h>

typedef struct qwen3_5 {
    uint32_t n_layer, n_embd, n_head, n_head_kv, head_dim, n_rot, n_ff, n_ctx;
    uint32_t kernel;      /* of the convolution */
    tn_delta_desc delta;  /* without its layer */
    uint8_t *is_delta;    /* [n_layer] */
    uint32_t norm_flags;  /* how norms are stored */
    int32_t conv_is_flat; /* its weight's last axis is 1 */
    float norm_eps;
} qwen3_5;

/* Of the multimodal checkpoints this is the language model. */
static int32_t qwen3_5_probe(const tn_config *c) {
    static const char *const names[] = {"qwen3_5_text", "qwen3_5", "qwen35", NULL};
    for (const char *const *name = names; *name; name++)
        if (strcmp(c->arch, *name) == 0) return 100;
    return 0;
}

static void qwen3_5_destroy(void *instance) {
    qwen3_5 *m = instance;
    if (m) free(m->is_delta);
    free(m);
}

/* GGUF counts the blocks that predict further tokens, which stand behind the model's own. */
static uint32_t read_layers(const tn_config *c) {
    uint32_t n = c->u32(c, "num_hidden_layers", ".block_count", TN_REQUIRED_U32, 1024);
    uint32_t extra = c->u32(c, NULL, ".nextn_predict_layers", 0, 1024);
    if (extra < n) return n - extra;
    c->reject(c, TN_EFORMAT, "nextn_predict_layers is %u of %u blocks", extra, n);
    return n;
}

/* Every full_attention_interval-th layer is attention, unless each layer's type is given. */
static int read_types(qwen3_5 *m, const tn_config *c) {
    uint32_t every = c->u32(c, "full_attention_interval", ".full_attention_interval", 4, 1024);
    m->is_delta = calloc(m->n_layer, 1);
    if (!m->is_delta) return TN_ENOMEM;
    for (uint32_t i = 0; i < m->n_layer; i++) {
        int by_place = every == 0 || (i + 1) % every != 0;
        const char *type =
            c->str_at(c, "layer_types", NULL, i, by_place ? "linear_attention" : "full_attention");
        m->is_delta[i] = strcmp(type, "linear_attention") == 0;
        if (!m->is_delta[i] && strcmp(type, "full_attention") != 0)
            c->reject(c, TN_ENOTSUP, "layer_types: \"%s\" is not supported", type);
        if (c->format == TN_CONFIG_GGUF)
            m->is_delta[i] =
                (uint8_t)c->u32_at(c, NULL, ".attention.recurrent_layers", i, (uint32_t)by_place, 1);
    }
    return 0;
}

/* The first layer of a kind; 0 where there is none. */
static uint32_t first_of(const qwen3_5 *m, int is_delta) {
    for (uint32_t i = 0; i < m->n_layer; i++)
        if (m->is_delta[i] == is_delta) return i;
    return 0;
}

static void read_attention(qwen3_5 *m, const tn_config *c) {
    int32_t has_part = c->has(c, "partial_rotary_factor", ".rope.dimension_count") ||
                       c->has(c, "rope_parameters.partial_rotary_factor", NULL);
    m->n_head = c->u32(c, "num_attention_heads", ".attention.head_count", TN_REQUIRED_U32, 4096);
    m->n_head_kv = c->u32_at(c, "num_key_value_heads", ".attention.head_count_kv", first_of(m, 0),
                             TN_REQUIRED_U32, 4096);
    m->head_dim = c->u32(c, "head_dim", ".attention.key_length", 256, 1024);
    m->n_rot = has_part ? tn_rotary_dims(c, m->head_dim) : m->head_dim / 4;
    if (!c->flag(c, "attn_output_gate", NULL, 1) || c->flag(c, "attention_bias", NULL, 0))
        c->reject(c, TN_ENOTSUP, "attention without an output gate, or with biases, is not supported");
}

/* Files made for MLX have turned the convolution's last two axes, and added 1 to the norms. */
static void read_layout(qwen3_5 *m, const tn_config *c) {
    char name[80];
    snprintf(name, sizeof name, "layers.%u.linear_attn.conv1d.weight", first_of(m, 1));
    m->conv_is_flat = c->format == TN_CONFIG_HF && c->tensor_dim(c, name, NULL, 2) == 1;
    m->norm_flags = m->conv_is_flat ? 0 : TN_WEIGHT_ADD_ONE_HF;
}

static void read_delta(qwen3_5 *m, const tn_config *c) {
    tn_delta_desc *d = &m->delta;
    m->kernel = c->u32(c, "linear_conv_kernel_dim", ".ssm.conv_kernel", TN_REQUIRED_U32, 64);
    d->n_head_k = c->u32(c, "linear_num_key_heads", ".ssm.group_count", TN_REQUIRED_U32, 1024);
    d->n_head = c->u32(c, "linear_num_value_heads", ".ssm.time_step_rank", TN_REQUIRED_U32, 1024);
    d->head_dim_k = c->u32(c, "linear_key_head_dim", ".ssm.state_size", TN_REQUIRED_U32, 1024);
    if (c->format == TN_CONFIG_GGUF)
        d->head_dim_v = c->u32(c, NULL, ".ssm.inner_size", TN_REQUIRED_U32, 1 << 20) / d->n_head;
    else
        d->head_dim_v = c->u32(c, "linear_value_head_dim", NULL, TN_REQUIRED_U32, 1024);
    d->order = c->format == TN_CONFIG_GGUF ? TN_HEADS_TILED : TN_HEADS_GROUPED;
    d->scale = 1 / sqrtf((float)d->head_dim_k);
    d->eps = 1e-6f; /* of the definition; norm_eps has no part in it */
}

static int32_t qwen3_5_create(const tn_host *host, const tn_option_value *options, const tn_config *c,
                              void **ret, tn_error *err) {
    (void)options;
    qwen3_5 *m = calloc(1, sizeof *m);
    if (!m) return tn_fail(err, TN_ENOMEM, "out of memory");
    m->n_layer = read_layers(c);
    if (read_types(m, c) != 0) {
        qwen3_5_destroy(m);
        return tn_fail(err, TN_ENOMEM, "out of memory");
    }
    m->n_embd = c->u32(c, "hidden_size", ".embedding_length", TN_REQUIRED_U32, 1 << 20);
    m->n_ff = c->u32(c, "intermediate_size", ".feed_forward_length", TN_REQUIRED_U32, 1 << 22);
    m->n_ctx = c->u32(c, "max_position_embeddings", ".context_length", 262144, 1u << 30);
    m->norm_eps = c->f32(c, "rms_norm_eps", ".attention.layer_norm_rms_epsilon", 1e-6f);
    read_attention(m, c);
    read_delta(m, c);
    read_layout(m, c);
    const char *act = c->str(c, "hidden_act", NULL, "silu");
    if (strcmp(act, "silu") != 0)
        c->reject(c, TN_ENOTSUP, "hidden_act is \"%s\", only silu is supported", act);
    tn_host_logf(host, TN_SEVERITY_DEBUG, "%u layers of width %u, norms stored %s", m->n_layer, m->n_embd,
                 m->norm_flags && c->format == TN_CONFIG_HF ? "minus one" : "as they are");
    *ret = m;
    return 0;
}

static void qwen3_5_describe(void *instance, tn_model_info *ret) {
    const qwen3_5 *m = instance;
    ret->n_layer = m->n_layer;
    ret->n_embd = m->n_embd;
    ret->n_ctx = m->n_ctx;
}

static tn_value norm(const qwen3_5 *m, tn_recorder *r, uint32_t i, tn_value x, const char *hf,
                     const char *gguf, uint32_t n) {
    return r->rms_norm(r, x, tn_vector(r, i, hf, gguf, n, m->norm_flags), m->norm_eps);
}

static tn_value attention(const qwen3_5 *m, tn_recorder *r, uint32_t i, tn_rope table, tn_value h) {
    uint32_t n = m->n_embd, dim = m->head_dim, n_q = m->n_head * dim, n_kv = m->n_head_kv * dim;
    tn_weight wq = tn_matrix(r, i, "layers.%u.self_attn.q_proj.weight", "blk.%u.attn_q.weight", 2 * n_q, n);
    tn_weight wk = tn_matrix(r, i, "layers.%u.self_attn.k_proj.weight", "blk.%u.attn_k.weight", n_kv, n);
    tn_weight wv = tn_matrix(r, i, "layers.%u.self_attn.v_proj.weight", "blk.%u.attn_v.weight", n_kv, n);
    tn_weight wo = tn_matrix(r, i, "layers.%u.self_attn.o_proj.weight", "blk.%u.attn_output.weight", n, n_q);
    tn_attention_desc a = {.layer = i,
                           .n_head = m->n_head,
                           .n_head_kv = m->n_head_kv,
                           .head_dim = dim,
                           .scale = 1 / sqrtf((float)dim)};
    tn_value both = r->linear(r, h, wq, 0), k = r->linear(r, h, wk, 0), v = r->linear(r, h, wv, 0);
    tn_value q = r->slice(r, both, 2 * dim, 0, dim), gate = r->slice(r, both, 2 * dim, dim, dim);
    q = norm(m, r, i, q, "layers.%u.self_attn.q_norm.weight", "blk.%u.attn_q_norm.weight", dim);
    k = norm(m, r, i, k, "layers.%u.self_attn.k_norm.weight", "blk.%u.attn_k_norm.weight", dim);
    q = r->rope(r, q, dim, table);
    k = r->rope(r, k, dim, table);
    tn_value y = r->glu(r, gate, r->attention(r, q, k, v, &a), TN_ACT_SIGMOID);
    return r->linear(r, y, wo, 0);
}

/* q, k and v of all heads, through the convolution. */
static tn_value mixed_qkv(const qwen3_5 *m, tn_recorder *r, uint32_t i, tn_value h) {
    const tn_delta_desc *d = &m->delta;
    uint32_t cols = 2 * d->n_head_k * d->head_dim_k + d->n_head * d->head_dim_v;
    tn_weight w = tn_matrix(r, i, "layers.%u.linear_attn.in_proj_qkv.weight", "blk.%u.attn_qkv.weight", cols,
                            m->n_embd);
    tn_weight conv = tn_matrix(r, i, "layers.%u.linear_attn.conv1d.weight", "blk.%u.ssm_conv1d.weight",
                               m->conv_is_flat ? cols * m->kernel : cols, m->conv_is_flat ? 1 : m->kernel);
    tn_conv_desc c = {.layer = i, .kernel = m->kernel, .activation = TN_ACT_SILU};
    return r->conv(r, r->linear(r, h, w, 0), conv, 0, &c);
}

static tn_value delta_net(const qwen3_5 *m, tn_recorder *r, uint32_t i, tn_value h) {
    tn_delta_desc d = m->delta;
    uint32_t n = m->n_embd, n_v = d.n_head * d.head_dim_v;
    tn_weight wz =
        tn_matrix(r, i, "layers.%u.linear_attn.in_proj_z.weight", "blk.%u.attn_gate.weight", n_v, n);
    tn_weight wa =
        tn_matrix(r, i, "layers.%u.linear_attn.in_proj_a.weight", "blk.%u.ssm_alpha.weight", d.n_head, n);
    tn_weight wb =
        tn_matrix(r, i, "layers.%u.linear_attn.in_proj_b.weight", "blk.%u.ssm_beta.weight", d.n_head, n);
    tn_weight wo = tn_matrix(r, i, "layers.%u.linear_attn.out_proj.weight", "blk.%u.ssm_out.weight", n, n_v);
    tn_weight rate =
        tn_vector(r, i, "layers.%u.linear_attn.A_log", "blk.%u.ssm_a", d.n_head, TN_WEIGHT_NEG_EXP_HF);
    tn_weight dt = tn_vector(r, i, "layers.%u.linear_attn.dt_bias", "blk.%u.ssm_dt.bias", d.n_head, 0);
    tn_weight head_norm =
        tn_vector(r, i, "layers.%u.linear_attn.norm.weight", "blk.%u.ssm_norm.weight", d.head_dim_v, 0);
    tn_value z = r->linear(r, h, wz, 0), a = r->linear(r, h, wa, 0), b = r->linear(r, h, wb, 0);
    d.layer = i;
    tn_value y = r->delta_rule(r, mixed_qkv(m, r, i, h), a, b, rate, dt, &d);
    y = r->glu(r, z, r->rms_norm(r, y, head_norm, m->norm_eps), TN_ACT_SILU);
    return r->linear(r, y, wo, 0);
}

static tn_value feed_forward(const qwen3_5 *m, tn_recorder *r, uint32_t i, tn_value h) {
    uint32_t n = m->n_embd, n_ff = m->n_ff;
    tn_weight gate = tn_matrix(r, i, "layers.%u.mlp.gate_proj.weight", "blk.%u.ffn_gate.weight", n_ff, n);
    tn_weight up = tn_matrix(r, i, "layers.%u.mlp.up_proj.weight", "blk.%u.ffn_up.weight", n_ff, n);
    tn_weight down = tn_matrix(r, i, "layers.%u.mlp.down_proj.weight", "blk.%u.ffn_down.weight", n, n_ff);
    tn_value g = r->glu(r, r->linear(r, h, gate, 0), r->linear(r, h, up, 0), TN_ACT_SILU);
    return r->linear(r, g, down, 0);
}

static tn_value layer(const qwen3_5 *m, tn_recorder *r, uint32_t i, tn_rope table, tn_value x) {
    uint32_t n = m->n_embd;
    tn_value h = norm(m, r, i, x, "layers.%u.input_layernorm.weight", "blk.%u.attn_norm.weight", n);
    x = r->add(r, x, m->is_delta[i] ? delta_net(m, r, i, h) : attention(m, r, i, table, h));
    h = norm(m, r, i, x, "layers.%u.post_attention_layernorm.weight", "blk.%u.post_attention_norm.weight", n);
    return r->add(r, x, feed_forward(m, r, i, h));
}

static void qwen3_5_record(void *instance, tn_recorder *r) {
    const qwen3_5 *m = instance;
    uint32_t n = m->n_embd;
    tn_rope_desc rope = {.style = TN_ROPE_HALF,
                         .n_dims = m->n_rot,
                         .hf_theta = "rope_theta",
                         .gguf_theta = ".rope.freq_base",
                         .default_theta = 10000000};
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
        r->tap(r, x, i);
        x = layer(m, r, i, table, x);
    }
    x = norm(m, r, 0, r->output_rows(r, x), "norm.weight", "output_norm.weight", n);
    r->tap(r, x, m->n_layer);
    r->logits(r, r->linear(r, x, head ? head : embed, 0));
}

static const tn_family family = {
    .size = sizeof family,
    .summary = "Qwen3.5, dense, text",
    .chat = {.reasoning_open = "<think>", .reasoning_close = "</think>"},
    .probe = qwen3_5_probe,
    .create = qwen3_5_create,
    .describe = qwen3_5_describe,
    .record = qwen3_5_record,
    .destroy = qwen3_5_destroy,
};

static const void *get_factory(const tn_host *host, const char *factory_id) {
    (void)host;
    return strcmp(factory_id, TN_FAMILY_FACTORY) == 0 ? &family : NULL;
}

TN_MODULE_ENTRY(.id = "qwen3_5", .version = "0.1.0", .licence = "Apache-2.0", .get_factory = get_factory);
