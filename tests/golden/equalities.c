/* SPDX-License-Identifier: Apache-2.0 */
/* What a sequence gets depends on nobody else: its logits are the same bits alone and in company, whole and
 * in chunks of any size, token by token, with any number of threads, arriving at any time. One model of each
 * family and arithmetic, random schedules; a failure prints the seed, which TN_SEED repeats. */
#include <time.h>

#include "golden/fixture.h"

enum { N_SEQ = 6, N_SCHEDULE = 6, MAX_IDS = 150 };

static const char *const paths[] = {"models/llama3",
                                    "models/mistral",
                                    "models/qwen2",
                                    "models/qwen3",
                                    "models/gemma2",
                                    "models/gemma3",
                                    "models/qwen3_5",
                                    "models/phi3",
                                    "gguf/llama2/llama2-Q8_0.gguf",
                                    "gguf/llama3_wide/llama3_wide-Q4_K_M.gguf",
                                    "gguf/llama3_wide/llama3_wide-Q4_0.gguf",
                                    "gguf/qwen3_wide/qwen3_wide-Q4_K.gguf",
                                    "gguf/qwen3_wide/qwen3_wide-Q6_K.gguf",
                                    "mlx/qwen3_wide-4bit-g64"};

typedef struct equality_case {
    fixture f;
    setting s; /* device and compute */
    char name[160];
} equality_case;

static uint64_t seed;

static uint32_t below(uint32_t n) {
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)((seed >> 33) % n);
}

static run open_with(const equality_case *c, uint32_t step_tokens, uint32_t n_thread, uint32_t max_seqs) {
    setting s = c->s;
    s.step_tokens = step_tokens;
    s.n_thread = n_thread;
    s.max_seqs = max_seqs;
    s.all_rows = true;
    return run_open(&c->f, &s);
}

static void draw_sequences(sequence *seqs, uint32_t n_vocab) {
    for (size_t i = 0; i < N_SEQ; i++) {
        json_t *ids = json_array();
        uint32_t n = i == 0 ? 1 : 2 + below(MAX_IDS - 1);
        for (uint32_t k = 0; k < n; k++) json_array_append_new(ids, json_integer(below(n_vocab)));
        seqs[i] = sequence_of(ids, n_vocab);
        json_decref(ids);
    }
}

/* Sequences join in a random order, with random numbers of steps in between. */
static void run_schedule(const run *r, sequence *seqs) {
    tn_engine *e;
    tn_error err = {0};
    bool busy = true;
    size_t order[N_SEQ];
    for (size_t i = 0; i < N_SEQ; i++) order[i] = i;
    for (size_t i = N_SEQ - 1; i > 0; i--) {
        size_t k = below((uint32_t)i + 1), t = order[i];
        order[i] = order[k];
        order[k] = t;
    }
    assert_int_equal(tn_engine_new(r->model, NULL, &e, &err), 0);
    for (size_t i = 0; i < N_SEQ; i++) {
        sequence *s = &seqs[order[i]];
        tn_seq_config c = {.prompt = s->ids,
                           .n_prompt = s->n_ids,
                           .all_logits = true,
                           .ctx = s,
                           .on_logits = sequence_on_logits};
        s->n_rows = 0;
        memset(s->logits, 0xff, (size_t)s->n_ids * s->n_vocab * sizeof *s->logits);
        if (tn_engine_add(e, &c, NULL, &err) != 0) fail_msg("%s", err.text);
        for (uint32_t k = below(4); k > 0; k--) assert_int_equal(tn_engine_step(e, &busy, &err), 0);
    }
    assert_int_equal(tn_engine_run(e, &err), 0);
    tn_engine_free(e);
}

static void expect_same(const char *what, const sequence *got, const sequence *want) {
    for (size_t i = 0; i < N_SEQ; i++) {
        assert_int_equal(got[i].n_rows, got[i].n_ids);
        for (uint32_t row = 0; row < got[i].n_ids; row++) {
            size_t at = (size_t)row * got[i].n_vocab;
            if (memcmp(got[i].logits + at, want[i].logits + at, got[i].n_vocab * sizeof(float)) != 0)
                fail_msg("%s: sequence %zu of %u tokens differs from its solo run at token %u", what, i,
                         got[i].n_ids, row);
        }
    }
}

