/* SPDX-License-Identifier: Apache-2.0 */
/* Checks of the kernels that work on rows by themselves, or make one of some. */
#include <math.h>
#include <string.h>
#include <tenon/program.h>

#include "device/gpu/check.h"

#define N_SHAPE(a) ((uint32_t)(sizeof(a) / sizeof *(a)))

/* out: x again where the kernel works in place, else a new buffer of n floats; its number. */
static uint32_t bind_out(tn_gpu_launch *l, uint32_t x, bool in_place, size_t n) {
    if (!in_place) return tn_gpu_launch_buffer(l, NULL, n * sizeof(float));
    tn_gpu_launch_use(l, x, 0);
    return x;
}

static double finish(tn_gpu_launch *l, uint32_t out, const double *expected, size_t n, tn_error *err) {
    const double off = tn_gpu_launch_compare(l, out, expected, n, err);
    tn_gpu_launch_end(l);
    return off;
}

/* ---- rms_norm, rms_norm_simd ---- */

static const struct {
    uint32_t rows, cols, group;
    bool in_place;
} norm_shapes[] = {
    {1, 1, 1, false},  {3, 7, 7, false},    {2, 128, 128, true},   {1, 300, 300, false},
    {5, 96, 16, true}, {2, 270, 54, false}, {2, 2048, 2048, true}, {0, 64, 64, false},
};

static double check_norm(const tn_gpu_check *check, tn_gpu *g, uint32_t shape, uint32_t seed, tn_error *err) {
    const uint32_t rows = norm_shapes[shape].rows, cols = norm_shapes[shape].cols,
                   group = norm_shapes[shape].group;
    const size_t n = (size_t)rows * cols;
    const tn_rms_norm_args args = {.cols = cols, .group = group, .eps = 1e-5f};
    tn_gpu_launch *l = tn_gpu_launch_new(g, seed);
    const float *x = tn_gpu_launch_floats(l, n), *w = tn_gpu_launch_floats(l, group);
    double *expected = tn_gpu_launch_expected(l, n);
    for (size_t i = 0; i < n; i += group) {
        double sum = 0;
        for (uint32_t j = 0; j < group; j++) sum += (double)x[i + j] * x[i + j];
        for (uint32_t j = 0; j < group; j++) expected[i + j] = x[i + j] / sqrt(sum / group + 1e-5f) * w[j];
    }
    const uint32_t in = tn_gpu_launch_buffer(l, x, n * sizeof *x);
    tn_gpu_launch_buffer(l, w, group * sizeof *w);
    const uint32_t out = bind_out(l, in, norm_shapes[shape].in_place, n);
    tn_gpu_launch_bytes(l, &args, sizeof args);
    if (strcmp(check->kernel, "rms_norm") == 0)
        tn_gpu_launch_dispatch(l, "rms_norm", cols / group, rows, 1, TN_NORM_THREADS);
    else
        tn_gpu_launch_dispatch(l, "rms_norm_simd",
                               tn_ceil_div(cols / group, TN_NORM_SIMD_THREADS / TN_SIMD_WIDTH), rows, 1,
                               TN_NORM_SIMD_THREADS);
    return finish(l, out, expected, n, err);
}

/* ---- layer_norm ---- */

static const struct {
    uint32_t rows, cols;
    bool has_bias, in_place;
} layer_norm_shapes[] = {{1, 1, true, false},   {3, 7, false, false}, {2, 128, true, true},
                         {1, 300, true, false}, {5, 96, false, true}, {2, 2048, true, true},
                         {0, 64, true, false}};

