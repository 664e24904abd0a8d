/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/dispatch.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"

#ifndef POLLRDHUP
#    define POLLRDHUP 0
#endif

struct tn_dispatch {
    tn_dispatch_config config;
    tn_runner *runner;
    pthread_t prepare_thread, dispatch_thread;
    bool prepare_started, dispatch_started;
    int wake[2]; /* a pipe that the engine and the other threads write to */
    atomic_bool stop;
    tn_api_limits limits;

    pthread_mutex_t lock; /* of the two queues and of known_unknowns; no other lock is taken under it */
    pthread_cond_t more;
    tn_exchange *to_prepare, **to_prepare_end;
    tn_exchange *prepared;
    json_t *unknown_fields; /* names that were logged */

    tn_exchange *live; /* the dispatch thread's */
    struct pollfd *polls;
    tn_exchange **polled; /* [cap_polls]: whose descriptor polls[i] is */
    size_t cap_polls;
};

static void wake(void *ctx) {
    tn_dispatch *d = ctx;
    char byte = 0;
    ssize_t n = write(d->wake[1], &byte, 1); /* a full pipe wakes as well */
    (void)n;
}

const tn_served *tn_dispatch_model(const tn_dispatch *d, const char *name) {
    const tn_model_settings *m = tn_settings_model(d->config.settings, name);
    for (uint32_t i = 0; m && i < d->config.n_model; i++)
        if (d->config.models[i].settings == m) return &d->config.models[i];
    return NULL;
}

uint32_t tn_dispatch_n_jobs(const tn_dispatch *d) {
    return tn_runner_n_jobs(d->runner);
}

/* ---- Prepare
 * --------------------------------------------------------------------------------------------------- */

static void log_unknown(void *ctx, const char *field) {
    tn_dispatch *d = ctx;
    enum { MAX_NAMES = 200 };
    pthread_mutex_lock(&d->lock);
    bool fresh = json_object_size(d->unknown_fields) < MAX_NAMES &&
                 !json_object_get(d->unknown_fields, field) &&
                 json_object_set_new(d->unknown_fields, field, json_true()) == 0;
    pthread_mutex_unlock(&d->lock);
    if (fresh)
        tn_log(TN_LOG_WARN, "serve", "requests carry the field \"%.100s\", which means nothing here", field);
}

static uint32_t max_new(const tn_exchange *x) {
    uint64_t n = x->request.max_tokens ? x->request.max_tokens : x->served->settings->max_tokens;
    return n && n < UINT32_MAX ? (uint32_t)n : UINT32_MAX;
}

/* echo: the prompt's text stands before the answer. */
static int echo(const tn_exchange *x, const tn_ids *ids, tn_choice *c) {
    return x->request.echo ? tn_tokenizer_decode(x->served->model->tokenizer, ids->data, ids->len,
                                                 TN_DECODE_SKIP_SPECIAL, &c->text, NULL)
                           : 0;
}

static int submit(tn_dispatch *d, tn_exchange *x, const tn_ids *ids, uint32_t first, tn_api_error *e) {
    const tn_api_request *r = &x->request;
    for (uint32_t i = 0; i < r->n; i++) {
        tn_error err = {0};
        tn_choice *c = &x->choices[first + i];
        tn_job_config config = {.model = x->served->index,
                                .prompt = ids->data,
                                .n_prompt = (uint32_t)ids->len,
                                .max_new = max_new(x),
                                .sampling = tn_served_sampling(x->served, r, i),
                                .ignore_end = r->ignore_eos,
                                .stop_ids = r->stop_ids,
                                .n_stop_ids = r->n_stop_ids};
        int rc = echo(x, ids, c);
        if (!rc) rc = tn_runner_submit(d->runner, &config, &c->job, &err);
        if (rc == TN_ECANCELED) return tn_api_fail(e, 503, "queue_full", NULL, "%s", err.text);
        if (rc == TN_ELIMIT)
            return tn_api_fail(e, 400, "context_length_exceeded", r->chat ? "messages" : "prompt", "%s",
                               err.text);
        if (rc)
            return tn_api_fail_status(e, rc, strncmp(err.text, "logit_bias", 10) ? "prompt" : "logit_bias",
                                      err.text);
    }
    return 0;
}

