/* SPDX-License-Identifier: Apache-2.0 */
/* A GGUF model of one or more files: joins the parts' tensors under one table. */
#include "weights/gguf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "weights/gguf_part.h"
#include "weights/names.h"

struct tn_gguf {
    tn_gguf_part *parts; /* [n_parts]; the metadata are those of the first */
    uint32_t n_parts;
    const tn_tensor **tensors; /* [n_tensors], into the parts */
    uint64_t n_tensors;
    json_t *names;
};

/* PREFIX-00001-of-0000N.gguf; the number of a part is counted from 1 there and from 0 in split.no. */
#define SPLIT_SUFFIX "-00001-of-00001.gguf"
enum { SPLIT_DIGITS = 5, SPLIT_SUFFIX_LEN = sizeof SPLIT_SUFFIX - 1 };

static bool digits(const char *s, uint32_t *ret) {
    *ret = 0;
    for (int i = 0; i < SPLIT_DIGITS; i++) {
        if (s[i] < '0' || s[i] > '9') return false;
        *ret = *ret * 10 + (uint32_t)(s[i] - '0');
    }
    return true;
}

/* Whether path is named as a part of a split model, and which. */
static bool split_name(const char *path, uint32_t *ret_no, uint32_t *ret_count) {
    size_t len = strlen(path);
    if (len < SPLIT_SUFFIX_LEN) return false;
    const char *s = path + len - SPLIT_SUFFIX_LEN;
    return s[0] == '-' && digits(s + 1, ret_no) && memcmp(s + 6, "-of-", 4) == 0 &&
           digits(s + 10, ret_count) && strcmp(s + 15, ".gguf") == 0;
}

/* Path of part no (from 1) beside first; the caller's. */
static char *sibling(const char *first, uint32_t no) {
    char number[SPLIT_DIGITS + 6];
    char *path = strdup(first);
    if (!path) return NULL;
    snprintf(number, sizeof number, "%05u", no);
    memcpy(path + strlen(path) - SPLIT_SUFFIX_LEN + 1, number, SPLIT_DIGITS);
    return path;
}

static bool find_uint(const tn_gguf_part *part, const char *key, uint64_t *ret) {
    const tn_gguf_value *v = tn__gguf_part_find(part, key);
    if (!v) return false;
    switch (v->type) {
    case TN_GGUF_U8:
    case TN_GGUF_U16:
    case TN_GGUF_U32:
    case TN_GGUF_U64: *ret = v->u; return true;
    case TN_GGUF_I8:
    case TN_GGUF_I16:
    case TN_GGUF_I32:
    case TN_GGUF_I64: *ret = (uint64_t)v->i; return v->i >= 0;
    default: return false;
    }
}

/* How many files the model of this first part has, 1 where it is not split. */
static int count_parts(const tn_gguf_part *first, const char *path, uint32_t *ret, tn_error *err) {
    uint32_t name_no = 0, name_count = 0;
    uint64_t count = 1, no = 0;
    *ret = 1;
    bool named = split_name(path, &name_no, &name_count);
    find_uint(first, "split.count", &count);
    find_uint(first, "split.no", &no);
    if (count <= 1 && !(named && name_count > 1)) return 0;
    if (!named)
        return tn_fail(
            err, TN_EFORMAT,
            "%s: is one of %llu parts (split.count): its name must end in -00001-of-%05llu.gguf, with the "
            "other parts beside it",
            path, (unsigned long long)count, (unsigned long long)count);
    if (count != name_count || no + 1 != name_no)
        return tn_fail(err, TN_EFORMAT, "%s: its name says part %u of %u, its metadata say part %llu of %llu",
                       path, name_no, name_count, (unsigned long long)no + 1, (unsigned long long)count);
    if (no != 0) {
        char *one = sibling(path, 1);
        tn_fail(err, TN_EINVAL, "%s: is part %u of %u: open the first, %s", path, name_no, name_count,
                one ? one : "");
        free(one);
        return TN_EINVAL;
    }
    *ret = name_count;
    return 0;
}

static int open_sibling(tn_gguf *g, const char *first, uint32_t no, tn_error *err) {
    char *path = sibling(first, no + 1);
    if (!path) return tn_fail(err, TN_ENOMEM, "%s: out of memory", first);
    uint64_t said = 0, count = 0;
    int rc = tn__gguf_part_open(&g->parts[no], path, err);
    if (!rc) {
        find_uint(&g->parts[no], "split.no", &said);
        find_uint(&g->parts[no], "split.count", &count);
        if (said != no || count != g->n_parts)
            rc =
                tn_fail(err, TN_EFORMAT, "%s: its metadata say part %llu of %llu, it stands as part %u of %u",
                        path, (unsigned long long)said + 1, (unsigned long long)count, no + 1, g->n_parts);
    } else if (rc == TN_ENOENT) {
        tn_fail(err, rc, "%s: missing: the model has %u parts, all of them must lie in one directory", path,
                g->n_parts);
    }
    free(path);
    return rc;
}

