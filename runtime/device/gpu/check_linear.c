/* SPDX-License-Identifier: Apache-2.0 */
/* Products with weights of every type and rows of an embedding, against runtime/weights' dequantisation in
 * double. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "device/gpu/check.h"
#include "weights/float.h"
#include "weights/tensor.h"

/* ---- kinds of weights ---- */

typedef struct form {
    tn_type type;
    uint32_t bits, group; /* with separate scales */
    tn_type scale_type;
} form;

/* clang-format off */
static const form forms[] = {
    {.type = TN_TYPE_F32}, {.type = TN_TYPE_F16}, {.type = TN_TYPE_BF16},
    {.type = TN_TYPE_Q4_0}, {.type = TN_TYPE_Q4_1}, {.type = TN_TYPE_Q5_0}, {.type = TN_TYPE_Q5_1},
    {.type = TN_TYPE_Q8_0}, {.type = TN_TYPE_Q1_0}, {.type = TN_TYPE_Q2_0},
    {.type = TN_TYPE_Q2_K}, {.type = TN_TYPE_Q3_K}, {.type = TN_TYPE_Q4_K}, {.type = TN_TYPE_Q5_K}, {.type = TN_TYPE_Q6_K},
    {.type = TN_TYPE_TQ1_0}, {.type = TN_TYPE_TQ2_0}, {.type = TN_TYPE_MXFP4}, {.type = TN_TYPE_NVFP4},
    {.type = TN_TYPE_IQ4_NL}, {.type = TN_TYPE_IQ4_XS}, {.type = TN_TYPE_IQ1_S}, {.type = TN_TYPE_IQ1_M},
    {.type = TN_TYPE_IQ2_XXS}, {.type = TN_TYPE_IQ2_XS}, {.type = TN_TYPE_IQ2_S},
    {.type = TN_TYPE_IQ3_XXS}, {.type = TN_TYPE_IQ3_S},
    {TN_TYPE_AFFINE, 2, 64, TN_TYPE_F16}, {TN_TYPE_AFFINE, 3, 32, TN_TYPE_BF16}, {TN_TYPE_AFFINE, 4, 64, TN_TYPE_BF16},
    {TN_TYPE_AFFINE, 4, 32, TN_TYPE_F16}, {TN_TYPE_AFFINE, 4, 128, TN_TYPE_F32}, {TN_TYPE_AFFINE, 5, 64, TN_TYPE_F32},
    {TN_TYPE_AFFINE, 6, 128, TN_TYPE_F16}, {TN_TYPE_AFFINE, 8, 64, TN_TYPE_BF16},
    {TN_TYPE_MLX_MXFP4, 4, 32, TN_TYPE_U8}, {TN_TYPE_MLX_MXFP8, 8, 32, TN_TYPE_U8}, {TN_TYPE_MLX_NVFP4, 4, 16, TN_TYPE_U8},
};

/* A table row for each of them, in that order. */
#define EACH_FORM(X) \
    X(0, "F32") X(1, "F16") X(2, "BF16") X(3, "Q4_0") X(4, "Q4_1") X(5, "Q5_0") X(6, "Q5_1") X(7, "Q8_0") X(8, "Q1_0") \
    X(9, "Q2_0") X(10, "Q2_K") X(11, "Q3_K") X(12, "Q4_K") X(13, "Q5_K") X(14, "Q6_K") X(15, "TQ1_0") X(16, "TQ2_0") \
    X(17, "MXFP4") X(18, "NVFP4") X(19, "IQ4_NL") X(20, "IQ4_XS") X(21, "IQ1_S") X(22, "IQ1_M") X(23, "IQ2_XXS") \
    X(24, "IQ2_XS") X(25, "IQ2_S") X(26, "IQ3_XXS") X(27, "IQ3_S") X(28, "affine 2, 64, F16") \
    X(29, "affine 3, 32, BF16") X(30, "affine 4, 64, BF16") X(31, "affine 4, 32, F16") X(32, "affine 4, 128, F32") \
    X(33, "affine 5, 64, F32") X(34, "affine 6, 128, F16") X(35, "affine 8, 64, BF16") X(36, "MLX_MXFP4") \
    X(37, "MLX_MXFP8") X(38, "MLX_NVFP4")
