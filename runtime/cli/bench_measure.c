/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/bench_measure.h"

#include "base/clock.h"

enum { STEP_TOKENS = 256 }; /* of a prompt, a step at least: the default is 512 */

/* While the last sequences begin, the first ones go on, a token with every step. */
uint64_t tn_bench_context(const tn_bench_case *c) {
    uint64_t fill = c->n_seq > 1 ? (uint64_t)c->n_seq * c->n_prompt / STEP_TOKENS + 1 : 0;
    return (uint64_t)c->n_prompt + fill + c->skip + c->n_steps + 2;
}

typedef struct measurement {
    tn_model *m;
    tn_engine *e;
    const tn_bench_case *c;
    tn_bench_extra *extra;
    tn_error *err;
} measurement;

static int add_all(const measurement *x, const int32_t *ids, tn_seq **ret_last) {
    tn_seq_config c = {.prompt = ids,
                       .n_prompt = x->c->n_prompt,
                       .max_new = UINT32_MAX,
                       .ignore_end = true,
                       .isolated = true};
    int rc = 0;
    for (uint32_t i = 0; !rc && i < x->c->n_seq; i++) rc = tn_engine_add(x->e, &c, ret_last, x->err);
    return rc;
}

static int profile(const measurement *x, tn_profile *p) {
    return x->extra && x->extra->profile ? x->m->device->cls->profile(x->m->exec, p, x->err) : 0;
}
static int read_speed(const measurement *x, double *ret) {
    if (!x->extra || !x->extra->read) return 0;
    return x->m->device->cls->measure_peak(x->m->device, TN_PEAK_READ, ret, x->err);
}

static int steps(const measurement *x, uint32_t n) {
    bool busy;
    int rc = 0;
    for (uint32_t i = 0; !rc && i < n; i++) rc = tn_engine_step(x->e, &busy, x->err);
    return rc;
}

static int fill(const measurement *x, const tn_seq *last) {
    bool busy;
    int rc = 0;
    while (!rc && tn_seq_get_info(last).n_past < x->c->n_prompt) rc = tn_engine_step(x->e, &busy, x->err);
    return rc;
}

static int timed_fill(const measurement *x, const tn_seq *last, double *ret_s) {
    int rc = profile(x, x->extra ? x->extra->profile : NULL);
    double start = tn_clock_s();
    if (!rc) rc = fill(x, last);
    *ret_s = tn_clock_s() - start;
    return rc;
}

static int timed_steps(const measurement *x, tn_bench_sample *ret, double *ret_s) {
    int rc = read_speed(x, &ret->read_before);
    if (!rc) rc = profile(x, x->extra ? x->extra->profile : NULL);
    uint64_t before = tn_engine_get_stats(x->e).n_generated;
    double start = tn_clock_s();
    if (!rc) rc = steps(x, x->c->n_steps);
    *ret_s = tn_clock_s() - start;
    uint64_t n = tn_engine_get_stats(x->e).n_generated - before, want = (uint64_t)x->c->n_seq * x->c->n_steps;
    if (!rc && n != want)
        rc = tn_fail(x->err, TN_EBUG, "bench: %s: %llu tokens in %u steps instead of %llu", x->c->name,
                     (unsigned long long)n, x->c->n_steps, (unsigned long long)want);
    return rc ? rc : read_speed(x, &ret->read_after);
}

int tn_bench_measure(tn_model *m, const int32_t *ids, const tn_bench_case *c, tn_bench_extra *extra,
                     tn_bench_sample *ret, tn_error *err) {
    measurement x = {.m = m, .c = c, .extra = extra, .err = err};
    tn_bench_sample sample = {0};
    tn_seq *last = NULL;
    double seconds = 0;
    int rc = tn_engine_new(m, NULL, &x.e, err);
    if (rc) return rc;
    rc = add_all(&x, ids, &last);
    if (!rc && c->n_steps == 0) rc = timed_fill(&x, last, &seconds);
    if (!rc && c->n_steps) rc = fill(&x, last);
    if (!rc && c->n_steps) rc = steps(&x, c->skip);
    if (!rc && c->n_steps) rc = timed_steps(&x, &sample, &seconds);
    profile(&x, NULL);
    tn_engine_free(x.e);
    if (rc) return rc;
    if (extra) extra->profiled_s += seconds;
    sample.speed = (double)c->n_seq * (c->n_steps ? c->n_steps : c->n_prompt) / seconds;
    *ret = sample;
    return 0;
}
