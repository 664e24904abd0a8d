/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/cpu_model.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "program/record.h"
#include "weights/float.h"

uint64_t rng_next(rng *r) {
    uint64_t z = (r->state += 0x9e3779b97f4a7c15ull);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return z ^ (z >> 31);
}
float rng_float(rng *r) {
    return (float)((double)(rng_next(r) >> 11) * 0x1p-52 - 1.0);
}
uint32_t rng_below(rng *r, uint32_t n) {
    return (uint32_t)(rng_next(r) % n);
}

/* Positive half-precision bits of about x in 2^-14 .. 2^15. */
static uint16_t half_bits(float x) {
    int e;
    float m = frexpf(x, &e);
    return (uint16_t)((e + 14) << 10 | (uint16_t)((m * 2 - 1) * 1024));
}

static void put_half(uint8_t *p, float x) {
    uint16_t h = half_bits(x);
    memcpy(p, &h, sizeof h);
}

/* E8M0 bits of about x, and positive E4M3 ones. */
static uint8_t e8m0_bits(float x) {
    int e;
    frexpf(x, &e);
    return (uint8_t)(e + 126);
}
static uint8_t e4m3_bits(float x) {
    int e;
    float m = frexpf(x, &e);
    return e < -5 ? (uint8_t)(x * 0x1p9f) : (uint8_t)((e + 6) << 3 | (uint8_t)((m * 2 - 1) * 8));
}

/* Where the half-precision factors of a block stand, and how large its codes times inner scales get. */
typedef struct block_shape {
    tn_type type;
    int16_t at[2]; /* -1: none */
    float largest;
} block_shape;
static const block_shape block_shapes[] = {
    {TN_TYPE_Q4_0, {0, -1}, 8},      {TN_TYPE_Q4_1, {0, 2}, 15},     {TN_TYPE_Q5_0, {0, -1}, 16},
    {TN_TYPE_Q5_1, {0, 2}, 31},      {TN_TYPE_Q8_0, {0, -1}, 128},   {TN_TYPE_Q2_K, {80, 82}, 45},
    {TN_TYPE_Q3_K, {108, -1}, 128},  {TN_TYPE_Q4_K, {0, 2}, 945},    {TN_TYPE_Q5_K, {0, 2}, 1953},
    {TN_TYPE_Q6_K, {208, -1}, 4096}, {TN_TYPE_IQ4_NL, {0, -1}, 127}, {TN_TYPE_IQ4_XS, {0, -1}, 4064},
};

static void fill_blocks(rng *r, const block_shape *s, const tn_type_info *info, uint8_t *p, uint64_t n_block,
                        float size) {
    for (uint64_t b = 0; b < n_block; b++, p += info->block_bytes) {
        for (uint32_t i = 0; i < info->block_bytes; i++) p[i] = (uint8_t)(rng_next(r) >> 32);
        for (int i = 0; i < 2; i++)
            if (s->at[i] >= 0)
                put_half(p + s->at[i], fmaxf(size / s->largest * (1.5f + rng_float(r)), 0x1p-13f));
    }
}

static void fill_plain(rng *r, tn_type type, uint8_t *p, uint64_t n, float size) {
    for (uint64_t i = 0; i < n; i++) {
        float x = size * rng_float(r);
        uint32_t u;
        memcpy(&u, &x, sizeof u);
        uint16_t h = type == TN_TYPE_BF16
                         ? (uint16_t)(u >> 16)
                         : (uint16_t)(half_bits(fmaxf(fabsf(x), 0x1p-13f)) | (x < 0 ? 0x8000 : 0));
        if (type == TN_TYPE_F32)
            memcpy(p + 4 * i, &x, 4);
        else
            memcpy(p + 2 * i, &h, 2);
    }
}

