/* SPDX-License-Identifier: Apache-2.0 */
/* Videos by libavformat, libavcodec and libswscale, out of memory. Three steps: open the file (source.c,
 * extent.c), learn when its frames are shown (timeline.c), decode those that are wanted (frames.c). */
#ifndef VIDEO_H
#define VIDEO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <tenon/modality.h>

#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>

/* An opened file. Does not move: the library keeps its address. */
typedef struct video_source {
    const uint8_t *bytes;
    size_t n, at;
    AVIOContext *io;
    AVFormatContext *format;
    AVStream *stream; /* the one that is shown */
    bool ignore_edits;
} video_source;

/* Opens bytes, which live until video_source_close, and compares the size of its frames with the
 * limits.
 * ignore_edits: an edit list of QuickTime's, which hides frames, is not looked at. */
int video_source_open(video_source *s, const uint8_t *bytes, size_t n, const tn_modality_limits *limits,
                      bool ignore_edits, tn_error *err);
void video_source_close(video_source *s);

/* Whether a packet of the stream that is shown brings a frame. */
bool video_packet_shown(const video_source *s, const AVPacket *p);
/* The next packet of the stream that is shown: 0, VIDEO_END, or an error. */
enum { VIDEO_END = 1 };
int video_source_read(video_source *s, AVPacket *p, tn_error *err);

/* TN_EFORMAT when the container says that it is longer than n bytes. */
int video_check_extent(const uint8_t *bytes, size_t n, tn_error *err);

/* 0..100, as tn_modality.probe. */
int32_t video_probe(const uint8_t *bytes, size_t n);

/* When frames are shown. */
typedef struct video_timeline {
    /* [n] ascending: the times of the frames in units of the stream, or, where the file's times are of no
     * use (`counted`), 0, 1, 2 ... */
    int64_t *time;
    uint32_t n;
    bool counted;
    uint32_t n_hidden; /* by edit lists */
    double unit;       /* seconds */
    double fps;
    /* Where decoding can begin, ascending; none when counted. */
    struct video_key {
        int64_t time, seek; /* of its frame; what to ask libavformat for */
    } * key;
    uint32_t n_key;
} video_timeline;

/* Reads s to its end. With no frame at all *ret has n = 0. */
int video_timeline_read(video_source *s, const tn_modality_limits *limits, video_timeline *ret,
                        tn_error *err);
void video_timeline_fini(video_timeline *t);
/* Seconds from the first frame to frame i; i = n gives the end of the last. */
double video_timeline_seconds(const video_timeline *t, uint32_t i);

/* How a picture is turned before it is shown: EXIF's numbers, 1..8. */
unsigned video_orientation(const AVStream *s);

/* Hands frames index [n_index] to the sink. s has just been opened. */
int video_frames(video_source *s, const video_timeline *t, const tn_modality_limits *limits,
                 const uint32_t *index, uint32_t n_index, tn_modality_sink *sink, tn_error *err);

/* What a code of libav* means for us. */
int video_fail(tn_error *err, int av_code, const char *what);

#endif
