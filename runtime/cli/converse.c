/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/converse.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "cli/interrupt.h"

#define AT(field) .offset = offsetof(tn_converse_args, field)
const tn_option_row tn_converse_options[] = {
    {TN_OPT_GROUP, .group = tn_model_options, AT(model)},
    {TN_OPT_STRING, 's', .name = "system", .arg = "TEXT", .help = "system message", AT(system)},
    {TN_OPT_UINT, 'n', .name = "max-tokens", .arg = "N", .min = 1, .max = 1 << 24,
     .help = "most tokens of a reply (default: until the context is full)", AT(max_tokens)},
    {TN_OPT_UINT, 'c', .name = "context", .arg = "N", .min = 1, .max = 1 << 30,
     .help = "tokens of a conversation (default: what the model was made for, at most 32768)", AT(ctx)},
    {TN_OPT_WORD, .name = "think", .arg = "MODE", .words = "on|off",
     .help = "whether to reason before answering, for models that can do both", AT(think)},
    {TN_OPT_GROUP, .group = tn_media_options, AT(media)},
    {TN_OPT_GROUP, .group = tn_sampling_options, AT(sampling)},
    {TN_OPT_GROUP, .group = tn_compute_options, AT(compute)},
    {.kind = TN_OPT_END},
};

void tn_converse_defaults(tn_converse_args *args) {
    tn_sampling_defaults(&args->sampling);
}

int tn_conversation_init(tn_conversation *c, const tn_converse_args *args, bool need_template,
                         tn_error *err) {
    *c = (tn_conversation){.args = args};
    tn_model_config config = {.n_ctx = (uint32_t)args->ctx};
    if (args->think) {
        c->think_set = true;
        c->think = strcmp(args->think, "on") == 0;
    }
    int rc = tn_load(args->model.model, &args->compute, config, &c->loaded, err);
    tn_model *m = c->loaded.model;
    if (!rc) rc = tn_need_tokenizer(m, err);
    if (!rc) rc = tn_look_at(&c->look, &c->loaded, &args->media, NULL, err);
    if (!rc && need_template)
        rc = tn_chat_init(&c->chat, m->tokenizer, NULL, m->family->chat.template_fallback, err);
    if (!rc) rc = tn_sampling_choose(&args->sampling, m, &c->sampling, err);
    if (!rc) rc = tn_engine_new(m, NULL, &c->engine, err);
    if (!rc) rc = tn_conversation_reset(c, err);
    if (rc) tn_conversation_fini(c);
    return rc;
}

void tn_conversation_fini(tn_conversation *c) {
    tn_engine_free(c->engine);
    tn_look_fini(&c->look);
    tn_sampling_choice_fini(&c->sampling);
    tn_chat_fini(&c->chat);
    tn_unload(&c->loaded);
    json_decref(c->messages);
    *c = (tn_conversation){0};
}

int tn_conversation_reset(tn_conversation *c, tn_error *err) {
    json_decref(c->messages);
    c->messages = json_array();
    if (!c->messages) return tn_fail(err, TN_ENOMEM, "out of memory");
    const char *system = c->args->system;
    return system ? tn_conversation_add(c, "system", system, strlen(system), err) : 0;
}

static int add(tn_conversation *c, const char *role, const tn_media_args *media, const char *text, size_t len,
               tn_error *err) {
    json_t *content = NULL;
    int rc = tn_media_args_content(media, text, len, &content, err);
    if (rc) return rc;
    json_t *message = json_pack("{s:s,s:o}", "role", role, "content", content);
    if (!message || json_array_append_new(c->messages, message) != 0)
        return tn_fail(err, TN_ENOMEM, "out of memory");
    return 0;
}

int tn_conversation_add(tn_conversation *c, const char *role, const char *text, size_t len, tn_error *err) {
    static const tn_media_args nothing;
    return add(c, role, &nothing, text, len, err);
}

/* Whether the user has not said anything yet. */
static bool is_first(const tn_conversation *c) {
    return json_array_size(c->messages) == (c->args->system ? 1 : 0);
}

int tn_conversation_ask(tn_conversation *c, const char *text, size_t len, tn_error *err) {
    if (!is_first(c)) return tn_conversation_add(c, "user", text, len, err);
    return add(c, "user", &c->args->media, text, len, err);
}

void tn_conversation_drop(tn_conversation *c) {
    size_t n = json_array_size(c->messages);
    if (n) json_array_remove(c->messages, n - 1);
}

