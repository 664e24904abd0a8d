/* SPDX-License-Identifier: Apache-2.0 */
/* Sampling against a plain implementation that sorts everything and follows the definitions. The tokens that
 * can be drawn must be the same, with the same probabilities, over many random rows and settings; their
 * frequencies over many positions must follow. */
#include "unit/unit.h"

#include <math.h>

#include "sched/sampler.h"
#include "unit/plain_sampling.h"

enum { N = 50, DRAWS = 20000 };

typedef struct entry {
    double p;
    int32_t id;
} entry;

static int by_probability(const void *a, const void *b) {
    const entry *x = a, *y = b;
    if (x->p != y->p) return x->p < y->p ? 1 : -1;
    return x->id - y->id;
}

/* probability[id] by the definitions. */
static void plain(const tn_sampling *p, const tn_history *h, const float *logits, double *probability) {
    plain_entry e[N];
    uint32_t n = plain_candidates(p, h, logits, N, p->xtc_probability > 0, e);
    memset(probability, 0, N * sizeof *probability);
    for (uint32_t i = 0; i < n; i++) probability[e[i].id] = e[i].p;
}

static void random_logits(float *logits, uint64_t seed) {
    for (uint32_t i = 0; i < N; i++) logits[i] = (float)(8 * tn_random_unit(seed, i) - 4);
}

static const int32_t said[] = {3, 7, 7, 11, 3, 5, 7, 20, 20, 20};
static const tn_history history = {.ids = said, .n_prompt = 4, .n_ids = 10};
static const tn_logit_bias bias[] = {{1, 3.5f}, {2, -100}, {40, -2}};

static const tn_sampling settings[] = {
    {.temperature = 1},
    {.temperature = 0.5f},
    {.temperature = 3},
    {.temperature = 1, .top_k = 1},
    {.temperature = 1, .top_k = 5},
    {.temperature = 1, .top_k = 1000},
    {.temperature = 1, .top_p = 0.5f},
    {.temperature = 2, .top_p = 0.9f},
    {.temperature = 1, .top_p = 0.0001f},
    {.temperature = 1, .min_p = 0.1f},
    {.temperature = 1, .min_p = 1},
    {.temperature = 1.5f, .top_k = 12, .top_p = 0.8f},
    {.temperature = 1.5f, .top_k = 12, .top_p = 0.8f, .min_p = 0.2f},
    {.temperature = 0.8f, .top_p = 0.95f, .min_p = 0.05f},
    {.temperature = 1, .repetition_penalty = 1.5f},
    {.temperature = 1, .repetition_penalty = 0.7f, .top_k = 10},
    {.temperature = 1, .frequency_penalty = 0.9f},
    {.temperature = 1, .presence_penalty = 1.2f, .top_p = 0.9f},
    {.temperature = 1, .presence_penalty = -1, .frequency_penalty = -0.5f, .repetition_penalty = 1.1f},
    {.temperature = 1, .bias = bias, .n_bias = 3},
    {.temperature = 1, .bias = bias, .n_bias = 3, .repetition_penalty = 1.2f, .top_k = 20, .top_p = 0.9f},
    {.temperature = 1, .typical_p = 0.6f},
    {.temperature = 2, .typical_p = 0.9f, .top_p = 0.8f, .min_p = 0.1f},
    {.temperature = 1.5f, .top_n_sigma = 1},
    {.temperature = 3, .top_n_sigma = 1.5f, .top_k = 12},
    {.temperature = 2, .xtc_probability = 1, .xtc_threshold = 0.05f},
    {.temperature = 1, .xtc_probability = 1, .xtc_threshold = 0.1f, .min_p = 0.02f},
    {.temperature = 1, .top_p = 0.1f, .min_keep = 4},
    {.temperature = 1, .repetition_penalty = 2, .frequency_penalty = 0.5f, .repetition_last_n = 3},
    {.temperature = 1, .dry_multiplier = 2, .dry_allowed_length = 1},
};

