/* SPDX-License-Identifier: Apache-2.0 */
/* What a model's tower has made of pictures, kept by the hash of what it was given, so that each is encoded
 * once, whatever prompt it stands in and whichever way it came. A video is kept by the frames that one row of
 * time is made of, so clips that overlap share.
 *
 * An entry is made by who first asks for it, with patches; the engine turns these into rows; all who hold it
 * wait for that. Rows of entries that nobody holds are cache: they go when there are more bytes than the
 * limit says, least recently used first. */
#ifndef TN_MEDIA_STORE_H
#define TN_MEDIA_STORE_H

#include "base/status.h"
#include "media/media.h"

enum { TN_MEDIA_PARTS = 64 };

typedef enum tn_media_state {
    TN_MEDIA_WAITING, /* patches are there, rows are not */
    TN_MEDIA_READY,
    TN_MEDIA_FAILED, /* the device could not; error says why */
} tn_media_state;

typedef struct tn_media_entry tn_media_entry;
typedef struct tn_media_store tn_media_store;

/* What a row stands for, for the engine and for the index of prefixes. Constant once the state says so. */
typedef struct tn_media_view {
    uint32_t n_row, n_embd, n_part;
    const float *parts[TN_MEDIA_PARTS]; /* READY: [n_row, n_embd] each */
    /* The rows are known to the index of prefixes as first_key, first_key - 1, ...: negative, and never the
     * same for two contents. */
    int32_t first_key;
} tn_media_view;

typedef struct tn_media_store_stats {
    uint64_t n_hit, n_miss, n_encoded, n_evicted;
    uint64_t n_entry, bytes;
} tn_media_store_stats;

/* max_bytes: of rows that nobody holds. TN_ENOMEM. */
int tn_media_store_new(uint64_t max_bytes, tn_media_store **ret, tn_error *err);
/* No entry may be held. */
void tn_media_store_free(tn_media_store *s);

/* The entry of a hash, held; NULL where there is none. [any thread] */
tn_media_entry *tn_media_find(tn_media_store *s, const tn_media_hash *hash);
/* The entry of a hash, held, made from patches where there is none; they are taken in any case. n_row: of the
 * tower's output. TN_ENOMEM. [any thread] */
int tn_media_add(tn_media_store *s, const tn_media_hash *hash, tn_patches *patches, uint32_t n_row,
                 tn_media_entry **ret, tn_error *err);
void tn_media_hold(tn_media_entry *e);
/* NULL is harmless. */
void tn_media_release(tn_media_entry *e);

tn_media_state tn_media_entry_state(const tn_media_entry *e);
tn_media_view tn_media_entry_view(const tn_media_entry *e);
const tn_error *tn_media_entry_error(const tn_media_entry *e);

/* Of a WAITING entry. [engine thread] */
const tn_patches *tn_media_entry_patches(const tn_media_entry *e);
/* It has rows now: n_part parts one after the other, the callee's malloc; the patches are freed. */
void tn_media_entry_done(tn_media_entry *e, float *rows, uint32_t n_part, uint32_t n_embd);
void tn_media_entry_fail(tn_media_entry *e, const tn_error *why);

tn_media_store_stats tn_media_store_get_stats(tn_media_store *s);

#endif
