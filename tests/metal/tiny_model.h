/* SPDX-License-Identifier: Apache-2.0 */
/* A decoder of two layers with random weights, recorded by hand, and its forward pass in double: one
 * sequence, no cache, no batch. It has one of everything: biases, heads normalised and rotated both ways, a
 * window, soft caps, both activations, scales, a vector stored minus one. */
#ifndef TN_TESTS_METAL_TINY_MODEL_H
#define TN_TESTS_METAL_TINY_MODEL_H

#include "device/program.h"

enum {
    TINY_VOCAB = 37,
    TINY_EMBD = 24,
    TINY_HEAD = 4,
    TINY_HEAD_KV = 2,
    TINY_HEAD_DIM = 10,
    TINY_FF = 51,
    TINY_LAYER = 2,
    TINY_MAX = 64, /* operations, values, weights */
};

typedef struct tiny_model {
    tn_program program;
    tn_op ops[TINY_MAX];
    tn_value_info values[TINY_MAX];
    tn_slot slots[TINY_MAX];
    tn_weight_info weights[TINY_MAX];
    tn_rope_info ropes[3];
    tn_cache_info caches[TINY_LAYER];
    tn_tensor tensors[TINY_MAX];
} tiny_model;

/* m->program points into m. */
void tiny_model_init(tiny_model *m);
void tiny_model_fini(tiny_model *m);

/* Logits [n, TINY_VOCAB] after each token of ids [n], at positions 0 .. n - 1. */
void tiny_model_forward(const tiny_model *m, const int32_t *ids, uint32_t n, uint32_t rope_variant,
                        double *ret_logits);

#endif
