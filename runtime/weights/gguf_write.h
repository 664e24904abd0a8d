/* SPDX-License-Identifier: Apache-2.0 */
/* The head of a GGUF v3 file: metadata and tensor table as bytes. The data that follow are the caller's to
 * write, each tensor at its offset. */
#ifndef TN_WEIGHTS_GGUF_WRITE_H
#define TN_WEIGHTS_GGUF_WRITE_H

#include "base/buf.h"
#include "weights/gguf.h"

enum { TN_GGUF_ALIGNMENT = 32 };

/* Metadata on their way into a file. A failed append sticks in bytes.status, so that a run of them can be
 * checked once. [one thread] */
typedef struct tn_gguf_meta {
    tn_buf bytes;
    uint64_t n;
} tn_gguf_meta;

void tn_gguf_meta_init(tn_gguf_meta *m);
void tn_gguf_meta_fini(tn_gguf_meta *m);

void tn_gguf_put_u32(tn_gguf_meta *m, const char *key, uint32_t v);
void tn_gguf_put_i32(tn_gguf_meta *m, const char *key, int32_t v);
void tn_gguf_put_f32(tn_gguf_meta *m, const char *key, float v);
void tn_gguf_put_bool(tn_gguf_meta *m, const char *key, bool v);
void tn_gguf_put_string(tn_gguf_meta *m, const char *key, const char *s, size_t len);
/* A copy of a value that was read. */
void tn_gguf_put_value(tn_gguf_meta *m, const char *key, const tn_gguf_value *v);
/* The beginning of an array of n elements; n calls of the function for its type must follow. */
void tn_gguf_put_array(tn_gguf_meta *m, const char *key, tn_gguf_type elem, uint64_t n);
void tn_gguf_item_string(tn_gguf_meta *m, const char *s, size_t len);
void tn_gguf_item_f32(tn_gguf_meta *m, float v);
void tn_gguf_item_i32(tn_gguf_meta *m, int32_t v);

/* A tensor as the table lists it. */
typedef struct tn_gguf_entry {
    const char *name;
    tn_type type;
    uint32_t n_dim;
    uint64_t dim[TN_MAX_DIM]; /* outermost first, as tn_tensor */
    uint64_t bytes;           /* set by tn_gguf_head, as the next */
    uint64_t offset;          /* of the data, from the beginning of the file */
} tn_gguf_entry;

/* ret_head = everything before the data, padded; *ret_size = bytes of the whole file. TN_ELIMIT (more than
 * four dimensions, a size that overflows), TN_ENOMEM. [any thread] */
int tn_gguf_head(const tn_gguf_meta *m, tn_gguf_entry *entries, uint64_t n, tn_buf *ret_head,
                 uint64_t *ret_size, tn_error *err);

#endif
