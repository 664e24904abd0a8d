/* SPDX-License-Identifier: Apache-2.0 */
/* Prompts with media against those of the test vectors (models/NAME/reference.json): ids, spans, positions.
 */
#include "unit/unit.h"

#include "media/patches.h"
#include "media/prompt.h"
#include "text/tokenizer.h"
#include "unit/vision_fixtures.h"

enum { MAX_MEDIA = 8 };

/* A model with its tokenizer, and the media of a prompt. */
typedef struct bench {
    unit_seeing s;
    tn_tokenizer *tok;
    tn_patches video;
    tn_medium media[MAX_MEDIA];
    size_t n_media;
} bench;

static bench bench_open(const char *name, tn_vision v) {
    char path[4400];
    tn_error err = {0};
    bench b = {.s = unit_seeing_open(name, v)};
    snprintf(path, sizeof path, "%s/models/%s", unit_vectors(), name);
    if (tn_tokenizer_load_dir(path, &b.tok, &err) != 0) fail_msg("%s", err.text);
    if (!v.video.text) return b;
    tn_frames f = unit_video();
    if (tn_patches_make(&v, &f, true, &b.video, &err) != 0) fail_msg("%s", err.text);
    free(f.rgb), free(f.seconds);
    return b;
}

static void bench_close(bench *b) {
    unit_seeing_close(&b->s);
    tn_tokenizer_free(b->tok);
    tn_patches_fini(&b->video);
}

static tn_medium image_medium(const bench *b, int64_t i) {
    tn_medium m = {.kind = TN_MEDIA_IMAGE, .grid = {1, 8, 8}};
    json_t *grid =
        json_object_get(json_array_get(json_object_get(b->s.reference, "images"), (size_t)i), "grid_thw");
    for (size_t k = 0; grid && k < 3; k++) m.grid[k] = (uint32_t)json_integer_value(json_array_get(grid, k));
    return m;
}

static void load_media(bench *b, const json_t *prompt) {
    json_t *images = json_object_get(prompt, "images");
    b->n_media = 0;
    /* Videos come first in the list: only the order within a kind counts. */
    if (json_is_true(json_object_get(prompt, "video"))) {
        tn_medium *m = &b->media[b->n_media++];
        *m = (tn_medium){.kind = TN_MEDIA_VIDEO, .seconds = b->video.seconds, .step = b->video.step};
        memcpy(m->grid, b->video.grid, sizeof m->grid);
    }
    for (size_t i = 0; i < json_array_size(images); i++)
        b->media[b->n_media++] = image_medium(b, json_integer_value(json_array_get(images, i)));
}

static int encode(void *ctx, const char *text, int32_t *ret, size_t room, size_t *ret_n, tn_error *err) {
    tn_ids ids = {0};
    int rc = tn_tokenizer_encode(ctx, text, strlen(text), TN_ENCODE_PARSE_SPECIAL, &ids, err);
    if (!rc && ids.len > room) rc = tn_fail(err, TN_ELIMIT, "%s: %zu ids", text, ids.len);
    if (!rc && ids.len) memcpy(ret, ids.data, ids.len * sizeof *ret);
    if (!rc) *ret_n = ids.len;
    tn_ids_free(&ids);
    return rc;
}

static tn_ids ids_of(const json_t *list) {
    tn_ids ids = {0};
    for (size_t i = 0; i < json_array_size(list); i++) {
        int32_t id = (int32_t)json_integer_value(json_array_get(list, i));
        assert_int_equal(tn_ids_add(&ids, &id, 1), 0);
    }
    return ids;
}

static void add_text(const bench *b, tn_ids *ids, const char *text) {
    int32_t more[64];
    size_t n = 0;
    tn_error err = {0};
    assert_int_equal(encode(b->tok, text, more, 64, &n, &err), 0);
    assert_int_equal(tn_ids_add(ids, more, n), 0);
}

/* How many ids text has. */
static size_t length(const bench *b, const char *text) {
    tn_ids ids = {0};
    add_text(b, &ids, text);
    size_t n = ids.len;
    tn_ids_free(&ids);
    return n;
}

