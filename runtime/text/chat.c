/* SPDX-License-Identifier: Apache-2.0 */
#include "text/chat.h"

#include <string.h>

int tn_chat_init(tn_chat *c, const tn_tokenizer *t, const char *override, const char *fallback,
                 tn_error *err) {
    size_t len = 0;
    const char *text = override ? override : tn_tokenizer_chat_template(t, NULL, &len);
    *c = (tn_chat){.tokenizer = t};
    if (!text) text = fallback;
    if (!text) return tn_fail(err, TN_ENOENT, "the model has no chat template");
    if (text == override || text == fallback) len = strlen(text);
    return tn_template_compile(text, len, "chat template", &c->template, err);
}

void tn_chat_fini(tn_chat *c) {
    tn_template_free(c->template);
    *c = (tn_chat){0};
}

static json_t *variables(const tn_chat *c, json_t *messages, json_t *tools, json_t *extra) {
    const char *name, *text;
    json_t *vars = json_pack("{s:O,s:b}", "messages", messages, "add_generation_prompt", 1);
    if (!vars) return NULL;
    int bad = json_object_set_new(vars, "tools", tools ? json_incref(tools) : json_null());
    for (size_t i = 0; !bad && (name = tn_tokenizer_named_token_at(c->tokenizer, i, &text)); i++)
        bad = json_object_set_new(vars, name, json_stringn_nocheck(text, strlen(text)));
    if (!bad && extra) bad = json_object_update(vars, extra);
    if (bad) {
        json_decref(vars);
        return NULL;
    }
    return vars;
}

int tn_chat_render(const tn_chat *c, json_t *messages, json_t *tools, json_t *extra, tn_buf *out,
                   tn_error *err) {
    json_t *vars = variables(c, messages, tools, extra);
    if (!vars) return tn_fail(err, TN_ENOMEM, "out of memory");
    int rc = tn_template_render(c->template, vars, NULL, out, err);
    json_decref(vars);
    return rc;
}

int tn_chat_prompt(const tn_chat *c, json_t *messages, json_t *tools, json_t *extra, tn_ids *ret_ids,
                   tn_error *err) {
    tn_buf text;
    tn_buf_init(&text, TN_CHAT_MAX_BYTES);
    int rc = tn_chat_render(c, messages, tools, extra, &text, err);
    /* The template writes the special tokens itself, so none are added. */
    if (!rc)
        rc = tn_tokenizer_encode(c->tokenizer, text.data ? text.data : "", text.len, TN_ENCODE_PARSE_SPECIAL,
                                 ret_ids, err);
    tn_buf_free(&text);
    return rc;
}
