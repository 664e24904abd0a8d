/* SPDX-License-Identifier: Apache-2.0 */
/* From frames to what a vision tower is given, as the family's processor does it. Pure functions. */
#ifndef TN_MEDIA_PATCHES_H
#define TN_MEDIA_PATCHES_H

#include <tenon/status.h>
#include <tenon/vision.h>

#include "media/media.h"

enum {
    TN_PATCHES_MAX_SIDE = 1 << 16,   /* pixels, of a frame as it comes and as it is resized */
    TN_PATCHES_MAX_FRAMES = 1 << 16, /* of a video */
    TN_PATCHES_MAX_ASPECT = 200,     /* long side / short side, where sides keep their proportion */
};
#define TN_PATCHES_MAX_BYTES ((uint64_t)4 << 30) /* of all patches of one medium */

/* What patches take, before they are made. */
typedef struct tn_patches_size {
    uint32_t width, height; /* a frame is resized to */
    uint32_t grid[3];       /* patches: time, y, x */
    uint32_t n_row, cols;   /* rows of the tower's input and values in each */
    uint32_t n_output;      /* rows of its output, which is tokens in the prompt: n_row / merge^2 */
    uint64_t bytes;         /* of memory that tn_patches_make asks for and keeps */
} tn_patches_size;

/* For n_frame frames (1 for an image) of width x height pixels. TN_EINVAL (no pixels, no frames, several
 * frames for an image, too odd an aspect), TN_ENOTSUP (the family takes no videos), TN_ELIMIT (over a limit
 * above, with value and limit), TN_EFORMAT (v contradicts itself: a damaged configuration). [any thread] */
int tn_patches_size_of(const tn_vision *v, uint32_t width, uint32_t height, uint32_t n_frame, bool video,
                       tn_patches_size *ret, tn_error *err);

/* Resizes, normalises and cuts. The last frame of a video is repeated until a whole number of times is full.
 * *ret is the caller's to release with tn_patches_fini; it is empty after a failure. Errors as above, and
 * TN_ENOMEM. [any thread, takes milliseconds for each megapixel] */
int tn_patches_make(const tn_vision *v, const tn_frames *f, bool video, tn_patches *ret, tn_error *err);
/* Frees what it owns; zeros are harmless. [any thread] */
void tn_patches_fini(tn_patches *p);

/* When each patch in time is shown: the mean of its first and last frame, as Qwen3-VL writes it in prompts.
 * seconds [n], ret [ceil(n / temporal)]; the last frame is repeated to fill it. [any thread] */
void tn_patches_seconds(const double *seconds, uint32_t n, uint32_t temporal, double *ret);

#endif
