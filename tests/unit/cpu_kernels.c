/* SPDX-License-Identifier: Apache-2.0 */
/* The kernels of every set that this machine has against plain loops in double, and against themselves cut
 * differently.
 *
 * Bounds: a sum of n products in F32, added along chains of length l, is off by at most about (l + 2) 2^-24
 * times the sum of the products' magnitudes (Higham 2002, eq. 3.5); what is not a sum gets a few units in the
 * last place. */
#include "unit/unit.h"

#include <math.h>

#include "device/cpu/cpu.h"
#include "unit/cpu_model.h"

#define EPS 0x1p-24

enum { GUARD = 32 };
static const float sentinel = -12345.75f;

/* Floats between sentinels. */
typedef struct guarded {
    float *data;
    size_t n;
    void *base;
} guarded;

static guarded guarded_new(size_t n) {
    size_t bytes = ((n + 2 * GUARD) * sizeof(float) + 63) / 64 * 64;
    float *base = aligned_alloc(64, bytes);
    assert_non_null(base);
    for (size_t i = 0; i < bytes / sizeof(float); i++) base[i] = sentinel;
    return (guarded){base + GUARD, n, base};
}
static void guarded_free(guarded *g) {
    for (int i = 1; i <= GUARD; i++) assert_true(g->data[-i] == sentinel);
    for (size_t i = g->n; i < g->n + GUARD; i++) assert_true(g->data[i] == sentinel);
    free(g->base);
}
static void random_fill(rng *r, float *x, size_t n) {
    for (size_t i = 0; i < n; i++) x[i] = rng_float(r);
}

typedef void (*set_test)(const tn_cpu_kernels *k);

/* Runs a test for each usable set; there is always generic. */
static void each_set(set_test test) {
    for (const tn_cpu_kernels *const *k = tn_cpu_kernel_sets; *k; k++) {
        if (tn_cpu_kernels_usable(*k))
            test(*k);
        else
            print_message("# %s: not on this machine\n", (*k)->name);
    }
}

typedef struct linear_case {
    tn_type type;
    uint32_t n, k, t;
    uint32_t bits, group;
    bool bias;
} linear_case;

static const linear_case linear_cases[] = {
    {TN_TYPE_F32, 1, 32, 1, 0, 0, false},      {TN_TYPE_F32, 13, 33, 5, 0, 0, true},
    {TN_TYPE_F32, 24, 2560, 2, 0, 0, false},   {TN_TYPE_F32, 12, 7, 3, 0, 0, false},
    {TN_TYPE_F16, 70, 95, 33, 0, 0, true},     {TN_TYPE_F16, 25, 1024, 4, 0, 0, false},
    {TN_TYPE_BF16, 37, 2561, 3, 0, 0, false},  {TN_TYPE_BF16, 12, 64, 130, 0, 0, true},
    {TN_TYPE_Q8_0, 70, 160, 33, 0, 0, true},   {TN_TYPE_Q8_0, 24, 2560, 1, 0, 0, false},
    {TN_TYPE_Q4_0, 11, 96, 7, 0, 0, false},    {TN_TYPE_Q4_0, 30, 1568, 2, 0, 0, false},
    {TN_TYPE_Q4_1, 5, 32, 4, 0, 0, false},     {TN_TYPE_Q5_0, 17, 544, 3, 0, 0, false},
    {TN_TYPE_Q5_1, 17, 544, 3, 0, 0, false},   {TN_TYPE_Q2_K, 13, 768, 3, 0, 0, false},
    {TN_TYPE_Q3_K, 13, 768, 3, 0, 0, false},   {TN_TYPE_Q4_K, 70, 2560, 33, 0, 0, true},
    {TN_TYPE_Q4_K, 3, 256, 1, 0, 0, false},    {TN_TYPE_Q5_K, 25, 1280, 5, 0, 0, false},
    {TN_TYPE_Q6_K, 25, 1280, 5, 0, 0, false},  {TN_TYPE_IQ4_NL, 14, 96, 3, 0, 0, false},
    {TN_TYPE_IQ4_XS, 14, 512, 3, 0, 0, false}, {TN_TYPE_AFFINE, 14, 640, 3, 4, 64, false},
    {TN_TYPE_AFFINE, 14, 576, 3, 3, 32, true}, {TN_TYPE_AFFINE, 9, 768, 2, 8, 128, false},
    {TN_TYPE_AFFINE, 9, 480, 2, 6, 32, false},
};

static uint32_t test_chunk(const tn_tensor *t) {
    return t->type == TN_TYPE_AFFINE && 512 % t->group ? t->group : 512;
}

static void check_linear(const linear_case *c, const tn_tensor *w, const float *bias, const float *x,
                         const float *y) {
    float *row = malloc(c->k * sizeof *row);
    for (uint32_t n = 0; n < c->n; n++) {
        tn_tensor_dequantize(w, n, 0, c->k, row);
        for (uint32_t t = 0; t < c->t; t++) {
            double sum = 0, size = 0;
            for (uint32_t k = 0; k < c->k; k++) {
                double p = (double)row[k] * x[t * c->k + k];
                sum += p;
                size += fabs(p);
            }
            double want = sum + (bias ? bias[n] : 0), got = y[t * c->n + n];
            double bound = ((c->k + 3) / 4 + 8) * EPS * size + EPS * fabs(want);
            if (!(fabs(got - want) <= bound)) {
                print_message("# type %d [%u, %u] t %u n %u: %g, want %g within %g\n", c->type, c->n, c->k, t,
                              n, got, want, bound);
                fail();
            }
        }
    }
    free(row);
}