/* Every third row far from 0: differences to the mean are what its variance is made of. */
static double check_layer_norm(const tn_gpu_check *check, tn_gpu *g, uint32_t shape, uint32_t seed,
                               tn_error *err) {
    const uint32_t rows = layer_norm_shapes[shape].rows, cols = layer_norm_shapes[shape].cols;
    const bool has_bias = layer_norm_shapes[shape].has_bias;
    const size_t n = (size_t)rows * cols;
    const tn_layer_norm_args args = {.cols = cols, .has_bias = has_bias, .eps = 1e-5f};
    tn_gpu_launch *l = tn_gpu_launch_new(g, seed);
    float *x = tn_gpu_launch_floats(l, n);
    const float *w = tn_gpu_launch_floats(l, cols), *b = tn_gpu_launch_floats(l, cols);
    double *expected = tn_gpu_launch_expected(l, n);
    (void)check;
    for (size_t i = 0; i < n; i++) x[i] += i / cols % 3 ? 0 : 16;
    for (size_t i = 0; i < n; i += cols) {
        double mean = 0, spread = 0;
        for (uint32_t j = 0; j < cols; j++) mean += (double)x[i + j] / cols;
        for (uint32_t j = 0; j < cols; j++) spread += (x[i + j] - mean) * (x[i + j] - mean);
        for (uint32_t j = 0; j < cols; j++)
            expected[i + j] = (x[i + j] - mean) / sqrt(spread / cols + 1e-5f) * w[j] + (has_bias ? b[j] : 0);
    }
    const uint32_t in = tn_gpu_launch_buffer(l, x, n * sizeof *x);
    tn_gpu_launch_buffer(l, w, cols * sizeof *w);
    tn_gpu_launch_buffer(l, has_bias ? b : NULL, cols * sizeof *b);
    const uint32_t out = bind_out(l, in, layer_norm_shapes[shape].in_place, n);
    tn_gpu_launch_bytes(l, &args, sizeof args);
    tn_gpu_launch_dispatch(l, "layer_norm", 1, rows, 1, TN_NORM_THREADS);
    return finish(l, out, expected, n, err);
}

/* ---- rope ---- */

static const struct {
    uint32_t rows, n_head, head_dim, n_dims, interleaved;
    bool in_place, has_axes;
} rope_shapes[] = {{1, 1, 2, 2, 0, false, false},    {3, 9, 16, 16, 0, true, false},
                   {3, 2, 128, 128, 1, true, false}, {2, 3, 24, 10, 0, false, false},
                   {2, 5, 7, 4, 1, false, false},    {0, 2, 8, 8, 0, false, false},
                   {3, 4, 80, 80, 0, true, true},    {2, 2, 20, 12, 1, false, true}};

/* The coordinate that pair i turns by, and all that a row has. */
static uint32_t axis_of(uint32_t i) {
    return (i + i / 3) % 3;
}
static void draw_coords(tn_gpu_launch *l, tn_metal_coord coords[4]) {
    for (uint32_t r = 0; r < 4; r++)
        for (uint32_t k = 0; k < 3; k++) coords[r].at[k] = tn_gpu_launch_below(l, r ? 1000000 : 100);
}

/* Positions up to a million; frequencies as they are, 1 the highest. */
static double check_rope(const tn_gpu_check *check, tn_gpu *g, uint32_t shape, uint32_t seed, tn_error *err) {
    const uint32_t rows = rope_shapes[shape].rows, n_head = rope_shapes[shape].n_head,
                   dim = rope_shapes[shape].head_dim, half = rope_shapes[shape].n_dims / 2,
                   inter = rope_shapes[shape].interleaved;
    const size_t n = (size_t)rows * n_head * dim;
    const tn_rope_args args = {.n_head = n_head,
                               .head_dim = dim,
                               .n_dims = 2 * half,
                               .interleaved = inter,
                               .mscale = {1, 1.25f},
                               .has_axes = rope_shapes[shape].has_axes};
    tn_gpu_launch *l = tn_gpu_launch_new(g, seed);
    const float *x = tn_gpu_launch_floats(l, n), *inv_freq = tn_gpu_launch_floats(l, (size_t)2 * half);
    tn_metal_token tokens[4];
    tn_metal_coord coords[4] = {{{0}}};
    uint32_t axis[64];
    double *expected = tn_gpu_launch_expected(l, n);
    (void)check;
    draw_coords(l, coords);
    for (uint32_t i = 0; i < 64; i++) axis[i] = axis_of(i);
    for (uint32_t r = 0; r < 4; r++)
        tokens[r] = (tn_metal_token){.pos = tn_gpu_launch_below(l, r ? 1000000 : 100), .rope_variant = r % 2};
    for (size_t i = 0; i < n; i++) expected[i] = x[i];
    for (size_t head = 0; head < (size_t)rows * n_head; head++)
        for (uint32_t i = 0; i < half; i++) {
            const tn_metal_token *t = &tokens[head / n_head];
            const size_t a = head * dim + (inter ? 2 * i : i),
                         b = head * dim + (inter ? 2 * i + 1 : i + half);
            const uint32_t pos = args.has_axes ? coords[head / n_head].at[axis_of(i)] : t->pos;
            const float angle = (float)pos * inv_freq[t->rope_variant * half + i];
            const double m = args.mscale[t->rope_variant];
            expected[a] = (x[a] * cos(angle) - x[b] * sin(angle)) * m;
            expected[b] = (x[b] * cos(angle) + x[a] * sin(angle)) * m;
        }
    const uint32_t in = tn_gpu_launch_buffer(l, x, n * sizeof *x);
    tn_gpu_launch_buffer(l, tokens, sizeof tokens);
    tn_gpu_launch_buffer(l, inv_freq, (size_t)2 * half * sizeof *inv_freq);
    const uint32_t out = bind_out(l, in, rope_shapes[shape].in_place, n);
    tn_gpu_launch_bytes(l, &args, sizeof args);
    tn_gpu_launch_buffer(l, args.has_axes ? axis : NULL, half * sizeof *axis);
    tn_gpu_launch_buffer(l, args.has_axes ? coords : NULL, sizeof coords);
    const uint32_t threads = (dim + 1) / 2 * tn_ceil_div(n_head, TN_ROPE_HEADS);
    tn_gpu_launch_dispatch(l, "rope", tn_ceil_div(threads, TN_ELEMENT_THREADS), rows, 1, TN_ELEMENT_THREADS);
    return finish(l, out, expected, n, err);
}

