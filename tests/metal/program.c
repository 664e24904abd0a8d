/* SPDX-License-Identifier: Apache-2.0 */
/* A whole program on msl-sim: right within F32, and the same bits whatever else is in the step. */
#include "unit/unit.h"

#include <math.h>

#include "device/gpu/exec.h"
#include "gpu_sim.h"
#include "sim/sim.h"
#include "tiny_forward.h"

enum { N_TOKEN = 24, N_SEQ = 3, PAGE_TOKENS = 4, PAGES_PER_SEQ = N_TOKEN / PAGE_TOKENS };

static tn_tiny_model model;
static int32_t ids[N_SEQ][N_TOKEN];
static const uint32_t rope_variants[N_SEQ] = {0, 1, 0};
static const uint32_t n_prompt[N_SEQ] = {N_TOKEN, 10, 1}; /* tokens after that are generated ones */
static float alone[N_SEQ][N_TOKEN][TN_TINY_VOCAB];        /* logits of each sequence run by itself, whole */

static const tn_exec_config config = {.max_tokens = N_SEQ * N_TOKEN,
                                      .max_seqs = N_SEQ,
                                      .max_rows = N_SEQ * N_TOKEN,
                                      .page_tokens = PAGE_TOKENS,
                                      .n_page = {N_SEQ * PAGES_PER_SEQ, N_SEQ *PAGES_PER_SEQ},
                                      .max_seq_pages = PAGES_PER_SEQ,
                                      .kv_type = TN_TYPE_F32,
                                      .compute = TN_COMPUTE_F32,
                                      .taps = true};

typedef struct session {
    tn_device *device;
    tn_exec *exec;
    uint32_t pages[N_SEQ][PAGES_PER_SEQ];
    uint32_t n_past[N_SEQ];
} session;

/* Pages of the sequences lie interleaved, backwards when asked for. */
static void open_session(session *s, bool backwards) {
    tn_error err = {0};
    memset(s, 0, sizeof *s);
    assert_int_equal(tn_device_sim.open(&(tn_device_options){0}, &s->device, &err), 0);
    if (tn_device_sim.lower(s->device, &model.program, &config, NULL, NULL, &s->exec, &err) != 0)
        fail_msg("lower: %s", err.text);
    for (uint32_t i = 0; i < N_SEQ * PAGES_PER_SEQ; i++)
        s->pages[i % N_SEQ][i / N_SEQ] = backwards ? N_SEQ * PAGES_PER_SEQ - 1 - i : i;
}

static void close_session(session *s) {
    s->exec->cls->exec_free(s->exec);
    s->device->cls->close(s->device);
}

/* How many of n tokens after n_past are not of the prompt. */
static uint32_t n_generated(uint32_t n_past, uint32_t n, uint32_t n_prompt_) {
    return n_past >= n_prompt_ ? n : n_past + n > n_prompt_ ? n_past + n - n_prompt_ : 0;
}

/* One step with the next n[i] tokens of each sequence i, all rows wanted. The arrays are gone when it
 * returns. */
static void run_step(session *s, const uint32_t n[N_SEQ], bool look, float got[][N_TOKEN][TN_TINY_VOCAB]) {
    int32_t step_ids[N_SEQ * N_TOKEN];
    uint32_t pos[N_SEQ * N_TOKEN], seq[N_SEQ * N_TOKEN], rows[N_SEQ * N_TOKEN];
    tn_step_seq seqs[N_SEQ];
    tn_step step = {.ids = step_ids, .pos = pos, .seq = seq, .rows = rows, .seqs = seqs};
    const float *logits = NULL;
    tn_error err = {0};
    for (uint32_t i = 0; i < N_SEQ; i++) {
        if (!n[i]) continue;
        seqs[step.n_seq] = (tn_step_seq){.first_token = step.n_token,
                                         .n_token = n[i],
                                         .n_generated = n_generated(s->n_past[i], n[i], n_prompt[i]),
                                         .first_pos = s->n_past[i],
                                         .rope_variant = rope_variants[i],
                                         .pages = {s->pages[i], s->pages[i]},
                                         .n_page = PAGES_PER_SEQ};
        for (uint32_t j = 0; j < n[i]; j++, step.n_token++) {
            step_ids[step.n_token] = ids[i][s->n_past[i] + j];
            pos[step.n_token] = s->n_past[i] + j;
            seq[step.n_token] = step.n_seq;
            rows[step.n_row++] = step.n_token;
        }
        step.n_seq++;
    }
    if (s->exec->cls->step(s->exec, &step, &err) != 0) fail_msg("step: %s", err.text);
    memset(step_ids, 0xff, sizeof step_ids);
    memset(seqs, 0xff, sizeof seqs);
    if (look && s->exec->cls->logits(s->exec, &logits, &err) != 0) fail_msg("logits: %s", err.text);
    for (uint32_t i = 0, row = 0; i < N_SEQ; i++)
        for (uint32_t j = 0; j < n[i]; j++, row++, s->n_past[i]++)
            if (look) memcpy(got[i][s->n_past[i]], logits + (size_t)row * TN_TINY_VOCAB, sizeof got[i][0]);
}

