/* SPDX-License-Identifier: Apache-2.0 */
/* BERT and RoBERTa encoders (Devlin et al. 2019, section 3; Conneau et al. 2020): MiniLM, BGE, E5 and most
 * other embedding models of that time.
 *
 *   x = norm(word(id) + position(p) + type(0))
 *   per layer:  x = norm(x + Wo attention(q, k, v))    every token sees all of its text
 *               x = norm(x + Wdown(gelu(Wup x)))
 *
 * All matrices have biases, all norms are layer norms. RoBERTa's positions begin after the padding token's.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <tenon/family.h>

typedef struct bert {
    uint32_t n_layer, n_embd, n_head, n_ff;
    uint32_t n_position; /* rows of the table */
    uint32_t first_position;
    uint32_t n_type;
    uint32_t activation;
    float norm_eps;
    /* A cross-encoder's head over the first row: tanh(W x + b), then one score. */
    const char *head[2][2]; /* weight and bias of both layers; NULL: it makes vectors */
    uint32_t result;        /* enum tn_encoder_result */
} bert;

static int32_t bert_probe(const tn_config *c) {
    static const char *const names[] = {"bert", "roberta", "xlm-roberta", "camembert", NULL};
    if (c->format != TN_CONFIG_HF) return 0;
    for (const char *const *name = names; *name; name++)
        if (strcmp(c->arch, *name) == 0) return 100;
    return 0;
}

static void bert_destroy(void *instance) {
    free(instance);
}

static uint32_t read_activation(const tn_config *c) {
    const char *name = c->str(c, "hidden_act", NULL, "gelu");
    if (strcmp(name, "gelu") == 0) return TN_ACT_GELU_ERF;
    if (strcmp(name, "gelu_new") == 0 || strcmp(name, "gelu_pytorch_tanh") == 0) return TN_ACT_GELU_TANH;
    if (strcmp(name, "silu") == 0 || strcmp(name, "swish") == 0) return TN_ACT_SILU;
    c->reject(c, TN_ENOTSUP, "hidden_act is \"%s\", this family knows gelu, gelu_new and silu", name);
    return TN_ACT_GELU_ERF;
}

static void check_shape(const bert *m, const tn_config *c) {
    const char *positions = c->str(c, "position_embedding_type", NULL, "absolute");
    if (strcmp(positions, "absolute") != 0)
        c->reject(c, TN_ENOTSUP, "position_embedding_type is \"%s\", this family knows absolute only",
                  positions);
    if (m->n_head == 0 || m->n_embd % m->n_head != 0)
        c->reject(c, TN_EFORMAT, "hidden_size %u is no multiple of the %u attention heads", m->n_embd,
                  m->n_head);
    if (m->n_position <= m->first_position)
        c->reject(c, TN_EFORMAT, "max_position_embeddings is %u, positions begin at %u", m->n_position,
                  m->first_position);
    if (c->flag(c, "is_decoder", NULL, 0))
        c->reject(c, TN_ENOTSUP, "is_decoder: a decoder makes no embeddings");
}

/* The two spellings of heads for classification; a head of one class is a score. sentence-transformers names
 * what is done to it, a sigmoid where nothing is said. */
static void read_head(bert *m, const tn_config *c) {
    static const char *const heads[2][2][2] = {
        {{"pooler.dense.weight", "pooler.dense.bias"}, {"classifier.weight", "classifier.bias"}},
        {{"classifier.dense.weight", "classifier.dense.bias"},
         {"classifier.out_proj.weight", "classifier.out_proj.bias"}}};
    for (int i = 0; i < 2; i++) {
        if (!c->has_tensor(c, heads[i][1][0], NULL)) continue;
        uint64_t n = c->tensor_dim(c, heads[i][1][0], NULL, 0);
        if (n != 1)
            c->reject(c, TN_ENOTSUP, "a classifier of %llu classes; only one, which is a score, is supported",
                      (unsigned long long)n);
        memcpy(m->head, heads[i], sizeof m->head);
    }
    if (!m->head[0][0]) return;
    const char *act = c->str(c, "sbert_ce_default_activation_function", NULL, "Sigmoid");
    act = c->str(c, "sentence_transformers.activation_fn", NULL, act);
    const char *dot = strrchr(act, '.'), *name = dot ? dot + 1 : act;
    m->result = strcmp(name, "Identity") == 0 ? TN_RESULT_SCORE : TN_RESULT_SIGMOID;
    if (m->result == TN_RESULT_SIGMOID && strcmp(name, "Sigmoid") != 0)
        c->reject(c, TN_ENOTSUP, "the score's activation is %s; Identity and Sigmoid are supported", act);
}

static int32_t bert_create(const tn_host *host, const tn_option_value *options, const tn_config *c,
                           void **ret, tn_error *err) {
    (void)host;
    (void)options;
    bert *m = calloc(1, sizeof *m);
    if (!m) return tn_fail(err, TN_ENOMEM, "out of memory");
    m->n_layer = c->u32(c, "num_hidden_layers", NULL, TN_REQUIRED_U32, 1024);
    m->n_embd = c->u32(c, "hidden_size", NULL, TN_REQUIRED_U32, 1 << 20);
    m->n_ff = c->u32(c, "intermediate_size", NULL, TN_REQUIRED_U32, 1 << 22);
    m->n_head = c->u32(c, "num_attention_heads", NULL, TN_REQUIRED_U32, 4096);
    m->n_position = c->u32(c, "max_position_embeddings", NULL, TN_REQUIRED_U32, 1 << 20);
    m->n_type = c->u32(c, "type_vocab_size", NULL, 2, 1 << 16);
    m->norm_eps = c->f32(c, "layer_norm_eps", NULL, 1e-12f);
    m->activation = read_activation(c);
    if (strcmp(c->arch, "bert") != 0) m->first_position = c->u32(c, "pad_token_id", NULL, 1, 1 << 20) + 1;
    check_shape(m, c);
    read_head(m, c);
    *ret = m;
    return 0;
}

