/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of a tokenizer.json around the model. v may be NULL or null: nothing is added. */
#ifndef TN_TEXT_JSON_PIPELINE_H
#define TN_TEXT_JSON_PIPELINE_H

#include <jansson.h>

#include "text/tokenizer_internal.h"

/* TN_EFORMAT (wrong types, values), TN_ENOTSUP (a kind that we do not know: named), TN_ELIMIT, TN_ENOMEM. */
int tn__json_normalizer(const json_t *v, tn_normalizer *ret, tn_error *err);
int tn__json_splitter(const json_t *v, tn_splitter *ret, tn_error *err);
int tn__json_decoder(const json_t *v, tn_decoder *ret, tn_error *err);
/* Needs the vocabulary: ids of tokens are checked against n_vocab. */
int tn__json_postproc(const json_t *v, uint32_t n_vocab, tn_postproc *ret, tn_error *err);

/* {"String": s} or {"Regex": s}, where it is used. */
int tn__json_pattern(const json_t *v, const char *where, const char **ret, size_t *ret_len, bool *ret_literal,
                     tn_error *err);

enum { TN_JSON_MAX_DEPTH = 8 }; /* of Sequence in Sequence */

#endif
