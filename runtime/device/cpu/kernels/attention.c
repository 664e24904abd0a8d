/* SPDX-License-Identifier: Apache-2.0 */
/* Attention over pages, grouped by key/value head.
 *
 * Scores come out a vector of positions at a time (no sums across lanes, head_dim ascending), sums over
 * values a vector of dimensions at a time (positions ascending). Numbers of the cache are widened to F32
 * exactly before they are used, so it does not show in the bits whether that happens in the inner loop, as
 * for few queries, or for a piece of positions in scratch, as for many. In Q8_0 it is the integers that are
 * widened: a score is a sum over blocks of 32 dimensions of (sum over the block) * scale, and a value's scale
 * goes to the weight. A query meets exactly the positions it may see: the others are cut from the loop over
 * values and selected out of the scores, so what they hold is of no consequence, and neither is which queries
 * share an item.
 */
#include "device/cpu/kernels/set.h"
#include "weights/float.h"

enum {
    SPAN = TN_CPU_SPAN,
    PIECE = TN_CPU_PIECE,
    GROUP = TN_CPU_K_GROUP,
    VG = GROUP / VN, /* vectors of a dimension of a group of keys */
    /* Queries of a register block of scores at most, and groups of keys with so many and with fewer. */
    QS = VN == 16         ? 8
         : VN == 8        ? 4
         : MANY_REGISTERS ? 4
                          : 2,
    GS = VN == 16 ? 2 : 1,
    GS_FEW = VN == 16  ? 4
             : VN == 8 ? 2
                       : 1,
    /* Queries of a register block of values, and vectors of dimensions with so many and with at most two. */
    QV = MANY_REGISTERS ? 4 : 2,
    DV = 4,
    DV_FEW = MANY_REGISTERS ? 8 : 4,
    /* Queries that do not pay for bringing keys and values to scratch. */
    FEW = 8,
    LINE = 64, /* bytes that memory gives at a time */
};

_Static_assert((int)QV <= (int)TN_CPU_SCALED_QUERIES, "scratch has no room for so many weights");

/* A line that is read soon: to the second cache, which takes more requests at a time than the first. */
ALWAYS_INLINE void ask_for(const void *p) {
    __builtin_prefetch(p, 0, 2);
}

/* Scratch, and what the item's queries share. */
typedef struct work {
    const tn_cpu_attention *a;
    const tn_cpu_attention_item *item;
    uint32_t n_group, n_query;   /* query i: head i % n_group of row i / n_group */
    uint32_t stride, partial;    /* floats of a query, and of a partial result */
    uint32_t first_pos, end_pos; /* of the union of what the queries see, within the span */
    uint32_t base;               /* of the span */
    float *piece;                /* groups of keys [head_dim + n_block][GROUP], or values [PIECE][stride] */
    float *scales;               /* of values: [n_block][PIECE] */
    float *weights;              /* [QV][n_block][PIECE], times the scales */
    float *q;                    /* [n_query][stride] */
    float *scores;               /* [n_query][SPAN], then the weights */
    float *out;                  /* partial results of the span */
} work;

static uint32_t query_first(const work *w, uint32_t i) {
    return tn_cpu_attention_first(&w->a->desc, w->item, i / w->n_group);
}
static uint32_t query_end(const work *w, uint32_t i) {
    return tn_cpu_attention_end(&w->a->desc, w->item, i / w->n_group);
}
/* Positions of [base, base + n) that query i sees, counted from base. */
static void query_lanes(const work *w, uint32_t i, uint32_t base, uint32_t n, uint32_t *ret_first,
                        uint32_t *ret_end) {
    uint32_t first = query_first(w, i), end = query_end(w, i);
    *ret_first = first > base ? first - base : 0;
    *ret_end = end < base + n ? (end > base ? end - base : 0) : n;
}

