/* SPDX-License-Identifier: Apache-2.0 */
/* A helper that crashes, hangs, takes all memory or talks nonsense: the input is to blame, and the next call
 * works. bad_modality.c does what a file tells it. */
#include "unit/unit.h"

#include <pthread.h>
#include <signal.h>

#include "base/clock.h"
#include "media/vectors.h"

static char g_bad[4200];
static tn_decoder *g_decoder;

static int ask(const char *word, tn_frames *f, tn_error *err) {
    char text[64];
    snprintf(text, sizeof text, "TNTEST %s", word);
    *err = (tn_error){0};
    return tn_decoder_frames(g_decoder, 0, text, strlen(text), &(uint32_t){0}, 1, f, err);
}

static void assert_works(void) {
    tn_frames f;
    tn_error err;
    if (ask("work", &f, &err)) fail_msg("%s", err.text);
    assert_int_equal(f.width, 2);
    assert_memory_equal(f.rgb, "\1\2\3\4\5\6", 6);
    tn_frames_fini(&f);
}

static void assert_survives(const char *word, int code, const char *why, bool is_lost) {
    tn_frames f;
    tn_error err;
    uint64_t lost = tn_decoder_restarts(g_decoder);
    assert_works();
    media_assert_refused(ask(word, &f, &err), &err, code, why, word);
    if (is_lost != (tn_decoder_restarts(g_decoder) > lost))
        fail_msg("%s: %s", word, is_lost ? "kept" : "lost");
    assert_works();
}

static void a_crash_is_the_files_fault(void **state) {
    (void)state;
    /* A sanitizer turns a crash into an end with a status. */
    assert_survives("crash", TN_EFORMAT, "on this file", true);
    assert_survives("stack", TN_EFORMAT, "on this file", true);
    assert_survives("abort", TN_EFORMAT, "crashed on this file: Aborted", true);
    assert_survives("exit", TN_EFORMAT, "ended on this file (exit status 3)", true);
    assert_survives("close", TN_EFORMAT, "hung up on this file", true);
    assert_survives("garbage", TN_EFORMAT, "on this file", true);
}

