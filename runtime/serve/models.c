/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/models.h"

#include <stdlib.h>
#include <string.h>
#ifdef __GLIBC__
#    include <malloc.h>
#endif

#include "base/clock.h"
#include "base/log.h"
#include "base/status.h"
#include "serve/warm.h"

struct tn_models {
    tn_models_config config;
    tn_budget budget;
    tn_served *served;          /* [n_models of the settings]; the loader's, or who holds one */
    tn_metrics *metrics;        /* [n_models] */
    atomic_uint_fast64_t *held; /* [n_models]: bytes that a model holds while it is loaded */
    tn_residency_rule *rules;   /* [n_models] */
    tn_residency *residency;
    tn_runner *runner;
    int64_t created; /* seconds since 1970 */
};

/* ---- The loader's part
 * ---------------------------------------------------------------------------------------- */

static int named(const tn_models *m, uint32_t i, int rc, tn_error *err) {
    return rc ? tn_error_prefix(err, rc, "model %s", m->config.settings->models[i].name) : 0;
}

static int open_model(void *ctx, uint32_t i, tn_error *err) {
    tn_models *m = ctx;
    const tn_model_settings *c = &m->config.settings->models[i];
    char *path = NULL;
    int rc = m->config.find(c->path, &path, err);
    if (!rc)
        rc = tn_served_open(m->config.registry, path, m->config.settings, c, m->budget.limit, &m->served[i],
                            err);
    m->served[i].models = m;
    free(path);
    return named(m, i, rc, err);
}

static int fit_model(void *ctx, uint32_t i, const tn_model_room *room, bool shrink, tn_model_need *ret,
                     tn_error *err) {
    tn_models *m = ctx;
    tn_model_room here = *room;
    here.limit = m->budget.limit;
    int rc = tn_model_fit(m->served[i].model, &here, shrink, err);
    *ret = m->served[i].model->need;
    return named(m, i, rc, err);
}

static int take_model(void *ctx, uint32_t i, uint64_t evictable, tn_error *err) {
    tn_models *m = ctx;
    tn_model *model = m->served[i].model;
    uint64_t need = model->need.fixed, left = tn_budget_left(&m->budget);
    if (left < need) tn_runner_shrink(m->runner, need - left);
    int rc = tn_model_take(model, &m->budget, err);
    left = tn_budget_left(&m->budget);
    if (rc == TN_ENOMEM && (left >= need || need - left > evictable)) rc = TN_ELIMIT;
    return named(m, i, rc, err);
}

static int progress(void *ctx, uint64_t done, uint64_t total) {
    const tn_models *m = ctx;
    (void)done;
    (void)total;
    return tn_residency_is_stopping(m->residency);
}

static bool keep_waiting(void *ctx) {
    const tn_models *m = ctx;
    return !tn_residency_is_stopping(m->residency);
}

static int load_model(void *ctx, uint32_t i, tn_error *err) {
    tn_models *m = ctx;
    tn_served *s = &m->served[i];
    double began = tn_clock_s();
    int rc = tn_model_lower(s->model, progress, m, err);
    if (!rc) rc = tn_runner_attach(m->runner, s->model, &m->metrics[i], &s->lane, err);
    if (rc) return named(m, i, rc, err);
    if (s->settings->warm) tn_warm(s, m->runner, keep_waiting, m);
    atomic_store(&m->held[i], s->model->need.fixed);
    tn_log(TN_LOG_INFO, "models", "%s is loaded: %.1f s, %.1f MiB, context %u, %s", s->settings->name,
           tn_clock_s() - began, (double)s->model->need.fixed / (1 << 20), s->model->n_ctx,
           s->model->device->cls->describe(s->model->device));
    return 0;
}

/* What was freed in small pieces goes back to the system too, where the C library would keep it. */
static void trim(void) {
#ifdef __GLIBC__
    malloc_trim(0);
#endif
}

static void unload_model(void *ctx, uint32_t i) {
    tn_models *m = ctx;
    tn_served *s = &m->served[i];
    bool was_loaded = s->lane != NULL;
    if (was_loaded && m->runner) tn_runner_detach(m->runner, s->lane);
    tn_served_fini(s);
    atomic_store(&m->held[i], 0);
    trim();
    if (was_loaded) tn_log(TN_LOG_INFO, "models", "%s is unloaded", m->config.settings->models[i].name);
}

/* ---- Life
 * ----------------------------------------------------------------------------------------------------- */

