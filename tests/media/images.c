/* SPDX-License-Identifier: Apache-2.0 */
/* Pictures of every kind, through the helper: all show the same quarters (tools/vectors/make_media.py). */
#include "unit/unit.h"

#include "media/hash.h"
#include "media/vectors.h"

static tn_decoder *g_decoder;

enum look { COLOUR, GREY, LEFT, GREY_LEFT, HALF, BOTTOM, BLACK_WHITE, NOT_GREEN };

static int grey_of(const int *c) {
    return (c[0] * 19595 + c[1] * 38470 + c[2] * 7471 + 0x8000) >> 16;
}

/* What pixel (x, y) of the upright picture of 24 x 16 should be. */
static void expected(enum look look, uint32_t x, uint32_t y, int ret[3]) {
    static const int colours[4][3] = {{220, 30, 30}, {30, 200, 40}, {40, 40, 210}, {230, 220, 40}};
    int quarter = (y >= 8) * 2 + (x >= 12);
    bool clear = ((look == LEFT || look == GREY_LEFT) && x >= 12) || (look == BOTTOM && quarter % 2) ||
                 (look == NOT_GREEN && quarter == 1);
    for (int c = 0; c < 3; c++) {
        ret[c] = colours[quarter][c];
        if (look == GREY || look == GREY_LEFT) ret[c] = grey_of(colours[quarter]);
        if (look == HALF) ret[c] = (ret[c] * 128 + 255 * 127) / 255;
        if (look == BLACK_WHITE) ret[c] = quarter == 0 || quarter == 3 ? 255 : 0;
        if (clear) ret[c] = 255;
    }
}

static void assert_looks(const tn_frames *f, enum look look, int tolerance, const char *name) {
    if (f->width != 24 || f->height != 16) fail_msg("%s: %u x %u pixels", name, f->width, f->height);
    for (uint32_t y = 0; y < 16; y++)
        for (uint32_t x = 0; x < 24; x++) {
            int want[3];
            const uint8_t *p = f->rgb + (y * 24 + x) * 3;
            expected(look, x, y, want);
            for (int c = 0; c < 3; c++)
                if (abs(p[c] - want[c]) > tolerance)
                    fail_msg("%s: (%u, %u) is %d %d %d, not %d %d %d", name, x, y, p[0], p[1], p[2], want[0],
                             want[1], want[2]);
        }
}

static const struct {
    const char *name, *format;
    enum look look;
    int tolerance;
    uint32_t n_in_file;
} good[] = {
    {"rgb.png", "png", COLOUR, 0, 1},
    {"rgb16.png", "png", COLOUR, 0, 1},
    {"rgba16.png", "png", LEFT, 0, 1},
    {"rgba.png", "png", LEFT, 0, 1},
    {"half.png", "png", HALF, 1, 1},
    {"grey.png", "png", GREY, 0, 1},
    {"grey1.png", "png", BLACK_WHITE, 0, 1},
    {"grey16.png", "png", GREY, 0, 1},
    {"greyalpha.png", "png", GREY_LEFT, 0, 1},
    {"palette2.png", "png", COLOUR, 0, 1},
    {"palette_clear.png", "png", BOTTOM, 0, 1},
    {"interlaced.png", "png", COLOUR, 0, 1},
    {"animated.png", "png", COLOUR, 0, 3},
    {"orient6.png", "png", COLOUR, 0, 1},
    {"orient1.jpg", "jpeg", COLOUR, 6, 1},
    {"orient2.jpg", "jpeg", COLOUR, 6, 1},
    {"orient3.jpg", "jpeg", COLOUR, 6, 1},
    {"orient4.jpg", "jpeg", COLOUR, 6, 1},
    {"orient5.jpg", "jpeg", COLOUR, 6, 1},
    {"orient6.jpg", "jpeg", COLOUR, 6, 1},
    {"orient7.jpg", "jpeg", COLOUR, 6, 1},
    {"orient8.jpg", "jpeg", COLOUR, 6, 1},
    {"progressive.jpg", "jpeg", COLOUR, 6, 1},
    {"grey.jpg", "jpeg", GREY, 6, 1},
    {"cmyk.jpg", "jpeg", COLOUR, 10, 1},
    {"ycck.jpg", "jpeg", COLOUR, 10, 1},
    {"lossless.webp", "webp", COLOUR, 0, 1},
    {"orient8.webp", "webp", COLOUR, 0, 1},
    {"clear.webp", "webp", LEFT, 0, 1},
    {"animated.webp", "webp", COLOUR, 0, 2},
    {"still.gif", "gif", COLOUR, 0, 1},
    {"interlaced.gif", "gif", COLOUR, 0, 1},
    {"animated.gif", "gif", COLOUR, 0, 3},
    {"clear.gif", "gif", NOT_GREEN, 0, 1},
    {"rgb.bmp", "bmp", COLOUR, 0, 1},
    {"palette8.bmp", "bmp", COLOUR, 0, 1},
    {"topdown.bmp", "bmp", COLOUR, 0, 1},
    {"fields32.bmp", "bmp", LEFT, 0, 1},
    {"fields16.bmp", "bmp", COLOUR, 5, 1},
    {"rle8.bmp", "bmp", COLOUR, 0, 1},
    {"rle4.bmp", "bmp", COLOUR, 0, 1},
    {"core4.bmp", "bmp", COLOUR, 0, 1},
};
enum { N_GOOD = sizeof good / sizeof *good };

