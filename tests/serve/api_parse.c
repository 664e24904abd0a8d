/* SPDX-License-Identifier: Apache-2.0 */
/* Fields of both routes and of completions: what they accept, and what a refusal says. */
#include "serve/parsed.h"

#include <float.h>

/* ---- Numbers and booleans ---------------------------------------------------------------------------- */

enum { CHAT = 1, COMPLETION = 2, BOTH = 3 };

typedef struct range {
    const char *name;
    int routes;
    const char *ok, *below, *above; /* ok: values separated by spaces; below, above: NULL where none is */
    const char *expected;
} range;

static const range ranges[] = {
    {"temperature", BOTH, "0 2 0.7 2.0", "-0.001", "2.001", "a number from 0 to 2"},
    {"top_p", BOTH, "0 1 0.5", "-0.5", "1.5", "a number from 0 to 1"},
    {"min_p", BOTH, "0 1 0.05", "-0.5", "1.5", "a number from 0 to 1"},
    {"repetition_penalty", BOTH, "0.01 1 10", "0", "10.5", "a number from 0.01 to 10"},
    {"frequency_penalty", BOTH, "-2 2 0", "-2.5", "2.5", "a number from -2 to 2"},
    {"presence_penalty", BOTH, "-2 2 0.25", "-2.5", "2.5", "a number from -2 to 2"},
    {"typical_p", BOTH, "0 1 0.5", "-0.5", "1.5", "a number from 0 to 1"},
    {"typ_p", BOTH, "0 1 0.5", "-0.5", "1.5", "a number from 0 to 1"},
    {"top_n_sigma", BOTH, "-1 0 1.5 100", "-1.5", "100.5", "a number from -1 to 100"},
    {"xtc_probability", BOTH, "0 1 0.5", "-0.5", "1.5", "a number from 0 to 1"},
    {"xtc_threshold", BOTH, "0 1 0.1", "-0.5", "1.5", "a number from 0 to 1"},
    {"repeat_penalty", BOTH, "0.01 1 10", "0", "10.5", "a number from 0.01 to 10"},
    {"dry_multiplier", BOTH, "0 0.8 100", "-0.5", "100.5", "a number from 0 to 100"},
    {"dry_base", BOTH, "1 1.75 100", "0.5", "100.5", "a number from 1 to 100"},
    {"dry_allowed_length", BOTH, "1 2 1024", "0", "1025", "a whole number from 1 to 1024"},
    {"dry_penalty_last_n", BOTH, "-1 0 2147483647", "-2", "2147483648",
     "a whole number from -1 to 2147483647"},
    {"repetition_last_n", BOTH, "-1 0 64 2147483647", "-2", "2147483648",
     "a whole number from -1 to 2147483647"},
    {"repeat_last_n", BOTH, "-1 0 64", "-2", "2147483648", "a whole number from -1 to 2147483647"},
    {"penalty_last_n", BOTH, "-1 0 64", "-2", "2147483648", "a whole number from -1 to 2147483647"},
    {"min_keep", BOTH, "0 1 2147483647", "-1", "2147483648", "a whole number from 0 to 2147483647"},
    {"top_k", BOTH, "-1 0 1 2147483647 40.0", "-2", "2147483648", "a whole number from -1 to 2147483647"},
    {"seed", BOTH, "-9223372036854775808 9223372036854775807 0 -1 5.0", "-1e19", "1e19",
     "a whole number from -9223372036854775808 to 9223372036854775807"},
    {"priority", BOTH, "-100 0 100", "-101", "101", "a whole number from -100 to 100"},
    {"num_ctx", BOTH, "1 4096 16777216", "0", "16777217", "a whole number from 1 to 16777216"},
    {"n", BOTH, "1 8 2.0", "0", "9", "a whole number from 1 to 8"},
    {"max_tokens", BOTH, "1 4294967295", "0", "4294967296", "a whole number from 1 to 4294967295"},
    {"max_completion_tokens", CHAT, "1 4294967295", "0", "4294967296", "a whole number from 1 to 4294967295"},
    {"logprobs", COMPLETION, "0 20", "-1", "21", "a whole number from 0 to 20"},
    {"best_of", COMPLETION, "1", "0", "4294967296", "a whole number from 1 to 4294967295"},
};

static void check_refused_value(bool chat, const range *r, const char *value, const char *shown) {
    char fields[128], words[256];
    snprintf(fields, sizeof fields, "\"%s\":%s", r->name, value);
    snprintf(words, sizeof words, "%s is %s|must be %s", r->name, shown, r->expected);
    refused(chat, fields, r->name, words);
}

