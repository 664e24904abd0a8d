/* SPDX-License-Identifier: Apache-2.0 */
/* Prompts with media in an engine, whose logits and answers are kept. For tests of what sees and what hears.
 */
#ifndef TESTS_GOLDEN_WATCHER_H
#define TESTS_GOLDEN_WATCHER_H

#include "golden/fixture.h"

#include <math.h>

#include "sched/engine.h"
#include "sched/sight.h"

/* A device and how far it may be off. */
typedef struct bound {
    const char *name, *device;
    tn_compute compute;
    double max_diff, min_cosine;
} bound;

static void compare(const bound *b, const char *what, size_t row, const float *got, const float *want,
                    size_t n) {
    double worst = 0, dot = 0, g2 = 0, w2 = 0;
    for (size_t i = 0; i < n; i++) {
        worst = fmax(worst, fabs((double)got[i] - want[i]));
        dot += (double)got[i] * want[i];
        g2 += (double)got[i] * got[i];
        w2 += (double)want[i] * want[i];
    }
    if (!(worst <= b->max_diff) || !(dot / sqrt(g2 * w2) >= b->min_cosine))
        fail_msg("%s, row %zu: off by up to %g (allowed %g), cosine %g", what, row, worst, b->max_diff,
                 dot / sqrt(g2 * w2));
}

/* One prompt in an engine. */
typedef struct watcher {
    tn_sight sight;
    sequence s;
    int32_t answer[64];
    uint32_t n_answer;
} watcher;

static bool on_token(void *ctx, const tn_token *token) {
    watcher *p = ctx;
    if (p->n_answer < 64) p->answer[p->n_answer++] = token->id;
    return true;
}
static void on_logits(void *ctx, uint32_t pos, const float *logits) {
    watcher *p = ctx;
    if (pos < p->s.n_ids) sequence_on_logits(&p->s, pos, logits);
}

/* Of the prompt p (name, ids), which shows or lets hear the n media of seen. */
static watcher watcher_make(const run *r, const json_t *p, const tn_seen *seen, size_t n) {
    tn_error err = {0};
    watcher w = {.s = sequence_of(json_object_get(p, "ids"), r->model->program->n_vocab)};
    if (tn_sight_bind(r->model, w.s.ids, w.s.n_ids, seen, n, &w.sight, &err) != 0)
        fail_msg("%s: %s", json_string_value(json_object_get(p, "name")), err.text);
    return w;
}
static void watcher_free(watcher *p) {
    sequence_free(&p->s);
    tn_sight_fini(&p->sight);
}

static void add(tn_engine *e, watcher *p, uint32_t max_new, bool all) {
    tn_error err = {0};
    tn_seq_config c = {.max_new = max_new, .ignore_end = true, .all_logits = all, .ctx = p};
    c.on_token = on_token;
    c.on_logits = on_logits;
    tn_sight_config(&p->sight, &c);
    p->n_answer = 0;
    if (tn_engine_add(e, &c, NULL, &err) != 0) fail_msg("%s", err.text);
}

static tn_engine *engine_of(const run *r) {
    tn_engine *e;
    tn_error err = {0};
    assert_int_equal(tn_engine_new(r->model, NULL, &e, &err), 0);
    return e;
}
static void finish(tn_engine *e) {
    tn_error err = {0};
    if (tn_engine_run(e, &err) != 0) fail_msg("%s", err.text);
}

#endif
