/* SPDX-License-Identifier: Apache-2.0 */
/* Every fixture model against the logits, layer outputs and greedy continuations that an independent
 * implementation recorded, on every device and in every arithmetic. Bounds are those of the fixtures' README.
 */
#include <math.h>

#include "golden/fixture.h"

typedef struct bound {
    const char *name, *device;
    tn_compute compute;
    double max_diff, max_diff_quantised, min_cosine;
} bound;

static const bound bounds[] = {
    {"reference", "reference", TN_COMPUTE_F32, 1e-3, 1e-3, 0.99999},
    {"cpu f32", "cpu", TN_COMPUTE_F32, 1e-3, 1e-3, 0.99999},
    {"cpu auto", "cpu", TN_COMPUTE_AUTO, 0.15, 0.8, 0.998},
};

typedef struct golden_case {
    const fixture *f;
    const bound *b;
    char name[160];
} golden_case;

static double tolerance(const golden_case *c) {
    return c->f->quantised ? c->b->max_diff_quantised : c->b->max_diff;
}

static void compare_row(const golden_case *c, const char *what, uint32_t row, const float *got,
                        const float *want, uint32_t n) {
    double worst = 0, dot = 0, g2 = 0, w2 = 0;
    for (uint32_t i = 0; i < n; i++) {
        if (!isfinite(got[i])) fail_msg("%s, row %u: value %u is not finite", what, row, i);
        worst = fmax(worst, fabs((double)got[i] - want[i]));
        dot += (double)got[i] * want[i];
        g2 += (double)got[i] * got[i];
        w2 += (double)want[i] * want[i];
    }
    double cosine = dot / sqrt(g2 * w2);
    if (!(worst <= tolerance(c)) || !(cosine >= c->b->min_cosine))
        fail_msg("%s, row %u: off by up to %g (allowed %g), cosine %g (at least %g)", what, row, worst,
                 tolerance(c), cosine, c->b->min_cosine);
}

static const char *text(const json_t *o, const char *key) {
    return json_string_value(json_object_get(o, key));
}

/* Last logits, and all or some rows where they were recorded. */
static void compare_prompt(const golden_case *c, const reference *ref, const json_t *p, const sequence *s) {
    size_t rows, i;
    json_t *pos;
    float *want = reference_array(ref, text(p, "last_logits"), s->n_vocab, &rows);
    compare_row(c, text(p, "name"), s->n_ids - 1, s->logits + (size_t)(s->n_ids - 1) * s->n_vocab, want,
                s->n_vocab);
    free(want);
    if (text(p, "all_logits")) {
        want = reference_array(ref, text(p, "all_logits"), s->n_vocab, &rows);
        assert_int_equal(rows, s->n_ids);
        for (uint32_t r = 0; r < rows; r++)
            compare_row(c, text(p, "all_logits"), r, s->logits + (size_t)r * s->n_vocab,
                        want + r * s->n_vocab, s->n_vocab);
        free(want);
    }
    if (!text(p, "rows")) return;
    want = reference_array(ref, text(p, "rows"), s->n_vocab, &rows);
    assert_int_equal(rows, json_array_size(json_object_get(p, "row_positions")));
    json_array_foreach(json_object_get(p, "row_positions"), i, pos) {
        uint32_t r = (uint32_t)json_integer_value(pos);
        compare_row(c, text(p, "rows"), r, s->logits + (size_t)r * s->n_vocab, want + i * s->n_vocab,
                    s->n_vocab);
    }
    free(want);
}

static void compare_prompts(const golden_case *c, const run *r, const reference *ref) {
    size_t i, n = 0;
    json_t *p;
    json_array_foreach(json_object_get(ref->json, "prompts"), i, p) {
        sequence s = sequence_of(json_object_get(p, "ids"), r->model->program->n_vocab);
        run_together(r, &s, 1, true);
        compare_prompt(c, ref, p, &s);
        sequence_free(&s);
        n++;
    }
    assert_true(n >= 3);
}

/* All prompts, of lengths from 1 to 300, in one batch: each must still give the logits it has alone. */
static void compare_batch(const golden_case *c, const run *r, const reference *ref) {
    const json_t *prompts = json_object_get(ref->json, "prompts");
    size_t n = json_array_size(prompts);
    sequence *seqs = calloc(n, sizeof *seqs);
    for (size_t i = 0; i < n; i++)
        seqs[i] = sequence_of(json_object_get(json_array_get(prompts, i), "ids"), r->model->program->n_vocab);
    run_together(r, seqs, n, true);
    for (size_t i = 0; i < n; i++) {
        compare_prompt(c, ref, json_array_get(prompts, i), &seqs[i]);
        sequence_free(&seqs[i]);
    }
    free(seqs);
}

typedef struct taps {
    float *data; /* [n_tap, n_token, n_embd] */
    uint32_t n_tap, n_token, n_embd;
} taps;

static void on_taps(void *ctx, tn_exec *exec, uint32_t first_row, uint32_t pos, uint32_t n) {
    taps *t = ctx;
    for (uint32_t i = 0; i < t->n_tap; i++) {
        const float *rows;
        assert_int_equal(exec->cls->tap(exec, i, &rows, NULL), 0);
        memcpy(t->data + ((size_t)i * t->n_token + pos) * t->n_embd, rows + (size_t)first_row * t->n_embd,
               (size_t)n * t->n_embd * sizeof *rows);
    }
}

