/* SPDX-License-Identifier: Apache-2.0 */
/* Decoding. The frame that is wanted at a time is the one that a player would show then. */
#include "video.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <libavutil/imgutils.h>
#include <libswscale/swscale.h>

enum { THREADS_MAX = 4, SEEK_OVER = 8 /* frames that are decoded rather than jumped over */ };

typedef struct decoder {
    video_source *s;
    const video_timeline *t;
    const tn_modality_limits *limits;
    const uint32_t *index; /* [n_index] what is wanted */
    uint32_t n_index;
    tn_modality_sink *sink;
    tn_error *err;
    AVCodecContext *codec;
    AVPacket *packet;
    AVFrame *frame, *held;  /* what comes, and what is shown meanwhile */
    int64_t now, held_time; /* frame's and held's */
    bool has_held, has_next, ended;
    bool jumped, in_order;
    int64_t counter;
    struct SwsContext *scale;
    uint8_t *rgb; /* one frame, as it is stored */
    int stride;
    int width, height;
    unsigned orientation;
} decoder;

static int out_of_memory(decoder *d) {
    return tn_fail(d->err, TN_ENOMEM, "video: out of memory");
}

static int threads(void) {
    long n = sysconf(_SC_NPROCESSORS_ONLN);
    return n < 1 ? 1 : n > THREADS_MAX ? THREADS_MAX : (int)n;
}

static int open_codec(decoder *d) {
    const AVCodecParameters *p = d->s->stream->codecpar;
    const AVCodec *codec = avcodec_find_decoder(p->codec_id);
    if (!codec)
        return tn_fail(d->err, TN_ENOTSUP, "video: %s cannot be decoded here", avcodec_get_name(p->codec_id));
    d->codec = avcodec_alloc_context3(codec);
    if (!d->codec) return out_of_memory(d);
    int rc = avcodec_parameters_to_context(d->codec, p);
    d->codec->pkt_timebase = d->s->stream->time_base;
    d->codec->max_pixels = (int64_t)d->limits->max_pixels;
    d->codec->thread_count = threads();
    AVDictionary *options = NULL;
    av_dict_set(&options, "codec_whitelist", d->s->format->codec_whitelist, 0);
    if (rc >= 0) rc = avcodec_open2(d->codec, codec, &options);
    av_dict_free(&options);
    return rc < 0 ? video_fail(d->err, rc, avcodec_get_name(p->codec_id)) : 0;
}

static int prepare(decoder *d) {
    int rc = open_codec(d);
    if (rc) return rc;
    d->packet = av_packet_alloc();
    d->frame = av_frame_alloc();
    d->held = av_frame_alloc();
    d->width = d->s->stream->codecpar->width;
    d->height = d->s->stream->codecpar->height;
    d->orientation = video_orientation(d->s->stream);
    /* The scaler may write a little past the end of a line. */
    d->stride = FFALIGN(d->width * 3, 64) + 64;
    d->rgb = av_malloc((size_t)d->stride * ((size_t)d->height + 1));
    return d->packet && d->frame && d->held && d->rgb ? 0 : out_of_memory(d);
}

static void release(decoder *d) {
    avcodec_free_context(&d->codec);
    av_packet_free(&d->packet);
    av_frame_free(&d->frame);
    av_frame_free(&d->held);
    sws_freeContext(d->scale);
    av_free(d->rgb);
}

/* ---- One picture ---- */

/* YUV as the stream says; BT.601 and limited range where it does not. */
static void set_colours(const decoder *d, const AVFrame *f) {
    bool full = f->color_range == AVCOL_RANGE_JPEG;
    int space = f->colorspace == AVCOL_SPC_UNSPECIFIED ? SWS_CS_DEFAULT : (int)f->colorspace;
    const int *from = sws_getCoefficients(space), *to = sws_getCoefficients(SWS_CS_DEFAULT);
    sws_setColorspaceDetails(d->scale, from, full, to, 1, 0, 1 << 16, 1 << 16); /* fails for RGB: no matter */
}

static int convert(decoder *d, const AVFrame *f) {
    enum { FLAGS = SWS_BICUBIC | SWS_ACCURATE_RND | SWS_FULL_CHR_H_INT | SWS_BITEXACT };
    d->scale = sws_getCachedContext(d->scale, f->width, f->height, f->format, d->width, d->height,
                                    AV_PIX_FMT_RGB24, FLAGS, NULL, NULL, NULL);
    if (!d->scale) return tn_fail(d->err, TN_ENOTSUP, "video: its kind of pixels is not read");
    set_colours(d, f);
    uint8_t *planes[4] = {d->rgb};
    int strides[4] = {d->stride};
    int rc = sws_scale(d->scale, (const uint8_t *const *)f->data, f->linesize, 0, f->height, planes, strides);
    return rc < 0 ? video_fail(d->err, rc, "its pixels") : 0;
}

