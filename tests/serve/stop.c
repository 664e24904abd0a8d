/* SPDX-License-Identifier: Apache-2.0 */
/* Stop strings at every split of a text, against a plain search. */
#include "unit/unit.h"

#include "serve/stop.h"
#include "text/tokenizer.h"

enum { MAX_STRINGS = 6 };

typedef struct problem {
    const char *strings[MAX_STRINGS];
    size_t len[MAX_STRINGS], n;
    const char *text;
    size_t n_text;
} problem;

/* Where the text ends: at the first position where some string stands; n_text where none does. */
static size_t search(const problem *p) {
    for (size_t at = 0; at < p->n_text; at++)
        for (size_t i = 0; i < p->n; i++)
            if (p->len[i] <= p->n_text - at && memcmp(p->text + at, p->strings[i], p->len[i]) == 0) return at;
    return p->n_text;
}

/* Text that is held back begins a stop string and is not a whole one: nothing is held longer than it has to
 * be. */
static bool may_be_held(const problem *p, const tn_stop *s) {
    if (s->held.len == 0) return true;
    for (size_t i = 0; i < p->n; i++)
        if (s->held.len < p->len[i] && memcmp(s->held.data, p->strings[i], s->held.len) == 0) return true;
    return false;
}

/* Pushes the text in pieces that end at cuts (ascending) and at its end. */
static void check_cuts(const problem *p, const size_t *cuts, size_t n_cuts) {
    size_t end = search(p), at = 0;
    tn_stop s;
    tn_buf out;
    tn_buf_init(&out, 1 << 24);
    tn_stop_init(&s, p->strings, p->len, p->n, 1 << 24);
    bool over = false;
    for (size_t i = 0; i <= n_cuts; i++) {
        size_t to = i < n_cuts ? cuts[i] : p->n_text;
        over = tn_stop_push(&s, p->text + at, to - at, &out);
        at = to;
        if (out.len > end)
            fail_msg("handed out %zu bytes of %.*s, which ends at %zu", out.len, (int)p->n_text, p->text,
                     end);
        assert_true(out.len == 0 || memcmp(out.data, p->text, out.len) == 0);
        assert_true(over == s.hit);
        if (over)
            assert_true(end < at && out.len == end);
        else
            assert_true(out.len + s.held.len == at && may_be_held(p, &s));
    }
    over = tn_stop_finish(&s, &out);
    if (out.len != end || over != (end < p->n_text))
        fail_msg("%.*s ends at %zu, not %zu", (int)p->n_text, p->text, out.len, end);
    assert_true(out.len == 0 || memcmp(out.data, p->text, end) == 0);
    assert_int_equal(out.status, 0);
    tn_stop_fini(&s);
    tn_buf_free(&out);
}

/* Whole, byte by byte, in two and in three pieces everywhere. */
static void check_all_cuts(const problem *p) {
    size_t each[64], cuts[2];
    assert_true(p->n_text <= 64);
    for (size_t i = 0; i < p->n_text; i++) each[i] = i;
    check_cuts(p, NULL, 0);
    check_cuts(p, each, p->n_text);
    for (cuts[0] = 0; cuts[0] <= p->n_text; cuts[0]++)
        for (cuts[1] = cuts[0]; cuts[1] <= p->n_text; cuts[1]++) check_cuts(p, cuts, 2);
}

static void test_every_split(void **state) {
    static const struct {
        const char *text;
        const char *strings[MAX_STRINGS + 1];
        const char *left;
    } cases[] = {
        {"hello world", {NULL}, "hello world"},
        {"hello world", {"lo w"}, "hel"},
        {"hello world", {"h"}, ""},
        {"hello world", {"d"}, "hello worl"},
        {"hello world", {"hello world"}, ""},
        {"hello world", {"hello world!"}, "hello world"},
        {"aaaaab", {"aab"}, "aaa"},
        {"aabaabaaab", {"aabaaa"}, "aab"},
        {"abababac", {"ababac"}, "ab"},
        {"one\n\ntwo", {"\n\n", "\n"}, "one"},
        {"xabc", {"abcd", "c"}, "xab"},
        {"xabcd", {"abcd", "c"}, "x"},
        {"xabcx", {"abcd", "c"}, "xab"},
        {"xabcabcd", {"abcabcd", "bc"}, "x"},
        {"xabcabcx", {"abcabcd", "bc"}, "xa"},
        {"abcabcabcx", {"abcabcabcd", "cab", "bca"}, "a"},
        {"same same", {"same", "same s"}, ""},
        {"User: hi\nUser:", {"\nUser:", "\nAssistant:"}, "User: hi"},
        {"\xe5\xa5\xbd\xe5\xa5\xbc", {"\xe5\xa5\xbc"}, "\xe5\xa5\xbd"},
        {"", {"x"}, ""},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        problem p = {.text = cases[i].text, .n_text = strlen(cases[i].text)};
        for (; cases[i].strings[p.n]; p.n++) {
            p.strings[p.n] = cases[i].strings[p.n];
            p.len[p.n] = strlen(p.strings[p.n]);
        }
        assert_int_equal(search(&p), strlen(cases[i].left));
        check_all_cuts(&p);
    }
}

