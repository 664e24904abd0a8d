/* SPDX-License-Identifier: Apache-2.0 */
/* DRY's sequence breakers are strings to clients and token ids to the sampler. */
#ifndef TN_SERVE_BREAKERS_H
#define TN_SERVE_BREAKERS_H

#include "text/tokenizer.h"

/* The ids that break sequences when strings [n] do: every token whose text contains one of them; for a string
 * that no single token contains the last token of its encoding, which ends it. Strings are not empty.
 * *ret_ids
 * [*ret_n], ascending, is the caller's to free. One pass over the vocabulary. TN_ENOMEM, errors of encoding.
 * [any thread] */
int tn_breakers_find(const tn_tokenizer *t, const char *const *strings, const size_t *len, uint32_t n,
                     int32_t **ret_ids, uint32_t *ret_n, tn_error *err);

/* The same for what everybody uses: newline, colon, quote, star. */
int tn_breakers_default(const tn_tokenizer *t, int32_t **ret_ids, uint32_t *ret_n, tn_error *err);

/* The same for breakers as a configuration or a command line writes them: \n, \t, \r, \" and \\ stand for
 * what they do in C. TN_EINVAL: an empty one, or a backslash before anything else. */
int tn_breakers_read(const tn_tokenizer *t, const char *const *texts, uint32_t n, int32_t **ret_ids,
                     uint32_t *ret_n, tn_error *err);

#endif
