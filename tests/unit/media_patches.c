/* SPDX-License-Identifier: Apache-2.0 */
/* Patches against the values that the families' processors gave (models/NAME/reference.safetensors), and
 * their order, windows, positions, sizes and limits against small derivations of their own. */
#include "unit/unit.h"

#include <math.h>

#include "media/patches.h"
#include "unit/vision_fixtures.h"

static tn_patches made(const tn_vision *v, const tn_frames *f, bool video) {
    tn_patches p;
    tn_patches_size s;
    tn_error err = {0};
    if (tn_patches_make(v, f, video, &p, &err) != 0) fail_msg("%s", err.text);
    assert_int_equal(tn_patches_size_of(v, f->width, f->height, f->n_frame, video, &s, &err), 0);
    assert_int_equal(s.n_row, p.n_row);
    assert_int_equal(s.cols, p.cols);
    assert_memory_equal(s.grid, p.grid, sizeof p.grid);
    return p;
}

/* Where row i of p is when there are no windows. */
static uint32_t plain_row(const tn_vision *v, const tn_patches *p, uint32_t i) {
    uint32_t m = v->merge, width = p->grid[2] / m, t = p->coord[i][0], y = p->coord[i][1], x = p->coord[i][2];
    return ((t * (p->grid[1] / m) + y / m) * width + x / m) * m * m + y % m * m + x % m;
}

static void compare_rows(const tn_vision *v, const tn_patches *p, const tn_tensor *t) {
    double worst = 0;
    float *want = malloc(p->cols * sizeof *want);
    assert_int_equal(tn_tensor_rows(t), p->n_row);
    assert_int_equal(tn_tensor_cols(t), p->cols);
    for (uint32_t i = 0; i < p->n_row; i++) {
        tn_tensor_dequantize(t, plain_row(v, p, i), 0, p->cols, want);
        for (uint32_t j = 0; j < p->cols; j++)
            worst = fmax(worst, fabs((double)want[j] - (double)p->rows[(size_t)i * p->cols + j]));
    }
    free(want);
    printf("# %u rows: at most %g off\n", p->n_row, worst);
    assert_true(worst < 1e-5);
}

static void compare_grid(const tn_patches *p, const json_t *item) {
    json_t *grid = json_object_get(item, "grid_thw");
    for (size_t i = 0; i < 3; i++) assert_int_equal(json_integer_value(json_array_get(grid, i)), p->grid[i]);
}

static void check_qwen(const char *name, tn_vision v) {
    unit_seeing s = unit_seeing_open(name, v);
    json_t *images = json_object_get(s.reference, "images"), *video = json_object_get(s.reference, "video");
    assert_int_equal(json_array_size(images), 3);
    for (int i = 0; i < 4; i++) {
        char prefix[16];
        snprintf(prefix, sizeof prefix, i < 3 ? "image%d" : "video0", i);
        tn_frames f = i < 3 ? unit_image(i) : unit_video();
        tn_patches p = made(&v, &f, i == 3);
        compare_grid(&p, i < 3 ? json_array_get(images, (size_t)i) : video);
        compare_rows(&v, &p, unit_array(&s, prefix, "pixel_values"));
        tn_patches_fini(&p);
        free(f.rgb), free(f.seconds);
    }
    unit_seeing_close(&s);
}

static void test_qwen2_5_vl(void **state) {
    (void)state;
    check_qwen("qwen2_5_vl", unit_qwen2_5_vl());
}

static void test_qwen3_vl(void **state) {
    (void)state;
    check_qwen("qwen3_vl", unit_qwen3_vl());
}

