/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "serve/api_parts.h"

/* ---- Fields that exist ------------------------------------------------------------------------------- */

enum { CHAT = 1, COMPLETION = 2, BOTH = 3 };

/* What we read, and what we accept without a word because it asks for nothing: bookkeeping of the provider's
 * side. */
static const struct {
    const char *name;
    unsigned routes;
} known[] = {
    {"audio", CHAT},
    {"best_of", COMPLETION},
    {"cache_prompt", BOTH},
    {"cache_salt", BOTH},
    {"chat_template_kwargs", CHAT},
    {"dry_allowed_length", BOTH},
    {"dry_base", BOTH},
    {"dry_multiplier", BOTH},
    {"dry_penalty_last_n", BOTH},
    {"dry_sequence_breakers", BOTH},
    {"echo", COMPLETION},
    {"enable_thinking", CHAT},
    {"frequency_penalty", BOTH},
    {"function_call", CHAT},
    {"functions", CHAT},
    {"ignore_eos", BOTH},
    {"logit_bias", BOTH},
    {"logprobs", BOTH},
    {"max_completion_tokens", CHAT},
    {"max_tokens", BOTH},
    {"messages", CHAT},
    {"metadata", BOTH},
    {"min_keep", BOTH},
    {"min_p", BOTH},
    {"modalities", CHAT},
    {"model", BOTH},
    {"n", BOTH},
    {"num_ctx", BOTH},
    {"parallel_tool_calls", CHAT},
    {"penalty_last_n", BOTH},
    {"prediction", CHAT},
    {"presence_penalty", BOTH},
    {"priority", BOTH},
    {"prompt", COMPLETION},
    {"prompt_cache_key", BOTH},
    {"reasoning_effort", CHAT},
    {"repeat_last_n", BOTH},
    {"repeat_penalty", BOTH},
    {"repetition_detection", BOTH},
    {"repetition_last_n", BOTH},
    {"repetition_penalty", BOTH},
    {"response_format", BOTH},
    {"safety_identifier", BOTH},
    {"seed", BOTH},
    {"service_tier", BOTH},
    {"stop", BOTH},
    {"stop_token_ids", BOTH},
    {"store", BOTH},
    {"stream", BOTH},
    {"stream_options", BOTH},
    {"suffix", COMPLETION},
    {"temperature", BOTH},
    {"tool_choice", CHAT},
    {"tools", CHAT},
    {"top_k", BOTH},
    {"top_logprobs", CHAT},
    {"top_n_sigma", BOTH},
    {"top_p", BOTH},
    {"typ_p", BOTH},
    {"typical_p", BOTH},
    {"user", BOTH},
    {"video_fps", CHAT},
    {"video_max_frames", CHAT},
    {"web_search_options", CHAT},
    {"xtc_probability", BOTH},
    {"xtc_threshold", BOTH},
};

static bool is_known(const char *name, unsigned route) {
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if ((known[i].routes & route) && strcmp(known[i].name, name) == 0) return true;
    return false;
}

/* Says which fields mean nothing to us; of a body with very many only the first. */
static void report_unknown(const tn_api_request *r, void (*unknown)(void *ctx, const char *field),
                           void *ctx) {
    enum { MOST = 64 };
    const char *name;
    json_t *value;
    unsigned n = 0;
    json_object_foreach(r->body, name, value) {
        if (is_known(name, r->chat ? CHAT : COMPLETION)) continue;
        if (n++ == MOST) return;
        unknown(ctx, name);
    }
}

/* ---- What is asked for and not had ------------------------------------------------------------------- */

static int check_response_format(const tn_fields *f) {
    json_t *format;
    const char *type = NULL;
    int rc = tn_fields_object(f, "response_format", &format);
    if (rc <= 0) return rc;
    tn_fields inner = {format, "response_format", f->e};
    rc = tn_fields_name(&inner, "type", &type);
    if (rc < 0) return -1;
    if (!rc) return tn_fields_missing(&inner, "type", "\"text\"");
    if (strcmp(type, "text") == 0) return 0;
    return tn_value_wrong(json_object_get(format, "type"), "response_format.type", f->e,
                          "\"text\"; other formats are not supported yet");
}

static int check_modalities(const tn_fields *f) {
    json_t *list;
    int rc = tn_fields_array(f, "modalities", &list);
    if (rc <= 0) return rc;
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *v = json_array_get(list, i);
        if (!json_is_string(v) || strcmp(json_string_value(v), "text") != 0)
            return tn_value_wrong(v, tn_path_item("modalities", i).text, f->e,
                                  "\"text\", all that this server gives");
    }
    return 0;
}

/* The forerunners of tools. */
static int check_functions(const tn_fields *f) {
    const json_t *choice = tn_fields_get(f, "function_call");
    json_t *functions = NULL;
    if (tn_fields_array(f, "functions", &functions) < 0) return -1;
    if (json_array_size(functions) > 0) return tn_fields_fail(f, "functions", "not supported; use tools");
    if (choice && !json_is_string(choice))
        return tn_fields_fail(f, "function_call", "not supported; use tools");
    return 0;
}

