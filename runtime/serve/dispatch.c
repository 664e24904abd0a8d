/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/dispatch.h"

#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "serve/seeing.h"
#include "serve/vectors.h"
#include "serve/watch.h"

enum { DEADLINE_MS = 250 }; /* how exactly deadlines are kept */

struct tn_dispatch {
    tn_dispatch_config config;
    tn_runner *runner;
    tn_watch *watch; /* its bell: the engine and the other threads have something */
    tn_budget uploads;
    tn_seeing *seeing;
    pthread_t prepare_thread, dispatch_thread;
    bool prepare_started, dispatch_started;
    atomic_bool stop;
    atomic_uint n_open;
    tn_api_limits limits;

    pthread_mutex_t lock; /* of the lists, drained and unknown_fields; under it, exchanges' own locks only */
    pthread_cond_t more;
    tn_exchange *to_prepare, **to_prepare_end;
    tn_exchange *prepared, *closed;
    tn_exchange *open;      /* all that were taken and are not freed, newest first */
    bool drained;           /* no thread takes anything any more */
    json_t *unknown_fields; /* names that were logged */

    tn_exchange *live; /* the dispatch thread's */
    int64_t deadlines_ns;
};

static void wake(void *ctx) {
    tn_watch_ring(((tn_dispatch *)ctx)->watch);
}

tn_budget *tn_dispatch_uploads(tn_dispatch *d) {
    return &d->uploads;
}

uint32_t tn_dispatch_n_open(const tn_dispatch *d) {
    return atomic_load(&d->n_open);
}

tn_models *tn_dispatch_models(const tn_dispatch *d) {
    return d->config.models;
}

