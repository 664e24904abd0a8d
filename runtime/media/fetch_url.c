/* SPDX-License-Identifier: Apache-2.0 */
/* Redirects are followed here rather than by libcurl, so that each hop's URL is looked at by the same code as
 * the first one. */
#include "media/fetch_url.h"

#include <curl/curl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/status.h"
#include "media/address.h"

enum { MAX_HEADER_BYTES = 256 << 10, POLL_MS = 100, SHOWN = 120 };

typedef struct fetching {
    const tn_fetch_limits *limits;
    CURL *curl;
    CURLM *multi;
    int64_t deadline_ns; /* 0: none */
    char *url;           /* of this hop */
    CURLU *parsed;       /* the same; what is looked at is what libcurl goes by */
    char *host;          /* in it; libcurl's (curl_free) */
    uint64_t header_bytes, dropped_bytes;
    uint64_t announced; /* Content-Length, where it was too much */
    bool refused;       /* an address */
    tn_buf body;
} fetching;

/* ---- What libcurl asks while it runs ---- */

static bool may_connect(const fetching *f, const struct sockaddr *address) {
    if (tn_address_is_public(address)) return true;
    for (size_t i = 0; i < f->limits->n_allow_private; i++)
        if (tn_address_rule_permits(f->limits->allow_private[i], f->host, address)) return true;
    return false;
}

static curl_socket_t open_socket(void *ctx, curlsocktype purpose, struct curl_sockaddr *to) {
    fetching *f = ctx;
    char text[TN_ADDRESS_TEXT];
    if (purpose == CURLSOCKTYPE_IPCXN && may_connect(f, &to->addr))
        return socket(to->family, to->socktype, to->protocol);
    f->refused = true;
    tn_address_print(&to->addr,
                     text); /* for the operator only: what names mean here is nobody else's business */
    tn_log(TN_LOG_INFO, "media", "%.*s: %s is not public, and media.allow_private does not permit it", SHOWN,
           f->url, text);
    return CURL_SOCKET_BAD;
}

static size_t take_header(char *data, size_t size, size_t n, void *ctx) {
    fetching *f = ctx;
    (void)data;
    f->header_bytes += size * n;
    return f->header_bytes <= MAX_HEADER_BYTES ? size * n : 0;
}

/* What comes with a redirect or a failure is read and dropped. */
static size_t take_body(char *data, size_t size, size_t n, void *ctx) {
    fetching *f = ctx;
    long status = 0;
    curl_off_t announced = -1;
    n *= size;
    curl_easy_getinfo(f->curl, CURLINFO_RESPONSE_CODE, &status);
    if (status < 200 || status > 299) {
        f->dropped_bytes += n;
        return f->dropped_bytes <= f->limits->max_bytes ? n : 0;
    }
    curl_easy_getinfo(f->curl, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &announced);
    if (announced > 0 && (uint64_t)announced > f->limits->max_bytes) {
        f->announced = (uint64_t)announced;
        return 0;
    }
    return tn_buf_add(&f->body, data, n) == 0 ? n : 0;
}

/* ---- One hop ---- */

static int no_memory(tn_error *err) {
    return tn_fail(err, TN_ENOMEM, "out of memory");
}

/* Whether the URL has that part. */
static bool has(const fetching *f, CURLUPart part) {
    char *text = NULL;
    curl_url_get(f->parsed, part, &text, 0);
    curl_free(text);
    return text != NULL;
}

static bool is_web(const fetching *f) {
    char *scheme = NULL;
    curl_url_get(f->parsed, CURLUPART_SCHEME, &scheme, 0);
    bool web = scheme && (strcmp(scheme, "http") == 0 || strcmp(scheme, "https") == 0);
    curl_free(scheme);
    return web;
}

