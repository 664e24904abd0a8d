/* SPDX-License-Identifier: Apache-2.0 */
/* Toy families: a few tensors in a checkpoint, a forward pass that a test records, and sequences run through
 * it on any device in steps of any make-up. */
#ifndef TN_TESTS_TOY_H
#define TN_TESTS_TOY_H

#include "device/device.h"
#include "program/hparams.h"

enum { TOY_SEQ = 3, TOY_STEP = 64, TOY_PAGE_TOKENS = 16, TOY_PAGES = 128 };

/* F32. */
typedef struct toy_tensor {
    const char *name, *shape; /* "4, 1, 3" */
    const float *data;
    size_t n;
} toy_tensor;

typedef struct toy {
    const char *dir;
    tn_checkpoint *ckpt;
    tn_hparams h;
    tn_program *program;
} toy;

typedef void (*toy_forward)(void *ctx, tn_recorder *r);

/* A checkpoint of these tensors; one toy at a time. */
void toy_init(toy *t, const toy_tensor *tensors, size_t n);
void toy_fini(toy *t);
/* What tn_program_record says; the program replaces the one before. */
int toy_record(toy *t, toy_forward forward, void *ctx, tn_error *err);

typedef struct toy_run {
    const tn_device_class *cls;
    uint32_t n_thread;
    uint32_t length[TOY_SEQ]; /* tokens of each sequence, at most TOY_PAGES * TOY_PAGE_TOKENS in all */
    uint32_t chunk;           /* of a sequence in a step; 0: drawn */
    bool alone;               /* one sequence after the other, else mixed */
    bool move;                /* states go from page to page between steps */
    uint64_t seed;
} toy_run;

int32_t toy_id(uint32_t seq, uint32_t pos, uint32_t n_id);
/* Runs the sequences, ids below n_id, twice over, the second time with pages that the first has left.
 * ret[s]: [length[s], n_vocab], the caller's, of the second time. */
void toy_run_sequences(const toy *t, const toy_run *how, uint32_t n_id, float *ret[TOY_SEQ]);

#endif
