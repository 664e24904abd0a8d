/* SPDX-License-Identifier: Apache-2.0 */
/* Models that hear, against what an independent implementation recorded: rows of the tower, logits, greedy
 * continuations; and against themselves: alone = in company, from the cache. */
#include <math.h>

#include "golden/fixture.h"
#include "golden/watcher.h"
#include "media/intake.h"
#include "sched/tower.h"
#include "unit/sound_fixtures.h"

static const bound bounds[] = {
    {"reference", "reference", TN_COMPUTE_F32, 2e-3, 0.99999},
    {"cpu f32", "cpu", TN_COMPUTE_F32, 2e-3, 0.99999},
    {"cpu auto", "cpu", TN_COMPUTE_AUTO, 0.15, 0.998},
};

static const fixture hearing[] = {
    {"models/qwen2_audio", NULL, NULL, false},
    {"models/qwen2_audio", "config_v5.json", NULL, false},
    {"models/qwen3_asr", NULL, NULL, false},
    {"models/qwen3_asr", "config_v5.json", NULL, false},
};

/* A model with two recordings. */
enum { N_SOUND = 2 };
typedef struct world {
    run run;
    reference ref;
    tn_media_store *store;
    tn_intake *intake;
    tn_seen seen[N_SOUND];
} world;

static void listen(world *w) {
    for (int i = 0; i < N_SOUND; i++) {
        tn_error err = {0};
        tn_sound s = unit_sound(i);
        if (tn_intake_sound(w->intake, &s, &w->seen[i], &err) != 0) fail_msg("%s", err.text);
        tn_sound_fini(&s);
    }
}

static void forget(world *w) {
    for (int i = 0; i < N_SOUND; i++) tn_seen_fini(&w->seen[i]);
}

static world world_open(const fixture *f, const bound *b, uint32_t step_tokens) {
    tn_error err = {0};
    setting s = {.device = b->device,
                 .compute = b->compute,
                 .step_tokens = step_tokens,
                 .n_ctx = 448,
                 .max_seqs = 8,
                 .all_rows = true};
    world w = {.run = run_open(f, &s), .ref = reference_open(f)};
    assert_non_null(w.run.model->tower);
    assert_true(w.run.model->tower->hears);
    assert_int_equal(tn_media_store_new(1 << 24, &w.store, &err), 0);
    assert_int_equal(tn_intake_new(NULL, &w.run.model->tower->audio, w.store, 0, &w.intake, &err), 0);
    return w;
}

static void world_close(world *w) {
    tn_intake_free(w->intake);
    tn_media_store_free(w->store);
    reference_close(&w->ref);
    run_close(&w->run);
}

/* The recordings of a prompt, in order: of its list, or the one that it is named after. */
static size_t media_of(const world *w, const json_t *p, tn_seen *ret) {
    size_t i, n = 0;
    json_t *number, *list = json_object_get(p, "audios");
    json_array_foreach(list, i, number) ret[n++] = w->seen[json_integer_value(number)];
    if (!list) ret[n++] = w->seen[json_string_value(json_object_get(p, "name"))[strlen("audio")] - '0'];
    return n;
}

static watcher watcher_of(const world *w, const json_t *p) {
    tn_seen seen[N_SOUND];
    return watcher_make(&w->run, p, seen, media_of(w, p, seen));
}

typedef struct hearing_case {
    const fixture *f;
    const bound *b;
    char name[160];
} hearing_case;

static void compare_rows(const hearing_case *c, const world *w, const tn_seen *s, const char *name) {
    size_t rows, n_embd = w->run.model->program->n_embd, each = s->grid[1] * s->grid[2];
    float *want = reference_array(&w->ref, name, n_embd, &rows);
    assert_int_equal(rows, s->n_row);
    for (size_t r = 0; r < rows; r++) {
        const tn_media_entry *e = s->entries[r / each];
        assert_int_equal(tn_media_entry_state(e), TN_MEDIA_READY);
        compare(c->b, name, r, tn_media_entry_view(e).parts[0] + r % each * n_embd, want + r * n_embd,
                n_embd);
    }
    free(want);
}

