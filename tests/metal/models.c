/* SPDX-License-Identifier: Apache-2.0 */
/* Models as their families record them, on msl-sim: against the recorded logits and the reference device, and
 * against themselves in other company. The engine is the one that serves every other device. */
#include <math.h>

#include "gpu_sim.h"
#include "golden/fixture.h"
#include "modules/loader.h"

/* Bounds on a logit: the fixtures' README for F32; two devices that both sum in F32 or better are closer. */
static const double golden_bound = 1e-3, reference_bound = 2e-4;

/* Prompts of 16, 1, 5, 17 and 41 tokens. The long ones of the fixtures would take the simulator seconds each.
 */
static const char *const prompt_names[] = {"short", "one", "batch0", "batch1", "batch2"};
enum { N_PROMPT = sizeof prompt_names / sizeof *prompt_names, N_GREEDY = 8 };

static const setting how = {.device = "reference",
                            .compute = TN_COMPUTE_F32,
                            .n_thread = 1,
                            .step_tokens = 96,
                            .max_seqs = N_PROMPT,
                            .all_rows = true,
                            .taps = true};

/* The loaded model goes on on msl-sim, with the program and the sizes it has. */
static void move_to_sim(run *r) {
    tn_model *m = r->model;
    tn_error err = {0};
    m->exec->cls->exec_free(m->exec);
    m->device->cls->close(m->device);
    m->exec = NULL;
    m->device = NULL;
    if (tn_device_sim.open(&(tn_device_options){0}, &m->device, &err) != 0) fail_msg("%s", err.text);
    if (tn_device_sim.lower(m->device, m->program, &m->config, NULL, NULL, &m->exec, &err) != 0)
        fail_msg("%s", err.text);
}

static double worst_difference(const float *a, const float *b, size_t n) {
    double worst = 0;
    for (size_t i = 0; i < n; i++) {
        const double off = fabs((double)a[i] - b[i]);
        if (!(off <= worst)) worst = off; /* also when it is not a number */
    }
    return worst;
}

static size_t n_logits(const sequence *s) {
    return (size_t)s->n_ids * s->n_vocab;
}

static float *copy_logits(const sequence *s) {
    float *copy = malloc(n_logits(s) * sizeof *copy);
    assert_non_null(copy);
    return memcpy(copy, s->logits, n_logits(s) * sizeof *copy);
}

static void compare_golden(const reference *ref, size_t prompt, const sequence *s) {
    const json_t *p = reference_prompt(ref, prompt_names[prompt]);
    size_t rows;
    float *want =
        reference_array(ref, json_string_value(json_object_get(p, "last_logits")), s->n_vocab, &rows);
    const double off = worst_difference(s->logits + n_logits(s) - s->n_vocab, want, s->n_vocab);
    free(want);
    if (!(off <= golden_bound)) fail_msg("%s: last logits off by %g", prompt_names[prompt], off);
}

/* Each prompt alone on both devices; ret_alone[i] are the simulator's logits, the caller's. */
static double compare_devices(run *r, const reference *ref, sequence *seqs, float **ret_alone) {
    double worst = 0;
    float *reference_logits[N_PROMPT];
    for (size_t i = 0; i < N_PROMPT; i++) {
        run_together(r, &seqs[i], 1, true);
        reference_logits[i] = copy_logits(&seqs[i]);
    }
    move_to_sim(r);
    for (size_t i = 0; i < N_PROMPT; i++) {
        run_together(r, &seqs[i], 1, true);
        compare_golden(ref, i, &seqs[i]);
        const double off = worst_difference(seqs[i].logits, reference_logits[i], n_logits(&seqs[i]));
        if (!(off <= reference_bound))
            fail_msg("%s: %g away from the reference device", prompt_names[i], off);
        worst = fmax(worst, off);
        ret_alone[i] = copy_logits(&seqs[i]);
        free(reference_logits[i]);
    }
    return worst;
}

typedef struct continuation {
    int32_t ids[N_GREEDY];
    uint32_t n;
} continuation;

static bool on_token(void *ctx, const tn_token *token) {
    continuation *c = ctx;
    c->ids[c->n++] = token->id;
    return c->n < N_GREEDY;
}

/* Steps whose two best logits are close are not compared. Returns how many were. */
static uint32_t compare_greedy(const run *r, const reference *ref, const sequence *s) {
    const json_t *g = json_array_get(json_object_get(ref->json, "greedy"), 0);
    const json_t *want = json_object_get(g, "tokens"), *gap = json_object_get(g, "top1_minus_top2");
    continuation got = {0};
    tn_engine *e;
    tn_error err = {0};
    const tn_seq_config config = {.prompt = s->ids,
                                  .n_prompt = s->n_ids,
                                  .max_new = N_GREEDY,
                                  .ignore_end = true,
                                  .ctx = &got,
                                  .on_token = on_token};
    assert_string_equal(json_string_value(json_object_get(g, "prompt")), prompt_names[0]);
    assert_int_equal(tn_engine_new(r->model, NULL, &e, &err), 0);
    assert_int_equal(tn_engine_add(e, &config, NULL, &err), 0);
    if (tn_engine_run(e, &err) != 0) fail_msg("%s", err.text);
    tn_engine_free(e);
    assert_int_equal(got.n, N_GREEDY);
    for (uint32_t i = 0; i < got.n; i++) {
        if (json_number_value(json_array_get(gap, i)) < 2 * golden_bound) return i;
        if (got.ids[i] != json_integer_value(json_array_get(want, i)))
            fail_msg("greedy step %u: %d", i, got.ids[i]);
    }
    return got.n;
}

static void model_runs_on_kernels(void **state) {
    const fixture f = {.path = *state};
    reference ref = reference_open(&f);
    run r = run_open(&f, &how);
    sequence seqs[N_PROMPT];
    float *alone[N_PROMPT];
    for (size_t i = 0; i < N_PROMPT; i++)
        seqs[i] = sequence_of(json_object_get(reference_prompt(&ref, prompt_names[i]), "ids"),
                              r.model->program->n_vocab);
    const double worst = compare_devices(&r, &ref, seqs, alone);
    run_together(&r, seqs, N_PROMPT, true); /* in one batch: the same bits */
    for (size_t i = 0; i < N_PROMPT; i++)
        if (memcmp(seqs[i].logits, alone[i], n_logits(&seqs[i]) * sizeof *alone[i]) != 0)
            fail_msg("%s: other logits in a batch than alone", prompt_names[i]);
    const uint32_t compared = compare_greedy(&r, &ref, &seqs[0]);
    printf("# %s: at most %.1e from the reference device, %u greedy tokens as recorded\n", f.path, worst,
           compared);
    assert_true(compared >= 3);
    for (size_t i = 0; i < N_PROMPT; i++) {
        sequence_free(&seqs[i]);
        free(alone[i]);
    }
    run_close(&r);
    reference_close(&ref);
}

int main(void) {
    static char paths[][32] = {"models/llama3", "models/mistral", "models/gemma2", "models/qwen2",
                               "models/qwen3"};
    struct CMUnitTest tests[sizeof paths / sizeof *paths];
    tn_loader_set_preopened();
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
        tests[i] = (struct CMUnitTest){paths[i], model_runs_on_kernels, NULL, NULL, paths[i]};
    return unit_main(tests);
}
