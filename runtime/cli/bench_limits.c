/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/bench_limits.h"

#include <math.h>
#include <stdio.h>

#include "device/kv_type.h"

static const char *const names[TN_PEAK_COUNT] = {
    [TN_PEAK_INT8] = "int8_gops", [TN_PEAK_BF16] = "bf16_gops", [TN_PEAK_F32] = "f32_gops"};
static const double STEADY = 0.15;

bool tn_bench_limits_known(const tn_model *m) {
    return m->device->cls->measure_peak && m->device->cls->work;
}

int tn_bench_limits_init(tn_bench_limits *l, tn_model *m, tn_error *err) {
    const tn_device_class *cls = m->device->cls;
    double first;
    int rc = cls->measure_peak(m->device, TN_PEAK_READ, &first, err); /* makes its buffer */
    for (int i = 0; !rc && i < TN_PEAK_COUNT; i++)
        if (i != TN_PEAK_READ) rc = cls->measure_peak(m->device, (tn_peak)i, &l->peak[i], err);
    if (!rc) cls->work(m->exec, &l->work);
    return rc;
}

void tn_bench_limits_fini(tn_bench_limits *l) {
    tn_samples_fini(&l->reads);
}

/* ---- What a case asks ---- */

/* Of tokens that are added by themselves. */
static double ops(const tn_work *w, tn_peak kind, double tokens, double rows) {
    return tokens * (double)w->token_ops[kind] + rows * (double)w->row_ops[kind];
}

/* Bytes of its past that a token at position pos meets. */
static double past_bytes(const tn_model *m, uint32_t pos) {
    double sum = 0;
    for (uint32_t i = 0; i < m->program->n_layer; i++) {
        const tn_cache_info *c = &m->program->caches[i];
        double n = c->window && pos + 1 > c->window ? c->window : pos + 1.0;
        double token = 2.0 * c->n_head_kv * tn_kv_type_bytes(m->config.kv_type, c->head_dim);
        sum += c->n_state ? (double)c->n_state * sizeof(float) : n * token;
    }
    return sum;
}

/* Bytes of a step of the case, the mean. */
static double step_bytes(const tn_bench_limits *l, const tn_model *m, const tn_bench_case *c) {
    double sum = 0;
    for (uint32_t i = 0; i < c->n_steps; i++) sum += past_bytes(m, c->n_prompt + c->skip + i);
    return (double)l->work.weight_bytes + c->n_seq * sum / c->n_steps;
}

/* ---- Shares ---- */

static double rounded(double x) {
    return floor(x * 1e4 + 0.5) / 1e4;
}
static int put(json_t *out, const char *name, double value) {
    return json_object_set_new(out, name, json_real(rounded(value)));
}

static int put_compute(json_t *out, const tn_bench_limits *l, const tn_bench_case *c, double speed) {
    double all = 0, least_s = 0, tokens = c->n_steps ? 1 : c->n_prompt;
    for (int i = 0; i < TN_PEAK_COUNT; i++) {
        double n = ops(&l->work, (tn_peak)i, tokens, 1);
        all += n;
        if (n > 0) least_s += n / l->peak[i];
    }
    int bad = put(out, "gops", all * speed / tokens / 1e9);
    return bad || isinf(least_s) ? bad : put(out, "compute", least_s * speed / tokens);
}

static int put_read(json_t *out, tn_bench_limits *l, double bytes, const tn_bench_case *c,
                    const tn_bench_sample *samples, size_t n) {
    tn_samples rates = {0}, shares = {0};
    for (size_t i = 0; i < n; i++) {
        double before = samples[i].read_before, after = samples[i].read_after, limit = (before + after) / 2;
        double rate = bytes * samples[i].speed / c->n_seq;
        tn_samples_add(&rates, rate);
        tn_samples_add(&l->reads, before);
        tn_samples_add(&l->reads, after);
        if (fabs(before - after) < STEADY * limit) tn_samples_add(&shares, rate / limit);
    }
    int bad = rates.full || shares.full || l->reads.full;
    if (!bad) bad = put(out, "read_gb_per_s", tn_samples_median(&rates) / 1e9);
    if (!bad) bad = json_object_set_new(out, "steady", json_integer((json_int_t)shares.n));
    if (!bad) bad = json_object_set_new(out, "of", json_integer((json_int_t)n));
    if (!bad && shares.n) bad = put(out, "read", tn_samples_median(&shares));
    tn_samples_fini(&rates);
    tn_samples_fini(&shares);
    return bad;
}

