/* SPDX-License-Identifier: Apache-2.0 */
/* Attention over pages, grouped by key/value head.
 *
 * The context is cut into pieces of TN_CPU_PIECE positions counted from 0. For each piece, ascending, the
 * keys are brought to scratch as F32 [head_dim][piece], scores of all queries of the item come out a vector
 * of positions at a time (no sums across lanes, head_dim ascending), and the usual running maximum and sum
 * (Milakov & Gimelshein 2018, alg. 3) take the piece in; then the same with the values, positions ascending.
 * A query meets exactly the positions it may see: the others are cut from the loop over values and selected
 * out of the scores, so what they hold is of no consequence, and neither is which queries share an item. */
#include "device/cpu/kernels/set.h"

enum {
    PIECE = TN_CPU_PIECE,
    VP = PIECE / VN, /* vectors of scores */
    /* Queries, and for values dimensions, of a register block. */
    QS = MANY_REGISTERS ? (VN == 16 ? 8 : 2) : (VN == 8 ? 3 : 1),
    QV = MANY_REGISTERS ? 4 : 2,
    DV = 4,
};

/* Scratch, and what the item's queries share. */
typedef struct work {
    const tn_cpu_attention *a;
    const tn_cpu_attention_item *item;
    uint32_t n_group, n_query, stride; /* query i: head i % n_group of row i / n_group */
    uint32_t first_pos, end_pos;       /* of the union of what the queries see */
    float *piece;                      /* [head_dim][PIECE] keys or [PIECE][stride] values */
    float *scores;                     /* [n_query][PIECE], then the weights */
    float *out;                        /* [n_query][stride] */
    float *top, *sum;                  /* [n_query] running maximum and sum */
} work;

static uint32_t query_first(const work *w, uint32_t i) {
    uint32_t pos = w->item->pos + i / w->n_group, window = w->a->desc.window;
    return window && pos >= window ? pos - window + 1 : 0;
}
static uint32_t query_end(const work *w, uint32_t i) {
    return w->item->pos + i / w->n_group + 1;
}

static void work_init(work *w, const tn_cpu_attention *a, const tn_cpu_attention_item *item, float *scratch) {
    uint32_t n_group = a->desc.n_head / a->desc.n_head_kv, n_query = n_group * item->n_row;
    uint32_t stride = tn_cpu_head_stride(a->desc.head_dim);
    *w = (work){.a = a, .item = item, .n_group = n_group, .n_query = n_query, .stride = stride};
    w->piece = scratch;
    w->out = w->piece + PIECE * stride;
    w->scores = w->out + (size_t)n_query * stride;
    w->top = w->scores + (size_t)n_query * PIECE;
    w->sum = w->top + n_query;
    w->first_pos = query_first(w, 0);
    w->end_pos = query_end(w, n_query - 1);
    memset(w->out, 0, (size_t)n_query * stride * sizeof(float));
    memset(w->piece, 0, (size_t)PIECE * stride * sizeof(float));
    for (uint32_t i = 0; i < n_query; i++) {
        w->top[i] = -INFINITY;
        w->sum[i] = 0.0f;
    }
}

/* n elements of the cache as F32; type is constant after inlining. */
ALWAYS_INLINE void load_elements(const tn_type type, const uint8_t *src, uint32_t n, float *dst) {
    uint32_t i = 0;
    if (type == TN_TYPE_F16) {
        for (; i + VN <= n; i += VN) vf_store(dst + i, vf_load_f16(src + 2 * i));
    } else if (type == TN_TYPE_BF16) {
        for (; i + VN <= n; i += VN) vf_store(dst + i, vf_load_bf16(src + 2 * i));
    } else {
        for (; i + VN <= n; i += VN) vf_store(dst + i, vf_load(src + 4 * i));
    }
    if (i < n) SET(tn_cpu_decode)(type, src + i * (type == TN_TYPE_F32 ? 4 : 2), n - i, dst + i);
}

/* Keys of positions base .. base + PIECE as [head_dim][PIECE]. Groups wholly outside the visible positions
 * are not touched: their pages may not exist. */
