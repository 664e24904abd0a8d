/* SPDX-License-Identifier: Apache-2.0 */
/* How tokens are chosen, from the command line and from what the model recommends. */
#ifndef TN_CLI_SAMPLING_ARGS_H
#define TN_CLI_SAMPLING_ARGS_H

#include "cli/options.h"
#include "config/settings.h"
#include "sched/model.h"
#include "sched/sampler.h"

/* Not given: values below 0, NOT_GIVEN, and in more NAN and TN_UNSET. */
typedef struct tn_sampling_args {
    double temperature, top_p, min_p, repetition_penalty;
    uint64_t top_k, seed;
    bool greedy;
    tn_sampling_settings more;
    tn_opt_strings breakers, bias;
} tn_sampling_args;

/* Table for a TN_OPT_GROUP row; the struct lies at the row's offset. */
extern const tn_option_row tn_sampling_options[];
void tn_sampling_defaults(tn_sampling_args *args);

/* What is chosen. sampling points into it, so it stays where it is. */
typedef struct tn_sampling_choice {
    tn_sampling sampling;
    bool seeded;
    int32_t *breakers; /* owned */
    tn_logit_bias bias[sizeof(((tn_opt_strings *)0)->value) / sizeof(char *)];
} tn_sampling_choice;

/* What was given, else what the checkpoint recommends (generation_config.json, general.sampling.*), else
 * temperature 0.7, top_k 40, top_p 0.95; greedy: what was given alone. Without a seed a random one. TN_EINVAL
 * about --logit-bias and --dry-sequence-breaker, which DRY alone looks at; without a tokenizer what that
 * gives; TN_ENOMEM. ret is for tn_sampling_choice_fini in any case. [control thread] */
int tn_sampling_choose(const tn_sampling_args *args, const tn_model *m, tn_sampling_choice *ret,
                       tn_error *err);
/* For the next answer: another random seed, where none was given. */
tn_sampling tn_sampling_next(const tn_sampling_choice *c);
/* Harmless on a zeroed one. */
void tn_sampling_choice_fini(tn_sampling_choice *c);

#endif
