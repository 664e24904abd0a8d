/* SPDX-License-Identifier: Apache-2.0 */
/* clang-format off */
#pragma once
#include <sys/time.h>
typedef uint64_t rlim_t;
struct rlimit { rlim_t rlim_cur, rlim_max; };
struct rusage { struct timeval ru_utime, ru_stime; long ru_maxrss, ru_others[13]; };
enum { RUSAGE_SELF = 0, RUSAGE_CHILDREN = -1, RLIMIT_CPU = 0, RLIMIT_FSIZE = 1, RLIMIT_DATA = 2, RLIMIT_STACK = 3, RLIMIT_CORE = 4, RLIMIT_AS = 5, RLIMIT_NOFILE = 8 };
#define RLIM_INFINITY (((uint64_t)1 << 63) - 1)
int getrlimit(int, struct rlimit *), setrlimit(int, const struct rlimit *), getrusage(int, struct rusage *);
