/* SPDX-License-Identifier: Apache-2.0 */
#include "weights/scaled.h"

#include <stdio.h>
#include <string.h>

#include "weights/names.h"

/* How the weights under one path are quantised. */
typedef struct scheme {
    const char *mode;
    tn_type type;
    uint32_t group, bits;
} scheme;

/* The modes that config.json can name, with the sizes that count where it names none. */
static const scheme modes[] = {
    {"affine", TN_TYPE_AFFINE, 64, 4},
    {"mxfp4", TN_TYPE_MLX_MXFP4, 32, 4},
    {"mxfp8", TN_TYPE_MLX_MXFP8, 32, 8},
    {"nvfp4", TN_TYPE_MLX_NVFP4, 16, 4},
};

typedef struct joiner {
    tn_tensor *tensors;
    const json_t *names;
    const json_t *mlx; /* config.json's quantization, or NULL */
    const char *dir;
    tn_error *err;
} joiner;

/* --- what config.json says --- */

static int read_mode(const joiner *j, const json_t *from, const char *path, scheme *ret) {
    const json_t *value = json_object_get(from, "mode");
    const char *mode = value ? json_string_value(value) : "affine";
    for (size_t i = 0; mode && i < sizeof modes / sizeof *modes; i++)
        if (strcmp(mode, modes[i].mode) == 0) {
            *ret = modes[i];
            return 0;
        }
    bool printable = mode && tn_name_printable(mode, strlen(mode));
    return tn_fail(j->err, TN_ENOTSUP, "%s/config.json: quantization mode %.64s of %.200s is not supported",
                   j->dir, printable ? mode : "(not a name)", path);
}

static uint32_t read_count(const json_t *from, const char *key, uint32_t absent) {
    const json_t *value = json_object_get(from, key);
    if (!value) return absent;
    json_int_t n = json_integer_value(value);
    return n > 0 && n <= 4096 ? (uint32_t)n : 0;
}

static bool possible(const scheme *s, const scheme *mode) {
    if (s->type != TN_TYPE_AFFINE) return s->bits == mode->bits && s->group == mode->group;
    bool bits = s->bits >= 2 && s->bits <= 8 && s->bits != 7;
    return bits && (s->group == 32 || s->group == 64 || s->group == 128);
}

/* from: the object that rules path: an override, or the whole. Sizes it leaves out are those of its mode. */
static int read_scheme(const joiner *j, const json_t *from, const char *path, scheme *ret) {
    scheme mode;
    int rc = read_mode(j, from, path, &mode);
    if (rc) return rc;
    *ret = mode;
    ret->bits = read_count(from, "bits", mode.bits);
    ret->group = read_count(from, "group_size", mode.group);
    if (possible(ret, &mode)) return 0;
    return tn_fail(j->err, TN_ENOTSUP,
                   "%s/config.json: %s quantization of %.200s with %u bits in groups of %u is not supported",
                   j->dir, mode.mode, path, ret->bits, ret->group);
}

static int find_scheme(const joiner *j, const char *path, scheme *ret) {
    const json_t *own = json_object_get(j->mlx, path);
    if (!j->mlx)
        return tn_fail(j->err, TN_EFORMAT, "%s: %.200s.scales is there, but config.json has no quantization",
                       j->dir, path);
    if (json_is_false(own))
        return tn_fail(j->err, TN_EFORMAT,
                       "%s: config.json says that %.200s is not quantised, but its .scales is there", j->dir,
                       path);
    if (own && !json_is_object(own) && !json_is_true(own))
        return tn_fail(j->err, TN_EFORMAT,
                       "%s/config.json: quantization of %.200s is neither an object nor a bool", j->dir,
                       path);
    return read_scheme(j, json_is_object(own) ? own : j->mlx, path, ret);
}

/* --- joining --- */

static tn_tensor *find(const joiner *j, const char *path, const char *suffix) {
    char name[TN_MAX_NAME + 16];
    uint64_t i;
    snprintf(name, sizeof name, "%s%s", path, suffix);
    return tn_names_find(j->names, name, &i) ? &j->tensors[i] : NULL;
}

static bool same_leading_dims(const tn_tensor *a, const tn_tensor *b, uint32_t n) {
    return memcmp(a->dim, b->dim, n * sizeof *a->dim) == 0;
}

static bool same_shape(const tn_tensor *a, const tn_tensor *b) {
    return a->n_dim == b->n_dim && same_leading_dims(a, b, a->n_dim);
}

static int disagree(const joiner *j, const tn_tensor *t, const tn_tensor *scales, const scheme *s) {
    return tn_fail(
        j->err, TN_EFORMAT,
        "%s: %.200s has rows of %llu words and %.200s rows of %llu: not the same weight in %s, %u bits, groups of "
        "%u (or their other dimensions differ)",
        j->dir, t->name, (unsigned long long)tn_tensor_cols(t), scales->name,
        (unsigned long long)tn_tensor_cols(scales), s->mode, s->bits, s->group);
}

/* Makes t the joined tensor and takes the parts out (their names become NULL). */
static void join(tn_tensor *t, const scheme *s, tn_tensor *scales, tn_tensor *biases, uint32_t n_dim) {
    t->n_dim = n_dim;
    t->dim[n_dim - 1] = tn_tensor_cols(scales) * s->group;
    t->type = s->type;
    t->bits = s->bits;
    t->group = s->group;
    t->scales = scales->data;
    t->scale_type = scales->type;
    scales->name = NULL;
    if (!biases) return;
    t->biases = biases->data;
    biases->name = NULL;
}

