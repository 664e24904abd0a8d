/* SPDX-License-Identifier: Apache-2.0 */
/* What a kernel set offers. A set is the same sources compiled for one level of instructions; one is chosen
 * when the device is opened. Results of two sets may differ in the last bits; within a set the bits of a row
 * depend on that row, the weights and the model alone.
 *
 * Kernels run on the members of a team, each with scratch of its own, and allocate nothing. */
#ifndef TN_DEVICE_CPU_KERNELS_H
#define TN_DEVICE_CPU_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <tenon/program.h>

#include "base/team.h"
#include "device/cpu/panels.h"
#include "device/kv_type.h"
#include "device/peak.h"
#include "weights/tensor.h"

enum {
    TN_CPU_ALIGN = 64,         /* of activations and scratch, bytes */
    TN_CPU_LANES_MAX = 16,     /* floats in the widest vector of any set */
    TN_CPU_LINEAR_ROWS = 12,   /* output rows decoded at a time */
    TN_CPU_LINEAR_BLOCK = 64,  /* activation rows that share a decoded tile */
    TN_CPU_SPAN = 256,         /* positions per span of attention, from absolute position 0 */
    TN_CPU_PIECE = 32,         /* positions whose keys or values are brought to scratch at a time */
    TN_CPU_K_GROUP = 16,       /* tokens whose keys lie interleaved in a page */
    TN_CPU_QUERIES = 64,       /* of an attention item */
    TN_CPU_SCALED_QUERIES = 4, /* whose weights for values are multiplied by scales at a time, at most */
    TN_CPU_TILE_SCRATCH = 96 * 1024,    /* bytes that linear_int8 needs */
    TN_CPU_MATRIX_SCRATCH = 256 * 1024, /* and linear_bf16 */
    TN_CPU_DELTA_ROWS = 16,             /* rows that a part of a delta_rule's state meets while it is near */
};

/* y[t][n] = sum over k of x[t][k] w[n][k] (+ bias[n]), the weights decoded to F32. */
typedef struct tn_cpu_linear {
    const tn_tensor *tensor;
    uint64_t first_row;
    uint32_t rows, cols; /* n and k */
    uint32_t chunk; /* elements decoded at a time: a multiple of the type's block and of TN_CPU_LANES_MAX */
    const float *bias; /* [rows] or NULL */
} tn_cpu_linear;

/* Bytes of scratch that linear_f32 needs. */
static inline size_t tn_cpu_linear_scratch(uint32_t chunk) {
    return sizeof(float) * TN_CPU_LINEAR_ROWS *
           ((size_t)chunk + (size_t)TN_CPU_LINEAR_BLOCK * TN_CPU_LANES_MAX);
}

/* Keys and values of one layer. A page holds for every head first the keys of its tokens, then the values.
 * Keys lie in groups of k_group = min(page_tokens, TN_CPU_K_GROUP) tokens, [head_dim][k_group], so that a
 * vector of one dimension of neighbouring tokens is one load; values lie [page_tokens][head_dim]. In Q8_0 the
 * integers lie so, and F16 scales follow: [n_block][k_group] after each group of keys,
 * [n_block][page_tokens] after the values. */
typedef struct tn_cpu_cache {
    uint8_t *pool;
    uint32_t group;       /* of the program: which page table */
    uint64_t page_bytes;  /* from a page to the next */
    uint64_t offset;      /* of this layer in a page */
    tn_type type;         /* F32, F16, BF16 or Q8_0 */
    uint32_t elem_bytes;  /* of an element or integer */
    uint32_t token_bytes; /* of a head's keys, or values, of a token, scales included */
    uint32_t page_tokens, k_group;
    uint32_t n_head_kv, head_dim;
} tn_cpu_cache;

/* The fields that follow from the type and the shape. */
static inline void tn_cpu_cache_shape(tn_cpu_cache *c, tn_type type, uint32_t page_tokens, uint32_t n_head_kv,
                                      uint32_t head_dim) {
    c->type = type;
    c->elem_bytes = type == TN_TYPE_Q8_0 ? 1 : type == TN_TYPE_F32 ? 4 : 2;
    c->token_bytes = tn_kv_type_bytes(type, head_dim);
    c->page_tokens = page_tokens;
    c->k_group = page_tokens < TN_CPU_K_GROUP ? page_tokens : TN_CPU_K_GROUP;
    c->n_head_kv = n_head_kv;
    c->head_dim = head_dim;
}

