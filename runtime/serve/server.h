/* SPDX-License-Identifier: Apache-2.0 */
/* The HTTP side: routes, uploads, keys, and handing answers to clients as fast as they read. */
#ifndef TN_SERVE_SERVER_H
#define TN_SERVE_SERVER_H

#include "serve/dispatch.h"

typedef struct tn_server tn_server;

/* Binds and serves from threads of its own. The dispatcher and the settings outlive it. TN_EIO says why the
 * address cannot be bound. [control thread] */
int tn_server_new(const tn_settings *settings, tn_dispatch *dispatch, tn_server **ret, tn_error *err);
/* "http://127.0.0.1:8080", with the port that was bound. Borrowed. */
const char *tn_server_url(const tn_server *s);
/* New requests are refused from here on, those that are there go on. [any thread] */
void tn_server_drain(tn_server *s);
/* Takes no more connections, ends what is under way with 503 where it can still be said, and frees. */
void tn_server_free(tn_server *s);

#endif