/* What the template wrote: each run of rows, with what stands around it, becomes the placeholder again. */
static tn_ids unexpanded(const bench *b, const tn_ids *full) {
    const tn_vision *v = &b->s.vision;
    size_t begin = length(b, v->begin), end = length(b, v->end), stamp = length(b, "<0.2 seconds>");
    bool after_video = false;
    tn_ids ids = {0};
    for (size_t i = 0; i < full->len;) {
        int32_t id = full->data[i];
        bool video = id == v->video_token;
        if (id != v->image_token && !video) {
            assert_int_equal(tn_ids_add(&ids, &id, 1), 0);
            i++;
            continue;
        }
        ids.len -= begin;
        if (video && v->video.text == TN_VIDEO_TIMED) ids.len -= stamp;
        while (i < full->len && full->data[i] == id) i++;
        i += end;
        /* Later times of a video belong to the placeholder of the first. */
        if (!(video && after_video)) add_text(b, &ids, video ? v->video_text : v->image_text);
        after_video = video;
    }
    return ids;
}

static void same_ids(const tn_media_prompt *got, const tn_ids *want, const char *name) {
    if (got->n == want->len && memcmp(got->ids, want->data, want->len * sizeof *want->data) == 0) return;
    for (size_t i = 0; i < got->n || i < want->len; i++)
        printf("# %zu: %d %d\n", i, i < got->n ? got->ids[i] : -1, i < want->len ? want->data[i] : -1);
    fail_msg("%s: other ids (left) than recorded", name);
}

/* Spans cover all row tokens and nothing else, and all rows of all media, in order. */
static void check_spans(const bench *b, const tn_media_prompt *p) {
    const tn_vision *v = &b->s.vision;
    size_t rows = 0, covered = 0;
    uint32_t seen[MAX_MEDIA] = {0};
    for (size_t i = 0; i < p->n; i++) rows += p->ids[i] == v->image_token || p->ids[i] == v->video_token;
    for (size_t i = 0; i < p->n_span; i++) {
        const tn_media_span *s = &p->spans[i];
        bool video = b->media[s->medium].kind == TN_MEDIA_VIDEO;
        for (uint32_t k = 0; k < s->n; k++)
            assert_int_equal(p->ids[s->first + k], video ? v->video_token : v->image_token);
        assert_int_equal(s->n, s->grid[0] * s->grid[1] * s->grid[2]);
        assert_int_equal(s->row, seen[s->medium]);
        seen[s->medium] += s->n;
        covered += s->n;
    }
    assert_int_equal(covered, rows);
    for (size_t i = 0; i < b->n_media; i++) {
        const uint32_t *g = b->media[i].grid;
        assert_int_equal(seen[i], g[0] * g[1] * g[2] / v->merge / v->merge);
    }
}

static void check_positions(const bench *b, const tn_media_prompt *p, const char *name) {
    int32_t *coord = malloc(3 * p->n * sizeof *coord), next = -1;
    tn_error err = {0};
    if (tn_media_positions(&b->s.vision, p->n, p->spans, p->n_span, coord, &next, &err) != 0)
        fail_msg("%s", err.text);
    if (b->s.vision.positions == TN_POSITIONS_GRID && b->n_media) {
        const tn_tensor *t = unit_array(&b->s, name, "position_ids");
        assert_int_equal(t->type, TN_TYPE_I32);
        assert_int_equal(tn_tensor_rows(t) * tn_tensor_cols(t), 3 * p->n);
        if (memcmp(t->data, coord, 3 * p->n * sizeof *coord) != 0)
            fail_msg("%s: other positions than recorded", name);
        assert_int_equal(next, coord[p->n - 1] + 1); /* they all end in text */
    } else {
        for (size_t i = 0; i < p->n; i++)
            assert_true(coord[i] == (int32_t)i && coord[p->n + i] == (int32_t)i &&
                        coord[2 * p->n + i] == (int32_t)i);
        assert_int_equal(next, p->n);
    }
    free(coord);
}

static void same_spans(const tn_media_prompt *a, const tn_media_prompt *b) {
    assert_int_equal(a->n_span, b->n_span);
    for (size_t i = 0; i < a->n_span; i++) {
        const tn_media_span *x = &a->spans[i], *y = &b->spans[i];
        assert_true(x->first == y->first && x->n == y->n && x->medium == y->medium && x->row == y->row);
        assert_memory_equal(x->grid, y->grid, sizeof x->grid);
        assert_true(x->step == y->step);
    }
}

/* The recorded ids of Gemma were put together piece by piece. In a whole text "\n" and the "\n\n" before an
 * image are one token, and so they are when the family's processor encodes it. */
