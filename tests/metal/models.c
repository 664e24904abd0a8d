/* SPDX-License-Identifier: Apache-2.0 */
/* Models as their families record them, on a GPU device of the tests (tested.h): against the recorded logits
 * and the reference device, prompts and generated tokens, and against themselves in other company. The engine
 * is the one that serves every other device. */
#include "golden/fixture.h"

#include <math.h>

#include "modules/loader.h"
#include "tested.h"

/* Bounds on a logit. Golden: the fixtures' README for F32. Two devices that both sum in F32 or better are
 * closer; with automatic computation prompt rows meet quantised weights rounded to halves, and keys and
 * values are halves. */
static const double golden_bound = 1e-3, f32_bound = 2e-4, auto_bound = 2e-2;
static const double recurrent_bound = 2e-3; /* of models with a delta rule, as the README has it */

/* Prompts of 16, 1, 5, 17, 41 and 64 tokens, as far as a fixture has them. The long ones would take the
 * simulator seconds each. */
static const char *const prompt_names[] = {"short", "one", "batch0", "batch1", "batch2", "medium"};
enum { N_PROMPT = sizeof prompt_names / sizeof *prompt_names, N_NEW = 8 };

typedef struct model_case {
    fixture f;
    tn_compute compute;
    double golden, reference; /* bounds */
    char name[96];
} model_case;

