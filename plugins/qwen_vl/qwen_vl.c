/* SPDX-License-Identifier: Apache-2.0 */
/* Qwen2-VL, Qwen2.5-VL and Qwen3-VL, dense: the text of Qwen2 or Qwen3, whose rotary tables turn by time, y
 * and x where rows are those of images (Wang et al. 2024, "Qwen2-VL", section 2.1, "M-RoPE"), and into whose
 * first layers Qwen3-VL adds further rows of the tower (Meng et al. 2024, "DeepStack"). */
#include "qwen_vl.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* GGUF files have one architecture for the texts of Qwen2-VL and Qwen2.5-VL, which are alike; which it is
 * says the file of the tower. */
static int kind_of(const char *arch, qwen_vl_kind *ret) {
    static const struct {
        const char *name;
        qwen_vl_kind kind;
    } known[] = {{"qwen2_vl", QWEN2_VL},
                 {"qwen2_5_vl", QWEN2_5_VL},
                 {"qwen3_vl", QWEN3_VL},
                 {"qwen2vl", QWEN2_5_VL},
                 {"qwen3vl", QWEN3_VL}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(arch, known[i].name) == 0) {
            *ret = known[i].kind;
            return 1;
        }
    return 0;
}

static int32_t qwen_vl_probe(const tn_config *c) {
    qwen_vl_kind kind;
    return kind_of(c->arch, &kind) ? 100 : 0;
}

static void qwen_vl_destroy(void *instance) {
    free(instance);
}

static int32_t qwen_vl_create(const tn_host *host, const tn_option_value *options, const tn_config *c,
                              void **ret, tn_error *err) {
    (void)host;
    (void)options;
    qwen_vl *m = calloc(1, sizeof *m);
    if (!m) return tn_fail(err, TN_ENOMEM, "out of memory");
    if (!kind_of(c->arch, &m->kind)) m->kind = QWEN3_VL; /* pinned */
    m->n_layer = c->u32(c, "num_hidden_layers", ".block_count", TN_REQUIRED_U32, 1024);
    m->n_embd = c->u32(c, "hidden_size", ".embedding_length", TN_REQUIRED_U32, 1 << 20);
    m->n_ff = c->u32(c, "intermediate_size", ".feed_forward_length", TN_REQUIRED_U32, 1 << 22);
    m->n_head = c->u32(c, "num_attention_heads", ".attention.head_count", TN_REQUIRED_U32, 4096);
    m->n_head_kv = c->u32(c, "num_key_value_heads", ".attention.head_count_kv", m->n_head, 4096);
    m->head_dim = c->u32(c, "head_dim", ".attention.key_length", m->n_embd / m->n_head, 1024);
    m->n_ctx = c->u32(c, "max_position_embeddings", ".context_length", 32768, 1u << 30);
    m->norm_eps = c->f32(c, "rms_norm_eps", ".attention.layer_norm_rms_epsilon", 1e-6f);
    for (uint32_t i = 0; i < 3; i++) {
        uint32_t n = c->u32_at(c, "rope_scaling.mrope_section", ".rope.dimension_sections", i, 0, 1 << 16);
        m->section[i] = c->u32_at(c, "rope_parameters.mrope_section", NULL, i, n, 1 << 16);
    }
    if (m->section[0] + m->section[1] + m->section[2] == 0)
        c->reject(c, TN_EFORMAT, "%s is missing",
                  c->format == TN_CONFIG_HF ? "rope_scaling.mrope_section" : "rope.dimension_sections");
    if (c->flag(c, "use_sliding_window", NULL, 0))
        c->reject(c, TN_ENOTSUP, "use_sliding_window is set, this family has full attention only");
    const char *act = c->str(c, "hidden_act", NULL, "silu");
    if (strcmp(act, "silu") != 0)
        c->reject(c, TN_ENOTSUP, "hidden_act is \"%s\", this family knows silu only", act);
    qwen_vl_read_tower(m, c);
    *ret = m;
    return 0;
}

static void qwen_vl_describe(void *instance, tn_model_info *ret) {
    const qwen_vl *m = instance;
    ret->n_layer = m->n_layer;
    ret->n_embd = m->n_embd;
    ret->n_ctx = m->n_ctx;
}

/* Queries, keys and values: 0, 1, 2. */
static tn_value project(const qwen_vl *m, tn_recorder *r, uint32_t i, tn_value h, int what) {
    static const char *const hf[3][2] = {
        {"layers.%u.self_attn.q_proj.weight", "layers.%u.self_attn.q_proj.bias"},
        {"layers.%u.self_attn.k_proj.weight", "layers.%u.self_attn.k_proj.bias"},
        {"layers.%u.self_attn.v_proj.weight", "layers.%u.self_attn.v_proj.bias"}};
    static const char *const gguf[3][2] = {{"blk.%u.attn_q.weight", "blk.%u.attn_q.bias"},
                                           {"blk.%u.attn_k.weight", "blk.%u.attn_k.bias"},
                                           {"blk.%u.attn_v.weight", "blk.%u.attn_v.bias"}};
    uint32_t rows = (what ? m->n_head_kv : m->n_head) * m->head_dim;
    return r->linear(r, h, tn_matrix(r, i, hf[what][0], gguf[what][0], rows, m->n_embd),
                     tn_vector(r, i, hf[what][1], gguf[what][1], rows, TN_WEIGHT_OPTIONAL));
}