/* Layer outputs grow with depth, so the bound is relative to the largest value of the row. */
static void compare_layer(uint32_t layer, const float *got, const float *want, size_t n) {
    double worst = 0, size = 1;
    for (size_t i = 0; i < n; i++) {
        worst = fmax(worst, fabs((double)got[i] - want[i]));
        size = fmax(size, fabs((double)want[i]));
    }
    if (!(worst <= 1e-4 * size))
        fail_msg("output of layer %u: off by up to %g at a size of %g", layer, worst, size);
}

static void compare_hidden(const run *r, const reference *ref) {
    const json_t *p = reference_prompt(ref, "short");
    if (!p || !text(p, "hidden_states")) return;
    const tn_program *prog = r->model->program;
    sequence s = sequence_of(json_object_get(p, "ids"), prog->n_vocab);
    taps t = {.n_tap = prog->n_tap, .n_token = s.n_ids, .n_embd = prog->n_embd};
    size_t rows;
    float *want = reference_array(ref, text(p, "hidden_states"), (size_t)t.n_token * t.n_embd, &rows);
    assert_int_equal(rows, t.n_tap);
    t.data = calloc((size_t)t.n_tap * t.n_token * t.n_embd, sizeof *t.data);
    tn_engine *e;
    tn_error err = {0};
    tn_seq_config c = {
        .prompt = s.ids, .n_prompt = s.n_ids, .all_logits = true, .ctx = &t, .on_taps = on_taps};
    assert_int_equal(tn_engine_new(r->model, NULL, &e, &err), 0);
    assert_int_equal(tn_engine_add(e, &c, NULL, &err), 0);
    assert_int_equal(tn_engine_run(e, &err), 0);
    size_t n = (size_t)t.n_token * t.n_embd;
    for (uint32_t i = 0; i < t.n_tap; i++) compare_layer(i, t.data + i * n, want + i * n, n);
    tn_engine_free(e);
    free(t.data);
    free(want);
    sequence_free(&s);
}

typedef struct continuation {
    int32_t ids[64];
    size_t n;
} continuation;

static bool on_token(void *ctx, const tn_token *token) {
    continuation *c = ctx;
    c->ids[c->n++] = token->id;
    return c->n < 64;
}

/* Up to the first step whose two best logits are closer than twice the tolerance. Returns the steps compared.
 */
static size_t compare_greedy(const golden_case *c, const run *r, const reference *ref, const json_t *g) {
    const json_t *want = json_object_get(g, "tokens"), *gap = json_object_get(g, "top1_minus_top2");
    const json_t *p = reference_prompt(ref, text(g, "prompt"));
    if (!p || !want || !gap) fail_msg("the reference's greedy runs are not as expected");
    sequence s = sequence_of(json_object_get(p, "ids"), r->model->program->n_vocab);
    continuation got = {0};
    tn_engine *e;
    tn_error err = {0};
    tn_seq_config config = {.prompt = s.ids,
                            .n_prompt = s.n_ids,
                            .max_new = (uint32_t)json_array_size(want),
                            .ignore_end = true,
                            .ctx = &got,
                            .on_token = on_token};
    assert_int_equal(tn_engine_new(r->model, NULL, &e, &err), 0);
    assert_int_equal(tn_engine_add(e, &config, NULL, &err), 0);
    assert_int_equal(tn_engine_run(e, &err), 0);
    tn_engine_free(e);
    sequence_free(&s);
    assert_int_equal(got.n, json_array_size(want));
    for (size_t i = 0; i < got.n; i++) {
        if (json_number_value(json_array_get(gap, i)) < 2 * tolerance(c)) return i;
        if (got.ids[i] != json_integer_value(json_array_get(want, i)))
            fail_msg("greedy after %s, step %zu: %d instead of %lld", text(g, "prompt"), i, got.ids[i],
                     (long long)json_integer_value(json_array_get(want, i)));
    }
    return got.n;
}

static void golden(void **state) {
    const golden_case *c = *state;
    reference ref = reference_open(c->f);
    setting s = {.device = c->b->device,
                 .compute = c->b->compute,
                 .n_thread = 2,
                 .step_tokens = 320,
                 .max_seqs = 8,
                 .all_rows = true,
                 .taps = true};
    run r = run_open(c->f, &s);
    size_t i, compared = 0;
    json_t *g;
    compare_prompts(c, &r, &ref);
    compare_batch(c, &r, &ref);
    if (c->b->max_diff <= 1e-3) compare_hidden(&r, &ref);
    json_array_foreach(json_object_get(ref.json, "greedy"), i, g) compared += compare_greedy(c, &r, &ref, g);
    assert_true(i > 0);
    if (c->b->max_diff <= 1e-3) assert_true(compared > 16);
    run_close(&r);
    reference_close(&ref);
}

int main(void) {
    size_t n_bounds = sizeof bounds / sizeof *bounds, n = 0;
    struct CMUnitTest *tests = calloc(n_fixtures * n_bounds, sizeof *tests);
    golden_case *cases = calloc(n_fixtures * n_bounds, sizeof *cases);
    for (size_t b = 0; b < n_bounds; b++)
        for (size_t i = 0; i < n_fixtures; i++, n++) {
            cases[n] = (golden_case){.f = &fixtures[i], .b = &bounds[b]};
            snprintf(cases[n].name, sizeof cases[n].name, "%s: %s%s%s", bounds[b].name, fixtures[i].path,
                     fixtures[i].config ? " " : "", fixtures[i].config ? fixtures[i].config : "");
            tests[n] = (struct CMUnitTest){cases[n].name, golden, NULL, NULL, &cases[n]};
        }
    unit_filter();
    cmocka_set_message_output(CM_OUTPUT_TAP);
    int failed = _cmocka_run_group_tests("golden", tests, n, NULL, NULL);
    free(tests);
    free(cases);
    return failed;
}
