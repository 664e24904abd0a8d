/* SPDX-License-Identifier: Apache-2.0 */
/* clang-format off */
#pragma once
#include <sys/types.h>
#include <signal.h>
typedef uint32_t id_t;
typedef enum { P_ALL, P_PID, P_PGID } idtype_t;
enum { WNOHANG = 1, WEXITED = 4, WNOWAIT = 0x20 };
#define WIFEXITED(s) (((s) & 0177) == 0)
#define WEXITSTATUS(s) (((s) >> 8) & 0xff)
#define WIFSIGNALED(s) (((s) & 0177) != 0177 && ((s) & 0177) != 0)
#define WTERMSIG(s) ((s) & 0177)
int waitid(idtype_t, id_t, siginfo_t *, int);
pid_t wait(int *), waitpid(pid_t, int *, int);
