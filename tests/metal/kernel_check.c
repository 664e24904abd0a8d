/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel_check.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* Host memory of a check and the buffers made of it. */
enum { MAX_BINDINGS = 8 };
typedef struct launch {
    sim_binding bindings[MAX_BINDINGS];
    uint32_t n_binding;
    void *host[MAX_BINDINGS];
    uint32_t n_host;
} launch;

/* n random floats, freed with the launch. */
static float *random_floats(launch *l, size_t n) {
    float *p = malloc(n * sizeof *p);
    if (!p) abort();
    for (size_t i = 0; i < n; i++) p[i] = check_random();
    return l->host[l->n_host++] = p;
}

/* Room for n expected values, freed with the launch. */
static double *expected_doubles(launch *l, size_t n) {
    double *p = calloc(n, sizeof *p);
    if (!p) abort();
    return l->host[l->n_host++] = p;
}

/* A buffer with these bytes (NULL: as it comes, NaN) as the next argument; returns its index. */
static uint32_t bind_buffer(launch *l, const void *data, size_t bytes) {
    sim_buffer *b = sim_buffer_new(bytes);
    if (!b || (data && sim_buffer_write(b, 0, data, bytes) != 0)) abort();
    const uint32_t index = l->n_binding++;
    l->bindings[index] = (sim_binding){.index = index, .buffer = b};
    return index;
}

/* The same buffer as another argument: a kernel that works in place. */
static void bind_again(launch *l, uint32_t index) {
    l->bindings[l->n_binding] = l->bindings[index];
    l->bindings[l->n_binding].index = l->n_binding;
    l->bindings[l->n_binding].offset = 0;
    l->n_binding++;
}

static void bind_bytes(launch *l, const void *bytes, size_t n) {
    l->bindings[l->n_binding] = (sim_binding){.index = l->n_binding, .bytes = bytes, .n_bytes = n};
    l->n_binding++;
}

/* Runs the kernel and compares buffer `index` with n expected values. Frees all. */
static double run(launch *l, const sim_kernel *kernel, uint32_t gx, uint32_t gy, uint32_t threads,
                  uint32_t index, const double *expected, size_t n) {
    double worst = 0;
    float *got = malloc(n * sizeof *got);
    const uint32_t groups[3] = {gx, gy, 1};
    if (sim_dispatch(kernel, NULL, 0, l->bindings, l->n_binding, groups, threads) != 0 ||
        sim_buffer_read(l->bindings[index].buffer, 0, got, n * sizeof *got) != 0)
        worst = INFINITY;
    for (size_t i = 0; i < n && worst < INFINITY; i++) {
        const double off = fabs(got[i] - expected[i]) / fmax(1, fabs(expected[i]));
        worst = off <= worst ? worst : isnan(off) ? INFINITY : off;
    }
    free(got);
    for (uint32_t i = 0; i < l->n_host; i++) free(l->host[i]);
    for (uint32_t i = 0; i < l->n_binding; i++) {
        bool first = true;
        for (uint32_t j = 0; j < i; j++) first = first && l->bindings[j].buffer != l->bindings[i].buffer;
        if (first) sim_buffer_free(l->bindings[i].buffer);
    }
    return worst;
}

/* ---- rms_norm ---- */

static const struct {
    uint32_t rows, cols, group;
    bool in_place;
} norm_shapes[] = {
    {1, 1, 1, false}, {3, 7, 7, false}, {2, 128, 128, true}, {1, 300, 300, false}, {5, 96, 16, true}};

static double check_rms_norm(const sim_kernel *kernel, uint32_t shape) {
    launch l = {0};
    const uint32_t rows = norm_shapes[shape].rows, cols = norm_shapes[shape].cols,
                   group = norm_shapes[shape].group;
    const size_t n = (size_t)rows * cols;
    const tn_rms_norm_args args = {.cols = cols, .group = group, .eps = 1e-5f};
    const float *x = random_floats(&l, n), *w = random_floats(&l, group);
    double *expected = expected_doubles(&l, n);
    for (size_t g = 0; g < n; g += group) {
        double sum = 0;
        for (uint32_t i = 0; i < group; i++) sum += (double)x[g + i] * x[g + i];
        for (uint32_t i = 0; i < group; i++) expected[g + i] = x[g + i] / sqrt(sum / group + 1e-5f) * w[i];
    }
    const uint32_t in = bind_buffer(&l, x, n * sizeof *x);
    bind_buffer(&l, w, group * sizeof *w);
    if (norm_shapes[shape].in_place)
        bind_again(&l, in);
    else
        bind_buffer(&l, NULL, n * sizeof *x);
    bind_bytes(&l, &args, sizeof args);
    return run(&l, kernel, cols / group, rows, TN_NORM_THREADS, 2, expected, n);
}