static void test_nul_bytes(void **state) {
    problem p = {.strings = {"\0\0b"}, .len = {3}, .n = 1, .text = "a\0\0\0bc", .n_text = 6};
    (void)state;
    assert_int_equal(search(&p), 2);
    check_all_cuts(&p);
}

static uint64_t seed;

static uint32_t random_below(uint32_t n) {
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)((seed >> 33) % n);
}

/* Few letters, so that strings overlap, contain and almost match each other. */
static size_t random_text(char *dst, size_t min, size_t max, uint32_t letters) {
    size_t n = min + random_below((uint32_t)(max - min + 1));
    for (size_t i = 0; i < n; i++) dst[i] = (char)('a' + random_below(letters));
    return n;
}

static void test_random(void **state) {
    const char *given = getenv("TENON_TEST_SEED");
    seed = given ? strtoull(given, NULL, 10) : 20250801;
    (void)state;
    printf("# TENON_TEST_SEED=%llu\n", (unsigned long long)seed);
    for (int run = 0; run < 50000; run++) {
        char text[64], strings[MAX_STRINGS][12];
        size_t cuts[8], n_cuts = random_below(8), at = 0;
        uint32_t letters = 1 + random_below(3);
        problem p = {
            .text = text, .n_text = random_text(text, 0, 60, letters), .n = random_below(MAX_STRINGS + 1)};
        for (size_t i = 0; i < p.n; i++) {
            p.len[i] = random_text(strings[i], 1, 12, letters);
            p.strings[i] = strings[i];
        }
        for (size_t i = 0; i < n_cuts; i++) cuts[i] = at += random_below((uint32_t)(p.n_text - at + 1));
        check_cuts(&p, cuts, n_cuts);
    }
}

/* ---- Behind a tokenizer: what tokens make of characters of several bytes ----------------------------- */

static tn_tokenizer *load_starter(void) {
    char path[4096];
    const char *src = getenv("TN_SRCDIR");
    tn_tokenizer *t = NULL;
    tn_error err = {0};
    snprintf(path, sizeof path, "%s/models/starter/tokenizer.json", src ? src : ".");
    if (tn_tokenizer_load_file(path, &t, &err) != 0) fail_msg("%s", err.text);
    return t;
}

/* The ids of text, a byte each. */
static tn_ids single_bytes(const tn_tokenizer *t, const char *text) {
    int32_t of_byte[256];
    tn_ids ids = {0};
    for (int b = 0; b < 256; b++) of_byte[b] = -1;
    for (int32_t id = 0; id < tn_tokenizer_n_vocab(t); id++) {
        tn_buf bytes;
        tn_buf_init(&bytes, 1 << 16);
        if (tn_tokenizer_token_bytes(t, id, &bytes) == 0 && bytes.len == 1)
            of_byte[(uint8_t)bytes.data[0]] = id;
        tn_buf_free(&bytes);
    }
    for (; *text; text++) {
        assert_true(of_byte[(uint8_t)*text] >= 0);
        assert_int_equal(tn_ids_add(&ids, &of_byte[(uint8_t)*text], 1), 0);
    }
    return ids;
}

static bool inside_character(const char *text, size_t at) {
    return ((uint8_t)text[at] & 0xc0) == 0x80;
}

/* Tokens through a detokenizer into the stops of p: after each token what was handed out is a beginning of
 * the text before the stop string, and never ends inside a character. */
static void check_tokens(const tn_tokenizer *t, const tn_ids *ids, const problem *p) {
    size_t end = search(p);
    tn_detok *d = tn_detok_new(t, TN_DECODE_SKIP_SPECIAL | TN_DECODE_CONTINUE);
    tn_buf out, piece;
    tn_stop s;
    bool over = false;
    tn_buf_init(&out, 1 << 16);
    tn_buf_init(&piece, 1 << 16);
    tn_stop_init(&s, p->strings, p->len, p->n, 1 << 16);
    for (size_t i = 0; i <= ids->len; i++) {
        tn_buf_clear(&piece);
        assert_int_equal(i < ids->len ? tn_detok_push(d, ids->data[i], &piece) : tn_detok_finish(d, &piece),
                         0);
        over = tn_stop_push(&s, piece.data ? piece.data : "", piece.len, &out);
        if (out.len > end)
            fail_msg("\"%s\" with the stop \"%s\": handed out %s", p->text, p->strings[0], out.data);
        assert_true(out.len == 0 || memcmp(out.data, p->text, out.len) == 0);
        assert_false(inside_character(p->text, out.len));
    }
    over = tn_stop_finish(&s, &out) || over;
    assert_int_equal(out.len, end);
    assert_true(over == (end < p->n_text));
    tn_stop_fini(&s);
    tn_detok_free(d);
    tn_buf_free(&out);
    tn_buf_free(&piece);
}

