/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "base/checked.h"
#include "media/patches.h"

enum { MAX_UNIT = 1024 }; /* pixels or frames of a patch, patches that are merged */

/* Frames as the processors reckon with them. Real numbers, as theirs are: every product of limited sides and
 * frames is exact in them. */
typedef struct extent {
    double width, height, n_frame;
    double factor;   /* sides become multiples of this many pixels */
    double temporal; /* frames of a patch */
    double min_pixels, max_pixels;
} extent;

static int check_aspect(double width, double height, tn_error *err) {
    double aspect = width > height ? width / height : height / width;
    if (aspect <= TN_PATCHES_MAX_ASPECT) return 0;
    return tn_fail(err, TN_EINVAL,
                   "a picture of %.0f x %.0f pixels has an aspect of %.1f: at most %d is taken", width,
                   height, aspect, TN_PATCHES_MAX_ASPECT);
}

static double at_least(double v, double least) {
    return v < least ? least : v;
}

/* Wang et al. 2024, section 2.1, with the roundings of the processors: sides to the nearest multiple (halves
 * to even), then down or up where the area is out of its limits. n_frame 1 for an area per frame. */
static void fit(const extent *e, double frames_rounded, double *ret_width, double *ret_height) {
    double f = e->factor, w = e->width, h = e->height;
    double to_w = rint(w / f) * f, to_h = rint(h / f) * f;
    if (frames_rounded * to_h * to_w > e->max_pixels) {
        double beta = sqrt(e->n_frame * h * w / e->max_pixels);
        to_w = floor(w / beta / f) * f;
        to_h = floor(h / beta / f) * f;
    } else if (frames_rounded * to_h * to_w < e->min_pixels) {
        double beta = sqrt(e->min_pixels / (e->n_frame * h * w));
        to_w = ceil(w * beta / f) * f;
        to_h = ceil(h * beta / f) * f;
    }
    *ret_width = at_least(to_w, f);
    *ret_height = at_least(to_h, f);
}

/* Limits for the area of a frame (Qwen2-VL, and all images). */
static int smart_each(const extent *e, double *ret_width, double *ret_height, tn_error *err) {
    extent one = *e;
    one.n_frame = 1;
    int rc = check_aspect(e->width, e->height, err);
    if (!rc) fit(&one, 1, ret_width, ret_height);
    return rc;
}

/* Limits for the volume of all frames (Qwen3-VL), of which small ones grow first. */
static int smart_shared(const extent *e, double *ret_width, double *ret_height, tn_error *err) {
    extent all = *e;
    all.n_frame = at_least(e->n_frame, e->temporal);
    if (e->height < e->factor || e->width < e->factor) {
        double by_height = e->factor / e->height, by_width = e->factor / e->width;
        double scale = by_height > by_width ? by_height : by_width;
        all.height = trunc(e->height * scale);
        all.width = trunc(e->width * scale);
    }
    int rc = check_aspect(all.width, all.height, err);
    if (!rc) fit(&all, rint(all.n_frame / e->temporal) * e->temporal, ret_width, ret_height);
    return rc;
}

/* The most pixels of a frame, where a total lowers them (the qwen-vl-utils package, "total_pixels"). */
static double frame_limit(const tn_vision *v, uint32_t n_frame) {
    double max = (double)v->video.max_pixels;
    if (!v->video.total_pixels) return max;
    double share = (double)v->video.total_pixels / n_frame * v->temporal;
    return at_least(share < max ? share : max, trunc((double)v->video.min_pixels * 1.05));
}

static int smart_size(const tn_vision *v, uint32_t width, uint32_t height, uint32_t n_frame, bool video,
                      double *ret_width, double *ret_height, tn_error *err) {
    extent e = {width,
                height,
                n_frame,
                (double)v->patch * v->merge,
                v->temporal,
                (double)(video ? v->video.min_pixels : v->min_pixels),
                (double)(video ? v->video.max_pixels : v->max_pixels)};
    if (!(e.max_pixels >= e.min_pixels) || e.max_pixels < 1)
        return tn_fail(err, TN_EFORMAT, "the model's configuration wants %.0f to %.0f pixels of a picture",
                       e.min_pixels, e.max_pixels);
    if (video && v->video.share_pixels) return smart_shared(&e, ret_width, ret_height, err);
    if (video) e.max_pixels = frame_limit(v, n_frame);
    return smart_each(&e, ret_width, ret_height, err);
}

/* What the family says: read off a model's configuration, which anybody may have written. */
static int check_family(const tn_vision *v, tn_error *err) {
    bool fits = v->patch && v->temporal && v->merge && v->patch <= MAX_UNIT && v->temporal <= MAX_UNIT &&
                v->merge <= MAX_UNIT && v->pos_side <= TN_PATCHES_MAX_SIDE &&
                (v->resize != TN_RESIZE_SQUARE || v->image_size);
    if (!fits)
        return tn_fail(
            err, TN_EFORMAT,
            "the model's configuration has patches of %u pixels and %u frames, %u x %u of them "
            "merged, in images of %u pixels, with %u positions to a side: none may be 0, nor any of "
            "the first three over %d",
            v->patch, v->temporal, v->merge, v->merge, v->image_size, v->pos_side, MAX_UNIT);
    if (v->window % v->merge)
        return tn_fail(err, TN_EFORMAT,
                       "the model's configuration has windows of %u patches, of which %u x %u are merged",
                       v->window, v->merge, v->merge);
    if (v->resize != TN_RESIZE_SQUARE && v->resize != TN_RESIZE_SMART)
        return tn_fail(err, TN_EFORMAT, "resize rule %u of the model's family: known are 1 and 2", v->resize);
    if (v->filter != TN_FILTER_BILINEAR && v->filter != TN_FILTER_BICUBIC)
        return tn_fail(
            err, TN_EFORMAT,
            "resize filter %u in the model's configuration: known are 2 (bilinear) and 3 (bicubic)",
            v->filter);
    return 0;
}

