/* SPDX-License-Identifier: Apache-2.0 */
/* The engine: sequences in, steps run, tokens out. Decoding sequences go first in every step, prompts fill
 * what is left of the token budget, cut into chunks as needed; a token with much context before it counts for
 * more, so that a step deep in a long prompt takes about as long as any. What a sequence gets depends on
 * nobody else.
 *
 * Who goes next: the higher priority, which grows with waiting; then the client that has been served less
 * (virtual token counters, Sheng et al. 2024, "Fairness in Serving Large Language Models"); then who came
 * first. A sequence runs when there are pages for its prompt and some to spare, and takes more as it grows.
 * When they run out, what is cached goes first, then the least important running sequence is preempted: its
 * pages stay in the index, it waits, and goes on from what is still there.
 *
 * One thread at a time. */
#ifndef TN_SCHED_ENGINE_H
#define TN_SCHED_ENGINE_H

#include "base/budget.h"
#include "cache/kv.h"
#include "media/store.h"
#include "sched/model.h"
#include "sched/sampler.h"

typedef struct tn_engine tn_engine;
typedef struct tn_seq tn_seq;

typedef enum tn_finish {
    TN_FINISH_NONE,
    TN_FINISH_STOP,       /* an end token, or the callback asked for it */
    TN_FINISH_LENGTH,     /* max_new, or the context is full */
    TN_FINISH_REPETITION, /* the answer loops: sampling.repetition */
    TN_FINISH_FAILED,     /* a picture could not be encoded: tn_seq_error */
} tn_finish;

/* Tokens of a prompt that stand for rows of a picture, from first_row on; none of a recording that cross
 * attention looks at. */
typedef struct tn_seq_media {
    uint32_t first_token, n_token, first_row;
    tn_media_entry *entry; /* borrowed, held by somebody until the sequence is removed */
} tn_seq_media;

/* What to do with a sequence. Pointers are borrowed until the sequence is removed; callbacks run inside
 * tn_engine_step. */
typedef struct tn_seq_config {
    const int32_t *prompt; /* [n_prompt], n_prompt >= 1, each below the vocabulary */
    uint32_t n_prompt;
    const tn_seq_media *media; /* [n_media], ascending; the sequence waits until all are encoded */
    uint32_t n_media;
    /* [n_prompt]: where tokens stand for rope tables with axes; what follows the prompt stands at next_coord
     * and after. NULL: at their positions. */
    const uint32_t (*coord)[3];
    uint32_t next_coord;
    uint32_t max_new; /* tokens to generate; 0: only run the prompt */
    tn_sampling sampling;
    bool ignore_end;         /* end tokens do not end it */
    const int32_t *stop_ids; /* [n_stop_ids]: further end tokens, also with ignore_end */
    uint32_t n_stop_ids;
    uint32_t n_ctx;   /* prompt and answer at most; 0: what the model's context holds */
    int32_t priority; /* higher ones go first */
    uint64_t client;  /* whose it is: clients share the engine fairly */
    const void *salt; /* [n_salt] bytes: it shares computed prefixes with sequences of the same salt only */
    size_t n_salt;
    bool isolated;   /* it shares with nobody */
    bool all_logits; /* on_logits for every position, not only those that are sampled from; isolates */
    void *ctx;
    /* The logits [n_vocab] after position pos of the sequence; may be NULL. Borrowed during the call. */
    void (*on_logits)(void *ctx, uint32_t pos, const float *logits);
    /* Tap values of positions pos .. pos + n of the step just run, for models loaded with taps; may be NULL.
     */
    void (*on_taps)(void *ctx, tn_exec *exec, uint32_t first_row, uint32_t pos, uint32_t n);
    /* A token was chosen (end tokens are not reported). Returning false stops the sequence. */
    bool (*on_token)(void *ctx, const tn_token *token);
} tn_seq_config;

