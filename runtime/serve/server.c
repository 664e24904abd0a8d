/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <math.h>
#include <netdb.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "serve/status.h"

enum { CONNECTION_MEMORY = 64 << 10, STREAM_BLOCK = 16 << 10 };

struct tn_server {
    const tn_settings *settings;
    tn_dispatch *dispatch;
    struct MHD_Daemon *daemon;
    char url[300];
    atomic_bool draining;
    int64_t began_ns; /* monotonic */
};

/* What a connection's request is about; made at its first callback, freed when it is over. */
typedef struct upload {
    bool is_open;          /* goes to a generating route, and has not been answered at once */
    tn_api_route route;    /* which of them */
    uint64_t client;       /* whose key it has */
    tn_buf body;           /* its bytes are taken from the dispatcher's uploads */
    tn_api_error refusal;  /* status 0: none */
    size_t n_skipped;      /* bytes of a refused body */
    tn_exchange *exchange; /* once the body is complete */
} upload;

/* ---- Replies
 * --------------------------------------------------------------------------------------------------- */

static bool allows(const tn_string_list *origins, const char *origin) {
    for (size_t i = 0; i < origins->n; i++)
        if (strcmp(origins->item[i], "*") == 0 || strcmp(origins->item[i], origin) == 0) return true;
    return false;
}

/* Pages of allowed origins may send whatever headers they ask for: client libraries have many of their own.
 */
static void add_cors(const tn_server *s, struct MHD_Connection *c, struct MHD_Response *r) {
    const char *origin = MHD_lookup_connection_value(c, MHD_HEADER_KIND, "Origin");
    const char *headers = MHD_lookup_connection_value(c, MHD_HEADER_KIND, "Access-Control-Request-Headers");
    const tn_string_list *allowed = &s->settings->server.cors_origins;
    if (allowed->n) MHD_add_response_header(r, "Vary", "Origin");
    if (!origin || !allows(allowed, origin)) return;
    MHD_add_response_header(r, "Access-Control-Allow-Origin", origin);
    MHD_add_response_header(r, "Access-Control-Allow-Headers",
                            headers ? headers : "Authorization, Content-Type");
    MHD_add_response_header(r, "Access-Control-Allow-Methods", "GET, POST, DELETE, OPTIONS");
    MHD_add_response_header(r, "Access-Control-Expose-Headers", "Retry-After");
}

static enum MHD_Result send_response(const tn_server *s, struct MHD_Connection *c, unsigned status,
                                     struct MHD_Response *r) {
    if (!r) return MHD_NO;
    add_cors(s, c, r);
    enum MHD_Result ok = MHD_queue_response(c, status, r);
    MHD_destroy_response(r);
    return ok;
}

/* Takes the content of body. Answers that another time may be better say when. */
static enum MHD_Result send_body(const tn_server *s, struct MHD_Connection *c, unsigned status, tn_buf *body,
                                 const char *type, const char *header, const char *value) {
    size_t len;
    char *text = tn_buf_steal(body, &len);
    if (!text) return MHD_NO;
    struct MHD_Response *r = MHD_create_response_from_buffer(len, text, MHD_RESPMEM_MUST_FREE);
    if (r) MHD_add_response_header(r, "Content-Type", type);
    if (r && header) MHD_add_response_header(r, header, value);
    if (r && (status == 503 || status == 429)) MHD_add_response_header(r, "Retry-After", "1");
    if (!r) free(text);
    return send_response(s, c, status, r);
}

static enum MHD_Result send_json(const tn_server *s, struct MHD_Connection *c, unsigned status, tn_buf *body,
                                 const char *header, const char *value) {
    return send_body(s, c, status, body, "application/json", header, value);
}

static enum MHD_Result send_error(const tn_server *s, struct MHD_Connection *c, const tn_api_error *e,
                                  const char *header, const char *value) {
    tn_buf body;
    tn_buf_init(&body, 1 << 16);
    tn_api_error_body(e, &body);
    return send_json(s, c, e->status, &body, header, value);
}

static enum MHD_Result fail(const tn_server *s, struct MHD_Connection *c, unsigned status, const char *code,
                            const char *text) {
    tn_api_error e;
    tn_api_fail(&e, status, code, NULL, "%s", text);
    return send_error(s, c, &e, NULL, NULL);
}