/* Where a query's numbers start in its rows of item->q and item->out. */
static size_t query_at(const work *w, uint32_t i) {
    const tn_attention_desc *d = &w->a->desc;
    uint32_t head = w->item->head_kv * w->n_group + i % w->n_group;
    return ((size_t)(i / w->n_group) * d->n_head + head) * d->head_dim;
}

/* As tn_kv_type_turn. */
static void turn(tn_type type, const float *x, uint32_t n_dim, float *y) {
    enum { N = TN_KV_TYPE_BLOCK / VN };
    uint32_t b = 0;
    for (; type == TN_TYPE_Q8_0 && b + TN_KV_TYPE_BLOCK <= n_dim; b += TN_KV_TYPE_BLOCK) {
        vf v[N];
        UNROLL for (int i = 0; i < N; i++) v[i] = vf_turn(vf_load(x + b + i * VN));
        vf_turn_across(v, N);
        UNROLL for (int i = 0; i < N; i++) vf_store(y + b + i * VN, v[i] * (1.0f / TN_KV_TYPE_BLOCK));
    }
    tn_kv_type_turn(type, x + b, n_dim - b, y + b);
}

static void work_init(work *w, const tn_cpu_attention *a, const tn_cpu_attention_item *item, float *scratch) {
    uint32_t dim = a->desc.head_dim, n_group = a->desc.n_head / a->desc.n_head_kv;
    *w = (work){.a = a, .item = item, .n_group = n_group, .n_query = n_group * item->n_row};
    w->stride = tn_cpu_head_stride(dim);
    w->partial = tn_cpu_partial(dim);
    w->piece = scratch;
    w->scales = w->piece + (size_t)PIECE * w->stride;
    w->weights = w->scales + (size_t)PIECE * tn_kv_type_blocks(dim);
    w->q = w->weights + (size_t)QV * PIECE * tn_kv_type_blocks(dim);
    w->scores = w->q + (size_t)w->n_query * w->stride;
    w->out = w->scores + (size_t)w->n_query * SPAN;
    for (uint32_t i = 0; i < w->n_query; i++)
        turn(a->cache.type, item->q + query_at(w, i), dim, w->q + (size_t)i * w->stride);
}

/* A vector of the cache's numbers; type is constant after inlining. */
ALWAYS_INLINE vf load(const tn_type type, const uint8_t *p) {
    if (type == TN_TYPE_F16) return vf_load_f16(p);
    if (type == TN_TYPE_BF16) return vf_load_bf16(p);
    if (type == TN_TYPE_Q8_0) return vf_from_i32(vi_load_i8(p));
    return vf_load(p);
}
ALWAYS_INLINE uint32_t bytes_of(const tn_type type) {
    return type == TN_TYPE_Q8_0 ? 1 : type == TN_TYPE_F32 ? 4 : 2;
}
static float scale_at(const uint8_t *p) {
    uint16_t h;
    memcpy(&h, p, sizeof h);
    return tn_f16_to_f32(h);
}
static float load_one(tn_type type, const uint8_t *p) {
    float f;
    if (type == TN_TYPE_Q8_0) return (float)*(const int8_t *)p;
    SET(tn_cpu_decode)(type, p, 1, &f);
    return f;
}

static const uint8_t *keys_at(const work *w, uint32_t pos) {
    const tn_cpu_cache *c = &w->a->cache;
    return tn_cpu_cache_keys(c, w->item->pages[pos / c->page_tokens], w->item->head_kv, pos % c->page_tokens);
}

/* The stored values of a position, or of the item's last one if that comes before it; and the first of their
 * scales. */
static const uint8_t *values_row(const work *w, uint32_t pos) {
    const tn_cpu_cache *c = &w->a->cache;
    uint32_t last = query_end(w, w->n_query - 1) - 1;
    if (pos > last) pos = last;
    return tn_cpu_cache_values(c, w->item->pages[pos / c->page_tokens], w->item->head_kv) +
           (size_t)(pos % c->page_tokens) * c->head_dim * c->elem_bytes;
}
static const uint8_t *value_scales(const work *w, uint32_t pos) {
    const tn_cpu_cache *c = &w->a->cache;
    uint32_t last = query_end(w, w->n_query - 1) - 1;
    if (pos > last) pos = last;
    return tn_cpu_cache_values(c, w->item->pages[pos / c->page_tokens], w->item->head_kv) +
           (size_t)c->page_tokens * c->head_dim + 2 * (pos % c->page_tokens);
}

