/* SPDX-License-Identifier: Apache-2.0 */
/* The configured models: which name means which, loading and unloading them under one memory budget, and
 * attaching them to the engine thread. Who may be in memory when, residency.h decides. */
#ifndef TN_SERVE_MODELS_H
#define TN_SERVE_MODELS_H

#include "base/budget.h"
#include "serve/residency.h"
#include "serve/served.h"

typedef struct tn_models tn_models;

typedef struct tn_models_config {
    const tn_settings *settings; /* borrowed, as all below */
    tn_registry *registry;       /* checked; from tn_models_start on only the loader uses it */
    /* The file or directory that a model's path means, the caller's (free). TN_ENOENT. [loader] */
    int (*find)(const char *path, char **ret_path, tn_error *err);
} tn_models_config;

/* Loads nothing yet. TN_ENOMEM. [control thread] */
int tn_models_new(const tn_models_config *config, tn_models **ret, tn_error *err);
/* Starts the loader and loads what is to be there from the start. runner outlives tn_models_stop. What
 * tn_model_open, tn_model_fit and tn_model_lower give, the model's name in front. [control thread] */
int tn_models_start(tn_models *m, tn_runner *runner, tn_error *err);
/* Ends loads under way, fails who waits (TN_ECANCELED); after that the runner may go. [control thread] */
void tn_models_stop(tn_models *m);
/* Unloads everything; the runner has been freed, or never started. NULL is harmless. */
void tn_models_free(tn_models *m);

/* What all models take their memory from. */
tn_budget *tn_models_budget(tn_models *m);
/* Whose modules they use. */
const tn_registry *tn_models_registry(const tn_models *m);

/* What model i's serving is measured by. [any thread] */
const tn_metrics *tn_models_metrics(const tn_models *m, uint32_t i);

/* The model of that public name, the default one for NULL; -1 when there is none. [any thread] */
int tn_models_find(const tn_models *m, const char *name);
/* As tn_residency_acquire; a model that is held is what tn_models_served says. [any thread] */
int tn_models_acquire(tn_models *m, uint32_t i, tn_wait *w, tn_error *err);
const tn_served *tn_models_served(const tn_models *m, uint32_t i);
/* Its device has failed: it is loaded anew for the next who wants it. Called by who holds it. [any thread] */
void tn_models_renew(const tn_served *s);
/* [any thread] NULL is harmless. */
void tn_models_release(const tn_served *s);
/* As in residency.h. [any thread] */
tn_wait *tn_models_late(tn_models *m, int64_t now_ns);
uint32_t tn_models_n_waits(tn_models *m);
/* What the API says about model i; strings are borrowed. [any thread] */
tn_api_model tn_models_info(tn_models *m, uint32_t i);

#endif
