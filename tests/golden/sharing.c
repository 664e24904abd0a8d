/* SPDX-License-Identifier: Apache-2.0 */
/* What a sequence generates is the same, tokens and log probabilities bit for bit: alone, in company of
 * sixteen with other sampling, in chunks of any size, after a partial hit, after a full one, after being
 * preempted, with any number of threads. One model with full attention, one with a window everywhere, one
 * with both; every type of keys and values against itself. Random schedules; a failure prints the seed, which
 * TN_SEED repeats. And what is computed is counted: nothing twice. */
#include <time.h>

#include "golden/fixture.h"

enum { N_SEQ = 16, MOST_PROMPT = 260, MOST_NEW = 90, N_TOP = 3, N_SCHEDULE = 4 };

static uint64_t seed;
static uint32_t below(uint32_t n) {
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)((seed >> 33) % n);
}

typedef struct request {
    int32_t ids[MOST_PROMPT];
    uint32_t n_ids, max_new;
    tn_sampling sampling;
    tn_logit_bias bias[4];
    tn_token want[MOST_NEW], got[MOST_NEW];
    uint32_t n_want, n_got;
} request;

static bool on_token(void *ctx, const tn_token *t) {
    request *r = ctx;
    r->got[r->n_got++] = *t;
    return true;
}

static tn_seq_config config_of(request *r, bool isolated) {
    r->n_got = 0;
    memset(r->got, 0, sizeof r->got);
    return (tn_seq_config){.prompt = r->ids,
                           .n_prompt = r->n_ids,
                           .max_new = r->max_new,
                           .sampling = r->sampling,
                           .ignore_end = true,
                           .isolated = isolated,
                           .priority = (int32_t)below(3),
                           .client = below(3),
                           .ctx = r,
                           .on_token = on_token};
}

static void draw_sampling(request *r, uint32_t n_vocab) {
    tn_sampling *p = &r->sampling;
    *p = (tn_sampling){.seed = below(1u << 30), .logprobs = true, .n_top_logprobs = N_TOP};
    if (below(4)) p->temperature = 0.3f + 0.2f * (float)below(6);
    if (below(2)) p->top_k = 1 + below(60);
    if (below(2)) p->top_p = 0.5f + 0.05f * (float)below(10);
    if (below(3) == 0) p->min_p = 0.05f;
    if (below(3) == 0) p->repetition_penalty = 1.3f;
    if (below(3) == 0) p->frequency_penalty = 0.5f;
    if (below(3) == 0) p->presence_penalty = 0.5f;
    if (below(3)) return;
    p->n_bias = 4;
    p->bias = r->bias;
    for (uint32_t i = 0; i < 4; i++)
        r->bias[i] = (tn_logit_bias){(int32_t)(i * 7 + below(7)) % (int32_t)n_vocab, (float)below(9) - 4};
}

/* Prompts that begin as earlier ones do: whole, in part, or not at all. */
static void draw_requests(request *all, uint32_t n_vocab) {
    for (uint32_t i = 0; i < N_SEQ; i++) {
        request *r = &all[i];
        const request *other = i ? &all[below(i)] : NULL;
        uint32_t kind = below(4), common = !other || kind == 0 ? 0
                                           : kind == 1         ? other->n_ids
                                                               : below(other->n_ids + 1);
        r->n_ids = kind == 1 && other && below(2) ? common : common + 1 + below(MOST_PROMPT - common + 1);
        if (r->n_ids > MOST_PROMPT) r->n_ids = MOST_PROMPT;
        for (uint32_t k = 0; k < r->n_ids; k++)
            r->ids[k] = k < common ? other->ids[k] : (int32_t)below(n_vocab);
        r->max_new = 1 + below(MOST_NEW);
        draw_sampling(r, n_vocab);
    }
}

/* ---- One model ---- */

typedef struct sharing_case {
    fixture f;
    setting s;
    char name[160];
} sharing_case;

static run open_with(const sharing_case *c, uint32_t step_tokens, uint32_t n_thread, uint32_t max_seqs) {
    setting s = c->s;
    s.step_tokens = step_tokens;
    s.n_thread = n_thread;
    s.max_seqs = max_seqs;
    return run_open(&c->f, &s);
}

static void run_alone(const sharing_case *c, request *all) {
    run r = open_with(c, 512, 1, 1);
    draw_requests(all, r.model->program->n_vocab);
    for (uint32_t i = 0; i < N_SEQ; i++) {
        tn_engine *e;
        tn_error err = {0};
        tn_seq_config seq = config_of(&all[i], true);
        assert_int_equal(tn_engine_new(r.model, NULL, &e, &err), 0);
        assert_int_equal(tn_engine_add(e, &seq, NULL, &err), 0);
        assert_int_equal(tn_engine_run(e, &err), 0);
        assert_int_equal(all[i].n_got, all[i].max_new);
        memcpy(all[i].want, all[i].got, sizeof all[i].want);
        all[i].n_want = all[i].n_got;
        tn_engine_free(e);
    }
    run_close(&r);
}

static void expect_same(const char *what, const request *all) {
    for (uint32_t i = 0; i < N_SEQ; i++) {
        const request *r = &all[i];
        assert_int_equal(r->n_got, r->n_want);
        for (uint32_t k = 0; k < r->n_want; k++)
            if (memcmp(&r->got[k], &r->want[k], sizeof *r->got) != 0)
                fail_msg("%s: request %u, prompt of %u tokens: token %u is %d (%a), alone it is %d (%a)",
                         what, i, r->n_ids, k, r->got[k].id, (double)r->got[k].logprob, r->want[k].id,
                         (double)r->want[k].logprob);
    }
}