ALWAYS_INLINE void load_keys(const tn_type type, const work *w, uint32_t base) {
    const tn_cpu_cache *c = &w->a->cache;
    const uint32_t g = c->k_group, bytes = type == TN_TYPE_F32 ? 4 : 2;
    for (uint32_t j = 0; j < PIECE; j += g) {
        uint32_t pos = base + j;
        if (pos + g <= w->first_pos || pos >= w->end_pos) continue;
        const uint8_t *k = tn_cpu_cache_head(c, w->item->pages[pos / c->page_tokens], w->item->head_kv);
        k += (uint64_t)(pos % c->page_tokens) * c->head_dim * bytes;
        float *to = w->piece + j;
        if (g == TN_CPU_K_GROUP) {
            for (uint32_t d = 0; d < c->head_dim; d++, k += TN_CPU_K_GROUP * bytes, to += PIECE)
                load_elements(type, k, TN_CPU_K_GROUP, to);
        } else {
            for (uint32_t d = 0; d < c->head_dim; d++, k += g * bytes, to += PIECE)
                load_elements(type, k, g, to);
        }
    }
}

/* Values of positions first .. end, in the piece at base, as [PIECE][stride]. */
ALWAYS_INLINE void load_values(const tn_type type, const work *w, uint32_t base, uint32_t first,
                               uint32_t end) {
    const tn_cpu_cache *c = &w->a->cache;
    for (uint32_t pos = first; pos < end; pos++) {
        uint32_t row = c->page_tokens + pos % c->page_tokens;
        const uint8_t *v = tn_cpu_cache_head(c, w->item->pages[pos / c->page_tokens], w->item->head_kv);
        v += (uint64_t)row * c->head_dim * c->elem_bytes;
        load_elements(type, v, c->head_dim, w->piece + (size_t)(pos - base) * w->stride);
    }
}

static const float *query(const work *w, uint32_t i) {
    const tn_attention_desc *d = &w->a->desc;
    uint32_t head = w->item->head_kv * w->n_group + i % w->n_group;
    return w->item->q + ((size_t)(i / w->n_group) * d->n_head + head) * d->head_dim;
}

/* Scores of n queries from i on against the piece's keys, raw. */
ALWAYS_INLINE void score_block(const int n, const work *w, uint32_t i) {
    const float *q[8];
    vf s[8][VP];
    UNROLL for (int m = 0; m < n; m++) {
        q[m] = query(w, i + m);
        UNROLL for (int v = 0; v < VP; v++) s[m][v] = (vf){0};
    }
    const float *k = w->piece;
    for (uint32_t d = 0; d < w->a->desc.head_dim; d++, k += PIECE) {
        vf kv[VP];
        UNROLL for (int v = 0; v < VP; v++) kv[v] = vf_load(k + v * VN);
        UNROLL for (int m = 0; m < n; m++) {
            vf x = vf_set1(q[m][d]);
            UNROLL for (int v = 0; v < VP; v++) s[m][v] = vf_fma(x, kv[v], s[m][v]);
        }
    }
    UNROLL for (int m = 0; m < n; m++) {
        UNROLL for (int v = 0; v < VP; v++) vf_store(w->scores + (i + m) * PIECE + v * VN, s[m][v]);
    }
}

static void score_all(const work *w) {
    uint32_t i = 0;
    for (; i + QS <= w->n_query; i += QS) score_block(QS, w, i);
    for (; i < w->n_query; i++) score_block(1, w, i);
}

/* Raw scores of lanes first .. end of query i become weights e^(score - maximum), zero elsewhere; the query's
 * maximum, sum and output so far are brought to the new maximum. */
static void soften(const work *w, uint32_t i, uint32_t first, uint32_t end) {
    const tn_attention_desc *d = &w->a->desc;
    float *s = w->scores + i * PIECE;
    vi lane;
    UNROLL for (int l = 0; l < VN; l++) lane[l] = l;
    vf x[VP], most = vf_set1(-INFINITY);
    UNROLL for (int v = 0; v < VP; v++) {
        vi j = lane + v * VN;
        x[v] = vf_load(s + v * VN) * d->scale;
        if (d->softcap > 0) x[v] = d->softcap * vf_tanh(x[v] / d->softcap);
        x[v] = vf_select((j >= (int32_t)first) & (j < (int32_t)end), x[v], vf_set1(-INFINITY));
        most = vf_max(x[v], most);
    }
    float top = vf_max_lane(most), old = w->top[i];
    if (top < old) top = old;
    vf total = {0};
    UNROLL for (int v = 0; v < VP; v++) {
        vf e = vf_exp(x[v] - top);
        total += e;
        vf_store(s + v * VN, e);
    }
    float fade = vf_exp(vf_set1(old - top))[0];
    w->sum[i] = w->sum[i] * fade + vf_sum(total);
    w->top[i] = top;
    if (fade == 1.0f) return;
    float *out = w->out + (size_t)i * w->stride;
    for (uint32_t k = 0; k < w->stride; k += VN) vf_store(out + k, vf_load(out + k) * fade);
}

