/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/sampling_args.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "serve/breakers.h"
#include "serve/defaults.h"

#define AT(field)   .offset = offsetof(tn_sampling_args, field)
#define MORE(field) .offset = offsetof(tn_sampling_args, more.field)
const tn_option_row tn_sampling_options[] = {
    {TN_OPT_FLAG, .name = "greedy", .help = "always the most probable token", AT(greedy)},
    {TN_OPT_REAL, .name = "temperature", .arg = "T", .min = 0, .max = 100,
     .help = "0 is greedy, 1 the model's own distribution (default: what the model recommends, else 0.7)",
     AT(temperature)},
    {TN_OPT_UINT, .name = "top-k", .arg = "K", .max = 1 << 24,
     .help = "only the K most probable tokens (0: all)", AT(top_k)},
    {TN_OPT_REAL, .name = "top-p", .arg = "P", .max = 1,
     .help = "only the most probable tokens that make up P", AT(top_p)},
    {TN_OPT_REAL, .name = "min-p", .arg = "P", .max = 1,
     .help = "no token less probable than P times the most probable", AT(min_p)},
    {TN_OPT_REAL, .name = "typical-p", .arg = "P", .max = 1,
     .help = "only the tokens closest to the mean surprise that make up P", MORE(typical_p)},
    {TN_OPT_REAL, .name = "top-n-sigma", .arg = "N", .max = 100,
     .help = "only logits within N standard deviations of the highest (0: all)", MORE(top_n_sigma)},
    {TN_OPT_REAL, .name = "xtc-probability", .arg = "P", .max = 1,
     .help = "how often the most probable tokens are excluded (0: never)", MORE(xtc_probability)},
    {TN_OPT_REAL, .name = "xtc-threshold", .arg = "P", .max = 1,
     .help = "from which probability on they are (default 0.1)", MORE(xtc_threshold)},
    {TN_OPT_UINT, .name = "min-keep", .arg = "N", .min = 1, .max = INT32_MAX,
     .help = "how many tokens --typical-p, --top-p, --min-p and XTC leave at least (default 1)",
     MORE(min_keep)},
    {TN_OPT_REAL, .name = "repetition-penalty", .arg = "R", .min = 0.01, .max = 100,
     .help = "makes tokens that occurred less probable (1: does nothing)", AT(repetition_penalty)},
    {TN_OPT_REAL, .name = "frequency-penalty", .arg = "R", .min = -2, .max = 2,
     .help = "taken from a token's logit for each time it occurred in the answer", MORE(frequency_penalty)},
    {TN_OPT_REAL, .name = "presence-penalty", .arg = "R", .min = -2, .max = 2,
     .help = "taken from a token's logit if it occurred in the answer", MORE(presence_penalty)},
    {TN_OPT_UINT, .name = "repetition-last-n", .arg = "N", .min = 1, .max = INT32_MAX,
     .help = "how many last tokens the three penalties look at (default: all)", MORE(repetition_last_n)},
    {TN_OPT_REAL, .name = "dry-multiplier", .arg = "R", .max = 100,
     .help = "how strongly repetitions are held back (0: not at all)", MORE(dry_multiplier)},
    {TN_OPT_REAL, .name = "dry-base", .arg = "R", .min = 1, .max = 100,
     .help = "how much more for each further token of a repetition (default 1.75)", MORE(dry_base)},
    {TN_OPT_UINT, .name = "dry-allowed-length", .arg = "N", .min = 1, .max = TN_DRY_MATCH_MAX,
     .help = "how long a repetition is when it begins to cost (default 2)", MORE(dry_allowed_length)},
    {TN_OPT_UINT, .name = "dry-penalty-last-n", .arg = "N", .min = 1, .max = INT32_MAX,
     .help = "how many last tokens are looked at for them (default: all)", MORE(dry_penalty_last_n)},
    {TN_OPT_STRINGS, .name = "dry-sequence-breaker", .arg = "TEXT",
     .help = "no repetition reaches across TEXT, \\n for a newline; may be given several times; '' is none",
     AT(breakers)},
    {TN_OPT_UINT, .name = "repetition-max-pattern", .arg = "N", .max = TN_REPEAT_PATTERN_MAX,
     .help = "end an answer that repeats up to N tokens (default 0: never)", MORE(repetition_max_pattern)},
    {TN_OPT_UINT, .name = "repetition-min-pattern", .arg = "N", .min = 1, .max = TN_REPEAT_PATTERN_MAX,
     .help = "the shortest such pattern (default 1)", MORE(repetition_min_pattern)},
    {TN_OPT_UINT, .name = "repetition-min-count", .arg = "N", .min = 2, .max = TN_REPEAT_COUNT_MAX,
     .help = "how often it stands there, one after the other (default 4)", MORE(repetition_min_count)},
    {TN_OPT_UINT, .name = "repetition-min-tokens", .arg = "N", .max = TN_REPEAT_TOKENS_MAX,
     .help = "how many tokens these repetitions make up at least (default 256)", MORE(repetition_min_tokens)},
    {TN_OPT_STRINGS, .name = "logit-bias", .arg = "ID=B",
     .help = "add B, -100 to 100, to the logit of a token; may be given several times", AT(bias)},
    {TN_OPT_UINT, .name = "seed", .arg = "N", .max = 0x1p52, .help = "makes sampling repeatable", AT(seed)},
    {.kind = TN_OPT_END},
};

static const uint64_t NOT_GIVEN = UINT64_MAX;

