/* SPDX-License-Identifier: Apache-2.0 */
/* Checks of the kernels of attention. Keys and values are put into pages here, as kv_type.h rounds them; what
 * is expected is summed up in double from what they read back as. */
#include <math.h>
#include <string.h>

#include "device/gpu/check.h"
#include "device/kv_type.h"
#include "weights/float.h"

enum { MAX_SEQS = 4, LAYER_OFFSET = 48, PAGE_TAIL = 32, HALVES = 1 << 16 };

#define N_SHAPE(a) ((uint32_t)(sizeof(a) / sizeof *(a)))
#define NO_PAGE    0xfffffff0u /* an entry that nobody may look at */

typedef struct heads {
    uint32_t n_head, n_head_kv, head_dim;
    uint32_t page_tokens;
    uint32_t window;
    float scale, softcap;
} heads;

/* The pages of some sequences. */
typedef struct cache {
    heads h;
    tn_type type;
    uint32_t n_seq, length[MAX_SEQS]; /* tokens that are there */
    uint32_t room;                    /* tokens of a sequence that its pages take */
    tn_attention_args args;
    uint32_t *table; /* [n_seq, pages_per_seq] */
    uint8_t *pool;
    size_t pool_bytes;
    float *kv[2]; /* [n_seq, room, n_head_kv, head_dim]: as they read back */
} cache;

static size_t element(const cache *c, uint32_t seq, uint32_t pos, uint32_t head) {
    return (((size_t)seq * c->room + pos) * c->h.n_head_kv + head) * c->h.head_dim;
}

/* The row of k (which 0) or v of a position and a head in the pool. */
static uint8_t *pool_row(const cache *c, uint32_t seq, uint32_t pos, uint32_t which, uint32_t head) {
    const tn_kv_place *p = &c->args.kv;
    const uint32_t page = c->table[seq * p->pages_per_seq + pos / c->h.page_tokens];
    const size_t row = (size_t)(which * c->h.n_head_kv + head) * c->h.page_tokens + pos % c->h.page_tokens;
    return c->pool + page * p->page_bytes + p->layer_offset + row * tn_kv_row_bytes(c->type, c->h.head_dim);
}

/* A head's numbers as metal/args.h says that they are stored. */
static void encode_row(tn_type type, const float *x, uint32_t n, uint8_t *row) {
    const uint32_t cols = tn_kv_cols(n);
    memset(row, 0, type == TN_TYPE_Q8_0 ? cols : tn_kv_row_bytes(type, n));
    for (uint32_t i = 0; i < n && type != TN_TYPE_Q8_0; i++) {
        if (type == TN_TYPE_F32) ((float *)row)[i] = x[i];
        if (type == TN_TYPE_F16) ((uint16_t *)row)[i] = tn_f32_to_f16(x[i]);
        if (type == TN_TYPE_BF16) ((uint16_t *)row)[i] = tn_f32_to_bf16(x[i]);
    }
    for (uint32_t b = 0; b < n && type == TN_TYPE_Q8_0; b += TN_KV_TYPE_BLOCK) {
        float turned[TN_KV_TYPE_BLOCK];
        const uint32_t m = n - b < TN_KV_TYPE_BLOCK ? n - b : TN_KV_TYPE_BLOCK;
        memcpy(turned, x + b, m * sizeof *turned);
        tn_kv_type_turn_block(turned, m);
        ((uint16_t *)(row + cols))[b / TN_KV_TYPE_BLOCK] = tn_kv_type_quantize(turned, m, (int8_t *)row + b);
    }
}

/* Pages dealt out in an order that is nobody's; entries outside what is there or seen are no pages. */
static void deal_pages(tn_gpu_launch *l, cache *c, const uint32_t *first_seen) {
    const uint32_t per_seq = c->args.kv.pages_per_seq, n = c->n_seq * per_seq;
    c->table = tn_gpu_launch_host(l, n * sizeof *c->table);
    for (uint32_t i = 0; i < n; i++) c->table[i] = i;
    for (uint32_t i = n; i > 1; i--) {
        const uint32_t j = tn_gpu_launch_below(l, i), swap = c->table[j];
        c->table[j] = c->table[i - 1];
        c->table[i - 1] = swap;
    }
    for (uint32_t i = 0; i < n; i++) {
        const uint32_t seq = i / per_seq, pos = i % per_seq * c->h.page_tokens;
        if (pos >= c->length[seq] || pos + c->h.page_tokens <= first_seen[seq]) c->table[i] = NO_PAGE;
    }
}

