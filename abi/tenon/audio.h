/* SPDX-License-Identifier: 0BSD OR Apache-2.0 */
/* How a family's models hear: what becomes of sound before the audio tower, and of the tower's rows in a
 * prompt. Data only: the host does the work. Filled by tn_family.audio.
 *
 * Features are those of Whisper (Radford et al. 2022, section 2.2): the power spectrum of n_fft samples under
 * a periodic Hann window, every `hop` samples, the first one centred on the first sample; n_mel bands of
 * Slaney's scale, each of area 1; l = log10(max(band, 1e-10)), no less than its maximum over the recording
 * less 8; (l + 4) / 4. */
#ifndef TENON_AUDIO_H
#define TENON_AUDIO_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What stands after the end of a recording. */
enum tn_audio_fill {
    TN_AUDIO_FILL_SILENCE = 1, /* silence to the end of the window, of which features are taken as well; rows
                                  of the tower that are of silence alone are seen by nobody (Qwen2-Audio) */
    TN_AUDIO_FILL_WINDOW = 2,  /* the same, and they are rows like others (Whisper) */
    TN_AUDIO_FILL_ZERO = 3,    /* nothing: the signal is mirrored at its end, and features are 0 from there */
};

typedef struct tn_audio {
    uint32_t size;        /* sizeof(tn_audio), set by the host before the call */
    uint32_t sample_rate; /* samples a second; recordings of other rates are resampled, mixed down to one
                             channel */
    uint32_t n_fft, hop, n_mel;
    uint32_t fill;        /* enum tn_audio_fill */
    uint32_t window;      /* frames that are encoded together: rows see each other within a window only */
    uint32_t max_windows; /* that a recording may have; 0: any number */
    uint32_t piece;      /* frames over which the tower's convolutions go: positions begin anew with each, and
                            beside it are zeros; 0: a window */
    uint32_t row_frames; /* frames that a row of the tower stands for, which is what its input has side by
                            side: [row_frames, n_mel] */
    uint32_t fold;       /* rows of the tower that become one of its output */
    uint32_t cross;      /* 1: rows have no place in the prompt: cross_attention looks at those of the one
                            window that belongs to the sequence */
    int32_t token;       /* stands for each row of the output */
    /* What the chat template writes for a recording, replaced by begin, rows, end. The texts are encoded with
     * the model's special tokens; NULL: nothing. Static strings. */
    const char *text, *begin, *end;
} tn_audio;

#ifdef __cplusplus
}
#endif
#endif
