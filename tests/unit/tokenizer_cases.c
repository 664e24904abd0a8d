/* SPDX-License-Identifier: Apache-2.0 */
/* Golden vectors of tokenizers/NAME: ids, texts, streams and pairs recorded from another implementation. */
#include "unit/unit.h"

#include <dirent.h>

#include "base/file.h"
#include "base/json.h"
#include "text/tokenizer.h"

enum { SHOWN = 5 };

/* What went wrong in one folder. */
typedef struct tally {
    size_t checks, failures;
} tally;

static void report(tally *t, bool ok, const char *what, const json_t *input, const char *got) {
    t->checks++;
    if (ok) return;
    if (t->failures++ >= SHOWN) return;
    char *text = json_dumps(input, JSON_ENCODE_ANY | JSON_ENSURE_ASCII);
    printf("# %s of %.200s gives %.300s\n", what, text, got);
    free(text);
}

static json_t *ids_to_json(const tn_ids *ids) {
    json_t *list = json_array();
    for (size_t i = 0; i < ids->len; i++) json_array_append_new(list, json_integer(ids->data[i]));
    return list;
}

static tn_ids ids_from_json(const json_t *list) {
    tn_ids ids = {0};
    for (size_t i = 0; i < json_array_size(list); i++) {
        int32_t id = (int32_t)json_integer_value(json_array_get(list, i));
        assert_int_equal(tn_ids_add(&ids, &id, 1), 0);
    }
    return ids;
}

static void check_ids(tally *t, const char *what, const json_t *input, const json_t *want,
                      const tn_ids *got) {
    json_t *list = ids_to_json(got);
    char *text = json_dumps(list, JSON_COMPACT);
    report(t, json_equal(list, want), what, input, text);
    free(text);
    json_decref(list);
}

static void check_text(tally *t, const char *what, const json_t *input, const json_t *want,
                       const tn_buf *got) {
    bool ok = json_string_length(want) == got->len &&
              memcmp(json_string_value(want), got->data ? got->data : "", got->len) == 0;
    report(t, ok, what, input, got->data ? got->data : "");
}

static void check_encode(tally *t, const tn_tokenizer *tok, const json_t *c, const char *key,
                         unsigned flags) {
    const json_t *text = json_object_get(c, "text"), *want = json_object_get(c, key);
    tn_ids ids = {0};
    tn_error err = {0};
    if (!want) want = json_object_get(c, "ids");
    int rc = tn_tokenizer_encode(tok, json_string_value(text), json_string_length(text),
                                 flags | TN_ENCODE_PARSE_SPECIAL, &ids, &err);
    if (rc) printf("# %s\n", err.text);
    assert_int_equal(rc, 0);
    check_ids(t, key, text, want, &ids);
    tn_ids_free(&ids);
}

static void check_decode(tally *t, const tn_tokenizer *tok, const json_t *ids, const json_t *want,
                         const char *what, unsigned flags) {
    tn_ids list = ids_from_json(ids);
    tn_buf out;
    tn_error err = {0};
    tn_buf_init(&out, 1 << 20);
    assert_int_equal(tn_tokenizer_decode(tok, list.data, list.len, flags, &out, &err), 0);
    check_text(t, what, ids, want, &out);
    tn_buf_free(&out);
    tn_ids_free(&list);
}

/* A case of `cases` or `decode_cases`: texts that are not given are those of the key after. */
static void check_case(tally *t, const tn_tokenizer *tok, const json_t *c, bool decode_only) {
    const json_t *text = json_object_get(c, "text"), *decoded = json_object_get(c, "decoded"),
                 *skipped = json_object_get(c, "decoded_skip_special"), *ids = json_object_get(c, "ids");
    if (!decode_only) {
        check_encode(t, tok, c, "ids", 0);
        check_encode(t, tok, c, "ids_with_special", TN_ENCODE_ADD_SPECIAL);
    }
    if (!decoded) decoded = text;
    if (!skipped) skipped = text;
    check_decode(t, tok, ids, decoded, "decoded", 0);
    check_decode(t, tok, ids, skipped, "decoded_skip_special", TN_DECODE_SKIP_SPECIAL);
}

static void check_pair(tally *t, const tn_tokenizer *tok, const json_t *c) {
    const json_t *a = json_object_get(c, "a"), *b = json_object_get(c, "b");
    tn_ids ids = {0};
    tn_error err = {0};
    int rc = tn_tokenizer_encode_pair(tok, json_string_value(a), json_string_length(a), json_string_value(b),
                                      json_string_length(b), TN_ENCODE_ADD_SPECIAL | TN_ENCODE_PARSE_SPECIAL,
                                      &ids, &err);
    assert_int_equal(rc, 0);
    check_ids(t, "pair", c, json_object_get(c, "ids"), &ids);
    tn_ids_free(&ids);
}

static bool ends_in_replacement(const char *s, size_t n) {
    return n >= 3 && memcmp(s + n - 3, "\xef\xbf\xbd", 3) == 0;
}

/* After each id the stream is what all ids so far decode to, or, where that ends in the middle of a
 * character, a part of it from before that character; it never goes back, and ends at the whole. */
