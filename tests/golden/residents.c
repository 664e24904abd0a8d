/* SPDX-License-Identifier: Apache-2.0 */
/* Models that come and go while the engine thread runs, what they take in memory, and a step that hangs. */
#include "golden/fixture.h"

#include <stdatomic.h>
#include <time.h>

#include "sched/runner.h"

static const fixture qwen = {.path = "models/qwen3"}, llama = {.path = "models/llama3"},
                     gemma = {.path = "models/gemma3"};
static const setting plain = {
    .device = "cpu", .compute = TN_COMPUTE_AUTO, .n_thread = 1, .max_seqs = 4, .step_tokens = 64};
static const int32_t prompt[] = {1, 2, 3, 4, 5};

static void pause_ms(int ms) {
    struct timespec t = {.tv_nsec = ms * 1000000L};
    nanosleep(&t, NULL);
}

static void notify(void *ctx) {
    (void)ctx;
}

static tn_runner *start_runner(tn_budget *budget) {
    tn_runner *r = NULL;
    tn_error err = {0};
    tn_runner_config c = {.budget = budget, .notify = notify};
    if (tn_runner_new(&c, &r, &err) != 0) fail_msg("%s", err.text);
    return r;
}

static tn_lane *attach(tn_runner *r, const run *m) {
    tn_lane *l = NULL;
    tn_error err = {0};
    if (tn_runner_attach(r, m->model, NULL, &l, &err) != 0) fail_msg("%s", err.text);
    return l;
}

static tn_job *submit(tn_runner *r, tn_lane *l, uint32_t n) {
    tn_job *j = NULL;
    tn_error err = {0};
    tn_job_config c = {.lane = l,
                       .prompt = prompt,
                       .n_prompt = 5,
                       .max_new = n,
                       .ignore_end = true,
                       .sampling = {.temperature = 1, .seed = 7}};
    if (tn_runner_submit(r, &c, &j, &err) != 0) fail_msg("%s", err.text);
    return j;
}

static tn_job_state wait_for(const tn_job *j) {
    for (int i = 0; i < 60000 && !tn_job_is_final(tn_job_get_state(j)); i++) pause_ms(1);
    return tn_job_get_state(j);
}

static void same_tokens(const tn_job *a, const tn_job *b) {
    uint32_t n = tn_job_n_tokens(a);
    assert_int_equal(n, tn_job_n_tokens(b));
    for (uint32_t i = 0; i < n; i++) assert_int_equal(tn_job_token(a, i), tn_job_token(b, i));
}

static void models_come_and_go_while_others_run(void **state) {
    (void)state;
    run a = run_open(&qwen, &plain), b = run_open(&llama, &plain);
    tn_runner *r = start_runner(NULL);
    tn_lane *la = attach(r, &a), *lb = attach(r, &b);
    tn_job *alone_a = submit(r, la, 400), *alone_b;
    assert_int_equal(wait_for(alone_a), TN_JOB_LENGTH);
    assert_int_equal(wait_for(alone_b = submit(r, lb, 30)), TN_JOB_LENGTH);
    tn_runner_detach(r, lb);
    tn_job *long_one = submit(r, la, 400);
    for (int i = 0; i < 5; i++) {
        lb = attach(r, &b);
        tn_job *j = submit(r, lb, 30);
        assert_int_equal(wait_for(j), TN_JOB_LENGTH);
        same_tokens(j, alone_b);
        tn_job_release(j);
        tn_runner_detach(r, lb);
    }
    assert_int_equal(wait_for(long_one), TN_JOB_LENGTH);
    same_tokens(long_one, alone_a);
    tn_job_release(alone_a);
    tn_job_release(alone_b);
    tn_job_release(long_one);
    tn_runner_free(r); /* with one attached */
    run_close(&a);
    run_close(&b);
}