static int submit_all(tn_dispatch *d, tn_exchange *x, tn_api_error *e) {
    const tn_api_request *r = &x->request;
    uint32_t n = r->n_prompts * r->n;
    x->choices = calloc(n, sizeof *x->choices);
    if (!x->choices) return tn_api_fail_status(e, TN_ENOMEM, NULL, "out of memory");
    x->n_choice = n;
    if (tn_exchange_init_choices(x) != 0) return tn_api_fail_status(e, TN_ENOMEM, NULL, "out of memory");
    for (uint32_t i = 0; i < r->n_prompts; i++) {
        tn_ids ids = {0};
        int rc = tn_served_prompt(x->served, r, i, &ids, e);
        x->prompt_tokens += (uint32_t)ids.len;
        if (rc == 0) rc = submit(d, x, &ids, i * r->n, e);
        tn_ids_free(&ids);
        if (rc) return rc;
    }
    return 0;
}

static int prepare(tn_dispatch *d, tn_exchange *x, tn_api_error *e) {
    int rc = tn_api_parse(x->body, x->body_len, x->chat, &d->limits, log_unknown, d, &x->request, e);
    if (rc) return rc;
    x->served = tn_dispatch_model(d, x->request.model);
    if (!x->served)
        return tn_api_fail(e, 404, "model_not_found", "model",
                           "there is no model \"%.200s\" here; GET /v1/models lists them",
                           x->request.model ? x->request.model : "");
    if (tn_served_breakers(x->served, &x->request, e)) return -1;
    return submit_all(d, x, e);
}

static tn_exchange *next_to_prepare(tn_dispatch *d) {
    pthread_mutex_lock(&d->lock);
    while (!d->to_prepare && !atomic_load(&d->stop)) pthread_cond_wait(&d->more, &d->lock);
    tn_exchange *x = d->to_prepare;
    if (x) d->to_prepare = x->next;
    if (!d->to_prepare) d->to_prepare_end = &d->to_prepare;
    pthread_mutex_unlock(&d->lock);
    return x;
}

static void *prepare_loop(void *arg) {
    tn_dispatch *d = arg;
    for (tn_exchange *x; (x = next_to_prepare(d));) {
        tn_api_error e = {0};
        if (atomic_load(&d->stop)) tn_api_fail(&e, 503, "shutting_down", NULL, "the server is shutting down");
        if (e.status || prepare(d, x, &e) != 0)
            tn_exchange_fail(x, &e);
        else
            tn_exchange_begin(x);
        pthread_mutex_lock(&d->lock);
        x->next = d->prepared;
        d->prepared = x;
        pthread_mutex_unlock(&d->lock);
        wake(d);
    }
    return NULL;
}

/* ---- Dispatch
 * -------------------------------------------------------------------------------------------------- */

static void take_prepared(tn_dispatch *d) {
    pthread_mutex_lock(&d->lock);
    tn_exchange *x = d->prepared;
    d->prepared = NULL;
    pthread_mutex_unlock(&d->lock);
    while (x) {
        tn_exchange *next = x->next;
        x->next = d->live;
        d->live = x;
        x = next;
    }
}

static bool all_waiting(const tn_exchange *x) {
    for (uint32_t i = 0; i < x->n_choice; i++)
        if (tn_job_get_state(x->choices[i].job) != TN_JOB_WAITING) return false;
    return true;
}

/* A request that waited or ran for too long. */
static bool is_late(const tn_dispatch *d, const tn_exchange *x, tn_api_error *e) {
    const tn_limit_settings *l = &d->config.settings->limits;
    double age = (double)(tn_clock_ns() - x->arrived_ns) * 1e-9;
    if (l->request_timeout_s > 0 && age > l->request_timeout_s) {
        tn_api_fail(e, 503, "timeout", NULL, "the request took longer than %g s", l->request_timeout_s);
        return true;
    }
    if (l->queue_wait_s > 0 && age > l->queue_wait_s && all_waiting(x)) {
        tn_api_fail(e, 503, "queue_timeout", NULL, "the request waited longer than %g s", l->queue_wait_s);
        return true;
    }
    return false;
}