int tn_models_new(const tn_models_config *config, tn_models **ret, tn_error *err) {
    size_t n = config->settings->n_models;
    tn_models *m = calloc(1, sizeof *m);
    if (m) {
        m->config = *config;
        m->budget.limit = tn_memory_limit(config->settings->limits.memory);
        m->created = tn_clock_unix_s();
        m->served = calloc(n + 1, sizeof *m->served);
        m->held = calloc(n + 1, sizeof *m->held);
        m->metrics = calloc(n + 1, sizeof *m->metrics);
        m->rules = calloc(n + 1, sizeof *m->rules);
    }
    if (!m || !m->served || !m->held || !m->metrics || !m->rules) {
        tn_models_free(m);
        return tn_fail(err, TN_ENOMEM, "out of memory");
    }
    for (size_t i = 0; i < n; i++) tn_metrics_init(&m->metrics[i]);
    for (size_t i = 0; i < n; i++)
        m->rules[i] = (tn_residency_rule){.keep = config->settings->models[i].keep,
                                          .idle_unload_s = config->settings->models[i].idle_unload_s};
    *ret = m;
    return 0;
}

/* A path that leads nowhere now may lead somewhere when the model is wanted. */
static void warn_of_missing(const tn_models *m, const tn_model_settings *c) {
    char *path = NULL;
    tn_error err = {0};
    if (m->config.find(c->path, &path, &err) != 0)
        tn_log(TN_LOG_WARN, "models", "model %s: %s", c->name, err.text);
    free(path);
}

int tn_models_start(tn_models *m, tn_runner *runner, tn_error *err) {
    const tn_settings *s = m->config.settings;
    tn_residency_config config = {.rules = m->rules,
                                  .n_model = (uint32_t)s->n_models,
                                  .queue_length = (uint32_t)s->limits.queue_length,
                                  .ctx = m,
                                  .open = open_model,
                                  .fit = fit_model,
                                  .take = take_model,
                                  .load = load_model,
                                  .unload = unload_model};
    m->runner = runner;
    int rc = tn_residency_new(&config, &m->residency, err);
    for (uint32_t i = 0; !rc && i < s->n_models; i++) {
        if (s->models[i].load == TN_LOAD_AT_START)
            rc = tn_residency_preload(m->residency, i, err);
        else
            warn_of_missing(m, &s->models[i]);
    }
    return rc;
}

void tn_models_stop(tn_models *m) {
    if (m->residency) tn_residency_stop(m->residency);
}

void tn_models_free(tn_models *m) {
    if (!m) return;
    m->runner = NULL;
    tn_residency_free(m->residency);
    free(m->served);
    free(m->held);
    free(m->metrics);
    free(m->rules);
    free(m);
}

/* ---- Models by name and number
 * -------------------------------------------------------------------------------- */

const tn_registry *tn_models_registry(const tn_models *m) {
    return m->config.registry;
}

tn_budget *tn_models_budget(tn_models *m) {
    return &m->budget;
}

const tn_metrics *tn_models_metrics(const tn_models *m, uint32_t i) {
    return &m->metrics[i];
}

int tn_models_find(const tn_models *m, const char *name) {
    const tn_model_settings *c = tn_settings_model(m->config.settings, name);
    return c ? (int)(c - m->config.settings->models) : -1;
}

int tn_models_acquire(tn_models *m, uint32_t i, tn_wait *w, tn_error *err) {
    return tn_residency_acquire(m->residency, i, w, err);
}

const tn_served *tn_models_served(const tn_models *m, uint32_t i) {
    return &m->served[i];
}

void tn_models_release(const tn_served *s) {
    if (s) tn_residency_release(s->models->residency, (uint32_t)(s - s->models->served));
}

void tn_models_renew(const tn_served *s) {
    tn_residency_renew(s->models->residency, (uint32_t)(s - s->models->served));
}

tn_wait *tn_models_late(tn_models *m, int64_t now_ns) {
    return tn_residency_late(m->residency, now_ns);
}

uint32_t tn_models_n_waits(tn_models *m) {
    return tn_residency_n_waits(m->residency);
}

tn_api_model tn_models_info(tn_models *m, uint32_t i) {
    static const char *const states[] = {[TN_RESIDENCE_OUT] = "unloaded",
                                         [TN_RESIDENCE_WANTED] = "loading",
                                         [TN_RESIDENCE_LOADING] = "loading",
                                         [TN_RESIDENCE_IN] = "loaded",
                                         [TN_RESIDENCE_LEAVING] = "unloading"};
    return (tn_api_model){.name = m->config.settings->models[i].name,
                          .created = m->created,
                          .status = states[tn_residency_state(m->residency, i)],
                          .memory = atomic_load(&m->held[i])};
}