/* Nobody uses the model any more when detaching returns: it is freed at once. */
static void detaching_ends_what_runs_and_what_waits(void **state) {
    tn_job *jobs[8];
    (void)state;
    run a = run_open(&qwen, &plain), b = run_open(&llama, &plain);
    tn_runner *r = start_runner(NULL);
    tn_lane *la = attach(r, &a), *lb = attach(r, &b);
    tn_job *other = submit(r, la, 300);
    for (int i = 0; i < 8; i++) jobs[i] = submit(r, lb, 500);
    while (tn_job_n_tokens(jobs[0]) == 0) pause_ms(1);
    tn_runner_detach(r, lb);
    run_close(&b);
    for (int i = 0; i < 8; i++) {
        assert_int_equal(tn_job_get_state(jobs[i]), TN_JOB_CANCELLED);
        assert_true(tn_job_n_tokens(jobs[i]) < 500);
        tn_job_release(jobs[i]);
    }
    assert_int_equal(wait_for(other), TN_JOB_LENGTH);
    assert_int_equal(tn_job_n_tokens(other), 300);
    assert_int_equal(tn_runner_n_jobs(r), 0);
    tn_job_release(other);
    tn_runner_free(r);
    run_close(&a);
}

/* ---- A device that hangs ---- */

static const tn_device_class *real;
static atomic_bool hang, is_hanging;

static int hanging_step(tn_exec *x, const tn_step *s, tn_error *err) {
    while (atomic_load(&hang)) {
        atomic_store(&is_hanging, true);
        pause_ms(1);
    }
    return real->step(x, s, err);
}

static void a_step_that_hangs_is_seen(void **state) {
    (void)state;
    run a = run_open(&qwen, &plain);
    tn_device_class slow = *(real = a.model->exec->cls);
    slow.step = hanging_step;
    a.model->exec->cls = &slow;
    tn_runner *r = start_runner(NULL);
    tn_lane *l = attach(r, &a);
    assert_true(tn_runner_stalled(r, 0.05) == 0);
    atomic_store(&hang, true);
    tn_job *j = submit(r, l, 10);
    while (!atomic_load(&is_hanging)) pause_ms(1);
    assert_true(tn_runner_stalled(r, 3600) == 0); /* not for so long */
    for (int i = 0; i < 60000 && tn_runner_stalled(r, 0.05) == 0; i++) pause_ms(1);
    assert_true(tn_runner_stalled(r, 0.05) > 0.05);
    assert_true(tn_runner_stalled(r, 0) == 0); /* nobody asked for it */
    atomic_store(&hang, false);
    assert_int_equal(wait_for(j), TN_JOB_LENGTH);
    assert_true(tn_runner_stalled(r, 0.05) == 0);
    tn_job_release(j);
    tn_runner_free(r);
    run_close(&a);
}

/* ---- Memory ---- */

/* Opens f, takes what it needs from b, lowers. The program's registry is in ret. */
static void load_from(const fixture *f, tn_budget *b, run *ret) {
    char path[8192];
    tn_error err = {0};
    snprintf(path, sizeof path, "%s/%s", unit_vectors(), f->path);
    if (access(path, R_OK) != 0) unit_skip("%s is not among the vectors", f->path);
    tn_model_config c = {.path = path, .device = "cpu", .n_ctx = 256, .max_seqs = 2, .kv_bytes = b->limit};
    int rc = tn_registry_new(NULL, &ret->registry, &err);
    if (!rc) rc = tn_model_open(ret->registry, &c, &ret->model, &err);
    if (rc) fail_msg("%s", err.text);
    assert_int_equal(tn_budget_used(b), 0); /* nothing is held yet, and nothing is lowered */
    assert_null(ret->model->exec);
    tn_model_need need = ret->model->need;
    assert_int_equal(need.fixed, need.file + need.weights + need.activations);
    assert_int_equal(need.file, tn_checkpoint_bytes(ret->model->checkpoint));
    assert_int_equal(need.kv_sequence, need.kv_token * 256);
    assert_true(need.file > 0 && need.activations > 0 && need.kv_token > 0);
    if (tn_model_take(ret->model, b, &err) != 0) fail_msg("%s", err.text);
    assert_int_equal(tn_budget_used(b), need.fixed);
    if (tn_model_lower(ret->model, NULL, NULL, &err) != 0) fail_msg("%s", err.text);
    assert_memory_equal(&need, &ret->model->need, sizeof need);
}

