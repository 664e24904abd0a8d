/* SPDX-License-Identifier: Apache-2.0 */
/* What the server says of itself: GET /v1/status, /v1/cache and /metrics. */
#ifndef TN_SERVE_STATUS_H
#define TN_SERVE_STATUS_H

#include "serve/dispatch.h"

/* State, memory, models, a row for every open request, unknown fields that were met. state: "ok", "draining",
 * "stalled"; began_ns: when the server began, monotonic. The caller's; NULL when out of memory. [any thread]
 */
json_t *tn_status_server(tn_dispatch *d, const tn_settings *settings, const char *state, int64_t began_ns);
/* What the caches hold and have saved, by model. The same. */
json_t *tn_status_cache(tn_dispatch *d, const tn_settings *settings);
/* Appends all metrics as Prometheus reads them. [any thread] */
void tn_status_metrics(tn_dispatch *d, const tn_settings *settings, int64_t began_ns, tn_buf *out);

#endif
