/* SPDX-License-Identifier: Apache-2.0 */
/* Which frames are taken: numbers from the families' rules, evaluated elsewhere. */
#include "unit/unit.h"

#include <math.h>

#include "media/sampling.h"

/* Qwen2-VL rounds frames down to pairs, Qwen3-VL does not. */
static tn_vision rule(uint32_t round_frames) {
    return (tn_vision){.temporal = 2,
                       .video = {.fps = 2,
                                 .min_frames = 4,
                                 .max_frames = 768,
                                 .round_frames = round_frames,
                                 .text = round_frames ? TN_VIDEO_WHOLE : TN_VIDEO_TIMED}};
}

/* n frames at fps, by the rule and a request; the number taken, and some of them. */
typedef struct sampling_case {
    uint64_t n;
    double fps;
    tn_sampling_request request;
    uint32_t paired, single;   /* taken by the rule of Qwen2-VL, of Qwen3-VL */
    uint32_t at, frame_single; /* the frame that is taken as number `at` by the latter */
} sampling_case;

static const sampling_case cases[] = {
    {300, 30, {0, 0, 0}, 20, 20, 1, 16},    {309, 30, {0, 0, 0}, 20, 20, 10, 162},
    {315, 30, {0, 0, 0}, 20, 21, 10, 157},  {30, 30, {0, 0, 0}, 4, 4, 1, 10},
    {3, 30, {0, 0, 0}, 2, 3, 1, 1},         {1, 30, {0, 0, 0}, 1, 1, 0, 0},
    {2, 30, {0, 0, 0}, 2, 2, 1, 1},         {100000, 25, {0, 0, 0}, 768, 768, 767, 99999},
    {300, 0, {0, 0, 0}, 24, 25, 12, 150},   {300, 30, {1, 0, 0}, 10, 10, 5, 166},
    {300, 30, {0.1, 0, 0}, 4, 4, 2, 199},   {300, 30, {0, 7, 0}, 6, 7, 3, 150},
    {300, 30, {0, 3, 0}, 2, 3, 1, 150},     {300, 30, {0, 1, 0}, 1, 1, 0, 0},
    {300, 30, {60, 0, 0}, 300, 300, 3, 3},  {300, 30, {0, 0, 9}, 8, 9, 4, 150},
    {300, 30, {0, 0, 11}, 12, 11, 1, 30},   {11, 30, {0, 0, 11}, 10, 11, 4, 4},
    {300, 30, {0, 0, 1}, 1, 1, 0, 0},       {300, 30, {1000, 5, 0}, 4, 5, 1, 75},
    {300, 30, {0, 5000, 0}, 20, 20, 1, 16}, {8, 2, {0, 0, 0}, 8, 8, 7, 7},
};

static uint32_t chosen(const tn_vision *v, const sampling_case *c, uint32_t **ret) {
    uint32_t n = 0;
    tn_error err = {0};
    if (tn_frames_choose(v, c->n, c->fps, &c->request, ret, &n, &err) != 0) fail_msg("%s", err.text);
    for (uint32_t i = 0; i < n; i++) assert_true((*ret)[i] < c->n && (!i || (*ret)[i] > (*ret)[i - 1]));
    assert_int_equal((*ret)[0], 0);
    if (n > 1) assert_int_equal((*ret)[n - 1], c->n - 1);
    return n;
}

static void test_cases(void **state) {
    (void)state;
    tn_vision paired = rule(1), single = rule(0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint32_t *index = NULL;
        uint32_t n = chosen(&paired, &cases[i], &index);
        free(index);
        if (n != cases[i].paired) fail_msg("case %zu: %u frames in pairs, not %u", i, n, cases[i].paired);
        n = chosen(&single, &cases[i], &index);
        if (n != cases[i].single) fail_msg("case %zu: %u frames, not %u", i, n, cases[i].single);
        if (index[cases[i].at] != cases[i].frame_single)
            fail_msg("case %zu: frame %u is number %u, not %u", i, index[cases[i].at], cases[i].at,
                     cases[i].frame_single);
        free(index);
    }
}

/* Halves go to the even number. */
static void test_halves(void **state) {
    (void)state;
    tn_vision v = rule(0);
    static const uint32_t want[] = {0, 2, 3, 4, 6, 8, 9};
    uint32_t *index = NULL;
    sampling_case c = {10, 30, {0, 0, 7}, 0, 0, 0, 0};
    assert_int_equal(chosen(&v, &c, &index), 7);
    assert_memory_equal(index, want, sizeof want);
    free(index);
}

static void refused(const tn_vision *v, uint64_t n, tn_sampling_request r, int code, const char *part) {
    uint32_t *index = NULL, n_index = 0;
    tn_error err = {0};
    assert_int_equal(tn_frames_choose(v, n, 30, &r, &index, &n_index, &err), code);
    if (!strstr(err.text, part)) fail_msg("\"%s\" does not say \"%s\"", err.text, part);
    assert_true(!index && !n_index);
}

static void test_refused(void **state) {
    (void)state;
    tn_vision v = rule(1), blind = v;
    blind.video.text = 0;
    refused(&blind, 10, (tn_sampling_request){0}, TN_ENOTSUP, "no videos");
    refused(&v, 0, (tn_sampling_request){0}, TN_EINVAL, "without frames");
    refused(&v, UINT64_MAX, (tn_sampling_request){0}, TN_ELIMIT, "18446744073709551615");
    refused(&v, 10, (tn_sampling_request){.fps = -1}, TN_EINVAL, "-1 frames of a second");
    refused(&v, 10, (tn_sampling_request){.fps = NAN}, TN_EINVAL, "nan");
    refused(&v, 10, (tn_sampling_request){.fps = INFINITY}, TN_EINVAL, "inf");
    refused(&v, 10, (tn_sampling_request){.fps = 1, .n_frames = 4}, TN_EINVAL, "one of the two");
    refused(&v, 10, (tn_sampling_request){.n_frames = 11}, TN_EINVAL,
            "11 frames are wanted of a video that has 10");
    refused(&v, 10, (tn_sampling_request){.n_frames = 8, .max_frames = 6}, TN_EINVAL, "6 at most");
    refused(&v, 1 << 20, (tn_sampling_request){.n_frames = 65537}, TN_ELIMIT, "65536");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases),
        cmocka_unit_test(test_halves),
        cmocka_unit_test(test_refused),
    };
    return unit_main(tests);
}