/* The same rows alone and in other shares must have the same bits. */
static void check_linear_cuts(const tn_cpu_kernels *k, const tn_cpu_linear *l, const float *x,
                              const guarded *y, uint32_t n_row, void *scratch) {
    guarded z = guarded_new(y->n);
    for (uint32_t t = 0; t < n_row; t++)
        k->linear_f32(l, x + t * l->cols, z.data + t * l->rows, 1, (tn_range){0, l->rows}, scratch);
    assert_memory_equal(z.data, y->data, y->n * sizeof(float));
    memset(z.data, 0, z.n * sizeof(float));
    for (uint64_t n = 0; n < l->rows; n += 5) {
        tn_range r = {n, n + 5 < l->rows ? n + 5 : l->rows};
        k->linear_f32(l, x, z.data, n_row, r, scratch);
    }
    assert_memory_equal(z.data, y->data, y->n * sizeof(float));
    guarded_free(&z);
}

static void linear_set(const tn_cpu_kernels *k) {
    rng r = {1};
    for (size_t i = 0; i < sizeof linear_cases / sizeof *linear_cases; i++) {
        const linear_case *c = &linear_cases[i];
        tn_tensor w = tensor_random(&r, c->type, c->n + 2, c->k, c->bits, c->group);
        guarded x = guarded_new((size_t)c->t * c->k), y = guarded_new((size_t)c->t * c->n),
                bias = guarded_new(c->n);
        random_fill(&r, x.data, x.n);
        random_fill(&r, bias.data, bias.n);
        tn_cpu_linear l = {.tensor = &w, .rows = c->n, .cols = c->k, .chunk = test_chunk(&w)};
        l.chunk = (l.chunk + 15) / 16 * 16;
        l.bias = c->bias ? bias.data : NULL;
        guarded scratch = guarded_new(tn_cpu_linear_scratch(l.chunk) / sizeof(float));
        k->linear_f32(&l, x.data, y.data, c->t, (tn_range){0, c->n}, scratch.data);
        check_linear(c, &w, l.bias, x.data, y.data);
        check_linear_cuts(k, &l, x.data, &y, c->t, scratch.data);
        guarded_free(&scratch);
        guarded_free(&x);
        guarded_free(&y);
        guarded_free(&bias);
        tensor_fini(&w);
    }
}
static void linear_is_right_however_it_is_cut(void **state) {
    (void)state;
    each_set(linear_set);
}

static const linear_case int8_cases[] = {
    {TN_TYPE_Q8_0, 1, 32, 1, 0, 0, false},        {TN_TYPE_Q8_0, 70, 160, 33, 0, 0, true},
    {TN_TYPE_Q8_0, 24, 2560, 3, 0, 0, false},     {TN_TYPE_Q8_0, 16, 96, 15, 0, 0, true},
    {TN_TYPE_Q4_0, 70, 96, 33, 0, 0, true},       {TN_TYPE_Q4_0, 33, 1568, 7, 0, 0, false},
    {TN_TYPE_Q4_K, 70, 1280, 33, 0, 0, true},     {TN_TYPE_Q4_K, 3, 256, 1, 0, 0, false},
    {TN_TYPE_Q4_K, 600, 2560, 9, 0, 0, false},    {TN_TYPE_Q5_K, 70, 768, 33, 0, 0, true},
    {TN_TYPE_Q5_K, 17, 256, 2, 0, 0, false},      {TN_TYPE_Q6_K, 70, 768, 33, 0, 0, true},
    {TN_TYPE_Q6_K, 40, 2560, 6, 0, 0, false},

    {TN_TYPE_Q4_1, 70, 288, 33, 0, 0, true},      {TN_TYPE_Q4_1, 33, 1568, 7, 0, 0, false},
    {TN_TYPE_Q5_0, 70, 288, 33, 0, 0, true},      {TN_TYPE_Q5_0, 33, 1568, 7, 0, 0, false},
    {TN_TYPE_Q5_1, 70, 288, 33, 0, 0, true},      {TN_TYPE_Q5_1, 33, 1568, 7, 0, 0, false},
    {TN_TYPE_IQ4_NL, 70, 96, 33, 0, 0, true},     {TN_TYPE_IQ4_NL, 33, 1568, 7, 0, 0, false},
    {TN_TYPE_MXFP4, 70, 416, 33, 0, 0, true},     {TN_TYPE_MXFP4, 33, 1504, 7, 0, 0, false},
    {TN_TYPE_MXFP4, 1, 32, 1, 0, 0, false},       {TN_TYPE_NVFP4, 70, 320, 33, 0, 0, true},
    {TN_TYPE_NVFP4, 33, 1536, 7, 0, 0, false},    {TN_TYPE_Q2_K, 70, 768, 33, 0, 0, true},
    {TN_TYPE_Q2_K, 40, 2560, 6, 0, 0, false},     {TN_TYPE_Q3_K, 70, 768, 33, 0, 0, true},
    {TN_TYPE_Q3_K, 40, 2560, 6, 0, 0, false},     {TN_TYPE_IQ4_XS, 70, 768, 33, 0, 0, true},
    {TN_TYPE_IQ4_XS, 40, 2560, 6, 0, 0, false},

    {TN_TYPE_MLX_MXFP4, 70, 416, 33, 0, 0, true}, {TN_TYPE_MLX_MXFP4, 33, 1504, 7, 0, 0, false},
    {TN_TYPE_MLX_NVFP4, 70, 352, 33, 0, 0, true}, {TN_TYPE_MLX_NVFP4, 33, 1504, 7, 0, 0, false},
    {TN_TYPE_AFFINE, 70, 288, 33, 2, 32, true},   {TN_TYPE_AFFINE, 17, 640, 7, 2, 128, false},
    {TN_TYPE_AFFINE, 70, 288, 33, 3, 32, true},   {TN_TYPE_AFFINE, 17, 320, 7, 3, 64, false},
    {TN_TYPE_AFFINE, 70, 288, 33, 4, 32, true},   {TN_TYPE_AFFINE, 33, 1600, 7, 4, 64, false},
    {TN_TYPE_AFFINE, 17, 640, 6, 4, 128, false},  {TN_TYPE_AFFINE, 70, 288, 33, 5, 32, true},
    {TN_TYPE_AFFINE, 17, 640, 7, 5, 128, false},  {TN_TYPE_AFFINE, 70, 288, 33, 6, 32, true},
    {TN_TYPE_AFFINE, 17, 320, 7, 6, 64, false},   {TN_TYPE_AFFINE, 70, 288, 33, 8, 32, true},
    {TN_TYPE_AFFINE, 33, 1600, 7, 8, 64, false},  {TN_TYPE_AFFINE, 17, 640, 6, 8, 128, false},
};

