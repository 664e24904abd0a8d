/* SPDX-License-Identifier: Apache-2.0 */
#include "weights/gguf_write.h"

#include <string.h>

#include "base/checked.h"
#include "weights/gguf_part.h"

enum { VERSION = 3, GGUF_MAX_DIM = 4 };
/* Far above what any vocabulary takes. */
static const size_t max_head = (size_t)1 << 30;

void tn_gguf_meta_init(tn_gguf_meta *m) {
    *m = (tn_gguf_meta){0};
    tn_buf_init(&m->bytes, max_head);
}

void tn_gguf_meta_fini(tn_gguf_meta *m) {
    tn_buf_free(&m->bytes);
    m->n = 0;
}

/* The host is little-endian as the file is: weights/bytes.h. */
static void add_u32(tn_buf *b, uint32_t v) {
    tn_buf_add(b, &v, sizeof v);
}

static void add_u64(tn_buf *b, uint64_t v) {
    tn_buf_add(b, &v, sizeof v);
}

static void add_string(tn_buf *b, const char *s, size_t len) {
    add_u64(b, len);
    tn_buf_add(b, s, len);
}

static tn_buf *begin(tn_gguf_meta *m, const char *key, tn_gguf_type type) {
    m->n++;
    add_string(&m->bytes, key, strlen(key));
    add_u32(&m->bytes, type);
    return &m->bytes;
}

void tn_gguf_put_u32(tn_gguf_meta *m, const char *key, uint32_t v) {
    add_u32(begin(m, key, TN_GGUF_U32), v);
}

void tn_gguf_put_i32(tn_gguf_meta *m, const char *key, int32_t v) {
    tn_buf_add(begin(m, key, TN_GGUF_I32), &v, sizeof v);
}

void tn_gguf_put_f32(tn_gguf_meta *m, const char *key, float v) {
    tn_buf_add(begin(m, key, TN_GGUF_F32), &v, sizeof v);
}

void tn_gguf_put_bool(tn_gguf_meta *m, const char *key, bool v) {
    tn_buf_addc(begin(m, key, TN_GGUF_BOOL), v ? 1 : 0);
}

void tn_gguf_put_string(tn_gguf_meta *m, const char *key, const char *s, size_t len) {
    add_string(begin(m, key, TN_GGUF_STRING), s, len);
}

void tn_gguf_put_array(tn_gguf_meta *m, const char *key, tn_gguf_type elem, uint64_t n) {
    tn_buf *b = begin(m, key, TN_GGUF_ARRAY);
    add_u32(b, elem);
    add_u64(b, n);
}

void tn_gguf_item_string(tn_gguf_meta *m, const char *s, size_t len) {
    add_string(&m->bytes, s, len);
}

void tn_gguf_item_f32(tn_gguf_meta *m, float v) {
    tn_buf_add(&m->bytes, &v, sizeof v);
}

void tn_gguf_item_i32(tn_gguf_meta *m, int32_t v) {
    tn_buf_add(&m->bytes, &v, sizeof v);
}

static void put_array_value(tn_gguf_meta *m, const char *key, const tn_gguf_value *v) {
    tn_gguf_put_array(m, key, v->elem, v->len);
    if (v->elem != TN_GGUF_STRING) {
        tn_buf_add(&m->bytes, v->data, v->len * tn__gguf_scalar_bytes(v->elem));
        return;
    }
    tn_gguf_value item;
    tn_gguf_iter it = tn_gguf_iter_begin(v);
    while (tn_gguf_iter_next(&it, &item)) tn_gguf_item_string(m, item.data, item.len);
}

void tn_gguf_put_value(tn_gguf_meta *m, const char *key, const tn_gguf_value *v) {
    if (v->type == TN_GGUF_ARRAY) {
        put_array_value(m, key, v);
        return;
    }
    tn_buf *b = begin(m, key, v->type);
    float f = (float)v->f;
    switch (v->type) {
    case TN_GGUF_STRING: add_string(b, v->data, v->len); break;
    case TN_GGUF_F32: tn_buf_add(b, &f, sizeof f); break;
    case TN_GGUF_F64: tn_buf_add(b, &v->f, sizeof v->f); break;
    default: tn_buf_add(b, &v->u, tn__gguf_scalar_bytes(v->type)); break; /* the low bytes come first */
    }
}

static int measure(tn_gguf_entry *e, uint64_t *at, tn_error *err) {
    const tn_type_info *info = tn_type_info_get(e->type);
    uint64_t bytes = e->dim[e->n_dim - 1] / info->block_elems, padded = 0, end = 0;
    bool fits = tn_mul_u64(bytes, info->block_bytes, &bytes);
    for (uint32_t i = 0; fits && i + 1 < e->n_dim; i++) fits = tn_mul_u64(bytes, e->dim[i], &bytes);
    fits = fits && tn_align_u64(bytes, TN_GGUF_ALIGNMENT, &padded) && tn_add_u64(*at, padded, &end);
    if (e->n_dim > GGUF_MAX_DIM)
        return tn_fail(err, TN_ELIMIT, "tensor %s has %u dimensions, GGUF files have at most %d", e->name,
                       e->n_dim, GGUF_MAX_DIM);
    if (!fits) return tn_fail(err, TN_ELIMIT, "tensor %s: its size in bytes overflows", e->name);
    e->bytes = bytes;
    e->offset = *at;
    *at = end;
    return 0;
}

static void add_entry(tn_buf *b, const tn_gguf_entry *e) {
    add_string(b, e->name, strlen(e->name));
    add_u32(b, e->n_dim);
    for (uint32_t i = e->n_dim; i-- > 0;) add_u64(b, e->dim[i]); /* the contiguous one first */
    add_u32(b, e->type);
    add_u64(b, e->offset);
}

static int pad(tn_buf *b) {
    while (b->len % TN_GGUF_ALIGNMENT && !b->status) tn_buf_addc(b, 0);
    return b->status;
}

int tn_gguf_head(const tn_gguf_meta *m, tn_gguf_entry *entries, uint64_t n, tn_buf *ret_head,
                 uint64_t *ret_size, tn_error *err) {
    tn_buf *b = ret_head;
    uint64_t at = 0;
    tn_buf_add(b, "GGUF", 4);
    add_u32(b, VERSION);
    add_u64(b, n);
    add_u64(b, m->n);
    tn_buf_add(b, m->bytes.data, m->bytes.len);
    for (uint64_t i = 0; i < n; i++) {
        int rc = measure(&entries[i], &at, err);
        if (rc) return rc;
        add_entry(b, &entries[i]); /* offsets in the table count from the data's beginning */
    }
    if (m->bytes.status || pad(b))
        return tn_fail(err, m->bytes.status ? m->bytes.status : b->status,
                       "a GGUF file's head of %zu MiB: %s", (m->bytes.len + b->len) >> 20,
                       "out of memory, or over the limit of 1024 MiB");
    for (uint64_t i = 0; i < n; i++) entries[i].offset += b->len;
    *ret_size = at + b->len;
    return 0;
}
