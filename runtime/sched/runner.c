/* SPDX-License-Identifier: Apache-2.0 */
#include "sched/runner.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct tn_job {
    tn_job_config config; /* pointers into the job's own memory */
    tn_runner *runner;
    tn_job *next; /* in the inbox, then in the engine thread's list */
    tn_seq *seq;  /* the engine thread's */
    tn_job *next_news;
    bool makes_news;
    atomic_bool in_news; /* among the news that the reader has not seen; they hold a reference then */
    int32_t *prompt, *stop_ids, *breakers;
    tn_logit_bias *bias;
    void *salt;
    uint32_t max_tokens;
    int32_t *ids;         /* [max_tokens] */
    float *logprobs;      /* [max_tokens, 1 + n_top]: the chosen one's, then the best */
    int32_t *top_ids;     /* [max_tokens, n_top] */
    atomic_uint n_tokens; /* how many of them are written */
    atomic_uint n_cached;
    atomic_int state;
    atomic_bool cancelled;
    atomic_int refs; /* the caller's, the engine's, the news' */
    tn_error error;  /* written before the state becomes TN_JOB_FAILED */
};

struct tn_runner {
    tn_runner_config config;
    tn_model **models;   /* [n_model] */
    tn_engine **engines; /* [n_model] */
    pthread_t thread;
    bool started;
    int wake[2];             /* a pipe: the engine thread sleeps on it when there is nothing to do */
    _Atomic(tn_job *) inbox; /* newest first */
    _Atomic(tn_job *) news;  /* newest first */
    atomic_uint n_jobs;
    atomic_uint *n_open; /* [n_model]: jobs of a model, running and waiting */
    atomic_bool stop;
    /* the engine thread's */
    tn_job *jobs;
    bool changed; /* something to tell the reader */
    /* the reader's */
    tn_job *unread;
};

/* ---- Jobs
 * ------------------------------------------------------------------------------------------------------ */

static void unref(tn_job *j) {
    if (atomic_fetch_sub_explicit(&j->refs, 1, memory_order_acq_rel) != 1) return;
    free(j->prompt);
    free(j->stop_ids);
    free(j->bias);
    free(j->breakers);
    free(j->salt);
    free(j->ids);
    free(j->logprobs);
    free(j->top_ids);
    free(j);
}

static void *copy(const void *data, size_t n, size_t size) {
    void *p = malloc(n * size + 1);
    if (p && n) memcpy(p, data, n * size);
    return p;
}

static bool allocate(tn_job *j, const tn_job_config *c) {
    size_t n = j->max_tokens, top = c->sampling.n_top_logprobs;
    j->prompt = copy(c->prompt, c->n_prompt, sizeof *j->prompt);
    j->stop_ids = copy(c->stop_ids, c->n_stop_ids, sizeof *j->stop_ids);
    j->bias = copy(c->sampling.bias, c->sampling.n_bias, sizeof *j->bias);
    j->breakers = copy(c->sampling.dry_breakers, c->sampling.n_dry_breakers, sizeof *j->breakers);
    j->salt = copy(c->salt, c->n_salt, 1);
    j->ids = calloc(n + 1, sizeof *j->ids);
    if (c->sampling.logprobs) {
        j->logprobs = calloc(n * (1 + top) + 1, sizeof *j->logprobs);
        j->top_ids = calloc(n * top + 1, sizeof *j->top_ids);
        if (!j->logprobs || !j->top_ids) return false;
    }
    return j->prompt && j->stop_ids && j->bias && j->breakers && j->salt && j->ids;
}

static int check(const tn_runner *r, const tn_job_config *c, tn_error *err) {
    if (c->model >= r->config.n_model) return tn_fail(err, TN_EINVAL, "model %u does not exist", c->model);
    int rc = tn_engine_check(r->models[c->model], c->prompt, c->n_prompt, err);
    if (rc) return rc;
    if (c->n_ctx && c->n_prompt > c->n_ctx)
        return tn_fail(err, TN_ELIMIT, "the prompt has %u tokens, the request's own limit is %u", c->n_prompt,
                       c->n_ctx);
    for (uint32_t i = 0; i < c->sampling.n_bias; i++) {
        int32_t id = c->sampling.bias[i].id;
        if (id < 0 || (uint32_t)id >= r->models[c->model]->program->n_vocab)
            return tn_fail(err, TN_EINVAL, "logit_bias: token id %d is outside the vocabulary of %u", id,
                           r->models[c->model]->program->n_vocab);
    }
    if (c->sampling.n_top_logprobs > TN_TOP_LOGPROBS_MAX)
        return tn_fail(err, TN_EINVAL, "%u log probabilities a token, the limit is %d",
                       c->sampling.n_top_logprobs, TN_TOP_LOGPROBS_MAX);
    return 0;
}

