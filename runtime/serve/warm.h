/* SPDX-License-Identifier: Apache-2.0 */
/* Prompts that are computed before anybody asks, so that the first to begin with one finds it in the cache.
 */
#ifndef TN_SERVE_WARM_H
#define TN_SERVE_WARM_H

#include "serve/served.h"

/* Computes what settings->warm holds: a JSON array of messages, an array of such arrays, or any other text,
 * which is one system message. Returns when it is done or keep_waiting says false. What cannot be computed is
 * logged, once, and left out: the model serves without it. s is attached to r. [loader] */
void tn_warm(const tn_served *s, tn_runner *r, bool (*keep_waiting)(void *ctx), void *ctx);

#endif
