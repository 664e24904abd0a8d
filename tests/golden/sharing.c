/* SPDX-License-Identifier: Apache-2.0 */
/* What a sequence generates is the same, tokens and log probabilities bit for bit: alone, in company of
 * sixteen with other sampling, in chunks of any size, after a partial hit, after a full one, after being
 * preempted, with any number of threads. One model with full attention, one with a window everywhere, one
 * with both; every type of keys and values against itself. Random schedules; a failure prints the seed, which
 * TN_SEED repeats. And what is computed is counted: nothing twice. */
#include "golden/company.h"

/* ---- Counted ---- */

static const fixture llama = {.path = "models/llama3"};

static uint64_t computed(tn_engine *e, const int32_t *ids, uint32_t n, uint32_t max_new) {
    tn_error err = {0};
    tn_seq *s;
    uint64_t before = tn_engine_get_stats(e).n_step_tokens;
    tn_seq_config c = {.prompt = ids, .n_prompt = n, .max_new = max_new, .ignore_end = true};
    assert_int_equal(tn_engine_add(e, &c, &s, &err), 0);
    assert_int_equal(tn_engine_run(e, &err), 0);
    assert_true(tn_seq_get_info(s).n_cached <= n);
    tn_engine_remove(e, s);
    return tn_engine_get_stats(e).n_step_tokens - before;
}

static bool keep_id(void *ctx, const tn_token *t) {
    int32_t **at = ctx;
    *(*at)++ = t->id;
    return true;
}

static void nothing_is_computed_twice(void **unused) {
    setting s = {.device = "cpu", .n_thread = 2, .max_seqs = 8, .step_tokens = 128, .n_ctx = 2048};
    run r = run_open(&llama, &s);
    tn_engine *e;
    tn_error err = {0};
    int32_t ids[2000], *end = ids + 1500;
    (void)unused;
    for (uint32_t i = 0; i < 2000; i++) ids[i] = (int32_t)company_below(r.model->program->n_vocab);
    assert_int_equal(tn_engine_new(r.model, NULL, &e, &err), 0);
    assert_int_equal(computed(e, ids, 1500, 1), 1500);
    assert_int_equal(computed(e, ids, 1500, 1), 1); /* a full hit computes the last token */
    assert_int_equal(computed(e, ids, 1481, 1), 1); /* wherever in a page it ends */
    /* A conversation computes each turn once: its own tokens, and the last one of the answer before. */
    for (uint32_t turn = 0; turn < 3; turn++) {
        tn_seq_config c = {.prompt = ids,
                           .n_prompt = (uint32_t)(end - ids),
                           .max_new = 20,
                           .ignore_end = true,
                           .ctx = &end,
                           .on_token = keep_id};
        uint64_t before = tn_engine_get_stats(e).n_step_tokens;
        assert_int_equal(tn_engine_add(e, &c, NULL, &err), 0);
        assert_int_equal(tn_engine_run(e, &err), 0);
        assert_int_equal(tn_engine_get_stats(e).n_step_tokens - before, turn ? 1 + 30 + 19 : 20);
        for (uint32_t i = 0; i < 30; i++) *end++ = (int32_t)company_below(r.model->program->n_vocab);
    }
    tn_engine_free(e);
    run_close(&r);
}