static void compare_frequencies(size_t setting, const uint32_t *count, const double *probability) {
    for (int i = 0; i < N; i++) {
        double expected = probability[i] * DRAWS, sigma = sqrt(expected * (1 - probability[i]) + 1);
        if (probability[i] == 0 && count[i])
            fail_msg("setting %zu: id %d cannot be drawn, but was", setting, i);
        if (fabs(count[i] - expected) > 5 * sigma)
            fail_msg("setting %zu: id %d drawn %u times, expected %g +- %g", setting, i, count[i], expected,
                     sigma);
    }
}

static void draws_follow_the_definitions(void **state) {
    tn_sampler s;
    tn_error err = {0};
    float logits[N];
    (void)state;
    assert_int_equal(tn_sampler_init(&s, N, &err), 0);
    for (size_t k = 0; k < sizeof settings / sizeof *settings; k++) {
        uint32_t count[N] = {0};
        double probability[N];
        tn_sampling p = settings[k];
        random_logits(logits, k);
        plain(&p, &history, logits, probability);
        for (uint32_t i = 0; i < DRAWS; i++) {
            tn_token t;
            p.seed = 1000 * k + i;
            tn_sampler_pick(&s, &p, &history, logits, &t);
            assert_in_range(t.id, 0, N - 1);
            count[t.id]++;
        }
        compare_frequencies(k, count, probability);
    }
    tn_sampler_fini(&s);
}

/* ---- Random rows and settings ------------------------------------------------------------------------- */

/* A stream of random numbers for one case. */
typedef struct dice {
    uint64_t seed, at;
} dice;

static double roll(dice *d, double min, double max) {
    return min + (max - min) * tn_random_unit(d->seed, d->at++);
}

static bool chance(dice *d, double p) {
    return roll(d, 0, 1) < p;
}

static uint32_t below(dice *d, uint32_t n) {
    return (uint32_t)roll(d, 0, n);
}

typedef struct random_case {
    uint32_t n_vocab;
    float *logits;
    tn_sampling sampling;
    tn_history history;
    int32_t ids[200], breakers[4];
    tn_logit_bias bias[3];
} random_case;

/* Smooth rows, rows full of equal logits, rows with holes. */
static void random_row(dice *d, random_case *c) {
    uint32_t kind = below(d, 4);
    double spread = roll(d, 0.1, 8);
    for (uint32_t i = 0; i < c->n_vocab; i++) {
        double x = roll(d, -spread, spread);
        c->logits[i] = (float)(kind == 1 ? 0.5 * floor(2 * x) : x);
        if (kind == 2 && chance(d, 0.3)) c->logits[i] = -INFINITY;
        if (kind == 3 && chance(d, 0.3)) c->logits[i] = (float)NAN;
    }
    c->logits[below(d, c->n_vocab)] = (float)roll(d, 0, spread); /* one at least can be drawn */
}

/* Few different ids, so that there is much to repeat. */
static void random_history(dice *d, random_case *c) {
    uint32_t most = 1 + below(d, c->n_vocab < 6 ? c->n_vocab : 6), period = 1 + below(d, 20);
    uint32_t n = chance(d, 0.2) ? below(d, 4) : below(d, 200);
    for (uint32_t i = 0; i < n; i++)
        c->ids[i] = i >= period && chance(d, 0.95) ? c->ids[i - period] : (int32_t)below(d, most);
    c->history = (tn_history){.ids = c->ids, .n_prompt = n ? below(d, n) : 0, .n_ids = n};
    c->sampling.n_dry_breakers = chance(d, 0.5) ? 1 + below(d, 4) : 0;
    for (uint32_t i = 0, id = 0; i < 4; i++) c->breakers[i] = (int32_t)(id += 1 + below(d, 3));
    c->sampling.dry_breakers = c->breakers;
}

