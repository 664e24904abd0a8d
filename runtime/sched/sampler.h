/* SPDX-License-Identifier: Apache-2.0 */
/* Choosing the next token from a row of logits. The choice depends on the row, the parameters, the sequence
 * so far, the seed and the position alone, never on who else is in the batch.
 *
 * The order is fixed, and every step sees what the one before it left, its probabilities summing to 1:
 *
 *   1. what a task allows (`shape`), logit bias
 *   2. repetition penalty, then frequency and presence penalty
 *   3. DRY
 *   4. temperature (0: the highest logit is the choice and nothing below is asked)
 *   5. top_n_sigma
 *   6. top_k
 *   7. typical_p
 *   8. top_p
 *   9. min_p
 *  10. XTC
 *  11. the draw
 *
 * Temperature comes before the filters, as in Hugging Face's and vLLM's chains, which is what published
 * settings assume; llama.cpp has it last. Of candidates that are equal the lowest id goes first. */
#ifndef TN_SCHED_SAMPLER_H
#define TN_SCHED_SAMPLER_H

#include <stdbool.h>
#include <stdint.h>
#include <tenon/status.h>

#include "sched/repeat.h"
#include "sched/row.h"

enum {
    TN_TOP_LOGPROBS_MAX = 20,
    /* Ids; a longer repetition counts as this long, so that scratch is bounded. Its penalty was beyond any
     * logit long before. */
    TN_DRY_MATCH_MAX = 1024,
    TN_DRY_ALLOWED_DEFAULT = 2,
};
#define TN_DRY_BASE_DEFAULT 1.75f

typedef struct tn_logit_bias {
    int32_t id;
    float bias; /* added to the logit; -100 and below never chosen, as the OpenAI interface has it */
} tn_logit_bias;

/* All zeros are greedy without penalties; a zero leaves a step out. */
struct tn_history;
typedef struct tn_sampling {
    float temperature; /* 0 .. 2 and above, logits are divided by it; 0: the highest logit */
    uint32_t top_k;    /* keep this many; 0: all */
    float top_p; /* keep the smallest set of at least this probability (Holtzman et al. 2020); 0, 1: all */
    float min_p; /* drop what is below min_p times the most probable (Nguyen et al. 2024); 0: none */
    /* Keep what is closest to the distribution's own surprise: in order of |-log p - H|, H = -sum p log p,
     * the smallest set of at least this probability (Meister et al. 2023); 0, 1: all. */
    float typical_p;
    /* Keep logits >= max - top_n_sigma * sigma, sigma the standard deviation of the row's finite logits (Tang
     * et al. 2024); 0 and below: all. */
    float top_n_sigma;
    /* Exclude top choices (P. E. Weidmann 2024): with this probability, drop all candidates of at least
     * xtc_threshold but the least probable of them; 0: never. Above 0.5 a threshold changes nothing. The
     * random number is of (seed, position) and a stream of its own. */
    float xtc_probability;
    float xtc_threshold;
    /* typical_p, top_p and min_p each leave at least this many of their candidates; XTC does nothing where it
     * would leave fewer; 0 is 1. */
    uint32_t min_keep;

    /* Divides positive logits and multiplies negative ones of every id that occurred in prompt or answer
     * (Keskar et al. 2019, section 4.1); 0 or 1: none. */
    float repetition_penalty;
    float frequency_penalty; /* subtracted once for each time an id occurred in the answer */
    float presence_penalty;  /* subtracted once if it did */
    /* These three look at so many last ids of prompt and answer; 0: all. */
    uint32_t repetition_last_n;

    /* Do not repeat yourself (P. E. Weidmann 2024): an id that would make a repetition of n earlier ids
     * longer loses multiplier * base ^ (n - allowed_length), from n = allowed_length on. n is the longest run
     * of ids that stood before one of its occurrences and is the end of the sequence, without a breaker in
     * it; breakers lose nothing. */
    float dry_multiplier;        /* 0: off */
    float dry_base;              /* 1 and above; 0 is TN_DRY_BASE_DEFAULT */
    uint32_t dry_allowed_length; /* 0 is TN_DRY_ALLOWED_DEFAULT */
    uint32_t dry_last_n;         /* ids of prompt and answer looked at, the last ones; 0: all */
    uint32_t n_dry_breakers;
    const int32_t *dry_breakers; /* [n_dry_breakers], ascending, borrowed */

    /* Changes a row [n_vocab] before all else: what the rules of a task forbid becomes -INFINITY, but not all
     * of it. Runs on the engine's thread, allocates nothing and takes no lock. NULL: there are no such rules.
     */
    void (*shape)(void *ctx, const struct tn_history *h, float *logits);
    void *shape_ctx;
    uint32_t n_bias;
    const tn_logit_bias *bias; /* [n_bias], borrowed; ids within the vocabulary */
    uint64_t seed;
    uint32_t n_top_logprobs;     /* 0 .. TN_TOP_LOGPROBS_MAX */
    bool logprobs;               /* fill tn_token.logprob and the top list */
    tn_repeat_params repetition; /* when to end an answer that loops; the sampler itself does not look */
} tn_sampling;

/* What came before: prompt and answer in one array, ids within the vocabulary. */
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
    tn_candidate *candidates; /* [n_vocab] */
    float *logits;            /* [n_vocab]: the row with bias and penalties */
    uint32_t *count;          /* [n_vocab]: zeros between calls */
    double *block_sums;       /* [tn__row_blocks(n_vocab)] */
} tn_sampler;

int tn_sampler_init(tn_sampler *s, uint32_t n_vocab, tn_error *err);
void tn_sampler_fini(tn_sampler *s);

/* The token for position h->n_ids from logits [n_vocab]; ids whose logit is not a number are never chosen,
 * unless all are: then id 0. Allocates nothing. */
void tn_sampler_pick(tn_sampler *s, const tn_sampling *p, const tn_history *h, const float *logits,
                     tn_token *ret);

/* The candidates that tn_sampler_pick would draw from, most probable first, and their probabilities. Either
 * array holds n_vocab. Returns how many. For tests and tools: it orders all that are left. */
uint32_t tn_sampler_candidates(tn_sampler *s, const tn_sampling *p, const tn_history *h, const float *logits,
                               int32_t *ret_ids, double *ret_probabilities);

/* Uniform in [0, 1) from (seed, position): the same in any company. */
double tn_random_unit(uint64_t seed, uint64_t pos);

/* A seed for requests that give none: unpredictable where the system can say so. [any thread] */
uint64_t tn_random_seed(void);

#endif
