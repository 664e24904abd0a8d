/* SPDX-License-Identifier: Apache-2.0 */
/* Resizing against Pillow (sums recorded from its version 9.4), against the filters evaluated in real
 * numbers, and on any size at all. Values of whole processors: media_patches. */
#include "unit/unit.h"

#include <math.h>

#include "media/resize.h"

static uint64_t next(uint64_t *s) {
    return *s = *s * 6364136223846793005u + 1442695040888963407u;
}

/* Noise with many whites and blacks, so that overshoot is clipped. The caller's, to be freed. */
static uint8_t *noise(uint32_t width, uint32_t height, uint64_t seed) {
    size_t n = (size_t)width * height * 3;
    uint8_t *b = malloc(n);
    assert_non_null(b);
    for (size_t i = 0; i < n; i++) {
        uint8_t v = (uint8_t)(next(&seed) >> 56);
        b[i] = (seed >> 40) % 4 ? v : v & 1 ? 255 : 0;
    }
    return b;
}

static uint64_t fnv(const uint8_t *b, size_t n) {
    uint64_t h = 14695981039346656037u;
    while (n--) h = (h ^ *b++) * 1099511628211u;
    return h;
}

static uint8_t *resized(const uint8_t *from, uint32_t w, uint32_t h, uint32_t to_w, uint32_t to_h,
                        uint32_t filter, tn_resize_weights weights) {
    tn_resizer r;
    tn_error err = {0};
    uint8_t *ret = malloc((size_t)to_w * to_h * 3);
    assert_non_null(ret);
    if (tn_resizer_init(&r, w, h, to_w, to_h, filter, weights, &err) != 0) fail_msg("%s", err.text);
    tn_resizer_run(&r, from, ret);
    tn_resizer_fini(&r);
    return ret;
}

/* Noise of seed i + 1 brought to another size by Pillow: FNV-1a of the bytes. */
static const struct {
    uint32_t w, h, to_w, to_h, filter;
    uint64_t sum;
} recorded[] = {
    {1, 1, 1, 1, 3, 0x12ce35191e1a2fea},       {1, 1, 28, 28, 3, 0x90d6f274455532e5},
    {7, 5, 28, 28, 2, 0xc88fae41ceaea00d},     {64, 48, 28, 56, 3, 0xd553387a5d880e68},
    {64, 48, 28, 56, 2, 0x24d4d5280be24fcc},   {131, 97, 140, 84, 3, 0x55d95cf4c270a034},
    {173, 75, 160, 64, 3, 0x20724b63b767cf7a}, {31, 20, 96, 64, 3, 0x799815ab2e4c654c},
    {97, 131, 97, 64, 3, 0x963bac965ee01a11},  {97, 131, 32, 131, 2, 0xaf0b4f5031bfa75c},
    {300, 3, 28, 28, 3, 0x2b7ec18c44734eb6},   {3, 300, 56, 280, 2, 0x7ca4c1573bb42a85},
    {200, 1, 560, 28, 3, 0x4156d3068a872e65},  {333, 222, 112, 112, 2, 0x9e78a50326ac2e41},
    {5, 9, 4, 8, 3, 0xbb470863d0866872},       {257, 129, 32, 32, 2, 0xe8fe87d80054ddf4},
    {2, 2, 64, 64, 3, 0xa7936f6ca4445166},
};

static void test_pillow(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof recorded / sizeof *recorded; i++) {
        uint8_t *from = noise(recorded[i].w, recorded[i].h, i + 1);
        uint8_t *got = resized(from, recorded[i].w, recorded[i].h, recorded[i].to_w, recorded[i].to_h,
                               recorded[i].filter, TN_WEIGHTS_PILLOW);
        uint64_t sum = fnv(got, (size_t)recorded[i].to_w * recorded[i].to_h * 3);
        if (sum != recorded[i].sum)
            fail_msg("%u x %u to %u x %u, filter %u: other bytes than Pillow's", recorded[i].w, recorded[i].h,
                     recorded[i].to_w, recorded[i].to_h, recorded[i].filter);
        free(from), free(got);
    }
}

/* The value of target (x, y, c) in real numbers: both filters at once, nothing rounded. */
static double filter_at(uint32_t filter, double x) {
    x = fabs(x);
    if (filter == TN_FILTER_BILINEAR) return x < 1 ? 1 - x : 0;
    if (x < 1) return 1.5 * x * x * x - 2.5 * x * x + 1;
    return x < 2 ? -0.5 * x * x * x + 2.5 * x * x - 4 * x + 2 : 0;
}

