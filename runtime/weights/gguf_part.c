/* SPDX-License-Identifier: Apache-2.0 */
/* Parses one GGUF file: header, metadata, tensor table. Everything is checked here and nothing later: a value
 * that is handed out lies inside the mapping, an array's elements included, and a tensor's bytes fit its type
 * and shape.
 *
 *   magic "GGUF", u32 version, u64 tensor count, u64 entry count
 *   entries:  string key, u32 type, value
 *   tensors:  string name, u32 n_dims, u64 dims[] (innermost first), u32 type, u64 offset
 *   padding to general.alignment, then the data that offsets count from
 *
 * A string is a u64 length and its bytes; an array a u32 element type, a u64 count and the elements. */
#include "weights/gguf_part.h"

#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "base/status.h"
#include "weights/bytes.h"
#include "weights/names.h"

enum {
    GGUF_VERSION = 3, /* 2 is the same without big-endian files */
    GGUF_MAX_DIM = 4,
    KV_MIN_BYTES = 8 + 1 + 4 + 1, /* smallest entry and tensor record: bounds the counts by the file's size */
    TENSOR_MIN_BYTES = 8 + 1 + 4 + 8 + 4 + 8,
    DEFAULT_ALIGNMENT = 32,
};
/* What we are willing to index; the largest published files have a few thousand. */
enum { MAX_KV = 1 << 16, MAX_TENSORS = 1 << 20 };

/* A bounded walk over the mapping; at <= size always. */
typedef struct cursor {
    const tn_map *map;
    uint64_t at;
    tn_error *err;
} cursor;

static int need(cursor *c, uint64_t n, const char *what) {
    uint64_t left = c->map->size - c->at;
    if (n <= left) return 0;
    return tn_fail(c->err, TN_EFORMAT,
                   "%s: %s at byte %llu needs %llu bytes, %llu are left: the file is cut short or damaged",
                   c->map->path, what, (unsigned long long)c->at, (unsigned long long)n,
                   (unsigned long long)left);
}

static int read_u32(cursor *c, const char *what, uint32_t *ret) {
    int rc = need(c, 4, what);
    if (rc) return rc;
    *ret = tn_load_u32(c->map->data + c->at);
    c->at += 4;
    return 0;
}

static int read_u64(cursor *c, const char *what, uint64_t *ret) {
    int rc = need(c, 8, what);
    if (rc) return rc;
    *ret = tn_load_u64(c->map->data + c->at);
    c->at += 8;
    return 0;
}

static int read_string(cursor *c, const char *what, const char **ret, uint64_t *ret_len) {
    int rc = read_u64(c, what, ret_len);
    if (!rc) rc = need(c, *ret_len, what);
    if (rc) return rc;
    *ret = (const char *)c->map->data + c->at;
    c->at += *ret_len;
    return 0;
}

/* A key or tensor name, copied and NUL-terminated. */
static int read_name(cursor *c, const char *what, char **ret) {
    const char *s;
    uint64_t len, start = c->at;
    int rc = read_string(c, what, &s, &len);
    if (rc) return rc;
    if (len == 0)
        return tn_fail(c->err, TN_EFORMAT, "%s: empty %s at byte %llu", c->map->path, what,
                       (unsigned long long)start);
    if (len > TN_MAX_NAME)
        return tn_fail(c->err, TN_ELIMIT, "%s: %s at byte %llu is %llu bytes long, the limit is %d",
                       c->map->path, what, (unsigned long long)start, (unsigned long long)len, TN_MAX_NAME);
    if (!tn_name_printable(s, len))
        return tn_fail(c->err, TN_EFORMAT, "%s: %s at byte %llu is not printable UTF-8", c->map->path, what,
                       (unsigned long long)start);
    *ret = strndup(s, len);
    return *ret ? 0 : tn_fail(c->err, TN_ENOMEM, "%s: out of memory", c->map->path);
}

/* --- metadata --- */

static int bad_bool(cursor *c, const char *key, unsigned byte) {
    return tn_fail(c->err, TN_EFORMAT, "%s: %s: a bool is %u, it must be 0 or 1", c->map->path, key, byte);
}

static int read_scalar(cursor *c, const char *key, tn_gguf_type type, tn_gguf_value *ret) {
    uint32_t n = tn__gguf_scalar_bytes(type);
    int rc = need(c, n, key);
    if (rc) return rc;
    *ret = tn__gguf_scalar(type, c->map->data + c->at);
    c->at += n;
    return type == TN_GGUF_BOOL && ret->u > 1 ? bad_bool(c, key, (unsigned)ret->u) : 0;
}