static void compare_logits(const hearing_case *c, const world *w, const json_t *p, const watcher *got) {
    static const char *const arrays[] = {"last_logits", "all_logits"};
    size_t rows, n = got->s.n_vocab;
    for (int i = 0; i < 2; i++) {
        const char *name = json_string_value(json_object_get(p, arrays[i]));
        if (!name) continue;
        float *want = reference_array(&w->ref, name, n, &rows);
        for (size_t r = 0; r < rows; r++)
            compare(c->b, name, r, got->s.logits + (got->s.n_ids - rows + r) * n, want + r * n, n);
        free(want);
    }
}

static void compare_greedy(const hearing_case *c, const world *w, const json_t *p) {
    const json_t *greedy = json_object_get(p, "greedy");
    const json_t *tokens = json_object_get(greedy, "tokens"),
                 *margin = json_object_get(greedy, "top1_minus_top2");
    if (!greedy) return;
    watcher got = watcher_of(w, p);
    tn_engine *e = engine_of(&w->run);
    add(e, &got, (uint32_t)json_array_size(tokens), false);
    finish(e);
    assert_int_equal(got.n_answer, json_array_size(tokens));
    for (size_t i = 0; i < got.n_answer; i++) {
        if (json_number_value(json_array_get(margin, i)) < 2 * c->b->max_diff) break;
        assert_int_equal(got.answer[i], json_integer_value(json_array_get(tokens, i)));
    }
    tn_engine_free(e);
    watcher_free(&got);
}

static void test_recorded(void **state) {
    const hearing_case *c = *state;
    world w = world_open(c->f, c->b, 0);
    size_t i, n = 0;
    json_t *p;
    listen(&w);
    json_array_foreach(json_object_get(w.ref.json, "prompts"), i, p) {
        watcher got = watcher_of(&w, p);
        tn_engine *e = engine_of(&w.run);
        add(e, &got, 0, true);
        finish(e);
        assert_int_equal(got.s.n_rows, got.s.n_ids);
        compare_logits(c, &w, p, &got);
        tn_engine_free(e);
        watcher_free(&got);
        compare_greedy(c, &w, p);
        n++;
    }
    assert_true(n >= 2);
    for (int k = 0; k < N_SOUND; k++) {
        char name[64];
        snprintf(name, sizeof name, "audio%d.embeddings", k);
        compare_rows(c, &w, &w.seen[k], name);
    }
    forget(&w);
    world_close(&w);
}

/* All prompts together, in steps so small that every recording is cut, against each alone in a fresh store
 * and engine: every bit. */
static void test_company(void **state) {
    const hearing_case *c = *state;
    world w = world_open(c->f, c->b, 0), small = world_open(c->f, c->b, 37);
    const json_t *prompts = json_object_get(w.ref.json, "prompts");
    size_t n = json_array_size(prompts), n_vocab = w.run.model->program->n_vocab;
    watcher *together = calloc(n, sizeof *together);
    assert_true(n <= 8);
    listen(&small);
    tn_engine *e = engine_of(&small.run);
    for (size_t i = 0; i < n; i++) {
        together[i] = watcher_of(&small, json_array_get(prompts, i));
        add(e, &together[i], 0, true);
    }
    finish(e);
    tn_engine_free(e);
    for (size_t i = 0; i < n; i++) {
        listen(&w);
        watcher alone = watcher_of(&w, json_array_get(prompts, i));
        e = engine_of(&w.run);
        add(e, &alone, 0, true);
        finish(e);
        assert_memory_equal(alone.s.logits, together[i].s.logits, alone.s.n_ids * n_vocab * sizeof(float));
        tn_engine_free(e);
        watcher_free(&alone);
        watcher_free(&together[i]);
        forget(&w);
    }
    free(together);
    forget(&small);
    world_close(&small);
    world_close(&w);
}