static int check_chat_unsupported(const tn_fields *f) {
    if (check_modalities(f) || check_functions(f)) return -1;
    if (tn_fields_get(f, "audio")) return tn_fields_fail(f, "audio", "this server gives no audio");
    if (tn_fields_get(f, "web_search_options"))
        return tn_fields_fail(f, "web_search_options", "this server does not search the web");
    return 0;
}

/* best_of chooses among hidden answers; only the case without a choice is the same as n. */
static int check_completion_unsupported(const tn_fields *f, const tn_api_request *r) {
    const char *suffix;
    size_t len = 0;
    int64_t best_of = r->n;
    if (tn_fields_string(f, "suffix", &suffix, &len) < 0) return -1;
    if (len)
        return tn_fields_fail(f, "suffix", "%zu bytes; filling in before a suffix is not supported", len);
    if (tn_fields_whole(f, "best_of", 1, UINT32_MAX, &best_of) < 0) return -1;
    if (best_of != r->n)
        return tn_fields_fail(f, "best_of", "%lld with n %u; other than n is not supported",
                              (long long)best_of, r->n);
    if (r->echo && r->sampling.logprobs)
        return tn_fields_fail(f, "echo", "not supported together with logprobs");
    return 0;
}

/* ---- Prompts of a completion ------------------------------------------------------------------------- */

static int read_ids(const json_t *ids, const char *path, tn_api_prompt *p, tn_api_error *e) {
    size_t n = json_array_size(ids);
    if (n == 0)
        return tn_api_fail(e, 400, NULL, path, "%s is an empty array; it must have at least 1 token id",
                           path);
    if (n > UINT32_MAX)
        return tn_api_fail(e, 400, NULL, path, "%s has %zu token ids, the limit is %u", path, n, UINT32_MAX);
    p->ids = calloc(n, sizeof *p->ids);
    if (!p->ids) return tn_api_no_memory(e);
    for (size_t i = 0; i < n; i++) {
        int64_t id;
        const json_t *v = json_array_get(ids, i);
        if (!tn_value_whole(v, 0, INT32_MAX, &id))
            return tn_value_wrong(v, tn_path_item(path, i).text, e, "a token id from 0 to %d", INT32_MAX);
        p->ids[p->n_ids++] = (int32_t)id;
    }
    return 0;
}

int tn_api_parse_prompt(const json_t *v, const char *path, tn_api_prompt *p, tn_api_error *e) {
    if (json_is_array(v)) return read_ids(v, path, p, e);
    if (!json_is_string(v)) return tn_value_wrong(v, path, e, "a string or an array of token ids");
    p->text = json_string_value(v);
    p->len = json_string_length(v);
    return 0;
}

static int read_prompts(const tn_fields *f, const tn_api_limits *limits, tn_api_request *r) {
    static const char expected[] = "a string, an array of token ids, or an array of either";
    const json_t *v = tn_fields_get(f, "prompt");
    if (!v) return tn_fields_missing(f, "prompt", expected);
    if (!json_is_string(v) && !json_is_array(v)) return tn_value_wrong(v, "prompt", f->e, "%s", expected);
    bool many = json_is_array(v) && !json_is_number(json_array_get(v, 0));
    size_t n = many ? json_array_size(v) : 1;
    if (n == 0) return tn_fields_fail(f, "prompt", "an empty array; there must be at least 1 prompt");
    if (n > limits->max_n / r->n)
        return tn_fields_fail(f, "prompt", "%zu prompts with n %u make %zu answers, the limit is %u", n, r->n,
                              n * r->n, limits->max_n);
    r->prompts = calloc(n, sizeof *r->prompts);
    if (!r->prompts) return tn_api_no_memory(f->e);
    r->n_prompts = (uint32_t)n;
    if (!many) return tn_api_parse_prompt(v, "prompt", &r->prompts[0], f->e);
    for (size_t i = 0; i < n; i++)
        if (tn_api_parse_prompt(json_array_get(v, i), tn_path_item("prompt", i).text, &r->prompts[i], f->e))
            return -1;
    return 0;
}

/* ---- The rest ---------------------------------------------------------------------------------------- */

static int read_stream(const tn_fields *f, tn_api_request *r) {
    json_t *options;
    bool ignored;
    if (tn_fields_bool(f, "stream", &r->stream) < 0) return -1;
    int rc = tn_fields_object(f, "stream_options", &options);
    if (rc <= 0) return rc;
    if (!r->stream) return tn_fields_fail(f, "stream_options", "only allowed where stream is true");
    tn_fields inner = {options, "stream_options", f->e};
    if (tn_fields_bool(&inner, "include_obfuscation", &ignored) < 0) return -1;
    return tn_fields_bool(&inner, "include_usage", &r->include_usage) < 0 ? -1 : 0;
}