static int skip_strings(cursor *c, const char *key, uint64_t count) {
    const char *s;
    uint64_t len;
    int rc = 0;
    for (uint64_t i = 0; i < count && !rc; i++) rc = read_string(c, key, &s, &len);
    return rc;
}

static int skip_scalars(cursor *c, const char *key, tn_gguf_type elem, uint64_t count) {
    uint64_t bytes;
    if (!tn_mul_u64(count, tn__gguf_scalar_bytes(elem), &bytes)) bytes = UINT64_MAX;
    int rc = need(c, bytes, key);
    if (rc) return rc;
    const uint8_t *p = c->map->data + c->at;
    if (elem == TN_GGUF_BOOL)
        for (uint64_t i = 0; i < count; i++)
            if (p[i] > 1) return bad_bool(c, key, p[i]);
    c->at += bytes;
    return 0;
}

static int read_array(cursor *c, const char *key, tn_gguf_value *ret) {
    uint32_t elem;
    uint64_t count;
    int rc = read_u32(c, key, &elem);
    if (!rc) rc = read_u64(c, key, &count);
    if (rc) return rc;
    *ret = (tn_gguf_value){.type = TN_GGUF_ARRAY, .elem = (tn_gguf_type)elem, .len = count};
    ret->data = (const char *)c->map->data + c->at;
    if (elem == TN_GGUF_STRING) return skip_strings(c, key, count);
    if (elem == TN_GGUF_ARRAY)
        return tn_fail(c->err, TN_ENOTSUP, "%s: %s: arrays of arrays are not supported", c->map->path, key);
    if (!tn__gguf_scalar_bytes(elem))
        return tn_fail(c->err, TN_EFORMAT, "%s: %s: unknown array element type %u", c->map->path, key, elem);
    return skip_scalars(c, key, (tn_gguf_type)elem, count);
}

static int read_kv(cursor *c, tn_gguf_kv *kv) {
    uint32_t type;
    int rc = read_name(c, "metadata key", &kv->key);
    if (!rc) rc = read_u32(c, kv->key, &type);
    if (rc) return rc;
    if (type == TN_GGUF_ARRAY) return read_array(c, kv->key, &kv->value);
    if (type == TN_GGUF_STRING) {
        kv->value.type = TN_GGUF_STRING;
        return read_string(c, kv->key, &kv->value.data, &kv->value.len);
    }
    if (!tn__gguf_scalar_bytes(type))
        return tn_fail(c->err, TN_EFORMAT, "%s: %s: unknown value type %u", c->map->path, kv->key, type);
    return read_scalar(c, kv->key, (tn_gguf_type)type, &kv->value);
}

static int read_metadata(cursor *c, tn_gguf_part *part, uint64_t count) {
    part->kv = calloc(count ? count : 1, sizeof *part->kv);
    part->kv_names = tn_names_new();
    if (!part->kv || !part->kv_names) return tn_fail(c->err, TN_ENOMEM, "%s: out of memory", c->map->path);
    while (part->n_kv < count) {
        tn_gguf_kv *kv = &part->kv[part->n_kv++];
        int rc = read_kv(c, kv);
        if (rc) return rc;
        rc = tn_names_add(part->kv_names, kv->key, part->n_kv - 1);
        if (rc == TN_ENOMEM) return tn_fail(c->err, rc, "%s: out of memory", c->map->path);
        if (rc) return tn_fail(c->err, rc, "%s: metadata key %s occurs twice", c->map->path, kv->key);
    }
    return 0;
}

const tn_gguf_value *tn__gguf_part_find(const tn_gguf_part *part, const char *key) {
    uint64_t i;
    return tn_names_find(part->kv_names, key, &i) ? &part->kv[i].value : NULL;
}

static int find_alignment(const tn_gguf_part *part, uint64_t *ret, tn_error *err) {
    const tn_gguf_value *v = tn__gguf_part_find(part, "general.alignment");
    *ret = DEFAULT_ALIGNMENT;
    if (!v) return 0;
    if (v->type != TN_GGUF_U32)
        return tn_fail(err, TN_EFORMAT,
                       "%s: general.alignment has value type %d, it must be an unsigned 32-bit integer",
                       part->map.path, (int)v->type);
    if (v->u == 0 || (v->u & (v->u - 1)))
        return tn_fail(err, TN_EFORMAT, "%s: general.alignment is %llu, it must be a power of two",
                       part->map.path, (unsigned long long)v->u);
    *ret = v->u;
    return 0;
}

