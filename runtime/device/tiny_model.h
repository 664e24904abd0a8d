/* SPDX-License-Identifier: Apache-2.0 */
/* For checks of devices: a decoder of two layers with random weights, recorded by hand. It has one of
 * everything: biases, heads normalised and rotated both ways, a window, soft caps, both activations, scales,
 * a vector stored minus one. */
#ifndef TN_DEVICE_TINY_MODEL_H
#define TN_DEVICE_TINY_MODEL_H

#include "device/program.h"

enum {
    TN_TINY_VOCAB = 37,
    TN_TINY_EMBD = 24,
    TN_TINY_HEAD = 4,
    TN_TINY_HEAD_KV = 2,
    TN_TINY_HEAD_DIM = 10,
    TN_TINY_FF = 51,
    TN_TINY_LAYER = 2,
    TN_TINY_MAX = 64, /* operations, values, weights */
};

typedef struct tn_tiny_model {
    tn_program program;
    tn_op ops[TN_TINY_MAX];
    tn_value_info values[TN_TINY_MAX];
    tn_slot slots[TN_TINY_MAX];
    tn_weight_info weights[TN_TINY_MAX];
    tn_rope_info ropes[3];
    tn_cache_info caches[TN_TINY_LAYER];
    tn_tensor tensors[TN_TINY_MAX];
    uint32_t random;
} tn_tiny_model;

/* m->program points into m. */
void tn_tiny_model_init(tn_tiny_model *m);
void tn_tiny_model_fini(tn_tiny_model *m);

#endif