static void check_range(bool chat, const range *r) {
    char list[128], fields[160], *rest = list;
    snprintf(list, sizeof list, "%s null", r->ok);
    for (char *value; (value = strsep(&rest, " "));) {
        snprintf(fields, sizeof fields, "\"%s\":%s", r->name, value);
        parsed p = parse_ok(chat, fields);
        assert_string_equal(p.unknown, "");
        tn_api_request_fini(&p.r);
    }
    check_refused_value(chat, r, r->below, strchr(r->below, 'e') ? "-1e+19" : r->below);
    check_refused_value(chat, r, r->above, strchr(r->above, 'e') ? "1e+19" : r->above);
    check_refused_value(chat, r, "\"1\"", "\"1\"");
    check_refused_value(chat, r, "true", "true");
    check_refused_value(chat, r, "[1,2]", "an array of 2");
    check_refused_value(chat, r, "{\"a\":1}", "an object");
    if (strncmp(r->expected, "a whole", 7) == 0) check_refused_value(chat, r, "1.5", "1.5");
}

static void test_ranges(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++) {
        if (ranges[i].routes & CHAT) check_range(true, &ranges[i]);
        if (ranges[i].routes & COMPLETION) check_range(false, &ranges[i]);
    }
    check_range(true, &(range){"top_logprobs", CHAT, "0", "-1", "21", "a whole number from 0 to 20"});
}

static void test_booleans(void **state) {
    static const struct {
        const char *name;
        int routes;
    } names[] = {
        {"stream", BOTH},          {"ignore_eos", BOTH}, {"echo", COMPLETION},  {"parallel_tool_calls", CHAT},
        {"enable_thinking", CHAT}, {"logprobs", CHAT},   {"cache_prompt", BOTH}};
    (void)state;
    for (size_t i = 0; i < 2 * sizeof names / sizeof *names; i++) {
        bool chat = i % 2;
        const char *name = names[i / 2].name;
        char fields[128], words[128];
        if (!(names[i / 2].routes & (chat ? CHAT : COMPLETION))) continue;
        static const char *const values[][2] = {
            {"1", "1"}, {"\"true\"", "\"true\""}, {"[]", "an array of 0"}};
        for (size_t j = 0; j < 3; j++) {
            snprintf(fields, sizeof fields, "\"%s\":%s", name, values[j][0]);
            snprintf(words, sizeof words, "%s is %s|true or false", name, values[j][1]);
            refused(chat, fields, name, words);
        }
        static const char *const good[] = {"true", "false", "null"};
        for (size_t j = 0; j < 3; j++) {
            snprintf(fields, sizeof fields, "\"%s\":%s", name, good[j]);
            parsed p = parse_ok(chat, fields);
            tn_api_request_fini(&p.r);
        }
    }
}

static void test_sampling_values(void **state) {
    (void)state;
    parsed p =
        parse_ok(true, "\"temperature\":0.5,\"top_p\":0.25,\"top_k\":7,\"min_p\":0.125,\"seed\":-2,"
                       "\"repetition_penalty\":1.5,\"frequency_penalty\":-0.5,\"presence_penalty\":0.75,"
                       "\"logprobs\":true,\"top_logprobs\":20,\"ignore_eos\":true,\"max_tokens\":9,"
                       "\"max_completion_tokens\":5,\"n\":3,\"model\":\"m\"");
    const tn_sampling *s = &p.r.sampling;
    assert_true(s->temperature == 0.5f && s->top_p == 0.25f && s->top_k == 7 && s->min_p == 0.125f);
    assert_true(s->repetition_penalty == 1.5f && s->frequency_penalty == -0.5f &&
                s->presence_penalty == 0.75f);
    assert_true(s->seed == (uint64_t)-2 && s->logprobs && s->n_top_logprobs == 20 && p.r.ignore_eos);
    assert_int_equal(p.r.given, 63 | TN_GIVEN_FREQUENCY_PENALTY | TN_GIVEN_PRESENCE_PENALTY);
    assert_int_equal(p.r.n, 3);
    assert_int_equal(p.r.max_tokens, 5);
    assert_int_equal(p.r.n_prompts, 1);
    assert_string_equal(p.r.model, "m");
    tn_api_request_fini(&p.r);
    p = parse_ok(false, "\"top_p\":0,\"top_k\":-1,\"logprobs\":0,\"max_tokens\":9");
    assert_true(p.r.sampling.top_p == FLT_MIN && p.r.sampling.top_k == 0);
    assert_true(p.r.sampling.logprobs && p.r.sampling.n_top_logprobs == 0 && p.r.max_tokens == 9);
    assert_int_equal(p.r.given, TN_GIVEN_TOP_P | TN_GIVEN_TOP_K);
    tn_api_request_fini(&p.r);
    p = parse_ok(true, "\"top_p\":1e-300");
    assert_true(p.r.sampling.top_p == FLT_MIN);
    tn_api_request_fini(&p.r);
    p = parse_ok(true, "");
    assert_true(!p.r.given && p.r.n == 1 && !p.r.max_tokens && !p.r.sampling.logprobs && !p.r.model &&
                !p.r.stream);
    assert_true(!p.r.tools && !p.r.template_vars && !p.r.n_stop && !p.r.sampling.n_bias);
    tn_api_request_fini(&p.r);
}