/* ---- Generated answers
 * ----------------------------------------------------------------------------------------- */

static void resume_connection(void *connection) {
    MHD_resume_connection(connection);
}

/* Hands out what there is of a stream, or suspends the connection until there is more. */
static ssize_t read_stream(void *ctx, uint64_t pos, char *buf, size_t max) {
    tn_exchange *x = ctx;
    (void)pos;
    pthread_mutex_lock(&x->lock);
    size_t n = x->cut ? 0 : x->out.len - x->sent;
    if (n > max) n = max;
    ssize_t ret = (ssize_t)n;
    if (n) {
        memcpy(buf, x->out.data + x->sent, n);
        x->sent += n;
        if (x->sent == x->out.len) { /* keep the buffer as small as the client is quick */
            tn_buf_clear(&x->out);
            x->sent = 0;
        }
    } else if (x->cut) {
        ret = MHD_CONTENT_READER_END_WITH_ERROR;
    } else if (x->phase == TN_EXCHANGE_DONE) {
        ret = MHD_CONTENT_READER_END_OF_STREAM;
    } else {
        x->waiter.waiting = true;
        MHD_suspend_connection(x->waiter.connection);
    }
    pthread_mutex_unlock(&x->lock);
    return ret;
}

static enum MHD_Result send_stream(const tn_server *s, struct MHD_Connection *c, tn_exchange *x) {
    struct MHD_Response *r =
        MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, STREAM_BLOCK, read_stream, x, NULL);
    if (r) {
        MHD_add_response_header(r, "Content-Type", "text/event-stream");
        MHD_add_response_header(r, "Cache-Control", "no-cache");
        MHD_add_response_header(r, "X-Accel-Buffering", "no");
    }
    return send_response(s, c, MHD_HTTP_OK, r);
}

/* The connection has been resumed, or has never slept: answers when there is something to answer with. */
static enum MHD_Result answer(const tn_server *s, struct MHD_Connection *c, tn_exchange *x) {
    tn_buf body;
    pthread_mutex_lock(&x->lock);
    bool ready = x->phase == TN_EXCHANGE_DONE || x->streaming;
    bool streaming = x->streaming, cut = x->cut;
    unsigned status = x->error.status;
    if (!ready) {
        x->waiter.waiting = true;
        MHD_suspend_connection(c);
    } else if (!streaming) {
        body = x->out;
        tn_buf_init(&x->out, x->out.max);
    }
    pthread_mutex_unlock(&x->lock);
    if (!ready) return MHD_YES;
    if (streaming) return send_stream(s, c, x);
    if (status || cut) tn_buf_free(&body);
    if (status) return send_error(s, c, &x->error, NULL, NULL);
    if (cut) return MHD_NO; /* closes the connection: the client is gone */
    return send_json(s, c, MHD_HTTP_OK, &body, NULL, NULL);
}

static int socket_of(struct MHD_Connection *c) {
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(c, MHD_CONNECTION_INFO_CONNECTION_FD);
    return info ? info->connect_fd : -1;
}

static enum MHD_Result begin(tn_server *s, struct MHD_Connection *c, upload *u) {
    size_t len;
    if (u->refusal.status) return send_error(s, c, &u->refusal, NULL, NULL);
    if (atomic_load(&s->draining)) {
        tn_api_fail(&u->refusal, 503, "shutting_down", NULL, "the server is shutting down");
        return send_error(s, c, &u->refusal, "Connection", "close");
    }
    char *body = tn_buf_steal(&u->body, &len);
    if (!body) return MHD_NO;
    u->exchange = tn_exchange_new(body, len, tn_dispatch_uploads(s->dispatch), u->route, socket_of(c));
    if (!u->exchange) return MHD_NO;
    u->exchange->client = u->client;
    u->exchange->waiter = (tn_waiter){.resume = resume_connection, .connection = c};
    tn_dispatch_take(s->dispatch, u->exchange);
    return answer(s, c, u->exchange);
}

/* ---- Uploads ----------------------------------------------------------------------------------------- */

static void drop_upload(tn_server *s, upload *u) {
    tn_budget_give(tn_dispatch_uploads(s->dispatch), u->body.len);
    tn_buf_free(&u->body);
}