/* The same recording under another question: the tower does not run again, the prefix is found. */
static void test_shared(void **state) {
    const hearing_case *c = *state;
    world w = world_open(c->f, c->b, 0);
    const json_t *p = reference_prompt(&w.ref, "audio0");
    assert_non_null(p);
    listen(&w);
    tn_engine *e = engine_of(&w.run);
    watcher first = watcher_of(&w, p);
    add(e, &first, 0, false);
    finish(e);
    const uint64_t encoded = tn_media_store_get_stats(w.store).n_encoded;
    assert_int_equal(encoded, w.seen[0].n_entry);
    tn_engine_stats before = tn_engine_get_stats(e);
    world again = w; /* the same store, asked anew */
    listen(&again);
    for (uint32_t k = 0; k < w.seen[0].n_entry; k++)
        assert_ptr_equal(again.seen[0].entries[k], w.seen[0].entries[k]);
    watcher second = watcher_of(&again, p);
    second.sight.ids[second.sight.n_ids - 1] ^= 1; /* another question */
    add(e, &second, 0, false);
    finish(e);
    tn_engine_stats after = tn_engine_get_stats(e);
    assert_int_equal(tn_media_store_get_stats(w.store).n_encoded, encoded);
    assert_true(after.n_prompt - before.n_prompt <= TN_PAGE_TOKENS);
    tn_engine_free(e);
    watcher_free(&first);
    watcher_free(&second);
    forget(&again);
    forget(&w);
    world_close(&w);
}

/* ---- Whisper ---- */

static const fixture whisper[] = {{"models/whisper", NULL, NULL, false},
                                  {"models/whisper", "config_v5.json", NULL, false}};

static watcher whisper_watcher(const world *w, int i) {
    const json_t *audio = json_array_get(json_object_get(w->ref.json, "audio"), (size_t)i);
    tn_error err = {0};
    watcher r = {.s = sequence_of(json_object_get(audio, "decoder_prompt"), w->run.model->program->n_vocab)};
    if (tn_sight_bind(w->run.model, r.s.ids, r.s.n_ids, &w->seen[i], 1, &r.sight, &err) != 0)
        fail_msg("%s", err.text);
    return r;
}

/* Logits of all rows of the prompt, and the greedy run. */
static void test_whisper_recorded(void **state) {
    const hearing_case *c = *state;
    world w = world_open(c->f, c->b, 0);
    listen(&w);
    for (int i = 0; i < N_SOUND; i++) {
        const json_t *audio = json_array_get(json_object_get(w.ref.json, "audio"), (size_t)i);
        const json_t *greedy = json_object_get(audio, "greedy"), *tokens = json_object_get(greedy, "tokens"),
                     *margin = json_object_get(greedy, "top1_minus_top2");
        watcher got = whisper_watcher(&w, i), answer = whisper_watcher(&w, i);
        tn_engine *e = engine_of(&w.run);
        size_t rows, n = got.s.n_vocab;
        add(e, &got, 0, true);
        add(e, &answer, (uint32_t)json_array_size(tokens), false);
        finish(e);
        float *want =
            reference_array(&w.ref, json_string_value(json_object_get(audio, "prompt_logits")), n, &rows);
        assert_int_equal(rows, got.s.n_ids);
        for (size_t r = 0; r < rows; r++)
            compare(c->b, "prompt_logits", r, got.s.logits + r * n, want + r * n, n);
        free(want);
        assert_int_equal(answer.n_answer, json_array_size(tokens));
        for (size_t k = 0; k < answer.n_answer; k++) {
            if (json_number_value(json_array_get(margin, k)) < 2 * c->b->max_diff) break;
            assert_int_equal(answer.answer[k], json_integer_value(json_array_get(tokens, k)));
        }
        tn_engine_free(e);
        watcher_free(&got);
        watcher_free(&answer);
    }
    forget(&w);
    world_close(&w);
}

/* Two recordings with the same ids, one after the other and together: neither goes on from what was computed
 * of the other, and each gets what it gets alone, to the bit. */