static void test_further_sampling_values(void **state) {
    (void)state;
    parsed p = parse_ok(true, "\"typical_p\":0.5,\"top_n_sigma\":1.5,\"xtc_probability\":0.25,"
                              "\"xtc_threshold\":0.125,\"min_keep\":3,\"repetition_last_n\":64,"
                              "\"dry_multiplier\":0.75,\"dry_base\":1.5,\"dry_allowed_length\":4,"
                              "\"dry_penalty_last_n\":512");
    const tn_sampling *s = &p.r.sampling;
    assert_true(s->typical_p == 0.5f && s->top_n_sigma == 1.5f && s->min_keep == 3);
    assert_true(s->xtc_probability == 0.25f && s->xtc_threshold == 0.125f);
    assert_true(s->dry_multiplier == 0.75f && s->dry_base == 1.5f);
    assert_int_equal(s->repetition_last_n, 64);
    assert_int_equal(s->dry_allowed_length, 4);
    assert_int_equal(s->dry_last_n, 512);
    assert_int_equal(p.r.given, TN_GIVEN_TYPICAL_P | TN_GIVEN_TOP_N_SIGMA | TN_GIVEN_XTC_PROBABILITY |
                                    TN_GIVEN_XTC_THRESHOLD | TN_GIVEN_MIN_KEEP | TN_GIVEN_REPETITION_LAST_N |
                                    TN_GIVEN_DRY_MULTIPLIER | TN_GIVEN_DRY_BASE |
                                    TN_GIVEN_DRY_ALLOWED_LENGTH | TN_GIVEN_DRY_LAST_N);
    tn_api_request_fini(&p.r);
    p = parse_ok(true, ""); /* all of it off, with the threshold that XTC has everywhere */
    assert_true(s->typical_p == 1 && s->top_n_sigma == 0 && s->xtc_probability == 0);
    assert_true(s->xtc_threshold == 0.1f && s->dry_multiplier == 0 && s->repetition_last_n == 0);
    assert_true(!s->min_keep && !s->dry_last_n && !s->repetition.max_pattern && !p.r.n_breaker && !p.r.given);
    tn_api_request_fini(&p.r);
    p = parse_ok(true, "\"typical_p\":0,\"repetition_last_n\":-1,\"dry_penalty_last_n\":-1,"
                       "\"dry_multiplier\":1,\"repetition_penalty\":2");
    assert_true(s->typical_p == FLT_MIN && s->repetition_last_n == 0 && s->dry_last_n == 0);
    assert_true(s->dry_multiplier == 1 && s->repetition_penalty == 2);
    tn_api_request_fini(&p.r);
}

/* As far back as nothing: no penalties, whatever the others say and the server is set to. */
static void test_scheduling(void **state) {
    char fields[400], salt[300];
    (void)state;
    parsed p =
        parse_ok(true, "\"priority\":-7,\"num_ctx\":99,\"cache_prompt\":false,\"cache_salt\":\"a\\u0000b\"");
    assert_string_equal(p.unknown, "");
    assert_true(p.r.priority == -7 && p.r.num_ctx == 99 && p.r.isolated && p.r.cache_salt_len == 3);
    assert_memory_equal(p.r.cache_salt, "a\0b", 3);
    tn_api_request_fini(&p.r);
    p = parse_ok(false, "\"cache_prompt\":true");
    assert_true(!p.r.isolated && p.r.cache_salt == NULL && p.r.priority == 0 && p.r.num_ctx == 0);
    tn_api_request_fini(&p.r);
    memset(salt, 'x', 257);
    salt[257] = 0;
    snprintf(fields, sizeof fields, "\"cache_salt\":\"%s\"", salt);
    refused(true, fields, "cache_salt", "257 bytes|from 1 to 256");
    refused(false, "\"cache_salt\":\"\"", "cache_salt", "0 bytes|from 1 to 256");
    refused(true, "\"cache_salt\":7", "cache_salt", "is 7|a string");
}