/* The processor gives whole pictures, [channel][y][x]. */
static void test_gemma3_vl(void **state) {
    (void)state;
    tn_vision v = unit_gemma3_vl();
    unit_seeing s = unit_seeing_open("gemma3_vl", v);
    for (int n = 0; n < 2; n++) {
        char prefix[16];
        double worst = 0;
        float line[112];
        snprintf(prefix, sizeof prefix, "image%d", n);
        const tn_tensor *t = unit_array(&s, prefix, "pixel_values");
        tn_frames f = unit_image(n);
        tn_patches p = made(&v, &f, false);
        assert_int_equal(p.n_row, 64);
        assert_int_equal(p.cols, 3 * 14 * 14);
        for (uint32_t i = 0; i < p.n_row; i++)
            for (uint32_t j = 0; j < p.cols; j++) {
                uint32_t c = j / 196, y = p.coord[i][1] * 14 + j / 14 % 14, x = p.coord[i][2] * 14 + j % 14;
                tn_tensor_dequantize(t, c * 112 + y, 0, 112, line);
                worst = fmax(worst, fabs((double)line[x] - (double)p.rows[(size_t)i * p.cols + j]));
            }
        printf("# image %d: at most %g off\n", n, worst);
        assert_true(worst < 1e-5);
        tn_patches_fini(&p);
        free(f.rgb);
    }
    unit_seeing_close(&s);
}

/* --- order, positions --- */

static tn_frames grey(uint32_t width, uint32_t height, uint32_t n) {
    tn_frames f = {.width = width, .height = height, .n_frame = n, .fps = 4};
    f.rgb = malloc((size_t)width * height * 3 * n);
    f.seconds = malloc(n * sizeof *f.seconds);
    memset(f.rgb, 127, (size_t)width * height * 3 * n);
    for (uint32_t i = 0; i < n; i++) f.seconds[i] = i * 0.5;
    return f;
}

/* Pooled patches follow each other, picture after picture row by row. */
static void test_order(void **state) {
    (void)state;
    tn_vision v = unit_gemma3_vl();
    tn_frames f = grey(50, 50, 1);
    tn_patches p = made(&v, &f, false);
    for (uint32_t i = 0; i < 64; i++) {
        assert_int_equal(p.coord[i][1], i / 16 * 2 + i / 2 % 2);
        assert_int_equal(p.coord[i][2], i / 4 % 4 * 2 + i % 2);
        assert_int_equal(p.mix_index[i][0], p.coord[i][1] * 8 + p.coord[i][2]);
        assert_true(p.mix_weight[i][0] == 1 && p.mix_weight[i][1] == 0 && p.mix_weight[i][3] == 0);
    }
    assert_int_equal(p.n_frame, 1);
    assert_int_equal(p.frame_end[0], 64);
    assert_true(!p.place && !p.window_end && !p.n_window && !p.seconds);
    tn_patches_fini(&p);
    free(f.rgb), free(f.seconds);
}

/* A window is all output rows with the same (time, y / side, x / side): sorted by that, then by place. */
static int by_window(const void *a, const void *b) {
    const uint32_t *x = a, *y = b;
    for (int i = 0; i < 4; i++)
        if (x[i] != y[i]) return x[i] < y[i] ? -1 : 1;
    return 0;
}

static void check_windows(const tn_vision *v, uint32_t width, uint32_t height, uint32_t n, uint32_t windows) {
    tn_frames f = grey(width, height, n);
    tn_patches p = made(v, &f, n > 1);
    uint32_t h = p.grid[1] / 2, w = p.grid[2] / 2, n_output = p.n_row / 4, end = 0;
    uint32_t(*want)[4] = malloc(n_output * sizeof *want);
    for (uint32_t i = 0; i < n_output; i++) {
        uint32_t t = i / (h * w), y = i / w % h, x = i % w;
        want[i][0] = t, want[i][1] = y / 2, want[i][2] = x / 2, want[i][3] = i;
    }
    qsort(want, n_output, sizeof *want, by_window);
    for (uint32_t i = 0; i < n_output; i++) {
        assert_int_equal(p.place[i], want[i][3]);
        assert_int_equal(plain_row(v, &p, i * 4) / 4, want[i][3]);
        if (i + 1 < n_output && memcmp(want[i], want[i + 1], 12) == 0) continue;
        assert_true(end < p.n_window);
        assert_int_equal(p.window_end[end++], (i + 1) * 4);
    }
    assert_int_equal(end, p.n_window);
    assert_int_equal(end, windows);
    assert_int_equal(p.n_frame, p.grid[0]);
    for (uint32_t t = 0; t < p.n_frame; t++) assert_int_equal(p.frame_end[t], (t + 1) * h * w * 4);
    free(want), free(f.rgb), free(f.seconds);
    tn_patches_fini(&p);
}