/* ---- element by element ---- */

static const struct {
    uint32_t rows, cols;
    bool in_place;
} element_shapes[] = {{1, 1, false},  {3, 127, true},   {2, 128, false},
                      {2, 513, true}, {1, 1000, false}, {0, 4, true}};

static const float element_f = 1.75f;

static double element(const tn_gpu_check *c, double x, double y) {
    switch (c->param) {
    case TN_ACT_SILU: return x / (1 + exp(-x)) * y;
    case TN_ACT_GELU_TANH: return 0.5 * x * (1 + tanh(0.7978845608028654 * (x + 0.044715 * x * x * x))) * y;
    case TN_ACT_GELU_ERF: return 0.5 * x * erfc(-x * 0.7071067811865476) * y;
    case TN_ACT_SIGMOID: return y / (1 + exp(-x));
    case TN_ACT_GELU_QUICK: return x / (1 + exp(-1.702 * x)) * y;
    default: break;
    }
    if (strcmp(c->kernel, "add") == 0) return x + y;
    return strcmp(c->kernel, "scale") == 0 ? x * element_f : element_f * tanh(x / element_f);
}

/* Numbers from -100 to 100, most of them small. */
static double check_element(const tn_gpu_check *check, tn_gpu *g, uint32_t shape, uint32_t seed,
                            tn_error *err) {
    const uint32_t rows = element_shapes[shape].rows, cols = element_shapes[shape].cols;
    const bool one = strcmp(check->kernel, "activation") == 0;
    const bool two = !one && (check->param || strcmp(check->kernel, "add") == 0);
    const size_t n = (size_t)rows * cols;
    const tn_element_args args = {.cols = cols, .f = element_f};
    tn_gpu_launch *l = tn_gpu_launch_new(g, seed);
    float *x = tn_gpu_launch_floats(l, n);
    const float *y = tn_gpu_launch_floats(l, n);
    double *expected = tn_gpu_launch_expected(l, n);
    for (size_t i = 0; i < n; i++) {
        x[i] *= i % 8 ? 6 : 100;
        expected[i] = element(check, x[i], one ? 1 : y[i]);
    }
    const uint32_t in = tn_gpu_launch_buffer(l, x, n * sizeof *x);
    if (two) tn_gpu_launch_buffer(l, y, n * sizeof *y);
    const uint32_t out = bind_out(l, in, element_shapes[shape].in_place, n);
    tn_gpu_launch_bytes(l, &args, sizeof args);
    if (check->param) tn_gpu_launch_constant(l, TN_FC_ACTIVATION, check->param);
    tn_gpu_launch_dispatch(l, check->kernel, tn_ceil_div(cols, TN_ELEMENT_THREADS * TN_ELEMENT_VEC), rows, 1,
                           TN_ELEMENT_THREADS);
    return finish(l, out, expected, n, err);
}

