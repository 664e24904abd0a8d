/* SPDX-License-Identifier: Apache-2.0 */
/* A file in memory, as libavformat reads it. Only containers and codecs of videos are let in: the libraries
 * know hundreds, and some of them open other files. */
#include "video.h"

#include <stdlib.h>
#include <string.h>

#include <libavutil/display.h>
#include <libavutil/opt.h>

enum { IO_BYTES = 1 << 16, PROBE_BYTES = 1 << 18, STREAMS_MAX = 64, SIDE_MAX = 1 << 15 };

#define CONTAINERS "mov,matroska,webm,avi,mpegts,mpeg,flv,ogg,asf,ivf,apng,gif"
/* Known, so that a file of theirs gets a better answer than "not a video". */
#define SOUNDS "wav,mp3,flac,aac,amr,aiff,w64"
#define CODECS                                                                                               \
    "h264,hevc,vp8,vp9,libdav1d,av1,mpeg4,mpeg2video,mpeg1video,mjpeg,theora,h263,flv,vc1,wmv1,wmv2,wmv3,"   \
    "msmpeg4,msmpeg4v2,prores,ffv1,rawvideo,huffyuv,ffvhuff,dvvideo,cinepak,apng,gif"

static bool is_among(const char *names, const char *list) {
    char one[64];
    for (; *names; names += strcspn(names, ","), names += *names == ',') {
        size_t n = strcspn(names, ",");
        if (n >= sizeof one) continue;
        memcpy(one, names, n);
        one[n] = 0;
        for (const char *p = list; *p; p += strcspn(p, ","), p += *p == ',')
            if (strcspn(p, ",") == n && memcmp(p, one, n) == 0) return true;
    }
    return false;
}

/* A PNG file whose acTL chunk comes before its pixels: libavformat cannot tell it from one that stands still.
 */
static bool is_moving_png(const uint8_t *bytes, size_t n) {
    static const uint8_t magic[8] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
    if (n < 16 || memcmp(bytes, magic, sizeof magic) != 0) return false;
    for (size_t at = sizeof magic; n - at >= 12;) {
        const uint8_t *c = bytes + at;
        const size_t len = (size_t)c[0] << 24 | (size_t)c[1] << 16 | (size_t)c[2] << 8 | c[3];
        if (memcmp(c + 4, "acTL", 4) == 0) return true;
        if (memcmp(c + 4, "IDAT", 4) == 0 || len > n - at - 12) return false;
        at += 12 + len;
    }
    return false;
}

static const AVInputFormat *guess(const uint8_t *bytes, size_t n, int *ret_score) {
    size_t len = n < PROBE_BYTES ? n : PROBE_BYTES;
    *ret_score = AVPROBE_SCORE_MAX;
    if (is_moving_png(bytes, len)) return av_find_input_format("apng");
    uint8_t *start = calloc(1, len + AVPROBE_PADDING_SIZE);
    *ret_score = 0;
    if (!start) return NULL;
    memcpy(start, bytes, len);
    AVProbeData data = {.filename = "", .buf = start, .buf_size = (int)len};
    const AVInputFormat *f = av_probe_input_format3(&data, 1, ret_score);
    free(start);
    return f;
}

int32_t video_probe(const uint8_t *bytes, size_t n) {
    int score;
    const AVInputFormat *f = guess(bytes, n, &score);
    if (!f || score <= AVPROBE_SCORE_RETRY || !is_among(f->name, CONTAINERS "," SOUNDS)) return 0;
    return score * 90 / AVPROBE_SCORE_MAX;
}

static int on_read(void *opaque, uint8_t *to, int n) {
    video_source *s = opaque;
    size_t take = s->n - s->at;
    if (!take) return AVERROR_EOF;
    if (take > (size_t)n) take = (size_t)n;
    memcpy(to, s->bytes + s->at, take);
    s->at += take;
    return (int)take;
}

static int64_t on_seek(void *opaque, int64_t offset, int whence) {
    video_source *s = opaque;
    int64_t base = whence == SEEK_CUR ? (int64_t)s->at : whence == SEEK_END ? (int64_t)s->n : 0;
    if (whence & AVSEEK_SIZE) return (int64_t)s->n;
    if (offset < -base || offset > (int64_t)s->n - base) return AVERROR(EINVAL);
    s->at = (size_t)(base + offset);
    return (int64_t)s->at;
}

