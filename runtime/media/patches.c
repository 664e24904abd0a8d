/* SPDX-License-Identifier: Apache-2.0 */
#include "media/patches.h"

#include <stdlib.h>
#include <string.h>

#include "media/resize.h"

/* --- the order of rows --- */

/* Writes the coordinates of one output row's patches, y and x in merged units. */
static void put_group(tn_patches *p, uint32_t merge, uint32_t t, uint32_t y, uint32_t x, uint32_t *row) {
    for (uint32_t dy = 0; dy < merge; dy++)
        for (uint32_t dx = 0; dx < merge; dx++, (*row)++) {
            p->coord[*row][0] = t;
            p->coord[*row][1] = y * merge + dy;
            p->coord[*row][2] = x * merge + dx;
        }
}

static uint32_t smaller(uint32_t a, uint32_t b) {
    return a < b ? a : b;
}

/* The rows of one window, side output rows to a side, from (y, x) on. */
static void put_window(tn_patches *p, uint32_t merge, uint32_t side, uint32_t t, uint32_t y0, uint32_t x0,
                       uint32_t *row) {
    uint32_t height = p->grid[1] / merge, width = p->grid[2] / merge;
    uint32_t y1 = smaller(y0 + side, height), x1 = smaller(x0 + side, width);
    for (uint32_t y = y0; y < y1; y++)
        for (uint32_t x = x0; x < x1; x++) {
            if (p->place) p->place[*row / (merge * merge)] = (t * height + y) * width + x;
            put_group(p, merge, t, y, x, row);
        }
    if (p->window_end) p->window_end[p->n_window++] = *row;
}

/* All rows: time after time, window after window (Bai et al. 2025, "Qwen2.5-VL", section 2.1.1). Without
 * windows a time is one. */
static void put_rows(const tn_vision *v, tn_patches *p) {
    uint32_t height = p->grid[1] / v->merge, width = p->grid[2] / v->merge, row = 0;
    uint32_t side = v->window ? v->window / v->merge : height > width ? height : width;
    for (uint32_t t = 0; t < p->grid[0]; t++) {
        for (uint32_t y = 0; y < height; y += side)
            for (uint32_t x = 0; x < width; x += side) put_window(p, v->merge, side, t, y, x, &row);
        p->frame_end[p->n_frame++] = row;
    }
}

/* --- learned positions --- */

/* Where the i-th of n patches lies on a side of n_pos positions, ends on ends; in single precision, the first
 * half reckoned from the start and the second from the end, as torch.linspace does it. */
static float stretch(uint32_t i, uint32_t n, uint32_t n_pos) {
    if (n == 1) return 0;
    float end = (float)(n_pos - 1), step = end / (float)(n - 1);
    return i < n / 2 ? step * (float)i : end - step * (float)(n - 1 - i);
}

static void mix_bilinear(const tn_vision *v, tn_patches *p, uint32_t row) {
    uint32_t side = v->pos_side, low[2], high[2];
    float part[2];
    for (int a = 0; a < 2; a++) {
        float at = stretch(p->coord[row][a + 1], p->grid[a + 1], side);
        low[a] = smaller((uint32_t)at, side - 1);
        high[a] = smaller(low[a] + 1, side - 1);
        part[a] = at - (float)low[a];
    }
    for (int k = 0; k < 4; k++) {
        p->mix_index[row][k] = (k & 2 ? high[0] : low[0]) * side + (k & 1 ? high[1] : low[1]);
        p->mix_weight[row][k] = (k & 2 ? part[0] : 1 - part[0]) * (k & 1 ? part[1] : 1 - part[1]);
    }
}

static void mix_plain(const tn_vision *v, tn_patches *p, uint32_t row) {
    for (int k = 0; k < 4; k++) {
        p->mix_index[row][k] = p->coord[row][1] * v->pos_side + p->coord[row][2];
        p->mix_weight[row][k] = k ? 0 : 1;
    }
}

static void mix(const tn_vision *v, tn_patches *p) {
    for (uint32_t i = 0; i < p->n_row; i++) v->pos_interpolate ? mix_bilinear(v, p, i) : mix_plain(v, p, i);
}

/* --- values --- */

typedef float norm_table[3][256];

/* (value / 255 - mean) / std of each channel. */
static void norm_init(const tn_vision *v, norm_table ret) {
    for (int c = 0; c < 3; c++)
        for (int i = 0; i < 256; i++) ret[c][i] = ((float)(i * (1 / 255.0)) - v->mean[c]) / v->std[c];
}

/* One patch of one frame: channel c of the values of row lies cols / 3 after the last. frame: RGB8. */
static void put_patch(const norm_table norm, const uint8_t *frame, size_t width, uint32_t patch, float *ret,
                      size_t channel) {
    for (uint32_t y = 0; y < patch; y++, frame += width * 3)
        for (uint32_t x = 0; x < patch; x++, ret++) {
            ret[0] = norm[0][frame[x * 3]];
            ret[channel] = norm[1][frame[x * 3 + 1]];
            ret[2 * channel] = norm[2][frame[x * 3 + 2]];
        }
}

/* All rows of time t, at frame f of it. */
static void put_frame(const tn_vision *v, tn_patches *p, const norm_table norm, const uint8_t *frame,
                      uint32_t t, uint32_t f) {
    size_t area = (size_t)v->patch * v->patch, width = (size_t)p->grid[2] * v->patch;
    for (uint32_t i = t ? p->frame_end[t - 1] : 0; i < p->frame_end[t]; i++) {
        size_t at = (p->coord[i][1] * width + p->coord[i][2]) * v->patch;
        put_patch(norm, frame + at * 3, width, v->patch, p->rows + (size_t)i * p->cols + f * area,
                  area * v->temporal);
    }
}