static uint32_t log2_of(uint32_t power) {
    uint32_t n = 0;
    while (power >> (n + 1)) n++;
    return n;
}

/* Sequences of length[i] tokens, of which those from first_seen[i] on are there. */
static cache make_cache(tn_gpu_launch *l, const heads *h, tn_type type, uint32_t n_seq,
                        const uint32_t *length, const uint32_t *first_seen) {
    cache c = {.h = *h, .type = type, .n_seq = n_seq};
    uint32_t longest = 1;
    for (uint32_t s = 0; s < n_seq; s++) {
        c.length[s] = length[s];
        longest = length[s] > longest ? length[s] : longest;
    }
    const uint32_t per_seq = (longest + h->page_tokens - 1) / h->page_tokens;
    const size_t layer = (size_t)2 * h->n_head_kv * h->page_tokens * tn_kv_row_bytes(type, h->head_dim);
    c.room = per_seq * h->page_tokens;
    c.args = (tn_attention_args){.kv = {.page_bytes = (LAYER_OFFSET + layer + 15) / 16 * 16 + PAGE_TAIL,
                                        .layer_offset = LAYER_OFFSET,
                                        .page_shift = log2_of(h->page_tokens),
                                        .pages_per_seq = per_seq},
                                 .n_head = h->n_head,
                                 .n_head_kv = h->n_head_kv,
                                 .window = h->window,
                                 .scale = h->scale,
                                 .softcap = h->softcap,
                                 .head_dim = h->head_dim};
    c.pool_bytes = (size_t)n_seq * per_seq * c.args.kv.page_bytes;
    c.pool = tn_gpu_launch_host(l, c.pool_bytes);
    memset(c.pool, 0xff, c.pool_bytes);
    for (uint32_t i = 0; i < 2; i++)
        c.kv[i] = tn_gpu_launch_floats(l, (size_t)n_seq * c.room * h->n_head_kv * h->head_dim);
    deal_pages(l, &c, first_seen);
    return c;
}

/* Puts positions first .. length of every sequence into the pages and rounds them as they read back. */
static void fill_cache(cache *c, const uint32_t *first) {
    for (uint32_t s = 0; s < c->n_seq; s++)
        for (uint32_t p = first[s]; p < c->length[s]; p++)
            for (uint32_t i = 0; i < 2 * c->h.n_head_kv; i++) {
                const uint32_t which = i / c->h.n_head_kv, head = i % c->h.n_head_kv;
                float *x = c->kv[which] + element(c, s, p, head);
                encode_row(c->type, x, c->h.head_dim, pool_row(c, s, p, which, head));
                tn_kv_type_round(c->type, x, c->h.head_dim, x);
            }
}

static uint32_t first_seen(const heads *h, uint32_t pos) {
    return h->window && pos >= h->window ? pos + 1 - h->window : 0;
}

/* What a token sees of one head, positions first .. end: y [head_dim]. */
static void attend_to(const cache *c, uint32_t seq, uint32_t first, uint32_t end, uint32_t head,
                      const float *q, double *y) {
    const uint32_t n = c->h.head_dim, head_kv = head / (c->h.n_head / c->h.n_head_kv);
    float turned[TN_ATTENTION_MAX_HEAD_DIM];
    double sum = 0;
    tn_kv_type_turn(c->type, q, n, turned);
    for (uint32_t p = first; p < end; p++) {
        const float *k = c->kv[0] + element(c, seq, p, head_kv), *v = c->kv[1] + element(c, seq, p, head_kv);
        double score = 0;
        for (uint32_t i = 0; i < n; i++) score += (double)turned[i] * k[i];
        score *= c->h.scale;
        if (c->h.softcap > 0) score = c->h.softcap * tanh(score / c->h.softcap);
        const double weight = exp(score);
        sum += weight;
        for (uint32_t i = 0; i < n; i++) y[i] += weight * v[i];
    }
    for (uint32_t i = 0; i < n; i++) turned[i] = (float)(y[i] / sum);
    tn_kv_type_turn(c->type, turned, n, turned);
    for (uint32_t i = 0; i < n; i++) y[i] = c->type == TN_TYPE_Q8_0 ? turned[i] : y[i] / sum;
}

static void attend(const cache *c, uint32_t seq, uint32_t pos, uint32_t head, const float *q, double *y) {
    attend_to(c, seq, first_seen(&c->h, pos), pos + 1, head, q, y);
}

