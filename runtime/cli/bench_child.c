/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/bench_child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/interrupt.h"

extern char **environ;

enum { TICK_MS = 20, ERROR_BYTES = 4096, SHOWN_BYTES = 240 };

/* The last `max` bytes of a stream. */
typedef struct tail {
    int fd; /* -1: it ended */
    char *bytes;
    size_t n, max;
} tail;

typedef struct child {
    pid_t pid;
    tail out, error;
    int status;
    bool ended;
} child;

static void tail_add(tail *t, const char *bytes, size_t n) {
    if (n > t->max) bytes += n - t->max, n = t->max;
    size_t keep = t->n + n > t->max ? t->max - n : t->n;
    memmove(t->bytes, t->bytes + t->n - keep, keep);
    memcpy(t->bytes + keep, bytes, n);
    t->n = keep + n;
}

/* Takes what is there. */
static void tail_read(tail *t) {
    char bytes[4096];
    ssize_t n = 1;
    while (t->fd >= 0 && n > 0) {
        n = read(t->fd, bytes, sizeof bytes);
        if (n > 0) tail_add(t, bytes, (size_t)n);
        if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
            close(t->fd);
            t->fd = -1;
        }
    }
}

/* *ret_write: the child's end. Returns 0 or an errno. */
static int tail_init(tail *t, size_t max, int *ret_write) {
    int fd[2];
    *t = (tail){.fd = -1, .bytes = malloc(max + 1), .max = max};
    if (!t->bytes) return ENOMEM;
    if (pipe(fd) != 0) return errno;
    fcntl(fd[0], F_SETFD, FD_CLOEXEC);
    fcntl(fd[1], F_SETFD, FD_CLOEXEC);
    fcntl(fd[0], F_SETFL, O_NONBLOCK);
    t->fd = fd[0];
    *ret_write = fd[1];
    return 0;
}

static void tail_fini(tail *t) {
    if (t->fd >= 0) close(t->fd);
    free(t->bytes);
}

/* ---- Starting it ---- */

