/* SPDX-License-Identifier: Apache-2.0 */
/* Measured values, as many as come. */
#ifndef TN_CLI_SAMPLES_H
#define TN_CLI_SAMPLES_H

#include <stdbool.h>
#include <stddef.h>

/* Starts as zeros. */
typedef struct tn_samples {
    double *at; /* [n] */
    size_t n, cap;
    bool full; /* out of memory: some are missing */
} tn_samples;

void tn_samples_add(tn_samples *s, double value);
/* Sorts them. Between two in the middle the mean; 0 where there are none. */
double tn_samples_median(tn_samples *s);
/* Once they are sorted; 0 where there are none. */
static inline double tn_samples_least(const tn_samples *s) {
    return s->n ? s->at[0] : 0;
}
static inline double tn_samples_most(const tn_samples *s) {
    return s->n ? s->at[s->n - 1] : 0;
}
void tn_samples_fini(tn_samples *s);

#endif