static void test_windows(void **state) {
    (void)state;
    tn_vision v = unit_qwen2_5_vl();
    check_windows(&v, 140, 84, 1, 6);  /* 3 x 5 output rows: windows of 2 x 2, 2 x 1, 1 x 2, 1 x 1 */
    check_windows(&v, 112, 112, 1, 4); /* 4 x 4: they come out even */
    check_windows(&v, 56, 56, 1, 1);
    check_windows(&v, 84, 56, 5, 6); /* three times, the last half filled */
}

static void test_interpolated_positions(void **state) {
    (void)state;
    tn_vision v = unit_qwen3_vl();
    tn_frames f = grey(160, 64, 1); /* 10 x 4 patches over 8 x 8 positions */
    tn_patches p = made(&v, &f, false);
    for (uint32_t i = 0; i < p.n_row; i++) {
        double y = p.coord[i][1] * 7.0 / 3, x = p.coord[i][2] * 7.0 / 9, sum = 0, at_y = 0, at_x = 0;
        for (int k = 0; k < 4; k++) {
            double weight = (double)p.mix_weight[i][k];
            assert_true(p.mix_index[i][k] < 64 && weight >= 0);
            sum += weight;
            at_y += weight * (p.mix_index[i][k] / 8);
            at_x += weight * (p.mix_index[i][k] % 8);
        }
        assert_true(fabs(sum - 1) < 1e-6 && fabs(at_y - y) < 1e-5 && fabs(at_x - x) < 1e-5);
    }
    tn_patches_fini(&p);
    free(f.rgb), free(f.seconds);
}

/* --- times --- */

static void test_times(void **state) {
    (void)state;
    tn_vision v = unit_qwen3_vl();
    tn_frames f = grey(64, 64, 5);
    f.seconds[4] = 3;
    tn_patches p = made(&v, &f, true);
    assert_int_equal(p.grid[0], 3);
    assert_true(p.seconds[0] == 0.25 && p.seconds[1] == 1.25 && p.seconds[2] == 3);
    assert_true(p.step == 2 * 3.0 / 4); /* no duration: four gaps in three seconds */
    tn_patches_fini(&p);
    f.duration = 4;
    p = made(&v, &f, true);
    assert_true(p.step == 2 * 4.0 / 5);
    /* The last frame stands in for the one that is missing. */
    size_t area = 16 * 16;
    for (uint32_t i = p.frame_end[1]; i < p.frame_end[2]; i++)
        for (size_t c = 0; c < 3; c++)
            assert_memory_equal(p.rows + i * p.cols + c * 2 * area, p.rows + i * p.cols + (c * 2 + 1) * area,
                                area * sizeof(float));
    tn_patches_fini(&p);
    free(f.rgb), free(f.seconds);
}

/* --- sizes --- */

typedef struct size_case {
    uint32_t width, height, n_frame; /* 0: an image */
    uint32_t to_width, to_height;
} size_case;

