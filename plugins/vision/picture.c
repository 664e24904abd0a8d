/* SPDX-License-Identifier: Apache-2.0 */
/* The upright picture over white, whatever way round the stored one lies. */
#include "vision.h"

#include <inttypes.h>
#include <string.h>

int vision_check_size(const vision_job *j, uint64_t width, uint64_t height) {
    const tn_modality_limits *l = j->limits;
    uint64_t pixels = width * height; /* of 32 bits each */
    if (!pixels)
        return tn_fail(j->err, TN_EFORMAT, "a picture of %" PRIu64 " x %" PRIu64 " pixels is empty", width,
                       height);
    if (pixels > l->max_pixels)
        return tn_fail(j->err, TN_ELIMIT,
                       "a picture of %" PRIu64 " x %" PRIu64 " pixels, %" PRIu64 " in all; at most %" PRIu64
                       " are taken (media.max_pixels)",
                       width, height, pixels, l->max_pixels);
    if (pixels > l->max_bytes / 3)
        return tn_fail(j->err, TN_ELIMIT,
                       "a picture of %" PRIu64 " x %" PRIu64 " pixels needs more than %" PRIu64 " bytes",
                       width, height, l->max_bytes);
    return 0;
}

/* Where pixel (x, y) of the stored picture lies in the upright one that is `across` pixels wide. */
static ptrdiff_t place(const vision_job *j, unsigned orientation, uint32_t across, uint32_t x, uint32_t y) {
    ptrdiff_t left = x, top = y, right = (ptrdiff_t)j->width - 1 - x, bottom = (ptrdiff_t)j->height - 1 - y;
    const ptrdiff_t at[9][2] = {
        {left, top},  /* none */
        {left, top},  /* 1: as it lies */
        {right, top}, /* 2: mirrored */
        {right, bottom}, {left, bottom},
        {top, left}, /* 5: transposed; from here on the sides change places */
        {bottom, left},  {bottom, right},
        {top, right},
    };
    return (at[orientation][1] * (ptrdiff_t)across + at[orientation][0]) * 3;
}

int vision_begin(vision_job *j, const char *format, uint32_t width, uint32_t height, unsigned orientation,
                 uint32_t n_in_file) {
    bool turned = orientation >= 5;
    uint32_t across = turned ? height : width, down = turned ? width : height;
    int rc = vision_check_size(j, width, height);
    if (rc) return rc;
    *j->info = (tn_media_info){.size = j->info->size, .kind = TN_MODALITY_IMAGE, .n_frame = 1};
    j->info->width = across;
    j->info->height = down;
    j->info->n_in_file = n_in_file;
    snprintf(j->info->format, sizeof j->info->format, "%s", format);
    if (!j->sink) return VISION_DONE;
    uint8_t *room = j->sink->frame(j->sink, across, down, 0, j->err);
    if (!room) return j->err->code;
    memset(room, 255, (size_t)width * height * 3);
    j->width = width;
    j->height = height;
    ptrdiff_t first = place(j, orientation, across, 0, 0);
    j->origin = room + first;
    j->step_x = place(j, orientation, across, 1, 0) - first;
    j->step_y = place(j, orientation, across, 0, 1) - first;
    return 0;
}

void vision_put_rgb(const vision_job *j, uint32_t x, uint32_t y, const uint8_t *rgb, uint32_t n) {
    uint8_t *to = j->origin + (ptrdiff_t)x * j->step_x + (ptrdiff_t)y * j->step_y;
    if (j->step_x == 3) {
        memcpy(to, rgb, (size_t)n * 3);
        return;
    }
    for (uint32_t i = 0; i < n; i++, rgb += 3) memcpy(to + (ptrdiff_t)i * j->step_x, rgb, 3);
}

void vision_put_rgba(const vision_job *j, uint32_t x, uint32_t y, const uint8_t *rgba, uint32_t n) {
    uint8_t *start = j->origin + (ptrdiff_t)x * j->step_x + (ptrdiff_t)y * j->step_y;
    for (uint32_t i = 0; i < n; i++, rgba += 4) {
        uint8_t *to = start + (ptrdiff_t)i * j->step_x;
        unsigned alpha = rgba[3], white = 255 * (255 - alpha);
        if (alpha == 255) {
            memcpy(to, rgba, 3);
            continue;
        }
        for (int c = 0; c < 3; c++) to[c] = (uint8_t)((rgba[c] * alpha + white + 127) / 255);
    }
}
