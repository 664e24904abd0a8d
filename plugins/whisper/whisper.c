/* SPDX-License-Identifier: Apache-2.0 */
/* Whisper (Radford et al. 2022, "Robust Speech Recognition via Large-Scale Weak Supervision", section 2.2):
 * an encoder of 30 seconds of sound, and a decoder whose layers look at its rows.
 *
 *   encoder  x = gelu(conv(gelu(conv(log-mel)))) + position, the second convolution with stride 2
 *            per layer:  x = x + Wo attention(norm(x));  x = x + W2 gelu(W1 norm(x))
 *   decoder  x = embedding + position
 *            per layer:  x = x + Wo attention(norm(x));  x = x + Wo' cross_attention(norm(x))
 *                        x = x + W2 gelu(W1 norm(x))
 *
 * What the tower gives is the keys and values of each of the decoder's layers. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <tenon/family.h>

#define ENC "encoder.layers.%u."
#define DEC "decoder.layers.%u."
enum { MAX_LAYER = 32 /* of the decoder: two parts each */ };

typedef struct whisper {
    uint32_t n_embd, n_mel, n_source, n_ctx;
    uint32_t n_enc, n_enc_head, n_enc_ff;
    uint32_t n_dec, n_dec_head, n_dec_ff;
} whisper;

static int32_t whisper_probe(const tn_config *c) {
    return strcmp(c->arch, "whisper") == 0 && c->format == TN_CONFIG_HF ? 100 : 0;
}

static void whisper_destroy(void *instance) {
    free(instance);
}

static int32_t whisper_create(const tn_host *host, const tn_option_value *options, const tn_config *c,
                              void **ret, tn_error *err) {
    (void)host;
    (void)options;
    whisper *m = calloc(1, sizeof *m);
    if (!m) return tn_fail(err, TN_ENOMEM, "out of memory");
    m->n_embd = c->u32(c, "d_model", NULL, TN_REQUIRED_U32, 1 << 16);
    m->n_mel = c->u32(c, "num_mel_bins", NULL, 80, 512);
    m->n_source = c->u32(c, "max_source_positions", NULL, 1500, 1 << 14);
    m->n_ctx = c->u32(c, "max_target_positions", NULL, 448, 1 << 20);
    m->n_enc = c->u32(c, "encoder_layers", NULL, TN_REQUIRED_U32, 256);
    m->n_enc_head = c->u32(c, "encoder_attention_heads", NULL, TN_REQUIRED_U32, 1024);
    m->n_enc_ff = c->u32(c, "encoder_ffn_dim", NULL, TN_REQUIRED_U32, 1 << 20);
    m->n_dec = c->u32(c, "decoder_layers", NULL, TN_REQUIRED_U32, MAX_LAYER);
    m->n_dec_head = c->u32(c, "decoder_attention_heads", NULL, TN_REQUIRED_U32, 1024);
    m->n_dec_ff = c->u32(c, "decoder_ffn_dim", NULL, TN_REQUIRED_U32, 1 << 20);
    const char *act = c->str(c, "activation_function", NULL, "gelu");
    if (strcmp(act, "gelu") != 0)
        c->reject(c, TN_ENOTSUP, "activation_function is \"%s\", this family knows gelu only", act);
    if (c->flag(c, "scale_embedding", NULL, 0))
        c->reject(c, TN_ENOTSUP, "scale_embedding is set, which this family does not do");
    if (!m->n_enc_head || m->n_embd % m->n_enc_head || !m->n_dec_head || m->n_embd % m->n_dec_head ||
        !m->n_source)
        c->reject(c, TN_EFORMAT, "%u and %u heads in %u columns, %u positions", m->n_enc_head, m->n_dec_head,
                  m->n_embd, m->n_source);
    *ret = m;
    return 0;
}

static void whisper_describe(void *instance, tn_model_info *ret) {
    const whisper *m = instance;
    ret->n_layer = m->n_dec;
    ret->n_embd = m->n_embd;
    ret->n_ctx = m->n_ctx;
}

