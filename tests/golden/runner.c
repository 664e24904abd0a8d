/* SPDX-License-Identifier: Apache-2.0 */
/* The engine thread: answers in company equal solo runs, cancelled and released jobs vanish, nobody waits for
 * a reader. */
#include "golden/fixture.h"

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "sched/runner.h"

static const fixture model = {.path = "models/qwen3"};

static atomic_uint n_notified;
static atomic_bool hold; /* the engine waits in notify */

static void pause_ms(int ms) {
    struct timespec t = {.tv_nsec = ms * 1000000L};
    nanosleep(&t, NULL);
}

static void notify(void *ctx) {
    (void)ctx;
    atomic_fetch_add(&n_notified, 1);
    while (atomic_load(&hold)) pause_ms(1);
}

typedef struct world {
    run r;
    tn_runner *runner;
    tn_lane *lane;
} world;

static world open_world(uint32_t max_seqs, uint32_t queue_length) {
    setting s = {
        .device = "cpu", .compute = TN_COMPUTE_AUTO, .n_thread = 2, .max_seqs = max_seqs, .step_tokens = 64};
    world w = {.r = run_open(&model, &s)};
    tn_error err = {0};
    tn_runner_config c = {.queue_length = queue_length, .notify = notify};
    int rc = tn_runner_new(&c, &w.runner, &err);
    if (!rc) rc = tn_runner_attach(w.runner, w.r.model, NULL, &w.lane, &err);
    if (rc) fail_msg("%s", err.text);
    return w;
}

static int submit(const world *w, tn_job_config *c, tn_job **ret, tn_error *err) {
    c->lane = w->lane;
    return tn_runner_submit(w->runner, c, ret, err);
}

static void close_world(world *w) {
    tn_runner_free(w->runner);
    run_close(&w->r);
}

static tn_job_state wait_for(const tn_job *j) {
    for (int i = 0; i < 30000 && !tn_job_is_final(tn_job_get_state(j)); i++) pause_ms(1);
    return tn_job_get_state(j);
}

/* Settings that differ in every field from job to job. */
static tn_job_config config_of(int i, int32_t *prompt, const tn_logit_bias *bias) {
    uint32_t n = 3 + (uint32_t)(i * 13 % 70);
    for (uint32_t k = 0; k < n; k++) prompt[k] = (int32_t)((i * 31 + k * 7) % 500);
    return (tn_job_config){.prompt = prompt,
                           .n_prompt = n,
                           .max_new = 10 + (uint32_t)i % 30,
                           .ignore_end = true,
                           .sampling = {.temperature = (float)(i % 4) * 0.5f,
                                        .top_k = (uint32_t)(i % 3) * 20,
                                        .top_p = i % 2 ? 0.8f : 0,
                                        .min_p = i % 5 ? 0 : 0.05f,
                                        .seed = (uint64_t)i,
                                        .repetition_penalty = i % 7 ? 1 : 1.3f,
                                        .presence_penalty = (float)(i % 3),
                                        .bias = bias,
                                        .n_bias = i % 2,
                                        .logprobs = i % 3 == 0,
                                        .n_top_logprobs = i % 6 ? 0 : 4}};
}

static const tn_logit_bias bias[] = {{7, 5}};

static void answers_in_company_equal_solo_runs(void **state) {
    enum { N = 24 };
    int32_t prompt[100], alone[N][64];
    uint32_t n_alone[N];
    float logprob[N];
    tn_error err = {0};
    (void)state;
    world w = open_world(8, 0);
    for (int pass = 0; pass < 2; pass++) {
        tn_job *jobs[N];
        for (int i = 0; i < N; i++) {
            tn_job_config c = config_of(i, prompt, bias);
            if (submit(&w, &c, &jobs[i], &err) != 0) fail_msg("%s", err.text);
            if (pass == 0) assert_int_equal(wait_for(jobs[i]), TN_JOB_LENGTH);
        }
        for (int i = 0; i < N; i++) {
            tn_token t = {0};
            assert_int_equal(wait_for(jobs[i]), TN_JOB_LENGTH);
            uint32_t n = tn_job_n_tokens(jobs[i]);
            assert_int_equal(n, 10 + i % 30);
            if (i % 3 == 0) tn_job_logprobs(jobs[i], 5, &t);
            if (i % 6 == 0) assert_int_equal(t.n_top, 4);
            for (uint32_t k = 0; k < n; k++) {
                if (pass == 0) alone[i][k] = tn_job_token(jobs[i], k);
                assert_int_equal(tn_job_token(jobs[i], k), alone[i][k]);
            }
            if (pass == 0) logprob[i] = t.logprob, n_alone[i] = n;
            assert_int_equal(n, n_alone[i]);
            assert_true(logprob[i] == t.logprob);
            tn_job_release(jobs[i]);
        }
    }
    assert_int_equal(tn_runner_n_jobs(w.runner), 0);
    close_world(&w);
}

static void cancelled_jobs_end_within_a_step(void **state) {
    int32_t prompt[100];
    tn_error err = {0};
    tn_job *j, *other;
    (void)state;
    world w = open_world(2, 0);
    for (int i = 0; i < 20; i++) {
        tn_job_config c = config_of(1, prompt, bias);
        c.max_new = 100000;
        assert_int_equal(submit(&w, &c, &j, &err), 0);
        c.max_new = 5;
        assert_int_equal(submit(&w, &c, &other, &err), 0);
        while (i % 2 && tn_job_n_tokens(j) < 3) pause_ms(1);
        tn_job_cancel(j);
        assert_int_equal(wait_for(j), TN_JOB_CANCELLED);
        assert_true(tn_job_n_tokens(j) < 480);
        assert_int_equal(wait_for(other), TN_JOB_LENGTH);
        assert_int_equal(tn_job_n_tokens(other), 5);
        tn_job_release(other);
        tn_job_release(j);
    }
    close_world(&w);
}

