/* SPDX-License-Identifier: Apache-2.0 */
/* The safetensors files of a checkpoint directory: which they are, and whether all are there. Internal to the
 * checkpoint reader. */
#ifndef TN_WEIGHTS_SHARDS_H
#define TN_WEIGHTS_SHARDS_H

#include "weights/safetensors.h"

typedef struct tn_shards {
    tn_safetensors **files; /* [n], owned */
    size_t n;
} tn_shards;

/* Opens model.safetensors; where that is absent the files that model.safetensors.index.json names (every
 * tensor of its weight_map must be in the file it says); where that is absent too, model*.safetensors in the
 * order of their names. On failure *ret is empty. Errors as tn_checkpoint_open. [control thread] */
int tn__shards_open(tn_shards *ret, const char *dir, tn_error *err);
void tn__shards_close(tn_shards *shards);

#endif
