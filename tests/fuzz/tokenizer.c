/* SPDX-License-Identifier: Apache-2.0 */
/* A tokenizer and a text for it: refused with a message, or ids that exist and text that is well-formed. The
 * input is a tokenizer.json up to the first NUL (a GGUF file where it begins like one); what follows the NUL
 * is the text. */
#include "fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "text/tokenizer_json.h"
#include "text/utf8.h"
#include "weights/gguf.h"

#define CHECK(condition)                                                                                     \
    do {                                                                                                     \
        if (!(condition)) abort();                                                                           \
    } while (0)

static void check_error(int rc, const tn_error *err) {
    CHECK(rc < 0 && err->code == rc && err->text[0]);
}

static void check_stream(const tn_tokenizer *t, const tn_ids *ids) {
    tn_detok *d = tn_detok_new(t, TN_DECODE_SKIP_SPECIAL);
    tn_buf out;
    CHECK(d);
    tn_buf_init(&out, 1 << 20);
    for (size_t i = 0; i < ids->len; i++) {
        int rc = tn_detok_push(d, ids->data[i], &out);
        CHECK(rc <= 0);
        if (rc) break;
        CHECK(tn__utf8_valid(out.data ? out.data : "", out.len));
    }
    CHECK(out.status || tn_detok_finish(d, &out) <= 0);
    CHECK(tn__utf8_valid(out.data ? out.data : "", out.len));
    tn_buf_free(&out);
    tn_detok_free(d);
}

static void check_text(const tn_tokenizer *t, const char *text, size_t n) {
    for (unsigned flags = 0; flags < 4; flags++) {
        tn_ids ids = {0};
        tn_buf out;
        tn_error err = {0};
        tn_buf_init(&out, 1 << 20);
        int rc = tn_tokenizer_encode_pair(t, text, n / 2, text + n / 2, n - n / 2, flags, &ids, &err);
        if (rc) check_error(rc, &err);
        for (size_t i = 0; i < ids.len; i++) CHECK(tn_tokenizer_piece(t, ids.data[i], NULL));
        rc = tn_tokenizer_decode(t, ids.data, ids.len, 0, &out, &err);
        if (rc) check_error(rc, &err);
        CHECK(tn__utf8_valid(out.data ? out.data : "", out.len));
        check_stream(t, &ids);
        tn_buf_free(&out);
        tn_ids_free(&ids);
    }
}

static int load(const char *data, size_t n, tn_tokenizer **ret, tn_error *err) {
    tn_gguf *g;
    if (n >= 4 && memcmp(data, "GGUF", 4) == 0) {
        int rc = tn_gguf_open_memory(data, n, "fuzz", &g, err);
        if (rc) return rc;
        rc = tn_tokenizer_load_gguf(g, ret, err);
        tn_gguf_close(g);
        return rc;
    }
    tn_tokenizer *t = tn__tokenizer_new();
    CHECK(t);
    int rc = tn__tokenizer_parse_json(t, data, n, "fuzz", err);
    if (!rc) rc = tn__tokenizer_finish(t, err);
    if (rc)
        tn_tokenizer_free(t);
    else
        *ret = t;
    return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const char mixed[] = "Hello  <s>world\xe5\xa5\xbd\xf0\x9f\x98\x80 12'S\n\n\xcc\x81x\xff<unk>";
    tn_tokenizer *t = NULL;
    tn_error err = {0};
    const char *s = (const char *)data;
    bool gguf = size >= 4 && memcmp(s, "GGUF", 4) == 0;
    const char *end = gguf || !size ? NULL : memchr(s, 0, size);
    size_t n = end ? (size_t)(end - s) : size;
    tn_log_setup(TN_LOG_ERROR, TN_LOG_TEXT);
    int rc = load(s, n, &t, &err);
    if (rc) {
        check_error(rc, &err);
        return 0;
    }
    check_text(t, mixed, sizeof mixed - 1);
    if (end) check_text(t, end + 1, size - n - 1);
    for (int32_t id = -1; id <= 40; id++) {
        tn_buf out;
        tn_buf_init(&out, 4096);
        CHECK(tn_tokenizer_token_bytes(t, id, &out) <= 0);
        tn_buf_free(&out);
    }
    tn_tokenizer_free(t);
    return 0;
}

