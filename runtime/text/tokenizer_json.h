/* SPDX-License-Identifier: Apache-2.0 */
/* The files of a tokenizer directory, for tokenizer_dir.c. */
#ifndef TN_TEXT_TOKENIZER_JSON_H
#define TN_TEXT_TOKENIZER_JSON_H

#include <jansson.h>

#include "text/tokenizer_internal.h"

/* Fills an empty t from the text of a tokenizer.json; name is for messages. tn__tokenizer_finish is not
 * called. TN_EFORMAT, TN_ENOTSUP, TN_ELIMIT, TN_ENOMEM. */
int tn__tokenizer_parse_json(tn_tokenizer *t, const char *text, size_t len, const char *name, tn_error *err);
/* Adds what tokenizer_config.json, special_tokens_map.json and chat_template.jinja of dir say; absent files
 * say nothing. Errors as above, TN_EIO. */
int tn__tokenizer_read_config(tn_tokenizer *t, const char *dir, tn_error *err);
/* The flags of an entry of added_tokens or added_tokens_decoder; a token that is not special is looked for in
 * normalised text unless it says otherwise. */
int tn__json_added_flags(const json_t *v, const char *place, tn_added_token *ret, tn_error *err);

#endif
