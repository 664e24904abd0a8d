/* SPDX-License-Identifier: Apache-2.0 */
/* How long choosing a token takes over a vocabulary of 151,936 entries: rough numbers for whoever changes the
 * sampler. The row is what language models give: a few high logits over a wide bell. Processor time, the
 * median of many picks. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "sched/sampler.h"

enum { N = 151936, HISTORY = 4000, ROWS = 8, REPEATS = 41 };

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return 1e6 * (double)t.tv_sec + 1e-3 * (double)t.tv_nsec;
}

static int compare(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void fill(float *row, uint64_t seed) {
    for (uint64_t i = 0; i < N; i++) {
        double sum = -6;
        for (uint64_t k = 0; k < 12; k++) sum += tn_random_unit(seed + k, i);
        row[i] = (float)(2.5 * sum);
    }
    for (uint64_t i = 0; i < 40; i++)
        row[(uint64_t)(N * tn_random_unit(seed + 13, i))] = (float)(22 - 0.3 * (double)i);
}

static const struct {
    const char *name;
    tn_sampling sampling;
} cases[] = {
    {"greedy", {.temperature = 0}},
    {"temperature 0.7, top_k 20, top_p 0.8, min_p 0.05",
     {.temperature = 0.7f, .top_k = 20, .top_p = 0.8f, .min_p = 0.05f}},
    {"temperature 1", {.temperature = 1}},
    {"temperature 1, top_p 0.95", {.temperature = 1, .top_p = 0.95f}},
    {"temperature 1, min_p 0.05", {.temperature = 1, .min_p = 0.05f}},
    {"temperature 0.7, top_k 20, penalties",
     {.temperature = 0.7f,
      .top_k = 20,
      .repetition_penalty = 1.1f,
      .frequency_penalty = 0.2f,
      .presence_penalty = 0.5f}},
    {"greedy, 20 log probabilities", {.temperature = 0, .logprobs = true, .n_top_logprobs = 20}},
    {"temperature 0.7, top_k 20, DRY", {.temperature = 0.7f, .top_k = 20, .dry_multiplier = 0.8f}},
    {"temperature 1, typical_p 0.9", {.temperature = 1, .typical_p = 0.9f}},
    {"temperature 1, top_n_sigma 1", {.temperature = 1, .top_n_sigma = 1}},
    {"temperature 1, min_p 0.02, xtc",
     {.temperature = 1, .min_p = 0.02f, .xtc_probability = 1, .xtc_threshold = 0.1f}},
};

static double median_time(tn_sampler *s, const tn_sampling *p, const int32_t *ids, float (*rows)[N]) {
    double times[REPEATS];
    tn_token t;
    for (uint32_t i = 0; i < REPEATS; i++) {
        tn_history h = {.ids = ids, .n_prompt = HISTORY / 2, .n_ids = HISTORY - i};
        double start = now();
        tn_sampler_pick(s, p, &h, rows[i % ROWS], &t);
        times[i] = now() - start;
    }
    qsort(times, REPEATS, sizeof *times, compare);
    return times[REPEATS / 2];
}

int main(void) {
    static float rows[ROWS][N];
    static int32_t ids[HISTORY];
    tn_sampler s;
    tn_error err = {0};
    if (tn_sampler_init(&s, N, &err)) return fprintf(stderr, "sampler_bench: %s\n", err.text), 1;
    for (uint32_t i = 0; i < ROWS; i++) fill(rows[i], 100 * i);
    for (uint32_t i = 0; i < HISTORY; i++) ids[i] = (int32_t)(2000 * tn_random_unit(7, i));
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tn_sampling p = cases[i].sampling;
        p.seed = 1;
        printf("%8.1f us  %s\n", median_time(&s, &p, ids, rows), cases[i].name);
    }
    tn_sampler_fini(&s);
    return 0;
}