static void refuse_length(const tn_server *s, upload *u) {
    tn_api_fail(&u->refusal, 413, "request_too_large", NULL, "the request has more than %llu bytes",
                (unsigned long long)s->settings->server.max_body_bytes);
}

static void refuse_for_now(tn_server *s, upload *u, unsigned long long len) {
    tn_budget *b = tn_dispatch_uploads(s->dispatch);
    tn_api_fail(
        &u->refusal, 503, "uploads_full", NULL,
        "requests of %llu bytes together are on their way in, with %llu more there would be more than "
        "%llu (server.max_upload_bytes): try again later",
        (unsigned long long)tn_budget_used(b), len, (unsigned long long)b->limit);
}

/* What the announced length says already. */
static void check_length(tn_server *s, struct MHD_Connection *c, upload *u) {
    const char *text = MHD_lookup_connection_value(c, MHD_HEADER_KIND, "Content-Length");
    tn_budget *b = tn_dispatch_uploads(s->dispatch);
    unsigned long long len = text ? strtoull(text, NULL, 10) : 0;
    if (len > s->settings->server.max_body_bytes)
        refuse_length(s, u);
    else if (len > tn_budget_left(b))
        refuse_for_now(s, u, len);
}

/* Takes a piece of a body. The rest of one that is refused on the way is read over, as an answer can only
 * follow the whole request; one that does not end then is cut off. */
static enum MHD_Result take_piece(tn_server *s, upload *u, const char *data, size_t len) {
    tn_budget *b = tn_dispatch_uploads(s->dispatch);
    if (!u->refusal.status) {
        if (len > u->body.max - u->body.len)
            refuse_length(s, u);
        else if (!tn_budget_take(b, len))
            refuse_for_now(s, u, len);
        else if (tn_buf_add(&u->body, data, len) == 0)
            return MHD_YES;
        else {
            tn_budget_give(b, len);
            tn_api_fail(&u->refusal, 503, NULL, NULL, "out of memory for the request");
        }
        drop_upload(s, u);
    }
    u->n_skipped += len;
    return u->n_skipped <= s->settings->server.max_body_bytes ? MHD_YES : MHD_NO;
}

/* ---- Other routes
 * ---------------------------------------------------------------------------------------------- */

/* Whether this process should get requests: 503 says that it should not, or that it had better be restarted.
 */
static enum MHD_Result send_health(const tn_server *s, struct MHD_Connection *c) {
    tn_buf body;
    double stalled = tn_dispatch_stalled(s->dispatch);
    bool draining = atomic_load(&s->draining), well = stalled <= 0 && !draining;
    tn_buf_init(&body, 1 << 12);
    tn_buf_addf(&body, "{\"status\":\"%s\",", stalled > 0 ? "stalled" : draining ? "draining" : "ok");
    if (stalled > 0) tn_buf_addf(&body, "\"seconds\":%.0f,", stalled);
    tn_buf_addf(&body, "\"requests\":%u}", tn_dispatch_n_jobs(s->dispatch));
    return send_json(s, c, well ? MHD_HTTP_OK : MHD_HTTP_SERVICE_UNAVAILABLE, &body, NULL, NULL);
}

static enum MHD_Result send_models(const tn_server *s, struct MHD_Connection *c) {
    tn_models *models = tn_dispatch_models(s->dispatch);
    uint32_t n = (uint32_t)s->settings->n_models;
    tn_api_model *list = calloc(n, sizeof *list);
    tn_buf body;
    tn_buf_init(&body, 1 << 24);
    for (uint32_t i = 0; list && i < n; i++) list[i] = tn_models_info(models, i);
    if (list)
        tn_api_models_body(list, n, &body);
    else
        body.status = TN_ENOMEM;
    free(list);
    return send_json(s, c, MHD_HTTP_OK, &body, NULL, NULL);
}

static enum MHD_Result send_model(const tn_server *s, struct MHD_Connection *c, const char *name) {
    tn_models *models = tn_dispatch_models(s->dispatch);
    int i = tn_models_find(models, name);
    tn_buf body;
    if (i < 0) return fail(s, c, 404, "model_not_found", "there is no such model; GET /v1/models lists them");
    tn_api_model info = tn_models_info(models, (uint32_t)i);
    tn_buf_init(&body, 1 << 16);
    tn_api_model_body(&info, &body);
    return send_json(s, c, MHD_HTTP_OK, &body, NULL, NULL);
}

