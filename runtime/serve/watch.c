/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/watch.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Tests define TN_WATCH_POLL to look at the other half where there is epoll. */
#if defined __linux__ && !defined TN_WATCH_POLL
#    include <sys/epoll.h>
#    define USE_EPOLL 1
#else
#    define USE_EPOLL 0
#endif

/* What poll is asked for so that it tells of a client's end. macOS watches nothing where nothing is asked
 * for, and tells of an end to who asks for urgent data, which no client of ours sends. */
#if defined POLLRDHUP
#    define HANGUP POLLRDHUP
#elif defined __APPLE__
#    define HANGUP POLLPRI
#else
#    define HANGUP 0
#endif

/* ---- The bell: a pipe -------------------------------------------------------------------------------- */

static int open_bell(int bell[2], tn_error *err) {
    if (pipe(bell) != 0) return tn_fail(err, TN_EIO, "cannot make a pipe: %s", strerror(errno));
    for (int i = 0; i < 2; i++) {
        fcntl(bell[i], F_SETFL, O_NONBLOCK);
        fcntl(bell[i], F_SETFD, FD_CLOEXEC);
    }
    return 0;
}

static void close_bell(const int bell[2]) {
    for (int i = 0; i < 2; i++)
        if (bell[i] >= 0) close(bell[i]);
}

static void ring(const int bell[2]) {
    char byte = 0;
    ssize_t n = write(bell[1], &byte, 1); /* a full pipe rings as well */
    (void)n;
}

static void quieten(const int bell[2]) {
    char bytes[256];
    while (read(bell[0], bytes, sizeof bytes) == sizeof bytes) {}
}

#if USE_EPOLL
/* ---- epoll ------------------------------------------------------------------------------------------- */

struct tn_watch {
    int epoll, bell[2];
};

static int control(const tn_watch *w, int op, int fd, uint32_t events, void *ctx) {
    struct epoll_event e = {.events = events, .data.ptr = ctx};
    return epoll_ctl(w->epoll, op, fd, &e);
}

int tn_watch_new(tn_watch **ret, tn_error *err) {
    tn_watch *w = malloc(sizeof *w);
    if (!w) return tn_fail(err, TN_ENOMEM, "out of memory");
    *w = (tn_watch){.epoll = epoll_create1(EPOLL_CLOEXEC), .bell = {-1, -1}};
    int rc = open_bell(w->bell, err);
    if (!rc && (w->epoll < 0 || control(w, EPOLL_CTL_ADD, w->bell[0], EPOLLIN, NULL) != 0))
        rc = tn_fail(err, TN_EIO, "cannot watch sockets with epoll: %s", strerror(errno));
    if (rc) {
        tn_watch_free(w);
        return rc;
    }
    *ret = w;
    return 0;
}

void tn_watch_free(tn_watch *w) {
    if (!w) return;
    if (w->epoll >= 0) close(w->epoll);
    close_bell(w->bell);
    free(w);
}

int tn_watch_add(tn_watch *w, int fd, void *ctx, tn_error *err) {
    if (control(w, EPOLL_CTL_ADD, fd, EPOLLRDHUP | EPOLLONESHOT, ctx) == 0) return 0;
    int code = errno == ENOMEM ? TN_ENOMEM : errno == ENOSPC ? TN_ELIMIT : TN_EIO;
    return tn_fail(err, code, "cannot watch a socket: %s%s", strerror(errno),
                   errno == ENOSPC ? " (see /proc/sys/fs/epoll/max_user_watches)" : "");
}

void tn_watch_remove(tn_watch *w, int fd) {
    control(w, EPOLL_CTL_DEL, fd, 0, NULL);
}

int tn_watch_wait(tn_watch *w, int timeout_ms, void **ret, int max) {
    enum { MOST = 64 };
    struct epoll_event events[MOST];
    int got = 0, n = epoll_wait(w->epoll, events, max < MOST ? max : MOST, timeout_ms);
    bool rung = false;
    for (int i = 0; i < n; i++) {
        if (events[i].data.ptr)
            ret[got++] = events[i].data.ptr;
        else
            rung = true;
    }
    if (rung) quieten(w->bell);
    return got;
}

#else
/* ---- poll -------------------------------------------------------------------------------------------- */

typedef struct entry {
    int fd;
    void *ctx;
    uint64_t serial; /* tells an entry from a later one for a socket of the same number */
} entry;

struct tn_watch {
    int bell[2];
    pthread_mutex_t lock; /* of what follows */
    entry *entries;       /* [n] */
    size_t n, cap;
    uint64_t next_serial;
    bool changed; /* since the waiting thread copied them */
    /* the waiting thread's copy; polls has the bell in front */
    struct pollfd *polls; /* [n_polled + 1] */
    uint64_t *serials;    /* [n_polled] */
    size_t n_polled, cap_polled;
};

