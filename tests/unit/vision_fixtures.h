/* SPDX-License-Identifier: Apache-2.0 */
/* What the families would say of the models in models/NAME of the test vectors, written by hand from their
 * configuration files, and the media that go with them. Include after unit.h. */
#ifndef TN_TESTS_VISION_FIXTURES_H
#define TN_TESTS_VISION_FIXTURES_H

#include <tenon/vision.h>

#include "base/json.h"
#include "media/media.h"
#include "unit/png.h"
#include "weights/safetensors.h"

static inline tn_vision unit_qwen2_5_vl(void) {
    return (tn_vision){.size = sizeof(tn_vision),
                       .resize = TN_RESIZE_SMART,
                       .filter = TN_FILTER_BICUBIC,
                       .patch = 14,
                       .temporal = 2,
                       .merge = 2,
                       .min_pixels = 3136,
                       .max_pixels = 12544,
                       .mean = {0.48145466f, 0.4578275f, 0.40821073f},
                       .std = {0.26862954f, 0.26130258f, 0.27577711f},
                       .window = 4,
                       .video = {.fps = 2,
                                 .min_frames = 4,
                                 .max_frames = 768,
                                 .round_frames = 1,
                                 .min_pixels = 3136,
                                 .max_pixels = 12544,
                                 .text = TN_VIDEO_WHOLE,
                                 .tokens_per_second = 2},
                       .image_token = 608,
                       .video_token = 609,
                       .image_text = "<|vision_start|><|image_pad|><|vision_end|>",
                       .video_text = "<|vision_start|><|video_pad|><|vision_end|>",
                       .begin = "<|vision_start|>",
                       .end = "<|vision_end|>",
                       .positions = TN_POSITIONS_GRID};
}

static inline tn_vision unit_qwen3_vl(void) {
    return (tn_vision){.size = sizeof(tn_vision),
                       .resize = TN_RESIZE_SMART,
                       .filter = TN_FILTER_BICUBIC,
                       .patch = 16,
                       .temporal = 2,
                       .merge = 2,
                       .min_pixels = 4096,
                       .max_pixels = 20480,
                       .mean = {0.5f, 0.5f, 0.5f},
                       .std = {0.5f, 0.5f, 0.5f},
                       .pos_side = 8,
                       .pos_interpolate = 1,
                       .video = {.fps = 2,
                                 .min_frames = 4,
                                 .max_frames = 768,
                                 .share_pixels = 1,
                                 .min_pixels = 4096,
                                 .max_pixels = 81920,
                                 .text = TN_VIDEO_TIMED},
                       .image_token = 608,
                       .video_token = 609,
                       .image_text = "<|vision_start|><|image_pad|><|vision_end|>",
                       .video_text = "<|vision_start|><|video_pad|><|vision_end|>",
                       .begin = "<|vision_start|>",
                       .end = "<|vision_end|>",
                       .positions = TN_POSITIONS_GRID,
                       .n_deep = 2};
}

static inline tn_vision unit_gemma3_vl(void) {
    return (tn_vision){.size = sizeof(tn_vision),
                       .resize = TN_RESIZE_SQUARE,
                       .filter = TN_FILTER_BILINEAR,
                       .image_size = 112,
                       .patch = 14,
                       .temporal = 1,
                       .merge = 2,
                       .mean = {0.5f, 0.5f, 0.5f},
                       .std = {0.5f, 0.5f, 0.5f},
                       .pos_side = 8,
                       .image_token = 9,
                       .video_token = -1,
                       .image_text = "<start_of_image>",
                       .begin = "\n\n<start_of_image>",
                       .end = "<end_of_image>\n\n",
                       .sees_whole = 1};
}

/* models/NAME, its references, and its family's word. */
typedef struct unit_seeing {
    const char *name;
    tn_vision vision;
    json_t *reference;
    tn_safetensors *arrays;
} unit_seeing;

static inline unit_seeing unit_seeing_open(const char *name, tn_vision vision) {
    char path[4400];
    tn_error err = {0};
    unit_seeing s = {.name = name, .vision = vision};
    snprintf(path, sizeof path, "%s/models/%s/reference.json", unit_vectors(), name);
    if (tn_json_load(path, 1 << 20, &s.reference, &err) != 0) fail_msg("%s", err.text);
    snprintf(path, sizeof path, "%s/models/%s/reference.safetensors", unit_vectors(), name);
    if (tn_safetensors_open(path, &s.arrays, &err) != 0) fail_msg("%s", err.text);
    return s;
}

static inline void unit_seeing_close(unit_seeing *s) {
    json_decref(s->reference);
    tn_safetensors_close(s->arrays);
}

/* A tensor called "PREFIX.PART"; one that is not there fails the test. */
static inline const tn_tensor *unit_array(const unit_seeing *s, const char *prefix, const char *part) {
    char name[256];
    snprintf(name, sizeof name, "%s.%s", prefix, part);
    const tn_tensor *t = tn_safetensors_tensor_find(s->arrays, name);
    if (!t) fail_msg("%s has no %s", s->name, name);
    return t;
}

/* media/imageI.png; free rgb. */
static inline tn_frames unit_image(int i) {
    char name[64];
    tn_frames f = {.n_frame = 1};
    snprintf(name, sizeof name, "media/image%d.png", i);
    f.rgb = unit_png(name, &f.width, &f.height);
    return f;
}

/* media/video0-frame0.png .. 7 at 2 frames a second; free rgb and seconds. */
static inline tn_frames unit_video(void) {
    char name[64];
    enum { N = 8 };
    tn_frames f = {.n_frame = N, .fps = 2, .duration = N / 2.0};
    f.seconds = malloc(N * sizeof *f.seconds);
    for (uint32_t i = 0; i < N; i++) {
        snprintf(name, sizeof name, "media/video0-frame%u.png", i);
        uint8_t *rgb = unit_png(name, &f.width, &f.height);
        size_t bytes = (size_t)f.width * f.height * 3;
        if (!f.rgb) f.rgb = malloc(N * bytes);
        memcpy(f.rgb + i * bytes, rgb, bytes);
        free(rgb);
        f.seconds[i] = i / 2.0;
    }
    return f;
}

#endif
