/* SPDX-License-Identifier: Apache-2.0 */
/* Checks of the kernels whose layers keep a state. Sequences go through at once and in two pieces, which must
 * give the same bits. */
#include <math.h>
#include <string.h>

#include "device/gpu/check.h"
#include "device/program.h"

enum { SEQS = 3, OFFSET = 12, TAIL = 20, PAGES_PER_SEQ = 2 };

#define N_SHAPE(a) ((uint32_t)(sizeof(a) / sizeof *(a)))

/* Sequences of n[i] rows at positions first_pos[i] .., one after the other in matrices of all rows. */
typedef struct batch {
    uint32_t n[SEQS], first_pos[SEQS], n_row;
    uint32_t table[SEQS * PAGES_PER_SEQ];
    tn_state_place place;
    size_t n_state; /* floats */
    float *pool;
    size_t pool_bytes;
} batch;

/* Pages with states for sequences that have some; NaN elsewhere. */
static batch make_batch(tn_gpu_launch *l, const uint32_t *n, const uint32_t *first_pos, size_t n_state) {
    static const uint32_t pages[SEQS] = {2, 0, 3};
    batch b = {.place = {.page_bytes = (OFFSET + n_state * sizeof(float) + TAIL + 15) / 16 * 16,
                         .offset = OFFSET,
                         .pages_per_seq = PAGES_PER_SEQ},
               .n_state = n_state};
    b.pool_bytes = 4 * b.place.page_bytes;
    b.pool = tn_gpu_launch_host(l, b.pool_bytes);
    memset(b.pool, 0xff, b.pool_bytes);
    for (uint32_t s = 0; s < SEQS; s++) {
        b.n[s] = n[s];
        b.first_pos[s] = first_pos[s];
        b.n_row += n[s];
        b.table[s * PAGES_PER_SEQ] = pages[s];
        b.table[s * PAGES_PER_SEQ + 1] = 0xfffffff0u;
        float *state = (float *)((uint8_t *)b.pool + pages[s] * b.place.page_bytes + OFFSET);
        for (size_t i = 0; i < n_state && first_pos[s] != 0; i++) state[i] = tn_gpu_launch_random(l);
    }
    return b;
}

static const float *state_of(const batch *b, uint32_t seq) {
    const uint32_t page = b->table[seq * PAGES_PER_SEQ];
    return (const float *)((const uint8_t *)b->pool + page * b->place.page_bytes + OFFSET);
}

/* The state of a sequence in double, zero where it begins. */
static double *state_in_double(tn_gpu_launch *l, const batch *b, uint32_t seq) {
    double *s = tn_gpu_launch_expected(l, b->n_state);
    for (size_t i = 0; i < b->n_state && b->first_pos[seq] != 0; i++) s[i] = state_of(b, seq)[i];
    return s;
}

/* A piece of each sequence: rows from[i] .. to[i] of it. */
typedef struct piece {
    uint32_t from[SEQS], to[SEQS], n_row;
    tn_metal_seq seqs[SEQS];
    tn_metal_token *tokens;
} piece;

static piece make_piece(tn_gpu_launch *l, const batch *b, const uint32_t *from, const uint32_t *to) {
    piece p = {.tokens = tn_gpu_launch_host(l, (b->n_row + 1) * sizeof *p.tokens)};
    for (uint32_t s = 0; s < SEQS; s++) {
        p.from[s] = from[s];
        p.to[s] = to[s];
        p.seqs[s] = (tn_metal_seq){
            .first_row = p.n_row, .n_row = to[s] - from[s], .first_pos = b->first_pos[s] + from[s]};
        for (uint32_t r = from[s]; r < to[s]; r++)
            p.tokens[p.n_row++] = (tn_metal_token){.pos = b->first_pos[s] + r, .seq = s};
    }
    return p;
}