static void check_sizes(const tn_vision *v, const size_case *cases, size_t n) {
    for (size_t i = 0; i < n; i++) {
        const size_case *c = &cases[i];
        tn_patches_size s;
        tn_error err = {0};
        int rc =
            tn_patches_size_of(v, c->width, c->height, c->n_frame ? c->n_frame : 1, c->n_frame, &s, &err);
        if (rc) fail_msg("%u x %u: %s", c->width, c->height, err.text);
        if (s.width != c->to_width || s.height != c->to_height)
            fail_msg("%u x %u x %u becomes %u x %u, not %u x %u", c->width, c->height, c->n_frame, s.width,
                     s.height, c->to_width, c->to_height);
        assert_int_equal(s.n_output * v->merge * v->merge, s.n_row);
        assert_int_equal(s.n_row, s.grid[0] * s.grid[1] * s.grid[2]);
        assert_true(s.bytes >= (uint64_t)s.n_row * s.cols * sizeof(float));
    }
}

/* From the processors' rule, evaluated elsewhere (tools of the families, in Python). */
static void test_sizes(void **state) {
    (void)state;
    tn_vision small = unit_qwen2_5_vl(), real = small, shared = unit_qwen3_vl();
    real.max_pixels = 12845056; /* as published */
    real.video.min_pixels = 100352, real.video.max_pixels = 602112;
    static const size_case of_small[] = {
        {131, 97, 0, 140, 84},  {173, 75, 0, 168, 56},   {31, 20, 0, 84, 56},       {1, 1, 0, 56, 56},
        {1, 200, 0, 28, 812},   {200, 1, 0, 812, 28},    {42, 42, 0, 56, 56},       {70, 70, 0, 56, 56},
        {14, 14, 0, 56, 56},    {13, 55, 0, 28, 140},    {1000, 1000, 0, 112, 112}, {3000, 40, 0, 952, 28},
        {56, 56, 0, 56, 56},    {112, 112, 0, 112, 112}, {5600, 28, 0, 1568, 28},   {84, 61, 8, 84, 56},
        {640, 480, 3, 112, 84},
    };
    static const size_case of_real[] = {
        {1920, 1080, 0, 1932, 1092}, {224, 224, 0, 224, 224},     {1024, 1024, 0, 1036, 1036},
        {4000, 3000, 0, 4004, 2996}, {8192, 8192, 0, 3584, 3584}, {7, 1400, 0, 28, 812},
        {640, 427, 0, 644, 420},     {98, 126, 0, 112, 112},      {1920, 1080, 8, 1008, 560},
        {64, 64, 4, 336, 336},       {640, 480, 100, 644, 476},
    };
    static const size_case of_shared[] = {
        {131, 97, 0, 128, 96},  {173, 75, 0, 160, 64}, {31, 20, 0, 96, 64},      {48, 80, 0, 64, 64},
        {1000, 30, 0, 800, 32}, {84, 61, 8, 96, 64},   {84, 61, 1, 96, 64},      {84, 61, 2, 96, 64},
        {20, 10, 4, 64, 32},    {5, 900, 4, 32, 1920}, {640, 480, 3, 160, 128},  {640, 480, 5, 128, 96},
        {16, 16, 2, 64, 64},    {31, 31, 64, 32, 32},  {1920, 1080, 64, 32, 32},
    };
    check_sizes(&small, of_small, sizeof of_small / sizeof *of_small);
    check_sizes(&real, of_real, sizeof of_real / sizeof *of_real);
    check_sizes(&shared, of_shared, sizeof of_shared / sizeof *of_shared);
    real.video.total_pixels = 1003520; /* 16 frames: 125440 pixels each */
    check_sizes(&real, &(size_case){1920, 1080, 16, 448, 252}, 1);
    check_sizes(&real, &(size_case){1920, 1080, 4, 924, 504}, 1);
}

static void refused(const tn_vision *v, uint32_t w, uint32_t h, uint32_t n, bool video, int code,
                    const char *part) {
    tn_patches_size s;
    tn_error err = {0};
    assert_int_equal(tn_patches_size_of(v, w, h, n, video, &s, &err), code);
    if (!strstr(err.text, part)) fail_msg("\"%s\" does not say \"%s\"", err.text, part);
    assert_int_equal(err.code, code);
}

