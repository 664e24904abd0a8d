/* SPDX-License-Identifier: Apache-2.0 */
/* Models that see, against what an independent implementation recorded: rows of the tower, logits, greedy
 * continuations; and against themselves: alone = in company, sliced otherwise, from the cache.
 *
 * With a folder as its argument the models are the pairs of GGUF files in it, MODEL/model.gguf and its mmproj
 * file, as tools/vectors/gguf_pair.py makes them of the directories. */
#include <math.h>

#include "golden/fixture.h"
#include "golden/watcher.h"
#include "media/intake.h"
#include "sched/tower.h"
#include "unit/vision_fixtures.h"

static const bound bounds[] = {
    {"reference", "reference", TN_COMPUTE_F32, 2e-3, 0.99999},
    {"cpu f32", "cpu", TN_COMPUTE_F32, 2e-3, 0.99999},
    {"cpu auto", "cpu", TN_COMPUTE_AUTO, 0.15, 0.998},
};

static const fixture seeing[] = {
    {"models/qwen2_5_vl", NULL, NULL, false}, {"models/qwen2_5_vl", "config_v5.json", NULL, false},
    {"models/qwen3_vl", NULL, NULL, false},   {"models/qwen3_vl", "config_v5.json", NULL, false},
    {"models/gemma3_vl", NULL, NULL, false},  {"models/gemma3_vl", "config_v5.json", NULL, false},
};

/* In F16, which holds their BF16 weights. */
static char pair_paths[3][1024];
static const fixture pairs[] = {
    {pair_paths[0], NULL, "models/qwen2_5_vl/reference", false},
    {pair_paths[1], NULL, "models/qwen3_vl/reference", false},
    {pair_paths[2], NULL, "models/gemma3_vl/reference", false},
};

/* A model with its media: three images and a video, where it takes such. */
enum { N_IMAGE = 3, VIDEO = N_IMAGE, N_MEDIUM };
typedef struct world {
    run run;
    reference ref;
    tn_media_store *store;
    tn_intake *intake;
    tn_seen seen[N_MEDIUM];
    bool has_video;
} world;

static tn_seen see(world *w, tn_frames f, tn_media_kind kind) {
    tn_error err = {0};
    tn_seen s;
    if (tn_intake_frames(w->intake, &f, kind, &s, &err) != 0) fail_msg("%s", err.text);
    free(f.rgb);
    free(f.seconds);
    return s;
}

static void look(world *w) {
    for (int i = 0; i < N_IMAGE; i++) w->seen[i] = see(w, unit_image(i), TN_MEDIA_IMAGE);
    if (w->has_video) w->seen[VIDEO] = see(w, unit_video(), TN_MEDIA_VIDEO);
}

static void look_away(world *w) {
    for (int i = 0; i < N_MEDIUM; i++) tn_seen_fini(&w->seen[i]);
}

static world world_open(const fixture *f, const bound *b, uint32_t step_tokens) {
    tn_error err = {0};
    setting s = {.device = b->device,
                 .compute = b->compute,
                 .step_tokens = step_tokens,
                 .max_seqs = 8,
                 .all_rows = true};
    world w = {.run = run_open(f, &s), .ref = reference_open(f)};
    assert_non_null(w.run.model->tower);
    w.has_video = w.run.model->tower->vision.video.text != 0;
    tn_video_rule *video = &w.run.model->tower->vision.video;
    if (*f->path == '/' && video->share_pixels) { /* what GGUF files have no word for, as it is recorded */
        video->min_pixels = unit_qwen3_vl().video.min_pixels;
        video->max_pixels = unit_qwen3_vl().video.max_pixels;
    }
    assert_int_equal(tn_media_store_new(1 << 24, &w.store, &err), 0);
    assert_int_equal(tn_intake_new(&w.run.model->tower->vision, NULL, w.store, 0, &w.intake, &err), 0);
    return w;
}

static void world_close(world *w) {
    tn_intake_free(w->intake);
    tn_media_store_free(w->store);
    reference_close(&w->ref);
    run_close(&w->run);
}

