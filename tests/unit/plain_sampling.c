/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/plain_sampling.h"

#include <math.h>
#include <stdlib.h>

/* ---- Penalties --------------------------------------------------------------------------------------- */

static bool breaks(const tn_sampling *p, int32_t id) {
    for (uint32_t i = 0; i < p->n_dry_breakers; i++)
        if (p->dry_breakers[i] == id) return true;
    return false;
}

/* Ids that stand before position at and also end the history, without a breaker, within the window. */
static uint32_t match_before(const tn_sampling *p, const tn_history *h, uint32_t start, uint32_t at) {
    uint32_t n = 0;
    while (n < at - start && h->ids[at - 1 - n] == h->ids[h->n_ids - 1 - n] && !breaks(p, h->ids[at - 1 - n]))
        n++;
    return n;
}

static double dry_penalty(const tn_sampling *p, const tn_history *h, int32_t id) {
    uint32_t start = p->dry_last_n && p->dry_last_n < h->n_ids ? h->n_ids - p->dry_last_n : 0;
    uint32_t allowed = p->dry_allowed_length ? p->dry_allowed_length : 2;
    double base = p->dry_base > 0 ? p->dry_base : 1.75, most = 0;
    if (!(p->dry_multiplier > 0) || breaks(p, id)) return 0;
    for (uint32_t at = start; at < h->n_ids; at++) {
        uint32_t n = match_before(p, h, start, at);
        if (h->ids[at] == id && n >= allowed) most = fmax(most, p->dry_multiplier * pow(base, n - allowed));
    }
    return fmin(most, 1e30);
}

double plain_logit(const tn_sampling *p, const tn_history *h, const float *logits, int32_t id) {
    double x = logits[id];
    uint32_t answered = 0, occurred = 0, last = p->repetition_last_n;
    for (uint32_t i = 0; i < p->n_bias; i++)
        if (p->bias[i].id == id) x = p->bias[i].bias <= -100 ? -INFINITY : x + p->bias[i].bias;
    for (uint32_t i = 0; i < h->n_ids; i++) {
        if (last && i + last < h->n_ids) continue;
        occurred += h->ids[i] == id;
        answered += h->ids[i] == id && i >= h->n_prompt;
    }
    if (occurred && p->repetition_penalty > 0)
        x = x > 0 ? x / p->repetition_penalty : x * p->repetition_penalty;
    x -= answered * (double)p->frequency_penalty + (answered ? p->presence_penalty : 0);
    return x - dry_penalty(p, h, id);
}

/* ---- Filters, each on a sorted list whose probabilities sum to 1 -------------------------------------- */

typedef struct list {
    plain_entry *e;
    uint32_t n, min_keep;
} list;

static int by_probability(const void *a, const void *b) {
    const plain_entry *x = a, *y = b;
    if (x->logit != y->logit) return x->logit < y->logit ? 1 : -1;
    return x->id - y->id;
}

static int by_deviation(const void *a, const void *b) {
    const plain_entry *x = a, *y = b;
    if (x->p != y->p) return x->p > y->p ? 1 : -1;
    return x->id - y->id;
}

static void normalise(list *l, double temperature) {
    double sum = 0;
    qsort(l->e, l->n, sizeof *l->e, by_probability);
    for (uint32_t i = 0; i < l->n; i++) sum += l->e[i].p = exp((l->e[i].logit - l->e[0].logit) / temperature);
    for (uint32_t i = 0; i < l->n; i++) l->e[i].p /= sum;
}

static void keep_sigma(list *l, const tn_sampling *p) {
    double mean = 0, variance = 0;
    if (!(p->top_n_sigma > 0)) return;
    for (uint32_t i = 0; i < l->n; i++) mean += l->e[i].logit / l->n;
    for (uint32_t i = 0; i < l->n; i++) variance += pow(l->e[i].logit - mean, 2) / l->n;
    uint32_t keep = 1;
    while (keep < l->n && l->e[keep].logit >= l->e[0].logit - p->top_n_sigma * sqrt(variance)) keep++;
    l->n = keep;
}

static void keep_typical(list *l, const tn_sampling *p) {
    double entropy = 0, mass = 0;
    plain_entry *copy = malloc(l->n * sizeof *copy);
    uint32_t keep = 0;
    for (uint32_t i = 0; i < l->n; i++) {
        copy[i] = l->e[i];
        entropy -= l->e[i].p > 0 ? l->e[i].p * log(l->e[i].p) : 0;
    }
    double log_z = l->e[0].logit / p->temperature - log(l->e[0].p); /* p itself may be 0 by underflow */
    for (uint32_t i = 0; i < l->n; i++) copy[i].p = fabs(log_z - copy[i].logit / p->temperature - entropy);
    qsort(copy, l->n, sizeof *copy, by_deviation);
    while (keep < l->n && (keep < l->min_keep || mass < p->typical_p)) {
        for (uint32_t i = 0; i < l->n; i++) mass += l->e[i].id == copy[keep].id ? l->e[i].p : 0;
        keep++;
    }
    for (uint32_t i = 0; i < keep; i++) l->e[i] = copy[i];
    l->n = keep;
    free(copy);
}

static void keep_top_p(list *l, const tn_sampling *p) {
    double mass = 0;
    uint32_t keep = 0;
    while (keep < l->n && (keep < l->min_keep || mass < p->top_p)) mass += l->e[keep++].p;
    l->n = keep;
}

static void keep_min_p(list *l, const tn_sampling *p) {
    uint32_t keep = 0;
    while (keep < l->n && (keep < l->min_keep || l->e[keep].p >= p->min_p * l->e[0].p)) keep++;
    l->n = keep;
}

static void exclude_top(list *l, const tn_sampling *p) {
    uint32_t top = 0;
    while (top < l->n && l->e[top].p >= p->xtc_threshold) top++;
    if (top < 2 || l->n - (top - 1) < l->min_keep) return;
    l->n -= top - 1;
    for (uint32_t i = 0; i < l->n; i++) l->e[i] = l->e[i + top - 1];
}

uint32_t plain_candidates(const tn_sampling *p, const tn_history *h, const float *logits, uint32_t n_vocab,
                          bool xtc, plain_entry *ret) {
    list l = {.e = ret, .min_keep = p->min_keep ? p->min_keep : 1};
    for (uint32_t i = 0; i < n_vocab; i++) {
        double x = plain_logit(p, h, logits, (int32_t)i);
        if (x > -INFINITY) l.e[l.n++] = (plain_entry){.logit = x, .id = (int32_t)i};
    }
    normalise(&l, p->temperature);
    keep_sigma(&l, p);
    if (p->top_k && p->top_k < l.n) l.n = p->top_k;
    normalise(&l, p->temperature);
    if (p->typical_p > 0 && p->typical_p < 1) keep_typical(&l, p);
    normalise(&l, p->temperature);
    if (p->top_p > 0 && p->top_p < 1) keep_top_p(&l, p);
    normalise(&l, p->temperature);
    if (p->min_p > 0) keep_min_p(&l, p);
    normalise(&l, p->temperature);
    if (xtc) exclude_top(&l, p);
    normalise(&l, p->temperature);
    return l.n;
}