static tn_ids joined(const bench *b, const tn_ids *full) {
    int32_t one = -1, two = tn_tokenizer_id(b->tok, "\n\n", 2), three = tn_tokenizer_id(b->tok, "\n\n\n", 3);
    tn_ids ids = {0};
    size_t n;
    tn_error err = {0};
    if (b->s.vision.sees_whole) assert_int_equal(encode(b->tok, "\n", &one, 1, &n, &err), 0);
    for (size_t i = 0; i < full->len; i++) {
        bool pair = i + 1 < full->len && one >= 0 && full->data[i] == one && full->data[i + 1] == two;
        assert_int_equal(tn_ids_add(&ids, pair ? &three : &full->data[i], 1), 0);
        i += pair;
    }
    return ids;
}

/* Through text: what the template wrote, encoded after the placeholders were replaced. */
static void check_text(bench *b, const tn_ids *short_ids, const tn_ids *full, const tn_media_prompt *want,
                       const char *name) {
    tn_buf text, out;
    tn_ids ids = {0}, whole = joined(b, full);
    tn_media_prompt p;
    tn_error err = {0};
    const tn_vision *v = &b->s.vision;
    tn_buf_init(&text, 1 << 16), tn_buf_init(&out, 1 << 16);
    assert_int_equal(tn_tokenizer_decode(b->tok, short_ids->data, short_ids->len, 0, &text, &err), 0);
    const tn_media_rules rules = {v, NULL};
    const tn_media_row_texts rows = {
        .image = tn_tokenizer_piece(b->tok, v->image_token, NULL),
        .video = v->video_token < 0 ? NULL : tn_tokenizer_piece(b->tok, v->video_token, NULL)};
    int rc = tn_media_write(&rules, text.data, text.len, b->media, b->n_media, &rows, &out, &err);
    if (!rc) rc = tn_tokenizer_encode(b->tok, out.data, out.len, TN_ENCODE_PARSE_SPECIAL, &ids, &err);
    if (!rc)
        rc = tn_media_fill(&(tn_media_rules){v, NULL}, ids.data, ids.len, b->media, b->n_media, &p, &err);
    if (rc) fail_msg("%s: %s", name, err.text);
    same_ids(&p, &whole, name);
    if (whole.len == full->len) same_spans(&p, want);
    check_spans(b, &p);
    if (v->sees_whole && b->n_media) assert_true(whole.len < full->len);
    tn_media_prompt_fini(&p);
    tn_ids_free(&ids), tn_ids_free(&whole);
    tn_buf_free(&text), tn_buf_free(&out);
}

static void check_prompt(bench *b, const json_t *prompt) {
    const char *name = json_string_value(json_object_get(prompt, "name"));
    tn_ids full = ids_of(json_object_get(prompt, "ids"));
    tn_media_prompt p, bound;
    tn_error err = {0};
    load_media(b, prompt);
    tn_ids ids = unexpanded(b, &full);
    if (b->n_media) assert_true(ids.len < full.len);
    if (tn_media_expand(&(tn_media_rules){&b->s.vision, NULL}, ids.data, ids.len, b->media, b->n_media,
                        encode, b->tok, &p, &err) != 0)
        fail_msg("%s: %s", name, err.text);
    same_ids(&p, &full, name);
    check_spans(b, &p);
    check_positions(b, &p, name);
    if (tn_media_bind(&(tn_media_rules){&b->s.vision, NULL}, full.data, full.len, b->media, b->n_media,
                      &bound, &err) != 0)
        fail_msg("%s: %s", name, err.text);
    same_ids(&bound, &full, name);
    same_spans(&bound, &p);
    check_text(b, &ids, &full, &p, name);
    tn_media_prompt_fini(&p), tn_media_prompt_fini(&bound);
    tn_ids_free(&ids), tn_ids_free(&full);
}

static void check_model(const char *model, tn_vision v, size_t n) {
    bench b = bench_open(model, v);
    json_t *prompts = json_object_get(b.s.reference, "prompts");
    assert_int_equal(json_array_size(prompts), n);
    for (size_t i = 0; i < n; i++) check_prompt(&b, json_array_get(prompts, i));
    bench_close(&b);
}

static void test_qwen2_5_vl(void **state) {
    (void)state;
    check_model("qwen2_5_vl", unit_qwen2_5_vl(), 7);
}

