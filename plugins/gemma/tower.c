/* SPDX-License-Identifier: Apache-2.0 */
/* Gemma 3's vision tower (Zhai et al. 2023, "SigLIP"; Gemma Team 2025, section 2.1).
 *
 *   x = W patch + position
 *   per layer:  x = x + Wo attention(q, k, v)   all patches see each other
 *               x = x + W2 gelu(W1 norm(x))
 *   out = W norm(mean of pool x pool neighbours of norm(x))
 *
 * Images are squares of one size; rows of an image see all of that image in the text program. */
#include <math.h>

#include "gemma.h"

#define LAYER "vision_tower.vision_model.encoder.layers.%u."

void gemma_read_tower(gemma *m, const tn_config *c) {
    gemma_tower *t = &m->tower;
    if (!m->is_gemma3 || c->format != TN_CONFIG_HF || !c->has(c, "vision_config", NULL)) return;
    t->n_layer = c->u32(c, "vision_config.num_hidden_layers", NULL, 27, 256);
    t->n_embd = c->u32(c, "vision_config.hidden_size", NULL, 1152, 1 << 16);
    t->n_head = c->u32(c, "vision_config.num_attention_heads", NULL, 16, 1024);
    t->n_ff = c->u32(c, "vision_config.intermediate_size", NULL, 4304, 1 << 20);
    t->image_size = c->u32(c, "vision_config.image_size", NULL, 896, 1 << 14);
    t->patch = c->u32(c, "vision_config.patch_size", NULL, 14, 256);
    t->norm_eps = c->f32(c, "vision_config.layer_norm_eps", NULL, 1e-6f);
    uint32_t n_out = c->u32(c, "mm_tokens_per_image", NULL, 256, 1 << 16);
    uint32_t side = t->patch ? t->image_size / t->patch : 0;
    uint32_t out_side = (uint32_t)(sqrt((double)n_out) + 0.5);
    if (!t->n_head || t->n_embd % t->n_head || !out_side || out_side * out_side != n_out || side % out_side ||
        !side) {
        c->reject(c, TN_EFORMAT, "vision_config: %u heads in %u columns, %u x %u patches for %u rows",
                  t->n_head, t->n_embd, side, side, n_out);
        return;
    }
    t->pool = side / out_side;
}

int32_t gemma_vision(void *instance, const tn_config *c, tn_vision *v) {
    const gemma *m = instance;
    const gemma_tower *t = &m->tower;
    if (!t->n_layer) return 0;
    v->resize = TN_RESIZE_SQUARE;
    v->filter = c->u32(c, "preprocessor.resample", NULL, TN_FILTER_BILINEAR, 3);
    v->image_size = t->image_size;
    v->patch = t->patch;
    v->temporal = 1;
    v->merge = t->pool;
    for (int i = 0; i < 3; i++) v->mean[i] = v->std[i] = 0.5f;
    v->pos_side = t->image_size / t->patch;
    v->image_token = (int32_t)c->u32(c, "image_token_index", NULL, 262144, INT32_MAX);
    v->video_token = -1;
    v->image_text = "<start_of_image>";
    v->begin = "\n\n<start_of_image>";
    v->end = "<end_of_image>\n\n";
    v->sees_whole = 1;
    return 1;
}

static tn_value linear(tn_recorder *r, uint32_t i, tn_value x, const char *weight, const char *bias,
                       uint32_t rows, uint32_t cols) {
    return r->linear(r, x, tn_matrix(r, i, weight, NULL, rows, cols), tn_vector(r, i, bias, NULL, rows, 0));
}

static tn_value norm(const gemma_tower *t, tn_recorder *r, uint32_t i, tn_value x, const char *weight,
                     const char *bias) {
    return r->layer_norm(r, x, tn_vector(r, i, weight, NULL, t->n_embd, 0),
                         tn_vector(r, i, bias, NULL, t->n_embd, 0), t->norm_eps);
}

static tn_value tower_layer(const gemma_tower *t, tn_recorder *r, uint32_t i, tn_value x) {
    uint32_t n = t->n_embd, head_dim = n / t->n_head;
    tn_attention_desc a = {.n_head = t->n_head,
                           .n_head_kv = t->n_head,
                           .head_dim = head_dim,
                           .scale = 1 / sqrtf((float)head_dim),
                           .sees = TN_SEES_FRAME};
    tn_value h = norm(t, r, i, x, LAYER "layer_norm1.weight", LAYER "layer_norm1.bias");
    tn_value q = linear(r, i, h, LAYER "self_attn.q_proj.weight", LAYER "self_attn.q_proj.bias", n, n);
    tn_value k = linear(r, i, h, LAYER "self_attn.k_proj.weight", LAYER "self_attn.k_proj.bias", n, n);
    tn_value v = linear(r, i, h, LAYER "self_attn.v_proj.weight", LAYER "self_attn.v_proj.bias", n, n);
    h = r->attention(r, q, k, v, &a);
    h = linear(r, i, h, LAYER "self_attn.out_proj.weight", LAYER "self_attn.out_proj.bias", n, n);
    x = r->add(r, x, h);
    h = norm(t, r, i, x, LAYER "layer_norm2.weight", LAYER "layer_norm2.bias");
    h = linear(r, i, h, LAYER "mlp.fc1.weight", LAYER "mlp.fc1.bias", t->n_ff, n);
    h = r->activate(r, h, TN_ACT_GELU_TANH);
    return r->add(r, x, linear(r, i, h, LAYER "mlp.fc2.weight", LAYER "mlp.fc2.bias", n, t->n_ff));
}

void gemma_record_vision(void *instance, tn_recorder *r) {
    const gemma *m = instance;
    const gemma_tower *t = &m->tower;
    uint32_t side = t->image_size / t->patch, n_patch = 3 * t->patch * t->patch;
    tn_weight_desc kernel = {.hf = "vision_tower.vision_model.embeddings.patch_embedding.weight",
                             .rows = t->n_embd,
                             .cols = n_patch,
                             .flags = TN_WEIGHT_FLAT};
    tn_weight_desc project = {.hf = "multi_modal_projector.mm_input_projection_weight",
                              .rows = m->n_embd,
                              .cols = t->n_embd,
                              .flags = TN_WEIGHT_TRANSPOSED_HF};
    tn_weight bias =
        tn_vector(r, 0, "vision_tower.vision_model.embeddings.patch_embedding.bias", NULL, t->n_embd, 0);
    tn_weight positions = tn_matrix(r, 0, "vision_tower.vision_model.embeddings.position_embedding.weight",
                                    NULL, side * side, t->n_embd);
    tn_weight soft_norm = tn_vector(r, 0, "multi_modal_projector.mm_soft_emb_norm.weight", NULL, t->n_embd,
                                    TN_WEIGHT_ADD_ONE_HF);
    tn_value x = r->linear(r, r->input(r, n_patch), r->weight(r, &kernel, 0), bias);
    x = r->add(r, x, r->mix(r, positions));
    for (uint32_t i = 0; i < t->n_layer; i++) x = tower_layer(t, r, i, x);
    x = norm(t, r, 0, x, "vision_tower.vision_model.post_layernorm.weight",
             "vision_tower.vision_model.post_layernorm.bias");
    x = r->rms_norm(r, r->mean(r, x, t->pool * t->pool), soft_norm, m->norm_eps);
    r->output(r, r->linear(r, x, r->weight(r, &project, 0), 0), 0);
}
