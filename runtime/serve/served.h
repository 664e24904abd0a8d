/* SPDX-License-Identifier: Apache-2.0 */
/* A model under its public name: what turns a parsed request into jobs. */
#ifndef TN_SERVE_SERVED_H
#define TN_SERVE_SERVED_H

#include "config/settings.h"
#include "media/intake.h"
#include "sched/runner.h"
#include "sched/sight.h"
#include "serve/api.h"
#include "text/chat.h"

typedef struct tn_served {
    const tn_model_settings *settings; /* borrowed */
    struct tn_models *models;          /* that it belongs to */
    tn_model *model;
    tn_lane *lane; /* in the runner; NULL: it is not attached */
    tn_chat chat;
    bool has_chat;
    tn_error chat_error; /* why not */
    int32_t *breakers;   /* [n_breakers]: DRY's usual sequence breakers, ascending */
    uint32_t n_breakers;
    tn_media_store *store; /* what its tower made of pictures; NULL, as intake: it sees nothing */
    tn_intake *intake;
} tn_served;

/* Opens the model at path (what settings->path means) as settings say, its module's options taken from all;
 * it may reserve addresses for kv_bytes of pages once it is lowered. Errors as tn_model_open; ret is for
 * tn_served_fini in any case. [loader] */
int tn_served_open(tn_registry *registry, const char *path, const tn_settings *all,
                   const tn_model_settings *settings, uint64_t kv_bytes, tn_served *ret, tn_error *err);
void tn_served_fini(tn_served *s);

/* The kinds of media that the model takes: 1 << TN_MEDIA_IMAGE, ... [any thread] */
unsigned tn_served_media(const tn_served *s);

/* The ids of prompt i of r: rendered messages, encoded text, or ids as given. -1 with e filled. [any thread]
 */
int tn_served_prompt(const tn_served *s, const tn_api_request *r, uint32_t i, tn_ids *ret, tn_api_error *e);

/* The same of a chat that shows what was seen. */
int tn_served_sight(const tn_served *s, const tn_api_request *r, const tn_seen *seen, uint32_t n_seen,
                    tn_sight *ret, tn_api_error *e);

/* Translates the sequence breakers that r gave into r->breaker_ids; nothing to do where it gave none or does
 * not use DRY. -1 with e filled. [any thread] */
int tn_served_breakers(const tn_served *s, tn_api_request *r, tn_api_error *e);

/* Sampling of choice `choice` of a request: what the request gave, else the settings, else what the
 * checkpoint recommends. Without a seed a random one; further choices of a seeded request get seeds of their
 * own. DRY's breakers are the request's or the model's, borrowed from r or s. [any thread] */
tn_sampling tn_served_sampling(const tn_served *s, const tn_api_request *r, uint32_t choice);

#endif
