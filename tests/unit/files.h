/* SPDX-License-Identifier: Apache-2.0 */
/* Folders and files that a test makes and takes away again. Include after unit.h. */
#ifndef TN_TESTS_FILES_H
#define TN_TESTS_FILES_H

#include <dirent.h>
#include <unistd.h>

/* A new empty folder; one at a time. */
static inline const char *unit_temp_dir(void) {
    static char dir[4096];
    const char *tmp = getenv("TMPDIR");
    snprintf(dir, sizeof dir, "%s/tenon-test-XXXXXX", tmp && *tmp ? tmp : "/tmp");
    assert_non_null(mkdtemp(dir));
    return dir;
}

static inline void unit_write(const char *path, const void *data, size_t n) {
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, n, f), n);
    assert_int_equal(fclose(f), 0);
}

static inline void unit_write_in(const char *dir, const char *name, const char *text) {
    char path[4400];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    unit_write(path, text, strlen(text));
}

static inline void unit_remove(const char *dir, const char *name) {
    char path[4400];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    assert_int_equal(unlink(path), 0);
}

/* dir and the files in it. */
static inline void unit_remove_dir(const char *dir) {
    DIR *d = opendir(dir);
    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d));)
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0) unit_remove(dir, e->d_name);
    closedir(d);
    assert_int_equal(rmdir(dir), 0);
}

#endif
