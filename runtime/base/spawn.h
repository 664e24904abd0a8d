/* SPDX-License-Identifier: Apache-2.0 */
/* Starting helper processes. */
#ifndef TN_BASE_SPAWN_H
#define TN_BASE_SPAWN_H

#include <spawn.h>
#include <sys/types.h>

/* Starts a program in a group of its own, so that what it starts ends with it and a terminal's signals do not
 * reach it; default signals, none blocked. stderr goes nowhere unless debug messages are logged: what a crash
 * has to say is for who asks for it. files, argv and env stay the caller's; stderr is added to files. Returns
 * 0 with *ret_pid, which the caller waits for, or an errno. [any thread] */
int tn_spawn(const char *program, posix_spawn_file_actions_t *files, char *const argv[], char *const env[],
             pid_t *ret_pid);

#endif