static tn_cpu_panels panels_new(const tn_tensor *w, uint64_t first_row, uint32_t rows, const float *bias) {
    tn_cpu_panels p;
    assert_true(tn_cpu_panels_init(&p, w, rows));
    p.data = aligned_alloc(64, p.panel_bytes * tn_cpu_panels_count(&p));
    p.bias = bias;
    tn_cpu_panels_fill(&p, w, first_row, (tn_range){0, tn_cpu_panels_count(&p)});
    return p;
}

/* x is rounded to multiples of (largest of its block of 32) / 127, so each product is off by half of that at
 * most. */
static void check_int8(const linear_case *c, const tn_tensor *w, const float *bias, const float *x,
                       const float *y) {
    float *row = malloc(c->k * sizeof *row);
    for (uint32_t n = 0; n < c->n; n++) {
        tn_tensor_dequantize(w, n + 1, 0, c->k, row);
        for (uint32_t t = 0; t < c->t; t++) {
            double sum = bias ? bias[n] : 0, bound = EPS * fabs(sum);
            for (uint32_t b = 0; b < c->k; b += 32) {
                double top = 0, weights = 0;
                for (uint32_t k = b; k < b + 32; k++) {
                    sum += (double)row[k] * x[t * c->k + k];
                    weights += fabs(row[k]);
                    top = fmax(top, fabs(x[t * c->k + k]));
                }
                /* the second part: sums in F32, minima and codes apart, each several times the weight */
                bound +=
                    weights * top / 254 * 1.0001 + 32 * 1.5 / sqrt(c->k) * top * (c->k / 32 + 4) * 4 * EPS;
            }
            double got = y[t * c->n + n];
            if (!(fabs(got - sum) <= bound)) {
                print_message("# type %d, %u bits [%u, %u] t %u n %u: %g, want %g within %g\n", c->type,
                              c->bits, c->n, c->k, t, n, got, sum, bound);
                fail();
            }
        }
    }
    free(row);
}

static void run_int8(const tn_cpu_kernels *k, const tn_cpu_panels *p, const float *x, uint32_t n_row,
                     float *y) {
    uint32_t n_block = tn_cpu_act_blocks(p->cols), half = n_block / 2;
    guarded act = guarded_new(n_row * tn_cpu_act_words(p->cols));
    void *scratch = aligned_alloc(64, TN_CPU_TILE_SCRATCH);
    assert_non_null(scratch);
    memset(scratch, 0xff, TN_CPU_TILE_SCRATCH);
    k->quantize(x, p->cols, n_row, (tn_range){half, n_block}, (int32_t *)act.data);
    k->quantize(x, p->cols, n_row, (tn_range){0, half}, (int32_t *)act.data);
    uint64_t cut = tn_cpu_panels_count(p) / 3;
    k->linear_int8(p, (const int32_t *)act.data, y, n_row, (tn_range){cut, tn_cpu_panels_count(p)}, scratch);
    k->linear_int8(p, (const int32_t *)act.data, y, n_row, (tn_range){0, cut}, scratch);
    free(scratch);
    guarded_free(&act);
}

/* FNV-1a, on and on. */
static uint64_t digest(uint64_t h, const float *x, size_t n) {
    const uint8_t *p = (const uint8_t *)x;
    for (size_t i = 0; i < n * sizeof *x; i++) h = (h ^ p[i]) * 0x100000001b3u;
    return h;
}

/* Every set; those with a fused multiply-add must agree bit for bit. Their outputs join the digest. */
static void check_int8_sets(const linear_case *c, const tn_tensor *w, const float *bias, const float *x,
                            uint64_t *bits) {
    guarded y = guarded_new((size_t)c->t * c->n), z = guarded_new(y.n), first = guarded_new(y.n);
    tn_cpu_panels p = panels_new(w, 1, c->n, bias);
    bool have_first = false;
    for (const tn_cpu_kernels *const *k = tn_cpu_kernel_sets; *k; k++) {
        if (!tn_cpu_kernels_usable(*k)) continue;
        run_int8(*k, &p, x, c->t, y.data);
        check_int8(c, w, bias, x, y.data);
        for (uint32_t t = 0; t < c->t; t++) run_int8(*k, &p, x + t * c->k, 1, z.data + t * c->n);
        assert_memory_equal(y.data, z.data, y.n * sizeof(float));
        if (strcmp((*k)->name, "generic") == 0) continue;
        if (have_first) assert_memory_equal(y.data, first.data, y.n * sizeof(float));
        memcpy(first.data, y.data, y.n * sizeof(float));
        have_first = true;
    }
    if (have_first) *bits = digest(*bits, first.data, y.n);
    free(p.data);
    guarded_free(&y);
    guarded_free(&z);
    guarded_free(&first);
}

static void int8_layers_are_right_on_every_set(void **state) {
    (void)state;
    rng r = {7};
    uint64_t bits = 0;
    for (size_t i = 0; i < sizeof int8_cases / sizeof *int8_cases; i++) {
        const linear_case *c = &int8_cases[i];
        tn_tensor w = tensor_random(&r, c->type, c->n + 2, c->k, c->bits, c->group);
        guarded x = guarded_new((size_t)c->t * c->k), bias = guarded_new(c->n);
        random_fill(&r, x.data, x.n);
        random_fill(&r, bias.data, bias.n);
        for (uint32_t k = 0; k < c->k; k++) x.data[k] = 1.0f; /* the largest sums there can be */
        for (uint32_t k = 0; k < 32; k++) x.data[(c->t - 1) * c->k + k] = 0.0f;
        check_int8_sets(c, &w, c->bias ? bias.data : NULL, x.data, &bits);
        guarded_free(&x);
        guarded_free(&bias);
        tensor_fini(&w);
    }
    for (const tn_cpu_kernels *const *k = tn_cpu_kernel_sets; *k; k++)
        if (tn_cpu_kernels_usable(*k)) print_message("# set %s\n", (*k)->name);
    print_message("# bits with fused multiply-add: %016llx\n", (unsigned long long)bits);
}

