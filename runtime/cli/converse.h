/* SPDX-License-Identifier: Apache-2.0 */
/* A conversation at the terminal: messages, the options of a reply, and streaming one reply. */
#ifndef TN_CLI_CONVERSE_H
#define TN_CLI_CONVERSE_H

#include "cli/load.h"
#include "cli/look.h"
#include "text/chat.h"

/* Options that tenon run and tenon chat share. */
typedef struct tn_converse_args {
    tn_model_args model;
    tn_compute_args compute;
    tn_sampling_args sampling;
    tn_media_args media; /* shown by the first message of the user */
    const char *system;  /* system message, or NULL */
    const char *think;   /* "on", "off" or NULL: what the template does by itself */
    uint64_t max_tokens, ctx;
} tn_converse_args;

extern const tn_option_row tn_converse_options[];
void tn_converse_defaults(tn_converse_args *args);

typedef struct tn_conversation {
    const tn_converse_args *args;
    tn_loaded_model loaded;
    tn_chat chat;
    tn_engine *engine;
    tn_look look;
    json_t *messages; /* [{role, content}] */
    tn_sampling_choice sampling;
    bool think_set, think;      /* enable_thinking, when somebody said */
    uint32_t n_prompt, n_reply; /* tokens of the last reply */
    double prefill_s, decode_s;
} tn_conversation;

/* Loads the model and its template. TN_ENOTSUP when there are media and the model does not see. need_template
 * false: a model without one still loads (raw prompts). */
int tn_conversation_init(tn_conversation *c, const tn_converse_args *args, bool need_template, tn_error *err);
void tn_conversation_fini(tn_conversation *c);
/* Forgets all messages but the system message. */
int tn_conversation_reset(tn_conversation *c, tn_error *err);
int tn_conversation_add(tn_conversation *c, const char *role, const char *text, size_t len, tn_error *err);
/* A message of the user's; the first one shows args' media. */
int tn_conversation_ask(tn_conversation *c, const char *text, size_t len, tn_error *err);
/* Drops the last message, if there is one. */
void tn_conversation_drop(tn_conversation *c);
/* Streams the model's reply to the messages so far, and adds it to them. Ctrl-C ends the reply, not the
 * program: *ret_interrupted. TN_ELIMIT when the conversation no longer fits the context: both numbers. */
int tn_conversation_reply(tn_conversation *c, bool *ret_interrupted, tn_error *err);
/* Streams a continuation of plain text, without template or memory. */
int tn_conversation_continue(tn_conversation *c, const char *text, size_t len, bool *ret_interrupted,
                             tn_error *err);

#endif
