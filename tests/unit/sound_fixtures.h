/* SPDX-License-Identifier: Apache-2.0 */
/* Recordings of the test vectors, and what families say of features. Include after unit.h. */
#ifndef TN_TESTS_SOUND_FIXTURES_H
#define TN_TESTS_SOUND_FIXTURES_H

#include <tenon/audio.h>

#include "media/sound.h"

/* media/audioI.wav, which has a head of 44 bytes and 16-bit samples of one channel at 16 kHz; free samples.
 */
static inline tn_sound unit_sound(int i) {
    char path[4400];
    uint8_t head[44];
    snprintf(path, sizeof path, "%s/media/audio%d.wav", unit_vectors(), i);
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    assert_int_equal(fread(head, 1, sizeof head, f), sizeof head);
    assert_memory_equal(head + 36, "data", 4);
    tn_sound s = {.rate = 16000};
    s.n = (head[40] | (uint32_t)head[41] << 8 | (uint32_t)head[42] << 16) / 2;
    s.samples = calloc(s.n, sizeof *s.samples);
    for (uint64_t k = 0; k < s.n; k++) {
        int low = fgetc(f), high = fgetc(f);
        s.samples[k] = (float)(int16_t)(low | high << 8) / 32768;
    }
    fclose(f);
    return s;
}

static inline tn_audio unit_whisper(void) {
    return (tn_audio){.size = sizeof(tn_audio),
                      .sample_rate = 16000,
                      .n_fft = 400,
                      .hop = 160,
                      .n_mel = 80,
                      .fill = TN_AUDIO_FILL_WINDOW,
                      .window = 3000,
                      .row_frames = 2,
                      .fold = 1,
                      .token = -1};
}
static inline tn_audio unit_qwen2_audio(void) {
    tn_audio a = unit_whisper();
    a.n_mel = 128;
    a.fill = TN_AUDIO_FILL_SILENCE;
    a.max_windows = 1;
    a.fold = 2;
    return a;
}
static inline tn_audio unit_qwen3_asr(void) {
    tn_audio a = unit_whisper();
    a.n_mel = 128;
    a.fill = TN_AUDIO_FILL_ZERO;
    a.window = 200;
    a.piece = 100;
    a.row_frames = 8;
    return a;
}

#endif
