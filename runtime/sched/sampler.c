/* SPDX-License-Identifier: Apache-2.0 */
#include "sched/sampler.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

#include "sched/penalties.h"

int tn_sampler_init(tn_sampler *s, uint32_t n_vocab, tn_error *err) {
    *s = (tn_sampler){.n_vocab = n_vocab};
    s->candidates = malloc(n_vocab * sizeof *s->candidates);
    s->logits = malloc(n_vocab * sizeof *s->logits);
    s->count = calloc(n_vocab, sizeof *s->count);
    s->block_sums = malloc(tn__row_blocks(n_vocab) * sizeof *s->block_sums);
    if (s->candidates && s->logits && s->count && s->block_sums) return 0;
    tn_sampler_fini(s);
    return tn_fail(err, TN_ENOMEM, "out of memory for %u candidates", n_vocab);
}

void tn_sampler_fini(tn_sampler *s) {
    free(s->candidates);
    free(s->logits);
    free(s->count);
    free(s->block_sums);
    *s = (tn_sampler){0};
}

/* SplitMix64's finaliser (Steele et al. 2014) over both numbers. */
static uint64_t mix(uint64_t z) {
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

double tn_random_unit(uint64_t seed, uint64_t pos) {
    uint64_t z = mix(mix(seed + 0x9e3779b97f4a7c15u) + (pos + 1) * 0x9e3779b97f4a7c15u);
    return (double)(z >> 11) * 0x1p-53;
}

uint64_t tn_random_seed(void) {
    uint64_t seed = (uint64_t)time(NULL);
#ifdef __APPLE__
    if (getentropy(&seed, sizeof seed) != 0) seed *= 0x9e3779b97f4a7c15u;
#else
    if (getrandom(&seed, sizeof seed, GRND_NONBLOCK) < 0) seed *= 0x9e3779b97f4a7c15u;
#endif
    return seed;
}

/* ---- The chain --------------------------------------------------------------------------------------- */

/* What is left of the row: all entries >= row.floor, until a step needs them one by one and gathers them. */
typedef struct chain {
    tn_sampler *s;
    const tn_sampling *p;
    tn_row row;      /* row.max: the highest logit left */
    tn_candidate *c; /* [n] in no order; NULL: not gathered */
    uint32_t n;
} chain;

/* A candidate's probability relative to the best one's. */
static double weight(const chain *k, float logit) {
    return exp(((double)logit - k->row.max) / k->row.temperature);
}

static double total_weight(const chain *k) {
    double total = 0;
    if (!k->c) return tn__row_total(&k->row, k->s->block_sums, NULL);
    for (uint32_t i = 0; i < k->n; i++) total += weight(k, k->c[i].logit);
    return total;
}

/* A logit that no candidate of at least this weight is below, by a little more than rounding. */
static float logit_floor(const chain *k, double least) {
    double d = k->row.temperature * log(least);
    double x = k->row.max + d - 1e-6 * (fabs(k->row.max) + fabs(d));
    return x > k->row.floor ? (float)x : k->row.floor;
}

static void gather(chain *k, float floor) {
    k->c = k->s->candidates;
    k->n = tn__row_collect(k->row.logits, k->row.n, floor, k->c);
}

static void find_max(chain *k) {
    k->row.max = k->c[0].logit;
    for (uint32_t i = 1; i < k->n; i++)
        if (k->c[i].logit > k->row.max) k->row.max = k->c[i].logit;
}

static uint32_t min_keep(const chain *k) {
    return k->p->min_keep ? k->p->min_keep : 1;
}

/* ---- Taking candidates in order ---------------------------------------------------------------------- */

/* c is a heap with the first of the order on top but for its entry i, which may have to go down. */
static void sift_down(tn_candidate *c, uint32_t n, uint32_t i) {
    for (;;) {
        uint32_t top = i, l = 2 * i + 1, r = l + 1;
        if (l < n && tn__candidate_before(&c[l], &c[top])) top = l;
        if (r < n && tn__candidate_before(&c[r], &c[top])) top = r;
        if (top == i) return;
        tn_candidate t = c[i];
        c[i] = c[top];
        c[top] = t;
        i = top;
    }
}

/* Keeps candidates in the order of their `logit` (whatever a step has put there) until they weigh enough or
 * the next weighs less than least: they come off a heap, so that those that go are never sorted. They gather
 * at the array's end, the first of the order last, and get their logits back. */
static void take(chain *k, double enough, double least) {
    double mass = 0;
    uint32_t kept = 0;
    for (uint32_t i = k->n / 2; i-- > 0;) sift_down(k->c, k->n, i);
    for (uint32_t left = k->n; left > 0; left--, kept++) {
        tn_candidate next = {k->row.logits[k->c[0].id], k->c[0].id};
        double w = weight(k, next.logit);
        if (kept >= min_keep(k) && (w < least || mass >= enough)) break;
        mass += w;
        k->c[0] = k->c[left - 1];
        k->c[left - 1] = next;
        sift_down(k->c, left - 1, 0);
    }
    k->c += k->n - kept;
    k->n = kept;
    find_max(k);
}

/* ---- Steps ------------------------------------------------------------------------------------------- */

/* logit >= max - top_n_sigma * sigma as a bound for floats. */
static float sigma_floor(const chain *k) {
    double bound = k->row.max - k->p->top_n_sigma * tn__row_deviation(k->row.logits, k->row.n);
    if (!(bound >= -FLT_MAX)) return -FLT_MAX;
    float floor = (float)bound;
    return floor < bound ? nextafterf(floor, INFINITY) : floor;
}

/* top_n_sigma and top_k. False: there is nothing to draw from but the highest entry. */
static bool begin(chain *k) {
    const tn_sampling *p = k->p;
    bool few = p->top_k && p->top_k<k->row.n, sigma = p->top_n_sigma> 0;
    if (!(p->temperature > 0) || p->top_k == 1) return false;
    if (sigma || !few) k->row.max = k->row.logits[tn__row_highest(k->row.logits, k->row.n)];
    if ((sigma || !few) && !isfinite(k->row.max)) return false;
    if (sigma) k->row.floor = sigma_floor(k);
    if (!few) return true;
    k->c = k->s->candidates;
    k->n = tn__row_select(k->row.logits, k->row.n, p->top_k, k->row.floor, k->c);
    if (k->n == 0) return false;
    find_max(k);
    return isfinite(k->row.max);
}

/* Whatever has a share of the total below an n-th of what a step leaves out is not needed to reach the rest.
 * A tenth is for the total's rounding, which decides alone when the step leaves out next to nothing. */
static double least_needed(const chain *k, float kept, double total) {
    double out = 1 - (double)kept;
    return out > 1e-4 ? 0.9 * out * total / k->row.n : 0;
}

/* Gathers what is >= floor, or all when that is too little to keep. */
static void gather_likely(chain *k, float floor) {
    gather(k, floor);
    if (k->n < min_keep(k)) gather(k, k->row.floor);
}

static double total_and_mean(const chain *k, double *ret_mean) {
    double total = 0, sum = 0;
    if (!k->c) return tn__row_total(&k->row, k->s->block_sums, ret_mean);
    for (uint32_t i = 0; i < k->n; i++) {
        double w = weight(k, k->c[i].logit);
        total += w;
        sum += w * ((double)k->c[i].logit - k->row.max);
    }
    *ret_mean = k->row.max + sum / total;
    return total;
}

/* With log p = logit / temperature - log Z, |-log p - H| is |logit - the mean logit| / temperature. Nothing
 * above the mean is further from it than the maximum, so beyond that distance candidates come in descending
 * order, and those that are not needed for the mass come last. */
static void typical(chain *k) {
    double mean, total;
    if (!(k->p->typical_p > 0 && k->p->typical_p < 1)) return;
    total = total_and_mean(k, &mean);
    if (!k->c) {
        float needed = logit_floor(k, least_needed(k, k->p->typical_p, total));
        double mirrored = mean - (k->row.max - mean) - 1e-5 * (fabs(k->row.max) + fabs(mean));
        if (!(mirrored > k->row.floor)) mirrored = k->row.floor;
        gather_likely(k, mirrored < needed ? (float)mirrored : needed);
    }
    for (uint32_t i = 0; i < k->n; i++) k->c[i].logit = (float)-fabs(k->c[i].logit - mean);
    take(k, k->p->typical_p * total, 0);
}

/* top_p and min_p. */
static void cut(chain *k) {
    bool nucleus = k->p->top_p > 0 && k->p->top_p < 1;
    if (!nucleus && !(k->p->min_p > 0)) return;
    double total = nucleus ? total_weight(k) : 0;
    double least = nucleus ? fmax(k->p->min_p, least_needed(k, k->p->top_p, total)) : k->p->min_p;
    if (!k->c) gather_likely(k, logit_floor(k, least));
    take(k, nucleus ? k->p->top_p * total : INFINITY, k->p->min_p);
}

/* XTC. The candidates of at least the threshold are those up to one of them in order. */
static void exclude_top(chain *k, uint32_t pos) {
    const uint64_t stream = 0x7874635f73747265u;
    if (!(k->p->xtc_probability > 0)) return;
    if (!(tn_random_unit(mix(k->p->seed ^ stream), pos) < k->p->xtc_probability)) return;
    double least = k->p->xtc_threshold * total_weight(k);
    if (!k->c) gather(k, k->row.floor);
    float floor = logit_floor(k, least);
    uint32_t top = 0, kept = 0;
    tn_candidate last = {0};
    for (uint32_t i = 0; i < k->n; i++) {
        if (k->c[i].logit < floor || weight(k, k->c[i].logit) < least) continue;
        if (top++ == 0 || tn__candidate_before(&last, &k->c[i])) last = k->c[i];
    }
    if (top < 2 || k->n - (top - 1) < min_keep(k)) return;
    for (uint32_t i = 0; i < k->n; i++)
        if (!tn__candidate_before(&k->c[i], &last)) k->c[kept++] = k->c[i];
    k->n = kept;
    find_max(k);
}

/* Everything between penalties and draw. False: the highest entry is the choice. */
static bool narrow(chain *k, uint32_t pos) {
    if (!begin(k)) return false;
    typical(k);
    cut(k);
    exclude_top(k, pos);
    return true;
}

/* The first candidate at which the cumulated weight passes u of all; weights take the logits' place. */
static int32_t draw(chain *k, double u) {
    double sum = 0, at = 0;
    if (!k->c) {
        tn__row_total(&k->row, k->s->block_sums, NULL);
        return tn__row_draw(&k->row, k->s->block_sums, u);
    }
    for (uint32_t i = 0; i < k->n; i++) sum += k->c[i].logit = (float)weight(k, k->c[i].logit);
    for (uint32_t i = k->n; i-- > 0;) {
        at += k->c[i].logit;
        if (at > u * sum) return k->c[i].id;
    }
    return k->c[0].id;
}

static chain start(tn_sampler *s, const tn_sampling *p, const tn_history *h, const float *logits) {
    tn_row row = {.logits = tn__penalties_apply(s, p, h, logits),
                  .n = s->n_vocab,
                  .temperature = p->temperature,
                  .floor = -FLT_MAX};
    return (chain){.s = s, .p = p, .row = row};
}

/* log softmax of the chosen id and of the best ones. */
static void fill_logprobs(tn_sampler *s, const tn_sampling *p, const float *logits, tn_token *t) {
    tn_row row = {.logits = logits, .n = s->n_vocab, .temperature = 1, .floor = -FLT_MAX};
    row.max = logits[tn__row_highest(logits, s->n_vocab)];
    double log_sum =
        isfinite(row.max) ? row.max + log(tn__row_total(&row, s->block_sums, NULL)) : (double)NAN;
    tn_candidate *c = s->candidates;
    uint32_t most = p->n_top_logprobs < s->n_vocab ? p->n_top_logprobs : s->n_vocab;
    t->n_top = most ? tn__row_select(logits, s->n_vocab, most, -FLT_MAX, c) : 0;
    for (uint32_t i = t->n_top / 2; i-- > 0;) sift_down(c, t->n_top, i);
    for (uint32_t i = 0; i < t->n_top; i++) {
        t->top[i].id = c[0].id;
        t->top[i].logprob = (float)(c[0].logit - log_sum);
        c[0] = c[t->n_top - 1 - i];
        sift_down(c, t->n_top - 1 - i, 0);
    }
    t->logprob = (float)(logits[t->id] - log_sum);
}

void tn_sampler_pick(tn_sampler *s, const tn_sampling *p, const tn_history *h, const float *logits,
                     tn_token *ret) {
    chain k = start(s, p, h, logits);
    if (narrow(&k, h->n_ids))
        *ret = (tn_token){.id = draw(&k, tn_random_unit(p->seed, h->n_ids))};
    else
        *ret = (tn_token){.id = tn__row_highest(k.row.logits, k.row.n)};
    if (p->logprobs) fill_logprobs(s, p, logits, ret);
}

uint32_t tn_sampler_candidates(tn_sampler *s, const tn_sampling *p, const tn_history *h, const float *logits,
                               int32_t *ret_ids, double *ret_probabilities) {
    chain k = start(s, p, h, logits);
    if (!narrow(&k, h->n_ids)) {
        ret_ids[0] = tn__row_highest(k.row.logits, k.row.n);
        ret_probabilities[0] = 1;
        return 1;
    }
    if (!k.c) gather(&k, k.row.floor);
    double total = total_weight(&k);
    take(&k, INFINITY, 0);
    for (uint32_t i = 0; i < k.n; i++) {
        ret_ids[i] = k.c[k.n - 1 - i].id;
        ret_probabilities[i] = weight(&k, k.c[k.n - 1 - i].logit) / total;
    }
    return k.n;
}
