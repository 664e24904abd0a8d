/* SPDX-License-Identifier: Apache-2.0 */
/* The two threads between HTTP and the engine. *prepare* takes exchanges one after the other, parses,
 * renders, encodes and submits their jobs, so that a long prompt stalls neither connections nor streams.
 * *dispatch* turns new tokens into text, watches the sockets of clients for hang-ups, and keeps deadlines.
 * Its work grows with what is new, not with how many wait; only deadlines are looked through, a few times a
 * second. */
#ifndef TN_SERVE_DISPATCH_H
#define TN_SERVE_DISPATCH_H

#include "serve/exchange.h"

typedef struct tn_dispatch tn_dispatch;

typedef struct tn_dispatch_config {
    const tn_settings *settings; /* borrowed, as all below */
    tn_models *models;
} tn_dispatch_config;

/* Starts the engine thread, the models and both of our threads. [control thread] */
int tn_dispatch_new(const tn_dispatch_config *config, tn_dispatch **ret, tn_error *err);
/* Drains, and frees all exchanges. When HTTP has stopped. */
void tn_dispatch_free(tn_dispatch *d);
/* Joins the threads. Everything under way gets a 503, and so does at once what comes later. Before the HTTP
 * side is stopped. [control thread] */
void tn_dispatch_drain(tn_dispatch *d);

/* Hands a new exchange over. Its waiter says how to resume. [http] */
void tn_dispatch_take(tn_dispatch *d, tn_exchange *x);
/* The request is over, its socket not closed yet: the exchange is freed as soon as nobody uses it. [http] */
void tn_dispatch_close(tn_dispatch *d, tn_exchange *x);
/* Exchanges taken and not closed. [any thread] */
uint32_t tn_dispatch_n_open(const tn_dispatch *d);
/* What bodies of requests are taken from until they are parsed. [any thread] */
tn_budget *tn_dispatch_uploads(tn_dispatch *d);

tn_models *tn_dispatch_models(const tn_dispatch *d);
/* As tn_runner_stalled. [any thread] */
double tn_dispatch_stalled(const tn_dispatch *d);
/* A row for every request that is open, as GET /v1/status gives them; the caller's. [any thread] */
json_t *tn_dispatch_requests(tn_dispatch *d);
/* Names of request fields that mean nothing here; an array, the caller's. [any thread] */
json_t *tn_dispatch_unknown_fields(tn_dispatch *d);
/* Ends the request of that id within a step; false: there is none that goes on. [any thread] */
bool tn_dispatch_cancel(tn_dispatch *d, const char *id);
/* Everything that is only cached goes, at the next step. [any thread] */
void tn_dispatch_clear_cache(tn_dispatch *d);
/* Jobs submitted and not finished. [any thread] */
uint32_t tn_dispatch_n_jobs(const tn_dispatch *d);

#endif
