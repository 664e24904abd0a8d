/* SPDX-License-Identifier: Apache-2.0 */
#include "video.h"

#include <stdlib.h>
#include <string.h>

#include <libavutil/log.h>

int video_fail(tn_error *err, int av_code, const char *what) {
    char text[AV_ERROR_MAX_STRING_SIZE];
    if (av_code == AVERROR(ENOMEM)) return tn_fail(err, TN_ENOMEM, "video: out of memory");
    if (av_code == AVERROR_DECODER_NOT_FOUND || av_code == AVERROR_PATCHWELCOME)
        return tn_fail(err, TN_ENOTSUP, "video: %s: not supported", what);
    av_strerror(av_code, text, sizeof text);
    return tn_fail(err, TN_EFORMAT, "video: %s: %s", what, text);
}

static void describe(const video_source *s, const video_timeline *t, tn_media_info *ret) {
    const AVCodecParameters *p = s->stream->codecpar;
    const char *container = s->format->iformat->name;
    bool turned = video_orientation(s->stream) >= 5;
    *ret = (tn_media_info){.size = ret->size, .kind = TN_MODALITY_VIDEO};
    ret->width = (uint32_t)(turned ? p->height : p->width);
    ret->height = (uint32_t)(turned ? p->width : p->height);
    ret->n_frame = ret->n_in_file = t->n;
    ret->fps = t->fps;
    ret->seconds = video_timeline_seconds(t, t->n);
    snprintf(ret->format, sizeof ret->format, "%s in %.*s", avcodec_get_name(p->codec_id),
             (int)strcspn(container, ","), container);
}

static int look_once(const uint8_t *bytes, size_t n, const tn_modality_limits *limits, bool ignore_edits,
                     tn_media_info *ret, video_timeline *t, tn_error *err) {
    video_source s;
    int rc = video_source_open(&s, bytes, n, limits, ignore_edits, err);
    if (!rc) rc = video_timeline_read(&s, limits, t, err);
    if (!rc && t->n) describe(&s, t, ret);
    video_source_close(&s);
    return rc;
}

/* What is in the file, and when. An edit list that hides every frame is taken for a broken one. */
static int look(const uint8_t *bytes, size_t n, const tn_modality_limits *limits, bool *ret_ignore_edits,
                tn_media_info *ret, video_timeline *t, tn_error *err) {
    av_log_set_level(AV_LOG_QUIET);
    int rc = look_once(bytes, n, limits, false, ret, t, err);
    *ret_ignore_edits = !rc && !t->n && t->n_hidden;
    if (*ret_ignore_edits) {
        video_timeline_fini(t);
        rc = look_once(bytes, n, limits, true, ret, t, err);
    }
    if (!rc && !t->n)
        rc = tn_fail(err, TN_EFORMAT, "video: it has no frames: it is empty or cut off after its header");
    return rc;
}

static int32_t inspect(const uint8_t *bytes, size_t n, const tn_modality_limits *limits, tn_media_info *ret,
                       tn_error *err) {
    video_timeline t = {0};
    bool ignore_edits;
    int rc = look(bytes, n, limits, &ignore_edits, ret, &t, err);
    video_timeline_fini(&t);
    return rc;
}

/* Every wanted number is there, and they are few enough. */
static int check_wanted(const tn_modality_limits *limits, const tn_media_info *info, const uint32_t *index,
                        uint32_t n_index, tn_error *err) {
    uint64_t frame = (uint64_t)info->width * info->height * 3;
    if (n_index > limits->max_frames)
        return tn_fail(err, TN_ELIMIT, "video: %u frames at once; at most %u are taken (media.max_frames)",
                       n_index, limits->max_frames);
    if (n_index > limits->max_bytes / frame)
        return tn_fail(
            err, TN_ELIMIT,
            "video: %u frames of %u x %u pixels need %llu bytes; at most %llu are taken: ask for fewer",
            n_index, info->width, info->height, (unsigned long long)(frame * n_index),
            (unsigned long long)limits->max_bytes);
    for (uint32_t i = 0; i < n_index; i++)
        if (index[i] >= info->n_frame || (i && index[i] <= index[i - 1]))
            return tn_fail(err, TN_EINVAL,
                           "video: frame %u is wanted; there are %u, taken in ascending order", index[i],
                           info->n_frame);
    return 0;
}

/* The file is read twice: to learn its times, then to decode. Not every container can be rewound. */
static int32_t decode(const uint8_t *bytes, size_t n, const tn_modality_limits *limits, const uint32_t *index,
                      uint32_t n_index, tn_modality_sink *sink, tn_media_info *ret, tn_error *err) {
    video_timeline t = {0};
    video_source s;
    bool ignore_edits;
    int rc = look(bytes, n, limits, &ignore_edits, ret, &t, err);
    if (!rc) rc = check_wanted(limits, ret, index, n_index, err);
    if (!rc) {
        rc = video_source_open(&s, bytes, n, limits, ignore_edits, err);
        if (!rc) rc = video_frames(&s, &t, limits, index, n_index, sink, err);
        video_source_close(&s);
    }
    video_timeline_fini(&t);
    return rc;
}

static const tn_modality modality = {
    .size = sizeof(tn_modality),
    .summary = "videos: MP4, QuickTime, WebM, Matroska, AVI, MPEG, FLV, Ogg, ASF",
    .kinds = 1u << TN_MODALITY_VIDEO,
    .probe = video_probe,
    .inspect = inspect,
    .decode = decode,
};

static const void *get_factory(const tn_host *host, const char *factory_id) {
    (void)host;
    return strcmp(factory_id, TN_MODALITY_FACTORY) == 0 ? &modality : NULL;
}

TN_MODULE_ENTRY(.id = "video", .version = "1.0", .licence = "Apache-2.0", .options = NULL,
                .get_factory = get_factory);
