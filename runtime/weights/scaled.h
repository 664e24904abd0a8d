/* SPDX-License-Identifier: Apache-2.0 */
/* Joins the tensors of one quantised weight (codes, scales, biases) to one tensor. Internal to the checkpoint
 * reader. */
#ifndef TN_WEIGHTS_SCALED_H
#define TN_WEIGHTS_SCALED_H

#include <jansson.h>

#include "weights/tensor.h"

/* tensors[0 .. *n) are those of a checkpoint directory, names maps their names to positions, config is its
 * config.json and dir its path for messages. P.weight, P.scales (and P.biases) become P.weight; P_blocks and
 * P_scales become P_blocks. *n is what is left, in the order of before; names is out of date afterwards.
 * TN_EFORMAT (sizes that disagree, a part that is missing: named), TN_ENOTSUP (mode, width or method: named).
 * [control thread] */
int tn__scaled_join(tn_tensor *tensors, uint64_t *n, const json_t *names, const json_t *config,
                    const char *dir, tn_error *err);

#endif