static void fill_fp4(rng *r, tn_type type, uint8_t *p, uint64_t n_block, float size) {
    const uint32_t n_scale = type == TN_TYPE_MXFP4 ? 1 : 4, n_byte = type == TN_TYPE_MXFP4 ? 17 : 36;
    for (uint64_t b = 0; b < n_block; b++, p += n_byte) {
        for (uint32_t i = 0; i < n_byte; i++) p[i] = (uint8_t)(rng_next(r) >> 32);
        for (uint32_t i = 0; i < n_scale; i++) {
            float scale = size / 6 * (1.5f + rng_float(r));
            p[i] = type == TN_TYPE_MXFP4 ? e8m0_bits(scale) : e4m3_bits(scale);
        }
    }
}

static uint8_t *odd_alloc(uint64_t bytes) {
    uint8_t *p = malloc(bytes + 1);
    assert(p);
    return p + 1;
}

static uint8_t *fill_codes(rng *r, const tn_tensor *t) {
    uint8_t *data = odd_alloc(t->bytes);
    for (uint64_t i = 0; i < t->bytes; i++) data[i] = (uint8_t)(rng_next(r) >> 32);
    return data;
}

static void put_scale(uint8_t *p, tn_type type, uint64_t i, float x) {
    uint16_t h = type == TN_TYPE_F16 ? tn_f32_to_f16(x) : tn_f32_to_bf16(x);
    if (type == TN_TYPE_F32)
        memcpy(p + 4 * i, &x, 4);
    else
        memcpy(p + 2 * i, &h, 2);
}

/* Scales are F32, F16 and BF16 with groups of 32, 64 and 128. */
static void fill_affine(rng *r, tn_tensor *t, uint64_t n_scale, float size) {
    t->scale_type = t->group == 32 ? TN_TYPE_F32 : t->group == 64 ? TN_TYPE_F16 : TN_TYPE_BF16;
    uint64_t bytes = n_scale * tn_type_info_get(t->scale_type)->block_bytes;
    uint8_t *scales = odd_alloc(bytes), *biases = odd_alloc(bytes);
    for (uint64_t i = 0; i < n_scale; i++) {
        put_scale(scales, t->scale_type, i, size / (float)(1 << t->bits) * (1.5f + rng_float(r)));
        put_scale(biases, t->scale_type, i, -size * (0.5f + 0.2f * rng_float(r)));
    }
    t->data = fill_codes(r, t);
    t->scales = scales;
    t->biases = biases;
}

static void fill_mlx_fp4(rng *r, tn_tensor *t, uint64_t n_scale, float size) {
    uint8_t *scales = odd_alloc(n_scale);
    for (uint64_t i = 0; i < n_scale; i++) {
        float scale = size / 6 * (1.5f + rng_float(r));
        scales[i] = t->type == TN_TYPE_MLX_MXFP4 ? e8m0_bits(scale) : e4m3_bits(scale);
    }
    t->data = fill_codes(r, t);
    t->scales = scales;
    t->scale_type = TN_TYPE_U8;
}

tn_tensor tensor_random(rng *r, tn_type type, uint32_t rows, uint32_t cols, uint32_t bits, uint32_t group) {
    const tn_type_info *info = tn_type_info_get(type);
    tn_tensor t = {.name = "random", .type = type, .n_dim = 2, .dim = {rows, cols}};
    uint64_t n = (uint64_t)rows * cols;
    float size = 1.7f / sqrtf((float)cols);
    if (info->block_bytes == 0) {
        bool affine = type == TN_TYPE_AFFINE;
        t.bits = affine ? bits : 4;
        t.group = affine ? group : info->block_elems;
        t.bytes = n * t.bits / 8;
        (affine ? fill_affine : fill_mlx_fp4)(r, &t, n / t.group, size);
        return t;
    }
    t.bytes = n / info->block_elems * info->block_bytes;
    uint8_t *data = odd_alloc(t.bytes);
    t.data = data;
    if (info->block_elems == 1) fill_plain(r, type, data, n, size);
    if (type == TN_TYPE_MXFP4 || type == TN_TYPE_NVFP4) fill_fp4(r, type, data, n / info->block_elems, size);
    for (size_t i = 0; i < sizeof block_shapes / sizeof *block_shapes; i++)
        if (block_shapes[i].type == type)
            fill_blocks(r, &block_shapes[i], info, data, n / info->block_elems, size);
    return t;
}