static void released_jobs_and_a_closed_runner_leak_nothing(void **state) {
    int32_t prompt[100];
    tn_error err = {0};
    tn_job *j[30];
    (void)state;
    world w = open_world(2, 0);
    for (int i = 0; i < 30; i++) {
        tn_job_config c = config_of(i, prompt, bias);
        c.max_new = 400;
        assert_int_equal(submit(&w, &c, &j[i], &err), 0);
        if (i % 2) tn_job_release(j[i]);
    }
    tn_runner_free(w.runner);
    for (int i = 0; i < 30; i += 2) {
        assert_true(tn_job_is_final(tn_job_get_state(j[i])));
        tn_job_release(j[i]);
    }
    run_close(&w.r);
}

static void bad_jobs_are_refused(void **state) {
    int32_t prompt[600] = {0}, outside[] = {1, 70000};
    tn_logit_bias far[] = {{99999, 1}};
    tn_error err = {0};
    tn_job *j;
    (void)state;
    world w = open_world(1, 4);
    tn_job_config too_long = {.prompt = prompt, .n_prompt = 600}, bad = {.prompt = outside, .n_prompt = 2};
    tn_job_config biased = {.prompt = prompt, .n_prompt = 3, .sampling = {.bias = far, .n_bias = 1}};
    assert_int_equal(submit(&w, &too_long, &j, &err), TN_ELIMIT);
    assert_non_null(strstr(err.text, "600"));
    assert_int_equal(submit(&w, &bad, &j, &err), TN_EINVAL);
    assert_int_equal(submit(&w, &biased, &j, &err), TN_EINVAL);
    assert_int_equal(tn_runner_n_jobs(w.runner), 0);
    close_world(&w);
}

/* Two sequences and a queue of four hold six jobs, whether or not the engine has come around to them. */
static void a_full_queue_refuses(void **state) {
    int32_t prompt[] = {1, 2, 3};
    tn_job_config c = {.prompt = prompt, .n_prompt = 3, .max_new = 400, .ignore_end = true};
    tn_error err = {0};
    tn_job *j[7];
    (void)state;
    world w = open_world(2, 4);
    atomic_store(&hold, true);
    for (int i = 0; i < 6; i++) assert_int_equal(submit(&w, &c, &j[i], &err), 0);
    assert_int_equal(submit(&w, &c, &j[6], &err), TN_ECANCELED);
    assert_non_null(strstr(err.text, "4 requests are waiting already, the limit is 4"));
    for (int i = 0; i < 100 && tn_job_get_state(j[0]) == TN_JOB_WAITING; i++) pause_ms(20);
    assert_int_equal(tn_job_get_state(j[0]), TN_JOB_RUNNING);
    assert_int_equal(tn_job_get_state(j[5]), TN_JOB_WAITING);
    tn_job_cancel(j[0]);
    tn_job_cancel(j[5]);
    atomic_store(&hold, false);
    assert_int_equal(wait_for(j[0]), TN_JOB_CANCELLED);
    assert_int_equal(wait_for(j[5]), TN_JOB_CANCELLED);
    assert_int_equal(submit(&w, &c, &j[6], &err), 0);
    for (int i = 0; i < 7; i++) tn_job_release(j[i]);
    close_world(&w);
}

/* News are about every job that has an owner, until nothing more happens to it, and about no other. */
static void news_name_the_owners(void **state) {
    int32_t prompt[] = {1, 2, 3};
    int owners[3], seen[3] = {0};
    tn_error err = {0};
    tn_job *j[4];
    (void)state;
    world w = open_world(2, 0);
    for (int i = 0; i < 4; i++) {
        tn_job_config c = {.prompt = prompt, .n_prompt = 3, .max_new = 20, .ignore_end = true};
        c.owner = i < 3 ? &owners[i] : NULL;
        assert_int_equal(submit(&w, &c, &j[i], &err), 0);
    }
    tn_job_release(j[2]);
    for (int wait = 0, over = 0; over != 3 && wait < 10000; wait++) {
        for (int *at; (at = tn_runner_next_news(w.runner));) {
            seen[at - owners]++;
            for (int i = 0; i < 2; i++) over |= tn_job_is_final(tn_job_get_state(j[i])) << i;
        }
        pause_ms(1);
    }
    for (int i = 0; i < 2; i++) {
        assert_true(seen[i] > 0);
        assert_int_equal(tn_job_n_tokens(j[i]), 20);
    }
    assert_int_equal(seen[2], 0);
    assert_int_equal(wait_for(j[3]), TN_JOB_LENGTH);
    tn_job_release(j[0]);
    tn_job_release(j[1]);
    tn_job_release(j[3]);
    close_world(&w);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_in_company_equal_solo_runs),
        cmocka_unit_test(cancelled_jobs_end_within_a_step),
        cmocka_unit_test(released_jobs_and_a_closed_runner_leak_nothing),
        cmocka_unit_test(bad_jobs_are_refused),
        cmocka_unit_test(a_full_queue_refuses),
        cmocka_unit_test(news_name_the_owners),
    };
    return unit_main(tests);
}