static double weight_at(uint32_t filter, uint32_t from, uint32_t to, uint32_t i, uint32_t k) {
    double scale = (double)from / to, stretch = scale > 1 ? scale : 1;
    return from == to ? i == k : filter_at(filter, (k + 0.5 - (i + 0.5) * scale) / stretch);
}

static double exact(const uint8_t *from, uint32_t w, uint32_t h, uint32_t to_w, uint32_t to_h,
                    uint32_t filter, uint32_t x, uint32_t y, uint32_t c) {
    double sum = 0, weights = 0;
    for (uint32_t j = 0; j < h; j++)
        for (uint32_t i = 0; i < w; i++) {
            double weight = weight_at(filter, w, to_w, x, i) * weight_at(filter, h, to_h, y, j);
            sum += weight * from[(j * w + i) * 3 + c];
            weights += weight;
        }
    sum /= weights;
    return sum < 0 ? 0 : sum > 255 ? 255 : sum;
}

/* Rounding in between, and clipping there, moves a value: more with overshoot. Bilinear values stay within
 * one step; bicubic ones are compared on a soft picture, which has no overshoot to clip. */
static void test_real_numbers(void **state) {
    (void)state;
    uint64_t seed = 7;
    for (int round = 0; round < 60; round++) {
        uint32_t size[4], filter = round % 2 ? TN_FILTER_BILINEAR : TN_FILTER_BICUBIC;
        for (int i = 0; i < 4; i++) size[i] = 1 + (uint32_t)(next(&seed) >> 40) % 24;
        uint8_t *from = noise(size[0], size[1], seed);
        for (uint32_t i = 0; filter == TN_FILTER_BICUBIC && i < size[0] * size[1] * 3; i++)
            from[i] = (uint8_t)(100 + from[i] / 8);
        for (int weights = TN_WEIGHTS_PILLOW; weights <= TN_WEIGHTS_TORCH; weights++) {
            uint8_t *got =
                resized(from, size[0], size[1], size[2], size[3], filter, (tn_resize_weights)weights);
            for (uint32_t i = 0; i < size[2] * size[3] * 3; i++) {
                double want = exact(from, size[0], size[1], size[2], size[3], filter, i / 3 % size[2],
                                    i / 3 / size[2], i % 3);
                assert_true(fabs(want - got[i]) < 1.5);
            }
            free(got);
        }
        free(from);
    }
}

/* Any size: memory is watched in a build that does so; one colour stays that colour. */
static void test_any_size(void **state) {
    (void)state;
    uint64_t seed = 1;
    for (int round = 0; round < 3000; round++) {
        uint32_t size[4];
        for (int i = 0; i < 4; i++) size[i] = 1 + (uint32_t)(next(&seed) >> 40) % 64;
        uint8_t *from = noise(size[0], size[1], seed), colour = from[0];
        if (round % 3 == 0) memset(from, colour, (size_t)size[0] * size[1] * 3);
        uint8_t *got = resized(from, size[0], size[1], size[2], size[3], round & 1 ? 2 : 3,
                               round & 2 ? TN_WEIGHTS_TORCH : TN_WEIGHTS_PILLOW);
        for (uint32_t i = 0; round % 3 == 0 && i < size[2] * size[3] * 3; i++)
            assert_int_equal(got[i], colour);
        free(from), free(got);
    }
}

static void refused(uint32_t w, uint32_t h, uint32_t to_w, uint32_t to_h, uint32_t filter, int code,
                    const char *part) {
    tn_resizer r;
    tn_error err = {0};
    assert_int_equal(tn_resizer_init(&r, w, h, to_w, to_h, filter, TN_WEIGHTS_PILLOW, &err), code);
    assert_non_null(strstr(err.text, part));
    tn_resizer_fini(&r);
}

static void test_refused(void **state) {
    (void)state;
    refused(0, 5, 28, 28, 3, TN_EINVAL, "0 x 5");
    refused(5, 5, 28, 0, 3, TN_EINVAL, "cannot be resized");
    refused(65537, 5, 28, 28, 3, TN_ELIMIT, "65537");
    refused(5, UINT32_MAX, 28, 28, 3, TN_ELIMIT, "4294967295");
    refused(5, 5, 28, 28, 4, TN_EINVAL, "filter 4");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pillow),
        cmocka_unit_test(test_real_numbers),
        cmocka_unit_test(test_any_size),
        cmocka_unit_test(test_refused),
    };
    return unit_main(tests);
}