static void every_kind_shows_the_same(void **state) {
    (void)state;
    for (size_t i = 0; i < N_GOOD; i++) {
        media_file file = media_read(good[i].name);
        tn_media_info info;
        tn_frames f;
        tn_error err = {0};
        if (tn_decoder_inspect(g_decoder, 0, file.bytes, file.n, &info, &err))
            fail_msg("%s: %s", good[i].name, err.text);
        assert_int_equal(info.kind, TN_MODALITY_IMAGE);
        assert_string_equal(info.format, good[i].format);
        assert_int_equal(info.width, 24);
        assert_int_equal(info.height, 16);
        assert_int_equal(info.n_frame, 1);
        assert_int_equal(info.n_in_file, good[i].n_in_file);
        assert_true(info.fps == 0 && info.seconds == 0);
        if (tn_decoder_frames(g_decoder, 0, file.bytes, file.n, &(uint32_t){0}, 1, &f, &err))
            fail_msg("%s: %s", good[i].name, err.text);
        assert_int_equal(f.n_frame, 1);
        assert_null(f.seconds);
        assert_true(f.fps == 0);
        assert_looks(&f, good[i].look, good[i].tolerance, good[i].name);
        tn_frames_fini(&f);
        free(file.bytes);
    }
}

/* At the seams of colour these differ by much, within the quarters by little. */
static void lossy_ones_are_near(void **state) {
    (void)state;
    static const char *const names[] = {"subsampled.jpg", "lossy.webp"};
    for (size_t i = 0; i < 2; i++) {
        media_file file = media_read(names[i]);
        tn_frames f;
        tn_error err = {0};
        assert_int_equal(tn_decoder_frames(g_decoder, 0, file.bytes, file.n, &(uint32_t){0}, 1, &f, &err), 0);
        for (uint32_t q = 0; q < 4; q++) {
            uint32_t x = q % 2 ? 20 : 3, y = q / 2 ? 13 : 2;
            int want[3];
            expected(COLOUR, x, y, want);
            for (int c = 0; c < 3; c++) assert_true(abs(f.rgb[(y * 24 + x) * 3 + c] - want[c]) <= 14);
        }
        tn_frames_fini(&f);
        free(file.bytes);
    }
}

