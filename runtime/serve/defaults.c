/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/defaults.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "serve/api.h"

typedef struct field {
    unsigned given;
    size_t from, to; /* in tn_sampling_settings, in tn_sampling */
} field;

#define FIELD(name, setting, given)                                                                          \
    { given, offsetof(tn_sampling_settings, setting), offsetof(tn_sampling, name) }

/* double to float */
static const field reals[] = {
    FIELD(typical_p, typical_p, TN_GIVEN_TYPICAL_P),
    FIELD(top_n_sigma, top_n_sigma, TN_GIVEN_TOP_N_SIGMA),
    FIELD(xtc_probability, xtc_probability, TN_GIVEN_XTC_PROBABILITY),
    FIELD(xtc_threshold, xtc_threshold, TN_GIVEN_XTC_THRESHOLD),
    FIELD(frequency_penalty, frequency_penalty, TN_GIVEN_FREQUENCY_PENALTY),
    FIELD(presence_penalty, presence_penalty, TN_GIVEN_PRESENCE_PENALTY),
    FIELD(dry_multiplier, dry_multiplier, TN_GIVEN_DRY_MULTIPLIER),
    FIELD(dry_base, dry_base, TN_GIVEN_DRY_BASE),
};

/* uint64_t to uint32_t */
static const field wholes[] = {
    FIELD(min_keep, min_keep, TN_GIVEN_MIN_KEEP),
    FIELD(repetition_last_n, repetition_last_n, TN_GIVEN_REPETITION_LAST_N),
    FIELD(dry_allowed_length, dry_allowed_length, TN_GIVEN_DRY_ALLOWED_LENGTH),
    FIELD(dry_last_n, dry_penalty_last_n, TN_GIVEN_DRY_LAST_N),
};

static void fill_real(const field *f, const tn_sampling_settings *s, tn_sampling *p) {
    double value = *(const double *)((const char *)s + f->from);
    if (!isnan(value)) *(float *)((char *)p + f->to) = (float)value;
}

static void fill_whole(const field *f, const tn_sampling_settings *s, tn_sampling *p) {
    uint64_t value = *(const uint64_t *)((const char *)s + f->from);
    if (value != TN_UNSET) *(uint32_t *)((char *)p + f->to) = (uint32_t)value;
}

static uint32_t whole(uint64_t setting, uint32_t def) {
    return setting == TN_UNSET ? def : (uint32_t)setting;
}

static void fill_detection(const tn_sampling_settings *s, tn_repeat_params *ret) {
    uint32_t most = whole(s->repetition_max_pattern, 0);
    if (!most) return;
    *ret = (tn_repeat_params){.max_pattern = most,
                              .min_pattern = whole(s->repetition_min_pattern, 0),
                              .min_count = whole(s->repetition_min_count, TN_REPEAT_COUNT_DEFAULT),
                              .min_tokens = whole(s->repetition_min_tokens, TN_REPEAT_TOKENS_DEFAULT)};
}

void tn_defaults_fill(const tn_sampling_settings *s, unsigned given, tn_sampling *p) {
    for (size_t i = 0; i < sizeof reals / sizeof *reals; i++)
        if (!(given & reals[i].given)) fill_real(&reals[i], s, p);
    for (size_t i = 0; i < sizeof wholes / sizeof *wholes; i++)
        if (!(given & wholes[i].given)) fill_whole(&wholes[i], s, p);
    if (!(given & TN_GIVEN_REPETITION)) fill_detection(s, &p->repetition);
    /* To the sampler 0 means all tokens, to people the smallest set. */
    if (s->typical_p < FLT_MIN && !(given & TN_GIVEN_TYPICAL_P)) p->typical_p = FLT_MIN;
}