static void random_penalties(dice *d, random_case *c, tn_sampling *p) {
    if (chance(d, 0.3)) p->repetition_penalty = (float)roll(d, 0.5, 2);
    if (chance(d, 0.3)) p->frequency_penalty = (float)roll(d, -1, 1);
    if (chance(d, 0.3)) p->presence_penalty = (float)roll(d, -1, 1);
    if (chance(d, 0.3)) p->repetition_last_n = below(d, 100);
    if (chance(d, 0.4)) p->dry_multiplier = (float)roll(d, 0.1, 2);
    if (chance(d, 0.5)) p->dry_base = (float)roll(d, 1, 2);
    if (chance(d, 0.5)) p->dry_allowed_length = below(d, 8);
    if (chance(d, 0.3)) p->dry_last_n = below(d, 60);
    p->n_bias = chance(d, 0.3) && c->n_vocab > 3 ? 3 : 0;
    for (uint32_t i = 0; i < 3; i++) c->bias[i] = (tn_logit_bias){(int32_t)i, (float)roll(d, -5, 5)};
    p->bias = c->bias;
}

static void random_filters(dice *d, tn_sampling *p, uint32_t n_vocab) {
    p->temperature = (float)roll(d, 0.3, 2.5);
    if (chance(d, 0.3)) p->top_k = 2 + below(d, chance(d, 0.5) ? 20 : n_vocab);
    if (chance(d, 0.4)) p->top_p = (float)(chance(d, 0.2) ? 1 - roll(d, 0, 2e-4) : roll(d, 0.01, 1));
    if (chance(d, 0.3)) p->min_p = (float)pow(roll(d, 0, 1), 4);
    if (chance(d, 0.3)) p->typical_p = (float)roll(d, 0.01, 1);
    if (chance(d, 0.3)) p->top_n_sigma = (float)roll(d, 0, 3);
    if (chance(d, 0.3)) p->min_keep = below(d, chance(d, 0.8) ? 10 : 2 * n_vocab);
    p->xtc_probability = chance(d, 0.3);
    p->xtc_threshold = (float)pow(roll(d, 0, 0.8), 3);
}

static void random_case_init(dice *d, random_case *c, uint32_t n_vocab, float *logits) {
    *c = (random_case){.n_vocab = n_vocab, .logits = logits};
    random_row(d, c);
    random_history(d, c);
    random_penalties(d, c, &c->sampling);
    random_filters(d, &c->sampling, n_vocab);
}

/* By how much a probability may differ: each of its and the others' logits, floats, was rounded up to four
 * times (bias, the three penalties, DRY), and float exponentials are within 2e-7. */
static double rounding(const random_case *c, const plain_entry *e, uint32_t n) {
    double largest = 0;
    for (uint32_t i = 0; i < n; i++) largest = fmax(largest, fabs(e[i].logit));
    return 2 * 4 * 0x1p-24 * largest / c->sampling.temperature + 4e-7;
}

/* The same ids in the same order, with their probabilities. */
static void compare_candidates(uint64_t seed, const random_case *c, tn_sampler *s) {
    plain_entry *e = malloc(c->n_vocab * sizeof *e);
    int32_t *ids = malloc(c->n_vocab * sizeof *ids);
    double *p = malloc(c->n_vocab * sizeof *p);
    uint32_t n = tn_sampler_candidates(s, &c->sampling, &c->history, c->logits, ids, p);
    uint32_t expected = plain_candidates(&c->sampling, &c->history, c->logits, c->n_vocab,
                                         c->sampling.xtc_probability > 0, e);
    if (n != expected) fail_msg("case %d: %u candidates, expected %u", (int)seed, n, expected);
    double tolerance = rounding(c, e, n);
    for (uint32_t i = 0; i < n; i++) {
        if (ids[i] != e[i].id)
            fail_msg("case %d: candidate %u of %u is %d, expected %d", (int)seed, i, n, ids[i], e[i].id);
        if (fabs(p[i] - e[i].p) > tolerance * e[i].p + 1e-30)
            fail_msg("case %d: id %d has probability %g, expected %g", (int)seed, ids[i], p[i], e[i].p);
    }
    free(e);
    free(ids);
    free(p);
}

/* The token drawn is a candidate, and where nothing is filtered it is the one whose part of [0, 1) the random
 * number is in, ids side by side. */
