/* SPDX-License-Identifier: Apache-2.0 */
/* All that an operator says about media, as the parts that deal with them take it: section media of
 * tenon.conf, which tn_settings_media() (config/settings.h) makes this of. */
#ifndef TN_MEDIA_LIMITS_H
#define TN_MEDIA_LIMITS_H

#include "media/fetch.h"

typedef struct tn_media_limits {
    uint32_t max_items;    /* images and videos of one request; 0: none are taken */
    tn_fetch_limits fetch; /* cancelled and ctx are the caller's to set */
    /* Decoding. */
    uint64_t max_pixels;     /* of an image, of a frame */
    uint32_t max_frames;     /* taken of a video */
    double max_duration_s;   /* of a video */
    double decode_timeout_s; /* of one image or video */
    /* Caches, in bytes. */
    uint64_t tower_cache_bytes;  /* what vision towers gave */
    uint64_t pixels_cache_bytes; /* decoded frames */
} tn_media_limits;

#endif