/* Takes the reference. */
static enum MHD_Result send_value(const tn_server *s, struct MHD_Connection *c, unsigned status,
                                  json_t *value) {
    tn_buf body;
    char *text = value ? json_dumps(value, JSON_COMPACT | JSON_REAL_PRECISION(9)) : NULL;
    tn_buf_init(&body, 64 << 20);
    if (text)
        tn_buf_adds(&body, text);
    else
        body.status = TN_ENOMEM;
    free(text);
    json_decref(value);
    return send_json(s, c, status, &body, NULL, NULL);
}

static const char *state_of(const tn_server *s) {
    if (tn_dispatch_stalled(s->dispatch) > 0) return "stalled";
    return atomic_load(&s->draining) ? "draining" : "ok";
}

static enum MHD_Result clear_cache(const tn_server *s, struct MHD_Connection *c) {
    tn_dispatch_clear_cache(s->dispatch);
    return send_value(s, c, MHD_HTTP_ACCEPTED, json_pack("{s:s,s:b}", "object", "cache", "clearing", 1));
}

static enum MHD_Result cancel_request(const tn_server *s, struct MHD_Connection *c, const char *id) {
    if (!tn_dispatch_cancel(s->dispatch, id))
        return fail(s, c, 404, "request_not_found", "no such request goes on; GET /v1/status lists them");
    return send_value(s, c, MHD_HTTP_OK,
                      json_pack("{s:s,s:s,s:b}", "object", "request", "id", id, "cancelled", 1));
}

static enum MHD_Result send_metrics(const tn_server *s, struct MHD_Connection *c) {
    tn_buf body;
    tn_buf_init(&body, 64 << 20);
    tn_status_metrics(s->dispatch, s->settings, s->began_ns, &body);
    return send_body(s, c, MHD_HTTP_OK, &body, "text/plain; version=0.0.4; charset=utf-8", NULL, NULL);
}

/* ---- Routing
 * --------------------------------------------------------------------------------------------------- */

typedef enum route {
    ROUTE_NONE,
    ROUTE_HEALTH,
    ROUTE_MODELS,
    ROUTE_MODEL,
    ROUTE_CHAT,
    ROUTE_COMPLETIONS,
    ROUTE_EMBEDDINGS,
    ROUTE_RERANK,
    ROUTE_SCORE,
    ROUTE_STATUS,
    ROUTE_CACHE,
    ROUTE_METRICS,
    ROUTE_REQUEST
} route;

static const char models_prefix[] = "/v1/models/", requests_prefix[] = "/v1/requests/";

static route find_route(const char *url) {
    static const struct {
        const char *path;
        route route;
    } routes[] = {{"/health", ROUTE_HEALTH},
                  {"/v1/models", ROUTE_MODELS},
                  {"/v1/status", ROUTE_STATUS},
                  {"/v1/cache", ROUTE_CACHE},
                  {"/metrics", ROUTE_METRICS},
                  {"/v1/chat/completions", ROUTE_CHAT},
                  {"/v1/completions", ROUTE_COMPLETIONS},
                  {"/v1/embeddings", ROUTE_EMBEDDINGS},
                  {"/v1/rerank", ROUTE_RERANK},
                  {"/v1/score", ROUTE_SCORE}};
    for (size_t i = 0; i < sizeof routes / sizeof *routes; i++)
        if (strcmp(url, routes[i].path) == 0) return routes[i].route;
    if (strncmp(url, requests_prefix, strlen(requests_prefix)) == 0) return ROUTE_REQUEST;
    return strncmp(url, models_prefix, strlen(models_prefix)) == 0 ? ROUTE_MODEL : ROUTE_NONE;
}

/* Compares without telling by its duration how much of a key was right. */
static bool same_key(const char *given, const char *key) {
    size_t n = strlen(given), m = strlen(key);
    unsigned differ = n != m;
    for (size_t i = 0; i < n; i++) differ |= (unsigned char)given[i] ^ (unsigned char)(m ? key[i % m] : 0);
    return differ == 0;
}