static void test_last_n_of_0(void **state) {
    (void)state;
    parsed p = parse_ok(true, "\"repeat_last_n\":0,\"repeat_penalty\":2,\"frequency_penalty\":1,"
                              "\"presence_penalty\":1,\"dry_multiplier\":1");
    const tn_sampling *s = &p.r.sampling;
    assert_true(s->repetition_penalty == 1 && s->frequency_penalty == 0 && s->presence_penalty == 0);
    assert_true(s->dry_multiplier == 1);
    assert_int_equal(p.r.given, TN_GIVEN_REPETITION_PENALTY | TN_GIVEN_FREQUENCY_PENALTY |
                                    TN_GIVEN_PRESENCE_PENALTY | TN_GIVEN_REPETITION_LAST_N |
                                    TN_GIVEN_DRY_MULTIPLIER);
    tn_api_request_fini(&p.r);
    p = parse_ok(true, "\"dry_penalty_last_n\":0,\"repetition_detection\":false");
    assert_int_equal(p.r.given, TN_GIVEN_DRY_LAST_N | TN_GIVEN_DRY_MULTIPLIER | TN_GIVEN_REPETITION);
    tn_api_request_fini(&p.r);
    p = parse_ok(true, "\"dry_penalty_last_n\":0,\"dry_multiplier\":1,\"repeat_penalty\":2");
    assert_true(s->dry_multiplier == 0 && s->repetition_penalty == 2);
    tn_api_request_fini(&p.r);
}

static void test_aliases(void **state) {
    (void)state;
    parsed p = parse_ok(true, "\"repeat_penalty\":1.5,\"typ_p\":0.5,\"penalty_last_n\":7");
    const tn_sampling *s = &p.r.sampling;
    assert_true(s->repetition_penalty == 1.5f && s->typical_p == 0.5f && s->repetition_last_n == 7);
    assert_int_equal(p.r.given,
                     TN_GIVEN_REPETITION_PENALTY | TN_GIVEN_TYPICAL_P | TN_GIVEN_REPETITION_LAST_N);
    assert_string_equal(p.unknown, "");
    tn_api_request_fini(&p.r);
    p = parse_ok(true, "\"repetition_penalty\":1,\"repeat_penalty\":1.0,\"typical_p\":null,\"typ_p\":0.25");
    assert_true(s->repetition_penalty == 1 && s->typical_p == 0.25f);
    tn_api_request_fini(&p.r);
    refused(true, "\"repetition_penalty\":1.25,\"repeat_penalty\":1.5", "repeat_penalty",
            "is 1.5|repetition_penalty|is 1.25|give one");
    refused(false, "\"repeat_last_n\":64,\"penalty_last_n\":\"64\"", "penalty_last_n",
            "is \"64\"|repeat_last_n|is 64");
    refused(true, "\"typ_p\":2", "typ_p", "is 2|a number from 0 to 1");
}

static void test_breakers(void **state) {
    (void)state;
    parsed p = parse_ok(true, "\"dry_sequence_breakers\":[\"\\n\",\"a\\u0000b\",\"\\u00e9\"]");
    assert_int_equal(p.r.n_breaker, 3);
    assert_true(p.r.breaker_len[0] == 1 && p.r.breaker_len[1] == 3 && p.r.breaker_len[2] == 2);
    assert_memory_equal(p.r.breaker[1], "a\0b", 3);
    assert_int_equal(p.r.given, TN_GIVEN_DRY_BREAKERS);
    assert_null(p.r.breaker_ids);
    tn_api_request_fini(&p.r);
    p = parse_ok(false, "\"dry_sequence_breakers\":[]");
    assert_true(p.r.n_breaker == 0 && p.r.given == TN_GIVEN_DRY_BREAKERS);
    tn_api_request_fini(&p.r);
    p = parse_ok(false, "\"dry_sequence_breakers\":null");
    assert_int_equal(p.r.given, 0);
    tn_api_request_fini(&p.r);
    refused(true, "\"dry_sequence_breakers\":\"x\"", "dry_sequence_breakers", "is \"x\"|an array");
    refused(true, "\"dry_sequence_breakers\":[\"x\",1]", "dry_sequence_breakers[1]", "is 1|a string");
    refused(true, "\"dry_sequence_breakers\":[\"\"]", "dry_sequence_breakers[0]", "0 bytes|from 1 to 64");
    char fields[512];
    snprintf(fields, sizeof fields, "\"dry_sequence_breakers\":[\"%065d\"]", 0);
    refused(true, fields, "dry_sequence_breakers[0]", "65 bytes|from 1 to 64");
    strcpy(fields, "\"dry_sequence_breakers\":[\"a\"");
    for (int i = 1; i < 33; i++) strcat(fields, ",\"a\"");
    strcat(fields, "]");
    refused(true, fields, "dry_sequence_breakers", "33 strings|limit is 32");
}

