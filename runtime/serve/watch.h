/* SPDX-License-Identifier: Apache-2.0 */
/* Sockets whose clients may hang up while nobody reads them, and a bell that other threads ring.
 *
 * Waiting costs as much as there is news, not as much as there are sockets, where the system has epoll;
 * elsewhere it is poll over a list. A socket is taken out before it is closed, so that its number cannot come
 * to mean another one. */
#ifndef TN_SERVE_WATCH_H
#define TN_SERVE_WATCH_H

#include <tenon/status.h>

typedef struct tn_watch tn_watch;

/* TN_ENOMEM, TN_EIO (descriptors). */
int tn_watch_new(tn_watch **ret, tn_error *err);
/* NULL is harmless. Closes none of the sockets. */
void tn_watch_free(tn_watch *w);

/* Ends a wait, or the next one. Never blocks. [any thread] */
void tn_watch_ring(tn_watch *w);
/* Watches a socket until it is taken out or has been reported once. ctx, not NULL, is what the report says.
 * TN_ENOMEM, TN_ELIMIT (what the system allows), TN_EIO. [any thread] */
int tn_watch_add(tn_watch *w, int fd, void *ctx, tn_error *err);
/* Takes it out; harmless where it is not watched. A wait that returns before this was called may still report
 * it. [any thread] */
void tn_watch_remove(tn_watch *w, int fd);

/* Sleeps until the bell rings, a client hangs up, or timeout_ms have passed (-1: no limit). Returns how many
 * contexts of clients that have hung up (or are broken) were written to ret [max], at least 1; the others
 * come with the next call. [one thread] */
int tn_watch_wait(tn_watch *w, int timeout_ms, void **ret, int max);

#endif