static int record(void **state) {
    (void)state;
    tn_tiny_model_init(&model);
    for (uint32_t i = 0; i < N_SEQ; i++)
        for (uint32_t t = 0; t < N_TOKEN; t++)
            ids[i][t] = (int32_t)((t * 11 + i * 5 + t * t) % TN_TINY_VOCAB);
    for (uint32_t i = 0; i < N_SEQ; i++) {
        session s;
        uint32_t n[N_SEQ] = {0};
        open_session(&s, false);
        n[i] = N_TOKEN;
        run_step(&s, n, true, alone);
        close_session(&s);
    }
    return 0;
}

static int forget(void **state) {
    (void)state;
    tn_tiny_model_fini(&model);
    return 0;
}

static void agrees_with_plain_forward(void **state) {
    (void)state;
    double worst = 0;
    for (uint32_t i = 0; i < N_SEQ; i++) {
        static double expected[N_TOKEN * TN_TINY_VOCAB];
        tiny_forward(&model, ids[i], N_TOKEN, rope_variants[i], expected);
        for (uint32_t j = 0; j < N_TOKEN * TN_TINY_VOCAB; j++) {
            const double off = fabs(alone[i][j / TN_TINY_VOCAB][j % TN_TINY_VOCAB] - expected[j]);
            if (!(off <= 2e-5)) fail_msg("sequence %u, logit %u is off by %g", i, j, off);
            worst = off > worst ? off : worst;
        }
    }
    printf("# logits up to 4, off by at most %.1e\n", worst);
}

/* The sequences together, in steps drawn at random, their pages elsewhere, threads in random order: the same
 * bits. */
static void company_changes_nothing(void **state) {
    (void)state;
    static float got[N_SEQ][N_TOKEN][TN_TINY_VOCAB];
    uint32_t draw = 7;
    for (uint32_t round = 0; round < 4; round++) {
        session s;
        open_session(&s, true);
        sim_seed(round * 77u);
        for (bool more = true; more;) {
            uint32_t n[N_SEQ];
            more = false;
            for (uint32_t i = 0; i < N_SEQ; i++) {
                draw = draw * 1664525u + 1013904223u;
                n[i] = round == 0 ? 1 : (draw >> 16) % 6; /* round 0: token by token */
                if (n[i] > N_TOKEN - s.n_past[i]) n[i] = N_TOKEN - s.n_past[i];
                more = more || s.n_past[i] + n[i] < N_TOKEN;
            }
            if (n[0] + n[1] + n[2]) run_step(&s, n, true, got);
        }
        sim_seed(0);
        close_session(&s);
        assert_memory_equal(got, alone, sizeof got);
    }
}

/* A step whose results nobody asks for still leaves its keys and values. */
static void unread_steps_count(void **state) {
    (void)state;
    static float got[N_SEQ][N_TOKEN][TN_TINY_VOCAB];
    session s;
    open_session(&s, false);
    run_step(&s, (const uint32_t[N_SEQ]){9, 0, 3}, false, NULL);
    run_step(&s, (const uint32_t[N_SEQ]){0, 5, 0}, false, NULL);
    run_step(&s, (const uint32_t[N_SEQ]){2, 1, 4}, true, got);
    close_session(&s);
    assert_memory_equal(got[0][9], alone[0][9], 2 * sizeof got[0][0]);
    assert_memory_equal(got[1][5], alone[1][5], sizeof got[0][0]);
    assert_memory_equal(got[2][3], alone[2][3], 4 * sizeof got[0][0]);
}

static void taps_hold_the_layers(void **state) {
    (void)state;
    static float got[N_SEQ][N_TOKEN][TN_TINY_VOCAB];
    const float *table = (const float *)(const void *)model.tensors[1].data, *tap;
    session s;
    tn_error err = {0};
    open_session(&s, false);
    run_step(&s, (const uint32_t[N_SEQ]){5, 0, 0}, true, got);
    assert_int_equal(tn_device_sim.tap(s.exec, 0, &tap, &err), 0);
    for (uint32_t i = 0; i < 5 * TN_TINY_EMBD; i++)
        assert_true(tap[i] == 1.5f * table[ids[0][i / TN_TINY_EMBD] * TN_TINY_EMBD + i % TN_TINY_EMBD]);
    assert_int_equal(tn_device_sim.tap(s.exec, TN_TINY_LAYER, &tap, &err), 0);
    assert_true(isfinite(tap[5 * TN_TINY_EMBD - 1]));
    assert_int_equal(tn_device_sim.tap(s.exec, TN_TINY_LAYER + 1, &tap, &err), TN_EINVAL);
    close_session(&s);
}