void tn_sampling_defaults(tn_sampling_args *args) {
    *args = (tn_sampling_args){.temperature = -1,
                               .top_p = -1,
                               .min_p = -1,
                               .repetition_penalty = -1,
                               .top_k = NOT_GIVEN,
                               .seed = NOT_GIVEN,
                               .more = {.typical_p = NAN,
                                        .top_n_sigma = NAN,
                                        .xtc_probability = NAN,
                                        .xtc_threshold = NAN,
                                        .frequency_penalty = NAN,
                                        .presence_penalty = NAN,
                                        .dry_multiplier = NAN,
                                        .dry_base = NAN,
                                        .min_keep = TN_UNSET,
                                        .repetition_last_n = TN_UNSET,
                                        .dry_allowed_length = TN_UNSET,
                                        .dry_penalty_last_n = TN_UNSET,
                                        .repetition_max_pattern = TN_UNSET,
                                        .repetition_min_pattern = TN_UNSET,
                                        .repetition_min_count = TN_UNSET,
                                        .repetition_min_tokens = TN_UNSET}};
}

/* ---- Numbers ---- */

static double within(double value, double min, double max, double def) {
    return value >= min && value <= max ? value : def;
}

/* What was given, else what the model recommends. */
static void choose(const tn_sampling_args *a, const tn_model *m, tn_sampling *s) {
    double t = a->temperature, p = a->top_p, min_p = a->min_p, r = a->repetition_penalty;
    double k = a->top_k == NOT_GIVEN ? tn_model_recommended(m, "top_k", 40) : (double)a->top_k;
    s->temperature = (float)within(t < 0 ? tn_model_recommended(m, "temp", 0.7) : t, 0, 100, 0.7);
    s->top_p = (float)within(p < 0 ? tn_model_recommended(m, "top_p", 0.95) : p, 0, 1, 0.95);
    s->min_p = (float)within(min_p < 0 ? tn_model_recommended(m, "min_p", 0) : min_p, 0, 1, 0);
    s->top_k = (uint32_t)within(k, 0, 1 << 24, 40);
    s->repetition_penalty =
        (float)within(r < 0 ? tn_model_recommended(m, "repetition_penalty", 1) : r, 0.01, 100, 1);
}

/* ---- --logit-bias ---- */

static int read_bias(const char *text, const tn_model *m, tn_logit_bias *ret, tn_error *err) {
    char id[32];
    uint64_t number;
    double bias;
    const char *equal = strchr(text, '=');
    if (!equal || (size_t)(equal - text) >= sizeof id)
        return tn_fail(err, TN_EINVAL, "--logit-bias takes ID=B, not '%.100s'", text);
    snprintf(id, sizeof id, "%.*s", (int)(equal - text), text);
    int rc = tn_parse_uint("--logit-bias", id, 0, m->program->n_vocab - 1, &number, err);
    if (!rc) rc = tn_parse_real("--logit-bias", equal + 1, -100, 100, &bias, err);
    if (!rc) *ret = (tn_logit_bias){(int32_t)number, (float)bias};
    return rc;
}

static int read_biases(const tn_sampling_args *a, const tn_model *m, tn_sampling_choice *c, tn_error *err) {
    int rc = 0;
    for (uint32_t i = 0; i < a->bias.n && !rc; i++) rc = read_bias(a->bias.value[i], m, &c->bias[i], err);
    c->sampling.bias = c->bias;
    c->sampling.n_bias = rc ? 0 : a->bias.n;
    return rc;
}

/* ---- --dry-sequence-breaker ---- */

static int find_breakers(const tn_sampling_args *a, const tn_model *m, tn_sampling_choice *c, tn_error *err) {
    tn_sampling *s = &c->sampling;
    bool none = a->breakers.n == 1 && !a->breakers.value[0][0];
    if (!(s->dry_multiplier > 0)) return 0;
    if (!m->tokenizer) return tn_fail(err, m->tokenizer_error.code, "%s", m->tokenizer_error.text);
    int rc = a->breakers.n ? tn_breakers_read(m->tokenizer, a->breakers.value, none ? 0 : a->breakers.n,
                                              &c->breakers, &s->n_dry_breakers, err)
                           : tn_breakers_default(m->tokenizer, &c->breakers, &s->n_dry_breakers, err);
    s->dry_breakers = c->breakers;
    return rc;
}

/* ---- The whole ---- */

static int check_patterns(const tn_sampling_settings *s, tn_error *err) {
    uint64_t least = s->repetition_min_pattern, most = s->repetition_max_pattern;
    if (least == TN_UNSET || most == TN_UNSET || most == 0 || least <= most) return 0;
    return tn_fail(err, TN_EINVAL,
                   "--repetition-min-pattern %llu is more than --repetition-max-pattern, %llu",
                   (unsigned long long)least, (unsigned long long)most);
}

int tn_sampling_choose(const tn_sampling_args *a, const tn_model *m, tn_sampling_choice *ret, tn_error *err) {
    *ret = (tn_sampling_choice){.seeded = a->seed != NOT_GIVEN};
    tn_sampling *s = &ret->sampling;
    s->xtc_threshold = 0.1f;
    if (!a->greedy) choose(a, m, s);
    if (a->greedy && a->repetition_penalty > 0) s->repetition_penalty = (float)a->repetition_penalty;
    s->seed = ret->seeded ? a->seed : tn_random_seed();
    tn_defaults_fill(&a->more, 0, s);
    int rc = check_patterns(&a->more, err);
    if (!rc) rc = read_biases(a, m, ret, err);
    return rc ? rc : find_breakers(a, m, ret, err);
}

tn_sampling tn_sampling_next(const tn_sampling_choice *c) {
    tn_sampling s = c->sampling;
    if (!c->seeded) s.seed = tn_random_seed();
    return s;
}

void tn_sampling_choice_fini(tn_sampling_choice *c) {
    free(c->breakers);
    *c = (tn_sampling_choice){0};
}
