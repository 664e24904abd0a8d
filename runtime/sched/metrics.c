/* SPDX-License-Identifier: Apache-2.0 */
#include "sched/metrics.h"

static const double seconds[TN_HISTOGRAM_BOUNDS] = {0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5,
                                                    1,     2,     5,     10,   20,   50,   100, 200, 500};
static const double shares[TN_HISTOGRAM_BOUNDS] = {0.01, 0.02, 0.05, 0.1,  0.15, 0.2, 0.25, 0.3,  0.4,
                                                   0.5,  0.6,  0.7,  0.75, 0.8,  0.9, 0.95, 0.99, 1};

static void bump(atomic_uint_fast64_t *at, uint64_t by) {
    atomic_fetch_add_explicit(at, by, memory_order_relaxed);
}
static void set(atomic_uint_fast64_t *at, uint64_t value) {
    atomic_store_explicit(at, value, memory_order_relaxed);
}

void tn_histogram_add(tn_histogram *h, double value) {
    uint32_t i = 0;
    while (i < TN_HISTOGRAM_BOUNDS && value > h->bounds[i]) i++;
    bump(&h->count[i], 1);
    bump(&h->sum, value > 0 ? (uint64_t)(value * 1e6 + 0.5) : 0);
}

void tn_metrics_init(tn_metrics *m) {
    *m = (tn_metrics){0};
    m->queue.bounds = m->first_token.bounds = m->inter_token.bounds = seconds;
    m->whole.bounds = m->step.bounds = seconds;
    m->occupancy.bounds = shares;
}

void tn_metrics_take(tn_metrics *m, const tn_engine_stats *now, const tn_engine_stats *before) {
    bump(&m->n_picture, now->n_picture - before->n_picture);
    bump(&m->n_step, now->n_step - before->n_step);
    bump(&m->n_step_tokens, now->n_step_tokens - before->n_step_tokens);
    bump(&m->n_prompt, now->n_prompt - before->n_prompt);
    bump(&m->n_hit, now->n_hit - before->n_hit);
    bump(&m->n_generated, now->n_generated - before->n_generated);
    bump(&m->n_preempted, now->n_preempted - before->n_preempted);
    bump(&m->n_evicted, now->kv.n_evicted - before->kv.n_evicted);
    bump(&m->n_copied, now->kv.n_copied - before->kv.n_copied);
    set(&m->n_running, now->n_running);
    set(&m->n_waiting, now->n_waiting);
    set(&m->pages_used, now->kv.n_used);
    set(&m->pages_shared, now->kv.n_shared);
    set(&m->pages_cached, now->kv.n_cached);
    set(&m->pages_free, now->kv.n_free);
    set(&m->bytes_used, now->kv.used_bytes);
    set(&m->bytes_cached, now->kv.cached_bytes);
    set(&m->bytes_free, now->kv.free_bytes);
}
