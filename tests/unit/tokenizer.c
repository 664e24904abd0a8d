/* SPDX-License-Identifier: Apache-2.0 */
/* What a tokenizer promises beside its golden vectors: flags, odd texts, streams, and files that lie. */
#include "unit/unit.h"

#include "base/file.h"
#include "base/log.h"
#include "text/tokenizer_json.h"
#include "weights/gguf.h"

static uint32_t g_seed = 7;
static uint32_t roll(uint32_t n) {
    g_seed = g_seed * 1664525 + 1013904223;
    return (uint32_t)((uint64_t)(g_seed >> 8) * n >> 24);
}

static int parse(const char *text, size_t n, tn_tokenizer **ret, tn_error *err) {
    tn_tokenizer *t = tn__tokenizer_new();
    assert_non_null(t);
    int rc = tn__tokenizer_parse_json(t, text, n, "test.json", err);
    if (!rc) rc = tn__tokenizer_finish(t, err);
    if (rc) {
        tn_tokenizer_free(t);
        t = NULL;
    }
    *ret = t;
    return rc;
}

static tn_tokenizer *must_parse(const char *text) {
    tn_tokenizer *t;
    tn_error err = {0};
    int rc = parse(text, strlen(text), &t, &err);
    if (rc) printf("# %s\n", err.text);
    assert_int_equal(rc, 0);
    return t;
}

/* Encodes and compares with ids, which end in -1. */
static void expect(const tn_tokenizer *t, const char *s, size_t n, unsigned flags, const int32_t *want) {
    tn_ids ids = {0};
    tn_error err = {0};
    size_t len = 0;
    while (want[len] >= 0) len++;
    int rc = tn_tokenizer_encode(t, s, n, flags, &ids, &err);
    if (rc) printf("# %s\n", err.text);
    assert_int_equal(rc, 0);
    bool same = ids.len == len && (!len || memcmp(ids.data, want, len * sizeof *want) == 0);
    for (size_t i = 0; !same && i < ids.len; i++) printf("# id %zu of \"%s\" is %d\n", i, s, ids.data[i]);
    assert_true(same);
    tn_ids_free(&ids);
}
#define EXPECT(t, s, flags, ...) expect(t, s, sizeof s - 1, flags, (const int32_t[]){__VA_ARGS__, -1})

/* A small pipeline: bytes, two merges, two added tokens, one of them special, a beginning and an end. */
static const char small[] =
    "{\"added_tokens\": [{\"id\": 6, \"content\": \"<s>\", \"special\": true, \"normalized\": false},"
    "{\"id\": 7, \"content\": \"<tag>\", \"special\": false, \"normalized\": false}],"
    "\"pre_tokenizer\": {\"type\": \"ByteLevel\", \"add_prefix_space\": false},"
    "\"post_processor\": {\"type\": \"TemplateProcessing\", \"single\": [{\"SpecialToken\": {\"id\": \"<s>\", \"type_id\": 0}},"
    "{\"Sequence\": {\"id\": \"A\", \"type_id\": 0}}], \"pair\": [{\"Sequence\": {\"id\": \"A\", \"type_id\": 0}},"
    "{\"SpecialToken\": {\"id\": \"<s>\", \"type_id\": 0}}, {\"Sequence\": {\"id\": \"B\", \"type_id\": 1}}],"
    "\"special_tokens\": {\"<s>\": {\"id\": \"<s>\", \"ids\": [6], \"tokens\": [\"<s>\"]}}},"
    "\"decoder\": {\"type\": \"ByteLevel\"},"
    "\"model\": {\"type\": \"BPE\", \"vocab\": {\"a\": 0, \"b\": 1, \"ab\": 2, \"<\": 3, \"s\": 4, \">\": 5, \"\\u00ef\": 8,"
    "\"\\u00bf\": 9, \"\\u00bd\": 10}, \"merges\": [\"a b\"]}}";

static void flags_choose_what_is_special(void **state) {
    (void)state;
    tn_tokenizer *t = must_parse(small);
    EXPECT(t, "ab<s>ab", TN_ENCODE_PARSE_SPECIAL, 2, 6, 2);
    EXPECT(t, "ab<s>ab", 0, 2, 3, 4, 5, 2);
    EXPECT(t, "ab<tag>b", 0, 2, 7, 1);
    EXPECT(t, "ab", TN_ENCODE_ADD_SPECIAL, 6, 2);
    EXPECT(t, "", TN_ENCODE_ADD_SPECIAL, 6);
    EXPECT(t, "", 0, -1);
    EXPECT(t, "a\0b", 0, 0,
           1); /* no piece for NUL and no unknown token: it is dropped, as the library does */
    assert_true(tn_tokenizer_is_special(t, 6) && !tn_tokenizer_is_special(t, 7) &&
                !tn_tokenizer_is_special(t, 0));
    assert_false(tn_tokenizer_is_special(t, -1) || tn_tokenizer_is_special(t, 1000));
    assert_int_equal(tn_tokenizer_n_vocab(t), 11);
    assert_int_equal(tn_tokenizer_id(t, "<tag>", 5), 7);
    assert_int_equal(tn_tokenizer_id(t, "nope", 4), -1);
    assert_null(tn_tokenizer_piece(t, 11, NULL));
    assert_null(tn_tokenizer_piece(t, -5, NULL));
    tn_tokenizer_free(t);
}

