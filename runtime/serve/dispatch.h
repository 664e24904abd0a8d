/* SPDX-License-Identifier: Apache-2.0 */
/* The two threads between HTTP and the engine. *prepare* takes exchanges one after the other, parses,
 * renders, encodes and submits their jobs, so that a long prompt stalls neither connections nor streams.
 * *dispatch* turns new tokens into text, watches the sockets of waiting clients for hang-ups, and keeps
 * deadlines. */
#ifndef TN_SERVE_DISPATCH_H
#define TN_SERVE_DISPATCH_H

#include "serve/exchange.h"

typedef struct tn_dispatch tn_dispatch;

typedef struct tn_dispatch_config {
    const tn_settings *settings; /* borrowed, as all below */
    tn_served *models;           /* [n_model] */
    uint32_t n_model;
} tn_dispatch_config;

/* Starts the engine thread and both of ours. [control thread] */
int tn_dispatch_new(const tn_dispatch_config *config, tn_dispatch **ret, tn_error *err);
/* Fails what is under way, joins the threads. Exchanges that http has not closed yet stay theirs. */
void tn_dispatch_free(tn_dispatch *d);
/* Everything under way gets a 503. Before the HTTP side is stopped; again for what it handed over meanwhile.
 * [control thread] */
void tn_dispatch_drain(tn_dispatch *d);

/* Hands a new exchange over. Its waiter says how to resume. [http] */
void tn_dispatch_take(tn_dispatch *d, tn_exchange *x);
/* The connection is over: the exchange is freed as soon as nobody uses it. [http] */
void tn_dispatch_close(tn_dispatch *d, tn_exchange *x);

/* The served model of that public name, the default one for NULL; NULL when there is none. [any thread] */
const tn_served *tn_dispatch_model(const tn_dispatch *d, const char *name);
/* Jobs submitted and not finished. [any thread] */
uint32_t tn_dispatch_n_jobs(const tn_dispatch *d);

#endif
