/* SPDX-License-Identifier: Apache-2.0 */
/* The audio towers.
 *
 *   x = stem(log-mel frames) + positions
 *   per layer:  x = x + Wo attention(q, k, v)   of norm(x)
 *               x = x + W2 gelu(W1 norm(x))
 *
 * Qwen2-Audio has Whisper's encoder (Radford et al. 2022, section 2.2): two convolutions along time, the
 * second with stride 2, learned positions; the mean of two rows each is normed and projected (Chu et al.
 * 2024, section 2). Qwen3-ASR has three convolutions over frames and bands, each with strides of 2, that
 * begin anew with each piece of 2 n_window frames, as its sinusoidal positions do; rows see each other within
 * n_window_infer frames. */
#include <math.h>
#include <string.h>

#include "qwen_audio.h"

#define LAYER "audio_tower.layers.%u."
enum { ROW_FRAMES = 8, MAX_PIECE = 1 << 14 }; /* Qwen3-ASR */

void qwen_audio_read_tower(qwen_audio *m, const tn_config *c) {
    qwen_audio_tower *t = &m->tower;
    t->n_layer = c->u32(c, "audio_config.encoder_layers", NULL, 32, 256);
    t->n_embd = c->u32(c, "audio_config.d_model", NULL, 1280, 1 << 16);
    t->n_head = c->u32(c, "audio_config.encoder_attention_heads", NULL, 20, 1024);
    t->n_ff = c->u32(c, "audio_config.encoder_ffn_dim", NULL, 5120, 1 << 20);
    t->n_mel = c->u32(c, "audio_config.num_mel_bins", NULL, 128, 512);
    t->n_position = c->u32(c, "audio_config.max_source_positions", NULL, 1500, 1 << 14);
    const char *act = c->str(c, "audio_config.activation_function", NULL, "gelu");
    if (strcmp(act, "gelu") != 0)
        c->reject(c, TN_ENOTSUP, "audio_config.activation_function is \"%s\", this family knows gelu only",
                  act);
    if (c->flag(c, "audio_config.scale_embedding", NULL, 0))
        c->reject(c, TN_ENOTSUP, "audio_config.scale_embedding is set, which this family does not do");
    if (!t->n_head || t->n_embd % t->n_head || t->n_embd % 2 || !t->n_position)
        c->reject(c, TN_EFORMAT, "audio_config: %u heads in %u columns, %u positions", t->n_head, t->n_embd,
                  t->n_position);
    if (!m->is_asr) return;
    uint32_t n_window = c->u32(c, "audio_config.n_window", NULL, 50, MAX_PIECE / 2);
    t->n_channel = c->u32(c, "audio_config.downsample_hidden_size", NULL, 480, 1 << 14);
    t->piece = 2 * n_window;
    t->window = c->u32(c, "audio_config.n_window_infer", NULL, 800, 1 << 20);
    if (!t->piece || !t->n_channel || t->window < t->piece || t->n_mel % 8)
        c->reject(c, TN_EFORMAT, "audio_config: windows of %u frames, pieces of %u, %u channels, %u bands",
                  t->window, t->piece, t->n_channel, t->n_mel);
    else
        t->window = t->window / t->piece * t->piece;
}

int32_t qwen_audio_audio(void *instance, const tn_config *c, tn_audio *a) {
    const qwen_audio *m = instance;
    const qwen_audio_tower *t = &m->tower;
    a->sample_rate = c->u32(c, "preprocessor.sampling_rate", NULL, 16000, 768000);
    a->n_fft = c->u32(c, "preprocessor.n_fft", NULL, 400, 8192);
    a->hop = c->u32(c, "preprocessor.hop_length", NULL, 160, 8192);
    a->n_mel = t->n_mel;
    a->fill = m->is_asr ? TN_AUDIO_FILL_ZERO : TN_AUDIO_FILL_SILENCE;
    a->window = m->is_asr ? t->window : 2 * t->n_position;
    a->max_windows = m->is_asr ? 0 : 1;
    a->piece = t->piece;
    a->row_frames = m->is_asr ? ROW_FRAMES : 2;
    a->fold = m->is_asr ? 1 : 2;
    a->token = (int32_t)(m->is_asr ? c->u32(c, "audio_token_id", NULL, 151676, INT32_MAX)
                                   : c->u32(c, "audio_token_index", NULL, 151646, INT32_MAX));
    a->text = m->is_asr ? "<|audio_pad|>" : "<|AUDIO|>";
    return 1;
}

static tn_value linear(tn_recorder *r, uint32_t i, tn_value x, const char *weight, const char *bias,
                       uint32_t rows, uint32_t cols, uint32_t flags) {
    tn_weight_desc d = {.hf = weight, .rows = rows, .cols = cols, .flags = flags};
    return r->linear(r, x, r->weight(r, &d, i),
                     bias ? tn_vector(r, i, bias, NULL, rows, TN_WEIGHT_OPTIONAL) : 0);
}

static tn_value norm(const qwen_audio_tower *t, tn_recorder *r, uint32_t i, tn_value x, const char *weight,
                     const char *bias) {
    return r->layer_norm(r, x, tn_vector(r, i, weight, NULL, t->n_embd, 0),
                         tn_vector(r, i, bias, NULL, t->n_embd, 0), 1e-5f);
}

/* gelu(convolution). Kernels are 3 wide. */
static tn_value conv(tn_recorder *r, tn_value x, const tn_unfold_desc *u, const char *weight,
                     const char *bias, uint32_t n_out, uint32_t n_in) {
    const uint32_t cols = n_in * u->kernel[0] * u->kernel[1];
    x = linear(r, 0, r->unfold(r, x, u), weight, bias, n_out, cols, TN_WEIGHT_FLAT);
    return r->activate(r, x, TN_ACT_GELU_ERF);
}

