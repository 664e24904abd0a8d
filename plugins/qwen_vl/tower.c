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
#include <stdio.h>
#include <string.h>

#include "qwen_vl.h"

static const uint32_t NONE = UINT32_MAX - 1; /* a list is over */

static void finish_shape(qwen_vl *m, const tn_config *c) {
    qwen_vl_tower *t = &m->tower;
    t->activation = m->kind == QWEN2_VL     ? TN_ACT_GELU_QUICK
                    : m->kind == QWEN2_5_VL ? TN_ACT_SILU
                                            : TN_ACT_GELU_TANH;
    if (t->n_head == 0 || t->n_embd % t->n_head || t->patch == 0 || t->temporal == 0 || t->merge == 0)
        c->reject(c, TN_EFORMAT, "the vision tower has %u heads in %u columns, patches of %u, %u merged",
                  t->n_head, t->n_embd, t->patch, t->merge);
}

static void find_positions(qwen_vl_tower *t, const tn_config *c, uint32_t n) {
    t->pos_side = (uint32_t)(sqrt((double)n) + 0.5);
    if ((uint64_t)t->pos_side * t->pos_side != n)
        c->reject(c, TN_EFORMAT, "the vision tower has %u positions, no square", n);
}

/* ---- The file of a GGUF model's tower ---- */

/* What the two files say of each other. */
static void check_pair(qwen_vl *m, const tn_config *c) {
    const char *type = c->str(c, NULL, "clip.projector_type", "");
    type = c->str(c, NULL, "clip.vision.projector_type", type);
    const int three = m->kind == QWEN3_VL, two = strcmp(type, "qwen2vl_merger") == 0;
    if (three ? strcmp(type, "qwen3vl_merger") != 0 : !two && strcmp(type, "qwen2.5vl_merger") != 0)
        c->reject(c, TN_EINVAL,
                  "clip.projector_type of the mmproj file is \"%s\", models of architecture %s go with %s",
                  type, c->arch, three ? "\"qwen3vl_merger\"" : "\"qwen2vl_merger\" or \"qwen2.5vl_merger\"");
    if (two) m->kind = QWEN2_VL;
    uint64_t width = c->tensor_dim(c, NULL, "mm.2.weight", 0);
    if (width != m->n_embd)
        c->reject(c, TN_EINVAL,
                  "the mmproj file makes rows of %u values, the model takes %u: they do not belong together",
                  (uint32_t)width, m->n_embd);
}

/* The metadata have been wrong about the mlp's width, and files of before May 2025 have the names of its
 * first and last layer the other way round; the tensors tell. */
static void find_mlp(qwen_vl_tower *t, const tn_config *c) {
    uint32_t rows = (uint32_t)c->tensor_dim(c, NULL, "v.blk.0.ffn_up.weight", 0);
    uint32_t cols = (uint32_t)c->tensor_dim(c, NULL, "v.blk.0.ffn_up.weight", 1);
    t->mlp_swapped = cols != t->n_embd;
    t->n_ff = t->mlp_swapped ? cols : rows;
}

static void find_windows(qwen_vl_tower *t, const tn_config *c) {
    uint32_t every = c->u32(c, NULL, "clip.vision.n_wa_pattern", 0, QWEN_VL_DEPTH);
    t->window = every ? c->u32(c, NULL, "clip.vision.window_size", 112, 1 << 16) / t->patch : 0;
    for (uint32_t i = 0; i < t->depth; i++) t->full[i] = !every || (i + 1) % every == 0;
}

static void find_deep(qwen_vl_tower *t, const tn_config *c) {
    uint32_t n = 0;
    for (uint32_t i = 0; i < t->depth; i++) {
        if (!c->u32_at(c, NULL, "clip.vision.is_deepstack_layers", i, 0, 1)) continue;
        if (n < QWEN_VL_DEEP) t->deep[n] = i;
        n++;
    }
    uint32_t wanted = c->u32(c, NULL, ".n_deepstack_layers", n, 1024);
    if (n != wanted || n > QWEN_VL_DEEP)
        c->reject(
            c, TN_EINVAL,
            "the mmproj file has rows for %u layers of the text (deepstack), the model takes %u, at most %d",
            n, wanted, QWEN_VL_DEEP);
    t->n_deep = n <= QWEN_VL_DEEP ? n : 0;
}