/* Where pixel (x, y) of the stored picture lies in the upright one; orientation as EXIF counts. */
static ptrdiff_t place(const decoder *d, ptrdiff_t x, ptrdiff_t y) {
    ptrdiff_t right = d->width - 1 - x, bottom = d->height - 1 - y;
    const ptrdiff_t at[9][2] = {{x, y}, {x, y},      {right, y},      {right, bottom}, {x, bottom},
                                {y, x}, {bottom, x}, {bottom, right}, {y, right}};
    ptrdiff_t across = d->orientation >= 5 ? d->height : d->width;
    return (at[d->orientation][1] * across + at[d->orientation][0]) * 3;
}

static void turn(const decoder *d, uint8_t *to) {
    ptrdiff_t first = place(d, 0, 0), step_x = place(d, 1, 0) - first, step_y = place(d, 0, 1) - first;
    for (ptrdiff_t y = 0; y < d->height; y++) {
        const uint8_t *from = d->rgb + y * d->stride;
        uint8_t *row = to + first + y * step_y;
        if (step_x == 3) {
            memcpy(row, from, (size_t)d->width * 3);
            continue;
        }
        for (ptrdiff_t x = 0; x < d->width; x++) memcpy(row + x * step_x, from + x * 3, 3);
    }
}

static int check_frame(const decoder *d, const AVFrame *f, double seconds) {
    int wrong = FF_DECODE_ERROR_INVALID_BITSTREAM | FF_DECODE_ERROR_DECODE_SLICES |
                FF_DECODE_ERROR_CONCEALMENT_ACTIVE;
    if (!(f->decode_error_flags & wrong)) return 0;
    return tn_fail(d->err, TN_EFORMAT, "video: damaged: the frame at %.3f s cannot be decoded", seconds);
}

static int deliver(decoder *d, const AVFrame *f, uint32_t index) {
    bool turned = d->orientation >= 5;
    double seconds = video_timeline_seconds(d->t, index);
    int rc = check_frame(d, f, seconds);
    if (!rc) rc = convert(d, f);
    if (rc) return rc;
    uint8_t *room = d->sink->frame(d->sink, (uint32_t)(turned ? d->height : d->width),
                                   (uint32_t)(turned ? d->width : d->height), seconds, d->err);
    if (!room) return d->err->code;
    turn(d, room);
    return 0;
}

/* ---- One after the other ---- */

static bool is_wanted(const decoder *d, int64_t time) {
    uint32_t low = 0, high = d->n_index;
    while (low < high) {
        uint32_t mid = low + (high - low) / 2;
        if (d->t->time[d->index[mid]] < time)
            low = mid + 1;
        else
            high = mid;
    }
    return low < d->n_index && d->t->time[d->index[low]] == time;
}

/* What nobody wants and no other frame refers to need not be decoded. */
static enum AVDiscard skip_of(const decoder *d, const AVPacket *p) {
    return d->t->counted || p->pts == AV_NOPTS_VALUE || is_wanted(d, p->pts) ? AVDISCARD_DEFAULT
                                                                             : AVDISCARD_NONREF;
}

/* Feeds one packet. One that cannot be decoded is passed over here: whether a frame that is wanted is missing
 * is seen when it should be shown. */
static int feed(decoder *d) {
    int rc = video_source_read(d->s, d->packet, d->err);
    if (rc && rc != VIDEO_END) return rc;
    if (!rc) d->codec->skip_frame = skip_of(d, d->packet);
    int sent = avcodec_send_packet(d->codec, rc == VIDEO_END ? NULL : d->packet);
    av_packet_unref(d->packet);
    return sent == AVERROR(ENOMEM) ? out_of_memory(d) : 0;
}

/* The next frame in the order of display: 0, VIDEO_END, or an error. */
static int next_frame(decoder *d) {
    for (;;) {
        int rc = avcodec_receive_frame(d->codec, d->frame);
        if (rc == AVERROR_EOF) return VIDEO_END;
        if (rc == AVERROR(ENOMEM)) return out_of_memory(d);
        if (rc == 0) {
            d->now = d->t->counted ? d->counter++ : d->frame->best_effort_timestamp;
            d->has_next = d->now != AV_NOPTS_VALUE;
            if (d->has_next) return 0;
            av_frame_unref(d->frame);
        } else {
            rc = feed(d);
            if (rc) return rc;
        }
    }
}

