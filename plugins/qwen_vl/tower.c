/* SPDX-License-Identifier: Apache-2.0 */
/* The vision towers (Wang et al. 2024, "Qwen2-VL", section 2.1; Bai et al. 2025, "Qwen2.5-VL", section 2.1;
 * Qwen3-VL).
 *
 *   x = W patch (+ learned position)
 *   per block:  x = x + Wo attention(q, k, v)   with q, k rotated by y and x
 *               x = x + mlp(norm(x))
 *   out = W2 gelu(W1 [norm(x) of merge x merge neighbours])
 *
 * Qwen2-VL and Qwen3-VL have layer norms and a plain mlp; Qwen2.5-VL has RMS norms, a gated mlp and windows
 * in most blocks. Qwen3-VL has learned positions, and hands rows of some blocks, merged, to the text's first
 * layers (DeepStack). */
#include <math.h>
#include <string.h>

#include "qwen_vl.h"

static const uint32_t NONE = UINT32_MAX - 1; /* a list is over */

void qwen_vl_read_tower(qwen_vl *m, const tn_config *c) {
    qwen_vl_tower *t = &m->tower;
    m->has_tower = c->format == TN_CONFIG_HF && c->has(c, "vision_config", NULL);
    if (!m->has_tower) return;
    t->depth = c->u32(c, "vision_config.depth", NULL, TN_REQUIRED_U32, QWEN_VL_DEPTH);
    t->n_embd = c->u32(c, m->kind == QWEN2_VL ? "vision_config.embed_dim" : "vision_config.hidden_size", NULL,
                       TN_REQUIRED_U32, 1 << 16);
    t->n_head = c->u32(c, "vision_config.num_heads", NULL, TN_REQUIRED_U32, 1024);
    t->n_channel = c->u32(c, "vision_config.in_channels", NULL, 3, 3);
    t->patch = c->u32(c, "vision_config.patch_size", NULL, 14, 256);
    t->temporal = c->u32(c, "vision_config.temporal_patch_size", NULL, 2, 16);
    t->merge = c->u32(c, "vision_config.spatial_merge_size", NULL, 2, 16);
    t->n_ff = m->kind == QWEN2_VL
                  ? (uint32_t)((float)t->n_embd * c->f32(c, "vision_config.mlp_ratio", NULL, 4))
                  : c->u32(c, "vision_config.intermediate_size", NULL, TN_REQUIRED_U32, 1 << 20);
    t->activation = m->kind == QWEN2_VL     ? TN_ACT_GELU_QUICK
                    : m->kind == QWEN2_5_VL ? TN_ACT_SILU
                                            : TN_ACT_GELU_TANH;
    if (t->n_head == 0 || t->n_embd % t->n_head || t->patch == 0 || t->temporal == 0 || t->merge == 0)
        c->reject(c, TN_EFORMAT, "vision_config: %u heads in %u columns, patches of %u, %u merged", t->n_head,
                  t->n_embd, t->patch, t->merge);
    memset(t->full, m->kind != QWEN2_5_VL, sizeof t->full);
    if (m->kind == QWEN2_5_VL) {
        uint32_t window = c->u32(c, "vision_config.window_size", NULL, 112, 1 << 16);
        t->window = t->patch ? window / t->patch : 0;
        for (uint32_t i = 0; i < t->depth; i++) {
            uint32_t at = c->u32_at(c, "vision_config.fullatt_block_indexes", NULL, i, NONE, UINT32_MAX);
            if (at < QWEN_VL_DEPTH) t->full[at] = 1;
        }
    }
    if (m->kind != QWEN3_VL) return;
    uint32_t n_pos = c->u32(c, "vision_config.num_position_embeddings", NULL, TN_REQUIRED_U32, 1 << 20);
    t->pos_side = (uint32_t)(sqrt((double)n_pos) + 0.5);
    if ((uint64_t)t->pos_side * t->pos_side != n_pos)
        c->reject(c, TN_EFORMAT, "vision_config.num_position_embeddings is %u, no square", n_pos);
    for (uint32_t at; t->n_deep < QWEN_VL_DEEP; t->deep[t->n_deep++] = at) {
        at = c->u32_at(c, "vision_config.deepstack_visual_indexes", NULL, t->n_deep, NONE, UINT32_MAX);
        if (at == NONE) break;
    }
}

