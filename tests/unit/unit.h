/* SPDX-License-Identifier: Apache-2.0 */
/* Includes in the order cmocka wants, TAP output, and where the test data lie. */
#ifndef TN_TESTS_UNIT_H
#define TN_TESTS_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* Runs the group with TAP on stdout; the exit status is the number of failures. */
#define unit_main(tests) unit_main_with(tests, NULL, NULL)
#define unit_main_with(tests, setup, teardown)                                                               \
    (unit_filter(), cmocka_set_message_output(CM_OUTPUT_TAP), cmocka_run_group_tests(tests, setup, teardown))
/* The same of the first n tests. */
#define unit_main_of(name, tests, n)                                                                         \
    (unit_filter(), cmocka_set_message_output(CM_OUTPUT_TAP),                                                \
     _cmocka_run_group_tests(name, tests, n, NULL, NULL))

/* Ends a test that cannot run here, and says why (printf arguments, without newline). */
#define unit_skip(...) (printf("# SKIP "), printf(__VA_ARGS__), printf("\n"), fflush(stdout), skip())

/* Of a long list of cases every how many-th is taken: all of them, unless TN_UNIT_EVERY says otherwise, for
 * an emulated processor. Says so. */
static inline size_t unit_every(void) {
    const char *every = getenv("TN_UNIT_EVERY");
    int n = every ? atoi(every) : 1;
    if (n > 1) printf("# one case of %d only: TN_UNIT_EVERY\n", n);
    return n > 1 ? (size_t)n : 1;
}

/* cmocka 1.1 reports a skipped test as "not ok 3 # SKIP name", a failure to whoever reads TAP. The tests run
 * in a child from here on; this process passes their output on and writes "ok 3 - name # SKIP reason". */
static inline void unit_filter(void) {
    int fds[2], status, number, name;
    char line[4096], reason[4096] = "";
    fflush(stdout);
    if (pipe(fds) != 0) return;
    pid_t pid = fork();
    if (pid <= 0) {
        if (pid == 0) dup2(fds[1], STDOUT_FILENO);
        close(fds[0]), close(fds[1]);
        return;
    }
    close(fds[1]);
    FILE *in = fdopen(fds[0], "r");
    while (in && fgets(line, sizeof line, in)) {
        name = 0;
        line[strcspn(line, "\n")] = 0;
        if (strncmp(line, "# SKIP ", 7) == 0)
            strcpy(reason, line + 7);
        else if (sscanf(line, "not ok %d # SKIP %n", &number, &name) == 1 && name)
            printf("ok %d - %s # SKIP %s\n", number, line + name, reason);
        else
            puts(line);
        fflush(stdout);
    }
    if (in) fclose(in);
    if (waitpid(pid, &status, 0) != pid) exit(1);
    if (WIFSIGNALED(status)) printf("Bail out! killed by signal %d\n", WTERMSIG(status));
    exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1);
}

/* The folder with the test vectors: $TENON_VECTORS, else the full set beside the source tree where it is,
 * else the part of it in tests/vectors. */
static inline const char *unit_vectors(void) {
    static char path[4096];
    const char *dir = getenv("TENON_VECTORS"), *src = getenv("TN_SRCDIR");
    if (dir && *dir) return dir;
    snprintf(path, sizeof path, "%s/../shared/fixtures", src ? src : ".");
    if (access(path, R_OK) == 0) return path;
    snprintf(path, sizeof path, "%s/tests/vectors", src ? src : ".");
    return path;
}

#endif