/* 0 where n floats of two buffers are the same bits, else how many differ. */
static double differences(tn_gpu_launch *l, uint32_t a, uint32_t b, size_t n, tn_error *err) {
    const uint32_t *x = tn_gpu_launch_read(l, a, n * sizeof *x, err);
    const uint32_t *y = x ? tn_gpu_launch_read(l, b, n * sizeof *y, err) : NULL;
    double differ = 0;
    for (size_t i = 0; y && i < n; i++) differ += x[i] != y[i];
    return y ? differ : INFINITY;
}

static double worse(double a, double b) {
    return a > b || isnan(a) ? a : b;
}

/* ---- kv_store ---- */

static const heads store_shapes[] = {
    {.n_head_kv = 1, .head_dim = 1, .page_tokens = 1},   {.n_head_kv = 2, .head_dim = 16, .page_tokens = 2},
    {.n_head_kv = 3, .head_dim = 24, .page_tokens = 4},  {.n_head_kv = 1, .head_dim = 33, .page_tokens = 4},
    {.n_head_kv = 1, .head_dim = 64, .page_tokens = 8},  {.n_head_kv = 2, .head_dim = 80, .page_tokens = 1},
    {.n_head_kv = 1, .head_dim = 128, .page_tokens = 4}, {.n_head_kv = 1, .head_dim = 511, .page_tokens = 2},
};

/* Values that Q8_0 has a rule for: a block of zeros, tiny and huge ones, one that is not finite. */
static void make_special(float *x, size_t n) {
    for (size_t i = 0; i < n && i < 32; i++) x[i] = 0;
    for (size_t i = 32; i < n && i < 64; i++) x[i] *= 1e-9f;
    for (size_t i = 64; i < n && i < 96; i++) x[i] *= 1e7f;
    if (n > 96) x[96] = INFINITY;
}

/* The last three tokens of each sequence are stored; every byte of the pool is compared. */
static double check_store(const tn_gpu_check *check, tn_gpu *g, uint32_t shape, uint32_t seed,
                          tn_error *err) {
    enum { TOKENS = 3 };
    const heads *h = &store_shapes[shape];
    const uint32_t length[] = {3, 6, 4}, first[] = {0, 3, 1}, n_seq = 3, cols = h->n_head_kv * h->head_dim;
    tn_gpu_launch *l = tn_gpu_launch_new(g, seed);
    cache c = make_cache(l, h, (tn_type)check->param, n_seq, length, first);
    const tn_kv_store_args args = {.kv = c.args.kv, .n_head_kv = h->n_head_kv};
    tn_metal_token tokens[3 * TOKENS];
    float *kv[2];
    make_special(c.kv[0] + element(&c, 0, 0, 0), cols);
    for (uint32_t i = 0; i < 2; i++)
        kv[i] = tn_gpu_launch_host(l, (size_t)n_seq * TOKENS * cols * sizeof **kv);
    for (uint32_t r = 0; r < n_seq * TOKENS; r++) {
        const uint32_t seq = r % n_seq, pos = first[seq] + r / n_seq;
        tokens[r] = (tn_metal_token){.pos = pos, .seq = seq};
        for (uint32_t i = 0; i < 2; i++)
            memcpy(kv[i] + (size_t)r * cols, c.kv[i] + element(&c, seq, pos, 0), cols * sizeof **kv);
    }
    for (uint32_t i = 0; i < 2; i++)
        tn_gpu_launch_buffer(l, kv[i], (size_t)n_seq * TOKENS * cols * sizeof **kv);
    tn_gpu_launch_buffer(l, tokens, sizeof tokens);
    tn_gpu_launch_buffer(l, c.table, (size_t)n_seq * args.kv.pages_per_seq * sizeof *c.table);
    const uint32_t pool = tn_gpu_launch_buffer(l, c.pool, c.pool_bytes);
    tn_gpu_launch_bytes(l, &args, sizeof args);
    tn_gpu_launch_constant(l, TN_FC_KV_TYPE, check->param);
    tn_gpu_launch_constant(l, TN_FC_HEAD_DIM, h->head_dim);
    const uint32_t blocks = 2 * h->n_head_kv * ((h->head_dim + TN_KV_BLOCK - 1) / TN_KV_BLOCK);
    tn_gpu_launch_dispatch(l, "kv_store", (blocks + 3) / 4, n_seq * TOKENS, 1, TN_ATTENTION_THREADS);

    fill_cache(&c, first);
    const uint8_t *got = tn_gpu_launch_read(l, pool, c.pool_bytes, err);
    double differ = got ? 0 : INFINITY;
    for (size_t i = 0; got && i < c.pool_bytes; i++) differ += got[i] != c.pool[i];
    tn_gpu_launch_end(l);
    return differ;
}

