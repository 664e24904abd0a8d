/* SPDX-License-Identifier: Apache-2.0 */
/* A model that makes embeddings: texts in, one row each out. Texts of any number of callers are packed into
 * batches; a batch goes through the program in slices short enough for others' steps to go between them. A
 * text is a sequence of its own in the device's step, with positions from 0, so that its row does not depend
 * on what it is packed with, or how that is cut.
 *
 * The engine thread pools; dense layers and normalisation are left to who wants them (tn_recipe_finish). */
#ifndef TN_SCHED_ENCODER_H
#define TN_SCHED_ENCODER_H

#include <tenon/family.h>

#include "device/device.h"
#include "program/hparams.h"
#include "sched/recipe.h"
#include "text/tokenizer.h"

enum {
    TN_ENCODER_SLICE = 256,   /* rows of a slice */
    TN_ENCODER_BATCH = 2048,  /* rows of a batch, but for a text that is longer */
    TN_ENCODER_TEXTS = 256,   /* texts of a batch */
    TN_ENCODER_CONTEXT = 8192 /* of a text that nobody asked for */
};

/* Texts to encode. Whoever wants them owns it, and keeps it until it is done or removed. */
typedef struct tn_encoding {
    const int32_t *ids;   /* of all texts, one after the other */
    const uint32_t *ends; /* [n_text]: where each ends; none is empty or longer than the model takes */
    const uint32_t *skip; /* [n_text]: first tokens that a mean leaves out; NULL: none */
    /* [n_text]: where the second text of a pair begins, counted from the beginning of the pair; what has none
     * says its length. NULL: no text is a pair. */
    const uint32_t *second;
    uint32_t n_text;
    float *rows; /* [n_text, n_embd]: pooled */
    /* The encoder's: */
    uint32_t n_begun, n_done;
    int status; /* of a failure; 0 */
    tn_error error;
    struct tn_encoding *next;
} tn_encoding;

static inline bool tn_encoder_scores(const tn_encoder_info *info) {
    return info->result != TN_RESULT_VECTOR;
}
static inline bool tn_encoding_is_done(const tn_encoding *e) {
    return e->status || e->n_done == e->n_text;
}

typedef struct tn_encoder_item {
    tn_encoding *encoding; /* NULL: nobody wants it any more */
    uint32_t text, first_row, n_row;
    uint32_t first_page;
} tn_encoder_item;

typedef struct tn_encoder {
    tn_encoder_info info;
    tn_recipe recipe;
    tn_program *program; /* the model's */
    tn_exec *exec;       /* the model's; NULL until it is lowered */
    tn_exec_config config;
    uint32_t n_out; /* columns of an embedding */
    /* The batch that is under way. */
    tn_encoder_item items[TN_ENCODER_TEXTS];
    uint32_t n_item, n_row, stage, row;
    int32_t *ids, *types;     /* [max_kept] */
    uint32_t *pos;            /* [max_kept]: in its text */
    uint32_t *first, *end;    /* [max_kept]: its text, seen from itself */
    uint32_t (*mix_index)[4]; /* [max_kept] */
    float (*mix_weight)[4];   /* [TN_ENCODER_SLICE] */
    uint32_t *page;           /* [n_page]: 0, 1, ... */
    uint32_t *seq;            /* [TN_ENCODER_SLICE] */
    tn_step_seq *seqs;        /* [TN_ENCODER_TEXTS] */
    tn_encoding *waiting;     /* not done */
    /* Since it was made: texts and their tokens that are done; slices, and the rows that went through them,
     * in whole passes. */
    uint64_t n_text, n_token, n_slice, n_row_done;
} tn_encoder;

/* Whether the checkpoint makes embeddings, and how: *ret and *ret_program (the caller's) NULL where it does
 * not. path: the checkpoint's. [control thread] */
int tn_encoder_open(const tn_family *family, void *instance, tn_hparams *h, const char *path,
                    tn_encoder **ret, tn_program **ret_program, tn_error *err);
/* Tokens of a text at most, for a context that was asked for or 0. TN_ELIMIT. */
int tn_encoder_context(const tn_encoder *e, uint32_t asked, uint32_t *ret, tn_error *err);
/* Fills what steps of texts of n_ctx tokens need, but kv_type and compute. */
void tn_encoder_configure(tn_encoder *e, uint32_t n_ctx, tn_exec_config *c);
/* Beside what the device says: bytes of tables and dense layers. */
uint64_t tn_encoder_bytes(const tn_encoder *e);
/* Once the program is lowered as exec. TN_ENOMEM. */
int tn_encoder_start(tn_encoder *e, tn_exec *exec, tn_error *err);
void tn_encoder_free(tn_encoder *e);

/* Ids of a text, the prompt called `prompt` (NULL: none) before it, special tokens added; *ret_skip is what
 * the mean leaves out. Longer than n_ctx: cut at its end, special tokens kept, where cut says so. TN_EINVAL
 * (no such prompt, an empty text), TN_ELIMIT (too long: both numbers), what tn_tokenizer_encode gives.
 * [any thread] */
int tn_encoder_tokens(const tn_encoder *e, const tn_tokenizer *t, uint32_t n_ctx, const char *text,
                      size_t len, const char *prompt, bool cut, tn_ids *ret, uint32_t *ret_skip,
                      tn_error *err);
/* Ids of a pair for models that score (info.result); *ret_second as in tn_encoding. Too long: its second text
 * is cut, where cut says so. Errors as above. [any thread] */
int tn_encoder_pair(const tn_encoder *e, const tn_tokenizer *t, uint32_t n_ctx, const char *a, size_t a_len,
                    const char *b, size_t b_len, bool cut, tn_ids *ret, uint32_t *ret_second, tn_error *err);
/* Whether ids that somebody gave are ones: TN_EINVAL, TN_ELIMIT. [any thread] */
int tn_encoder_check(const tn_encoder *e, uint32_t n_ctx, const int32_t *ids, size_t n, tn_error *err);

/* Takes texts; they wait for their turn. [engine thread] */
void tn_encoder_add(tn_encoder *e, tn_encoding *what);
/* Forgets texts, done or not. [engine thread] */
void tn_encoder_remove(tn_encoder *e, tn_encoding *what);
/* Runs a slice; false in *ret_busy when there was nothing to do. A failure of the device fails the texts of
 * the batch alone. [engine thread] */
void tn_encoder_step(tn_encoder *e, bool *ret_busy);

#endif
