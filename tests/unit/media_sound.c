/* SPDX-License-Identifier: Apache-2.0 */
/* Features of recordings against what the families' extractors gave, windows against a derivation of their
 * own, resampling against the sine that it should be, and what is refused. */
#include "unit/unit.h"

#include <math.h>

#include "base/json.h"
#include "media/patches.h"
#include "unit/sound_fixtures.h"
#include "weights/safetensors.h"

static void compare(const char *model, const tn_audio *a, int i) {
    char path[4400], name[64];
    tn_safetensors *arrays;
    tn_error err = {0};
    tn_mel mel;
    tn_sound s = unit_sound(i);
    snprintf(path, sizeof path, "%s/models/%s/reference.safetensors", unit_vectors(), model);
    if (tn_safetensors_open(path, &arrays, &err) != 0) fail_msg("%s", err.text);
    snprintf(name, sizeof name, "audio%d.features", i);
    const tn_tensor *t = tn_safetensors_tensor_find(arrays, name);
    assert_non_null(t);
    const size_t n = (size_t)tn_tensor_cols(t);
    float *want = calloc(n, sizeof *want);
    assert_int_equal(tn_tensor_rows(t), a->n_mel);
    assert_int_equal(tn_mel_make(a, &s, &mel, &err), 0);
    double worst = 0;
    for (uint32_t m = 0; m < a->n_mel; m++) {
        tn_tensor_dequantize(t, m, 0, n, want);
        for (size_t f = 0; f < n; f++) {
            float got = f < mel.n_frame ? mel.values[f * a->n_mel + m] : mel.rest;
            worst = fmax(worst, fabs((double)got - want[f]));
        }
    }
    print_message("%s, audio%d: off by %.1e at most\n", model, i, worst);
    assert_true(worst <= 1e-4);
    free(want);
    tn_mel_fini(&mel);
    tn_sound_fini(&s);
    tn_safetensors_close(arrays);
}

static void test_features(void **state) {
    (void)state;
    tn_audio all[] = {unit_whisper(), unit_qwen2_audio(), unit_qwen3_asr()};
    static const char *const names[] = {"whisper", "qwen2_audio", "qwen3_asr"};
    for (int m = 0; m < 3; m++)
        for (int i = 0; i < 2; i++) compare(names[m], &all[m], i);
}

static tn_sound tone(uint32_t rate, double seconds, double hertz, double level) {
    tn_sound s = {.rate = rate, .n = (uint64_t)(rate * seconds)};
    s.samples = calloc(s.n + 1, sizeof *s.samples);
    for (uint64_t i = 0; i < s.n; i++)
        s.samples[i] = (float)(level * sin(2 * 3.14159265358979 * hertz * (double)i / rate));
    return s;
}

/* 137 frames: with Qwen2-Audio 69 rows, one more for what convolutions see, an even number; with Qwen3-ASR 13
 * and 5; with Whisper all 1500. */
static void test_windows(void **state) {
    (void)state;
    struct {
        tn_audio a;
        uint32_t n_row, n_out, seen, n_piece;
    } cases[] = {{unit_whisper(), 1500, 1500, 1500, 1},
                 {unit_qwen2_audio(), 70, 34, 69, 1},
                 {unit_qwen3_asr(), 19, 18, 18, 2}};
    for (int i = 0; i < 3; i++) {
        const tn_audio *a = &cases[i].a;
        tn_sound s = unit_sound(1);
        tn_mel mel;
        tn_patches p;
        tn_error err = {0};
        assert_int_equal(tn_mel_make(a, &s, &mel, &err), 0);
        assert_int_equal(mel.n_sound, 137);
        assert_int_equal(tn_mel_windows(a, &mel), 1);
        assert_int_equal(tn_mel_window_rows(a, &mel, 0), cases[i].n_out);
        assert_int_equal(tn_mel_cut(a, &mel, 0, &p, &err), 0);
        assert_int_equal(p.n_row, cases[i].n_row);
        assert_int_equal(p.frame_end[0], cases[i].seen);
        assert_int_equal(p.n_window, cases[i].n_piece);
        assert_int_equal(p.window_end[p.n_window - 1], p.n_row);
        const uint32_t each = a->piece ? 13 : 1500;
        for (uint32_t r = 0; r < p.n_row; r++) assert_int_equal(p.mix_index[r][0], r % each);
        /* The second piece begins with frame 100. */
        if (a->piece)
            assert_memory_equal(p.rows + 13 * p.cols, mel.values + 100 * a->n_mel, a->n_mel * sizeof(float));
        if (a->piece) assert_true(p.rows[12 * p.cols + 4 * a->n_mel] == 0); /* frame 100 of the first */
        tn_patches_fini(&p);
        tn_mel_fini(&mel);
        tn_sound_fini(&s);
    }
}