/* The piece's rows of a matrix of all rows, into a buffer that is the next argument. */
static void bind_rows(tn_gpu_launch *l, const batch *b, const piece *p, const float *x, uint32_t cols) {
    float *rows = tn_gpu_launch_host(l, ((size_t)p->n_row * cols + 1) * sizeof *rows), *to = rows;
    for (uint32_t s = 0, first = 0; s < SEQS; first += b->n[s++])
        for (uint32_t r = p->from[s]; r < p->to[s]; r++, to += cols)
            memcpy(to, x + (size_t)(first + r) * cols, cols * sizeof *to);
    tn_gpu_launch_buffer(l, rows, ((size_t)p->n_row * cols + 1) * sizeof *rows);
}

/* What a piece left in buffer `nth` to where its rows are in a matrix of all rows. */
static bool collect(tn_gpu_launch *l, const batch *b, const piece *p, uint32_t nth, uint32_t cols, float *all,
                    tn_error *err) {
    const float *got = tn_gpu_launch_read(l, nth, (size_t)p->n_row * cols * sizeof *got, err);
    for (uint32_t s = 0, first = 0; got && s < SEQS; first += b->n[s++])
        for (uint32_t r = p->from[s]; r < p->to[s]; r++, got += cols)
            memcpy(all + (size_t)(first + r) * cols, got, cols * sizeof *got);
    return got != NULL;
}

static double difference(const float *got, const double *expected, size_t n) {
    double worst = 0;
    for (size_t i = 0; i < n; i++) {
        const double off = fabs(got[i] - expected[i]) / fmax(1, fabs(expected[i]));
        if (!(off <= worst)) worst = isnan(off) ? INFINITY : off;
    }
    return worst;
}

/* One of the operations: runs a piece of the batch with the pool in buffer `pool`; the buffer of out. */
typedef uint32_t (*run_fn)(tn_gpu_launch *l, const void *op, const batch *b, const piece *p, uint32_t pool);

/* All rows at once, then in two pieces on another pool: out and states as expected, and the same bits. out:
 * [rows, cols], states: [SEQS][n_state]. */
static double run_batch(tn_gpu_launch *l, const void *op, const batch *b, run_fn run, uint32_t cols,
                        const double *out, double *const *states, tn_error *err) {
    const uint32_t none[SEQS] = {0};
    uint32_t half[SEQS];
    for (uint32_t s = 0; s < SEQS; s++) half[s] = b->n[s] / 3;
    const piece pieces[] = {make_piece(l, b, none, b->n), make_piece(l, b, none, half),
                            make_piece(l, b, half, b->n)};
    const size_t n = (size_t)b->n_row * cols;
    float *got[2];
    const uint8_t *pool[2];
    for (uint32_t i = 0; i < 2; i++) {
        const uint32_t pool_buffer = tn_gpu_launch_buffer(l, b->pool, b->pool_bytes);
        tn_gpu_launch_forget(l);
        got[i] = tn_gpu_launch_host(l, n * sizeof(float));
        for (uint32_t j = i; j <= 2 * i; j++)
            if (!collect(l, b, &pieces[j], run(l, op, b, &pieces[j], pool_buffer), cols, got[i], err))
                return INFINITY;
        pool[i] = tn_gpu_launch_read(l, pool_buffer, b->pool_bytes, err);
        if (!pool[i]) return INFINITY;
    }
    double off = difference(got[0], out, n);
    for (uint32_t s = 0; s < SEQS; s++) {
        const uint8_t *at = pool[0] + b->table[s * PAGES_PER_SEQ] * b->place.page_bytes + OFFSET;
        off = fmax(off, b->n[s] ? difference((const float *)at, states[s], b->n_state) : 0);
    }
    const bool same =
        memcmp(got[0], got[1], n * sizeof(float)) == 0 && memcmp(pool[0], pool[1], b->pool_bytes) == 0;
    return same ? off : INFINITY;
}

static double sigmoid(double x) {
    return 1 / (1 + exp(-x));
}

/* ---- conv, conv_state ---- */

typedef struct conv_op {
    uint32_t cols, kernel;
    bool bias, silu;
    uint32_t n[SEQS], first_pos[SEQS];
    const float *x, *w, *b;
} conv_op;

