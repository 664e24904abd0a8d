/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/samples.h"

#include <stdlib.h>

void tn_samples_add(tn_samples *s, double value) {
    if (s->n == s->cap) {
        size_t cap = s->cap ? 2 * s->cap : 64;
        double *grown = realloc(s->at, cap * sizeof *grown);
        s->full = s->full || !grown;
        if (!grown) return;
        s->at = grown;
        s->cap = cap;
    }
    s->at[s->n++] = value;
}

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double tn_samples_median(tn_samples *s) {
    if (s->n == 0) return 0;
    qsort(s->at, s->n, sizeof *s->at, by_value);
    return (s->at[(s->n - 1) / 2] + s->at[s->n / 2]) / 2;
}

void tn_samples_fini(tn_samples *s) {
    free(s->at);
    *s = (tn_samples){0};
}