static void compare_draw(uint64_t seed, const random_case *c, tn_sampler *s) {
    const tn_sampling *p = &c->sampling;
    plain_entry *e = malloc(c->n_vocab * sizeof *e);
    tn_token t;
    tn_sampler_pick(s, p, &c->history, c->logits, &t);
    uint32_t n = plain_candidates(p, &c->history, c->logits, c->n_vocab, p->xtc_probability > 0, e);
    double u = tn_random_unit(p->seed, c->history.n_ids), before = 0, own = -1;
    for (uint32_t i = 0; i < n; i++) {
        if (e[i].id < t.id) before += e[i].p;
        if (e[i].id == t.id) own = e[i].p;
    }
    if (own < 0) fail_msg("case %d: id %d was drawn, which is no candidate", (int)seed, t.id);
    bool whole = !p->top_k && !p->top_p && !p->min_p && !p->typical_p && !p->xtc_probability;
    if (whole && (u < before - 2e-6 || u > before + own + 2e-6))
        fail_msg("case %d: id %d drawn by %g, its part is %g .. %g", (int)seed, t.id, u, before,
                 before + own);
    free(e);
}

static void candidates_follow_the_definitions(void **state) {
    static const uint32_t sizes[] = {1, 2, 3, 50, 255, 256, 257, 700};
    tn_error err = {0};
    (void)state;
    for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
        tn_sampler s;
        float *logits = malloc(sizes[k] * sizeof *logits);
        assert_int_equal(tn_sampler_init(&s, sizes[k], &err), 0);
        for (uint64_t i = 0; i < 600; i++) {
            random_case c;
            dice d = {.seed = 10000 * k + i};
            random_case_init(&d, &c, sizes[k], logits);
            c.sampling.seed = i;
            if (c.sampling.top_k == 1) continue;
            compare_candidates(d.seed, &c, &s);
            compare_draw(d.seed, &c, &s);
        }
        free(logits);
        tn_sampler_fini(&s);
    }
}

/* As large as vocabularies get: what is left out early there must not have been needed. */
static void large_rows_follow_the_definitions(void **state) {
    enum { LARGE = 151936 };
    tn_sampler s;
    tn_error err = {0};
    float *logits = malloc(LARGE * sizeof *logits);
    (void)state;
    assert_int_equal(tn_sampler_init(&s, LARGE, &err), 0);
    for (uint64_t i = 0; i < 24; i++) {
        dice d = {.seed = 777 + i};
        random_case c = {.n_vocab = LARGE, .logits = logits, .sampling = {.temperature = 1, .seed = i}};
        for (uint32_t k = 0; k < LARGE; k++) logits[k] = (float)(pow(roll(&d, 0, 1), 1 + i) * (2 + i));
        if (i % 2) c.sampling.top_p = (float)roll(&d, 0.05, 0.99);
        if (i % 3 == 1) c.sampling.min_p = (float)roll(&d, 0.01, 0.9);
        if (i % 4 == 2) c.sampling.top_n_sigma = (float)roll(&d, 0.5, 2);
        if (i % 6 == 0) c.sampling.top_k = below(&d, 3000);
        if (i % 8 == 3) c.sampling.xtc_probability = 1, c.sampling.xtc_threshold = 1e-4f;
        compare_candidates(d.seed, &c, &s);
        compare_draw(d.seed, &c, &s);
    }
    free(logits);
    tn_sampler_fini(&s);
}

static void a_draw_depends_on_seed_and_position_only(void **state) {
    tn_sampler a, b;
    tn_error err = {0};
    float logits[N], other[N];
    int differ = 0;
    (void)state;
    random_logits(logits, 1);
    random_logits(other, 2);
    assert_int_equal(tn_sampler_init(&a, N, &err) | tn_sampler_init(&b, N, &err), 0);
    for (uint32_t i = 0; i < 500; i++) {
        tn_sampling p = {.temperature = 1.5f, .top_k = 30, .seed = 42},
                    q = {.temperature = 1, .seed = i, .top_p = 0.5f};
        tn_history h = {.ids = said, .n_prompt = 1, .n_ids = i % 10};
        tn_token t, u;
        tn_sampler_pick(&a, &p, &h, logits, &t);
        tn_sampler_pick(&b, &q, &history, other, &u); /* b has served others in between */
        tn_sampler_pick(&b, &p, &h, logits, &u);
        assert_int_equal(t.id, u.id);
        p.seed = 43;
        tn_sampler_pick(&b, &p, &h, logits, &u);
        differ += t.id != u.id;
    }
    assert_true(differ > 250);
    tn_sampler_fini(&a);
    tn_sampler_fini(&b);
}