/* --- tensors --- */

static int read_shape(cursor *c, tn_tensor *t) {
    uint32_t n_dim;
    uint64_t elems = 1;
    int rc = read_u32(c, t->name, &n_dim);
    if (rc) return rc;
    if (n_dim < 1 || n_dim > GGUF_MAX_DIM)
        return tn_fail(c->err, TN_EFORMAT, "%s: tensor %s has %u dimensions, 1 to %d are possible",
                       c->map->path, t->name, n_dim, GGUF_MAX_DIM);
    t->n_dim = n_dim;
    for (uint32_t i = n_dim; i-- > 0;) { /* the file lists the contiguous dimension first */
        rc = read_u64(c, t->name, &t->dim[i]);
        if (rc) return rc;
        if (t->dim[i] == 0)
            return tn_fail(c->err, TN_EFORMAT, "%s: tensor %s has an empty dimension", c->map->path, t->name);
        if (!tn_mul_u64(elems, t->dim[i], &elems))
            return tn_fail(c->err, TN_EFORMAT, "%s: tensor %s: the product of its dimensions overflows",
                           c->map->path, t->name);
    }
    return 0;
}

static int read_type(cursor *c, tn_tensor *t) {
    uint32_t type;
    int rc = read_u32(c, t->name, &type);
    if (rc) return rc;
    const char *removed = tn_type_removed_name(type);
    if (removed)
        return tn_fail(
            c->err, TN_ENOTSUP,
            "%s: tensor %s has type %s (%u), which GGUF files cannot have any more: convert it again",
            c->map->path, t->name, removed, type);
    if (type >= TN_TYPE_AFFINE || !tn_type_info_get(type))
        return tn_fail(c->err, TN_ENOTSUP, "%s: tensor %s has the unknown type %u", c->map->path, t->name,
                       type);
    t->type = (tn_type)type;
    return 0;
}

/* Sets t->bytes from type and shape. */
static int measure(cursor *c, tn_tensor *t) {
    const tn_type_info *info = tn_type_info_get(t->type);
    uint64_t cols = tn_tensor_cols(t);
    if (cols % info->block_elems)
        return tn_fail(c->err, TN_EFORMAT,
                       "%s: tensor %s has rows of %llu elements, %s needs a multiple of %u", c->map->path,
                       t->name, (unsigned long long)cols, info->name, info->block_elems);
    if (!tn_mul_u64(tn_tensor_rows(t) * (cols / info->block_elems), info->block_bytes, &t->bytes))
        return tn_fail(c->err, TN_EFORMAT, "%s: tensor %s: its size in bytes overflows", c->map->path,
                       t->name);
    return 0;
}

/* One record; the offset is kept aside until the start of the data is known. */
static int read_tensor(cursor *c, tn_tensor *t, uint64_t alignment, uint64_t *ret_offset) {
    char *name = NULL;
    int rc = read_name(c, "tensor name", &name);
    t->name = name;
    if (!rc) rc = read_shape(c, t);
    if (!rc) rc = read_type(c, t);
    if (!rc) rc = measure(c, t);
    if (!rc) rc = read_u64(c, t->name, ret_offset);
    if (rc) return rc;
    if (*ret_offset % alignment)
        return tn_fail(c->err, TN_EFORMAT,
                       "%s: tensor %s: offset %llu is not a multiple of the alignment %llu", c->map->path,
                       t->name, (unsigned long long)*ret_offset, (unsigned long long)alignment);
    return 0;
}

static int place(const tn_map *map, tn_tensor *t, uint64_t data_start, uint64_t offset, tn_error *err) {
    uint64_t begin, end;
    if (!tn_add_u64(data_start, offset, &begin) || !tn_add_u64(begin, t->bytes, &end) || end > map->size)
        return tn_fail(
            err, TN_EFORMAT,
            "%s: tensor %s: %llu bytes at offset %llu of the data (byte %llu) pass the file's end (%llu bytes): "
            "it is cut short or damaged",
            map->path, t->name, (unsigned long long)t->bytes, (unsigned long long)offset,
            (unsigned long long)data_start, (unsigned long long)map->size);
    t->data = map->data + begin;
    return 0;
}

