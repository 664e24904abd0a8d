/* SPDX-License-Identifier: Apache-2.0 */
/* A recorded forward pass as a device receives it: checked, with every weight bound to its tensor and every
 * value assigned to a slot. Plain data, immutable; owned by the model, which outlives every tn_exec lowered
 * from it. */
#ifndef TN_DEVICE_PROGRAM_H
#define TN_DEVICE_PROGRAM_H

#include <tenon/program.h>

#include "weights/tensor.h"

typedef enum tn_op_kind {
    TN_OP_EMBED,      /* out[t] = f * w[id[t]] */
    TN_OP_LINEAR,     /* out = in0 w^T (+ bias) */
    TN_OP_RMS_NORM,   /* out = in0 / sqrt(mean(in0^2) + f) * w, per run of `group` columns */
    TN_OP_ROPE,       /* out = in0 rotated by position, heads of `group` columns, table `rope` */
    TN_OP_ATTENTION,  /* out = attention(in0 = q, in1 = k, in2 = v), k and v, where there are, stored first */
    TN_OP_CONV,       /* out = act(conv(in0, w) + bias), see tn_conv_desc; its tail at `state` */
    TN_OP_DELTA_RULE, /* out = delta_rule(in0 = q|k|v, in1 = a, in2 = b, w = rate, bias = dt_bias), S at
                         `state` */
    TN_OP_SLICE,   /* out = columns index .. index + n of each run of `group` columns of in0, n as out has */
    TN_OP_GLU,     /* out = act(in0) * in1 */
    TN_OP_ADD,     /* out = in0 + in1 */
    TN_OP_SCALE,   /* out = in0 * f */
    TN_OP_SOFTCAP, /* out = f * tanh(in0 / f) */
    TN_OP_OUTPUT_ROWS, /* out[r] = in0[row[r]] */
    TN_OP_TAP,         /* in0 is kept as tap `index` when the exec was lowered with taps */
    TN_OP_LAYER_NORM,  /* out = (in0 - mean) / sqrt(variance + f) * w (+ bias), per row */
    TN_OP_ACTIVATE,    /* out = act(in0) */
    TN_OP_MEDIA,       /* out[t] = in0[t], or of a token of media its row of part `index`, or both added */
    TN_OP_INPUT,       /* out[t] = the step's input row */
    TN_OP_MIX,         /* out[t] = sum over 4 of mix_weight[t][i] * w[mix_index[t][i]] */
    TN_OP_FOLD,        /* out[t] = in0[n t], ..., in0[n t + n - 1], n = `group` */
    TN_OP_MEAN,        /* out[t] = the mean of those */
    TN_OP_EMBED_TYPE,  /* out[t] = w[type[t]] */
    TN_OP_UNFOLD,      /* out = what a convolution looks at in in0, see tn_unfold_desc */
    TN_OP_POSITIONS,   /* out[t] = w[pos[t]] */
    TN_OP_CROSS,       /* out = attention(in0 = q) over rows of the sequence's recording, see tn_cross_desc */
    TN_N_OP
} tn_op_kind;

/* Values, weights and rope tables are numbered from 1; 0 is none. in, out index tn_program.values, and so on.
 */
typedef struct tn_op {
    tn_op_kind kind;
    tn_value in[3];
    tn_value out;
    tn_weight w, bias;
    tn_rope rope;
    uint32_t group;      /* columns of a head, norm group or run */
    uint32_t activation; /* enum tn_activation */
    uint32_t index;      /* of a tap; of a column */
    uint32_t state;      /* where its state starts in that of its layer, F32 elements */
    uint32_t stage;      /* of a tower, ascending */
    float f;             /* eps, factor or cap */
    union {
        tn_attention_desc attention;
        tn_conv_desc conv;
        tn_delta_desc delta;
        tn_unfold_desc unfold;
        tn_cross_desc cross;
    };
} tn_op;

/* Limits that recording keeps: of a conv's kernel, and of either dimension of a delta_rule's heads. */
enum { TN_CONV_KERNEL = 64, TN_DELTA_DIM = 1024 };

/* F32 elements of state: conv has rows t - kernel + 1 .. t - 1 of its input, oldest first, [kernel - 1,
 * cols]; delta_rule has S of every head, [n_head, head_dim_k, head_dim_v]. */
static inline uint64_t tn_conv_state(const tn_conv_desc *c, uint32_t cols) {
    return (uint64_t)(c->kernel - 1) * cols;
}
static inline uint64_t tn_delta_state(const tn_delta_desc *d) {
    return (uint64_t)d->n_head * d->head_dim_k * d->head_dim_v;
}
/* The query and key head that value head h reads. */
static inline uint32_t tn_delta_head_k(const tn_delta_desc *d, uint32_t h) {
    return d->order == TN_HEADS_TILED ? h % d->n_head_k : h / (d->n_head / d->n_head_k);
}
/* Columns of q, k and v together. */
static inline uint32_t tn_delta_cols(const tn_delta_desc *d) {
    return 2 * d->n_head_k * d->head_dim_k + d->n_head * d->head_dim_v;
}