/* Which of the keys a request has, from 1; 0 where none is needed, -1 without a right one. */
static int key_of(const tn_server *s, struct MHD_Connection *c) {
    const tn_string_list *keys = &s->settings->server.api_keys;
    const char *bearer = MHD_lookup_connection_value(c, MHD_HEADER_KIND, "Authorization");
    const char *given = bearer && strncasecmp(bearer, "Bearer ", 7) == 0 ? bearer + 7 : NULL;
    int found = keys->n == 0 ? 0 : -1;
    for (size_t i = 0; given && i < keys->n; i++) found = same_key(given, keys->item[i]) ? (int)i + 1 : found;
    return found;
}

/* Routes whose answers the model has to compute. */
static bool is_computed(route r) {
    return r >= ROUTE_CHAT && r <= ROUTE_SCORE;
}

static tn_api_route api_route_of(route r) {
    switch (r) {
    case ROUTE_CHAT: return TN_API_CHAT;
    case ROUTE_EMBEDDINGS: return TN_API_EMBEDDINGS;
    case ROUTE_RERANK: return TN_API_RERANK;
    case ROUTE_SCORE: return TN_API_SCORE;
    default: return TN_API_COMPLETION;
    }
}

/* The methods that a route takes, as Allow says them. */
static const char *methods_of(route r) {
    if (is_computed(r)) return "POST";
    if (r == ROUTE_CACHE) return "GET, HEAD, DELETE";
    return r == ROUTE_REQUEST ? "DELETE" : "GET, HEAD";
}

static bool takes(route r, const char *method) {
    size_t n = strlen(method);
    for (const char *at = methods_of(r); at; at = strchr(at, ' ')) {
        at += *at == ' ';
        if (strncmp(at, method, n) == 0 && (at[n] == ',' || at[n] == 0)) return true;
    }
    return false;
}

static enum MHD_Result answer_route(const tn_server *s, struct MHD_Connection *c, const char *url,
                                    const char *method, route r) {
    switch (r) {
    case ROUTE_MODELS: return send_models(s, c);
    case ROUTE_MODEL: return send_model(s, c, url + strlen(models_prefix));
    case ROUTE_STATUS:
        return send_value(s, c, MHD_HTTP_OK,
                          tn_status_server(s->dispatch, s->settings, state_of(s), s->began_ns));
    case ROUTE_METRICS: return send_metrics(s, c);
    case ROUTE_CACHE:
        if (strcmp(method, "DELETE") == 0) return clear_cache(s, c);
        return send_value(s, c, MHD_HTTP_OK, tn_status_cache(s->dispatch, s->settings));
    case ROUTE_REQUEST: return cancel_request(s, c, url + strlen(requests_prefix));
    default: return MHD_NO;
    }
}

/* Routes and methods that can be answered without a body; MHD_NO with *ret_post set: a body is to come, and
 * *ret_key says whose it is. */
static enum MHD_Result answer_at_once(tn_server *s, struct MHD_Connection *c, const char *url,
                                      const char *method, route r, bool *ret_post, int *ret_key) {
    tn_api_error e;
    if (strcmp(method, "OPTIONS") == 0)
        return send_response(s, c, MHD_HTTP_NO_CONTENT,
                             MHD_create_response_from_buffer(0, (void *)"", MHD_RESPMEM_PERSISTENT));
    if (r == ROUTE_NONE) return fail(s, c, 404, "not_found", "there is nothing at this address");
    if (!takes(r, method)) {
        tn_api_fail(&e, 405, "method_not_allowed", NULL, "%s takes %s", url, methods_of(r));
        return send_error(s, c, &e, "Allow", methods_of(r));
    }
    if (r == ROUTE_HEALTH) return send_health(s, c);
    *ret_key = key_of(s, c);
    if (*ret_key < 0) {
        tn_api_fail(&e, 401, "invalid_api_key", NULL, "an API key is needed: Authorization: Bearer KEY");
        return send_error(s, c, &e, "WWW-Authenticate", "Bearer");
    }
    *ret_post = is_computed(r);
    return *ret_post ? MHD_NO : answer_route(s, c, url, method, r);
}

