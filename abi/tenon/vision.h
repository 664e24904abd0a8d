/* SPDX-License-Identifier: 0BSD OR Apache-2.0 */
/* How a family's models see: what becomes of pixels before the vision tower, and of the tower's rows in a
 * prompt. Data only: the host does the work. Filled by tn_family.vision. */
#ifndef TENON_VISION_H
#define TENON_VISION_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* How an image gets its size. */
enum tn_resize {
    TN_RESIZE_SMART = 1,  /* sides become multiples of patch * merge, the area between min_pixels and
                             max_pixels, the aspect nearly kept (Wang et al. 2024, "Qwen2-VL", section 2.1) */
    TN_RESIZE_SQUARE = 2, /* image_size x image_size, whatever the aspect */
};

/* Both with antialiasing, in 8-bit steps: images as Pillow does it, frames of videos as torchvision does. */
enum tn_filter { TN_FILTER_BILINEAR = 2, TN_FILTER_BICUBIC = 3 };

/* Where tokens of a prompt stand for rotary tables with axes (tn_rope_desc.axes). */
enum tn_positions {
    TN_POSITIONS_PLAIN = 0,
    TN_POSITIONS_GRID = 1, /* text: all three coordinates alike. The rows of a grid: start + (time, y, x);
                              what follows: one after the largest y and x (Qwen2-VL, section 2.1, "M-RoPE";
                              the time does not count, as in transformers 5) */
};

/* How a video stands in a prompt. */
enum tn_video_text {
    TN_VIDEO_WHOLE = 1, /* one run of rows, coordinate time in steps of tokens_per_second */
    TN_VIDEO_TIMED = 2, /* each temporal patch is a grid of its own: "<%.1f seconds>", begin, rows, end */
};

typedef struct tn_video_rule {
    double fps;                      /* frames taken of a second of video */
    uint32_t min_frames, max_frames; /* taken, whatever the duration */
    uint32_t round_frames;           /* 1: rounded down to a multiple of `temporal` (Qwen2-VL);
                                        0: the last frame is repeated to fill it (Qwen3-VL) */
    uint32_t share_pixels;           /* 1: the limits are for all frames together (Qwen3-VL);
                                        0: for each (Qwen2-VL) */
    uint64_t min_pixels, max_pixels;
    uint64_t total_pixels;   /* of all times of `temporal` frames, where each frame has its own limits: it may
                                lower max_pixels, to 1.05 min_pixels at least; 0: no such limit */
    uint32_t text;           /* enum tn_video_text; 0: the family takes no video */
    float tokens_per_second; /* TN_VIDEO_WHOLE; 0: a step for each time (Qwen2-VL) */
} tn_video_rule;

typedef struct tn_vision {
    uint32_t size; /* sizeof(tn_vision), set by the host before the call */
    /* From pixels to rows. A row is a patch: its values by channel, frame, y, x; (value / 255 - mean) / std.
     */
    uint32_t resize, filter;  /* enum tn_resize, tn_filter */
    uint32_t image_size;      /* TN_RESIZE_SQUARE */
    uint32_t patch, temporal; /* pixels, frames of a patch; an image is repeated to fill `temporal` */
    uint32_t merge; /* merge x merge patches, which follow each other, become one row of the output */
    uint64_t min_pixels, max_pixels;
    float mean[3], std[3];
    uint32_t window;   /* rows of a window of this many patches to a side stand together; 0: no windows */
    uint32_t pos_side; /* the tower has a learned table of pos_side x pos_side positions; 0: none */
    uint32_t pos_interpolate; /* it is stretched bilinearly over the grid, corners on corners */
    tn_video_rule video;
    /* From rows to the prompt. */
    /* Stands for each row. -1: the first of the spellings that the tokenizer has (GGUF files do not say which
     * token it is); none where there is no spelling. Static strings or NULL. */
    int32_t image_token, video_token;
    const char *image_row[2], *video_row[2];
    /* What the chat template writes for an image or a video, replaced by begin, rows, end. The texts are
     * encoded with the model's special tokens; NULL: nothing. Static strings. */
    const char *image_text, *video_text;
    const char *begin, *end;
    uint32_t positions;  /* enum tn_positions */
    uint32_t sees_whole; /* 1: rows of an image attend to all of that image, later ones too */
    uint32_t n_deep;     /* further rows that come with each (deepstack) */
} tn_vision;

#ifdef __cplusplus
}
#endif
#endif