static void read_mmproj(qwen_vl *m, const tn_config *c) {
    qwen_vl_tower *t = &m->tower;
    m->has_tower = t->is_mmproj = c->has_tensor(c, NULL, "v.patch_embd.weight");
    if (!m->has_tower) return;
    check_pair(m, c);
    t->depth = c->u32(c, NULL, "clip.vision.block_count", TN_REQUIRED_U32, QWEN_VL_DEPTH);
    t->n_embd = c->u32(c, NULL, "clip.vision.embedding_length", TN_REQUIRED_U32, 1 << 16);
    t->n_head = c->u32(c, NULL, "clip.vision.attention.head_count", TN_REQUIRED_U32, 1024);
    t->patch = c->u32(c, NULL, "clip.vision.patch_size", TN_REQUIRED_U32, 256);
    t->merge = c->u32(c, NULL, "clip.vision.spatial_merge_size", 2, 16);
    t->n_channel = 3;
    t->temporal = 2;
    t->split_qkv = !c->has_tensor(c, NULL, "v.blk.0.attn_qkv.weight");
    find_mlp(t, c);
    finish_shape(m, c);
    memset(t->full, 1, sizeof t->full);
    if (m->kind == QWEN2_5_VL) find_windows(t, c);
    if (m->kind != QWEN3_VL) return;
    find_positions(t, c, (uint32_t)c->tensor_dim(c, NULL, "v.position_embd.weight", 0));
    find_deep(t, c);
}

/* ---- Hyper-parameters ---- */

void qwen_vl_read_tower(qwen_vl *m, const tn_config *c) {
    qwen_vl_tower *t = &m->tower;
    if (c->format == TN_CONFIG_GGUF) {
        read_mmproj(m, c);
        return;
    }
    m->has_tower = c->has(c, "vision_config", NULL);
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
    finish_shape(m, c);
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
    find_positions(t, c, c->u32(c, "vision_config.num_position_embeddings", NULL, TN_REQUIRED_U32, 1 << 20));
    for (uint32_t at; t->n_deep < QWEN_VL_DEEP; t->deep[t->n_deep++] = at) {
        at = c->u32_at(c, "vision_config.deepstack_visual_indexes", NULL, t->n_deep, NONE, UINT32_MAX);
        if (at == NONE) break;
    }
}

static void read_pixels(const tn_config *c, const char *least, const char *most, const char *shortest,
                        const char *longest, uint64_t *min, uint64_t *max) {
    *min = c->u32(c, shortest, NULL, (uint32_t)*min, 1u << 31);
    *max = c->u32(c, longest, NULL, (uint32_t)*max, 1u << 31);
    *min = c->u32(c, least, "clip.vision.image_min_pixels", (uint32_t)*min, 1u << 31);
    *max = c->u32(c, most, "clip.vision.image_max_pixels", (uint32_t)*max, 1u << 31);
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
    v->image_token = v->video_token = -1;
    v->image_row[0] = "<|image_pad|>";
    v->video_row[0] = "<|video_pad|>";
    if (c->format == TN_CONFIG_HF) {
        v->image_token = (int32_t)c->u32(c, "image_token_id", NULL, 151655, INT32_MAX);
        v->video_token = (int32_t)c->u32(c, "video_token_id", NULL, 151656, INT32_MAX);
    }
    v->image_text = "<|vision_start|><|image_pad|><|vision_end|>";
    v->video_text = "<|vision_start|><|video_pad|><|vision_end|>";
    v->begin = "<|vision_start|>";
    v->end = "<|vision_end|>";
    v->positions = TN_POSITIONS_GRID;
    v->n_deep = t->n_deep;
    return 1;
}

/* ---- The program ---- */

/* A weight by both spellings, without ".weight" and ".bias". */
typedef struct spelling {
    const char *hf, *gguf;
    uint32_t hf_layer, gguf_layer; /* for their %u */
} spelling;

static tn_weight named(const qwen_vl *m, tn_recorder *r, spelling s, const char *what, uint32_t rows,
                       uint32_t cols) {
    char hf[128], gguf[128];
    snprintf(hf, sizeof hf, "%s.%s", s.hf, what);
    snprintf(gguf, sizeof gguf, "%s.%s", s.gguf, what);
    tn_weight_desc d = {.hf = hf, .gguf = gguf, .rows = rows, .cols = cols};
    return r->weight(r, &d, m->tower.is_mmproj ? s.gguf_layer : s.hf_layer);
}