json_t *tn_bench_share(tn_bench_limits *l, const tn_model *m, const tn_bench_case *c,
                       const tn_bench_sample *samples, size_t n) {
    tn_samples speeds = {0};
    json_t *out = json_object();
    for (size_t i = 0; i < n; i++) tn_samples_add(&speeds, samples[i].speed);
    int bad = !out || speeds.full || put_compute(out, l, c, tn_samples_median(&speeds));
    if (!bad && c->n_steps) bad = put_read(out, l, step_bytes(l, m, c), c, samples, n);
    tn_samples_fini(&speeds);
    if (!bad) return out;
    json_decref(out);
    return NULL;
}

json_t *tn_bench_limits_json(tn_bench_limits *l) {
    double median = tn_samples_median(&l->reads);
    json_t *out = json_object();
    int bad = !out;
    for (int i = 0; !bad && i < TN_PEAK_COUNT; i++)
        if (names[i] && l->peak[i] > 0) bad = put(out, names[i], l->peak[i] / 1e9);
    if (!bad && l->reads.n)
        bad = json_object_set_new(out, "read_gb_per_s",
                                  json_pack("{s:f,s:f,s:f,s:I}", "median", rounded(median / 1e9), "least",
                                            rounded(tn_samples_least(&l->reads) / 1e9), "most",
                                            rounded(tn_samples_most(&l->reads) / 1e9), "n",
                                            (json_int_t)l->reads.n));
    if (!bad) return out;
    json_decref(out);
    return NULL;
}

/* ---- For people ---- */

static double number(const json_t *object, const char *key) {
    return json_number_value(json_object_get(object, key));
}

static void print_limits(const json_t *limits) {
    static const char *const texts[TN_PEAK_COUNT] = {
        [TN_PEAK_INT8] = "int8", [TN_PEAK_BF16] = "BF16", [TN_PEAK_F32] = "F32"};
    const json_t *read = json_object_get(limits, "read_gb_per_s");
    printf("\nlimits of these threads and kernels: ");
    for (int i = 0; i < TN_PEAK_COUNT; i++)
        if (names[i] && json_object_get(limits, names[i]))
            printf("%s %.0f GOP/s, ", texts[i], number(limits, names[i]));
    if (read)
        printf("reading memory %.1f GB/s (%.1f to %.1f, measured %.0f times)\n", number(read, "median"),
               number(read, "least"), number(read, "most"), number(read, "n"));
    else
        printf("reading memory not measured\n");
}

static void print_share(const char *name, const json_t *s) {
    printf("  %-18s %9.1f", name, number(s, "gops"));
    if (json_object_get(s, "compute"))
        printf(" %8.1f%%", 100 * number(s, "compute"));
    else
        printf(" %9s", "-");
    if (!json_object_get(s, "read_gb_per_s")) {
        putchar('\n');
        return;
    }
    printf(" %9.2f", number(s, "read_gb_per_s"));
    if (json_object_get(s, "read"))
        printf(" %8.1f%%", 100 * number(s, "read"));
    else
        printf(" %9s", "-");
    printf(" %4.0f of %.0f\n", number(s, "steady"), number(s, "of"));
}

void tn_bench_limits_print(const json_t *limits, const json_t *shares) {
    const char *name;
    json_t *share;
    print_limits(limits);
    printf("  %-18s %9s %9s %9s %9s %7s\n", "", "GOP/s", "OF LIMIT", "GB/s", "OF LIMIT", "STEADY");
    json_object_foreach((json_t *)(uintptr_t)shares, name, share) print_share(name, share);
    printf(
        "  Attention is not counted in operations. The second share is the median of repetitions between two\n"
        "  measurements of reading that agree within 15 %%; STEADY is how many those were.\n");
}
