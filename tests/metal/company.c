/* SPDX-License-Identifier: Apache-2.0 */
/* On a device whose prompt rows and generated rows go through different kernels, answers still depend on
 * their request alone: in company, after hits on prompts and on whole conversations, after preemption. */
#include "golden/company.h"
#include "modules/loader.h"
#include "tested.h"

/* ---- what a conversation computes ---- */

enum { N_PROMPT = 40, N_ANSWER = 40, N_SAID = 10 };

static bool keep_id(void *ctx, const tn_token *t) {
    int32_t **at = ctx;
    *(*at)++ = t->id;
    return true;
}

/* Tokens computed for the second turn: what was said, and the answer before it, or only its last token. */
static uint64_t second_turn(tn_model *m, bool mix_roles) {
    const tn_engine_config config = {.mix_roles = mix_roles};
    int32_t ids[N_PROMPT + N_ANSWER + N_SAID], *end = ids + N_PROMPT;
    tn_engine *e;
    tn_error err = {0};
    for (uint32_t i = 0; i < sizeof ids / sizeof *ids; i++) ids[i] = (int32_t)(i * 37 % m->program->n_vocab);
    assert_int_equal(tn_engine_new(m, &config, &e, &err), 0);
    tn_seq_config first = {.prompt = ids,
                           .n_prompt = N_PROMPT,
                           .max_new = N_ANSWER,
                           .ignore_end = true,
                           .ctx = &end,
                           .on_token = keep_id};
    assert_int_equal(tn_engine_add(e, &first, NULL, &err), 0);
    assert_int_equal(tn_engine_run(e, &err), 0);
    assert_ptr_equal(end, ids + N_PROMPT + N_ANSWER);
    const uint64_t before = tn_engine_get_stats(e).n_step_tokens;
    tn_seq_config second = {
        .prompt = ids, .n_prompt = N_PROMPT + N_ANSWER + N_SAID, .max_new = 1, .ignore_end = true};
    assert_int_equal(tn_engine_add(e, &second, NULL, &err), 0);
    assert_int_equal(tn_engine_run(e, &err), 0);
    const uint64_t n = tn_engine_get_stats(e).n_step_tokens - before;
    tn_engine_free(e);
    return n;
}

static void answers_are_computed_again_unless_roles_mix(void **state) {
    const fixture llama = {.path = "models/llama3"};
    const setting s = {.device = tested_device()->name, .n_thread = 1, .max_seqs = 2};
    run r = run_open(&llama, &s);
    (void)state;
    assert_int_equal(second_turn(r.model, false), N_ANSWER + N_SAID);
    assert_int_equal(second_turn(r.model, true), 1 + N_SAID);
    run_close(&r);
    tested_device_end();
}

int main(void) {
    static const struct {
        const char *path, *kv_type;
    } what[] = {{"models/llama3", "f16"}, {"models/gemma3", "q8_0"}, {"models/qwen3_5", "f32"}};
    enum { N = sizeof what / sizeof *what, N_FIXED = 1 };
    static company cases[N];
    struct CMUnitTest tests[N + N_FIXED] = {cmocka_unit_test(answers_are_computed_again_unless_roles_mix)};
    tn_loader_set_preopened();
    tn_device_class_offer(tested_device());
    company_seed();
    for (size_t i = 0; i < N; i++) {
        cases[i] = (company){.f = {.path = what[i].path},
                             .s = {.device = tested_device()->name, .kv_type = what[i].kv_type},
                             .n_seq = 8,
                             .most_prompt = 40,
                             .most_new = 40,
                             .n_schedule = 2};
        snprintf(cases[i].name, sizeof cases[i].name, "%s, keys and values in %s", what[i].path,
                 what[i].kv_type);
        tests[N_FIXED + i] = (struct CMUnitTest){cases[i].name, company_any_history, NULL, NULL, &cases[i]};
    }
    return unit_main(tests);
}