/* Two that share 1,500 tokens and arrive together, and the choices of one request, compute them once. */
static void who_arrives_together_computes_once(void **unused) {
    setting s = {.device = "cpu", .n_thread = 2, .max_seqs = 8, .step_tokens = 200, .n_ctx = 2048};
    run r = run_open(&llama, &s);
    tn_engine *e;
    tn_error err = {0};
    static int32_t a[1600], b[1600];
    (void)unused;
    for (uint32_t i = 0; i < 1600; i++) a[i] = b[i] = (int32_t)company_below(r.model->program->n_vocab);
    for (uint32_t i = 1500; i < 1600; i++) b[i] = (a[i] + 1) % 600;
    assert_int_equal(tn_engine_new(r.model, NULL, &e, &err), 0);
    tn_seq_config one = {.prompt = a, .n_prompt = 1600, .max_new = 1, .ignore_end = true}, other = one;
    other.prompt = b;
    assert_int_equal(tn_engine_add(e, &one, NULL, &err), 0);
    assert_int_equal(tn_engine_add(e, &other, NULL, &err), 0);
    assert_int_equal(tn_engine_run(e, &err), 0);
    assert_int_equal(tn_engine_get_stats(e).n_step_tokens, 1600 + 100);
    /* Five choices of a third prompt: it once, and the last token once more for each further choice. */
    for (uint32_t i = 0; i < 700; i++) b[i] = (a[i] + 1) % 600;
    tn_seq_config choice = {.prompt = b, .n_prompt = 700, .max_new = 4, .ignore_end = true};
    uint64_t before = tn_engine_get_stats(e).n_step_tokens;
    for (uint32_t i = 0; i < 5; i++) {
        choice.sampling = (tn_sampling){.temperature = 1, .seed = i};
        assert_int_equal(tn_engine_add(e, &choice, NULL, &err), 0);
    }
    assert_int_equal(tn_engine_run(e, &err), 0);
    assert_int_equal(tn_engine_get_stats(e).n_step_tokens - before, 700 + 4 + 5 * 3);
    tn_engine_free(e);
    run_close(&r);
}

/* While others decode, a long prompt takes what they leave of each step, and none of them misses one. */
static bool count_token(void *ctx, const tn_token *t) {
    (void)t;
    ++*(uint32_t *)ctx;
    return true;
}

static void streams_do_not_stall_behind_a_prompt(void **unused) {
    setting s = {.device = "cpu", .n_thread = 2, .max_seqs = 8, .step_tokens = 64, .n_ctx = 2048};
    run r = run_open(&llama, &s);
    tn_engine *e;
    tn_seq *seq;
    tn_error err = {0};
    bool busy;
    static int32_t ids[2000];
    uint32_t n[3] = {0};
    (void)unused;
    for (uint32_t i = 0; i < 2000; i++) ids[i] = (int32_t)company_below(r.model->program->n_vocab);
    assert_int_equal(tn_engine_new(r.model, NULL, &e, &err), 0);
    for (uint32_t i = 0; i < 3; i++) {
        tn_seq_config c = {.prompt = ids + i,
                           .n_prompt = 5,
                           .max_new = 200,
                           .ignore_end = true,
                           .ctx = &n[i],
                           .on_token = count_token};
        assert_int_equal(tn_engine_add(e, &c, NULL, &err), 0);
    }
    assert_int_equal(tn_engine_step(e, &busy, &err), 0);
    tn_seq_config prompt = {.prompt = ids, .n_prompt = 1900};
    assert_int_equal(tn_engine_add(e, &prompt, &seq, &err), 0);
    uint32_t steps = 0;
    for (; !tn_seq_finish(seq); steps++) {
        assert_int_equal(tn_engine_step(e, &busy, &err), 0);
        for (uint32_t i = 0; i < 3; i++) assert_int_equal(n[i], steps + 2);
    }
    assert_true(steps >= 1900 / 64 &&
                steps <= 1900 / 32 + 2); /* deep in the prompt a step has fewer tokens */
    tn_engine_free(e);
    run_close(&r);
}

/* ---- Order ---- */

typedef struct mark {
    char name, **at;
} mark;
static bool write_mark(void *ctx, const tn_token *t) {
    mark *m = ctx;
    (void)t;
    *(*m->at)++ = m->name;
    return true;
}