/* ---- linear ---- */

static const struct {
    uint32_t rows, n_in, n_out;
    bool bias;
} linear_shapes[] = {
    {1, 1, 1, false}, {1, 64, 5, true}, {3, 33, 7, false}, {2, 300, 12, true}, {7, 31, 4, false}};

static double check_linear(const sim_kernel *kernel, uint32_t shape) {
    launch l = {0};
    const uint32_t rows = linear_shapes[shape].rows, k = linear_shapes[shape].n_in,
                   n = linear_shapes[shape].n_out;
    const bool bias = linear_shapes[shape].bias;
    const tn_linear_args args = {.n_in = k, .n_out = n, .has_bias = bias};
    const float *x = random_floats(&l, (size_t)rows * k), *w = random_floats(&l, (size_t)n * k);
    const float *b = random_floats(&l, n);
    double *expected = expected_doubles(&l, (size_t)rows * n);
    for (uint32_t r = 0; r < rows; r++)
        for (uint32_t j = 0; j < n; j++) {
            double sum = bias ? b[j] : 0;
            for (uint32_t i = 0; i < k; i++) sum += (double)x[r * k + i] * w[j * k + i];
            expected[r * n + j] = sum;
        }
    bind_buffer(&l, x, (size_t)rows * k * sizeof *x);
    bind_buffer(&l, w, (size_t)n * k * sizeof *w);
    bind_buffer(&l, b, n * sizeof *b);
    bind_buffer(&l, NULL, (size_t)rows * n * sizeof *x);
    bind_bytes(&l, &args, sizeof args);
    return run(&l, kernel, (n + TN_LINEAR_ROWS - 1) / TN_LINEAR_ROWS, rows, TN_LINEAR_ROWS * TN_SIMD_WIDTH, 3,
               expected, (size_t)rows * n);
}

/* ---- element by element ---- */

static const struct {
    uint32_t rows, cols;
    bool in_place;
} element_shapes[] = {{1, 1, false}, {3, 127, true}, {2, 128, false}, {2, 129, true}, {1, 500, false}};

static double glu_silu(double x, double y) {
    return x / (1 + exp(-x)) * y;
}
static double glu_gelu_tanh(double x, double y) {
    return 0.5 * x * (1 + tanh(0.7978845608028654 * (x + 0.044715 * x * x * x))) * y;
}
static double add(double x, double y) {
    return x + y;
}
static double scale(double x, double f) {
    return x * f;
}
static double softcap(double x, double f) {
    return f * tanh(x / f);
}

/* A kernel of n_in inputs: f(x, y), or f(x, args.f) where there is one. Inputs reach from -20 to 20. */
static double check_element(const sim_kernel *kernel, uint32_t shape, uint32_t n_in,
                            double (*f)(double, double)) {
    launch l = {0};
    const uint32_t rows = element_shapes[shape].rows, cols = element_shapes[shape].cols;
    const size_t n = (size_t)rows * cols;
    const tn_element_args args = {.cols = cols, .f = 1.75f};
    float *x = random_floats(&l, n), *y = random_floats(&l, n);
    double *expected = expected_doubles(&l, n);
    for (size_t i = 0; i < n; i++) {
        x[i] *= 20;
        expected[i] = f(x[i], n_in == 2 ? y[i] : args.f);
    }
    bind_buffer(&l, x, n * sizeof *x);
    if (n_in == 2) bind_buffer(&l, y, n * sizeof *y);
    if (element_shapes[shape].in_place)
        bind_again(&l, 0);
    else
        bind_buffer(&l, NULL, n * sizeof *x);
    bind_bytes(&l, &args, sizeof args);
    return run(&l, kernel, (cols + TN_ELEMENT_THREADS - 1) / TN_ELEMENT_THREADS, rows, TN_ELEMENT_THREADS,
               n_in, expected, n);
}

