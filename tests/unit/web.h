/* SPDX-License-Identifier: Apache-2.0 */
/* A web server for tests, on the loopback, that behaves well or badly by the path it is asked for. */
#ifndef TN_TESTS_WEB_H
#define TN_TESTS_WEB_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

typedef struct web {
    uint16_t port;
    atomic_int n_connections; /* taken so far */
    atomic_int n_requests;
    pthread_mutex_t lock;
    char request[4096]; /* the last one, head and all; written under lock */
    int fd;
} web;

/* Starts on a free port; it serves as long as the process lives, a thread for each connection.
 *
 *   /bytes/N            N bytes 'x', with their length
 *   /chunked/N          the same without a length
 *   /lie/N              says N bytes, closes after 10
 *   /endless            never ends
 *   /slow               a byte every 50 ms, without end
 *   /silent             no answer at all
 *   /headers            headers without end
 *   /status/N           that status, with a body
 *   /gzip               says gzip; the bytes are "packed"
 *   /to/URL             redirects to URL with status 302 and a body
 *   /relative           redirects to "bytes/4"
 *   /again/N            redirects to /again/N-1 ... /again/0, which is /bytes/3
 */
web *web_start(int family);

#endif