/* BLAKE2b-256 of what Pillow 9.4 makes of them. */
static void larger_ones_are_exact(void **state) {
    (void)state;
    static const struct {
        const char *name, *hash;
    } cases[] = {
        {"image0.jpg", "8865db11ab1db37bfec96ea58dca0d7474a1162adc9c9630e5d65bc62409cea6"},
        {"image0.png", "8bf770a7ddfa29500dfc6469e7c1e8cc4188980996cf7aab24bd1e968c3b3dcf"},
        {"image1.png", "71988987d96b2e60944887038b8a95813d6883ee7b030bef9756ad258898d4e5"},
        {"image2.png", "2dcd3ab60502f81af845d38071a473a0d59c7cd7935b2285cf908d87c3079780"},
        {"video0-frame0.png", "dcc910fbba7d36aadb9fb99b624ce5554612df7ccb77fbdb52c4dc8532121544"},
        {"video0-frame7.png", "c3a6e2caf73db6696c076d05a12c295ea0cc7d960304f19b4c72c4f1ced66496"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        media_file file = media_read(cases[i].name);
        tn_frames f;
        tn_media_hash hash;
        tn_error err = {0};
        char hex[65];
        if (tn_decoder_frames(g_decoder, 0, file.bytes, file.n, &(uint32_t){0}, 1, &f, &err))
            fail_msg("%s", err.text);
        tn_media_hash_bytes(f.rgb, (size_t)f.width * f.height * 3, &hash);
        for (int b = 0; b < 32; b++) snprintf(hex + 2 * b, 3, "%02x", hash.bytes[b]);
        if (strcmp(hex, cases[i].hash) != 0) fail_msg("%s: %s", cases[i].name, hex);
        tn_frames_fini(&f);
        free(file.bytes);
    }
}

static void assert_bytes_refused(const char *name, const void *bytes, size_t n, int code, const char *why) {
    tn_frames f;
    tn_error err = {0};
    int rc = tn_decoder_frames(g_decoder, 0, bytes, n, &(uint32_t){0}, 1, &f, &err);
    media_assert_refused(rc, &err, code, why, name);
}

static void bad_ones_are_refused_for_their_reason(void **state) {
    (void)state;
    static const struct {
        const char *name;
        int code;
        const char *why;
    } bad[] = {
        {"bad_zero.png", TN_EFORMAT, "0 x 10 pixels is empty"},
        {"bad_huge.png", TN_ELIMIT,
         "60000 x 60000 pixels, 3600000000 in all; at most 40000000 are taken (media.max_pixels)"},
        {"bad_bomb.png", TN_ELIMIT, "media.max_pixels"},
        {"bad_zero.bmp", TN_EFORMAT, "0 x 0 pixels is empty"},
        {"bad_zero.gif", TN_EFORMAT, "0 x 0 pixels is empty"},
        {"bad_none.gif", TN_EFORMAT, "no picture"},
        {"other.tiff", TN_ENOTSUP, "a TIFF file: JPEG, PNG, WebP, GIF and BMP are read"},
        {"other.svg", TN_ENOTSUP, "an SVG file"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        media_file file = media_read(bad[i].name);
        assert_bytes_refused(bad[i].name, file.bytes, file.n, bad[i].code, bad[i].why);
        free(file.bytes);
    }
    assert_bytes_refused("nothing", "", 0, TN_EFORMAT, "0 bytes");
    assert_bytes_refused("text", "Hello, world", 12, TN_EFORMAT, "kind that is known here (");
    assert_bytes_refused("heif",
                         "\0\0\0\x18"
                         "ftypheic\0\0\0\0mif1heic",
                         24, TN_ENOTSUP, "a HEIF or AVIF file");
}

static void one_picture_has_one_frame(void **state) {
    (void)state;
    media_file file = media_read("animated.gif");
    tn_frames f;
    tn_error err = {0};
    int rc = tn_decoder_frames(g_decoder, 0, file.bytes, file.n, &(uint32_t){1}, 1, &f, &err);
    media_assert_refused(rc, &err, TN_EINVAL, "frame 1 of an image", "animated.gif");
    rc = tn_decoder_frames(g_decoder, 0, file.bytes, file.n, (uint32_t[]){0, 0}, 2, &f, &err);
    assert_int_equal(rc, 0); /* the same one twice */
    assert_int_equal(f.n_frame, 2);
    assert_memory_equal(f.rgb, f.rgb + 24 * 16 * 3, 24 * 16 * 3);
    tn_frames_fini(&f);
    free(file.bytes);
}

/* A part of a file is refused, or it was enough for all of the picture. */
static void what_is_cut_off_is_refused(void **state) {
    (void)state;
    for (size_t i = 0; i < N_GOOD; i++) {
        media_file file = media_read(good[i].name);
        unsigned n_refused = 0;
        for (size_t k = 1; k < 16; k++) {
            tn_frames f;
            tn_error err = {0};
            int rc =
                tn_decoder_frames(g_decoder, 0, file.bytes, file.n * k / 16, &(uint32_t){0}, 1, &f, &err);
            if (rc == 0) {
                assert_looks(&f, good[i].look, good[i].tolerance, good[i].name);
                tn_frames_fini(&f);
            } else if (rc != TN_EFORMAT || !err.text[0]) {
                fail_msg("%s, %zu/16: code %d, %s", good[i].name, k, rc, err.text);
            }
            n_refused += rc != 0;
        }
        if (n_refused < 4) fail_msg("%s: only %u of 15 parts are refused", good[i].name, n_refused);
        free(file.bytes);
    }
}

static void hashes_are_blake2b(void **state) {
    (void)state;
    /* As `b2sum -l 256` prints it. */
    static const uint8_t abc[32] = {0xbd, 0xdd, 0x81, 0x3c, 0x63, 0x42, 0x39, 0x72, 0x31, 0x71, 0xef,
                                    0x3f, 0xee, 0x98, 0x57, 0x9b, 0x94, 0x96, 0x4e, 0x3b, 0xb1, 0xcb,
                                    0x3e, 0x42, 0x72, 0x62, 0xc8, 0xc0, 0x68, 0xd5, 0x23, 0x19};
    tn_media_hash a, b;
    tn_media_hasher h;
    tn_media_hash_bytes("abc", 3, &a);
    assert_memory_equal(a.bytes, abc, 32);
    tn_media_hasher_init(&h);
    tn_media_hasher_add(&h, "a", 1);
    tn_media_hasher_add(&h, "bc", 2);
    tn_media_hasher_finish(&h, &b);
    assert_true(tn_media_hash_equal(&a, &b));
    tn_media_hash_bytes("\x03\x02\x01\0\0\0\0\0", 8, &a);
    tn_media_hasher_init(&h);
    tn_media_hasher_add_u64(&h, 0x010203);
    tn_media_hasher_finish(&h, &b);
    assert_true(tn_media_hash_equal(&a, &b));
    tn_media_hash_bytes("", 0, &b);
    assert_false(tn_media_hash_equal(&a, &b));
}

int main(void) {
    unit_filter();
    cmocka_set_message_output(CM_OUTPUT_TAP);
    g_decoder = media_decoder(NULL, (tn_decoder_config){0});
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_shows_the_same), cmocka_unit_test(lossy_ones_are_near),
        cmocka_unit_test(larger_ones_are_exact),     cmocka_unit_test(bad_ones_are_refused_for_their_reason),
        cmocka_unit_test(one_picture_has_one_frame), cmocka_unit_test(what_is_cut_off_is_refused),
        cmocka_unit_test(hashes_are_blake2b),
    };
    int rc = cmocka_run_group_tests(tests, NULL, NULL);
    tn_decoder_free(g_decoder);
    return rc;
}