/* x is rounded to 8 bits of mantissa. */
static void check_bf16(const linear_case *c, const tn_tensor *w, const float *bias, const float *x,
                       const float *y) {
    float *row = malloc(c->k * sizeof *row);
    for (uint32_t n = 0; n < c->n; n++) {
        tn_tensor_dequantize(w, n + 1, 0, c->k, row);
        for (uint32_t t = 0; t < c->t; t++) {
            double sum = bias ? bias[n] : 0, size = 0;
            for (uint32_t k = 0; k < c->k; k++) {
                sum += (double)row[k] * x[t * c->k + k];
                size += fabs((double)row[k] * x[t * c->k + k]);
            }
            double bound = (0x1p-9 + (c->k + 4) * EPS) * size + EPS * fabs(sum);
            assert_true(fabs(y[t * c->n + n] - sum) <= bound);
        }
    }
    free(row);
}

/* In two shares of blocks and of panels. */
static void run_bf16(const tn_cpu_kernels *k, const tn_cpu_panels *p, const float *x, uint32_t n_row,
                     float *y) {
    uint32_t n_block = tn_cpu_act_blocks(p->cols), half = n_block / 2;
    guarded act = guarded_new(n_row * tn_cpu_act_words(p->cols));
    uint64_t n_panel = tn_cpu_panels_count(p), cut = n_panel / 3;
    void *scratch = aligned_alloc(64, TN_CPU_MATRIX_SCRATCH);
    assert_non_null(scratch);
    memset(scratch, 0xff, TN_CPU_MATRIX_SCRATCH);
    k->round_bf16(x, p->cols, n_row, (tn_range){half, n_block}, (int32_t *)act.data);
    k->round_bf16(x, p->cols, n_row, (tn_range){0, half}, (int32_t *)act.data);
    k->linear_bf16(p, (const int32_t *)act.data, y, n_row, (tn_range){cut, n_panel}, scratch);
    k->linear_bf16(p, (const int32_t *)act.data, y, n_row, (tn_range){0, cut}, scratch);
    free(scratch);
    guarded_free(&act);
}

static const linear_case bf16_cases[] = {
    {TN_TYPE_BF16, 1, 32, 1, 0, 0, false},     {TN_TYPE_BF16, 70, 160, 33, 0, 0, true},
    {TN_TYPE_BF16, 17, 97, 16, 0, 0, false},   {TN_TYPE_BF16, 600, 1056, 47, 0, 0, true},
    {TN_TYPE_BF16, 33, 2048, 270, 0, 0, true}, {TN_TYPE_BF16, 16, 300, 20, 0, 0, false},
};

static void matrix_set(const tn_cpu_kernels *k) {
    rng r = {11};
    if (!k->linear_bf16) {
        print_message("# %s: has no matrix registers\n", k->name);
        return;
    }
    for (size_t i = 0; i < sizeof bf16_cases / sizeof *bf16_cases; i++) {
        const linear_case *c = &bf16_cases[i];
        tn_tensor w = tensor_random(&r, c->type, c->n + 2, c->k, c->bits, c->group);
        guarded x = guarded_new((size_t)c->t * c->k), bias = guarded_new(c->n);
        guarded y = guarded_new((size_t)c->t * c->n), z = guarded_new(y.n);
        random_fill(&r, x.data, x.n);
        random_fill(&r, bias.data, bias.n);
        tn_cpu_panels p = panels_new(&w, 1, c->n, c->bias ? bias.data : NULL);
        run_bf16(k, &p, x.data, c->t, y.data);
        check_bf16(c, &w, p.bias, x.data, y.data);
        for (uint32_t t = 0; t < c->t; t++) run_bf16(k, &p, x.data + t * c->k, 1, z.data + t * c->n);
        assert_memory_equal(y.data, z.data, y.n * sizeof(float));
        free(p.data);
        guarded_free(&x);
        guarded_free(&bias);
        guarded_free(&y);
        guarded_free(&z);
        tensor_fini(&w);
    }
}
static void matrix_registers_give_a_row_its_own_bits(void **state) {
    (void)state;
    each_set(matrix_set);
}

static void decode_set(const tn_cpu_kernels *k) {
    static const tn_type types[] = {TN_TYPE_F32,  TN_TYPE_F16,  TN_TYPE_BF16, TN_TYPE_Q8_0,
                                    TN_TYPE_Q4_0, TN_TYPE_Q4_K, TN_TYPE_Q5_K, TN_TYPE_Q6_K};
    rng r = {2};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        uint32_t n = tn_type_info_get(types[i])->block_elems == 1 ? 37 : 1024;
        tn_tensor t = tensor_random(&r, types[i], 1, n, 0, 0);
        guarded got = guarded_new(n), want = guarded_new(n);
        k->decode(types[i], t.data, n, got.data);
        tn_dequantize(types[i], t.data, n, want.data);
        assert_memory_equal(got.data, want.data, n * sizeof(float));
        guarded_free(&got);
        guarded_free(&want);
        tensor_fini(&t);
    }
    /* Every half-precision number, infinities and subnormals included; of NaNs only that they stay so. */
    uint16_t *h = malloc(65536 * 2);
    float *got = malloc(65536 * 4), *want = malloc(65536 * 4);
    for (uint32_t i = 0; i < 65536; i++) h[i] = (uint16_t)i;
    k->decode(TN_TYPE_F16, (const uint8_t *)h, 65536, got);
    tn_dequantize(TN_TYPE_F16, h, 65536, want);
    for (uint32_t i = 0; i < 65536; i++)
        assert_true(isnan(want[i]) ? isnan(got[i]) : !memcmp(&got[i], &want[i], 4));
    free(h);
    free(got);
    free(want);
}
static void decoders_agree_with_the_formats(void **state) {
    (void)state;
    each_set(decode_set);
}