/* Answers, or takes what is to be generated from: its body follows, or there is none. */
static enum MHD_Result open_request(tn_server *s, struct MHD_Connection *c, const char *url,
                                    const char *method, bool has_body, upload *u) {
    route r = find_route(url);
    bool post = false;
    int key = 0;
    enum MHD_Result result = answer_at_once(s, c, url, method, r, &post, &key);
    if (!post) return result;
    u->client = (uint64_t)key;
    u->is_open = true;
    u->route = api_route_of(r);
    tn_buf_init(&u->body, (size_t)s->settings->server.max_body_bytes);
    check_length(s, c, u);
    return u->refusal.status || !has_body ? begin(s, c, u) : MHD_YES;
}

static bool has_body(struct MHD_Connection *c) {
    const char *length = MHD_lookup_connection_value(c, MHD_HEADER_KIND, "Content-Length");
    return (length && strtoull(length, NULL, 10)) ||
           MHD_lookup_connection_value(c, MHD_HEADER_KIND, "Transfer-Encoding");
}

/* libmicrohttpd asks epoll for edges and takes a read that was not full for the last one: an end that came
 * together with data it would see only when the connection idles out, and half a request would stay that
 * long. Where the end is next, this makes another edge. */
static void notice_end(struct MHD_Connection *c) {
    char byte;
    int fd = socket_of(c);
    if (fd >= 0 && recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0) shutdown(fd, SHUT_RD);
}

/* Called when the first line of a request has been read. */
static void *see_first_line(void *ctx, const char *url, struct MHD_Connection *c) {
    (void)ctx;
    (void)url;
    notice_end(c);
    return NULL;
}

/* What is refused or needs no body is answered before the body comes, which ends the connection. Where there
 * is none, libmicrohttpd keeps the connection only for an answer that waits for the next call. */
static enum MHD_Result first_call(tn_server *s, struct MHD_Connection *c, const char *url, const char *method,
                                  upload **ret) {
    *ret = calloc(1, sizeof **ret);
    if (!*ret) return MHD_NO;
    notice_end(c);
    return has_body(c) ? open_request(s, c, url, method, true, *ret) : MHD_YES;
}

/* Called for the headers, for each piece of a body, at its end, and again after a resumption. */
static enum MHD_Result handle(void *ctx, struct MHD_Connection *c, const char *url, const char *method,
                              const char *version, const char *data, size_t *size, void **request) {
    tn_server *s = ctx;
    upload *u = *request;
    (void)version;
    if (!u) return first_call(s, c, url, method, (upload **)request);
    if (u->exchange) return answer(s, c, u->exchange);
    if (!u->is_open) return *size ? MHD_NO : open_request(s, c, url, method, false, u);
    if (*size == 0) return begin(s, c, u);
    size_t len = *size;
    *size = 0;
    notice_end(c);
    return take_piece(s, u, data, len);
}

static void completed(void *ctx, struct MHD_Connection *c, void **request,
                      enum MHD_RequestTerminationCode code) {
    tn_server *s = ctx;
    upload *u = *request;
    (void)c;
    (void)code;
    if (!u) return;
    if (u->exchange) tn_dispatch_close(s->dispatch, u->exchange);
    drop_upload(s, u);
    free(u);
    *request = NULL;
}

/* ---- Life
 * ------------------------------------------------------------------------------------------------------ */

static void log_http(void *ctx, const char *fmt, va_list args) TN_PRINTF(2, 0);
static void log_http(void *ctx, const char *fmt, va_list args) {
    char text[512];
    (void)ctx;
    vsnprintf(text, sizeof text, fmt, args);
    text[strcspn(text, "\r\n")] = 0;
    tn_log(TN_LOG_DEBUG, "http", "%s", text);
}

static int resolve(const tn_listen *l, struct addrinfo **ret, tn_error *err) {
    char port[8];
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    snprintf(port, sizeof port, "%u", l->port);
    int rc = getaddrinfo(l->host, port, &hints, ret);
    return rc ? tn_fail(err, TN_EINVAL, "server.listen: %s: %s", l->host, gai_strerror(rc)) : 0;
}