static void check_stream(tally *t, const tn_tokenizer *tok, const json_t *c) {
    const json_t *list = json_object_get(c, "ids"), *prefixes = json_object_get(c, "prefix_decoded"),
                 *want = NULL;
    tn_ids ids = ids_from_json(list);
    tn_detok *d = tn_detok_new(tok, 0);
    tn_buf out;
    assert_non_null(d);
    tn_buf_init(&out, 1 << 20);
    assert_int_equal(json_array_size(prefixes), ids.len);
    for (size_t i = 0; i < ids.len; i++) {
        want = json_array_get(prefixes, i);
        const char *s = json_string_value(want);
        size_t n = json_string_length(want);
        assert_int_equal(tn_detok_push(d, ids.data[i], &out), 0);
        bool whole = out.len == n && memcmp(s, out.data ? out.data : "", n) == 0;
        report(t, whole || ends_in_replacement(s, n), "stream", want, out.data ? out.data : "");
        report(t, !ends_in_replacement(out.data, out.len), "half a character", want,
               out.data ? out.data : "");
    }
    assert_int_equal(tn_detok_finish(d, &out), 0);
    check_text(t, "whole stream", list, want, &out);
    tn_detok_free(d);
    tn_buf_free(&out);
    tn_ids_free(&ids);
}

static void check_facts(tally *t, const tn_tokenizer *tok, const json_t *root) {
    const char *text, *name;
    char piece[64] = "";
    for (int32_t id = 0; id < tn_tokenizer_n_vocab(tok); id++) {
        size_t n;
        const char *s = tn_tokenizer_piece(tok, id, &n);
        snprintf(piece, sizeof piece, "%d", id);
        report(t, s && tn_tokenizer_id(tok, s, n) == id, "id of piece", root, piece);
    }
    snprintf(piece, sizeof piece, "%d", tn_tokenizer_n_vocab(tok));
    report(t, tn_tokenizer_n_vocab(tok) == json_integer_value(json_object_get(root, "vocab_size")),
           "vocab_size", NULL, piece);
    for (size_t i = 0; (name = tn_tokenizer_named_token_at(tok, i, &text)); i++)
        report(t, tn_tokenizer_id(tok, text, strlen(text)) >= 0, name, NULL, text);
}

static void folder(void **state) {
    const char *name = *state;
    char path[8192];
    tn_error err = {0};
    tn_tokenizer *tok = NULL;
    json_t *root = NULL, *c;
    tally t = {0};
    size_t i;
    snprintf(path, sizeof path, "%s/tokenizers/%s", unit_vectors(), name);
    if (!tn_dir_exists(path)) unit_skip("%s is not there", path);
    int rc = tn_tokenizer_load_dir(path, &tok, &err);
    if (rc) printf("# %s\n", err.text);
    assert_int_equal(rc, 0);
    strcat(path, "/cases.json");
    assert_int_equal(tn_json_load(path, 1 << 24, &root, &err), 0);
    json_array_foreach(json_object_get(root, "cases"), i, c) check_case(&t, tok, c, false);
    json_array_foreach(json_object_get(root, "decode_cases"), i, c) check_case(&t, tok, c, true);
    json_array_foreach(json_object_get(root, "pairs"), i, c) check_pair(&t, tok, c);
    json_array_foreach(json_object_get(root, "stream"), i, c) check_stream(&t, tok, c);
    check_facts(&t, tok, root);
    printf("# %s: %zu checks, %zu failures\n", name, t.checks, t.failures);
    assert_true(json_array_size(json_object_get(root, "cases")) > 200);
    assert_int_equal(t.failures, 0);
    json_decref(root);
    tn_tokenizer_free(tok);
}

/* A list that clang-format cannot settle on. */
/* clang-format off */
#define FOLDERS(X)                                                                                           \
    X(bert_cased)                                                                                            \
    X(bert_uncased)                                                                                          \
    X(deepseek)                                                                                              \
    X(embeddinggemma)                                                                                        \
    X(gemma) X(gemma4) X(gpt2) X(gpt_oss) X(llama2) X(llama3) X(mistral) X(phi3) X(qwen2) X(qwen2_audio)     \
        X(qwen3) X(qwen3_5) X(qwen3_asr) X(qwen3_embedding) X(tekken) X(whisper) X(xlmr)
/* clang-format on */

/* A folder that the list above does not have would not be tested. */
static void all_folders_are_listed(void **state) {
    (void)state;
    static const char *const known[] = {
#define NAME(name) #name,
        FOLDERS(NAME)
#undef NAME
    };
    char path[8192];
    struct dirent *entry;
    snprintf(path, sizeof path, "%s/tokenizers", unit_vectors());
    DIR *dir = opendir(path);
    if (!dir) unit_skip("%s is not there", path);
    while ((entry = readdir(dir))) {
        bool found = entry->d_name[0] == '.';
        for (size_t i = 0; i < sizeof known / sizeof *known; i++)
            found = found || strcmp(known[i], entry->d_name) == 0;
        if (!found) printf("# %s is not listed\n", entry->d_name);
        assert_true(found);
    }
    closedir(dir);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(all_folders_are_listed),
#define TEST(name) {#name, folder, NULL, NULL, #name},
                                       FOLDERS(TEST)
#undef TEST
    };
    return unit_main(tests);
}
