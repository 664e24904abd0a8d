/* SPDX-License-Identifier: Apache-2.0 */
#include "media/child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/spawn.h"

extern char **environ;

enum { START_S = 60, END_MS = 2000 };

/* ---- Starting it ---- */

/* Returns 0 or an errno. */
static int spawn(const char *program, const char *modules, int socket, pid_t *ret_pid) {
    posix_spawn_file_actions_t files;
    char *argv[] = {(char *)(uintptr_t)program, "--media-helper", (char *)(uintptr_t)modules, NULL};
    int rc = posix_spawn_file_actions_init(&files);
    if (rc) return rc;
    rc = posix_spawn_file_actions_adddup2(&files, socket, TN_MEDIA_SOCKET);
    if (!rc) rc = posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    if (!rc) rc = tn_spawn(program, &files, argv, environ, ret_pid);
    posix_spawn_file_actions_destroy(&files);
    return rc;
}

/* A socket that is 0 itself would keep its mark "close on exec". */
static int above_stdio(int fd) {
    int higher = fd > STDERR_FILENO ? fd : fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    if (higher != fd) close(fd);
    return higher;
}

static int launch(tn_media_child *c, const char *program, const char *modules, tn_error *err) {
    int fd[2];
    int rc = tn_media_socketpair(fd);
    if (rc) return tn_fail(err, TN_EIO, "no socket for the helper that decodes media: %s", strerror(rc));
    fd[1] = above_stdio(fd[1]);
    rc = fd[1] < 0 ? errno : spawn(program, modules, fd[1], &c->pid);
    if (fd[1] >= 0) close(fd[1]);
    if (rc) {
        close(fd[0]);
        c->pid = 0;
        return tn_fail(err, TN_EIO, "the helper that decodes media cannot be started (%s): %s", program,
                       strerror(rc));
    }
    c->fd = fd[0];
    c->n_served = 0;
    return 0;
}

int tn_media_child_start(tn_media_child *c, const char *program, const char *modules, tn_error *err) {
    tn_media_hello hello;
    int rc = launch(c, program, modules, err);
    if (rc) return rc;
    rc = tn_media_receive(c->fd, &hello, sizeof hello, tn_clock_ns() + START_S * (int64_t)1000000000, NULL);
    if (!rc && hello.magic != TN_MEDIA_MAGIC) rc = EPROTO;
    if (rc) {
        tn_media_child_end(c);
        return tn_fail(
            err, TN_EIO,
            "the helper that decodes media does not start: %s; `--log-level debug` shows what it prints",
            rc == ECONNRESET ? "it ended" : strerror(rc));
    }
    hello.problem.text[sizeof hello.problem.text - 1] = 0;
    if (hello.problem.code) tn_log(TN_LOG_WARN, "media", "%s", hello.problem.text);
    if (hello.n_module) return 0;
    tn_media_child_end(c);
    return tn_fail(err, TN_ENOTSUP,
                   "nothing here reads media: the modules vision and video are not there (`tenon modules`)");
}

bool tn_media_child_alive(const tn_media_child *c) {
    struct pollfd p = {.fd = c->fd, .events = POLLIN};
    return c->pid && poll(&p, 1, 0) == 0;
}

/* ---- Its end ---- */

/* Waits a while for the end, then brings it about. The group is signalled while its leader is not yet reaped,
 * so that its number cannot have become another's. Returns the wait status; *ret_killed: it was us. */
static int reap(tn_media_child *c, int wait_ms, bool *ret_killed) {
    siginfo_t info = {0};
    int status = 0, rc;
    int64_t deadline = tn_clock_ns() + wait_ms * (int64_t)1000000;
    while ((rc = waitid(P_PID, (id_t)c->pid, &info, WEXITED | WNOHANG | WNOWAIT)) == 0 && !info.si_pid &&
           tn_clock_ns() < deadline)
        nanosleep(&(struct timespec){0, 1000000}, NULL);
    *ret_killed = rc == 0 && !info.si_pid;
    kill(-c->pid, SIGKILL);
    while (waitpid(c->pid, &status, 0) < 0)
        if (errno != EINTR) break;
    close(c->fd);
    c->pid = 0;
    return status;
}

void tn_media_child_end(tn_media_child *c) {
    bool killed;
    if (c->pid) reap(c, 0, &killed);
}

/* It gave no answer: says what it did instead. */
static int judge(tn_media_child *c, int why, double timeout_s, tn_error *err) {
    bool killed;
    int status = reap(c, why == ETIMEDOUT ? 0 : END_MS, &killed);
    if (why == ETIMEDOUT)
        return tn_fail(err, TN_ELIMIT, "decoding it took longer than %g s (media.decode_timeout)", timeout_s);
    if (killed) return tn_fail(err, TN_EFORMAT, "the decoder hung up on this file");
    if (WIFEXITED(status))
        return tn_fail(err, TN_EFORMAT, "the decoder ended on this file (exit status %d)",
                       WEXITSTATUS(status));
    int number = WTERMSIG(status);
    if (number == SIGXCPU || number == SIGALRM)
        return tn_fail(err, TN_ELIMIT, "decoding it took too much processor time (media.decode_timeout)");
    if (number == SIGKILL)
        return tn_fail(
            err, TN_ELIMIT,
            "the decoder was killed on this file (signal 9), as the system does when memory runs out");
    return tn_fail(err, TN_EFORMAT, "the decoder crashed on this file: %s (signal %d)", strsignal(number),
                   number);
}

int tn_media_child_ask(tn_media_child *c, const tn_media_request *q, int memory, double timeout_s,
                       tn_media_reply *ret, int *ret_fd, tn_error *err) {
    int64_t deadline = tn_clock_ns() + (int64_t)(timeout_s * 1e9);
    *ret_fd = -1;
    int rc = tn_media_send(c->fd, q, sizeof *q, memory);
    if (!rc) rc = tn_media_receive(c->fd, ret, sizeof *ret, deadline, ret_fd);
    if (!rc && ret->magic != TN_MEDIA_MAGIC) rc = EPROTO;
    c->n_served++;
    if (!rc) return 0;
    rc = judge(c, rc, timeout_s, err);
    tn_log(TN_LOG_WARN, "media", "a helper was lost: %s", err ? err->text : "");
    return rc;
}
