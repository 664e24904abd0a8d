/* SPDX-License-Identifier: Apache-2.0 */
/* A model as a person names it: a directory (Hugging Face or MLX layout) or a .gguf file, behind one
 * interface. Immutable once open: any thread. */
#ifndef TN_WEIGHTS_CHECKPOINT_H
#define TN_WEIGHTS_CHECKPOINT_H

#include <jansson.h>

#include "weights/gguf.h"

typedef struct tn_checkpoint tn_checkpoint;

/* Opens a .gguf file, or a directory with config.json and its weights: model.safetensors; else the shards
 * that model.safetensors.index.json names; else model*.safetensors. Headers, extents and shards are all
 * checked here.
 *
 * Quantised weights appear as one tensor (see tn_tensor): P.weight, P.scales and P.biases under the
 * `quantization` of config.json (MLX: affine, mxfp4, mxfp8, nvfp4; overrides by path, an object or a bool) as
 * "P.weight"; P_blocks and P_scales under quantization_config.quant_method mxfp4 as "P_blocks". Other methods
 * of quantization_config are refused.
 *
 * Errors as tn_gguf_open and tn_safetensors_open. TN_ENOENT names the file that is missing (config.json, a
 * shard); TN_EFORMAT the tensor that a shard lacks, that is there twice, or whose sizes disagree. [control
 * thread] */
int tn_checkpoint_open(const char *path, tn_checkpoint **ret, tn_error *err);
/* NULL is harmless; ends the life of every tensor and value that was handed out. */
void tn_checkpoint_close(tn_checkpoint *c);

const char *tn_checkpoint_path(const tn_checkpoint *c);
/* config.json (borrowed), NULL for GGUF; the GGUF file (borrowed), NULL for a directory. */
json_t *tn_checkpoint_config(const tn_checkpoint *c);
const tn_gguf *tn_checkpoint_gguf(const tn_checkpoint *c);

/* The vision tower of a GGUF model is in a file of its own ("mmproj"): metadata clip.*, tensors v.* and mm.*,
 * which are then found in that file only. Once added its tensors come after the model's own.
 *
 * add: TN_EINVAL (a directory, which has its tower in its own files; not an mmproj file, or one that sees
 * nothing), and errors as tn_gguf_open; c is as it was. drop: what was handed out of it ends. [control
 * thread] */
int tn_checkpoint_add_mmproj(tn_checkpoint *c, const char *path, tn_error *err);
void tn_checkpoint_drop_mmproj(tn_checkpoint *c);
/* NULL: there is none. */
const tn_gguf *tn_checkpoint_mmproj(const tn_checkpoint *c);
/* generation_config.json (borrowed), or NULL where absent. */
json_t *tn_checkpoint_generation_config(const tn_checkpoint *c);
/* preprocessor_config.json or video_preprocessor_config.json (borrowed), or NULL where absent. */
json_t *tn_checkpoint_processor_config(const tn_checkpoint *c, bool video);

/* at: NULL past the end; find: NULL where absent. */
uint64_t tn_checkpoint_tensor_count(const tn_checkpoint *c);
const tn_tensor *tn_checkpoint_tensor_at(const tn_checkpoint *c, uint64_t i);
const tn_tensor *tn_checkpoint_tensor_find(const tn_checkpoint *c, const char *name);
/* Bytes of all tensor data, scales and biases included. */
uint64_t tn_checkpoint_bytes(const tn_checkpoint *c);

#endif
