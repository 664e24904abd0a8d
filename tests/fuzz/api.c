/* SPDX-License-Identifier: Apache-2.0 */
/* A request body: refused with an error whose JSON is whole, or a request within its limits. The first byte
 * says which route; the stop strings of an accepted request are looked for in the body itself, cut in pieces.
 */
#include "fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "serve/api.h"
#include "serve/stop.h"

#define CHECK(condition)                                                                                     \
    do {                                                                                                     \
        if (!(condition)) abort();                                                                           \
    } while (0)

static const tn_api_limits limits = {.max_n = 8,
                                     .max_stop = 4,
                                     .max_stop_bytes = 16,
                                     .max_logit_bias = 4,
                                     .max_media = 3,
                                     .max_frames = 4,
                                     .max_inputs = 5};

static void check_error(const tn_api_error *e) {
    tn_buf out;
    tn_buf_init(&out, 1 << 16);
    CHECK(e->status == 400 && e->message[0] && e->type);
    tn_api_error_body(e, &out);
    CHECK(out.status == 0);
    json_t *body = json_loadb(out.data, out.len, JSON_ALLOW_NUL, NULL);
    CHECK(json_is_string(json_object_get(json_object_get(body, "error"), "message")));
    json_decref(body);
    tn_buf_free(&out);
}

static void check_sampling(const tn_api_request *r) {
    const tn_sampling *s = &r->sampling;
    CHECK(s->temperature >= 0 && s->temperature <= 2 && s->top_p >= 0 && s->top_p <= 1);
    CHECK(!(r->given & TN_GIVEN_TOP_P) || s->top_p > 0);
    CHECK(s->min_p >= 0 && s->min_p <= 1 && s->repetition_penalty >= 0 && s->repetition_penalty <= 10);
    CHECK(s->n_top_logprobs <= TN_TOP_LOGPROBS_MAX && s->n_bias <= limits.max_logit_bias);
    CHECK(s->typical_p > 0 && s->typical_p <= 1 && s->top_n_sigma >= -1 && s->top_n_sigma <= 100);
    CHECK(s->xtc_probability >= 0 && s->xtc_probability <= 1 && s->xtc_threshold >= 0);
    CHECK(s->dry_multiplier >= 0 && s->dry_multiplier <= 100 && s->dry_allowed_length <= TN_DRY_MATCH_MAX);
    CHECK(s->repetition.max_pattern <= TN_REPEAT_PATTERN_MAX);
    CHECK(s->repetition.min_pattern <= s->repetition.max_pattern);
    CHECK(!s->repetition.max_pattern || s->repetition.min_count >= 2);
    for (uint32_t i = 0; i < s->n_bias; i++) {
        CHECK(s->bias[i].id >= 0 && s->bias[i].bias >= -100 && s->bias[i].bias <= 100);
        for (uint32_t j = 0; j < i; j++) CHECK(s->bias[i].id != s->bias[j].id);
    }
}

static bool is_type(const json_t *part, const char *type) {
    const char *name = json_string_value(json_object_get(part, "type"));
    return name && strcmp(name, type) == 0;
}

/* A list of parts shows something, else it would be text. Returns how much. */
static uint32_t check_parts(const json_t *parts) {
    uint32_t n = 0;
    CHECK(json_is_array(parts));
    for (size_t i = 0; i < json_array_size(parts); i++) {
        const json_t *part = json_array_get(parts, i);
        bool text = is_type(part, "text");
        CHECK(text || is_type(part, "image") || is_type(part, "video"));
        CHECK(json_object_size(part) == (text ? 2u : 1u));
        CHECK(!text || json_is_string(json_object_get(part, "text")));
        n += !text;
    }
    CHECK(n > 0);
    return n;
}

static void check_messages(const tn_api_request *r) {
    uint32_t n_media = 0;
    CHECK(json_array_size(r->messages) > 0);
    for (size_t i = 0; i < json_array_size(r->messages); i++) {
        const json_t *m = json_array_get(r->messages, i);
        const json_t *content = json_object_get(m, "content");
        CHECK(json_is_string(json_object_get(m, "role")));
        if (!json_is_string(content)) n_media += check_parts(content);
    }
    CHECK(n_media == r->n_media);
}

static void check_media(const tn_api_media *m) {
    CHECK(m->kind == TN_MEDIA_IMAGE || m->kind == TN_MEDIA_VIDEO);
    CHECK(strncmp(m->place, "messages[", 9) == 0);
    CHECK(m->n_source >= 1 && (m->is_frames ? m->n_source <= limits.max_frames : m->n_source == 1));
    CHECK(m->fps >= 0 && m->fps <= 240 && m->max_frames <= limits.max_frames);
    CHECK(m->kind == TN_MEDIA_VIDEO || (!m->is_frames && m->fps == 0 && m->max_frames == 0));
    for (uint32_t i = 0; i < m->n_source; i++) {
        tn_source_kind kind;
        CHECK(m->source[i].text[m->source[i].len] == 0);
        CHECK(tn_source_classify(m->source[i].text, m->source[i].len, &kind, NULL) == 0);
        CHECK(kind == m->source[i].kind);
    }
}

