/* SPDX-License-Identifier: Apache-2.0 */
/* What a sequence generates is the same, tokens and log probabilities bit for bit, in any company and with
 * any history: requests drawn at random, each alone first, then all together in random schedules. */
#ifndef TN_TESTS_GOLDEN_COMPANY_H
#define TN_TESTS_GOLDEN_COMPANY_H

#include "golden/fixture.h"

/* A model, how it runs, and how much of it. */
typedef struct company {
    fixture f;
    setting s;
    char name[160];
    uint32_t n_seq;       /* a power of two, at most COMPANY_SEQS */
    uint32_t most_prompt; /* tokens, at most COMPANY_PROMPT */
    uint32_t most_new;    /* tokens, at most COMPANY_NEW */
    uint32_t n_schedule;  /* every other one is short of memory; more follow until sequences were preempted */
} company;
enum { COMPANY_SEQS = 16, COMPANY_PROMPT = 260, COMPANY_NEW = 90 };

/* Draws, or takes TN_SEED, and prints it. */
void company_seed(void);
uint32_t company_below(uint32_t n);

/* A test; *state is a company. */
void company_any_history(void **state);

#endif