/* One of each part of a pipeline. */
static const char *const seeds[] = {
    "{\"added_tokens\":[{\"id\":9,\"content\":\"<s>\",\"special\":true,\"lstrip\":true},{\"id\":10,\"content\":\"x\",\"normalized\":true,"
    "\"single_word\":true,\"rstrip\":true}],\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"NFC\"},{\"type\":\"Lowercase\"},"
    "{\"type\":\"Replace\",\"pattern\":{\"Regex\":\" {2,}\"},\"content\":\" \"}]},\"pre_tokenizer\":{\"type\":\"Sequence\",\"pretokenizers\":["
    "{\"type\":\"Split\",\"pattern\":{\"Regex\":\"(?i:'s)|[^\\\\r\\\\n\\\\p{L}&&[^\\\\p{Han}]]?\\\\p{L}+|\\\\p{N}{1,3}|\\\\s+(?!\\\\S)|\\\\s+\"},"
    "\"behavior\":\"Isolated\",\"invert\":false},{\"type\":\"ByteLevel\",\"add_prefix_space\":true,\"use_regex\":false}]},"
    "\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":[{\"SpecialToken\":{\"id\":\"<s>\"}},{\"Sequence\":{\"id\":\"A\"}}],\"pair\":["
    "{\"Sequence\":{\"id\":\"A\"}},{\"Sequence\":{\"id\":\"B\"}}],\"special_tokens\":{\"<s>\":{\"ids\":[9]}}},\"decoder\":{\"type\":\"ByteLevel\"},"
    "\"model\":{\"type\":\"BPE\",\"unk_token\":\"l\",\"fuse_unk\":true,\"ignore_merges\":true,\"vocab\":{\"h\":0,\"e\":1,\"l\":2,\"o\":3,\"he\":4,"
    "\"ll\":5,\"hell\":6,\"hello\":7,\"\\u0120\":8},\"merges\":[\"h e\",\"l l\",[\"he\",\"ll\"],[\"hell\",\"o\"]]}}",
    "{\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"Prepend\",\"prepend\":\"_\"},{\"type\":\"Replace\",\"pattern\":{\"String\":"
    "\" \"},\"content\":\"_\"}]},\"decoder\":{\"type\":\"Sequence\",\"decoders\":[{\"type\":\"Replace\",\"pattern\":{\"String\":\"_\"},\"content\":"
    "\" \"},{\"type\":\"ByteFallback\"},{\"type\":\"Fuse\"},{\"type\":\"Strip\",\"content\":\" \",\"start\":1,\"stop\":1}]},\"model\":{\"type\":"
    "\"BPE\",\"unk_token\":\"<unk>\",\"byte_fallback\":true,\"vocab\":{\"<unk>\":0,\"<0xE5>\":1,\"<0xA5>\":2,\"<0xBD>\":3,\"_\":4,\"l\":5,\"_l\":6},"
    "\"merges\":[\"_ l\"]}}",
    "{\"normalizer\":{\"type\":\"BertNormalizer\",\"lowercase\":true},\"pre_tokenizer\":{\"type\":\"BertPreTokenizer\"},\"post_processor\":{\"type\":"
    "\"BertProcessing\",\"sep\":[\"[SEP]\",1],\"cls\":[\"[CLS]\",0]},\"decoder\":{\"type\":\"WordPiece\",\"prefix\":\"##\",\"cleanup\":true},"
    "\"model\":{\"type\":\"WordPiece\",\"unk_token\":\"[UNK]\",\"max_input_chars_per_word\":10,\"vocab\":{\"[CLS]\":0,\"[SEP]\":1,\"[UNK]\":2,"
    "\"he\":3,\"##llo\":4,\"w\":5,\"##o\":6}}}",
    "{\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"Nmt\"},{\"type\":\"NFKD\"},{\"type\":\"StripAccents\"},{\"type\":\"Strip\"}]},"
    "\"pre_tokenizer\":{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"WhitespaceSplit\"},{\"type\":\"Metaspace\",\"replacement\":\"_\","
    "\"prepend_scheme\":\"first\",\"split\":true},{\"type\":\"Digits\",\"individual_digits\":true},{\"type\":\"Punctuation\",\"behavior\":"
    "\"MergedWithNext\"},{\"type\":\"FixedLength\",\"length\":3}]},\"decoder\":{\"type\":\"Metaspace\",\"replacement\":\"_\"},\"model\":{\"type\":"
    "\"Unigram\",\"unk_id\":0,\"byte_fallback\":false,\"vocab\":[[\"<unk>\",0.0],[\"_\",-1.5],[\"l\",-2],[\"lo\",-2.5],[\"_he\",-3e0]]}}",
    ("{\"pre_tokenizer\":{\"type\":\"Whitespace\"},\"decoder\":{\"type\":\"BPEDecoder\",\"suffix\":\"</w>\"},\"model\":{\"type\":\"BPE\","
     "\"end_of_word_suffix\":\"</w>\",\"continuing_subword_prefix\":\"@\",\"vocab\":{\"h\":0,\"@e\":1,\"he\":2,\"@o</w>\":3},\"merges\":[\"h @e\"]}}"),
};
enum { N_SEEDS = sizeof seeds / sizeof *seeds };

static void put_number(tn_buf *b, uint64_t v, size_t n) {
    for (size_t i = 0; i < n; i++) tn_buf_addc(b, (char)(v >> 8 * i));
}

static void put_string(tn_buf *b, const char *s) {
    put_number(b, strlen(s), 8);
    tn_buf_adds(b, s);
}

static void put_strings(tn_buf *b, const char *key, const char *const *list, size_t n) {
    put_string(b, key);
    put_number(b, TN_GGUF_ARRAY, 4);
    put_number(b, TN_GGUF_STRING, 4);
    put_number(b, n, 8);
    for (size_t i = 0; i < n; i++) put_string(b, list[i]);
}

/* Vocabularies as GGUF metadata: scores of zero for the kinds that need them, merges for the others. */
static void put_gguf(tn_buf *b, const char *model, const char *pre) {
    static const char *const tokens[] = {"<unk>", "<s>", "h", "e", "he", "l", "\xe2\x96\x81", "<0xE5>"};
    static const char *const merges[] = {"h e"};
    static const char types[] = {2, 3, 1, 1, 1, 1, 1, 6};
    tn_buf_adds(b, "GGUF");
    put_number(b, 3, 4);
    put_number(b, 0, 8);
    put_number(b, 7, 8);
    put_string(b, "tokenizer.ggml.model");
    put_number(b, TN_GGUF_STRING, 4);
    put_string(b, model);
    put_string(b, "tokenizer.ggml.pre");
    put_number(b, TN_GGUF_STRING, 4);
    put_string(b, pre);
    put_strings(b, "tokenizer.ggml.tokens", tokens, 8);
    put_strings(b, "tokenizer.ggml.merges", merges, 1);
    put_string(b, "tokenizer.ggml.token_type");
    put_number(b, TN_GGUF_ARRAY, 4);
    put_number(b, TN_GGUF_I32, 4);
    put_number(b, 8, 8);
    for (size_t i = 0; i < 8; i++) put_number(b, (uint64_t)types[i], 4);
    put_string(b, "tokenizer.ggml.scores");
    put_number(b, TN_GGUF_ARRAY, 4);
    put_number(b, TN_GGUF_F32, 4);
    put_number(b, 8, 8);
    for (size_t i = 0; i < 8; i++) put_number(b, 0, 4);
    put_string(b, "tokenizer.ggml.unknown_token_id");
    put_number(b, TN_GGUF_U32, 4);
    put_number(b, 0, 4);
}

bool fuzz_seed(unsigned i, tn_buf *ret) {
    static const char *const gguf[][2] = {
        {"llama", "default"}, {"gpt2", "llama-bpe"}, {"bert", "x"}, {"t5", "x"}, {"gemma4", "x"}};
    if (i < N_SEEDS) {
        tn_buf_adds(ret, seeds[i]);
        tn_buf_add(ret, "\0hello hell low", 16);
        return true;
    }
    i -= N_SEEDS;
    if (i >= sizeof gguf / sizeof *gguf) return false;
    put_gguf(ret, gguf[i][0], gguf[i][1]);
    return true;
}
