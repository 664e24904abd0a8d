/* SPDX-License-Identifier: Apache-2.0 */
/* Sequence breakers against looking at every token's text. */
#include "unit/unit.h"

#include "serve/breakers.h"

static tn_tokenizer *load(const char *name) {
    char path[5000];
    tn_tokenizer *t = NULL;
    tn_error err = {0};
    snprintf(path, sizeof path, "%s/tokenizers/%s", unit_vectors(), name);
    if (tn_tokenizer_load_dir(path, &t, &err)) fail_msg("%s", err.text);
    return t;
}

static bool has(const tn_tokenizer *t, int32_t id, const char *const *strings, uint32_t n) {
    tn_buf text;
    bool found = false;
    tn_buf_init(&text, 1 << 20);
    assert_int_equal(tn_tokenizer_token_bytes(t, id, &text), 0);
    for (uint32_t i = 0; i < n; i++)
        found |= text.len && memmem(text.data, text.len, strings[i], strlen(strings[i]));
    tn_buf_free(&text);
    return found;
}

static void expect(const tn_tokenizer *t, const int32_t *ids, uint32_t n_ids, const char *const *strings,
                   uint32_t n) {
    uint32_t at = 0;
    for (int32_t id = 0; id < tn_tokenizer_n_vocab(t); id++) {
        bool listed = at < n_ids && ids[at] == id;
        if (listed != has(t, id, strings, n)) fail_msg("id %d is %slisted", id, listed ? "" : "not ");
        at += listed;
    }
    assert_int_equal(at, n_ids); /* so they ascend */
    assert_true(n_ids > 0);
}

static void tokens_that_contain_a_string(void **state) {
    static const char *const names[] = {"gpt2", "llama2", "qwen3"};
    static const char *const usual[] = {"\n", ":", "\"", "*"}, *const words[] = {"ab", "the", "b"};
    static const size_t len[] = {2, 3, 1};
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        tn_tokenizer *t = load(names[i]);
        tn_error err = {0};
        int32_t *ids;
        uint32_t n;
        assert_int_equal(tn_breakers_default(t, &ids, &n, &err), 0);
        expect(t, ids, n, usual, 4);
        free(ids);
        assert_int_equal(tn_breakers_find(t, words, len, 3, &ids, &n, &err), 0);
        expect(t, ids, n, words, 3);
        free(ids);
        tn_tokenizer_free(t);
    }
}

/* "Zq:Wx" is in no token; what ends it breaks. No strings are no breakers. */
static void strings_of_several_tokens(void **state) {
    static const char *const strings[] = {"Zq:Wx"};
    static const size_t len[] = {5};
    tn_tokenizer *t = load("gpt2");
    tn_ids encoded = {0};
    tn_error err = {0};
    int32_t *ids;
    uint32_t n;
    (void)state;
    assert_int_equal(tn_tokenizer_encode(t, strings[0], 5, 0, &encoded, &err), 0);
    assert_true(encoded.len > 1);
    assert_int_equal(tn_breakers_find(t, strings, len, 1, &ids, &n, &err), 0);
    assert_int_equal(n, 1);
    assert_int_equal(ids[0], encoded.data[encoded.len - 1]);
    free(ids);
    assert_int_equal(tn_breakers_find(t, NULL, NULL, 0, &ids, &n, &err), 0);
    assert_int_equal(n, 0);
    free(ids);
    tn_ids_free(&encoded);
    tn_tokenizer_free(t);
}

/* What a configuration writes is what a request sends. */
static void escapes(void **state) {
    static const char *const written[] = {"\\n", "\\\\", "a\\tb", "\\\""}, *const sent[] = {"\n", "\\",
                                                                                            "a\tb", "\""};
    static const size_t len[] = {1, 1, 3, 1};
    static const char *const bad[] = {"", "\\", "\\x", "a\\"};
    tn_tokenizer *t = load("gpt2");
    tn_error err = {0};
    int32_t *ids, *want;
    uint32_t n, n_want;
    (void)state;
    assert_int_equal(tn_breakers_read(t, written, 4, &ids, &n, &err), 0);
    assert_int_equal(tn_breakers_find(t, sent, len, 4, &want, &n_want, &err), 0);
    assert_int_equal(n, n_want);
    assert_memory_equal(ids, want, n * sizeof *ids);
    free(ids);
    free(want);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(tn_breakers_read(t, &bad[i], 1, &ids, &n, &err), TN_EINVAL);
        assert_non_null(strstr(err.text, "is no sequence breaker"));
    }
    assert_int_equal(tn_breakers_read(t, NULL, 0, &ids, &n, &err), 0);
    assert_int_equal(n, 0);
    free(ids);
    tn_tokenizer_free(t);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tokens_that_contain_a_string),
        cmocka_unit_test(strings_of_several_tokens),
        cmocka_unit_test(escapes),
    };
    return unit_main(tests);
}