/* A file that names others gets none. */
static int on_open(AVFormatContext *f, AVIOContext **io, const char *url, int flags, AVDictionary **options) {
    (void)f, (void)io, (void)url, (void)flags, (void)options;
    return AVERROR(EPERM);
}

static int open_input(video_source *s, tn_error *err) {
    int score;
    const AVInputFormat *f = guess(s->bytes, s->n, &score);
    AVDictionary *options = NULL;
    if (!f) return tn_fail(err, TN_EFORMAT, "video: not a container that is known");
    if (!is_among(f->name, CONTAINERS))
        return is_among(f->name, SOUNDS)
                   ? tn_fail(err, TN_EFORMAT, "video: a file of sound alone (%s): it has no picture", f->name)
                   : tn_fail(err, TN_ENOTSUP, "video: %s is not read", f->name);
    unsigned char *buffer = av_malloc(IO_BYTES);
    s->io = buffer ? avio_alloc_context(buffer, IO_BYTES, 0, s, on_read, NULL, on_seek) : NULL;
    s->format = avformat_alloc_context();
    if (!s->io || !s->format) return tn_fail(err, TN_ENOMEM, "video: out of memory");
    s->format->pb = s->io;
    s->format->flags |= AVFMT_FLAG_CUSTOM_IO;
    s->format->io_open = on_open;
    s->format->max_streams = STREAMS_MAX;
    av_dict_set(&options, "format_whitelist", CONTAINERS, 0);
    av_dict_set(&options, "codec_whitelist", CODECS, 0);
    if (s->ignore_edits) av_dict_set_int(&options, "ignore_editlist", 1, 0);
    int rc = avformat_open_input(&s->format, "", (AVInputFormat *)(uintptr_t)f, &options);
    av_dict_free(&options);
    return rc < 0 ? video_fail(err, rc, "its header is damaged or cut off") : 0;
}

/* Codecs are opened to learn what a stream is; they know the limit too. */
static int find_streams(video_source *s, const tn_modality_limits *limits, tn_error *err) {
    unsigned n = s->format->nb_streams;
    AVDictionary **options = n ? calloc(n, sizeof *options) : NULL;
    if (n && !options) return tn_fail(err, TN_ENOMEM, "video: out of memory");
    for (unsigned i = 0; i < n; i++) {
        av_dict_set_int(&options[i], "max_pixels", (int64_t)limits->max_pixels, 0);
        av_dict_set_int(&options[i], "threads", 1, 0);
    }
    int rc = avformat_find_stream_info(s->format, options);
    for (unsigned i = 0; i < n; i++) av_dict_free(&options[i]);
    free(options);
    return rc < 0 ? video_fail(err, rc, "its streams make no sense") : 0;
}

/* Among videos that are no covers: one that is marked as the default, the larger. */
static bool is_better(const AVStream *a, const AVStream *b) {
    bool da = a->disposition & AV_DISPOSITION_DEFAULT, db = b->disposition & AV_DISPOSITION_DEFAULT;
    const AVCodecParameters *pa = a->codecpar, *pb = b->codecpar;
    if (da != db) return da;
    return (int64_t)pa->width * pa->height > (int64_t)pb->width * pb->height;
}

static int choose_stream(video_source *s, tn_error *err) {
    bool sound = false;
    for (unsigned i = 0; i < s->format->nb_streams; i++) {
        AVStream *st = s->format->streams[i];
        sound = sound || st->codecpar->codec_type == AVMEDIA_TYPE_AUDIO;
        if (st->codecpar->codec_type != AVMEDIA_TYPE_VIDEO || st->disposition & AV_DISPOSITION_ATTACHED_PIC)
            continue;
        if (!s->stream || is_better(st, s->stream)) s->stream = st;
    }
    for (unsigned i = 0; i < s->format->nb_streams; i++)
        if (s->format->streams[i] != s->stream) s->format->streams[i]->discard = AVDISCARD_ALL;
    if (s->stream) return 0;
    return tn_fail(err, TN_EFORMAT, "video: %s",
                   sound ? "a file of sound alone: it has no picture" : "there is no video in it");
}

