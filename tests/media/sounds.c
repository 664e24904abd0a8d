/* SPDX-License-Identifier: Apache-2.0 */
/* Recordings through the decoder: formats, rates, channels, and files that are not what they say. */
#include "unit/unit.h"

#include <math.h>

#include "media/sound.h"
#include "media/vectors.h"

typedef struct bytes {
    uint8_t *at;
    size_t n;
} bytes;

static void put32(uint8_t *to, uint32_t v) {
    for (int i = 0; i < 4; i++) to[i] = (uint8_t)(v >> 8 * i);
}

/* A WAV file of 16-bit samples: a tone of 440 Hz, the level of channel c divided by c + 1; `said`: frames
 * that its head claims. */
static bytes wav(uint32_t rate, uint32_t n_channel, uint32_t n_frame, double level, uint32_t said) {
    const uint32_t size = n_frame * n_channel * 2, claimed = said * n_channel * 2;
    bytes b = {calloc(1, 44 + (size_t)size), 44 + (size_t)size};
    memcpy(b.at, "RIFF", 4), put32(b.at + 4, 36 + claimed), memcpy(b.at + 8, "WAVEfmt ", 8);
    put32(b.at + 16, 16), b.at[20] = 1, b.at[22] = (uint8_t)n_channel, put32(b.at + 24, rate);
    put32(b.at + 28, rate * n_channel * 2), b.at[32] = (uint8_t)(n_channel * 2), b.at[34] = 16;
    memcpy(b.at + 36, "data", 4), put32(b.at + 40, claimed);
    for (uint32_t i = 0; i < n_frame; i++)
        for (uint32_t c = 0; c < n_channel; c++) {
            double v = level / (c + 1) * sin(2 * 3.14159265358979 * 440 * i / rate);
            int16_t s = (int16_t)lround(fmax(-1, fmin(1, v)) * 32767);
            uint8_t *to = b.at + 44 + ((size_t)i * n_channel + c) * 2;
            to[0] = (uint8_t)s, to[1] = (uint8_t)((uint16_t)s >> 8);
        }
    return b;
}

static tn_decoder *decoder;

static int setup(void **state) {
    (void)state;
    char path[4200];
    const char *build = getenv("TN_BUILDDIR");
    snprintf(path, sizeof path, "%s/plugins/audio", build ? build : ".");
    decoder = media_decoder(path, (tn_decoder_config){0});
    return 0;
}
static int teardown(void **state) {
    (void)state;
    tn_decoder_free(decoder);
    return 0;
}

static int decode(bytes b, tn_sound *ret, tn_error *err) {
    int rc = tn_decoder_sound(decoder, b.at, b.n, ret, err);
    free(b.at);
    return rc;
}

/* Channels c of level 1 / (c + 1) mix down to their mean. */
static void test_read(void **state) {
    (void)state;
    static const struct {
        uint32_t rate, n_channel;
    } cases[] = {{16000, 1}, {8000, 2}, {44100, 2}, {192000, 1}, {48000, 32}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tn_sound s;
        tn_error err = {0};
        double mean = 0;
        for (uint32_t c = 0; c < cases[i].n_channel; c++) mean += 0.5 / (c + 1) / cases[i].n_channel;
        const uint32_t n = cases[i].rate / 4;
        if (decode(wav(cases[i].rate, cases[i].n_channel, n, 0.5, n), &s, &err)) fail_msg("%s", err.text);
        assert_int_equal(s.rate, cases[i].rate);
        assert_int_equal(s.n, n);
        for (uint32_t k = 0; k < n; k++)
            assert_true(fabs(s.samples[k] - mean * sin(2 * 3.14159265358979 * 440 * k / s.rate)) < 1e-4);
        tn_sound_fini(&s);
    }
}

/* Silence and clipping are sound like any other. */
static void test_extreme(void **state) {
    (void)state;
    tn_sound s;
    tn_error err = {0};
    assert_int_equal(decode(wav(16000, 1, 1600, 0, 1600), &s, &err), 0);
    for (uint64_t i = 0; i < s.n; i++) assert_true(s.samples[i] == 0);
    tn_sound_fini(&s);
    assert_int_equal(decode(wav(16000, 1, 1600, 20, 1600), &s, &err), 0);
    for (uint64_t i = 0; i < s.n; i++) assert_true(fabsf(s.samples[i]) <= 1);
    tn_sound_fini(&s);
}

static void refused(bytes b, int code, const char *part) {
    tn_sound s;
    tn_error err = {0};
    int rc = decode(b, &s, &err);
    if (rc != code || !strstr(err.text, part)) fail_msg("%d \"%s\", not %d \"%s\"", rc, err.text, code, part);
    assert_null(s.samples);
}

static bytes text(const char *what, size_t n) {
    bytes b = {malloc(n), n};
    memcpy(b.at, what, n);
    return b;
}

static void test_refused(void **state) {
    (void)state;
    refused(wav(16000, 1, 0, 0, 0), TN_EFORMAT, "samples");
    refused(wav(16000, 1, 1000, 0.5, 16000), TN_EFORMAT, "cut off");
    refused(wav(16000, 65, 100, 0.5, 100), TN_ELIMIT, "65 channels");
    refused(wav(1000000, 1, 100, 0.5, 100), TN_ELIMIT, "samples a second");
    refused(text("RIFF\x10\0\0\0WAVEfmt ", 16), TN_EFORMAT, "WAV");
    refused(text("fLaC\0\0\0\x22 and nothing that belongs there", 40), TN_EFORMAT, "FLAC");
    refused(text("\0\0\0\x20"
                 "ftypM4A \0\0\0\0",
                 16),
            TN_ENOTSUP, "convert");
    refused(text("no recording at all", 19), TN_EFORMAT, "not a file of a kind");
    bytes png = text("\x89PNG\r\n\x1a\n not much of it", 24);
    tn_sound s;
    tn_error err = {0};
    assert_true(decode(png, &s, &err) != 0);
}

/* Two hours at 8 kHz, where one is taken: refused by its head, before any of it is decoded. */
static void test_long(void **state) {
    (void)state;
    refused(wav(1000, 1, 7200 * 1000, 0.1, 7200 * 1000), TN_ELIMIT, "media.max_duration");
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_read), cmocka_unit_test(test_extreme),
                                       cmocka_unit_test(test_refused), cmocka_unit_test(test_long)};
    return unit_main_with(tests, setup, teardown);
}