/* Reads what the locked part says; the caller acts on the copy. */
static tn_phase phase_of(tn_exchange *x, bool *ret_closed) {
    pthread_mutex_lock(&x->lock);
    tn_phase phase = x->phase;
    *ret_closed = x->closed;
    pthread_mutex_unlock(&x->lock);
    return phase;
}

/* Moves every live exchange on; frees those that are over. */
static void pump_all(tn_dispatch *d) {
    size_t max_pending = d->config.settings->limits.max_output_pending_bytes;
    for (tn_exchange **at = &d->live; *at;) {
        tn_exchange *x = *at;
        tn_api_error e;
        bool closed, busy;
        tn_phase phase = phase_of(x, &closed);
        if (closed) {
            *at = x->next;
            tn_exchange_free(x);
            continue;
        }
        if (phase == TN_EXCHANGE_GENERATING) {
            if (is_late(d, x, &e))
                tn_exchange_fail(x, &e);
            else
                tn_exchange_pump(x, max_pending, &busy);
        }
        at = &x->next;
    }
}

/* Fills polls with the wake pipe and the sockets of exchanges that generate, as many as there is
 * memory for. Returns how many. */
static size_t fill_polls(tn_dispatch *d) {
    size_t n = 1;
    for (tn_exchange *x = d->live; x; x = x->next) n++;
    if (n > d->cap_polls) {
        struct pollfd *polls = realloc(d->polls, 2 * n * sizeof *polls);
        if (polls) d->polls = polls;
        tn_exchange **polled = realloc(d->polled, 2 * n * sizeof *polled);
        if (polled) d->polled = polled;
        if (polls && polled) d->cap_polls = 2 * n;
    }
    d->polls[0] = (struct pollfd){.fd = d->wake[0], .events = POLLIN};
    n = 1;
    for (tn_exchange *x = d->live; x && n < d->cap_polls; x = x->next) {
        bool closed;
        if (x->fd < 0 || phase_of(x, &closed) != TN_EXCHANGE_GENERATING || closed) continue;
        d->polls[n] = (struct pollfd){.fd = x->fd, .events = POLLRDHUP};
        d->polled[n++] = x;
    }
    return n;
}

static void wait_for_news(tn_dispatch *d) {
    char bytes[256];
    size_t n = fill_polls(d);
    int timeout = d->live ? 500 : -1; /* deadlines are kept to half a second */
    if (poll(d->polls, n, timeout) <= 0) return;
    if (d->polls[0].revents)
        while (read(d->wake[0], bytes, sizeof bytes) == sizeof bytes) {}
    for (size_t i = 1; i < n; i++)
        if (d->polls[i].revents & (POLLRDHUP | POLLHUP | POLLERR)) tn_exchange_hang_up(d->polled[i]);
}

static void fail_live(tn_dispatch *d) {
    tn_api_error e;
    tn_api_fail(&e, 503, "shutting_down", NULL, "the server is shutting down");
    for (tn_exchange *x = d->live; x; x = x->next) {
        bool closed;
        if (phase_of(x, &closed) == TN_EXCHANGE_GENERATING) tn_exchange_fail(x, &e);
    }
}

static void *dispatch_loop(void *arg) {
    tn_dispatch *d = arg;
    for (;;) {
        take_prepared(d);
        pump_all(d);
        if (atomic_load(&d->stop)) break;
        wait_for_news(d);
    }
    take_prepared(d);
    fail_live(d);
    return NULL;
}

/* ---- Handing over, life
 * ---------------------------------------------------------------------------------------- */

void tn_dispatch_take(tn_dispatch *d, tn_exchange *x) {
    pthread_mutex_lock(&d->lock);
    x->next = NULL;
    *d->to_prepare_end = x;
    d->to_prepare_end = &x->next;
    pthread_cond_signal(&d->more);
    pthread_mutex_unlock(&d->lock);
}

void tn_dispatch_close(tn_dispatch *d, tn_exchange *x) {
    pthread_mutex_lock(&x->lock);
    x->closed = true;
    pthread_mutex_unlock(&x->lock);
    wake(d);
}