double tn_dispatch_stalled(const tn_dispatch *d) {
    return tn_runner_stalled(d->runner, d->config.settings->limits.stall_s);
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

static int fail_shutting_down(tn_api_error *e) {
    return tn_api_fail(e, 503, "shutting_down", NULL, "the server is shutting down");
}

/* What keeps x's prefixes apart from others': the request's own salt, and its key where keys do not share. */
static size_t salt_of(const tn_dispatch *d, const tn_exchange *x, char *ret) {
    const tn_api_request *r = &x->request;
    size_t n = 0;
    if (d->config.settings->cache.share == TN_SHARE_KEY)
        n = (size_t)sprintf(ret, "%llu:", (unsigned long long)x->client);
    if (r->cache_salt) memcpy(ret + n, r->cache_salt, r->cache_salt_len);
    return n + r->cache_salt_len;
}

/* A prompt, and what it shows. */
static int submit(tn_dispatch *d, tn_exchange *x, const tn_sight *sight, uint32_t first, tn_api_error *e) {
    const tn_api_request *r = &x->request;
    char salt[32 + TN_API_SALT_BYTES];
    for (uint32_t i = 0; i < r->n; i++) {
        tn_error err = {0};
        tn_choice *c = &x->choices[first + i];
        tn_job_config config = {.lane = x->served->lane,
                                .prompt = sight->ids,
                                .n_prompt = sight->n_ids,
                                .media = sight->media,
                                .n_media = sight->n_media,
                                .coord = (const uint32_t(*)[3])sight->coord,
                                .next_coord = sight->next_coord,
                                .max_new = max_new(x),
                                .sampling = tn_served_sampling(x->served, r, i),
                                .ignore_end = r->ignore_eos,
                                .stop_ids = r->stop_ids,
                                .n_stop_ids = r->n_stop_ids,
                                .n_ctx = r->num_ctx,
                                .priority = -r->priority,
                                .client = x->client,
                                .salt = salt,
                                .n_salt = salt_of(d, x, salt),
                                .isolated = r->isolated,
                                .owner = x};
        const tn_ids ids = {.data = sight->ids, .len = sight->n_ids};
        int rc = echo(x, &ids, c);
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

/* Prompt i; its ids are an array of malloc's like any other. */
static int prompt_of(const tn_exchange *x, uint32_t i, tn_sight *ret, tn_api_error *e) {
    tn_ids ids = {0};
    *ret = (tn_sight){0};
    if (x->n_seen) return tn_served_sight(x->served, &x->request, x->seen, x->n_seen, ret, e);
    int rc = tn_served_prompt(x->served, &x->request, i, &ids, e);
    ret->ids = ids.data;
    ret->n_ids = (uint32_t)ids.len;
    return rc;
}

static int submit_all(tn_dispatch *d, tn_exchange *x, tn_api_error *e) {
    const tn_api_request *r = &x->request;
    uint32_t n = r->n_prompts * r->n;
    x->choices = calloc(n, sizeof *x->choices);
    if (!x->choices) return tn_api_fail_status(e, TN_ENOMEM, NULL, "out of memory");
    x->n_choice = n;
    if (tn_exchange_init_choices(x) != 0) return tn_api_fail_status(e, TN_ENOMEM, NULL, "out of memory");
    for (uint32_t i = 0; i < r->n_prompts; i++) {
        tn_sight sight;
        int rc = prompt_of(x, i, &sight, e);
        x->prompt_tokens += sight.n_ids;
        if (rc == 0) rc = submit(d, x, &sight, i * r->n, e);
        tn_sight_fini(&sight);
        if (rc) return rc;
    }
    return 0;
}

/* The texts of a request for vectors or scores, as one job. */
static int submit_texts(tn_dispatch *d, tn_exchange *x, tn_api_error *e) {
    tn_error err = {0};
    tn_texts t;
    x->choices = calloc(1, sizeof *x->choices);
    if (!x->choices) return tn_api_fail_status(e, TN_ENOMEM, NULL, "out of memory");
    int failed = tn_vectors_texts(x->served->model, &x->request, &t, e);
    tn_job_config config = {.lane = x->served->lane,
                            .prompt = t.ids.data,
                            .n_prompt = (uint32_t)t.ids.len,
                            .text_ends = t.ends,
                            .text_skip = t.skip,
                            .text_second = t.second,
                            .n_text = t.n,
                            .client = x->client,
                            .owner = x};
    int rc = failed ? 0 : tn_runner_submit(d->runner, &config, &x->choices[0].job, &err);
    if (!failed && !rc) x->n_choice = 1;
    x->prompt_tokens = config.n_prompt;
    tn_texts_fini(&t);
    if (!x->request.return_documents) tn_api_request_drop_input(&x->request);
    if (failed) return -1;
    if (rc == TN_ECANCELED) return tn_api_fail(e, 503, "queue_full", NULL, "%s", err.text);
    return rc ? tn_api_fail_status(e, rc, NULL, err.text) : 0;
}

/* ---- Models that have to be loaded first
 * ---------------------------------------------------------------------- */

/* Hands x to the prepare thread, or fails it where that has ended. */
static void hand_over(tn_dispatch *d, tn_exchange *x) {
    pthread_mutex_lock(&d->lock);
    bool open = !d->drained;
    x->next = NULL;
    if (open) {
        *d->to_prepare_end = x;
        d->to_prepare_end = &x->next;
        pthread_cond_signal(&d->more);
    } else {
        x->next = d->prepared;
        d->prepared = x;
    }
    pthread_mutex_unlock(&d->lock);
    if (open) return;
    tn_api_error e;
    fail_shutting_down(&e);
    tn_exchange_fail(x, &e);
}

/* Why there is no model. None of it is the client's fault. */
static int fail_model(tn_api_error *e, int code, const char *text) {
    const char *name = code == TN_ENOMEM || code == TN_ELIMIT ? "insufficient_memory" : "model_load_failed";
    return tn_api_fail(e, 503, name, NULL, "%s", text);
}

static tn_exchange *who_waits(tn_wait *w) {
    return (tn_exchange *)((char *)w - offsetof(tn_exchange, wait));
}

/* The wait is over: the exchange is prepared again. [loader] */
static void on_model(tn_wait *w) {
    tn_exchange *x = who_waits(w);
    if (!w->status) x->served = tn_models_served(x->dispatch->config.models, w->model);
    hand_over(x->dispatch, x);
}

static int64_t wait_deadline(const tn_dispatch *d, const tn_exchange *x) {
    const tn_limit_settings *l = &d->config.settings->limits;
    double s = l->queue_wait_s;
    if (l->request_timeout_s > 0 && (s <= 0 || l->request_timeout_s < s)) s = l->request_timeout_s;
    return s > 0 ? x->arrived_ns + (int64_t)(s * 1e9) : 0;
}

/* Holds the model that x asks for. 1: x waits for it, and belongs to the loader. */
static int find_model(tn_dispatch *d, tn_exchange *x, tn_api_error *e) {
    tn_error err = {0};
    int i = tn_models_find(d->config.models, x->request.model);
    if (i < 0)
        return tn_api_fail(e, 404, "model_not_found", "model",
                           "there is no model \"%.200s\" here; GET /v1/models lists them",
                           x->request.model ? x->request.model : "");
    x->dispatch = d;
    x->wait.done = on_model;
    x->wait.deadline_ns = wait_deadline(d, x);
    int rc = tn_models_acquire(d->config.models, (uint32_t)i, &x->wait, &err);
    if (rc == 0) x->served = tn_models_served(d->config.models, (uint32_t)i);
    if (rc == 1) wake(d); /* to keep its deadline */
    return rc < 0 ? tn_api_fail(e, 503, "queue_full", NULL, "%s", err.text) : rc;
}

/* Its media have been got. [a thread of seeing] */
static void on_seen(void *ctx, tn_exchange *x) {
    hand_over(ctx, x);
}

/* Has got what it shows, or 1: x waits for that. */
static int look(tn_dispatch *d, tn_exchange *x, tn_api_error *e) {
    if (!x->request.n_media) return 0;
    if (!x->has_looked) {
        if (tn_api_check_media(&x->request, tn_served_media(x->served), x->served->settings->name, e))
            return -1;
        tn_seeing_take(d->seeing, x);
        return 1;
    }
    *e = x->media_error;
    return e->status ? -1 : 0;
}

/* 1: x waits, and is somebody else's. */
static int prepare(tn_dispatch *d, tn_exchange *x, tn_api_error *e) {
    int rc = 0;
    if (atomic_load(&d->stop)) return fail_shutting_down(e);
    if (tn_exchange_is_gone(x)) return tn_api_fail(e, 503, "client_gone", NULL, "the client has hung up");
    if (!x->is_parsed) {
        rc = tn_api_wants_vectors(x->route) ? tn_api_parse_vectors(x->body, x->body_len, x->route, &d->limits,
                                                                   log_unknown, d, &x->request, e)
                                            : tn_api_parse(x->body, x->body_len, x->route == TN_API_CHAT,
                                                           &d->limits, log_unknown, d, &x->request, e);
        tn_exchange_drop_body(x);
        x->is_parsed = true;
        if (!rc) rc = find_model(d, x, e);
    } else if (!x->served) {
        rc = fail_model(e, x->wait.status, x->wait.error.text);
    }
    if (!rc && tn_api_wants_vectors(x->route)) return submit_texts(d, x, e);
    if (!rc) rc = look(d, x, e);
    if (rc) return rc;
    if (tn_served_breakers(x->served, &x->request, e)) return -1;
    rc = submit_all(d, x, e);
    tn_exchange_drop_media(x);
    tn_api_request_drop_input(&x->request);
    return rc;
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
        int rc = prepare(d, x, &e);
        if (rc == 1) continue;
        if (rc)
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

static void pump(tn_dispatch *d, tn_exchange *x) {
    if (tn_exchange_phase(x) == TN_EXCHANGE_GENERATING)
        tn_exchange_pump(x, d->config.settings->limits.max_output_pending_bytes);
}

static void enlist(tn_dispatch *d, tn_exchange *x) {
    x->is_live = true;
    x->prev = NULL;
    x->next = d->live;
    if (d->live) d->live->prev = x;
    d->live = x;
}

static void delist(tn_dispatch *d, tn_exchange *x) {
    if (x->prev)
        x->prev->next = x->next;
    else
        d->live = x->next;
    if (x->next) x->next->prev = x->prev;
}

static void register_open(tn_dispatch *d, tn_exchange *x) {
    pthread_mutex_lock(&d->lock);
    x->next_open = d->open;
    if (d->open) d->open->prev_open = x;
    d->open = x;
    pthread_mutex_unlock(&d->lock);
}

/* Nobody finds it any more, and nobody uses it. */
static void dispose(tn_dispatch *d, tn_exchange *x) {
    pthread_mutex_lock(&d->lock);
    if (x->prev_open)
        x->prev_open->next_open = x->next_open;
    else
        d->open = x->next_open;
    if (x->next_open) x->next_open->prev_open = x->prev_open;
    pthread_mutex_unlock(&d->lock);
    tn_exchange_free(x);
}

static void welcome(tn_dispatch *d, tn_exchange *x) {
    if (x->is_orphan) {
        dispose(d, x);
        return;
    }
    enlist(d, x);
    if (tn_exchange_is_gone(x)) tn_exchange_hang_up(x); /* the report came while it was prepared */
    pump(d, x);
}

static void part(tn_dispatch *d, tn_exchange *x) {
    if (!x->is_live) {
        x->is_orphan = true;
        return;
    }
    delist(d, x);
    dispose(d, x);
}

/* What came from prepare, and what http is done with. */
static void take_lists(tn_dispatch *d) {
    pthread_mutex_lock(&d->lock);
    tn_exchange *x = d->prepared, *closed = d->closed, *next;
    d->prepared = d->closed = NULL;
    pthread_mutex_unlock(&d->lock);
    for (; x; x = next) {
        next = x->next;
        welcome(d, x);
    }
    for (; closed; closed = next) {
        next = closed->next_closed;
        part(d, closed);
    }
}

/* Moves the exchanges on whose jobs have moved. One that is still being prepared is welcomed later. */
static void take_news(tn_dispatch *d) {
    for (tn_exchange *x; (x = tn_runner_next_news(d->runner));) pump(d, x);
}

/* A request that waited or ran for too long. */
static bool is_late(const tn_dispatch *d, const tn_exchange *x, tn_api_error *e) {
    const tn_limit_settings *l = &d->config.settings->limits;
    double age = (double)(tn_clock_ns() - x->arrived_ns) * 1e-9;
    if (l->request_timeout_s > 0 && age > l->request_timeout_s) {
        tn_api_fail(e, 503, "timeout", NULL, "the request took longer than %g s", l->request_timeout_s);
        return true;
    }
    if (l->queue_wait_s > 0 && age > l->queue_wait_s && tn_exchange_is_waiting(x)) {
        tn_api_fail(e, 503, "queue_timeout", NULL, "the request waited longer than %g s", l->queue_wait_s);
        return true;
    }
    return false;
}

static bool has_deadlines(const tn_dispatch *d) {
    const tn_limit_settings *l = &d->config.settings->limits;
    if (l->request_timeout_s <= 0 && l->queue_wait_s <= 0) return false;
    return d->live || tn_models_n_waits(d->config.models);
}

/* Those who waited for a model for too long. */
static void fail_late_waits(tn_dispatch *d, int64_t now) {
    tn_api_error e;
    for (tn_wait *w = tn_models_late(d->config.models, now), *next; w; w = next) {
        tn_exchange *x = who_waits(w);
        next = w->next;
        tn_api_fail(
            &e, 503, "queue_timeout", NULL, "the request waited longer than %g s for model %s to be loaded",
            (double)(w->deadline_ns - x->arrived_ns) * 1e-9, d->config.settings->models[w->model].name);
        tn_exchange_fail(x, &e);
        welcome(d, x);
    }
}

static void keep_deadlines(tn_dispatch *d) {
    int64_t now = tn_clock_ns();
    tn_api_error e;
    if (!has_deadlines(d) || now < d->deadlines_ns) return;
    d->deadlines_ns = now + DEADLINE_MS * 1000000;
    fail_late_waits(d, now);
    for (tn_exchange *x = d->live; x; x = x->next)
        if (tn_exchange_phase(x) == TN_EXCHANGE_GENERATING && is_late(d, x, &e)) tn_exchange_fail(x, &e);
}

static void wait_for_news(tn_dispatch *d) {
    void *gone[64];
    int n = tn_watch_wait(d->watch, has_deadlines(d) ? DEADLINE_MS : -1, gone, sizeof gone / sizeof *gone);
    for (int i = 0; i < n; i++) tn_exchange_hang_up(gone[i]);
}

static void fail_live(tn_dispatch *d) {
    tn_api_error e;
    fail_shutting_down(&e);
    for (tn_exchange *x = d->live; x; x = x->next)
        if (tn_exchange_phase(x) == TN_EXCHANGE_GENERATING) tn_exchange_fail(x, &e);
}

static void *dispatch_loop(void *arg) {
    tn_dispatch *d = arg;
    while (!atomic_load(&d->stop)) {
        wait_for_news(d);
        take_lists(d);
        take_news(d);
        keep_deadlines(d);
    }
    take_lists(d);
    fail_live(d);
    return NULL;
}

/* ---- What goes on
 * ---------------------------------------------------------------------------------------------- */

static const char *state_of(const tn_exchange *x, tn_phase phase) {
    if (phase != TN_EXCHANGE_GENERATING) return phase == TN_EXCHANGE_DONE ? "done" : "preparing";
    return tn_exchange_is_waiting(x) ? "waiting" : "running";
}

/* A row of the status; NULL when out of memory. Fields of the request are constant once it generates. */
static json_t *row_of(tn_exchange *x, int64_t now) {
    tn_phase phase = tn_exchange_phase(x);
    json_t *row = json_pack("{s:s,s:s,s:f,s:I}", "id", x->id, "state", state_of(x, phase), "age_s",
                            (double)(now - x->arrived_ns) * 1e-9, "client", (json_int_t)x->client);
    if (phase != TN_EXCHANGE_GENERATING) return row;
    tn_api_usage u = tn_exchange_progress(x);
    json_t *more =
        json_pack("{s:s,s:b,s:i,s:I,s:I,s:I,s:I}", "model", x->served->settings->name, "stream",
                  x->request.stream, "priority", (int)x->request.priority, "choices", (json_int_t)x->n_choice,
                  "prompt_tokens", (json_int_t)u.prompt_tokens, "cached_tokens", (json_int_t)u.cached_tokens,
                  "generated_tokens", (json_int_t)u.completion_tokens);
    if (row && more) json_object_update(row, more);
    json_decref(more);
    return row;
}

json_t *tn_dispatch_requests(tn_dispatch *d) {
    json_t *rows = json_array();
    int64_t now = tn_clock_ns();
    pthread_mutex_lock(&d->lock);
    for (tn_exchange *x = d->open; x; x = x->next_open) json_array_append_new(rows, row_of(x, now));
    pthread_mutex_unlock(&d->lock);
    return rows;
}

json_t *tn_dispatch_unknown_fields(tn_dispatch *d) {
    json_t *names = json_array(), *value;
    const char *name;
    pthread_mutex_lock(&d->lock);
    json_object_foreach(d->unknown_fields, name, value) json_array_append_new(names, json_string(name));
    pthread_mutex_unlock(&d->lock);
    return names;
}

bool tn_dispatch_cancel(tn_dispatch *d, const char *id) {
    bool found = false;
    pthread_mutex_lock(&d->lock);
    for (tn_exchange *x = d->open; x && !found; x = x->next_open)
        if (strcmp(x->id, id) == 0) found = tn_exchange_end(x) != TN_EXCHANGE_DONE;
    pthread_mutex_unlock(&d->lock);
    return found;
}

void tn_dispatch_clear_cache(tn_dispatch *d) {
    tn_runner_clear_cache(d->runner);
}

/* ---- Handing over, life
 * ---------------------------------------------------------------------------------------- */

static void watch(tn_dispatch *d, tn_exchange *x) {
    static atomic_flag said = ATOMIC_FLAG_INIT;
    tn_error err = {0};
    x->is_watched = x->fd >= 0 && tn_watch_add(d->watch, x->fd, x, &err) == 0;
    if (!x->is_watched && !atomic_flag_test_and_set(&said))
        tn_log(TN_LOG_WARN, "serve", "%s; clients that hang up are noticed late", err.text);
}

void tn_dispatch_take(tn_dispatch *d, tn_exchange *x) {
    atomic_fetch_add(&d->n_open, 1);
    register_open(d, x);
    watch(d, x);
    hand_over(d, x);
}

void tn_dispatch_close(tn_dispatch *d, tn_exchange *x) {
    /* Before the socket's number can come to mean another one. */
    if (x->is_watched) tn_watch_remove(d->watch, x->fd);
    tn_exchange_leave(x);
    pthread_mutex_lock(&d->lock);
    x->next_closed = d->closed;
    d->closed = x;
    pthread_mutex_unlock(&d->lock);
    atomic_fetch_sub(&d->n_open, 1);
    wake(d);
}

static int start_threads(tn_dispatch *d, tn_error *err) {
    tn_runner_config rc = {.budget = tn_models_budget(d->config.models),
                           .queue_length = (uint32_t)d->config.settings->limits.queue_length,
                           .mix_roles = !d->config.settings->cache.exact,
                           .notify = wake,
                           .ctx = d};
    tn_seeing_config seeing = {.limits = tn_settings_media(d->config.settings),
                               .registry = tn_models_registry(d->config.models),
                               .done = on_seen,
                               .ctx = d};
    int status = tn_seeing_new(&seeing, &d->seeing, err);
    if (!status) status = tn_runner_new(&rc, &d->runner, err);
    if (!status) status = tn_models_start(d->config.models, d->runner, err);
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
                                .max_logit_bias = (uint32_t)l->max_logit_bias,
                                .max_inputs = (uint32_t)l->max_inputs,
                                .max_media = (uint32_t)config->settings->media.max_items,
                                .max_frames = (uint32_t)config->settings->media.max_frames};
    d->uploads.limit = config->settings->server.max_upload_bytes;
    d->unknown_fields = json_object();
    pthread_mutex_init(&d->lock, NULL);
    pthread_cond_init(&d->more, NULL);
    int rc = d->unknown_fields ? tn_watch_new(&d->watch, err) : tn_fail(err, TN_ENOMEM, "out of memory");
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
    fail_shutting_down(&e);
    pthread_mutex_lock(&d->lock);
    tn_exchange *x = d->to_prepare, *next;
    d->to_prepare = NULL;
    d->to_prepare_end = &d->to_prepare;
    d->drained = true;
    pthread_mutex_unlock(&d->lock);
    for (; x; x = next) {
        next = x->next;
        enlist(d, x);
        tn_exchange_fail(x, &e);
    }
}

void tn_dispatch_drain(tn_dispatch *d) {
    if (atomic_exchange(&d->stop, true)) return;
    tn_models_stop(d->config.models);
    if (d->seeing) tn_seeing_stop(d->seeing);
    pthread_mutex_lock(&d->lock);
    pthread_cond_broadcast(&d->more);
    pthread_mutex_unlock(&d->lock);
    if (d->prepare_started) pthread_join(d->prepare_thread, NULL);
    if (d->watch) wake(d);
    if (d->dispatch_started) pthread_join(d->dispatch_thread, NULL);
    refuse_unprepared(d);
}

static void free_list(tn_dispatch *d, tn_exchange *x) {
    for (tn_exchange *next; x; x = next) {
        next = x->next;
        dispose(d, x);
    }
}

void tn_dispatch_free(tn_dispatch *d) {
    if (!d) return;
    tn_dispatch_drain(d);
    tn_runner_free(d->runner);
    free_list(d, d->live);
    free_list(d, d->prepared);
    tn_watch_free(d->watch);
    tn_seeing_free(d->seeing);
    pthread_mutex_destroy(&d->lock);
    pthread_cond_destroy(&d->more);
    json_decref(d->unknown_fields);
    free(d);
}
