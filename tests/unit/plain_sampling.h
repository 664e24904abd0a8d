/* SPDX-License-Identifier: Apache-2.0 */
/* Sampling as its definitions say it, for tests: everything is sorted and normalised at every step, in
 * double, and every repetition is looked for by itself. Shares nothing with the sampler but tn_random_unit.
 */
#ifndef TN_TESTS_PLAIN_SAMPLING_H
#define TN_TESTS_PLAIN_SAMPLING_H

#include "sched/sampler.h"

typedef struct plain_entry {
    double logit; /* after bias and penalties */
    double p;     /* among those that are left; they sum to 1 */
    int32_t id;
} plain_entry;

/* The logit of id after bias and all penalties. */
double plain_logit(const tn_sampling *p, const tn_history *h, const float *logits, int32_t id);
/* What is left to draw from, most probable first, when XTC is in force or not; temperature > 0, and a finite
 * highest logit. ret: [n_vocab]. Returns how many. */
uint32_t plain_candidates(const tn_sampling *p, const tn_history *h, const float *logits, uint32_t n_vocab,
                          bool xtc, plain_entry *ret);

#endif