static void log_probabilities_are_the_models_own(void **state) {
    tn_sampler s;
    tn_error err = {0};
    float logits[N];
    entry e[N];
    double sum = 0;
    (void)state;
    random_logits(logits, 9);
    for (int i = 0; i < N; i++) sum += exp(logits[i]);
    for (int i = 0; i < N; i++) e[i] = (entry){exp(logits[i]) / sum, i};
    assert_int_equal(tn_sampler_init(&s, N, &err), 0);
    tn_sampling p = {.temperature = 0.3f,
                     .top_k = 3,
                     .bias = bias,
                     .n_bias = 3,
                     .logprobs = true,
                     .n_top_logprobs = TN_TOP_LOGPROBS_MAX};
    tn_token t;
    tn_sampler_pick(&s, &p, &history, logits, &t);
    assert_true(fabs(t.logprob - log(e[t.id].p)) < 1e-5);
    qsort(e, N, sizeof *e, by_probability);
    assert_int_equal(t.n_top, TN_TOP_LOGPROBS_MAX);
    for (uint32_t i = 0; i < t.n_top; i++) {
        assert_int_equal(t.top[i].id, e[i].id);
        assert_true(fabs(t.top[i].logprob - log(e[i].p)) < 1e-5);
    }
    p.n_top_logprobs = 0;
    tn_sampler_pick(&s, &p, &history, logits, &t);
    assert_int_equal(t.n_top, 0);
    tn_sampler_fini(&s);
}

static void greedy_takes_the_first_of_equals(void **state) {
    tn_sampler s;
    tn_error err = {0};
    float logits[N] = {0};
    tn_token t;
    (void)state;
    assert_int_equal(tn_sampler_init(&s, N, &err), 0);
    logits[17] = logits[31] = 2;
    tn_sampling p = {.temperature = 0};
    tn_sampler_pick(&s, &p, &history, logits, &t);
    assert_int_equal(t.id, 17);
    p.presence_penalty = 3;
    int32_t ids[] = {17};
    tn_history h = {.ids = ids, .n_prompt = 0, .n_ids = 1};
    tn_sampler_pick(&s, &p, &h, logits, &t);
    assert_int_equal(t.id, 31);
    tn_sampler_fini(&s);
}

static void what_is_no_number_is_never_drawn(void **state) {
    tn_sampler s;
    tn_error err = {0};
    float logits[N];
    tn_token t;
    (void)state;
    assert_int_equal(tn_sampler_init(&s, N, &err), 0);
    for (int i = 0; i < N; i++) logits[i] = i % 2 ? (float)NAN : i % 4 ? -INFINITY : 0.5f;
    for (uint32_t i = 0; i < 1000; i++) {
        tn_sampling p = {.temperature = 5, .seed = i, .top_p = i % 3 ? 0.9f : 0};
        tn_sampler_pick(&s, &p, &history, logits, &t);
        assert_int_equal(t.id % 4, 0);
    }
    for (int i = 0; i < N; i++) logits[i] = (float)NAN;
    tn_sampling p = {.temperature = 1, .logprobs = true, .n_top_logprobs = 5};
    tn_sampler_pick(&s, &p, &history, logits, &t);
    assert_int_equal(t.id, 0);
    assert_int_equal(t.n_top, 0);
    tn_sampler_fini(&s);
}

/* Where nothing is filtered the token is the one whose part of [0, 1) the random number is in, ids side by
 * side. Float exponentials may move the borders by 1e-6. */
