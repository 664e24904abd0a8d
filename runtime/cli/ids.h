/* SPDX-License-Identifier: Apache-2.0 */
/* Token ids as the command line takes them: "1,2,3", or a JSON file with an array (or with an array of
 * arrays). */
#ifndef TN_CLI_IDS_H
#define TN_CLI_IDS_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>
#include <tenon/status.h>

#include "text/tokenizer.h"

/* Most ids in a list, most lists in a file, and most bytes of a file. */
enum { TN_IDS_MAX = 1 << 24, TN_IDS_LISTS_MAX = 4096, TN_IDS_FILE_MAX = 1 << 28 };

/* A list of ids is a tn_ids; each id is 0 .. INT32_MAX, and whether the model has it is for others to check.
 *
 * text is a list when it consists of digits, signs, commas and blanks only (an empty text is an empty list),
 * else the name of a JSON file. On success *ret is the caller's (tn_ids_free). TN_EINVAL (position, value),
 * TN_ELIMIT, what reading a file gives, TN_ENOMEM. [control thread] */
int tn_ids_parse(const char *text, tn_ids *ret, tn_error *err);
/* value: a JSON array of whole numbers; name is for messages. */
int tn_ids_from_json(const json_t *value, const char *name, tn_ids *ret, tn_error *err);
/* path: a JSON file with an array of arrays of ids, in order. On success *ret_lists holds *ret_n lists of the
 * caller's (tn_ids_free each, then free). */
int tn_ids_load_lists(const char *path, tn_ids **ret_lists, size_t *ret_n, tn_error *err);
/* tn_ids_free for n lists, and free for the array. */
void tn_ids_free_lists(tn_ids *lists, size_t n);

#endif