/* Scales of block b of a group of keys, vector v: stored, or widened. */
ALWAYS_INLINE vf key_scale(const tn_type type, const uint8_t *keys, uint32_t n_dim, uint32_t b, int v) {
    const uint8_t *scales = keys + (size_t)n_dim * GROUP * bytes_of(type);
    uint32_t at = b * GROUP + (uint32_t)v * VN;
    return type == TN_TYPE_Q8_0 ? vf_load_f16(scales + 2 * at) : vf_load(scales + 4 * at);
}

/* A group of keys [head_dim][GROUP] as F32, scales [n_block][GROUP] after it. next: the one that is read
 * later. */
ALWAYS_INLINE void widen_keys(const tn_type type, const uint8_t *k, const uint8_t *next, uint32_t n_dim,
                              float *to) {
    for (size_t d = 0; d < n_dim; d++, to += GROUP) {
        const size_t at = d * GROUP * bytes_of(type);
        if (at % LINE == 0) ask_for(next + at);
        UNROLL for (int v = 0; v < VG; v++)
            vf_store(to + v * VN, load(type, k + at + v * VN * bytes_of(type)));
    }
    for (uint32_t b = 0; type == TN_TYPE_Q8_0 && b < tn_kv_type_blocks(n_dim); b++, to += GROUP)
        UNROLL for (int v = 0; v < VG; v++) vf_store(to + v * VN, key_scale(type, k, n_dim, b, v));
}
/* The same of groups of g < GROUP tokens, which small pages have, at lanes j .. j + g of the group. */
static void widen_narrow_keys(const tn_cpu_cache *c, const uint8_t *k, uint32_t j, float *to) {
    const uint32_t g = c->k_group, n_dim = c->head_dim, bytes = c->elem_bytes;
    const uint8_t *scales = k + (size_t)n_dim * g * bytes;
    uint32_t n_block = c->type == TN_TYPE_Q8_0 ? tn_kv_type_blocks(n_dim) : 0;
    for (uint32_t d = 0; d < n_dim; d++)
        for (uint32_t i = 0; i < g; i++) to[d * GROUP + j + i] = load_one(c->type, k + (d * g + i) * bytes);
    for (uint32_t b = 0; b < n_block; b++)
        for (uint32_t i = 0; i < g; i++) to[(n_dim + b) * GROUP + j + i] = scale_at(scales + (b * g + i) * 2);
}

/* Keys of positions pos .. pos + GROUP to scratch. Stored groups wholly outside the visible positions are not
 * touched: their pages may not exist. */
static void keys_to_scratch(const work *w, uint32_t pos, float *to) {
    const tn_cpu_cache *c = &w->a->cache;
    for (uint32_t j = 0; j < GROUP; j += c->k_group) {
        if (pos + j + c->k_group <= w->first_pos || pos + j >= w->end_pos) continue;
        const uint8_t *k = keys_at(w, pos + j);
        const uint8_t *next = pos + PIECE < w->end_pos ? keys_at(w, pos + PIECE) : k;
        if (c->k_group < GROUP)
            widen_narrow_keys(c, k, j, to);
        else if (c->type == TN_TYPE_F32)
            widen_keys(TN_TYPE_F32, k, next, c->head_dim, to);
        else if (c->type == TN_TYPE_F16)
            widen_keys(TN_TYPE_F16, k, next, c->head_dim, to);
        else if (c->type == TN_TYPE_BF16)
            widen_keys(TN_TYPE_BF16, k, next, c->head_dim, to);
        else
            widen_keys(TN_TYPE_Q8_0, k, next, c->head_dim, to);
    }
}