/* ---- attention_rows, attention_merge ---- */

static const struct {
    heads h;
    uint32_t heads; /* of a threadgroup */
    uint32_t n_row, pos[MAX_SEQS];
} row_shapes[] = {
    {{1, 1, 16, 1, 0, 1, 0}, 1, 0, {0}},
    {{1, 1, 1, 1, 0, 1, 0}, 1, 2, {0, 3}},
    {{4, 2, 16, 16, 0, 0.5f, 0}, 2, 3, {47, 0, 300}},
    {{7, 1, 33, 4, 0, 2, 0}, 7, 2, {256, 63}},
    {{8, 1, 80, 32, 0, 1, 0}, 8, 2, {100, 530}},
    {{9, 1, 64, 8, 0, 1, 5}, 5, 2, {64, 255}},
    {{2, 1, 96, 16, 70, 1, 0}, 2, 3, {200, 289, 20}},
    {{2, 2, 128, 64, 300, 0.7f, 0}, 1, 2, {700, 255}},
    {{3, 1, 256, 32, 0, 0.7f, 0}, 3, 1, {290}},
    {{5, 1, 300, 8, 1, 1, 0}, 3, 2, {31, 0}},
    {{4, 1, 512, 32, 0, 0.5f, 30}, 4, 1, {65}},
};

typedef struct rows_run {
    const cache *c;
    uint32_t heads, n_row, n_span;
    uint32_t q, pool, tokens, table, rows, parts; /* buffers */
} rows_run;

static void dispatch_rows(tn_gpu_launch *l, const rows_run *r, uint32_t out, bool whole) {
    const heads *h = &r->c->h;
    const uint32_t group = h->n_head / h->n_head_kv, batches = (group + r->heads - 1) / r->heads;
    const uint32_t buffers[] = {r->q, r->pool, r->tokens, r->table, r->rows, r->parts, out};
    for (uint32_t i = 0; i < N_SHAPE(buffers); i++) tn_gpu_launch_use(l, buffers[i], 0);
    tn_gpu_launch_bytes(l, &r->c->args, sizeof r->c->args);
    tn_gpu_launch_use(l, r->tokens, 0); /* which is not read */
    tn_gpu_launch_constant(l, TN_FC_SEES, TN_SEE_PAST);
    tn_gpu_launch_constant(l, TN_FC_KV_TYPE, r->c->type);
    tn_gpu_launch_constant(l, TN_FC_HEAD_DIM, h->head_dim);
    tn_gpu_launch_constant(l, TN_FC_HEADS, r->heads);
    tn_gpu_launch_constant(l, TN_FC_WHOLE, whole);
    tn_gpu_launch_dispatch(l, "attention_rows", h->n_head_kv * batches, r->n_row, whole ? 1 : r->n_span,
                           TN_ATTENTION_THREADS);
}

static void dispatch_merge(tn_gpu_launch *l, const rows_run *r, uint32_t out) {
    const uint32_t buffers[] = {r->parts, r->tokens, r->rows, out};
    for (uint32_t i = 0; i < N_SHAPE(buffers); i++) tn_gpu_launch_use(l, buffers[i], 0);
    tn_gpu_launch_bytes(l, &r->c->args, sizeof r->c->args);
    tn_gpu_launch_constant(l, TN_FC_KV_TYPE, r->c->type);
    tn_gpu_launch_constant(l, TN_FC_HEAD_DIM, r->c->h.head_dim);
    tn_gpu_launch_dispatch(l, "attention_merge", r->c->h.n_head, r->n_row, 1, TN_ATTENTION_THREADS);
}

/* A buffer that is no argument yet. */
static uint32_t new_buffer(tn_gpu_launch *l, const void *data, size_t bytes) {
    const uint32_t nth = tn_gpu_launch_buffer(l, data, bytes);
    tn_gpu_launch_forget(l);
    return nth;
}

/* Each row is a sequence of its own, listed last first; one row more than are listed must stay as it is. Both
 * forms of the kernel give the same bits. */