static void bert_describe(void *instance, tn_model_info *ret) {
    const bert *m = instance;
    ret->n_layer = m->n_layer;
    ret->n_embd = m->n_embd;
    ret->n_ctx = m->n_position - m->first_position;
}

static int32_t bert_encoder(void *instance, const tn_config *c, tn_encoder_info *ret) {
    const bert *m = instance;
    (void)c;
    ret->pooling = m->head[0][0] ? TN_POOL_FIRST : TN_POOL_MEAN;
    ret->result = m->result;
    ret->max_tokens = m->n_position - m->first_position;
    ret->first_position = m->first_position;
    return TN_ENCODES_ONLY;
}

/* x W^T + bias, the weight called NAME.weight. */
typedef struct dense_names {
    const char *weight, *bias;
} dense_names;
#define DENSE(name)                                                                                          \
    (dense_names) {                                                                                          \
        "encoder.layer.%u." name ".weight", "encoder.layer.%u." name ".bias"                                 \
    }

static tn_value dense(tn_recorder *r, uint32_t i, tn_value x, dense_names n, uint32_t rows, uint32_t cols) {
    return r->linear(r, x, tn_matrix(r, i, n.weight, NULL, rows, cols),
                     tn_vector(r, i, n.bias, NULL, rows, 0));
}
static tn_value norm(const bert *m, tn_recorder *r, uint32_t i, tn_value x, dense_names n) {
    return r->layer_norm(r, x, tn_vector(r, i, n.weight, NULL, m->n_embd, 0),
                         tn_vector(r, i, n.bias, NULL, m->n_embd, 0), m->norm_eps);
}

static tn_value embeddings(const bert *m, tn_recorder *r) {
    const uint32_t n = m->n_embd;
    const dense_names ln = {"embeddings.LayerNorm.weight", "embeddings.LayerNorm.bias"};
    tn_weight words = tn_matrix(r, 0, "embeddings.word_embeddings.weight", NULL, TN_ROWS_OF_FILE, n);
    tn_weight positions = tn_matrix(r, 0, "embeddings.position_embeddings.weight", NULL, m->n_position, n);
    const char *types = "embeddings.token_type_embeddings.weight";
    tn_value x = r->embed(r, words, 1);
    if (m->n_type) x = r->add(r, x, r->embed_type(r, tn_matrix(r, 0, types, NULL, m->n_type, n)));
    x = r->add(r, x, r->mix(r, positions));
    return norm(m, r, 0, x, ln);
}

static tn_value layer(const bert *m, tn_recorder *r, uint32_t i, tn_value x) {
    const uint32_t n = m->n_embd, head_dim = n / m->n_head;
    tn_attention_desc a = {.n_head = m->n_head,
                           .n_head_kv = m->n_head,
                           .head_dim = head_dim,
                           .scale = 1 / sqrtf((float)head_dim),
                           .sees = TN_SEES_FRAME};
    tn_value q = dense(r, i, x, DENSE("attention.self.query"), n, n);
    tn_value k = dense(r, i, x, DENSE("attention.self.key"), n, n);
    tn_value v = dense(r, i, x, DENSE("attention.self.value"), n, n);
    tn_value h = dense(r, i, r->attention(r, q, k, v, &a), DENSE("attention.output.dense"), n, n);
    x = norm(m, r, i, r->add(r, h, x), DENSE("attention.output.LayerNorm"));
    h = r->activate(r, dense(r, i, x, DENSE("intermediate.dense"), m->n_ff, n), m->activation);
    h = dense(r, i, h, DENSE("output.dense"), n, m->n_ff);
    return norm(m, r, i, r->add(r, h, x), DENSE("output.LayerNorm"));
}

/* Of every row, though only the first one's counts: one matrix more, for rows that are there anyway.
 * softcap with a cap of 1 is tanh. */
static tn_value score(const bert *m, tn_recorder *r, tn_value x) {
    const char *const(*h)[2] = m->head;
    const uint32_t n = m->n_embd;
    x = r->linear(r, x, tn_matrix(r, 0, h[0][0], NULL, n, n), tn_vector(r, 0, h[0][1], NULL, n, 0));
    x = r->softcap(r, x, 1);
    return r->linear(r, x, tn_matrix(r, 0, h[1][0], NULL, 1, n), tn_vector(r, 0, h[1][1], NULL, 1, 0));
}

static void bert_record_encoder(void *instance, tn_recorder *r) {
    const bert *m = instance;
    tn_value x = embeddings(m, r);
    for (uint32_t i = 0; i < m->n_layer; i++) x = layer(m, r, i, x);
    if (m->head[0][0]) x = score(m, r, x);
    r->output(r, x, 0);
}

static const tn_family family = {
    .size = sizeof family,
    .summary = "BERT and XLM-RoBERTa embeddings and cross-encoders: MiniLM, BGE, E5",
    .probe = bert_probe,
    .create = bert_create,
    .describe = bert_describe,
    .destroy = bert_destroy,
    .encoder = bert_encoder,
    .record_encoder = bert_record_encoder,
};

static const void *get_factory(const tn_host *host, const char *factory_id) {
    (void)host;
    return strcmp(factory_id, TN_FAMILY_FACTORY) == 0 ? &family : NULL;
}

TN_MODULE_ENTRY(.id = "bert", .version = "0.1.0", .licence = "Apache-2.0", .get_factory = get_factory);
