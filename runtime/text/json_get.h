/* SPDX-License-Identifier: Apache-2.0 */
/* Typed look-ups in parsed JSON; errors name the key and what holds it. A key that is null counts as absent.
 */
#ifndef TN_TEXT_JSON_GET_H
#define TN_TEXT_JSON_GET_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <tenon/status.h>

/* A string, borrowed from obj, or NULL where the key is absent. TN_EFORMAT for another type. */
int tn__json_opt_string(const json_t *obj, const char *key, const char *where, const char **ret,
                        size_t *ret_len, tn_error *err);
/* The same; an absent key is TN_EFORMAT. */
int tn__json_string(const json_t *obj, const char *key, const char *where, const char **ret, size_t *ret_len,
                    tn_error *err);
/* A bool, *ret as it was where the key is absent. */
int tn__json_bool(const json_t *obj, const char *key, const char *where, bool *ret, tn_error *err);
/* An integer of 0 .. max, *ret as it was where the key is absent. */
int tn__json_size(const json_t *obj, const char *key, const char *where, size_t max, size_t *ret,
                  tn_error *err);
/* The "type" of obj, which must be an object; "?" is never returned. */
int tn__json_type(const json_t *obj, const char *where, const char **ret, tn_error *err);

#endif
