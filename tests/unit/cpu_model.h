/* SPDX-License-Identifier: Apache-2.0 */
/* Random tensors of every weight type, and a small two-layer program made by hand, for the tests of the cpu
 * device. */
#ifndef TN_TESTS_CPU_MODEL_H
#define TN_TESTS_CPU_MODEL_H

#include "device/device.h"

/* A deterministic stream of numbers. */
typedef struct rng {
    uint64_t state;
} rng;
uint64_t rng_next(rng *r);
/* In [-1, 1). */
float rng_float(rng *r);
uint32_t rng_below(rng *r, uint32_t n);

/* A [rows, cols] tensor with values of the order of 1 / sqrt(cols). bits and group count for TN_TYPE_AFFINE
 * only, whose scales are F32 in groups of 32, F16 of 64 and BF16 of 128. Its data starts at an odd address.
 */
tn_tensor tensor_random(rng *r, tn_type type, uint32_t rows, uint32_t cols, uint32_t bits, uint32_t group);
void tensor_fini(tn_tensor *t);

typedef struct cpu_model_shape {
    uint32_t n_vocab, n_embd, n_ff, n_head, n_head_kv, head_dim, n_rot;
    uint32_t window; /* of layer 1; layer 0 sees everything */
    float softcap;   /* of scores and logits; 0: none */
    uint32_t rope_style, activation;
    tn_type type; /* of the matrices of layer 0 and the embedding; layer 1 is BF16 */
    bool bias, fused;
} cpu_model_shape;

/* Embedding, two layers with norms, biases, rope, attention and a gated feed-forward part, tied output, soft
 * cap, taps of the residual stream. fused: k and v are rows of one tensor. */
typedef struct cpu_model {
    cpu_model_shape shape;
    tn_program program;
    tn_tensor tensors[40];
    uint32_t n_tensor;
} cpu_model;

void cpu_model_init(cpu_model *m, const cpu_model_shape *shape, uint64_t seed);
void cpu_model_fini(cpu_model *m);

#endif
