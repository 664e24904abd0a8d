/* SPDX-License-Identifier: Apache-2.0 */
/* When frames are shown, from the packets alone. What a container says of its length is not believed: files
 * are cut, and headers are wrong. */
#include "video.h"

#include <stdlib.h>

enum { FRAMES_MAX = 1 << 22, FPS_MAX = 1000, GAP_S_MAX = 600 };
#define FPS_UNKNOWN 25.0

typedef struct walk {
    video_source *s;
    video_timeline *t;
    size_t room, key_room;
    uint32_t n_untimed;
} walk;

static int grow(void **array, size_t *room, size_t n, size_t size, tn_error *err) {
    if (n < *room) return 0;
    size_t more = *room ? *room * 2 : 256;
    void *p = realloc(*array, more * size);
    if (!p) return tn_fail(err, TN_ENOMEM, "video: out of memory");
    *array = p;
    *room = more;
    return 0;
}

static int add_key(walk *w, const AVPacket *p, tn_error *err) {
    /* Some indices know when frames are decoded, others when they are shown: the earlier will do for both. */
    int64_t seek = p->dts != AV_NOPTS_VALUE && p->dts < p->pts ? p->dts : p->pts;
    void *array = w->t->key;
    int rc = grow(&array, &w->key_room, w->t->n_key, sizeof *w->t->key, err);
    w->t->key = array;
    if (!rc) w->t->key[w->t->n_key++] = (struct video_key){p->pts, seek};
    return rc;
}

static int add_packet(walk *w, const AVPacket *p, tn_error *err) {
    void *array = w->t->time;
    w->t->n_hidden += p->flags & AV_PKT_FLAG_DISCARD ? 1 : 0;
    if (!video_packet_shown(w->s, p)) return 0;
    if (w->t->n == FRAMES_MAX) return tn_fail(err, TN_ELIMIT, "video: more than %d frames", FRAMES_MAX);
    int rc = grow(&array, &w->room, w->t->n, sizeof *w->t->time, err);
    w->t->time = array;
    if (rc) return rc;
    w->n_untimed += p->pts == AV_NOPTS_VALUE;
    w->t->time[w->t->n++] = p->pts;
    return p->flags & AV_PKT_FLAG_KEY && p->pts != AV_NOPTS_VALUE ? add_key(w, p, err) : 0;
}

static int read_packets(walk *w, tn_error *err) {
    AVPacket *p = av_packet_alloc();
    int rc = p ? 0 : tn_fail(err, TN_ENOMEM, "video: out of memory");
    while (!rc && (rc = video_source_read(w->s, p, err)) == 0) {
        rc = add_packet(w, p, err);
        av_packet_unref(p);
    }
    av_packet_free(&p);
    return rc == VIDEO_END ? 0 : rc;
}

static int by_time(const void *a, const void *b) {
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

static int by_key_time(const void *a, const void *b) {
    const struct video_key *x = a, *y = b;
    return x->time < y->time ? -1 : x->time > y->time;
}

/* Sorts times and drops those that are there twice; false when so many are that they mean nothing. */
static bool sort_times(video_timeline *t) {
    uint32_t n = 0;
    qsort(t->time, t->n, sizeof *t->time, by_time);
    for (uint32_t i = 0; i < t->n; i++)
        if (!n || t->time[i] != t->time[n - 1]) t->time[n++] = t->time[i];
    if (n < t->n - t->n / 10) return false;
    t->n = n;
    return true;
}

/* Whether times could be those of a film: differences can be taken, none of them is absurd. */
static bool is_plausible(const video_timeline *t) {
    for (uint32_t i = 1; i < t->n; i++) {
        double gap = ((double)t->time[i] - (double)t->time[i - 1]) * t->unit;
        if (!(gap <= GAP_S_MAX)) return false;
    }
    double span = t->n ? ((double)t->time[t->n - 1] - (double)t->time[0]) * t->unit : 0;
    return t->n < 3 || span * FPS_MAX >= t->n - 1;
}

static double rate(AVRational r) {
    double fps = r.num > 0 && r.den > 0 ? av_q2d(r) : 0;
    return fps * GAP_S_MAX >= 1 && fps <= FPS_MAX ? fps : 0;
}

/* What the container says: on average, else the finest grid. */
static double claimed_fps(const AVStream *s) {
    double fps = rate(s->avg_frame_rate);
    if (!fps) fps = rate(s->r_frame_rate);
    return fps ? fps : FPS_UNKNOWN;
}

/* Frames by their span; the container's number where it says the same with less rounding. */
static double measured_fps(const video_timeline *t, const AVStream *s) {
    double claim = claimed_fps(s);
    if (t->n < 2) return claim;
    double span = ((double)t->time[t->n - 1] - (double)t->time[0]) * t->unit;
    double fps = (t->n - 1) / span;
    return fps > 0.99 * claim && fps < 1.01 * claim ? claim : fps;
}

static void count_instead(video_timeline *t, const AVStream *s) {
    t->counted = true;
    t->fps = claimed_fps(s);
    t->unit = 1 / t->fps;
    for (uint32_t i = 0; i < t->n; i++) t->time[i] = i;
    t->n_key = 0;
}

int video_timeline_read(video_source *s, const tn_modality_limits *limits, video_timeline *ret,
                        tn_error *err) {
    walk w = {.s = s, .t = ret};
    *ret = (video_timeline){.unit = av_q2d(s->stream->time_base)};
    int rc = read_packets(&w, err);
    if (rc) return rc;
    if (!ret->n) return 0;
    if (w.n_untimed || !(ret->unit > 0) || !sort_times(ret) || !is_plausible(ret))
        count_instead(ret, s->stream);
    else
        ret->fps = measured_fps(ret, s->stream);
    if (ret->n_key) qsort(ret->key, ret->n_key, sizeof *ret->key, by_key_time);
    double seconds = video_timeline_seconds(ret, ret->n);
    if (seconds > limits->max_seconds)
        return tn_fail(err, TN_ELIMIT,
                       "video: it lasts %.0f s; at most %.0f s are taken (media.max_duration)", seconds,
                       limits->max_seconds);
    return 0;
}

void video_timeline_fini(video_timeline *t) {
    free(t->time);
    free(t->key);
    *t = (video_timeline){0};
}

double video_timeline_seconds(const video_timeline *t, uint32_t i) {
    if (i >= t->n) return video_timeline_seconds(t, t->n - 1) + 1 / t->fps;
    return ((double)t->time[i] - (double)t->time[0]) * t->unit;
}
