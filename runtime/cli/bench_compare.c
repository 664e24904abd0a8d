/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/bench_compare.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli/bench_child.h"
#include "cli/interrupt.h"
#include "cli/progress.h"
#include "cli/samples.h"

typedef struct comparison {
    tn_model *m;
    const int32_t *ids;
    const tn_bench_case *cases;
    size_t n;
    const tn_bench_compare_args *args;
    double (*values)[2]; /* [n_pair][n]: ours, theirs; the latter 0 where there is none */
    tn_progress progress;
    tn_error *err;
} comparison;

static double *value(const comparison *x, uint32_t pair, size_t i) {
    return x->values[pair * x->n + i];
}

/* Whether they have it, as the first pair shows. */
static bool is_shared(const comparison *x, size_t i) {
    return value(x, 0, i)[1] > 0;
}

/* ---- Ours ---- */

static int our_case(const comparison *x, const tn_bench_case *c, uint32_t reps, double *ret) {
    tn_samples speeds = {0};
    tn_bench_sample sample;
    int rc = 0;
    for (uint32_t i = 0; !rc && i < reps; i++) {
        rc = tn_bench_measure(x->m, x->ids, c, NULL, &sample, x->err);
        if (!rc) tn_samples_add(&speeds, sample.speed);
        if (!rc && tn_interrupted()) rc = tn_fail(x->err, TN_ECANCELED, "interrupted");
    }
    if (!rc && speeds.full) rc = tn_fail(x->err, TN_ENOMEM, "out of memory");
    *ret = tn_samples_median(&speeds);
    tn_samples_fini(&speeds);
    return rc;
}

/* After the other program the caches are its. */
static int our_turn(const comparison *x, uint32_t pair) {
    static const tn_bench_case warm_up = {.name = "warm-up", .n_seq = 1, .n_prompt = 16, .n_steps = 2};
    double nothing;
    int rc = our_case(x, &warm_up, 1, &nothing);
    for (size_t i = 0; !rc && i < x->n; i++)
        if (pair == 0 || is_shared(x, i))
            rc = our_case(x, &x->cases[i], x->args->reps, &value(x, pair, i)[0]);
    return rc;
}

/* ---- Theirs ---- */

static const json_t *find(const json_t *line, const char *name) {
    if (strncmp(name, "batch ", 6) != 0) return json_object_get(line, name);
    return json_object_get(json_object_get(line, "batch"), name + 6);
}

static int take(const comparison *x, uint32_t pair, const json_t *line) {
    size_t n_shared = 0;
    for (size_t i = 0; i < x->n; i++) {
        const json_t *figure = find(line, x->cases[i].name);
        double speed = json_number_value(figure);
        bool wanted = pair == 0 ? figure && speed != 0 : is_shared(x, i);
        if (wanted && !(speed > 0 && isfinite(speed)))
            return tn_fail(x->err, TN_EFORMAT,
                           "--compare: pair %u: the command's \"%s\" is no number above 0", pair + 1,
                           x->cases[i].name);
        value(x, pair, i)[1] = wanted ? speed : 0;
        n_shared += wanted;
    }
    if (n_shared) return 0;
    return tn_fail(
        x->err, TN_EFORMAT,
        "--compare: the command's JSON has none of our figures (such as \"%s\"); -p, -n, --depth and "
        "--parallel choose ours",
        x->cases[0].name);
}

static int their_turn(const comparison *x, uint32_t pair) {
    json_t *line;
    int rc = tn_bench_child(x->args->command, x->args->timeout_s, &line, x->err);
    if (rc) return rc;
    rc = take(x, pair, line);
    json_decref(line);
    return rc;
}

static int run_pairs(comparison *x) {
    char what[64];
    int rc = 0;
    for (uint32_t i = 0; !rc && i < x->args->n_pair; i++) {
        snprintf(what, sizeof what, "pair %u of %u", i + 1, x->args->n_pair);
        tn_progress_update(&x->progress, what, 2 * i, 2 * x->args->n_pair);
        rc = our_turn(x, i);
        if (rc) break;
        tn_progress_update(&x->progress, what, 2 * i + 1, 2 * x->args->n_pair);
        rc = their_turn(x, i);
    }
    return rc;
}

/* ---- What comes of it ---- */

static double rounded(double v) {
    return floor(v * 1e4 + 0.5) / 1e4;
}

