/* SPDX-License-Identifier: Apache-2.0 */
#include "base/new_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int failed(const tn_new_file *f, tn_error *err) {
    return tn_fail(err, TN_EIO, "%s could not be written: %s", f->path, strerror(errno));
}

/* mkstemp gives the owner alone any rights; a new file has those that the umask leaves. */
static void usual_rights(int fd) {
    mode_t mask = umask(0);
    umask(mask);
    (void)fchmod(fd, 0666 & ~mask);
}

static int check_place(const char *path, bool replace, tn_error *err) {
    struct stat st;
    if (stat(path, &st) != 0) return 0;
    if (S_ISDIR(st.st_mode)) return tn_fail(err, TN_EINVAL, "%s is a folder: name a file", path);
    if (replace) return 0;
    return tn_fail(err, TN_EINVAL, "%s is there already: choose another name, or --force to replace it",
                   path);
}

int tn_new_file_open(tn_new_file *ret, const char *path, bool replace, tn_error *err) {
    size_t room = strlen(path) + 8;
    *ret = (tn_new_file){.fd = -1};
    int rc = check_place(path, replace, err);
    if (rc) return rc;
    ret->path = strdup(path);
    ret->temporary = malloc(room);
    if (!ret->path || !ret->temporary) {
        tn_new_file_abort(ret);
        return tn_fail(err, TN_ENOMEM, "out of memory");
    }
    snprintf(ret->temporary, room, "%s.XXXXXX", path);
    ret->fd = mkstemp(ret->temporary);
    if (ret->fd < 0) {
        rc = failed(ret, err);
        tn_new_file_abort(ret);
        return rc;
    }
    fcntl(ret->fd, F_SETFD, FD_CLOEXEC);
    usual_rights(ret->fd);
    return 0;
}

int tn_new_file_resize(tn_new_file *f, uint64_t size, tn_error *err) {
    return ftruncate(f->fd, (off_t)size) ? failed(f, err) : 0;
}

int tn_new_file_write(tn_new_file *f, uint64_t at, const void *bytes, size_t n, tn_error *err) {
    const char *from = bytes;
    while (n) {
        ssize_t done = pwrite(f->fd, from, n, (off_t)at);
        if (done < 0 && errno == EINTR) continue;
        if (done <= 0) {
            if (done == 0) errno = ENOSPC;
            return failed(f, err);
        }
        from += done;
        at += (uint64_t)done;
        n -= (size_t)done;
    }
    return 0;
}

int tn_new_file_finish(tn_new_file *f, tn_error *err) {
    int rc = fsync(f->fd) ? failed(f, err) : 0;
    if (close(f->fd) && !rc) rc = failed(f, err);
    f->fd = -2; /* the name is still ours to remove */
    if (!rc && rename(f->temporary, f->path)) rc = failed(f, err);
    if (!rc) {
        free(f->temporary);
        f->temporary = NULL;
    }
    tn_new_file_abort(f);
    return rc;
}

void tn_new_file_abort(tn_new_file *f) {
    if (f->temporary && f->fd != -1) unlink(f->temporary);
    if (f->temporary && f->fd >= 0) close(f->fd);
    free(f->temporary);
    free(f->path);
    *f = (tn_new_file){.fd = -1};
}
