/* SPDX-License-Identifier: Apache-2.0 */
/* Sampling fields: how the next token is chosen, and where the answer stops. */
#include <errno.h>
#include <float.h>
#include <stdlib.h>
#include <string.h>

#include "serve/api_parts.h"

enum { MAX_STOP_IDS = 64 };

typedef struct number_field {
    const char *names[4]; /* the first is ours, others are what clients of other servers send */
    double min, max;
    unsigned given;
    size_t offset; /* of the float in tn_sampling */
} number_field;

#define NUMBER(field, min, max, given, ...)                                                                  \
    { {#field, __VA_ARGS__}, min, max, given, offsetof(tn_sampling, field) }

static const number_field numbers[] = {
    NUMBER(temperature, 0, 2, TN_GIVEN_TEMPERATURE, NULL),
    NUMBER(top_p, 0, 1, TN_GIVEN_TOP_P, NULL),
    NUMBER(min_p, 0, 1, TN_GIVEN_MIN_P, NULL),
    NUMBER(typical_p, 0, 1, TN_GIVEN_TYPICAL_P, "typ_p"),
    NUMBER(top_n_sigma, -1, 100, TN_GIVEN_TOP_N_SIGMA, NULL),
    NUMBER(xtc_probability, 0, 1, TN_GIVEN_XTC_PROBABILITY, NULL),
    NUMBER(xtc_threshold, 0, 1, TN_GIVEN_XTC_THRESHOLD, NULL),
    /* Below 0.01 logits overflow, which would choose at random what the penalty was to choose. */
    NUMBER(repetition_penalty, 0.01, 10, TN_GIVEN_REPETITION_PENALTY, "repeat_penalty"),
    NUMBER(frequency_penalty, -2, 2, TN_GIVEN_FREQUENCY_PENALTY, NULL),
    NUMBER(presence_penalty, -2, 2, TN_GIVEN_PRESENCE_PENALTY, NULL),
    NUMBER(dry_multiplier, 0, 100, TN_GIVEN_DRY_MULTIPLIER, NULL),
    NUMBER(dry_base, 1, 100, TN_GIVEN_DRY_BASE, NULL),
};

static int parse_number(const tn_fields *f, const number_field *n, tn_api_request *r) {
    double value;
    const char *name;
    if (tn_fields_alias(f, n->names, &name)) return -1;
    int rc = tn_fields_number(f, name, n->min, n->max, &value);
    if (rc <= 0) return rc;
    *(float *)((char *)&r->sampling + n->offset) = (float)value;
    r->given |= n->given;
    return 0;
}

/* To the sampler 0 means all tokens, to the API the smallest set. */
static void smallest_set(float *share) {
    if (*share < FLT_MIN) *share = FLT_MIN;
}

static int parse_numbers(const tn_fields *f, tn_api_request *r) {
    r->sampling.xtc_threshold = 0.1f;
    r->sampling.typical_p = 1;
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (parse_number(f, &numbers[i], r)) return -1;
    if (r->given & TN_GIVEN_TOP_P) smallest_set(&r->sampling.top_p);
    smallest_set(&r->sampling.typical_p);
    return 0;
}

static int parse_integers(const tn_fields *f, tn_api_request *r) {
    int64_t value;
    int rc = tn_fields_whole(f, "top_k", -1, INT32_MAX, &value);
    if (rc < 0) return -1;
    if (rc) {
        r->sampling.top_k = value > 0 ? (uint32_t)value : 0;
        r->given |= TN_GIVEN_TOP_K;
    }
    rc = tn_fields_whole(f, "min_keep", 0, INT32_MAX, &value);
    if (rc < 0) return -1;
    if (rc) {
        r->sampling.min_keep = (uint32_t)value;
        r->given |= TN_GIVEN_MIN_KEEP;
    }
    rc = tn_fields_whole(f, "seed", INT64_MIN, INT64_MAX, &value);
    if (rc < 0) return -1;
    if (rc) {
        r->sampling.seed = (uint64_t)value;
        r->given |= TN_GIVEN_SEED;
    }
    return 0;
}

/* ---- logit_bias -------------------------------------------------------------------------------------- */

/* An id as people write it: digits, no sign, no leading zero, so that no two keys mean one id. */
static bool parse_id(const char *key, int32_t *ret) {
    char *end;
    if (key[0] < '0' || key[0] > '9' || (key[0] == '0' && key[1])) return false;
    errno = 0;
    long long id = strtoll(key, &end, 10);
    if (*end || errno || id > INT32_MAX) return false;
    *ret = (int32_t)id;
    return true;
}

static int parse_bias(const tn_fields *f, const char *key, const json_t *value, tn_logit_bias *ret) {
    double bias = json_number_value(value);
    if (!parse_id(key, &ret->id))
        return tn_fields_fail(f, "logit_bias", "the key \"%.40s\" must be a token id from 0 to %d", key,
                              INT32_MAX);
    if (!json_is_number(value) || !(bias >= -100 && bias <= 100)) {
        char path[32];
        snprintf(path, sizeof path, "logit_bias.%d", (int)ret->id);
        return tn_value_wrong(value, path, f->e, "a number from -100 to 100");
    }
    ret->bias = (float)bias;
    return 0;
}

static int parse_biases(const tn_fields *f, const tn_api_limits *limits, tn_api_request *r) {
    json_t *biases, *value;
    const char *key;
    int rc = tn_fields_object(f, "logit_bias", &biases);
    if (rc <= 0) return rc;
    size_t n = json_object_size(biases);
    if (n > limits->max_logit_bias)
        return tn_fields_fail(f, "logit_bias", "%zu entries, the limit is %u", n, limits->max_logit_bias);
    r->bias = calloc(n + 1, sizeof *r->bias);
    if (!r->bias) return tn_api_no_memory(f->e);
    json_object_foreach(biases, key, value) {
        if (parse_bias(f, key, value, &r->bias[r->sampling.n_bias])) return -1;
        r->sampling.n_bias++;
    }
    r->sampling.bias = r->bias;
    return 0;
}

/* ---- Log probabilities ------------------------------------------------------------------------------- */

static int parse_chat_logprobs(const tn_fields *f, tn_api_request *r) {
    int64_t top = 0;
    if (tn_fields_bool(f, "logprobs", &r->sampling.logprobs) < 0) return -1;
    if (tn_fields_whole(f, "top_logprobs", 0, TN_TOP_LOGPROBS_MAX, &top) < 0) return -1;
    if (top > 0 && !r->sampling.logprobs)
        return tn_fields_fail(f, "top_logprobs", "%d asked for, which needs logprobs to be true", (int)top);
    r->sampling.n_top_logprobs = (uint32_t)top;
    return 0;
}

static int parse_completion_logprobs(const tn_fields *f, tn_api_request *r) {
    int64_t top = 0;
    int rc = tn_fields_whole(f, "logprobs", 0, TN_TOP_LOGPROBS_MAX, &top);
    if (rc < 0) return -1;
    r->sampling.logprobs = rc > 0;
    r->sampling.n_top_logprobs = (uint32_t)top;
    return 0;
}

int tn_api_parse_sampling(const tn_fields *f, const tn_api_limits *limits, tn_api_request *r) {
    if (parse_numbers(f, r) || parse_integers(f, r) || parse_biases(f, limits, r)) return -1;
    return r->chat ? parse_chat_logprobs(f, r) : parse_completion_logprobs(f, r);
}

/* ---- Stops ------------------------------------------------------------------------------------------- */

static int parse_stop_string(const json_t *v, const char *path, const tn_api_limits *limits,
                             tn_api_request *r, tn_api_error *e) {
    size_t len = json_string_length(v);
    if (!json_is_string(v)) return tn_value_wrong(v, path, e, "a string");
    if (len == 0)
        return tn_api_fail(e, 400, NULL, path, "%s is empty; it must be a string of at least 1 byte", path);
    if (len > limits->max_stop_bytes)
        return tn_api_fail(e, 400, NULL, path, "%s has %zu bytes, the limit is %u", path, len,
                           limits->max_stop_bytes);
    char *copy = malloc(len + 1);
    if (!copy) return tn_api_no_memory(e);
    memcpy(copy, json_string_value(v), len + 1);
    r->stop[r->n_stop] = copy;
    r->stop_len[r->n_stop++] = len;
    return 0;
}

static int parse_stop_strings(const tn_fields *f, const tn_api_limits *limits, tn_api_request *r) {
    const json_t *v = tn_fields_get(f, "stop");
    if (!v) return 0;
    size_t n = json_is_array(v) ? json_array_size(v) : 1;
    if (n > limits->max_stop)
        return tn_fields_fail(f, "stop", "%zu strings, the limit is %u", n, limits->max_stop);
    r->stop = calloc(n + 1, sizeof *r->stop);
    r->stop_len = calloc(n + 1, sizeof *r->stop_len);
    if (!r->stop || !r->stop_len) return tn_api_no_memory(f->e);
    if (json_is_string(v)) return parse_stop_string(v, "stop", limits, r, f->e);
    if (!json_is_array(v)) return tn_value_wrong(v, "stop", f->e, "a string or an array of strings");
    for (size_t i = 0; i < n; i++)
        if (parse_stop_string(json_array_get(v, i), tn_path_item("stop", i).text, limits, r, f->e)) return -1;
    return 0;
}

static int parse_stop_ids(const tn_fields *f, tn_api_request *r) {
    json_t *ids;
    int rc = tn_fields_array(f, "stop_token_ids", &ids);
    if (rc <= 0) return rc;
    size_t n = json_array_size(ids);
    if (n > MAX_STOP_IDS)
        return tn_fields_fail(f, "stop_token_ids", "%zu ids, the limit is %d", n, MAX_STOP_IDS);
    r->stop_ids = calloc(n + 1, sizeof *r->stop_ids);
    if (!r->stop_ids) return tn_api_no_memory(f->e);
    for (size_t i = 0; i < n; i++) {
        int64_t id;
        const json_t *v = json_array_get(ids, i);
        if (!tn_value_whole(v, 0, INT32_MAX, &id))
            return tn_value_wrong(v, tn_path_item("stop_token_ids", i).text, f->e, "a token id from 0 to %d",
                                  INT32_MAX);
        r->stop_ids[r->n_stop_ids++] = (int32_t)id;
    }
    return 0;
}

int tn_api_parse_stop(const tn_fields *f, const tn_api_limits *limits, tn_api_request *r) {
    return parse_stop_strings(f, limits, r) || parse_stop_ids(f, r) ? -1 : 0;
}