static void read_pixels(const tn_config *c, const char *least, const char *most, const char *shortest,
                        const char *longest, uint64_t *min, uint64_t *max) {
    *min = c->u32(c, shortest, NULL, (uint32_t)*min, 1u << 31);
    *max = c->u32(c, longest, NULL, (uint32_t)*max, 1u << 31);
    *min = c->u32(c, least, NULL, (uint32_t)*min, 1u << 31);
    *max = c->u32(c, most, NULL, (uint32_t)*max, 1u << 31);
}

/* Checkpoints without a file for videos use that of images for them. */
static void read_video(const qwen_vl *m, const tn_config *c, tn_video_rule *v) {
    uint64_t area = (uint64_t)m->tower.patch * m->tower.merge * m->tower.patch * m->tower.merge;
    v->fps = c->f32(c, "video_preprocessor.fps", NULL, 2);
    v->min_frames = c->u32(c, "video_preprocessor.min_frames", NULL, 4, 1 << 16);
    v->max_frames = c->u32(c, "video_preprocessor.max_frames", NULL, 768, 1 << 16);
    v->share_pixels = m->kind == QWEN3_VL;
    v->round_frames = !v->share_pixels;
    v->text = m->kind == QWEN3_VL ? TN_VIDEO_TIMED : TN_VIDEO_WHOLE;
    if (m->kind == QWEN2_5_VL) v->tokens_per_second = c->f32(c, "vision_config.tokens_per_second", NULL, 2);
    v->min_pixels = 128 * area;
    v->max_pixels = 768 * area;
    v->total_pixels = m->kind == QWEN3_VL ? 0 : 24576 * area;
    if (c->has(c, "video_preprocessor.size", NULL) || c->has(c, "video_preprocessor.max_pixels", NULL))
        read_pixels(c, "video_preprocessor.min_pixels", "video_preprocessor.max_pixels",
                    "video_preprocessor.size.shortest_edge", "video_preprocessor.size.longest_edge",
                    &v->min_pixels, &v->max_pixels);
    else if (m->kind != QWEN3_VL)
        read_pixels(c, "preprocessor.min_pixels", "preprocessor.max_pixels",
                    "preprocessor.size.shortest_edge", "preprocessor.size.longest_edge", &v->min_pixels,
                    &v->max_pixels);
}

int32_t qwen_vl_vision(void *instance, const tn_config *c, tn_vision *v) {
    const qwen_vl *m = instance;
    const qwen_vl_tower *t = &m->tower;
    if (!m->has_tower) return 0;
    uint32_t factor = t->patch * t->merge;
    v->resize = TN_RESIZE_SMART;
    v->filter = c->u32(c, "preprocessor.resample", NULL, TN_FILTER_BICUBIC, 3);
    v->patch = t->patch;
    v->temporal = t->temporal;
    v->merge = t->merge;
    v->min_pixels = 4ull * factor * factor;
    v->max_pixels = 16384ull * factor * factor;
    read_pixels(c, "preprocessor.min_pixels", "preprocessor.max_pixels", "preprocessor.size.shortest_edge",
                "preprocessor.size.longest_edge", &v->min_pixels, &v->max_pixels);
    for (uint32_t i = 0; i < 3; i++) {
        static const float mean[3] = {0.48145466f, 0.4578275f, 0.40821073f},
                           std[3] = {0.26862954f, 0.26130258f, 0.27577711f};
        v->mean[i] = m->kind == QWEN3_VL ? 0.5f : mean[i];
        v->std[i] = m->kind == QWEN3_VL ? 0.5f : std[i];
    }
    v->window = t->window;
    v->pos_side = t->pos_side;
    v->pos_interpolate = 1;
    read_video(m, c, &v->video);
    v->image_token = (int32_t)c->u32(c, "image_token_id", NULL, 151655, INT32_MAX);
    v->video_token = (int32_t)c->u32(c, "video_token_id", NULL, 151656, INT32_MAX);
    v->image_text = "<|vision_start|><|image_pad|><|vision_end|>";
    v->video_text = "<|vision_start|><|video_pad|><|vision_end|>";
    v->begin = "<|vision_start|>";
    v->end = "<|vision_end|>";
    v->positions = TN_POSITIONS_GRID;
    v->n_deep = t->n_deep;
    return 1;
}