static void what_was_estimated_is_what_is_held(void **state) {
    const fixture *all[] = {&qwen, &llama, &gemma};
    (void)state;
    tn_loader_set_preopened();
    for (int i = 0; i < 3; i++) {
        tn_budget b = {.limit = 1 << 30};
        run m = {0};
        load_from(all[i], &b, &m);
        tn_runner *r = start_runner(&b);
        uint64_t fixed = m.model->need.fixed, most = 0;
        tn_lane *l = attach(r, &m);
        tn_job *j = submit(r, l, 200);
        while (!tn_job_is_final(tn_job_get_state(j))) {
            uint64_t used = tn_budget_used(&b);
            if (used > most) most = used;
        }
        assert_int_equal(tn_job_get_state(j), TN_JOB_LENGTH);
        assert_true(most >= fixed && most <= fixed + m.model->need.kv_sequence);
        tn_runner_shrink(r, UINT64_MAX);
        assert_int_equal(tn_budget_used(&b), fixed); /* no sequence, no pages */
        tn_job_release(j);
        tn_runner_detach(r, l);
        tn_runner_free(r);
        run_close(&m);
        assert_int_equal(tn_budget_used(&b), 0);
    }
}

/* A context that nobody asked for shrinks to what fits, one that somebody did is refused, with the numbers.
 */
static void contexts_shrink_or_are_refused(void **state) {
    char path[4096];
    tn_error err = {0};
    run m = {0};
    (void)state;
    snprintf(path, sizeof path, "%s/models/starter/starter.gguf",
             getenv("TN_SRCDIR") ? getenv("TN_SRCDIR") : ".");
    tn_model_config c = {.path = path, .device = "cpu", .max_seqs = 2};
    tn_loader_set_preopened();
    assert_int_equal(tn_registry_new(NULL, &m.registry, &err), 0);
    if (tn_model_open(m.registry, &c, &m.model, &err) != 0) fail_msg("%s", err.text);
    assert_int_equal(m.model->n_ctx, 2048);
    tn_model_need all = m.model->need;
    tn_model_room room = {.limit = all.fixed + all.kv_sequence + 1000, .others = 1000};
    assert_int_equal(tn_model_fit(m.model, &room, false, &err), 0);
    room.others += TN_PAGE_TOKENS * all.kv_token;
    assert_int_equal(tn_model_fit(m.model, &room, false, &err), TN_ENOMEM);
    assert_int_equal(m.model->n_ctx, 2048);
    assert_int_equal(tn_model_fit(m.model, &room, true, &err), 0);
    assert_in_range(m.model->n_ctx, 2048 - 4 * TN_PAGE_TOKENS, 2048 - TN_PAGE_TOKENS);
    assert_true(m.model->need.fixed + m.model->need.kv_sequence <= room.limit - room.others);
    room.kv_sequence = room.limit; /* another model needs that much for one sequence */
    assert_int_equal(tn_model_fit(m.model, &room, true, &err), TN_ENOMEM);
    tn_model_free(m.model);

    c.n_ctx = 2048;
    room = (tn_model_room){.limit = all.fixed + all.kv_sequence - 1, .others = 0};
    if (tn_model_open(m.registry, &c, &m.model, &err) != 0) fail_msg("%s", err.text);
    assert_int_equal(tn_model_fit(m.model, &room, true, &err), TN_ENOMEM);
    static const char *const says[] = {"6.93 MiB as mapped files",
                                       "of repacked weights",
                                       "of activations",
                                       "KV for one sequence of 2048 tokens",
                                       "a token); the limit is",
                                       "other models hold 0 bytes",
                                       "kv_type",
                                       "limits.memory"};
    for (size_t i = 0; i < sizeof says / sizeof *says; i++)
        if (!strstr(err.text, says[i])) fail_msg("\"%s\" is not in: %s", says[i], err.text);
    assert_int_equal(m.model->n_ctx, 2048);
    room.limit++;
    assert_int_equal(tn_model_fit(m.model, &room, true, &err), 0);
    tn_budget small = {.limit = all.fixed - 1};
    assert_int_equal(tn_model_take(m.model, &small, &err), TN_ENOMEM);
    run_close(&m);
    assert_int_equal(tn_budget_used(&small), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(models_come_and_go_while_others_run),
        cmocka_unit_test(detaching_ends_what_runs_and_what_waits),
        cmocka_unit_test(a_step_that_hangs_is_seen),
        cmocka_unit_test(what_was_estimated_is_what_is_held),
        cmocka_unit_test(contexts_shrink_or_are_refused),
    };
    return unit_main(tests);
}
