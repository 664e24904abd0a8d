/* SPDX-License-Identifier: Apache-2.0 */
/* A command of the user's that prints JSON at its end. */
#ifndef TN_CLI_BENCH_CHILD_H
#define TN_CLI_BENCH_CHILD_H

#include <jansson.h>
#include <tenon/status.h>

enum { TN_BENCH_CHILD_OUTPUT = 1 << 20 }; /* bytes of what it prints, from the end, that are looked at */

/* Runs command by /bin/sh in a process group of its own, without input, and waits for its end, at most
 * timeout_s seconds. *ret, the caller's: the last line of its standard output, an object. TN_EIO where it
 * cannot be started, fails (with its status and the end of its standard error), is killed or takes longer:
 * the group is ended then. TN_EFORMAT where the line is not an object of JSON. TN_ECANCELED on Ctrl-C
 * (cli/interrupt.h). [control thread] */
int tn_bench_child(const char *command, uint32_t timeout_s, json_t **ret, tn_error *err);

#endif