static void expect_detection(const char *value, tn_repeat_params expected) {
    char fields[256];
    snprintf(fields, sizeof fields, "\"repetition_detection\":%s", value);
    parsed p = parse_ok(true, fields);
    assert_memory_equal(&p.r.sampling.repetition, &expected, sizeof expected);
    assert_string_equal(p.unknown, "");
    tn_api_request_fini(&p.r);
}

static void test_repetition_detection(void **state) {
    static const refusal list[] = {
        {"'repetition_detection':1", "repetition_detection", "is 1|an object, true or false"},
        {"'repetition_detection':{}", "repetition_detection.max_pattern_size", "missing"},
        {"'repetition_detection':{'max_pattern_size':5}", "repetition_detection.min_count", "missing"},
        {"'repetition_detection':{'max_pattern_size':513,'min_count':2}",
         "repetition_detection.max_pattern_size", "is 513|a whole number from 0 to 512"},
        {"'repetition_detection':{'max_pattern_size':5,'min_pattern_size':6,'min_count':2}",
         "repetition_detection.min_pattern_size", "is 6|a whole number from 0 to 5"},
        {"'repetition_detection':{'max_pattern_size':5,'min_count':1}", "repetition_detection.min_count",
         "is 1|a whole number from 2 to 65536"},
        {"'repetition_detection':{'max_pattern_size':5,'min_count':2,'min_tokens':-1}",
         "repetition_detection.min_tokens", "is -1|a whole number from 0 to 1048576"},
        {"'repetition_detection':{'max_pattern_size':'5','min_count':2}",
         "repetition_detection.max_pattern_size", "is '5'|a whole number"},
    };
    (void)state;
    expect_detection("null", (tn_repeat_params){0});
    expect_detection("false", (tn_repeat_params){0});
    expect_detection("true", (tn_repeat_params){256, 0, 4, 256});
    expect_detection("{\"max_pattern_size\":0}", (tn_repeat_params){0});
    expect_detection("{\"max_pattern_size\":20,\"min_count\":4}", (tn_repeat_params){20, 0, 4, 0});
    expect_detection("{\"max_pattern_size\":9,\"min_pattern_size\":2,\"min_count\":3,\"min_tokens\":50}",
                     (tn_repeat_params){9, 2, 3, 50});
    check_refusals(true, list, sizeof list / sizeof *list);
    check_refusals(false, list, sizeof list / sizeof *list);
}

/* What a server allows is part of the range. */
static void test_limit_of_tokens(void **state) {
    static const char body[] = "{\"prompt\":\"x\",\"max_tokens\":101}";
    tn_api_limits small = limits;
    tn_api_request r;
    tn_api_error e;
    (void)state;
    small.max_tokens = 100;
    assert_int_equal(tn_api_parse(body, strlen(body), false, &small, NULL, NULL, &r, &e), -1);
    assert_string_equal(e.param, "max_tokens");
    assert_string_equal(e.message, "max_tokens is 101; it must be a whole number from 1 to 100");
}

/* ---- Bias and stops ---------------------------------------------------------------------------------- */