static int new_job(tn_runner *r, const tn_job_config *c, tn_job **ret, tn_error *err) {
    uint32_t room = r->models[c->model]->n_ctx - c->n_prompt;
    tn_job *j = calloc(1, sizeof *j);
    if (!j) return tn_fail(err, TN_ENOMEM, "out of memory");
    j->max_tokens = c->max_new < room ? c->max_new : room;
    atomic_init(&j->refs, 2);
    if (!allocate(j, c)) {
        unref(j);
        unref(j);
        return tn_fail(err, TN_ENOMEM, "out of memory for an answer of %u tokens", j->max_tokens);
    }
    j->runner = r;
    j->config = *c;
    j->makes_news = c->owner != NULL;
    j->config.prompt = j->prompt;
    j->config.stop_ids = j->stop_ids;
    j->config.sampling.bias = j->bias;
    j->config.sampling.dry_breakers = j->breakers;
    j->config.salt = j->salt;
    *ret = j;
    return 0;
}

static void wake(tn_runner *r) {
    char byte = 0;
    ssize_t n = write(r->wake[1], &byte, 1); /* a full pipe wakes as well */
    (void)n;
}

/* Counts one more job of its model, where there is room. What counts is how many there are in all, not how
 * many the engine has started: it may not have come around to jobs whose places are free. */
static int enter(tn_runner *r, uint32_t model, tn_error *err) {
    uint64_t places = r->models[model]->config.max_seqs, length = r->config.queue_length;
    uint32_t open = atomic_fetch_add(&r->n_open[model], 1);
    if (!length || open < places + length) return 0;
    atomic_fetch_sub(&r->n_open[model], 1);
    return tn_fail(err, TN_ECANCELED, "%u requests are waiting already, the limit is %u: try again later",
                   (unsigned)(open - places), (unsigned)length);
}

int tn_runner_submit(tn_runner *r, const tn_job_config *c, tn_job **ret, tn_error *err) {
    tn_job *j = NULL;
    int rc = check(r, c, err);
    if (!rc) rc = enter(r, c->model, err);
    if (rc) return rc;
    rc = new_job(r, c, &j, err);
    if (rc) {
        atomic_fetch_sub(&r->n_open[c->model], 1);
        return rc;
    }
    atomic_fetch_add(&r->n_jobs, 1);
    j->next = atomic_load_explicit(&r->inbox, memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(&r->inbox, &j->next, j, memory_order_release,
                                                  memory_order_relaxed)) {}
    wake(r);
    *ret = j;
    return 0;
}

tn_job_state tn_job_get_state(const tn_job *j) {
    return (tn_job_state)atomic_load_explicit(&j->state, memory_order_acquire);
}

bool tn_job_is_final(tn_job_state s) {
    return s >= TN_JOB_STOPPED;
}

uint32_t tn_job_n_tokens(const tn_job *j) {
    return atomic_load_explicit(&j->n_tokens, memory_order_acquire);
}

int32_t tn_job_token(const tn_job *j, uint32_t i) {
    return j->ids[i];
}

void tn_job_logprobs(const tn_job *j, uint32_t i, tn_token *ret) {
    uint32_t top = j->config.sampling.n_top_logprobs;
    const float *row = j->logprobs + (size_t)i * (1 + top);
    *ret = (tn_token){.id = j->ids[i], .logprob = row[0]};
    for (uint32_t k = 0; k < top && j->top_ids[(size_t)i * top + k] >= 0; k++, ret->n_top++) {
        ret->top[k].id = j->top_ids[(size_t)i * top + k];
        ret->top[k].logprob = row[1 + k];
    }
}

uint32_t tn_job_n_cached(const tn_job *j) {
    return atomic_load_explicit(&j->n_cached, memory_order_relaxed);
}

const tn_error *tn_job_error(const tn_job *j) {
    return &j->error;
}

void tn_job_cancel(tn_job *j) {
    atomic_store_explicit(&j->cancelled, true, memory_order_release);
}

void tn_job_release(tn_job *j) {
    if (!j) return;
    j->config.owner = NULL;
    tn_job_cancel(j);
    unref(j);
}

