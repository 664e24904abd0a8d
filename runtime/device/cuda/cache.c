/* SPDX-License-Identifier: Apache-2.0 */
/* A file: the image, then its SHA-256. Its name: the key in hexadecimal digits. */
#include "device/cuda/cache.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"

enum { FILE_MAX = 64 << 20 };

/* The folder, or NULL when nothing is kept. The caller's. */
static char *folder(void) {
    const char *named = getenv("TENON_CUDA_CACHE"), *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    if (named && *named) return strcmp(named, "off") == 0 ? NULL : strdup(named);
    if (cache && cache[0] == '/') return tn_path_join(cache, "tenon/cuda");
    return home && home[0] == '/' ? tn_path_join(home, ".cache/tenon/cuda") : NULL;
}

static char *file_of(const char *dir, const uint8_t key[TN_SHA256_BYTES]) {
    char name[2 * TN_SHA256_BYTES + 1];
    for (int i = 0; i < TN_SHA256_BYTES; i++) snprintf(name + 2 * i, 3, "%02x", key[i]);
    return tn_path_join(dir, name);
}

static void digest(const char *data, size_t n, uint8_t ret[TN_SHA256_BYTES]) {
    tn_sha256 h;
    tn_sha256_init(&h);
    tn_sha256_add(&h, data, n);
    tn_sha256_end(&h, ret);
}

/* Takes the digest off the end of what was read; false when it is another. */
static bool is_whole(const char *data, size_t *size) {
    uint8_t expected[TN_SHA256_BYTES];
    if (*size <= TN_SHA256_BYTES) return false;
    *size -= TN_SHA256_BYTES;
    digest(data, *size, expected);
    return memcmp(data + *size, expected, sizeof expected) == 0;
}

bool tn_cuda_cache_get(const uint8_t key[TN_SHA256_BYTES], tn_cuda_image *ret) {
    char *dir = folder(), *file = dir ? file_of(dir, key) : NULL;
    bool found = false;
    tn_error err = {0};
    int rc = file ? tn_file_read(file, FILE_MAX, &ret->data, &ret->size, &err) : TN_ENOENT;
    if (!rc && is_whole(ret->data, &ret->size)) {
        found = true;
    } else if (!rc) {
        tn_log(TN_LOG_DEBUG, "cuda", "%s is damaged and not used", file);
        free(ret->data);
    } else if (rc != TN_ENOENT) {
        tn_log(TN_LOG_DEBUG, "cuda", "the cache of kernels is not used: %s", err.text);
    }
    if (!found) *ret = (tn_cuda_image){0};
    free(file);
    free(dir);
    return found;
}

static bool write_all(int fd, const void *data, size_t n) {
    const char *from = data;
    while (n > 0) {
        const ssize_t done = write(fd, from, n);
        if (done < 0 && errno == EINTR) continue;
        if (done <= 0) return false;
        from += done;
        n -= (size_t)done;
    }
    return true;
}

static bool write_replacing(const char *file, const tn_cuda_image *image) {
    char temporary[PATH_MAX];
    uint8_t sum[TN_SHA256_BYTES];
    if ((size_t)snprintf(temporary, sizeof temporary, "%s.XXXXXX", file) >= sizeof temporary) return false;
    const int fd = mkstemp(temporary);
    if (fd < 0) return false;
    digest(image->data, image->size, sum);
    const bool written = write_all(fd, image->data, image->size) && write_all(fd, sum, sizeof sum);
    if (close(fd) == 0 && written && rename(temporary, file) == 0) return true;
    unlink(temporary);
    return false;
}

void tn_cuda_cache_put(const uint8_t key[TN_SHA256_BYTES], const tn_cuda_image *image) {
    char *dir = folder(), *file = dir ? file_of(dir, key) : NULL;
    if (file && (tn_dir_make(dir) != 0 || !write_replacing(file, image)))
        tn_log(TN_LOG_DEBUG, "cuda", "%s: a compiled kernel cannot be kept: %s", file, strerror(errno));
    free(file);
    free(dir);
}
