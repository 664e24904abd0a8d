/* SPDX-License-Identifier: Apache-2.0 */
/* Passes over a whole row of logits, the part of sampling whose cost grows with the vocabulary. They read the
 * row in blocks, a few floats at a time, and look closely only at blocks that matter. Nothing here depends on
 * more than its arguments: sums run in one fixed order. Rows may hold anything; what is no number is passed
 * over everywhere. [any thread] */
#ifndef TN_SCHED_ROW_H
#define TN_SCHED_ROW_H

#include <stdbool.h>
#include <stdint.h>

enum { TN_ROW_BLOCK = 256 };

typedef struct tn_candidate {
    float logit;
    int32_t id;
} tn_candidate;

/* Whether a goes before b: the order of candidates everywhere. */
static inline bool tn__candidate_before(const tn_candidate *a, const tn_candidate *b) {
    return a->logit > b->logit || (a->logit == b->logit && a->id < b->id);
}

/* What softmax needs: entry x counts exp((x - max) / temperature) where x >= floor, else nothing.
 * max is finite and the row's highest, temperature > 0, floor >= -FLT_MAX. */
typedef struct tn_row {
    const float *logits; /* [n] */
    uint32_t n;
    float max, temperature, floor;
} tn_row;

/* Blocks of a row of n, the last one perhaps shorter. */
static inline uint32_t tn__row_blocks(uint32_t n) {
    return (n + TN_ROW_BLOCK - 1) / TN_ROW_BLOCK;
}

/* The highest entry's index, the first of equals; of a row without any above -inf the first that is a number,
 * else 0. */
int32_t tn__row_highest(const float *logits, uint32_t n);

/* The k highest entries of those >= floor, 1 <= k <= n; the first of equals goes first. Returns how many
 * there are; ret holds them in no useful order. */
uint32_t tn__row_select(const float *logits, uint32_t n, uint32_t k, float floor, tn_candidate *ret);
/* All entries >= floor, ascending by id. */
uint32_t tn__row_collect(const float *logits, uint32_t n, float floor, tn_candidate *ret);

/* The sum of weights, each within 1e-5 relative where it matters (above e^-20), and of those of each block
 * into block_sums [tn__row_blocks(n)]. *ret_mean (may be NULL) is the mean logit under the distribution that
 * the weights give. */
double tn__row_total(const tn_row *r, double *block_sums, double *ret_mean);
/* The id at which the cumulated weights pass u of their total, u in [0, 1). block_sums as tn__row_total left
 * them. */
int32_t tn__row_draw(const tn_row *r, const double *block_sums, double u);
/* The standard deviation of the finite entries. */
double tn__row_deviation(const float *logits, uint32_t n);

#endif
