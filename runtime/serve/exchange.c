/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/exchange.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "serve/vectors.h"

enum { MAX_ANSWER = 256 << 20 };

static void make_id(tn_exchange *x) {
    static const char *const names[] = {"cmpl", "chatcmpl", "embd", "rerank", "score"};
    snprintf(x->id, sizeof x->id, "%s-%016" PRIx64 "%08" PRIx32, names[x->route], tn_random_seed(),
             (uint32_t)tn_random_seed());
}

tn_exchange *tn_exchange_new(char *body, size_t len, tn_budget *budget, tn_api_route route, int fd) {
    tn_exchange *x = calloc(1, sizeof *x);
    if (!x || pthread_mutex_init(&x->lock, NULL) != 0) {
        tn_budget_give(budget, len);
        free(x);
        free(body);
        return NULL;
    }
    x->body = body;
    x->body_len = len;
    x->budget = budget;
    x->route = route;
    x->fd = fd;
    x->arrived_ns = tn_clock_ns();
    tn_buf_init(&x->out, MAX_ANSWER);
    make_id(x);
    return x;
}

static void free_choice(tn_choice *c) {
    tn_job_release(c->job);
    tn_detok_free(c->detok);
    tn_stop_fini(&c->stop);
    tn_buf_free(&c->text);
    free(c->kept);
}

void tn_exchange_drop_body(tn_exchange *x) {
    tn_budget_give(x->budget, x->body_len);
    free(x->body);
    x->body = NULL;
    x->body_len = 0;
}

void tn_exchange_drop_media(tn_exchange *x) {
    for (uint32_t i = 0; i < x->n_seen; i++) tn_seen_fini(&x->seen[i]);
    free(x->seen);
    x->seen = NULL;
    x->n_seen = 0;
}

void tn_exchange_free(tn_exchange *x) {
    if (!x) return;
    for (uint32_t i = 0; i < x->n_choice; i++) free_choice(&x->choices[i]);
    free(x->choices);
    tn_exchange_drop_media(x);
    tn_api_request_fini(&x->request);
    tn_buf_free(&x->out);
    tn_exchange_drop_body(x);
    tn_models_release(x->served);
    pthread_mutex_destroy(&x->lock);
    free(x);
}

tn_phase tn_exchange_phase(tn_exchange *x) {
    pthread_mutex_lock(&x->lock);
    tn_phase phase = x->phase;
    pthread_mutex_unlock(&x->lock);
    return phase;
}

bool tn_exchange_is_gone(tn_exchange *x) {
    pthread_mutex_lock(&x->lock);
    bool gone = x->gone;
    pthread_mutex_unlock(&x->lock);
    return gone;
}

void tn_exchange_leave(tn_exchange *x) {
    pthread_mutex_lock(&x->lock);
    x->fd = -1;
    pthread_mutex_unlock(&x->lock);
}

/* Called with the lock held. */
static void resume(tn_exchange *x) {
    if (!x->waiter.waiting) return;
    x->waiter.waiting = false;
    x->waiter.resume(x->waiter.connection);
}

static void cancel(tn_exchange *x) {
    for (uint32_t i = 0; i < x->n_choice; i++)
        if (x->choices[i].job) tn_job_cancel(x->choices[i].job);
}

bool tn_exchange_is_waiting(const tn_exchange *x) {
    for (uint32_t i = 0; i < x->n_choice; i++)
        if (tn_job_get_state(x->choices[i].job) != TN_JOB_WAITING) return false;
    return true;
}

/* Nobody reads the rest of the answer. Called with the lock held. */
static void cut(tn_exchange *x) {
    x->cut = true;
    x->phase = TN_EXCHANGE_DONE;
    x->sent = 0;
    tn_buf_free(&x->out);
    resume(x);
}