static int check_scales(const joiner *j, const char *path, const scheme *s, const tn_tensor *scales,
                        const tn_tensor *biases) {
    tn_type type = scales->type;
    bool affine = s->type == TN_TYPE_AFFINE;
    if (affine ? type != TN_TYPE_F32 && type != TN_TYPE_F16 && type != TN_TYPE_BF16 : type != TN_TYPE_U8)
        return tn_fail(j->err, TN_ENOTSUP, "%s: %.200s has type %s, which %s quantization does not use",
                       j->dir, scales->name, tn_type_info_get(type)->name, s->mode);
    if (affine != (biases != NULL))
        return tn_fail(j->err, TN_EFORMAT, "%s: %.200s.biases is %s, in %s quantization", j->dir, path,
                       biases ? "there" : "missing", s->mode);
    if (biases && (biases->type != type || !same_shape(biases, scales)))
        return tn_fail(j->err, TN_EFORMAT, "%s: %.200s.biases and .scales differ in shape or type", j->dir,
                       path);
    return 0;
}

/* P.weight of 32-bit words [.., cols * bits / 32], P.scales [.., cols / group], P.biases the same. */
static int join_mlx(const joiner *j, const char *path, tn_tensor *scales) {
    scheme s = {0};
    tn_tensor *t = find(j, path, ".weight"), *biases = find(j, path, ".biases");
    if (!t || t->type != TN_TYPE_U32) return 0; /* some other convention: plain tensors, as they stand */
    int rc = find_scheme(j, path, &s);
    if (!rc) rc = check_scales(j, path, &s, scales, biases);
    if (rc) return rc;
    if (find(j, path, ".global_scale"))
        return tn_fail(j->err, TN_ENOTSUP,
                       "%s: %.200s.global_scale: weights with a global scale are not supported", j->dir,
                       path);
    /* No overflow: there is a byte in the file for every scale. */
    if (t->n_dim != scales->n_dim || !same_leading_dims(t, scales, t->n_dim - 1) ||
        tn_tensor_cols(t) * 32 != tn_tensor_cols(scales) * s.group * s.bits)
        return disagree(j, t, scales, &s);
    join(t, &s, scales, biases, t->n_dim);
    return 0;
}

/* P_blocks of bytes [.., blocks, 16] and P_scales [.., blocks], as checkpoints with quant_method mxfp4 have
 * them: element 2i of a block is the low half of byte i. Those are the bytes of MLX's mxfp4. */
static int join_blocks(const joiner *j, const char *path, tn_tensor *scales) {
    const scheme s = modes[1];
    tn_tensor *t = find(j, path, "_blocks");
    if (!t || t->type != TN_TYPE_U8) return 0;
    if (scales->type != TN_TYPE_U8 || t->n_dim != scales->n_dim + 1 || tn_tensor_cols(t) != s.group / 2 ||
        !same_leading_dims(t, scales, scales->n_dim))
        return disagree(j, t, scales, &s);
    join(t, &s, scales, NULL, scales->n_dim);
    return 0;
}

/* Whether name is PATH followed by suffix. */
static bool split_name(const char *name, const char *suffix, char path[static TN_MAX_NAME + 1]) {
    size_t len = strlen(name), tail = strlen(suffix);
    if (len <= tail || strcmp(name + len - tail, suffix) != 0) return false;
    memcpy(path, name, len - tail);
    path[len - tail] = 0;
    return true;
}

static int join_one(const joiner *j, tn_tensor *t, bool blocks) {
    char path[TN_MAX_NAME + 1];
    if (t->name && split_name(t->name, ".scales", path)) return join_mlx(j, path, t);
    if (t->name && blocks && split_name(t->name, "_scales", path)) return join_blocks(j, path, t);
    return 0;
}

/* The quantisation methods of other libraries: their tensors would be taken for plain ones. */
static int check_method(const joiner *j, const json_t *config, bool *ret_blocks) {
    const json_t *q = json_object_get(config, "quantization_config");
    if (!q) q = json_object_get(json_object_get(config, "text_config"), "quantization_config");
    const char *method = json_string_value(json_object_get(q, "quant_method"));
    *ret_blocks = method && strcmp(method, "mxfp4") == 0;
    if (!method || *ret_blocks || j->mlx) return 0;
    return tn_fail(
        j->err, TN_ENOTSUP,
        "%s/config.json: quant_method %.64s is not supported; use the original, a GGUF or an MLX version",
        j->dir, tn_name_printable(method, strlen(method)) ? method : "(unprintable)");
}

/* MLX writes its settings under both names; other libraries have a quant_method under the second. */
static const json_t *find_mlx(const json_t *config) {
    const json_t *q = json_object_get(config, "quantization");
    if (json_is_object(q)) return q;
    q = json_object_get(config, "quantization_config");
    return json_is_object(q) && !json_object_get(q, "quant_method") ? q : NULL;
}

int tn__scaled_join(tn_tensor *tensors, uint64_t *n, const json_t *names, const json_t *config,
                    const char *dir, tn_error *err) {
    joiner j = {tensors, names, find_mlx(config), dir, err};
    bool blocks;
    int rc = check_method(&j, config, &blocks);
    for (uint64_t i = 0; !rc && i < *n; i++) rc = join_one(&j, &tensors[i], blocks);
    if (rc) return rc;
    uint64_t left = 0;
    for (uint64_t i = 0; i < *n; i++)
        if (tensors[i].name) tensors[left++] = tensors[i];
    *n = left;
    return 0;
}
