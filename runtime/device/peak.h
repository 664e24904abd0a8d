/* SPDX-License-Identifier: Apache-2.0 */
/* What a device can do at best, and what a program asks of it: to say how near to its limits it runs. */
#ifndef TN_DEVICE_PEAK_H
#define TN_DEVICE_PEAK_H

#include <stdint.h>

/* Rates: bytes a second for READ, else operations a second. A multiplication and the addition of its result
 * are two operations. */
typedef enum tn_peak {
    TN_PEAK_READ, /* from memory, of more than caches hold */
    TN_PEAK_INT8, /* products of 8-bit integers, summed in 32 bits */
    TN_PEAK_BF16, /* products of BF16, summed in F32 */
    TN_PEAK_F32,
    TN_PEAK_COUNT
} tn_peak;

/* Of the linear layers of a program, as a device runs them. Nothing else is counted. */
typedef struct tn_work {
    uint64_t weight_bytes;             /* read in a step */
    uint64_t token_ops[TN_PEAK_COUNT]; /* a token, by the arithmetic that does them */
    uint64_t row_ops[TN_PEAK_COUNT];   /* a row of logits */
} tn_work;

#endif