/* Bins that an unfold leaves. */
static inline uint32_t tn_unfold_bins(const tn_unfold_desc *u) {
    return (u->bins + 2 * u->pad[1] - u->kernel[1]) / u->stride[1] + 1;
}

/* A value is [rows, cols] F32, contiguous, in a slot. Values whose lives do not overlap share one. An
 * operation's out may lie in the slot of an input only where the kernel works in place element by element:
 * ADD, SCALE, SOFTCAP, GLU, ROPE and RMS_NORM; the planner never does it elsewhere. */
typedef struct tn_value_info {
    uint32_t rows; /* enum tn_rows */
    uint32_t cols;
    uint32_t slot; /* index into tn_program.slots */
    bool kept;     /* a later stage reads it, or the host */
} tn_value_info;

typedef struct tn_slot {
    uint32_t rows; /* enum tn_rows */
    uint32_t cols; /* the widest value that lives here; of kept ones the only width */
    bool kept;     /* it has all rows of the picture, not those of a step */
} tn_slot;

/* How many rows `rows` stands for. */
static inline uint32_t tn_rows_count(uint32_t rows, uint32_t n_token, uint32_t n_row) {
    if (rows == TN_ROWS_OUTPUT) return n_row;
    const uint32_t fold = rows >> 8 & 0x1ff, split = rows >> 17;
    return split ? n_token * split : fold ? n_token / fold : n_token;
}

/* Rows first_row .. first_row + rows of a tensor, taken as [rows, cols]. Vectors have rows 1. */
typedef struct tn_weight_info {
    const tn_tensor *tensor; /* borrowed from the checkpoint */
    uint64_t first_row;
    uint32_t rows, cols;
    bool add_one;    /* the vector's values are stored minus one */
    bool neg_exp;    /* w = -exp(what is stored) */
    tn_tensor *view; /* owned: what `tensor` points to where the file's shape is another; its data are
                        borrowed from the file, or follow it */
    char *name;      /* as in the checkpoint */
    char *gguf;      /* as in GGUF files; NULL where these have none */
} tn_weight_info;

/* angle of pair i at position p = (float)p * inv_freq[v][i]; cos and sin are multiplied by mscale[v]. A
 * sequence uses variant v = 1 where there are two (longrope) and its prompt is longer than long_from tokens.
 */
typedef struct tn_rope_info {
    uint32_t style;  /* enum tn_rope_style */
    uint32_t n_dims; /* rotated dimensions; n_dims / 2 pairs */
    uint32_t n_variant;
    uint32_t long_from; /* tokens */
    float *inv_freq[2]; /* [n_dims / 2] */
    float mscale[2];
    uint8_t *axis; /* [n_dims / 2]: the coordinate that counts instead of the position; NULL: none does */
} tn_rope_info;

/* What a layer keeps between steps. Attention: per token k and v of n_head_kv * head_dim elements each.
 * Recurrent layers: one state of n_state F32 elements for the whole sequence, whatever its length; each of
 * the layer's operations has its part of it. */
typedef struct tn_cache_info {
    uint32_t n_head_kv, head_dim;
    uint32_t window;  /* tokens still looked at; 0: all */
    uint32_t n_state; /* 0: keys and values */
    uint32_t group;   /* index into tn_program.groups */
} tn_cache_info;

/* Layers that need the same positions share pages: a page of a group holds some positions of all its layers.
 * The recurrent layers are one group, the last; a page of it holds the states of one sequence. */
typedef struct tn_cache_group {
    bool is_state;
    uint32_t window; /* as its layers' */
    uint32_t n_layer;
} tn_cache_group;

enum { TN_CACHE_GROUPS = 8, TN_OUTPUT_PARTS = 64 }; /* of a program at most */

/* A tower's program is cut into stages: an attention looks at rows of the whole picture, so these must have
 * been through all that comes before it, and so does an unfold. Within a stage rows do not know of each
 * other, and any number of them can be taken at a time; an attention stores keys and values in the stage
 * before its own. A text program has one stage. */
typedef struct tn_program {
    uint32_t n_op, n_value, n_slot, n_weight, n_rope, n_layer, n_tap;
    tn_op *ops;
    tn_value_info *values;   /* [n_value + 1], entry 0 unused */
    tn_slot *slots;          /* [n_slot] */
    tn_weight_info *weights; /* [n_weight + 1], entry 0 unused */
    tn_rope_info *ropes;     /* [n_rope + 1], entry 0 unused */
    tn_cache_info *caches;   /* [n_layer] */
    uint32_t n_group;
    tn_cache_group groups[TN_CACHE_GROUPS];
    tn_value logits; /* [R, n_vocab]; of a tower 0 */
    uint32_t n_vocab, n_embd;
    uint32_t n_position; /* that tables have; 0: there are none */
    uint32_t n_cross;    /* parts of a recording that are looked at; 0: none */
    bool is_tower;
    uint32_t n_stage;
    uint32_t n_input;                  /* columns of the input */
    uint32_t fold;                     /* rows that become one of the output */
    uint32_t n_output;                 /* parts */
    tn_value outputs[TN_OUTPUT_PARTS]; /* [T / fold, n_embd] */
} tn_program;

#endif
