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
    TN_ELEMENT_VEC = 4,              /* kernels of elementwise.metal: columns of a thread */
    TN_NORM_THREADS = 256,           /* rms_norm, layer_norm: a threadgroup per group of columns */
    TN_NORM_SIMD_GROUP = 512,        /* rms_norm_simd: columns of the widest group that a simdgroup takes, */
    TN_NORM_SIMD_THREADS = 128,      /* and its threads */
    TN_ROPE_HEADS = 4,               /* rope: heads of a thread */
    TN_LINEAR_SIMDS = 4,             /* linear_rows: simdgroups of a threadgroup, */
    TN_LINEAR_MAX_COLS = 8,          /* columns of a lane at most, */
    TN_LINEAR_MAX_ROWS = 16,         /* rows of a pass at most */
    TN_TILE_SIMDS = 4,               /* linear_tiles: simdgroups of a threadgroup, */
    TN_TILE_ROWS = 32,               /* its rows */
    TN_TILE_COLS = 64,               /* and columns */
    TN_ATTENTION_THREADS = 128,      /* all kernels of attention */
    TN_ATTENTION_MAX_HEAD_DIM = 512, /* of attention_rows */
    TN_ATTENTION_SPAN = 256,         /* positions whose softmax a threadgroup of attention_rows makes at a time */
    TN_ATTENTION_HEADS = 8,          /* query heads that it takes together: at most that many, */
    TN_ATTENTION_QUERY = 2048,       /* and at most that many numbers of q, padded */
    TN_QUERY_TILE = 32,              /* prompt rows that attention_tiles takes together */
    TN_TILE_MAX_HEAD_DIM = 256,      /* of attention_tiles */
    TN_KV_BLOCK = 32,                /* dimensions of a head that Q8_0 turns and scales together */
    TN_RECURRENT_THREADS = 128,      /* conv, conv_state, delta_rule */
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
    TN_FC_HEADS = 8,      /* attention_rows: query heads of a threadgroup */
    TN_FC_WHOLE = 9,      /* attention_rows: 1: a threadgroup takes all spans of its row */
    TN_FC_HALF = 10,      /* tiles: 1: products of halves (linear_tiles: weights), summed as floats */
    TN_FC_ALIGN = 11,     /* linear_rows: rows of the weight begin at multiples of it: 4 (2, 1 with the type) or 16 */
    TN_FC_SPLIT = 12,     /* linear_rows: simdgroups that share the sums of a column: 1, 2, 4 */
    TN_FC_COLS = 13,      /* linear_rows: columns of a lane: 1, 2, 4, 8; times TN_FC_ROWS at most 64 */
    TN_FC_RESIDUAL = 14,  /* linear_rows, linear_tiles: 1: a matrix is added to the product */
    TN_FC_SEES = 15,      /* attention_rows, attention_tiles: enum tn_metal_sees_kind */
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

/* What a row of T sees beside or instead of its past: positions first .. end; end 0: its past alone. */
typedef struct tn_metal_sees {
    uint32_t first, end;
} tn_metal_sees;

/* What attention makes of it: nothing; it is seen as well (rows of an image in text); it alone is seen (towers). */
enum tn_metal_sees_kind { TN_SEE_PAST = 0, TN_SEE_MORE = 1, TN_SEE_ONLY = 2 };

/* Coordinates of a row of T: time, y, x. */
typedef struct tn_metal_coord {
    uint32_t at[4];
} tn_metal_coord;

/* The rows of a table whose weighted sum stands for a row of T. */
typedef struct tn_metal_mix {
    uint32_t index[4];
    float weight[4];
} tn_metal_mix;

/* What a list of rows is padded with. */
#define TN_NO_ROW 0xffffffffu

typedef struct tn_embed_args {
    uint32_t cols;
    uint32_t row_bytes; /* of the weight */
    float factor;
} tn_embed_args;

/* linear_rows tells affine weights apart whose groups have 64 elements or more. Takes and gives numbers of enum
 * tn_type, but for that. */
enum { TN_LINEAR_AFFINE_64 = 2000 };
static inline uint32_t tn_linear_type(uint32_t type, uint32_t group) {
    return type == 1000 && group >= 64 ? (uint32_t)TN_LINEAR_AFFINE_64 : type;
}

/* linear_rows: elements that a lane takes of a row of a weight at a time, by tn_linear_type: Q4_K, Q5_K; Q2_K, Q3_K,
 * Q6_K, IQ4_XS, TQ2_0, affine; the others. */
static inline uint32_t tn_linear_unit(uint32_t type) {
    if (type == 12 || type == 13) return 32;
    return type == 10 || type == 11 || type == 14 || type == 23 || type == 35 || type == TN_LINEAR_AFFINE_64 ? 16 : 8;
}

/* linear_rows: lanes that share a row of a weight; the others of a simdgroup take other rows. Their units together are
 * at most 512 elements, so that little of a row is left for a last run that not all lanes have a part in. */
static inline uint32_t tn_linear_lanes(uint32_t type) {
    return tn_linear_unit(type) == 32 || type == TN_LINEAR_AFFINE_64 ? 16 : TN_SIMD_WIDTH;
}

/* linear_rows: columns of a lane (TN_FC_COLS), by tn_linear_type and rows of a pass. More columns share a load of x,
 * fewer leave registers for more simdgroups. Results do not depend on it. */
static inline uint32_t tn_linear_cols(uint32_t type, uint32_t pass_rows) {
    const uint32_t unit = tn_linear_unit(type);
    if (pass_rows <= 2) return unit == 8 || type == 23 ? 4 : 2;
    return 4;
}