/* clang-format on */

/* Where the F16 numbers of a block lie; up to two, then 0xff. */
static void half_fields(tn_type type, uint8_t ret[2]) {
    ret[0] = ret[1] = 0xff;
    switch (type) {
    case TN_TYPE_F16: ret[0] = 0; break;
    case TN_TYPE_Q2_K: ret[0] = 80, ret[1] = 82; break;
    case TN_TYPE_Q3_K: ret[0] = 108; break;
    case TN_TYPE_Q6_K: ret[0] = 208; break;
    case TN_TYPE_TQ1_0: ret[0] = 52; break;
    case TN_TYPE_TQ2_0: ret[0] = 64; break;
    case TN_TYPE_Q4_1:
    case TN_TYPE_Q5_1:
    case TN_TYPE_Q4_K:
    case TN_TYPE_Q5_K: ret[0] = 0, ret[1] = 2; break;
    default: ret[0] = 0; break;
    }
}

/* ---- random weights whose scales are neither huge nor NaN ---- */

typedef struct weight {
    tn_tensor t;
    float *values;                        /* [rows, cols] */
    uint32_t data, scales, biases, bytes; /* of each, for buffers */
    uint32_t scale_bytes;
} weight;

static void random_bytes(tn_gpu_launch *l, uint8_t *p, size_t n) {
    for (size_t i = 0; i < n; i++) p[i] = (uint8_t)tn_gpu_launch_below(l, 256);
}

/* +-2^-7 to 2^-4. */
static uint16_t random_half(tn_gpu_launch *l) {
    return (uint16_t)(0x2000 + tn_gpu_launch_below(l, 0x0c00) + (tn_gpu_launch_below(l, 2) << 15));
}

static float random_scale(tn_gpu_launch *l) {
    return tn_f16_to_f32(random_half(l));
}

/* Puts a number where a random one would not do. */
static void repair_block(tn_gpu_launch *l, tn_type type, uint8_t *block) {
    uint8_t fields[2];
    uint16_t h;
    float f;
    switch (type) {
    case TN_TYPE_F32: f = tn_gpu_launch_random(l), memcpy(block, &f, sizeof f); return;
    case TN_TYPE_BF16: h = tn_f32_to_bf16(tn_gpu_launch_random(l)), memcpy(block, &h, sizeof h); return;
    case TN_TYPE_MXFP4: block[0] = (uint8_t)(118 + tn_gpu_launch_below(l, 10)); return;
    case TN_TYPE_NVFP4: /* 0x7f stands for 0, signs are not looked at */
        for (int g = 0; g < 4; g++)
            if (tn_gpu_launch_below(l, 8))
                block[g] = (uint8_t)(tn_gpu_launch_below(l, 0x50) | (block[g] & 0x80));
            else
                block[g] |= 0x7f;
        return;
    case TN_TYPE_IQ1_M: block[55] = (uint8_t)((block[55] & 0x0f) | 0x20 | (block[54] & 0x80)); return;
    default:
        half_fields(type, fields);
        for (int i = 0; i < 2; i++)
            if (fields[i] != 0xff) h = random_half(l), memcpy(block + fields[i], &h, sizeof h);
        return;
    }
}

static size_t scale_size(tn_type type) {
    return type == TN_TYPE_F32 ? 4 : type == TN_TYPE_U8 ? 1 : 2;
}

static void random_scales(tn_gpu_launch *l, const form *f, uint8_t *p, size_t n) {
    for (size_t i = 0; i < n; i++) {
        const float v = random_scale(l);
        const uint16_t h = f->scale_type == TN_TYPE_F16 ? tn_f32_to_f16(v) : tn_f32_to_bf16(v);
        if (f->scale_type == TN_TYPE_F32)
            memcpy(p + 4 * i, &v, 4);
        else if (f->scale_type != TN_TYPE_U8)
            memcpy(p + 2 * i, &h, 2);
        else if (f->type == TN_TYPE_MLX_NVFP4)
            p[i] = (uint8_t)(tn_gpu_launch_below(l, 0x50) | tn_gpu_launch_below(l, 2) << 7);
        else
            p[i] = (uint8_t)(118 + tn_gpu_launch_below(l, 10));
    }
}

