/* SPDX-License-Identifier: Apache-2.0 */
/* Recordings written down: the recorded greedy run as text, windows of a long recording, rules of times, and
 * what is refused. */
#include "golden/fixture.h"
#include "sched/speech.h"
#include "unit/sound_fixtures.h"

static const fixture whisper = {"models/whisper", NULL, NULL, false};

typedef struct bench {
    run run;
    reference ref;
    tn_speech *speech;
} bench;

static bench bench_open(void) {
    tn_error err = {0};
    const setting s = {.device = "cpu", .compute = TN_COMPUTE_F32, .n_ctx = 448, .max_seqs = 1};
    bench b = {.run = run_open(&whisper, &s), .ref = reference_open(&whisper)};
    if (tn_speech_new(b.run.model, &b.speech, &err)) fail_msg("%s", err.text);
    return b;
}
static void bench_close(bench *b) {
    tn_speech_free(b->speech);
    reference_close(&b->ref);
    run_close(&b->run);
}

static tn_transcript written(const bench *b, tn_sound *s, const tn_speech_options *o) {
    tn_error err = {0};
    tn_transcript t;
    if (tn_speech_transcribe(b->speech, s, o, NULL, NULL, &t, &err)) fail_msg("%s", err.text);
    return t;
}

/* Ids from 545 on are times, which are no text. */
static void test_recorded(void **state) {
    (void)state;
    bench b = bench_open();
    for (int i = 0; i < 2; i++) {
        const tn_speech_options o = {.language = "en"};
        tn_sound s = unit_sound(i);
        tn_error err = {0};
        tn_buf want;
        int32_t ids[64];
        size_t n = 0, k;
        json_t *id, *audio = json_array_get(json_object_get(b.ref.json, "audio"), (size_t)i);
        json_t *tokens = json_object_get(json_object_get(audio, "greedy_with_begin_suppress"), "tokens");
        assert_int_equal(json_array_size(tokens), 32);
        json_array_foreach(tokens, k, id) if (json_integer_value(id) < 545) ids[n++] =
            (int32_t)json_integer_value(id);
        tn_buf_init(&want, 4096);
        assert_int_equal(
            tn_tokenizer_decode(b.run.model->tokenizer, ids, n, TN_DECODE_SKIP_SPECIAL, &want, &err), 0);
        tn_transcript t = written(&b, &s, &o);
        assert_int_equal(t.n_segment, 1);
        assert_true(t.segments[0].start == 0 && t.segments[0].end == t.duration);
        assert_string_equal(t.language, "en");
        if (t.segments[0].len < want.len ||
            (want.len && memcmp(t.segments[0].text, want.data, want.len) != 0))
            fail_msg("\"%s\" does not begin with \"%.*s\"", t.segments[0].text, (int)want.len, want.data);
        tn_buf_free(&want);
        tn_transcript_fini(&t);
        tn_sound_fini(&s);
    }
    bench_close(&b);
}

/* 3 s of sound 23 times over: windows of 30 s; the same twice, and at another rate of samples. */
static void test_long(void **state) {
    (void)state;
    const tn_speech_options o = {.language = "en"};
    bench b = bench_open();
    tn_sound one = unit_sound(0), s = {.rate = 16000, .n = 23 * one.n};
    s.samples = calloc(s.n, sizeof(float));
    for (int i = 0; i < 23; i++) memcpy(s.samples + (size_t)i * one.n, one.samples, one.n * sizeof(float));
    tn_transcript first = written(&b, &s, &o), again = written(&b, &s, &o);
    assert_int_equal(first.n_segment, 3);
    assert_true(first.duration == 69);
    for (int i = 0; i < 3; i++) {
        assert_true(first.segments[i].start == 30 * i);
        assert_true(first.segments[i].end == (i < 2 ? 30 * (i + 1) : 69));
        assert_string_equal(first.segments[i].text, again.segments[i].text);
    }
    assert_string_equal(first.segments[0].text, first.segments[1].text); /* 30 s are 10 whole ones */
    tn_transcript_fini(&first);
    tn_transcript_fini(&again);
    tn_sound_fini(&one);
    tn_sound_fini(&s);
    bench_close(&b);
}

/* With times segments do not go back and lie in the recording. */
static void test_times(void **state) {
    (void)state;
    bench b = bench_open();
    for (int i = 0; i < 2; i++) {
        const tn_speech_options o = {.timestamps = true};
        tn_sound s = unit_sound(i);
        tn_transcript t = written(&b, &s, &o);
        double last = 0;
        assert_true(t.n_segment > 0);
        assert_true(strlen(t.language) == 2);
        for (size_t k = 0; k < t.n_segment; k++) {
            assert_true(t.segments[k].start >= last && t.segments[k].end >= t.segments[k].start);
            assert_true(t.segments[k].end <= t.duration);
            last = t.segments[k].end;
        }
        tn_transcript_fini(&t);
        tn_sound_fini(&s);
    }
    bench_close(&b);
}

static bool never(void *ctx, double done, double all) {
    *(int *)ctx += done > 0 && done <= all;
    return false;
}

static void test_refused(void **state) {
    (void)state;
    bench b = bench_open();
    tn_error err = {0};
    tn_transcript t;
    tn_sound s = unit_sound(0), none = {.rate = 16000};
    int calls = 0;
    assert_int_equal(
        tn_speech_transcribe(b.speech, &s, &(tn_speech_options){.language = "xx"}, NULL, NULL, &t, &err),
        TN_EINVAL);
    assert_non_null(strstr(err.text, "it knows en zh de"));
    assert_int_equal(tn_speech_transcribe(b.speech, &none, &(tn_speech_options){0}, NULL, NULL, &t, &err),
                     TN_EINVAL);
    assert_int_equal(tn_speech_transcribe(b.speech, &s, &(tn_speech_options){0}, never, &calls, &t, &err),
                     TN_ECANCELED);
    assert_int_equal(calls, 1);
    assert_null(t.segments);
    tn_sound_fini(&s);
    bench_close(&b);
    const fixture chat = {"models/qwen2_audio", NULL, NULL, false};
    const setting set = {.device = "cpu", .compute = TN_COMPUTE_F32, .max_seqs = 1};
    run other = run_open(&chat, &set);
    tn_speech *speech;
    assert_int_equal(tn_speech_new(other.model, &speech, &err), TN_ENOTSUP);
    run_close(&other);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_recorded), cmocka_unit_test(test_long),
                                       cmocka_unit_test(test_times), cmocka_unit_test(test_refused)};
    return unit_main(tests);
}