static tn_value whisper_stem(const qwen_audio_tower *t, tn_recorder *r) {
    tn_unfold_desc one = {.frames = 2, .bins = 1, .kernel = {3, 1}, .stride = {1, 1}, .pad = {1, 0}},
                   two = one;
    two.stride[0] = 2;
    tn_value x = r->input(r, 2 * t->n_mel);
    x = conv(r, x, &one, "audio_tower.conv1.weight", "audio_tower.conv1.bias", t->n_embd, t->n_mel);
    x = conv(r, x, &two, "audio_tower.conv2.weight", "audio_tower.conv2.bias", t->n_embd, t->n_embd);
    return r->add(
        r, x,
        r->mix(r, tn_matrix(r, 0, "audio_tower.embed_positions.weight", NULL, t->n_position, t->n_embd)));
}

static tn_value asr_stem(const qwen_audio_tower *t, tn_recorder *r) {
    static const char *const weights[] = {"audio_tower.conv2d1.weight", "audio_tower.conv2d2.weight",
                                          "audio_tower.conv2d3.weight"};
    static const char *const biases[] = {"audio_tower.conv2d1.bias", "audio_tower.conv2d2.bias",
                                         "audio_tower.conv2d3.bias"};
    uint32_t n_in = 1, bins = t->n_mel, limit = t->piece, frames = ROW_FRAMES;
    tn_value x = r->input(r, frames * bins);
    for (int i = 0; i < 3;
         i++, frames /= 2, bins = (bins + 1) / 2, limit = (limit + 1) / 2, n_in = t->n_channel) {
        tn_unfold_desc u = {.frames = frames,
                            .bins = bins,
                            .limit = limit,
                            .kernel = {3, 3},
                            .stride = {2, 2},
                            .pad = {1, 1}};
        x = conv(r, x, &u, weights[i], biases[i], t->n_channel, n_in);
    }
    /* Its columns are by channel, then band. */
    tn_unfold_desc whole = {.frames = 1, .bins = bins, .kernel = {1, bins}, .stride = {1, bins}};
    x = linear(r, 0, r->unfold(r, x, &whole), "audio_tower.conv_out.weight", NULL, t->n_embd,
               t->n_channel * bins, 0);
    return r->add(r, x, r->mix(r, r->sinusoids(r, (t->piece + ROW_FRAMES - 1) / ROW_FRAMES, t->n_embd)));
}

static tn_value tower_layer(const qwen_audio_tower *t, tn_recorder *r, uint32_t i, tn_value x) {
    uint32_t n = t->n_embd, head_dim = n / t->n_head;
    tn_attention_desc a = {.n_head = t->n_head,
                           .n_head_kv = t->n_head,
                           .head_dim = head_dim,
                           .scale = 1 / sqrtf((float)head_dim),
                           .sees = TN_SEES_FRAME};
    tn_value h = norm(t, r, i, x, LAYER "self_attn_layer_norm.weight", LAYER "self_attn_layer_norm.bias");
    tn_value q = linear(r, i, h, LAYER "self_attn.q_proj.weight", LAYER "self_attn.q_proj.bias", n, n, 0);
    tn_value k = linear(r, i, h, LAYER "self_attn.k_proj.weight", LAYER "self_attn.k_proj.bias", n, n, 0);
    tn_value v = linear(r, i, h, LAYER "self_attn.v_proj.weight", LAYER "self_attn.v_proj.bias", n, n, 0);
    h = r->attention(r, q, k, v, &a);
    h = linear(r, i, h, LAYER "self_attn.out_proj.weight", LAYER "self_attn.out_proj.bias", n, n, 0);
    x = r->add(r, x, h);
    h = norm(t, r, i, x, LAYER "final_layer_norm.weight", LAYER "final_layer_norm.bias");
    h = r->activate(r, linear(r, i, h, LAYER "fc1.weight", LAYER "fc1.bias", t->n_ff, n, 0), TN_ACT_GELU_ERF);
    return r->add(r, x, linear(r, i, h, LAYER "fc2.weight", LAYER "fc2.bias", n, t->n_ff, 0));
}

void qwen_audio_record_audio(void *instance, tn_recorder *r) {
    const qwen_audio *m = instance;
    const qwen_audio_tower *t = &m->tower;
    tn_value x = m->is_asr ? asr_stem(t, r) : whisper_stem(t, r);
    for (uint32_t i = 0; i < t->n_layer; i++) x = tower_layer(t, r, i, x);
    if (!m->is_asr) {
        x = norm(t, r, 0, r->mean(r, x, 2), "audio_tower.layer_norm.weight", "audio_tower.layer_norm.bias");
        r->output(r,
                  linear(r, 0, x, "multi_modal_projector.linear.weight", "multi_modal_projector.linear.bias",
                         m->n_embd, t->n_embd, 0),
                  0);
        return;
    }
    x = norm(t, r, 0, x, "audio_tower.ln_post.weight", "audio_tower.ln_post.bias");
    x = linear(r, 0, x, "multi_modal_projector.linear_1.weight", "multi_modal_projector.linear_1.bias",
               t->n_embd, t->n_embd, 0);
    x = r->activate(r, x, TN_ACT_GELU_ERF);
    r->output(r,
              linear(r, 0, x, "multi_modal_projector.linear_2.weight", "multi_modal_projector.linear_2.bias",
                     m->n_embd, t->n_embd, 0),
              0);
}