/* W x + b, both named after `name`. */
static tn_value linear(tn_recorder *r, uint32_t i, tn_value x, const char *weight, const char *bias,
                       uint32_t rows, uint32_t cols) {
    return r->linear(r, x, tn_matrix(r, i, weight, NULL, rows, cols), tn_vector(r, i, bias, NULL, rows, 0));
}

static tn_value norm(const qwen_vl *m, tn_recorder *r, uint32_t i, tn_value x, const char *weight,
                     const char *bias, uint32_t n) {
    tn_weight w = tn_vector(r, i, weight, NULL, n, 0);
    if (m->kind == QWEN2_5_VL) return r->rms_norm(r, x, w, 1e-6f);
    return r->layer_norm(r, x, w, tn_vector(r, i, bias, NULL, n, 0), 1e-6f);
}

static tn_value attention(const qwen_vl *m, tn_recorder *r, uint32_t i, tn_rope table, tn_value h) {
    const qwen_vl_tower *t = &m->tower;
    uint32_t n = t->n_embd, head_dim = n / t->n_head;
    tn_attention_desc a = {.n_head = t->n_head,
                           .n_head_kv = t->n_head,
                           .head_dim = head_dim,
                           .scale = 1 / sqrtf((float)head_dim),
                           .sees = t->full[i] ? TN_SEES_FRAME : TN_SEES_WINDOW};
    tn_value qkv =
        linear(r, i, h, "visual.blocks.%u.attn.qkv.weight", "visual.blocks.%u.attn.qkv.bias", 3 * n, n);
    tn_value q = r->rope(r, r->slice(r, qkv, 3 * n, 0, n), head_dim, table);
    tn_value k = r->rope(r, r->slice(r, qkv, 3 * n, n, n), head_dim, table);
    tn_value v = r->slice(r, qkv, 3 * n, 2 * n, n);
    return linear(r, i, r->attention(r, q, k, v, &a), "visual.blocks.%u.attn.proj.weight",
                  "visual.blocks.%u.attn.proj.bias", n, n);
}

static tn_value feed_forward(const qwen_vl *m, tn_recorder *r, uint32_t i, tn_value h) {
    const qwen_vl_tower *t = &m->tower;
    uint32_t n = t->n_embd, n_ff = t->n_ff;
    if (m->kind == QWEN2_5_VL) {
        tn_value gate = linear(r, i, h, "visual.blocks.%u.mlp.gate_proj.weight",
                               "visual.blocks.%u.mlp.gate_proj.bias", n_ff, n);
        tn_value up = linear(r, i, h, "visual.blocks.%u.mlp.up_proj.weight",
                             "visual.blocks.%u.mlp.up_proj.bias", n_ff, n);
        return linear(r, i, r->glu(r, gate, up, t->activation), "visual.blocks.%u.mlp.down_proj.weight",
                      "visual.blocks.%u.mlp.down_proj.bias", n, n_ff);
    }
    int two = m->kind == QWEN2_VL;
    h = linear(r, i, h, two ? "visual.blocks.%u.mlp.fc1.weight" : "visual.blocks.%u.mlp.linear_fc1.weight",
               two ? "visual.blocks.%u.mlp.fc1.bias" : "visual.blocks.%u.mlp.linear_fc1.bias", n_ff, n);
    return linear(r, i, r->activate(r, h, t->activation),
                  two ? "visual.blocks.%u.mlp.fc2.weight" : "visual.blocks.%u.mlp.linear_fc2.weight",
                  two ? "visual.blocks.%u.mlp.fc2.bias" : "visual.blocks.%u.mlp.linear_fc2.bias", n, n_ff);
}