/* Where pages come from; zeros: the model's own pool is the only limit. */
typedef struct tn_engine_config {
    tn_budget *budget; /* every page that holds memory is taken from it; outlives the engine */
    /* The budget is spent: others may give some back, up to bytes if they can. true: it is worth another try.
     * Called from tn_engine_step. May be NULL. */
    bool (*reclaim)(void *ctx, uint64_t bytes);
    void *ctx;
    /* On devices with roles (device/device.h) a prompt may go on from pages of tokens that somebody's answer
     * generated, and the reverse: less is computed twice, and answers may differ in the last bits of a logit.
     */
    bool mix_roles;
} tn_engine_config;

/* m outlives the engine. config may be NULL. TN_ENOMEM. [control thread] */
int tn_engine_new(tn_model *m, const tn_engine_config *config, tn_engine **ret, tn_error *err);
/* Removes all sequences. */
void tn_engine_free(tn_engine *e);

/* Whether a prompt could run: TN_EINVAL (an id outside the vocabulary, an empty prompt), TN_ELIMIT (longer
 * than the context: both numbers). [any thread] */
int tn_engine_check(const tn_model *m, const int32_t *prompt, uint32_t n_prompt, tn_error *err);

/* Whether the media of a sequence could: TN_EINVAL (the model sees nothing), TN_ELIMIT (a picture whose rows
 * see each other does not fit a step), TN_EBUG (runs that overlap or end outside). [any thread] */
int tn_engine_check_media(const tn_model *m, const tn_seq_media *media, uint32_t n_media, uint32_t n_prompt,
                          tn_error *err);

/* Takes a sequence; it waits for its turn. As tn_engine_check, tn_engine_check_media, TN_ENOMEM. */
int tn_engine_add(tn_engine *e, const tn_seq_config *c, tn_seq **ret, tn_error *err);
/* Ends a sequence at once and gives its pages back. */
void tn_engine_remove(tn_engine *e, tn_seq *s);

/* Runs one step over all unfinished sequences; false in *ret_busy when there was nothing to do. Errors are
 * the device's: the sequences stay, and may be removed. */
int tn_engine_step(tn_engine *e, bool *ret_busy, tn_error *err);
/* Steps until every sequence has finished. */
int tn_engine_run(tn_engine *e, tn_error *err);

/* Gives up to bytes of memory back to the budget: free pages first, then cached ones, those that are cheapest
 * to compute again first. Returns how many. Not from inside a callback. */
uint64_t tn_engine_shrink(tn_engine *e, uint64_t bytes);
/* Whether sequences wait although none runs: there is no memory for any of them. */
bool tn_engine_is_starved(const tn_engine *e);

/* While held it admits nobody; what runs goes on. */
void tn_engine_hold(tn_engine *e, bool held);
/* Drops everything cached that nobody uses. */
void tn_engine_clear_cache(tn_engine *e);

/* Since the engine was made, but for n_running and n_waiting. */
typedef struct tn_engine_stats {
    uint32_t n_running, n_waiting; /* sequences now */
    uint64_t n_step, n_preempted;
    uint64_t n_full_step;     /* steps that could not have computed more of the prompts there were */
    uint64_t n_prompt, n_hit; /* prompt tokens computed; found in the index instead */
    uint64_t n_generated;     /* tokens chosen */
    uint64_t n_step_tokens;   /* computed, all sequences and kinds together */
    uint64_t n_picture;       /* encoded */
    tn_kv_stats kv;
} tn_engine_stats;
tn_engine_stats tn_engine_get_stats(const tn_engine *e);

tn_finish tn_seq_finish(const tn_seq *s);
/* Why it failed. */
const tn_error *tn_seq_error(const tn_seq *s);
/* Where a sequence stands. */
typedef struct tn_seq_info {
    bool running;         /* else it waits */
    uint32_t n_past;      /* tokens computed so far, prompt included */
    uint32_t n_cached;    /* tokens of the prompt that were not computed but found */
    uint32_t n_preempted; /* how often */
} tn_seq_info;
tn_seq_info tn_seq_get_info(const tn_seq *s);

#endif
