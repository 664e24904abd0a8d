/* SPDX-License-Identifier: Apache-2.0 */
/* GGUF v3 (and v2) files: metadata and tensor table over a read-only mapping; split files are opened as one.
 *
 * Every count, length, offset and shape in the file is hostile until checked: opening validates the whole
 * header and every tensor's extent, so that look-ups afterwards cannot fail on damaged data. Immutable once
 * open: any thread. */
#ifndef TN_WEIGHTS_GGUF_H
#define TN_WEIGHTS_GGUF_H

#include "weights/tensor.h"

typedef struct tn_gguf tn_gguf;

/* Value types, with the ids of the file. */
typedef enum tn_gguf_type {
    TN_GGUF_U8,
    TN_GGUF_I8,
    TN_GGUF_U16,
    TN_GGUF_I16,
    TN_GGUF_U32,
    TN_GGUF_I32,
    TN_GGUF_F32,
    TN_GGUF_BOOL,
    TN_GGUF_STRING,
    TN_GGUF_ARRAY,
    TN_GGUF_U64,
    TN_GGUF_I64,
    TN_GGUF_F64,
} tn_gguf_type;

/* One value. Unsigned types and bool are in u, signed in i, floats in f. Strings are not NUL-terminated and
 * may hold any bytes. An array's elements are walked with tn_gguf_iter; nested arrays are refused on opening.
 */
typedef struct tn_gguf_value {
    tn_gguf_type type;
    tn_gguf_type elem; /* of an array */
    union {
        uint64_t u;
        int64_t i;
        double f;
    };
    const char *data; /* a string's bytes, an array's first element; borrowed from the mapping */
    uint64_t len;     /* bytes of a string, elements of an array */
} tn_gguf_value;

/* Opens path and, when its name ends in -00001-of-0000N.gguf and its metadata say so too, its siblings (a
 * missing one is named). A file without tensors (vocabulary only) is fine. TN_ENOENT, TN_EIO, TN_EFORMAT
 * (what, at which byte), TN_EINVAL (not the first part of a split model: the first is named), TN_ENOTSUP
 * (version, byte order, nested arrays, a removed or unknown tensor type: named with its tensor), TN_ELIMIT
 * (65536 metadata entries, 2^20 tensors, names of 1024 bytes), TN_ENOMEM. [control thread] */
int tn_gguf_open(const char *path, tn_gguf **ret, tn_error *err);
/* One file that lies in memory, which outlives *ret; a part of a split model stands alone. name is for
 * messages. */
int tn_gguf_open_memory(const void *data, uint64_t size, const char *name, tn_gguf **ret, tn_error *err);
/* NULL is harmless. */
void tn_gguf_close(tn_gguf *g);

/* The value of key in the first file, or NULL; whatever its type is. */
const tn_gguf_value *tn_gguf_find(const tn_gguf *g, const char *key);
/* Keys in file order, for listing; NULL past the end. */
uint64_t tn_gguf_kv_count(const tn_gguf *g);
const tn_gguf_value *tn_gguf_kv_at(const tn_gguf *g, uint64_t i, const char **ret_key);

/* Walks the elements of an array value. */
typedef struct tn_gguf_iter {
    const char *at;
    uint64_t left;
    tn_gguf_type elem;
} tn_gguf_iter;
tn_gguf_iter tn_gguf_iter_begin(const tn_gguf_value *array);
/* False at the end. */
bool tn_gguf_iter_next(tn_gguf_iter *it, tn_gguf_value *ret);

/* Tensors of all parts, in file order. Names are unique. at: NULL past the end; find: NULL where absent. */
uint64_t tn_gguf_tensor_count(const tn_gguf *g);
const tn_tensor *tn_gguf_tensor_at(const tn_gguf *g, uint64_t i);
const tn_tensor *tn_gguf_tensor_find(const tn_gguf *g, const char *name);

#endif