/* Thousands of connections need epoll; poll has no bound on the numbers of sockets either, select has. */
static unsigned polling(void) {
    if (MHD_is_feature_supported(MHD_FEATURE_EPOLL) == MHD_YES) return MHD_USE_EPOLL_INTERNAL_THREAD;
    if (MHD_is_feature_supported(MHD_FEATURE_POLL) == MHD_YES) return MHD_USE_POLL_INTERNAL_THREAD;
    return MHD_USE_INTERNAL_POLLING_THREAD;
}

/* Lets the process open a descriptor for every connection, where it may. */
static void raise_descriptors(const tn_settings *t) {
    enum { OTHERS = 64 };
    struct rlimit l;
    rlim_t want = (rlim_t)t->server.max_connections + OTHERS;
    if (getrlimit(RLIMIT_NOFILE, &l) != 0 || l.rlim_cur >= want) return;
    l.rlim_cur = l.rlim_max < want ? l.rlim_max : want;
    if (setrlimit(RLIMIT_NOFILE, &l) != 0 || l.rlim_cur < want)
        tn_log(
            TN_LOG_WARN, "serve",
            "server.max_connections is %llu, but the process may open %llu files only (ulimit -n): further "
            "connections will wait",
            (unsigned long long)t->server.max_connections, (unsigned long long)l.rlim_cur);
}

static int start_daemon(tn_server *s, const struct addrinfo *a, tn_error *err) {
    const tn_server_settings *t = &s->settings->server;
    unsigned flags = polling() | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG;
    if (a->ai_family == AF_INET6) flags |= MHD_USE_DUAL_STACK; /* [::] is every address */
    errno = 0;
    s->daemon = MHD_start_daemon(
        flags, 0, NULL, NULL, handle, s, MHD_OPTION_EXTERNAL_LOGGER, log_http, NULL, MHD_OPTION_SOCK_ADDR,
        a->ai_addr, MHD_OPTION_NOTIFY_COMPLETED, completed, s, MHD_OPTION_URI_LOG_CALLBACK, see_first_line,
        NULL, MHD_OPTION_CONNECTION_LIMIT, (unsigned)t->max_connections, MHD_OPTION_CONNECTION_TIMEOUT,
        (unsigned)ceil(t->idle_timeout_s), MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_MEMORY,
        MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_END);
    if (s->daemon) return 0;
    return tn_fail(err, TN_EIO, "cannot listen on %s port %u: %s", t->listen.host, t->listen.port,
                   errno ? strerror(errno) : "the address is in use or not this machine's");
}

int tn_server_new(const tn_settings *settings, tn_dispatch *dispatch, tn_server **ret, tn_error *err) {
    struct addrinfo *addresses = NULL;
    tn_server *s = calloc(1, sizeof *s);
    if (!s) return tn_fail(err, TN_ENOMEM, "out of memory");
    s->settings = settings;
    s->dispatch = dispatch;
    s->began_ns = tn_clock_ns();
    raise_descriptors(settings);
    int rc = resolve(&settings->server.listen, &addresses, err);
    for (const struct addrinfo *a = addresses; a && !s->daemon; a = a->ai_next) rc = start_daemon(s, a, err);
    if (addresses) freeaddrinfo(addresses);
    if (rc) {
        free(s);
        return rc;
    }
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(s->daemon, MHD_DAEMON_INFO_BIND_PORT);
    snprintf(s->url, sizeof s->url, settings->server.listen.is_ipv6 ? "http://[%s]:%u" : "http://%s:%u",
             settings->server.listen.host, info ? info->port : settings->server.listen.port);
    *ret = s;
    return 0;
}

const char *tn_server_url(const tn_server *s) {
    return s->url;
}

/* The last answers leave, as far as their clients take them. */
static void let_answers_leave(tn_server *s) {
    struct timespec moment = {.tv_nsec = 10000000};
    for (int i = 0; i < 100 && tn_dispatch_n_open(s->dispatch); i++) nanosleep(&moment, NULL);
}

void tn_server_drain(tn_server *s) {
    atomic_store(&s->draining, true);
}

void tn_server_free(tn_server *s) {
    if (!s) return;
    MHD_socket listening = MHD_quiesce_daemon(s->daemon);
    tn_dispatch_drain(s->dispatch);
    let_answers_leave(s);
    MHD_stop_daemon(s->daemon);
    if (listening != MHD_INVALID_SOCKET) close(listening);
    free(s);
}