static const conv_op conv_shapes[] = {
    {.cols = 1, .kernel = 2, .n = {1, 1, 0}, .first_pos = {0, 5, 9}},
    {.cols = 130, .kernel = 4, .bias = true, .silu = true, .n = {7, 1, 2}, .first_pos = {0, 1, 8}},
    {.cols = 5, .kernel = 9, .silu = true, .n = {3, 20, 1}, .first_pos = {4, 0, 0}},
};

static uint32_t run_conv(tn_gpu_launch *l, const void *op, const batch *b, const piece *p, uint32_t pool) {
    const conv_op *c = op;
    const tn_conv_args args = {
        .state = b->place, .cols = c->cols, .kernel_size = c->kernel, .has_bias = c->bias};
    const uint32_t width = (c->cols + TN_RECURRENT_THREADS - 1) / TN_RECURRENT_THREADS;
    bind_rows(l, b, p, c->x, c->cols);
    tn_gpu_launch_buffer(l, c->w, (size_t)c->cols * c->kernel * sizeof(float));
    tn_gpu_launch_buffer(l, c->b, c->cols * sizeof(float));
    tn_gpu_launch_use(l, pool, 0);
    tn_gpu_launch_buffer(l, p->tokens, (p->n_row + 1) * sizeof *p->tokens);
    tn_gpu_launch_buffer(l, p->seqs, sizeof p->seqs);
    tn_gpu_launch_buffer(l, b->table, sizeof b->table);
    const uint32_t out = tn_gpu_launch_buffer(l, NULL, ((size_t)p->n_row * c->cols + 1) * sizeof(float));
    tn_gpu_launch_bytes(l, &args, sizeof args);
    tn_gpu_launch_constant(l, TN_FC_ACTIVATION, c->silu ? TN_ACT_SILU : 0);
    tn_gpu_launch_dispatch(l, "conv", width, p->n_row, 1, TN_RECURRENT_THREADS);
    bind_rows(l, b, p, c->x, c->cols);
    tn_gpu_launch_use(l, pool, 0);
    tn_gpu_launch_buffer(l, p->seqs, sizeof p->seqs);
    tn_gpu_launch_buffer(l, b->table, sizeof b->table);
    tn_gpu_launch_bytes(l, &args, sizeof args);
    tn_gpu_launch_dispatch(l, "conv_state", width, SEQS, 1, TN_RECURRENT_THREADS);
    return out;
}

/* A sequence's rows of x and out; state is brought up to date. */
static void convolve(const conv_op *c, uint32_t n, const float *x, double *state, double *out) {
    const uint32_t tail = c->kernel - 1, cols = c->cols;
    for (uint32_t t = 0; t < n; t++)
        for (uint32_t k = 0; k < cols; k++) {
            double sum = c->bias ? c->b[k] : 0;
            for (uint32_t j = 0; j < c->kernel; j++) {
                const double value =
                    t + j < tail ? state[(size_t)(t + j) * cols + k] : x[(size_t)(t + j - tail) * cols + k];
                sum += c->w[(size_t)k * c->kernel + j] * value;
            }
            out[(size_t)t * cols + k] = c->silu ? sum * sigmoid(sum) : sum;
        }
    for (uint32_t j = 0; j < tail; j++)
        for (uint32_t k = 0; k < cols; k++)
            state[(size_t)j * cols + k] =
                n + j < tail ? state[(size_t)(n + j) * cols + k] : x[(size_t)(n + j - tail) * cols + k];
}