static uint32_t block_elems(const form *f) {
    return f->group ? f->group : tn_type_info_get(f->type)->block_elems;
}

/* [rows, cols], cols a multiple of block_elems. Lives as long as the launch. */
static weight random_weight(tn_gpu_launch *l, const form *f, uint32_t rows, uint32_t cols) {
    weight w = {.t = {.type = f->type,
                      .n_dim = 2,
                      .dim = {rows, cols},
                      .bits = f->bits,
                      .group = f->group,
                      .scale_type = f->scale_type}};
    w.bytes = (uint32_t)(rows * tn_tensor_row_bytes(&w.t));
    uint8_t *data = tn_gpu_launch_host(l, w.bytes);
    random_bytes(l, data, w.bytes);
    w.t.data = data;
    if (f->group) {
        const size_t n = (size_t)rows * cols / f->group;
        w.scale_bytes = (uint32_t)(n * scale_size(f->scale_type));
        uint8_t *scales = tn_gpu_launch_host(l, w.scale_bytes),
                *biases = tn_gpu_launch_host(l, w.scale_bytes);
        random_scales(l, f, scales, n);
        random_scales(l, f, biases, n);
        w.t.scales = scales;
        w.t.biases = biases;
        for (uint32_t i = 0; f->type == TN_TYPE_MLX_MXFP8 && i < w.bytes; i++)
            if ((data[i] & 0x7f) == 0x7f) data[i] ^= 1; /* NaN */
    } else {
        const uint32_t step = tn_type_info_get(f->type)->block_bytes;
        for (uint32_t i = 0; i < w.bytes; i += step) repair_block(l, f->type, data + i);
    }
    w.values = tn_gpu_launch_host(l, (size_t)rows * cols * sizeof(float));
    for (uint32_t r = 0; r < rows; r++) tn_tensor_dequantize(&w.t, r, 0, cols, w.values + (size_t)r * cols);
    return w;
}

/* The first binding makes the buffers, others use them again. */
static void bind_weight(tn_gpu_launch *l, weight *w, bool again) {
    if (again) {
        tn_gpu_launch_use(l, w->data, 0);
        tn_gpu_launch_use(l, w->scales, 0);
        tn_gpu_launch_use(l, w->biases, 0);
        return;
    }
    w->data = tn_gpu_launch_buffer(l, w->t.data, w->bytes);
    w->scales =
        tn_gpu_launch_buffer(l, w->t.scales ? w->t.scales : w->t.data, w->t.scales ? w->scale_bytes : 1);
    w->biases =
        tn_gpu_launch_buffer(l, w->t.scales ? w->t.biases : w->t.data, w->t.scales ? w->scale_bytes : 1);
}

static void give_constants(tn_gpu_launch *l, const form *f) {
    tn_gpu_launch_constant(l, TN_FC_TYPE, f->type);
    tn_gpu_launch_constant(l, TN_FC_BITS, f->bits);
    tn_gpu_launch_constant(l, TN_FC_GROUP, f->group);
    tn_gpu_launch_constant(l, TN_FC_SCALE_TYPE, f->scale_type);
}

/* ---- one product ---- */

/* Rows of x, of which some are done, in an order that is not theirs. */
typedef struct product {
    tn_linear_args a;
    uint32_t n_row, n_done;
    uint32_t *list; /* [n_done + padding] */
    float *x, *bias;
    double *expected; /* [n_row, n_out]; UNTOUCHED in rows that are not done */
    weight w;
    uint32_t split, align;          /* that the kernel is told of */
    uint32_t cols;                  /* of a lane; 0: tn_linear_cols */
    const float *other;             /* [n_row, n_out], added in place; or NULL */
    uint32_t x_buffer, bias_buffer; /* made by the first run */
    bool is_bound, is_half;         /* linear_tiles: the weight as halves */
} product;

