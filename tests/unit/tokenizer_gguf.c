/* SPDX-License-Identifier: Apache-2.0 */
/* Tokenizers from GGUF metadata: the same ids and texts as the tokenizer.json of the same model, and the
 * recorded ids of published vocabularies. */
#include "unit/unit.h"

#include <glob.h>

#include "base/file.h"
#include "base/json.h"
#include "text/gguf_pre.h"
#include "text/tokenizer_internal.h"
#include "weights/gguf.h"

enum { SHOWN = 8 };

static tn_tokenizer *load_gguf(const char *path) {
    tn_gguf *g;
    tn_tokenizer *t = NULL;
    tn_error err = {0};
    int rc = tn_gguf_open(path, &g, &err);
    if (!rc) {
        rc = tn_tokenizer_load_gguf(g, &t, &err);
        tn_gguf_close(g);
    }
    if (rc) printf("# %s: %s\n", path, err.text);
    assert_int_equal(rc, 0);
    return t;
}

static tn_tokenizer *load_json(const char *path) {
    tn_tokenizer *t = NULL;
    tn_error err = {0};
    int rc = tn_tokenizer_load_file(path, &t, &err);
    if (rc) printf("# %s: %s\n", path, err.text);
    assert_int_equal(rc, 0);
    return t;
}

static tn_ids encode(const tn_tokenizer *t, const char *text, size_t n, unsigned flags) {
    tn_ids ids = {0};
    tn_error err = {0};
    int rc = tn_tokenizer_encode(t, text, n, flags, &ids, &err);
    if (rc) printf("# %s\n", err.text);
    assert_int_equal(rc, 0);
    return ids;
}

static bool same_ids(const tn_ids *a, const tn_ids *b) {
    return a->len == b->len && (!a->len || memcmp(a->data, b->data, a->len * sizeof *a->data) == 0);
}

static void print_ids(const tn_tokenizer *t, const char *what, const tn_ids *ids) {
    printf("#   %s", what);
    for (size_t i = 0; i < ids->len && i < 40; i++)
        printf(" %d:%s", ids->data[i], tn_tokenizer_piece(t, ids->data[i], NULL));
    printf("\n");
}

/* 1 when both give the same ids, and the same text back. */
static bool agree(const tn_tokenizer *g, const tn_tokenizer *j, const char *s, size_t n, unsigned flags,
                  bool show) {
    tn_ids a = encode(g, s, n, flags), b = encode(j, s, n, flags);
    tn_buf x, y;
    tn_buf_init(&x, 1 << 20);
    tn_buf_init(&y, 1 << 20);
    assert_int_equal(tn_tokenizer_decode(g, b.data, b.len, 0, &x, NULL), 0);
    assert_int_equal(tn_tokenizer_decode(j, b.data, b.len, 0, &y, NULL), 0);
    bool ids = same_ids(&a, &b), text = x.len == y.len && (!x.len || memcmp(x.data, y.data, x.len) == 0);
    if (show && !ids) {
        printf("# \"%.60s\" (flags %u)\n", s, flags);
        print_ids(g, "gguf", &a);
        print_ids(j, "json", &b);
    }
    if (show && !text)
        printf("# decoded \"%.60s\" and \"%.60s\"\n", x.data ? x.data : "", y.data ? y.data : "");
    tn_buf_free(&x);
    tn_buf_free(&y);
    tn_ids_free(&a);
    tn_ids_free(&b);
    return ids && text;
}

/* The texts of all cases of all families. */
static json_t *all_texts(void) {
    char pattern[8192];
    glob_t found = {0};
    json_t *texts = json_array();
    snprintf(pattern, sizeof pattern, "%s/tokenizers/*/cases.json", unit_vectors());
    glob(pattern, 0, NULL, &found);
    for (size_t i = 0; i < found.gl_pathc; i++) {
        json_t *root, *c;
        size_t k;
        tn_error err = {0};
        assert_int_equal(tn_json_load(found.gl_pathv[i], 1 << 24, &root, &err), 0);
        json_array_foreach(json_object_get(root, "cases"), k, c)
            json_array_append(texts, json_object_get(c, "text"));
        json_decref(root);
    }
    globfree(&found);
    return texts;
}

