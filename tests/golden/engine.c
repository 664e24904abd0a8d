/* SPDX-License-Identifier: Apache-2.0 */
/* The engine's bookkeeping on a small model: who waits, who ends and why, and that every page comes back. */
#include "golden/fixture.h"

static const fixture model = {.path = "models/llama3"};

typedef struct recorder {
    int32_t ids[600];
    size_t n, stop_after;
} recorder;

static bool on_token(void *ctx, const tn_token *token) {
    recorder *r = ctx;
    r->ids[r->n++] = token->id;
    return r->n != r->stop_after;
}

static const int32_t prompt[] = {5, 6, 7, 8, 9};

static tn_seq_config generating(recorder *r, uint32_t max_new) {
    return (tn_seq_config){.prompt = prompt,
                           .n_prompt = 5,
                           .max_new = max_new,
                           .ignore_end = true,
                           .ctx = r,
                           .on_token = on_token};
}

static tn_engine *engine_of(const run *r) {
    tn_engine *e;
    tn_error err = {0};
    assert_int_equal(tn_engine_new(r->model, NULL, &e, &err), 0);
    return e;
}

static void more_sequences_than_slots_all_finish(void **state) {
    (void)state;
    setting s = {.device = "cpu", .compute = TN_COMPUTE_F32, .n_thread = 1, .max_seqs = 2, .step_tokens = 16};
    run r = run_open(&model, &s);
    tn_engine *e = engine_of(&r);
    recorder rec[7] = {0};
    tn_error err = {0};
    for (int i = 0; i < 7; i++) {
        tn_seq_config c = generating(&rec[i], 10);
        assert_int_equal(tn_engine_add(e, &c, NULL, &err), 0);
    }
    assert_int_equal(tn_engine_run(e, &err), 0);
    for (int i = 0; i < 7; i++) {
        assert_int_equal(rec[i].n, 10);
        assert_memory_equal(rec[i].ids, rec[0].ids, 10 * sizeof *rec[i].ids);
    }
    tn_engine_free(e);
    run_close(&r);
}

static void a_sequence_may_leave_at_any_time(void **state) {
    (void)state;
    setting s = {.device = "cpu", .compute = TN_COMPUTE_F32, .n_thread = 1, .max_seqs = 2, .step_tokens = 16};
    run r = run_open(&model, &s);
    tn_engine *e = engine_of(&r);
    recorder keeps = {0}, leaves = {0}, alone = {0};
    tn_error err = {0};
    tn_seq *gone;
    bool busy;
    tn_seq_config a = generating(&keeps, 30), b = generating(&leaves, 30), c = generating(&alone, 30);
    for (int round = 0; round < 50; round++) { /* leaked pages would run out */
        keeps.n = 0;
        assert_int_equal(tn_engine_add(e, &a, NULL, &err), 0);
        assert_int_equal(tn_engine_add(e, &b, &gone, &err), 0);
        for (int i = 0; i < round % 7; i++) assert_int_equal(tn_engine_step(e, &busy, &err), 0);
        leaves.n = 0;
        tn_engine_remove(e, gone);
        assert_int_equal(tn_engine_run(e, &err), 0);
        assert_int_equal(keeps.n, 30);
    }
    assert_int_equal(tn_engine_add(e, &c, NULL, &err), 0);
    assert_int_equal(tn_engine_run(e, &err), 0);
    assert_memory_equal(alone.ids, keeps.ids, 30 * sizeof *keeps.ids);
    tn_engine_free(e);
    run_close(&r);
}

static void it_says_why_it_ended(void **state) {
    (void)state;
    setting s = {.device = "cpu", .compute = TN_COMPUTE_F32, .n_thread = 1};
    run r = run_open(&model, &s);
    tn_engine *e = engine_of(&r);
    recorder full = {0}, stopped = {.stop_after = 3};
    tn_error err = {0};
    tn_seq *seq;
    tn_seq_config to_the_brim = generating(&full, 100000), stops = generating(&stopped, 50);
    assert_int_equal(tn_engine_add(e, &to_the_brim, &seq, &err), 0);
    assert_int_equal(tn_engine_run(e, &err), 0);
    assert_int_equal(tn_seq_finish(seq), TN_FINISH_LENGTH);
    assert_int_equal(full.n, r.model->n_ctx - 5);
    tn_engine_remove(e, seq);
    assert_int_equal(tn_engine_add(e, &stops, &seq, &err), 0);
    assert_int_equal(tn_engine_run(e, &err), 0);
    assert_int_equal(tn_seq_finish(seq), TN_FINISH_STOP);
    assert_int_equal(stopped.n, 3);
    assert_memory_equal(stopped.ids, full.ids, 3 * sizeof *full.ids);
    tn_engine_free(e);
    run_close(&r);
}

/* One id is all but forced: the answer is a loop, which ends it when it is watched for and not otherwise. */
static void an_answer_that_loops_ends(void **state) {
    (void)state;
    setting s = {.device = "cpu", .compute = TN_COMPUTE_F32, .n_thread = 1};
    run r = run_open(&model, &s);
    tn_engine *e = engine_of(&r);
    tn_error err = {0};
    tn_logit_bias bias = {.id = 17, .bias = 100};
    for (int watched = 0; watched < 2; watched++) {
        recorder rec = {0};
        tn_seq *seq;
        tn_seq_config c = generating(&rec, 60);
        c.sampling.bias = &bias;
        c.sampling.n_bias = 1;
        if (watched)
            c.sampling.repetition = (tn_repeat_params){.max_pattern = 4, .min_count = 5, .min_tokens = 10};
        assert_int_equal(tn_engine_add(e, &c, &seq, &err), 0);
        assert_int_equal(tn_engine_run(e, &err), 0);
        assert_int_equal(tn_seq_finish(seq), watched ? TN_FINISH_REPETITION : TN_FINISH_LENGTH);
        assert_int_equal(rec.n, watched ? 10 : 60);
        tn_engine_remove(e, seq);
    }
    tn_engine_free(e);
    run_close(&r);
}

static void what_cannot_run_is_refused_with_numbers(void **state) {
    (void)state;
    setting s = {.device = "cpu", .compute = TN_COMPUTE_F32, .n_thread = 1};
    run r = run_open(&model, &s);
    tn_engine *e = engine_of(&r);
    tn_error err = {0};
    bool busy = true;
    int32_t ids[513] = {0}, bad[] = {1, -1};
    tn_seq_config too_long = {.prompt = ids, .n_prompt = 513}, empty = {.prompt = ids},
                  outside = {.prompt = bad, .n_prompt = 2};
    assert_int_equal(tn_engine_add(e, &too_long, NULL, &err), TN_ELIMIT);
    assert_non_null(strstr(err.text, "513"));
    assert_non_null(strstr(err.text, "512"));
    assert_int_equal(tn_engine_add(e, &empty, NULL, &err), TN_EINVAL);
    assert_int_equal(tn_engine_add(e, &outside, NULL, &err), TN_EINVAL);
    assert_non_null(strstr(err.text, "-1"));
    assert_int_equal(tn_engine_step(e, &busy, &err), 0);
    assert_false(busy);
    tn_engine_free(e);
    run_close(&r);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(more_sequences_than_slots_all_finish),
        cmocka_unit_test(a_sequence_may_leave_at_any_time),
        cmocka_unit_test(it_says_why_it_ended),
        cmocka_unit_test(an_answer_that_loops_ends),
        cmocka_unit_test(what_cannot_run_is_refused_with_numbers),
    };
    return unit_main(tests);
}
