/* SPDX-License-Identifier: Apache-2.0 */
#include "modules/scan.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#ifdef __APPLE__
#    include <mach-o/dyld.h>
#endif

#include "base/buf.h"
#include "base/json.h"
#include "base/spawn.h"
#include "modules/facts.h"
#include "modules/loader.h"

extern char **environ;

/* Set for the child: a program that takes no --scan-module and scans in turn must not start itself for ever.
 */
#define INSIDE "TENON_MODULE_SCAN_INSIDE"

/* ---- The child ---- */

/* Everything a module prints goes to stderr; what was stdout is kept for the answer. */
static FILE *take_stdout(void) {
    fflush(stdout);
    int answer = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 10);
    if (answer < 0 || dup2(STDERR_FILENO, STDOUT_FILENO) < 0) return NULL;
    return fdopen(answer, "w");
}

/* A reason may quote bytes that are no UTF-8: they become question marks. */
static json_t *refusal(int code, char *text) {
    json_t *answer = json_pack("{s:i,s:s}", "code", code, "error", text);
    if (answer) return answer;
    for (char *p = text; *p; p++)
        if (*p & 0x80) *p = '?';
    return json_pack("{s:i,s:s}", "code", code, "error", text);
}

int tn_scan_main(const char *file) {
    enum { CHILD_SECONDS = 300 };
    const tn_loaded *loaded;
    tn_error err = {0};
    setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
    alarm(CHILD_SECONDS); /* should the parent be gone */
    FILE *out = take_stdout();
    if (!out) return 1;
    int rc = tn_loader_open(file, &loaded, &err);
    json_t *answer = rc ? refusal(rc, err.text) : tn_facts_new(loaded);
    rc = answer ? json_dumpf(answer, out, JSON_COMPACT) : -1;
    json_decref(answer);
    if (fclose(out) != 0) rc = -1;
    /* No exit handlers: what a module registered there is not part of the question. */
    _exit(rc ? 1 : 0);
}

int tn_scan_here(const char *path, json_t **ret_facts, tn_error *err) {
    const tn_loaded *loaded;
    int rc = tn_loader_open(path, &loaded, err);
    if (rc) return rc;
    *ret_facts = tn_facts_new(loaded);
    return *ret_facts ? 0 : tn_fail(err, TN_ENOMEM, "%s: out of memory", path);
}

/* ---- Starting it ---- */

static const char *own_program(void) {
#ifdef __APPLE__
    static char path[4096];
    uint32_t size = sizeof path;
    return _NSGetExecutablePath(path, &size) == 0 ? path : NULL;
#else
    return "/proc/self/exe"; /* still right when the file was replaced since */
#endif
}

const char *tn_scan_program(const char *program) {
    const char *named = getenv("TENON_MODULE_SCANNER");
    if (program) return program;
    return named && *named ? named : own_program();
}

static unsigned timeout_of(const tn_scan_config *config) {
    const char *text = getenv("TENON_MODULE_TIMEOUT_MS");
    if (config && config->timeout_ms) return config->timeout_ms;
    long ms = text ? strtol(text, NULL, 10) : 0;
    return ms > 0 && ms <= 3600000 ? (unsigned)ms : TN_SCAN_TIMEOUT_MS;
}

/* The environment with INSIDE=1; free() the list only. */
static char **child_environment(void) {
    static char inside[] = INSIDE "=1";
    size_t n = 0;
    while (environ[n]) n++;
    char **list = calloc(n + 2, sizeof *list);
    if (!list) return NULL;
    memcpy(list, environ, n * sizeof *list);
    list[n] = inside;
    return list;
}

/* Returns 0 or an errno. */
static int spawn(const char *program, const char *path, int out, pid_t *ret_pid) {
    posix_spawn_file_actions_t files;
    char *argv[] = {(char *)(uintptr_t)program, "--scan-module", (char *)(uintptr_t)path, NULL};
    char **env = child_environment();
    int rc = env ? posix_spawn_file_actions_init(&files) : ENOMEM;
    if (!rc) {
        rc = posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
        if (!rc) rc = posix_spawn_file_actions_adddup2(&files, out, STDOUT_FILENO);
        if (!rc) rc = tn_spawn(program, &files, argv, env, ret_pid);
        posix_spawn_file_actions_destroy(&files);
    }
    free(env);
    return rc;
}

/* ---- Waiting for it ---- */