/* ---- what moves rows, or makes one of some ---- */

static const struct {
    uint32_t rows, cols, from; /* from: rows of the source */
} row_shapes[] = {{1, 1, 1}, {3, 130, 2}, {5, 64, 9}, {0, 8, 2}};

static double check_output_rows(const tn_gpu_check *check, tn_gpu *g, uint32_t shape, uint32_t seed,
                                tn_error *err) {
    const uint32_t rows = row_shapes[shape].rows, cols = row_shapes[shape].cols,
                   from = row_shapes[shape].from;
    const size_t n = (size_t)rows * cols;
    const tn_element_args args = {.cols = cols};
    tn_gpu_launch *l = tn_gpu_launch_new(g, seed);
    const float *x = tn_gpu_launch_floats(l, (size_t)from * cols);
    uint32_t wanted[8];
    double *expected = tn_gpu_launch_expected(l, n);
    (void)check;
    for (uint32_t r = 0; r < 8; r++) wanted[r] = (r * 7 + 1) % from;
    for (size_t i = 0; i < n; i++) expected[i] = x[wanted[i / cols] * cols + i % cols];
    tn_gpu_launch_buffer(l, x, (size_t)from * cols * sizeof *x);
    tn_gpu_launch_buffer(l, wanted, sizeof wanted);
    const uint32_t out = tn_gpu_launch_buffer(l, NULL, n * sizeof *x);
    tn_gpu_launch_bytes(l, &args, sizeof args);
    tn_gpu_launch_dispatch(l, "output_rows", tn_ceil_div(cols, TN_ELEMENT_THREADS), rows, 1,
                           TN_ELEMENT_THREADS);
    return finish(l, out, expected, n, err);
}

static const struct {
    uint32_t rows, runs, run, first, n;
} slice_shapes[] = {{1, 1, 1, 0, 1}, {3, 5, 7, 2, 4}, {2, 2, 200, 100, 100}, {0, 1, 4, 1, 2}};

static double check_slice(const tn_gpu_check *check, tn_gpu *g, uint32_t shape, uint32_t seed,
                          tn_error *err) {
    const uint32_t rows = slice_shapes[shape].rows, runs = slice_shapes[shape].runs,
                   run = slice_shapes[shape].run;
    const uint32_t first = slice_shapes[shape].first, n = slice_shapes[shape].n, out_cols = runs * n;
    const tn_slice_args args = {.run = run, .first = first, .n = n, .out_cols = out_cols};
    tn_gpu_launch *l = tn_gpu_launch_new(g, seed);
    const float *x = tn_gpu_launch_floats(l, (size_t)rows * runs * run);
    double *expected = tn_gpu_launch_expected(l, (size_t)rows * out_cols);
    (void)check;
    for (uint32_t i = 0; i < rows * out_cols; i++) expected[i] = x[i / n * run + first + i % n];
    tn_gpu_launch_buffer(l, x, (size_t)rows * runs * run * sizeof *x);
    const uint32_t out = tn_gpu_launch_buffer(l, NULL, (size_t)rows * out_cols * sizeof *x);
    tn_gpu_launch_bytes(l, &args, sizeof args);
    tn_gpu_launch_dispatch(l, "slice", tn_ceil_div(out_cols, TN_ELEMENT_THREADS), rows, 1,
                           TN_ELEMENT_THREADS);
    return finish(l, out, expected, (size_t)rows * out_cols, err);
}