static void test_whisper_company(void **state) {
    const hearing_case *c = *state;
    world w = world_open(c->f, c->b, 0);
    watcher alone[N_SOUND], together[N_SOUND], later[N_SOUND];
    listen(&w);
    for (int i = 0; i < N_SOUND; i++) {
        tn_engine *e = engine_of(&w.run);
        alone[i] = whisper_watcher(&w, i);
        add(e, &alone[i], 48, false);
        finish(e);
        tn_engine_free(e);
    }
    tn_engine *e = engine_of(&w.run);
    for (int i = 0; i < N_SOUND; i++) {
        together[i] = whisper_watcher(&w, i);
        add(e, &together[i], 48, false);
    }
    finish(e);
    for (int i = 0; i < N_SOUND; i++) {
        later[i] = whisper_watcher(&w, i);
        add(e, &later[i], 48, false);
        finish(e);
    }
    tn_engine_free(e);
    for (int i = 0; i < N_SOUND; i++) {
        assert_int_equal(alone[i].n_answer, 48);
        assert_memory_equal(alone[i].answer, together[i].answer, 48 * sizeof(int32_t));
        assert_memory_equal(alone[i].answer, later[i].answer, 48 * sizeof(int32_t));
    }
    assert_true(memcmp(alone[0].answer, alone[1].answer, 48 * sizeof(int32_t)) != 0);
    for (int i = 0; i < N_SOUND; i++)
        watcher_free(&alone[i]), watcher_free(&together[i]), watcher_free(&later[i]);
    forget(&w);
    world_close(&w);
}

/* Without a recording, and with two. */
static void test_whisper_refused(void **state) {
    const hearing_case *c = *state;
    world w = world_open(c->f, c->b, 0);
    tn_error err = {0};
    tn_sight sight;
    listen(&w);
    watcher one = whisper_watcher(&w, 0);
    assert_int_equal(tn_sight_bind(w.run.model, one.s.ids, one.s.n_ids, w.seen, 2, &sight, &err), TN_EINVAL);
    tn_engine *e = engine_of(&w.run);
    tn_seq_config bare = {.prompt = one.s.ids, .n_prompt = one.s.n_ids};
    assert_int_equal(tn_engine_add(e, &bare, NULL, &err), TN_EINVAL);
    assert_non_null(strstr(err.text, "recording"));
    tn_engine_free(e);
    watcher_free(&one);
    forget(&w);
    world_close(&w);
}

int main(void) {
    enum { N_F = sizeof hearing / sizeof *hearing, N_B = sizeof bounds / sizeof *bounds, N_T = 3 };
    typedef struct kind {
        const char *name;
        CMUnitTestFunction run;
    } kind;
    static const kind chats[N_T] = {
        {"recorded", test_recorded}, {"company", test_company}, {"shared", test_shared}};
    static const kind whispers[N_T] = {{"recorded", test_whisper_recorded},
                                       {"company", test_whisper_company},
                                       {"refused", test_whisper_refused}};
    enum { N_W = sizeof whisper / sizeof *whisper };
    static hearing_case cases[(N_F + N_W) * N_B * N_T];
    struct CMUnitTest tests[(N_F + N_W) * N_B * N_T];
    size_t n = 0;
    for (size_t f = 0; f < N_F + N_W; f++)
        for (size_t b = 0; b < N_B; b++)
            for (size_t k = 0; k < N_T; k++) {
                const kind *kinds = f < N_F ? chats : whispers;
                hearing_case *c = &cases[n];
                *c = (hearing_case){.f = f < N_F ? &hearing[f] : &whisper[f - N_F], .b = &bounds[b]};
                snprintf(c->name, sizeof c->name, "%s%s%s, %s: %s", c->f->path, c->f->config ? "/" : "",
                         c->f->config ? c->f->config : "", c->b->name, kinds[k].name);
                tests[n++] = (struct CMUnitTest){c->name, kinds[k].run, NULL, NULL, c};
            }
    return unit_main(tests);
}
