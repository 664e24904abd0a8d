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
#include <stdio.h>
#include <string.h>

#include "gemma.h"

#define LAYER "vision_tower.vision_model.encoder.layers.%u."

static void check_grid(gemma_tower *t, const tn_config *c, uint32_t side, uint32_t out_side) {
    if (!t->n_head || t->n_embd % t->n_head || !out_side || side % out_side || !side) {
        c->reject(c, TN_EFORMAT,
                  "the vision tower has %u heads in %u columns, %u x %u patches for %u x %u rows", t->n_head,
                  t->n_embd, side, side, out_side, out_side);
        return;
    }
    t->pool = side / out_side;
}

/* Files of before May 2025 have the names of the two layers of mlp the other way round; how many columns one
 * takes tells. */
static void find_mlp(gemma_tower *t, const tn_config *c) {
    uint32_t rows = (uint32_t)c->tensor_dim(c, NULL, "v.blk.0.ffn_up.weight", 0);
    uint32_t cols = (uint32_t)c->tensor_dim(c, NULL, "v.blk.0.ffn_up.weight", 1);
    t->mlp_swapped = cols != t->n_embd;
    t->n_ff = t->mlp_swapped ? cols : rows;
}

/* The file of a GGUF model's tower. */
static void read_mmproj(gemma *m, const tn_config *c) {
    gemma_tower *t = &m->tower;
    if (!c->has_tensor(c, NULL, "v.patch_embd.weight")) return;
    const char *type = c->str(c, NULL, "clip.projector_type", "");
    type = c->str(c, NULL, "clip.vision.projector_type", type);
    if (strcmp(type, "gemma3") != 0) {
        c->reject(c, TN_EINVAL,
                  "clip.projector_type of the mmproj file is \"%s\", Gemma 3 goes with \"gemma3\"", type);
        return;
    }
    uint64_t width = c->tensor_dim(c, NULL, "mm.input_projection.weight", 1);
    if (width != m->n_embd)
        c->reject(c, TN_EINVAL,
                  "the mmproj file makes rows of %u values, the model takes %u: they do not belong together",
                  (uint32_t)width, m->n_embd);
    t->n_layer = c->u32(c, NULL, "clip.vision.block_count", TN_REQUIRED_U32, 256);
    t->n_embd = c->u32(c, NULL, "clip.vision.embedding_length", TN_REQUIRED_U32, 1 << 16);
    t->n_head = c->u32(c, NULL, "clip.vision.attention.head_count", TN_REQUIRED_U32, 1024);
    t->image_size = c->u32(c, NULL, "clip.vision.image_size", TN_REQUIRED_U32, 1 << 14);
    t->patch = c->u32(c, NULL, "clip.vision.patch_size", TN_REQUIRED_U32, 256);
    t->norm_eps = c->f32(c, NULL, "clip.vision.attention.layer_norm_epsilon", 1e-6f);
    uint32_t pool = c->u32(c, NULL, "clip.vision.projector.scale_factor", 4, 1 << 14);
    uint32_t side = t->image_size / t->patch;
    find_mlp(t, c);
    check_grid(t, c, side, pool && side % pool == 0 ? side / pool : 0);
}

void gemma_read_tower(gemma *m, const tn_config *c) {
    gemma_tower *t = &m->tower;
    if (m->is_gemma3 && c->format == TN_CONFIG_GGUF) read_mmproj(m, c);
    if (!m->is_gemma3 || !c->has(c, "vision_config", NULL)) return;
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
    if (out_side * out_side != n_out) c->reject(c, TN_EFORMAT, "mm_tokens_per_image is %u, no square", n_out);
    check_grid(t, c, side, out_side);
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
    v->image_token = -1;
    if (c->format == TN_CONFIG_HF)
        v->image_token = (int32_t)c->u32(c, "image_token_index", NULL, 262144, INT32_MAX);
    /* The vocabulary of most GGUF files ends before <image_soft_token>; any token that nobody writes will do.
     */
    v->image_row[0] = "<image_soft_token>";
    v->image_row[1] = "<unused98>";
    v->video_token = -1;
    v->image_text = "<start_of_image>";
    v->begin = "\n\n<start_of_image>";
    v->end = "<end_of_image>\n\n";
    v->sees_whole = 1;
    return 1;
}

/* Both spellings without ".weight" or ".bias". */
static tn_weight named(tn_recorder *r, uint32_t i, const char *hf, const char *gguf, const char *what,
                       tn_weight_desc d) {
    char hf_name[128], gguf_name[128];
    snprintf(hf_name, sizeof hf_name, "%s.%s", hf, what);
    snprintf(gguf_name, sizeof gguf_name, "%s.%s", gguf, what);
    d.hf = hf_name;
    d.gguf = gguf_name;
    return r->weight(r, &d, i);
}

