/* SPDX-License-Identifier: Apache-2.0 */
/* From messages to a prompt, by the checkpoint's own chat template. */
#ifndef TN_TEXT_CHAT_H
#define TN_TEXT_CHAT_H

#include <jansson.h>

#include "text/template.h"
#include "text/tokenizer.h"

enum { TN_CHAT_MAX_BYTES = 64 << 20 }; /* of a prompt's text */

typedef struct tn_chat {
    const tn_tokenizer *tokenizer; /* borrowed */
    tn_template *template;
} tn_chat;

/* Compiles override when it is given, else the tokenizer's default template, else fallback (both may be
 * NULL). TN_ENOENT when there is none; errors of tn_template_compile. [control thread] */
int tn_chat_init(tn_chat *c, const tn_tokenizer *t, const char *override, const char *fallback,
                 tn_error *err);
void tn_chat_fini(tn_chat *c);

/* Renders and encodes. messages: array of {role, content, ...}; tools: array or NULL (none, as templates test
 * it); extra: an object of further template variables (enable_thinking), or NULL. The template sees the named
 * special tokens (bos_token, ...) and add_generation_prompt true. Appends to ret_ids. Errors of the template
 * and of the tokenizer. [any thread] */
int tn_chat_prompt(const tn_chat *c, json_t *messages, json_t *tools, json_t *extra, tn_ids *ret_ids,
                   tn_error *err);

/* The text alone. */
int tn_chat_render(const tn_chat *c, json_t *messages, json_t *tools, json_t *extra, tn_buf *out,
                   tn_error *err);

#endif
