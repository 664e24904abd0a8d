/* SPDX-License-Identifier: Apache-2.0 */
/* The file: {"release": "0.1.0", "abi": "0.1", "files": {PATH: {"size": n, "mtime_ns": n, "facts": {...}}}}
 */
#include "config.h"

#include "modules/cache.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "modules/facts.h"

enum { FILE_MAX = 8 << 20, ENTRY_MAX = 2048 };

struct tn_scan_cache {
    char *file; /* NULL: nothing is kept */
    json_t *files;
    bool changed;
};

#ifdef __APPLE__
#    define st_mtim st_mtimespec
#endif

bool tn_scan_stamp_init(tn_scan_stamp *ret, const char *path) {
    struct stat st;
    *ret = (tn_scan_stamp){.path = realpath(path, NULL)};
    if (!ret->path || stat(ret->path, &st) != 0) {
        tn_scan_stamp_fini(ret);
        return false;
    }
    ret->size_bytes = (int64_t)st.st_size;
    ret->mtime_ns = (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
    return true;
}

void tn_scan_stamp_fini(tn_scan_stamp *stamp) {
    free(stamp->path);
    *stamp = (tn_scan_stamp){0};
}

/* ---- Reading ---- */

static char *default_file(void) {
    const char *named = getenv("TENON_MODULE_CACHE"), *cache = getenv("XDG_CACHE_HOME"),
               *home = getenv("HOME");
    if (named && *named) return strdup(named);
    if (cache && cache[0] == '/') return tn_path_join(cache, "tenon/modules.json");
    return home && home[0] == '/' ? tn_path_join(home, ".cache/tenon/modules.json") : NULL;
}

static bool is_text(const json_t *object, const char *key, const char *expected) {
    const char *text = json_string_value(json_object_get(object, key));
    return text && strcmp(text, expected) == 0;
}

/* The "files" object, empty when the cache is absent, damaged, or another release's. */
static json_t *read_files(const char *file) {
    json_t *root = NULL, *files = NULL;
    tn_error err = {0};
    int rc = file ? tn_json_load(file, FILE_MAX, &root, &err) : TN_ENOENT;
    if (rc && rc != TN_ENOENT)
        tn_log(TN_LOG_DEBUG, "modules", "the cache of scans is not used: %s", err.text);
    if (!rc && is_text(root, "release", PACKAGE_VERSION) && is_text(root, "abi", TN_ABI_TEXT))
        files = json_incref(json_object_get(root, "files"));
    json_decref(root);
    if (json_is_object(files)) return files;
    json_decref(files);
    return json_object();
}

tn_scan_cache *tn_scan_cache_new(const char *file) {
    tn_scan_cache *c = calloc(1, sizeof *c);
    if (!c) return NULL;
    c->file = file ? strdup(file) : default_file();
    if (c->file && strcmp(c->file, "off") == 0) {
        free(c->file);
        c->file = NULL;
    }
    c->files = read_files(c->file);
    if (c->files) return c;
    tn_scan_cache_free(c);
    return NULL;
}

static bool is_number(const json_t *object, const char *key, int64_t expected) {
    const json_t *n = json_object_get(object, key);
    return json_is_integer(n) && json_integer_value(n) == expected;
}

json_t *tn_scan_cache_get(const tn_scan_cache *c, const tn_scan_stamp *stamp) {
    const json_t *entry = json_object_get(c->files, stamp->path);
    json_t *facts = json_object_get(entry, "facts");
    if (!is_number(entry, "size", stamp->size_bytes) || !is_number(entry, "mtime_ns", stamp->mtime_ns))
        return NULL;
    return tn_facts_valid(facts) ? json_incref(facts) : NULL;
}

/* ---- Writing ---- */

void tn_scan_cache_put(tn_scan_cache *c, const tn_scan_stamp *stamp, json_t *facts) {
    if (!c->file) return;
    json_t *entry = json_pack("{s:I,s:I,s:O}", "size", (json_int_t)stamp->size_bytes, "mtime_ns",
                              (json_int_t)stamp->mtime_ns, "facts", facts);
    /* Fails for a path that is not UTF-8: such a module is scanned every time. */
    if (entry && json_object_set_new(c->files, stamp->path, entry) == 0) c->changed = true;
}

static void forget_absent_files(json_t *files) {
    const char *path;
    json_t *entry;
    void *next;
    json_object_foreach_safe(files, next, path, entry) if (!tn_file_exists(path))
        json_object_del(files, path);
    if (json_object_size(files) > ENTRY_MAX) json_object_clear(files);
}

/* Creates the last two folders of a path where they are missing: ~/.cache may be, and tenon in it. */
static void make_folders(const char *file) {
    char path[PATH_MAX];
    char *slash[2] = {NULL, NULL};
    if ((size_t)snprintf(path, sizeof path, "%s", file) >= sizeof path) return;
    for (char *p = path + 1; *p; p++)
        if (*p == '/') {
            slash[0] = slash[1];
            slash[1] = p;
        }
    for (int i = 0; i < 2; i++) {
        if (!slash[i]) continue;
        *slash[i] = 0;
        mkdir(path, 0700);
        *slash[i] = '/';
    }
}

static int write_replacing(const char *file, const char *text, size_t len) {
    char temporary[PATH_MAX];
    if ((size_t)snprintf(temporary, sizeof temporary, "%s.XXXXXX", file) >= sizeof temporary) return -1;
    int fd = mkstemp(temporary);
    if (fd < 0) return -1;
    bool written = write(fd, text, len) == (ssize_t)len;
    if (close(fd) == 0 && written && rename(temporary, file) == 0) return 0;
    unlink(temporary);
    return -1;
}

static void write_files(tn_scan_cache *c) {
    forget_absent_files(c->files);
    json_t *root =
        json_pack("{s:s,s:s,s:O}", "release", PACKAGE_VERSION, "abi", TN_ABI_TEXT, "files", c->files);
    char *text = root ? json_dumps(root, JSON_COMPACT) : NULL;
    json_decref(root);
    if (!text) return;
    make_folders(c->file);
    if (write_replacing(c->file, text, strlen(text)) != 0)
        tn_log(TN_LOG_DEBUG, "modules", "%s: the cache of scans cannot be written: %s", c->file,
               strerror(errno));
    free(text);
}

void tn_scan_cache_free(tn_scan_cache *c) {
    if (!c) return;
    if (c->changed && c->file) write_files(c);
    json_decref(c->files);
    free(c->file);
    free(c);
}