#define UNTOUCHED 0.25f
enum { PAD = 32, ROWS_BESIDE = 2 };

static void draw_list(tn_gpu_launch *l, product *p, bool listed) {
    p->list = tn_gpu_launch_host(l, (p->n_row + PAD) * sizeof *p->list);
    for (uint32_t i = 0; i < p->n_row; i++) p->list[i] = i;
    for (uint32_t i = p->n_row; listed && i > 1; i--) { /* shuffled: Fisher and Yates */
        const uint32_t j = tn_gpu_launch_below(l, i), t = p->list[j];
        p->list[j] = p->list[i - 1];
        p->list[i - 1] = t;
    }
    for (uint32_t i = p->n_done; i < p->n_row + PAD; i++) p->list[i] = TN_NO_ROW;
}

/* x such that the longest row of the weight times a row of x is about 1 long: differences then count in units
 * of the longest product of norms. */
static void scale_x(product *p) {
    double most = 1e-30;
    for (uint32_t o = 0; o < p->a.n_out; o++) {
        double square = 0;
        for (uint32_t i = 0; i < p->a.n_in; i++) square += pow(p->w.values[(size_t)o * p->a.n_in + i], 2);
        most = fmax(most, sqrt(square));
    }
    for (size_t i = 0; i < (size_t)p->n_row * p->a.n_in; i++) p->x[i] = (float)(p->x[i] / most);
}

static void expect(product *p) {
    const uint32_t n_in = p->a.n_in, n_out = p->a.n_out;
    for (size_t i = 0; i < (size_t)p->n_row * n_out; i++) p->expected[i] = UNTOUCHED;
    for (uint32_t d = 0; d < p->n_done; d++)
        for (uint32_t o = 0; o < n_out; o++) {
            const float *w = p->w.values + (size_t)o * n_in, *x = p->x + (size_t)p->list[d] * n_in;
            double sum = p->a.has_bias ? p->bias[o] : 0;
            for (uint32_t i = 0; i < n_in; i++) sum += (double)w[i] * x[i];
            p->expected[(size_t)p->list[d] * n_out + o] = sum;
        }
}

static product draw_product(tn_gpu_launch *l, const form *f, uint32_t n_done, uint32_t n_in, uint32_t n_out,
                            bool bias, bool listed) {
    product p = {.n_done = n_done, .n_row = n_done + (listed ? ROWS_BESIDE : 0)};
    p.w = random_weight(l, f, n_out, n_in);
    p.a = (tn_linear_args){.n_in = n_in,
                           .n_out = n_out,
                           .row_bytes = (uint32_t)tn_tensor_row_bytes(&p.w.t),
                           .has_bias = bias,
                           .rows_are_listed = listed};
    p.split = 1;
    /* Now and then kernels are to do with less than there is. */
    p.align = p.a.row_bytes % 16 == 0 && tn_gpu_launch_below(l, 3) ? 16 : 4;
    p.x = tn_gpu_launch_floats(l, (size_t)p.n_row * n_in);
    p.bias = tn_gpu_launch_floats(l, n_out);
    p.expected = tn_gpu_launch_expected(l, (size_t)p.n_row * n_out);
    draw_list(l, &p, listed);
    scale_x(&p);
    expect(&p);
    return p;
}