/* Rows 1, 3, 5, ... of out get rows of media; the others stay. */
static double check_media(const tn_gpu_check *check, tn_gpu *g, uint32_t shape, uint32_t seed,
                          tn_error *err) {
    const uint32_t rows = row_shapes[shape].rows, cols = row_shapes[shape].cols;
    const size_t n = ((size_t)2 * rows + 1) * cols;
    const tn_media_args args = {.cols = cols, .adds = check->param};
    tn_gpu_launch *l = tn_gpu_launch_new(g, seed);
    const float *x = tn_gpu_launch_floats(l, n), *media = tn_gpu_launch_floats(l, (size_t)rows * cols);
    uint32_t list[8];
    double *expected = tn_gpu_launch_expected(l, n);
    for (uint32_t r = 0; r < 8; r++) list[r] = r < rows ? 2 * (rows - 1 - r) + 1 : TN_NO_ROW;
    for (size_t i = 0; i < n; i++) expected[i] = x[i];
    for (uint32_t i = 0; i < rows * cols; i++) {
        double *to = expected + (size_t)list[i / cols] * cols + i % cols;
        *to = media[i] + (args.adds ? *to : 0);
    }
    tn_gpu_launch_buffer(l, media, (size_t)rows * cols * sizeof *media);
    tn_gpu_launch_buffer(l, list, sizeof list);
    const uint32_t out = tn_gpu_launch_buffer(l, x, n * sizeof *x);
    tn_gpu_launch_bytes(l, &args, sizeof args);
    tn_gpu_launch_dispatch(l, "media_rows", tn_ceil_div(cols, TN_ELEMENT_THREADS), rows, 1,
                           TN_ELEMENT_THREADS);
    return finish(l, out, expected, n, err);
}

static double check_mix(const tn_gpu_check *check, tn_gpu *g, uint32_t shape, uint32_t seed, tn_error *err) {
    const uint32_t rows = row_shapes[shape].rows, cols = row_shapes[shape].cols,
                   from = row_shapes[shape].from;
    const size_t n = (size_t)rows * cols;
    const tn_element_args args = {.cols = cols};
    tn_gpu_launch *l = tn_gpu_launch_new(g, seed);
    const float *table = tn_gpu_launch_floats(l, (size_t)from * cols);
    tn_metal_mix parts[8];
    double *expected = tn_gpu_launch_expected(l, n);
    (void)check;
    for (uint32_t r = 0; r < 8; r++)
        for (uint32_t i = 0; i < 4; i++) {
            parts[r].index[i] = tn_gpu_launch_below(l, from);
            parts[r].weight[i] = tn_gpu_launch_random(l);
        }
    for (size_t i = 0; i < n; i++)
        for (uint32_t k = 0; k < 4; k++) {
            const tn_metal_mix *m = &parts[i / cols];
            expected[i] += (double)m->weight[k] * table[m->index[k] * cols + i % cols];
        }
    tn_gpu_launch_buffer(l, table, (size_t)from * cols * sizeof *table);
    tn_gpu_launch_buffer(l, parts, sizeof parts);
    const uint32_t out = tn_gpu_launch_buffer(l, NULL, n * sizeof *table);
    tn_gpu_launch_bytes(l, &args, sizeof args);
    tn_gpu_launch_dispatch(l, "mix_rows", tn_ceil_div(cols, TN_ELEMENT_THREADS), rows, 1, TN_ELEMENT_THREADS);
    return finish(l, out, expected, n, err);
}

/* `from` rows become one. */
static double check_mean(const tn_gpu_check *check, tn_gpu *g, uint32_t shape, uint32_t seed, tn_error *err) {
    const uint32_t rows = row_shapes[shape].rows, cols = row_shapes[shape].cols,
                   from = row_shapes[shape].from;
    const size_t n = (size_t)rows * cols;
    const tn_mean_args args = {.cols = cols, .n = from};
    tn_gpu_launch *l = tn_gpu_launch_new(g, seed);
    const float *x = tn_gpu_launch_floats(l, n * from);
    double *expected = tn_gpu_launch_expected(l, n);
    (void)check;
    for (size_t i = 0; i < n * from; i++) expected[i / cols / from * cols + i % cols] += (double)x[i] / from;
    tn_gpu_launch_buffer(l, x, n * from * sizeof *x);
    const uint32_t out = tn_gpu_launch_buffer(l, NULL, n * sizeof *x);
    tn_gpu_launch_bytes(l, &args, sizeof args);
    tn_gpu_launch_dispatch(l, "mean_rows", tn_ceil_div(cols, TN_ELEMENT_THREADS), rows, 1,
                           TN_ELEMENT_THREADS);
    return finish(l, out, expected, n, err);
}

static const struct {
    uint32_t pages, from, to, n_vec;
} page_shapes[] = {{2, 0, 1, 1}, {5, 3, 1, 130}, {3, 1, 2, 128}};