static run open_on(const model_case *c, const char *device) {
    const setting s = {.device = device,
                       .compute = c->compute,
                       .kv_type = c->compute == TN_COMPUTE_F32 ? "f32" : "f16",
                       .n_thread = 1,
                       .step_tokens = 192,
                       .max_seqs = N_PROMPT,
                       .all_rows = true,
                       .taps = true};
    return run_open(&c->f, &s);
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

static void compare_golden(const model_case *c, const reference *ref, const char *prompt, const sequence *s) {
    const json_t *p = reference_prompt(ref, prompt);
    size_t rows;
    float *want =
        reference_array(ref, json_string_value(json_object_get(p, "last_logits")), s->n_vocab, &rows);
    const double off = worst_difference(s->logits + n_logits(s) - s->n_vocab, want, s->n_vocab);
    free(want);
    if (!(off <= c->golden)) fail_msg("%s: last logits off by %g", prompt, off);
}

/* ---- generated tokens ---- */

typedef struct continuation {
    int32_t ids[N_NEW];
    uint32_t n, n_row, n_vocab;
    float *rows; /* [N_NEW, n_vocab]: what each token was chosen from */
} continuation;

static bool on_token(void *ctx, const tn_token *token) {
    continuation *c = ctx;
    c->ids[c->n++] = token->id;
    return c->n < N_NEW;
}

static void on_logits(void *ctx, uint32_t pos, const float *logits) {
    continuation *c = ctx;
    (void)pos;
    if (c->n_row < N_NEW)
        memcpy(c->rows + (size_t)c->n_row++ * c->n_vocab, logits, c->n_vocab * sizeof *logits);
}

static continuation generate(const run *r, const sequence *s) {
    continuation got = {.n_vocab = s->n_vocab, .rows = calloc((size_t)N_NEW * s->n_vocab, sizeof(float))};
    tn_engine *e;
    tn_error err = {0};
    const tn_seq_config config = {.prompt = s->ids,
                                  .n_prompt = s->n_ids,
                                  .max_new = N_NEW,
                                  .ignore_end = true,
                                  .ctx = &got,
                                  .on_logits = on_logits,
                                  .on_token = on_token};
    assert_non_null(got.rows);
    assert_int_equal(tn_engine_new(r->model, NULL, &e, &err), 0);
    assert_int_equal(tn_engine_add(e, &config, NULL, &err), 0);
    if (tn_engine_run(e, &err) != 0) fail_msg("%s", err.text);
    tn_engine_free(e);
    assert_int_equal(got.n, N_NEW);
    return got;
}

/* Logits of generated tokens, as far as both devices chose the same ones. Returns how many rows were
 * compared. */
static uint32_t compare_generated(const continuation *a, const continuation *b, double bound) {
    uint32_t i = 0;
    do {
        const size_t at = (size_t)i * a->n_vocab;
        const double off = worst_difference(a->rows + at, b->rows + at, a->n_vocab);
        if (!(off <= bound)) fail_msg("generated token %u: %g away from the reference device", i, off);
    } while (i < N_NEW && a->ids[i] == b->ids[i] && ++i < N_NEW);
    return i;
}

/* ---- one model ---- */

/* Those that there are: names and sequences; the first is "short". */
static size_t read_prompts(const reference *ref, const run *r, const char **names, sequence *seqs) {
    size_t n = 0;
    for (size_t i = 0; i < N_PROMPT; i++) {
        const json_t *p = reference_prompt(ref, prompt_names[i]);
        if (!p) continue;
        names[n] = prompt_names[i];
        seqs[n++] = sequence_of(json_object_get(p, "ids"), r->model->program->n_vocab);
    }
    assert_true(n >= 2 && strcmp(names[0], prompt_names[0]) == 0);
    return n;
}

/* Each prompt alone; the logits are the caller's. */
static void run_alone(const run *r, sequence *seqs, size_t n, float **ret) {
    for (size_t i = 0; i < n; i++) {
        run_together(r, &seqs[i], 1, true);
        ret[i] = copy_logits(&seqs[i]);
    }
}

static void model_runs_on_kernels(void **state) {
    const model_case *c = *state;
    const double bound = c->reference;
    reference ref = reference_open(&c->f);
    run plain = open_on(c, "reference"), r = open_on(c, tested_device()->name);
    sequence seqs[N_PROMPT];
    float *want[N_PROMPT], *alone[N_PROMPT];
    double worst = 0;
    const char *names[N_PROMPT];
    const size_t n = read_prompts(&ref, &r, names, seqs);
    run_alone(&plain, seqs, n, want);
    continuation generated_want = generate(&plain, &seqs[0]);
    run_alone(&r, seqs, n, alone);
    for (size_t i = 0; i < n; i++) {
        memcpy(seqs[i].logits, alone[i], n_logits(&seqs[i]) * sizeof *alone[i]);
        compare_golden(c, &ref, names[i], &seqs[i]);
        const double off = worst_difference(alone[i], want[i], n_logits(&seqs[i]));
        if (!(off <= bound)) fail_msg("%s: %g away from the reference device", names[i], off);
        worst = fmax(worst, off);
    }
    continuation generated = generate(&r, &seqs[0]);
    const uint32_t compared = compare_generated(&generated, &generated_want, bound);
    run_together(&r, seqs, n, true); /* in one batch: the same bits */
    for (size_t i = 0; i < n; i++)
        if (memcmp(seqs[i].logits, alone[i], n_logits(&seqs[i]) * sizeof *alone[i]) != 0)
            fail_msg("%s: other logits in a batch than alone", names[i]);
    printf("# %s: at most %.1e from the reference device, %u generated tokens compared\n", c->name, worst,
           compared);
    assert_true(compared >= 3);
    for (size_t i = 0; i < n; i++) {
        sequence_free(&seqs[i]);
        free(alone[i]);
        free(want[i]);
    }
    free(generated.rows);
    free(generated_want.rows);
    run_close(&plain);
    run_close(&r);
    reference_close(&ref);
    tested_device_end();
}

int main(void) {
    static const struct {
        fixture f;
        tn_compute compute;
    } what[] = {
        {{.path = "models/llama3"}, TN_COMPUTE_F32},
        {{.path = "models/mistral"}, TN_COMPUTE_F32},
        {{.path = "models/gemma2"}, TN_COMPUTE_F32},
        {{.path = "models/gemma3"}, TN_COMPUTE_F32},
        {{.path = "models/qwen2"}, TN_COMPUTE_F32},
        {{.path = "models/qwen3"}, TN_COMPUTE_F32},
        {{.path = "models/phi3"}, TN_COMPUTE_F32},
        {{.path = "models/qwen3_5"}, TN_COMPUTE_F32},
        {{.path = "models/llama3"}, TN_COMPUTE_AUTO},
        {{.path = "gguf/llama2/llama2-Q8_0.gguf", .reference = "gguf/llama2/reference-Q8_0"}, TN_COMPUTE_F32},
        {{.path = "gguf/llama3_wide/llama3_wide-Q4_K_M.gguf",
          .reference = "gguf/llama3_wide/reference-Q4_K_M"},
         TN_COMPUTE_AUTO},
        {{.path = "mlx/llama3_wide-4bit-g64"}, TN_COMPUTE_F32},
    };
    enum { N = sizeof what / sizeof *what };
    static model_case cases[N];
    struct CMUnitTest tests[N];
    tn_loader_set_preopened();
    tn_device_class_offer(tested_device());
    for (size_t i = 0; i < N; i++) {
        const bool f32 = what[i].compute == TN_COMPUTE_F32,
                   recurrent = strstr(what[i].f.path, "qwen3_5") != NULL;
        cases[i] = (model_case){.f = what[i].f,
                                .compute = what[i].compute,
                                .golden = !f32        ? auto_bound
                                          : recurrent ? recurrent_bound
                                                      : golden_bound,
                                .reference = !f32        ? auto_bound
                                             : recurrent ? recurrent_bound
                                                         : f32_bound};
        snprintf(cases[i].name, sizeof cases[i].name, "%s, %s", what[i].f.path,
                 what[i].compute == TN_COMPUTE_F32 ? "f32" : "auto");
        tests[i] = (struct CMUnitTest){cases[i].name, model_runs_on_kernels, NULL, NULL, &cases[i]};
    }
    return unit_main(tests);
}