static void check_roles(const tn_tokenizer *g, const tn_tokenizer *j) {
    assert_int_equal(tn_tokenizer_n_vocab(g), tn_tokenizer_n_vocab(j));
    for (int32_t id = 0; id < tn_tokenizer_n_vocab(g); id++)
        assert_string_equal(tn_tokenizer_piece(g, id, NULL), tn_tokenizer_piece(j, id, NULL));
    assert_true(tn_tokenizer_eos(g) >= 0);
    assert_true(tn_tokenizer_is_end(g, tn_tokenizer_eos(g)));
    assert_true(tn_tokenizer_is_end(g, tn_tokenizer_eot(g)));
}

/* A model and the folder of tokenizers/ that has the same tokenizer.json. */
typedef struct family {
    const char *model, *tokenizer;
} family;

static void same_as_json(void **state) {
    const family *f = *state;
    const char *name = f->model;
    char path[8192], json_path[8192];
    glob_t found = {0};
    json_t *text;
    size_t k, failures = 0, checks = 0;
    snprintf(path, sizeof path, "%s/gguf/%s/*.gguf", unit_vectors(), name);
    snprintf(json_path, sizeof json_path, "%s/models/%s/tokenizer.json", unit_vectors(), name);
    if (glob(path, 0, NULL, &found) != 0) unit_skip("%s is not there", path);
    if (!tn_file_exists(json_path))
        snprintf(json_path, sizeof json_path, "%s/tokenizers/%s/tokenizer.json", unit_vectors(),
                 f->tokenizer);
    if (!tn_file_exists(json_path)) {
        globfree(&found);
        unit_skip("%s is not there", json_path);
    }
    tn_tokenizer *j = load_json(json_path), *g = load_gguf(found.gl_pathv[0]);
    json_t *texts = all_texts();
    assert_true(json_array_size(texts) > 1000);
    check_roles(g, j);
    json_array_foreach(texts, k, text) {
        for (unsigned flags = 0; flags < 4; flags++, checks++)
            failures +=
                !agree(g, j, json_string_value(text), json_string_length(text), flags, failures < SHOWN);
    }
    printf("# %s: %zu checks, %zu failures\n", name, checks, failures);
    assert_int_equal(failures, 0);
    json_decref(texts);
    globfree(&found);
    tn_tokenizer_free(g);
    tn_tokenizer_free(j);
}

/* Every published name: its expressions compile, and an unknown name is none. */
static void names_of_splitting_are_known(void **state) {
    (void)state;
    static const char *const names[] = {"default",
                                        "llama3",
                                        "llama-v3",
                                        "llama-bpe",
                                        "falcon3",
                                        "falcon-h1",
                                        "pixtral",
                                        "midm-2.0",
                                        "lfm2",
                                        "jina-v5-nano",
                                        "dbrx",
                                        "smaug-bpe",
                                        "glm4",
                                        "chatglm-bpe",
                                        "qwen2",
                                        "f2llmv2",
                                        "megrez",
                                        "deepseek-r1-qwen",
                                        "kormo",
                                        "stablelm2",
                                        "hunyuan",
                                        "solar-open",
                                        "grok-2",
                                        "qwen35",
                                        "gpt-4o",
                                        "llama4",
                                        "kanana2",
                                        "talkie",
                                        "minimax-m2",
                                        "granite-embed-multi-97m",
                                        "tekken",
                                        "deepseek-llm",
                                        "deepseek-coder",
                                        "deepseek-v3",
                                        "hunyuan-dense",
                                        "joyai-llm",
                                        "hy_v4",
                                        "gpt-2",
                                        "phi-2",
                                        "jina-es",
                                        "jina-de",
                                        "jina-v2-es",
                                        "jina-v2-de",
                                        "gigachat",
                                        "a.x-4.0",
                                        "mellum",
                                        "jais",
                                        "trillion",
                                        "granite-docling",
                                        "exaone4",
                                        "mpt",
                                        "olmo",
                                        "modern-bert",
                                        "jina-v1-en",
                                        "jina-v2-code",
                                        "roberta-bpe",
                                        "starcoder",
                                        "refact",
                                        "smollm",
                                        "codeshell",
                                        "exaone",
                                        "minerva-7b",
                                        "mellum2",
                                        "command-r",
                                        "falcon",
                                        "bloom",
                                        "poro-chat",
                                        "gpt3-finnish",
                                        "viking",
                                        "chameleon",
                                        "kimi-k2",
                                        "bailingmoe",
                                        "bailingmoe2",
                                        "llada-moe",
                                        "seed-coder",
                                        "exaone-moe",
                                        "minicpm5",
                                        "ufakzeka",
                                        "laguna",
                                        "jais-2",
                                        "youtu",
                                        "spark2_5",
                                        "tiny_aya",
                                        "cohere2moe",
                                        "gemma4",
                                        "granite-embed-multi-311m",
                                        "sarvam-moe"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const tn_pre *pre = tn__pre_find(names[i], strlen(names[i]));
        tn_splitter sp = {0};
        tn_error err = {0};
        if (!pre) printf("# %s is not there\n", names[i]);
        assert_non_null(pre);
        for (int k = 0; pre->regex[k]; k++) {
            int rc = tn__splitter_add_regex(&sp, pre->regex[k], &err);
            if (rc) printf("# %s: %s\n", names[i], err.text);
            assert_int_equal(rc, 0);
        }
        tn__splitter_fini(&sp);
    }
    assert_null(tn__pre_find("gpt-9", 5));
    assert_null(tn__pre_find("gpt-2x", 6));
    assert_null(tn__pre_find("", 0));
}