/* Runs `kernel` on the first n rows of `list`; the number of the buffer that has the result. */
static uint32_t run_product(tn_gpu_launch *l, product *p, const form *f, const char *kernel,
                            const uint32_t *list, uint32_t n, uint32_t pass_rows) {
    const size_t n_out = (size_t)p->n_row * p->a.n_out;
    const bool is_tiles = strcmp(kernel, "linear_tiles") == 0;
    const uint32_t lane_cols =
        p->cols ? p->cols : tn_linear_cols(tn_linear_type(f->type, f->group), pass_rows);
    uint32_t *padded = tn_gpu_launch_host(l, (n + PAD) * sizeof *padded);
    float *before = tn_gpu_launch_host(l, n_out * sizeof *before);
    for (uint32_t i = 0; i < n + PAD; i++) padded[i] = i < n ? list[i] : TN_NO_ROW;
    for (size_t i = 0; i < n_out; i++) before[i] = p->other ? p->other[i] : UNTOUCHED;
    if (p->is_bound)
        tn_gpu_launch_use(l, p->x_buffer, 0);
    else
        p->x_buffer = tn_gpu_launch_buffer(l, p->x, (size_t)p->n_row * p->a.n_in * sizeof(float));
    tn_gpu_launch_buffer(l, padded, (n + PAD) * sizeof *padded);
    bind_weight(l, &p->w, p->is_bound);
    if (p->is_bound)
        tn_gpu_launch_use(l, p->bias_buffer, 0);
    else
        p->bias_buffer = tn_gpu_launch_buffer(l, p->bias, p->a.n_out * sizeof(float));
    const uint32_t out = tn_gpu_launch_buffer(l, before, n_out * sizeof *before);
    tn_gpu_launch_bytes(l, &p->a, sizeof p->a);
    tn_gpu_launch_use(l, out, 0);
    p->is_bound = true;
    give_constants(l, f);
    tn_gpu_launch_constant(l, TN_FC_RESIDUAL, p->other != NULL);
    if (is_tiles) {
        tn_gpu_launch_constant(l, TN_FC_HALF, p->is_half);
    } else {
        tn_gpu_launch_constant(l, TN_FC_ROWS, pass_rows);
        tn_gpu_launch_constant(l, TN_FC_ALIGN, p->align);
        tn_gpu_launch_constant(l, TN_FC_SPLIT, p->split);
        tn_gpu_launch_constant(l, TN_FC_COLS, lane_cols);
    }
    const uint32_t simd_cols =
        lane_cols * (TN_SIMD_WIDTH / tn_linear_lanes(tn_linear_type(f->type, f->group)));
    const uint32_t cols = is_tiles ? TN_TILE_COLS : simd_cols * (TN_LINEAR_SIMDS / p->split);
    const uint32_t rows = is_tiles ? TN_TILE_ROWS : pass_rows;
    tn_gpu_launch_dispatch(l, kernel, (p->a.n_out + cols - 1) / cols, (n + rows - 1) / rows, 1,
                           (is_tiles ? TN_TILE_SIMDS : TN_LINEAR_SIMDS) * TN_SIMD_WIDTH);
    return out;
}

static double finish_product(tn_gpu_launch *l, const product *p, uint32_t out, tn_error *err) {
    const double off = tn_gpu_launch_compare(l, out, p->expected, (size_t)p->n_row * p->a.n_out, err);
    tn_gpu_launch_end(l);
    return off;
}

/* ---- linear_rows ---- */

typedef struct shape {
    uint32_t pass_rows, n_done, n_out;
    uint32_t blocks; /* of n_in; at most max_in elements, unless it is 1 */
    uint32_t max_in;
    uint32_t split;
    bool bias, listed;
} shape;

static const shape rows_shapes[] = {
    {1, 1, 5, 1, 0, 1, false, true},     {4, 3, 7, 35, 800, 2, true, true},
    {2, 2, 33, 3, 300, 1, true, false},  {8, 17, 6, 5, 300, 4, false, true},
    {16, 13, 18, 9, 600, 1, true, true}, {1, 3, 6, 1000, 5000, 4, true, true},
};

static uint32_t width_of(const form *f, const shape *s) {
    const uint32_t block = block_elems(f), most = s->max_in / block;
    const uint32_t blocks = block == 1 ? (s->blocks == 1 ? 1 : s->max_in - 1 - s->blocks) : s->blocks;
    return (blocks == 1 || most == 0 ? 1 : blocks < most ? blocks : most) * block;
}

static double check_rows(const tn_gpu_check *c, tn_gpu *g, uint32_t nth, uint32_t seed, tn_error *err) {
    const form *f = &forms[c->param];
    const shape *s = &rows_shapes[nth];
    tn_gpu_launch *l = tn_gpu_launch_new(g, seed);
    product p = draw_product(l, f, s->n_done, width_of(f, s), s->n_out, s->bias, s->listed);
    p.split = s->split;
    return finish_product(l, &p, run_product(l, &p, f, "linear_rows", p.list, p.n_done, s->pass_rows), err);
}