void tensor_fini(tn_tensor *t) {
    if (t->data) free((uint8_t *)(uintptr_t)t->data - 1);
    if (t->scales) free((uint8_t *)(uintptr_t)t->scales - 1);
    if (t->biases) free((uint8_t *)(uintptr_t)t->biases - 1);
}

/* Recording into arrays that are large enough. */
typedef struct maker {
    cpu_model *m;
    rng *r;
} maker;

static tn_weight weight_at(maker *k, uint32_t tensor, uint32_t first_row, uint32_t rows, uint32_t cols) {
    tn_program *p = &k->m->program;
    p->weights[++p->n_weight] = (tn_weight_info){.tensor = &k->m->tensors[tensor],
                                                 .first_row = first_row,
                                                 .rows = rows,
                                                 .cols = cols,
                                                 .name = (char *)"w"};
    return p->n_weight;
}
static tn_weight weight(maker *k, tn_type type, uint32_t rows, uint32_t cols) {
    k->m->tensors[k->m->n_tensor] = tensor_random(k->r, type, rows, cols, 4, 32);
    return weight_at(k, k->m->n_tensor++, 0, rows, cols);
}
static tn_weight norm_weight(maker *k, uint32_t cols) {
    tn_weight w = weight(k, TN_TYPE_F32, 1, cols);
    k->m->program.weights[w].add_one = true;
    return w;
}

/* A value in a slot of its own, or in that of `in`. */
static tn_value value(maker *k, uint32_t rows, uint32_t cols, tn_value in) {
    tn_program *p = &k->m->program;
    uint32_t slot = in ? p->values[in].slot : p->n_slot;
    if (!in) p->slots[p->n_slot++] = (tn_slot){.rows = rows, .cols = cols};
    p->values[++p->n_value] = (tn_value_info){.rows = rows, .cols = cols, .slot = slot};
    return p->n_value;
}
static tn_value emit(maker *k, tn_op op) {
    k->m->program.ops[k->m->program.n_op++] = op;
    return op.out;
}
static tn_value linear(maker *k, tn_value x, tn_weight w, bool bias) {
    const tn_program *p = &k->m->program;
    uint32_t rows = p->weights[w].rows;
    return emit(k, (tn_op){.kind = TN_OP_LINEAR,
                           .in = {x},
                           .w = w,
                           .bias = bias ? weight(k, TN_TYPE_F16, 1, rows) : 0,
                           .out = value(k, p->values[x].rows, rows, 0)});
}
static tn_value norm(maker *k, tn_value x, uint32_t group, bool in_place) {
    const tn_value_info *v = &k->m->program.values[x];
    return emit(k, (tn_op){.kind = TN_OP_RMS_NORM,
                           .in = {x},
                           .w = norm_weight(k, group),
                           .group = group,
                           .f = 1e-5f,
                           .out = value(k, v->rows, v->cols, in_place ? x : 0)});
}
static tn_value rope(maker *k, tn_value x, uint32_t head_dim) {
    const tn_value_info *v = &k->m->program.values[x];
    return emit(k, (tn_op){.kind = TN_OP_ROPE,
                           .in = {x},
                           .group = head_dim,
                           .rope = 1,
                           .out = value(k, v->rows, v->cols, x)});
}
static tn_value add(maker *k, tn_value a, tn_value b) {
    const tn_value_info *v = &k->m->program.values[a];
    return emit(k, (tn_op){.kind = TN_OP_ADD, .in = {a, b}, .out = value(k, v->rows, v->cols, a)});
}
static void tap(maker *k, tn_value x) {
    emit(k, (tn_op){.kind = TN_OP_TAP, .in = {x}, .index = k->m->program.n_tap++});
}