static void ill_formed_text_is_read_as_replacements(void **state) {
    (void)state;
    tn_tokenizer *t = must_parse(small);
    EXPECT(t,
           "a\xff"
           "b",
           0, 0, 8, 9, 10, 1);
    EXPECT(t, "\xe5\xa5", 0, 8, 9, 10);
    EXPECT(t, "ab\xc0\x80", 0, 2, 8, 9, 10, 8, 9, 10);
    tn_tokenizer_free(t);
}

static void pairs_follow_their_own_form(void **state) {
    (void)state;
    tn_tokenizer *t = must_parse(small);
    tn_ids ids = {0};
    assert_int_equal(tn_tokenizer_encode_pair(t, "ab", 2, "b", 1, TN_ENCODE_ADD_SPECIAL, &ids, NULL), 0);
    assert_int_equal(ids.len, 3);
    assert_memory_equal(ids.data, ((int32_t[]){2, 6, 1}), 12);
    assert_int_equal(tn_tokenizer_encode_pair(t, "ab", 2, "b", 1, 0, &ids, NULL), 0);
    assert_int_equal(ids.len, 5); /* appended */
    tn_ids_free(&ids);
    tn_tokenizer_free(t);
}

static void decoding_passes_over_what_is_no_token(void **state) {
    (void)state;
    tn_tokenizer *t = must_parse(small);
    tn_buf out;
    tn_error err = {0};
    tn_buf_init(&out, 5);
    assert_int_equal(tn_tokenizer_decode(t, (int32_t[]){0, -1, 99, 6, 1, INT32_MAX}, 6,
                                         TN_DECODE_SKIP_SPECIAL, &out, &err),
                     0);
    assert_string_equal(out.data, "ab");
    assert_int_equal(tn_tokenizer_decode(t, (int32_t[]){2, 2}, 2, 0, &out, &err), TN_ELIMIT);
    assert_true(err.text[0] != 0);
    tn_buf_free(&out);
    tn_tokenizer_free(t);
}

static void sides_of_added_tokens(void **state) {
    (void)state;
    tn_tokenizer *t = must_parse(
        "{\"added_tokens\": ["
        "{\"id\": 4, \"content\": \"<l>\", \"special\": true, \"lstrip\": true},"
        "{\"id\": 5, \"content\": \"<r>\", \"special\": true, \"rstrip\": true},"
        "{\"id\": 6, \"content\": \"ww\", \"special\": false, \"normalized\": false, \"single_word\": true},"
        "{\"id\": 7, \"content\": \"<l>x\", \"special\": true},"
        "{\"id\": 8, \"content\": \"MiX\", \"special\": false, \"normalized\": true}],"
        "\"normalizer\": {\"type\": \"Lowercase\"},"
        "\"model\": {\"type\": \"BPE\", \"unk_token\": \"?\", \"vocab\": {\"a\": 0, \" \": 1, \"?\": 2, \"w\": 3}, \"merges\": []}}");
    EXPECT(t, "a  <l> a", 2, 0, 4, 1, 0);
    EXPECT(t, "a <r>  a", 2, 0, 1, 5, 0);
    EXPECT(t, "a <r>  <l>a", 2, 0, 1, 5, 4, 0);
    EXPECT(t, "ww ww aww", 2, 6, 1, 6, 1, 0, 3, 3);
    EXPECT(t, "<l>x<l>", 2, 7, 4);    /* the longest that begins there */
    EXPECT(t, "mixAMIX", 2, 8, 0, 8); /* looked for after normalisation */
    EXPECT(t, "<L>", 2, 2, 2, 2);     /* this one before */
    tn_tokenizer_free(t);
}