int tn_watch_new(tn_watch **ret, tn_error *err) {
    tn_watch *w = calloc(1, sizeof *w);
    if (!w) return tn_fail(err, TN_ENOMEM, "out of memory");
    w->bell[0] = w->bell[1] = -1;
    w->polls = calloc(1, sizeof *w->polls);
    pthread_mutex_init(&w->lock, NULL);
    int rc = w->polls ? open_bell(w->bell, err) : tn_fail(err, TN_ENOMEM, "out of memory");
    if (rc) {
        tn_watch_free(w);
        return rc;
    }
    *ret = w;
    return 0;
}

void tn_watch_free(tn_watch *w) {
    if (!w) return;
    close_bell(w->bell);
    pthread_mutex_destroy(&w->lock);
    free(w->entries);
    free(w->polls);
    free(w->serials);
    free(w);
}

/* Called with the lock held. */
static bool append(tn_watch *w, int fd, void *ctx) {
    if (w->n == w->cap) {
        size_t cap = w->cap ? 2 * w->cap : 16;
        entry *grown = realloc(w->entries, cap * sizeof *grown);
        if (!grown) return false;
        w->entries = grown;
        w->cap = cap;
    }
    w->entries[w->n++] = (entry){fd, ctx, ++w->next_serial};
    return w->changed = true;
}

int tn_watch_add(tn_watch *w, int fd, void *ctx, tn_error *err) {
    pthread_mutex_lock(&w->lock);
    bool ok = append(w, fd, ctx);
    pthread_mutex_unlock(&w->lock);
    tn_watch_ring(w); /* a wait under way does not know it yet */
    return ok ? 0 : tn_fail(err, TN_ENOMEM, "out of memory");
}

/* Called with the lock held. */
static void take_out(tn_watch *w, size_t i) {
    w->entries[i] = w->entries[--w->n];
    w->changed = true;
}

void tn_watch_remove(tn_watch *w, int fd) {
    pthread_mutex_lock(&w->lock);
    for (size_t i = 0; i < w->n; i++)
        if (w->entries[i].fd == fd) {
            take_out(w, i);
            break;
        }
    pthread_mutex_unlock(&w->lock);
}

/* Called with the lock held. Without memory the sockets that came last are not watched. */
static void copy_entries(tn_watch *w) {
    if (!w->changed) return;
    if (w->n > w->cap_polled) {
        struct pollfd *polls = realloc(w->polls, (w->cap + 1) * sizeof *polls);
        if (polls) w->polls = polls;
        uint64_t *serials = realloc(w->serials, w->cap * sizeof *serials);
        if (serials) w->serials = serials;
        if (polls && serials) w->cap_polled = w->cap;
    }
    w->n_polled = w->n < w->cap_polled ? w->n : w->cap_polled;
    for (size_t i = 0; i < w->n_polled; i++) {
        w->polls[i + 1] = (struct pollfd){.fd = w->entries[i].fd, .events = HANGUP};
        w->serials[i] = w->entries[i].serial;
    }
    w->changed = w->n_polled < w->n;
}

/* Called with the lock held. The context of the entry with that serial, which is taken out; NULL where it
 * went meanwhile. */
static void *report(tn_watch *w, uint64_t serial) {
    for (size_t i = 0; i < w->n; i++)
        if (w->entries[i].serial == serial) {
            void *ctx = w->entries[i].ctx;
            take_out(w, i);
            return ctx;
        }
    return NULL;
}

int tn_watch_wait(tn_watch *w, int timeout_ms, void **ret, int max) {
    int got = 0;
    pthread_mutex_lock(&w->lock);
    copy_entries(w);
    pthread_mutex_unlock(&w->lock);
    w->polls[0] = (struct pollfd){.fd = w->bell[0], .events = POLLIN};
    if (poll(w->polls, (nfds_t)w->n_polled + 1, timeout_ms) <= 0) return 0;
    if (w->polls[0].revents) quieten(w->bell);
    pthread_mutex_lock(&w->lock);
    for (size_t i = 0; i < w->n_polled && got < max; i++) {
        void *ctx = w->polls[i + 1].revents & ~POLLNVAL ? report(w, w->serials[i]) : NULL;
        if (ctx) ret[got++] = ctx;
    }
    pthread_mutex_unlock(&w->lock);
    return got;
}
#endif

void tn_watch_ring(tn_watch *w) {
    ring(w->bell);
}