/* ---- linear_tiles ---- */

static const shape tiles_shapes[] = {
    {0, 1, 5, 1, 0, 1, false, true},
    {0, 33, 70, 5, 300, 1, true, true},
    {0, 3, 65, 1000, 800, 1, false, true},
};

/* Added to the number of a form: with a tile of floats, which F32 and BF16 have anyway. */
enum { AS_FLOATS = 1000 };

static double check_tiles(const tn_gpu_check *c, tn_gpu *g, uint32_t nth, uint32_t seed, tn_error *err) {
    const form *f = &forms[c->param % AS_FLOATS];
    const shape *s = &tiles_shapes[nth];
    tn_gpu_launch *l = tn_gpu_launch_new(g, seed);
    product p = draw_product(l, f, s->n_done, width_of(f, s), s->n_out, s->bias, s->listed);
    p.is_half = c->param < AS_FLOATS && c->param != 0 && c->param != 2;
    return finish_product(l, &p, run_product(l, &p, f, "linear_tiles", p.list, p.n_done, 0), err);
}

/* x far beyond the range of halves. */
static double check_large_x(const tn_gpu_check *c, tn_gpu *g, uint32_t nth, uint32_t seed, tn_error *err) {
    const form *f = &forms[c->param];
    tn_gpu_launch *l = tn_gpu_launch_new(g, seed);
    product p = draw_product(l, f, 5, 512, 9, false, true);
    p.is_half = true;
    (void)nth;
    for (size_t i = 0; i < (size_t)p.n_row * p.a.n_in; i += 7) p.x[i] *= 1e9f;
    for (size_t i = 0; i < (size_t)p.a.n_out * p.a.n_in; i++) p.w.values[i] *= 1e-9f;
    expect(&p);
    const uint32_t out = run_product(l, &p, f, "linear_tiles", p.list, p.n_done, 0);
    const float *got = tn_gpu_launch_read(l, out, (size_t)p.n_row * p.a.n_out * sizeof *got, err);
    double worst = got ? 0 : INFINITY;
    for (uint32_t d = 0; got && d < p.n_done; d++)
        for (uint32_t o = 0; o < p.a.n_out; o++) {
            const size_t at = (size_t)p.list[d] * p.a.n_out + o;
            const double off = fabs(got[at] * 1e-9 - p.expected[at]);
            worst = off <= worst ? worst : isnan(off) ? INFINITY : off;
        }
    tn_gpu_launch_end(l);
    return worst;
}

/* ---- a row's bits ---- */

/* No grid for no rows. */
static double check_no_rows(const tn_gpu_check *c, tn_gpu *g, uint32_t nth, uint32_t seed, tn_error *err) {
    const form *f = &forms[c->param];
    tn_gpu_launch *l = tn_gpu_launch_new(g, seed);
    product p = draw_product(l, f, 0, 64, 5, false, true);
    (void)nth;
    return finish_product(l, &p, run_product(l, &p, f, c->kernel, p.list, 0, 4), err);
}

/* Whether the rows list[0 .. n) of got have the bits that they have in first; both [n_row, n_out]. */
static bool same_rows(const product *p, const float *first, const float *got, const uint32_t *list,
                      uint32_t n, tn_error *err) {
    for (uint32_t i = 0; first && got && i < n; i++) {
        const size_t at = (size_t)list[i] * p->a.n_out;
        if (memcmp(first + at, got + at, p->a.n_out * sizeof *got) == 0) continue;
        tn_fail(err, TN_EDEVICE, "row %u has not the same bits in all passes", list[i]);
        return false;
    }
    return first && got;
}

/* A row alone, and among others in passes of all sizes, with other numbers of columns a lane, and in two
 * orders. */