static tn_value attention(const qwen_vl *m, tn_recorder *r, uint32_t i, tn_rope table, tn_value h) {
    uint32_t n_q = m->n_head * m->head_dim, opt = TN_WEIGHT_OPTIONAL;
    tn_attention_desc a = {.layer = i,
                           .n_head = m->n_head,
                           .n_head_kv = m->n_head_kv,
                           .head_dim = m->head_dim,
                           .scale = 1 / sqrtf((float)m->head_dim)};
    tn_value q = project(m, r, i, h, 0), k = project(m, r, i, h, 1), v = project(m, r, i, h, 2);
    tn_weight q_norm =
        tn_vector(r, i, "layers.%u.self_attn.q_norm.weight", "blk.%u.attn_q_norm.weight", m->head_dim, opt);
    tn_weight k_norm =
        tn_vector(r, i, "layers.%u.self_attn.k_norm.weight", "blk.%u.attn_k_norm.weight", m->head_dim, opt);
    if (q_norm) q = r->rms_norm(r, q, q_norm, m->norm_eps);
    if (k_norm) k = r->rms_norm(r, k, k_norm, m->norm_eps);
    q = r->rope(r, q, m->head_dim, table);
    k = r->rope(r, k, m->head_dim, table);
    tn_weight wo =
        tn_matrix(r, i, "layers.%u.self_attn.o_proj.weight", "blk.%u.attn_output.weight", m->n_embd, n_q);
    return r->linear(r, r->attention(r, q, k, v, &a), wo, 0);
}

static tn_value feed_forward(const qwen_vl *m, tn_recorder *r, uint32_t i, tn_value h) {
    uint32_t n = m->n_embd, n_ff = m->n_ff;
    tn_weight gate = tn_matrix(r, i, "layers.%u.mlp.gate_proj.weight", "blk.%u.ffn_gate.weight", n_ff, n);
    tn_weight up = tn_matrix(r, i, "layers.%u.mlp.up_proj.weight", "blk.%u.ffn_up.weight", n_ff, n);
    tn_weight down = tn_matrix(r, i, "layers.%u.mlp.down_proj.weight", "blk.%u.ffn_down.weight", n, n_ff);
    return r->linear(r, r->glu(r, r->linear(r, h, gate, 0), r->linear(r, h, up, 0), TN_ACT_SILU), down, 0);
}

static tn_value layer(const qwen_vl *m, tn_recorder *r, uint32_t i, tn_rope table, tn_value x) {
    uint32_t n = m->n_embd;
    tn_weight norm = tn_vector(r, i, "layers.%u.input_layernorm.weight", "blk.%u.attn_norm.weight", n, 0);
    tn_weight post =
        tn_vector(r, i, "layers.%u.post_attention_layernorm.weight", "blk.%u.ffn_norm.weight", n, 0);
    x = r->add(r, x, attention(m, r, i, table, r->rms_norm(r, x, norm, m->norm_eps)));
    x = r->add(r, x, feed_forward(m, r, i, r->rms_norm(r, x, post, m->norm_eps)));
    return m->has_tower && i < m->tower.n_deep ? r->media(r, x, 1 + i) : x;
}

static void qwen_vl_record(void *instance, tn_recorder *r) {
    const qwen_vl *m = instance;
    uint32_t n = m->n_embd;
    tn_rope_desc rope = {.style = TN_ROPE_HALF,
                         .n_dims = m->head_dim,
                         .hf_theta = "rope_theta",
                         .gguf_theta = ".rope.freq_base",
                         .default_theta = m->kind == QWEN3_VL ? 5000000 : 1000000,
                         .axes = m->kind == QWEN3_VL ? TN_AXES_INTERLEAVED : TN_AXES_SECTIONS,
                         .section = {m->section[0], m->section[1], m->section[2]}};
    tn_rope table = r->rope_table(r, &rope);
    tn_weight embed = tn_matrix(r, 0, "embed_tokens.weight", "token_embd.weight", TN_ROWS_OF_FILE, n);
    tn_weight_desc head_desc = {.hf = "lm_head.weight",
                                .gguf = "output.weight",
                                .rows = TN_ROWS_OF_FILE,
                                .cols = n,
                                .flags = TN_WEIGHT_OPTIONAL};
    tn_weight head = r->weight(r, &head_desc, 0); /* absent where it is tied to the embedding */
    tn_value x = r->embed(r, embed, 1);
    if (m->has_tower) x = r->media(r, x, 0);
    for (uint32_t i = 0; i < m->n_layer; i++) {
        r->tap(r, x, i);
        x = layer(m, r, i, table, x);
    }
    tn_weight final_norm = tn_vector(r, 0, "norm.weight", "output_norm.weight", n, 0);
    x = r->rms_norm(r, r->output_rows(r, x), final_norm, m->norm_eps);
    r->tap(r, x, m->n_layer);
    r->logits(r, r->linear(r, x, head ? head : embed, 0));
}

static const tn_family family = {
    .size = sizeof family,
    .summary = "Qwen2-VL, Qwen2.5-VL and Qwen3-VL, dense",
    .chat = {.reasoning_open = "<think>", .reasoning_close = "</think>"},
    .probe = qwen_vl_probe,
    .create = qwen_vl_create,
    .describe = qwen_vl_describe,
    .record = qwen_vl_record,
    .destroy = qwen_vl_destroy,
    .vision = qwen_vl_vision,
    .record_vision = qwen_vl_record_vision,
};

static const void *get_factory(const tn_host *host, const char *factory_id) {
    (void)host;
    return strcmp(factory_id, TN_FAMILY_FACTORY) == 0 ? &family : NULL;
}

TN_MODULE_ENTRY(.id = "qwen_vl", .version = "0.1.0", .licence = "Apache-2.0", .get_factory = get_factory);
