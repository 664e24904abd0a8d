/* SPDX-License-Identifier: Apache-2.0 */
/* Films of every container and codec, through the helper. Frame i of 10 is a grey of 20 + 22 i, of 60 a grey
 * of 10 + 4 i, with a black quarter (tools/vectors/make_media.py). */
#include "unit/unit.h"

#include <math.h>

#include "media/vectors.h"

static tn_decoder *g_decoder;

/* The mean of a part of a frame; corner 0 upper left, 1 upper right, 2 lower left, 3 lower right. */
static double mean_of(const tn_frames *f, uint32_t i, int corner) {
    uint32_t w = f->width / 4, h = f->height / 4, x0 = corner % 2 ? f->width - w - 4 : 4,
             y0 = corner / 2 ? f->height - h - 4 : 4;
    double sum = 0;
    for (uint32_t y = y0; y < y0 + h; y++)
        for (uint32_t x = x0; x < x0 + w; x++)
            for (int c = 0; c < 3; c++) sum += f->rgb[(((size_t)i * f->height + y) * f->width + x) * 3 + c];
    return sum / (3.0 * w * h);
}

/* Frame i of f is that grey, its black quarter in that corner. */
static void assert_grey(const tn_frames *f, uint32_t i, double grey, double tolerance, int black,
                        const char *name) {
    for (int corner = 0; corner < 4; corner++) {
        double mean = mean_of(f, i, corner), expected = corner == black ? 0 : grey;
        if (fabs(mean - expected) > tolerance)
            fail_msg("%s: frame at %.2f s, corner %d is %.1f, not %.1f", name, f->seconds[i], corner, mean,
                     expected);
    }
}

/* It shows number `number` of 10. */
static void assert_number(const tn_frames *f, uint32_t i, uint32_t number, int black, const char *name) {
    assert_grey(f, i, 20 + 22.0 * number, 7, black, name);
}

static tn_frames frames_of(const char *name, const uint32_t *index, uint32_t n) {
    media_file file = media_read(name);
    tn_frames f = {0};
    tn_error err = {0};
    if (tn_decoder_frames(g_decoder, 0, file.bytes, file.n, index, n, &f, &err))
        fail_msg("%s: %s", name, err.text);
    free(file.bytes);
    return f;
}

static tn_media_info info_of(const char *name) {
    media_file file = media_read(name);
    tn_media_info info;
    tn_error err = {0};
    if (tn_decoder_inspect(g_decoder, 0, file.bytes, file.n, &info, &err)) fail_msg("%s: %s", name, err.text);
    free(file.bytes);
    return info;
}

static const struct {
    const char *name, *format;
} films[] = {
    {"h264.mp4", "h264 in mov"},
    {"fast.mp4", "h264 in mov"},
    {"fragmented.mp4", "h264 in mov"},
    {"h264.mov", "h264 in mov"},
    {"h264.mkv", "h264 in matroska"},
    {"h264.ts", "h264 in mpegts"},
    {"h264.avi", "h264 in avi"},
    {"h264.flv", "h264 in flv"},
    {"hevc.mp4", "hevc in mov"},
    {"vp8.webm", "vp8 in matroska"},
    {"vp9.webm", "vp9 in matroska"},
    {"av1.mp4", "av1 in mov"},
    {"mpeg4.avi", "mpeg4 in avi"},
    {"mjpeg.avi", "mjpeg in avi"},
    {"theora.ogv", "theora in ogg"},
    {"with_sound.mp4", "h264 in mov"},
    {"with_sound.mkv", "h264 in matroska"},
};
enum { N_FILMS = sizeof films / sizeof *films };

static void every_kind_shows_the_same(void **state) {
    (void)state;
    static const uint32_t all[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9};
    for (size_t i = 0; i < N_FILMS; i++) {
        tn_media_info info = info_of(films[i].name);
        assert_int_equal(info.kind, TN_MODALITY_VIDEO);
        assert_string_equal(info.format, films[i].format);
        if (info.width != 64 || info.height != 48 || info.n_frame != 10 || fabs(info.fps - 10) > 0.01 ||
            fabs(info.seconds - 1) > 0.002)
            fail_msg("%s: %u x %u, %u frames, %f fps, %f s", films[i].name, info.width, info.height,
                     info.n_frame, info.fps, info.seconds);
        tn_frames f = frames_of(films[i].name, all, 10);
        assert_int_equal(f.n_frame, 10);
        assert_true(fabs(f.fps - 10) < 0.01);
        for (uint32_t k = 0; k < 10; k++) {
            assert_number(&f, k, k, 0, films[i].name);
            assert_true(fabs(f.seconds[k] - k * 0.1) < 0.0015);
        }
        tn_frames_fini(&f);
    }
}

