/* SPDX-License-Identifier: Apache-2.0 */
/* Choosing the next token from a row of logits. The choice depends on the row, the parameters, the sequence
 * so far, the seed and the position alone, never on who else is in the batch. */
#ifndef TN_SCHED_SAMPLER_H
#define TN_SCHED_SAMPLER_H

#include <stdbool.h>
#include <stdint.h>
#include <tenon/status.h>

enum { TN_TOP_LOGPROBS_MAX = 20 };

typedef struct tn_logit_bias {
    int32_t id;
    float bias; /* added to the logit; -100 and below never chosen, as the OpenAI interface has it */
} tn_logit_bias;

/* Zeros are greedy without penalties. Applied in this order: logit bias, repetition, frequency and presence
 * penalty, temperature, top_k, top_p (within top_k), min_p. */
typedef struct tn_sampling {
    float temperature; /* 0: the highest logit (lowest id among equals) */
    uint32_t top_k;    /* keep this many; 0: all */
    float top_p; /* keep the smallest set of at least this probability (Holtzman et al. 2020); 0, 1: all */
    float min_p; /* drop what is below min_p times the most probable (Nguyen et al. 2024); 0: none */
    float
        repetition_penalty;  /* divides positive logits and multiplies negative ones of every id that occurred
                                in  prompt or answer (Keskar et al. 2019, section 4.1); 0 or 1: none */
    float frequency_penalty; /* subtracted once for each time an id occurred in the answer */
    float presence_penalty;  /* subtracted once if it did */
    uint32_t n_bias;
    const tn_logit_bias *bias; /* [n_bias], borrowed; ids within the vocabulary */
    uint64_t seed;
    uint32_t n_top_logprobs; /* 0 .. TN_TOP_LOGPROBS_MAX */
    bool logprobs;           /* fill tn_token.logprob and the top list */
} tn_sampling;

/* What came before: prompt and answer in one array. */
typedef struct tn_history {
    const int32_t *ids;
    uint32_t n_prompt, n_ids;
} tn_history;

/* A chosen token. Log probabilities are those of the model's own distribution, before anything above is
 * applied. */
typedef struct tn_token {
    int32_t id;
    float logprob;
    uint32_t n_top;
    struct {
        int32_t id;
        float logprob;
    } top[TN_TOP_LOGPROBS_MAX]; /* most probable first */
} tn_token;

/* Scratch for one thread; allocated once. */
typedef struct tn_sampler {
    uint32_t n_vocab;
    struct tn_candidate {
        float logit;
        int32_t id;
    } * candidates;  /* [n_vocab] */
    float *logits;   /* [n_vocab]: the row with bias and penalties */
    uint32_t *count; /* [n_vocab]: zeros between calls */
} tn_sampler;

int tn_sampler_init(tn_sampler *s, uint32_t n_vocab, tn_error *err);
void tn_sampler_fini(tn_sampler *s);

/* The token for position h->n_ids from logits [n_vocab]; ids whose logit is not a number are never chosen,
 * unless all are: then id 0. Allocates nothing. */
void tn_sampler_pick(tn_sampler *s, const tn_sampling *p, const tn_history *h, const float *logits,
                     tn_token *ret);

/* Uniform in [0, 1) from (seed, position): the same in any company. */
double tn_random_unit(uint64_t seed, uint64_t pos);

/* A seed for requests that give none: unpredictable where the system can say so. [any thread] */
uint64_t tn_random_seed(void);

#endif
