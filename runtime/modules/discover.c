/* SPDX-License-Identifier: Apache-2.0 */
#include "modules/discover.h"

#include <dirent.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/file.h"

#ifndef TN_MODULE_DIR
#    error "TN_MODULE_DIR, the folder where modules are installed, comes from the makefile"
#endif

typedef struct walk {
    tn_module_files *files;
    struct {
        dev_t dev;
        ino_t ino;
    } seen[TN_DISCOVER_FILES];
    tn_error *err;
} walk;

char *tn_discover_default_path(void) {
    const char *own = getenv("TENON_MODULE_PATH");
    if (!own || !*own) return strdup(TN_MODULE_DIR);
    tn_buf b;
    tn_buf_init(&b, 1 << 20);
    tn_buf_addf(&b, "%s:%s", own, TN_MODULE_DIR);
    return tn_buf_steal(&b, NULL);
}

static bool has_suffix(const char *name, const char *suffix) {
    size_t n = strlen(name), m = strlen(suffix);
    return n > m && strcmp(name + n - m, suffix) == 0;
}

static int add_file(walk *w, const char *path, const struct stat *st) {
    tn_module_files *f = w->files;
    for (size_t i = 0; i < f->n; i++)
        if (w->seen[i].dev == st->st_dev && w->seen[i].ino == st->st_ino) return 0;
    if (f->n == TN_DISCOVER_FILES)
        return tn_fail(w->err, TN_ELIMIT,
                       "more than %d .so files on the module path; the last was %s: name a narrower folder",
                       TN_DISCOVER_FILES, path);
    char *copy = strdup(path);
    if (!copy) return tn_fail(w->err, TN_ENOMEM, "out of memory");
    w->seen[f->n].dev = st->st_dev;
    w->seen[f->n].ino = st->st_ino;
    f->path[f->n++] = copy;
    return 0;
}

static int wanted(const struct dirent *d) {
    return d->d_name[0] != '.' || strcmp(d->d_name, ".libs") == 0;
}

static int by_bytes(const struct dirent **a, const struct dirent **b) {
    return strcmp((*a)->d_name, (*b)->d_name);
}

static int add_folder(walk *w, const char *folder, int depth);

static int add_path(walk *w, const char *path, int depth) {
    struct stat st;
    if (stat(path, &st) != 0) return 0;
    if (S_ISREG(st.st_mode)) return has_suffix(path, ".so") ? add_file(w, path, &st) : 0;
    return S_ISDIR(st.st_mode) && depth <= TN_DISCOVER_DEPTH ? add_folder(w, path, depth) : 0;
}

static int add_folder(walk *w, const char *folder, int depth) {
    struct dirent **list = NULL;
    int n = scandir(folder, &list, wanted, by_bytes), rc = 0;
    for (int i = 0; i < n; i++) {
        char *path = rc ? NULL : tn_path_join(folder, list[i]->d_name);
        if (!rc) rc = path ? add_path(w, path, depth + 1) : tn_fail(w->err, TN_ENOMEM, "out of memory");
        free(path);
        free(list[i]);
    }
    free(list);
    return rc;
}

/* An element of the path, made absolute: files are opened later, perhaps from another folder. */
static int add_element(walk *w, const char *element) {
    char here[PATH_MAX];
    char *path = NULL;
    if (element[0] == '/')
        path = strdup(element);
    else if (getcwd(here, sizeof here))
        path = tn_path_join(here, element);
    else
        return 0;
    int rc = path ? add_path(w, path, 0) : tn_fail(w->err, TN_ENOMEM, "out of memory");
    free(path);
    return rc;
}

int tn_discover(const char *search_path, tn_module_files *ret, tn_error *err) {
    int rc = 0;
    *ret = (tn_module_files){.path = calloc(TN_DISCOVER_FILES, sizeof(char *))};
    walk *w = calloc(1, sizeof *w);
    char *copy = strdup(search_path), *rest = copy;
    if (!ret->path || !w || !copy) {
        rc = tn_fail(err, TN_ENOMEM, "out of memory");
        goto out;
    }
    w->files = ret;
    w->err = err;
    for (char *element; !rc && (element = strsep(&rest, ":"));)
        if (*element) rc = add_element(w, element);
out:
    free(copy);
    free(w);
    if (rc) tn_module_files_free(ret);
    return rc;
}

void tn_module_files_free(tn_module_files *files) {
    for (size_t i = 0; i < files->n; i++) free(files->path[i]);
    free(files->path);
    *files = (tn_module_files){0};
}
