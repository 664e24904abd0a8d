/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/bench_profile.h"

#include <stdio.h>
#include <stdlib.h>

static int by_time(const void *a, const void *b) {
    const tn_profile_row *x = a, *y = b;
    double tx = x->run_s + x->wait_s, ty = y->run_s + y->wait_s;
    return (tx < ty) - (tx > ty);
}

static double rounded(double x) {
    return (double)(int64_t)(x * 1e5 + 0.5) / 1e5;
}

static int append(json_t *kinds, const char *kind, double calls, double run_ms, double wait_ms) {
    return json_array_append_new(kinds, json_pack("{s:s,s:f,s:f,s:f}", "kind", kind, "calls", rounded(calls),
                                                  "run_ms", rounded(run_ms), "wait_ms", rounded(wait_ms)));
}

/* A kind of the device's; n: steps. */
static int append_row(json_t *kinds, const tn_profile_row *r, double n) {
    double s = r->run_s + r->wait_s;
    int bad = append(kinds, r->name, (double)r->n_call / n, r->run_s / n * 1e3, r->wait_s / n * 1e3);
    if (bad || !r->bytes || s <= 0) return bad;
    json_t *last = json_array_get(kinds, json_array_size(kinds) - 1);
    bad = json_object_set_new(last, "gb_per_s", json_real(rounded((double)r->bytes / s / 1e9)));
    return bad ? bad : json_object_set_new(last, "gops", json_real(rounded((double)r->ops / s / 1e9)));
}

json_t *tn_bench_profile_json(const tn_profile *p, double seconds) {
    tn_profile sorted = *p;
    double n = p->n_step ? (double)p->n_step : 1, ms = 1e3 / n, inside = 0;
    json_t *kinds = json_array();
    int bad = !kinds;
    qsort(sorted.rows, p->n_row, sizeof *sorted.rows, by_time);
    for (uint32_t i = 0; !bad && i < p->n_row; i++) {
        inside += sorted.rows[i].run_s + sorted.rows[i].wait_s;
        bad = append_row(kinds, &sorted.rows[i], n);
    }
    if (!bad) bad = append(kinds, "begin and end of the step", 1, 0, (p->step_s - inside) * ms);
    if (!bad) bad = append(kinds, "outside of the device", 1, (seconds - p->step_s) * ms, 0);
    if (bad) {
        json_decref(kinds);
        return NULL;
    }
    return json_pack("{s:I,s:f,s:o}", "steps", (json_int_t)p->n_step, "step_ms", rounded(seconds * ms),
                     "kinds", kinds);
}

static double number(const json_t *object, const char *key) {
    return json_number_value(json_object_get(object, key));
}

void tn_bench_profile_print(const char *title, const json_t *profile) {
    double step = number(profile, "step_ms");
    size_t i;
    json_t *row;
    printf("\n%s: %.0f steps of %.3f ms\n  %-26s %7s %9s %9s %6s %7s %7s\n", title, number(profile, "steps"),
           step, "KIND", "CALLS", "RUN ms", "WAIT ms", "SHARE", "GB/s", "GOP/s");
    json_array_foreach(json_object_get(profile, "kinds"), i, row) {
        double run = number(row, "run_ms"), wait = number(row, "wait_ms"), speed = number(row, "gb_per_s");
        printf("  %-26s %7.0f %9.3f %9.3f %5.1f%%", json_string_value(json_object_get(row, "kind")),
               number(row, "calls"), run, wait, step > 0 ? (run + wait) / step * 100 : 0);
        if (speed > 0) printf(" %7.1f %7.0f", speed, number(row, "gops"));
        putchar('\n');
    }
}