static double check_glu_silu(const sim_kernel *k, uint32_t shape) {
    return check_element(k, shape, 2, glu_silu);
}
static double check_glu_gelu(const sim_kernel *k, uint32_t shape) {
    return check_element(k, shape, 2, glu_gelu_tanh);
}
static double check_add(const sim_kernel *k, uint32_t shape) {
    return check_element(k, shape, 2, add);
}
static double check_scale(const sim_kernel *k, uint32_t shape) {
    return check_element(k, shape, 1, scale);
}
static double check_softcap(const sim_kernel *k, uint32_t shape) {
    return check_element(k, shape, 1, softcap);
}

/* ---- rows ---- */

static const struct {
    uint32_t rows, cols, from; /* from: rows of the source */
} row_shapes[] = {{1, 1, 1}, {3, 130, 2}, {5, 64, 9}};

/* Tokens with ids and positions below the limits, sequences 0 .. n_seq - 1 in turn. */
static tn_metal_token *random_tokens(launch *l, uint32_t n, uint32_t max_id, uint32_t max_pos,
                                     uint32_t n_seq) {
    tn_metal_token *t = calloc(n, sizeof *t);
    if (!t) abort();
    l->host[l->n_host++] = t;
    for (uint32_t i = 0; i < n; i++)
        t[i] = (tn_metal_token){.id = (uint32_t)((check_random() + 1) / 2 * max_id),
                                .pos = (uint32_t)((check_random() + 1) / 2 * max_pos),
                                .seq = i % n_seq,
                                .rope_variant = i % 2};
    return t;
}

static double check_embed(const sim_kernel *kernel, uint32_t shape) {
    launch l = {0};
    const uint32_t rows = row_shapes[shape].rows, cols = row_shapes[shape].cols,
                   from = row_shapes[shape].from;
    const tn_embed_args args = {.cols = cols, .factor = 3.5f};
    const float *w = random_floats(&l, (size_t)from * cols);
    const tn_metal_token *tokens = random_tokens(&l, rows, from, 1, 1);
    double *expected = expected_doubles(&l, (size_t)rows * cols);
    for (uint32_t i = 0; i < rows * cols; i++) expected[i] = 3.5 * w[tokens[i / cols].id * cols + i % cols];
    bind_buffer(&l, w, (size_t)from * cols * sizeof *w);
    bind_buffer(&l, tokens, rows * sizeof *tokens);
    bind_buffer(&l, NULL, (size_t)rows * cols * sizeof *w);
    bind_bytes(&l, &args, sizeof args);
    return run(&l, kernel, (cols + TN_ELEMENT_THREADS - 1) / TN_ELEMENT_THREADS, rows, TN_ELEMENT_THREADS, 2,
               expected, (size_t)rows * cols);
}

static double check_output_rows(const sim_kernel *kernel, uint32_t shape) {
    launch l = {0};
    const uint32_t rows = row_shapes[shape].rows, cols = row_shapes[shape].cols,
                   from = row_shapes[shape].from;
    const tn_element_args args = {.cols = cols};
    const float *x = random_floats(&l, (size_t)from * cols);
    uint32_t wanted[8];
    double *expected = expected_doubles(&l, (size_t)rows * cols);
    for (uint32_t r = 0; r < rows; r++) wanted[r] = (r * 7 + 1) % from;
    for (uint32_t i = 0; i < rows * cols; i++) expected[i] = x[wanted[i / cols] * cols + i % cols];
    bind_buffer(&l, x, (size_t)from * cols * sizeof *x);
    bind_buffer(&l, wanted, rows * sizeof *wanted);
    bind_buffer(&l, NULL, (size_t)rows * cols * sizeof *x);
    bind_bytes(&l, &args, sizeof args);
    return run(&l, kernel, (cols + TN_ELEMENT_THREADS - 1) / TN_ELEMENT_THREADS, rows, TN_ELEMENT_THREADS, 2,
               expected, (size_t)rows * cols);
}

