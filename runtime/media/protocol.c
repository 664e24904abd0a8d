/* SPDX-License-Identifier: Apache-2.0 */
#include "media/protocol.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"

#ifndef MSG_NOSIGNAL
#    define MSG_NOSIGNAL 0
#endif
#ifndef MSG_CMSG_CLOEXEC
#    define MSG_CMSG_CLOEXEC 0
#endif

int tn_media_socketpair(int ret_fd[2]) {
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, ret_fd) != 0) return errno;
    for (int i = 0; i < 2; i++) {
        fcntl(ret_fd[i], F_SETFD, FD_CLOEXEC);
#ifdef SO_NOSIGPIPE
        setsockopt(ret_fd[i], SOL_SOCKET, SO_NOSIGPIPE, &(int){1}, sizeof(int));
#endif
    }
    return 0;
}

/* Room for one descriptor beside a message. */
typedef union passenger {
    struct cmsghdr align;
    char bytes[CMSG_SPACE(sizeof(int))];
} passenger;

static void board(struct msghdr *m, passenger *p, int fd) {
    memset(p, 0, sizeof *p);
    m->msg_control = p->bytes;
    m->msg_controllen = sizeof p->bytes;
    struct cmsghdr *c = CMSG_FIRSTHDR(m);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof fd);
    memcpy(CMSG_DATA(c), &fd, sizeof fd);
}

int tn_media_send(int socket, const void *bytes, size_t n, int fd) {
    const char *at = bytes;
    while (n) {
        passenger p;
        struct iovec v = {(void *)(uintptr_t)at, n};
        struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1};
        if (fd >= 0) board(&m, &p, fd);
        ssize_t sent = sendmsg(socket, &m, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR) continue;
        if (sent < 0) return errno;
        fd = -1;
        at += sent;
        n -= (size_t)sent;
    }
    return 0;
}

/* Returns 0 when there is something to read, or an errno. */
static int await(int socket, int64_t deadline_ns) {
    for (;;) {
        struct pollfd p = {.fd = socket, .events = POLLIN};
        int64_t left = deadline_ns ? (deadline_ns - tn_clock_ns() + 999999) / 1000000 : -1;
        if (deadline_ns && left <= 0) return ETIMEDOUT;
        int ready = poll(&p, 1, left > INT_MAX ? INT_MAX : (int)left);
        if (ready > 0) return 0;
        if (ready < 0 && errno != EINTR) return errno;
    }
}

static void alight(struct msghdr *m, int *ret_fd) {
    for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
        int fd;
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) continue;
        if (c->cmsg_len != CMSG_LEN(sizeof fd)) continue;
        memcpy(&fd, CMSG_DATA(c), sizeof fd);
        fcntl(fd, F_SETFD, FD_CLOEXEC);
        if (ret_fd && *ret_fd < 0)
            *ret_fd = fd;
        else
            close(fd);
    }
}

int tn_media_receive(int socket, void *bytes, size_t n, int64_t deadline_ns, int *ret_fd) {
    char *at = bytes;
    if (ret_fd) *ret_fd = -1;
    while (n) {
        passenger p;
        struct iovec v = {at, n};
        struct msghdr m = {
            .msg_iov = &v, .msg_iovlen = 1, .msg_control = p.bytes, .msg_controllen = sizeof p.bytes};
        int rc = await(socket, deadline_ns);
        if (rc) return rc;
        ssize_t got = recvmsg(socket, &m, MSG_CMSG_CLOEXEC);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return errno;
        alight(&m, ret_fd);
        if (got == 0) return ECONNRESET;
        at += got;
        n -= (size_t)got;
    }
    return 0;
}

/* ---- Shared memory ---- */

#ifdef __linux__
int tn_media_memory_new(size_t n) {
    int fd = memfd_create("tenon-media", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd >= 0 && ftruncate(fd, (off_t)n) != 0) {
        int saved = errno;
        close(fd);
        errno = saved;
        return -1;
    }
    return fd;
}

int tn_media_memory_seal(int fd) {
    return fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0 ? 0 : errno;
}

static bool cannot_shrink(int fd) {
    int seals = fcntl(fd, F_GET_SEALS);
    return seals >= 0 && seals & F_SEAL_SHRINK;
}
#else
/* POSIX shared memory gets its size once, on macOS at least: it cannot shrink either. */
int tn_media_memory_new(size_t n) {
    static atomic_uint count;
    char name[32]; /* macOS allows 31 */
    snprintf(name, sizeof name, "/tenon-%ld-%u", (long)getpid(), atomic_fetch_add(&count, 1));
    int fd = shm_open(name, O_RDWR | O_CREAT | O_EXCL, 0600);
    if (fd < 0) return -1;
    shm_unlink(name);
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    if (ftruncate(fd, (off_t)n) == 0) return fd;
    int saved = errno;
    close(fd);
    errno = saved;
    return -1;
}

int tn_media_memory_seal(int fd) {
    (void)fd;
    return 0;
}

static bool cannot_shrink(int fd) {
    struct stat st;
    return fstat(fd, &st) == 0 && (st.st_mode & S_IFMT) == 0; /* nothing else is of no kind */
}
#endif

bool tn_media_memory_safe(int fd, size_t n) {
    struct stat st;
    return fd >= 0 && fstat(fd, &st) == 0 && st.st_size >= 0 && (uint64_t)st.st_size >= n &&
           cannot_shrink(fd);
}
