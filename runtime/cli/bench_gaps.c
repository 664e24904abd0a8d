/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/bench_gaps.h"

#include <stdlib.h>

#include "base/clock.h"
#include "cli/samples.h"

typedef struct stream {
    tn_samples *gaps; /* NULL until the prompt has arrived */
    double last;      /* when its last token came */
} stream;

static bool on_token(void *ctx, const tn_token *token) {
    stream *s = ctx;
    double now = tn_clock_s();
    (void)token;
    if (s->gaps) tn_samples_add(s->gaps, now - s->last);
    s->last = now;
    return true;
}

static int add_streams(tn_engine *e, stream *streams, uint32_t n, const int32_t *ids, tn_error *err) {
    int rc = 0;
    for (uint32_t i = 0; !rc && i < n; i++) {
        tn_seq_config c = {.prompt = ids,
                           .n_prompt = TN_BENCH_STREAM_PROMPT,
                           .max_new = UINT32_MAX,
                           .ignore_end = true,
                           .isolated = true,
                           .ctx = &streams[i],
                           .on_token = on_token};
        rc = tn_engine_add(e, &c, NULL, err);
    }
    return rc;
}

/* Steps until the prompt is through; durations of full steps. */
static int run_prompt(tn_engine *e, tn_seq *prompt, tn_samples *full, tn_error *err) {
    int rc = 0;
    bool busy = true;
    while (!rc && busy && !tn_seq_finish(prompt)) {
        uint64_t before = tn_engine_get_stats(e).n_full_step;
        double start = tn_clock_s();
        rc = tn_engine_step(e, &busy, err);
        if (tn_engine_get_stats(e).n_full_step > before) tn_samples_add(full, tn_clock_s() - start);
    }
    return rc;
}

static int run_all(tn_engine *e, const int32_t *ids, uint32_t n_prompt, stream *streams, uint32_t n_stream,
                   tn_samples *gaps, tn_samples *full, tn_error *err) {
    enum { WARM_UP = 4 };
    tn_seq *prompt = NULL;
    bool busy;
    int rc = add_streams(e, streams, n_stream, ids, err);
    for (int i = 0; !rc && i < WARM_UP; i++) rc = tn_engine_step(e, &busy, err);
    for (uint32_t i = 0; i < n_stream; i++) streams[i].gaps = gaps;
    tn_seq_config c = {.prompt = ids, .n_prompt = n_prompt, .isolated = true};
    if (!rc) rc = tn_engine_add(e, &c, &prompt, err);
    if (!rc) rc = run_prompt(e, prompt, full, err);
    return rc ? rc : gaps->full || full->full ? tn_fail(err, TN_ENOMEM, "out of memory") : 0;
}

int tn_bench_gaps(tn_model *m, const int32_t *ids, uint32_t n_prompt, uint32_t n_stream, json_t **ret,
                  tn_error *err) {
    tn_engine *e;
    tn_samples gaps = {0}, full = {0};
    stream *streams = calloc((size_t)n_stream + 1, sizeof *streams);
    if (!streams) return tn_fail(err, TN_ENOMEM, "out of memory");
    int rc = tn_engine_new(m, NULL, &e, err);
    if (!rc) {
        rc = run_all(e, ids, n_prompt, streams, n_stream, &gaps, &full, err);
        tn_engine_free(e);
    }
    double step = tn_samples_median(&full), gap = tn_samples_median(&gaps);
    if (!rc)
        *ret = json_pack("{s:I,s:I,s:I,s:I,s:f,s:f,s:f,s:f,s:f}", "prompt", (json_int_t)n_prompt, "streams",
                         (json_int_t)n_stream, "step_tokens", (json_int_t)m->config.max_tokens, "full_steps",
                         (json_int_t)full.n, "full_step_median_s", step, "full_step_max_s",
                         tn_samples_most(&full), "gap_median_s", gap, "gap_max_s", tn_samples_most(&gaps),
                         "gap_max_per_full_step", step > 0 ? tn_samples_most(&gaps) / step : 0);
    if (!rc && !*ret) rc = tn_fail(err, TN_ENOMEM, "out of memory");
    free(streams);
    tn_samples_fini(&gaps);
    tn_samples_fini(&full);
    return rc;
}