/* W x + b */
static tn_value linear(const qwen_vl *m, tn_recorder *r, spelling s, tn_value x, uint32_t rows,
                       uint32_t cols) {
    tn_weight w = named(m, r, s, "weight", rows, cols);
    return r->linear(r, x, w, named(m, r, s, "bias", 0, rows));
}

static tn_value norm(const qwen_vl *m, tn_recorder *r, spelling s, tn_value x, uint32_t n) {
    tn_weight w = named(m, r, s, "weight", 0, n);
    if (m->kind == QWEN2_5_VL) return r->rms_norm(r, x, w, 1e-6f);
    return r->layer_norm(r, x, w, named(m, r, s, "bias", 0, n), 1e-6f);
}

/* Of block i. */
static spelling of_block(uint32_t i, const char *hf, const char *gguf) {
    return (spelling){hf, gguf, i, i};
}

typedef struct heads {
    tn_value q, k, v;
} heads;

static heads project(const qwen_vl *m, tn_recorder *r, uint32_t i, tn_value h) {
    uint32_t n = m->tower.n_embd;
    if (m->tower.split_qkv)
        return (heads){.q = linear(m, r, of_block(i, "", "v.blk.%u.attn_q"), h, n, n),
                       .k = linear(m, r, of_block(i, "", "v.blk.%u.attn_k"), h, n, n),
                       .v = linear(m, r, of_block(i, "", "v.blk.%u.attn_v"), h, n, n)};
    tn_value qkv = linear(m, r, of_block(i, "visual.blocks.%u.attn.qkv", "v.blk.%u.attn_qkv"), h, 3 * n, n);
    return (heads){.q = r->slice(r, qkv, 3 * n, 0, n),
                   .k = r->slice(r, qkv, 3 * n, n, n),
                   .v = r->slice(r, qkv, 3 * n, 2 * n, n)};
}

static tn_value attention(const qwen_vl *m, tn_recorder *r, uint32_t i, tn_rope table, tn_value h) {
    const qwen_vl_tower *t = &m->tower;
    uint32_t n = t->n_embd, head_dim = n / t->n_head;
    tn_attention_desc a = {.n_head = t->n_head,
                           .n_head_kv = t->n_head,
                           .head_dim = head_dim,
                           .scale = 1 / sqrtf((float)head_dim),
                           .sees = t->full[i] ? TN_SEES_FRAME : TN_SEES_WINDOW};
    heads of = project(m, r, i, h);
    tn_value q = r->rope(r, of.q, head_dim, table), k = r->rope(r, of.k, head_dim, table);
    return linear(m, r, of_block(i, "visual.blocks.%u.attn.proj", "v.blk.%u.attn_out"),
                  r->attention(r, q, k, of.v, &a), n, n);
}

static tn_value feed_forward(const qwen_vl *m, tn_recorder *r, uint32_t i, tn_value h) {
    const qwen_vl_tower *t = &m->tower;
    static const char *const first[] = {"visual.blocks.%u.mlp.fc1", "visual.blocks.%u.mlp.up_proj",
                                        "visual.blocks.%u.mlp.linear_fc1"};
    static const char *const last[] = {"visual.blocks.%u.mlp.fc2", "visual.blocks.%u.mlp.down_proj",
                                       "visual.blocks.%u.mlp.linear_fc2"};
    uint32_t n = t->n_embd, n_ff = t->n_ff;
    spelling up = of_block(i, first[m->kind], t->mlp_swapped ? "v.blk.%u.ffn_down" : "v.blk.%u.ffn_up");
    spelling down = of_block(i, last[m->kind], t->mlp_swapped ? "v.blk.%u.ffn_up" : "v.blk.%u.ffn_down");
    tn_value x = linear(m, r, up, h, n_ff, n);
    if (m->kind == QWEN2_5_VL) {
        spelling gate = of_block(i, "visual.blocks.%u.mlp.gate_proj", "v.blk.%u.ffn_gate");
        x = r->glu(r, linear(m, r, gate, h, n_ff, n), x, t->activation);
    } else {
        x = r->activate(r, x, t->activation);
    }
    return linear(m, r, down, x, n, n_ff);
}