static int64_t now_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Reads until the pipe's end, the deadline, or more than out may hold. */
static void read_answer(int fd, int64_t deadline, tn_buf *out) {
    for (;;) {
        char bytes[4096];
        int64_t left = deadline - now_ms();
        struct pollfd p = {.fd = fd, .events = POLLIN};
        int ready = left > 0 ? poll(&p, 1, (int)left) : 0;
        if (ready < 0 && errno == EINTR) continue;
        if (ready <= 0) return;
        ssize_t n = read(fd, bytes, sizeof bytes);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0 || tn_buf_add(out, bytes, (size_t)n)) return;
    }
}

/* Waits for the end until the deadline, then ends it, and in any case what it started. The group is signalled
 * while its leader is not yet reaped, so that its number cannot have become another's. */
static int end_child(pid_t pid, int64_t deadline, bool *ret_in_time) {
    siginfo_t info = {0};
    int status = 0, rc;
    while ((rc = waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT)) == 0 && !info.si_pid &&
           now_ms() < deadline)
        nanosleep(&(struct timespec){0, 1000000}, NULL);
    *ret_in_time = rc != 0 || info.si_pid; /* fails where SIGCHLD is ignored: the child is gone then */
    kill(-pid, SIGKILL);
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR) return 0;
    return status;
}

/* ---- What it said ---- */

#define LOOK "`tenon --log-level debug modules inspect FILE` shows what it prints"

static int judge_end(const char *path, bool in_time, unsigned timeout_ms, int status, tn_error *err) {
    if (!in_time)
        return tn_fail(err, TN_EMODULE,
                       "%s: hangs: opening it was not done after %u ms (TENON_MODULE_TIMEOUT_MS); " LOOK,
                       path, timeout_ms);
    if (WIFSIGNALED(status))
        return tn_fail(err, TN_EMODULE, "%s: crashes when it is opened: %s (signal %d); " LOOK, path,
                       strsignal(WTERMSIG(status)), WTERMSIG(status));
    return tn_fail(err, TN_EMODULE, "%s: ends the process when it is opened (exit status %d); " LOOK, path,
                   WEXITSTATUS(status));
}

/* Takes the child's words over when they have the form they should. */
static int judge_answer(const char *path, const tn_buf *out, json_t **ret, tn_error *err) {
    json_t *answer = NULL;
    if (tn_json_parse(out->data, out->len, "scan", &answer, NULL) == 0 && tn_facts_valid(answer)) {
        *ret = answer;
        return 0;
    }
    int code = (int)json_integer_value(json_object_get(answer, "code"));
    const char *text = json_string_value(json_object_get(answer, "error"));
    int rc = code < 0 && text ? tn_fail(err, code, "%s", text)
                              : tn_fail(err, TN_EMODULE,
                                        "%s: what its scan printed cannot be understood: it writes "
                                        "where it should not; " LOOK,
                                        path);
    json_decref(answer);
    return rc;
}

static int make_pipe(int ret_fd[2]) {
    if (pipe(ret_fd) != 0) return errno;
    fcntl(ret_fd[0], F_SETFD, FD_CLOEXEC);
    fcntl(ret_fd[1], F_SETFD, FD_CLOEXEC);
    return 0;
}

/* Runs the child to its end; out gets what it printed, *ret_status how it ended. Returns 0 or an errno. */
static int run_child(const char *program, const char *path, int64_t deadline, tn_buf *out, bool *ret_in_time,
                     int *ret_status) {
    int fd[2];
    pid_t pid;
    int rc = make_pipe(fd);
    if (rc) return rc;
    rc = spawn(program, path, fd[1], &pid);
    close(fd[1]);
    if (!rc) {
        read_answer(fd[0], deadline, out);
        *ret_status = end_child(pid, deadline, ret_in_time);
    }
    close(fd[0]);
    return rc;
}

int tn_scan_file(const tn_scan_config *config, const char *path, json_t **ret_facts, tn_error *err) {
    const char *program = tn_scan_program(config ? config->program : NULL);
    unsigned timeout_ms = timeout_of(config);
    bool in_time;
    int status;
    tn_buf out;
    if (getenv(INSIDE) || !program)
        return tn_fail(
            err, TN_EBUG,
            "%s: not looked at: this program takes no --scan-module, and TENON_MODULE_SCANNER names "
            "none that does",
            path);
    tn_buf_init(&out, TN_SCAN_OUTPUT);
    int rc = run_child(program, path, now_ms() + timeout_ms, &out, &in_time, &status);
    if (rc)
        rc = tn_fail(err, TN_EIO, "%s: not looked at: %s cannot be started: %s", path, program, strerror(rc));
    else if (in_time && WIFEXITED(status) && WEXITSTATUS(status) == 0 && out.len)
        rc = judge_answer(path, &out, ret_facts, err);
    else
        rc = judge_end(path, in_time, timeout_ms, status, err);
    tn_buf_free(&out);
    return rc;
}