static void check_request(const tn_api_request *r) {
    CHECK(r->n >= 1 && r->n_prompts >= 1 && (uint64_t)r->n * r->n_prompts <= limits.max_n);
    CHECK(r->n_stop <= limits.max_stop);
    for (uint32_t i = 0; i < r->n_stop; i++)
        CHECK(r->stop_len[i] >= 1 && r->stop_len[i] <= limits.max_stop_bytes);
    for (uint32_t i = 0; i < r->n_breaker; i++) CHECK(r->breaker_len[i] >= 1 && r->breaker_len[i] <= 64);
    for (uint32_t i = 0; i < r->n_stop_ids; i++) CHECK(r->stop_ids[i] >= 0);
    for (uint32_t i = 0; !r->chat && i < r->n_prompts; i++) {
        const tn_api_prompt *p = &r->prompts[i];
        CHECK(p->text ? p->text[p->len] == 0 : p->n_ids > 0);
        for (uint32_t k = 0; k < p->n_ids; k++) CHECK(p->ids[k] >= 0);
    }
    check_sampling(r);
    if (r->chat) check_messages(r);
    CHECK(r->n_media <= limits.max_media);
    for (uint32_t i = 0; i < r->n_media; i++) check_media(&r->media[i]);
}

static size_t end_of(const tn_api_request *r, const char *text, size_t n) {
    for (size_t at = 0; at < n; at++)
        for (uint32_t i = 0; i < r->n_stop; i++)
            if (r->stop_len[i] <= n - at && memcmp(text + at, r->stop[i], r->stop_len[i]) == 0) return at;
    return n;
}

static void check_stops(const tn_api_request *r, const char *text, size_t n, size_t piece) {
    tn_stop s;
    tn_buf out;
    tn_buf_init(&out, n + 1);
    tn_stop_init(&s, r->stop, r->stop_len, r->n_stop, n + 1);
    for (size_t at = 0; at < n; at += piece)
        tn_stop_push(&s, text + at, n - at < piece ? n - at : piece, &out);
    tn_stop_finish(&s, &out);
    CHECK(out.status == 0 && out.len == end_of(r, text, n) &&
          (!out.len || memcmp(out.data, text, out.len) == 0));
    tn_stop_fini(&s);
    tn_buf_free(&out);
}

static void check_vectors(const tn_api_request *r) {
    CHECK(r->n == 1 && r->n_prompts >= 1 && r->n_prompts <= limits.max_inputs && r->n_left < r->n_prompts);
    CHECK((r->route == TN_API_EMBEDDINGS) == (r->n_left == 0));
    CHECK(r->n_left <= 1 || r->n_prompts == 2 * r->n_left);
    for (uint32_t i = 0; i < r->n_prompts; i++) {
        const tn_api_prompt *p = &r->prompts[i];
        CHECK(p->text ? p->len > 0 && p->text[p->len] == 0 : r->n_left == 0 && p->n_ids > 0);
    }
    float scores[8] = {0.5f, -1, 0.5f};
    const tn_api_head head = {.id = "rerank-1", .model = "m"};
    const tn_api_usage usage = {.prompt_tokens = 3};
    tn_buf out;
    tn_buf_init(&out, 1 << 20);
    if (r->route == TN_API_RERANK)
        tn_api_rerank_body(&head, r, scores, r->n_prompts - r->n_left, &usage, &out);
    else
        tn_api_vectors_body(&head, scores, 2, 4, r->base64, &usage, &out);
    json_t *body = json_loadb(out.data, out.len, JSON_ALLOW_NUL, NULL);
    CHECK(out.status == 0 && json_is_object(json_object_get(body, "usage")));
    json_decref(body);
    tn_buf_free(&out);
}

/* 1: the first byte is none of these routes'. */
static int try_vectors(uint8_t route, const char *body, size_t len) {
    tn_api_request r;
    tn_api_error e = {0};
    const tn_api_route routes[] = {TN_API_EMBEDDINGS, TN_API_RERANK, TN_API_SCORE};
    static const char letters[] = "ers";
    const char *at = route ? strchr(letters, route) : NULL;
    if (!at) return 1;
    if (tn_api_parse_vectors(body, len, routes[at - letters], &limits, NULL, NULL, &r, &e)) {
        check_error(&e);
    } else {
        check_vectors(&r);
        tn_api_request_fini(&r);
    }
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    tn_api_request r;
    tn_api_error e = {0};
    if (size == 0) return 0;
    const char *body = (const char *)data + 1;
    if (try_vectors(data[0], body, size - 1) == 0) return 0;
    if (tn_api_parse(body, size - 1, data[0] & 1, &limits, NULL, NULL, &r, &e)) {
        check_error(&e);
        return 0;
    }
    check_request(&r);
    for (size_t piece = 1; piece <= 7; piece += 3) check_stops(&r, body, size - 1, piece);
    tn_api_request_fini(&r);
    return 0;
}

