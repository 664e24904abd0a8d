/* SPDX-License-Identifier: Apache-2.0 */
/* What the formats share: the picture that is being read, its limits and its place in the sink. */
#ifndef VISION_H
#define VISION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <tenon/modality.h>

/* One call. Formats read bytes, tell the size with vision_begin, and put their pixels. */
typedef struct vision_job {
    const uint8_t *bytes;
    size_t n;
    const tn_modality_limits *limits;
    tn_media_info *info;
    tn_modality_sink *sink; /* NULL: only the size is wanted */
    tn_error *err;
    /* Since vision_begin: the stored picture, and where its pixel (0, 0) lies in the upright one with the
     * distances, in bytes, to its neighbours in x and y. */
    uint32_t width, height;
    uint8_t *origin;
    ptrdiff_t step_x, step_y;
} vision_job;

enum { VISION_DONE = 1 }; /* of vision_begin: nothing more is wanted */

/* Whether a picture of that size may be decoded; vision_begin asks as well. */
int vision_check_size(const vision_job *j, uint64_t width, uint64_t height);

/* The stored picture has width x height pixels, is to be turned as EXIF's orientation (1..8) says, and is the
 * first of n_in_file. Checks the limits, fills j->info, and makes the picture white. 0, VISION_DONE, or an
 * error. */
int vision_begin(vision_job *j, const char *format, uint32_t width, uint32_t height, unsigned orientation,
                 uint32_t n_in_file);

/* n pixels from (x, y) of the stored picture on: RGB, or RGBA over the white. They lie within it. */
void vision_put_rgb(const vision_job *j, uint32_t x, uint32_t y, const uint8_t *rgb, uint32_t n);
void vision_put_rgba(const vision_job *j, uint32_t x, uint32_t y, const uint8_t *rgba, uint32_t n);

/* The orientation in EXIF data (a TIFF header, with or without "Exif\0\0" before it): 1..8, 1 where there is
 * none. CIPA DC-008, 4.6.4. */
unsigned vision_orientation(const uint8_t *exif, size_t n);

int vision_jpeg(vision_job *j);
int vision_png(vision_job *j);
int vision_webp(vision_job *j);
int vision_gif(vision_job *j);
int vision_bmp(vision_job *j);

static inline uint32_t vision_le16(const uint8_t *p) {
    return (uint32_t)p[0] | (uint32_t)p[1] << 8;
}
static inline uint32_t vision_le32(const uint8_t *p) {
    return vision_le16(p) | vision_le16(p + 2) << 16;
}
static inline uint32_t vision_be16(const uint8_t *p) {
    return (uint32_t)p[1] | (uint32_t)p[0] << 8;
}
static inline uint32_t vision_be32(const uint8_t *p) {
    return vision_be16(p + 2) | vision_be16(p) << 16;
}

#endif