/* ---- rope ---- */

static const struct {
    uint32_t rows, n_head, head_dim, n_dims, interleaved;
    bool in_place;
} rope_shapes[] = {{1, 1, 2, 2, 0, false},
                   {3, 4, 16, 16, 0, true},
                   {3, 2, 128, 128, 1, true},
                   {2, 3, 24, 10, 0, false},
                   {2, 5, 7, 4, 1, false}};

static double check_rope(const sim_kernel *kernel, uint32_t shape) {
    launch l = {0};
    const uint32_t rows = rope_shapes[shape].rows, n_head = rope_shapes[shape].n_head,
                   dim = rope_shapes[shape].head_dim;
    const uint32_t half = rope_shapes[shape].n_dims / 2, inter = rope_shapes[shape].interleaved;
    const size_t n = (size_t)rows * n_head * dim;
    const tn_rope_args args = {
        .n_head = n_head, .head_dim = dim, .n_dims = 2 * half, .interleaved = inter, .mscale = {1, 1.25f}};
    const float *x = random_floats(&l, n), *inv_freq = random_floats(&l, 2 * half);
    const tn_metal_token *tokens = random_tokens(&l, rows, 1, 100, 1);
    double *expected = expected_doubles(&l, n);
    for (size_t i = 0; i < n; i++) expected[i] = x[i];
    for (size_t head = 0; head < (size_t)rows * n_head; head++)
        for (uint32_t i = 0; i < half; i++) {
            const tn_metal_token *t = &tokens[head / n_head];
            const size_t a = head * dim + (inter ? 2 * i : i),
                         b = head * dim + (inter ? 2 * i + 1 : i + half);
            const double angle = (float)t->pos * inv_freq[t->rope_variant * half + i],
                         m = args.mscale[t->rope_variant];
            expected[a] = (x[a] * cos(angle) - x[b] * sin(angle)) * m;
            expected[b] = (x[b] * cos(angle) + x[a] * sin(angle)) * m;
        }
    const uint32_t in = bind_buffer(&l, x, n * sizeof *x);
    bind_buffer(&l, tokens, rows * sizeof *tokens);
    bind_buffer(&l, inv_freq, 2 * half * sizeof *inv_freq);
    if (rope_shapes[shape].in_place)
        bind_again(&l, in);
    else
        bind_buffer(&l, NULL, n * sizeof *x);
    bind_bytes(&l, &args, sizeof args);
    return run(&l, kernel, (n_head * ((dim + 1) / 2) + TN_ELEMENT_THREADS - 1) / TN_ELEMENT_THREADS, rows,
               TN_ELEMENT_THREADS, 3, expected, n);
}

/* ---- KV store and attention ---- */

/* Three sequences whose tokens lie in pages dealt out in an order that is nobody's. */
enum { KV_SEQS = 3 };

static uint32_t *deal_pages(launch *l, uint32_t pages_per_seq) {
    const uint32_t n = KV_SEQS * pages_per_seq;
    uint32_t *table = calloc(n, sizeof *table);
    if (!table) abort();
    l->host[l->n_host++] = table;
    for (uint32_t i = 0; i < n; i++) table[i] = i;
    for (uint32_t i = n; i > 1; i--) {
        const uint32_t j = (uint32_t)((check_random() + 1) / 2 * i), swap = table[j];
        table[j] = table[i - 1];
        table[i - 1] = swap;
    }
    return table;
}

static const struct {
    uint32_t cols, page_tokens, pages_per_seq;
    uint32_t looked_at; /* 0: the pool of k, 1: of v */
} store_shapes[] = {{1, 1, 4, 0}, {32, 16, 3, 0}, {130, 4, 5, 1}, {130, 4, 5, 0}, {7, 2, 2, 1}};