/* Scores of n queries from i on against ng groups of keys, raw; their first lane is `lane`. scaled: the
 * groups have scales. next: ng groups that are read later and asked for meanwhile, or NULL. */
ALWAYS_INLINE void score_block(const tn_type type, const bool scaled, const int n, const int ng,
                               const work *w, uint32_t i, const uint8_t *const *keys,
                               const uint8_t *const *next, uint32_t lane) {
    const uint32_t n_dim = w->a->desc.head_dim, unit = scaled ? TN_KV_TYPE_BLOCK : n_dim;
    float *to = w->scores + (size_t)i * SPAN + lane;
    const float *q[QS];
    UNROLL for (int m = 0; m < n; m++) q[m] = w->q + (size_t)(i + (uint32_t)m) * w->stride;
    for (uint32_t b = 0; b < n_dim; b += unit) {
        const uint32_t end = b + unit < n_dim ? b + unit : n_dim;
        vf s[QS][GS_FEW * VG];
        UNROLL for (int m = 0; m < n; m++) {
            UNROLL for (int v = 0; v < ng * VG; v++) s[m][v] = (vf){0};
        }
        for (size_t d = b; d < end; d++) {
            const size_t at = d * GROUP * bytes_of(type);
            UNROLL for (int g = 0; g < ng; g++) {
                if (next && at % LINE == 0) ask_for(next[g] + at);
            }
            vf k[GS_FEW * VG];
            UNROLL for (int v = 0; v < ng * VG; v++) k[v] =
                load(type, keys[v / VG] + at + v % VG * VN * bytes_of(type));
            UNROLL for (int m = 0; m < n; m++) {
                vf x = vf_set1(q[m][d]);
                UNROLL for (int v = 0; v < ng * VG; v++) s[m][v] = vf_fma(x, k[v], s[m][v]);
            }
        }
        for (int g = 0; next && scaled && b % (2 * unit) == 0 && g < ng; g++)
            ask_for(next[g] + (size_t)n_dim * GROUP * bytes_of(type) + b / TN_KV_TYPE_BLOCK * GROUP * 2);
        vf scale[GS_FEW * VG];
        UNROLL for (int v = 0; v < ng * VG; v++) {
            if (scaled) scale[v] = key_scale(type, keys[v / VG], n_dim, b / TN_KV_TYPE_BLOCK, v % VG);
        }
        UNROLL for (int m = 0; m < n; m++) {
            UNROLL for (int v = 0; v < ng * VG; v++) {
                float *at = to + m * SPAN + v * VN;
                if (scaled) s[m][v] *= scale[v];
                if (scaled && b) s[m][v] += vf_load(at);
                vf_store(at, s[m][v]);
            }
        }
    }
}

/* Scores of all queries against keys as they are stored. Blocks of groups are counted from the span's start;
 * those of a block's groups that nobody sees are read from one that somebody does, for nothing. */
ALWAYS_INLINE void score_stored_with(const tn_type type, const int n, const int ng, const work *w,
                                     uint32_t i) {
    const uint32_t first = w->first_pos / GROUP * GROUP, step = (uint32_t)ng * GROUP;
    for (uint32_t pos = first / step * step; pos < w->end_pos; pos += step) {
        const uint8_t *keys[GS_FEW], *next[GS_FEW];
        for (int g = 0; g < ng; g++) {
            uint32_t p = pos + (uint32_t)g * GROUP, later = p + step;
            keys[g] = keys_at(w, p < first ? first : p < w->end_pos ? p : w->end_pos - 1);
            if (later < w->end_pos)
                next[g] = keys_at(w, later < first ? first : later);
            else /* GROUP rows of values take what a group of keys takes */
                next[g] = values_row(w, w->first_pos + (uint32_t)g * GROUP);
        }
        score_block(type, type == TN_TYPE_Q8_0, n, ng, w, i, keys, next, pos - w->base);
    }
}
ALWAYS_INLINE void score_stored(const tn_type type, const work *w) {
    uint32_t i = 0;
    for (; i + QS <= w->n_query; i += QS) score_stored_with(type, QS, GS, w, i);
    if (QS > 4)
        for (; i + 4 <= w->n_query; i += 4) score_stored_with(type, 4, GS_FEW, w, i);
    if (QS > 2)
        for (; i + 2 <= w->n_query; i += 2) score_stored_with(type, 2, GS_FEW, w, i);
    for (; i < w->n_query; i++) score_stored_with(type, 1, GS_FEW, w, i);
}

