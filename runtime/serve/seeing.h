/* SPDX-License-Identifier: Apache-2.0 */
/* Threads that get what requests show: fetch it, have it decoded, and see what the model makes of it. Slow
 * sources and files make nobody wait but their own request. */
#ifndef TN_SERVE_SEEING_H
#define TN_SERVE_SEEING_H

#include "media/decoder.h"
#include "media/limits.h"
#include "serve/exchange.h"

typedef struct tn_seeing tn_seeing;

typedef struct tn_seeing_config {
    tn_media_limits limits;
    const tn_registry *registry; /* of modality modules */
    /* The exchange has its media, in `seen`, or an error in `media_error`. [a thread of ours] */
    void (*done)(void *ctx, tn_exchange *x);
    void *ctx;
} tn_seeing_config;

/* Starts threads when they are first needed. TN_ENOMEM. [control thread] */
int tn_seeing_new(const tn_seeing_config *config, tn_seeing **ret, tn_error *err);
/* What is being got is given up; done is called for all. [control thread] */
void tn_seeing_stop(tn_seeing *s);
void tn_seeing_free(tn_seeing *s);
/* x, whose model is held, is ours until done. [prepare] */
void tn_seeing_take(tn_seeing *s, tn_exchange *x);

#endif
