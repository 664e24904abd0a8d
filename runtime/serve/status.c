/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/status.h"

#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "serve/prometheus.h"

static json_int_t number(const atomic_uint_fast64_t *at) {
    return (json_int_t)atomic_load_explicit(at, memory_order_relaxed);
}

static json_t *pages_of(const tn_metrics *m) {
    return json_pack("{s:I,s:I,s:I,s:I}", "used", number(&m->pages_used), "shared", number(&m->pages_shared),
                     "cached", number(&m->pages_cached), "free", number(&m->pages_free));
}

static json_t *bytes_of(const tn_metrics *m) {
    return json_pack("{s:I,s:I,s:I}", "used", number(&m->bytes_used), "cached", number(&m->bytes_cached),
                     "free", number(&m->bytes_free));
}

static json_t *memory_of(tn_dispatch *d) {
    const tn_budget *b = tn_models_budget(tn_dispatch_models(d));
    return json_pack("{s:I,s:I}", "used", (json_int_t)tn_budget_used(b), "limit", (json_int_t)b->limit);
}

static double seconds_since(int64_t ns) {
    return (double)(tn_clock_ns() - ns) * 1e-9;
}

static json_t *model_of(tn_models *models, uint32_t i, const char *name) {
    const tn_metrics *m = tn_models_metrics(models, i);
    return json_pack("{s:s,s:s,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:o,s:o}", "name", name, "status",
                     tn_models_info(models, i).status, "running", number(&m->n_running), "waiting",
                     number(&m->n_waiting), "prompt_tokens", number(&m->n_prompt), "cached_tokens",
                     number(&m->n_hit), "generated_tokens", number(&m->n_generated), "steps",
                     number(&m->n_step), "preemptions", number(&m->n_preempted), "kv_pages", pages_of(m),
                     "kv_bytes", bytes_of(m));
}

static json_t *cache_of(tn_models *models, uint32_t i, const char *name) {
    const tn_metrics *m = tn_models_metrics(models, i);
    return json_pack("{s:s,s:o,s:o,s:I,s:I,s:I,s:I}", "name", name, "pages", pages_of(m), "bytes",
                     bytes_of(m), "cached_tokens", number(&m->n_hit), "prompt_tokens", number(&m->n_prompt),
                     "evicted_pages", number(&m->n_evicted), "copied_pages", number(&m->n_copied));
}

static json_t *each_model(tn_dispatch *d, const tn_settings *s,
                          json_t *(*row)(tn_models *models, uint32_t i, const char *name)) {
    json_t *list = json_array();
    for (uint32_t i = 0; i < s->n_models; i++)
        json_array_append_new(list, row(tn_dispatch_models(d), i, s->models[i].name));
    return list;
}

json_t *tn_status_server(tn_dispatch *d, const tn_settings *settings, const char *state, int64_t began_ns) {
    return json_pack("{s:s,s:s,s:s,s:f,s:o,s:o,s:o,s:o}", "object", "status", "version", PACKAGE_VERSION,
                     "state", state, "uptime_s", seconds_since(began_ns), "memory", memory_of(d), "models",
                     each_model(d, settings, model_of), "requests", tn_dispatch_requests(d), "unknown_fields",
                     tn_dispatch_unknown_fields(d));
}

json_t *tn_status_cache(tn_dispatch *d, const tn_settings *settings) {
    return json_pack("{s:s,s:o,s:o}", "object", "cache", "memory", memory_of(d), "models",
                     each_model(d, settings, cache_of));
}

void tn_status_metrics(tn_dispatch *d, const tn_settings *settings, int64_t began_ns, tn_buf *out) {
    tn_models *models = tn_dispatch_models(d);
    uint32_t n = (uint32_t)settings->n_models;
    tn_prometheus_model *list = calloc(n + 1, sizeof *list);
    tn_prometheus_server server = {.memory_used = tn_budget_used(tn_models_budget(models)),
                                   .memory_limit = tn_models_budget(models)->limit,
                                   .uploads_bytes = tn_budget_used(tn_dispatch_uploads(d)),
                                   .requests_open = tn_dispatch_n_open(d),
                                   .uptime_s = seconds_since(began_ns)};
    for (uint32_t i = 0; list && i < n; i++)
        list[i] = (tn_prometheus_model){.name = settings->models[i].name,
                                        .loaded = strcmp(tn_models_info(models, i).status, "loaded") == 0,
                                        .metrics = tn_models_metrics(models, i)};
    if (list)
        tn_prometheus_write(&server, list, n, out);
    else
        out->status = TN_ENOMEM;
    free(list);
}