static sequence copy_of(const sequence *s) {
    sequence c = *s;
    c.ids = malloc(s->n_ids * sizeof *c.ids);
    memcpy(c.ids, s->ids, s->n_ids * sizeof *c.ids);
    c.logits = calloc((size_t)s->n_ids * s->n_vocab, sizeof *c.logits);
    return c;
}

static void any_company_any_chunks(void **state) {
    const equality_case *c = *state;
    sequence alone[N_SEQ], other[N_SEQ];
    run r = open_with(c, 512, 1, 1);
    draw_sequences(alone, r.model->program->n_vocab);
    for (size_t i = 0; i < N_SEQ; i++) {
        run_together(&r, &alone[i], 1, true);
        other[i] = copy_of(&alone[i]);
    }
    run_close(&r);
    static const uint32_t fixed[] = {1, 512};
    for (uint32_t k = 0; k < N_SCHEDULE; k++) {
        char what[128];
        uint32_t step = k < 2 ? fixed[k] : 2 + below(100), seqs = 1 + below(N_SEQ), threads = 1 + below(3);
        if (k == 0) seqs = 1; /* token by token: decode = prefill */
        if (step < seqs) step = seqs;
        snprintf(what, sizeof what, "steps of %u tokens, %u sequences, %u threads", step, seqs, threads);
        r = open_with(c, step, threads, seqs);
        run_schedule(&r, other);
        expect_same(what, other, alone);
        run_close(&r);
    }
    for (size_t i = 0; i < N_SEQ; i++) {
        sequence_free(&alone[i]);
        sequence_free(&other[i]);
    }
}

/* A way to compute and the models that it is tried with. */
typedef struct way {
    const char *name;
    setting s;
    enum { ALL, SOME, CACHES } models; /* SOME: every third; CACHES: grouped heads, windows, caps */
} way;

static const way ways[] = {
    {"cpu f32", {.device = "cpu", .compute = TN_COMPUTE_F32}, ALL},
    {"cpu auto", {.device = "cpu", .compute = TN_COMPUTE_AUTO}, ALL},
    {"cpu f32, KV bf16", {.device = "cpu", .compute = TN_COMPUTE_F32, .kv_type = "bf16"}, CACHES},
    {"cpu f32, KV q8_0", {.device = "cpu", .compute = TN_COMPUTE_F32, .kv_type = "q8_0"}, CACHES},
    {"cpu auto, KV q8_0", {.device = "cpu", .compute = TN_COMPUTE_AUTO, .kv_type = "q8_0"}, CACHES},
    /* the oracle is slow */
    {"reference", {.device = "reference", .compute = TN_COMPUTE_F32}, SOME},
    {"reference, KV f32", {.device = "reference", .compute = TN_COMPUTE_F32, .kv_type = "f32"}, CACHES},
    {"reference, KV bf16", {.device = "reference", .compute = TN_COMPUTE_F32, .kv_type = "bf16"}, CACHES},
    {"reference, KV q8_0", {.device = "reference", .compute = TN_COMPUTE_F32, .kv_type = "q8_0"}, CACHES},
};
enum { N_WAY = sizeof ways / sizeof *ways, N_PATH = sizeof paths / sizeof *paths };

static bool tried(const way *w, size_t path) {
    static const char *const caches[] = {"models/llama3", "models/gemma3", "models/mistral"};
    if (w->models != CACHES) return w->models == ALL || path % 3 == 0;
    for (size_t i = 0; i < sizeof caches / sizeof *caches; i++)
        if (strcmp(paths[path], caches[i]) == 0) return true;
    return false;
}

int main(void) {
    static equality_case cases[N_WAY * N_PATH];
    static struct CMUnitTest tests[N_WAY * N_PATH];
    size_t n = 0;
    const char *given = getenv("TN_SEED");
    seed = given ? strtoull(given, NULL, 10) : (uint64_t)time(NULL);
    printf("# TN_SEED=%llu\n", (unsigned long long)seed);
    for (size_t k = 0; k < N_WAY; k++)
        for (size_t i = 0; i < N_PATH; i++) {
            if (!tried(&ways[k], i)) continue;
            cases[n] = (equality_case){.f = {.path = paths[i]}, .s = ways[k].s};
            snprintf(cases[n].name, sizeof cases[n].name, "%s: %s", ways[k].name, paths[i]);
            tests[n] = (struct CMUnitTest){cases[n].name, any_company_any_chunks, NULL, NULL, &cases[n]};
            n++;
        }
    unit_filter();
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return _cmocka_run_group_tests("equalities", tests, n, NULL, NULL);
}