void tn_exchange_hang_up(tn_exchange *x) {
    pthread_mutex_lock(&x->lock);
    bool generating = x->phase == TN_EXCHANGE_GENERATING;
    x->gone = true;
    if (generating) cut(x);
    pthread_mutex_unlock(&x->lock);
    if (generating) cancel(x);
}

void tn_exchange_fail(tn_exchange *x, const tn_api_error *e) {
    cancel(x);
    pthread_mutex_lock(&x->lock);
    x->error = *e;
    if (x->streaming) {
        tn_api_event_error(e, &x->out);
        tn_api_event_done(&x->out);
    }
    x->phase = TN_EXCHANGE_DONE;
    resume(x);
    pthread_mutex_unlock(&x->lock);
}

int tn_exchange_init_choices(tn_exchange *x) {
    const tn_api_request *r = &x->request;
    for (uint32_t i = 0; i < x->n_choice; i++) {
        tn_choice *c = &x->choices[i];
        c->detok = tn_detok_new(x->served->model->tokenizer,
                                TN_DECODE_SKIP_SPECIAL | (r->chat ? 0 : TN_DECODE_CONTINUE));
        if (!c->detok) return TN_ENOMEM;
        tn_stop_init(&c->stop, r->stop, r->stop_len, r->n_stop, MAX_ANSWER);
        tn_buf_init(&c->text, MAX_ANSWER);
    }
    return 0;
}

void tn_exchange_begin(tn_exchange *x) {
    const tn_api_request *r = &x->request;
    x->head = (tn_api_head){.chat = r->chat,
                            .id = x->id,
                            .model = x->served->settings->name,
                            .created = tn_clock_unix_s(),
                            .include_usage = r->stream && r->include_usage};
    pthread_mutex_lock(&x->lock);
    x->phase = TN_EXCHANGE_GENERATING;
    pthread_mutex_unlock(&x->lock);
}

/* ---- Tokens to text
 * -------------------------------------------------------------------------------------------- */

static void keep_logprobs(tn_choice *c, uint32_t i) {
    if (c->n_kept == c->cap_kept) {
        uint32_t cap = c->cap_kept ? 2 * c->cap_kept : 16;
        tn_kept *grown = realloc(c->kept, cap * sizeof *grown);
        if (!grown) {
            c->text.status = TN_ENOMEM;
            return;
        }
        c->kept = grown;
        c->cap_kept = cap;
    }
    tn_kept *k = &c->kept[c->n_kept++];
    k->start = c->raw;
    tn_job_logprobs(c->job, i, &k->token);
}

static const char *reason(tn_job_state s) {
    return s == TN_JOB_STOPPED ? "stop" : s == TN_JOB_REPETITION ? "repetition" : "length";
}

/* Passes a piece of text on; true when it ends at a stop string. */
static bool take_piece(tn_choice *c, const tn_buf *piece) {
    if (piece->status) c->text.status = piece->status;
    c->raw += piece->len;
    return tn_stop_push(&c->stop, piece->data ? piece->data : "", piece->len, &c->text);
}

/* Turns the tokens that have come into text; sets finish at the end of the text. */
static void read_tokens(tn_exchange *x, tn_choice *c) {
    tn_job_state state = tn_job_get_state(c->job); /* before the count: a final state has all tokens */
    uint32_t n = tn_job_n_tokens(c->job);
    tn_buf piece;
    tn_buf_init(&piece, MAX_ANSWER);
    while (c->n_read < n && !c->finish) {
        tn_buf_clear(&piece);
        if (x->request.sampling.logprobs) keep_logprobs(c, c->n_read);
        tn_detok_push(c->detok, tn_job_token(c->job, c->n_read++), &piece);
        if (take_piece(c, &piece)) c->finish = "stop";
    }
    if (!c->finish && tn_job_is_final(state) && c->n_read == n) {
        tn_buf_clear(&piece);
        tn_detok_finish(c->detok, &piece);
        bool hit = take_piece(c, &piece) || tn_stop_finish(&c->stop, &c->text);
        c->finish = hit ? "stop" : reason(state);
    }
    tn_buf_free(&piece);
    if (c->finish) tn_job_cancel(c->job); /* a stop string: what comes after it is nobody's */
}

