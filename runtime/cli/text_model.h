/* SPDX-License-Identifier: Apache-2.0 */
/* The text side of a model, for commands that need no weights. */
#ifndef TN_CLI_TEXT_MODEL_H
#define TN_CLI_TEXT_MODEL_H

#include "text/template.h"
#include "text/tokenizer.h"

/* The tokenizer of MODEL (what tn_model_find() takes): a directory with a tokenizer.json, a GGUF file (one
 * with nothing but a vocabulary will do), or a tokenizer.json itself. *ret is the caller's. What finding and
 * loading give, the path in front. [control thread] */
int tn_text_model_tokenizer(const char *model, tn_tokenizer **ret, tn_error *err);

/* The chat template of tok, compiled; model is for messages. TN_ENOENT when the checkpoint has none. */
int tn_text_model_template(const tn_tokenizer *tok, const char *model, tn_template **ret, tn_error *err);

/* The template in a file. */
int tn_text_model_template_file(const char *path, tn_template **ret, tn_error *err);

#endif
