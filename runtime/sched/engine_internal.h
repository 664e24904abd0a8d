/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of the engine: engine.c owns sequences and what a step leaves, builder.c decides what the next one
 * does. */
#ifndef TN_SCHED_ENGINE_INTERNAL_H
#define TN_SCHED_ENGINE_INTERNAL_H

#include "sched/engine.h"
#include "sched/repeat.h"

/* Whose sequences they are; one for each id, kept a while after its last sequence. */
typedef struct tn_client {
    struct tn_client *next;
    uint64_t id;
    uint32_t n_seq;  /* unfinished ones */
    uint64_t served; /* virtual token counter */
} tn_client;

struct tn_seq {
    tn_seq_config config;
    tn_seq *next;
    tn_client *client;
    tn_chain *chain;
    tn_repeat *watch; /* for loops; NULL: nobody asked */
    int32_t *ids;     /* [n_max + 1]: the prompt, then what was generated */
    int32_t *keys; /* [n_max + 1]: what the index knows them by; ids themselves where roles do not matter */
    uint32_t n_ids, n_max; /* known; longest possible */
    uint32_t rope_variant;
    bool waits; /* for pictures to be encoded */
    int64_t arrived_ns;
    uint64_t admitted_at; /* in order of admission */
    bool admitted;
    uint32_t n_cached, n_preempted;
    tn_finish finish;
    uint32_t step_tokens, step_first, step_first_row, step_rows; /* its share of the step being built */
    uint64_t looked_at; /* the last step whose builder had it in hand */
};

struct tn_engine {
    tn_model *m;
    tn_engine_config config;
    tn_kv *kv;
    tn_sampler sampler;
    tn_seq *seqs; /* in order of arrival */
    tn_client *clients;
    uint32_t n_client;
    bool held, starved;
    bool is_full;        /* the step being built: a prompt got less than it wanted */
    uint64_t n_admitted; /* ever */
    uint32_t n_running;
    tn_engine_stats stats;
    int64_t now_ns; /* when the step being built began */
    double budget;  /* what it may still compute, in tokens without context */
    tn_step step;
    int32_t *ids;
    uint32_t *pos, *seq, *rows;
    uint32_t (*coord)[3];          /* NULL: no rope table has axes */
    uint32_t *see_first, *see_end; /* NULL: all rows see their past alone */
    tn_step_media *media;          /* [max_tokens]; NULL: it sees nothing */
    tn_step_cross *cross;          /* [max_seqs]; NULL: there is no cross attention */
    double step_s;                 /* of late, a step that is as full as can be */
    tn_step_seq *step_seqs;
    tn_seq **members; /* [max_seqs]: whose entry step_seqs[i] is */
};

/* builder.c: fills e->step and e->members. TN_ENOMEM when a sequence that cannot be preempted finds no pages.
 */
int tn_engine_build(tn_engine *e, tn_error *err);
/* Lets go of a sequence's pages; what is computed stays in the index. */
void tn_engine_leave(tn_engine *e, tn_seq *s);

/* pictures.c: arrays for the media of steps. TN_ENOMEM. */
int tn_engine_media_new(tn_engine *e, tn_error *err);
void tn_engine_media_free(tn_engine *e);
/* What stands for the media of a sequence in the index. */
void tn_engine_media_keys(tn_seq *s);
/* How many of n tokens from the chain's end on s may take at once: pictures whose rows see each other are not
 * cut; 0: not that many. room: the most that may be taken. */
uint32_t tn_engine_whole_pictures(const tn_engine *e, const tn_seq *s, uint32_t n, uint32_t room);
/* Tells the step of the media among n tokens of s that have just been added, from e->step.n_token on. */
void tn_engine_media_step(tn_engine *e, const tn_seq *s, uint32_t n);
/* What cross attention of sequence i of the step looks at; NULL: there is none. */
const tn_step_cross *tn_engine_media_cross(tn_engine *e, const tn_seq *s, uint32_t i);
/* Encodes pictures that sequences wait for, for about as long as a step takes. Whether there was anything to
 * do. */
bool tn_engine_encode(tn_engine *e);

/* It has chosen a token before and computes the next one. */
static inline bool tn_seq_is_decoding(const tn_seq *s) {
    return s->chain->n_past + 1 == s->n_ids && s->n_ids > s->config.n_prompt;
}

#endif