static tn_value merger(const qwen_vl *m, tn_recorder *r, tn_value x) {
    const qwen_vl_tower *t = &m->tower;
    uint32_t area = t->merge * t->merge, n = t->n_embd * area;
    int three = m->kind == QWEN3_VL;
    x = norm(m, r, of_block(0, three ? "visual.merger.norm" : "visual.merger.ln_q", "v.post_ln"), x,
             t->n_embd);
    x = linear(m, r, of_block(0, three ? "visual.merger.linear_fc1" : "visual.merger.mlp.0", "mm.0"),
               r->fold(r, x, area), n, n);
    return linear(m, r, of_block(0, three ? "visual.merger.linear_fc2" : "visual.merger.mlp.2", "mm.2"),
                  r->activate(r, x, TN_ACT_GELU_ERF), m->n_embd, n);
}

/* The k-th; GGUF names it after the block that it follows. */
static tn_value deep_merger(const qwen_vl *m, tn_recorder *r, uint32_t k, tn_value x) {
    const qwen_vl_tower *t = &m->tower;
    uint32_t area = t->merge * t->merge, n = t->n_embd * area;
    spelling of_norm = {"visual.deepstack_merger_list.%u.norm", "v.deepstack.%u.norm", k, t->deep[k]};
    spelling first = {"visual.deepstack_merger_list.%u.linear_fc1", "v.deepstack.%u.fc1", k, t->deep[k]};
    spelling last = {"visual.deepstack_merger_list.%u.linear_fc2", "v.deepstack.%u.fc2", k, t->deep[k]};
    x = norm(m, r, of_norm, r->fold(r, x, area), n);
    x = linear(m, r, first, x, n, n);
    return linear(m, r, last, r->activate(r, x, TN_ACT_GELU_ERF), m->n_embd, n);
}

/* GGUF files have a kernel for each of the two frames of a patch. */
static tn_value split_kernels(const qwen_vl *m, tn_recorder *r, tn_value x, tn_weight bias) {
    const qwen_vl_tower *t = &m->tower;
    uint32_t area = t->patch * t->patch;
    tn_weight_desc kernel = {.rows = t->n_embd,
                             .cols = t->n_channel * area,
                             .flags = TN_WEIGHT_FLAT,
                             .gguf = "v.patch_embd.weight"};
    tn_value sum = r->linear(r, r->slice(r, x, 2 * area, 0, area), r->weight(r, &kernel, 0), bias);
    kernel.gguf = "v.patch_embd.weight.1";
    return r->add(r, sum, r->linear(r, r->slice(r, x, 2 * area, area, area), r->weight(r, &kernel, 0), 0));
}

static tn_value embed_patches(const qwen_vl *m, tn_recorder *r) {
    const qwen_vl_tower *t = &m->tower;
    uint32_t n = t->n_embd, n_patch = t->n_channel * t->temporal * t->patch * t->patch;
    tn_weight_desc kernel = {
        .hf = "visual.patch_embed.proj.weight", .rows = n, .cols = n_patch, .flags = TN_WEIGHT_FLAT};
    tn_weight bias = 0;
    if (m->kind == QWEN3_VL)
        bias = tn_vector(r, 0, "visual.patch_embed.proj.bias", "v.patch_embd.bias", n, 0);
    tn_value x = r->input(r, n_patch);
    x = t->is_mmproj ? split_kernels(m, r, x, bias) : r->linear(r, x, r->weight(r, &kernel, 0), bias);
    if (m->kind != QWEN3_VL) return x;
    tn_weight positions =
        tn_matrix(r, 0, "visual.pos_embed.weight", "v.position_embd.weight", t->pos_side * t->pos_side, n);
    return r->add(r, x, r->mix(r, positions));
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
        tn_value h = norm(m, r, of_block(i, "visual.blocks.%u.norm1", "v.blk.%u.ln1"), x, t->n_embd);
        x = r->add(r, x, attention(m, r, i, table, h));
        h = norm(m, r, of_block(i, "visual.blocks.%u.norm2", "v.blk.%u.ln2"), x, t->n_embd);
        x = r->add(r, x, feed_forward(m, r, i, h));
        for (uint32_t k = 0; k < t->n_deep; k++)
            if (t->deep[k] == i) r->output(r, deep_merger(m, r, k, x), 1 + k);
    }
    r->output(r, merger(m, r, x), 0);
}