static tn_value attention(maker *k, tn_value x, uint32_t layer, tn_type type) {
    const cpu_model_shape *s = &k->m->shape;
    uint32_t q_cols = s->n_head * s->head_dim, kv_cols = s->n_head_kv * s->head_dim;
    tn_weight wk, wv, wq = weight(k, type, q_cols, s->n_embd);
    if (s->fused) {
        wk = weight(k, type, 2 * kv_cols, s->n_embd);
        k->m->program.weights[wk].rows = kv_cols;
        wv = weight_at(k, k->m->n_tensor - 1, kv_cols, kv_cols, s->n_embd);
    } else {
        wk = weight(k, type, kv_cols, s->n_embd);
        wv = weight(k, type, kv_cols, s->n_embd);
    }
    tn_value q = linear(k, x, wq, s->bias), key = linear(k, x, wk, s->bias), v = linear(k, x, wv, s->bias);
    q = rope(k, norm(k, q, s->head_dim, true), s->head_dim);
    key = rope(k, norm(k, key, s->head_dim, false), s->head_dim);
    tn_attention_desc d = {.layer = layer,
                           .n_head = s->n_head,
                           .n_head_kv = s->n_head_kv,
                           .head_dim = s->head_dim,
                           .window = layer == 1 ? s->window : 0,
                           .scale = 1 / sqrtf((float)s->head_dim),
                           .softcap = s->softcap};
    k->m->program.caches[layer] =
        (tn_cache_info){.n_head_kv = s->n_head_kv, .head_dim = s->head_dim, .window = d.window};
    k->m->program.n_layer++;
    tn_program_group_caches(&k->m->program);
    tn_value out = emit(k, (tn_op){.kind = TN_OP_ATTENTION,
                                   .in = {q, key, v},
                                   .attention = d,
                                   .out = value(k, TN_ROWS_TOKEN, q_cols, 0)});
    return linear(k, out, weight(k, type, s->n_embd, q_cols), false);
}

static tn_value feed_forward(maker *k, tn_value x, tn_type type) {
    const cpu_model_shape *s = &k->m->shape;
    tn_value gate = linear(k, x, weight(k, type, s->n_ff, s->n_embd), false);
    tn_value up = linear(k, x, weight(k, type, s->n_ff, s->n_embd), false);
    emit(k, (tn_op){.kind = TN_OP_GLU,
                    .in = {gate, up},
                    .activation = s->activation,
                    .out = value(k, TN_ROWS_TOKEN, s->n_ff, gate)});
    return linear(k, k->m->program.n_value, weight(k, type, s->n_embd, s->n_ff), false);
}

static void make_rope(cpu_model *m) {
    tn_rope_info *r = &m->program.ropes[++m->program.n_rope];
    *r = (tn_rope_info){.style = m->shape.rope_style,
                        .n_dims = m->shape.n_rot,
                        .n_variant = 2,
                        .long_from = 64,
                        .mscale = {1.0f, 1.1f}};
    for (int v = 0; v < 2; v++) {
        r->inv_freq[v] = calloc(m->shape.n_rot, sizeof(float));
        for (uint32_t i = 0; i < m->shape.n_rot / 2; i++)
            r->inv_freq[v][i] = powf(10000.0f, -2.0f * (float)i / (float)m->shape.n_rot) / (float)(v + 1);
    }
}

/* Lets slots whose values are dead serve again: the recording above gave every chain of values one of its
 * own. */
static void reuse_slots(tn_program *p) {
    uint32_t last[64] = {0}, to[64], free_at[64], n = 0;
    for (uint32_t i = 0; i < p->n_op; i++)
        for (int j = 0; j < 3; j++)
            if (p->ops[i].in[j]) last[p->values[p->ops[i].in[j]].slot] = i;
    last[p->values[p->logits].slot] = p->n_op;
    memset(to, 0xff, sizeof to);
    for (uint32_t i = 0; i < p->n_op; i++) {
        if (!p->ops[i].out) continue;
        uint32_t slot = p->values[p->ops[i].out].slot, k = 0;
        if (to[slot] != UINT32_MAX) continue;
        while (k < n && (free_at[k] >= i || p->slots[k].rows != p->slots[slot].rows)) k++;
        tn_slot wanted = p->slots[slot];
        if (k == n) p->slots[n++] = wanted; /* n <= slot: no slot yet to be placed is overwritten */
        if (p->slots[k].cols < wanted.cols) p->slots[k].cols = wanted.cols;
        to[slot] = k;
        free_at[k] = last[slot];
    }
    for (uint32_t v = 1; v <= p->n_value; v++) p->values[v].slot = to[p->values[v].slot];
    p->n_slot = n;
}