void *tn_runner_next_news(tn_runner *r) {
    void *owner = NULL;
    while (!owner) {
        if (!r->unread) r->unread = atomic_exchange_explicit(&r->news, NULL, memory_order_acquire);
        tn_job *j = r->unread;
        if (!j) break;
        r->unread = j->next_news;
        atomic_exchange(&j->in_news, false); /* before its tokens are looked at: later ones are news again */
        owner = j->config.owner;
        unref(j);
    }
    return owner;
}

uint32_t tn_runner_n_jobs(const tn_runner *r) {
    return atomic_load(&r->n_jobs);
}

/* ---- The engine thread
 * ----------------------------------------------------------------------------------------- */

/* Puts j among the news. */
static void tell(tn_runner *r, tn_job *j) {
    r->changed = true;
    if (!j->makes_news || atomic_exchange(&j->in_news, true)) return;
    atomic_fetch_add_explicit(&j->refs, 1, memory_order_relaxed);
    j->next_news = atomic_load_explicit(&r->news, memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(&r->news, &j->next_news, j, memory_order_release,
                                                  memory_order_relaxed)) {}
}

static bool on_token(void *ctx, const tn_token *token) {
    tn_job *j = ctx;
    uint32_t n = atomic_load_explicit(&j->n_tokens, memory_order_relaxed);
    uint32_t top = j->config.sampling.n_top_logprobs;
    if (n >= j->max_tokens) return false;
    j->ids[n] = token->id;
    if (j->logprobs) {
        j->logprobs[(size_t)n * (1 + top)] = token->logprob;
        for (uint32_t k = 0; k < top; k++) {
            j->logprobs[(size_t)n * (1 + top) + 1 + k] = k < token->n_top ? token->top[k].logprob : 0;
            j->top_ids[(size_t)n * top + k] = k < token->n_top ? token->top[k].id : -1;
        }
    }
    atomic_store_explicit(&j->n_cached, tn_seq_get_info(j->seq).n_cached, memory_order_relaxed);
    atomic_store_explicit(&j->n_tokens, n + 1, memory_order_release);
    tell(j->runner, j);
    return true;
}

static void start(tn_runner *r, tn_job *j) {
    const tn_job_config *c = &j->config;
    tn_seq_config seq = {.prompt = c->prompt,
                         .n_prompt = c->n_prompt,
                         .max_new = c->max_new,
                         .sampling = c->sampling,
                         .ignore_end = c->ignore_end,
                         .stop_ids = c->stop_ids,
                         .n_stop_ids = c->n_stop_ids,
                         .n_ctx = c->n_ctx,
                         .priority = c->priority,
                         .client = c->client,
                         .salt = c->salt,
                         .n_salt = c->n_salt,
                         .isolated = c->isolated,
                         .ctx = j,
                         .on_token = on_token};
    if (tn_engine_add(r->engines[c->model], &seq, &j->seq, &j->error) != 0) j->seq = NULL;
}

/* New jobs, oldest first, behind those that are there. */
static void take_inbox(tn_runner *r) {
    tn_job *newest = atomic_exchange_explicit(&r->inbox, NULL, memory_order_acquire), *in_order = NULL,
           **end = &r->jobs;
    while (newest) {
        tn_job *next = newest->next;
        newest->next = in_order;
        in_order = newest;
        newest = next;
    }
    while (*end) end = &(*end)->next;
    *end = in_order;
    for (tn_job *j = in_order; j; j = j->next) start(r, j);
}

/* The final state of j, or TN_JOB_RUNNING while it goes on. */
static tn_job_state settle(tn_runner *r, const tn_job *j) {
    if (!j->seq) return TN_JOB_FAILED;
    if (atomic_load(&r->stop) || atomic_load_explicit(&j->cancelled, memory_order_acquire))
        return TN_JOB_CANCELLED;
    switch (tn_seq_finish(j->seq)) {
    case TN_FINISH_NONE: return TN_JOB_RUNNING;
    case TN_FINISH_STOP: return TN_JOB_STOPPED;
    case TN_FINISH_REPETITION: return TN_JOB_REPETITION;
    case TN_FINISH_LENGTH: break;
    }
    return TN_JOB_LENGTH;
}

static void set_state(tn_runner *r, tn_job *j, tn_job_state state) {
    atomic_store_explicit(&j->state, (int)state, memory_order_release);
    tell(r, j);
}