/* Products that take the ADD behind them along: one a layer, the other ADD's input is scaled first. Not where
 * the sum would lie on the product's input, nor where somebody else wants the product. */
static void sums_go_with_products(void **state) {
    (void)state;
    tn_tiny_model m = model;
    m.program.ops = m.ops;
    m.program.values = m.values;
    const tn_gpu_exec x = {.p = &m.program};
    uint32_t n = 0, product = 0;
    for (uint32_t i = 0; i < m.program.n_op; i++) {
        const tn_op *add = tn_gpu_find_add(&x, i);
        if (!add) continue;
        assert_ptr_equal(add, &m.ops[i + 1]);
        product = i;
        n++;
    }
    assert_int_equal(n, TN_TINY_LAYER);
    const uint32_t slot = m.values[m.ops[product + 1].out].slot;
    m.values[m.ops[product + 1].out].slot = m.values[m.ops[product].in[0]].slot;
    assert_null(tn_gpu_find_add(&x, product));
    m.values[m.ops[product + 1].out].slot = slot;
    assert_non_null(tn_gpu_find_add(&x, product));
    m.ops[product + 2].in[1] = m.ops[product].out;
    assert_null(tn_gpu_find_add(&x, product));
}

static int cancel(void *ctx, uint64_t done, uint64_t total) {
    assert_true(done <= total);
    return ++*(int *)ctx == 3;
}

static void refusals_say_why(void **state) {
    (void)state;
    tn_device *d = NULL;
    tn_exec *x = NULL;
    tn_error err = {0};
    int calls = 0;
    assert_int_equal(tn_device_sim.open(&(tn_device_options){0}, &d, &err), 0);
    tn_exec_config odd = config;
    odd.kv_type = TN_TYPE_Q4_0;
    assert_int_equal(tn_device_sim.lower(d, &model.program, &odd, NULL, NULL, &x, &err), TN_ENOTSUP);
    assert_non_null(strstr(err.text, "Q4_0"));
    assert_int_equal(tn_device_sim.lower(d, &model.program, &config, cancel, &calls, &x, &err), TN_ECANCELED);
    tn_tiny_model wide = model;
    wide.program.ops = wide.ops;
    wide.program.caches = wide.caches;
    for (uint32_t i = 0; i < wide.program.n_op; i++)
        if (wide.ops[i].kind == TN_OP_ATTENTION)
            wide.ops[i].attention.head_dim = TN_ATTENTION_MAX_HEAD_DIM + 1;
    assert_int_equal(tn_device_sim.lower(d, &wide.program, &config, NULL, NULL, &x, &err), TN_ENOTSUP);
    assert_non_null(strstr(err.text, "513"));
    tn_tiny_model integers = model;
    integers.program.weights = integers.weights;
    tn_tensor whole = *model.weights[1].tensor;
    whole.type = TN_TYPE_I32;
    integers.weights[1].tensor = &whole;
    assert_int_equal(tn_device_sim.lower(d, &integers.program, &config, NULL, NULL, &x, &err), TN_ENOTSUP);
    assert_non_null(strstr(err.text, "I32"));
    tn_device_sim.close(d);

    session s;
    open_session(&s, false);
    const tn_step large = {.n_token = config.max_tokens + 1};
    assert_int_equal(tn_device_sim.step(s.exec, &large, &err), TN_EINVAL);
    close_session(&s);
}

static void bytes_are_accounted(void **state) {
    (void)state;
    session s;
    uint64_t expected = 0;
    tn_exec_size size;
    tn_error err = {0};
    open_session(&s, false);
    assert_int_equal(tn_device_sim.size(s.device, &model.program, &config, &size, &err), 0);
    for (uint32_t w = 1; w <= model.program.n_weight; w++) expected += model.tensors[w].bytes;
    assert_true(size.weights >= expected && size.weights < expected + 64);
    assert_true(size.activations > 0);
    assert_int_equal(size.page[0] + size.page[1], 2 * TN_TINY_LAYER * PAGE_TOKENS * TN_TINY_HEAD_KV *
                                                      tn_kv_row_bytes(TN_KV_F32, TN_TINY_HEAD_DIM));
    close_session(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_plain_forward), cmocka_unit_test(company_changes_nothing),
        cmocka_unit_test(unread_steps_count),        cmocka_unit_test(taps_hold_the_layers),
        cmocka_unit_test(sums_go_with_products),     cmocka_unit_test(refusals_say_why),
        cmocka_unit_test(bytes_are_accounted),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, record, forget);
}
