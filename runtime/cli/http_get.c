/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/http_get.h"

#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/status.h"

enum { MAX_ANSWER = 16 << 20, TIMEOUT_S = 10 };

static size_t take(char *data, size_t size, size_t n, void *ctx) {
    return tn_buf_add(ctx, data, size * n) == 0 ? size * n : 0;
}

static struct curl_slist *headers_of(const char *key) {
    char *line = NULL;
    if (!key || asprintf(&line, "Authorization: Bearer %s", key) < 0) return NULL;
    struct curl_slist *list = curl_slist_append(NULL, line);
    free(line);
    return list;
}

static int perform(CURL *c, const char *url, struct curl_slist *headers, tn_buf *answer, long *ret_status,
                   tn_error *err) {
    char text[CURL_ERROR_SIZE] = "";
    curl_easy_setopt(c, CURLOPT_URL, url);
    curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(c, CURLOPT_TIMEOUT, (long)TIMEOUT_S);
    curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(c, CURLOPT_ERRORBUFFER, text);
    curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, take);
    curl_easy_setopt(c, CURLOPT_WRITEDATA, answer);
    if (headers) curl_easy_setopt(c, CURLOPT_HTTPHEADER, headers);
    CURLcode rc = curl_easy_perform(c);
    if (answer->status == TN_ELIMIT)
        return tn_fail(err, TN_EFORMAT, "%s: more than %d bytes", url, MAX_ANSWER);
    if (rc != CURLE_OK) return tn_fail(err, TN_EIO, "%s: %s", url, text[0] ? text : curl_easy_strerror(rc));
    curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, ret_status);
    return 0;
}

/* What the server says is wrong, or that it says nothing. */
static int refused(const char *url, long status, const json_t *answer, tn_error *err) {
    const char *message = json_string_value(json_object_get(json_object_get(answer, "error"), "message"));
    return tn_fail(err, TN_EIO, "%s: status %ld: %s", url, status, message ? message : "no reason given");
}

static int get(const char *url, const char *key, json_t **ret, tn_error *err) {
    long status = 0;
    tn_buf answer;
    CURL *c = curl_easy_init();
    if (!c) return tn_fail(err, TN_ENOMEM, "out of memory");
    tn_buf_init(&answer, MAX_ANSWER);
    struct curl_slist *headers = headers_of(key);
    int rc = perform(c, url, headers, &answer, &status, err);
    json_t *value = NULL;
    if (!rc) rc = tn_json_parse(answer.data ? answer.data : "", answer.len, url, &value, err);
    if (!rc && (status < 200 || status > 299)) {
        rc = refused(url, status, value, err);
        json_decref(value);
    }
    if (!rc) *ret = value;
    curl_slist_free_all(headers);
    curl_easy_cleanup(c);
    tn_buf_free(&answer);
    return rc;
}

int tn_http_get_json(const char *base, const char *path, const char *key, json_t **ret, tn_error *err) {
    char *url = NULL;
    size_t n = strlen(base);
    while (n && base[n - 1] == '/') n--;
    if (asprintf(&url, "%.*s%s", (int)n, base, path) < 0) return tn_fail(err, TN_ENOMEM, "out of memory");
    int rc = get(url, key, ret, err);
    free(url);
    return rc;
}
