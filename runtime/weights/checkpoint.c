/* SPDX-License-Identifier: Apache-2.0 */
#include "weights/checkpoint.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "weights/names.h"
#include "weights/scaled.h"
#include "weights/shards.h"

enum { MAX_CONFIG_BYTES = 16 << 20 };

struct tn_checkpoint {
    char *path;
    json_t *config, *generation, *image_processor, *video_processor; /* or NULL */
    tn_gguf *mmproj;                                                 /* or NULL */
    tn_gguf *gguf;                                                   /* or NULL, then: */
    tn_shards shards;
    tn_tensor
        *tensors; /* [n_tensors], copies of the files' with quantised weights joined; names are the files' */
    uint64_t n_tensors;
    json_t *names;
    uint64_t bytes;
};

static int no_memory(const tn_checkpoint *c, tn_error *err) {
    return tn_fail(err, TN_ENOMEM, "%s: out of memory", c->path);
}

/* --- directory --- */

static int load_object(const tn_checkpoint *c, const char *name, json_t **ret, tn_error *err) {
    char *path = tn_path_join(c->path, name);
    if (!path) return no_memory(c, err);
    int rc = tn_json_load(path, MAX_CONFIG_BYTES, ret, err);
    if (!rc && !json_is_object(*ret)) rc = tn_fail(err, TN_EFORMAT, "%s: not a JSON object", path);
    free(path);
    return rc;
}

static int load_configs(tn_checkpoint *c, tn_error *err) {
    int rc = load_object(c, "config.json", &c->config, err);
    if (rc == TN_ENOENT)
        return tn_fail(
            err, rc,
            "%s: no config.json: not a checkpoint (a directory needs config.json and *.safetensors; a GGUF model "
            "is named by its .gguf file)",
            c->path);
    if (rc) return rc;
    rc = load_object(c, "generation_config.json", &c->generation, err);
    if (rc == 0 || rc == TN_ENOENT) rc = load_object(c, "preprocessor_config.json", &c->image_processor, err);
    if (rc == 0 || rc == TN_ENOENT)
        rc = load_object(c, "video_preprocessor_config.json", &c->video_processor, err);
    return rc == TN_ENOENT ? 0 : rc;
}

/* names for tensors[0 .. n_tensors). */
static int index_tensors(tn_checkpoint *c, tn_error *err) {
    json_decref(c->names);
    c->names = tn_names_new();
    if (!c->names) return no_memory(c, err);
    for (uint64_t i = 0; i < c->n_tensors; i++) {
        int rc = tn_names_add(c->names, c->tensors[i].name, i);
        if (rc == TN_ENOMEM) return no_memory(c, err);
        if (rc) return tn_fail(err, rc, "%s: tensor %s is in two files", c->path, c->tensors[i].name);
    }
    return 0;
}

static int collect_shards(tn_checkpoint *c, tn_error *err) {
    uint64_t total = 0;
    for (size_t i = 0; i < c->shards.n; i++) total += tn_safetensors_tensor_count(c->shards.files[i]);
    c->tensors = calloc(total ? total : 1, sizeof *c->tensors);
    if (!c->tensors) return no_memory(c, err);
    for (size_t i = 0; i < c->shards.n; i++)
        for (uint64_t j = 0; j < tn_safetensors_tensor_count(c->shards.files[i]); j++) {
            c->tensors[c->n_tensors] = *tn_safetensors_tensor_at(c->shards.files[i], j);
            c->bytes += c->tensors[c->n_tensors++].bytes;
        }
    return index_tensors(c, err);
}

static int open_directory(tn_checkpoint *c, tn_error *err) {
    int rc = load_configs(c, err);
    if (!rc) rc = tn__shards_open(&c->shards, c->path, err);
    if (!rc) rc = collect_shards(c, err);
    if (!rc) rc = tn__scaled_join(c->tensors, &c->n_tensors, c->names, c->config, c->path, err);
    if (!rc) rc = index_tensors(c, err);
    return rc;
}

/* --- GGUF --- */

static uint64_t bytes_of(const tn_gguf *g) {
    uint64_t n = 0;
    for (uint64_t i = 0; i < tn_gguf_tensor_count(g); i++) n += tn_gguf_tensor_at(g, i)->bytes;
    return n;
}

static int open_file(tn_checkpoint *c, tn_error *err) {
    size_t len = strlen(c->path);
    if (len > 12 && strcmp(c->path + len - 12, ".safetensors") == 0)
        return tn_fail(err, TN_EINVAL, "%s: name the directory, which has config.json and the tokenizer too",
                       c->path);
    int rc = tn_gguf_open(c->path, &c->gguf, err);
    if (rc) return rc;
    c->bytes = bytes_of(c->gguf);
    return 0;
}