static int start_threads(tn_dispatch *d, tn_error *err) {
    tn_model *models[256];
    if (d->config.n_model > 256)
        return tn_fail(err, TN_ELIMIT, "%u models, the limit is 256", d->config.n_model);
    for (uint32_t i = 0; i < d->config.n_model; i++) {
        models[i] = d->config.models[i].model;
        d->config.models[i].index = i;
    }
    tn_runner_config rc = {.models = models,
                           .n_model = d->config.n_model,
                           .queue_length = (uint32_t)d->config.settings->limits.queue_length,
                           .notify = wake,
                           .ctx = d};
    int status = tn_runner_new(&rc, &d->runner, err);
    if (status) return status;
    d->prepare_started = pthread_create(&d->prepare_thread, NULL, prepare_loop, d) == 0;
    d->dispatch_started =
        d->prepare_started && pthread_create(&d->dispatch_thread, NULL, dispatch_loop, d) == 0;
    return d->dispatch_started ? 0 : tn_fail(err, TN_EIO, "cannot start the server's threads");
}

int tn_dispatch_new(const tn_dispatch_config *config, tn_dispatch **ret, tn_error *err) {
    const tn_limit_settings *l = &config->settings->limits;
    tn_dispatch *d = calloc(1, sizeof *d);
    if (!d) return tn_fail(err, TN_ENOMEM, "out of memory");
    d->config = *config;
    d->to_prepare_end = &d->to_prepare;
    d->limits = (tn_api_limits){.max_n = (uint32_t)l->max_n,
                                .max_stop = (uint32_t)l->max_stop,
                                .max_stop_bytes = 1024,
                                .max_logit_bias = (uint32_t)l->max_logit_bias};
    d->unknown_fields = json_object();
    d->cap_polls = 16;
    d->polls = calloc(d->cap_polls, sizeof *d->polls);
    d->polled = calloc(d->cap_polls, sizeof(tn_exchange *));
    pthread_mutex_init(&d->lock, NULL);
    pthread_cond_init(&d->more, NULL);
    d->wake[0] = d->wake[1] = -1;
    int rc = pipe(d->wake) == 0 ? 0 : tn_fail(err, TN_EIO, "cannot make a pipe: %s", strerror(errno));
    for (int i = 0; !rc && i < 2; i++) {
        fcntl(d->wake[i], F_SETFL, O_NONBLOCK);
        fcntl(d->wake[i], F_SETFD, FD_CLOEXEC);
    }
    if (!rc && (!d->unknown_fields || !d->polls || !d->polled)) rc = tn_fail(err, TN_ENOMEM, "out of memory");
    if (!rc) rc = start_threads(d, err);
    if (rc) {
        tn_dispatch_free(d);
        return rc;
    }
    *ret = d;
    return 0;
}

/* What was handed over too late for the prepare thread. */
static void refuse_unprepared(tn_dispatch *d) {
    tn_api_error e;
    tn_api_fail(&e, 503, "shutting_down", NULL, "the server is shutting down");
    for (tn_exchange *x; (x = d->to_prepare);) {
        d->to_prepare = x->next;
        tn_exchange_fail(x, &e);
        x->next = d->live;
        d->live = x;
    }
    d->to_prepare_end = &d->to_prepare;
}

void tn_dispatch_drain(tn_dispatch *d) {
    if (atomic_exchange(&d->stop, true)) {
        refuse_unprepared(d);
        return;
    }
    pthread_mutex_lock(&d->lock);
    pthread_cond_broadcast(&d->more);
    pthread_mutex_unlock(&d->lock);
    if (d->prepare_started) pthread_join(d->prepare_thread, NULL);
    wake(d);
    if (d->dispatch_started) pthread_join(d->dispatch_thread, NULL);
    refuse_unprepared(d);
}

void tn_dispatch_free(tn_dispatch *d) {
    if (!d) return;
    tn_dispatch_drain(d);
    tn_runner_free(d->runner);
    while (d->live) {
        tn_exchange *next = d->live->next;
        tn_exchange_free(d->live);
        d->live = next;
    }
    for (int i = 0; i < 2; i++)
        if (d->wake[i] >= 0) close(d->wake[i]);
    pthread_mutex_destroy(&d->lock);
    pthread_cond_destroy(&d->more);
    json_decref(d->unknown_fields);
    free(d->polls);
    free(d->polled);
    free(d);
}