static void hold(decoder *d) {
    av_frame_unref(d->held);
    av_frame_move_ref(d->held, d->frame);
    d->held_time = d->now;
    d->has_held = true;
    d->has_next = false;
}

static void forget(decoder *d) {
    avcodec_flush_buffers(d->codec);
    av_frame_unref(d->held);
    av_frame_unref(d->frame);
    d->has_held = d->has_next = d->ended = false;
    d->counter = 0;
}

/* To the beginning, and no more jumps: a container that is no good at them. */
static int begin_again(decoder *d) {
    video_source *s = d->s;
    video_source_close(s);
    int rc = video_source_open(s, s->bytes, s->n, d->limits, s->ignore_edits, d->err);
    if (!rc) forget(d);
    d->in_order = true;
    return rc;
}

/* The last place at or before a time where decoding can begin; NULL: at the beginning only. */
static const struct video_key *key_before(const video_timeline *t, int64_t time) {
    uint32_t low = 0, high = t->n_key;
    while (low < high) {
        uint32_t mid = low + (high - low) / 2;
        if (t->key[mid].time <= time)
            low = mid + 1;
        else
            high = mid;
    }
    return low ? &t->key[low - 1] : NULL;
}

/* Jumps forward when that saves frames. */
static int jump(decoder *d, uint32_t index) {
    const video_timeline *t = d->t;
    const struct video_key *key = key_before(t, t->time[index]);
    int64_t here = d->has_held ? d->held_time : t->time[0];
    double saved = key ? ((double)key->time - (double)here) * t->unit * t->fps : 0;
    if (d->in_order || !(saved > SEEK_OVER)) return 0;
    if (av_seek_frame(d->s->format, d->s->stream->index, key->seek, AVSEEK_FLAG_BACKWARD) < 0)
        return begin_again(d);
    forget(d);
    d->jumped = true;
    return 0;
}

/* How far off the frame that is shown may be from the one whose time it is: a packet or two that bring none
 * are common, a second is damage. */
static int check_distance(const decoder *d, uint32_t index, int64_t shown) {
    double off = fabs((double)d->t->time[index] - (double)shown) * d->t->unit;
    double allowed = fmax(0.5, 2 / d->t->fps);
    if (off <= allowed) return 0;
    return tn_fail(d->err, TN_EFORMAT,
                   "video: damaged: the frame at %.3f s cannot be decoded; the nearest is %.3f s away",
                   video_timeline_seconds(d->t, index), off);
}

/* Decodes until what is held is shown at the time `wanted`. */
static int advance(decoder *d, int64_t wanted) {
    while (!d->has_held || d->held_time < wanted) {
        int rc = d->has_next || d->ended ? 0 : next_frame(d);
        if (rc && rc != VIDEO_END) return rc;
        if (rc == VIDEO_END) d->ended = true;
        if (d->ended || (d->has_held && d->now > wanted)) return 0;
        hold(d);
    }
    return 0;
}

/* The frame that is shown at the time of frame `index`. */
static int reach(decoder *d, uint32_t index) {
    int64_t wanted = d->t->time[index];
    int rc = d->t->counted ? 0 : jump(d, index);
    if (!rc) rc = advance(d, wanted);
    if (!rc && d->jumped && !d->in_order && (!d->has_held || d->held_time > wanted)) {
        rc = begin_again(d); /* it jumped too far */
        if (!rc) rc = advance(d, wanted);
    }
    if (rc) return rc;
    if (!d->has_held) return tn_fail(d->err, TN_EFORMAT, "video: damaged: none of its frames can be decoded");
    rc = check_distance(d, index, d->held_time);
    return rc ? rc : deliver(d, d->held, index);
}

int video_frames(video_source *s, const video_timeline *t, const tn_modality_limits *limits,
                 const uint32_t *index, uint32_t n_index, tn_modality_sink *sink, tn_error *err) {
    decoder d = {
        .s = s, .t = t, .limits = limits, .index = index, .n_index = n_index, .sink = sink, .err = err};
    int rc = prepare(&d);
    for (uint32_t i = 0; !rc && i < n_index; i++) rc = reach(&d, index[i]);
    release(&d);
    return rc;
}
