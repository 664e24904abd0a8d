/* SPDX-License-Identifier: Apache-2.0 */
/* Metrics in the text format of Prometheus (exposition format 0.0.4). */
#ifndef TN_SERVE_PROMETHEUS_H
#define TN_SERVE_PROMETHEUS_H

#include "base/buf.h"
#include "sched/metrics.h"

/* A model under its public name. */
typedef struct tn_prometheus_model {
    const char *name;
    bool loaded;
    const tn_metrics *metrics;
} tn_prometheus_model;

/* The server as a whole. */
typedef struct tn_prometheus_server {
    uint64_t memory_used, memory_limit; /* bytes of the budget; limit 0: none */
    uint64_t uploads_bytes;
    uint32_t requests_open;
    double uptime_s;
} tn_prometheus_server;

/* Appends all of it. [any thread] */
void tn_prometheus_write(const tn_prometheus_server *s, const tn_prometheus_model *models, uint32_t n_model,
                         tn_buf *out);

#endif