/* One sequence at a time: the order in which they are let in is the order of their first tokens. */
static void priorities_and_fair_clients(void **unused) {
    setting s = {.device = "cpu", .n_thread = 1, .max_seqs = 1, .step_tokens = 64};
    run r = run_open(&llama, &s);
    tn_engine *e;
    tn_error err = {0};
    char order[16] = "", *at = order;
    static const struct {
        char name;
        int32_t priority;
        uint64_t client;
    } who[] = {{'a', 0, 1}, {'b', 0, 1}, {'c', 0, 1}, {'d', 0, 2}, {'e', 1, 1}, {'f', -1, 3}, {'g', 0, 2}};
    enum { N = sizeof who / sizeof *who };
    mark marks[N];
    int32_t ids[] = {5, 6, 7};
    (void)unused;
    assert_int_equal(tn_engine_new(r.model, NULL, &e, &err), 0);
    for (uint32_t i = 0; i < N; i++) {
        marks[i] = (mark){who[i].name, &at};
        tn_seq_config c = {.prompt = ids,
                           .n_prompt = 3,
                           .max_new = 1,
                           .ignore_end = true,
                           .priority = who[i].priority,
                           .client = who[i].client,
                           .isolated = true,
                           .ctx = &marks[i],
                           .on_token = write_mark};
        assert_int_equal(tn_engine_add(e, &c, NULL, &err), 0);
    }
    assert_int_equal(tn_engine_run(e, &err), 0);
    /* e first for its priority, which is charged to client 1; then 2 until it has had as much; f last. */
    assert_string_equal(order, "edagbcf");
    tn_engine_free(e);
    run_close(&r);
}

static void a_requests_own_limit_of_context(void **unused) {
    setting s = {.device = "cpu", .n_thread = 1};
    run r = run_open(&llama, &s);
    tn_engine *e;
    tn_error err = {0};
    uint32_t n = 0;
    int32_t ids[] = {5, 6, 7, 8};
    (void)unused;
    assert_int_equal(tn_engine_new(r.model, NULL, &e, &err), 0);
    tn_seq_config c = {.prompt = ids,
                       .n_prompt = 4,
                       .n_ctx = 10,
                       .max_new = 100,
                       .ignore_end = true,
                       .ctx = &n,
                       .on_token = count_token};
    assert_int_equal(tn_engine_add(e, &c, NULL, &err), 0);
    assert_int_equal(tn_engine_run(e, &err), 0);
    assert_int_equal(n, 6);
    c.n_ctx = 3;
    assert_int_equal(tn_engine_add(e, &c, NULL, &err), TN_ELIMIT);
    assert_non_null(strstr(err.text, "4 tokens"));
    tn_engine_free(e);
    run_close(&r);
}

int main(void) {
    static const char *const paths[] = {"models/llama3", "models/gemma3", "models/mistral", "models/qwen3_5"};
    static const struct {
        const char *device, *kv_type;
        tn_compute compute;
    } how[] = {{"cpu", "f32", TN_COMPUTE_F32},
               {"cpu", "f16", TN_COMPUTE_AUTO},
               {"cpu", "bf16", TN_COMPUTE_AUTO},
               {"cpu", "q8_0", TN_COMPUTE_AUTO},
               {"reference", "f32", TN_COMPUTE_F32}};
    enum { N_PATH = 4, N_HOW = sizeof how / sizeof *how, N_FIXED = 5 };
    static company cases[N_PATH * N_HOW];
    struct CMUnitTest tests[N_PATH * N_HOW + N_FIXED] = {
        cmocka_unit_test(nothing_is_computed_twice), cmocka_unit_test(who_arrives_together_computes_once),
        cmocka_unit_test(streams_do_not_stall_behind_a_prompt), cmocka_unit_test(priorities_and_fair_clients),
        cmocka_unit_test(a_requests_own_limit_of_context)};
    company_seed();
    for (uint32_t i = 0; i < N_PATH * N_HOW; i++) {
        company *c = &cases[i];
        c->f.path = paths[i % N_PATH];
        c->n_seq = COMPANY_SEQS;
        c->most_prompt = COMPANY_PROMPT;
        c->most_new = COMPANY_NEW;
        c->n_schedule = 4;
        c->s = (setting){.device = how[i / N_PATH].device,
                         .kv_type = how[i / N_PATH].kv_type,
                         .compute = how[i / N_PATH].compute};
        snprintf(c->name, sizeof c->name, "%s, keys and values in %s: %s", c->s.device, c->s.kv_type,
                 c->f.path);
        tests[N_FIXED + i] = (struct CMUnitTest){c->name, company_any_history, NULL, NULL, c};
    }
    return unit_main(tests);
}