/* W x + b */
static tn_value linear(tn_recorder *r, uint32_t i, tn_value x, const char *hf, const char *gguf,
                       uint32_t rows, uint32_t cols) {
    tn_weight w = named(r, i, hf, gguf, "weight", (tn_weight_desc){.rows = rows, .cols = cols});
    return r->linear(r, x, w, named(r, i, hf, gguf, "bias", (tn_weight_desc){.cols = rows}));
}

static tn_value norm(const gemma_tower *t, tn_recorder *r, uint32_t i, tn_value x, const char *hf,
                     const char *gguf) {
    tn_weight w = named(r, i, hf, gguf, "weight", (tn_weight_desc){.cols = t->n_embd});
    return r->layer_norm(r, x, w, named(r, i, hf, gguf, "bias", (tn_weight_desc){.cols = t->n_embd}),
                         t->norm_eps);
}

static tn_value tower_layer(const gemma_tower *t, tn_recorder *r, uint32_t i, tn_value x) {
    uint32_t n = t->n_embd, head_dim = n / t->n_head;
    tn_attention_desc a = {.n_head = t->n_head,
                           .n_head_kv = t->n_head,
                           .head_dim = head_dim,
                           .scale = 1 / sqrtf((float)head_dim),
                           .sees = TN_SEES_FRAME};
    const char *up = t->mlp_swapped ? "v.blk.%u.ffn_down" : "v.blk.%u.ffn_up";
    const char *down = t->mlp_swapped ? "v.blk.%u.ffn_up" : "v.blk.%u.ffn_down";
    tn_value h = norm(t, r, i, x, LAYER "layer_norm1", "v.blk.%u.ln1");
    tn_value q = linear(r, i, h, LAYER "self_attn.q_proj", "v.blk.%u.attn_q", n, n);
    tn_value k = linear(r, i, h, LAYER "self_attn.k_proj", "v.blk.%u.attn_k", n, n);
    tn_value v = linear(r, i, h, LAYER "self_attn.v_proj", "v.blk.%u.attn_v", n, n);
    h = linear(r, i, r->attention(r, q, k, v, &a), LAYER "self_attn.out_proj", "v.blk.%u.attn_out", n, n);
    x = r->add(r, x, h);
    h = norm(t, r, i, x, LAYER "layer_norm2", "v.blk.%u.ln2");
    h = linear(r, i, h, LAYER "mlp.fc1", up, t->n_ff, n);
    h = r->activate(r, h, TN_ACT_GELU_TANH);
    return r->add(r, x, linear(r, i, h, LAYER "mlp.fc2", down, n, t->n_ff));
}

void gemma_record_vision(void *instance, tn_recorder *r) {
    const gemma *m = instance;
    const gemma_tower *t = &m->tower;
    uint32_t side = t->image_size / t->patch, n_patch = 3 * t->patch * t->patch;
    tn_weight_desc kernel = {.hf = "vision_tower.vision_model.embeddings.patch_embedding.weight",
                             .gguf = "v.patch_embd.weight",
                             .rows = t->n_embd,
                             .cols = n_patch,
                             .flags = TN_WEIGHT_FLAT};
    tn_weight_desc project = {.hf = "multi_modal_projector.mm_input_projection_weight",
                              .gguf = "mm.input_projection.weight",
                              .rows = m->n_embd,
                              .cols = t->n_embd,
                              .flags = TN_WEIGHT_TRANSPOSED};
    tn_weight bias = tn_vector(r, 0, "vision_tower.vision_model.embeddings.patch_embedding.bias",
                               "v.patch_embd.bias", t->n_embd, 0);
    tn_weight positions = tn_matrix(r, 0, "vision_tower.vision_model.embeddings.position_embedding.weight",
                                    "v.position_embd.weight", side * side, t->n_embd);
    tn_weight soft_norm = tn_vector(r, 0, "multi_modal_projector.mm_soft_emb_norm.weight",
                                    "mm.soft_emb_norm.weight", t->n_embd, TN_WEIGHT_ADD_ONE_HF);
    tn_value x = r->linear(r, r->input(r, n_patch), r->weight(r, &kernel, 0), bias);
    x = r->add(r, x, r->mix(r, positions));
    for (uint32_t i = 0; i < t->n_layer; i++) x = tower_layer(t, r, i, x);
    x = norm(t, r, 0, x, "vision_tower.vision_model.post_layernorm", "v.post_ln");
    x = r->rms_norm(r, r->mean(r, x, t->pool * t->pool), soft_norm, m->norm_eps);
    r->output(r, r->linear(r, x, r->weight(r, &project, 0), 0), 0);
}