/* out += weight * value over lanes first .. end, for nq queries from i on and nd vectors of dimensions from d
 * on. */
ALWAYS_INLINE void value_block(const int nq, const int nd, const work *w, uint32_t i, uint32_t d,
                               uint32_t first, uint32_t end) {
    vf o[QV][DV];
    float *out = w->out + (size_t)i * w->stride + d;
    UNROLL for (int m = 0; m < nq; m++) {
        UNROLL for (int v = 0; v < nd; v++) o[m][v] = vf_load(out + m * w->stride + v * VN);
    }
    for (uint32_t j = first; j < end; j++) {
        const float *value = w->piece + (size_t)j * w->stride + d, *weight = w->scores + i * PIECE + j;
        vf x[DV];
        UNROLL for (int v = 0; v < nd; v++) x[v] = vf_load(value + v * VN);
        UNROLL for (int m = 0; m < nq; m++) {
            vf p = vf_set1(weight[m * PIECE]);
            UNROLL for (int v = 0; v < nd; v++) o[m][v] = vf_fma(p, x[v], o[m][v]);
        }
    }
    UNROLL for (int m = 0; m < nq; m++) {
        UNROLL for (int v = 0; v < nd; v++) vf_store(out + m * w->stride + v * VN, o[m][v]);
    }
}

ALWAYS_INLINE void value_rows(const int nq, const work *w, uint32_t i, uint32_t first, uint32_t end) {
    uint32_t d = 0;
    for (; d + DV * VN <= w->stride; d += DV * VN) value_block(nq, DV, w, i, d, first, end);
    for (; d < w->stride; d += VN) value_block(nq, 1, w, i, d, first, end);
}

/* The lanes of the piece at base that query i sees. */
static void query_lanes(const work *w, uint32_t i, uint32_t base, uint32_t *ret_first, uint32_t *ret_end) {
    uint32_t first = query_first(w, i), end = query_end(w, i);
    *ret_first = first > base ? first - base : 0;
    *ret_end = end < base + PIECE ? (end > base ? end - base : 0) : PIECE;
}

/* Queries with the same lanes go together, a register block at a time. */
static void weigh_values(const work *w, uint32_t base) {
    for (uint32_t i = 0; i < w->n_query;) {
        uint32_t first, end, f, e, n = 1;
        query_lanes(w, i, base, &first, &end);
        for (; n < QV && i + n < w->n_query; n++) {
            query_lanes(w, i + n, base, &f, &e);
            if (f != first || e != end) break;
        }
        if (first < end) {
            if (n == QV)
                value_rows(QV, w, i, first, end);
            else
                for (uint32_t m = 0; m < n; m++) value_rows(1, w, i + m, first, end);
        }
        i += n;
    }
}

static void take_piece(const work *w, uint32_t base) {
    tn_type type = w->a->cache.type;
    uint32_t first = base > w->first_pos ? base : w->first_pos;
    uint32_t end = base + PIECE < w->end_pos ? base + PIECE : w->end_pos;
    if (type == TN_TYPE_F32)
        load_keys(TN_TYPE_F32, w, base);
    else if (type == TN_TYPE_F16)
        load_keys(TN_TYPE_F16, w, base);
    else
        load_keys(TN_TYPE_BF16, w, base);
    score_all(w);
    for (uint32_t i = 0; i < w->n_query; i++) {
        uint32_t f, e;
        query_lanes(w, i, base, &f, &e);
        if (f < e) soften(w, i, f, e);
    }
    if (type == TN_TYPE_F32)
        load_values(TN_TYPE_F32, w, base, first, end);
    else if (type == TN_TYPE_F16)
        load_values(TN_TYPE_F16, w, base, first, end);
    else
        load_values(TN_TYPE_BF16, w, base, first, end);
    weigh_values(w, base);
}

void SET(tn_cpu_attention)(const tn_cpu_attention *a, const tn_cpu_attention_item *item, void *scratch) {
    work w;
    work_init(&w, a, item, scratch);
    for (uint32_t base = w.first_pos / PIECE * PIECE; base < w.end_pos; base += PIECE) take_piece(&w, base);
    const tn_attention_desc *d = &a->desc;
    for (uint32_t i = 0; i < w.n_query; i++) {
        const float *from = w.out + (size_t)i * w.stride;
        float *to = item->out + (query(&w, i) - item->q);
        for (uint32_t k = 0; k < d->head_dim; k++) to[k] = from[k] / w.sum[i];
    }
}
