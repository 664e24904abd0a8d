/* SPDX-License-Identifier: Apache-2.0 */
#include "sched/sampler.h"

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

typedef struct tn_candidate candidate;

int tn_sampler_init(tn_sampler *s, uint32_t n_vocab, tn_error *err) {
    *s = (tn_sampler){.n_vocab = n_vocab};
    s->candidates = malloc(n_vocab * sizeof *s->candidates);
    s->logits = malloc(n_vocab * sizeof *s->logits);
    s->count = calloc(n_vocab, sizeof *s->count);
    if (s->candidates && s->logits && s->count) return 0;
    tn_sampler_fini(s);
    return tn_fail(err, TN_ENOMEM, "out of memory for %u candidates", n_vocab);
}

void tn_sampler_fini(tn_sampler *s) {
    free(s->candidates);
    free(s->logits);
    free(s->count);
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
    if (getrandom(&seed, sizeof seed, GRND_NONBLOCK) < 0) seed *= 0x9e3779b97f4a7c15u;
    return seed;
}

static int32_t highest(const float *logits, uint32_t n) {
    int32_t best = 0;
    float max = -INFINITY;
    for (uint32_t i = 0; i < n; i++)
        if (logits[i] > max) {
            max = logits[i];
            best = (int32_t)i;
        }
    return best;
}

static bool before(const candidate *a, const candidate *b) {
    return a->logit > b->logit || (a->logit == b->logit && a->id < b->id);
}

static void sift_down(candidate *c, uint32_t n, uint32_t i) {
    for (;;) {
        uint32_t top = i, l = 2 * i + 1, r = l + 1;
        if (l < n && before(&c[l], &c[top])) top = l;
        if (r < n && before(&c[r], &c[top])) top = r;
        if (top == i) return;
        candidate t = c[i];
        c[i] = c[top];
        c[top] = t;
        i = top;
    }
}

/* A candidate's probability relative to the best one's. */
static double weight(const candidate *c, float max, const tn_sampling *p) {
    return exp(((double)c->logit - max) / p->temperature);
}

/* Moves the best of a heap of n to its end and returns it. */
static const candidate *pop(candidate *c, uint32_t n) {
    candidate t = c[0];
    c[0] = c[n - 1];
    c[n - 1] = t;
    sift_down(c, n - 1, 0);
    return &c[n - 1];
}

/* Candidates come off the heap in order of probability until the filters are satisfied, so that the
 * vocabulary is never sorted. They gather at the array's end, the best one last. Returns how many are left to
 * draw from, at least 1. */
static uint32_t filter(candidate *c, uint32_t n, const tn_sampling *p) {
    uint32_t most = p->top_k && p->top_k < n ? p->top_k : n, taken = 0, kept = 0;
    float max = c[0].logit;
    bool nucleus = p->top_p > 0 && p->top_p < 1;
    double total = 0, mass = 0;
    if (most < n) /* top_p counts within top_k */
        for (; taken < most; taken++) total += weight(pop(c, n - taken), max, p);
    else if (nucleus)
        for (uint32_t i = 0; i < n; i++) total += weight(&c[i], max, p);
    for (; kept < most; kept++) {
        const candidate *next = kept < taken ? &c[n - 1 - kept] : pop(c, n - kept);
        double w = weight(next, max, p);
        if (kept > 0 && (w < p->min_p || (nucleus && mass >= p->top_p * total))) break;
        mass += w;
    }
    return kept;
}

/* Draws among count candidates, going backwards from c: the first whose cumulated weight passes u. */
static int32_t draw(const candidate *c, uint32_t count, float max, const tn_sampling *p, double u) {
    double sum = 0, at = 0;
    for (uint32_t i = 0; i < count; i++) sum += weight(c - i, max, p);
    for (uint32_t i = 0; i < count; i++) {
        at += weight(c - i, max, p);
        if (at > u * sum) return c[-(ptrdiff_t)i].id;
    }
    return c->id;
}

