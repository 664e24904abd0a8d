/* SPDX-License-Identifier: Apache-2.0 */
/* Which frames of a video a model is shown. Pure functions. */
#ifndef TN_MEDIA_SAMPLING_H
#define TN_MEDIA_SAMPLING_H

#include <stddef.h>
#include <stdint.h>
#include <tenon/status.h>
#include <tenon/vision.h>

enum { TN_SAMPLING_MAX_FRAMES = 1 << 16 };      /* taken of one video */
#define TN_SAMPLING_MAX_OF  ((uint64_t)1 << 32) /* frames of a video */
#define TN_SAMPLING_NO_RATE 24.0                /* frames a second, where a file does not say */

/* What a request asks for; 0: the family's rule. */
typedef struct tn_sampling_request {
    double fps;          /* frames taken of a second of video */
    uint32_t max_frames; /* taken at most; below the family's minimum too, never over its maximum */
    uint32_t n_frames;   /* taken, whatever the duration; excludes fps */
} tn_sampling_request;

/* The frames to take of n at fps a second: ascending, evenly from the first to the last, all numbers below n.
 * As many as duration * rate, between the family's least and most, and no more than there are; where the
 * family rounds frames, that rounded down to a multiple of `temporal` (but one frame at least). fps: of the
 * video; 0, infinite or not a number: TN_SAMPLING_NO_RATE. *ret [*ret_n] is the caller's, to be freed.
 * TN_ENOTSUP (the family takes no videos), TN_EINVAL (no frames; a request that contradicts itself or wants
 * more frames than there are: with both numbers), TN_ELIMIT, TN_ENOMEM. [any thread] */
int tn_frames_choose(const tn_vision *v, uint64_t n, double fps, const tn_sampling_request *request,
                     uint32_t **ret, uint32_t *ret_n, tn_error *err);

#endif
