/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/bench_embed.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "sched/encoder.h"

/* A sample lasts so long at least, in whole jobs. */
static const double SAMPLE_S = 0.2;

/* A job of n texts, all of the same ids. */
typedef struct job {
    tn_encoding e;
    int32_t *ids;
    uint32_t *ends;
} job;

static void job_fini(job *j) {
    free(j->ids);
    free(j->ends);
    free(j->e.rows);
}

static int job_init(job *j, const tn_model *m, const int32_t *ids, uint32_t length, uint32_t n,
                    tn_error *err) {
    *j = (job){.ids = calloc((size_t)n * length, sizeof *j->ids), .ends = calloc(n, sizeof *j->ends)};
    j->e = (tn_encoding){.ids = j->ids,
                         .ends = j->ends,
                         .n_text = n,
                         .rows = calloc((size_t)n * m->program->n_embd, sizeof *j->e.rows)};
    if (!j->ids || !j->ends || !j->e.rows) return tn_fail(err, TN_ENOMEM, "out of memory for %u texts", n);
    for (uint32_t i = 0; i < n; i++) {
        memcpy(j->ids + (size_t)i * length, ids, length * sizeof *ids);
        j->ends[i] = (i + 1) * length;
    }
    return 0;
}

static int run_job(const tn_model *m, job *j, tn_error *err) {
    bool busy = true;
    tn_encoder_add(m->encoder, &j->e);
    while (!tn_encoding_is_done(&j->e)) tn_encoder_step(m->encoder, &busy);
    return j->e.status ? tn_fail(err, j->e.status, "%s", j->e.error.text) : 0;
}

/* Texts a second, the median. */
static int measure(const tn_model *m, job *j, uint32_t reps, double *ret, tn_error *err) {
    tn_samples speeds = {0};
    int rc = run_job(m, j, err);
    for (uint32_t i = 0; !rc && i < reps; i++) {
        const double start = tn_clock_s();
        uint32_t n = 0;
        double took = 0;
        for (; !rc && took < SAMPLE_S; n++, took = tn_clock_s() - start) rc = run_job(m, j, err);
        if (!rc) tn_samples_add(&speeds, n * (double)j->e.n_text / took);
    }
    if (!rc && speeds.full) rc = tn_fail(err, TN_ENOMEM, "out of memory");
    if (!rc) *ret = tn_samples_median(&speeds);
    tn_samples_fini(&speeds);
    return rc;
}

/* Of the time that tokens take, what their linear layers would at the machine's limits. */
static double share(const tn_bench_limits *l, double tokens_per_s) {
    double least_s = 0;
    for (int i = 0; i < TN_PEAK_COUNT; i++)
        if (l->work.token_ops[i]) least_s += (double)l->work.token_ops[i] / l->peak[i];
    return least_s * tokens_per_s;
}

static int keep(json_t *out, const tn_bench_embed_args *a, uint32_t length, uint32_t n, double speed,
                tn_error *err) {
    char name[16];
    json_t *figure = json_pack("{s:f,s:f}", "texts_per_s", speed, "tokens_per_s", speed * length);
    double of = a->limits ? share(a->limits, speed * length) : 0;
    int bad = !figure;
    if (!bad && a->limits && isfinite(of)) bad = json_object_set_new(figure, "compute", json_real(of));
    snprintf(name, sizeof name, "%u", n);
    if (!bad) return json_object_set_new(out, name, figure) ? tn_fail(err, TN_ENOMEM, "out of memory") : 0;
    json_decref(figure);
    return tn_fail(err, TN_ENOMEM, "out of memory");
}

/* All batches of one length. */
static int measure_length(tn_model *m, const int32_t *ids, uint32_t length, const tn_bench_embed_args *a,
                          json_t *out, tn_error *err) {
    for (uint32_t i = 0; i < a->batches->n; i++) {
        const uint32_t n = (uint32_t)a->batches->value[i];
        double speed = 0;
        job j;
        if (n == 0) continue;
        int rc = job_init(&j, m, ids, length, n, err);
        if (!rc) rc = measure(m, &j, a->reps, &speed, err);
        job_fini(&j);
        if (!rc) rc = keep(out, a, length, n, speed, err);
        if (rc) return rc;
    }
    return 0;
}

int tn_bench_embed(tn_model *m, const int32_t *ids, const tn_bench_embed_args *a, json_t **ret,
                   tn_error *err) {
    json_t *out = json_object();
    int rc = out ? tn_model_need_encoder(m, err) : tn_fail(err, TN_ENOMEM, "out of memory");
    for (uint32_t i = 0; !rc && i < a->lengths->n; i++) {
        const uint32_t length = (uint32_t)a->lengths->value[i];
        char name[16];
        snprintf(name, sizeof name, "%u", length);
        json_t *figures = length ? json_object() : NULL;
        if (length == 0) continue;
        rc = tn_encoder_check(m->encoder, m->n_ctx, ids, length, err);
        if (!rc) rc = measure_length(m, ids, length, a, figures, err);
        if (json_object_set_new(out, name, figures) != 0 && !rc)
            rc = tn_fail(err, TN_ENOMEM, "out of memory");
    }
    if (rc)
        json_decref(out);
    else
        *ret = out;
    return rc;
}

void tn_bench_embed_print(const json_t *figures) {
    const char *length, *n;
    json_t *of_length, *f;
    printf("\n  %-8s %-6s %12s %12s %9s\n", "TOKENS", "TEXTS", "TEXTS/S", "TOKENS/S", "OF LIMIT");
    json_object_foreach((json_t *)(uintptr_t)figures, length, of_length)
        json_object_foreach(of_length, n, f) {
        printf("  %-8s %-6s %12.1f %12.0f", length, n, json_number_value(json_object_get(f, "texts_per_s")),
               json_number_value(json_object_get(f, "tokens_per_s")));
        if (json_object_get(f, "compute"))
            printf(" %8.1f%%\n", 100 * json_number_value(json_object_get(f, "compute")));
        else
            printf(" %9s\n", "-");
    }
}