/* The same by way of scratch, a piece at a time. */
ALWAYS_INLINE void score_pieces(const bool scaled, const work *w) {
    enum { NG = PIECE / GROUP };
    size_t group = (size_t)GROUP * (w->stride + tn_kv_type_blocks(w->a->desc.head_dim));
    for (uint32_t pos = w->first_pos / PIECE * PIECE; pos < w->end_pos; pos += PIECE) {
        const uint8_t *keys[NG];
        for (uint32_t g = 0; g < NG; g++) {
            float *to = w->piece + g * group;
            keys_to_scratch(w, pos + g * GROUP, to);
            keys[g] = (const uint8_t *)to;
        }
        for (uint32_t g = 0; g < NG; g += GS) {
            uint32_t i = 0, lane = pos - w->base + g * GROUP;
            for (; i + QS <= w->n_query; i += QS)
                score_block(TN_TYPE_F32, scaled, QS, GS, w, i, keys + g, NULL, lane);
            for (; i < w->n_query; i++) score_block(TN_TYPE_F32, scaled, 1, GS, w, i, keys + g, NULL, lane);
        }
    }
}

static void score_span(const work *w) {
    const tn_cpu_cache *c = &w->a->cache;
    bool pieces = c->k_group < GROUP || (w->n_query > FEW && c->type != TN_TYPE_F32);
    if (pieces && c->type == TN_TYPE_Q8_0)
        score_pieces(true, w);
    else if (pieces)
        score_pieces(false, w);
    else if (c->type == TN_TYPE_F32)
        score_stored(TN_TYPE_F32, w);
    else if (c->type == TN_TYPE_F16)
        score_stored(TN_TYPE_F16, w);
    else if (c->type == TN_TYPE_BF16)
        score_stored(TN_TYPE_BF16, w);
    else
        score_stored(TN_TYPE_Q8_0, w);
}

/* Raw scores of query i become weights e^(score - top), and 0 at other positions of the vectors they are in;
 * top and the sum go to the query's partial result. */
static void soften(const work *w, uint32_t i) {
    const tn_attention_desc *d = &w->a->desc;
    float *s = w->scores + (size_t)i * SPAN, *out = w->out + (size_t)i * w->partial;
    uint32_t first, end;
    query_lanes(w, i, w->base, SPAN, &first, &end);
    vf most = vf_set1(-INFINITY), total = {0};
    vi lane;
    UNROLL for (int l = 0; l < VN; l++) lane[l] = l;
    for (uint32_t j = first / VN * VN; j < end; j += VN) {
        vf x = vf_load(s + j) * d->scale;
        if (d->softcap > 0) x = d->softcap * vf_tanh(x / d->softcap);
        if (j < first || j + VN > end) {
            vi at = lane + (int32_t)j;
            x = vf_select((at >= (int32_t)first) & (at < (int32_t)end), x, vf_set1(-INFINITY));
        }
        most = vf_max(x, most);
        vf_store(s + j, x);
    }
    float top = vf_max_lane(most);
    for (uint32_t j = first / VN * VN; j < end; j += VN) {
        vf e = vf_exp(vf_load(s + j) - top);
        total += e;
        vf_store(s + j, e);
    }
    out[w->stride] = top;
    out[w->stride + 1] = vf_sum(total);
}

/* Rows of values in a piece, stored or widened: from the first, and from one to the next. */
typedef struct values {
    const uint8_t *data;
    const uint8_t *next; /* rows that are read later and asked for meanwhile, or NULL */
    uint32_t row_bytes;
    const float *weight; /* of the first query for the first row */
} values;

