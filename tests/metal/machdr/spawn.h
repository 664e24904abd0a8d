/* SPDX-License-Identifier: Apache-2.0 */
/* clang-format off */
#pragma once
#include <sys/types.h>
typedef void *posix_spawn_file_actions_t;
typedef void *posix_spawnattr_t;
enum { POSIX_SPAWN_SETPGROUP = 2, POSIX_SPAWN_SETSIGDEF = 4, POSIX_SPAWN_SETSIGMASK = 8 };
int posix_spawn(pid_t *, const char *, const posix_spawn_file_actions_t *, const posix_spawnattr_t *, char *const *, char *const *), posix_spawnp(pid_t *, const char *, const posix_spawn_file_actions_t *, const posix_spawnattr_t *, char *const *, char *const *);
int posix_spawn_file_actions_init(posix_spawn_file_actions_t *), posix_spawn_file_actions_destroy(posix_spawn_file_actions_t *), posix_spawn_file_actions_adddup2(posix_spawn_file_actions_t *, int, int), posix_spawn_file_actions_addclose(posix_spawn_file_actions_t *, int), posix_spawn_file_actions_addopen(posix_spawn_file_actions_t *, int, const char *, int, mode_t);
int posix_spawnattr_init(posix_spawnattr_t *), posix_spawnattr_destroy(posix_spawnattr_t *), posix_spawnattr_setpgroup(posix_spawnattr_t *, pid_t), posix_spawnattr_setflags(posix_spawnattr_t *, short), posix_spawnattr_setsigdefault(posix_spawnattr_t *, const sigset_t *), posix_spawnattr_setsigmask(posix_spawnattr_t *, const sigset_t *);
