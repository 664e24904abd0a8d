/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/bench_vision.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "cli/samples.h"
#include "sched/sight.h"
#include "sched/tower.h"

enum { BEFORE = 8, QUESTION = 16, FRAME = 224, FPS = 2, MAX_REPS = 1000, WARM_UP = 4 };

typedef struct bench {
    tn_model *m;
    tn_media_store *store;
    tn_intake *intake;
    tn_engine *engine;
    uint32_t next; /* so that no two pictures are alike */
    tn_error *err;
} bench;

/* A picture or clip like no other. */
static int frames_new(bench *b, uint32_t side, uint32_t n_frame, tn_frames *ret) {
    const size_t n = (size_t)3 * side * side * n_frame;
    *ret = (tn_frames){.width = side, .height = side, .n_frame = n_frame, .fps = FPS};
    ret->rgb = malloc(n);
    ret->seconds = calloc(n_frame, sizeof *ret->seconds);
    ret->duration = (double)n_frame / FPS;
    if (!ret->rgb || !ret->seconds) return tn_fail(b->err, TN_ENOMEM, "out of memory");
    uint32_t x = 12345 + 6789 * b->next++;
    for (size_t i = 0; i < n; i++) {
        x = x * 1664525 + 1013904223;
        ret->rgb[i] = (uint8_t)(x >> 24);
    }
    for (uint32_t i = 0; i < n_frame; i++) ret->seconds[i] = (double)i / FPS;
    return 0;
}

static void frames_free(tn_frames *f) {
    free(f->rgb);
    free(f->seconds);
}

/* Text that no placeholder is part of. */
static void add_text(const bench *b, int32_t *ids, uint32_t *n, uint32_t count, uint32_t seed) {
    const tn_vision *v = &b->m->tower->vision;
    for (uint32_t i = 0; i < count; i++) {
        int32_t id = (int32_t)(tn_random_unit(seed, i) * b->m->program->n_vocab);
        while (id == v->image_token || id == v->video_token) id = (id + 1) % (int32_t)b->m->program->n_vocab;
        ids[(*n)++] = id;
    }
}

/* Text, the medium, a question. */
static int prompt_of(const bench *b, const tn_seen *s, uint32_t question, tn_sight *ret) {
    const tn_vision *v = &b->m->tower->vision;
    const bool video = s->kind == TN_MEDIA_VIDEO, timed = video && v->video.text == TN_VIDEO_TIMED;
    const uint32_t each = s->grid[1] * s->grid[2];
    uint32_t n = 0;
    int32_t *ids = malloc((BEFORE + QUESTION + (size_t)s->grid[0] * (each + BEFORE)) * sizeof *ids);
    if (!ids) return tn_fail(b->err, TN_ENOMEM, "out of memory");
    add_text(b, ids, &n, BEFORE, 1);
    for (uint32_t t = 0; t < s->grid[0]; t++) {
        if (timed) add_text(b, ids, &n, BEFORE, 2 + t);
        for (uint32_t i = 0; i < each; i++) ids[n++] = video ? v->video_token : v->image_token;
    }
    add_text(b, ids, &n, QUESTION, 1000000 + question);
    int rc = tn_sight_bind(b->m, ids, n, s, 1, ret, b->err);
    free(ids);
    return rc;
}

/* Seconds from frames to the first token. */
static int first_token(bench *b, const tn_frames *f, tn_media_kind kind, uint32_t question, double *ret,
                       uint32_t *ret_tokens) {
    tn_seen seen;
    tn_sight sight = {0};
    tn_seq *seq = NULL;
    double start = tn_clock_s();
    int rc = tn_intake_frames(b->intake, f, kind, &seen, b->err);
    if (!rc) rc = prompt_of(b, &seen, question, &sight);
    tn_seq_config c = {.max_new = 1, .ignore_end = true};
    tn_sight_config(&sight, &c);
    if (!rc) rc = tn_engine_add(b->engine, &c, &seq, b->err);
    if (!rc) rc = tn_engine_run(b->engine, b->err);
    if (!rc && tn_seq_finish(seq) == TN_FINISH_FAILED)
        rc = tn_fail(b->err, tn_seq_error(seq)->code, "%s", tn_seq_error(seq)->text);
    *ret = tn_clock_s() - start;
    *ret_tokens = sight.n_ids;
    if (seq) tn_engine_remove(b->engine, seq);
    tn_sight_fini(&sight);
    tn_seen_fini(&seen);
    return rc;
}

static int measure(bench *b, uint32_t side, uint32_t n_frame, uint32_t reps, json_t *out) {
    const tn_media_kind kind = n_frame > 1 ? TN_MEDIA_VIDEO : TN_MEDIA_IMAGE;
    tn_samples cold = {0}, again = {0};
    char name[32];
    uint32_t n_token = 0;
    int rc = 0;
    for (uint32_t i = 0; !rc && i < reps; i++) {
        tn_frames f;
        double first = 0, second = 0;
        rc = frames_new(b, side, n_frame, &f);
        if (!rc) rc = first_token(b, &f, kind, 2 * i, &first, &n_token);
        if (!rc) rc = first_token(b, &f, kind, 2 * i + 1, &second, &n_token);
        tn_samples_add(&cold, first);
        tn_samples_add(&again, second);
        frames_free(&f);
    }
    const double a = tn_samples_median(&cold), c = tn_samples_median(&again);
    snprintf(name, sizeof name, n_frame > 1 ? "video %u" : "image %u", n_frame > 1 ? n_frame : side);
    if (!rc && json_object_set_new(out, name,
                                   json_pack("{s:I,s:f,s:f,s:f}", "tokens", (json_int_t)n_token, "cold_s", a,
                                             "repeated_s", c, "times", a / c)) != 0)
        rc = tn_fail(b->err, TN_ENOMEM, "out of memory");
    tn_samples_fini(&cold);
    tn_samples_fini(&again);
    return rc;
}