/* Every part of the text is a stop string, alone and with another that begins like it. */
static void check_parts(const tn_tokenizer *t, const tn_ids *ids, const char *text) {
    for (size_t from = 0; text[from]; from++) {
        if (inside_character(text, from)) continue;
        for (size_t to = from + 1; to <= strlen(text); to++) {
            if (inside_character(text, to)) continue;
            char longer[256];
            snprintf(longer, sizeof longer, "%.*s\xc3\xbc!", (int)(to - from), text + from);
            problem p = {.strings = {text + from, longer},
                         .len = {to - from, strlen(longer)},
                         .n = 1,
                         .text = text,
                         .n_text = strlen(text)};
            check_tokens(t, ids, &p);
            p.n = 2;
            check_tokens(t, ids, &p);
        }
    }
}

static void test_every_part_of_tokenized_text(void **state) {
    static const char text[] =
        "na\xc3\xafve \xe5\xa5\xbd\xe5\xa5\xbc \xf0\x9f\x99\x82\xf0\x9f\x99\x83 na\xc3\xafvety x\xcc\x81!\n";
    tn_tokenizer *t = load_starter();
    tn_ids encoded = {0}, bytes = single_bytes(t, text);
    tn_error err = {0};
    (void)state;
    assert_int_equal(tn_tokenizer_encode(t, text, strlen(text), 0, &encoded, &err), 0);
    assert_int_equal(bytes.len, strlen(text));
    assert_true(encoded.len < bytes.len);
    check_parts(t, &encoded, text);
    check_parts(t, &bytes, text);
    tn_ids_free(&encoded);
    tn_ids_free(&bytes);
    tn_tokenizer_free(t);
}

/* A text that nearly matches everywhere, in small pieces: a search that begins anew would take minutes. */
static void test_near_misses(void **state) {
    enum { STRING = 20000, TEXT = 4 << 20, PIECE = 64 };
    char *string = malloc(STRING), *text = malloc(TEXT);
    size_t len = STRING, held = 0;
    const char *strings = string;
    tn_stop s;
    tn_buf out;
    (void)state;
    memset(string, 'a', STRING);
    string[STRING - 1] = 'b';
    memset(text, 'a', TEXT);
    text[TEXT - 1] = 'b';
    tn_buf_init(&out, TEXT);
    tn_stop_init(&s, &strings, &len, 1, TEXT);
    for (size_t at = 0; at < TEXT; at += PIECE) {
        bool hit = tn_stop_push(&s, text + at, PIECE, &out);
        assert_true(hit == (at + PIECE == TEXT));
        if (s.held.len > held) held = s.held.len;
    }
    assert_int_equal(held, STRING - 1);
    assert_int_equal(out.len, TEXT - STRING);
    tn_stop_fini(&s);
    tn_buf_free(&out);
    free(string);
    free(text);
}

static void test_after_the_end(void **state) {
    static const char *const strings[] = {"b"};
    static const size_t len[] = {1};
    tn_stop s;
    tn_buf out;
    (void)state;
    tn_buf_init(&out, 16);
    tn_stop_init(&s, strings, len, 1, 16);
    assert_true(tn_stop_push(&s, "abc", 3, &out));
    assert_true(tn_stop_push(&s, "more", 4, &out));
    assert_true(tn_stop_finish(&s, &out));
    assert_string_equal(out.data, "a");
    tn_stop_fini(&s);
    tn_stop_fini(&s);
    tn_buf_free(&out);
}

static void test_limits(void **state) {
    static const char *const strings[] = {"b"};
    static const size_t len[] = {1};
    tn_stop s;
    tn_buf out;
    (void)state;
    tn_buf_init(&out, 4);
    tn_stop_init(&s, strings, len, 1, 8);
    assert_false(tn_stop_push(&s, "aaaaa", 5, &out));
    assert_int_equal(out.status, TN_ELIMIT); /* out's own */
    tn_stop_fini(&s);
    tn_buf_clear(&out);
    tn_stop_init(&s, strings, len, 1, 8);
    assert_false(tn_stop_push(&s, "aaaaaaaaa", 9, &out));
    assert_int_equal(out.status, TN_ELIMIT); /* what may be held */
    tn_stop_fini(&s);
    tn_buf_free(&out);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_split),
        cmocka_unit_test(test_nul_bytes),
        cmocka_unit_test(test_random),
        cmocka_unit_test(test_near_misses),
        cmocka_unit_test(test_every_part_of_tokenized_text),
        cmocka_unit_test(test_after_the_end),
        cmocka_unit_test(test_limits),
    };
    return unit_main(tests);
}