static double check_rows(const tn_gpu_check *check, tn_gpu *g, uint32_t shape, uint32_t seed, tn_error *err) {
    const heads *h = &row_shapes[shape].h;
    const uint32_t n_row = row_shapes[shape].n_row, cols = h->n_head * h->head_dim;
    uint32_t length[MAX_SEQS] = {0}, first[MAX_SEQS] = {0}, rows[MAX_SEQS] = {0}, n_span = 1;
    tn_metal_token tokens[MAX_SEQS + 1] = {{0}};
    for (uint32_t r = 0; r < n_row; r++) {
        const uint32_t pos = row_shapes[shape].pos[r];
        length[r] = pos + 1;
        first[r] = first_seen(h, pos);
        rows[n_row - 1 - r] = r;
        tokens[r] = (tn_metal_token){.pos = pos, .seq = r};
        const uint32_t spans = pos / TN_ATTENTION_SPAN - first[r] / TN_ATTENTION_SPAN + 1;
        n_span = spans > n_span ? spans : n_span;
    }
    tn_gpu_launch *l = tn_gpu_launch_new(g, seed);
    cache c = make_cache(l, h, (tn_type)check->param, n_row ? n_row : 1, length, first);
    fill_cache(&c, first);
    const size_t n = (size_t)n_row * cols, bytes = (n + cols) * sizeof(float);
    const float *q = tn_gpu_launch_floats(l, n + cols);
    double *expected = tn_gpu_launch_expected(l, n + 1);
    for (uint32_t i = 0; i < n_row * h->n_head; i++)
        attend(&c, i / h->n_head, tokens[i / h->n_head].pos, i % h->n_head, q + (size_t)i * h->head_dim,
               expected + (size_t)i * h->head_dim);
    const size_t parts = (size_t)n_span * (n_row + 1) * h->n_head * tn_attention_part(h->head_dim);
    const rows_run r = {.c = &c,
                        .heads = row_shapes[shape].heads,
                        .n_row = n_row,
                        .n_span = n_span,
                        .q = new_buffer(l, q, bytes),
                        .pool = new_buffer(l, c.pool, c.pool_bytes),
                        .tokens = new_buffer(l, tokens, sizeof tokens),
                        .table = new_buffer(l, c.table, (size_t)c.n_seq * c.args.kv.pages_per_seq * 4),
                        .rows = new_buffer(l, rows, sizeof rows),
                        .parts = new_buffer(l, NULL, parts * sizeof(float))};
    const uint32_t split = new_buffer(l, NULL, bytes), whole = new_buffer(l, NULL, bytes);
    dispatch_rows(l, &r, split, false);
    dispatch_merge(l, &r, split);
    dispatch_rows(l, &r, whole, true);
    double off = tn_gpu_launch_compare(l, whole, expected, n, err);
    off = worse(off, differences(l, split, whole, n + cols, err));
    tn_gpu_launch_end(l);
    return off;
}

/* ---- attention_tiles ---- */

/* Rows first_pos .. of a sequence, cut into tiles in two ways. */
static const struct {
    heads h;
    uint32_t first_pos, n_row;
} tile_shapes[] = {
    {{1, 1, 16, 1, 0, 1, 0}, 0, 0},    {{1, 1, 7, 1, 0, 1, 0}, 0, 1},       {{2, 1, 16, 16, 0, 3, 0}, 0, 45},
    {{1, 1, 33, 8, 0, 4, 0}, 61, 20},  {{2, 2, 64, 32, 0, 3, 0}, 30, 9},    {{1, 1, 80, 4, 20, 2, 0}, 75, 35},
    {{3, 1, 96, 16, 0, 2, 4}, 17, 12}, {{1, 1, 128, 16, 33, 2, 0}, 40, 34}, {{1, 1, 256, 8, 0, 2, 20}, 5, 11},
    {{1, 1, 24, 2, 1, 1, 0}, 50, 33},
};

/* Lengths of tiles, over and over: rows find themselves in other places of other tiles. */
static const uint32_t cuts[2][4] = {{TN_QUERY_TILE, TN_QUERY_TILE, TN_QUERY_TILE, TN_QUERY_TILE},
                                    {5, 1, 11, 8}};

static uint32_t cut_tiles(tn_gpu_launch *l, uint32_t first_pos, uint32_t n_row, const uint32_t *cut,
                          tn_metal_tile **ret) {
    uint32_t n = 0;
    *ret = tn_gpu_launch_host(l, (n_row + 1) * sizeof **ret);
    for (uint32_t r = 0; r < n_row; n++) {
        const uint32_t want = cut[n % 4], take = n_row - r < want ? n_row - r : want;
        (*ret)[n] = (tn_metal_tile){.first_row = 1 + r, .n_row = take, .seq = 1, .first_pos = first_pos + r};
        r += take;
    }
    return n;
}