static double check_conv(const tn_gpu_check *check, tn_gpu *g, uint32_t shape, uint32_t seed, tn_error *err) {
    conv_op c = conv_shapes[shape];
    tn_gpu_launch *l = tn_gpu_launch_new(g, seed);
    const batch b = make_batch(l, c.n, c.first_pos, (size_t)(c.kernel - 1) * c.cols);
    double *out = tn_gpu_launch_expected(l, (size_t)b.n_row * c.cols), *states[SEQS];
    (void)check;
    c.x = tn_gpu_launch_floats(l, (size_t)b.n_row * c.cols);
    c.w = tn_gpu_launch_floats(l, (size_t)c.cols * c.kernel);
    c.b = tn_gpu_launch_floats(l, c.cols);
    for (uint32_t s = 0, first = 0; s < SEQS; first += b.n[s++]) {
        states[s] = state_in_double(l, &b, s);
        convolve(&c, b.n[s], c.x + (size_t)first * c.cols, states[s], out + (size_t)first * c.cols);
    }
    const double off = run_batch(l, &c, &b, run_conv, c.cols, out, states, err);
    tn_gpu_launch_end(l);
    return off;
}

/* ---- delta_rule ---- */

typedef struct delta_op {
    uint32_t n_head, n_head_k, dim_k, dim_v, tiled;
    uint32_t n[SEQS], first_pos[SEQS];
    const float *qkv, *a, *b, *rate, *dt_bias;
} delta_op;

static const delta_op delta_shapes[] = {
    {.n_head = 1, .n_head_k = 1, .dim_k = 1, .dim_v = 1, .n = {1, 1, 0}, .first_pos = {0, 5, 9}},
    {.n_head = 4, .n_head_k = 2, .dim_k = 30, .dim_v = 33, .n = {11, 1, 2}, .first_pos = {0, 1, 8}},
    {.n_head = 4,
     .n_head_k = 2,
     .dim_k = 128,
     .dim_v = 7,
     .tiled = 1,
     .n = {20, 0, 1},
     .first_pos = {7, 2, 0}},
    {.n_head = 1, .n_head_k = 1, .dim_k = 200, .dim_v = 17, .n = {9, 2, 0}, .first_pos = {0, 2, 0}},
    {.n_head = 1, .n_head_k = 1, .dim_k = 513, .dim_v = 2, .n = {3, 1, 0}, .first_pos = {0, 2, 0}},
};

static uint32_t delta_cols(const delta_op *d) {
    return 2 * d->n_head_k * d->dim_k + d->n_head * d->dim_v;
}

static const float delta_scale = 0.4f, delta_eps = 1e-6f;

static uint32_t run_delta(tn_gpu_launch *l, const void *op, const batch *b, const piece *p, uint32_t pool) {
    const delta_op *d = op;
    const tn_delta_args args = {.state = b->place,
                                .n_head = d->n_head,
                                .n_head_k = d->n_head_k,
                                .head_dim_v = d->dim_v,
                                .tiled = d->tiled,
                                .scale = delta_scale,
                                .eps = delta_eps};
    bind_rows(l, b, p, d->qkv, delta_cols(d));
    bind_rows(l, b, p, d->a, d->n_head);
    bind_rows(l, b, p, d->b, d->n_head);
    tn_gpu_launch_buffer(l, d->rate, d->n_head * sizeof(float));
    tn_gpu_launch_buffer(l, d->dt_bias, d->n_head * sizeof(float));
    tn_gpu_launch_use(l, pool, 0);
    tn_gpu_launch_buffer(l, p->seqs, sizeof p->seqs);
    tn_gpu_launch_buffer(l, b->table, sizeof b->table);
    const size_t n_out = (size_t)p->n_row * d->n_head * d->dim_v;
    const uint32_t out = tn_gpu_launch_buffer(l, NULL, (n_out + 1) * sizeof(float));
    tn_gpu_launch_bytes(l, &args, sizeof args);
    tn_gpu_launch_constant(l, TN_FC_HEAD_DIM, d->dim_k);
    const uint32_t threads = d->dim_v * tn_delta_lanes(d->dim_k);
    tn_gpu_launch_dispatch(l, "delta_rule", (threads + TN_RECURRENT_THREADS - 1) / TN_RECURRENT_THREADS, SEQS,
                           d->n_head, TN_RECURRENT_THREADS);
    return out;
}