static json_t *result_json(const comparison *x, size_t i) {
    tn_samples ours = {0}, theirs = {0}, ratios = {0};
    json_t *pairs = json_array();
    for (uint32_t p = 0; p < x->args->n_pair; p++) {
        const double *v = value(x, p, i);
        tn_samples_add(&ours, v[0]);
        tn_samples_add(&theirs, v[1]);
        tn_samples_add(&ratios, v[0] / v[1]);
        json_array_append_new(pairs, json_pack("[f,f]", rounded(v[0]), rounded(v[1])));
    }
    double our = tn_samples_median(&ours), their = tn_samples_median(&theirs);
    double ratio = tn_samples_median(&ratios);
    bool bad = ours.full || theirs.full || ratios.full || json_array_size(pairs) < x->args->n_pair;
    json_t *out = bad ? NULL
                      : json_pack("{s:f,s:f,s:f,s:{s:f,s:f,s:f},s:O}", "ours", rounded(our), "theirs",
                                  rounded(their), "ratio", rounded(our / their), "pair_ratio", "median",
                                  rounded(ratio), "least", rounded(tn_samples_least(&ratios)), "most",
                                  rounded(tn_samples_most(&ratios)), "pairs", pairs);
    json_decref(pairs);
    tn_samples_fini(&ours);
    tn_samples_fini(&theirs);
    tn_samples_fini(&ratios);
    return out;
}

static json_t *comparison_json(const comparison *x) {
    json_t *results = json_object(), *missing = json_array();
    bool bad = !results || !missing;
    for (size_t i = 0; !bad && i < x->n; i++)
        bad = is_shared(x, i) ? json_object_set_new(results, x->cases[i].name, result_json(x, i))
                              : json_array_append_new(missing, json_string(x->cases[i].name));
    json_t *out =
        bad ? NULL
            : json_pack("{s:s,s:I,s:I,s:I,s:O,s:O}", "command", x->args->command, "pairs",
                        (json_int_t)x->args->n_pair, "timeout_s", (json_int_t)x->args->timeout_s, "reps",
                        (json_int_t)x->args->reps, "results", results, "not_compared", missing);
    json_decref(results);
    json_decref(missing);
    return out;
}

int tn_bench_compare(tn_model *m, const int32_t *ids, const tn_bench_case *cases, size_t n,
                     const tn_bench_compare_args *args, json_t **ret, tn_error *err) {
    comparison x = {.m = m, .ids = ids, .cases = cases, .n = n, .args = args, .err = err};
    if (n == 0) return tn_fail(err, TN_EINVAL, "--compare: -p, -n and --parallel leave nothing to measure");
    x.values = calloc(args->n_pair * n, sizeof *x.values);
    if (!x.values) return tn_fail(err, TN_ENOMEM, "out of memory");
    tn_interrupt_catch();
    tn_progress_init(&x.progress, "comparing");
    int rc = run_pairs(&x);
    tn_progress_fini(&x.progress);
    json_t *out = rc ? NULL : comparison_json(&x);
    free(x.values);
    if (rc) return rc;
    *ret = out;
    return out ? 0 : tn_fail(err, TN_ENOMEM, "out of memory");
}

/* ---- For people ---- */

static double number(const json_t *object, const char *key) {
    return json_number_value(json_object_get(object, key));
}

void tn_bench_compare_print(const json_t *compared) {
    const char *name;
    size_t i;
    json_t *r, *missing;
    printf(
        "\n%.0f pairs, ours and theirs in turn, tokens a second: medians, their ratio, and the ratios of pairs\n"
        "  %-18s %10s %10s %7s %8s %7s %7s\n",
        number(compared, "pairs"), "", "OURS", "THEIRS", "RATIO", "MEDIAN", "LEAST", "MOST");
    json_object_foreach(json_object_get(compared, "results"), name, r) {
        const json_t *pair = json_object_get(r, "pair_ratio");
        printf("  %-18s %10.2f %10.2f %7.2f %8.2f %7.2f %7.2f\n", name, number(r, "ours"),
               number(r, "theirs"), number(r, "ratio"), number(pair, "median"), number(pair, "least"),
               number(pair, "most"));
    }
    json_array_foreach(json_object_get(compared, "not_compared"), i, missing)
        printf("  %-18s the command does not measure it\n", json_string_value(missing));
}