static double activation(double x, uint32_t a) {
    if (a == TN_ACT_SILU) return x / (1 + exp(-x));
    if (a == TN_ACT_GELU_ERF) return 0.5 * x * (1 + erf(x * 0.70710678118654752));
    if (a == TN_ACT_GELU_QUICK) return x / (1 + exp(-1.702 * x));
    return 0.5 * x * (1 + tanh(0.79788456080286536 * (x + 0.044715 * x * x * x)));
}

static void elementwise_set(const tn_cpu_kernels *k) {
    enum { M = 4099 };
    rng r = {3};
    guarded a = guarded_new(M), b = guarded_new(M), y = guarded_new(M), z = guarded_new(M);
    for (int i = 0; i < M; i++) {
        a.data[i] = rng_float(&r) * (i % 3 == 0 ? 1 : i % 3 == 1 ? 12 : 120);
        b.data[i] = rng_float(&r);
    }
    static const uint32_t acts[] = {TN_ACT_SILU, TN_ACT_GELU_TANH, TN_ACT_GELU_ERF, TN_ACT_GELU_QUICK};
    for (int j = 0; j < 4; j++) {
        for (int i = 0; i < M; i++) z.data[i] = 1;
        k->glu(y.data, a.data, z.data, M, acts[j]);
        k->glu(z.data, a.data, NULL, M, acts[j]);
        assert_memory_equal(y.data, z.data, M * sizeof(float));
        k->glu(y.data, a.data, b.data, M, acts[j]);
        for (int i = 0; i < M; i++) {
            /* 1 + tanh cancels for negative x: absolute there, of the size of x */
            double want = activation(a.data[i], acts[j]) * b.data[i];
            double bound =
                12 * EPS * (fabs(want) + (acts[j] == TN_ACT_SILU ? 0 : fabs((double)a.data[i] * b.data[i]))) +
                1e-30;
            assert_true(fabs(y.data[i] - want) <= bound);
        }
        for (int i = 0; i < M; i += 7) {
            k->glu(z.data + i, a.data + i, b.data + i, M - i < 7 ? M - i : 7, acts[j]);
        }
        assert_memory_equal(y.data, z.data, M * sizeof(float));
    }
    k->softcap(y.data, a.data, M, 30.0f);
    for (int i = 0; i < M; i++)
        assert_true(fabs(y.data[i] - 30 * tanh(a.data[i] / 30.0)) <=
                    10 * EPS * 30 * fabs(tanh(a.data[i] / 30.0)));
    for (int i = 0; i < M; i += 3) k->softcap(z.data + i, a.data + i, M - i < 3 ? M - i : 3, 30.0f);
    assert_memory_equal(y.data, z.data, M * sizeof(float));
    k->add(y.data, a.data, b.data, M);
    for (int i = 0; i < M; i++) assert_true(y.data[i] == a.data[i] + b.data[i]);
    k->scale(y.data, a.data, M, 0.3f);
    for (int i = 0; i < M; i++) assert_true(y.data[i] == a.data[i] * 0.3f);
    guarded_free(&a);
    guarded_free(&b);
    guarded_free(&y);
    guarded_free(&z);
}
static void elementwise_kernels_are_right(void **state) {
    (void)state;
    each_set(elementwise_set);
}

static void check_layer_norm(const tn_cpu_kernels *k, rng *r, uint32_t n) {
    guarded x = guarded_new(n), w = guarded_new(n), b = guarded_new(n), y = guarded_new(n);
    random_fill(r, x.data, n);
    random_fill(r, w.data, n);
    random_fill(r, b.data, n);
    for (uint32_t i = 0; i < n; i++) x.data[i] += 3; /* the mean must go */
    for (int biased = 0; biased < 2; biased++) {
        double mean = 0, squares = 0;
        k->layer_norm(y.data, x.data, w.data, biased ? b.data : NULL, n, 1e-5f);
        for (uint32_t i = 0; i < n; i++) mean += x.data[i] / n;
        for (uint32_t i = 0; i < n; i++) squares += (x.data[i] - mean) * (x.data[i] - mean);
        double s = 1 / sqrt(squares / n + 1e-5);
        for (uint32_t i = 0; i < n; i++) {
            double part = (x.data[i] - mean) * s * w.data[i], want = part + (biased ? b.data[i] : 0);
            double size = fabs(part) + fabs(want) + 4 * s * fabs((double)w.data[i]);
            assert_true(fabs(y.data[i] - want) <= (n / 8.0 + 16) * EPS * size);
        }
    }
    k->layer_norm(x.data, x.data, w.data, b.data, n, 1e-5f); /* in place */
    assert_memory_equal(x.data, y.data, n * sizeof(float));
    guarded_free(&x);
    guarded_free(&w);
    guarded_free(&b);
    guarded_free(&y);
}

static void norm_rope_set(const tn_cpu_kernels *k) {
    rng r = {4};
    for (uint32_t n = 1; n < 200; n += n < 40 ? 1 : 23) {
        guarded x = guarded_new(n), w = guarded_new(n), y = guarded_new(n);
        random_fill(&r, x.data, n);
        random_fill(&r, w.data, n);
        k->rms_norm(y.data, x.data, w.data, n, 1e-6f);
        double sum = 0;
        for (uint32_t i = 0; i < n; i++) sum += (double)x.data[i] * x.data[i];
        double s = 1 / sqrt(sum / n + 1e-6);
        for (uint32_t i = 0; i < n; i++) {
            double want = x.data[i] * s * w.data[i];
            assert_true(fabs(y.data[i] - want) <= (n / 8.0 + 10) * EPS * fabs(want));
        }
        check_layer_norm(k, &r, n);
        uint32_t n_pair = n / 3;
        for (uint32_t style = TN_ROPE_HALF; style <= TN_ROPE_INTERLEAVED; style++) {
            k->rope(y.data, x.data, n, n_pair, w.data, style); /* any numbers do for cos and sin */
            for (uint32_t i = 0; i < n_pair; i++) {
                uint32_t p = style == TN_ROPE_HALF ? i : 2 * i,
                         q = style == TN_ROPE_HALF ? i + n_pair : 2 * i + 1;
                double a = x.data[p], b = x.data[q], c = w.data[i], d = w.data[n_pair + i];
                assert_true(fabs(y.data[p] - (a * c - b * d)) <= 3 * EPS * (fabs(a * c) + fabs(b * d)));
                assert_true(fabs(y.data[q] - (b * c + a * d)) <= 3 * EPS * (fabs(b * c) + fabs(a * d)));
            }
            for (uint32_t i = 2 * n_pair; i < n; i++) assert_true(y.data[i] == x.data[i]);
        }
        guarded_free(&x);
        guarded_free(&w);
        guarded_free(&y);
    }
}
static void norms_and_rope_are_right(void **state) {
    (void)state;
    each_set(norm_rope_set);
}