/* Says which jobs have started, and lets go of those that are over. */
static void reap(tn_runner *r) {
    for (tn_job **at = &r->jobs; *at;) {
        tn_job *j = *at;
        tn_job_state state = settle(r, j);
        if (state == TN_JOB_RUNNING) {
            if (tn_job_get_state(j) == TN_JOB_WAITING && tn_seq_get_info(j->seq).running)
                set_state(r, j, state);
            at = &j->next;
            continue;
        }
        *at = j->next;
        if (j->seq) tn_engine_remove(r->engines[j->config.model], j->seq);
        j->seq = NULL;
        atomic_fetch_sub(&r->n_jobs, 1);
        atomic_fetch_sub(&r->n_open[j->config.model], 1);
        set_state(r, j, state);
        unref(j);
    }
}

/* A device that failed fails the jobs of its model, not the process. */
static void fail_model(tn_runner *r, uint32_t model, const tn_error *err) {
    for (tn_job *j = r->jobs; j; j = j->next) {
        if (j->config.model != model || !j->seq) continue;
        tn_engine_remove(r->engines[model], j->seq);
        j->seq = NULL;
        j->error = *err;
    }
}

/* One step of every model that has work; false when none had. */
static bool step_all(tn_runner *r) {
    bool any = false;
    for (uint32_t i = 0; i < r->config.n_model; i++) {
        bool busy = false;
        tn_error err = {0};
        if (tn_engine_step(r->engines[i], &busy, &err) != 0) fail_model(r, i, &err);
        any = any || busy;
    }
    return any;
}

static void sleep_until_woken(tn_runner *r) {
    char bytes[64];
    struct pollfd p = {.fd = r->wake[0], .events = POLLIN};
    poll(&p, 1, -1);
    while (read(r->wake[0], bytes, sizeof bytes) == sizeof bytes) {}
}

static void *run(void *arg) {
    tn_runner *r = arg;
    while (!atomic_load(&r->stop)) {
        take_inbox(r);
        reap(r);
        bool busy = step_all(r);
        reap(r);
        if (r->changed) r->config.notify(r->config.ctx);
        r->changed = false;
        if (!busy && !r->jobs && !atomic_load_explicit(&r->inbox, memory_order_relaxed)) sleep_until_woken(r);
    }
    take_inbox(r);
    reap(r);
    r->config.notify(r->config.ctx);
    return NULL;
}

/* ---- Life
 * ------------------------------------------------------------------------------------------------------ */

static int open_pipe(tn_runner *r, tn_error *err) {
    if (pipe(r->wake) != 0) return tn_fail(err, TN_EIO, "cannot make a pipe: %s", strerror(errno));
    for (int i = 0; i < 2; i++) {
        fcntl(r->wake[i], F_SETFL, O_NONBLOCK);
        fcntl(r->wake[i], F_SETFD, FD_CLOEXEC);
    }
    return 0;
}

int tn_runner_new(const tn_runner_config *config, tn_runner **ret, tn_error *err) {
    tn_runner *r = calloc(1, sizeof *r);
    if (!r) return tn_fail(err, TN_ENOMEM, "out of memory");
    r->config = *config;
    r->wake[0] = r->wake[1] = -1;
    r->engines = calloc(config->n_model, sizeof(tn_engine *));
    r->n_open = calloc(config->n_model, sizeof *r->n_open);
    r->models = copy(config->models, config->n_model, sizeof(tn_model *));
    r->config.models = r->models;
    int rc =
        r->engines && r->models && r->n_open ? open_pipe(r, err) : tn_fail(err, TN_ENOMEM, "out of memory");
    for (uint32_t i = 0; !rc && i < config->n_model; i++)
        rc = tn_engine_new(config->models[i], NULL, &r->engines[i], err);
    if (!rc && pthread_create(&r->thread, NULL, run, r) != 0)
        rc = tn_fail(err, TN_EIO, "cannot start the engine thread");
    r->started = !rc;
    if (rc) {
        tn_runner_free(r);
        return rc;
    }
    *ret = r;
    return 0;
}

void tn_runner_free(tn_runner *r) {
    if (!r) return;
    if (r->started) {
        atomic_store(&r->stop, true);
        wake(r);
        pthread_join(r->thread, NULL);
    }
    while (tn_runner_next_news(r)) {}
    for (uint32_t i = 0; r->engines && i < r->config.n_model; i++) tn_engine_free(r->engines[i]);
    for (int i = 0; i < 2; i++)
        if (r->wake[i] >= 0) close(r->wake[i]);
    free(r->engines);
    free(r->models);
    free(r->n_open);
    free(r);
}
