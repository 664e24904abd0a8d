/* SPDX-License-Identifier: Apache-2.0 */
/* One sum of bytes for everything large that the process holds: weights, pages, activations. What wants
 * memory takes it here first and is refused past the limit. [any thread] */
#ifndef TN_BASE_BUDGET_H
#define TN_BASE_BUDGET_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct tn_budget {
    uint64_t limit; /* 0: none */
    atomic_uint_fast64_t used;
} tn_budget;

/* Takes n bytes; false, and nothing taken, when they do not fit. */
bool tn_budget_take(tn_budget *b, uint64_t n);
/* Gives back n bytes that were taken. */
void tn_budget_give(tn_budget *b, uint64_t n);
/* Bytes that are left; UINT64_MAX without a limit. */
uint64_t tn_budget_left(const tn_budget *b);
uint64_t tn_budget_used(const tn_budget *b);

/* Bytes of memory that this process may use: the machine's, or less where its control group says so. */
uint64_t tn_memory_size(void);
/* The limit for what an operator asked for: that, or for 0 four fifths of tn_memory_size(). */
static inline uint64_t tn_memory_limit(uint64_t asked) {
    return asked ? asked : tn_memory_size() / 5 * 4;
}

#endif
