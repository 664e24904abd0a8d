/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "media/prompt.h"

#define MAX_COORD ((int64_t)1 << 30)

static int64_t larger(int64_t a, int64_t b) {
    return a > b ? a : b;
}

/* The coordinate of time t, counted from the span's start; negative where it cannot be. */
static int64_t time_at(const tn_vision *v, const tn_media_span *s, uint32_t t) {
    if (!(v->video.tokens_per_second > 0)) return t;
    float at = (float)t * s->step * v->video.tokens_per_second;
    return at >= 0 && at < (float)MAX_COORD ? (int64_t)floorf(at) : -1;
}

/* The coordinates of a span's rows. [0][n], [1][n], [2][n] lie n apart. */
static int put_span(const tn_vision *v, const tn_media_span *s, int64_t start, size_t n, int32_t *coord,
                    tn_error *err) {
    int32_t *at = coord + s->first;
    for (uint32_t t = 0; t < s->grid[0]; t++) {
        int64_t time = time_at(v, s, t);
        if (time < 0 || start + time + s->grid[1] + s->grid[2] > MAX_COORD)
            return tn_fail(
                err, TN_ELIMIT,
                "time %u of a video, %g seconds apart, stands past position %lld; send a shorter video", t,
                (double)s->step, (long long)MAX_COORD);
        for (uint32_t y = 0; y < s->grid[1]; y++)
            for (uint32_t x = 0; x < s->grid[2]; x++, at++) {
                at[0] = (int32_t)(start + time);
                at[n] = (int32_t)(start + y);
                at[2 * n] = (int32_t)(start + x);
            }
    }
    return 0;
}

static int check_span(const tn_media_span *s, size_t from, size_t n, tn_error *err) {
    bool fits = s->first >= from && s->first <= n && s->n <= n - s->first && s->grid[0] && s->grid[1] &&
                s->grid[2] && s->n / s->grid[0] / s->grid[1] == s->grid[2] && s->n % s->grid[0] == 0 &&
                s->n / s->grid[0] % s->grid[1] == 0;
    if (fits) return 0;
    return tn_fail(err, TN_EBUG,
                   "a span of %u x %u x %u rows at token %zu (%u tokens) of %zu, after token %zu", s->grid[0],
                   s->grid[1], s->grid[2], s->first, s->n, n, from);
}

int tn_media_positions(const tn_vision *v, size_t n, const tn_media_span *spans, size_t n_span,
                       int32_t *ret_coord, int32_t *ret_next, tn_error *err) {
    int64_t next = 0;
    size_t at = 0;
    if (n > TN_MEDIA_MAX_TOKENS)
        return tn_fail(err, TN_ELIMIT, "a prompt of %zu tokens: at most %d are taken", n,
                       TN_MEDIA_MAX_TOKENS);
    if (v->positions != TN_POSITIONS_GRID) n_span = 0;
    for (size_t i = 0; i <= n_span; i++) {
        int rc = i < n_span ? check_span(&spans[i], at, n, err) : 0;
        if (rc) return rc;
        for (size_t end = i < n_span ? spans[i].first : n; at < end; at++, next++)
            ret_coord[at] = ret_coord[n + at] = ret_coord[2 * n + at] = (int32_t)next;
        if (i == n_span) break;
        rc = put_span(v, &spans[i], next, n, ret_coord, err);
        if (rc) return rc;
        next += larger(spans[i].grid[1], spans[i].grid[2]);
        at += spans[i].n;
    }
    *ret_next = (int32_t)next;
    return 0;
}
