/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/exchange.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/clock.h"

enum { MAX_ANSWER = 256 << 20 };

static void make_id(tn_exchange *x) {
    uint8_t random[12] = {0};
    if (getrandom(random, sizeof random, GRND_NONBLOCK) < 0)
        memcpy(random, &x->arrived_ns, sizeof x->arrived_ns);
    int n = snprintf(x->id, sizeof x->id, x->chat ? "chatcmpl-" : "cmpl-");
    for (size_t i = 0; i < sizeof random; i++)
        n += snprintf(x->id + n, sizeof x->id - (size_t)n, "%02x", random[i]);
}

tn_exchange *tn_exchange_new(char *body, size_t len, bool chat, int fd) {
    tn_exchange *x = calloc(1, sizeof *x);
    if (!x || pthread_mutex_init(&x->lock, NULL) != 0) {
        free(x);
        free(body);
        return NULL;
    }
    x->body = body;
    x->body_len = len;
    x->chat = chat;
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
    free(c->tokens);
}

void tn_exchange_free(tn_exchange *x) {
    if (!x) return;
    for (uint32_t i = 0; i < x->n_choice; i++) free_choice(&x->choices[i]);
    free(x->choices);
    tn_api_request_fini(&x->request);
    tn_buf_free(&x->out);
    pthread_mutex_destroy(&x->lock);
    free(x->body);
    free(x);
}

/* Called with the lock held. */
static void resume(tn_exchange *x) {
    if (!x->waiter.waiting) return;
    x->waiter.waiting = false;
    x->waiter.resume(x->waiter.connection);
}

void tn_exchange_cancel(tn_exchange *x) {
    for (uint32_t i = 0; i < x->n_choice; i++)
        if (x->choices[i].job) tn_job_cancel(x->choices[i].job);
}

void tn_exchange_hang_up(tn_exchange *x) {
    tn_exchange_cancel(x);
    x->fd = -1;
    pthread_mutex_lock(&x->lock);
    x->cut = true;
    x->phase = TN_EXCHANGE_DONE;
    resume(x);
    pthread_mutex_unlock(&x->lock);
}

void tn_exchange_fail(tn_exchange *x, const tn_api_error *e) {
    tn_exchange_cancel(x);
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
    x->streaming = r->stream;
    x->phase = TN_EXCHANGE_GENERATING;
    for (uint32_t i = 0; r->stream && r->chat && i < x->n_choice; i++)
        tn_api_event_role(&x->head, i, &x->out);
    if (r->stream) resume(x);
    pthread_mutex_unlock(&x->lock);
}

/* ---- Tokens to text
 * -------------------------------------------------------------------------------------------- */

static void keep_logprobs(tn_choice *c, uint32_t i) {
    if (c->n_tokens == c->cap_tokens) {
        uint32_t cap = c->cap_tokens ? 2 * c->cap_tokens : 16;
        tn_token *grown = realloc(c->tokens, cap * sizeof *grown);
        if (!grown) return;
        c->tokens = grown;
        c->cap_tokens = cap;
    }
    tn_job_logprobs(c->job, i, &c->tokens[c->n_tokens++]);
}

static const char *reason(tn_job_state s) {
    return s == TN_JOB_STOPPED ? "stop" : s == TN_JOB_REPETITION ? "repetition" : "length";
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
        if (tn_stop_push(&c->stop, piece.data ? piece.data : "", piece.len, &c->text)) c->finish = "stop";
    }
    if (!c->finish && tn_job_is_final(state) && c->n_read == n) {
        tn_buf_clear(&piece);
        tn_detok_finish(c->detok, &piece);
        bool hit = tn_stop_push(&c->stop, piece.data ? piece.data : "", piece.len, &c->text);
        if (!hit) hit = tn_stop_finish(&c->stop, &c->text);
        c->finish = hit ? "stop" : reason(state);
    }
    tn_buf_free(&piece);
    if (c->finish) tn_job_cancel(c->job); /* a stop string: what comes after it is nobody's */
}

/* ---- Text to bytes
 * --------------------------------------------------------------------------------------------- */