/* Frame f of time t is the same as the one before it. */
static void repeat_frame(const tn_vision *v, tn_patches *p, uint32_t t, uint32_t f) {
    size_t area = (size_t)v->patch * v->patch;
    for (uint32_t i = t ? p->frame_end[t - 1] : 0; i < p->frame_end[t]; i++)
        for (uint32_t c = 0; c < 3; c++) {
            float *at = p->rows + (size_t)i * p->cols + (c * v->temporal + f) * area;
            memcpy(at, at - area, area * sizeof *at);
        }
}

static int put_values(const tn_vision *v, const tn_frames *f, bool video, const tn_patches_size *s,
                      tn_patches *p, tn_error *err) {
    norm_table norm;
    tn_resizer r;
    size_t bytes = (size_t)f->width * f->height * 3;
    int rc = tn_resizer_init(&r, f->width, f->height, s->width, s->height, v->filter,
                             video ? TN_WEIGHTS_TORCH : TN_WEIGHTS_PILLOW, err);
    if (rc) return rc;
    uint8_t *frame = malloc((size_t)s->width * s->height * 3);
    if (!frame) {
        tn_resizer_fini(&r);
        return tn_fail(err, TN_ENOMEM, "no memory for a frame of %u x %u pixels", s->width, s->height);
    }
    norm_init(v, norm);
    for (uint32_t i = 0; i < p->grid[0] * v->temporal; i++) {
        uint32_t t = i / v->temporal, at = i % v->temporal;
        if (i >= f->n_frame) {
            repeat_frame(v, p, t, at);
            continue;
        }
        tn_resizer_run(&r, f->rgb + i * bytes, frame);
        put_frame(v, p, norm, frame, t, at);
    }
    free(frame);
    tn_resizer_fini(&r);
    return 0;
}

/* --- times --- */

void tn_patches_seconds(const double *seconds, uint32_t n, uint32_t temporal, double *ret) {
    for (uint32_t i = 0; i < n; i += temporal) {
        uint32_t last = n - i < temporal ? n - 1 : i + temporal - 1;
        ret[i / temporal] = (seconds[i] + seconds[last]) / 2;
    }
}

/* Without the duration of the video, frames are taken to be as far apart as they are on average. */
static double step_of(const tn_vision *v, const tn_frames *f) {
    uint32_t n = f->n_frame;
    if (f->duration > 0) return v->temporal * (f->duration / n);
    if (n > 1) return v->temporal * ((f->seconds[n - 1] - f->seconds[0]) / (n - 1));
    return f->fps > 0 ? v->temporal / f->fps : 0;
}

/* --- the whole --- */

static int allocate(const tn_vision *v, const tn_patches_size *s, bool video, tn_patches *p) {
    size_t n = s->n_row, merged = s->n_output;
    p->rows = malloc(n * s->cols * sizeof *p->rows);
    p->coord = malloc(n * sizeof *p->coord);
    p->frame_end = malloc(s->grid[0] * sizeof *p->frame_end);
    bool whole = p->rows && p->coord && p->frame_end;
    if (v->pos_side) {
        p->mix_index = malloc(n * sizeof *p->mix_index);
        p->mix_weight = malloc(n * sizeof *p->mix_weight);
        whole = whole && p->mix_index && p->mix_weight;
    }
    if (v->window) {
        p->window_end = malloc(merged * sizeof *p->window_end);
        p->place = malloc(merged * sizeof *p->place);
        whole = whole && p->window_end && p->place;
    }
    if (video) whole = (p->seconds = malloc(s->grid[0] * sizeof *p->seconds)) && whole;
    return whole ? 0 : TN_ENOMEM;
}

static int make(const tn_vision *v, const tn_frames *f, bool video, const tn_patches_size *s, tn_patches *p,
                tn_error *err) {
    if (allocate(v, s, video, p) != 0)
        return tn_fail(err, TN_ENOMEM, "no memory for %u patches of %u values", s->n_row, s->cols);
    p->n_row = s->n_row;
    p->cols = s->cols;
    memcpy(p->grid, s->grid, sizeof p->grid);
    put_rows(v, p);
    if (v->pos_side) mix(v, p);
    int rc = put_values(v, f, video, s, p, err);
    if (!rc && video) {
        tn_patches_seconds(f->seconds, f->n_frame, v->temporal, p->seconds);
        p->step = step_of(v, f);
    }
    return rc;
}

int tn_patches_make(const tn_vision *v, const tn_frames *f, bool video, tn_patches *ret, tn_error *err) {
    tn_patches_size s;
    *ret = (tn_patches){0};
    int rc = tn_patches_size_of(v, f->width, f->height, f->n_frame, video, &s, err);
    if (rc) return rc;
    if (!f->rgb || (video && !f->seconds))
        return tn_fail(err, TN_EBUG, "frames without %s", f->rgb ? "times" : "pixels");
    rc = make(v, f, video, &s, ret, err);
    if (rc) tn_patches_fini(ret);
    return rc;
}

void tn_patches_fini(tn_patches *p) {
    free(p->rows), free(p->coord), free(p->mix_index), free(p->mix_weight);
    free(p->frame_end), free(p->window_end), free(p->place), free(p->seconds);
    *p = (tn_patches){0};
}