/* Whatever is asked for, each frame is the same as when all are. */
static void any_choice_gives_the_same_frames(void **state) {
    (void)state;
    static const uint32_t choices[][4] = {
        {0, 3, 6, 9}, {9, 9, 9, 9}, {5, 5, 7, 8}, {1, 2, 8, 9}, {4, 4, 4, 5}};
    for (size_t i = 0; i < N_FILMS; i++)
        for (size_t c = 0; c < sizeof choices / sizeof *choices; c++) {
            tn_frames f = frames_of(films[i].name, choices[c], 4);
            for (uint32_t k = 0; k < 4; k++) {
                assert_number(&f, k, choices[c][k], 0, films[i].name);
                assert_true(fabs(f.seconds[k] - choices[c][k] * 0.1) < 0.0015);
            }
            tn_frames_fini(&f);
        }
}

/* Over several places where decoding can begin, some of them with frames before them that need older ones. */
static void jumps_land_where_they_should(void **state) {
    (void)state;
    static const char *const names[] = {"many.mp4", "many.mkv", "many.ts", "many.webm"};
    static const uint32_t choices[][4] = {
        {0, 25, 26, 59}, {58, 58, 59, 59}, {11, 23, 35, 47}, {12, 24, 36, 48}, {3, 40, 41, 57}};
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(info_of(names[i]).n_frame, 60);
        for (size_t c = 0; c < sizeof choices / sizeof *choices; c++) {
            tn_frames f = frames_of(names[i], choices[c], 4);
            for (uint32_t k = 0; k < 4; k++) {
                assert_grey(&f, k, 10 + 4.0 * choices[c][k], 1.9, 0, names[i]);
                assert_true(fabs(f.seconds[k] - choices[c][k] * 0.1) < 0.0015);
            }
            tn_frames_fini(&f);
        }
    }
}

static void rotation_is_honoured(void **state) {
    (void)state;
    /* As ffmpeg itself shows what it wrote: the black quarter goes round against the clock. */
    static const struct {
        const char *name;
        int black;
        bool turned;
    } cases[] = {{"rotated90.mp4", 2, true}, {"rotated180.mp4", 3, false}, {"rotated270.mp4", 1, true}};
    for (size_t i = 0; i < 3; i++) {
        tn_media_info info = info_of(cases[i].name);
        assert_int_equal(info.width, cases[i].turned ? 48 : 64);
        assert_int_equal(info.height, cases[i].turned ? 64 : 48);
        tn_frames f = frames_of(cases[i].name, (uint32_t[]){2, 7}, 2);
        assert_int_equal(f.width, info.width);
        assert_number(&f, 0, 2, cases[i].black, cases[i].name);
        assert_number(&f, 1, 7, cases[i].black, cases[i].name);
        tn_frames_fini(&f);
    }
}

static void uneven_times_are_kept(void **state) {
    (void)state;
    tn_frames f = frames_of("uneven.mkv", (uint32_t[]){0, 1, 2, 5, 9}, 5);
    static const uint32_t number[] = {0, 1, 2, 5, 9};
    for (uint32_t k = 0; k < 5; k++) {
        assert_number(&f, k, number[k], 0, "uneven.mkv");
        assert_true(fabs(f.seconds[k] - number[k] * number[k] * 0.04) < 0.002);
    }
    assert_true(fabs(f.fps - 9 / 3.24) < 0.01);
    tn_frames_fini(&f);
}

/* Times that are all alike, or a day apart: frames are counted instead. */
static void broken_times_are_replaced(void **state) {
    (void)state;
    static const char *const names[] = {"still_times.mp4", "jump_times.mp4"};
    for (size_t i = 0; i < 2; i++) {
        tn_media_info info = info_of(names[i]);
        assert_int_equal(info.n_frame, 10);
        assert_true(info.fps > 0 && info.seconds > 0);
        tn_frames f = frames_of(names[i], (uint32_t[]){0, 4, 9}, 3);
        for (uint32_t k = 0; k < 3; k++) {
            static const uint32_t number[] = {0, 4, 9};
            assert_number(&f, k, number[k], 0, names[i]);
            assert_true(fabs(f.seconds[k] - number[k] / info.fps) < 1e-6);
        }
        tn_frames_fini(&f);
    }
}

