/* SPDX-License-Identifier: Apache-2.0 */
/* From a file, frames or samples to entries of a model's store: what is known already is neither decoded nor
 * cut into patches again. An image is one entry, a video one for each time of its grid, so that clips which
 * overlap share what they have in common, a recording one for each window. */
#ifndef TN_MEDIA_INTAKE_H
#define TN_MEDIA_INTAKE_H

#include <tenon/audio.h>
#include <tenon/vision.h>

#include "media/decoder.h"
#include "media/sampling.h"
#include "media/store.h"

typedef struct tn_intake tn_intake;

/* A medium as a model sees it. */
typedef struct tn_seen {
    tn_media_kind kind;
    uint32_t
        grid[3]; /* rows of the tower's output: time, y, x; of a recording windows, 1, rows of a full one */
    uint32_t n_row; /* in all */
    uint32_t n_entry;
    tn_media_entry **entries; /* [n_entry], held: of each time or window; an image has one */
    double *seconds;          /* [n_entry] and step as in tn_patches; NULL and 0 for images */
    double step;
} tn_seen;

/* vision or audio (the other is NULL) and store outlive it. max_frame_bytes: of decoded frames that are kept
 * for files whose entries the store had to give up; least recently used ones go first. TN_ENOMEM. */
int tn_intake_new(const tn_vision *vision, const tn_audio *audio, tn_media_store *store,
                  uint64_t max_frame_bytes, tn_intake **ret, tn_error *err);
void tn_intake_free(tn_intake *in);

/* Frames of a video that were taken already, or an image. TN_EINVAL (no video for this family, ...), and what
 * tn_patches_make says. *ret is released with tn_seen_fini. [any thread] */
int tn_intake_frames(tn_intake *in, const tn_frames *f, tn_media_kind kind, tn_seen *ret, tn_error *err);
/* A recording of any rate, which is resampled in place. TN_ENOTSUP (the model does not hear), and what
 * tn_sound_resample and tn_mel_make say. [any thread] */
int tn_intake_sound(tn_intake *in, tn_sound *s, tn_seen *ret, tn_error *err);
/* A file. sampling: which frames of a video are taken. What decoder, sampling and patches say; TN_EINVAL: it
 * is of the other kind. [any thread; waits] */
int tn_intake_file(tn_intake *in, tn_decoder *decoder, const void *bytes, size_t n, tn_media_kind kind,
                   const tn_sampling_request *sampling, tn_seen *ret, tn_error *err);
/* Releases the entries. Zeros are harmless. */
void tn_seen_fini(tn_seen *s);

#endif