static void test_logit_bias(void **state) {
    (void)state;
    parsed p = parse_ok(true, "\"logit_bias\":{\"0\":-100,\"2147483647\":100,\"7\":0.5}");
    assert_int_equal(p.r.sampling.n_bias, 3);
    assert_ptr_equal(p.r.sampling.bias, p.r.bias);
    for (uint32_t i = 0; i < 3; i++) {
        int32_t id = p.r.bias[i].id;
        assert_true(id == 0 || id == 7 || id == INT32_MAX);
        assert_true(p.r.bias[i].bias == (id == 0 ? -100 : id == 7 ? 0.5f : 100));
    }
    tn_api_request_fini(&p.r);
    refused(true, "\"logit_bias\":{\"7\":100.5}", "logit_bias.7", "100.5|a number from -100 to 100");
    refused(true, "\"logit_bias\":{\"7\":-101}", "logit_bias.7", "-101|a number from -100 to 100");
    refused(true, "\"logit_bias\":{\"7\":\"1\"}", "logit_bias.7", "\"1\"|a number from -100 to 100");
    refused(true, "\"logit_bias\":{\"7\":null}", "logit_bias.7", "null|a number from -100 to 100");
    refused(true, "\"logit_bias\":[1]", "logit_bias", "an array of 1|an object");
    refused(true, "\"logit_bias\":{\"1\":1,\"2\":1,\"3\":1,\"4\":1}", "logit_bias", "4 entries|limit is 3");
    static const char *const keys[] = {"x",  "",   "-1",  "+1",         " 1",
                                       "1 ", "01", "1.0", "2147483648", "99999999999999999999"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        char fields[128], words[128];
        snprintf(fields, sizeof fields, "\"logit_bias\":{\"%s\":1}", keys[i]);
        snprintf(words, sizeof words, "\"%s\"|token id from 0 to 2147483647", keys[i]);
        refused(false, fields, "logit_bias", words);
    }
}

static void test_stop(void **state) {
    (void)state;
    parsed p = parse_ok(true, "\"stop\":\"a\\u0000b\"");
    assert_int_equal(p.r.n_stop, 1);
    assert_int_equal(p.r.stop_len[0], 3);
    assert_memory_equal(p.r.stop[0], "a\0b", 3);
    tn_api_request_fini(&p.r);
    p = parse_ok(
        false,
        "\"stop\":[\"1\",\"22\",\"\\u00e9\",\"0123456789abcdef\"],\"stop_token_ids\":[0,2147483647,3.0]");
    assert_int_equal(p.r.n_stop, 4);
    assert_string_equal(p.r.stop[1], "22");
    assert_int_equal(p.r.stop_len[2], 2);
    assert_int_equal(p.r.n_stop_ids, 3);
    assert_true(p.r.stop_ids[0] == 0 && p.r.stop_ids[1] == INT32_MAX && p.r.stop_ids[2] == 3);
    tn_api_request_fini(&p.r);
    p = parse_ok(true, "\"stop\":[],\"stop_token_ids\":[]");
    assert_true(p.r.n_stop == 0 && p.r.n_stop_ids == 0);
    tn_api_request_fini(&p.r);
    refused(true, "\"stop\":\"\"", "stop", "empty");
    refused(true, "\"stop\":[\"a\",\"\"]", "stop[1]", "empty");
    refused(true, "\"stop\":[\"a\",1]", "stop[1]", "is 1|a string");
    refused(true, "\"stop\":[null]", "stop[0]", "is null|a string");
    refused(true, "\"stop\":1", "stop", "is 1|a string or an array of strings");
    refused(true, "\"stop\":{}", "stop", "an object|a string or an array of strings");
    refused(true, "\"stop\":[\"1\",\"2\",\"3\",\"4\",\"5\"]", "stop", "5 strings|limit is 4");
    refused(true, "\"stop\":\"0123456789abcdefg\"", "stop", "17 bytes|limit is 16");
    refused(true, "\"stop_token_ids\":7", "stop_token_ids", "is 7|an array");
    refused(true, "\"stop_token_ids\":[1,-1]", "stop_token_ids[1]", "-1|token id from 0 to 2147483647");
    refused(true, "\"stop_token_ids\":[\"1\"]", "stop_token_ids[0]", "\"1\"|token id");
    refused(
        true,
        "\"stop_token_ids\":[0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,"
        "0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0]",
        "stop_token_ids", "65 ids|limit is 64");
}

/* ---- Prompts ----------------------------------------------------------------------------------------- */