/* out += weight * value over n_row rows, for nq queries from i on and nd vectors of dimensions from d on.
 * scaled: each block of dimensions has weights of its own. */
ALWAYS_INLINE void value_block(const tn_type type, const bool scaled, const int nq, const int nd,
                               const work *w, uint32_t i, uint32_t d, const values *from, uint32_t n_row) {
    enum { PER = TN_KV_TYPE_BLOCK / VN };
    const size_t query = scaled ? (size_t)PIECE * tn_kv_type_blocks(w->a->desc.head_dim) : SPAN;
    vf o[QV][DV_FEW];
    float *out = w->out + (size_t)i * w->partial + d;
    UNROLL for (int m = 0; m < nq; m++) {
        UNROLL for (int v = 0; v < nd; v++) o[m][v] = vf_load(out + m * w->partial + v * VN);
    }
    const uint8_t *row = from->data + d * bytes_of(type);
    const float *weight = from->weight + (scaled ? d / TN_KV_TYPE_BLOCK * PIECE : 0);
    for (size_t j = 0; j < n_row; j++, row += from->row_bytes, weight++) {
        UNROLL for (int l = 0; l < nd * VN * (int)bytes_of(type); l += LINE) {
            if (from->next) ask_for(from->next + (row - from->data) + l);
        }
        vf x[DV_FEW];
        UNROLL for (int v = 0; v < nd; v++) x[v] = load(type, row + v * VN * bytes_of(type));
        UNROLL for (int m = 0; m < nq; m++) {
            vf p = {0};
            UNROLL for (int v = 0; v < nd; v++) {
                if (v % PER == 0 && (v == 0 || scaled)) p = vf_set1(weight[m * query + v / PER * PIECE]);
                o[m][v] = vf_fma(p, x[v], o[m][v]);
            }
        }
    }
    UNROLL for (int m = 0; m < nq; m++) {
        UNROLL for (int v = 0; v < nd; v++) vf_store(out + m * w->partial + v * VN, o[m][v]);
    }
}

ALWAYS_INLINE void value_rows(const tn_type type, const bool scaled, const int nq, const work *w, uint32_t i,
                              const values *from, uint32_t n_row) {
    uint32_t d = 0;
    if (nq <= 2)
        for (; d + DV_FEW * VN <= w->stride; d += DV_FEW * VN)
            value_block(type, scaled, nq, DV_FEW, w, i, d, from, n_row);
    for (; d + DV * VN <= w->stride; d += DV * VN) value_block(type, scaled, nq, DV, w, i, d, from, n_row);
    for (; d < w->stride; d += VN) value_block(type, scaled, nq, 1, w, i, d, from, n_row);
}

/* Weights of nq queries from i on for n rows, the first at `lane`, times the rows' scales. */
static const float *scale_weights(const work *w, uint32_t i, uint32_t nq, uint32_t lane, uint32_t n) {
    float *to = w->weights;
    for (uint32_t m = 0; m < nq; m++) {
        const float *from = w->scores + (size_t)(i + m) * SPAN + lane, *scale = w->scales;
        for (uint32_t b = 0; b < tn_kv_type_blocks(w->a->desc.head_dim); b++, scale += PIECE, to += PIECE)
            for (uint32_t j = 0; j < n; j += VN) vf_store(to + j, vf_load(from + j) * vf_load(scale + j));
    }
    return w->weights;
}

/* Queries that see the same rows go together, a register block at a time. from: rows of positions base ..
 * base + n. */
