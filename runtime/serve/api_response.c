/* SPDX-License-Identifier: Apache-2.0 */
/* Values are built without looking at every step: jansson's setters and packers take NULL as a failure of
 * their own, so that a failure of memory surfaces in tn_api_print. */
#include "config.h"

#include <math.h>
#include <string.h>

#include "serve/api_json.h"

/* JSON has no infinities; clients know this number from the original. */
static json_t *real_json(float logprob) {
    return json_real(isfinite(logprob) && logprob > -9999 ? (double)logprob : -9999.0);
}

/* ---- Log probabilities, chat ------------------------------------------------------------------------- */

static json_t *bytes_json(const char *bytes, size_t len) {
    json_t *list = json_array();
    for (size_t i = 0; i < len; i++)
        if (json_array_append_new(list, json_integer((unsigned char)bytes[i])) != 0) {
            json_decref(list);
            return NULL;
        }
    return list;
}

static json_t *token_json(const char *bytes, size_t len, float logprob) {
    return json_pack("{s:o, s:o, s:o}", "token", tn_api_text(bytes, len), "logprob", real_json(logprob),
                     "bytes", bytes_json(bytes, len));
}

static json_t *chat_logprob(const tn_api_logprob *l) {
    json_t *top = json_array(), *token = token_json(l->bytes, l->len, l->logprob);
    int bad = 0;
    for (uint32_t i = 0; i < l->n_top; i++)
        bad |= json_array_append_new(top, token_json(l->top[i].bytes, l->top[i].len, l->top[i].logprob));
    if (json_object_set_new(token, "top_logprobs", top) == 0 && !bad) return token;
    json_decref(token);
    return NULL;
}

static json_t *chat_logprobs(const tn_api_choice *c) {
    json_t *content = json_array();
    int bad = 0;
    for (uint32_t i = 0; i < c->n_logprobs; i++)
        bad |= json_array_append_new(content, chat_logprob(&c->logprobs[i]));
    if (!bad) return json_pack("{s:o, s:n}", "content", content, "refusal");
    json_decref(content);
    return NULL;
}

/* ---- Log probabilities, completions ------------------------------------------------------------------ */

uint32_t tn_api_characters(const char *text, size_t len) {
    uint32_t n = 0;
    for (size_t i = 0; i < len; i++) n += ((unsigned char)text[i] & 0xc0) != 0x80;
    return n;
}

/* This route has no list of bytes: a token that is no text of its own is written "bytes:\xe2\x80", so that it
 * can be told from others and be a key. */
static json_t *token_name(const char *bytes, size_t len) {
    json_t *name = memchr(bytes, 0, len) ? NULL : json_stringn(bytes, len);
    tn_buf text;
    if (name) return name;
    tn_buf_init(&text, SIZE_MAX);
    tn_buf_adds(&text, "bytes:");
    for (size_t i = 0; i < len; i++) tn_buf_addf(&text, "\\x%02x", (unsigned char)bytes[i]);
    name = text.status ? NULL : json_stringn_nocheck(text.data, text.len);
    tn_buf_free(&text);
    return name;
}

/* Adds to the map of one position. Of tokens with equal text the first, more probable one stays. */
static int add_top(json_t *map, const char *bytes, size_t len, float logprob) {
    json_t *name = token_name(bytes, len);
    int bad = !name;
    if (name && !json_object_get(map, json_string_value(name)))
        bad = json_object_set_new_nocheck(map, json_string_value(name), real_json(logprob));
    json_decref(name);
    return bad;
}

/* The most probable tokens, and the chosen one where it is not among them. */
static json_t *top_map(const tn_api_logprob *l) {
    json_t *map = json_object();
    int bad = 0;
    for (uint32_t i = 0; i < l->n_top; i++)
        bad |= add_top(map, l->top[i].bytes, l->top[i].len, l->top[i].logprob);
    bad |= add_top(map, l->bytes, l->len, l->logprob);
    if (!bad) return map;
    json_decref(map);
    return NULL;
}

static json_t *completion_logprobs(const tn_api_choice *c) {
    json_t *tokens = json_array(), *values = json_array(), *tops = json_array(), *offsets = json_array();
    uint32_t offset = c->first_offset;
    int bad = 0;
    for (uint32_t i = 0; i < c->n_logprobs; i++) {
        const tn_api_logprob *l = &c->logprobs[i];
        bad |= json_array_append_new(tokens, token_name(l->bytes, l->len));
        bad |= json_array_append_new(values, real_json(l->logprob));
        bad |= json_array_append_new(tops, top_map(l));
        bad |= json_array_append_new(offsets, json_integer(offset));
        offset += tn_api_characters(l->bytes, l->len);
    }
    json_t *all = json_pack("{s:o, s:o, s:o, s:o}", "tokens", tokens, "token_logprobs", values,
                            "top_logprobs", tops, "text_offset", offsets);
    if (!bad) return all;
    json_decref(all);
    return NULL;
}

static json_t *logprobs_json(bool chat, const tn_api_choice *c) {
    if (!c->logprobs) return json_null();
    return chat ? chat_logprobs(c) : completion_logprobs(c);
}

/* ---- Choices and envelopes --------------------------------------------------------------------------- */