static void test_prompt(void **state) {
    (void)state;
    parsed p = parse_ok(false, "\"prompt\":\"a\\u0000\\u00e9\"");
    assert_int_equal(p.r.n_prompts, 1);
    assert_memory_equal(p.r.prompts[0].text, "a\0\xc3\xa9", 4);
    assert_int_equal(p.r.prompts[0].len, 4);
    tn_api_request_fini(&p.r);
    p = parse_ok(false, "\"prompt\":[\"a\",\"\",[3,2,1]],\"n\":2");
    assert_int_equal(p.r.n_prompts, 3);
    assert_string_equal(p.r.prompts[0].text, "a");
    assert_string_equal(p.r.prompts[1].text, "");
    assert_null(p.r.prompts[2].text);
    assert_int_equal(p.r.prompts[2].n_ids, 3);
    assert_int_equal(p.r.prompts[2].ids[2], 1);
    tn_api_request_fini(&p.r);
    p = parse_ok(false, "\"prompt\":[5,6.0]");
    assert_int_equal(p.r.n_prompts, 1);
    assert_true(p.r.prompts[0].n_ids == 2 && p.r.prompts[0].ids[1] == 6);
    tn_api_request_fini(&p.r);
    p = parse_ok(false, "\"prompt\":[[5],[6,7]]");
    assert_true(p.r.n_prompts == 2 && p.r.prompts[1].n_ids == 2 && p.r.prompts[1].ids[0] == 6);
    tn_api_request_fini(&p.r);
    refused(false, "\"prompt\":null", "prompt", "missing|a string");
    refused(false, "\"prompt\":7", "prompt", "is 7|a string");
    refused(false, "\"prompt\":true", "prompt", "is true|a string");
    refused(false, "\"prompt\":[]", "prompt", "empty array|at least 1");
    refused(false, "\"prompt\":[[1],[]]", "prompt[1]", "empty array|at least 1");
    refused(false, "\"prompt\":[\"a\",{}]", "prompt[1]", "an object|a string or an array of token ids");
    refused(false, "\"prompt\":[\"a\",1]", "prompt[1]", "is 1|a string or an array of token ids");
    refused(false, "\"prompt\":[1,\"a\"]", "prompt[1]", "\"a\"|a token id from 0 to 2147483647");
    refused(false, "\"prompt\":[1,-1]", "prompt[1]", "-1|a token id from 0 to 2147483647");
    refused(false, "\"prompt\":[[1,2147483648]]", "prompt[0][1]",
            "2147483648|a token id from 0 to 2147483647");
    refused(false, "\"prompt\":[[true]]", "prompt[0][0]", "true|a token id");
    refused(false, "\"prompt\":[\"a\",\"b\",\"c\"],\"n\":3", "prompt", "3 prompts|n 3|9 answers|limit is 8");
}

static void test_completion_only(void **state) {
    (void)state;
    parsed p = parse_ok(false, "\"echo\":true,\"suffix\":\"\",\"best_of\":2,\"n\":2");
    assert_true(p.r.echo);
    tn_api_request_fini(&p.r);
    refused(false, "\"suffix\":\"abc\"", "suffix", "3 bytes|not supported");
    refused(false, "\"suffix\":1", "suffix", "is 1|a string");
    refused(false, "\"best_of\":3,\"n\":2", "best_of", "3|n 2|not supported");
    refused(false, "\"best_of\":2", "best_of", "2|n 1|not supported");
    refused(false, "\"echo\":true,\"logprobs\":0", "echo", "logprobs|not supported");
}

/* ---- What is not supported --------------------------------------------------------------------------- */

static void test_unsupported_both(void **state) {
    static const refusal list[] = {
        {"'response_format':{'type':'json_object'}", "response_format.type",
         "'json_object'|'text'|not supported yet"},
        {"'response_format':{'type':'json_schema','json_schema':{}}", "response_format.type",
         "'json_schema'|'text'"},
        {"'response_format':{}", "response_format.type", "missing|'text'"},
        {"'response_format':'text'", "response_format", "'text'|an object"},
        {"'response_format':{'type':1}", "response_format.type", "is 1|a string"},
        {"'stream_options':{'include_usage':true}", "stream_options", "stream is true"},
        {"'stream':true,'stream_options':true", "stream_options", "is true|an object"},
        {"'stream':true,'stream_options':{'include_usage':1}", "stream_options.include_usage",
         "is 1|true or false"},
        {"'model':7", "model", "is 7|a string"},
        {"'model':'a\\u0000b'", "model", "NUL"},
    };
    (void)state;
    check_refusals(true, list, sizeof list / sizeof *list);
    check_refusals(false, list, sizeof list / sizeof *list);
    parsed p = parse_ok(
        true,
        "\"response_format\":{\"type\":\"text\"},\"stream\":true,\"stream_options\":{\"include_usage\":true,"
        "\"include_obfuscation\":false}");
    assert_true(p.r.stream && p.r.include_usage);
    tn_api_request_fini(&p.r);
}

/* ---- The body as a whole ----------------------------------------------------------------------------- */