/* A group of its own, so that what it starts can be ended with it; default signals, none blocked. */
static int fill_attributes(posix_spawnattr_t *attr) {
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    sigdelset(&all, SIGKILL);
    sigdelset(&all, SIGSTOP);
    int rc = posix_spawnattr_setflags(attr,
                                      POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    if (!rc) rc = posix_spawnattr_setpgroup(attr, 0);
    if (!rc) rc = posix_spawnattr_setsigmask(attr, &none);
    return rc ? rc : posix_spawnattr_setsigdefault(attr, &all);
}

static int spawn(const char *command, int out, int error, pid_t *ret) {
    char shell[] = "sh", option[] = "-c";
    char *argv[] = {shell, option, (char *)(uintptr_t)command, NULL};
    posix_spawnattr_t attr;
    posix_spawn_file_actions_t files;
    int rc = posix_spawnattr_init(&attr);
    if (rc) return rc;
    rc = posix_spawn_file_actions_init(&files);
    if (!rc) {
        rc = fill_attributes(&attr);
        if (!rc) rc = posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
        if (!rc) rc = posix_spawn_file_actions_adddup2(&files, out, STDOUT_FILENO);
        if (!rc) rc = posix_spawn_file_actions_adddup2(&files, error, STDERR_FILENO);
        if (!rc) rc = posix_spawn(ret, "/bin/sh", &files, &attr, argv, environ);
        posix_spawn_file_actions_destroy(&files);
    }
    posix_spawnattr_destroy(&attr);
    return rc;
}

static int start(child *c, const char *command, tn_error *err) {
    int out = -1, error = -1;
    int rc = tail_init(&c->out, TN_BENCH_CHILD_OUTPUT, &out);
    if (!rc) rc = tail_init(&c->error, ERROR_BYTES, &error);
    if (!rc) rc = spawn(command, out, error, &c->pid);
    if (out >= 0) close(out);
    if (error >= 0) close(error);
    return rc ? tn_fail(err, rc == ENOMEM ? TN_ENOMEM : TN_EIO, "--compare: /bin/sh cannot be started: %s",
                        strerror(rc))
              : 0;
}

/* ---- Waiting for it ---- */

/* What others have inherited of its pipes does not keep us. */
static void wait_for(child *c, double deadline) {
    while (!c->ended && tn_clock_s() < deadline && !tn_interrupted()) {
        struct pollfd fds[2] = {{.fd = c->out.fd, .events = POLLIN}, {.fd = c->error.fd, .events = POLLIN}};
        siginfo_t info = {0};
        poll(fds, 2, TICK_MS);
        /* Once both pipes have ended poll() returns after a tick. */
        int rc = waitid(P_PID, (id_t)c->pid, &info, WEXITED | WNOHANG | WNOWAIT);
        c->ended = rc != 0 || info.si_pid != 0;
        tail_read(&c->out);
        tail_read(&c->error);
    }
    kill(-c->pid, SIGKILL); /* the leader is not reaped yet: the number is still its own */
    while (waitpid(c->pid, &c->status, 0) < 0 && errno == EINTR) {}
}

/* ---- What it said ---- */

/* The end of its standard error in one line. */
static const char *last_words(tail *t) {
    while (t->n && strchr("\r\n ", t->bytes[t->n - 1])) t->n--;
    t->bytes[t->n] = 0;
    char *from = t->n > SHOWN_BYTES ? t->bytes + t->n - SHOWN_BYTES : t->bytes;
    while (((unsigned char)*from & 0xc0) == 0x80) from++; /* a whole character */
    for (char *p = from; *p; p++)
        if ((unsigned char)*p < ' ') *p = ' ';
    return *from ? from : "(nothing)";
}

static int judge_end(child *c, uint32_t timeout_s, tn_error *err) {
    if (!c->ended && tn_interrupted()) return tn_fail(err, TN_ECANCELED, "interrupted");
    if (!c->ended)
        return tn_fail(err, TN_EIO,
                       "--compare: the command was ended after %u s; --compare-timeout allows more; its "
                       "standard error ends with: %s",
                       timeout_s, last_words(&c->error));
    if (WIFSIGNALED(c->status))
        return tn_fail(err, TN_EIO,
                       "--compare: the command was ended by signal %d; its standard error ends with: %s",
                       WTERMSIG(c->status), last_words(&c->error));
    if (WEXITSTATUS(c->status) != 0)
        return tn_fail(err, TN_EIO,
                       "--compare: the command failed with status %d; its standard error ends with: %s",
                       WEXITSTATUS(c->status), last_words(&c->error));
    return 0;
}

static int parse(tail *t, json_t **ret, tn_error *err) {
    json_error_t why;
    while (t->n && strchr("\r\n ", t->bytes[t->n - 1])) t->n--;
    t->bytes[t->n] = 0;
    size_t from = t->n;
    while (from && t->bytes[from - 1] != '\n') from--;
    json_t *line = json_loadb(t->bytes + from, t->n - from, 0, &why);
    if (json_is_object(line)) {
        *ret = line;
        return 0;
    }
    json_decref(line);
    return tn_fail(
        err, TN_EFORMAT,
        "--compare: the last line that the command printed is not an object of JSON, as tenon bench "
        "--json prints: %.80s",
        t->n > from ? t->bytes + from : "(nothing)");
}

int tn_bench_child(const char *command, uint32_t timeout_s, json_t **ret, tn_error *err) {
    child c = {.out.fd = -1, .error.fd = -1};
    int rc = start(&c, command, err);
    if (!rc) {
        wait_for(&c, tn_clock_s() + timeout_s);
        rc = judge_end(&c, timeout_s, err);
    }
    if (!rc) rc = parse(&c.out, ret, err);
    tail_fini(&c.out);
    tail_fini(&c.error);
    return rc;
}