static int32_t whisper_audio(void *instance, const tn_config *c, tn_audio *a) {
    const whisper *m = instance;
    a->sample_rate = c->u32(c, "preprocessor.sampling_rate", NULL, 16000, 768000);
    a->n_fft = c->u32(c, "preprocessor.n_fft", NULL, 400, 8192);
    a->hop = c->u32(c, "preprocessor.hop_length", NULL, 160, 8192);
    a->n_mel = m->n_mel;
    a->fill = TN_AUDIO_FILL_WINDOW;
    a->window = 2 * m->n_source;
    a->row_frames = 2;
    a->fold = 1;
    a->cross = 1;
    a->token = -1;
    return 1;
}

static tn_value linear(tn_recorder *r, uint32_t i, tn_value x, const char *weight, const char *bias,
                       uint32_t rows, uint32_t cols) {
    return r->linear(r, x, tn_matrix(r, i, weight, NULL, rows, cols),
                     bias ? tn_vector(r, i, bias, NULL, rows, 0) : 0);
}

static tn_value norm(const whisper *m, tn_recorder *r, uint32_t i, tn_value x, const char *weight,
                     const char *bias) {
    return r->layer_norm(r, x, tn_vector(r, i, weight, NULL, m->n_embd, 0),
                         tn_vector(r, i, bias, NULL, m->n_embd, 0), 1e-5f);
}

/* ---- The encoder ---- */

static tn_value conv(const whisper *m, tn_recorder *r, tn_value x, uint32_t stride, const char *weight,
                     const char *bias, uint32_t n_in) {
    tn_unfold_desc u = {.frames = 2, .bins = 1, .kernel = {3, 1}, .stride = {stride, 1}, .pad = {1, 0}};
    tn_weight_desc w = {.hf = weight, .rows = m->n_embd, .cols = 3 * n_in, .flags = TN_WEIGHT_FLAT};
    x = r->linear(r, r->unfold(r, x, &u), r->weight(r, &w, 0), tn_vector(r, 0, bias, NULL, m->n_embd, 0));
    return r->activate(r, x, TN_ACT_GELU_ERF);
}

static tn_value encoder_layer(const whisper *m, tn_recorder *r, uint32_t i, tn_value x) {
    uint32_t n = m->n_embd, head_dim = n / m->n_enc_head;
    tn_attention_desc a = {.n_head = m->n_enc_head,
                           .n_head_kv = m->n_enc_head,
                           .head_dim = head_dim,
                           .scale = 1 / sqrtf((float)head_dim),
                           .sees = TN_SEES_FRAME};
    tn_value h = norm(m, r, i, x, ENC "self_attn_layer_norm.weight", ENC "self_attn_layer_norm.bias");
    tn_value q = linear(r, i, h, ENC "self_attn.q_proj.weight", ENC "self_attn.q_proj.bias", n, n);
    tn_value k = linear(r, i, h, ENC "self_attn.k_proj.weight", NULL, n, n);
    tn_value v = linear(r, i, h, ENC "self_attn.v_proj.weight", ENC "self_attn.v_proj.bias", n, n);
    h = r->attention(r, q, k, v, &a);
    x = r->add(r, x, linear(r, i, h, ENC "self_attn.out_proj.weight", ENC "self_attn.out_proj.bias", n, n));
    h = norm(m, r, i, x, ENC "final_layer_norm.weight", ENC "final_layer_norm.bias");
    h = r->activate(r, linear(r, i, h, ENC "fc1.weight", ENC "fc1.bias", m->n_enc_ff, n), TN_ACT_GELU_ERF);
    return r->add(r, x, linear(r, i, h, ENC "fc2.weight", ENC "fc2.bias", n, m->n_enc_ff));
}

static void whisper_record_audio(void *instance, tn_recorder *r) {
    const whisper *m = instance;
    uint32_t n = m->n_embd;
    tn_value x = r->input(r, 2 * m->n_mel);
    x = conv(m, r, x, 1, "encoder.conv1.weight", "encoder.conv1.bias", m->n_mel);
    x = conv(m, r, x, 2, "encoder.conv2.weight", "encoder.conv2.bias", n);
    x = r->add(r, x, r->mix(r, tn_matrix(r, 0, "encoder.embed_positions.weight", NULL, m->n_source, n)));
    for (uint32_t i = 0; i < m->n_enc; i++) x = encoder_layer(m, r, i, x);
    x = norm(m, r, 0, x, "encoder.layer_norm.weight", "encoder.layer_norm.bias");
    for (uint32_t i = 0; i < m->n_dec; i++) {
        r->output(r, linear(r, i, x, DEC "encoder_attn.k_proj.weight", NULL, n, n), 2 * i);
        r->output(r, linear(r, i, x, DEC "encoder_attn.v_proj.weight", DEC "encoder_attn.v_proj.bias", n, n),
                  2 * i + 1);
    }
}

