/* SPDX-License-Identifier: Apache-2.0 */
/* clang-format off */
#pragma once
#include <sys/types.h>
enum { SIGHUP = 1, SIGINT = 2, SIGQUIT = 3, SIGILL = 4, SIGTRAP = 5, SIGABRT = 6, SIGFPE = 8, SIGKILL = 9, SIGBUS = 10, SIGSEGV = 11, SIGSYS = 12, SIGPIPE = 13, SIGALRM = 14, SIGTERM = 15, SIGSTOP = 17, SIGCHLD = 20, SIGXCPU = 24, SIGXFSZ = 25, SIGWINCH = 28, SIGUSR1 = 30, SIGUSR2 = 31 };
enum { SIG_BLOCK = 1, SIG_UNBLOCK = 2, SIG_SETMASK = 3, SA_ONSTACK = 1, SA_RESTART = 2, SA_RESETHAND = 4, SA_SIGINFO = 0x40 };
typedef int sig_atomic_t;
typedef struct { int si_signo, si_errno, si_code; pid_t si_pid; uid_t si_uid; int si_status; void *si_addr; } siginfo_t;
struct sigaction { union { void (*sa_handler)(int); void (*sa_sigaction)(int, siginfo_t *, void *); }; sigset_t sa_mask; int sa_flags; };
#define SIG_DFL ((void (*)(int))0)
#define SIG_IGN ((void (*)(int))1)
#define SIG_ERR ((void (*)(int))-1)
int sigaction(int, const struct sigaction *, struct sigaction *), sigemptyset(sigset_t *), sigfillset(sigset_t *), sigaddset(sigset_t *, int), sigdelset(sigset_t *, int), sigprocmask(int, const sigset_t *, sigset_t *), sigwait(const sigset_t *, int *), sigpending(sigset_t *);
int sigismember(const sigset_t *, int);
int kill(pid_t, int), raise(int);
void (*signal(int, void (*)(int)))(int);
