/* SPDX-License-Identifier: Apache-2.0 */
/* One question to a server. */
#ifndef TN_CLI_HTTP_GET_H
#define TN_CLI_HTTP_GET_H

#include <jansson.h>
#include <tenon/status.h>

/* Gets the JSON at base + path ("http://127.0.0.1:8080", "/v1/status") with the key (NULL: none) as a bearer
 * token. *ret is the caller's. TN_EIO: no answer, or one that is no success: its status and message.
 * TN_EFORMAT: not JSON, or more than 16 MiB. [control thread] */
int tn_http_get_json(const char *base, const char *path, const char *key, json_t **ret, tn_error *err);

#endif