static void test_unknown_fields(void **state) {
    (void)state;
    parsed p =
        parse_ok(true, "\"user\":\"u\",\"metadata\":{\"a\":\"b\"},\"store\":false,\"service_tier\":\"auto\","
                       "\"temprature\":1,\"prompt\":3,\"safety_identifier\":\"s\"");
    assert_string_equal(p.unknown, "temprature prompt ");
    tn_api_request_fini(&p.r);
    p = parse_ok(false, "\"user\":null,\"messages\":null,\"echo\":false");
    assert_string_equal(p.unknown, "messages ");
    tn_api_request_fini(&p.r);
    char fields[2048] = "\"a0\":0", *at = fields + 6;
    for (int i = 1; i < 100; i++) at += sprintf(at, ",\"a%d\":0", i);
    p = parse_ok(false, fields);
    size_t names = 0;
    for (const char *c = p.unknown; *c; c++) names += *c == ' ';
    assert_true(names == 64);
    tn_api_request_fini(&p.r);
}

static void test_bad_json(void **state) {
    static const struct {
        const char *body, *words;
    } cases[] = {
        {"", "line 1, column 0"},
        {"{\"prompt\":", "line 1, column 10"},
        {"{\n\"prompt\": x}", "line 2, column 11"},
        {"{\"prompt\":\"x\"} x", "line 1, column 16"},
        {"[1]", "object"},
        {"\"x\"", "object"},
        {"null", "object"},
        {"{\"prompt\":\"\xff\"}", "line 1, column 11"},
        {"{\"prompt\":\"\xed\xa0\x80\"}", "line 1, column 11"},
        {"{\"prompt\":\"\\ud800\"}", "line 1, column"},
        {"{\"temperature\":1e999}", "line 1, column"},
        {"{\"temperature\":NaN}", "line 1, column"},
        {"{\"a\\u0000b\":1}", "line 1, column"},
        {"{'a':1}", "line 1, column"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        parsed p = parse_bytes(false, cases[i].body, strlen(cases[i].body));
        assert_int_equal(p.rc, -1);
        assert_int_equal(p.e.status, 400);
        assert_string_equal(p.e.param, "");
        if (!strstr(p.e.message, cases[i].words)) fail_msg("%s: %s", cases[i].body, p.e.message);
    }
}

static void test_depth(void **state) {
    enum { DEPTH = 100000 };
    char *body = malloc(DEPTH + 16);
    (void)state;
    memcpy(body, "{\"a\":", 5);
    memset(body + 5, '[', DEPTH);
    parsed p = parse_bytes(true, body, DEPTH + 5);
    assert_int_equal(p.rc, -1);
    assert_int_equal(p.e.status, 400);
    assert_non_null(strstr(p.e.message, "depth"));
    free(body);
}

/* Long names and values do not break the shape of an error. */
static void test_long_values(void **state) {
    char fields[2048];
    (void)state;
    memset(fields, 0, sizeof fields);
    memcpy(fields, "\"temperature\":\"", 15);
    for (int i = 0; i < 500; i++) memcpy(fields + 15 + 2 * i, "\xc3\xa9", 2);
    fields[1015] = '"';
    refused(true, fields, "temperature", "\"\xc3\xa9\xc3\xa9|\"...;|a number from 0 to 2");
    memset(fields, 'x', sizeof fields);
    memcpy(fields, "\"logit_bias\":{\"", 15);
    memcpy(fields + 1900, "\":1}", 5);
    refused(true, fields, "logit_bias", "xxxxx|token id");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ranges),
        cmocka_unit_test(test_booleans),
        cmocka_unit_test(test_sampling_values),
        cmocka_unit_test(test_further_sampling_values),
        cmocka_unit_test(test_scheduling),
        cmocka_unit_test(test_last_n_of_0),
        cmocka_unit_test(test_aliases),
        cmocka_unit_test(test_breakers),
        cmocka_unit_test(test_repetition_detection),
        cmocka_unit_test(test_limit_of_tokens),
        cmocka_unit_test(test_logit_bias),
        cmocka_unit_test(test_stop),
        cmocka_unit_test(test_prompt),
        cmocka_unit_test(test_completion_only),
        cmocka_unit_test(test_unsupported_both),
        cmocka_unit_test(test_unknown_fields),
        cmocka_unit_test(test_bad_json),
        cmocka_unit_test(test_depth),
        cmocka_unit_test(test_long_values),
    };
    return unit_main(tests);
}