/* The media of a prompt, in order. */
static size_t media_of(const world *w, const json_t *p, tn_seen *ret) {
    size_t i, n = 0;
    json_t *number;
    json_array_foreach(json_object_get(p, "images"), i, number) ret[n++] =
        w->seen[json_integer_value(number)];
    if (json_is_true(json_object_get(p, "video"))) ret[n++] = w->seen[VIDEO];
    return n;
}

static watcher watcher_of(const world *w, const json_t *p) {
    tn_seen seen[N_MEDIUM];
    return watcher_make(&w->run, p, seen, media_of(w, p, seen));
}

typedef struct seeing_case {
    const fixture *f;
    const bound *b;
    char name[160];
} seeing_case;

static void compare_rows(const seeing_case *c, const world *w, const tn_seen *s, const char *name) {
    size_t rows, n_embd = w->run.model->program->n_embd, each = s->grid[1] * s->grid[2];
    for (uint32_t part = 0; part <= w->run.model->tower->vision.n_deep; part++) {
        char array[96];
        snprintf(array, sizeof array, part ? "%s.deepstack%u" : "%s.embeddings", name, part - 1);
        if (part && !tn_checkpoint_tensor_find(w->ref.arrays, array)) continue;
        float *want = reference_array(&w->ref, array, n_embd, &rows);
        assert_int_equal(rows, each * s->n_entry);
        for (size_t r = 0; r < rows; r++) {
            const tn_media_entry *e = s->entries[r / each];
            assert_int_equal(tn_media_entry_state(e), TN_MEDIA_READY);
            compare(c->b, array, r, tn_media_entry_view(e).parts[part] + r % each * n_embd, want + r * n_embd,
                    n_embd);
        }
        free(want);
    }
}

