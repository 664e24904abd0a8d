/* SPDX-License-Identifier: Apache-2.0 */
/* One safetensors file: u64 length, a JSON header of that length, then the data. Mapped; the header, every
 * shape and every extent is checked on opening. Data may be unaligned. Immutable once open: any thread. */
#ifndef TN_WEIGHTS_SAFETENSORS_H
#define TN_WEIGHTS_SAFETENSORS_H

#include <jansson.h>

#include "weights/tensor.h"

typedef struct tn_safetensors tn_safetensors;

/* Opens path. Element types F64 F32 F16 BF16 I8..I64 U8..U64 BOOL. A scalar (shape []) appears as shape [1].
 * TN_ENOENT, TN_EIO, TN_EFORMAT (what, of which tensor), TN_ENOTSUP (another element type: named with its
 * tensor), TN_ELIMIT (header over 32 MiB, more than TN_MAX_DIM dimensions), TN_ENOMEM. [control thread] */
int tn_safetensors_open(const char *path, tn_safetensors **ret, tn_error *err);
/* The same over memory that outlives *ret; name is for messages. */
int tn_safetensors_open_memory(const void *data, uint64_t size, const char *name, tn_safetensors **ret,
                               tn_error *err);
/* NULL is harmless. */
void tn_safetensors_close(tn_safetensors *s);

const char *tn_safetensors_path(const tn_safetensors *s);
/* The header's __metadata__ (borrowed), NULL where absent. */
json_t *tn_safetensors_metadata(const tn_safetensors *s);

/* Tensors in the header's order. at: NULL past the end; find: NULL where absent. */
uint64_t tn_safetensors_tensor_count(const tn_safetensors *s);
const tn_tensor *tn_safetensors_tensor_at(const tn_safetensors *s, uint64_t i);
const tn_tensor *tn_safetensors_tensor_find(const tn_safetensors *s, const char *name);

#endif