typedef struct attention_case {
    uint32_t n_head, n_head_kv, head_dim, window;
    float softcap;
    uint32_t page_tokens, n_pos;
} attention_case;

static const tn_type kv_types[] = {TN_TYPE_F32, TN_TYPE_F16, TN_TYPE_BF16, TN_TYPE_Q8_0};
enum { N_KV_TYPE = sizeof kv_types / sizeof *kv_types };

/* Each with every type. Numbers of queries to a key on both sides of what goes by way of scratch; contexts
 * that end within the first span and in the third; windows that start within a span and across two. */
static const attention_case attention_cases[] = {
    {4, 2, 16, 0, 0, 16, 70},     {4, 4, 24, 0, 0, 1, 37},      {8, 1, 64, 20, 0, 2, 90},
    {4, 2, 80, 0, 50, 4, 65},     {6, 2, 128, 33, 30, 8, 99},   {2, 1, 256, 0, 0, 64, 130},
    {20, 1, 32, 1, 0, 32, 40},    {3, 3, 7, 5, 0, 128, 33},     {2, 2, 96, 0, 0, 32, 300},
    {5, 1, 128, 300, 0, 32, 611}, {4, 1, 64, 256, 20, 16, 530}, {2, 1, 40, 17, 0, 256, 275},
    {48, 2, 80, 0, 0, 32, 45},
};

/* Keys and values of n_pos positions stored in pages that are not in order, and queries for all of them. */
typedef struct attention_data {
    tn_cpu_attention a;
    uint32_t pages[256];
    size_t pool_bytes;
    float *k, *v, *q; /* k, v as they read back from the cache, turned back */
    uint32_t segment; /* positions that see each other; 0: each sees its past */
} attention_data;

/* x[0 .. n) turned back, by the definition: blocks of 32, those that are shorter cut into powers of two. */
static void turn_back(float *x, uint32_t n_dim) {
    for (uint32_t b = 0, n; b < n_dim; b += n) {
        uint32_t left = n_dim - b < 32 - b % 32 ? n_dim - b : 32 - b % 32;
        double y[32];
        for (n = 32; n > left; n /= 2) {}
        for (uint32_t i = 0; i < n; i++) {
            y[i] = 0;
            for (uint32_t j = 0; j < n; j++)
                y[i] += __builtin_parity(i & j) ? -(double)x[b + j] : (double)x[b + j];
        }
        for (uint32_t i = 0; i < n; i++) x[b + i] = (float)(y[i] / n);
    }
}

/* Element i of the keys (which 0) or values (1) at a slot, found by what kernels.h says of the layout. */
static float stored(const tn_cpu_kernels *k, const tn_cpu_cache *c, uint32_t page, uint32_t slot,
                    uint32_t head, uint32_t which, uint32_t i) {
    uint32_t g = which ? 1 : c->k_group, rows = which ? c->page_tokens : g;
    const uint8_t *at = which ? tn_cpu_cache_values(c, page, head) : tn_cpu_cache_keys(c, page, head, slot);
    uint32_t index = which ? slot * c->head_dim + i : i * g + slot % g;
    uint32_t scale_index = i / 32 * rows + slot % rows;
    float f;
    if (c->type != TN_TYPE_Q8_0) {
        k->decode(c->type, at + (size_t)index * c->elem_bytes, 1, &f);
        return f;
    }
    k->decode(TN_TYPE_F16, at + (size_t)rows * c->head_dim + 2 * (size_t)scale_index, 1, &f);
    return (float)(int8_t)at[index] * f;
}

/* Stores a head's k and v at a position; what is read back replaces them. */
static void store_position(const tn_cpu_kernels *k, const attention_data *d, uint32_t pos, uint32_t head) {
    const tn_cpu_cache *c = &d->a.cache;
    uint32_t slot = pos % c->page_tokens, page = d->pages[pos / c->page_tokens];
    size_t at = ((size_t)pos * c->n_head_kv + head) * c->head_dim;
    float *both[2] = {d->k + at, d->v + at}, want[256];
    k->cache_store(c, page, slot, head, both[0], both[1]);
    for (uint32_t which = 0; which < 2; which++) {
        tn_kv_type_round(c->type, both[which], c->head_dim, want);
        for (uint32_t i = 0; i < c->head_dim; i++) {
            both[which][i] = stored(k, c, page, slot, head, which, i);
            assert_true(isnan(want[i]) ? isnan(both[which][i]) : both[which][i] == want[i]);
        }
        if (c->type == TN_TYPE_Q8_0) turn_back(both[which], c->head_dim);
    }
}

