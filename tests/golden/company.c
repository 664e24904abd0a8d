/* SPDX-License-Identifier: Apache-2.0 */
#include "golden/company.h"

#include <time.h>

enum { N_TOP = 3 };

static uint64_t seed;

void company_seed(void) {
    const char *given = getenv("TN_SEED");
    seed = given ? strtoull(given, NULL, 10) : (uint64_t)time(NULL);
    printf("# TN_SEED=%llu\n", (unsigned long long)seed);
}

uint32_t company_below(uint32_t n) {
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)((seed >> 33) % n);
}

typedef struct request {
    int32_t ids[COMPANY_PROMPT];
    uint32_t n_ids, max_new;
    tn_sampling sampling;
    tn_logit_bias bias[4];
    tn_token want[COMPANY_NEW], got[COMPANY_NEW];
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
                           .priority = (int32_t)company_below(3),
                           .client = company_below(3),
                           .ctx = r,
                           .on_token = on_token};
}

static void draw_sampling(request *r, uint32_t n_vocab) {
    tn_sampling *p = &r->sampling;
    *p = (tn_sampling){.seed = company_below(1u << 30), .logprobs = true, .n_top_logprobs = N_TOP};
    if (company_below(4)) p->temperature = 0.3f + 0.2f * (float)company_below(6);
    if (company_below(2)) p->top_k = 1 + company_below(60);
    if (company_below(2)) p->top_p = 0.5f + 0.05f * (float)company_below(10);
    if (company_below(3) == 0) p->min_p = 0.05f;
    if (company_below(3) == 0) p->repetition_penalty = 1.3f;
    if (company_below(3) == 0) p->frequency_penalty = 0.5f;
    if (company_below(3) == 0) p->presence_penalty = 0.5f;
    if (company_below(3)) return;
    p->n_bias = 4;
    p->bias = r->bias;
    for (uint32_t i = 0; i < 4; i++)
        r->bias[i] = (tn_logit_bias){(int32_t)(i * 7 + company_below(7)) % (int32_t)n_vocab,
                                     (float)company_below(9) - 4};
}

/* Adds n ids drawn below n_vocab, as far as there is room. */
static void add_ids(request *r, uint32_t n, uint32_t most, uint32_t n_vocab) {
    for (; n && r->n_ids < most; n--) r->ids[r->n_ids++] = (int32_t)company_below(n_vocab);
}

/* Prompts that begin as earlier ones do: not at all, whole, in part, or as a conversation goes on, with the
 * answer. */
static void draw_request(const company *c, request *all, uint32_t i, uint32_t n_vocab) {
    request *r = &all[i];
    const request *other = i ? &all[company_below(i)] : NULL;
    const uint32_t kind = other ? company_below(5) : 0, most = c->most_prompt;
    const uint32_t common = kind == 0                ? 0
                            : kind <= 2 || kind == 4 ? other->n_ids
                                                     : company_below(other->n_ids + 1);
    for (; r->n_ids < common; r->n_ids++) r->ids[r->n_ids] = other->ids[r->n_ids];
    for (uint32_t k = 0; kind == 4 && k < other->n_want && r->n_ids < most; k++)
        r->ids[r->n_ids++] = other->want[k].id;
    if (!other)
        add_ids(r, most, most, n_vocab); /* long enough to be found again, whatever the others are */
    else if (kind != 1)
        add_ids(r, 1 + company_below(kind == 4 ? 20 : most - common + 1), most, n_vocab);
    r->max_new = 1 + company_below(c->most_new);
    draw_sampling(r, n_vocab);
}

/* ---- One model ---- */

static run open_with(const company *c, uint32_t step_tokens, uint32_t n_thread, uint32_t max_seqs) {
    setting s = c->s;
    s.step_tokens = step_tokens;
    s.n_thread = n_thread;
    s.max_seqs = max_seqs;
    return run_open(&c->f, &s);
}