ALWAYS_INLINE void weigh_values(const tn_type type, const bool scaled, const work *w, const values *from,
                                uint32_t base, uint32_t n) {
    uint32_t first, end, f, e, together, lane = base - w->base;
    for (uint32_t i = 0; i < w->n_query; i += together) {
        query_lanes(w, i, base, n, &first, &end);
        for (together = 1; together < QV && i + together < w->n_query; together++) {
            query_lanes(w, i + together, base, n, &f, &e);
            if (f != first || e != end) break;
        }
        if (first >= end) continue;
        if (together > 2 && together < QV) together = 2;
        values at = *from;
        at.data += (size_t)first * from->row_bytes;
        at.weight = w->scores + (size_t)i * SPAN + lane;
        if (scaled) at.weight = scale_weights(w, i, together, lane, n);
        at.weight += first;
        if (together == QV)
            value_rows(type, scaled, QV, w, i, &at, end - first);
        else if (together == 2)
            value_rows(type, scaled, 2, w, i, &at, end - first);
        else
            value_rows(type, scaled, 1, w, i, &at, end - first);
    }
}

/* n rows of values as F32 [n][stride]. */
ALWAYS_INLINE void widen_values(const tn_type type, const work *w, const values *from, uint32_t n) {
    const uint32_t n_dim = w->a->desc.head_dim, bytes = bytes_of(type);
    for (uint32_t j = 0; j < n; j++) {
        const uint8_t *row = from->data + (size_t)j * from->row_bytes;
        float *to = w->piece + (size_t)j * w->stride;
        uint32_t d = 0;
        for (; d + VN <= n_dim; d += VN) {
            if (d * bytes % LINE == 0) ask_for(from->next + (row - from->data) + d * bytes);
            vf_store(to + d, load(type, row + d * bytes));
        }
        for (; d < n_dim; d++) to[d] = load_one(type, row + d * bytes);
    }
}

/* The values of positions base .. base + n, which share a page and a piece, as they are stored. Their scales
 * are widened to w->scales; what comes after n there is never used. */
static values values_at(const work *w, uint32_t base, uint32_t n) {
    const tn_cpu_cache *c = &w->a->cache;
    values v = {.data = values_row(w, base), .row_bytes = c->head_dim * c->elem_bytes};
    if (c->type != TN_TYPE_Q8_0) return v;
    const uint8_t *scales = value_scales(w, base), *next = value_scales(w, base + n);
    for (uint32_t b = 0; b < tn_kv_type_blocks(c->head_dim); b++) {
        float *to = w->scales + (size_t)b * PIECE;
        uint32_t j = 0;
        for (; j + VN <= n; j += VN) vf_store(to + j, vf_load_f16(scales + 2 * j));
        for (; j < n; j++) to[j] = scale_at(scales + 2 * j);
        ask_for(next);
        scales += 2 * c->page_tokens;
        next += 2 * c->page_tokens;
    }
    return v;
}

/* Values of positions base .. base + n, which share a page and a piece. */
ALWAYS_INLINE void take_values(const tn_type type, const work *w, uint32_t base, uint32_t n) {
    const bool scaled = type == TN_TYPE_Q8_0;
    values stored = values_at(w, base, n);
    uint32_t last = query_end(w, w->n_query - 1) - 1, next = base + n;
    stored.next = next < w->end_pos ? values_row(w, next) : keys_at(w, next < last ? next : last);
    if (w->a->desc.head_dim == w->stride && (w->n_query <= FEW || type == TN_TYPE_F32)) {
        weigh_values(type, scaled, w, &stored, base, n);
        return;
    }
    widen_values(type, w, &stored, n);
    values wide = {.data = (const uint8_t *)w->piece, .row_bytes = w->stride * 4};
    weigh_values(TN_TYPE_F32, scaled, w, &wide, base, n);
}

static void value_span(const work *w) {
    const tn_cpu_cache *c = &w->a->cache;
    uint32_t unit = c->page_tokens < PIECE ? c->page_tokens : PIECE;
    for (uint32_t pos = w->first_pos, end; pos < w->end_pos; pos = end) {
        end = pos / unit * unit + unit;
        if (end > w->end_pos) end = w->end_pos;
        if (c->type == TN_TYPE_F32)
            take_values(TN_TYPE_F32, w, pos, end - pos);
        else if (c->type == TN_TYPE_F16)
            take_values(TN_TYPE_F16, w, pos, end - pos);
        else if (c->type == TN_TYPE_BF16)
            take_values(TN_TYPE_BF16, w, pos, end - pos);
        else
            take_values(TN_TYPE_Q8_0, w, pos, end - pos);
    }
}

