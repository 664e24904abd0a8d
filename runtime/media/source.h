/* SPDX-License-Identifier: Apache-2.0 */
/* Where a picture, a clip or a recording comes from, as somebody wrote it: a URL, a data URI, base64 without
 * one, or a path. Only the text is looked at here; fetch.h gets what it means. */
#ifndef TN_MEDIA_SOURCE_H
#define TN_MEDIA_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <tenon/status.h>

typedef enum tn_source_kind {
    TN_SOURCE_URL = 1, /* http://, https:// */
    TN_SOURCE_DATA,    /* data:TYPE;base64,... */
    TN_SOURCE_BASE64,  /* base64 whose first bytes are those of a format of pictures or clips */
    TN_SOURCE_FILE,    /* file:///path */
    TN_SOURCE_PATH,    /* anything else that can be one */
} tn_source_kind;

enum { TN_SOURCE_URL_BYTES = 8192, TN_SOURCE_PATH_BYTES = 4096 };

/* What kind a text of len bytes is. Base64 is told from a path by what it decodes to. TN_EINVAL: empty, too
 * long for a URL or a path, control characters; TN_ENOTSUP: a scheme that is not fetched, data that are not
 * base64. Messages show the beginning of the text at most. [any thread] */
int tn_source_classify(const char *text, size_t len, tn_source_kind *ret, tn_error *err);

/* The base64 of a TN_SOURCE_DATA or TN_SOURCE_BASE64. */
const char *tn_source_base64(const char *text, size_t len, tn_source_kind kind, size_t *ret_len);

/* The path of a TN_SOURCE_FILE or TN_SOURCE_PATH, percent signs decoded in the former; the caller's (free).
 * TN_EINVAL: another host's file, a wrong %; TN_ENOMEM. */
int tn_source_path(const char *text, size_t len, tn_source_kind kind, char **ret, tn_error *err);

#endif