static void test_qwen3_vl(void **state) {
    (void)state;
    check_model("qwen3_vl", unit_qwen3_vl(), 7);
}

static void test_gemma3_vl(void **state) {
    (void)state;
    check_model("gemma3_vl", unit_gemma3_vl(), 3);
}

/* --- what does not fit --- */

/* Encodes by a table: placeholders 90 and 91, begin 5, end 6, times 70 and up. */
static int encode_plain(void *ctx, const char *text, int32_t *ret, size_t room, size_t *ret_n,
                        tn_error *err) {
    (void)room, (void)err;
    *(int *)ctx += 1;
    *ret_n = 1;
    ret[0] = *text == 'i' ? 90 : *text == 'v' ? 91 : *text == 'b' ? 5 : *text == 'e' ? 6 : 70 + text[1] - '0';
    return 0;
}

static tn_vision plain(uint32_t text) {
    return (tn_vision){.merge = 2,
                       .image_token = 8,
                       .video_token = 9,
                       .image_text = "i",
                       .video_text = "v",
                       .begin = "b",
                       .end = "e",
                       .positions = TN_POSITIONS_GRID,
                       .video = {.text = text, .tokens_per_second = 2}};
}

static const double two_seconds[] = {0.25, 3.04};
static const tn_medium image_2x1 = {.kind = TN_MEDIA_IMAGE, .grid = {1, 4, 2}},
                       image_1x1 = {.kind = TN_MEDIA_IMAGE, .grid = {1, 2, 2}},
                       clip = {
                           .kind = TN_MEDIA_VIDEO, .grid = {2, 2, 4}, .seconds = two_seconds, .step = 0.75};

static void expanded(const tn_vision *v, const int32_t *ids, size_t n, const tn_medium *media, size_t n_media,
                     const int32_t *want, size_t n_want) {
    int calls = 0;
    tn_media_prompt p;
    tn_error err = {0};
    if (tn_media_expand(&(tn_media_rules){v, NULL}, ids, n, media, n_media, encode_plain, &calls, &p, &err) !=
        0)
        fail_msg("%s", err.text);
    assert_int_equal(p.n, n_want);
    assert_memory_equal(p.ids, want, n_want * sizeof *want);
    tn_media_prompt_fini(&p);
}

/* Two images and a clip, in both ways in which clips stand; [A, B] is not [B, A]. */
static void test_small(void **state) {
    (void)state;
    tn_vision whole = plain(TN_VIDEO_WHOLE), timed = plain(TN_VIDEO_TIMED);
    const int32_t ids[] = {1, 90, 2, 91, 90, 3};
    const tn_medium ab[] = {image_2x1, clip, image_1x1}, ba[] = {clip, image_1x1, image_2x1};
    expanded(&whole, ids, 6, ab, 3, (int32_t[]){1, 5, 8, 8, 6, 2, 5, 9, 9, 9, 9, 6, 5, 8, 6, 3}, 16);
    expanded(&whole, ids, 6, ba, 3, (int32_t[]){1, 5, 8, 6, 2, 5, 9, 9, 9, 9, 6, 5, 8, 8, 6, 3}, 16);
    expanded(&timed, ids, 6, ab, 3, (int32_t[]){1, 5, 8, 8, 6, 2, 70, 5, 9, 9, 6, 73, 5, 9, 9, 6, 5, 8, 6, 3},
             20);
}

static void not_expanded(const tn_vision *v, const int32_t *ids, size_t n, const tn_medium *media,
                         size_t n_media, int code, const char *part) {
    int calls = 0;
    tn_media_prompt p;
    tn_error err = {0};
    assert_int_equal(
        tn_media_expand(&(tn_media_rules){v, NULL}, ids, n, media, n_media, encode_plain, &calls, &p, &err),
        code);
    if (!strstr(err.text, part)) fail_msg("\"%s\" does not say \"%s\"", err.text, part);
    assert_true(!p.ids && !p.n && !p.spans && !p.n_span);
}

