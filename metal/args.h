/* SPDX-License-Identifier: Apache-2.0 */
/* What the host hands to kernels: argument structs and the numbers both sides must agree on. Included by C
 * and by .metal files, so: fixed-width scalars only, no pointers, no nested types.
 *
 * Every kernel works on rows: threadgroup_position_in_grid.y is the row (a token of the step, or one whose
 * logits are wanted), so that a grid's height is all that changes from step to step. Matrices are F32,
 * row-major, contiguous. */
#ifndef TN_METAL_ARGS_H
#define TN_METAL_ARGS_H

#ifndef __METAL_VERSION__
#    include <stdint.h>
#endif

enum {
    TN_ELEMENT_THREADS = 128,        /* of kernels that work element by element */
    TN_NORM_THREADS = 128,           /* rms_norm */
    TN_LINEAR_ROWS = 4,              /* linear: output columns of a threadgroup, one simdgroup each */
    TN_ATTENTION_THREADS = 128,      /* attention: also the positions of a piece */
    TN_ATTENTION_MAX_HEAD_DIM = 512, /* a multiple of TN_ATTENTION_THREADS */
    TN_ATTENTION_SPAN = 512,         /* positions whose softmax a threadgroup of the split attention makes */
    TN_QUERY_TILE = 32,              /* prompt rows that the tiled attention takes together */
    TN_SIMD_WIDTH = 32,
};

/* Function constants, one numbering for all kernels; values are uint. */
enum tn_metal_constant {
    TN_FC_TYPE = 0,       /* of a weight: enum tn_type */
    TN_FC_ROWS = 1,       /* rows of a pass: 1, 2, 4, 8, 16 */
    TN_FC_BITS = 2,       /* types with separate scales: bits of a code, */
    TN_FC_GROUP = 3,      /* elements of a scale, */
    TN_FC_SCALE_TYPE = 4, /* the scales' type: enum tn_type */
    TN_FC_KV_TYPE = 5,    /* how keys and values are stored: enum tn_type */
    TN_FC_HEAD_DIM = 6,
    TN_FC_ACTIVATION = 7, /* enum tn_activation, 0: none */
};

/* A token of the step: what row t of every [T, ...] matrix belongs to. */
typedef struct tn_metal_token {
    uint32_t id;           /* row of the embedding */
    uint32_t pos;          /* in its sequence */
    uint32_t seq;          /* row of the page tables */
    uint32_t rope_variant; /* 0 or 1 */
} tn_metal_token;

/* Prompt rows first_row .. first_row + n_row of one sequence, at most TN_QUERY_TILE, positions ascending by one. */
typedef struct tn_metal_tile {
    uint32_t first_row, n_row;
    uint32_t seq;
    uint32_t first_pos;
} tn_metal_tile;

/* A sequence of the step: its tokens are rows first_row .. first_row + n_row, at positions first_pos .. */
typedef struct tn_metal_seq {
    uint32_t first_row, n_row;
    uint32_t first_pos;
    uint32_t reserved;
} tn_metal_seq;

typedef struct tn_embed_args {
    uint32_t cols;
    float factor;
} tn_embed_args;

typedef struct tn_linear_args {
    uint32_t n_in, n_out;
    uint32_t has_bias; /* 0: the buffer bound as bias is not read */
} tn_linear_args;

typedef struct tn_rms_norm_args {
    uint32_t cols;  /* of the matrix */
    uint32_t group; /* columns normalised together; divides cols */
    float eps;
} tn_rms_norm_args;

typedef struct tn_rope_args {
    uint32_t n_head, head_dim;
    uint32_t n_dims;      /* rotated, even, at most head_dim */
    uint32_t interleaved; /* 1: pairs (2i, 2i + 1); 0: pairs (i, i + n_dims / 2) */
    float mscale[2];      /* factor of cos and sin by rope variant */
} tn_rope_args;

/* Where a token's key and value lie: page table row `seq`, entry pos / page_tokens, row pos % page_tokens of
 * that page. A layer's pool is [n_page, page_tokens, n_head_kv, head_dim]. */
typedef struct tn_kv_store_args {
    uint32_t cols; /* n_head_kv * head_dim */
    uint32_t page_tokens;
    uint32_t pages_per_seq; /* columns of the page table */
} tn_kv_store_args;

typedef struct tn_attention_args {
    uint32_t n_head, n_head_kv, head_dim;
    uint32_t page_tokens, pages_per_seq;
    uint32_t window; /* positions still looked at; 0: all */
    float scale;
    float softcap; /* 0: none */
} tn_attention_args;

/* glu, add, scale, softcap, output_rows. */
typedef struct tn_element_args {
    uint32_t cols;
    float f; /* scale: the factor; softcap: the cap */
} tn_element_args;

/* copy_page: page `to` of a pool gets what page `from` holds, n_vec times TN_COPY_PAGE_VEC bytes. */
enum { TN_COPY_PAGE_VEC = 16 };
typedef struct tn_copy_page_args {
    uint32_t from, to;
    uint32_t n_vec;
} tn_copy_page_args;

#endif