static void draws_go_by_the_cumulated_probability(void **state) {
    enum { LARGE = 10001 };
    static float logits[LARGE];
    static double cumulated[LARGE + 1];
    tn_sampler s;
    tn_error err = {0};
    dice d = {.seed = 5};
    (void)state;
    for (int i = 0; i < LARGE; i++) logits[i] = (float)roll(&d, -6, 6);
    for (int i = 0; i < LARGE; i++) cumulated[i + 1] = cumulated[i] + exp(logits[i] / 1.25);
    for (int i = 0; i <= LARGE; i++) cumulated[i] /= cumulated[LARGE];
    assert_int_equal(tn_sampler_init(&s, LARGE, &err), 0);
    for (uint64_t seed = 0; seed < 20000; seed++) {
        tn_sampling p = {.temperature = 1.25f, .seed = seed};
        tn_token t;
        tn_sampler_pick(&s, &p, &(tn_history){.n_ids = 0}, logits, &t);
        double u = tn_random_unit(seed, 0);
        if (u < cumulated[t.id] - 1e-6 || u > cumulated[t.id + 1] + 1e-6)
            fail_msg("id %d drawn by %.9f, its part is %.9f .. %.9f", t.id, u, cumulated[t.id],
                     cumulated[t.id + 1]);
    }
    tn_sampler_fini(&s);
}

/* ---- Rows and parameters that nobody should give ------------------------------------------------------ */

static int32_t pick(tn_sampler *s, tn_sampling p, const tn_history *h, const float *logits) {
    tn_token t;
    tn_sampler_pick(s, &p, h, logits, &t);
    assert_in_range(t.id, 0, s->n_vocab - 1);
    return t.id;
}

static void infinities_are_the_choice_or_none(void **state) {
    tn_sampler s;
    tn_error err = {0};
    float logits[N];
    tn_history none = {0};
    (void)state;
    assert_int_equal(tn_sampler_init(&s, N, &err), 0);
    for (size_t k = 0; k < sizeof settings / sizeof *settings; k++) {
        tn_sampling p = settings[k];
        p.bias = NULL, p.n_bias = 0;
        random_logits(logits, k);
        logits[20] = logits[30] = INFINITY;
        logits[3] = (float)NAN;
        assert_int_equal(pick(&s, p, &none, logits), 20);
        for (int i = 0; i < N; i++) logits[i] = i < 5 ? (float)NAN : -INFINITY;
        assert_int_equal(pick(&s, p, &none, logits), 5);
        for (int i = 0; i < N; i++) logits[i] = -INFINITY;
        assert_int_equal(pick(&s, p, &none, logits), 0);
        logits[33] = -3e38f;
        assert_int_equal(pick(&s, p, &none, logits), 33);
        for (int i = 0; i < N; i++) logits[i] = i == 7 ? 3e38f : -3e38f;
        p.min_keep = 0, p.xtc_probability = 0;
        assert_int_equal(pick(&s, p, &none, logits), 7);
    }
    tn_sampler_fini(&s);
}

static void extreme_parameters_leave_something(void **state) {
    static const float values[] = {1e-45f, 1e-30f, 1, 100, 3e38f, INFINITY, -1, -INFINITY, (float)NAN};
    const size_t n = sizeof values / sizeof *values;
    tn_sampler s;
    tn_error err = {0};
    float logits[N];
    (void)state;
    assert_int_equal(tn_sampler_init(&s, N, &err), 0);
    random_logits(logits, 5);
    for (int i = 0; i < N; i += 2) logits[i] = -INFINITY;
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < 9 * n; k++) {
            tn_sampling p = {.temperature = values[i], .seed = k};
            float *const fields[] = {&p.top_p,
                                     &p.min_p,
                                     &p.typical_p,
                                     &p.top_n_sigma,
                                     &p.xtc_threshold,
                                     &p.repetition_penalty,
                                     &p.presence_penalty,
                                     &p.dry_base,
                                     &p.dry_multiplier};
            *fields[k / n] = values[k % n];
            p.xtc_probability = 1;
            p.dry_multiplier += k / n == 7;
            assert_int_equal(pick(&s, p, &history, logits) % 2, 1);
        }
    tn_sampler_fini(&s);
}

