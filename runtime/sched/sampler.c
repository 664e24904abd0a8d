/* SPDX-License-Identifier: Apache-2.0 */
#include "sched/sampler.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

typedef struct tn_candidate candidate;

int tn_sampler_init(tn_sampler *s, uint32_t n_vocab, tn_error *err) {
    s->n_vocab = n_vocab;
    s->candidates = malloc(n_vocab * sizeof *s->candidates);
    return s->candidates ? 0 : tn_fail(err, TN_ENOMEM, "out of memory for %u candidates", n_vocab);
}

void tn_sampler_fini(tn_sampler *s) {
    free(s->candidates);
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

/* Candidates come off a heap in order of probability until the filters are satisfied, so that the whole vocabulary is
 * never sorted: popped ones gather at the array's end, best last. Returns how many. */
static uint32_t take_best(candidate *c, uint32_t n, const tn_sampling *p, double total) {
    uint32_t want = p->top_k && p->top_k < n ? p->top_k : n, taken = 0;
    double inv_t = 1.0 / p->temperature, mass = 0, kept = 0, max = c[0].logit;
    bool nucleus = p->top_p > 0 && p->top_p < 1;
    if (nucleus && p->top_k && p->top_k < n) total = 0; /* top_p counts within top_k: below */
    while (taken < want) {
        double w = exp((c[0].logit - max) * inv_t);
        if (p->min_p > 0 && w < p->min_p) break;
        candidate t = c[0];
        c[0] = c[n - 1 - taken];
        c[n - 1 - taken] = t;
        taken++;
        sift_down(c, n - taken, 0);
        mass += w;
        if (nucleus && total > 0 && mass >= p->top_p * total) break;
    }
    if (!(nucleus && total == 0)) return taken;
    for (uint32_t i = 0; i < taken; i++) {
        kept += exp((c[n - 1 - i].logit - max) * inv_t);
        if (kept >= p->top_p * mass) return i + 1;
    }
    return taken;
}

static int32_t draw(const candidate *c, uint32_t n, uint32_t taken, const tn_sampling *p, double u) {
    double inv_t = 1.0 / p->temperature, sum = 0, max = c[n - 1].logit;
    for (uint32_t i = 0; i < taken; i++) sum += exp((c[n - 1 - i].logit - max) * inv_t);
    double target = u * sum, at = 0;
    for (uint32_t i = 0; i < taken; i++) {
        at += exp((c[n - 1 - i].logit - max) * inv_t);
        if (at > target) return c[n - 1 - i].id;
    }
    return c[n - taken].id;
}

int32_t tn_sampler_pick(tn_sampler *s, const tn_sampling *p, uint32_t pos, const float *logits) {
    uint32_t n = 0;
    if (!(p->temperature > 0) || p->top_k == 1) return highest(logits, s->n_vocab);
    for (uint32_t i = 0; i < s->n_vocab; i++)
        if (logits[i] > -INFINITY) s->candidates[n++] = (candidate){logits[i], (int32_t)i};
    if (n == 0) return highest(logits, s->n_vocab);
    for (uint32_t i = n / 2; i-- > 0;) sift_down(s->candidates, n, i);
    double total = 0, max = s->candidates[0].logit;
    if (!isfinite(max)) return s->candidates[0].id;
    if (p->top_p > 0 && p->top_p < 1)
        for (uint32_t i = 0; i < s->n_vocab; i++)
            if (logits[i] > -INFINITY) total += exp((logits[i] - max) / p->temperature);
    uint32_t taken = take_best(s->candidates, n, p, total);
    return draw(s->candidates, n, taken ? taken : 1, p, tn_random_unit(p->seed, pos));
}
