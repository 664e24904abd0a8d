/* SPDX-License-Identifier: Apache-2.0 */
/* A model's tower, for images or for sound: patches in, rows for the text program out, in slices short enough
 * for others' steps to go between them. A slice takes some rows of the pictures under way through one stage
 * of the program. What a row gets depends on its picture alone: each begins at a position where a span of
 * attention does. */
#ifndef TN_SCHED_TOWER_H
#define TN_SCHED_TOWER_H

#include <tenon/family.h>

#include "device/device.h"
#include "media/store.h"
#include "program/hparams.h"

enum {
    TN_TOWER_SLICE = 256,        /* rows of a slice */
    TN_TOWER_BATCH = 16,         /* pictures that go together */
    TN_TOWER_MAX_PATCHES = 16384 /* of a picture; larger ones are made smaller, as processors do */
};
#define TN_TOWER_SLICE_BYTES                                                                                 \
    ((uint64_t)64 << 20) /* of a slice's widest value, where that leaves any rows                            \
                          */

typedef struct tn_tower {
    bool hears;
    tn_vision vision; /* of one that does not hear; else zeros, but for merge: 1 */
    tn_audio audio;   /* of one that hears */
    tn_program *program;
    tn_exec *exec; /* NULL until it is lowered */
    tn_exec_config config;
    tn_exec_size size;
    /* The pictures that are being encoded, their rows one after the other. */
    tn_media_entry *entries[TN_TOWER_BATCH]; /* held */
    uint32_t first_row[TN_TOWER_BATCH + 1];  /* the last one: of all */
    uint32_t n_entry, n_pos;
    uint32_t stage, row;
    uint32_t *page;              /* [n_page]: 0, 1, ... */
    uint32_t *pos, *seq;         /* [max_kept]: where rows stand among all keys; zeros */
    uint32_t *first[2], *end[2]; /* [max_kept]: what rows see in a frame and in a window */
    /* Of the rows of a slice. */
    float *input;
    uint32_t (*coord)[3], (*mix_index)[4];
    float (*mix_weight)[4];
} tn_tower;

/* Asks the family what the checkpoint sees or hears with and records its tower; *ret NULL where it has none.
 * compute and kv_type as the text's. [control thread] */
int tn_tower_open(const tn_family *family, void *instance, tn_hparams *h, tn_tower **ret, tn_error *err);
/* Sizes it for a device, and makes it ready to run. */
int tn_tower_size(tn_tower *t, tn_device *d, tn_compute compute, tn_error *err);
int tn_tower_lower(tn_tower *t, tn_device *d, tn_progress_fn progress, void *ctx, tn_error *err);
void tn_tower_free(tn_tower *t);

/* Takes a WAITING entry among those that are encoded together, which it holds: before the first slice of
 * them, while there is room; false: it has to wait. One that cannot be encoded at all has FAILED. [engine
 * thread] */
bool tn_tower_take(tn_tower *t, tn_media_entry *e);
bool tn_tower_has(const tn_tower *t, const tn_media_entry *e);
/* Runs a slice of what has been taken; true: all are done, READY or FAILED. [engine thread] */
bool tn_tower_slice(tn_tower *t);

#endif