/* When it is computed, and who may share what is computed of it. */
static int read_scheduling(const tn_fields *f, tn_api_request *r) {
    bool share = true;
    int64_t priority = 0, context = 0;
    int rc = tn_fields_string(f, "cache_salt", &r->cache_salt, &r->cache_salt_len);
    if (rc < 0) return -1;
    if (rc && (r->cache_salt_len == 0 || r->cache_salt_len > TN_API_SALT_BYTES))
        return tn_fields_fail(f, "cache_salt", "%zu bytes; it must have from 1 to %d", r->cache_salt_len,
                              TN_API_SALT_BYTES);
    if (tn_fields_bool(f, "cache_prompt", &share) < 0) return -1;
    if (tn_fields_whole(f, "priority", -100, 100, &priority) < 0) return -1;
    if (tn_fields_whole(f, "num_ctx", 1, 1 << 24, &context) < 0) return -1;
    r->isolated = !share;
    r->priority = (int32_t)priority;
    r->num_ctx = (uint32_t)context;
    return 0;
}

/* How many answers, and how long. */
static int read_sizes(const tn_fields *f, const tn_api_limits *limits, tn_api_request *r) {
    int64_t n = 1, tokens = 0, completion_tokens = 0;
    int64_t most = limits->max_tokens ? limits->max_tokens : UINT32_MAX;
    if (tn_fields_whole(f, "n", 1, limits->max_n, &n) < 0) return -1;
    if (tn_fields_whole(f, "max_tokens", 1, most, &tokens) < 0) return -1;
    if (r->chat && tn_fields_whole(f, "max_completion_tokens", 1, most, &completion_tokens) < 0) return -1;
    r->n = (uint32_t)n;
    r->max_tokens = (uint32_t)(completion_tokens ? completion_tokens : tokens);
    return 0;
}

static int read_chat(const tn_fields *f, const tn_api_limits *limits, tn_api_request *r) {
    r->n_prompts = 1;
    if (check_chat_unsupported(f) || tn_api_parse_messages(f, limits, r)) return -1;
    if (tn_api_parse_video_defaults(f, limits, r) || tn_api_parse_tools(f, r)) return -1;
    return tn_api_parse_template_vars(f, r);
}

static int read_completion(const tn_fields *f, const tn_api_limits *limits, tn_api_request *r) {
    if (tn_fields_bool(f, "echo", &r->echo) < 0) return -1;
    return check_completion_unsupported(f, r) || read_prompts(f, limits, r) ? -1 : 0;
}

static int read_request(const tn_fields *f, const tn_api_limits *limits, tn_api_request *r) {
    if (tn_fields_name(f, "model", &r->model) < 0 || read_stream(f, r) || read_sizes(f, limits, r)) return -1;
    if (tn_api_parse_sampling(f, limits, r) || tn_api_parse_repetition(f, r)) return -1;
    if (tn_api_parse_stop(f, limits, r) || read_scheduling(f, r)) return -1;
    if (tn_fields_bool(f, "ignore_eos", &r->ignore_eos) < 0 || check_response_format(f)) return -1;
    return r->chat ? read_chat(f, limits, r) : read_completion(f, limits, r);
}

int tn_api_parse_body(const char *text, size_t len, json_t **ret, tn_api_error *e) {
    tn_error err = {0};
    int rc = tn_json_parse(text, len, "the request body", ret, &err);
    if (rc) return tn_api_fail_status(e, rc, NULL, err.text);
    if (!json_is_object(*ret))
        return tn_api_fail(e, 400, NULL, NULL, "the request body must be a JSON object");
    return 0;
}

int tn_api_parse(const char *text, size_t len, bool chat, const tn_api_limits *limits,
                 void (*unknown)(void *ctx, const char *field), void *ctx, tn_api_request *ret,
                 tn_api_error *e) {
    tn_api_request r = {.route = chat ? TN_API_CHAT : TN_API_COMPLETION, .chat = chat};
    int rc = tn_api_parse_body(text, len, &r.body, e);
    if (!rc) {
        tn_fields f = {r.body, "", e};
        if (unknown) report_unknown(&r, unknown, ctx);
        rc = read_request(&f, limits, &r);
    }
    if (rc) tn_api_request_fini(&r);
    *ret = r;
    return rc;
}

void tn_api_request_drop_input(tn_api_request *r) {
    for (uint32_t i = 0; r->prompts && i < r->n_prompts; i++) free(r->prompts[i].ids);
    free(r->prompts);
    free(r->bias);
    free(r->breaker);
    free(r->breaker_len);
    free(r->breaker_ids);
    tn_api_media_fini(r);
    json_decref(r->messages);
    json_decref(r->template_vars);
    json_decref(r->body);
    r->prompts = NULL;
    r->bias = NULL;
    r->breaker = NULL;
    r->breaker_len = NULL;
    r->breaker_ids = NULL;
    r->n_breaker = r->n_breaker_ids = 0;
    r->sampling.bias = NULL;
    r->sampling.n_bias = 0;
    r->messages = r->template_vars = r->tools = r->body = NULL;
    r->model = r->prompt_name = NULL;
}

void tn_api_request_fini(tn_api_request *r) {
    tn_api_request_drop_input(r);
    for (uint32_t i = 0; i < r->n_stop; i++) free((void *)(uintptr_t)r->stop[i]);
    free(r->stop);
    free(r->stop_len);
    free(r->stop_ids);
    *r = (tn_api_request){0};
}