/* Rows 1 .. n_row of q, prompt of sequence 1. */
typedef struct prompt_run {
    const cache *c;
    uint32_t n_row;
    uint32_t kind; /* enum tn_metal_sees_kind */
    bool half;
    uint32_t q, pool, table, sees; /* buffers */
} prompt_run;

static void dispatch_tiles(tn_gpu_launch *l, const prompt_run *r, const tn_metal_tile *tiles, uint32_t n_tile,
                           uint32_t out) {
    tn_gpu_launch_use(l, r->q, 0);
    tn_gpu_launch_use(l, r->pool, 0);
    tn_gpu_launch_buffer(l, tiles, (n_tile + 1) * sizeof *tiles);
    tn_gpu_launch_use(l, r->table, 0);
    tn_gpu_launch_use(l, out, 0);
    tn_gpu_launch_bytes(l, &r->c->args, sizeof r->c->args);
    tn_gpu_launch_use(l, r->sees, 0);
    tn_gpu_launch_constant(l, TN_FC_SEES, r->kind);
    tn_gpu_launch_constant(l, TN_FC_KV_TYPE, r->c->type);
    tn_gpu_launch_constant(l, TN_FC_HEAD_DIM, r->c->h.head_dim);
    tn_gpu_launch_constant(l, TN_FC_HALF, r->half);
    tn_gpu_launch_dispatch(l, "attention_tiles", r->c->h.n_head, n_tile, 1, TN_ATTENTION_THREADS);
}

/* Row 0 of q belongs to nobody, sequence 0 is another one. */
static double check_tiles(const tn_gpu_check *check, tn_gpu *g, uint32_t shape, uint32_t seed,
                          tn_error *err) {
    const heads *h = &tile_shapes[shape].h;
    const uint32_t n_row = tile_shapes[shape].n_row, first_pos = tile_shapes[shape].first_pos;
    const uint32_t cols = h->n_head * h->head_dim, length[] = {3, first_pos + n_row};
    const uint32_t first[] = {0, first_seen(h, first_pos)};
    tn_gpu_launch *l = tn_gpu_launch_new(g, seed);
    cache c = make_cache(l, h, (tn_type)(check->param % HALVES), 2, length, first);
    fill_cache(&c, first);
    const size_t n = (size_t)(n_row + 1) * cols;
    const float *q = tn_gpu_launch_floats(l, n);
    float *nothing = tn_gpu_launch_host(l, n * sizeof *nothing);
    double *expected = tn_gpu_launch_expected(l, n);
    for (uint32_t i = h->n_head; i < (n_row + 1) * h->n_head; i++)
        attend(&c, 1, first_pos + i / h->n_head - 1, i % h->n_head, q + (size_t)i * h->head_dim,
               expected + (size_t)i * h->head_dim);
    prompt_run r = {.c = &c,
                    .n_row = n_row,
                    .kind = TN_SEE_PAST,
                    .half = check->param / HALVES,
                    .q = new_buffer(l, q, n * sizeof *q),
                    .pool = new_buffer(l, c.pool, c.pool_bytes),
                    .table = new_buffer(l, c.table, (size_t)2 * c.args.kv.pages_per_seq * 4)};
    uint32_t out[2];
    r.sees = r.table; /* which is not read as such */
    for (uint32_t i = 0; i < 2; i++) {
        tn_metal_tile *tiles;
        const uint32_t n_tile = cut_tiles(l, first_pos, n_row, cuts[i], &tiles);
        out[i] = new_buffer(l, nothing, n * sizeof *nothing);
        dispatch_tiles(l, &r, tiles, n_tile, out[i]);
    }
    double off = tn_gpu_launch_compare(l, out[0], expected, n, err);
    off = worse(off, differences(l, out[0], out[1], n, err));
    tn_gpu_launch_end(l);
    return off;
}

/* ---- what a row sees beside or instead of its past ---- */

/* Rows first_pos .. of a sequence, in segments of `segment` positions from 0 on: rows of odd ones see all of
 * theirs, as images in text do and patches in towers; `length` positions are there. */