static double check_bits(const tn_gpu_check *c, tn_gpu *g, uint32_t nth, uint32_t seed, tn_error *err) {
    enum { N = 17, N_OUT = 10 };
    static const struct {
        uint32_t rows, cols;
    } passes[] = {{1, 0}, {2, 0}, {4, 0}, {8, 0}, {16, 0}, {1, 1}, {1, 8}, {2, 2}, {4, 1}, {8, 8}, {16, 2}};
    const form *f = &forms[c->param];
    tn_gpu_launch *l = tn_gpu_launch_new(g, seed);
    product p = draw_product(l, f, N, block_elems(f) == 1 ? 345 : 768, N_OUT, true, true);
    const size_t bytes = (size_t)p.n_row * N_OUT * sizeof(float);
    uint32_t reversed[N];
    p.split = 1u << nth;
    p.is_half = f->type != TN_TYPE_F32;
    for (uint32_t i = 0; i < N; i++) reversed[i] = p.list[N - 1 - i];
    const uint32_t alone = run_product(l, &p, f, c->kernel, reversed, 1, 1);
    const float *one = tn_gpu_launch_read(l, alone, bytes, err), *first = NULL;
    bool same = one != NULL;
    for (uint32_t v = 0; same && v < sizeof passes / sizeof *passes; v++) {
        p.cols = passes[v].cols;
        const uint32_t out = run_product(l, &p, f, c->kernel, v % 2 ? p.list : reversed, N, passes[v].rows);
        const float *got = tn_gpu_launch_read(l, out, bytes, err);
        if (!first) first = got;
        same = same_rows(&p, one, got, reversed, 1, err) && same_rows(&p, first, got, p.list, N, err);
    }
    tn_gpu_launch_end(l);
    return same ? 0 : INFINITY;
}

/* A product to which the matrix that is there is added has the bits of the two operations one by one; rows
 * that are not done stay. */
static double check_residual(const tn_gpu_check *c, tn_gpu *g, uint32_t nth, uint32_t seed, tn_error *err) {
    enum { N = 19, N_OUT = 37 };
    static const uint32_t passes[] = {1, 4, 16};
    const form *f = &forms[c->param];
    tn_gpu_launch *l = tn_gpu_launch_new(g, seed);
    product p = draw_product(l, f, N, 256, N_OUT, true, true);
    const size_t n = (size_t)p.n_row * N_OUT;
    const float *other = tn_gpu_launch_floats(l, n);
    p.is_half = f->type != TN_TYPE_F32;
    p.split = 1u << nth;
    const uint32_t alone = run_product(l, &p, f, c->kernel, p.list, N, passes[nth]);
    const float *product_alone = tn_gpu_launch_read(l, alone, n * sizeof(float), err);
    p.other = other;
    const uint32_t out = run_product(l, &p, f, c->kernel, p.list, N, passes[nth]);
    const float *got = tn_gpu_launch_read(l, out, n * sizeof(float), err);
    double worst = product_alone && got ? 0 : INFINITY;
    for (size_t i = 0; worst == 0 && i < n; i++) {
        const bool is_done = p.expected[i] != UNTOUCHED;
        const float expected = is_done ? product_alone[i] + other[i] : other[i];
        if (memcmp(&got[i], &expected, sizeof expected) != 0) worst = INFINITY;
    }
    tn_gpu_launch_end(l);
    return worst;
}

/* ---- embed ---- */

static const struct {
    uint32_t n_token, vocabulary, blocks, max_in;
} embed_shapes[] = {{1, 1, 1, 0}, {3, 7, 5, 600}, {2, 5, 1000, 1100}};