/* Each sequence's first tokens are stored; the rest of the pool looked at must keep its old content. */
static double check_kv_store(const sim_kernel *kernel, uint32_t shape) {
    launch l = {0};
    const uint32_t cols = store_shapes[shape].cols, pt = store_shapes[shape].page_tokens;
    const uint32_t per_seq = store_shapes[shape].pages_per_seq, rows = KV_SEQS * 3;
    const size_t n_pool = (size_t)KV_SEQS * per_seq * pt * cols;
    const tn_kv_store_args args = {.cols = cols, .page_tokens = pt, .pages_per_seq = per_seq};
    const uint32_t which = store_shapes[shape].looked_at;
    const float *kv[2] = {random_floats(&l, (size_t)rows * cols), random_floats(&l, (size_t)rows * cols)};
    const float *old = random_floats(&l, n_pool);
    const uint32_t *table = deal_pages(&l, per_seq);
    tn_metal_token *tokens = random_tokens(&l, rows, 1, 1, KV_SEQS);
    double *expected = expected_doubles(&l, n_pool);
    for (size_t i = 0; i < n_pool; i++) expected[i] = old[i];
    for (uint32_t r = 0; r < rows; r++) {
        const uint32_t pos = tokens[r].pos = r / KV_SEQS;
        const size_t row = (size_t)table[tokens[r].seq * per_seq + pos / pt] * pt + pos % pt;
        for (uint32_t c = 0; c < cols; c++) expected[row * cols + c] = kv[which][r * cols + c];
    }
    for (int i = 0; i < 2; i++) bind_buffer(&l, kv[i], (size_t)rows * cols * sizeof *kv[i]);
    bind_buffer(&l, tokens, rows * sizeof *tokens);
    bind_buffer(&l, table, (size_t)KV_SEQS * per_seq * sizeof *table);
    for (int i = 0; i < 2; i++) bind_buffer(&l, old, n_pool * sizeof *old);
    bind_bytes(&l, &args, sizeof args);
    return run(&l, kernel, (cols + TN_ELEMENT_THREADS - 1) / TN_ELEMENT_THREADS, rows, TN_ELEMENT_THREADS,
               4 + which, expected, n_pool);
}

static const tn_attention_args attention_shapes[] = {
    {.n_head = 1, .n_head_kv = 1, .head_dim = 1, .page_tokens = 1, .pages_per_seq = 1, .scale = 1},
    {.n_head = 4, .n_head_kv = 2, .head_dim = 16, .page_tokens = 16, .pages_per_seq = 3, .scale = 0.25f},
    {.n_head = 3, .n_head_kv = 1, .head_dim = 33, .page_tokens = 4, .pages_per_seq = 75, .scale = 0.5f},
    {.n_head = 2,
     .n_head_kv = 2,
     .head_dim = 130,
     .page_tokens = 32,
     .pages_per_seq = 9,
     .scale = 0.3f,
     .window = 140},
    {.n_head = 2,
     .n_head_kv = 1,
     .head_dim = 8,
     .page_tokens = 64,
     .pages_per_seq = 7,
     .scale = 2,
     .softcap = 5},
    {.n_head = 1,
     .n_head_kv = 1,
     .head_dim = 4,
     .page_tokens = 128,
     .pages_per_seq = 2,
     .scale = 1,
     .window = 1},
};

typedef struct attention_data {
    tn_attention_args a;
    const float *q, *k, *v;
    const uint32_t *table;
} attention_data;

static size_t kv_row(const attention_data *d, const tn_metal_token *t, uint32_t head, uint32_t pos) {
    const uint32_t page = d->table[t->seq * d->a.pages_per_seq + pos / d->a.page_tokens];
    const size_t row = (size_t)page * d->a.page_tokens + pos % d->a.page_tokens;
    return (row * d->a.n_head_kv + head / (d->a.n_head / d->a.n_head_kv)) * d->a.head_dim;
}

/* One token, one head: out [head_dim], summed straight through. */
static void plain_attention(const attention_data *d, const tn_metal_token *t, uint32_t head, const float *q,
                            double *out) {
    const uint32_t first = d->a.window && t->pos >= d->a.window ? t->pos + 1 - d->a.window : 0;
    double sum = 0;
    for (uint32_t p = first; p <= t->pos; p++) {
        const size_t at = kv_row(d, t, head, p);
        double score = 0;
        for (uint32_t i = 0; i < d->a.head_dim; i++) score += (double)q[i] * d->k[at + i];
        score *= d->a.scale;
        if (d->a.softcap > 0) score = d->a.softcap * tanh(score / d->a.softcap);
        sum += exp(score);
        for (uint32_t i = 0; i < d->a.head_dim; i++) out[i] += exp(score) * d->v[at + i];
    }
    for (uint32_t i = 0; i < d->a.head_dim; i++) out[i] /= sum;
}