/* What is to be seen. */
static int check_frames(const tn_vision *v, uint32_t width, uint32_t height, uint32_t n_frame, bool video,
                        tn_error *err) {
    const char *what = video ? "video" : "image";
    if (video && !v->video.text)
        return tn_fail(err, TN_ENOTSUP, "this model takes no videos; send frames as images");
    if (!n_frame) return tn_fail(err, TN_EINVAL, "a video without frames");
    if (!video && n_frame != 1)
        return tn_fail(err, TN_EINVAL, "an image with %u frames; send it as a video", n_frame);
    if (!width || !height)
        return tn_fail(err, TN_EINVAL, "%s of %u x %u pixels: there is nothing to see", what, width, height);
    if (width > TN_PATCHES_MAX_SIDE || height > TN_PATCHES_MAX_SIDE)
        return tn_fail(err, TN_ELIMIT, "%s of %u x %u pixels: at most %d to a side are taken", what, width,
                       height, TN_PATCHES_MAX_SIDE);
    if (n_frame > TN_PATCHES_MAX_FRAMES)
        return tn_fail(err, TN_ELIMIT, "a video of %u frames: at most %d are taken; ask for fewer", n_frame,
                       TN_PATCHES_MAX_FRAMES);
    return 0;
}

/* Bytes that each row takes beside its values: coordinates, and a mix of positions. */
static uint64_t row_extra(const tn_vision *v) {
    return 3 * sizeof(uint32_t) + (v->pos_side ? 4 * (sizeof(uint32_t) + sizeof(float)) : 0) +
           (v->window ? 2 * sizeof(uint32_t) : 0);
}

/* The counts, of a frame of s->width x s->height pixels. */
static int count(const tn_vision *v, uint32_t n_frame, tn_patches_size *s, tn_error *err) {
    uint64_t cols, rows, row_bytes, bytes;
    s->grid[0] = (uint32_t)(((uint64_t)n_frame + v->temporal - 1) / v->temporal);
    s->grid[1] = s->height / v->patch;
    s->grid[2] = s->width / v->patch;
    bool fits = tn_mul_u64((uint64_t)v->patch * v->patch, 3ull * v->temporal, &cols) && cols <= UINT32_MAX &&
                tn_mul_u64((uint64_t)s->grid[1] * s->grid[2], s->grid[0], &rows) && rows <= INT32_MAX &&
                tn_add_u64(cols * sizeof(float), row_extra(v), &row_bytes) &&
                tn_mul_u64(rows, row_bytes, &bytes) &&
                tn_add_u64(bytes, s->grid[0] * (sizeof(uint32_t) + sizeof(double)), &bytes);
    if (!fits || bytes > TN_PATCHES_MAX_BYTES)
        return tn_fail(err, TN_ELIMIT,
                       "%u frames of %u x %u pixels make %u x %u x %u patches: over %llu MiB, which is the "
                       "limit; send fewer frames or smaller ones",
                       n_frame, s->width, s->height, s->grid[0], s->grid[1], s->grid[2],
                       (unsigned long long)(TN_PATCHES_MAX_BYTES >> 20));
    s->cols = (uint32_t)cols;
    s->n_row = (uint32_t)rows;
    s->n_output = s->n_row / (v->merge * v->merge);
    s->bytes = bytes;
    return 0;
}

int tn_patches_size_of(const tn_vision *v, uint32_t width, uint32_t height, uint32_t n_frame, bool video,
                       tn_patches_size *ret, tn_error *err) {
    tn_patches_size s = {0};
    double to_width = v->image_size, to_height = v->image_size;
    int rc = check_family(v, err);
    if (!rc) rc = check_frames(v, width, height, n_frame, video, err);
    if (!rc && v->resize == TN_RESIZE_SMART)
        rc = smart_size(v, width, height, n_frame, video, &to_width, &to_height, err);
    if (rc) return rc;
    if (to_width > TN_PATCHES_MAX_SIDE || to_height > TN_PATCHES_MAX_SIDE)
        return tn_fail(err, TN_ELIMIT, "%u x %u pixels become %.0f x %.0f: at most %d to a side are taken",
                       width, height, to_width, to_height, TN_PATCHES_MAX_SIDE);
    s.width = (uint32_t)to_width;
    s.height = (uint32_t)to_height;
    uint64_t unit = (uint64_t)v->patch * v->merge;
    if (s.width % unit || s.height % unit)
        return tn_fail(
            err, TN_EFORMAT,
            "the model's configuration cuts %u x %u pixels into patches of %u, %u x %u of them merged: "
            "that does not come out even",
            s.width, s.height, v->patch, v->merge, v->merge);
    rc = count(v, n_frame, &s, err);
    if (!rc && v->pos_side && !v->pos_interpolate && (s.grid[1] > v->pos_side || s.grid[2] > v->pos_side))
        rc = tn_fail(err, TN_EFORMAT,
                     "the model's configuration has %u x %u patches and positions for %u x %u", s.grid[1],
                     s.grid[2], v->pos_side, v->pos_side);
    if (!rc) *ret = s;
    return rc;
}
