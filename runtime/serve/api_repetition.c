/* SPDX-License-Identifier: Apache-2.0 */
/* Fields about repeating: how far penalties look back, DRY, and when an answer that loops is ended. */
#include <stdlib.h>

#include "serve/api_parts.h"

enum { MAX_BREAKERS = 32, MAX_BREAKER_BYTES = 64 };

/* How far to look back: -1 is everything, 0 nothing, as in llama.cpp. Absent: -1. Marks it as given. */
static int parse_last_n(const tn_fields *f, const char *const *names, unsigned given, tn_api_request *r,
                        int64_t *ret) {
    const char *name;
    *ret = -1;
    if (tn_fields_alias(f, names, &name)) return -1;
    int rc = tn_fields_whole(f, name, -1, INT32_MAX, ret);
    if (rc > 0) r->given |= given;
    return rc < 0 ? -1 : 0;
}

/* 0 takes the penalties away, those of the server's settings too. */
static int parse_penalties(const tn_fields *f, tn_api_request *r) {
    static const char *const names[] = {"repetition_last_n", "repeat_last_n", "penalty_last_n", NULL};
    tn_sampling *s = &r->sampling;
    int64_t last;
    if (parse_last_n(f, names, TN_GIVEN_REPETITION_LAST_N, r, &last)) return -1;
    s->repetition_last_n = last > 0 ? (uint32_t)last : 0;
    if (last) return 0;
    s->repetition_penalty = 1;
    s->frequency_penalty = s->presence_penalty = 0;
    r->given |= TN_GIVEN_REPETITION_PENALTY | TN_GIVEN_FREQUENCY_PENALTY | TN_GIVEN_PRESENCE_PENALTY;
    return 0;
}

/* ---- DRY --------------------------------------------------------------------------------------------- */

static int parse_breaker(const tn_fields *f, const json_t *v, const char *path, tn_api_request *r) {
    size_t len = json_string_length(v);
    if (!json_is_string(v)) return tn_value_wrong(v, path, f->e, "a string");
    if (len == 0 || len > MAX_BREAKER_BYTES)
        return tn_api_fail(f->e, 400, NULL, path, "%s has %zu bytes; it must have from 1 to %d", path, len,
                           MAX_BREAKER_BYTES);
    r->breaker[r->n_breaker] = json_string_value(v);
    r->breaker_len[r->n_breaker++] = len;
    return 0;
}

static int parse_breakers(const tn_fields *f, tn_api_request *r) {
    static const char name[] = "dry_sequence_breakers";
    json_t *list;
    int rc = tn_fields_array(f, name, &list);
    if (rc <= 0) return rc;
    size_t n = json_array_size(list);
    if (n > MAX_BREAKERS) return tn_fields_fail(f, name, "%zu strings, the limit is %d", n, MAX_BREAKERS);
    r->breaker = calloc(n + 1, sizeof *r->breaker);
    r->breaker_len = calloc(n + 1, sizeof *r->breaker_len);
    if (!r->breaker || !r->breaker_len) return tn_api_no_memory(f->e);
    for (size_t i = 0; i < n; i++)
        if (parse_breaker(f, json_array_get(list, i), tn_path_item(name, i).text, r)) return -1;
    r->given |= TN_GIVEN_DRY_BREAKERS;
    return 0;
}

static int parse_dry(const tn_fields *f, tn_api_request *r) {
    static const char *const names[] = {"dry_penalty_last_n", NULL};
    int64_t last, allowed = 0;
    if (parse_last_n(f, names, TN_GIVEN_DRY_LAST_N, r, &last) || parse_breakers(f, r)) return -1;
    int rc = tn_fields_whole(f, "dry_allowed_length", 1, TN_DRY_MATCH_MAX, &allowed);
    if (rc < 0) return -1;
    if (rc) r->given |= TN_GIVEN_DRY_ALLOWED_LENGTH;
    r->sampling.dry_last_n = last > 0 ? (uint32_t)last : 0;
    r->sampling.dry_allowed_length = (uint32_t)allowed;
    if (last) return 0;
    r->sampling.dry_multiplier = 0;
    r->given |= TN_GIVEN_DRY_MULTIPLIER;
    return 0;
}

/* ---- repetition_detection ----------------------------------------------------------------------------- */

static int parse_detection_object(const tn_fields *f, tn_repeat_params *ret) {
    int64_t most = 0, least = 0, count = 0, tokens = 0;
    int rc = tn_fields_whole(f, "max_pattern_size", 0, TN_REPEAT_PATTERN_MAX, &most);
    if (rc < 0) return -1;
    if (!rc) return tn_fields_missing(f, "max_pattern_size", "the ids of the longest pattern; 0 is off");
    if (tn_fields_whole(f, "min_pattern_size", 0, most, &least) < 0) return -1;
    rc = tn_fields_whole(f, "min_count", most ? 2 : 0, TN_REPEAT_COUNT_MAX, &count);
    if (rc < 0) return -1;
    if (!rc && most) return tn_fields_missing(f, "min_count", "how many repetitions end the answer");
    if (tn_fields_whole(f, "min_tokens", 0, TN_REPEAT_TOKENS_MAX, &tokens) < 0) return -1;
    *ret = (tn_repeat_params){(uint32_t)most, (uint32_t)least, (uint32_t)count, (uint32_t)tokens};
    return 0;
}

static int parse_detection(const tn_fields *f, tn_api_request *r) {
    static const char name[] = "repetition_detection";
    json_t *v = tn_fields_get(f, name);
    tn_fields inner = {v, name, f->e};
    if (!v) return 0;
    r->given |= TN_GIVEN_REPETITION;
    if (json_is_false(v)) return 0;
    if (json_is_object(v)) return parse_detection_object(&inner, &r->sampling.repetition);
    if (!json_is_true(v)) return tn_value_wrong(v, name, f->e, "an object, true or false");
    r->sampling.repetition = (tn_repeat_params){.max_pattern = TN_REPEAT_PATTERN_DEFAULT,
                                                .min_count = TN_REPEAT_COUNT_DEFAULT,
                                                .min_tokens = TN_REPEAT_TOKENS_DEFAULT};
    return 0;
}

int tn_api_parse_repetition(const tn_fields *f, tn_api_request *r) {
    return parse_penalties(f, r) || parse_dry(f, r) || parse_detection(f, r) ? -1 : 0;
}
