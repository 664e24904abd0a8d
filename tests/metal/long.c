/* SPDX-License-Identifier: Apache-2.0 */
/* A context of several spans on msl-sim: generated tokens whose attention is split, and the same tokens when
 * there is no room for the parts. */
#include "unit/unit.h"

#include <math.h>

#include "gpu_sim.h"
#include "tiny_forward.h"

enum { N_PROMPT = 2 * TN_ATTENTION_SPAN + 30, N_NEW = 4, N_TOKEN = N_PROMPT + N_NEW, PAGE_TOKENS = 16 };
enum { PAGES = (N_TOKEN + PAGE_TOKENS - 1) / PAGE_TOKENS, N_LOGIT = N_NEW * TN_TINY_VOCAB };

static int32_t ids[N_TOKEN];
static uint32_t pages[PAGES];

/* Room for the parts of one generated row: there are as many sequences. */
static const tn_exec_config config = {.max_tokens = N_TOKEN,
                                      .max_seqs = 1,
                                      .max_rows = N_NEW,
                                      .page_tokens = PAGE_TOKENS,
                                      .n_page = {PAGES, PAGES},
                                      .max_seq_pages = PAGES,
                                      .kv_type = TN_TYPE_F32,
                                      .compute = TN_COMPUTE_F32};

/* n tokens from first on, the generated ones' logits to logits. */
static void run_step(tn_exec *x, uint32_t first, uint32_t n, uint32_t n_generated, float *logits) {
    uint32_t pos[N_TOKEN], seq[N_TOKEN] = {0}, rows[N_NEW];
    const tn_step_seq s = {.n_token = n,
                           .n_generated = n_generated,
                           .first_pos = first,
                           .pages = {pages, pages},
                           .n_page = PAGES};
    const tn_step step = {.n_token = n,
                          .n_seq = 1,
                          .n_row = n_generated,
                          .ids = ids + first,
                          .pos = pos,
                          .seq = seq,
                          .seqs = &s,
                          .rows = rows};
    const float *got;
    tn_error err = {0};
    for (uint32_t t = 0; t < n; t++) pos[t] = first + t;
    for (uint32_t r = 0; r < n_generated; r++) rows[r] = n - n_generated + r;
    if (x->cls->step(x, &step, &err) != 0 || x->cls->logits(x, &got, &err) != 0) fail_msg("%s", err.text);
    memcpy(logits, got, (size_t)n_generated * TN_TINY_VOCAB * sizeof *got);
}

static void generated_tokens_at_once_and_one_by_one(void **state) {
    static float one_by_one[N_LOGIT], at_once[N_LOGIT];
    static double expected[(size_t)N_TOKEN * TN_TINY_VOCAB];
    tn_tiny_model model;
    tn_device *d;
    tn_exec *x;
    tn_error err = {0};
    (void)state;
    for (uint32_t i = 0; i < N_TOKEN; i++) ids[i] = (int32_t)((i * 11 + i * i) % TN_TINY_VOCAB);
    for (uint32_t i = 0; i < PAGES; i++) pages[i] = PAGES - 1 - i;
    tn_tiny_model_init(&model);
    assert_int_equal(tn_device_sim.open(&(tn_device_options){0}, &d, &err), 0);
    if (tn_device_sim.lower(d, &model.program, &config, NULL, NULL, &x, &err) != 0) fail_msg("%s", err.text);
    run_step(x, 0, N_PROMPT, 0, one_by_one);
    for (uint32_t i = 0; i < N_NEW; i++)
        run_step(x, N_PROMPT + i, 1, 1, one_by_one + (size_t)i * TN_TINY_VOCAB);
    run_step(x, N_PROMPT, N_NEW, N_NEW, at_once);
    x->cls->exec_free(x);
    d->cls->close(d);

    tiny_forward(&model, ids, N_TOKEN, 0, expected);
    double worst = 0;
    for (uint32_t i = 0; i < N_LOGIT; i++) {
        const double off = fabs(one_by_one[i] - expected[(size_t)N_PROMPT * TN_TINY_VOCAB + i]);
        if (!(off <= 5e-5)) fail_msg("logit %u is off by %g", i, off);
        worst = off > worst ? off : worst;
    }
    printf("# off by at most %.1e\n", worst);
    assert_memory_equal(one_by_one, at_once, sizeof at_once);
    tn_tiny_model_fini(&model);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(generated_tokens_at_once_and_one_by_one)};
    return unit_main(tests);
}