static const struct {
    heads h;
    uint32_t first_pos, n_row, length, segment;
} see_shapes[] = {
    {{1, 1, 16, 1, 0, 1, 0}, 0, 1, 2, 1},         {{2, 1, 16, 16, 0, 3, 0}, 0, 45, 45, 9},
    {{1, 1, 33, 8, 0, 4, 0}, 5, 40, 60, 30},      {{2, 2, 80, 32, 0, 3, 0}, 64, 70, 192, 64},
    {{1, 1, 64, 4, 20, 2, 0}, 70, 35, 120, 24},   {{1, 1, 256, 8, 7, 2, 20}, 3, 40, 43, 20},
    {{2, 1, 72, 16, 0, 2, 0}, 250, 40, 300, 300},
};

static tn_metal_sees see(const heads *h, uint32_t shape, uint32_t pos, bool all, uint32_t kind,
                         tn_metal_sees *ret_given) {
    const uint32_t segment = see_shapes[shape].segment, length = see_shapes[shape].length;
    const uint32_t first = pos / segment * segment, past = first_seen(h, pos);
    const uint32_t end = first + segment < length ? first + segment : length;
    *ret_given = (tn_metal_sees){0};
    if (!all && pos / segment % 2 == 0) return (tn_metal_sees){past, pos + 1};
    *ret_given = (tn_metal_sees){first, end};
    return (tn_metal_sees){kind == TN_SEE_ONLY || first < past ? first : past, end};
}

/* All but row 0, each alone. */
static void dispatch_whole_rows(tn_gpu_launch *l, const prompt_run *r, uint32_t first_pos, uint32_t out) {
    const heads *h = &r->c->h;
    uint32_t *rows = tn_gpu_launch_host(l, (r->n_row + 1) * sizeof *rows);
    tn_metal_token *tokens = tn_gpu_launch_host(l, (r->n_row + 1) * sizeof *tokens);
    for (uint32_t i = 0; i < r->n_row; i++) {
        rows[i] = i + 1;
        tokens[i + 1] = (tn_metal_token){.pos = first_pos + i, .seq = 1};
    }
    tn_gpu_launch_use(l, r->q, 0);
    tn_gpu_launch_use(l, r->pool, 0);
    tn_gpu_launch_buffer(l, tokens, (r->n_row + 1) * sizeof *tokens);
    tn_gpu_launch_use(l, r->table, 0);
    tn_gpu_launch_buffer(l, rows, (r->n_row + 1) * sizeof *rows);
    tn_gpu_launch_buffer(l, NULL, sizeof(float)); /* no parts */
    tn_gpu_launch_use(l, out, 0);
    tn_gpu_launch_bytes(l, &r->c->args, sizeof r->c->args);
    tn_gpu_launch_use(l, r->sees, 0);
    tn_gpu_launch_constant(l, TN_FC_SEES, r->kind);
    tn_gpu_launch_constant(l, TN_FC_KV_TYPE, r->c->type);
    tn_gpu_launch_constant(l, TN_FC_HEAD_DIM, h->head_dim);
    tn_gpu_launch_constant(l, TN_FC_HEADS, 1);
    tn_gpu_launch_constant(l, TN_FC_WHOLE, 1);
    tn_gpu_launch_dispatch(l, "attention_rows", h->n_head, r->n_row, 1, TN_ATTENTION_THREADS);
}

