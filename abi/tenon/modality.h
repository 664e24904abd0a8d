/* SPDX-License-Identifier: 0BSD OR Apache-2.0 */
/* What a modality module offers: get_factory("tenon.modality/0") returns a const tn_modality.
 *
 * It turns the bytes of a file (JPEG, MP4, FLAC) into plain frames or samples. It knows no model and no
 * request: which frames are wanted is the caller's business, what becomes of them too. The program runs it in
 * a helper process that it ends when a call takes too long or too much memory, and starts again: a crash
 * costs the file, not the server. All the same a module treats every byte as hostile, and asks for no memory
 * before the size that the file claims was compared with the limits.
 *
 * All functions are called by one thread at a time, on any files in any order; they keep nothing between
 * calls, no pointer that they were given, and open no file, socket or process. An error speaks of the input
 * and not of the code: what is wrong, where, the value and the limit. Codes: TN_EFORMAT (damaged, cut off),
 * TN_ENOTSUP (valid, but not for us), TN_ELIMIT, TN_EINVAL (a frame that is not there), TN_ENOMEM.
 */
#ifndef TENON_MODALITY_H
#define TENON_MODALITY_H

#include <stddef.h>
#include <stdint.h>
#include <tenon/module.h>
#include <tenon/status.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TN_MODALITY_FACTORY "tenon.modality/0"

enum tn_modality_kind { TN_MODALITY_IMAGE = 1, TN_MODALITY_VIDEO = 2, TN_MODALITY_AUDIO = 3 };

/* What may not be passed, whatever the file says. Messages name the setting in brackets. */
typedef struct tn_modality_limits {
    uint32_t size;       /* sizeof(tn_modality_limits) in the program's headers */
    uint32_t max_frames; /* of one call of decode [media.max_frames] */
    uint64_t max_pixels; /* of one frame [media.max_pixels] */
    uint64_t max_bytes;  /* of all frames of one call, 3 bytes a pixel; of samples, 4 bytes each */
    double max_seconds;  /* a video or a recording may last [media.max_duration] */
} tn_modality_limits;

/* What a file holds. */
typedef struct tn_media_info {
    uint32_t size;          /* sizeof(tn_media_info), set by the caller */
    uint32_t kind;          /* enum tn_modality_kind */
    uint32_t width, height; /* pixels, upright: after the rotation that the file asks for; 0 of a recording */
    uint32_t n_frame;   /* that can be had: 1 for an image; of a recording samples of a channel, 0: unknown
                           before it is decoded */
    uint32_t n_in_file; /* pictures of an animation, of which the first is had; of a recording channels;
                           else as n_frame */
    double fps;         /* video: frames in a second, on average; recording: samples; 0 for an image */
    double seconds;     /* video: from the first frame's beginning to the last one's end; recording */
    char format[32];    /* "jpeg", "h264 in mov": for messages */
} tn_media_info;

/* Takes frames, in the order in which they were asked for. */
typedef struct tn_modality_sink tn_modality_sink;
struct tn_modality_sink {
    uint32_t size; /* sizeof(tn_modality_sink) in the program's headers */
    uint32_t reserved;
    /* Room for the next frame: [height][width][3] bytes, R G B, which the module fills before it asks for the
     * next or returns. All frames of one call have one size. seconds: when the frame is shown, from the first
     * of the file on (0 for an image). NULL with err filled when the program does not take it: the call then
     * returns err->code. The room is gone when decode returns. */
    uint8_t *(*frame)(tn_modality_sink *sink, uint32_t width, uint32_t height, double seconds, tn_error *err);
    /* Room for the next n samples of a recording, mixed down to one channel: F32, -1 to 1. As above. */
    float *(*samples)(tn_modality_sink *sink, uint32_t n, tn_error *err);
};

typedef struct tn_modality {
    uint32_t size; /* sizeof(tn_modality) */
    uint32_t reserved;
    const char *summary; /* "images: JPEG, PNG, WebP" */
    uint32_t kinds;      /* 1 << TN_MODALITY_IMAGE ... of what it reads */
    uint32_t reserved2;

    /* How sure it is that these bytes are for it: 0 not at all, 100 there is no doubt. Looks at the beginning
     * only, and says 100 as well for what it knows and does not read: inspect then says why. */
    int32_t (*probe)(const uint8_t *bytes, size_t n);
    /* What is in the file; compares it with the limits. Fills all of *ret but its size. Decodes no more than
     * it has to. */
    int32_t (*inspect)(const uint8_t *bytes, size_t n, const tn_modality_limits *limits, tn_media_info *ret,
                       tn_error *err);
    /* Decodes the frames whose numbers, counted from 0 in the order of display, are in index [n_index],
     * ascending, no number twice; hands each to the sink. *ret is filled as inspect does it. A frame that is
     * damaged fails the call; so does a number that is not below n_frame (TN_EINVAL). Of a recording index is
     * 0 alone, which stands for all of it. */
    int32_t (*decode)(const uint8_t *bytes, size_t n, const tn_modality_limits *limits, const uint32_t *index,
                      uint32_t n_index, tn_modality_sink *sink, tn_media_info *ret, tn_error *err);
} tn_modality;

TN_ABI_ASSERT(sizeof(tn_modality_limits) == 32, "layout of tn_modality_limits");
TN_ABI_ASSERT(sizeof(tn_media_info) == 72, "layout of tn_media_info");
TN_ABI_ASSERT(sizeof(tn_modality_sink) == 24, "layout of tn_modality_sink");
TN_ABI_ASSERT(sizeof(tn_modality) == 48, "layout of tn_modality");

#ifdef __cplusplus
}
#endif
#endif