/* A head's group of keys that holds `slot`. */
static inline uint8_t *tn_cpu_cache_keys(const tn_cpu_cache *c, uint32_t page, uint32_t head, uint32_t slot) {
    uint64_t head_bytes = 2ull * c->page_tokens * c->token_bytes;
    uint64_t group = (uint64_t)(slot / c->k_group) * c->k_group * c->token_bytes;
    return c->pool + page * c->page_bytes + c->offset + head * head_bytes + group;
}
/* A head's values of a page, from slot 0. */
static inline uint8_t *tn_cpu_cache_values(const tn_cpu_cache *c, uint32_t page, uint32_t head) {
    return tn_cpu_cache_keys(c, page, head, 0) + (uint64_t)c->page_tokens * c->token_bytes;
}

typedef struct tn_cpu_attention {
    tn_cpu_cache cache;
    tn_attention_desc desc;
} tn_cpu_attention;

/* Consecutive rows of one sequence, looking at one key/value head. */
typedef struct tn_cpu_attention_item {
    const float *q;        /* [n_row, n_head * head_dim], from the first row on */
    float *out;            /* as q */
    const uint32_t *pages; /* of the sequence */
    uint32_t pos;          /* of the first row */
    uint32_t n_row;        /* at most tn_cpu_attention_rows() */
    uint32_t head_kv;
    /* end 0: rows see their past. Else they all see the positions up to it, from `first` on; with a window
     * from where that begins, if that comes before. TN_SEES_AROUND cuts the window from first .. end. */
    uint32_t first, end;
} tn_cpu_attention_item;

/* What row i of the item sees begins, and ends, at these positions. */
static inline uint32_t tn_cpu_attention_first(const tn_attention_desc *d, const tn_cpu_attention_item *item,
                                              uint32_t i) {
    uint32_t pos = item->pos + i, first = d->window && pos >= d->window ? pos - d->window + 1 : 0;
    if (d->sees == TN_SEES_AROUND) {
        first = d->window && pos > d->window ? pos - d->window : 0;
        return first > item->first ? first : item->first;
    }
    bool whole = item->end && (d->window == 0 || item->first < first);
    return whole ? item->first : first;
}
static inline uint32_t tn_cpu_attention_end(const tn_attention_desc *d, const tn_cpu_attention_item *item,
                                            uint32_t i) {
    uint32_t pos = item->pos + i;
    if (d->sees == TN_SEES_AROUND && d->window && item->end - pos > d->window) return pos + d->window + 1;
    return item->end ? item->end : item->pos + i + 1;
}

/* The spans that the item's queries see, by index. */
static inline tn_range tn_cpu_attention_spans(const tn_attention_desc *d, const tn_cpu_attention_item *item) {
    uint32_t first = tn_cpu_attention_first(d, item, 0), end = tn_cpu_attention_end(d, item, item->n_row - 1);
    return (tn_range){first / TN_CPU_SPAN, (end - 1) / TN_CPU_SPAN + 1};
}

/* Rows of an item at most: enough queries for bringing keys and values to scratch to pay. */
static inline uint32_t tn_cpu_attention_rows(const tn_attention_desc *d) {
    uint32_t n_group = d->n_head / d->n_head_kv;
    return n_group >= TN_CPU_QUERIES ? 1 : TN_CPU_QUERIES / n_group;
}
/* Floats from a head's dimension row to the next in scratch. */
static inline uint32_t tn_cpu_head_stride(uint32_t head_dim) {
    return (head_dim + TN_CPU_LANES_MAX - 1) / TN_CPU_LANES_MAX * TN_CPU_LANES_MAX;
}
/* What a query got out of some positions: sum over them of e^(score - top) value [head stride], then top, the
 * largest score, and the sum of e^(score - top); 0 where it sees none of them. In floats. */
static inline uint32_t tn_cpu_partial(uint32_t head_dim) {
    return tn_cpu_head_stride(head_dim) + TN_CPU_LANES_MAX;
}
/* Bytes of scratch that attention needs: a piece of keys or values and its scales, weights of
 * TN_CPU_SCALED_QUERIES times those, and for each query itself, the scores of a span, and two partial
 * results. */