/* Pages hold random rows up to each sequence's token; what lies behind is NaN and must not be looked at. */
static void forget_future(const attention_data *d, const tn_metal_token *tokens, float *pool) {
    for (uint32_t s = 0; s < KV_SEQS; s++)
        for (uint32_t p = tokens[s].pos + 1; p < d->a.page_tokens * d->a.pages_per_seq; p++)
            for (uint32_t h = 0; h < d->a.n_head; h++)
                for (uint32_t i = 0; i < d->a.head_dim; i++) pool[kv_row(d, &tokens[s], h, p) + i] = NAN;
}

static double check_attention(const sim_kernel *kernel, uint32_t shape) {
    launch l = {0};
    const tn_attention_args a = attention_shapes[shape];
    const size_t n_out = (size_t)KV_SEQS * a.n_head * a.head_dim;
    const size_t n_pool = (size_t)KV_SEQS * a.pages_per_seq * a.page_tokens * a.n_head_kv * a.head_dim;
    float *k = random_floats(&l, n_pool), *v = random_floats(&l, n_pool);
    const attention_data d = {a, random_floats(&l, n_out), k, v, deal_pages(&l, a.pages_per_seq)};
    tn_metal_token *tokens = random_tokens(&l, KV_SEQS, 1, a.pages_per_seq * a.page_tokens, KV_SEQS);
    double *expected = expected_doubles(&l, n_out);
    tokens[0].pos = 0;
    tokens[1].pos = a.pages_per_seq * a.page_tokens - 1;
    forget_future(&d, tokens, k);
    forget_future(&d, tokens, v);
    for (uint32_t r = 0; r < KV_SEQS; r++)
        for (uint32_t h = 0; h < a.n_head; h++) {
            const size_t at = ((size_t)r * a.n_head + h) * a.head_dim;
            plain_attention(&d, &tokens[r], h, d.q + at, expected + at);
        }
    bind_buffer(&l, d.q, n_out * sizeof(float));
    bind_buffer(&l, k, n_pool * sizeof *k);
    bind_buffer(&l, v, n_pool * sizeof *v);
    bind_buffer(&l, tokens, KV_SEQS * sizeof *tokens);
    bind_buffer(&l, d.table, (size_t)KV_SEQS * a.pages_per_seq * sizeof *d.table);
    bind_buffer(&l, NULL, n_out * sizeof(float));
    bind_bytes(&l, &a, sizeof a);
    return run(&l, kernel, a.n_head, KV_SEQS, TN_ATTENTION_THREADS, 5, expected, n_out);
}

#define N_SHAPE(a) (sizeof(a) / sizeof *(a))

/* Tolerances: a few roundings of F32 (6e-8) per operation; sums of n terms of order 1 get sqrt(n) more. */
const kernel_check kernel_checks[] = {
    {"add", check_add, N_SHAPE(element_shapes), 1e-7},
    {"attention", check_attention, N_SHAPE(attention_shapes), 2e-6},
    {"embed", check_embed, N_SHAPE(row_shapes), 1e-7},
    {"glu_gelu_tanh", check_glu_gelu, N_SHAPE(element_shapes), 1e-6},
    {"glu_silu", check_glu_silu, N_SHAPE(element_shapes), 1e-6},
    {"kv_store", check_kv_store, N_SHAPE(store_shapes), 0},
    {"linear", check_linear, N_SHAPE(linear_shapes), 2e-6},
    {"output_rows", check_output_rows, N_SHAPE(row_shapes), 0},
    {"rms_norm", check_rms_norm, N_SHAPE(norm_shapes), 1e-6},
    {"rope", check_rope, N_SHAPE(rope_shapes), 1e-6},
    {"scale", check_scale, N_SHAPE(element_shapes), 1e-7},
    {"softcap", check_softcap, N_SHAPE(element_shapes), 1e-6},
    {0},
};