static int32_t sample(tn_sampler *s, const tn_sampling *p, uint32_t pos, const float *logits) {
    uint32_t n = 0;
    if (!(p->temperature > 0) || p->top_k == 1) return highest(logits, s->n_vocab);
    for (uint32_t i = 0; i < s->n_vocab; i++)
        if (logits[i] > -INFINITY) s->candidates[n++] = (candidate){logits[i], (int32_t)i};
    if (n == 0) return highest(logits, s->n_vocab);
    double u = tn_random_unit(p->seed, pos);
    bool filtered = p->top_k || (p->top_p > 0 && p->top_p < 1) || p->min_p > 0;
    float max = logits[highest(logits, s->n_vocab)];
    if (!isfinite(max)) return highest(logits, s->n_vocab);
    if (!filtered) return draw(s->candidates + n - 1, n, max, p, u);
    for (uint32_t i = n / 2; i-- > 0;) sift_down(s->candidates, n, i);
    return draw(s->candidates + n - 1, filter(s->candidates, n, p), max, p, u);
}

static bool penalises(const tn_sampling *p) {
    return (p->repetition_penalty > 0 && p->repetition_penalty != 1) || p->frequency_penalty != 0 ||
           p->presence_penalty != 0;
}

/* Every id that occurred, once: counted in the answer, then settled and its count cleared. */
static void penalise(tn_sampler *s, const tn_sampling *p, const tn_history *h) {
    const uint32_t seen = 1u << 31;
    float r = p->repetition_penalty > 0 ? p->repetition_penalty : 1;
    for (uint32_t i = 0; i < h->n_ids; i++) {
        uint32_t *count = &s->count[h->ids[i]];
        *count = (*count + (i >= h->n_prompt)) | seen;
    }
    for (uint32_t i = 0; i < h->n_ids; i++) {
        uint32_t *count = &s->count[h->ids[i]], n = *count & ~seen;
        float *logit = &s->logits[h->ids[i]];
        if (!*count) continue;
        *logit = *logit > 0 ? *logit / r : *logit * r;
        *logit -= p->frequency_penalty * (float)n + (n ? p->presence_penalty : 0);
        *count = 0;
    }
}

static const float *adjust(tn_sampler *s, const tn_sampling *p, const tn_history *h, const float *logits) {
    if (!p->n_bias && !penalises(p)) return logits;
    memcpy(s->logits, logits, s->n_vocab * sizeof *logits);
    for (uint32_t i = 0; i < p->n_bias; i++)
        s->logits[p->bias[i].id] =
            p->bias[i].bias <= -100 ? -INFINITY : s->logits[p->bias[i].id] + p->bias[i].bias;
    if (penalises(p)) penalise(s, p, h);
    return s->logits;
}

/* log softmax of the chosen id and of the best n, kept in order by insertion: n is small. */
static void fill_logprobs(const tn_sampler *s, const tn_sampling *p, const float *logits, tn_token *t) {
    double max = logits[highest(logits, s->n_vocab)], sum = 0;
    t->n_top = 0;
    for (uint32_t i = 0; i < s->n_vocab; i++) {
        if (!(logits[i] > -INFINITY)) continue;
        sum += exp(logits[i] - max);
        uint32_t at = t->n_top;
        while (at > 0 && logits[i] > t->top[at - 1].logprob) at--;
        if (at >= p->n_top_logprobs) continue;
        if (t->n_top < p->n_top_logprobs) t->n_top++;
        memmove(&t->top[at + 1], &t->top[at], (t->n_top - 1 - at) * sizeof *t->top);
        t->top[at].id = (int32_t)i;
        t->top[at].logprob = logits[i];
    }
    double log_sum = max + log(sum);
    for (uint32_t i = 0; i < t->n_top; i++) t->top[i].logprob = (float)(t->top[i].logprob - log_sum);
    t->logprob = (float)(logits[t->id] - log_sum);
}

void tn_sampler_pick(tn_sampler *s, const tn_sampling *p, const tn_history *h, const float *logits,
                     tn_token *ret) {
    *ret = (tn_token){.id = sample(s, p, h->n_ids, adjust(s, p, h, logits))};
    if (p->logprobs) fill_logprobs(s, p, logits, ret);
}