/* 450 frames in windows of 200. */
static void test_long(void **state) {
    (void)state;
    tn_audio a = unit_qwen3_asr();
    tn_sound s = tone(16000, 4.5, 440, 0.5);
    tn_mel mel;
    tn_error err = {0};
    assert_int_equal(tn_mel_make(&a, &s, &mel, &err), 0);
    assert_int_equal(tn_mel_windows(&a, &mel), 3);
    assert_int_equal(tn_mel_window_rows(&a, &mel, 0), 26);
    assert_int_equal(tn_mel_window_rows(&a, &mel, 2), 7);
    tn_mel_fini(&mel);
    a = unit_qwen2_audio();
    tn_sound_fini(&s);
    s = tone(16000, 30.01, 440, 0.5);
    assert_int_equal(tn_mel_make(&a, &s, &mel, &err), TN_ELIMIT);
    assert_non_null(strstr(err.text, "30.01 s"));
    tn_sound_fini(&s);
}

static void test_resample(void **state) {
    (void)state;
    static const uint32_t rates[] = {8000, 22050, 44100, 48000, 192000};
    for (size_t i = 0; i < sizeof rates / sizeof *rates; i++) {
        tn_sound s = tone(rates[i], 1, 1000, 0.5), want = tone(16000, 1, 1000, 0.5);
        tn_error err = {0};
        int rc = tn_sound_resample(&s, 16000, &err);
        if (rc == TN_ENOTSUP) unit_skip("%s", err.text);
        assert_int_equal(rc, 0);
        assert_int_equal(s.rate, 16000);
        assert_true(llabs((long long)s.n - 16000) <= 1);
        double worst = 0;
        for (uint64_t k = 1000; k < 15000; k++)
            worst = fmax(worst, fabs((double)s.samples[k] - want.samples[k]));
        print_message("%u samples a second: off by %.1e\n", rates[i], worst);
        assert_true(worst < 1e-3);
        tn_sound_fini(&s);
        tn_sound_fini(&want);
    }
}

/* Silence has one value everywhere: -10 is the least logarithm, and no less than its maximum less 8. */
static void test_silence(void **state) {
    (void)state;
    tn_audio a = unit_whisper();
    tn_sound s = {.rate = 16000, .n = 16000, .samples = calloc(16000, sizeof(float))};
    tn_mel mel;
    tn_error err = {0};
    assert_int_equal(tn_mel_make(&a, &s, &mel, &err), 0);
    for (uint64_t i = 0; i < mel.n_frame * a.n_mel; i++) assert_true(mel.values[i] == -1.5f);
    assert_true(mel.rest == -1.5f);
    tn_mel_fini(&mel);
    tn_sound_fini(&s);
}

static void test_refused(void **state) {
    (void)state;
    tn_audio a = unit_qwen3_asr(), bad = a;
    tn_sound s = tone(16000, 0.0125, 440, 0.5), none = {.rate = 16000}, fast = {.rate = 1000000, .n = 1};
    tn_mel mel;
    tn_error err = {0};
    assert_int_equal(tn_mel_make(&a, &none, &mel, &err), TN_EINVAL);
    assert_int_equal(tn_mel_make(&a, &s, &mel, &err), TN_EINVAL); /* 200 samples */
    s.samples[100] = NAN;
    a.fill = TN_AUDIO_FILL_WINDOW;
    assert_int_equal(tn_mel_make(&a, &s, &mel, &err), TN_EFORMAT);
    assert_null(mel.values);
    assert_int_equal(tn_sound_resample(&fast, 16000, &err), TN_ELIMIT);
    fast.rate = 8000;
    fast.n = UINT64_MAX / 2;
    assert_int_equal(tn_sound_resample(&fast, 16000, &err), TN_ELIMIT);
    assert_int_equal(tn_sound_check(&bad, &err), 0);
    bad.window = 150; /* no whole pieces */
    assert_int_equal(tn_sound_check(&bad, &err), TN_EMODULE);
    bad = a;
    bad.n_fft = 401;
    assert_int_equal(tn_sound_check(&bad, &err), TN_EMODULE);
    bad = a;
    bad.hop = 0;
    assert_int_equal(tn_sound_check(&bad, &err), TN_EMODULE);
    tn_sound_fini(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_features), cmocka_unit_test(test_windows), cmocka_unit_test(test_long),
        cmocka_unit_test(test_resample), cmocka_unit_test(test_silence), cmocka_unit_test(test_refused),
    };
    return unit_main(tests);
}