/* {"index", FIELD: body, "logprobs", "finish_reason"}. */
static json_t *choice_json(bool chat, uint32_t index, const char *field, json_t *body,
                           const tn_api_choice *c) {
    return json_pack("{s:I, s:o, s:o, s:s?}", "index", (json_int_t)index, field, body, "logprobs",
                     logprobs_json(chat, c), "finish_reason", c->finish);
}

static json_t *whole_choice(bool chat, uint32_t index, const tn_api_choice *c) {
    json_t *text = tn_api_text(c->text, c->len);
    if (!chat) return choice_json(chat, index, "text", text, c);
    json_t *message = json_pack("{s:s, s:o, s:n}", "role", "assistant", "content", text, "refusal");
    return choice_json(chat, index, "message", message, c);
}

static json_t *piece_choice(bool chat, uint32_t index, const tn_api_choice *c) {
    json_t *text = tn_api_text(c->text, c->len);
    if (!chat) return choice_json(chat, index, "text", text, c);
    bool empty = c->len == 0 && c->finish;
    json_t *delta = empty ? json_object() : json_pack("{s:O}", "content", text);
    json_decref(text);
    return choice_json(chat, index, "delta", delta, c);
}

static json_t *usage_json(const tn_api_usage *u) {
    json_int_t total = (json_int_t)u->prompt_tokens + u->completion_tokens;
    return json_pack("{s:I, s:I, s:I, s:{s:I}}", "prompt_tokens", (json_int_t)u->prompt_tokens,
                     "completion_tokens", (json_int_t)u->completion_tokens, "total_tokens", total,
                     "prompt_tokens_details", "cached_tokens", (json_int_t)u->cached_tokens);
}

/* choices and usage are taken; usage NULL: no such field. */
static json_t *envelope(const tn_api_head *h, const char *object, json_t *choices, json_t *usage) {
    json_t *id = tn_api_text(h->id, strlen(h->id)), *model = tn_api_text(h->model, strlen(h->model));
    return json_pack("{s:o, s:s, s:I, s:o, s:s, s:o, s:o*}", "id", id, "object", object, "created",
                     (json_int_t)h->created, "model", model, "system_fingerprint", "tenon-" PACKAGE_VERSION,
                     "choices", choices, "usage", usage);
}

void tn_api_response(const tn_api_head *h, const tn_api_choice *choices, uint32_t n,
                     const tn_api_usage *usage, tn_buf *out) {
    json_t *list = json_array(), *u = usage_json(usage);
    int bad = !u;
    for (uint32_t i = 0; i < n; i++)
        bad |= json_array_append_new(list, whole_choice(h->chat, i, &choices[i]));
    json_t *body = envelope(h, h->chat ? "chat.completion" : "text_completion", list, u);
    if (bad) {
        json_decref(body);
        body = NULL;
    }
    tn_api_print(body, out);
}

/* ---- Events ------------------------------------------------------------------------------------------ */

static void event(const tn_api_head *h, json_t *choice, tn_buf *out) {
    json_t *usage = h->include_usage ? json_null() : NULL;
    json_t *choices = choice ? json_pack("[o]", choice) : NULL;
    tn_api_print_event(envelope(h, h->chat ? "chat.completion.chunk" : "text_completion", choices, usage),
                       out);
}

void tn_api_event_role(const tn_api_head *h, uint32_t index, tn_buf *out) {
    static const tn_api_choice none = {0};
    json_t *delta = json_pack("{s:s, s:s}", "role", "assistant", "content", "");
    event(h, choice_json(true, index, "delta", delta, &none), out);
}

void tn_api_event_text(const tn_api_head *h, uint32_t index, const tn_api_choice *piece, tn_buf *out) {
    event(h, piece_choice(h->chat, index, piece), out);
}

void tn_api_event_usage(const tn_api_head *h, const tn_api_usage *usage, tn_buf *out) {
    json_t *u = usage_json(usage);
    json_t *body =
        u ? envelope(h, h->chat ? "chat.completion.chunk" : "text_completion", json_array(), u) : NULL;
    tn_api_print_event(body, out);
}

void tn_api_event_done(tn_buf *out) {
    tn_buf_adds(out, "data: [DONE]\n\n");
}

/* ---- Models ------------------------------------------------------------------------------------------ */

static json_t *model_json(const tn_api_model *m) {
    json_t *j = json_pack("{s:o, s:s, s:I, s:s}", "id", tn_api_text(m->name, strlen(m->name)), "object",
                          "model", "created", (json_int_t)m->created, "owned_by", "tenon");
    if (m->status && (json_object_set_new(j, "status", json_string(m->status)) != 0 ||
                      json_object_set_new(j, "memory", json_integer((json_int_t)m->memory)) != 0)) {
        json_decref(j);
        return NULL;
    }
    return j;
}

void tn_api_models_body(const tn_api_model *models, uint32_t n, tn_buf *out) {
    json_t *list = json_array();
    int bad = 0;
    for (uint32_t i = 0; i < n; i++) bad |= json_array_append_new(list, model_json(&models[i]));
    json_t *body = json_pack("{s:s, s:o}", "object", "list", "data", list);
    if (bad) {
        json_decref(body);
        body = NULL;
    }
    tn_api_print(body, out);
}

void tn_api_model_body(const tn_api_model *model, tn_buf *out) {
    tn_api_print(model_json(model), out);
}