/* ---- The decoder ---- */

static tn_value self_attention(const whisper *m, tn_recorder *r, uint32_t i, tn_value x) {
    uint32_t n = m->n_embd, head_dim = n / m->n_dec_head;
    tn_attention_desc a = {.layer = i,
                           .n_head = m->n_dec_head,
                           .n_head_kv = m->n_dec_head,
                           .head_dim = head_dim,
                           .scale = 1 / sqrtf((float)head_dim)};
    tn_value h = norm(m, r, i, x, DEC "self_attn_layer_norm.weight", DEC "self_attn_layer_norm.bias");
    tn_value q = linear(r, i, h, DEC "self_attn.q_proj.weight", DEC "self_attn.q_proj.bias", n, n);
    tn_value k = linear(r, i, h, DEC "self_attn.k_proj.weight", NULL, n, n);
    tn_value v = linear(r, i, h, DEC "self_attn.v_proj.weight", DEC "self_attn.v_proj.bias", n, n);
    h = r->attention(r, q, k, v, &a);
    return r->add(r, x,
                  linear(r, i, h, DEC "self_attn.out_proj.weight", DEC "self_attn.out_proj.bias", n, n));
}

static tn_value cross_attention(const whisper *m, tn_recorder *r, uint32_t i, tn_value x) {
    uint32_t n = m->n_embd, head_dim = n / m->n_dec_head;
    tn_cross_desc a = {
        .part = 2 * i, .n_head = m->n_dec_head, .head_dim = head_dim, .scale = 1 / sqrtf((float)head_dim)};
    tn_value h = norm(m, r, i, x, DEC "encoder_attn_layer_norm.weight", DEC "encoder_attn_layer_norm.bias");
    h = linear(r, i, h, DEC "encoder_attn.q_proj.weight", DEC "encoder_attn.q_proj.bias", n, n);
    h = r->cross_attention(r, h, &a);
    return r->add(
        r, x, linear(r, i, h, DEC "encoder_attn.out_proj.weight", DEC "encoder_attn.out_proj.bias", n, n));
}

static void whisper_record(void *instance, tn_recorder *r) {
    const whisper *m = instance;
    uint32_t n = m->n_embd;
    tn_weight embed = tn_matrix(r, 0, "decoder.embed_tokens.weight", NULL, TN_ROWS_OF_FILE, n);
    tn_weight positions = tn_matrix(r, 0, "decoder.embed_positions.weight", NULL, m->n_ctx, n);
    tn_value x = r->add(r, r->embed(r, embed, 1), r->positions(r, positions));
    for (uint32_t i = 0; i < m->n_dec; i++) {
        r->tap(r, x, i);
        x = cross_attention(m, r, i, self_attention(m, r, i, x));
        tn_value h = norm(m, r, i, x, DEC "final_layer_norm.weight", DEC "final_layer_norm.bias");
        h = r->activate(r, linear(r, i, h, DEC "fc1.weight", DEC "fc1.bias", m->n_dec_ff, n),
                        TN_ACT_GELU_ERF);
        x = r->add(r, x, linear(r, i, h, DEC "fc2.weight", DEC "fc2.bias", n, m->n_dec_ff));
    }
    x = norm(m, r, 0, r->output_rows(r, x), "decoder.layer_norm.weight", "decoder.layer_norm.bias");
    r->tap(r, x, m->n_dec);
    r->logits(r, r->linear(r, x, embed, 0));
}

static const tn_family family = {
    .size = sizeof family,
    .summary = "Whisper",
    .probe = whisper_probe,
    .create = whisper_create,
    .describe = whisper_describe,
    .record = whisper_record,
    .destroy = whisper_destroy,
    .audio = whisper_audio,
    .record_audio = whisper_record_audio,
};

static const void *get_factory(const tn_host *host, const char *factory_id) {
    (void)host;
    return strcmp(factory_id, TN_FAMILY_FACTORY) == 0 ? &family : NULL;
}

TN_MODULE_ENTRY(.id = "whisper", .version = "0.1.0", .licence = "Apache-2.0", .get_factory = get_factory);