/* ---- Text to bytes
 * --------------------------------------------------------------------------------------------- */

/* Printable log probabilities of a choice's first n kept tokens; bytes lie in store. NULL when out of memory.
 */
static tn_api_logprob *printable(const tn_exchange *x, const tn_choice *c, uint32_t n, tn_buf *store) {
    const tn_tokenizer *t = x->served->model->tokenizer;
    tn_api_logprob *l = calloc((size_t)n + 1, sizeof *l);
    if (!l) return NULL;
    /* First the bytes with their lengths, then the pointers: the store moves while it grows. */
    for (uint32_t i = 0; i < n; i++) {
        const tn_token *k = &c->kept[i].token;
        size_t before = store->len;
        tn_tokenizer_token_bytes(t, k->id, store);
        l[i] = (tn_api_logprob){.len = store->len - before, .logprob = k->logprob, .n_top = k->n_top};
        for (uint32_t j = 0; j < k->n_top; j++) {
            before = store->len;
            tn_tokenizer_token_bytes(t, k->top[j].id, store);
            l[i].top[j].len = store->len - before;
            l[i].top[j].logprob = k->top[j].logprob;
        }
    }
    const char *at = store->data ? store->data : "";
    for (uint32_t i = 0; i < n; i++) {
        l[i].bytes = at;
        at += l[i].len;
        for (uint32_t j = 0; j < l[i].n_top; j++) {
            l[i].top[j].bytes = at;
            at += l[i].top[j].len;
        }
    }
    return l;
}

/* How many of the kept tokens may be told: those whose text has begun. One whose text is held back may yet
 * turn out to be part of a stop string, and then has no place in the answer. */
static uint32_t visible_tokens(const tn_choice *c) {
    uint32_t n = 0;
    if (c->finish && !c->stop.hit) return c->n_kept;
    while (n < c->n_kept && c->kept[n].start < c->given + c->text.len) n++;
    return n;
}

/* text_offset of the first kept token. */
static uint32_t first_offset(const tn_choice *c) {
    size_t ahead = c->n_kept && c->kept[0].start > c->given ? c->kept[0].start - c->given : 0;
    if (ahead > c->text.len) ahead = c->text.len;
    return c->offset + tn_api_characters(c->text.data ? c->text.data : "", ahead);
}

/* A choice as the API prints it; what it points to is freed by release_view. */
typedef struct choice_view {
    tn_api_choice api;
    tn_api_logprob *logprobs;
    tn_buf store;
} choice_view;

static void view_choice(const tn_exchange *x, const tn_choice *c, choice_view *v) {
    *v = (choice_view){.api = {.text = c->text.data ? c->text.data : "",
                               .len = c->text.len,
                               .finish = c->finish,
                               .first_offset = first_offset(c)}};
    tn_buf_init(&v->store, MAX_ANSWER);
    if (!x->request.sampling.logprobs) return;
    v->api.n_logprobs = visible_tokens(c);
    v->logprobs = printable(x, c, v->api.n_logprobs, &v->store);
    if (!v->logprobs) v->store.status = TN_ENOMEM;
    v->api.logprobs = v->logprobs;
}

/* A failure while it was made is one of what was written from it. */
static void release_view(choice_view *v, tn_buf *out) {
    if (v->store.status && !out->status) out->status = v->store.status;
    free(v->logprobs);
    tn_buf_free(&v->store);
}

static tn_api_usage usage_of(const tn_exchange *x) {
    tn_api_usage u = {.prompt_tokens = x->prompt_tokens};
    for (uint32_t i = 0; i < x->n_choice; i++) {
        u.completion_tokens += x->choices[i].n_read;
        if (i % x->request.n == 0) u.cached_tokens += tn_job_n_cached(x->choices[i].job); /* once a prompt */
    }
    return u;
}

