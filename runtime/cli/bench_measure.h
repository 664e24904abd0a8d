/* SPDX-License-Identifier: Apache-2.0 */
/* What tenon bench measures, and how one measurement is taken. */
#ifndef TN_CLI_BENCH_MEASURE_H
#define TN_CLI_BENCH_MEASURE_H

#include "device/profile.h"
#include "sched/engine.h"

/* n_seq sequences of n_prompt random tokens. n_steps 0: the time of the prompts; else, after `skip` steps,
 * that of n_steps steps which bring each sequence a token. */
typedef struct tn_bench_case {
    char name[64]; /* "pp512", "tg64_d1024", "batch 4" */
    uint32_t n_seq, n_prompt, skip, n_steps;
} tn_bench_case;

typedef struct tn_bench_sample {
    double speed;                   /* tokens a second */
    double read_before, read_after; /* bytes a second from memory, just before and after; 0: not measured */
} tn_bench_sample;

/* Besides the time. */
typedef struct tn_bench_extra {
    bool read;           /* measure reading too, where steps are timed; the device can */
    tn_profile *profile; /* where the time goes is added here, or NULL; the device can */
    double profiled_s;   /* and what that took all in all */
} tn_bench_extra;

/* Tokens of a context that the case needs. */
uint64_t tn_bench_context(const tn_bench_case *c);

/* Takes one sample. ids: at least n_prompt. extra may be NULL. What the engine gives. [control thread] */
int tn_bench_measure(tn_model *m, const int32_t *ids, const tn_bench_case *c, tn_bench_extra *extra,
                     tn_bench_sample *ret, tn_error *err);

#endif