static int open_siblings(tn_gguf *g, const char *path, tn_error *err) {
    uint32_t count;
    int rc = count_parts(&g->parts[0], path, &count, err);
    if (rc || count == 1) return rc;
    tn_gguf_part *all = realloc(g->parts, count * sizeof *all);
    if (!all) return tn_fail(err, TN_ENOMEM, "%s: out of memory", path);
    memset(all + 1, 0, (count - 1) * sizeof *all);
    g->parts = all;
    g->n_parts = count;
    for (uint32_t i = 1; i < count && !rc; i++) rc = open_sibling(g, path, i, err);
    return rc;
}

static int index_tensors(tn_gguf *g, tn_error *err) {
    const char *path = g->parts[0].map.path;
    uint64_t total = 0;
    for (uint32_t i = 0; i < g->n_parts; i++) total += g->parts[i].n_tensors;
    g->tensors = calloc(total ? total : 1, sizeof *g->tensors);
    g->names = tn_names_new();
    if (!g->tensors || !g->names) return tn_fail(err, TN_ENOMEM, "%s: out of memory", path);
    for (uint32_t i = 0; i < g->n_parts; i++)
        for (uint64_t j = 0; j < g->parts[i].n_tensors; j++) {
            const tn_tensor *t = &g->parts[i].tensors[j];
            int rc = tn_names_add(g->names, t->name, g->n_tensors);
            if (rc == TN_ENOMEM) return tn_fail(err, rc, "%s: out of memory", path);
            if (rc) return tn_fail(err, rc, "%s: tensor %s occurs twice", g->parts[i].map.path, t->name);
            g->tensors[g->n_tensors++] = t;
        }
    return 0;
}

static int check_total(const tn_gguf *g, tn_error *err) {
    uint64_t said;
    if (g->n_parts == 1 || !find_uint(&g->parts[0], "split.tensors.count", &said) || said == g->n_tensors)
        return 0;
    return tn_fail(err, TN_EFORMAT, "%s: split.tensors.count is %llu, its %u parts have %llu tensors",
                   g->parts[0].map.path, (unsigned long long)said, g->n_parts,
                   (unsigned long long)g->n_tensors);
}

/* With room for one part, which is empty. */
static tn_gguf *gguf_new(void) {
    tn_gguf *g = calloc(1, sizeof *g);
    if (!g) return NULL;
    g->parts = calloc(1, sizeof *g->parts);
    if (g->parts) g->n_parts = 1;
    return g;
}

/* The last step of opening, and its failures. */
static int finish(tn_gguf *g, int rc, tn_gguf **ret, tn_error *err) {
    if (!rc) rc = index_tensors(g, err);
    if (!rc) rc = check_total(g, err);
    if (!rc)
        *ret = g;
    else
        tn_gguf_close(g);
    return rc;
}

int tn_gguf_open(const char *path, tn_gguf **ret, tn_error *err) {
    tn_gguf *g = gguf_new();
    if (!g || !g->parts) return finish(g, tn_fail(err, TN_ENOMEM, "%s: out of memory", path), ret, err);
    int rc = tn__gguf_part_open(&g->parts[0], path, err);
    if (!rc) rc = open_siblings(g, path, err);
    return finish(g, rc, ret, err);
}

int tn_gguf_open_memory(const void *data, uint64_t size, const char *name, tn_gguf **ret, tn_error *err) {
    tn_gguf *g = gguf_new();
    if (!g || !g->parts) return finish(g, tn_fail(err, TN_ENOMEM, "%s: out of memory", name), ret, err);
    return finish(g, tn__gguf_part_open_memory(&g->parts[0], data, size, name, err), ret, err);
}

void tn_gguf_close(tn_gguf *g) {
    if (!g) return;
    for (uint32_t i = 0; i < g->n_parts; i++) tn__gguf_part_close(&g->parts[i]);
    free(g->parts);
    free(g->tensors);
    json_decref(g->names);
    free(g);
}

const tn_gguf_value *tn_gguf_find(const tn_gguf *g, const char *key) {
    return tn__gguf_part_find(&g->parts[0], key);
}

uint64_t tn_gguf_kv_count(const tn_gguf *g) {
    return g->parts[0].n_kv;
}

const tn_gguf_value *tn_gguf_kv_at(const tn_gguf *g, uint64_t i, const char **ret_key) {
    if (i >= g->parts[0].n_kv) return NULL;
    if (ret_key) *ret_key = g->parts[0].kv[i].key;
    return &g->parts[0].kv[i].value;
}

uint64_t tn_gguf_tensor_count(const tn_gguf *g) {
    return g->n_tensors;
}

const tn_tensor *tn_gguf_tensor_at(const tn_gguf *g, uint64_t i) {
    return i < g->n_tensors ? g->tensors[i] : NULL;
}

const tn_tensor *tn_gguf_tensor_find(const tn_gguf *g, const char *name) {
    uint64_t i;
    return tn_names_find(g->names, name, &i) ? g->tensors[i] : NULL;
}