static void run_alone(const company *c, request *all) {
    run r = open_with(c, 512, 1, 1);
    for (uint32_t i = 0; i < c->n_seq; i++) {
        tn_engine *e;
        tn_error err = {0};
        draw_request(c, all, i, r.model->program->n_vocab);
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

static void expect_same(const char *what, const request *all, uint32_t n_seq) {
    for (uint32_t i = 0; i < n_seq; i++) {
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
        if (budget->limit && !taken && company_below(6) == 0) {
            tn_engine_shrink(e, budget->limit);
            taken = tn_budget_left(budget);
            assert_true(tn_budget_take(budget, taken));
        } else if (taken && (!busy || company_below(40) == 0)) {
            tn_budget_give(budget, taken);
            taken = 0;
        }
        if (tn_engine_step(e, &busy, &err) != 0) fail_msg("%s", err.text);
    }
}

/* A number below n that has no factor in common with n: steps of it from anywhere meet all of 0 .. n - 1. */
static uint32_t any_stride(uint32_t n) {
    for (;;) {
        const uint32_t stride = n > 1 ? 1 + company_below(n - 1) : 1;
        uint32_t a = n, b = stride;
        while (b) {
            const uint32_t rest = a % b;
            a = b;
            b = rest;
        }
        if (a == 1) return stride;
    }
}

/* Adds all in a random order with steps in between, and runs them out. */
static void run_wave(tn_engine *e, tn_budget *budget, request *all, uint32_t n_seq) {
    tn_seq *seqs[COMPANY_SEQS];
    tn_error err = {0};
    bool busy;
    uint32_t first = company_below(n_seq), stride = any_stride(n_seq);
    for (uint32_t i = 0; i < n_seq; i++) {
        uint32_t k = (first + i * stride) % n_seq;
        tn_seq_config c = config_of(&all[k], company_below(8) == 0);
        if (tn_engine_add(e, &c, &seqs[k], &err) != 0) fail_msg("%s", err.text);
        for (uint32_t n = company_below(3); n; n--) assert_int_equal(tn_engine_step(e, &busy, &err), 0);
    }
    run_out(e, budget);
    for (uint32_t i = 0; i < n_seq; i++) tn_engine_remove(e, seqs[i]);
}

/* What one sequence takes, the longest. */
static uint64_t least_memory(const company *c, const tn_model *m) {
    uint64_t n = 0;
    for (uint32_t g = 0; g < m->program->n_group; g++)
        n += tn_model_seq_pages(m, g, c->most_prompt + c->most_new) * m->size.page[g];
    return n;
}

void company_any_history(void **state) {
    const company *c = *state;
    request *all = calloc(c->n_seq, sizeof *all);
    uint64_t n_hit = 0, n_preempted = 0, n_copied = 0;
    run_alone(c, all);
    /* A few more when the first ones had it easy. */
    for (uint32_t k = 0; k < c->n_schedule || (k < c->n_schedule + 6 && !(n_hit && n_copied && n_preempted));
         k++) {
        char what[128];
        uint32_t step = k == 0 ? 512 : c->n_seq + company_below(100), threads = 1 + company_below(3),
                 seqs = k == 0 ? c->n_seq : 2 + company_below(c->n_seq - 1);
        tn_budget budget = {0};
        tn_engine_config config = {.budget = &budget};
        tn_engine *e;
        tn_error err = {0};
        run r = open_with(c, step, threads, seqs);
        /* Room for little more than one: they push each other out. */
        if (k % 2) budget.limit = least_memory(c, r.model) * (2 + company_below(2)) / 2;
        snprintf(what, sizeof what, "steps of %u tokens, %u sequences, %u threads, %llu bytes", step, seqs,
                 threads, (unsigned long long)budget.limit);
        assert_int_equal(tn_engine_new(r.model, &config, &e, &err), 0);
        for (uint32_t wave = 0; wave < 2; wave++) {
            run_wave(e, &budget, all, c->n_seq);
            expect_same(what, all, c->n_seq);
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