static double unit(const float *x, uint32_t n) {
    double sum = delta_eps;
    for (uint32_t i = 0; i < n; i++) sum += (double)x[i] * x[i];
    return 1 / sqrt(sum);
}

/* One token of one head: s [dim_k, dim_v] is brought up to date. */
static void delta_token(const delta_op *d, uint32_t row, uint32_t h, double *s, double *out) {
    const uint32_t head_k = d->tiled ? h % d->n_head_k : h / (d->n_head / d->n_head_k);
    const float *q = d->qkv + (size_t)row * delta_cols(d) + head_k * d->dim_k,
                *k = q + d->n_head_k * d->dim_k;
    const float *v = d->qkv + (size_t)row * delta_cols(d) + 2 * d->n_head_k * d->dim_k + h * d->dim_v;
    const double x = d->a[row * d->n_head + h] + d->dt_bias[h], beta = sigmoid(d->b[row * d->n_head + h]);
    const double decay = exp(d->rate[h] * (x > 40 ? x : log1p(exp(x))));
    const double unit_q = unit(q, d->dim_k) * delta_scale, unit_k = unit(k, d->dim_k);
    for (uint32_t j = 0; j < d->dim_v; j++) {
        double found = 0;
        for (uint32_t i = 0; i < d->dim_k; i++) found += decay * s[i * d->dim_v + j] * k[i] * unit_k;
        for (uint32_t i = 0; i < d->dim_k; i++) {
            s[i * d->dim_v + j] = decay * s[i * d->dim_v + j] + k[i] * unit_k * beta * (v[j] - found);
            out[j] += s[i * d->dim_v + j] * q[i] * unit_q;
        }
    }
}

static double check_delta(const tn_gpu_check *check, tn_gpu *g, uint32_t shape, uint32_t seed,
                          tn_error *err) {
    delta_op d = delta_shapes[shape];
    tn_gpu_launch *l = tn_gpu_launch_new(g, seed);
    const batch b = make_batch(l, d.n, d.first_pos, (size_t)d.n_head * d.dim_k * d.dim_v);
    const uint32_t out_cols = d.n_head * d.dim_v;
    double *out = tn_gpu_launch_expected(l, (size_t)b.n_row * out_cols), *states[SEQS];
    float *a = tn_gpu_launch_floats(l, (size_t)b.n_row * d.n_head), *rate = tn_gpu_launch_floats(l, d.n_head);
    float *beta = tn_gpu_launch_floats(l, (size_t)b.n_row * d.n_head);
    (void)check;
    d.qkv = tn_gpu_launch_floats(l, (size_t)b.n_row * delta_cols(&d));
    d.dt_bias = tn_gpu_launch_floats(l, d.n_head);
    for (uint32_t i = 0; i < b.n_row * d.n_head; i++) {
        a[i] *= i % 5 ? 3 : 100;
        beta[i] *= i % 7 ? 3 : 100;
    }
    for (uint32_t i = 0; i < d.n_head; i++) rate[i] = -0.1f - fabsf(rate[i]);
    d.a = a, d.b = beta, d.rate = rate;
    for (uint32_t s = 0, first = 0; s < SEQS; first += b.n[s++]) {
        states[s] = state_in_double(l, &b, s);
        for (uint32_t t = first; t < first + b.n[s]; t++)
            for (uint32_t h = 0; h < d.n_head; h++)
                delta_token(&d, t, h, states[s] + (size_t)h * d.dim_k * d.dim_v,
                            out + ((size_t)t * d.n_head + h) * d.dim_v);
    }
    const double off = run_batch(l, &d, &b, run_delta, out_cols, out, states, err);
    tn_gpu_launch_end(l);
    return off;
}

const tn_gpu_check tn_gpu_checks_recurrent[] = {
    {"conv", "", N_SHAPE(conv_shapes), 2e-6, check_conv, 0},
    {"conv_state", "", N_SHAPE(conv_shapes), 2e-6, check_conv, 0},
    {"delta_rule", "", N_SHAPE(delta_shapes), 1e-5, check_delta, 0},
    {.kernel = NULL},
};