/* Times the first token, then hands on to the printer. */
typedef struct reply {
    tn_printer printer;
    double start, first;
} reply;

static bool on_token(void *ctx, const tn_token *token) {
    reply *r = ctx;
    if (r->first == 0) r->first = tn_clock_s();
    return tn_printer_token(&r->printer, token->id);
}

static int generate(tn_conversation *c, const tn_sight *sight, reply *r, tn_error *err) {
    tn_seq *seq;
    bool busy = true;
    tn_seq_config config = {.max_new = c->args->max_tokens ? (uint32_t)c->args->max_tokens : UINT32_MAX,
                            .sampling = tn_sampling_next(&c->sampling),
                            .ctx = r,
                            .on_token = on_token};
    tn_sight_config(sight, &config);
    int rc = tn_engine_add(c->engine, &config, &seq, err);
    if (rc) return rc;
    r->start = tn_clock_s();
    while (!rc && busy && !tn_interrupted()) rc = tn_engine_step(c->engine, &busy, err);
    if (!rc && tn_seq_finish(seq) == TN_FINISH_FAILED)
        rc = tn_fail(err, tn_seq_error(seq)->code, "%s", tn_seq_error(seq)->text);
    tn_engine_remove(c->engine, seq);
    double end = tn_clock_s();
    c->n_prompt = sight->n_ids;
    c->n_reply = r->printer.n_token;
    c->prefill_s = (r->first > 0 ? r->first : end) - r->start;
    c->decode_s = r->first > 0 ? end - r->first : 0;
    return rc;
}

static int stream(tn_conversation *c, const tn_sight *sight, reply *r, bool *ret_interrupted, tn_error *err) {
    tn_interrupt_catch();
    int rc = tn_printer_init(&r->printer, c->loaded.model->tokenizer, false, err);
    if (!rc) rc = generate(c, sight, r, err);
    if (!rc) rc = tn_printer_finish(&r->printer, err);
    *ret_interrupted = tn_interrupted();
    tn_interrupt_clear();
    return rc;
}

/* What the template is told besides the messages. */
static json_t *extra_variables(const tn_conversation *c) {
    return c->think_set ? json_pack("{s:b}", "enable_thinking", c->think) : json_object();
}

/* The prompt of the messages so far, with what they show. */
static int prompt_of(const tn_conversation *c, json_t *extra, tn_sight *ret, tn_error *err) {
    tn_ids ids = {0};
    tn_buf text;
    *ret = (tn_sight){0};
    if (c->look.n_seen == 0) {
        int rc = tn_chat_prompt(&c->chat, c->messages, NULL, extra, &ids, err);
        ret->ids = ids.data;
        ret->n_ids = (uint32_t)ids.len;
        return rc;
    }
    tn_buf_init(&text, TN_CHAT_MAX_BYTES);
    int rc = tn_chat_render(&c->chat, c->messages, NULL, extra, &text, err);
    if (!rc)
        rc = tn_sight_write(c->loaded.model, text.data ? text.data : "", text.len, c->look.seen,
                            c->look.n_seen, ret, err);
    tn_buf_free(&text);
    return rc;
}

int tn_conversation_reply(tn_conversation *c, bool *ret_interrupted, tn_error *err) {
    tn_sight sight;
    reply r = {0};
    json_t *extra = extra_variables(c);
    *ret_interrupted = false;
    int rc = prompt_of(c, extra, &sight, err);
    if (!rc) rc = stream(c, &sight, &r, ret_interrupted, err);
    if (!rc)
        rc = tn_conversation_add(c, "assistant", r.printer.text.data ? r.printer.text.data : "",
                                 r.printer.text.len, err);
    tn_printer_fini(&r.printer);
    json_decref(extra);
    tn_sight_fini(&sight);
    return rc;
}

int tn_conversation_continue(tn_conversation *c, const char *text, size_t len, bool *ret_interrupted,
                             tn_error *err) {
    tn_ids ids = {0};
    reply r = {0};
    *ret_interrupted = false;
    int rc = tn_tokenizer_encode(c->loaded.model->tokenizer, text, len,
                                 TN_ENCODE_ADD_SPECIAL | TN_ENCODE_PARSE_SPECIAL, &ids, err);
    const tn_sight sight = {.ids = ids.data, .n_ids = (uint32_t)ids.len};
    if (!rc) rc = stream(c, &sight, &r, ret_interrupted, err);
    tn_printer_fini(&r.printer);
    tn_ids_free(&ids);
    return rc;
}