/* linear_rows, linear_tiles. */
typedef struct tn_linear_args {
    uint32_t n_in, n_out;
    uint32_t row_bytes;       /* of the weight */
    uint32_t has_bias;        /* 0: the buffer bound as bias is not read */
    uint32_t rows_are_listed; /* linear_rows; 0: entry i of the list stands for row i */
} tn_linear_args;

typedef struct tn_rms_norm_args {
    uint32_t cols;  /* of the matrix */
    uint32_t group; /* columns normalised together; divides cols */
    float eps;
} tn_rms_norm_args;

typedef struct tn_layer_norm_args {
    uint32_t cols;
    uint32_t has_bias; /* 0: the buffer bound as bias is not read */
    float eps;
} tn_layer_norm_args;

typedef struct tn_rope_args {
    uint32_t n_head, head_dim;
    uint32_t n_dims;      /* rotated, even, at most head_dim */
    uint32_t interleaved; /* 1: pairs (2i, 2i + 1); 0: pairs (i, i + n_dims / 2) */
    float mscale[2];      /* factor of cos and sin by rope variant */
    uint32_t has_axes;    /* 0: axis and coords are not read */
} tn_rope_args;

/* How keys and values are stored: numbers of enum tn_type. */
enum tn_metal_kv_type { TN_KV_F32 = 0, TN_KV_F16 = 1, TN_KV_Q8_0 = 8, TN_KV_BF16 = 30 };

/* A layer's part of a page, layer_offset bytes from its start, is [2, n_head_kv, page_tokens] rows, k's first. A row is
 * tn_kv_cols elements, those from head_dim on zero: numbers of the type; or, as Q8_0, signed bytes, the scales of their
 * blocks of TN_KV_BLOCK as halves, and room up to a multiple of 8 bytes. */
static inline uint32_t tn_kv_cols(uint32_t head_dim) {
    return (head_dim + 15) / 16 * 16;
}
static inline uint32_t tn_kv_row_bytes(uint32_t type, uint32_t head_dim) {
    const uint32_t cols = tn_kv_cols(head_dim), blocks = (head_dim + TN_KV_BLOCK - 1) / TN_KV_BLOCK;
    return type == TN_KV_Q8_0 ? (cols + 2 * blocks + 7) / 8 * 8 : cols * (type == TN_KV_F32 ? 4 : 2);
}

/* Where a token's keys and values lie: page table row `seq`, entry pos / page_tokens, row pos % page_tokens of that
 * page. */
typedef struct tn_kv_place {
    uint64_t page_bytes;
    uint64_t layer_offset;  /* bytes from the start of a page, a multiple of 16 */
    uint32_t page_shift;    /* page_tokens is 1 << page_shift */
    uint32_t pages_per_seq; /* columns of the page table */
} tn_kv_place;

typedef struct tn_kv_store_args {
    tn_kv_place kv;
    uint32_t n_head_kv;
    uint32_t reserved;
} tn_kv_store_args;

typedef struct tn_attention_args {
    tn_kv_place kv;
    uint32_t n_head, n_head_kv;
    uint32_t window; /* positions still looked at; 0: all */
    float scale;
    float softcap; /* 0: none */
    uint32_t head_dim; /* TN_FC_HEAD_DIM, for the host */
} tn_attention_args;

/* Floats that attention_rows leaves of a span, a row and a head for attention_merge: largest score, sum of weights, and
 * the weighted sum of values, head_dim rounded up to TN_KV_BLOCK. */
static inline uint32_t tn_attention_part(uint32_t head_dim) {
    return 2 + (head_dim + TN_KV_BLOCK - 1) / TN_KV_BLOCK * TN_KV_BLOCK;
}

/* The state of a sequence: offset bytes from the start of the page that its row of the page table begins with. */
typedef struct tn_state_place {
    uint64_t page_bytes, offset;
    uint32_t pages_per_seq;
    uint32_t reserved;
} tn_state_place;

typedef struct tn_conv_args {
    tn_state_place state;
    uint32_t cols, kernel_size;
    uint32_t has_bias; /* 0: the buffer bound as bias is not read */
    uint32_t reserved;
} tn_conv_args;

/* Lanes that share a column of a head's state: the fewest that have at most 32 numbers of it each. */
static inline uint32_t tn_delta_lanes(uint32_t head_dim_k) {
    return head_dim_k <= 128 ? 4 : head_dim_k <= 256 ? 8 : head_dim_k <= 512 ? 16 : 32;
}

/* head_dim_k is TN_FC_HEAD_DIM. */
typedef struct tn_delta_args {
    tn_state_place state;
    uint32_t n_head, n_head_k, head_dim_v;
    uint32_t tiled; /* value head h reads key head h % n_head_k, else h / (n_head / n_head_k) */
    float scale, eps;
} tn_delta_args;

/* glu, activation, add, scale, softcap, output_rows, mix_rows. */
typedef struct tn_element_args {
    uint32_t cols;
    float f; /* scale: the factor; softcap: the cap */
} tn_element_args;

/* mean_rows: n rows of cols columns become one. */
typedef struct tn_mean_args {
    uint32_t cols, n;
} tn_mean_args;

/* media_rows: adds 1: to what the row has, else in its place. */
typedef struct tn_media_args {
    uint32_t cols, adds;
} tn_media_args;

/* Of each run of `run` columns, n from `first` on. */
typedef struct tn_slice_args {
    uint32_t run, first, n;
    uint32_t out_cols;
} tn_slice_args;

/* copy_page: page `to` of a pool gets what page `from` holds, n_vec times TN_COPY_PAGE_VEC bytes. */
enum { TN_COPY_PAGE_VEC = 16 };
typedef struct tn_copy_page_args {
    uint32_t from, to;
    uint32_t n_vec;
} tn_copy_page_args;

#endif
