/* SPDX-License-Identifier: Apache-2.0 */
#include "sched/penalties.h"

#include <math.h>
#include <string.h>

/* The last n of the ids; 0: all. */
static uint32_t window_start(const tn_history *h, uint32_t n) {
    return n && n < h->n_ids ? h->n_ids - n : 0;
}

static bool penalises(const tn_sampling *p) {
    return (p->repetition_penalty > 0 && p->repetition_penalty != 1) || p->frequency_penalty != 0 ||
           p->presence_penalty != 0;
}

/* Every id that occurred, once: counted in the answer, then settled and its count cleared. */
static void penalise(tn_sampler *s, const tn_sampling *p, const tn_history *h) {
    const uint32_t seen = 1u << 31, start = window_start(h, p->repetition_last_n);
    float r = p->repetition_penalty > 0 ? p->repetition_penalty : 1;
    for (uint32_t i = start; i < h->n_ids; i++) {
        uint32_t *count = &s->count[h->ids[i]];
        *count = (*count + (i >= h->n_prompt)) | seen;
    }
    for (uint32_t i = start; i < h->n_ids; i++) {
        uint32_t *count = &s->count[h->ids[i]], n = *count & ~seen;
        float *logit = &s->logits[h->ids[i]];
        if (!*count) continue;
        *logit = *logit > 0 ? *logit / r : *logit * r;
        *logit -= p->frequency_penalty * (float)n + (n ? p->presence_penalty : 0);
        *count = 0;
    }
}

/* ---- DRY --------------------------------------------------------------------------------------------- */

static bool is_breaker(const tn_sampling *p, int32_t id) {
    uint32_t low = 0, high = p->n_dry_breakers;
    while (low < high) {
        uint32_t mid = low + (high - low) / 2;
        if (p->dry_breakers[mid] == id) return true;
        if (p->dry_breakers[mid] < id)
            low = mid + 1;
        else
            high = mid;
    }
    return false;
}

/* The window read backwards: back(w, 0) is the last id. */
typedef struct window {
    const int32_t *last;
    uint32_t n;
} window;

static int32_t back(const window *w, uint32_t i) {
    return *(w->last - i);
}

/* How long a repetition may be: up to the last breaker, to what is kept of matches, and to leave an id before
 * the end for it to have occurred at. */
static uint32_t longest_match(const tn_sampling *p, const window *w) {
    uint32_t most = w->n - 1 < TN_DRY_MATCH_MAX ? w->n - 1 : TN_DRY_MATCH_MAX, n = 0;
    while (n < most && !is_breaker(p, back(w, n))) n++;
    return n;
}

static void note(tn_sampler *s, int32_t id, uint32_t match, uint32_t allowed) {
    if (match >= allowed && s->count[id] < match) s->count[id] = match;
}

/* For every k the length of the longest common start of the backward window and the same from k on: the Z
 * function (Gusfield 1997, section 1.3), cut at `most`, so that only its first `most` values are ever asked
 * for again. The id before that start is what followed the match there. */
static void note_matches(tn_sampler *s, const window *w, uint32_t most, uint32_t allowed) {
    uint16_t z[TN_DRY_MATCH_MAX + 1];
    uint32_t left = 0, end = 0; /* the match that reaches furthest: from left to before end */
    for (uint32_t k = 1; k < w->n; k++) {
        uint32_t n = k < end ? z[k - left] : 0;
        if (k >= end || n >= end - k) {
            if (k < end) n = end - k;
            while (n < most && k + n < w->n && back(w, n) == back(w, k + n)) n++;
            left = k;
            end = k + n;
        }
        if (k <= most) z[k] = (uint16_t)n;
        note(s, back(w, k - 1), n, allowed);
    }
}

static void dry(tn_sampler *s, const tn_sampling *p, const tn_history *h) {
    uint32_t start = window_start(h, p->dry_last_n);
    uint32_t allowed = p->dry_allowed_length ? p->dry_allowed_length : TN_DRY_ALLOWED_DEFAULT;
    double base = p->dry_base > 0 ? p->dry_base : TN_DRY_BASE_DEFAULT;
    window w = {h->ids + h->n_ids - 1, h->n_ids - start};
    if (w.n <= allowed) return;
    uint32_t most = longest_match(p, &w);
    if (most < allowed) return;
    note_matches(s, &w, most, allowed);
    for (uint32_t i = start; i < h->n_ids; i++) {
        uint32_t *match = &s->count[h->ids[i]];
        if (!*match) continue;
        /* Bounded, so that logits keep an order even where all of them are punished. */
        double penalty = fmin(p->dry_multiplier * pow(base, *match - allowed), 1e30);
        if (!is_breaker(p, h->ids[i])) s->logits[h->ids[i]] -= (float)penalty;
        *match = 0;
    }
}

const float *tn__penalties_apply(tn_sampler *s, const tn_sampling *p, const tn_history *h,
                                 const float *logits) {
    bool repeats = p->dry_multiplier > 0 && h->n_ids > 0;
    if (!p->n_bias && !p->shape && !penalises(p) && !repeats) return logits;
    memcpy(s->logits, logits, s->n_vocab * sizeof *logits);
    if (p->shape) p->shape(p->shape_ctx, h, s->logits);
    for (uint32_t i = 0; i < p->n_bias; i++)
        s->logits[p->bias[i].id] =
            p->bias[i].bias <= -100 ? -INFINITY : s->logits[p->bias[i].id] + p->bias[i].bias;
    if (penalises(p)) penalise(s, p, h);
    if (repeats) dry(s, p, h);
    return s->logits;
}