/* Partial results of the span at `base`, to w->out. */
static void take_span(work *w, uint32_t base) {
    uint32_t first = query_first(w, 0), end = query_end(w, w->n_query - 1);
    w->base = base;
    w->first_pos = first > base ? first : base;
    w->end_pos = end < base + SPAN ? end : base + SPAN;
    memset(w->out, 0, (size_t)w->n_query * w->partial * sizeof(float));
    score_span(w);
    for (uint32_t i = 0; i < w->n_query; i++) soften(w, i);
    value_span(w);
}

/* Folds the partial results of a span into those of the spans before it. */
static void fold(const work *w, float *into, const float *part) {
    const uint32_t top = w->stride, sum = top + 1;
    for (uint32_t i = 0; i < w->n_query; i++, into += w->partial, part += w->partial) {
        if (part[sum] == 0.0f) continue; /* it sees nothing there */
        float most = part[top] < into[top] ? into[top] : part[top];
        float fade = vf_exp(vf_set1(into[top] - most))[0], gain = vf_exp(vf_set1(part[top] - most))[0];
        for (uint32_t d = 0; d < w->stride; d += VN)
            vf_store(into + d, vf_fma(vf_load(part + d), vf_set1(gain), vf_load(into + d) * fade));
        into[sum] = into[sum] * fade + part[sum] * gain;
        into[top] = most;
    }
}

/* Before the first span. Returns where the spans are folded to. */
static float *total_init(const work *w) {
    float *total = w->out + (size_t)w->n_query * w->partial;
    memset(total, 0, (size_t)w->n_query * w->partial * sizeof(float));
    for (uint32_t i = 0; i < w->n_query; i++) total[i * w->partial + w->stride] = -INFINITY;
    return total;
}

static void finish(const work *w, float *total) {
    const tn_cpu_cache *c = &w->a->cache;
    for (uint32_t i = 0; i < w->n_query; i++, total += w->partial) {
        for (uint32_t d = 0; d < w->stride; d += VN)
            vf_store(total + d, vf_load(total + d) / total[w->stride + 1]);
        turn(c->type, total, c->head_dim, w->item->out + query_at(w, i));
    }
}

void SET(tn_cpu_attention)(const tn_cpu_attention *a, const tn_cpu_attention_item *item, void *scratch) {
    work w;
    work_init(&w, a, item, scratch);
    float *total = total_init(&w);
    tn_range spans = tn_cpu_attention_spans(&a->desc, item);
    for (uint64_t s = spans.first; s < spans.end; s++) {
        take_span(&w, (uint32_t)s * SPAN);
        fold(&w, total, w.out);
    }
    finish(&w, total);
}

void SET(tn_cpu_attention_part)(const tn_cpu_attention *a, const tn_cpu_attention_item *item, tn_range spans,
                                float *parts, void *scratch) {
    work w;
    work_init(&w, a, item, scratch);
    w.out = parts;
    for (uint64_t s = spans.first; s < spans.end; s++) {
        take_span(&w, (uint32_t)s * SPAN);
        w.out += (size_t)w.n_query * w.partial;
    }
}

void SET(tn_cpu_attention_fold)(const tn_cpu_attention *a, const tn_cpu_attention_item *item,
                                const float *parts, void *scratch) {
    work w;
    work_init(&w, a, item, scratch);
    float *total = total_init(&w);
    tn_range spans = tn_cpu_attention_spans(&a->desc, item);
    for (uint64_t s = spans.first; s < spans.end; s++) {
        fold(&w, total, parts);
        parts += (size_t)w.n_query * w.partial;
    }
    finish(&w, total);
}
