/* SPDX-License-Identifier: Apache-2.0 */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"

static int open_regular(const char *path, int *ret_fd, uint64_t *ret_size, tn_error *err) {
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return tn_fail(err, errno == ENOENT || errno == ENOTDIR ? TN_ENOENT : TN_EIO, "%s: %s", path,
                       strerror(errno));
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        close(fd);
        return tn_fail(err, TN_EIO, "%s: not a regular file", path);
    }
    *ret_fd = fd;
    *ret_size = (uint64_t)st.st_size;
    return 0;
}

int tn_map_open(tn_map *ret, const char *path, tn_error *err) {
    int fd;
    uint64_t size;
    *ret = (tn_map){0};
    int rc = open_regular(path, &fd, &size, err);
    if (rc) return rc;
    void *data = NULL;
    if (size) data = mmap(NULL, (size_t)size, PROT_READ, MAP_SHARED, fd, 0);
    int saved = errno;
    close(fd);
    if (data == MAP_FAILED) return tn_fail(err, TN_EIO, "%s: cannot map: %s", path, strerror(saved));
    ret->path = strdup(path);
    if (!ret->path) {
        if (data) munmap(data, (size_t)size);
        return tn_fail(err, TN_ENOMEM, "out of memory");
    }
    ret->data = data;
    ret->size = size;
    return 0;
}

void tn_map_close(tn_map *map) {
    if (map->data) munmap((void *)(uintptr_t)map->data, (size_t)map->size);
    free(map->path);
    *map = (tn_map){0};
}

int tn_file_read(const char *path, size_t max, char **ret_data, size_t *ret_len, tn_error *err) {
    int fd;
    uint64_t size;
    int rc = open_regular(path, &fd, &size, err);
    if (rc) return rc;
    char *data = NULL;
    size_t got = 0;
    if (size > max) {
        rc = tn_fail(err, TN_ELIMIT, "%s: %llu bytes, the limit is %zu", path, (unsigned long long)size, max);
        goto out;
    }
    data = malloc((size_t)size + 1);
    if (!data) {
        rc = tn_fail(err, TN_ENOMEM, "%s: out of memory for %llu bytes", path, (unsigned long long)size);
        goto out;
    }
    while (got < size) {
        ssize_t n = read(fd, data + got, (size_t)size - got);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) {
            rc = tn_fail(err, TN_EIO, "%s: %s", path, strerror(errno));
            goto out;
        }
        if (n == 0) break;
        got += (size_t)n;
    }
    data[got] = 0;
    *ret_data = data;
    if (ret_len) *ret_len = got;
    data = NULL;
out:
    free(data);
    close(fd);
    return rc;
}

bool tn_file_exists(const char *path) {
    struct stat st;
    return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

bool tn_dir_exists(const char *path) {
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

int tn_dir_make(const char *path) {
    char *copy = strdup(path);
    if (!copy) return -1;
    int rc = 0;
    for (char *at = copy + 1; rc == 0 && *copy; at++) {
        if (*at != '/' && *at) continue;
        char saved = *at;
        *at = 0;
        rc = mkdir(copy, 0700) == 0 || errno == EEXIST ? 0 : -1;
        *at = saved;
        if (!saved) break;
    }
    free(copy);
    return rc;
}

char *tn_path_join(const char *dir, const char *name) {
    tn_buf b;
    tn_buf_init(&b, 1 << 20);
    tn_buf_adds(&b, dir);
    if (b.len && b.data[b.len - 1] != '/') tn_buf_addc(&b, '/');
    tn_buf_adds(&b, name);
    return tn_buf_steal(&b, NULL);
}
