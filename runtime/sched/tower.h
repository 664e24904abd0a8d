/* SPDX-License-Identifier: Apache-2.0 */
/* A model's tower, for images or for sound: patches in, rows for the text program out, in slices short enough
 * for others' steps to go between them. A slice takes some rows of one picture through one stage of the
 * program; what a row gets does not depend on how its picture was sliced. */
#ifndef TN_SCHED_TOWER_H
#define TN_SCHED_TOWER_H

#include <tenon/family.h>

#include "device/device.h"
#include "media/store.h"
#include "program/hparams.h"

enum {
    TN_TOWER_SLICE = 256,        /* rows of a slice */
    TN_TOWER_MAX_PATCHES = 16384 /* of a picture; larger ones are made smaller, as processors do */
};
#define TN_TOWER_SLICE_BYTES ((uint64_t)64 << 20) /* of a slice's widest value, where that leaves any rows   \
                                                   */

typedef struct tn_tower {
    bool hears;
    tn_vision vision; /* of one that does not hear; else zeros, but for merge: 1 */
    tn_audio audio;   /* of one that hears */
    tn_program *program;
    tn_exec *exec; /* NULL until it is lowered */
    tn_exec_config config;
    tn_exec_size size;
    /* The picture that is being encoded. */
    tn_media_entry *entry; /* held; NULL: none */
    uint32_t stage, row;
    uint32_t *page;              /* [n_page]: 0, 1, ... */
    uint32_t *pos, *seq;         /* [max_kept]: 0, 1, ...; zeros */
    uint32_t *first[2], *end[2]; /* [max_kept]: what rows see in a frame and in a window */
} tn_tower;

/* Asks the family what the checkpoint sees or hears with and records its tower; *ret NULL where it has none.
 * compute and kv_type as the text's. [control thread] */
int tn_tower_open(const tn_family *family, void *instance, tn_hparams *h, tn_tower **ret, tn_error *err);
/* Sizes it for a device, and makes it ready to run. */
int tn_tower_size(tn_tower *t, tn_device *d, tn_compute compute, tn_error *err);
int tn_tower_lower(tn_tower *t, tn_device *d, tn_progress_fn progress, void *ctx, tn_error *err);
void tn_tower_free(tn_tower *t);

/* Begins a WAITING entry, which it holds; nothing else may be under way. TN_ELIMIT, TN_EBUG: the entry has
 * FAILED. [engine thread] */
void tn_tower_begin(tn_tower *t, tn_media_entry *e);
/* Runs a slice of the picture that is under way; true: it is done, READY or FAILED. [engine thread] */
bool tn_tower_slice(tn_tower *t);

#endif