/* A string of the metadata for messages; "" where it is none. */
static const char *text_of(const tn_gguf *g, const char *key, char ret[64]) {
    const tn_gguf_value *v = tn_gguf_find(g, key);
    bool there = v && v->type == TN_GGUF_STRING && v->len < 64;
    snprintf(ret, 64, "%.*s", there ? (int)v->len : 0, there ? v->data : "");
    return ret;
}

static int check_mmproj(const tn_gguf *g, const char *path, tn_error *err) {
    char arch[64];
    if (strcmp(text_of(g, "general.architecture", arch), "clip") != 0)
        return tn_fail(err, TN_EINVAL,
                       "%s: general.architecture is \"%s\", files with a vision tower (mmproj) have \"clip\"",
                       path, arch);
    if (!tn_gguf_tensor_find(g, "v.patch_embd.weight"))
        return tn_fail(err, TN_EINVAL, "%s: has no tensor v.patch_embd.weight: it holds no vision tower",
                       path);
    return 0;
}

int tn_checkpoint_add_mmproj(tn_checkpoint *c, const char *path, tn_error *err) {
    tn_gguf *g;
    if (!c->gguf)
        return tn_fail(err, TN_EINVAL,
                       "%s: a directory has its vision tower in its own files, %s is not used", c->path,
                       path);
    int rc = tn_gguf_open(path, &g, err);
    if (rc) return rc;
    rc = check_mmproj(g, path, err);
    if (rc) {
        tn_gguf_close(g);
        return rc;
    }
    tn_checkpoint_drop_mmproj(c);
    c->mmproj = g;
    c->bytes += bytes_of(g);
    return 0;
}

void tn_checkpoint_drop_mmproj(tn_checkpoint *c) {
    if (!c->mmproj) return;
    c->bytes -= bytes_of(c->mmproj);
    tn_gguf_close(c->mmproj);
    c->mmproj = NULL;
}

/* --- either --- */

int tn_checkpoint_open(const char *path, tn_checkpoint **ret, tn_error *err) {
    tn_checkpoint *c = calloc(1, sizeof *c);
    if (!c) return tn_fail(err, TN_ENOMEM, "%s: out of memory", path);
    c->path = strdup(path);
    int rc = !c->path              ? tn_fail(err, TN_ENOMEM, "%s: out of memory", path)
             : tn_dir_exists(path) ? open_directory(c, err)
                                   : open_file(c, err);
    if (rc) {
        tn_checkpoint_close(c);
        return rc;
    }
    *ret = c;
    return 0;
}

void tn_checkpoint_close(tn_checkpoint *c) {
    if (!c) return;
    free(c->tensors);
    json_decref(c->names);
    tn__shards_close(&c->shards);
    tn_gguf_close(c->mmproj);
    tn_gguf_close(c->gguf);
    json_decref(c->config);
    json_decref(c->generation);
    json_decref(c->image_processor);
    json_decref(c->video_processor);
    free(c->path);
    free(c);
}

const char *tn_checkpoint_path(const tn_checkpoint *c) {
    return c->path;
}

json_t *tn_checkpoint_config(const tn_checkpoint *c) {
    return c->config;
}

const tn_gguf *tn_checkpoint_gguf(const tn_checkpoint *c) {
    return c->gguf;
}

const tn_gguf *tn_checkpoint_mmproj(const tn_checkpoint *c) {
    return c->mmproj;
}

json_t *tn_checkpoint_generation_config(const tn_checkpoint *c) {
    return c->generation;
}

json_t *tn_checkpoint_processor_config(const tn_checkpoint *c, bool video) {
    return video ? c->video_processor : c->image_processor;
}

uint64_t tn_checkpoint_tensor_count(const tn_checkpoint *c) {
    if (!c->gguf) return c->n_tensors;
    return tn_gguf_tensor_count(c->gguf) + (c->mmproj ? tn_gguf_tensor_count(c->mmproj) : 0);
}

const tn_tensor *tn_checkpoint_tensor_at(const tn_checkpoint *c, uint64_t i) {
    const uint64_t n = c->gguf ? tn_gguf_tensor_count(c->gguf) : 0;
    if (c->gguf && i >= n) return c->mmproj ? tn_gguf_tensor_at(c->mmproj, i - n) : NULL;
    if (c->gguf) return tn_gguf_tensor_at(c->gguf, i);
    return i < c->n_tensors ? &c->tensors[i] : NULL;
}

static bool is_of_tower(const char *name) {
    return strncmp(name, "v.", 2) == 0 || strncmp(name, "mm.", 3) == 0;
}

const tn_tensor *tn_checkpoint_tensor_find(const tn_checkpoint *c, const char *name) {
    uint64_t i;
    if (c->gguf && is_of_tower(name)) return c->mmproj ? tn_gguf_tensor_find(c->mmproj, name) : NULL;
    if (c->gguf) return tn_gguf_tensor_find(c->gguf, name);
    return tn_names_find(c->names, name, &i) ? &c->tensors[i] : NULL;
}

uint64_t tn_checkpoint_bytes(const tn_checkpoint *c) {
    return c->bytes;
}