/* Runs everything out. Squeezed, somebody else takes all memory that is not in use, for a while and again. */
static void run_out(tn_engine *e, tn_budget *budget) {
    tn_error err = {0};
    bool busy = true;
    uint64_t taken = 0;
    while (busy || taken) {
        if (budget->limit && !taken && below(10) == 0) {
            tn_engine_shrink(e, budget->limit);
            taken = tn_budget_left(budget);
            assert_true(tn_budget_take(budget, taken));
        } else if (taken && (!busy || below(40) == 0)) {
            tn_budget_give(budget, taken);
            taken = 0;
        }
        if (tn_engine_step(e, &busy, &err) != 0) fail_msg("%s", err.text);
    }
}

/* Adds all in a random order with steps in between, and runs them out. */
static void run_wave(tn_engine *e, tn_budget *budget, request *all) {
    tn_seq *seqs[N_SEQ];
    tn_error err = {0};
    bool busy;
    uint32_t first = below(N_SEQ), stride = 1 + 2 * below(N_SEQ / 2); /* odd: all are met */
    for (uint32_t i = 0; i < N_SEQ; i++) {
        uint32_t k = (first + i * stride) % N_SEQ;
        tn_seq_config c = config_of(&all[k], below(8) == 0);
        if (tn_engine_add(e, &c, &seqs[k], &err) != 0) fail_msg("%s", err.text);
        for (uint32_t n = below(3); n; n--) assert_int_equal(tn_engine_step(e, &busy, &err), 0);
    }
    run_out(e, budget);
    for (uint32_t i = 0; i < N_SEQ; i++) tn_engine_remove(e, seqs[i]);
}

/* What one sequence takes, the longest. */
static uint64_t least_memory(const tn_model *m) {
    uint64_t n = 0;
    for (uint32_t g = 0; g < m->program->n_group; g++)
        n += tn_model_seq_pages(m, g, MOST_PROMPT + MOST_NEW) * m->size.page[g];
    return n;
}

static void any_company_any_history(void **state) {
    const sharing_case *c = *state;
    request *all = calloc(N_SEQ, sizeof *all);
    uint64_t n_hit = 0, n_preempted = 0, n_copied = 0;
    run_alone(c, all);
    for (uint32_t k = 0; k < N_SCHEDULE; k++) {
        char what[128];
        uint32_t step = k == 0 ? 512 : N_SEQ + below(100), threads = 1 + below(3),
                 seqs = k == 0 ? N_SEQ : 2 + below(N_SEQ - 1);
        tn_budget budget = {0};
        tn_engine_config config = {.budget = &budget};
        tn_engine *e;
        tn_error err = {0};
        run r = open_with(c, step, threads, seqs);
        /* Room for little more than one: they push each other out. */
        if (k % 2) budget.limit = least_memory(r.model) * (2 + below(3)) / 2;
        snprintf(what, sizeof what, "steps of %u tokens, %u sequences, %u threads, %llu bytes", step, seqs,
                 threads, (unsigned long long)budget.limit);
        assert_int_equal(tn_engine_new(r.model, &config, &e, &err), 0);
        for (uint32_t wave = 0; wave < 2; wave++) {
            run_wave(e, &budget, all);
            expect_same(what, all);
        }
        tn_engine_stats s = tn_engine_get_stats(e);
        assert_true(s.kv.n_used == 0 && s.n_running == 0 && s.n_waiting == 0);
        n_hit += s.n_hit;
        n_preempted += s.n_preempted;
        n_copied += s.kv.n_copied;
        tn_engine_free(e);
        assert_true(tn_budget_used(&budget) == 0);
        run_close(&r);
    }
    printf("# %llu tokens found, %llu pages copied, %llu preemptions\n", (unsigned long long)n_hit,
           (unsigned long long)n_copied, (unsigned long long)n_preempted);
    assert_true(n_hit > 0 && n_copied > 0 && n_preempted > 0);
    free(all);
}

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
    for (uint32_t i = 0; i < 2000; i++) ids[i] = (int32_t)below(r.model->program->n_vocab);
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
        for (uint32_t i = 0; i < 30; i++) *end++ = (int32_t)below(r.model->program->n_vocab);
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
    for (uint32_t i = 0; i < 1600; i++) a[i] = b[i] = (int32_t)below(r.model->program->n_vocab);
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
    for (uint32_t i = 0; i < 2000; i++) ids[i] = (int32_t)below(r.model->program->n_vocab);
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
    static sharing_case cases[N_PATH * N_HOW];
    struct CMUnitTest tests[N_PATH * N_HOW + N_FIXED] = {
        cmocka_unit_test(nothing_is_computed_twice), cmocka_unit_test(who_arrives_together_computes_once),
        cmocka_unit_test(streams_do_not_stall_behind_a_prompt), cmocka_unit_test(priorities_and_fair_clients),
        cmocka_unit_test(a_requests_own_limit_of_context)};
    const char *given = getenv("TN_SEED");
    seed = given ? strtoull(given, NULL, 10) : (uint64_t)time(NULL);
    printf("# TN_SEED=%llu\n", (unsigned long long)seed);
    for (uint32_t i = 0; i < N_PATH * N_HOW; i++) {
        sharing_case *c = &cases[i];
        c->f.path = paths[i % N_PATH];
        c->s = (setting){.device = how[i / N_PATH].device,
                         .kv_type = how[i / N_PATH].kv_type,
                         .compute = how[i / N_PATH].compute};
        snprintf(c->name, sizeof c->name, "%s, keys and values in %s: %s", c->s.device, c->s.kv_type,
                 c->f.path);
        tests[N_FIXED + i] = (struct CMUnitTest){c->name, any_company_any_history, NULL, NULL, c};
    }
    return unit_main(tests);
}
