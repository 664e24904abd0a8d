/* SPDX-License-Identifier: Apache-2.0 */
/* The starter model from messages to text: its template, its tokenizer and its weights against the prompts
 * and answers that an independent implementation recorded (models/starter/eval.json), many conversations at
 * once. */
#include "golden/fixture.h"

#include "base/file.h"
#include "base/json.h"
#include "text/chat.h"

typedef struct answer {
    tn_ids prompt;
    int32_t ids[1024];
    size_t n;
} answer;

typedef struct starter {
    run r;
    tn_chat chat;
    json_t *cases;
} starter;

static starter open_starter(tn_compute compute) {
    char path[4096];
    starter s = {0};
    tn_error err = {0};
    const char *src = getenv("TN_SRCDIR");
    snprintf(path, sizeof path, "%s/models/starter/eval.json", src ? src : ".");
    if (tn_json_load(path, 1 << 24, &s.cases, &err) != 0) fail_msg("%s", err.text);
    snprintf(path, sizeof path, "%s/models/starter/starter.gguf", src ? src : ".");
    tn_model_config c = {.path = path,
                         .device = "cpu",
                         .compute = compute,
                         .n_thread = 2,
                         .max_seqs = 16,
                         .max_step_tokens = 128};
    tn_loader_set_preopened();
    int rc = tn_registry_new(NULL, &s.r.registry, &err);
    if (!rc) rc = tn_model_load(s.r.registry, &c, &s.r.model, &err);
    if (!rc) rc = tn_chat_init(&s.chat, s.r.model->tokenizer, NULL, NULL, &err);
    if (rc) fail_msg("%s", err.text);
    return s;
}

static void close_starter(starter *s) {
    tn_chat_fini(&s->chat);
    run_close(&s->r);
    json_decref(s->cases);
}

static void expect_ids(const char *what, const char *name, const int32_t *got, size_t n, const json_t *want,
                       size_t n_want) {
    if (n != n_want) fail_msg("%s of %s: %zu ids instead of %zu", what, name, n, n_want);
    for (size_t i = 0; i < n; i++)
        if (got[i] != json_integer_value(json_array_get(want, i)))
            fail_msg("%s of %s: id %zu is %d instead of %lld", what, name, i, got[i],
                     (long long)json_integer_value(json_array_get(want, i)));
}

static void prompt_of(const starter *s, const json_t *c, tn_ids *ret) {
    tn_error err = {0};
    const char *name = json_string_value(json_object_get(c, "name"));
    if (tn_chat_prompt(&s->chat, json_object_get(c, "messages"), json_object_get(c, "tools"),
                       json_object_get(c, "template"), ret, &err) != 0)
        fail_msg("%s: %s", name, err.text);
    expect_ids("prompt", name, ret->data, ret->len, json_object_get(c, "prompt_ids"),
               json_array_size(json_object_get(c, "prompt_ids")));
}

static bool on_token(void *ctx, const tn_token *token) {
    answer *a = ctx;
    a->ids[a->n++] = token->id;
    return a->n < sizeof a->ids / sizeof *a->ids;
}

/* The recorded ids, without the end token that closes them. */
static size_t recorded_length(const starter *s, const json_t *ids) {
    size_t n = json_array_size(ids);
    assert_true(n > 0);
    return n - tn_tokenizer_is_end(s->r.model->tokenizer,
                                   (int32_t)json_integer_value(json_array_get(ids, n - 1)));
}

static void compare_text(const starter *s, const json_t *c, const answer *a) {
    tn_buf text;
    tn_error err = {0};
    tn_buf_init(&text, 1 << 20);
    assert_int_equal(
        tn_tokenizer_decode(s->r.model->tokenizer, a->ids, a->n, TN_DECODE_SKIP_SPECIAL, &text, &err), 0);
    assert_string_equal(text.data ? text.data : "", json_string_value(json_object_get(c, "text")));
    tn_buf_free(&text);
}

/* All conversations at once. Answers whose closest decision was closer than min_margin (in logits) may
 * differ. */
static void converse(tn_compute compute, double min_margin) {
    starter s = open_starter(compute);
    size_t n = json_array_size(s.cases), compared = 0;
    answer *answers = calloc(n, sizeof *answers);
    tn_engine *e;
    tn_error err = {0};
    assert_int_equal(tn_engine_new(s.r.model, NULL, &e, &err), 0);
    for (size_t i = 0; i < n; i++) {
        prompt_of(&s, json_array_get(s.cases, i), &answers[i].prompt);
        tn_seq_config c = {.prompt = answers[i].prompt.data,
                           .n_prompt = (uint32_t)answers[i].prompt.len,
                           .max_new = 512,
                           .ctx = &answers[i],
                           .on_token = on_token};
        if (tn_engine_add(e, &c, NULL, &err) != 0) fail_msg("%s", err.text);
    }
    if (tn_engine_run(e, &err) != 0) fail_msg("%s", err.text);
    tn_engine_free(e);
    for (size_t i = 0; i < n; i++) {
        const json_t *c = json_array_get(s.cases, i), *ids = json_object_get(c, "ids");
        if (json_number_value(json_object_get(c, "margin")) >= min_margin) {
            expect_ids("answer", json_string_value(json_object_get(c, "name")), answers[i].ids, answers[i].n,
                       ids, recorded_length(&s, ids));
            if (!strstr(json_string_value(json_object_get(c, "text")), "<tool_call>"))
                compare_text(&s, c, &answers[i]);
            compared++;
        }
        tn_ids_free(&answers[i].prompt);
    }
    printf("# %zu of %zu answers compared\n", compared, n);
    assert_true(compared >= n / 2);
    free(answers);
    close_starter(&s);
}

static void answers_in_f32(void **state) {
    (void)state;
    converse(TN_COMPUTE_F32, 0.01);
}

static void answers_by_default(void **state) {
    (void)state;
    converse(TN_COMPUTE_AUTO, 0.5);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(answers_in_f32),
                                       cmocka_unit_test(answers_by_default)};
    return unit_main(tests);
}
