/* SPDX-License-Identifier: Apache-2.0 */
/* What we need of jansson beyond its own interface: loading that allows NUL in strings, and typed look-ups
 * whose errors name the key. */
#ifndef TN_BASE_JSON_H
#define TN_BASE_JSON_H

#include <jansson.h>
#include <stddef.h>
#include <tenon/status.h>

/* Parses len bytes; duplicate keys: the last wins. name is for messages ("config.json"). Numbers beyond 64
 * bits are reals. *ret is a new reference. TN_EFORMAT with line and column. [any thread] */
int tn_json_parse(const char *text, size_t len, const char *name, json_t **ret, tn_error *err);
/* The same from a file of at most max bytes. [control thread] */
int tn_json_load(const char *path, size_t max, json_t **ret, tn_error *err);

#endif
