/* SPDX-License-Identifier: Apache-2.0 */
/* A model as a person names it: a directory (Hugging Face or MLX layout) or a .gguf file, behind one
 * interface. Immutable once open: any thread. */
#ifndef TN_WEIGHTS_CHECKPOINT_H
#define TN_WEIGHTS_CHECKPOINT_H

#include <jansson.h>

#include "weights/gguf.h"

typedef struct tn_checkpoint tn_checkpoint;

/* Opens a directory with config.json and *.safetensors (model.safetensors.index.json names the shards where
 * there is one), or a .gguf file. Shards, headers, extents and MLX triples (P.weight, P.scales, P.biases with
 * `quantization` in config.json, per-layer overrides included) are all checked here; an MLX triple appears as
 * one TN_TYPE_AFFINE tensor "P.weight". Errors as tn_gguf_open; a missing shard, a shard's missing tensor and
 * the sizes that disagree are named. [control thread] */
int tn_checkpoint_open(const char *path, tn_checkpoint **ret, tn_error *err);
void tn_checkpoint_close(tn_checkpoint *c);

const char *tn_checkpoint_path(const tn_checkpoint *c);
/* config.json (borrowed), NULL for GGUF; the GGUF file (borrowed), NULL for a directory. */
json_t *tn_checkpoint_config(const tn_checkpoint *c);
const tn_gguf *tn_checkpoint_gguf(const tn_checkpoint *c);
/* generation_config.json (borrowed), or NULL where absent. */
json_t *tn_checkpoint_generation_config(const tn_checkpoint *c);

uint64_t tn_checkpoint_tensor_count(const tn_checkpoint *c);
const tn_tensor *tn_checkpoint_tensor_at(const tn_checkpoint *c, uint64_t i);
const tn_tensor *tn_checkpoint_tensor_find(const tn_checkpoint *c, const char *name);
/* Bytes of all tensor data. */
uint64_t tn_checkpoint_bytes(const tn_checkpoint *c);

#endif
