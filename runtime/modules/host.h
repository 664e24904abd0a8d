/* SPDX-License-Identifier: Apache-2.0 */
/* The program as modules see it: the tables behind tn_host, and the services that get_service finds. */
#ifndef TN_MODULES_HOST_H
#define TN_MODULES_HOST_H

#include <stdatomic.h>
#include <tenon/module.h>

/* A tn_host and what its log needs. host is the first member: a tn_host of ours is a tn_host_table. Does not
 * move once a module has seen it. Owns nothing. */
typedef struct tn_host_table {
    tn_host host;
    char name[96];
    atomic_llong window_s;    /* the second that n_in_window counts */
    atomic_uint n_in_window;  /* messages in that second */
    atomic_uint n_suppressed; /* messages not printed since the last one that was */
} tn_host_table;

/* A table for a module or an instance of one; name (copied, cut past 95 bytes) stands before its log lines.
 * [any thread] */
void tn_host_init(tn_host_table *ret, const char *name);

/* Most messages that one table prints in a second. */
enum { TN_HOST_LOG_PER_SECOND = 50 };

/* Makes `service` answer get_service(id). Both are constant and live until the process ends. TN_EINVAL (the
 * id is taken, or not NAME/REVISION), TN_ELIMIT. Before the first module is opened. [control] */
int tn_host_add_service(const char *id, const void *service, tn_error *err);

#endif