static void test_not_expanded(void **state) {
    (void)state;
    tn_vision v = plain(TN_VIDEO_TIMED), blind = v;
    const int32_t ids[] = {1, 90, 2, 90};
    tn_medium media[] = {image_1x1, image_1x1, image_1x1}, bad = image_1x1;
    not_expanded(&v, ids, 4, media, 1, TN_EINVAL, "2 places for images, and 1 image is given");
    not_expanded(&v, ids, 4, media, 3, TN_EINVAL, "2 places for images, and 3 images are given");
    not_expanded(&v, ids, 1, media, 1, TN_EINVAL, "0 places for images");
    not_expanded(&v, ids, 4, NULL, 0, TN_EINVAL, "0 images are given");
    media[1] = clip;
    not_expanded(&v, ids, 4, media, 3, TN_EINVAL, "0 places for videos, and 1 video is given");
    blind.video.text = 0;
    not_expanded(&blind, ids, 4, media, 3, TN_ENOTSUP, "medium 2: this model takes no videos");
    media[1].seconds = (double[]){0, -1};
    not_expanded(&v, (int32_t[]){91, 90, 90}, 3, media, 3, TN_EFORMAT, "-1 seconds");
    bad.kind = TN_MEDIA_AUDIO;
    not_expanded(&v, ids, 4, &bad, 1, TN_ENOTSUP, "takes no recordings");
    bad = image_1x1, bad.grid[1] = 3;
    not_expanded(&v, ids, 4, &bad, 1, TN_EFORMAT, "1 x 3 x 2");
    bad.grid[1] = UINT32_MAX - 1, bad.grid[2] = UINT32_MAX - 1;
    not_expanded(&v, ids, 4, &bad, 1, TN_EFORMAT, "4294967294");
    bad.grid[1] = 1 << 14, bad.grid[2] = 1 << 16;
    not_expanded(&v, ids, 2, &bad, 1, TN_ELIMIT, "67108864 tokens");
}

static void not_bound(const int32_t *ids, size_t n, const tn_medium *media, size_t n_media,
                      const char *part) {
    tn_vision v = plain(TN_VIDEO_TIMED);
    tn_media_prompt p;
    tn_error err = {0};
    assert_int_equal(tn_media_bind(&(tn_media_rules){&v, NULL}, ids, n, media, n_media, &p, &err), TN_EINVAL);
    if (!strstr(err.text, part)) fail_msg("\"%s\" does not say \"%s\"", err.text, part);
    assert_true(!p.ids && !p.spans);
}

static void test_bound(void **state) {
    (void)state;
    tn_vision v = plain(TN_VIDEO_TIMED);
    const tn_medium media[] = {image_2x1, image_1x1, clip};
    const int32_t joined[] = {8, 8, 8, 9, 9, 1, 9, 9};
    tn_media_prompt p;
    tn_error err = {0};
    assert_int_equal(tn_media_bind(&(tn_media_rules){&v, NULL}, joined, 8, media, 3, &p, &err), 0);
    assert_int_equal(p.n_span, 4);
    assert_true(p.spans[0].n == 2 && p.spans[1].first == 2 && p.spans[1].medium == 1);
    assert_true(p.spans[2].first == 3 && p.spans[3].first == 6 && p.spans[3].row == 2 &&
                p.spans[3].grid[0] == 1);
    tn_media_prompt_fini(&p);
    not_bound(joined, 8, media, 2,
              "token 9 (a row of the video) 4 times, and the 0 videos given have 0 rows");
    not_bound(joined + 1, 7, media, 3,
              "token 8 (a row of the image) 2 times, and the 2 images given have 3 rows");
    not_bound((int32_t[]){8, 1, 8, 8}, 4, media, 2, "at token 0 there are 1 tokens");
    not_bound((int32_t[]){8, 8, 8, 9, 1, 9, 9, 9}, 8, media, 3, "at token 3 there are 1 tokens");
}