static int check_limits(const video_source *s, const tn_modality_limits *limits, tn_error *err) {
    const AVCodecParameters *p = s->stream->codecpar;
    if (p->codec_id == AV_CODEC_ID_NONE)
        return tn_fail(err, TN_ENOTSUP, "video: it is in a code that is not known");
    if (p->width <= 0 || p->height <= 0 || p->width > SIDE_MAX || p->height > SIDE_MAX)
        return tn_fail(err, TN_EFORMAT, "video: its frames have %d x %d pixels, or it is cut off", p->width,
                       p->height);
    if ((uint64_t)p->width * (uint64_t)p->height > limits->max_pixels)
        return tn_fail(err, TN_ELIMIT,
                       "video: frames of %d x %d pixels; at most %llu pixels are taken (media.max_pixels)",
                       p->width, p->height, (unsigned long long)limits->max_pixels);
    return 0;
}

int video_source_open(video_source *s, const uint8_t *bytes, size_t n, const tn_modality_limits *limits,
                      bool ignore_edits, tn_error *err) {
    *s = (video_source){.bytes = bytes, .n = n, .ignore_edits = ignore_edits};
    int rc = video_check_extent(bytes, n, err);
    if (!rc) rc = open_input(s, err);
    if (!rc) rc = find_streams(s, limits, err);
    if (!rc) rc = choose_stream(s, err);
    return rc ? rc : check_limits(s, limits, err);
}

void video_source_close(video_source *s) {
    avformat_close_input(&s->format);
    if (s->io) av_freep(&s->io->buffer);
    avio_context_free(&s->io);
}

/* VP8 has frames that are only referred to; the bit show_frame of its header says so. RFC 6386, 9.1. */
static bool is_hidden(const video_source *s, const AVPacket *p) {
    return s->stream->codecpar->codec_id == AV_CODEC_ID_VP8 && p->size > 0 && !(p->data[0] >> 4 & 1);
}

bool video_packet_shown(const video_source *s, const AVPacket *p) {
    return p->size > 0 && !(p->flags & AV_PKT_FLAG_DISCARD) && !is_hidden(s, p);
}

int video_source_read(video_source *s, AVPacket *p, tn_error *err) {
    for (;;) {
        int rc = av_read_frame(s->format, p);
        if (rc == AVERROR_EOF) return VIDEO_END;
        if (rc < 0) return video_fail(err, rc, "its data are damaged or cut off");
        if (p->stream_index == s->stream->index) break;
        av_packet_unref(p);
    }
    if (p->flags & AV_PKT_FLAG_CORRUPT) {
        av_packet_unref(p);
        return tn_fail(err, TN_EFORMAT, "video: damaged or cut off: a frame's data are not complete");
    }
    return 0;
}

static const int32_t *display_matrix(const AVStream *s) {
#if LIBAVFORMAT_VERSION_INT >= AV_VERSION_INT(60, 15, 100)
    const AVPacketSideData *d = av_packet_side_data_get(
        s->codecpar->coded_side_data, s->codecpar->nb_coded_side_data, AV_PKT_DATA_DISPLAYMATRIX);
    return d && d->size >= 9 * sizeof(int32_t) ? (const int32_t *)(const void *)d->data : NULL;
#else
    size_t size = 0;
    const uint8_t *d = av_stream_get_side_data(s, AV_PKT_DATA_DISPLAYMATRIX, &size);
    return d && size >= 9 * sizeof(int32_t) ? (const int32_t *)(const void *)d : NULL;
#endif
}

/* The matrix maps stored (x, y) to shown (a x + c y, b x + d y): its columns' signs say where the axes go.
 * Only turns by right angles and mirrors are honoured. */
unsigned video_orientation(const AVStream *s) {
    const int32_t *m = display_matrix(s);
    if (!m) return 1;
    int64_t a = m[0], b = m[1], c = m[3], d = m[4];
    bool straight = llabs(a) + llabs(d) >= llabs(b) + llabs(c);
    if (straight) return a >= 0 ? (d >= 0 ? 1 : 4) : d >= 0 ? 2 : 3;
    return b >= 0 ? (c >= 0 ? 5 : 6) : c >= 0 ? 8 : 7;
}
