/* SPDX-License-Identifier: Apache-2.0 */
#include "weights/safetensors.h"

#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "base/file.h"
#include "weights/bytes.h"
#include "weights/names.h"

enum { LENGTH_BYTES = 8, MAX_HEADER_BYTES = 32 << 20 };

struct tn_safetensors {
    tn_map map;
    bool borrowed;       /* the map's data are a caller's memory */
    const uint8_t *data; /* what data_offsets count from */
    uint64_t data_bytes;
    json_t *metadata;   /* or NULL */
    tn_tensor *tensors; /* names owned */
    uint64_t n_tensors;
    json_t *names;
};

static int no_memory(const tn_safetensors *s, tn_error *err) {
    return tn_fail(err, TN_ENOMEM, "%s: out of memory", s->map.path);
}

/* --- one entry of the header --- */

static int read_dtype(const tn_safetensors *s, tn_tensor *t, const json_t *entry, tn_error *err) {
    static const struct {
        const char *name;
        tn_type type;
    } known[] = {
        {"F32", TN_TYPE_F32},   {"BF16", TN_TYPE_BF16}, {"F16", TN_TYPE_F16}, {"F64", TN_TYPE_F64},
        {"I8", TN_TYPE_I8},     {"I16", TN_TYPE_I16},   {"I32", TN_TYPE_I32}, {"I64", TN_TYPE_I64},
        {"U8", TN_TYPE_U8},     {"U16", TN_TYPE_U16},   {"U32", TN_TYPE_U32}, {"U64", TN_TYPE_U64},
        {"BOOL", TN_TYPE_BOOL},
    };
    const char *dtype = json_string_value(json_object_get(entry, "dtype"));
    if (!dtype) return tn_fail(err, TN_EFORMAT, "%s: tensor %s has no dtype", s->map.path, t->name);
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(dtype, known[i].name) == 0) {
            t->type = known[i].type;
            return 0;
        }
    return tn_fail(err, TN_ENOTSUP, "%s: tensor %s has element type %.32s, which is not supported",
                   s->map.path, t->name, tn_name_printable(dtype, strlen(dtype)) ? dtype : "(unprintable)");
}

/* A JSON integer that is not negative. */
static bool read_size(const json_t *value, uint64_t *ret) {
    if (!json_is_integer(value) || json_integer_value(value) < 0) return false;
    *ret = (uint64_t)json_integer_value(value);
    return true;
}

/* Sets n_dim, dim and bytes. */
static int read_shape(const tn_safetensors *s, tn_tensor *t, const json_t *entry, tn_error *err) {
    const json_t *shape = json_object_get(entry, "shape");
    if (!json_is_array(shape))
        return tn_fail(err, TN_EFORMAT, "%s: tensor %s has no shape", s->map.path, t->name);
    size_t n = json_array_size(shape);
    if (n > TN_MAX_DIM)
        return tn_fail(err, TN_ELIMIT, "%s: tensor %s has %zu dimensions, the limit is %d", s->map.path,
                       t->name, n, TN_MAX_DIM);
    t->n_dim = n ? (uint32_t)n : 1;
    t->dim[0] = 1;
    t->bytes = tn_type_info_get(t->type)->block_bytes;
    for (size_t i = 0; i < n; i++) {
        if (!read_size(json_array_get(shape, i), &t->dim[i]) || t->dim[i] == 0)
            return tn_fail(err, TN_EFORMAT, "%s: tensor %s: dimension %zu is not a positive integer",
                           s->map.path, t->name, i);
        if (!tn_mul_u64(t->bytes, t->dim[i], &t->bytes))
            return tn_fail(err, TN_EFORMAT, "%s: tensor %s: its size in bytes overflows", s->map.path,
                           t->name);
    }
    return 0;
}

static int read_extent(const tn_safetensors *s, tn_tensor *t, const json_t *entry, tn_error *err) {
    const json_t *offsets = json_object_get(entry, "data_offsets");
    uint64_t begin, end;
    if (json_array_size(offsets) != 2 || !read_size(json_array_get(offsets, 0), &begin) ||
        !read_size(json_array_get(offsets, 1), &end) || begin > end)
        return tn_fail(err, TN_EFORMAT, "%s: tensor %s: data_offsets is not [begin, end]", s->map.path,
                       t->name);
    if (end > s->data_bytes)
        return tn_fail(
            err, TN_EFORMAT,
            "%s: tensor %s ends at byte %llu of the data, of which there are %llu: the file is cut short or "
            "damaged",
            s->map.path, t->name, (unsigned long long)end, (unsigned long long)s->data_bytes);
    if (end - begin != t->bytes)
        return tn_fail(err, TN_EFORMAT,
                       "%s: tensor %s: its shape makes %llu bytes, its data_offsets hold %llu", s->map.path,
                       t->name, (unsigned long long)t->bytes, (unsigned long long)(end - begin));
    t->data = s->data + begin;
    return 0;
}

static int read_tensor(tn_safetensors *s, tn_tensor *t, const char *name, const json_t *entry,
                       tn_error *err) {
    size_t len = strlen(name);
    if (len == 0 || !tn_name_printable(name, len))
        return tn_fail(err, TN_EFORMAT, "%s: a tensor's name is empty or not printable", s->map.path);
    if (len > TN_MAX_NAME)
        return tn_fail(err, TN_ELIMIT, "%s: a tensor's name has %zu bytes, the limit is %d", s->map.path, len,
                       TN_MAX_NAME);
    t->name = strdup(name);
    if (!t->name) return no_memory(s, err);
    int rc = read_dtype(s, t, entry, err);
    if (!rc) rc = read_shape(s, t, entry, err);
    if (!rc) rc = read_extent(s, t, entry, err);
    if (!rc && tn_names_add(s->names, name, s->n_tensors - 1)) rc = no_memory(s, err);
    return rc;
}