void cpu_model_init(cpu_model *m, const cpu_model_shape *shape, uint64_t seed) {
    rng r = {seed};
    maker k = {m, &r};
    enum { MOST = 64 };
    *m = (cpu_model){.shape = *shape};
    tn_program *p = &m->program;
    p->ops = calloc(MOST, sizeof *p->ops);
    p->values = calloc(MOST, sizeof *p->values);
    p->slots = calloc(MOST, sizeof *p->slots);
    p->weights = calloc(MOST, sizeof *p->weights);
    p->ropes = calloc(2, sizeof *p->ropes);
    p->caches = calloc(2, sizeof *p->caches);
    p->n_stage = 1;
    make_rope(m);
    tn_weight embd = weight(&k, shape->type, shape->n_vocab, shape->n_embd);
    tn_value x = emit(&k, (tn_op){.kind = TN_OP_EMBED,
                                  .w = embd,
                                  .f = 1.5f,
                                  .out = value(&k, TN_ROWS_TOKEN, shape->n_embd, 0)});
    tap(&k, x);
    for (uint32_t i = 0; i < 2; i++) {
        tn_type type = i == 0 ? shape->type : TN_TYPE_BF16;
        x = add(&k, x, attention(&k, norm(&k, x, shape->n_embd, false), i, type));
        x = add(&k, x, feed_forward(&k, norm(&k, x, shape->n_embd, false), type));
        tap(&k, x);
    }
    /* Of two layers side by side the second writes where the first reads: nothing but a barrier parts them.
     */
    tn_value a =
        linear(&k, norm(&k, x, shape->n_embd, false), weight(&k, TN_TYPE_F32, 12, shape->n_embd), false);
    tn_value b = linear(&k, x, weight(&k, TN_TYPE_F32, 12, shape->n_embd), false);
    x = add(&k, x, linear(&k, add(&k, a, b), weight(&k, TN_TYPE_F32, shape->n_embd, 12), false));
    x = emit(&k, (tn_op){.kind = TN_OP_SCALE,
                         .in = {x},
                         .f = 0.7f,
                         .out = value(&k, TN_ROWS_TOKEN, shape->n_embd, 0)});
    x = emit(
        &k,
        (tn_op){.kind = TN_OP_OUTPUT_ROWS, .in = {x}, .out = value(&k, TN_ROWS_OUTPUT, shape->n_embd, 0)});
    x = linear(&k, norm(&k, x, shape->n_embd, true), embd, false);
    if (shape->softcap > 0)
        x = emit(&k, (tn_op){.kind = TN_OP_SOFTCAP,
                             .in = {x},
                             .f = shape->softcap,
                             .out = value(&k, TN_ROWS_OUTPUT, shape->n_vocab, x)});
    p->logits = x;
    reuse_slots(p);
    p->n_vocab = shape->n_vocab;
    p->n_embd = shape->n_embd;
    assert(p->n_op < MOST && p->n_value + 1 < MOST && p->n_weight + 1 < MOST && m->n_tensor <= 40);
}

void cpu_model_fini(cpu_model *m) {
    tn_program *p = &m->program;
    for (uint32_t i = 0; i < m->n_tensor; i++) tensor_fini(&m->tensors[i]);
    free(p->ropes[1].inv_freq[0]);
    free(p->ropes[1].inv_freq[1]);
    free(p->ops);
    free(p->values);
    free(p->slots);
    free(p->weights);
    free(p->ropes);
    free(p->caches);
}