static void end_tokens_and_names(void **state) {
    (void)state;
    tn_tokenizer *t =
        must_parse("{\"added_tokens\": [{\"id\": 1, \"content\": \"<|im_end|>\", \"special\": true},"
                   "{\"id\": 2, \"content\": \"<|endoftext|>\", \"special\": true}],"
                   "\"model\": {\"type\": \"BPE\", \"vocab\": {\"a\": 0}, \"merges\": []}}");
    assert_true(tn_tokenizer_is_end(t, 1) && tn_tokenizer_is_end(t, 2) && !tn_tokenizer_is_end(t, 0));
    assert_int_equal(tn_tokenizer_eot(t), 1);
    assert_int_equal(tn_tokenizer_bos(t), -1);
    assert_false(tn_tokenizer_adds_bos(t));
    assert_null(tn_tokenizer_named_token(t, "bos_token"));
    assert_null(tn_tokenizer_chat_template(t, NULL, NULL));
    tn_tokenizer_free(t);
}

/* --- a directory's other files
 * ----------------------------------------------------------------------------------- */

static char dir_path[] = "/tmp/tenon-tokenizer-dir-XXXXXX";

static void put_file(const char *name, const char *text) {
    char *path = tn_path_join(dir_path, name);
    FILE *f = text ? fopen(path, "wb") : NULL;
    if (text) {
        assert_non_null(f);
        fputs(text, f);
        fclose(f);
    } else {
        unlink(path);
    }
    free(path);
}

static void configuration_names_tokens_and_templates(void **state) {
    (void)state;
    tn_tokenizer *t = NULL;
    tn_error err = {0};
    size_t n;
    assert_non_null(mkdtemp(dir_path));
    assert_int_equal(tn_tokenizer_load_dir(dir_path, &t, &err), TN_ENOENT);
    assert_non_null(strstr(err.text, "tokenizer.json"));
    put_file("tokenizer.json", small);
    put_file("special_tokens_map.json", "{\"bos_token\": \"b\", \"cls_token\": \"a\"}");
    put_file(
        "tokenizer_config.json",
        "{\"bos_token\": {\"content\": \"<s>\", \"lstrip\": false}, \"eos_token\": \"ab\", \"pad_token\": null, \"extra_special_tokens\": {\"image_token\": \"<tag>\"},"
        "\"added_tokens_decoder\": {\"12\": {\"content\": \"<late>\", \"special\": true}, \"6\": {\"content\": \"<s>\"}},"
        "\"chat_template\": [{\"name\": \"default\", \"template\": \"one\"}, {\"name\": \"tool_use\", \"template\": \"two\"}]}");
    assert_int_equal(tn_tokenizer_load_dir(dir_path, &t, &err), 0);
    assert_int_equal(tn_tokenizer_bos(t), 6);
    assert_int_equal(tn_tokenizer_eos(t), 2);
    assert_true(tn_tokenizer_adds_bos(t) && !tn_tokenizer_adds_eos(t));
    assert_true(tn_tokenizer_is_end(t, 2));
    assert_string_equal(tn_tokenizer_named_token(t, "image_token"), "<tag>");
    assert_string_equal(tn_tokenizer_named_token(t, "cls_token"), "a");
    assert_null(tn_tokenizer_named_token(t, "pad_token"));
    EXPECT(t, "a<late>", TN_ENCODE_PARSE_SPECIAL, 0, 12);
    assert_int_equal(tn_tokenizer_n_vocab(t), 13);
    assert_null(tn_tokenizer_piece(t, 11, NULL)); /* a hole */
    assert_string_equal(tn_tokenizer_chat_template(t, NULL, &n), "one");
    assert_string_equal(tn_tokenizer_chat_template(t, "tool_use", &n), "two");
    assert_string_equal(tn_tokenizer_chat_template_name(t, 1), "tool_use");
    assert_null(tn_tokenizer_chat_template_name(t, 2));
    tn_tokenizer_free(t);
    put_file("chat_template.jinja", "three");
    assert_int_equal(tn_tokenizer_load_dir(dir_path, &t, &err), 0);
    assert_string_equal(tn_tokenizer_chat_template(t, "default", &n), "three");
    tn_tokenizer_free(t);
    put_file("tokenizer_config.json", "{\"chat_template\": 7}");
    assert_int_equal(tn_tokenizer_load_dir(dir_path, &t, &err), TN_EFORMAT);
    put_file("tokenizer_config.json", "[]");
    assert_int_equal(tn_tokenizer_load_dir(dir_path, &t, &err), TN_EFORMAT);
    const char *const names[] = {"tokenizer.json", "special_tokens_map.json", "tokenizer_config.json",
                                 "chat_template.jinja"};
    for (size_t i = 0; i < 4; i++) put_file(names[i], NULL);
    rmdir(dir_path);
}

/* --- streams
 * ----------------------------------------------------------------------------------------------------- */

/* Whether a part of a well-formed text that begins at from begins with a whole character. */
static bool begins_whole(const tn_buf *b, size_t from) {
    return from >= b->len || ((unsigned char)b->data[from] & 0xc0) != 0x80;
}

/* Ids at random: each part of the stream is whole characters, and all of it is the decoded text. Runs of byte
 * tokens are the stated exception, so that for those vocabularies only the first holds. */