/* Printable log probabilities of a choice's kept tokens; bytes lie in store. NULL when out of memory. */
static tn_api_logprob *printable(const tn_exchange *x, const tn_choice *c, tn_buf *store) {
    const tn_tokenizer *t = x->served->model->tokenizer;
    tn_api_logprob *l = calloc((size_t)c->n_tokens + 1, sizeof *l);
    if (!l) return NULL;
    /* First the bytes with their lengths, then the pointers: the store moves while it grows. */
    for (uint32_t i = 0; i < c->n_tokens; i++) {
        const tn_token *k = &c->tokens[i];
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
    for (uint32_t i = 0; i < c->n_tokens; i++) {
        l[i].bytes = at;
        at += l[i].len;
        for (uint32_t j = 0; j < l[i].n_top; j++) {
            l[i].top[j].bytes = at;
            at += l[i].top[j].len;
        }
    }
    return l;
}

/* Tokens whose text was cut off by a stop string have no place in the answer. */
static uint32_t visible_tokens(const tn_choice *c, const tn_api_logprob *l) {
    size_t at = 0;
    if (!c->stop.hit) return c->n_tokens;
    for (uint32_t i = 0; i < c->n_tokens; i++) {
        if (at >= c->text.len) return i;
        at += l[i].len;
    }
    return c->n_tokens;
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
                               .first_offset = c->offset}};
    tn_buf_init(&v->store, MAX_ANSWER);
    if (!x->request.sampling.logprobs) return;
    v->logprobs = printable(x, c, &v->store);
    v->api.logprobs = v->logprobs;
    v->api.n_logprobs = v->logprobs ? visible_tokens(c, v->logprobs) : 0;
}

static void release_view(choice_view *v) {
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
    release_view(&v);
    c->offset += (uint32_t)tn_api_characters(c->text.data ? c->text.data : "", c->text.len);
    c->n_tokens = 0;
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
        for (uint32_t i = 0; i < x->n_choice; i++) release_view(&views[i]);
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

/* Adds bytes to the answer; done: they are the last. A client that leaves too much unread loses the rest. */
static void deliver(tn_exchange *x, const tn_buf *bytes, bool done, size_t max_pending) {
    pthread_mutex_lock(&x->lock);
    int rc = bytes->status ? bytes->status : tn_buf_add(&x->out, bytes->data ? bytes->data : "", bytes->len);
    if (rc || (x->streaming && max_pending && x->out.len - x->sent > max_pending)) x->cut = true;
    if (done || x->cut) x->phase = TN_EXCHANGE_DONE;
    if (x->phase == TN_EXCHANGE_DONE || x->streaming) resume(x);
    bool cut = x->cut;
    pthread_mutex_unlock(&x->lock);
    if (cut) tn_exchange_cancel(x);
}

static const tn_choice *failed_choice(const tn_exchange *x) {
    for (uint32_t i = 0; i < x->n_choice; i++)
        if (tn_job_get_state(x->choices[i].job) == TN_JOB_FAILED) return &x->choices[i];
    return NULL;
}

void tn_exchange_pump(tn_exchange *x, size_t max_pending, bool *ret_busy) {
    tn_buf bytes;
    bool done = true, any = false;
    const tn_choice *failed = failed_choice(x);
    *ret_busy = false;
    if (failed) {
        tn_api_error e;
        tn_api_fail_status(&e, tn_job_error(failed->job)->code, NULL, tn_job_error(failed->job)->text);
        tn_exchange_fail(x, &e);
        return;
    }
    tn_buf_init(&bytes, MAX_ANSWER);
    for (uint32_t i = 0; i < x->n_choice; i++) {
        tn_choice *c = &x->choices[i];
        bool was_over = c->finish != NULL;
        if (!was_over) read_tokens(x, c);
        if (!was_over && x->request.stream) write_event(x, i, &bytes);
        done = done && c->finish;
    }
    if (done) write_end(x, &bytes);
    any = done || bytes.len || bytes.status;
    if (any) deliver(x, &bytes, done, max_pending);
    tn_buf_free(&bytes);
    *ret_busy = !done;
}