/* In tiles cut in two ways, or as single rows. */
static double check_sees(const tn_gpu_check *check, tn_gpu *g, uint32_t shape, uint32_t seed, tn_error *err) {
    const heads *h = &see_shapes[shape].h;
    const uint32_t n_row = see_shapes[shape].n_row, first_pos = see_shapes[shape].first_pos;
    const uint32_t cols = h->n_head * h->head_dim, length[] = {3, see_shapes[shape].length};
    const uint32_t nothing_before[] = {0, 0}, kind = check->param / (2 * HALVES);
    const bool as_rows = strcmp(check->kernel, "attention_rows") == 0;
    tn_gpu_launch *l = tn_gpu_launch_new(g, seed);
    cache c = make_cache(l, h, (tn_type)(check->param % HALVES), 2, length, nothing_before);
    fill_cache(&c, nothing_before);
    const size_t n = (size_t)(n_row + 1) * cols;
    const float *q = tn_gpu_launch_floats(l, n);
    const float *nothing = tn_gpu_launch_host(l, n * sizeof *nothing);
    tn_metal_sees *sees = tn_gpu_launch_host(l, (n_row + 1) * sizeof *sees);
    double *expected = tn_gpu_launch_expected(l, n);
    for (uint32_t i = h->n_head; i < (n_row + 1) * h->n_head; i++) {
        const uint32_t row = i / h->n_head;
        const tn_metal_sees seen = see(h, shape, first_pos + row - 1, kind == TN_SEE_ONLY, kind, &sees[row]);
        attend_to(&c, 1, seen.first, seen.end, i % h->n_head, q + (size_t)i * h->head_dim,
                  expected + (size_t)i * h->head_dim);
    }
    const prompt_run r = {.c = &c,
                          .n_row = n_row,
                          .kind = kind,
                          .half = check->param / HALVES % 2,
                          .q = new_buffer(l, q, n * sizeof *q),
                          .pool = new_buffer(l, c.pool, c.pool_bytes),
                          .table = new_buffer(l, c.table, (size_t)2 * c.args.kv.pages_per_seq * 4),
                          .sees = new_buffer(l, sees, (n_row + 1) * sizeof *sees)};
    uint32_t out[2];
    for (uint32_t i = 0; i < 2; i++) {
        tn_metal_tile *tiles;
        const uint32_t n_tile = cut_tiles(l, first_pos, n_row, cuts[i], &tiles);
        out[i] = new_buffer(l, nothing, n * sizeof *nothing);
        if (as_rows)
            dispatch_whole_rows(l, &r, first_pos, out[i]);
        else
            dispatch_tiles(l, &r, tiles, n_tile, out[i]);
    }
    double off = tn_gpu_launch_compare(l, out[0], expected, n, err);
    off = worse(off, differences(l, out[0], out[1], n, err));
    tn_gpu_launch_end(l);
    return off;
}

/* Scores of up to 20 or so are off by some roundings of F32, weights by as much of themselves. As halves,
 * weights are off by 2^-12 of themselves, and Q8_0's q and k too: a score of 20 by 2 * 2^-12 * 20 = 1e-2 at
 * the very most.
 */
#define STORE(type)                                                                                          \
    { "kv_store", #type, N_SHAPE(store_shapes), 0, check_store, TN_TYPE_##type }
#define ROWS(type)                                                                                           \
    { "attention_rows", #type, N_SHAPE(row_shapes), 1e-5, check_rows, TN_TYPE_##type }
#define MERGE(type)                                                                                          \
    { "attention_merge", #type, N_SHAPE(row_shapes), 1e-5, check_rows, TN_TYPE_##type }
#define TILES(type)                                                                                          \
    { "attention_tiles", #type, N_SHAPE(tile_shapes), 1e-5, check_tiles, TN_TYPE_##type }
#define TILES_OF_HALVES(type, tolerance)                                                                     \
    {                                                                                                        \
        "attention_tiles", #type ", halves", N_SHAPE(tile_shapes), tolerance, check_tiles,                   \
            TN_TYPE_##type + HALVES                                                                          \
    }
#define SEES(kernel, variant, type, half, kind, tolerance)                                                   \
    {                                                                                                        \
        kernel, variant, N_SHAPE(see_shapes), tolerance, check_sees,                                         \
            TN_TYPE_##type + HALVES *((half) + 2 * (kind))                                                   \
    }
const tn_gpu_check tn_gpu_checks_attention[] = {
    STORE(F32),
    STORE(F16),
    STORE(BF16),
    STORE(Q8_0),
    ROWS(F32),
    ROWS(F16),
    ROWS(BF16),
    ROWS(Q8_0),
    MERGE(F32),
    TILES(F32),
    TILES(F16),
    TILES(BF16),
    TILES(Q8_0),
    TILES_OF_HALVES(F16, 4e-4),
    TILES_OF_HALVES(Q8_0, 1e-2),
    SEES("attention_tiles", "F32, images", F32, 0, TN_SEE_MORE, 1e-5),
    SEES("attention_tiles", "F32, segments", F32, 0, TN_SEE_ONLY, 1e-5),
    SEES("attention_tiles", "F16, halves, images", F16, 1, TN_SEE_MORE, 4e-4),
    SEES("attention_tiles", "F16, halves, segments", F16, 1, TN_SEE_ONLY, 4e-4),
    SEES("attention_rows", "F32, images", F32, 0, TN_SEE_MORE, 1e-5),
    SEES("attention_rows", "F32, segments", F32, 0, TN_SEE_ONLY, 1e-5),
    {.kernel = NULL},
};
