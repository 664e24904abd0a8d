/* SPDX-License-Identifier: Apache-2.0 */
/* Where the time of steps goes, by kind of operation, as the thread that starts them sees it. */
#ifndef TN_DEVICE_PROFILE_H
#define TN_DEVICE_PROFILE_H

#include <stdint.h>

enum { TN_PROFILE_ROWS = 64, TN_PROFILE_NAME = 32 };

/* What was done of one kind. */
typedef struct tn_profile_row {
    char name[TN_PROFILE_NAME]; /* "linear Q4_K" */
    uint64_t n_call;
    uint64_t bytes; /* of weights read, by all threads together */
    uint64_t ops;   /* with weights: a multiplication and an addition are two */
    double run_s;   /* this thread's share of the work */
    double wait_s;  /* then, until the other threads were through with theirs */
} tn_profile_row;

/* Sums over steps. What run_s and wait_s leave of step_s is the start and the end of steps. */
typedef struct tn_profile {
    uint64_t n_step;
    double step_s;
    uint32_t n_row;
    tn_profile_row rows[TN_PROFILE_ROWS]; /* the last one takes all kinds that find no room */
} tn_profile;

#endif