static void one_token_is_always_drawn(void **state) {
    tn_sampler s;
    tn_error err = {0};
    static const int32_t zeros[5];
    static const tn_history h = {.ids = zeros, .n_prompt = 2, .n_ids = 5};
    static const float rows[] = {0, -5, 1e30f, INFINITY, -INFINITY, (float)NAN};
    (void)state;
    assert_int_equal(tn_sampler_init(&s, 1, &err), 0);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        for (size_t k = 0; k < sizeof settings / sizeof *settings; k++) {
            tn_sampling p = settings[k];
            p.bias = NULL, p.n_bias = 0, p.min_keep = 100;
            assert_int_equal(pick(&s, p, &h, &rows[i]), 0);
        }
    tn_sampler_fini(&s);
}

static uint32_t count_candidates(tn_sampler *s, const tn_sampling *p, const float *logits) {
    int32_t ids[N];
    double probabilities[N];
    return tn_sampler_candidates(s, p, &history, logits, ids, probabilities);
}

static void min_keep_keeps(void **state) {
    tn_sampler s;
    tn_error err = {0};
    float logits[N];
    (void)state;
    random_logits(logits, 3);
    assert_int_equal(tn_sampler_init(&s, N, &err), 0);
    for (uint32_t keep = 1; keep < 2 * N; keep++) {
        uint32_t most = keep < N ? keep : N;
        tn_sampling p = {.temperature = 1, .top_p = 0.001f, .min_keep = keep};
        assert_int_equal(count_candidates(&s, &p, logits), most);
        p = (tn_sampling){.temperature = 1, .min_p = 1, .min_keep = keep};
        assert_int_equal(count_candidates(&s, &p, logits), most);
        p = (tn_sampling){.temperature = 1, .typical_p = 0.001f, .min_keep = keep};
        assert_int_equal(count_candidates(&s, &p, logits), most);
        p = (tn_sampling){.temperature = 1, .xtc_probability = 1, .min_keep = keep};
        assert_int_equal(count_candidates(&s, &p, logits), keep == 1 ? 1 : N);
    }
    tn_sampler_fini(&s);
}

/* ---- XTC's coin, DRY's matches ------------------------------------------------------------------------ */

static void xtc_tosses_its_own_coin(void **state) {
    enum { TOSSES = 20000 };
    tn_sampler a, b;
    tn_error err = {0};
    float logits[N] = {0};
    uint32_t excluded = 0;
    double sum_u = 0;
    (void)state;
    logits[4] = logits[8] = 9;
    assert_int_equal(tn_sampler_init(&a, N, &err) | tn_sampler_init(&b, N, &err), 0);
    for (uint32_t i = 0; i < TOSSES; i++) {
        tn_sampling p = {.temperature = 1, .xtc_probability = 0.3f, .xtc_threshold = 0.2f, .seed = i};
        uint32_t n = count_candidates(&a, &p, logits);
        assert_int_equal(n, count_candidates(&b, &p, logits));
        if (n == N) continue;
        assert_int_equal(n, N - 1);
        excluded++;
        sum_u += tn_random_unit(p.seed, history.n_ids);
    }
    assert_true(fabs(excluded - 0.3 * TOSSES) < 5 * sqrt(0.3 * 0.7 * TOSSES));
    /* Where it was in force the draw's own random numbers are as even as ever. */
    assert_true(fabs(sum_u / excluded - 0.5) < 5 * sqrt(1.0 / 12 / excluded));
    tn_sampler_fini(&a);
    tn_sampler_fini(&b);
}

/* The penalty of id 1 after the history, from how far it falls behind an equal logit. */
static double dry_penalty_of_1(tn_sampler *s, const tn_sampling *p, const int32_t *ids, uint32_t n) {
    float logits[N] = {0};
    int32_t kept[N];
    double q[N], of_1 = 0, of_49 = 0;
    tn_history h = {.ids = ids, .n_prompt = n, .n_ids = n};
    uint32_t count = tn_sampler_candidates(s, p, &h, logits, kept, q);
    for (uint32_t i = 0; i < count; i++) {
        if (kept[i] == 1) of_1 = q[i];
        if (kept[i] == 49) of_49 = q[i];
    }
    return log(of_49 / of_1);
}