static void test_filled(void **state) {
    (void)state;
    tn_vision v = plain(TN_VIDEO_TIMED);
    const tn_medium media[] = {image_2x1, clip};
    tn_media_prompt p;
    tn_error err = {0};
    tn_buf out;
    tn_buf_init(&out, 4096);
    assert_int_equal(tn_media_write(&(tn_media_rules){&v, NULL}, "xivy", 4, media, 2,
                                    &(tn_media_row_texts){"R", "W", NULL}, &out, &err),
                     0);
    assert_string_equal(out.data, "xbRe<0.2 seconds>bWe<3.0 seconds>bWey");
    tn_buf_clear(&out);
    assert_int_equal(tn_media_write(&(tn_media_rules){&v, NULL}, "xi", 2, media, 2,
                                    &(tn_media_row_texts){"R", "W", NULL}, &out, &err),
                     TN_EINVAL);
    assert_non_null(strstr(err.text, "0 places for videos, and 1 video is given"));
    tn_buf_clear(&out);
    assert_int_equal(tn_media_write(&(tn_media_rules){&v, NULL}, "iiv", 3, media, 2,
                                    &(tn_media_row_texts){"R", "W", NULL}, &out, &err),
                     TN_EINVAL);
    assert_non_null(strstr(err.text, "2 places for images, and 1 image is given"));
    tn_buf_clear(&out);
    assert_int_equal(tn_media_write(&(tn_media_rules){&v, NULL}, "iv", 2, media, 2,
                                    &(tn_media_row_texts){NULL, "W", NULL}, &out, &err),
                     TN_EFORMAT);
    tn_buf_free(&out);
    tn_buf_init(&out, 8);
    assert_int_equal(tn_media_write(&(tn_media_rules){&v, NULL}, "xivy", 4, media, 2,
                                    &(tn_media_row_texts){"R", "W", NULL}, &out, &err),
                     TN_ELIMIT);
    tn_buf_free(&out);
    assert_int_equal(
        tn_media_fill(&(tn_media_rules){&v, NULL}, (int32_t[]){8, 9, 1, 9, 9}, 5, media, 2, &p, &err),
        TN_EINVAL);
    assert_non_null(strstr(err.text, "token 9 (a row of the video) 3 times, where its media make 2"));
}

/* --- positions --- */

static void positions(float step, float rate, uint32_t times, const int32_t *want_times, int32_t want_next) {
    tn_vision v = plain(TN_VIDEO_WHOLE);
    int32_t coord[3 * 16], next;
    tn_error err = {0};
    v.video.tokens_per_second = rate;
    tn_media_span s = {.first = 2, .n = times * 2, .grid = {times, 1, 2}, .step = step};
    size_t n = 2 + times * 2 + 1;
    assert_int_equal(tn_media_positions(&v, n, &s, 1, coord, &next, &err), 0);
    for (uint32_t i = 0; i < times * 2; i++) {
        assert_int_equal(coord[2 + i], 2 + want_times[i / 2]);
        assert_int_equal(coord[n + 2 + i], 2);
        assert_int_equal(coord[2 * n + 2 + i], 2 + i % 2);
    }
    assert_int_equal(coord[n - 1], 4); /* two columns further, however long the clip */
    assert_int_equal(next, want_next);
}

static void test_time_steps(void **state) {
    (void)state;
    positions(1, 2, 4, (int32_t[]){0, 2, 4, 6}, 5);
    positions(0.75f, 2, 4, (int32_t[]){0, 1, 3, 4}, 5);
    positions(0.1f, 2, 3, (int32_t[]){0, 0, 0}, 5);
    positions(0.75f, 0, 4, (int32_t[]){0, 1, 2, 3}, 5);
}

static void test_bad_positions(void **state) {
    (void)state;
    tn_vision v = plain(TN_VIDEO_WHOLE);
    int32_t coord[30], next;
    tn_error err = {0};
    tn_media_span s = {.first = 1, .n = 4, .grid = {2, 1, 2}, .step = 1e30f};
    assert_int_equal(tn_media_positions(&v, 10, &s, 1, coord, &next, &err), TN_ELIMIT);
    s.step = -1;
    assert_int_equal(tn_media_positions(&v, 10, &s, 1, coord, &next, &err), TN_ELIMIT);
    s.step = 1, s.n = 5;
    assert_int_equal(tn_media_positions(&v, 10, &s, 1, coord, &next, &err), TN_EBUG);
    s.n = 4, s.first = 7;
    assert_int_equal(tn_media_positions(&v, 10, &s, 1, coord, &next, &err), TN_EBUG);
    s.first = SIZE_MAX;
    assert_int_equal(tn_media_positions(&v, 10, &s, 1, coord, &next, &err), TN_EBUG);
    assert_int_equal(tn_media_positions(&v, SIZE_MAX, NULL, 0, coord, &next, &err), TN_ELIMIT);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_qwen2_5_vl),    cmocka_unit_test(test_qwen3_vl),
        cmocka_unit_test(test_gemma3_vl),     cmocka_unit_test(test_small),
        cmocka_unit_test(test_not_expanded),  cmocka_unit_test(test_bound),
        cmocka_unit_test(test_filled),        cmocka_unit_test(test_time_steps),
        cmocka_unit_test(test_bad_positions),
    };
    return unit_main(tests);
}