static void one_frame_is_a_film_too(void **state) {
    (void)state;
    tn_media_info info = info_of("one.mp4");
    assert_int_equal(info.n_frame, 1);
    assert_true(info.seconds > 0);
    tn_frames f = frames_of("one.mp4", (uint32_t[]){0}, 1);
    assert_number(&f, 0, 0, 0, "one.mp4");
    tn_frames_fini(&f);
}

static void assert_refused(const char *name, const uint32_t *index, uint32_t n, int code, const char *why) {
    media_file file = media_read(name);
    tn_frames f;
    tn_error err = {0};
    int rc = tn_decoder_frames(g_decoder, 0, file.bytes, file.n, index, n, &f, &err);
    media_assert_refused(rc, &err, code, why, name);
    free(file.bytes);
}

static void bad_ones_are_refused_for_their_reason(void **state) {
    (void)state;
    static const uint32_t all[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9};
    assert_refused("sound.m4a", all, 1, TN_EFORMAT, "sound alone");
    assert_refused("sound.wav", all, 1, TN_EFORMAT, "sound alone");
    assert_refused("long.mkv", all, 1, TN_ELIMIT, "at most 3600 s are taken (media.max_duration)");
    assert_refused("bad_headers_only.mp4", all, 1, TN_EFORMAT, "cut off");
    assert_refused("bad_cut.mkv", all, 1, TN_EFORMAT, "cut off");
    assert_refused("bad_noise.mp4", all, 10, TN_EFORMAT, "damaged");
    assert_refused("h264.mp4", (uint32_t[]){3, 10}, 2, TN_EINVAL, "frame 10 is wanted; there are 10");
    assert_refused("h264.mp4", (uint32_t[]){3, 2}, 2, TN_EINVAL, "must ascend");
}

/* A part of a file is refused, or what is there of it is right. */
static void what_is_cut_off_is_refused(void **state) {
    (void)state;
    static const uint32_t all[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9};
    for (size_t i = 0; i < N_FILMS; i++) {
        media_file file = media_read(films[i].name);
        unsigned n_refused = 0;
        for (size_t k = 1; k < 16; k++) {
            tn_media_info info;
            tn_frames f;
            tn_error err = {0};
            size_t n = file.n * k / 16;
            int rc = tn_decoder_inspect(g_decoder, 0, file.bytes, n, &info, &err);
            if (!rc)
                rc = tn_decoder_frames(g_decoder, 0, file.bytes, n, all,
                                       info.n_frame < 10 ? info.n_frame : 10, &f, &err);
            n_refused += rc != 0;
            if (rc == 0) {
                for (uint32_t j = 0; j < f.n_frame; j++) assert_number(&f, j, j, 0, films[i].name);
                tn_frames_fini(&f);
            } else if ((rc != TN_EFORMAT && rc != TN_ENOTSUP) || !err.text[0]) {
                fail_msg("%s, %zu/16: code %d, %s", films[i].name, k, rc, err.text);
            }
        }
        printf("# %s: %u of 15 parts are refused\n", films[i].name, n_refused);
        free(file.bytes);
    }
}

int main(void) {
    unit_filter();
    cmocka_set_message_output(CM_OUTPUT_TAP);
    g_decoder = media_decoder(NULL, (tn_decoder_config){0});
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_shows_the_same),
        cmocka_unit_test(any_choice_gives_the_same_frames),
        cmocka_unit_test(jumps_land_where_they_should),
        cmocka_unit_test(rotation_is_honoured),
        cmocka_unit_test(uneven_times_are_kept),
        cmocka_unit_test(broken_times_are_replaced),
        cmocka_unit_test(one_frame_is_a_film_too),
        cmocka_unit_test(bad_ones_are_refused_for_their_reason),
        cmocka_unit_test(what_is_cut_off_is_refused),
    };
    int rc = cmocka_run_group_tests(tests, NULL, NULL);
    tn_decoder_free(g_decoder);
    return rc;
}