static void dry_punishes_what_would_repeat(void **state) {
    static const int32_t ids[] = {2, 3, 4, 1, 9, 2, 3, 4}; /* 1 followed 2 3 4 */
    static const int32_t breakers[] = {3, 7};
    tn_sampler s;
    tn_error err = {0};
    (void)state;
    assert_int_equal(tn_sampler_init(&s, N, &err), 0);
    tn_sampling p = {.temperature = 1, .dry_multiplier = 0.5f, .dry_base = 2, .dry_allowed_length = 2};
    assert_true(fabs(dry_penalty_of_1(&s, &p, ids, 8) - 1) < 1e-6); /* 0.5 * 2^(3 - 2) */
    p.dry_allowed_length = 3;
    assert_true(fabs(dry_penalty_of_1(&s, &p, ids, 8) - 0.5) < 1e-6);
    p.dry_allowed_length = 4;
    assert_true(dry_penalty_of_1(&s, &p, ids, 8) == 0);
    p.dry_allowed_length = 1;
    assert_true(fabs(dry_penalty_of_1(&s, &p, ids, 8) - 2) < 1e-6);
    p.dry_last_n = 6; /* 4 1 9 2 3 4 */
    assert_true(fabs(dry_penalty_of_1(&s, &p, ids, 8) - 0.5) < 1e-6);
    p.dry_last_n = 5; /* nothing is left before the 1 */
    assert_true(dry_penalty_of_1(&s, &p, ids, 8) == 0);
    p.dry_last_n = 0;
    p.dry_breakers = breakers, p.n_dry_breakers = 2; /* of 2 3 4 only the 4 counts */
    assert_true(fabs(dry_penalty_of_1(&s, &p, ids, 8) - 0.5) < 1e-6);
    for (uint32_t n = 0; n <= 3; n++) { /* shorter than what is allowed */
        p = (tn_sampling){.temperature = 1, .dry_multiplier = 5, .dry_allowed_length = 3};
        assert_true(dry_penalty_of_1(&s, &p, (const int32_t[]){1, 1, 1}, n) == 0);
    }
    tn_sampler_fini(&s);
}

/* Long repetitions count up to a bound, and do so in linear time: squares would take hours here. */
static void dry_copes_with_long_repetitions(void **state) {
    enum { LONG = 2000000 };
    int32_t *ids = malloc(LONG * sizeof *ids);
    tn_sampler s;
    tn_error err = {0};
    (void)state;
    for (int i = 0; i < LONG; i++) ids[i] = 1;
    assert_int_equal(tn_sampler_init(&s, N, &err), 0);
    tn_sampling p = {.temperature = 1, .dry_multiplier = 1, .dry_base = 1.001f, .dry_allowed_length = 24};
    assert_true(fabs(dry_penalty_of_1(&s, &p, ids, LONG) - pow(1.001f, TN_DRY_MATCH_MAX - 24)) < 1e-5);
    p.dry_base = 100;
    float logits[N] = {0};
    tn_history h = {.ids = ids, .n_prompt = 1, .n_ids = LONG};
    logits[1] = 1e6f;
    assert_int_not_equal(pick(&s, p, &h, logits), 1);
    free(ids);
    tn_sampler_fini(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(draws_follow_the_definitions),
        cmocka_unit_test(a_draw_depends_on_seed_and_position_only),
        cmocka_unit_test(log_probabilities_are_the_models_own),
        cmocka_unit_test(greedy_takes_the_first_of_equals),
        cmocka_unit_test(what_is_no_number_is_never_drawn),
        cmocka_unit_test(candidates_follow_the_definitions),
        cmocka_unit_test(large_rows_follow_the_definitions),
        cmocka_unit_test(draws_go_by_the_cumulated_probability),
        cmocka_unit_test(infinities_are_the_choice_or_none),
        cmocka_unit_test(extreme_parameters_leave_something),
        cmocka_unit_test(one_token_is_always_drawn),
        cmocka_unit_test(min_keep_keeps),
        cmocka_unit_test(xtc_tosses_its_own_coin),
        cmocka_unit_test(dry_punishes_what_would_repeat),
        cmocka_unit_test(dry_copes_with_long_repetitions),
    };
    return unit_main(tests);
}
