/* SPDX-License-Identifier: Apache-2.0 */
#include "media/local_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"

/* ---- Below a root ---- */

/* The part of path after root and a slash, both canonical; NULL where it is not below. */
static const char *below(const char *root, const char *path) {
    size_t n = strlen(root);
    while (n && root[n - 1] == '/') n--;
    return strncmp(path, root, n) == 0 && path[n] == '/' ? path + n + 1 : NULL;
}

/* Opens what is there under name, without waiting for the other end of a pipe or waking a device. */
static int open_regular(int dir, const char *name) {
    struct stat st;
    if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(st.st_mode)) return -1;
    int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd >= 0 && (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))) {
        close(fd);
        return -1;
    }
    return fd;
}

/* Walks a canonical path from the folder dir, which is closed, without following links. */
static int open_walking(int dir, char *path) {
    char *rest = NULL, *name = strtok_r(path, "/", &rest);
    while (dir >= 0 && name) {
        char *next = strtok_r(NULL, "/", &rest);
        int fd = next ? openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
                      : open_regular(dir, name);
        close(dir);
        dir = fd;
        name = next;
    }
    return dir;
}

static int open_below(const char *root, const char *path) {
    char canonical_root[PATH_MAX], canonical[PATH_MAX];
    char *from_root = *path == '/' ? NULL : tn_path_join(root, path);
    const char *whole = *path == '/' ? path : from_root;
    bool found = whole && realpath(root, canonical_root) && realpath(whole, canonical);
    free(from_root);
    const char *inside = found ? below(canonical_root, canonical) : NULL;
    if (!inside || !*inside) return -1;
    int dir = open(canonical_root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return open_walking(dir, canonical + (inside - canonical));
}

/* ---- Reading ---- */

/* All of fd, which may grow or shrink meanwhile. */
static int read_all(int fd, const char *path, uint8_t *bytes, size_t n, size_t *ret_len, tn_error *err) {
    size_t at = 0;
    while (at < n) {
        ssize_t got = read(fd, bytes + at, n - at);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return tn_fail(err, TN_EIO, "%.200s: %s", path, strerror(errno));
        if (got == 0) break;
        at += (size_t)got;
    }
    *ret_len = at;
    return 0;
}

/* Closes fd. */
static int read_file(int fd, const char *path, uint64_t max, uint8_t **ret, size_t *ret_len, tn_error *err) {
    struct stat st;
    int rc = fstat(fd, &st) == 0 ? 0 : tn_fail(err, TN_EIO, "%.200s: %s", path, strerror(errno));
    uint64_t size = rc || st.st_size < 0 ? 0 : (uint64_t)st.st_size;
    if (!rc && (size > max || size > SIZE_MAX - 1))
        rc = tn_fail(err, TN_ELIMIT, "%.200s: %llu bytes, the limit is %llu", path, (unsigned long long)size,
                     (unsigned long long)max);
    uint8_t *bytes = rc ? NULL : malloc((size_t)size + 1);
    if (!rc && !bytes)
        rc = tn_fail(err, TN_ENOMEM, "out of memory: %.200s has %llu bytes", path, (unsigned long long)size);
    if (!rc) rc = read_all(fd, path, bytes, (size_t)size, ret_len, err);
    close(fd);
    if (rc)
        free(bytes);
    else
        *ret = bytes;
    return rc;
}

int tn_local_file_read(const char *const *roots, size_t n_roots, const char *path, uint64_t max,
                       uint8_t **ret, size_t *ret_len, tn_error *err) {
    if (n_roots == 0)
        return tn_fail(err, TN_EINVAL,
                       "\"%.200s\" is taken for a path, and this server opens no files (media.roots)", path);
    for (size_t i = 0; i < n_roots; i++) {
        int fd = open_below(roots[i], path);
        if (fd >= 0) return read_file(fd, path, max, ret, ret_len, err);
    }
    return tn_fail(err, TN_EINVAL,
                   "\"%.200s\" is taken for a path, and there is no such file below media.roots", path);
}

int tn_own_file_read(const char *path, uint64_t max, uint8_t **ret, size_t *ret_len, tn_error *err) {
    struct stat st;
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd < 0)
        return tn_fail(err, errno == ENOENT ? TN_ENOENT : TN_EIO, "%.200s: %s", path, strerror(errno));
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode)) return read_file(fd, path, max, ret, ret_len, err);
    close(fd);
    return tn_fail(err, TN_EINVAL, "%.200s: this is not a regular file", path);
}
