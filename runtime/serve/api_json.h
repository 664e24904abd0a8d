/* SPDX-License-Identifier: Apache-2.0 */
/* Printing answers as JSON: what bodies, events and errors share. Private to serve's api_*.c. [any thread] */
#ifndef TN_SERVE_API_JSON_H
#define TN_SERVE_API_JSON_H

#include "serve/api.h"

/* A string of bytes; what is not UTF-8 becomes U+FFFD. New reference, NULL when out of memory. */
json_t *tn_api_text(const char *bytes, size_t len);
/* Appends a value to out and drops the reference. A value of NULL is a failure of memory, which sticks in
 * out. */
void tn_api_print(json_t *value, tn_buf *out);
/* The same as an event of a stream. */
void tn_api_print_event(json_t *value, tn_buf *out);

#endif