/* ---- Others' tokens meanwhile ---- */

typedef struct stream {
    tn_samples *gaps; /* NULL until the picture is there */
    double last;
} stream;

static bool on_token(void *ctx, const tn_token *token) {
    stream *s = ctx;
    double now = tn_clock_s();
    (void)token;
    if (s->gaps) tn_samples_add(s->gaps, now - s->last);
    s->last = now;
    return true;
}

/* Steps until the prompt with the picture is through. What a step with as much prompt as fits takes, without
 * encoding beside it, is measured by a prompt of text after it. */
static int run_beside(bench *b, const tn_sight *sight, stream *streams, tn_samples *gaps, tn_samples *full) {
    tn_seq *seq = NULL;
    bool busy = true;
    int rc = 0;
    for (int i = 0; !rc && i < WARM_UP; i++) rc = tn_engine_step(b->engine, &busy, b->err);
    for (int i = 0; i < TN_BENCH_VISION_STREAMS; i++) streams[i].gaps = gaps;
    tn_seq_config c = {.max_new = 1, .ignore_end = true};
    tn_sight_config(sight, &c);
    if (!rc) rc = tn_engine_add(b->engine, &c, &seq, b->err);
    while (!rc && busy && !tn_seq_finish(seq)) {
        const bool encoding = b->m->tower->n_entry > 0;
        uint64_t before = tn_engine_get_stats(b->engine).n_full_step;
        double start = tn_clock_s();
        rc = tn_engine_step(b->engine, &busy, b->err);
        if (!encoding && tn_engine_get_stats(b->engine).n_full_step > before)
            tn_samples_add(full, tn_clock_s() - start);
    }
    return rc;
}

static int measure_gaps(bench *b, json_t *out) {
    tn_samples gaps = {0}, full = {0};
    stream streams[TN_BENCH_VISION_STREAMS] = {{0}};
    tn_frames f;
    tn_seen seen = {0};
    tn_sight sight = {0};
    int32_t ids[BEFORE];
    uint32_t n = 0;
    add_text(b, ids, &n, BEFORE, 7);
    int rc = frames_new(b, 1024, 1, &f);
    for (int i = 0; !rc && i < TN_BENCH_VISION_STREAMS; i++) {
        tn_seq_config c = {.prompt = ids,
                           .n_prompt = n,
                           .max_new = UINT32_MAX,
                           .ignore_end = true,
                           .isolated = true,
                           .ctx = &streams[i],
                           .on_token = on_token};
        rc = tn_engine_add(b->engine, &c, NULL, b->err);
    }
    if (!rc) rc = tn_intake_frames(b->intake, &f, TN_MEDIA_IMAGE, &seen, b->err);
    if (!rc) rc = prompt_of(b, &seen, 5, &sight);
    if (!rc) rc = run_beside(b, &sight, streams, &gaps, &full);
    const double step = tn_samples_median(&full), usual = tn_samples_median(&gaps); /* which sorts */
    const double most = tn_samples_most(&gaps);
    if (!rc &&
        json_object_set_new(out, "gaps",
                            json_pack("{s:I,s:I,s:f,s:f,s:f,s:f}", "streams",
                                      (json_int_t)TN_BENCH_VISION_STREAMS, "full_steps", (json_int_t)full.n,
                                      "full_step_median_s", step, "gap_median_s", usual, "gap_max_s", most,
                                      "gap_max_per_full_step", step > 0 ? most / step : 0)) != 0)
        rc = tn_fail(b->err, TN_ENOMEM, "out of memory");
    tn_engine_free(b->engine); /* with its sequences, which borrow what follows */
    b->engine = NULL;
    tn_sight_fini(&sight);
    tn_seen_fini(&seen);
    frames_free(&f);
    tn_samples_fini(&gaps);
    tn_samples_fini(&full);
    return rc;
}

/* ---- All ---- */

static int measure_all(bench *b, uint32_t reps, json_t *out) {
    static const uint32_t sides[] = {224, 448, 672, 1024}, clips[] = {4, 16, 64, 128};
    const bool video = b->m->tower->vision.video.text != 0;
    int rc = 0;
    for (size_t i = 0; !rc && i < sizeof sides / sizeof *sides; i++) rc = measure(b, sides[i], 1, reps, out);
    for (size_t i = 0; !rc && video && i < sizeof clips / sizeof *clips; i++)
        rc = measure(b, FRAME, clips[i], reps, out);
    return rc ? rc : measure_gaps(b, out);
}

int tn_bench_vision(tn_model *m, uint32_t reps, json_t **ret, tn_error *err) {
    bench b = {.m = m, .err = err};
    json_t *out = json_object();
    if (!m->tower || m->tower->hears) {
        json_decref(out);
        return tn_error_prefix(err, tn_model_no_tower(m, err), "--vision");
    }
    int rc = out ? tn_media_store_new(UINT64_MAX, &b.store, err) : tn_fail(err, TN_ENOMEM, "out of memory");
    if (!rc) rc = tn_intake_new(&m->tower->vision, NULL, b.store, 0, &b.intake, err);
    if (!rc) rc = tn_engine_new(m, NULL, &b.engine, err);
    if (!rc) rc = measure_all(&b, reps, out);
    tn_engine_free(b.engine);
    tn_intake_free(b.intake);
    tn_media_store_free(b.store);
    if (rc)
        json_decref(out);
    else
        *ret = out;
    return rc;
}