static const char *const seeds[] = {
    "e{\"model\":\"m\",\"input\":[\"a\",[1,2]],\"encoding_format\":\"base64\",\"dimensions\":4,\"truncate\":true,\"user\":\"u\"}",
    "e{\"input\":[1,2,3],\"prompt_name\":\"query\"}",
    "r{\"query\":\"q\",\"documents\":[\"a\",{\"text\":\"b\\u0000\"}],\"top_n\":1,\"return_documents\":true}",
    "s{\"text_1\":\"q\",\"text_2\":[\"a\",\"b\"]}",
    "s{\"queries\":[\"q\",\"r\"],\"documents\":[\"a\",\"b\"]}",
    "c{\"model\":\"m\",\"messages\":[{\"role\":\"developer\",\"content\":\"be\"},{\"role\":\"user\",\"content\":[{\"type\":\"text\","
    "\"text\":\"a\"},{\"type\":\"text\",\"text\":\"b\"}]},{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{\"id\":\"1\",\"type\":"
    "\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"{\\\"a\\\":1}\"}}]},{\"role\":\"tool\",\"tool_call_id\":\"1\",\"content\":"
    "\"r\"}],\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\",\"parameters\":{\"type\":\"object\"}}}],\"tool_choice\":"
    "\"auto\",\"stream\":true,\"stream_options\":{\"include_usage\":true},\"logprobs\":true,\"top_logprobs\":5}",
    "c{\"messages\":[{\"role\":\"user\",\"content\":\"\\u0000\\ud83d\\ude00\"}],\"temperature\":0.7,\"top_p\":0,\"top_k\":-1,\"min_p\":"
    "0.1,\"seed\":-5,\"presence_penalty\":1,\"frequency_penalty\":-2,\"repetition_penalty\":1.1,\"logit_bias\":{\"1\":-100,\"2\":5},"
    "\"stop\":[\"role\",\"user\\\"\",\"le\"],\"n\":2,\"max_completion_tokens\":4,\"stop_token_ids\":[1,2],\"chat_template_kwargs\":"
    "{\"a\":null},\"enable_thinking\":false,\"reasoning_effort\":\"low\",\"response_format\":{\"type\":\"text\"},\"modalities\":[\"text\"]}",
    "c{\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"a\"},{\"type\":\"image_url\",\"image_url\":{\"url\":"
    "\"data:image/png;base64,iVBORw0KGgo=\",\"detail\":\"low\"}},{\"type\":\"video_url\",\"video_url\":{\"url\":\"https://a.example/v\","
    "\"fps\":2,\"max_frames\":4}}]},{\"role\":\"user\",\"content\":[{\"type\":\"video\",\"video\":[\"file:///a%20b\",\"a.png\",{\"url\":"
    "\"/9j/4AAQSkZJRgABAQAAAQ==\"}],\"fps\":0.5}]}],\"video_fps\":1.5,\"video_max_frames\":2}",
    "c{\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"image\",\"image\":\"x\"},{\"type\":\"input_image\",\"image_url\":"
    "\"http://[::1]/\",\"detail\":\"auto\"},{\"type\":\"video\",\"video\":\"v.mp4\"}]}]}",
    "p{\"prompt\":[\"a\",[1,2.0],\"\"],\"echo\":true,\"suffix\":null,\"best_of\":2,\"n\":2,\"max_tokens\":3,\"stop\":\"pro\"}",
    "p{\"prompt\":\"x\",\"typical_p\":0,\"top_n_sigma\":1.5,\"xtc_probability\":0.5,\"xtc_threshold\":0.1,\"min_keep\":2,"
    "\"repeat_penalty\":1.1,\"repetition_penalty\":1.1,\"repeat_last_n\":0,\"dry_multiplier\":0.8,\"dry_base\":1.75,"
    "\"dry_allowed_length\":2,\"dry_penalty_last_n\":-1,\"dry_sequence_breakers\":[\"\\n\",\"\\u0000\"],\"repetition_detection\":"
    "{\"max_pattern_size\":20,\"min_pattern_size\":2,\"min_count\":4,\"min_tokens\":64}}",
    "p{\"prompt\":[1,2,3],\"logprobs\":3,\"user\":\"u\",\"stop\":[\"aab\",\"ab\",\"b\"],\"x\":\"aaaab\"}",
};

bool fuzz_seed(unsigned i, tn_buf *ret) {
    if (i >= sizeof seeds / sizeof *seeds) return false;
    tn_buf_adds(ret, seeds[i]);
    return true;
}
