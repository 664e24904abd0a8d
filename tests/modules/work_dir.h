/* SPDX-License-Identifier: Apache-2.0 */
/* A folder for one test, and files in it. */
#ifndef TN_TESTS_WORK_DIR_H
#define TN_TESTS_WORK_DIR_H

#include <ftw.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct work_dir {
    char path[512];
} work_dir;

static inline bool work_dir_init(work_dir *d) {
    const char *tmp = getenv("TMPDIR");
    snprintf(d->path, sizeof d->path, "%s/tenon-test-XXXXXX", tmp && *tmp ? tmp : "/tmp");
    return mkdtemp(d->path) != NULL;
}

static inline int work_dir_remove_one(const char *path, const struct stat *st, int kind, struct FTW *ftw) {
    return remove(path);
}

static inline void work_dir_fini(work_dir *d) {
    nftw(d->path, work_dir_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* dir/name in one of sixteen static buffers. */
static inline const char *work_dir_at(const work_dir *d, const char *name) {
    static char paths[16][1024];
    static int next;
    char *path = paths[next++ % 16];
    snprintf(path, sizeof paths[0], "%s/%s", d->path, name);
    return path;
}

static inline const char *work_dir_folder(const work_dir *d, const char *name) {
    const char *path = work_dir_at(d, name);
    return mkdir(path, 0700) == 0 ? path : NULL;
}

static inline bool work_dir_write(const char *path, const void *bytes, size_t n) {
    FILE *f = fopen(path, "wb");
    if (!f) return false;
    bool ok = fwrite(bytes, 1, n, f) == n;
    return fclose(f) == 0 && ok;
}

/* Copies the first max bytes of a file. */
static inline bool work_dir_copy(const char *from, const char *to, size_t max) {
    char *bytes = malloc(1 << 24);
    FILE *f = fopen(from, "rb");
    size_t n = f && bytes ? fread(bytes, 1, max < 1 << 24 ? max : 1 << 24, f) : 0;
    bool ok = n && work_dir_write(to, bytes, n);
    if (f) fclose(f);
    free(bytes);
    return ok;
}

#endif