static inline size_t tn_cpu_attention_scratch(const tn_attention_desc *d) {
    size_t n_query = (size_t)tn_cpu_attention_rows(d) * (d->n_head / d->n_head_kv);
    size_t stride = tn_cpu_head_stride(d->head_dim), scales = tn_kv_type_blocks(d->head_dim);
    size_t piece = TN_CPU_PIECE * (stride + (1 + TN_CPU_SCALED_QUERIES) * scales);
    size_t query = stride + TN_CPU_SPAN + 2 * tn_cpu_partial(d->head_dim);
    return sizeof(float) * (piece + n_query * query);
}

/* Where an operation's state of each sequence lies, F32. */
typedef struct tn_cpu_state {
    uint8_t *pool;
    uint32_t group;      /* of the program: which page table */
    uint64_t page_bytes; /* from a page to the next */
    uint64_t offset;     /* in a page */
} tn_cpu_state;

/* Of a tn_conv_desc over `cols` channels. */
typedef struct tn_cpu_conv {
    uint32_t cols, kernel, activation;
    const float *w;    /* [kernel, cols] */
    const float *bias; /* [cols] or NULL */
} tn_cpu_conv;

typedef struct tn_cpu_delta {
    tn_delta_desc desc;
    const float *rate, *dt_bias; /* [n_head] */
} tn_cpu_delta;

/* Consecutive rows of one sequence, one value head. */
typedef struct tn_cpu_delta_item {
    const float *qkv;   /* [n_row, tn_delta_cols] */
    const float *a, *b; /* [n_row, n_head] */
    float *out;         /* [n_row, n_head * head_dim_v] */
    float *state;       /* of the head: [head_dim_k, head_dim_v] */
    uint32_t n_row, head;
} tn_cpu_delta_item;

/* Floats of scratch of a token: unit q, unit k, decay, beta. */
static inline uint32_t tn_cpu_delta_stride(const tn_delta_desc *d) {
    return 2 * tn_cpu_head_stride(d->head_dim_k) + TN_CPU_LANES_MAX;
}
static inline size_t tn_cpu_delta_scratch(const tn_delta_desc *d) {
    return sizeof(float) * TN_CPU_DELTA_ROWS * tn_cpu_delta_stride(d);
}