static void compare_logits(const seeing_case *c, const world *w, const json_t *p, const watcher *got) {
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

static void compare_greedy(const seeing_case *c, const world *w, const json_t *p) {
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
    const seeing_case *c = *state;
    world w = world_open(c->f, c->b, 0);
    size_t i, n = 0;
    json_t *p;
    look(&w);
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
    assert_true(n >= 3);
    for (int k = 0; k < N_IMAGE; k++) {
        char name[32];
        snprintf(name, sizeof name, "image%d", k);
        char array[64];
        snprintf(array, sizeof array, "%s.embeddings", name);
        if (tn_checkpoint_tensor_find(w.ref.arrays, array)) compare_rows(c, &w, &w.seen[k], name);
    }
    look_away(&w);
    world_close(&w);
}

/* All prompts together, in steps so small that every picture is cut (where it may be), against each alone in
 * a fresh store and engine: every bit. */
static void test_company(void **state) {
    const seeing_case *c = *state;
    world w = world_open(c->f, c->b, 0), small = world_open(c->f, c->b, 37);
    const json_t *prompts = json_object_get(w.ref.json, "prompts");
    size_t n = json_array_size(prompts), n_vocab = w.run.model->program->n_vocab;
    watcher *together = calloc(n, sizeof *together);
    assert_true(n <= 8);
    look(&small);
    tn_engine *e = engine_of(&small.run);
    for (size_t i = 0; i < n; i++) {
        together[i] = watcher_of(&small, json_array_get(prompts, i));
        add(e, &together[i], 0, true);
    }
    finish(e);
    tn_engine_free(e);
    for (size_t i = 0; i < n; i++) {
        look(&w);
        watcher alone = watcher_of(&w, json_array_get(prompts, i));
        e = engine_of(&w.run);
        add(e, &alone, 0, true);
        finish(e);
        assert_memory_equal(alone.s.logits, together[i].s.logits, alone.s.n_ids * n_vocab * sizeof(float));
        tn_engine_free(e);
        watcher_free(&alone);
        watcher_free(&together[i]);
        look_away(&w);
    }
    free(together);
    look_away(&small);
    world_close(&small);
    world_close(&w);
}

static uint64_t encoded(const world *w) {
    return tn_media_store_get_stats(w->store).n_encoded;
}

/* The same images under another prompt: the tower does not run again, the prefix is found; two images the
 * other way round are another prompt; a clip that overlaps costs what is new. */
static void test_shared(void **state) {
    const seeing_case *c = *state;
    world w = world_open(c->f, c->b, 0);
    const json_t *two = reference_prompt(&w.ref, "two_images");
    assert_non_null(two);
    look(&w);
    tn_engine *e = engine_of(&w.run);
    watcher first = watcher_of(&w, two);
    add(e, &first, 0, false);
    finish(e);
    assert_int_equal(encoded(&w), 2);
    tn_engine_stats before = tn_engine_get_stats(e);
    world again = w; /* the same store, asked anew */
    look(&again);
    for (int i = 0; i < N_IMAGE; i++)
        for (uint32_t k = 0; k < w.seen[i].n_entry; k++)
            assert_ptr_equal(again.seen[i].entries[k], w.seen[i].entries[k]);
    watcher second = watcher_of(&again, two);
    second.sight.ids[second.sight.n_ids - 1] ^= 1; /* another question */
    add(e, &second, 0, false);
    finish(e);
    tn_engine_stats after = tn_engine_get_stats(e);
    assert_int_equal(encoded(&w), 2);
    assert_true(after.n_prompt - before.n_prompt <= TN_PAGE_TOKENS);
    tn_seen swapped[2] = {w.seen[1], w.seen[0]}, straight[2] = {w.seen[0], w.seen[1]};
    tn_sight s, t;
    tn_error err = {0};
    if (w.seen[0].grid[1] == w.seen[1].grid[1] && w.seen[0].grid[2] == w.seen[1].grid[2]) {
        assert_int_equal(tn_sight_bind(w.run.model, first.s.ids, first.s.n_ids, swapped, 2, &s, &err), 0);
        assert_int_equal(tn_sight_bind(w.run.model, first.s.ids, first.s.n_ids, straight, 2, &t, &err), 0);
        assert_true(s.media[0].entry != t.media[0].entry);
        tn_sight_fini(&s);
        tn_sight_fini(&t);
    }
    tn_engine_free(e);
    watcher_free(&first);
    watcher_free(&second);
    look_away(&again);
    look_away(&w);
    world_close(&w);
}

/* Frames 4 .. 7 of the clip, then all 8: half of the entries are there. */
static void test_overlap(void **state) {
    const seeing_case *c = *state;
    world w = world_open(c->f, c->b, 0);
    if (!w.has_video) {
        world_close(&w);
        unit_skip("%s takes no video", c->f->path);
    }
    tn_frames all = unit_video(), half = all;
    tn_seen a, b;
    tn_error err = {0};
    half.n_frame = 4;
    half.rgb += (size_t)4 * 3 * all.width * all.height;
    half.seconds += 4;
    assert_int_equal(tn_intake_frames(w.intake, &half, TN_MEDIA_VIDEO, &a, &err), 0);
    assert_int_equal(tn_intake_frames(w.intake, &all, TN_MEDIA_VIDEO, &b, &err), 0);
    if (a.grid[1] == b.grid[1] && a.grid[2] == b.grid[2]) {
        assert_int_equal(b.n_entry, 2 * a.n_entry);
        for (uint32_t i = 0; i < a.n_entry; i++) assert_ptr_equal(a.entries[i], b.entries[a.n_entry + i]);
        assert_int_equal(tn_media_store_get_stats(w.store).n_miss, b.n_entry);
    }
    tn_seen_fini(&a);
    tn_seen_fini(&b);
    free(all.rgb);
    free(all.seconds);
    world_close(&w);
}

/* Pictures of many sizes, through the tower by themselves and as many together as it takes, so that slices
 * cut them anywhere: the same rows to the last bit. */
static void test_batches(void **state) {
    enum { N = 14 };
    const seeing_case *c = *state;
    world w = world_open(c->f, c->b, 0);
    tn_tower *t = w.run.model->tower;
    tn_media_store *stores[2];
    tn_seen seen[2][N];
    tn_error err = {0};
    for (int k = 0; k < 2; k++) {
        tn_intake *in;
        assert_int_equal(tn_media_store_new(1 << 26, &stores[k], &err), 0);
        assert_int_equal(tn_intake_new(&t->vision, NULL, stores[k], 0, &in, &err), 0);
        for (uint32_t i = 0; i < N; i++) {
            uint32_t side = 60 + 7 * i;
            tn_frames f = {.width = side, .height = 200 - side, .n_frame = 1};
            f.rgb = malloc((size_t)3 * f.width * f.height);
            for (size_t j = 0; j < (size_t)3 * f.width * f.height; j++)
                f.rgb[j] = (uint8_t)(j * 31 + i * j / 7);
            if (tn_intake_frames(in, &f, TN_MEDIA_IMAGE, &seen[k][i], &err) != 0) fail_msg("%s", err.text);
            free(f.rgb);
        }
        tn_intake_free(in);
        for (uint32_t i = 0; i < N; i++) {
            while (!tn_tower_take(t, seen[k][i].entries[0])) tn_tower_slice(t);
            while (k == 0 && !tn_tower_slice(t)) {}
        }
        while (!tn_tower_slice(t)) {}
    }
    for (uint32_t i = 0; i < N; i++) {
        tn_media_view a = tn_media_entry_view(seen[0][i].entries[0]),
                      b = tn_media_entry_view(seen[1][i].entries[0]);
        assert_int_equal(tn_media_entry_state(seen[0][i].entries[0]), TN_MEDIA_READY);
        assert_int_equal(tn_media_entry_state(seen[1][i].entries[0]), TN_MEDIA_READY);
        assert_int_equal(a.n_row, b.n_row);
        for (uint32_t part = 0; part < a.n_part; part++)
            if (memcmp(a.parts[part], b.parts[part], (size_t)a.n_row * a.n_embd * sizeof(float)) != 0)
                fail_msg("picture %u of %u rows: part %u differs in company", i, a.n_row, part);
        for (int k = 0; k < 2; k++) tn_seen_fini(&seen[k][i]);
    }
    for (int k = 0; k < 2; k++) tn_media_store_free(stores[k]);
    world_close(&w);
}

static size_t pairs_in(const char *folder) {
    static const char *const names[] = {"qwen2_5_vl", "qwen3_vl", "gemma3_vl"};
    for (int i = 0; i < 3; i++)
        snprintf(pair_paths[i], sizeof pair_paths[i], "%s/%s/model.gguf", folder, names[i]);
    return sizeof pairs / sizeof *pairs;
}

int main(int n_arg, char **args) {
    enum { N_F = sizeof seeing / sizeof *seeing, N_B = sizeof bounds / sizeof *bounds, N_T = 5 };
    static const struct {
        const char *name;
        CMUnitTestFunction run;
    } kinds[N_T] = {{"recorded", test_recorded},
                    {"company", test_company},
                    {"shared", test_shared},
                    {"overlap", test_overlap},
                    {"batches", test_batches}};
    static seeing_case cases[N_F * N_B * N_T];
    struct CMUnitTest tests[N_F * N_B * N_T];
    const bool given = n_arg > 1;
    const size_t n_f = given ? pairs_in(args[1]) : N_F;
    size_t n = 0;
    for (size_t f = 0; f < n_f; f++)
        for (size_t b = 0; b < N_B; b++)
            for (size_t k = 0; k < N_T; k++) {
                seeing_case *c = &cases[n];
                *c = (seeing_case){.f = given ? &pairs[f] : &seeing[f], .b = &bounds[b]};
                snprintf(c->name, sizeof c->name, "%s%s%s, %s: %s", c->f->path, c->f->config ? "/" : "",
                         c->f->config ? c->f->config : "", c->b->name, kinds[k].name);
                tests[n++] = (struct CMUnitTest){c->name, kinds[k].run, NULL, NULL, c};
            }
    return unit_main_of(given ? "GGUF pairs" : "directories", tests, n);
}
