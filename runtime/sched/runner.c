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

#include "base/clock.h"
#include "sched/encoder.h"
#include "sched/lanes.h"

/* What stands in the inbox, first in what it is a part of. */
typedef struct mail {
    struct mail *next;
    enum { MAIL_JOB, MAIL_ATTACH, MAIL_DETACH, MAIL_SHRINK } kind;
} mail;

struct tn_job {
    mail mail;
    tn_job_config config; /* pointers into the job's own memory */
    tn_runner *runner;
    tn_job *next; /* in the engine thread's list */
    tn_seq *seq;  /* the engine thread's */
    tn_job *next_news;
    bool makes_news;
    atomic_bool in_news; /* among the news that the reader has not seen; they hold a reference then */
    int32_t *prompt, *stop_ids, *breakers;
    tn_logit_bias *bias;
    void *salt;
    tn_seq_media *media; /* entries held */
    uint32_t (*coord)[3];
    tn_encoding encoding; /* rows NULL: it generates */
    uint32_t *text_ends, *text_skip, *text_second;
    uint32_t max_tokens;
    int32_t *ids;                        /* [max_tokens] */
    float *logprobs;                     /* [max_tokens, 1 + n_top]: the chosen one's, then the best */
    int32_t *top_ids;                    /* [max_tokens, n_top] */
    atomic_uint n_tokens;                /* how many of them are written */
    int64_t submitted_ns, last_token_ns; /* the latter the engine thread's; 0: none yet */
    atomic_uint n_cached;
    atomic_int state;
    atomic_bool cancelled;
    atomic_int refs; /* the caller's, the engine's, the news' */
    tn_error error;  /* written before the state becomes TN_JOB_FAILED */
};

/* Anything but a job; lives on the stack of a thread that waits for it. */
typedef struct request {
    mail mail;
    tn_lane *lane;
    uint64_t bytes; /* to give back; then given */
    pthread_mutex_t lock;
    pthread_cond_t answered;
    bool is_answered;
} request;

struct tn_runner {
    tn_runner_config config;
    pthread_t thread;
    bool started;
    int wake[2];            /* a pipe: the engine thread sleeps on it when there is nothing to do */
    _Atomic(mail *) inbox;  /* newest first */
    _Atomic(tn_job *) news; /* newest first */
    atomic_uint n_jobs;
    atomic_int_fast64_t step_began_ns; /* 0: no step runs */
    atomic_bool stop, clear;
    /* the engine thread's */
    tn_lanes lanes;
    tn_job *jobs;
    bool changed; /* something to tell the reader */
    /* the reader's */
    tn_job *unread;
};

/* ---- Jobs
 * ------------------------------------------------------------------------------------------------------ */

