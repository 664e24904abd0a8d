/* SPDX-License-Identifier: Apache-2.0 */
/* From samples to what an audio tower is given, as the family's feature extractor does it. Pure functions. */
#ifndef TN_MEDIA_SOUND_H
#define TN_MEDIA_SOUND_H

#include <tenon/audio.h>
#include <tenon/status.h>

#include "media/media.h"

enum {
    TN_SOUND_MAX_RATE = 768000, /* samples a second, of a recording as it comes */
    TN_SOUND_MAX_MEL = 512,     /* bands */
    TN_SOUND_MAX_FFT = 8192,    /* samples */
};
#define TN_SOUND_MAX_SAMPLES ((uint64_t)1 << 30) /* of a recording, at either rate */

/* Log-mel frames of a recording. */
typedef struct tn_mel {
    uint32_t n_mel;
    uint64_t n_frame; /* that have values of their own */
    uint64_t n_sound; /* frames of the recording; of silence after it where n_frame is more */
    float *values;    /* [n_frame][n_mel]; the owner's malloc */
    float rest;       /* of every frame after them */
} tn_mel;

/* Frees what it owns; zeros are harmless. [any thread] */
void tn_sound_fini(tn_sound *s);
void tn_mel_fini(tn_mel *m);

/* Whether a family's numbers can be used. TN_EMODULE. */
int tn_sound_check(const tn_audio *a, tn_error *err);
/* Rows of the tower's input, of a whole window. */
uint32_t tn_sound_most_rows(const tn_audio *a);

/* *s at another rate, by libsoxr's high quality (bandwidth 0.91 of the lower rate's, -100 dB beside it); as
 * it is where the rates are the same. TN_ELIMIT (a rate or a length beyond the limits above), TN_ENOTSUP
 * (built without libsoxr), TN_ENOMEM. [any thread] */
int tn_sound_resample(tn_sound *s, uint32_t rate, tn_error *err);

/* Features of a recording at a->sample_rate. *ret is the caller's, empty after a failure. TN_EINVAL (no
 * sound: too short for a frame; values that are not numbers), TN_ELIMIT (more windows than the family takes),
 * TN_ENOMEM. [any thread, takes about 5 ms for each second of sound] */
int tn_mel_make(const tn_audio *a, const tn_sound *s, tn_mel *ret, tn_error *err);

/* Windows of a recording, each of which the tower encodes by itself. */
uint32_t tn_mel_windows(const tn_audio *a, const tn_mel *m);
/* Rows of the tower's output for window w. */
uint32_t tn_mel_window_rows(const tn_audio *a, const tn_mel *m, uint32_t w);
/* Window w as the tower wants it. *ret is released with tn_patches_fini. TN_ENOMEM. [any thread] */
int tn_mel_cut(const tn_audio *a, const tn_mel *m, uint32_t w, tn_patches *ret, tn_error *err);

#endif