static bool same_words(const tn_splitter *a, const tn_splitter *b, const char *s, size_t n) {
    tn_matcher m = {0};
    tn_words x, y;
    tn__words_init(&x, 1 << 20);
    tn__words_init(&y, 1 << 20);
    assert_int_equal(tn__split(a, &m, true, s, n, &x, NULL), 0);
    assert_int_equal(tn__split(b, &m, true, s, n, &y, NULL), 0);
    bool same = x.n == y.n;
    for (size_t i = 0; same && i < x.n; i++)
        same = x.word[i].off == y.word[i].off && x.word[i].len == y.word[i].len;
    tn__words_fini(&x);
    tn__words_fini(&y);
    tn__matcher_fini(&m);
    return same;
}

/* A name splits as the tokenizer.json of its family does. */
static void names_split_as_their_families(void **state) {
    static const char *const pairs[][2] = {
        {"llama3", "llama-bpe"}, {"qwen2", "qwen2"},          {"qwen3_5", "qwen35"}, {"gpt_oss", "gpt-4o"},
        {"tekken", "tekken"},    {"deepseek", "deepseek-v3"}, {"gpt2", "gpt-2"},     {"whisper", "gpt-2"}};
    (void)state;
    json_t *texts = all_texts(), *text;
    if (!json_array_size(texts)) unit_skip("no texts in %s", unit_vectors());
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        char path[8192];
        size_t k, failures = 0;
        tn_splitter sp = {0};
        const tn_pre *pre = tn__pre_find(pairs[i][1], strlen(pairs[i][1]));
        snprintf(path, sizeof path, "%s/tokenizers/%s/tokenizer.json", unit_vectors(), pairs[i][0]);
        tn_tokenizer *t = load_json(path);
        for (int r = 0; pre->regex[r]; r++)
            assert_int_equal(tn__splitter_add_regex(&sp, pre->regex[r], NULL), 0);
        json_array_foreach(texts, k, text) {
            bool same = same_words(&t->split, &sp, json_string_value(text), json_string_length(text));
            if (!same && failures++ < SHOWN)
                printf("# %s: \"%.60s\"\n", pairs[i][1], json_string_value(text));
        }
        assert_int_equal(failures, 0);
        tn__splitter_fini(&sp);
        tn_tokenizer_free(t);
    }
    json_decref(texts);
}

/* The next line of *at, or the rest; false at the end. */
static bool next_line(char **at, char **ret) {
    *ret = *at;
    if (!*at || !**at) return false;
    char *end = strchr(*at, '\n');
    if (end) *end++ = 0;
    *at = end;
    return true;
}

static tn_ids parse_ids(char *line) {
    tn_ids ids = {0};
    for (char *end; line && (ids.len < 100000); line = end) {
        int32_t id = (int32_t)strtol(line, &end, 10);
        if (end == line) break;
        assert_int_equal(tn_ids_add(&ids, &id, 1), 0);
    }
    return ids;
}