static void stream_random(const tn_tokenizer *t, bool bytes) {
    for (int round = 0; round < 300; round++) {
        int32_t ids[40];
        size_t n = 1 + roll(40);
        unsigned flags = roll(2) ? TN_DECODE_SKIP_SPECIAL : 0;
        tn_detok *d = tn_detok_new(t, flags);
        tn_buf whole, parts;
        tn_buf_init(&whole, 1 << 20);
        tn_buf_init(&parts, 1 << 20);
        for (size_t i = 0; i < n; i++) ids[i] = (int32_t)roll((uint32_t)tn_tokenizer_n_vocab(t));
        for (size_t i = 0; i < n; i++) {
            size_t from = parts.len;
            assert_int_equal(tn_detok_push(d, ids[i], &parts), 0);
            assert_true(begins_whole(&parts, from));
        }
        assert_int_equal(tn_detok_finish(d, &parts), 0);
        assert_int_equal(tn_tokenizer_decode(t, ids, n, flags, &whole, NULL), 0);
        if (!bytes) {
            assert_int_equal(whole.len, parts.len);
            if (whole.len) assert_memory_equal(whole.data, parts.data, whole.len);
        }
        tn_buf_free(&whole);
        tn_buf_free(&parts);
        tn_detok_free(d);
    }
}

static void streams_of_random_ids(void **state) {
    static const struct {
        const char *name;
        bool bytes;
    } families[] = {{"qwen3", false}, {"llama3", false}, {"bert_uncased", false},
                    {"xlmr", false},  {"llama2", true},  {"gemma", true}};
    (void)state;
    for (size_t i = 0; i < sizeof families / sizeof *families; i++) {
        char path[8192];
        tn_tokenizer *t;
        tn_error err = {0};
        snprintf(path, sizeof path, "%s/tokenizers/%s", unit_vectors(), families[i].name);
        if (tn_tokenizer_load_dir(path, &t, &err)) unit_skip("%s", err.text);
        stream_random(t, families[i].bytes);
        tn_tokenizer_free(t);
    }
}

static void continued_text_keeps_its_space(void **state) {
    (void)state;
    tn_tokenizer *t = must_parse(
        "{\"decoder\": {\"type\": \"Sequence\", \"decoders\": [{\"type\": \"Replace\", \"pattern\": {\"String\": \"_\"}, \"content\": \" \"},"
        "{\"type\": \"ByteFallback\"}, {\"type\": \"Fuse\"}, {\"type\": \"Strip\", \"content\": \" \", \"start\": 1, \"stop\": 0}]},"
        "\"model\": {\"type\": \"BPE\", \"vocab\": {\"_a\": 0, \"<0xE5>\": 1}, \"merges\": []}}");
    tn_buf out;
    tn_buf_init(&out, 100);
    tn_detok *d = tn_detok_new(t, TN_DECODE_CONTINUE);
    assert_int_equal(tn_detok_push(d, 0, &out), 0);
    assert_string_equal(out.data, " a");
    tn_detok_free(d);
    tn_buf_clear(&out);
    assert_int_equal(tn_tokenizer_decode(t, (int32_t[]){0, 0}, 2, 0, &out, NULL), 0);
    assert_string_equal(out.data, "a a");
    tn_buf_clear(&out);
    assert_int_equal(tn_tokenizer_token_bytes(t, 0, &out), 0);
    assert_int_equal(tn_tokenizer_token_bytes(t, 1, &out), 0);
    assert_string_equal(out.data, " a\xe5");
    tn_buf_free(&out);
    tn_tokenizer_free(t);
}

/* --- files that lie
 * ---------------------------------------------------------------------------------------------- */

#define MODEL(rest)  "{\"model\": {\"type\": \"BPE\", " rest "}}"
#define AROUND(rest) "{\"model\": {\"type\": \"BPE\", \"vocab\": {\"a\": 0}, \"merges\": []}, " rest "}"

