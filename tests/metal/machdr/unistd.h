/* SPDX-License-Identifier: Apache-2.0 */
/* clang-format off */
#pragma once
#include <sys/types.h>
enum { STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO, F_OK = 0, X_OK = 1, W_OK = 2, R_OK = 4, _SC_OPEN_MAX = 5, _SC_PAGESIZE = 29, _SC_NPROCESSORS_ONLN = 58, _SC_PHYS_PAGES = 200 };
ssize_t read(int, void *, size_t), write(int, const void *, size_t), pread(int, void *, size_t, off_t), pwrite(int, const void *, size_t, off_t), readlink(const char *, char *, size_t);
int close(int), dup(int), dup2(int, int), pipe(int *), access(const char *, int), unlink(const char *), rmdir(const char *), chdir(const char *), isatty(int), fsync(int), ftruncate(int, off_t), usleep(useconds_t), execv(const char *, char *const *), execvp(const char *, char *const *), execve(const char *, char *const *, char *const *), symlink(const char *, const char *), link(const char *, const char *), gethostname(char *, size_t);
off_t lseek(int, off_t, int);
pid_t fork(void), getpid(void), getppid(void), setsid(void);
uid_t getuid(void), geteuid(void);
unsigned int alarm(unsigned int), sleep(unsigned int);
long sysconf(int);
char *getcwd(char *, size_t);
_Noreturn void _exit(int);