/* --- the header --- */

static int find_header(tn_safetensors *s, uint64_t *ret_len, tn_error *err) {
    const tn_map *map = &s->map;
    if (map->size < LENGTH_BYTES)
        return tn_fail(err, TN_EFORMAT, "%s: %llu bytes are too few for a safetensors file", map->path,
                       (unsigned long long)map->size);
    uint64_t len = tn_load_u64(map->data), left = map->size - LENGTH_BYTES;
    if (len > left)
        return tn_fail(
            err, TN_EFORMAT,
            "%s: its header would have %llu bytes, the file has %llu after the length: not a safetensors file, "
            "or cut short",
            map->path, (unsigned long long)len, (unsigned long long)left);
    if (len > MAX_HEADER_BYTES)
        return tn_fail(err, TN_ELIMIT, "%s: its header has %llu bytes, the limit is %d", map->path,
                       (unsigned long long)len, MAX_HEADER_BYTES);
    s->data = map->data + LENGTH_BYTES + len;
    s->data_bytes = left - len;
    *ret_len = len;
    return 0;
}

/* Not tn_json_parse: a name that occurs twice must not pass, nor a number that only fits a real. */
static int parse_header(const tn_safetensors *s, uint64_t len, json_t **ret, tn_error *err) {
    json_error_t je;
    *ret = json_loadb((const char *)s->map.data + LENGTH_BYTES, len, JSON_REJECT_DUPLICATES, &je);
    if (*ret && json_is_object(*ret)) return 0;
    if (*ret) return tn_fail(err, TN_EFORMAT, "%s: its header is not a JSON object", s->map.path);
    if (!je.text[0]) return no_memory(s, err); /* jansson says nothing else then */
    return tn_fail(err, TN_EFORMAT, "%s: its header is not valid JSON at byte %d: %s", s->map.path,
                   je.position, je.text);
}

static int read_entries(tn_safetensors *s, json_t *header, tn_error *err) {
    const char *name;
    json_t *entry;
    s->names = tn_names_new();
    s->tensors = calloc(json_object_size(header) + 1, sizeof *s->tensors);
    if (!s->names || !s->tensors) return no_memory(s, err);
    json_object_foreach(header, name, entry) {
        if (strcmp(name, "__metadata__") == 0) {
            s->metadata = json_incref(entry);
            continue;
        }
        int rc = read_tensor(s, &s->tensors[s->n_tensors++], name, entry, err);
        if (rc) return rc;
    }
    return 0;
}

/* Over s->map, once rc says that it is there. */
static int parse(tn_safetensors *s, int rc, tn_safetensors **ret, tn_error *err) {
    uint64_t len = 0;
    json_t *header = NULL;
    if (!rc) rc = find_header(s, &len, err);
    if (!rc) rc = parse_header(s, len, &header, err);
    if (!rc) rc = read_entries(s, header, err);
    json_decref(header);
    if (!rc)
        *ret = s;
    else
        tn_safetensors_close(s);
    return rc;
}

int tn_safetensors_open(const char *path, tn_safetensors **ret, tn_error *err) {
    tn_safetensors *s = calloc(1, sizeof *s);
    if (!s) return tn_fail(err, TN_ENOMEM, "%s: out of memory", path);
    return parse(s, tn_map_open(&s->map, path, err), ret, err);
}

int tn_safetensors_open_memory(const void *data, uint64_t size, const char *name, tn_safetensors **ret,
                               tn_error *err) {
    tn_safetensors *s = calloc(1, sizeof *s);
    if (!s) return tn_fail(err, TN_ENOMEM, "%s: out of memory", name);
    s->borrowed = true;
    s->map = (tn_map){.data = data, .size = size, .path = strdup(name)};
    return parse(s, s->map.path ? 0 : tn_fail(err, TN_ENOMEM, "%s: out of memory", name), ret, err);
}

void tn_safetensors_close(tn_safetensors *s) {
    if (!s) return;
    for (uint64_t i = 0; i < s->n_tensors; i++) free((char *)(uintptr_t)s->tensors[i].name);
    free(s->tensors);
    json_decref(s->metadata);
    json_decref(s->names);
    if (s->borrowed) s->map.data = NULL;
    tn_map_close(&s->map);
    free(s);
}

const char *tn_safetensors_path(const tn_safetensors *s) {
    return s->map.path;
}

json_t *tn_safetensors_metadata(const tn_safetensors *s) {
    return s->metadata;
}

uint64_t tn_safetensors_tensor_count(const tn_safetensors *s) {
    return s->n_tensors;
}

const tn_tensor *tn_safetensors_tensor_at(const tn_safetensors *s, uint64_t i) {
    return i < s->n_tensors ? &s->tensors[i] : NULL;
}

const tn_tensor *tn_safetensors_tensor_find(const tn_safetensors *s, const char *name) {
    uint64_t i;
    return tn_names_find(s->names, name, &i) ? &s->tensors[i] : NULL;
}