static int read_tensors(cursor *c, tn_gguf_part *part, uint64_t count) {
    uint64_t alignment, data_start = 0;
    int rc = find_alignment(part, &alignment, c->err);
    if (rc) return rc;
    uint64_t *offsets = calloc(count ? count : 1, sizeof *offsets);
    part->tensors = calloc(count ? count : 1, sizeof *part->tensors);
    if (!offsets || !part->tensors) rc = tn_fail(c->err, TN_ENOMEM, "%s: out of memory", c->map->path);
    while (!rc && part->n_tensors < count) {
        uint64_t i = part->n_tensors++;
        rc = read_tensor(c, &part->tensors[i], alignment, &offsets[i]);
    }
    if (!rc && !tn_align_u64(c->at, alignment, &data_start))
        rc = tn_fail(c->err, TN_EFORMAT, "%s: the header's size overflows", c->map->path);
    for (uint64_t i = 0; !rc && i < count; i++)
        rc = place(c->map, &part->tensors[i], data_start, offsets[i], c->err);
    free(offsets);
    return rc;
}

/* --- file --- */

static int check_count(cursor *c, const char *what, uint64_t count, uint64_t min_bytes, uint64_t limit) {
    uint64_t left = c->map->size - c->at;
    if (count > left / min_bytes)
        return tn_fail(c->err, TN_EFORMAT, "%s: claims %llu %s, which do not fit in its %llu bytes",
                       c->map->path, (unsigned long long)count, what, (unsigned long long)c->map->size);
    if (count > limit)
        return tn_fail(c->err, TN_ELIMIT, "%s: has %llu %s, the limit is %llu", c->map->path,
                       (unsigned long long)count, what, (unsigned long long)limit);
    return 0;
}

static int check_version(cursor *c, uint32_t version) {
    if (version == GGUF_VERSION || version == 2) return 0;
    if (version == __builtin_bswap32(GGUF_VERSION))
        return tn_fail(c->err, TN_ENOTSUP,
                       "%s: a big-endian GGUF file; only little-endian ones are supported", c->map->path);
    return tn_fail(c->err, TN_ENOTSUP,
                   "%s: GGUF version %u, only 2 and %d are supported: convert the model again", c->map->path,
                   version, GGUF_VERSION);
}

static int read_header(cursor *c, uint64_t *ret_tensors, uint64_t *ret_kv) {
    uint32_t version;
    int rc = need(c, 4, "the magic number");
    if (rc) return rc;
    if (memcmp(c->map->data, "GGUF", 4) != 0)
        return tn_fail(c->err, TN_EFORMAT, "%s: not a GGUF file (it does not start with \"GGUF\")",
                       c->map->path);
    c->at = 4;
    rc = read_u32(c, "the version", &version);
    if (!rc) rc = check_version(c, version);
    if (!rc) rc = read_u64(c, "the tensor count", ret_tensors);
    if (!rc) rc = read_u64(c, "the metadata count", ret_kv);
    if (!rc) rc = check_count(c, "metadata entries", *ret_kv, KV_MIN_BYTES, MAX_KV);
    if (!rc) rc = check_count(c, "tensors", *ret_tensors, TENSOR_MIN_BYTES, MAX_TENSORS);
    return rc;
}

/* Over ret->map; closes ret on failure. */
static int parse(tn_gguf_part *ret, tn_error *err) {
    uint64_t n_tensors = 0, n_kv = 0;
    cursor c = {.map = &ret->map, .err = err};
    int rc = read_header(&c, &n_tensors, &n_kv);
    if (!rc) rc = read_metadata(&c, ret, n_kv);
    if (!rc) rc = read_tensors(&c, ret, n_tensors);
    if (rc) tn__gguf_part_close(ret);
    return rc;
}

int tn__gguf_part_open(tn_gguf_part *ret, const char *path, tn_error *err) {
    *ret = (tn_gguf_part){0};
    int rc = tn_map_open(&ret->map, path, err);
    return rc ? rc : parse(ret, err);
}

int tn__gguf_part_open_memory(tn_gguf_part *ret, const void *data, uint64_t size, const char *name,
                              tn_error *err) {
    *ret = (tn_gguf_part){.map = {.data = data, .size = size, .path = strdup(name)}, .borrowed = true};
    return ret->map.path ? parse(ret, err) : tn_fail(err, TN_ENOMEM, "%s: out of memory", name);
}

void tn__gguf_part_close(tn_gguf_part *part) {
    for (uint64_t i = 0; i < part->n_kv; i++) free(part->kv[i].key);
    for (uint64_t i = 0; i < part->n_tensors; i++) free((char *)(uintptr_t)part->tensors[i].name);
    free(part->kv);
    free(part->tensors);
    json_decref(part->kv_names);
    if (part->borrowed) part->map.data = NULL;
    tn_map_close(&part->map);
    *part = (tn_gguf_part){0};
}