/* Appends the event of what a choice has new. */
static void write_event(tn_exchange *x, uint32_t i, tn_buf *out) {
    tn_choice *c = &x->choices[i];
    choice_view v;
    if (c->text.len == 0 && !c->finish) return;
    view_choice(x, c, &v);
    tn_api_event_text(&x->head, i, &v.api, out);
    release_view(&v, out);
    c->offset += tn_api_characters(c->text.data ? c->text.data : "", c->text.len);
    c->given += c->text.len;
    c->n_kept -= v.api.n_logprobs;
    if (c->n_kept) memmove(c->kept, c->kept + v.api.n_logprobs, c->n_kept * sizeof *c->kept);
    tn_buf_clear(&c->text);
}

static void write_whole(const tn_exchange *x, tn_buf *out) {
    choice_view *views = calloc(x->n_choice, sizeof *views);
    tn_api_choice *choices = calloc(x->n_choice, sizeof *choices);
    tn_api_usage usage = usage_of(x);
    if (!views || !choices) {
        out->status = TN_ENOMEM;
    } else {
        for (uint32_t i = 0; i < x->n_choice; i++) {
            view_choice(x, &x->choices[i], &views[i]);
            choices[i] = views[i].api;
        }
        tn_api_response(&x->head, choices, x->n_choice, &usage, out);
        for (uint32_t i = 0; i < x->n_choice; i++) release_view(&views[i], out);
    }
    free(views);
    free(choices);
}

static void write_end(const tn_exchange *x, tn_buf *out) {
    tn_api_usage usage = usage_of(x);
    if (!x->request.stream) {
        write_whole(x, out);
        return;
    }
    if (x->request.include_usage) tn_api_event_usage(&x->head, &usage, out);
    tn_api_event_done(out);
}

/* Forgets what was sent, once it is most of what there is: a client that reads, if never all, costs no more
 * than what it leaves. Called with the lock held. */
static void compact(tn_exchange *x) {
    if (x->sent == 0 || x->sent < x->out.len / 2) return;
    x->out.len -= x->sent;
    memmove(x->out.data, x->out.data + x->sent, x->out.len);
    x->sent = 0;
}

/* Adds bytes to the answer; done: they are the last. A client that leaves too much unread loses what it has
 * not read, and its connection. */
static void deliver(tn_exchange *x, const tn_buf *bytes, bool done, size_t max_pending) {
    pthread_mutex_lock(&x->lock);
    compact(x);
    int rc = tn_buf_add(&x->out, bytes->data ? bytes->data : "", bytes->len);
    bool too_slow = rc || (x->streaming && max_pending && x->out.len - x->sent > max_pending);
    if (too_slow) {
        cut(x);
        if (x->fd >= 0) shutdown(x->fd, SHUT_RDWR); /* http sleeps until it can write */
    } else {
        if (done) x->phase = TN_EXCHANGE_DONE;
        if (done || x->streaming) resume(x);
    }
    pthread_mutex_unlock(&x->lock);
    if (too_slow) cancel(x);
}

/* The head of a stream goes out when its first job begins: what waits in vain can still be told so by a
 * status. */
static bool open_stream(tn_exchange *x, tn_buf *out) {
    if (!x->request.stream || tn_exchange_is_waiting(x)) return false;
    pthread_mutex_lock(&x->lock);
    bool opened = !x->streaming;
    x->streaming = true;
    pthread_mutex_unlock(&x->lock);
    for (uint32_t i = 0; opened && x->request.chat && i < x->n_choice; i++)
        tn_api_event_role(&x->head, i, out);
    return opened;
}

