/* SPDX-License-Identifier: Apache-2.0 */
/* The engine thread: jobs in, tokens out. One thread steps the engines of all models, each for its fair share
 * of the time; everybody else hands jobs over and reads their tokens without ever making it wait. Models come
 * and go while it runs.
 *
 * A job's tokens land in arrays that are allocated when it is submitted; the engine writes behind an atomic
 * count, one reader reads before it. After each step that produced something the engine calls `notify` once;
 * which jobs it was about, tn_runner_next_news says, so that a reader of many looks at those alone. */
#ifndef TN_SCHED_RUNNER_H
#define TN_SCHED_RUNNER_H

#include "sched/engine.h"
#include "sched/metrics.h"

typedef struct tn_runner tn_runner;
typedef struct tn_job tn_job;
typedef struct tn_lane tn_lane; /* a model that is attached to a runner */

typedef struct tn_runner_config {
    tn_budget *budget;         /* where pages come from, outlives the runner; NULL: no limit but the pools' */
    uint32_t queue_length;     /* jobs of a model that may wait while its sequences are taken; 0: no bound */
    bool mix_roles;            /* of every engine (sched/engine.h) */
    void (*notify)(void *ctx); /* [engine thread] must not block */
    void *ctx;
} tn_runner_config;

/* Starts the thread. TN_ENOMEM, TN_EIO. [control thread] */
int tn_runner_new(const tn_runner_config *config, tn_runner **ret, tn_error *err);
/* Ends all jobs as cancelled, joins the thread, detaches all models. Jobs stay readable until released. */
void tn_runner_free(tn_runner *r);

/* Makes an engine for a model that is ready to run; jobs for it may be submitted at once. The model outlives
 * the attachment, and so do metrics (NULL: nothing is counted), which the engine thread writes. TN_ENOMEM.
 * [any thread but the engine's] */
int tn_runner_attach(tn_runner *r, tn_model *m, tn_metrics *metrics, tn_lane **ret, tn_error *err);
/* Ends the model's jobs as cancelled, frees its engine: nobody uses the model any more when it returns, which
 * takes up to one step. Nothing is submitted for it meanwhile or later. [any thread but the engine's] */
void tn_runner_detach(tn_runner *r, tn_lane *l);
/* Makes all engines give back up to bytes of memory that they can do without; waits for it, up to one step.
 * Returns how many. [any thread but the engine's] */
uint64_t tn_runner_shrink(tn_runner *r, uint64_t bytes);
/* Makes all engines drop what is only cached, at the next opportunity. [any thread] */
void tn_runner_clear_cache(tn_runner *r);
/* How many seconds the step that runs has lasted; 0 while there is none, or a limit of 0, or below limit_s:
 * all is well. [any thread] */
double tn_runner_stalled(const tn_runner *r, double limit_s);

/* What to generate. Everything is copied. */
typedef struct tn_job_config {
    tn_lane *lane;         /* whose model runs it */
    const int32_t *prompt; /* [n_prompt] */
    uint32_t n_prompt;
    const tn_seq_media *media; /* [n_media]; the job holds their entries */
    uint32_t n_media;
    const uint32_t (*coord)[3]; /* [n_prompt] or NULL, and next_coord, as in tn_seq_config */
    uint32_t next_coord;
    uint32_t max_new; /* cut to what the context leaves; 0: only run the prompt */
    tn_sampling sampling;
    bool ignore_end;
    const int32_t *stop_ids; /* [n_stop_ids] */
    uint32_t n_stop_ids;
    /* As in tn_seq_config: */
    uint32_t n_ctx;
    int32_t priority;
    uint64_t client;
    const void *salt; /* [n_salt] bytes */
    size_t n_salt;
    bool isolated;
    /* For models that make embeddings: prompt is n_text texts one after the other, which end at text_ends.
     * text_skip and text_second as in tn_encoding, or NULL. Nothing is generated; tn_job_rows has what comes
     * out. */
    const uint32_t *text_ends, *text_skip, *text_second;
    uint32_t n_text;
    void *owner; /* what news of the job are about, borrowed; NULL: it makes none */
} tn_job_config;

/* Takes a job. The caller holds it until tn_job_release. TN_EINVAL, TN_ELIMIT (prompt longer than the
 * context: both numbers), TN_ECANCELED (the queue is full: its length), TN_ENOMEM. [any thread] */
int tn_runner_submit(tn_runner *r, const tn_job_config *config, tn_job **ret, tn_error *err);

typedef enum tn_job_state {
    TN_JOB_WAITING, /* for pages and a place among the running sequences */
    TN_JOB_RUNNING,
    TN_JOB_STOPPED,    /* an end token */
    TN_JOB_LENGTH,     /* max_new, or the context is full */
    TN_JOB_REPETITION, /* the answer loops */
    TN_JOB_CANCELLED,  /* tn_job_cancel, or the runner ended */
    TN_JOB_FAILED,     /* tn_job_error says why */
} tn_job_state;

/* The state first, then the tokens: a final state means that all tokens are there. [any thread] */
tn_job_state tn_job_get_state(const tn_job *j);
bool tn_job_is_final(tn_job_state s);
/* Tokens so far, and the i-th of them. [one reader] */
uint32_t tn_job_n_tokens(const tn_job *j);
int32_t tn_job_token(const tn_job *j, uint32_t i);
/* Its log probabilities, for jobs that asked for them. */
void tn_job_logprobs(const tn_job *j, uint32_t i, tn_token *ret);
/* Tokens of its prompt that were not computed but found in the cache. [any thread] */
uint32_t tn_job_n_cached(const tn_job *j);
/* Pooled rows of its texts, [n_text, n_embd], once it is TN_JOB_STOPPED; NULL where it has none. */
const float *tn_job_rows(const tn_job *j);
const tn_error *tn_job_error(const tn_job *j);
/* Ends the job within one step. [any thread] */
void tn_job_cancel(tn_job *j);
/* The caller is done with it; a job that still runs is cancelled. NULL is harmless. [any thread; the reader,
 * where the job has an owner] */
void tn_job_release(tn_job *j);

/* The owner of a job that has started, has new tokens or is final since it was last returned; NULL: no more.
 * Owners of several jobs come several times, those of released jobs not at all. [one reader] */
void *tn_runner_next_news(tn_runner *r);

/* Jobs submitted and not final. [any thread] */
uint32_t tn_runner_n_jobs(const tn_runner *r);

#endif