static void test_refused(void **state) {
    (void)state;
    tn_vision v = unit_qwen2_5_vl(), gemma = unit_gemma3_vl(), bad = v;
    refused(&v, 1, 10000, 1, false, TN_EINVAL, "aspect of 10000.0: at most 200");
    refused(&v, 28, 5601, 1, false, TN_EINVAL, "200");
    refused(&v, 0, 10, 1, false, TN_EINVAL, "0 x 10");
    refused(&v, 10, 10, 0, true, TN_EINVAL, "without frames");
    refused(&v, 10, 10, 2, false, TN_EINVAL, "2 frames");
    refused(&v, UINT32_MAX, UINT32_MAX, 1, false, TN_ELIMIT, "4294967295 x 4294967295");
    refused(&v, 10, 10, UINT32_MAX, true, TN_ELIMIT, "4294967295 frames");
    refused(&gemma, 10, 10, 4, true, TN_ENOTSUP, "no videos");
    refused(&v, 112, 112, 65536, true, TN_ELIMIT, "65536 frames of 112 x 112");
    bad.max_pixels = UINT64_MAX, bad.min_pixels = (uint64_t)1 << 34;
    refused(&bad, 1000, 1000, 1, false, TN_ELIMIT, "become");
    bad.min_pixels = (uint64_t)1 << 31;
    refused(&bad, 1000, 1000, 1, false, TN_ELIMIT, "4096 MiB");
    bad = v, bad.patch = 0;
    refused(&bad, 10, 10, 1, false, TN_EFORMAT, "patches of 0");
    bad = v, bad.merge = 65536, bad.patch = 65536;
    refused(&bad, 10, 10, 1, false, TN_EFORMAT, "65536");
    bad = v, bad.max_pixels = 5;
    refused(&bad, 10, 10, 1, false, TN_EFORMAT, "3136 to 5");
    bad = v, bad.window = 3;
    refused(&bad, 10, 10, 1, false, TN_EFORMAT, "windows of 3");
    bad = gemma, bad.image_size = 100;
    refused(&bad, 10, 10, 1, false, TN_EFORMAT, "100 x 100");
    bad = gemma, bad.pos_side = 7;
    refused(&bad, 10, 10, 1, false, TN_EFORMAT, "7 x 7");
    bad = v, bad.filter = 9;
    refused(&bad, 10, 10, 1, false, TN_EFORMAT, "filter 9");
}

/* The smallest picture there is, and odd ones. */
static void test_tiny(void **state) {
    (void)state;
    tn_vision all[] = {unit_qwen2_5_vl(), unit_qwen3_vl(), unit_gemma3_vl()};
    static const uint32_t sizes[][2] = {{1, 1}, {1, 200}, {200, 1}, {2, 3}, {333, 7}};
    for (int i = 0; i < 3; i++)
        for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
            tn_frames f = grey(sizes[k][0], sizes[k][1], 1);
            tn_patches p = made(&all[i], &f, false);
            for (size_t j = 0; j < (size_t)p.n_row * p.cols; j++) {
                size_t c = j % p.cols / (p.cols / 3);
                float want = (127 / 255.0f - all[i].mean[c]) / all[i].std[c];
                assert_true(fabsf(p.rows[j] - want) < 1e-6f);
            }
            tn_patches_fini(&p);
            free(f.rgb), free(f.seconds);
        }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_qwen2_5_vl), cmocka_unit_test(test_qwen3_vl),
        cmocka_unit_test(test_gemma3_vl),  cmocka_unit_test(test_order),
        cmocka_unit_test(test_windows),    cmocka_unit_test(test_interpolated_positions),
        cmocka_unit_test(test_times),      cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_refused),    cmocka_unit_test(test_tiny),
    };
    return unit_main(tests);
}