static double check_embed(const tn_gpu_check *c, tn_gpu *g, uint32_t nth, uint32_t seed, tn_error *err) {
    const form *f = &forms[c->param];
    const shape s = {.blocks = embed_shapes[nth].blocks, .max_in = embed_shapes[nth].max_in};
    const uint32_t cols = width_of(f, &s), n_token = embed_shapes[nth].n_token;
    tn_gpu_launch *l = tn_gpu_launch_new(g, seed);
    weight w = random_weight(l, f, embed_shapes[nth].vocabulary, cols);
    const tn_embed_args args = {
        .cols = cols, .row_bytes = (uint32_t)tn_tensor_row_bytes(&w.t), .factor = 1.75f};
    tn_metal_token *tokens = tn_gpu_launch_host(l, n_token * sizeof *tokens);
    double *expected = tn_gpu_launch_expected(l, (size_t)n_token * cols);
    for (uint32_t t = 0; t < n_token; t++) {
        tokens[t].id = tn_gpu_launch_below(l, embed_shapes[nth].vocabulary);
        for (uint32_t i = 0; i < cols; i++)
            expected[(size_t)t * cols + i] = 1.75 * w.values[(size_t)tokens[t].id * cols + i];
    }
    bind_weight(l, &w, false);
    tn_gpu_launch_buffer(l, tokens, n_token * sizeof *tokens);
    const uint32_t out = tn_gpu_launch_buffer(l, NULL, (size_t)n_token * cols * sizeof(float));
    tn_gpu_launch_bytes(l, &args, sizeof args);
    give_constants(l, f);
    tn_gpu_launch_dispatch(l, "embed", (cols + 8 * TN_ELEMENT_THREADS - 1) / (8 * TN_ELEMENT_THREADS),
                           n_token, 1, TN_ELEMENT_THREADS);
    const double off = tn_gpu_launch_compare(l, out, expected, (size_t)n_token * cols, err);
    tn_gpu_launch_end(l);
    return off;
}

/* ---- tables ---- */

#define N_SHAPE(a) (sizeof(a) / sizeof *(a))

/* Products of a weight's row and of x are about 0.6, whatever the weight (scale_x): differences count in
 * units of the norm. Sums in F32 of up to 5000 terms lose a few 1e-7. A tile of halves rounds each weight, by
 * up to 2^-11 of it: with signs at random that is 1e-4 of a product, and of the worst of some thousand 4e-4.
 * F32, F16 and BF16 (0 to 2) lose nothing on their way into a tile. */
#define FLOAT_OFF     2e-6
#define HALF_OFF      5e-4
#define ROWS(i, name) {"linear_rows", name, N_SHAPE(rows_shapes), FLOAT_OFF, check_rows, i},
#define TILES(i, name)                                                                                       \
    {"linear_tiles", name, N_SHAPE(tiles_shapes), (i) < 3 ? FLOAT_OFF : HALF_OFF, check_tiles, i},
#define FLOAT_TILES(i, name)                                                                                 \
    {"linear_tiles", name ", floats", N_SHAPE(tiles_shapes), FLOAT_OFF, check_tiles, AS_FLOATS + i},
#define EMBED(i, name)     {"embed", name, N_SHAPE(embed_shapes), 5e-7, check_embed, i},
#define ROW_BITS(i, name)  {"linear_rows", "bits of " name, 3, 0, check_bits, i},
#define TILE_BITS(i, name) {"linear_tiles", "bits of " name, 1, 0, check_bits, i},
#define RESIDUAL(i, name)                                                                                    \
    {"linear_rows", "residual, " name, 3, 0, check_residual, i},                                             \
        {"linear_tiles", "residual, " name, 1, 0, check_residual, i},

const tn_gpu_check tn_gpu_checks_linear[] = {
    /* clang-format off */
    EACH_FORM(ROWS)
    {"linear_rows", "no rows", 1, 0, check_no_rows, 7},
    ROW_BITS(0, "F32") ROW_BITS(3, "Q4_0") ROW_BITS(7, "Q8_0") ROW_BITS(12, "Q4_K") ROW_BITS(14, "Q6_K")
    ROW_BITS(20, "IQ4_XS") ROW_BITS(30, "affine 4, 64, BF16")
    RESIDUAL(0, "F32") RESIDUAL(12, "Q4_K") RESIDUAL(7, "Q8_0")
    EACH_FORM(TILES)
    FLOAT_TILES(1, "F16") FLOAT_TILES(7, "Q8_0") FLOAT_TILES(12, "Q4_K") FLOAT_TILES(30, "affine 4, 64, BF16")
    {"linear_tiles", "no rows", 1, 0, check_no_rows, 7},
    {"linear_tiles", "x of 1e9", 1, HALF_OFF, check_large_x, 7},
    TILE_BITS(0, "F32") TILE_BITS(12, "Q4_K")
    EACH_FORM(EMBED)
    /* clang-format on */
    {.kernel = NULL},
};