/* With a decoder of its own: the others have time, since the machine may be busy. */
static void a_hang_ends_at_the_limit(void **state) {
    (void)state;
    tn_decoder *patient = g_decoder;
    g_decoder = media_decoder(g_bad, (tn_decoder_config){.limits = {.timeout_s = 1}});
    double start = tn_clock_s();
    assert_survives("hang", TN_ELIMIT, "longer than 1 s (media.decode_timeout)", true);
    assert_survives("spin", TN_ELIMIT, "longer than 1 s (media.decode_timeout)", true);
    double took = tn_clock_s() - start;
    if (took < 2) fail_msg("both together took %.1f s", took);
    tn_decoder_free(g_decoder);
    g_decoder = patient;
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || !defined(__linux__)
#    define UNLIMITED 1
#elif defined(__has_feature)
#    if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#        define UNLIMITED 1
#    endif
#endif

#ifdef UNLIMITED
static void memory_is_limited(void **state) {
    (void)state;
    unit_skip("no limit on address space here");
}
#else
static void memory_is_limited(void **state) {
    (void)state;
    assert_survives("memory", TN_ELIMIT, "more than 128 MiB of memory", true);
}
#endif

/* Nobody asked it anything when it ended: nobody is told. */
static void one_that_died_idle_is_replaced(void **state) {
    (void)state;
    tn_frames f;
    tn_error err;
    assert_int_equal(ask("later", &f, &err), 0);
    tn_frames_fini(&f);
    usleep(300000);
    assert_works();
}

static void what_it_says_is_checked(void **state) {
    (void)state;
    assert_survives("refuse", TN_EFORMAT, "refused, as told", false);
    assert_survives("bug", TN_EMODULE, "a bug??[31m of its own", false);
    assert_survives("code", TN_EMODULE, "a code that is none", false);
    assert_survives("kind", TN_EMODULE, "makes no sense: its kind", false);
    assert_survives("pixels", TN_EMODULE, "makes no sense: its size", false);
    assert_survives("none", TN_EMODULE, "makes no sense: its number of frames", false);
    assert_survives("nan", TN_EMODULE, "makes no sense: its times", false);
    assert_survives("nothing", TN_EMODULE, "a module gave 0 of 1 frames", false);
    assert_survives("more", TN_EMODULE, "frame 2 of 1", false);
    assert_survives("wide", TN_ELIMIT, "1073741824 x 1 pixels", false);
    assert_survives("other size", TN_EMODULE, "makes no sense: the memory of its frames", false);
}

static void limits_are_kept(void **state) {
    (void)state;
    tn_decoder_config small = {.limits = {.max_bytes = 1000, .max_pixels = 100, .max_frames = 3}};
    tn_decoder *d = media_decoder(g_bad, small);
    media_file png = media_read("rgb.png"), mp4 = media_read("h264.mp4");
    tn_frames f;
    tn_error err = {0};
    int rc = tn_decoder_frames(d, 0, png.bytes, png.n, &(uint32_t){0}, 1, &f, &err);
    media_assert_refused(rc, &err, TN_ELIMIT, "24 x 16 pixels, 384 in all; at most 100 are taken", "rgb.png");
    rc = tn_decoder_frames(d, 0, mp4.bytes, mp4.n, &(uint32_t){0}, 1, &f, &err);
    media_assert_refused(rc, &err, TN_ELIMIT, "at most 1000 are taken (media.max_bytes)", "h264.mp4");
    rc = tn_decoder_frames(d, 0, png.bytes, png.n, (uint32_t[]){0, 1, 2, 3}, 4, &f, &err);
    media_assert_refused(rc, &err, TN_ELIMIT, "4 frames at once; at most 3 are taken (media.max_frames)",
                         "4");
    tn_decoder_free(d);
    d = media_decoder(g_bad, (tn_decoder_config){.limits = {.max_decoded_bytes = 20000}});
    rc = tn_decoder_frames(d, 0, mp4.bytes, mp4.n, (uint32_t[]){0, 1, 2}, 3, &f, &err);
    media_assert_refused(rc, &err, TN_ELIMIT, "at most 20000 are taken", "h264.mp4");
    assert_int_equal(tn_decoder_frames(d, 0, mp4.bytes, mp4.n, (uint32_t[]){0, 1}, 2, &f, &err), 0);
    tn_frames_fini(&f);
    tn_decoder_free(d);
    free(png.bytes);
    free(mp4.bytes);
}

static void *ask_often(void *arg) {
    media_file file = media_read(arg);
    for (int i = 0; i < 25; i++) {
        tn_frames f;
        tn_error err = {0};
        tn_media_info info;
        if (tn_decoder_inspect(g_decoder, 0, file.bytes, file.n, &info, &err) ||
            tn_decoder_frames(g_decoder, 0, file.bytes, file.n, &(uint32_t){0}, 1, &f, &err) ||
            f.width != info.width) {
            printf("# %s: %s\n", (char *)arg, err.text);
            return arg;
        }
        tn_frames_fini(&f);
        if (i % 10 == 3 && (ask("abort", &f, &err) != TN_EFORMAT)) return arg;
    }
    free(file.bytes);
    return NULL;
}

static void threads_may_share_it(void **state) {
    (void)state;
    static char names[4][16] = {"rgb.png", "orient3.jpg", "h264.mp4", "vp9.webm"};
    pthread_t threads[4];
    for (int i = 0; i < 4; i++) assert_int_equal(pthread_create(&threads[i], NULL, ask_often, names[i]), 0);
    for (int i = 0; i < 4; i++) {
        void *failed;
        pthread_join(threads[i], &failed);
        if (failed) fail_msg("%s", (char *)failed);
    }
}

static void what_is_missing_is_said(void **state) {
    (void)state;
    tn_decoder *d;
    tn_media_info info;
    tn_error err = {0};
    assert_int_equal(tn_decoder_new(NULL, &(tn_decoder_config){.program = "/nowhere/tenon"}, &d, &err), 0);
    int rc = tn_decoder_inspect(d, 0, "x", 1, &info, &err);
    media_assert_refused(rc, &err, TN_EIO, "cannot be started (/nowhere/tenon)", "/nowhere/tenon");
    tn_decoder_free(d);
    assert_int_equal(tn_decoder_new(NULL, &(tn_decoder_config){.program = "/bin/false"}, &d, &err), 0);
    rc = tn_decoder_inspect(d, 0, "x", 1, &info, &err);
    media_assert_refused(rc, &err, TN_EIO, "does not start: it ended", "/bin/false");
    tn_decoder_free(d);
    assert_int_equal(tn_decoder_new(NULL, &(tn_decoder_config){.n_helper = 1000}, &d, &err), TN_EINVAL);
#ifdef TN_PREOPENED_MODULES
    printf("# that no module reads media cannot happen here\n");
#else
    assert_int_equal(tn_decoder_new(NULL, NULL, &d, &err), 0);
    rc = tn_decoder_inspect(d, 0, "x", 1, &info, &err);
    media_assert_refused(rc, &err, TN_ENOTSUP, "nothing here reads media", "no modules");
    tn_decoder_free(d);
#endif
}

int main(void) {
    const char *build = getenv("TN_BUILDDIR");
    unit_filter();
    cmocka_set_message_output(CM_OUTPUT_TAP);
    snprintf(g_bad, sizeof g_bad, "%s/tests/media/.libs/bad_modality.so", build ? build : ".");
    tn_decoder_config config = {
        .limits = {.timeout_s = 120, .memory = 128 << 20, .max_decoded_bytes = 32 << 20}};
    g_decoder = media_decoder(g_bad, config);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_crash_is_the_files_fault), cmocka_unit_test(a_hang_ends_at_the_limit),
        cmocka_unit_test(memory_is_limited),          cmocka_unit_test(one_that_died_idle_is_replaced),
        cmocka_unit_test(what_it_says_is_checked),    cmocka_unit_test(limits_are_kept),
        cmocka_unit_test(threads_may_share_it),       cmocka_unit_test(what_is_missing_is_said),
    };
    int rc = cmocka_run_group_tests(tests, NULL, NULL);
    tn_decoder_free(g_decoder);
    return rc;
}
