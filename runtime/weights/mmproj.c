/* SPDX-License-Identifier: Apache-2.0 */
#include "weights/mmproj.h"

#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/status.h"

enum { MAX_NAMED = 8, MAX_NAMES = 1 << 16 };

static const char *base_name(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* The folder of path; the caller's, or NULL when memory is short. */
static char *folder_of(const char *path) {
    size_t n = (size_t)(base_name(path) - path);
    if (n == 0) return strdup(".");
    return strndup(path, n > 1 ? n - 1 : 1);
}

/* "-00001-of-00002.gguf" */
static bool is_part(const char *name) {
    static const char pattern[] = "-ddddd-of-ddddd.gguf";
    const size_t n = sizeof pattern - 1, len = strlen(name);
    for (size_t i = 0; i < n && len >= n; i++) {
        char c = name[len - n + i];
        if (pattern[i] == 'd' ? c < '0' || c > '9' : c != pattern[i]) return false;
    }
    return len >= n;
}

static bool is_wanted(const char *name) {
    const size_t len = strlen(name);
    return strncmp(name, "mmproj", 6) == 0 && len > 11 && strcmp(name + len - 5, ".gguf") == 0 &&
           !is_part(name);
}

typedef struct found {
    char *first; /* owned */
    uint32_t n;
    tn_buf names;
} found;

static int look_in(const char *folder, const char *own, found *f, tn_error *err) {
    DIR *d = opendir(folder);
    if (!d) return tn_fail(err, TN_EIO, "%s: %s", folder, strerror(errno));
    int rc = 0;
    for (const struct dirent *e; !rc && (e = readdir(d));) {
        if (!is_wanted(e->d_name) || strcmp(e->d_name, own) == 0) continue;
        char *path = tn_path_join(folder, e->d_name);
        if (!path) rc = tn_fail(err, TN_ENOMEM, "out of memory");
        if (path && tn_file_exists(path)) {
            if (f->n < MAX_NAMED) tn_buf_addf(&f->names, "%s%s", f->n ? ", " : "", e->d_name);
            if (f->n++ == 0) {
                f->first = path;
                path = NULL;
            }
        }
        free(path);
    }
    closedir(d);
    return rc;
}

int tn_mmproj_find(const char *model, char **ret_path, tn_error *err) {
    found f = {0};
    char *folder = folder_of(model);
    *ret_path = NULL;
    tn_buf_init(&f.names, MAX_NAMES);
    int rc = folder ? look_in(folder, base_name(model), &f, err) : tn_fail(err, TN_ENOMEM, "out of memory");
    if (!rc && f.n > 1)
        rc = tn_fail(err, TN_EINVAL,
                     "%s has %u files that could be its vision tower (%s%s): name one with mmproj", folder,
                     f.n, f.names.data ? f.names.data : "", f.n > MAX_NAMED ? ", ..." : "");
    if (!rc) {
        *ret_path = f.first;
        f.first = NULL;
    }
    tn_buf_free(&f.names);
    free(f.first);
    free(folder);
    return rc;
}

int tn_mmproj_resolve(const char *model, const char *name, char **ret_path, tn_error *err) {
    char *path = NULL, *folder = NULL;
    *ret_path = NULL;
    if (strchr(name, '/') || tn_file_exists(name))
        path = strdup(name);
    else if ((folder = folder_of(model)))
        path = tn_path_join(folder, name);
    free(folder);
    if (!path) return tn_fail(err, TN_ENOMEM, "out of memory");
    if (tn_file_exists(path)) {
        *ret_path = path;
        return 0;
    }
    int rc = tn_fail(err, TN_ENOENT, "%s: there is no such file (mmproj)", path);
    free(path);
    return rc;
}