static void attention_data_init(attention_data *d, const attention_case *c, tn_type type, uint64_t seed,
                                bool reverse) {
    d->segment = 0;
    rng r = {seed};
    uint32_t n_page = (c->n_pos + c->page_tokens - 1) / c->page_tokens;
    tn_cpu_cache *cache = &d->a.cache;
    *cache = (tn_cpu_cache){.offset = 64};
    tn_cpu_cache_shape(cache, type, c->page_tokens, c->n_head_kv, c->head_dim);
    cache->page_bytes = 2ull * c->page_tokens * c->n_head_kv * cache->token_bytes + 64;
    d->pool_bytes = n_page * cache->page_bytes;
    cache->pool = malloc(d->pool_bytes);
    memset(cache->pool, 0xff, d->pool_bytes); /* NaN */
    d->a.desc = (tn_attention_desc){.n_head = c->n_head,
                                    .n_head_kv = c->n_head_kv,
                                    .head_dim = c->head_dim,
                                    .window = c->window,
                                    .scale = 1.7f / sqrtf((float)c->head_dim),
                                    .softcap = c->softcap};
    for (uint32_t i = 0; i < n_page; i++) d->pages[i] = reverse ? n_page - 1 - i : i;
    size_t n_kv = (size_t)c->n_pos * c->n_head_kv * c->head_dim,
           n_q = (size_t)c->n_pos * c->n_head * c->head_dim;
    d->k = malloc(n_kv * 4);
    d->v = malloc(n_kv * 4);
    d->q = malloc(n_q * 4);
    random_fill(&r, d->k, n_kv);
    random_fill(&r, d->v, n_kv);
    random_fill(&r, d->q, n_q);
    for (size_t i = 0; i < n_q; i++) d->q[i] *= 4;
}
static void attention_data_store(const attention_data *d, const tn_cpu_kernels *k, uint32_t n_pos) {
    for (uint32_t p = 0; p < n_pos; p++)
        for (uint32_t h = 0; h < d->a.cache.n_head_kv; h++) store_position(k, d, p, h);
}
static void attention_data_fini(attention_data *d) {
    free(d->a.cache.pool);
    free(d->k);
    free(d->v);
    free(d->q);
}

/* What the rows of an item see: with segments, all of the segment that pos is in; with a window too, that and
 * what the window shows. */
static void set_sees(const attention_data *d, uint32_t n_pos, tn_cpu_attention_item *item) {
    if (d->segment == 0) return;
    item->first = item->pos / d->segment * d->segment;
    item->end = item->first + d->segment < n_pos ? item->first + d->segment : n_pos;
}

static void check_attention(const attention_data *d, uint32_t pos, uint32_t n_pos, const float *out) {
    const tn_attention_desc *a = &d->a.desc;
    uint32_t first = a->window && pos >= a->window ? pos - a->window + 1 : 0, dim = a->head_dim;
    tn_cpu_attention_item item = {.pos = pos};
    set_sees(d, n_pos, &item);
    uint32_t last = item.end ? item.end - 1 : pos;
    if (item.end && (!a->window || item.first < first)) first = item.first;
    for (uint32_t h = 0; h < a->n_head; h++) {
        uint32_t kv = h / (a->n_head / a->n_head_kv);
        double s[1024], sum = 0, want[256] = {0}, size[256] = {0}, top = -INFINITY;
        for (uint32_t p = first; p <= last; p++) {
            s[p] = 0;
            for (uint32_t i = 0; i < dim; i++)
                s[p] +=
                    (double)d->q[(pos * a->n_head + h) * dim + i] * d->k[(p * a->n_head_kv + kv) * dim + i];
            s[p] *= a->scale;
            if (a->softcap > 0) s[p] = a->softcap * tanh(s[p] / a->softcap);
            top = fmax(top, s[p]);
        }
        for (uint32_t p = first; p <= last; p++) {
            double e = exp(s[p] - top);
            sum += e;
            for (uint32_t i = 0; i < dim; i++) {
                double v = e * d->v[(p * a->n_head_kv + kv) * dim + i];
                want[i] += v;
                size[i] += fabs(v);
            }
        }
        /* A score of size about 4 sqrt(dim) is off by some dim/4 places; e^ carries that into the weights. */
        for (uint32_t i = 0; i < dim; i++)
            assert_true(fabs(out[h * dim + i] - want[i] / sum) <=
                        (last - first + 8 * dim + 100) * EPS * size[i] / sum);
    }
}

static void run_attention(const tn_cpu_kernels *k, const attention_data *d, uint32_t pos, uint32_t n_row,
                          uint32_t n_pos, float *out, void *scratch) {
    const tn_attention_desc *a = &d->a.desc;
    for (uint32_t h = 0; h < a->n_head_kv; h++) {
        tn_cpu_attention_item item = {.q = d->q + (size_t)pos * a->n_head * a->head_dim,
                                      .out = out,
                                      .pages = d->pages,
                                      .pos = pos,
                                      .n_row = n_row,
                                      .head_kv = h};
        set_sees(d, n_pos, &item);
        k->attention(&d->a, &item, scratch);
    }
}

/* As run_attention, spans apart and in any order. */
static void run_attention_parts(const tn_cpu_kernels *k, const attention_data *d, uint32_t pos,
                                uint32_t n_row, uint32_t n_pos, float *out, void *scratch) {
    const tn_attention_desc *a = &d->a.desc;
    for (uint32_t h = 0; h < a->n_head_kv; h++) {
        tn_cpu_attention_item item = {.q = d->q + (size_t)pos * a->n_head * a->head_dim,
                                      .out = out,
                                      .pages = d->pages,
                                      .pos = pos,
                                      .n_row = n_row,
                                      .head_kv = h};
        set_sees(d, n_pos, &item);
        tn_range all = tn_cpu_attention_spans(a, &item);
        size_t each = (size_t)n_row * (a->n_head / a->n_head_kv) * tn_cpu_partial(a->head_dim);
        guarded parts = guarded_new(each * (all.end - all.first));
        for (uint64_t s = all.end; s-- > all.first;)
            k->attention_part(&d->a, &item, (tn_range){s, s + 1}, parts.data + (s - all.first) * each,
                              scratch);
        k->attention_fold(&d->a, &item, parts.data, scratch);
        guarded_free(&parts);
    }
}

/* Rows of the next block: within a segment. */
static uint32_t block_rows(const attention_data *d, uint32_t pos, uint32_t n_row, uint32_t n_pos) {
    if (n_row > n_pos - pos) n_row = n_pos - pos;
    if (d->segment && n_row > d->segment - pos % d->segment) n_row = d->segment - pos % d->segment;
    return n_row;
}

