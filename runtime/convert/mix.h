/* SPDX-License-Identifier: Apache-2.0 */
/* Which tensor of a file gets which type: the mixes that published GGUF files have. */
#ifndef TN_CONVERT_MIX_H
#define TN_CONVERT_MIX_H

#include "weights/tensor.h"

typedef struct tn_mix {
    const char *name;   /* "Q4_K_M" */
    uint32_t file_type; /* general.file_type */
    tn_type base;       /* of all matrices but these: */
    tn_type output;     /* the output matrix; the embedding where that is both */
    tn_type more;       /* attn_v and ffn_down of the layers that count most */
    tn_type fused;      /* attn_qkv */
} tn_mix;

/* The mix called name, or NULL; the i-th of all, or NULL past the end. Static. [any thread] */
const tn_mix *tn_mix_find(const char *name);
const tn_mix *tn_mix_at(size_t i);

/* What is to be chosen for. */
typedef struct tn_mix_tensor {
    const char *name;
    uint32_t n_dim;
    uint64_t cols;
    bool tied; /* the file has no output matrix of its own */
    uint32_t rank,
        of; /* its place among the tensors of its kind, in the order of layers, and how many there are */
} tn_mix_tensor;

/* Whether t is quantised at all: a matrix ending in ".weight" that is no norm, router or convolution. */
bool tn_mix_takes(const tn_mix_tensor *t);
/* The type that mix gives t, and the one it gets: the same unless its rows are no multiple of the block, then
 * Q8_0, or F16 where that does not fit either. */
tn_type tn_mix_choose(const tn_mix *mix, const tn_mix_tensor *t, tn_type *ret_wanted);
/* What ranks are counted over: the part of name behind "blk.N.", or NULL; *ret_layer is N. */
const char *tn_mix_kind(const char *name, uint32_t *ret_layer);

#endif