/* Looks at f->url and finds its host. */
static int check_url(fetching *f, tn_error *err) {
    CURLUcode code = curl_url_set(f->parsed, CURLUPART_URL, f->url, CURLU_NON_SUPPORT_SCHEME);
    if (code == CURLUE_OUT_OF_MEMORY) return no_memory(err);
    if (code)
        return tn_fail(err, TN_EINVAL, "%.*s: this is not a URL: %s", SHOWN, f->url, curl_url_strerror(code));
    if (!is_web(f)) return tn_fail(err, TN_ENOTSUP, "%.*s: only http and https are fetched", SHOWN, f->url);
    if (has(f, CURLUPART_USER) || has(f, CURLUPART_PASSWORD))
        return tn_fail(err, TN_EINVAL, "a URL with a user's name or password is not fetched");
    curl_free(f->host);
    f->host = NULL;
    curl_url_get(f->parsed, CURLUPART_HOST, &f->host, 0);
    return f->host ? 0 : tn_fail(err, TN_EINVAL, "%.*s: there is no host in this URL", SHOWN, f->url);
}

/* Milliseconds until the deadline, at least 1; 0: there is none. */
static long time_left_ms(const fetching *f) {
    if (!f->deadline_ns) return 0;
    int64_t left = (f->deadline_ns - tn_clock_ns()) / 1000000;
    return left > 0 ? (long)left : 1;
}

static void set_options(fetching *f, char *text) {
    CURL *c = f->curl;
    curl_easy_reset(c);
    curl_easy_setopt(c, CURLOPT_CURLU, f->parsed);
    curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(c, CURLOPT_PROXY, ""); /* nor those of the environment */
    curl_easy_setopt(c, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    curl_easy_setopt(c, CURLOPT_USERAGENT, "tenon");
    curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
#if LIBCURL_VERSION_NUM >= 0x075700
    curl_easy_setopt(c, CURLOPT_QUICK_EXIT, 1L); /* a slow name server holds nobody up */
#endif
    curl_easy_setopt(c, CURLOPT_FRESH_CONNECT, 1L);
    curl_easy_setopt(c, CURLOPT_FORBID_REUSE, 1L);
    curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, time_left_ms(f));
    if (f->deadline_ns) curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS, time_left_ms(f));
    curl_easy_setopt(c, CURLOPT_ERRORBUFFER, text);
    curl_easy_setopt(c, CURLOPT_OPENSOCKETFUNCTION, open_socket);
    curl_easy_setopt(c, CURLOPT_OPENSOCKETDATA, f);
    curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, take_header);
    curl_easy_setopt(c, CURLOPT_HEADERDATA, f);
    curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, take_body);
    curl_easy_setopt(c, CURLOPT_WRITEDATA, f);
}

/* Runs the transfer until it ends or is cancelled: TN_ECANCELED. */
static int run(fetching *f, CURLcode *ret) {
    int running = 1, left;
    while (running) {
        if (f->limits->cancelled && f->limits->cancelled(f->limits->ctx)) return TN_ECANCELED;
        if (curl_multi_perform(f->multi, &running) != CURLM_OK) return TN_ENOMEM;
        if (running) curl_multi_poll(f->multi, NULL, 0, POLL_MS, NULL);
    }
    *ret = CURLE_OK;
    for (CURLMsg *m; (m = curl_multi_info_read(f->multi, &left));)
        if (m->msg == CURLMSG_DONE) *ret = m->data.result;
    return 0;
}

static int fail_size(const fetching *f, uint64_t size, tn_error *err) {
    char value[64] = "more bytes than the limit,";
    if (size) snprintf(value, sizeof value, "%llu bytes, the limit is", (unsigned long long)size);
    return tn_fail(err, TN_ELIMIT, "%.*s: %s %llu (media.max_bytes)", SHOWN, f->url, value,
                   (unsigned long long)f->limits->max_bytes);
}