static const tn_choice *failed_choice(const tn_exchange *x) {
    for (uint32_t i = 0; i < x->n_choice; i++)
        if (tn_job_get_state(x->choices[i].job) == TN_JOB_FAILED) return &x->choices[i];
    return NULL;
}

static void fail_with(tn_exchange *x, int code, const char *text) {
    tn_api_error e;
    tn_api_fail_status(&e, code, NULL, text);
    tn_exchange_fail(x, &e);
}

/* Takes a choice's new tokens, writes them where the answer is a stream. 0, or what failed. */
static int advance(tn_exchange *x, uint32_t i, tn_buf *out) {
    tn_choice *c = &x->choices[i];
    if (c->finish) return 0;
    read_tokens(x, c);
    if (c->text.status) return c->text.status;
    if (x->request.stream) write_event(x, i, out);
    return out->status;
}

tn_api_usage tn_exchange_progress(const tn_exchange *x) {
    tn_api_usage u = {.prompt_tokens = x->prompt_tokens};
    for (uint32_t i = 0; i < x->n_choice; i++) {
        u.completion_tokens += tn_job_n_tokens(x->choices[i].job);
        u.cached_tokens += i % x->request.n == 0 ? tn_job_n_cached(x->choices[i].job) : 0;
    }
    return u;
}

tn_phase tn_exchange_end(tn_exchange *x) {
    pthread_mutex_lock(&x->lock);
    tn_phase phase = x->phase;
    x->cancelled = true;
    pthread_mutex_unlock(&x->lock);
    if (phase == TN_EXCHANGE_GENERATING) cancel(x);
    return phase;
}

static bool is_cancelled(tn_exchange *x) {
    pthread_mutex_lock(&x->lock);
    bool cancelled = x->cancelled;
    pthread_mutex_unlock(&x->lock);
    return cancelled;
}

/* The answer comes in one piece, when all texts are through the model. */
static void pump_vectors(tn_exchange *x, size_t max_pending) {
    tn_error err = {0};
    tn_buf bytes;
    if (tn_job_get_state(x->choices[0].job) != TN_JOB_STOPPED) return;
    const tn_api_usage usage = {.prompt_tokens = x->prompt_tokens};
    tn_buf_init(&bytes, MAX_ANSWER);
    int rc = tn_vectors_write(x->served->model, &x->head, &x->request, tn_job_rows(x->choices[0].job), &usage,
                              &bytes, &err);
    if (rc)
        fail_with(x, rc, err.text);
    else
        deliver(x, &bytes, true, max_pending);
    tn_buf_free(&bytes);
}

void tn_exchange_pump(tn_exchange *x, size_t max_pending) {
    tn_buf bytes;
    int rc = 0;
    bool done = true;
    const tn_choice *failed = failed_choice(x);
    if (is_cancelled(x)) {
        tn_api_error e;
        tn_api_fail(&e, 499, "request_cancelled", NULL, "the request was cancelled");
        tn_exchange_fail(x, &e);
        return;
    }
    if (failed) {
        if (tn_job_error(failed->job)->code == TN_EDEVICE) tn_models_renew(x->served);
        fail_with(x, tn_job_error(failed->job)->code, tn_job_error(failed->job)->text);
        return;
    }
    if (tn_api_wants_vectors(x->route)) {
        pump_vectors(x, max_pending);
        return;
    }
    tn_buf_init(&bytes, MAX_ANSWER);
    bool opened = open_stream(x, &bytes);
    for (uint32_t i = 0; !rc && i < x->n_choice; i++) {
        rc = advance(x, i, &bytes);
        done = done && x->choices[i].finish;
    }
    if (!rc && done) write_end(x, &bytes);
    if (!rc) rc = bytes.status;
    if (rc)
        fail_with(x, TN_ENOMEM, rc == TN_ELIMIT ? "the answer is too long for the server" : "out of memory");
    else if (opened || done || bytes.len)
        deliver(x, &bytes, done, max_pending);
    tn_buf_free(&bytes);
}
