/* SPDX-License-Identifier: Apache-2.0 */
/* clang-format off */
#pragma once
#include <stddef.h>
#include <stdint.h>
typedef long ssize_t;
typedef long long off_t;
typedef int pid_t;
typedef uint32_t uid_t, gid_t, useconds_t;
typedef uint16_t mode_t, nlink_t;
typedef int32_t dev_t, blksize_t, suseconds_t;
typedef uint64_t ino_t;
typedef int64_t blkcnt_t;
typedef long time_t;
typedef unsigned long clock_t;
typedef unsigned int sigset_t;
typedef struct { int32_t fds_bits[32]; } fd_set;
typedef struct opaque_pthread *pthread_t;
typedef struct { long sig; char opaque[56]; } pthread_mutex_t, pthread_attr_t;
typedef struct { long sig; char opaque[40]; } pthread_cond_t;
typedef struct { long sig; char opaque[8]; } pthread_once_t, pthread_condattr_t, pthread_mutexattr_t;