static double check_copy_page(const tn_gpu_check *check, tn_gpu *g, uint32_t shape, uint32_t seed,
                              tn_error *err) {
    const uint32_t n_vec = page_shapes[shape].n_vec, page = n_vec * TN_COPY_PAGE_VEC / sizeof(float);
    const size_t n = (size_t)page_shapes[shape].pages * page;
    const tn_copy_page_args args = {
        .from = page_shapes[shape].from, .to = page_shapes[shape].to, .n_vec = n_vec};
    tn_gpu_launch *l = tn_gpu_launch_new(g, seed);
    const float *pool = tn_gpu_launch_floats(l, n);
    double *expected = tn_gpu_launch_expected(l, n);
    (void)check;
    for (size_t i = 0; i < n; i++) expected[i] = pool[i / page == args.to ? args.from * page + i % page : i];
    const uint32_t buffer = tn_gpu_launch_buffer(l, pool, n * sizeof *pool);
    tn_gpu_launch_bytes(l, &args, sizeof args);
    tn_gpu_launch_dispatch(l, "copy_page", tn_ceil_div(n_vec, TN_ELEMENT_THREADS), 1, 1, TN_ELEMENT_THREADS);
    return finish(l, buffer, expected, n, err);
}

/* Tolerances: a few roundings of F32 (6e-8) per operation; sums of n terms of order 1 get sqrt(n) more. The
 * angle of a rope is rounded as the kernel rounds it. Numbers around 16 are off from their mean by 16 * 6e-8
 * at the least, which layer_norm divides by their spread of 0.6. */
const tn_gpu_check tn_gpu_checks_rows[] = {
    {"rms_norm", "", N_SHAPE(norm_shapes), 1e-6, check_norm, 0},
    {"rms_norm_simd", "", N_SHAPE(norm_shapes), 1e-6, check_norm, 0},
    {"layer_norm", "", N_SHAPE(layer_norm_shapes), 4e-6, check_layer_norm, 0},
    {"rope", "", N_SHAPE(rope_shapes), 1e-6, check_rope, 0},
    {"glu", "silu", N_SHAPE(element_shapes), 1e-6, check_element, TN_ACT_SILU},
    {"glu", "gelu_tanh", N_SHAPE(element_shapes), 1e-6, check_element, TN_ACT_GELU_TANH},
    {"glu", "gelu_erf", N_SHAPE(element_shapes), 1e-6, check_element, TN_ACT_GELU_ERF},
    {"glu", "sigmoid", N_SHAPE(element_shapes), 1e-6, check_element, TN_ACT_SIGMOID},
    {"glu", "gelu_quick", N_SHAPE(element_shapes), 1e-6, check_element, TN_ACT_GELU_QUICK},
    {"activation", "silu", N_SHAPE(element_shapes), 1e-6, check_element, TN_ACT_SILU},
    {"activation", "gelu_tanh", N_SHAPE(element_shapes), 1e-6, check_element, TN_ACT_GELU_TANH},
    {"activation", "gelu_erf", N_SHAPE(element_shapes), 1e-6, check_element, TN_ACT_GELU_ERF},
    {"activation", "sigmoid", N_SHAPE(element_shapes), 1e-6, check_element, TN_ACT_SIGMOID},
    {"activation", "gelu_quick", N_SHAPE(element_shapes), 1e-6, check_element, TN_ACT_GELU_QUICK},
    {"add", "", N_SHAPE(element_shapes), 1e-7, check_element, 0},
    {"scale", "", N_SHAPE(element_shapes), 1e-7, check_element, 0},
    {"softcap", "", N_SHAPE(element_shapes), 1e-6, check_element, 0},
    {"output_rows", "", N_SHAPE(row_shapes), 0, check_output_rows, 0},
    {"slice", "", N_SHAPE(slice_shapes), 0, check_slice, 0},
    {"media_rows", "in place of", N_SHAPE(row_shapes), 0, check_media, 0},
    {"media_rows", "added", N_SHAPE(row_shapes), 1e-7, check_media, 1},
    {"mix_rows", "", N_SHAPE(row_shapes), 1e-6, check_mix, 0},
    {"mean_rows", "", N_SHAPE(row_shapes), 1e-6, check_mean, 0},
    {"copy_page", "", N_SHAPE(page_shapes), 0, check_copy_page, 0},
    {.kernel = NULL},
};