/* Why a transfer failed. What libcurl says of it is about the other side. */
static int explain(const fetching *f, CURLcode code, const char *text, tn_error *err) {
    if (f->body.status == TN_ENOMEM || code == CURLE_OUT_OF_MEMORY) return no_memory(err);
    if (f->refused)
        return tn_fail(
            err, TN_EINVAL,
            "%.*s: %s leads to an address that is not of the public internet, and media.allow_private does not "
            "permit it",
            SHOWN, f->url, f->host);
    if (f->announced) return fail_size(f, f->announced, err);
    if (f->body.status == TN_ELIMIT || f->dropped_bytes > f->limits->max_bytes) return fail_size(f, 0, err);
    if (f->header_bytes > MAX_HEADER_BYTES)
        return tn_fail(err, TN_ELIMIT, "%.*s: more than %d bytes of headers", SHOWN, f->url,
                       MAX_HEADER_BYTES);
    if (code == CURLE_OPERATION_TIMEDOUT)
        return tn_fail(err, TN_ELIMIT, "%.*s: it took longer than %g s (media.fetch_timeout)", SHOWN, f->url,
                       f->limits->timeout_s);
    return tn_fail(err, TN_EINVAL, "%.*s: %s", SHOWN, f->url, text[0] ? text : curl_easy_strerror(code));
}

static int transfer(fetching *f, tn_error *err) {
    char text[CURL_ERROR_SIZE] = "";
    CURLcode code = CURLE_OK;
    f->refused = false;
    f->header_bytes = 0;
    set_options(f, text);
    if (curl_multi_add_handle(f->multi, f->curl) != CURLM_OK) return no_memory(err);
    int rc = run(f, &code);
    curl_multi_remove_handle(f->multi, f->curl);
    if (rc == TN_ECANCELED) return tn_fail(err, rc, "%.*s: cancelled", SHOWN, f->url);
    if (rc) return no_memory(err);
    return code == CURLE_OK ? 0 : explain(f, code, text, err);
}

/* ---- All hops ---- */

/* Where a redirect leads, into f->url; *ret_more false: this was the end. */
static int follow(fetching *f, bool *ret_more, tn_error *err) {
    long status = 0;
    char *next = NULL;
    curl_easy_getinfo(f->curl, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(f->curl, CURLINFO_REDIRECT_URL, &next);
    *ret_more = next != NULL;
    if (status >= 200 && status <= 299) {
        *ret_more = false;
        return 0;
    }
    if (!next) return tn_fail(err, TN_EINVAL, "%.*s: it answered with status %ld", SHOWN, f->url, status);
    char *copy = strdup(next);
    if (!copy) return no_memory(err);
    free(f->url);
    f->url = copy;
    return 0;
}

static int fetch(fetching *f, tn_error *err) {
    bool more = true;
    for (int hops = 0; more; hops++) {
        if (hops > TN_FETCH_REDIRECTS)
            return tn_fail(err, TN_ELIMIT, "%.*s: more than %d redirects", SHOWN, f->url, TN_FETCH_REDIRECTS);
        int rc = check_url(f, err);
        if (!rc) rc = transfer(f, err);
        if (!rc) rc = follow(f, &more, err);
        if (rc) return hops ? tn_error_prefix(err, rc, "redirected") : rc;
    }
    return 0;
}

static void init_curl(void) {
    curl_global_init(CURL_GLOBAL_DEFAULT);
}

int tn_fetch_url(const tn_fetch_limits *l, const char *url, tn_fetched *ret, tn_error *err) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, init_curl);
    fetching f = {.limits = l,
                  .curl = curl_easy_init(),
                  .multi = curl_multi_init(),
                  .url = strdup(url),
                  .parsed = curl_url()};
    if (l->timeout_s > 0) f.deadline_ns = tn_clock_ns() + (int64_t)(l->timeout_s * 1e9);
    tn_buf_init(&f.body, (size_t)l->max_bytes);
    int rc = f.curl && f.multi && f.url && f.parsed ? fetch(&f, err) : no_memory(err);
    if (!rc) ret->bytes = (uint8_t *)tn_buf_steal(&f.body, &ret->len);
    if (!rc && !ret->bytes) rc = no_memory(err);
    tn_buf_free(&f.body);
    curl_free(f.host);
    free(f.url);
    curl_easy_cleanup(f.curl);
    curl_multi_cleanup(f.multi);
    curl_url_cleanup(f.parsed);
    return rc;
}
