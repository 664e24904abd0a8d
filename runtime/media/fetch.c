/* SPDX-License-Identifier: Apache-2.0 */
#include "media/fetch.h"

#include <stdlib.h>
#include <string.h>

#include "media/base64.h"
#include "media/fetch_url.h"
#include "media/local_file.h"
#include "media/source.h"

static int decode(const tn_fetch_limits *l, const char *text, size_t len, tn_fetched *ret, tn_error *err) {
    size_t size = tn_base64_size(text, len);
    if (size > l->max_bytes)
        return tn_fail(err, TN_ELIMIT, "%zu bytes, the limit is %llu (media.max_bytes)", size,
                       (unsigned long long)l->max_bytes);
    uint8_t *bytes = malloc(size + 1);
    if (!bytes) return tn_fail(err, TN_ENOMEM, "out of memory");
    int rc = tn_base64_decode(text, len, bytes, err);
    if (rc)
        free(bytes);
    else
        *ret = (tn_fetched){bytes, size};
    return rc;
}

static int read_path(const tn_fetch_limits *l, const char *text, size_t len, tn_source_kind kind,
                     tn_fetched *ret, tn_error *err) {
    char *path = NULL;
    int rc = tn_source_path(text, len, kind, &path, err);
    if (!rc)
        rc = l->own_files
                 ? tn_own_file_read(path, l->max_bytes, &ret->bytes, &ret->len, err)
                 : tn_local_file_read(l->roots, l->n_roots, path, l->max_bytes, &ret->bytes, &ret->len, err);
    free(path);
    return rc;
}

static int fetch_url(const tn_fetch_limits *l, const char *text, size_t len, tn_fetched *ret, tn_error *err) {
    if (!l->allow_url)
        return tn_fail(err, TN_EINVAL,
                       "this server fetches no URLs (media.allow_url); send the bytes as a data URI");
    char *url = strndup(text, len);
    int rc = url ? tn_fetch_url(l, url, ret, err) : tn_fail(err, TN_ENOMEM, "out of memory");
    free(url);
    return rc;
}

int tn_fetch(const tn_fetch_limits *l, const char *source, size_t len, tn_fetched *ret, tn_error *err) {
    tn_source_kind kind;
    const char *base64;
    size_t n;
    *ret = (tn_fetched){0};
    int rc = tn_source_classify(source, len, &kind, err);
    if (rc) return rc;
    switch (kind) {
    case TN_SOURCE_URL: return fetch_url(l, source, len, ret, err);
    case TN_SOURCE_DATA:
    case TN_SOURCE_BASE64:
        base64 = tn_source_base64(source, len, kind, &n);
        return decode(l, base64, n, ret, err);
    case TN_SOURCE_FILE:
    case TN_SOURCE_PATH: return read_path(l, source, len, kind, ret, err);
    }
    return tn_fail(err, TN_EBUG, "a source of kind %d", (int)kind);
}

void tn_fetched_free(tn_fetched *f) {
    free(f->bytes);
    *f = (tn_fetched){0};
}