static void lying_files_are_refused(void **state) {
    (void)state;
    static const struct {
        const char *text;
        int rc;
        const char *says;
    } cases[] = {
        {"", TN_EFORMAT, "expected"},
        {"{", TN_EFORMAT, "expected"},
        {"[]", TN_EFORMAT, "expected"},
        {"{}", TN_EFORMAT, "model"},
        {"{} x", TN_EFORMAT, "after the end"},
        {"{\"a\": \"\xff\"}", TN_EFORMAT, "UTF-8"},
        {"{\"model\": 5}", TN_EFORMAT, "model"},
        {"{\"model\": {\"type\": \"Magic\"}}", TN_ENOTSUP, "Magic"},
        {MODEL("\"merges\": []"), TN_EFORMAT, "vocab"},
        {MODEL("\"vocab\": {\"a\": 0}"), TN_EFORMAT, "merges"},
        {MODEL("\"vocab\": {}, \"merges\": []"), TN_EFORMAT, "empty"},
        {MODEL("\"vocab\": {\"a\": -1}, \"merges\": []"), TN_EFORMAT, "integer"},
        {MODEL("\"vocab\": {\"a\": 1.5}, \"merges\": []"), TN_EFORMAT, "integer"},
        {MODEL("\"vocab\": {\"a\": \"b\"}, \"merges\": []"), TN_EFORMAT, "number"},
        {MODEL("\"vocab\": {\"a\": 4294967296}, \"merges\": []"), TN_ELIMIT, "limit"},
        {MODEL("\"vocab\": {\"a\": 99999999999999999999999}, \"merges\": []"), TN_EFORMAT, "integer"},
        {MODEL("\"vocab\": {\"a\": 0, \"b\": 0}, \"merges\": []"), TN_EFORMAT, "two tokens"},
        {MODEL("\"vocab\": {\"a\": 0, \"a\": 1}, \"merges\": []"), TN_EFORMAT, "twice"},
        {MODEL("\"vocab\": {\"a\": 0}, \"vocab\": {\"a\": 0}, \"merges\": []"), TN_EFORMAT, "second"},
        {MODEL("\"vocab\": [\"a\"], \"merges\": []"), TN_EFORMAT, "expected"},
        {MODEL("\"vocab\": {\"a\": 0, \"b\": 1}, \"merges\": [\"a b\"]"), TN_EFORMAT, "\"ab\""},
        {MODEL("\"vocab\": {\"a\": 0, \"b\": 1}, \"merges\": [\"a c\"]"), TN_EFORMAT, "\"c\""},
        {MODEL("\"vocab\": {\"a\": 0, \"b\": 1}, \"merges\": [\"ab\"]"), TN_EFORMAT, "space"},
        {MODEL("\"vocab\": {\"a\": 0, \"b\": 1}, \"merges\": [[\"a\"]]"), TN_EFORMAT, "expected"},
        {MODEL("\"vocab\": {\"a\": 0, \"b\": 1}, \"merges\": [[\"a\", \"b\", \"c\"]]"), TN_EFORMAT,
         "expected"},
        {MODEL("\"vocab\": {\"a\": 0, \"b\": 1}, \"merges\": [7]"), TN_EFORMAT, "expected"},
        {MODEL("\"vocab\": {\"a\": 0}, \"merges\": {}"), TN_EFORMAT, "expected"},
        {MODEL("\"vocab\": {\"a\": 0}, \"merges\": [], \"unk_token\": \"z\""), TN_EFORMAT, "unk_token"},
        {MODEL("\"vocab\": {\"a\": 0}, \"merges\": [], \"dropout\": 0.1"), TN_ENOTSUP, "dropout"},
        {MODEL("\"vocab\": {\"a\": 0}, \"merges\": [], \"byte_fallback\": 1"), TN_EFORMAT, "byte_fallback"},
        {AROUND("\"added_tokens\": {}"), TN_EFORMAT, "added_tokens"},
        {AROUND("\"added_tokens\": [5]"), TN_EFORMAT, "content"},
        {AROUND("\"added_tokens\": [{\"content\": \"x\"}]"), TN_EFORMAT, "id"},
        {AROUND("\"added_tokens\": [{\"id\": 0, \"content\": \"x\"}]"), TN_EFORMAT, "belongs"},
        {AROUND("\"added_tokens\": [{\"id\": 3, \"content\": \"a\"}]"), TN_EFORMAT, "vocabulary"},
        {AROUND("\"added_tokens\": [{\"id\": -3, \"content\": \"x\"}]"), TN_EFORMAT, "id"},
        {AROUND("\"added_tokens\": [{\"id\": 5000000, \"content\": \"x\"}]"), TN_ELIMIT, "limit"},
        {AROUND("\"normalizer\": {\"type\": \"Odd\"}"), TN_ENOTSUP, "Odd"},
        {AROUND("\"normalizer\": []"), TN_EFORMAT, "object"},
        {AROUND("\"normalizer\": {\"type\": \"Precompiled\", \"precompiled_charsmap\": \"!!\"}"), TN_EFORMAT,
         "base64"},
        {AROUND("\"normalizer\": {\"type\": \"Precompiled\", \"precompiled_charsmap\": \"AAAAAAA=\"}"),
         TN_EFORMAT, "charsmap"},
        {AROUND(
             "\"normalizer\": {\"type\": \"Replace\", \"pattern\": {\"Regex\": \"(\"}, \"content\": \"\"}"),
         TN_EFORMAT, "compile"},
        {AROUND(
             "\"normalizer\": {\"type\": \"Replace\", \"pattern\": {\"String\": \"\"}, \"content\": \"\"}"),
         TN_EFORMAT, "empty"},
        {AROUND(
             "\"pre_tokenizer\": {\"type\": \"Split\", \"pattern\": {\"Regex\": \"a{9,1}\"}, \"behavior\": \"Isolated\"}"),
         TN_EFORMAT, "compile"},
        {AROUND(
             "\"pre_tokenizer\": {\"type\": \"Split\", \"pattern\": {\"Regex\": \"a\"}, \"behavior\": \"Sideways\"}"),
         TN_ENOTSUP, "Sideways"},
        {AROUND("\"pre_tokenizer\": {\"type\": \"Split\", \"pattern\": {\"Regex\": \"a\"}}"), TN_EFORMAT,
         "behavior"},
        {AROUND("\"pre_tokenizer\": {\"type\": \"UnicodeScripts\"}"), TN_ENOTSUP, "UnicodeScripts"},
        {AROUND("\"pre_tokenizer\": {\"type\": \"Metaspace\", \"replacement\": \"\"}"), TN_EFORMAT,
         "replacement"},
        {AROUND("\"decoder\": {\"type\": \"CTC\"}"), TN_ENOTSUP, "CTC"},
        {AROUND("\"decoder\": {\"type\": \"Strip\", \"content\": \" \", \"start\": -1}"), TN_EFORMAT,
         "start"},
        {AROUND(
             "\"post_processor\": {\"type\": \"BertProcessing\", \"cls\": [\"a\", 9], \"sep\": [\"a\", 0]}"),
         TN_EFORMAT, "cls"},
        {AROUND(
             "\"post_processor\": {\"type\": \"TemplateProcessing\", \"single\": [{\"Sequence\": {\"id\": \"Z\"}}], \"pair\": []}"),
         TN_EFORMAT, "Z"},
        {AROUND(
             "\"post_processor\": {\"type\": \"TemplateProcessing\", \"single\": [{\"SpecialToken\": {\"id\": \"x\"}}], \"pair\": []}"),
         TN_EFORMAT, "ids"},
        {"{\"model\": {\"type\": \"Unigram\", \"vocab\": [[\"a\", 0.5]], \"unk_id\": 7}}", TN_EFORMAT,
         "unk_id"},
        {"{\"model\": {\"type\": \"Unigram\", \"vocab\": [[\"a\"]], \"unk_id\": 0}}", TN_EFORMAT, "expected"},
        {"{\"model\": {\"type\": \"Unigram\", \"vocab\": [[\"a\", null]], \"unk_id\": 0}}", TN_EFORMAT,
         "number"},
        {"{\"model\": {\"type\": \"WordPiece\", \"vocab\": {\"a\": 0}}}", TN_EFORMAT, "unk_token"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tn_tokenizer *t;
        tn_error err = {0};
        int rc = parse(cases[i].text, strlen(cases[i].text), &t, &err);
        if (rc != cases[i].rc || !strstr(err.text, cases[i].says))
            printf("# %.100s: %d \"%s\"\n", cases[i].text, rc, err.text);
        assert_int_equal(rc, cases[i].rc);
        assert_non_null(strstr(err.text, cases[i].says));
    }
}

static void nesting_is_bounded(void **state) {
    (void)state;
    tn_buf b;
    tn_tokenizer *t;
    tn_error err = {0};
    tn_buf_init(&b, 1 << 20);
    tn_buf_adds(&b,
                "{\"model\": {\"type\": \"BPE\", \"vocab\": {\"a\": 0}, \"merges\": []}, \"normalizer\": ");
    for (int i = 0; i < 40; i++) tn_buf_adds(&b, "{\"type\": \"Sequence\", \"normalizers\": [");
    tn_buf_adds(&b, "{\"type\": \"NFC\"}");
    for (int i = 0; i < 40; i++) tn_buf_adds(&b, "]}");
    tn_buf_adds(&b, "}");
    assert_int_equal(parse(b.data, b.len, &t, &err), TN_ELIMIT);
    tn_buf_free(&b);
}

/* Files of the golden vectors, cut short or with bytes changed: an error or a tokenizer that works, never a
 * crash. */
static void damaged_files_do_no_harm(void **state) {
    static const char *const names[] = {"qwen3", "llama2", "bert_uncased", "xlmr"};
    (void)state;
    size_t refused = 0, taken = 0;
    for (size_t f = 0; f < sizeof names / sizeof *names; f++) {
        char path[8192], *text;
        size_t n;
        tn_error err = {0};
        snprintf(path, sizeof path, "%s/tokenizers/%s/tokenizer.json", unit_vectors(), names[f]);
        if (tn_file_read(path, 1 << 24, &text, &n, &err)) unit_skip("%s", err.text);
        for (int round = 0; round < 150; round++) {
            char *copy = malloc(n);
            size_t len = round % 3 ? n : roll((uint32_t)n);
            tn_tokenizer *t;
            tn_ids ids = {0};
            assert_non_null(copy);
            memcpy(copy, text, n);
            for (uint32_t k = round % 3 ? 1 + roll(4) : 0; k; k--)
                copy[roll((uint32_t)n)] = "0{}[]\",:x9-\\ "[roll(13)];
            int rc = parse(copy, len, &t, &err);
            assert_true(rc == 0 || err.text[0] != 0);
            rc ? refused++ : taken++;
            if (t) {
                assert_true(tn_tokenizer_encode(t, "Hello <s> \xe5\xa5\xbd", 13, 3, &ids, &err) <= 0);
                tn_ids_free(&ids);
            }
            tn_tokenizer_free(t);
            free(copy);
        }
        free(text);
    }
    printf("# %zu refused, %zu taken\n", refused, taken);
    assert_true(refused > 100 && taken > 0);
}

/* --- lying GGUF metadata
 * ----------------------------------------------------------------------------------------- */

static void put_u32(tn_buf *b, uint32_t v) {
    tn_buf_add(b, &v, 4);
}
static void put_u64(tn_buf *b, uint64_t v) {
    tn_buf_add(b, &v, 8);
}
static void put_str(tn_buf *b, const char *s) {
    put_u64(b, strlen(s));
    tn_buf_adds(b, s);
}

/* What a test puts into a file; NULL or 0 leaves a key out. */
typedef struct lie {
    const char *model, *pre;
    const char *tokens[8], *merges[4];
    uint32_t n_type, n_score, types[8];
    uint32_t bos; /* 0: no key */
    float nan_score;
    uint32_t type_of_scores;
    int rc;
    const char *says;
} lie;

static void key(tn_buf *b, uint64_t *n, const char *name, uint32_t type) {
    char full[100];
    snprintf(full, sizeof full, "tokenizer.ggml.%s", name);
    put_str(b, full);
    put_u32(b, type);
    ++*n;
}

static void string_list(tn_buf *b, uint64_t *n, const char *name, const char *const *list, size_t max) {
    size_t count = 0;
    while (count < max && list[count]) count++;
    if (!count) return;
    key(b, n, name, TN_GGUF_ARRAY);
    put_u32(b, TN_GGUF_STRING);
    put_u64(b, count);
    for (size_t i = 0; i < count; i++) put_str(b, list[i]);
}

static void make_gguf(const lie *l, tn_buf *out) {
    tn_buf kv;
    uint64_t n = 0;
    tn_buf_init(&kv, 1 << 16);
    if (l->model) key(&kv, &n, "model", TN_GGUF_STRING), put_str(&kv, l->model);
    if (l->pre) key(&kv, &n, "pre", TN_GGUF_STRING), put_str(&kv, l->pre);
    string_list(&kv, &n, "tokens", l->tokens, 8);
    string_list(&kv, &n, "merges", l->merges, 4);
    if (l->n_type) {
        key(&kv, &n, "token_type", TN_GGUF_ARRAY);
        put_u32(&kv, TN_GGUF_I32);
        put_u64(&kv, l->n_type);
        for (uint32_t i = 0; i < l->n_type; i++) put_u32(&kv, l->types[i % 8]);
    }
    if (l->n_score) {
        key(&kv, &n, "scores", TN_GGUF_ARRAY);
        put_u32(&kv, l->type_of_scores ? l->type_of_scores : TN_GGUF_F32);
        put_u64(&kv, l->n_score);
        for (uint32_t i = 0; i < l->n_score; i++) {
            float f = l->nan_score + (float)i;
            tn_buf_add(&kv, &f, 4);
        }
    }
    if (l->bos) key(&kv, &n, "bos_token_id", TN_GGUF_U32), put_u32(&kv, l->bos);
    tn_buf_adds(out, "GGUF");
    put_u32(out, 3);
    put_u64(out, 0);
    put_u64(out, n);
    tn_buf_add(out, kv.data, kv.len);
    tn_buf_free(&kv);
}

static void lying_metadata_is_refused(void **state) {
    (void)state;
    static const lie cases[] = {
        {.rc = TN_ENOENT, .says = "model"},
        {.model = "gpt2", .rc = TN_ENOENT, .says = "tokens"},
        {.model = "magic", .tokens = {"a"}, .rc = TN_ENOTSUP, .says = "magic"},
        {.model = "gpt2",
         .pre = "gpt-9",
         .tokens = {"a"},
         .merges = {"a b"},
         .rc = TN_ENOTSUP,
         .says = "gpt-9"},
        {.model = "gpt2", .pre = "gpt-2", .tokens = {"a"}, .rc = TN_EFORMAT, .says = "merges"},
        {.model = "gpt2",
         .pre = "gpt-2",
         .tokens = {"a", "b"},
         .merges = {"a b"},
         .rc = TN_EFORMAT,
         .says = "\"ab\""},
        {.model = "gpt2",
         .pre = "gpt-2",
         .tokens = {"a", "b"},
         .merges = {"ab"},
         .rc = TN_EFORMAT,
         .says = "space"},
        {.model = "gpt2",
         .pre = "gpt-2",
         .tokens = {"a", "b"},
         .n_type = 3,
         .rc = TN_EFORMAT,
         .says = "token_type has 3"},
        {.model = "gpt2",
         .pre = "gpt-2",
         .tokens = {"a", "b"},
         .n_score = 1,
         .rc = TN_EFORMAT,
         .says = "scores has 1"},
        {.model = "gpt2",
         .pre = "gpt-2",
         .tokens = {"a"},
         .merges = {"a a"},
         .bos = 9,
         .rc = TN_EFORMAT,
         .says = "bos_token_id is 9"},
        {.model = "llama", .tokens = {"a"}, .rc = TN_EFORMAT, .says = "scores"},
        {.model = "llama",
         .tokens = {"a"},
         .n_score = 1,
         .nan_score = (float)(0.0 / 0.0),
         .rc = TN_EFORMAT,
         .says = "finite"},
        {.model = "llama",
         .tokens = {"a"},
         .n_score = 1,
         .type_of_scores = TN_GGUF_U32,
         .rc = TN_EFORMAT,
         .says = "numbers"},
        {.model = "bert", .tokens = {"a"}, .rc = TN_EFORMAT, .says = "unknown_token_id"},
        {.model = "t5", .tokens = {"a"}, .rc = TN_EFORMAT, .says = "scores"},
        /* and some that are odd but right */
        {.model = "llama", .tokens = {"a", "b", "ab", "ab", "\xff\xfe", ""}, .n_score = 6, .rc = 0},
        {.model = "t5", .tokens = {"a", "b", "<unk>", "\xff"}, .n_score = 4, .rc = 0},
        {.model = "gpt2",
         .tokens = {"a", "b", "ab"},
         .merges = {"a b"},
         .n_type = 3,
         .types = {1, 4, 99},
         .rc = 0},
        {.model = "gemma4", .tokens = {"a", "b", "ab"}, .merges = {"a b"}, .rc = 0},
    };
    tn_log_setup(TN_LOG_ERROR, TN_LOG_TEXT);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tn_buf b;
        tn_gguf *g = NULL;
        tn_tokenizer *t = NULL;
        tn_error err = {0};
        tn_buf_init(&b, 1 << 16);
        make_gguf(&cases[i], &b);
        int rc = tn_gguf_open_memory(b.data, b.len, "test.gguf", &g, &err);
        if (rc) printf("# %s\n", err.text);
        assert_int_equal(rc, 0);
        rc = tn_tokenizer_load_gguf(g, &t, &err);
        if (rc != cases[i].rc) printf("# case %zu: %d \"%s\"\n", i, rc, err.text);
        assert_int_equal(rc, cases[i].rc);
        if (rc) assert_non_null(strstr(err.text, cases[i].says));
        if (!rc) {
            tn_ids ids = {0};
            tn_buf out;
            tn_buf_init(&out, 1000);
            assert_int_equal(tn_tokenizer_encode(t, "abab \xff\xe5\xa5\xbd", 9, 3, &ids, &err), 0);
            assert_int_equal(tn_tokenizer_decode(t, (int32_t[]){0, 1, 2, 3, 4, 5}, 6, 0, &out, &err), 0);
            tn_buf_free(&out);
            tn_ids_free(&ids);
        }
        tn_tokenizer_free(t);
        tn_gguf_close(g);
        tn_buf_free(&b);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(flags_choose_what_is_special),
        cmocka_unit_test(ill_formed_text_is_read_as_replacements),
        cmocka_unit_test(pairs_follow_their_own_form),
        cmocka_unit_test(decoding_passes_over_what_is_no_token),
        cmocka_unit_test(sides_of_added_tokens),
        cmocka_unit_test(end_tokens_and_names),
        cmocka_unit_test(configuration_names_tokens_and_templates),
        cmocka_unit_test(streams_of_random_ids),
        cmocka_unit_test(continued_text_keeps_its_space),
        cmocka_unit_test(lying_files_are_refused),
        cmocka_unit_test(nesting_is_bounded),
        cmocka_unit_test(damaged_files_do_no_harm),
        cmocka_unit_test(lying_metadata_is_refused),
    };
    return unit_main(tests);
}
