/* SPDX-License-Identifier: Apache-2.0 */
/* Sampling against a plain implementation: sort everything, follow the definitions. The set of tokens that
 * can be drawn must be the same, and their frequencies over many positions must follow the plain
 * probabilities. */
#include "unit/unit.h"

#include <math.h>

#include "sched/sampler.h"

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

static void normalise(entry *e, size_t n) {
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += e[i].p;
    for (size_t i = 0; i < n; i++) e[i].p /= sum;
}

static double plain_logit(const tn_sampling *p, const tn_history *h, const float *logits, int32_t id) {
    double x = logits[id];
    uint32_t answered = 0, occurred = 0;
    for (uint32_t i = 0; i < p->n_bias; i++)
        if (p->bias[i].id == id) x = p->bias[i].bias <= -100 ? -INFINITY : x + p->bias[i].bias;
    for (uint32_t i = 0; i < h->n_ids; i++) {
        occurred += h->ids[i] == id;
        answered += h->ids[i] == id && i >= h->n_prompt;
    }
    if (occurred && p->repetition_penalty > 0)
        x = x > 0 ? x / p->repetition_penalty : x * p->repetition_penalty;
    return x - answered * (double)p->frequency_penalty - (answered ? p->presence_penalty : 0);
}

/* probability[id] by the definitions, filters one after the other on a sorted list. */
static void plain(const tn_sampling *p, const tn_history *h, const float *logits, double *probability) {
    entry e[N];
    size_t n = N;
    double cumulated = 0;
    for (int32_t i = 0; i < N; i++) e[i] = (entry){exp(plain_logit(p, h, logits, i) / p->temperature), i};
    normalise(e, n);
    qsort(e, n, sizeof *e, by_probability);
    if (p->top_k && p->top_k < n) n = p->top_k;
    normalise(e, n);
    if (p->top_p > 0 && p->top_p < 1) {
        size_t keep = 0;
        while (keep < n && cumulated < p->top_p) cumulated += e[keep++].p;
        n = keep;
    }
    if (p->min_p > 0) {
        size_t keep = 1;
        while (keep < n && e[keep].p >= p->min_p * e[0].p) keep++;
        n = keep;
    }
    normalise(e, n);
    memset(probability, 0, N * sizeof *probability);
    for (size_t i = 0; i < n; i++) probability[e[i].id] = e[i].p;
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

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(draws_follow_the_definitions),
        cmocka_unit_test(a_draw_depends_on_seed_and_position_only),
        cmocka_unit_test(log_probabilities_are_the_models_own),
        cmocka_unit_test(greedy_takes_the_first_of_equals),
        cmocka_unit_test(what_is_no_number_is_never_drawn),
    };
    return unit_main(tests);
}
