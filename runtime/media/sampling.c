/* SPDX-License-Identifier: Apache-2.0 */
#include "media/sampling.h"

#include <math.h>
#include <stdlib.h>

static uint64_t smaller(uint64_t a, uint64_t b) {
    return a < b ? a : b;
}

static int check(const tn_vision *v, uint64_t n, const tn_sampling_request *r, tn_error *err) {
    if (!v->video.text) return tn_fail(err, TN_ENOTSUP, "this model takes no videos; send frames as images");
    if (!n) return tn_fail(err, TN_EINVAL, "a video without frames");
    if (n > TN_SAMPLING_MAX_OF - 1)
        return tn_fail(err, TN_ELIMIT, "a video of %llu frames: fewer than %llu are taken",
                       (unsigned long long)n, (unsigned long long)TN_SAMPLING_MAX_OF);
    if (r->fps != 0 && !(r->fps > 0 && r->fps < HUGE_VAL))
        return tn_fail(err, TN_EINVAL, "%g frames of a second: a positive number is wanted", r->fps);
    if (r->fps != 0 && r->n_frames)
        return tn_fail(err, TN_EINVAL,
                       "both %g frames of a second and %u frames in all are wanted; send one of the two",
                       r->fps, r->n_frames);
    if (r->n_frames > n)
        return tn_fail(err, TN_EINVAL, "%u frames are wanted of a video that has %llu", r->n_frames,
                       (unsigned long long)n);
    if (r->n_frames && r->max_frames && r->n_frames > r->max_frames)
        return tn_fail(err, TN_EINVAL, "%u frames are wanted, and %u at most; send one of the two",
                       r->n_frames, r->max_frames);
    if (r->n_frames > TN_SAMPLING_MAX_FRAMES)
        return tn_fail(err, TN_ELIMIT, "%u frames are wanted: at most %d are taken", r->n_frames,
                       TN_SAMPLING_MAX_FRAMES);
    return 0;
}

/* Down to a multiple of `temporal` where the family does that; one frame is then repeated. */
static uint64_t whole(const tn_vision *v, uint64_t n) {
    if (!v->video.round_frames || v->temporal < 2) return n;
    uint64_t rest = n % v->temporal;
    return n > rest ? n - rest : 1;
}

/* A number that was asked for goes to the nearest multiple, halves to even. */
static uint64_t asked(const tn_vision *v, uint64_t n, const tn_sampling_request *r) {
    if (!v->video.round_frames || v->temporal < 2) return r->n_frames;
    double rounded = rint((double)r->n_frames / v->temporal) * v->temporal;
    return rounded > (double)n ? whole(v, n) : rounded < 1 ? 1 : (uint64_t)rounded;
}

/* A number by rate and duration. */
static uint64_t by_rate(const tn_vision *v, uint64_t n, double fps, const tn_sampling_request *r) {
    uint64_t max = v->video.max_frames ? v->video.max_frames : TN_SAMPLING_MAX_FRAMES;
    if (r->max_frames) max = smaller(max, r->max_frames);
    max = smaller(smaller(max, n), TN_SAMPLING_MAX_FRAMES);
    double count = (double)n / fps * (r->fps > 0 ? r->fps : v->video.fps);
    if (count < v->video.min_frames) count = v->video.min_frames;
    return whole(v, count < (double)max ? (uint64_t)count : max);
}

int tn_frames_choose(const tn_vision *v, uint64_t n, double fps, const tn_sampling_request *request,
                     uint32_t **ret, uint32_t *ret_n, tn_error *err) {
    int rc = check(v, n, request, err);
    if (rc) return rc;
    if (!(fps > 0 && fps < HUGE_VAL)) fps = TN_SAMPLING_NO_RATE;
    uint64_t count = request->n_frames ? asked(v, n, request) : by_rate(v, n, fps, request);
    if (!count) count = 1;
    uint32_t *index = malloc(count * sizeof *index);
    if (!index) return tn_fail(err, TN_ENOMEM, "no memory for %llu numbers", (unsigned long long)count);
    /* The last is n - 1 itself, as there may be a rounding on the way. Halves to even. */
    double step = count > 1 ? (double)(n - 1) / (double)(count - 1) : 0;
    for (uint64_t i = 0; i < count; i++) index[i] = (uint32_t)rint((double)i * step);
    if (count > 1) index[count - 1] = (uint32_t)(n - 1);
    *ret = index;
    *ret_n = (uint32_t)count;
    return 0;
}
