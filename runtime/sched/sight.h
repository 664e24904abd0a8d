/* SPDX-License-Identifier: Apache-2.0 */
/* A prompt with media, ready for the engine: what stands where, from what a model has seen and the ids or the
 * text that show it. */
#ifndef TN_SCHED_SIGHT_H
#define TN_SCHED_SIGHT_H

#include "media/intake.h"
#include "media/prompt.h"
#include "sched/engine.h"
#include "sched/tower.h"

/* Owns what it points to. */
typedef struct tn_sight {
    int32_t *ids; /* [n_ids] */
    uint32_t n_ids;
    tn_seq_media *media; /* [n_media], entries held */
    uint32_t n_media;
    uint32_t (*coord)[3]; /* [n_ids]; NULL: positions are enough */
    uint32_t next_coord;
} tn_sight;

/* ids in which a token stands for each row already. Errors of tn_media_bind; TN_EINVAL: the model sees
 * nothing. [any thread] */
int tn_sight_bind(const tn_model *m, const int32_t *ids, size_t n, const tn_seen *seen, size_t n_seen,
                  tn_sight *ret, tn_error *err);
/* Text with the placeholders that the model's chat template writes, encoded with its tokenizer, special
 * tokens included. Errors of tn_media_write, tn_media_fill and of the tokenizer. [any thread] */
int tn_sight_write(const tn_model *m, const char *text, size_t len, const tn_seen *seen, size_t n_seen,
                   tn_sight *ret, tn_error *err);
/* Zeros are harmless. */
void tn_sight_fini(tn_sight *s);
/* Tells a sequence of it; s stays the owner. */
void tn_sight_config(const tn_sight *s, tn_seq_config *ret);

#endif
