/* SPDX-License-Identifier: Apache-2.0 */
/* The tiny model's forward pass in double: one sequence, no cache, no batch. */
#ifndef TN_TESTS_METAL_TINY_FORWARD_H
#define TN_TESTS_METAL_TINY_FORWARD_H

#include "device/tiny_model.h"

/* Logits [n, TN_TINY_VOCAB] after each token of ids [n], at positions 0 .. n - 1. */
void tiny_forward(const tn_tiny_model *m, const int32_t *ids, uint32_t n, uint32_t rope_variant,
                  double *ret_logits);

#endif