static void unref(tn_job *j) {
    if (atomic_fetch_sub_explicit(&j->refs, 1, memory_order_acq_rel) != 1) return;
    for (uint32_t i = 0; j->media && i < j->config.n_media; i++) tn_media_release(j->media[i].entry);
    free(j->media);
    free(j->coord);
    free(j->encoding.rows);
    free(j->text_ends);
    free(j->text_skip);
    free(j->text_second);
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

static bool allocate_texts(tn_job *j, const tn_job_config *c) {
    const tn_model *m = c->lane->model;
    if (!m->encoder) return true;
    j->text_ends = copy(c->text_ends, c->n_text, sizeof *j->text_ends);
    j->text_skip = c->text_skip ? copy(c->text_skip, c->n_text, sizeof *j->text_skip) : NULL;
    j->text_second = c->text_second ? copy(c->text_second, c->n_text, sizeof *j->text_second) : NULL;
    j->encoding = (tn_encoding){.ids = j->prompt,
                                .ends = j->text_ends,
                                .skip = j->text_skip,
                                .second = j->text_second,
                                .n_text = c->n_text,
                                .rows = calloc((size_t)c->n_text * m->program->n_embd, sizeof(float))};
    return j->text_ends && (j->text_skip || !c->text_skip) && (j->text_second || !c->text_second) &&
           j->encoding.rows;
}

static bool allocate(tn_job *j, const tn_job_config *c) {
    size_t n = j->max_tokens, top = c->sampling.n_top_logprobs;
    j->prompt = copy(c->prompt, c->n_prompt, sizeof *j->prompt);
    j->stop_ids = copy(c->stop_ids, c->n_stop_ids, sizeof *j->stop_ids);
    j->bias = copy(c->sampling.bias, c->sampling.n_bias, sizeof *j->bias);
    j->breakers = copy(c->sampling.dry_breakers, c->sampling.n_dry_breakers, sizeof *j->breakers);
    j->salt = copy(c->salt, c->n_salt, 1);
    j->coord = c->coord ? copy(c->coord, c->n_prompt, sizeof *j->coord) : NULL;
    j->media = copy(c->media, c->n_media, sizeof *j->media);
    j->ids = calloc(n + 1, sizeof *j->ids);
    if (!j->media || (c->coord && !j->coord)) return false;
    if (c->sampling.logprobs) {
        j->logprobs = calloc(n * (1 + top) + 1, sizeof *j->logprobs);
        j->top_ids = calloc(n * top + 1, sizeof *j->top_ids);
        if (!j->logprobs || !j->top_ids) return false;
    }
    return j->prompt && j->stop_ids && j->bias && j->breakers && j->salt && j->ids && allocate_texts(j, c);
}

static int check_texts(const tn_model *m, const tn_job_config *c, tn_error *err) {
    uint32_t begin = 0;
    if (!c->n_text || !c->text_ends || c->text_ends[c->n_text - 1] != c->n_prompt)
        return tn_fail(err, TN_EBUG, "%u texts in %u ids", c->n_text, c->n_prompt);
    for (uint32_t i = 0; i < c->n_text; begin = c->text_ends[i++]) {
        if (c->text_ends[i] < begin) return tn_fail(err, TN_EBUG, "text %u ends before it begins", i);
        int rc = tn_encoder_check(m->encoder, m->n_ctx, c->prompt + begin, c->text_ends[i] - begin, err);
        if (rc) return rc;
    }
    return 0;
}

static int check(const tn_job_config *c, tn_error *err) {
    const tn_model *m = c->lane->model;
    if (m->encoder && c->n_text) return check_texts(m, c, err);
    if (c->n_text) return tn_model_need_encoder(m, err);
    int rc = tn_engine_check(m, c->prompt, c->n_prompt, err);
    if (!rc) rc = tn_engine_check_media(m, c->media, c->n_media, c->n_prompt, err);
    if (rc) return rc;
    if (c->n_ctx && c->n_prompt > c->n_ctx)
        return tn_fail(err, TN_ELIMIT, "the prompt has %u tokens, the request's own limit is %u", c->n_prompt,
                       c->n_ctx);
    for (uint32_t i = 0; i < c->sampling.n_bias; i++) {
        int32_t id = c->sampling.bias[i].id;
        if (id < 0 || (uint32_t)id >= m->program->n_vocab)
            return tn_fail(err, TN_EINVAL, "logit_bias: token id %d is outside the vocabulary of %u", id,
                           m->program->n_vocab);
    }
    if (c->sampling.n_top_logprobs > TN_TOP_LOGPROBS_MAX)
        return tn_fail(err, TN_EINVAL, "%u log probabilities a token, the limit is %d",
                       c->sampling.n_top_logprobs, TN_TOP_LOGPROBS_MAX);
    return 0;
}

static int new_job(tn_runner *r, const tn_job_config *c, tn_job **ret, tn_error *err) {
    uint32_t room = c->n_text ? 0 : c->lane->model->n_ctx - c->n_prompt;
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
    j->submitted_ns = tn_clock_ns();
    j->config = *c;
    for (uint32_t i = 0; i < c->n_media; i++) tn_media_hold(j->media[i].entry);
    j->config.media = j->media;
    j->config.coord = (const uint32_t(*)[3])j->coord;
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

static void post(tn_runner *r, mail *m) {
    m->next = atomic_load_explicit(&r->inbox, memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(&r->inbox, &m->next, m, memory_order_release,
                                                  memory_order_relaxed)) {}
    wake(r);
}

/* Counts one more job of its model, where there is room. What counts is how many there are in all, not how
 * many the engine has started: it may not have come around to jobs whose places are free. */
static int enter(const tn_runner *r, tn_lane *l, tn_error *err) {
    uint64_t places = l->model->config.max_seqs, length = r->config.queue_length;
    uint32_t open = atomic_fetch_add(&l->n_open, 1);
    if (!length || open < places + length) return 0;
    atomic_fetch_sub(&l->n_open, 1);
    return tn_fail(err, TN_ECANCELED, "%u requests are waiting already, the limit is %u: try again later",
                   (unsigned)(open - places), (unsigned)length);
}

int tn_runner_submit(tn_runner *r, const tn_job_config *c, tn_job **ret, tn_error *err) {
    tn_job *j = NULL;
    int rc = check(c, err);
    if (!rc) rc = enter(r, c->lane, err);
    if (rc) return rc;
    rc = new_job(r, c, &j, err);
    if (rc) {
        atomic_fetch_sub(&c->lane->n_open, 1);
        return rc;
    }
    atomic_fetch_add(&r->n_jobs, 1);
    post(r, &j->mail);
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

const float *tn_job_rows(const tn_job *j) {
    return j->encoding.rows;
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

static double seconds(int64_t from_ns, int64_t to_ns) {
    return (double)(to_ns - from_ns) * 1e-9;
}

static void count_token(tn_job *j) {
    tn_metrics *m = j->config.lane->metrics;
    int64_t now = tn_clock_ns();
    if (m && j->last_token_ns)
        tn_histogram_add(&m->inter_token, seconds(j->last_token_ns, now));
    else if (m)
        tn_histogram_add(&m->first_token, seconds(j->submitted_ns, now));
    j->last_token_ns = now;
}

static void count_end(const tn_job *j, tn_job_state state) {
    tn_metrics *m = j->config.lane->metrics;
    tn_outcome o = state == TN_JOB_STOPPED      ? TN_OUTCOME_STOP
                   : state == TN_JOB_LENGTH     ? TN_OUTCOME_LENGTH
                   : state == TN_JOB_REPETITION ? TN_OUTCOME_REPETITION
                   : state == TN_JOB_CANCELLED  ? TN_OUTCOME_CANCELLED
                                                : TN_OUTCOME_FAILED;
    if (!m) return;
    atomic_fetch_add_explicit(&m->outcomes[o], 1, memory_order_relaxed);
    tn_histogram_add(&m->whole, seconds(j->submitted_ns, tn_clock_ns()));
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
    count_token(j);
    atomic_store_explicit(&j->n_cached, tn_seq_get_info(j->seq).n_cached, memory_order_relaxed);
    atomic_store_explicit(&j->n_tokens, n + 1, memory_order_release);
    tell(j->runner, j);
    return true;
}

static void start(tn_job *j) {
    const tn_job_config *c = &j->config;
    c->lane->n_jobs++;
    if (j->encoding.rows) {
        tn_encoder_add(c->lane->model->encoder, &j->encoding);
        return;
    }
    tn_seq_config seq = {.prompt = c->prompt,
                         .n_prompt = c->n_prompt,
                         .media = c->media,
                         .n_media = c->n_media,
                         .coord = c->coord,
                         .next_coord = c->next_coord,
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
    if (tn_engine_add(c->lane->engine, &seq, &j->seq, &j->error) != 0) j->seq = NULL;
}

/* All that there is, oldest first. */
static mail *take_inbox(tn_runner *r) {
    mail *newest = atomic_exchange_explicit(&r->inbox, NULL, memory_order_acquire), *in_order = NULL;
    while (newest) {
        mail *next = newest->next;
        newest->next = in_order;
        in_order = newest;
        newest = next;
    }
    return in_order;
}

/* The final state of j, or TN_JOB_RUNNING while it goes on. */
static tn_job_state settle(tn_runner *r, tn_job *j) {
    if (!j->seq && !j->encoding.rows) return TN_JOB_FAILED;
    if (atomic_load(&r->stop) || atomic_load_explicit(&j->cancelled, memory_order_acquire))
        return TN_JOB_CANCELLED;
    if (j->encoding.status) {
        j->error = j->encoding.error;
        return TN_JOB_FAILED;
    }
    if (j->encoding.rows) return tn_encoding_is_done(&j->encoding) ? TN_JOB_STOPPED : TN_JOB_RUNNING;
    switch (tn_seq_finish(j->seq)) {
    case TN_FINISH_NONE: return TN_JOB_RUNNING;
    case TN_FINISH_STOP: return TN_JOB_STOPPED;
    case TN_FINISH_REPETITION: return TN_JOB_REPETITION;
    case TN_FINISH_LENGTH: break;
    case TN_FINISH_FAILED: j->error = *tn_seq_error(j->seq); return TN_JOB_FAILED;
    }
    return TN_JOB_LENGTH;
}

static void set_state(tn_runner *r, tn_job *j, tn_job_state state) {
    atomic_store_explicit(&j->state, (int)state, memory_order_release);
    tell(r, j);
}

static bool has_started(const tn_job *j) {
    return j->seq ? tn_seq_get_info(j->seq).running : j->encoding.n_begun > 0;
}

/* Says which jobs have started, and lets go of those that are over. */
static void reap(tn_runner *r) {
    for (tn_job **at = &r->jobs; *at;) {
        tn_job *j = *at;
        tn_job_state state = settle(r, j);
        if (state == TN_JOB_RUNNING) {
            if (tn_job_get_state(j) == TN_JOB_WAITING && has_started(j)) {
                tn_metrics *m = j->config.lane->metrics;
                if (m) tn_histogram_add(&m->queue, seconds(j->submitted_ns, tn_clock_ns()));
                set_state(r, j, state);
            }
            at = &j->next;
            continue;
        }
        *at = j->next;
        count_end(j, state);
        if (j->seq) tn_engine_remove(j->config.lane->engine, j->seq);
        if (j->encoding.rows) tn_encoder_remove(j->config.lane->model->encoder, &j->encoding);
        j->seq = NULL;
        j->config.lane->n_jobs--;
        atomic_fetch_sub(&r->n_jobs, 1);
        atomic_fetch_sub(&j->config.lane->n_open, 1);
        set_state(r, j, state);
        unref(j);
    }
}

/* A device that failed fails the jobs of its model, not the process. */
static void fail_lane(tn_runner *r, const tn_lane *l, const tn_error *err) {
    for (tn_job *j = r->jobs; j; j = j->next) {
        if (j->config.lane != l || !j->seq) continue;
        tn_engine_remove(l->engine, j->seq);
        j->seq = NULL;
        j->error = *err;
    }
}

/* Of models that make embeddings: texts count as prompts. */
static tn_engine_stats stats_of(const tn_lane *l) {
    if (l->engine) return tn_engine_get_stats(l->engine);
    const tn_encoder *e = l->model->encoder;
    return (tn_engine_stats){.n_step = e->n_slice, .n_prompt = e->n_token, .n_step_tokens = e->n_row_done};
}

static void count_step(tn_lane *l, int64_t ns) {
    tn_metrics *m = l->metrics;
    uint64_t n = stats_of(l).n_step_tokens - l->counted.n_step_tokens;
    if (!m || n == 0) return;
    tn_histogram_add(&m->step, (double)ns * 1e-9);
    tn_histogram_add(&m->occupancy, (double)n / l->model->config.max_tokens);
}

static void count_all(tn_runner *r) {
    for (tn_lane *l = NULL; (l = tn_lanes_after(&r->lanes, l));) {
        tn_engine_stats now = stats_of(l);
        if (l->metrics) tn_metrics_take(l->metrics, &now, &l->counted);
        l->counted = now;
    }
}

static int step_lane(tn_lane *l, bool *ret_busy, tn_error *err) {
    if (l->engine) return tn_engine_step(l->engine, ret_busy, err);
    tn_encoder_step(l->model->encoder, ret_busy);
    return 0;
}

/* One step of the model whose turn it is; false when none had anything to do. */
static bool step(tn_runner *r) {
    tn_lane *l;
    bool busy = false;
    tn_lanes_begin(&r->lanes);
    while (!busy && (l = tn_lanes_next(&r->lanes))) {
        tn_error err = {0};
        int64_t began = tn_clock_ns();
        atomic_store_explicit(&r->step_began_ns, began, memory_order_relaxed);
        if (step_lane(l, &busy, &err) != 0) {
            fail_lane(r, l, &err);
            busy = true;
        }
        atomic_store_explicit(&r->step_began_ns, 0, memory_order_relaxed);
        int64_t ns = tn_clock_ns() - began;
        count_step(l, ns);
        tn_lanes_done(&r->lanes, l, (uint64_t)ns, !busy);
    }
    return busy;
}

/* Ends what l has; its jobs are counted down in the inbox's order, so that none is still to come. */
static void let_go(tn_runner *r, tn_lane *l) {
    for (tn_job *j = r->jobs; j; j = j->next)
        if (j->config.lane == l) tn_job_cancel(j);
    reap(r);
    if (l->metrics) tn_metrics_take(l->metrics, &(tn_engine_stats){0}, &(tn_engine_stats){0});
    tn_lanes_remove(&r->lanes, l);
    tn_engine_free(l->engine);
    free(l);
}

static void answer(tn_runner *r, request *q) {
    switch (q->mail.kind) {
    case MAIL_ATTACH: tn_lanes_add(&r->lanes, q->lane); break;
    case MAIL_DETACH: let_go(r, q->lane); break;
    case MAIL_SHRINK: q->bytes = tn_lanes_shrink(&r->lanes, NULL, q->bytes); break;
    case MAIL_JOB: break;
    }
    pthread_mutex_lock(&q->lock);
    q->is_answered = true;
    pthread_cond_signal(&q->answered);
    pthread_mutex_unlock(&q->lock);
}

static void read_inbox(tn_runner *r) {
    tn_job **end = &r->jobs;
    for (mail *m = take_inbox(r), *next; m; m = next) {
        next = m->next;
        if (m->kind != MAIL_JOB) {
            answer(r, (request *)m);
            end = &r->jobs;
            continue;
        }
        while (*end) end = &(*end)->next;
        *end = (tn_job *)m;
        start(*end);
    }
}

/* Jobs that wait for memory look again after a moment: who gives it back does not know of them. */
static void sleep_until_woken(tn_runner *r) {
    enum { MOMENT_MS = 20 };
    char bytes[64];
    struct pollfd p = {.fd = r->wake[0], .events = POLLIN};
    poll(&p, 1, r->jobs ? MOMENT_MS : -1);
    while (read(r->wake[0], bytes, sizeof bytes) == sizeof bytes) {}
}

static void *run(void *arg) {
    tn_runner *r = arg;
    while (!atomic_load(&r->stop)) {
        read_inbox(r);
        reap(r);
        bool busy = step(r);
        reap(r);
        if (atomic_exchange(&r->clear, false)) tn_lanes_shrink(&r->lanes, NULL, UINT64_MAX);
        count_all(r);
        tn_lanes_feed(&r->lanes);
        if (r->changed) r->config.notify(r->config.ctx);
        r->changed = false;
        if (!busy && !atomic_load_explicit(&r->inbox, memory_order_relaxed)) sleep_until_woken(r);
    }
    read_inbox(r);
    reap(r);
    r->config.notify(r->config.ctx);
    return NULL;
}

/* ---- Models
 * ---------------------------------------------------------------------------------------------------- */

/* Sends q and waits for the answer. */
static void ask(tn_runner *r, request *q) {
    pthread_mutex_init(&q->lock, NULL);
    pthread_cond_init(&q->answered, NULL);
    post(r, &q->mail);
    pthread_mutex_lock(&q->lock);
    while (!q->is_answered) pthread_cond_wait(&q->answered, &q->lock);
    pthread_mutex_unlock(&q->lock);
    pthread_cond_destroy(&q->answered);
    pthread_mutex_destroy(&q->lock);
}

int tn_runner_attach(tn_runner *r, tn_model *m, tn_metrics *metrics, tn_lane **ret, tn_error *err) {
    tn_lane *l = calloc(1, sizeof *l);
    tn_engine_config config = {
        .budget = r->config.budget, .reclaim = tn_lane_reclaim, .ctx = l, .mix_roles = r->config.mix_roles};
    if (!l) return tn_fail(err, TN_ENOMEM, "out of memory");
    l->model = m;
    l->metrics = metrics;
    l->all = &r->lanes;
    int rc = m->encoder ? 0 : tn_engine_new(m, &config, &l->engine, err);
    if (rc) {
        free(l);
        return rc;
    }
    request q = {.mail.kind = MAIL_ATTACH, .lane = l};
    ask(r, &q);
    *ret = l;
    return 0;
}

void tn_runner_detach(tn_runner *r, tn_lane *l) {
    request q = {.mail.kind = MAIL_DETACH, .lane = l};
    ask(r, &q);
}

void tn_runner_clear_cache(tn_runner *r) {
    atomic_store(&r->clear, true);
    wake(r);
}

uint64_t tn_runner_shrink(tn_runner *r, uint64_t bytes) {
    request q = {.mail.kind = MAIL_SHRINK, .bytes = bytes};
    ask(r, &q);
    return q.bytes;
}

double tn_runner_stalled(const tn_runner *r, double limit_s) {
    int64_t began = atomic_load_explicit(&r->step_began_ns, memory_order_relaxed);
    double seconds = began ? (double)(tn_clock_ns() - began) * 1e-9 : 0;
    return limit_s > 0 && seconds > limit_s ? seconds : 0;
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
    int rc = open_pipe(r, err);
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
    for (tn_lane *l; (l = tn_lanes_after(&r->lanes, NULL));) let_go(r, l);
    for (int i = 0; i < 2; i++)
        if (r->wake[i] >= 0) close(r->wake[i]);
    free(r);
}