typedef struct tn_cpu_kernels {
    const char *name; /* "avx2" */
    uint32_t lanes;   /* floats in a vector */

    /* Rows `rows` of l for n_row rows of x: y[t * ldy + n]. x: [n_row, cols], y: [n_row, l->rows]. Each sum
     * runs over `lanes` interleaved partial sums, k ascending in each, folded by a fixed tree. */
    void (*linear_f32)(const tn_cpu_linear *l, const float *x, float *y, uint32_t n_row, tn_range rows,
                       void *scratch);
    /* act = x [n_row, cols] for linear_int8, of each row the blocks `blocks` of tn_cpu_act_blocks(cols); cols
     * a multiple of 32. act: n_row * tn_cpu_act_words(cols) words, whose layout is the kernels' own affair.
     */
    void (*quantize)(const float *x, uint32_t cols, uint32_t n_row, tn_range blocks, int32_t *act);
    /* y [n_row, p->rows] = activations times the panels `panels` of p (+ bias). Each sum runs over blocks of
     * 32 k, ascending, each block's products summed exactly. scratch: TN_CPU_TILE_SCRATCH bytes. */
    void (*linear_int8)(const tn_cpu_panels *p, const int32_t *act, float *y, uint32_t n_row, tn_range panels,
                        void *scratch);
    /* The same with panels of BF16 and activations rounded to it, where the set has matrix registers, else
     * NULL. Each sum runs over 32 k at a time, ascending, in F32. */
    void (*round_bf16)(const float *x, uint32_t cols, uint32_t n_row, tn_range blocks, int32_t *act);
    void (*linear_bf16)(const tn_cpu_panels *p, const int32_t *act, float *y, uint32_t n_row, tn_range panels,
                        void *scratch);
    /* dst[0 .. n) = elements of blocks at src; the same values as tn_dequantize. n: a multiple of the block.
     */
    void (*decode)(tn_type type, const uint8_t *src, uint64_t n, float *dst);

    /* y = x / sqrt(mean(x^2) + eps) * w, one group of n columns. May be in place. */
    void (*rms_norm)(float *y, const float *x, const float *w, uint32_t n, float eps);
    /* y = (x - mean) / sqrt(variance + eps) * w + bias (NULL: none) over n columns. May be in place. */
    void (*layer_norm)(float *y, const float *x, const float *w, const float *bias, uint32_t n, float eps);
    /* One head: the first 2 * n_pair of its columns rotated, the rest copied. cos_sin: n_pair cosines, then
     * sines. */
    void (*rope)(float *y, const float *x, uint32_t head_dim, uint32_t n_pair, const float *cos_sin,
                 uint32_t style);
    /* Element by element; y may be an input. up NULL: the activation alone. */
    void (*glu)(float *y, const float *gate, const float *up, size_t n, uint32_t activation);
    void (*add)(float *y, const float *a, const float *b, size_t n);
    void (*scale)(float *y, const float *x, size_t n, float factor);
    void (*softcap)(float *y, const float *x, size_t n, float cap);

    /* Stores one head's k and v of a token, rounded to the cache's type, at `slot` of a page. */
    void (*cache_store)(const tn_cpu_cache *c, uint32_t page, uint32_t slot, uint32_t head, const float *k,
                        const float *v);
    /* All query heads of item->head_kv for its rows. The context is cut into spans of TN_CPU_SPAN positions,
     * counted from 0; a span's softmax is taken by itself, and the partial results are folded together in
     * ascending order (Milakov & Gimelshein 2018, eq. 4). */
    void (*attention)(const tn_cpu_attention *a, const tn_cpu_attention_item *item, void *scratch);
    /* The same in two steps, so that several members can share an item. Partial results of the spans `spans`:
     * parts [spans][queries][tn_cpu_partial()]; then, from all of tn_cpu_attention_spans(), the output. */
    void (*attention_part)(const tn_cpu_attention *a, const tn_cpu_attention_item *item, tn_range spans,
                           float *parts, void *scratch);
    void (*attention_fold)(const tn_cpu_attention *a, const tn_cpu_attention_item *item, const float *parts,
                           void *scratch);

    /* One head of one token over the n_row rows of a recording: k and v [n_row] `stride` floats apart, from
     * the head on. Scores come out a row at a time, head_dim in lanes; sums over values run over rows,
     * ascending. scores: [n_row + TN_CPU_LANES_MAX] scratch. */
    void (*cross)(const float *q, const float *k, const float *v, uint32_t n_row, size_t stride,
                  uint32_t head_dim, float scale, float *scores, float *out);
    /* Channels `cols` of n_row consecutive rows of a sequence. x, y: [n_row, c->cols]; tail: [kernel - 1,
     * c->cols], the rows before them, brought to the end of x. Each sum runs over the kernel, oldest first.
     */
    void (*conv)(const tn_cpu_conv *c, const float *x, float *y, float *tail, uint32_t n_row, tn_range cols);
    /* All rows of an item, one after the other. Sums run over head_dim_k, ascending, in each column of S;
     * those of squares as rms_norm's. */
    void (*delta_rule)(const tn_cpu_delta *d, const tn_cpu_delta_item *item, void *scratch);

    /* The limits of a core. Reads n bytes at p, a multiple of 512, prefetching or not; what comes out depends
     * on all of them. */
    uint64_t (*peak_read)(const uint8_t *p, size_t n, bool ahead);
    /* n_round rounds of the fastest multiplications of that kind; returns operations, 0: there are none. */
    uint64_t (*peak_spin)(tn_peak what, uint64_t n_round);
} tn_cpu_kernels;

/* Each where the build has it; generic or neon, which all processors of a kind can run, always is there. */
extern const tn_cpu_kernels tn_cpu_kernels_generic, tn_cpu_kernels_avx2, tn_cpu_kernels_avx2vnni,
    tn_cpu_kernels_avx512, tn_cpu_kernels_avx512vnni, tn_cpu_kernels_amx, tn_cpu_kernels_neon,
    tn_cpu_kernels_dotprod, tn_cpu_kernels_i8mm;

/* Whether this processor and its operating system can run the set. */
bool tn_cpu_kernels_usable(const tn_cpu_kernels *k);
/* Sets of this build, best first; ends with NULL. */
extern const tn_cpu_kernels *const tn_cpu_kernel_sets[];
/* The best usable set, or the one that TENON_CPU names: TN_EINVAL for an unknown name, TN_ENOTSUP where the
 * machine lacks it. [control thread] */
int tn_cpu_kernels_choose(const tn_cpu_kernels **ret, tn_error *err);

#endif
