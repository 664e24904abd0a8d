/* SPDX-License-Identifier: Apache-2.0 */
/* What passes between the stages that a picture or a clip goes through: bytes, frames, patches. */
#ifndef TN_MEDIA_MEDIA_H
#define TN_MEDIA_MEDIA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum tn_media_kind { TN_MEDIA_IMAGE = 1, TN_MEDIA_VIDEO = 2, TN_MEDIA_AUDIO = 3 } tn_media_kind;

/* Of decoded bytes, of what a tower is given: 256 bits that nobody can find twice. */
typedef struct tn_media_hash {
    uint8_t bytes[32];
} tn_media_hash;

/* Frames of one size, upright, opaque (transparent ones over white), sRGB. An image has one. */
typedef struct tn_frames {
    uint32_t width, height, n_frame;
    uint8_t *rgb;    /* [n_frame][height][width][3]; the owner's malloc */
    double *seconds; /* [n_frame]: when each is shown; NULL for images */
    double fps;      /* of the whole video that they were taken from; 0 for images */
    double duration; /* of that video, seconds: all its frames / fps; 0: unknown, or an image */
} tn_frames;

/* A recording, mixed down to one channel. */
typedef struct tn_sound {
    uint32_t rate; /* samples a second */
    uint64_t n;
    float *samples; /* [n], -1 to 1; the owner's malloc */
} tn_sound;

/* What a tower is given. Of sound rows are frames in order, the mix is their positions, and windows are what
 * convolutions go over; there are no coordinates and no grid. Of pictures a row holds its values by channel,
 * frame (of `temporal`), y, x. Rows are patches in the order in which the tower wants them: merge x merge
 * neighbours together, these by windows where there are any, these by frames. */
typedef struct tn_patches {
    uint32_t n_row, cols;
    float *rows;          /* [n_row][cols] */
    uint32_t (*coord)[3]; /* [n_row]: time, y, x of the patch */
    uint32_t grid[3];     /* patches: time, y, x */
    /* The learned position of a row: the sum of 4 rows of the table by weights; NULL where there is none. */
    uint32_t (*mix_index)[4];
    float (*mix_weight)[4];
    /* Rows that attend to each other: segment i is end[i - 1] .. end[i] (from 0). */
    uint32_t *frame_end, n_frame;   /* the patches of one time */
    uint32_t *window_end, n_window; /* NULL, 0 without windows */
    /* Output row i (of n_row / merge^2) belongs at place[i] of the picture, row by row; NULL: it is there. */
    uint32_t *place;
    double *seconds; /* [grid[0]]: the mean time of first and last frame of each; NULL for images */
    double step;     /* seconds from one to the next on average: temporal * duration / frames; 0 for images */
} tn_patches;

#endif