static tn_value merger(const qwen_vl *m, tn_recorder *r, tn_value x) {
    const qwen_vl_tower *t = &m->tower;
    uint32_t area = t->merge * t->merge, n = t->n_embd * area;
    int three = m->kind == QWEN3_VL;
    x = norm(m, r, 0, x, three ? "visual.merger.norm.weight" : "visual.merger.ln_q.weight",
             three ? "visual.merger.norm.bias" : "visual.merger.ln_q.bias", t->n_embd);
    x = linear(r, 0, r->fold(r, x, area),
               three ? "visual.merger.linear_fc1.weight" : "visual.merger.mlp.0.weight",
               three ? "visual.merger.linear_fc1.bias" : "visual.merger.mlp.0.bias", n, n);
    x = r->activate(r, x, TN_ACT_GELU_ERF);
    return linear(r, 0, x, three ? "visual.merger.linear_fc2.weight" : "visual.merger.mlp.2.weight",
                  three ? "visual.merger.linear_fc2.bias" : "visual.merger.mlp.2.bias", m->n_embd, n);
}

static tn_value deep_merger(const qwen_vl *m, tn_recorder *r, uint32_t i, tn_value x) {
    const qwen_vl_tower *t = &m->tower;
    uint32_t area = t->merge * t->merge, n = t->n_embd * area;
    x = norm(m, r, i, r->fold(r, x, area), "visual.deepstack_merger_list.%u.norm.weight",
             "visual.deepstack_merger_list.%u.norm.bias", n);
    x = linear(r, i, x, "visual.deepstack_merger_list.%u.linear_fc1.weight",
               "visual.deepstack_merger_list.%u.linear_fc1.bias", n, n);
    return linear(r, i, r->activate(r, x, TN_ACT_GELU_ERF),
                  "visual.deepstack_merger_list.%u.linear_fc2.weight",
                  "visual.deepstack_merger_list.%u.linear_fc2.bias", m->n_embd, n);
}

static tn_value embed_patches(const qwen_vl *m, tn_recorder *r) {
    const qwen_vl_tower *t = &m->tower;
    uint32_t n = t->n_embd, n_patch = t->n_channel * t->temporal * t->patch * t->patch;
    tn_weight_desc kernel = {
        .hf = "visual.patch_embed.proj.weight", .rows = n, .cols = n_patch, .flags = TN_WEIGHT_FLAT};
    tn_weight bias = m->kind == QWEN3_VL ? tn_vector(r, 0, "visual.patch_embed.proj.bias", NULL, n, 0) : 0;
    tn_value x = r->linear(r, r->input(r, n_patch), r->weight(r, &kernel, 0), bias);
    if (m->kind != QWEN3_VL) return x;
    return r->add(r, x,
                  r->mix(r, tn_matrix(r, 0, "visual.pos_embed.weight", NULL, t->pos_side * t->pos_side, n)));
}

void qwen_vl_record_vision(void *instance, tn_recorder *r) {
    const qwen_vl *m = instance;
    const qwen_vl_tower *t = &m->tower;
    tn_rope_desc rope = {.style = TN_ROPE_HALF,
                         .n_dims = t->n_embd / t->n_head,
                         .default_theta = 10000,
                         .flags = TN_ROPE_NO_SCALING,
                         .axes = TN_AXES_HALVES};
    tn_rope table = r->rope_table(r, &rope);
    tn_value x = embed_patches(m, r);
    for (uint32_t i = 0; i < t->depth; i++) {
        tn_value h =
            norm(m, r, i, x, "visual.blocks.%u.norm1.weight", "visual.blocks.%u.norm1.bias", t->n_embd);
        x = r->add(r, x, attention(m, r, i, table, h));
        h = norm(m, r, i, x, "visual.blocks.%u.norm2.weight", "visual.blocks.%u.norm2.bias", t->n_embd);
        x = r->add(r, x, feed_forward(m, r, i, h));
        for (uint32_t k = 0; k < t->n_deep; k++)
            if (t->deep[k] == i) r->output(r, deep_merger(m, r, k, x), 1 + k);
    }
    r->output(r, merger(m, r, x), 0);
}
