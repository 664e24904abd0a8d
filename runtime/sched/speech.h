/* SPDX-License-Identifier: Apache-2.0 */
/* Writing down recordings with models that have cross attention (Radford et al. 2022, "Whisper", section 2.3
 * and appendix "Long-form transcription"): windows one after the other, each from where the last whole
 * segment of the one before ended. */
#ifndef TN_SCHED_SPEECH_H
#define TN_SCHED_SPEECH_H

#include "media/media.h"
#include "sched/model.h"

typedef struct tn_speech tn_speech;

typedef struct tn_speech_options {
    const char *language; /* "en"; NULL: the model says which, by the first window */
    bool translate;       /* into English */
    bool timestamps;      /* segments with times; else one segment for each window */
} tn_speech_options;

/* Something that was said. */
typedef struct tn_segment {
    double start, end; /* seconds */
    char *text;
    size_t len;
} tn_segment;

typedef struct tn_transcript {
    char language[16]; /* "en"; empty: the model knows one only */
    double duration;   /* of the recording, seconds */
    tn_segment *segments;
    size_t n_segment;
} tn_transcript;

/* Reads the model's own rules: generation_config.json. m outlives it. TN_ENOTSUP (the model does not write
 * down recordings), TN_EFORMAT, TN_ENOMEM. [control thread] */
int tn_speech_new(tn_model *m, tn_speech **ret, tn_error *err);
void tn_speech_free(tn_speech *s);

/* Writes down a recording of any rate, which is resampled in place. seconds (may be NULL) is called after
 * each window with how far it came and how long the recording is; returning false ends with TN_ECANCELED.
 * *ret is the caller's, empty after a failure. TN_EINVAL (a language that the model does not know: with those
 * that it does; no sound), TN_ENOMEM, and what engine and features say. [one thread at a time] */
int tn_speech_transcribe(tn_speech *s, tn_sound *sound, const tn_speech_options *options,
                         bool (*seconds)(void *ctx, double done, double all), void *ctx, tn_transcript *ret,
                         tn_error *err);
void tn_transcript_fini(tn_transcript *t);

#endif