/* NAME.gguf with NAME.gguf.inp, texts between separator lines, and NAME.gguf.out, a line of ids for each. */
static void published(void **state) {
    static const char separator[] = "\n__ggml_vocab_test__\n";
    char path[8192], *text, *out, *line, *at;
    size_t failures = 0, checks = 0,
           base = (size_t)snprintf(path, sizeof path, "%s/real/%s", unit_vectors(), (char *)*state);
    tn_error err = {0};
    if (!tn_file_exists(path)) unit_skip("%s is not there", path);
    tn_tokenizer *t = load_gguf(path);
    strcpy(path + base, ".inp");
    assert_int_equal(tn_file_read(path, 1 << 20, &text, NULL, &err), 0);
    strcpy(path + base, ".out");
    assert_int_equal(tn_file_read(path, 1 << 20, &out, NULL, &err), 0);
    at = out;
    for (char *s = text, *end; s && next_line(&at, &line); s = end ? end + sizeof separator - 1 : NULL) {
        end = strstr(s, separator);
        size_t n = end ? (size_t)(end - s) : strlen(s);
        tn_ids got = encode(t, s, n, 0), want = parse_ids(line);
        bool same = same_ids(&got, &want);
        if (!same) {
            printf("# \"%.*s\"\n", (int)n, s);
            print_ids(t, "got ", &got);
            print_ids(t, "want", &want);
        }
        checks++;
        failures += !same;
        tn_ids_free(&got);
        tn_ids_free(&want);
    }
    printf("# %s: %zu checks, %zu failures\n", (char *)*state, checks, failures);
    assert_true(checks > 40);
    assert_int_equal(failures, 0);
    free(text);
    free(out);
    tn_tokenizer_free(t);
}

static void bert_base_uncased(void **state) {
    (void)state;
    char path[8192];
    json_t *root, *c;
    size_t i, failures = 0;
    tn_error err = {0};
    snprintf(path, sizeof path, "%s/real/bert-base-uncased.tokenizer.json", unit_vectors());
    if (!tn_file_exists(path)) unit_skip("%s is not there", path);
    tn_tokenizer *t = load_json(path);
    snprintf(path, sizeof path, "%s/real/bert-base-uncased.cases.json", unit_vectors());
    assert_int_equal(tn_json_load(path, 1 << 24, &root, &err), 0);
    json_t *cases = json_is_array(root) ? root : json_object_get(root, "cases");
    assert_true(json_array_size(cases) > 100);
    json_array_foreach(cases, i, c) {
        const json_t *text = json_object_get(c, "text");
        for (int special = 0; special < 2; special++) {
            const json_t *want = json_object_get(c, special ? "ids_with_special" : "ids"), *id;
            size_t k;
            tn_ids list = {0}, got = encode(t, json_string_value(text), json_string_length(text),
                                            TN_ENCODE_PARSE_SPECIAL | (special ? TN_ENCODE_ADD_SPECIAL : 0));
            if (!want) want = json_object_get(c, "ids");
            json_array_foreach(want, k, id) {
                int32_t v = (int32_t)json_integer_value(id);
                assert_int_equal(tn_ids_add(&list, &v, 1), 0);
            }
            if (!same_ids(&got, &list)) failures++, print_ids(t, json_string_value(text), &got);
            tn_ids_free(&got);
            tn_ids_free(&list);
        }
    }
    printf("# bert-base-uncased: %zu texts, %zu failures\n", json_array_size(cases), failures);
    assert_int_equal(failures, 0);
    json_decref(root);
    tn_tokenizer_free(t);
}

#define SAME(model, tokenizer)                                                                               \
    {                                                                                                        \
#        model " as its tokenizer.json", same_as_json, NULL, NULL, &(family) {                               \
#            model, #            tokenizer                                                                   \
        }                                                                                                    \
    }
#define PUBLISHED(name)                                                                                      \
    { name, published, NULL, NULL, "ggml-vocab-" name ".gguf" }

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_of_splitting_are_known),
        cmocka_unit_test(names_split_as_their_families),
        SAME(gemma3, gemma),
        SAME(gpt_oss, gpt_oss),
        SAME(llama2, llama2),
        SAME(llama3_wide, llama3),
        SAME(mixtral, mistral),
        SAME(phi3, phi3),
        SAME(qwen2, qwen2),
        SAME(qwen3_moe, qwen3),
        SAME(qwen3_wide, qwen3),
        PUBLISHED("phi-3"),
        PUBLISHED("gpt-2"),
        PUBLISHED("bert-bge"),
        cmocka_unit_test(bert_base_uncased),
    };
    return unit_main(tests);
}