/* Every position by itself in one cache, blocks of n_row in another with other pages. */
static void attention_blocks(const tn_cpu_kernels *k, const attention_data *d, const attention_data *e,
                             uint32_t n_pos, uint32_t n_row) {
    size_t cols = (size_t)d->a.desc.n_head * d->a.desc.head_dim;
    guarded alone = guarded_new(n_pos * cols), many = guarded_new(n_pos * cols);
    guarded scratch = guarded_new(tn_cpu_attention_scratch(&d->a.desc) / sizeof(float));
    uint32_t n;
    for (uint32_t p = 0; p < n_pos; p++) {
        run_attention(k, d, p, 1, n_pos, alone.data + p * cols, scratch.data);
        if (p < 70 || p % 37 == 0 || (p + 2) % 256 < 4) check_attention(d, p, n_pos, alone.data + p * cols);
    }
    for (uint32_t p = 0; p < n_pos; p += n) {
        n = block_rows(e, p, n_row, n_pos);
        run_attention(k, e, p, n, n_pos, many.data + p * cols, scratch.data);
    }
    assert_memory_equal(alone.data, many.data, alone.n * sizeof(float));
    for (uint32_t p = 0; p < n_pos; p += n) {
        n = block_rows(e, p, n_row, n_pos);
        run_attention_parts(k, d, p, n, n_pos, many.data + p * cols, scratch.data);
    }
    assert_memory_equal(alone.data, many.data, alone.n * sizeof(float));
    guarded_free(&alone);
    guarded_free(&many);
    guarded_free(&scratch);
}

static void attention_set(const tn_cpu_kernels *k) {
    size_t every = unit_every();
    for (size_t i = 0; i < N_KV_TYPE * sizeof attention_cases / sizeof *attention_cases; i += every) {
        const attention_case *c = &attention_cases[i / N_KV_TYPE];
        attention_data d, e;
        attention_data_init(&d, c, kv_types[i % N_KV_TYPE], i, false);
        attention_data_init(&e, c, kv_types[i % N_KV_TYPE], i, true);
        attention_data_store(&d, k, c->n_pos);
        attention_data_store(&e, k, c->n_pos);
        uint32_t most = tn_cpu_attention_rows(&d.a.desc);
        attention_blocks(k, &d, &e, c->n_pos, most);
        if (most > 1) attention_blocks(k, &d, &e, c->n_pos, 1 + (uint32_t)i % (most - 1));
        d.segment = e.segment = i % 2 ? 300 : 40; /* over spans, and several in one */
        attention_blocks(k, &d, &e, c->n_pos, most);
        attention_data_fini(&d);
        attention_data_fini(&e);
    }
}
static void attention_is_right_alone_and_in_blocks(void **state) {
    (void)state;
    each_set(attention_set);
}

/* What the k and v of a position may be. */
enum { ZERO, TINY, HUGE, INFINITE, NOT_A_NUMBER, N_HOSTILE };
static float hostile(uint32_t kind, uint32_t i) {
    static const float values[] = {0, 3e-7f, 1e37f, INFINITY, NAN};
    return kind <= TINY || i % 13 == 5 ? values[kind] * (i % 2 ? 1.0f : -1.0f) : 0.25f;
}

/* One position is hostile: queries that do not see it give the bits that they gave without it, its
 * neighbours are stored as ever, and what nothing but finite numbers went into is finite. */
static void hostile_position(const tn_cpu_kernels *k, tn_type type, uint32_t kind) {
    enum { AT = 21, WINDOW = 30, N = 70 };
    static const attention_case c = {4, 2, 80, WINDOW, 0, 32, N};
    attention_data d;
    attention_data_init(&d, &c, type, 5, false);
    attention_data_store(&d, k, N);
    size_t cols = (size_t)c.n_head * c.head_dim, row = (size_t)c.n_head_kv * c.head_dim;
    guarded before = guarded_new(N * cols), after = guarded_new(N * cols);
    guarded scratch = guarded_new(tn_cpu_attention_scratch(&d.a.desc) / sizeof(float));
    for (uint32_t p = 0; p < N; p++) run_attention(k, &d, p, 1, N, before.data + p * cols, scratch.data);
    for (uint32_t i = 0; i < row; i++) d.k[AT * row + i] = d.v[AT * row + i] = hostile(kind, i);
    for (uint32_t h = 0; h < c.n_head_kv; h++) store_position(k, &d, AT, h);
    for (uint32_t p = 0; p < N; p += 5) run_attention(k, &d, p, 5, N, after.data + p * cols, scratch.data);
    for (uint32_t p = 0; p < N; p++) {
        const float *x = before.data + p * cols, *y = after.data + p * cols;
        if (p < AT || p >= AT + WINDOW)
            assert_memory_equal(x, y, cols * sizeof(float));
        else if (kind <= TINY)
            check_attention(&d, p, N, y);
        else if (kind == NOT_A_NUMBER)
            assert_true(isnan(y[5]));
    }
    guarded_free(&before);
    guarded_free(&after);
    guarded_free(&scratch);
    attention_data_fini(&d);
}
static void hostile_set(const tn_cpu_kernels *k) {
    for (uint32_t i = 0; i < N_KV_TYPE * N_HOSTILE; i++)
        hostile_position(k, kv_types[i / N_HOSTILE], i % N_HOSTILE);
}
static void hostile_tokens_harm_only_those_who_see_them(void **state) {
    (void)state;
    each_set(hostile_set);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decoders_agree_with_the_formats),
        cmocka_unit_test(linear_is_right_however_it_is_cut),
        cmocka_unit_test(int8_layers_are_right_on_every_set),
        cmocka_unit_test(matrix_registers_give_a_row_its_own_bits),
        cmocka_unit_test(elementwise_kernels_are_right),
        cmocka_unit_test(norms_and_rope_are_right),
        cmocka_unit_test(attention_is_right_alone_and_in_blocks),
        cmocka_unit_test(hostile_tokens_harm_only_those_who_see_them),
    };
    return unit_main(tests);
}
