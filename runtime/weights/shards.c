/* SPDX-License-Identifier: Apache-2.0 */
#include "weights/shards.h"

#include <dirent.h>
#include <errno.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "weights/names.h"

#define SINGLE  "model.safetensors"
#define INDEX   "model.safetensors.index.json"
#define PATTERN "model*.safetensors"
enum { MAX_INDEX_BYTES = 64 << 20, MAX_SHARDS = 4096 };

static int add_file(tn_shards *s, const char *path, tn_error *err) {
    if (s->n == MAX_SHARDS) return tn_fail(err, TN_ELIMIT, "%s: one of more than %d files", path, MAX_SHARDS);
    tn_safetensors **files = realloc(s->files, (s->n + 1) * sizeof *files);
    if (!files) return tn_fail(err, TN_ENOMEM, "%s: out of memory", path);
    s->files = files;
    int rc = tn_safetensors_open(path, &files[s->n], err);
    if (!rc) s->n++;
    return rc;
}

/* A shard's name comes from outside: it must not lead out of the directory. */
static bool plain_name(const char *name) {
    size_t len = strlen(name);
    return len <= 255 && name[0] != '.' && !strchr(name, '/') && tn_name_printable(name, len) &&
           fnmatch("*.safetensors", name, 0) == 0;
}

/* Opens the file that the index names for a tensor unless it is open; opened maps names to positions in s. */
static int open_named(tn_shards *s, const char *dir, json_t *opened, const char *tensor, const char *file,
                      tn_error *err) {
    uint64_t i;
    if (!file || !plain_name(file))
        return tn_fail(err, TN_EFORMAT,
                       "%s/" INDEX ": what it says of tensor %.200s is not the name of a .safetensors file",
                       dir, tensor);
    if (!tn_names_find(opened, file, &i)) {
        char *path = tn_path_join(dir, file);
        int rc = path ? add_file(s, path, err) : tn_fail(err, TN_ENOMEM, "%s: out of memory", dir);
        if (rc == TN_ENOENT) tn_fail(err, rc, "%s: missing, but " INDEX " names it", path);
        free(path);
        if (!rc && tn_names_add(opened, file, s->n - 1))
            rc = tn_fail(err, TN_ENOMEM, "%s: out of memory", dir);
        if (rc) return rc;
        i = s->n - 1;
    }
    if (!tn_safetensors_tensor_find(s->files[i], tensor))
        return tn_fail(err, TN_EFORMAT, "%s/%s: has no tensor %.200s, but " INDEX " says so", dir, file,
                       tensor);
    return 0;
}

static int open_index(tn_shards *s, const char *dir, const char *path, tn_error *err) {
    json_t *index, *opened, *file;
    const char *tensor;
    int rc = tn_json_load(path, MAX_INDEX_BYTES, &index, err);
    if (rc) return rc;
    json_t *map = json_object_get(index, "weight_map");
    opened = tn_names_new();
    if (!opened) rc = tn_fail(err, TN_ENOMEM, "%s: out of memory", path);
    if (!json_object_size(map)) rc = tn_fail(err, TN_EFORMAT, "%s: has no weight_map, or an empty one", path);
    json_object_foreach(map, tensor, file) {
        if (rc) break;
        rc = open_named(s, dir, opened, tensor, json_string_value(file), err);
    }
    json_decref(opened);
    json_decref(index);
    return rc;
}

/* Without an index: a name of the form ...-0000I-of-0000N.safetensors says how many there should be. */
static int check_numbered(const char *path, size_t n_files, tn_error *err) {
    const char *of = strstr(path, "-of-");
    if (!of || fnmatch("*-of-[0-9][0-9][0-9][0-9][0-9].safetensors", path, 0) != 0) return 0;
    while (strstr(of + 1, "-of-")) of = strstr(of + 1, "-of-");
    unsigned long count = strtoul(of + 4, NULL, 10);
    if (count == n_files) return 0;
    return tn_fail(err, TN_ENOENT, "%s: one of %lu files by its name, %zu are there and there is no " INDEX,
                   path, count, n_files);
}

static int is_shard(const struct dirent *entry) {
    return fnmatch(PATTERN, entry->d_name, 0) == 0;
}

/* Not alphasort: the order must not depend on the locale. */
static int by_name(const struct dirent **a, const struct dirent **b) {
    return strcmp((*a)->d_name, (*b)->d_name);
}

static int open_found(tn_shards *s, const char *dir, const char *name, size_t n_found, tn_error *err) {
    char *path = tn_path_join(dir, name);
    if (!path) return tn_fail(err, TN_ENOMEM, "%s: out of memory", dir);
    int rc = check_numbered(path, n_found, err);
    if (!rc) rc = add_file(s, path, err);
    free(path);
    return rc;
}

static int open_pattern(tn_shards *s, const char *dir, tn_error *err) {
    struct dirent **found;
    int rc = 0, n = scandir(dir, &found, is_shard, by_name);
    if (n < 0) return tn_fail(err, errno == ENOMEM ? TN_ENOMEM : TN_EIO, "%s: %s", dir, strerror(errno));
    if (n == 0)
        rc = tn_fail(err, TN_ENOENT, "%s: no weights: neither " SINGLE " nor " INDEX " nor " PATTERN, dir);
    for (int i = 0; i < n; i++) {
        if (!rc) rc = open_found(s, dir, found[i]->d_name, (size_t)n, err);
        free(found[i]);
    }
    free(found);
    return rc;
}

int tn__shards_open(tn_shards *ret, const char *dir, tn_error *err) {
    *ret = (tn_shards){0};
    int rc;
    char *single = tn_path_join(dir, SINGLE), *index = tn_path_join(dir, INDEX);
    if (!single || !index)
        rc = tn_fail(err, TN_ENOMEM, "%s: out of memory", dir);
    else if (tn_file_exists(single))
        rc = add_file(ret, single, err);
    else if (tn_file_exists(index))
        rc = open_index(ret, dir, index, err);
    else
        rc = open_pattern(ret, dir, err);
    free(single);
    free(index);
    if (rc) tn__shards_close(ret);
    return rc;
}

void tn__shards_close(tn_shards *shards) {
    for (size_t i = 0; i < shards->n; i++) tn_safetensors_close(shards->files[i]);
    free(shards->files);
    *shards = (tn_shards){0};
}
