/* SPDX-License-Identifier: Apache-2.0 */
/* One file of a GGUF model, parsed and checked; gguf.c joins parts. Internal to the GGUF reader. */
#ifndef TN_WEIGHTS_GGUF_PART_H
#define TN_WEIGHTS_GGUF_PART_H

#include <jansson.h>

#include "base/file.h"
#include "weights/gguf.h"

typedef struct tn_gguf_kv {
    char *key; /* owned */
    tn_gguf_value value;
} tn_gguf_kv;

typedef struct tn_gguf_part {
    tn_map map;
    bool borrowed; /* the map's data are a caller's memory */
    tn_gguf_kv *kv;
    uint64_t n_kv;
    json_t *kv_names;
    tn_tensor *tensors; /* names owned */
    uint64_t n_tensors;
} tn_gguf_part;

/* Maps path and checks all of it. On failure *ret is empty. Errors as tn_gguf_open. [control thread] */
int tn__gguf_part_open(tn_gguf_part *ret, const char *path, tn_error *err);
/* The same over memory that outlives the part; name is for messages. */
int tn__gguf_part_open_memory(tn_gguf_part *ret, const void *data, uint64_t size, const char *name,
                              tn_error *err);
/* An empty part is harmless. */
void tn__gguf_part_close(tn_gguf_part *part);
const tn_gguf_value *tn__gguf_part_find(const tn_gguf_part *part, const char *key);

/* gguf_value.c. Bytes of a scalar type, 0 for strings, arrays and ids that no type has. [any thread] */
uint32_t tn__gguf_scalar_bytes(uint32_t type);
/* The scalar at p, which has tn__gguf_scalar_bytes(type) bytes. [any thread] */
tn_gguf_value tn__gguf_scalar(tn_gguf_type type, const uint8_t *p);

#endif
