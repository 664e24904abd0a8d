/* SPDX-License-Identifier: Apache-2.0 */
/* Whether two recorded programs compute the same from weights that mean the same. */
#ifndef TN_CONVERT_SAME_H
#define TN_CONVERT_SAME_H

#include "device/program.h"

/* A rotation of a program that keeps pairs as halves where the other keeps them side by side. */
typedef struct tn_same_turned {
    uint32_t weight, bias;    /* of the first program: whose rows the rotation sees; bias 0: none */
    uint32_t head_dim, n_rot; /* rows of a head; those that rotate */
} tn_same_turned;

/* Compares a, from a directory, with b, from a GGUF file, operation by operation: everything but where
 * weights lie. Rope frequencies may differ in their last place. *ret_turned: the caller's (free), *ret_n of
 * them. TN_ENOTSUP: what is not the same; TN_ENOMEM. [any thread] */
int tn_same_program(const tn_program *a, const tn_program *b, tn_same_turned **ret_turned, uint32_t *ret_n,
                    tn_error *err);

#endif
