/* SPDX-License-Identifier: Apache-2.0 */
/* Choosing the next token from a row of logits. The choice depends on the row, the parameters, the seed and the position
 * alone, never on who else is in the batch. */
#ifndef TN_SCHED_SAMPLER_H
#define TN_SCHED_SAMPLER_H

#include <stdint.h>
#include <tenon/status.h>

/* Zeros are greedy. Filters apply in this order: top_k, top_p, min_p, then the temperature's distribution. */
typedef struct tn_sampling {
    float temperature; /* 0: the highest logit (lowest id among equals) */
    uint32_t top_k;    /* keep this many; 0: all */
    float top_p;       /* keep the smallest set of at least this probability; 0 or 1: all (Holtzman et al. 2020) */
    float min_p;       /* drop what is below min_p times the most probable; 0: none (Nguyen et al. 2024) */
    uint64_t seed;
} tn_sampling;

/* Scratch for one sampler; one thread at a time. */
typedef struct tn_sampler {
    struct tn_candidate {
        float logit;
        int32_t id;
    } *candidates; /* [n_vocab] */
    uint32_t n_vocab;
} tn_sampler;

int tn_sampler_init(tn_sampler *s, uint32_t n_vocab, tn_error *err);
void tn_sampler_fini(tn_sampler *s);

/* The token for position pos from logits [n_vocab]; ids whose logit is not a number are never chosen. */
int32_t tn_sampler_pick(tn_sampler *s, const tn_sampling *p, uint32_t pos, const float *logits);

/* Uniform in [0, 1) from (seed, position): the same in any company. */
double tn_random_unit(uint64_t seed, uint64_t pos);

#endif
