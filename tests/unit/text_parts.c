/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of a tokenizer, each alone. */
#include "unit/unit.h"

#include <utf8proc.h>

#include "text/bpe.h"
#include "text/charsmap.h"
#include "text/decoder.h"
#include "text/json_reader.h"
#include "text/normalizer.h"
#include "text/pattern.h"
#include "text/splitter.h"
#include "text/trie.h"
#include "text/unicode_forms.h"
#include "text/utf8.h"

static uint32_t g_seed = 1;
static uint32_t roll(uint32_t n) {
    g_seed = g_seed * 1664525 + 1013904223;
    return (uint32_t)((uint64_t)(g_seed >> 8) * n >> 24);
}

/* --- UTF-8
 * ------------------------------------------------------------------------------------------------------- */

static void every_code_point_round_trips(void **state) {
    (void)state;
    for (uint32_t cp = 0; cp <= 0x10ffff; cp++) {
        char s[4];
        uint32_t a = 1, b = 1;
        if (cp >= 0xd800 && cp <= 0xdfff) continue;
        size_t n = tn__utf8_put(cp, s);
        assert_int_equal(tn__utf8_next(s, n, &a), n);
        assert_int_equal(tn__utf8_get(s, &b), n);
        assert_true(a == cp && b == cp);
        for (size_t k = 1; k < n; k++) assert_int_equal(tn__utf8_next(s, k, &a), 0);
        assert_int_equal(tn__utf8_last(s, n), 0);
    }
}

/* The examples of the Unicode standard, section 3.9, and of the rule of maximal parts. */
static void ill_formed_parts_become_one_replacement_each(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {"a\xffz", "a\xef\xbf\xbdz"},
        {"\xc0\xaf", "\xef\xbf\xbd\xef\xbf\xbd"},
        {"\xe0\x80\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
        {"\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
        {"\xf4\x90\x80\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
        {"\xe1\x80\xe2\xf0\x91\x92\xf1\xbf\x41", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\x41"},
        {"\xf0\x9f\x98", "\xef\xbf\xbd"},
        {"\xf0\x9f\x98\x80", "\xf0\x9f\x98\x80"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tn_buf out;
        tn_buf_init(&out, 100);
        assert_int_equal(tn__utf8_lossy(cases[i][0], strlen(cases[i][0]), &out), 0);
        assert_string_equal(out.data, cases[i][1]);
        assert_int_equal(tn__utf8_valid(cases[i][0], strlen(cases[i][0])),
                         strcmp(cases[i][0], cases[i][1]) == 0);
        tn_buf_free(&out);
    }
}

/* --- normalisation
 * ----------------------------------------------------------------------------------------------- */

/* utf8proc's own result for a whole string. */
static char *reference_form(const char *s, bool compatibility, bool compose) {
    utf8proc_uint8_t *out = NULL;
    utf8proc_option_t o =
        UTF8PROC_NULLTERM | UTF8PROC_STABLE | (compose ? UTF8PROC_COMPOSE : UTF8PROC_DECOMPOSE);
    if (compatibility) o |= UTF8PROC_COMPAT;
    assert_true(utf8proc_map((const utf8proc_uint8_t *)s, 0, &out, o) >= 0);
    return (char *)out;
}

static void forms_agree_with_utf8proc(void **state) {
    (void)state;
    static const uint32_t start[] = {0x20,   0xc0,   0x300,  0x3b1,  0x41a,  0x5d0,   0x915,  0x93c,
                                     0x1100, 0x1161, 0x11a8, 0x1e00, 0x1f00, 0x212b,  0x3042, 0x3099,
                                     0x4e00, 0xac00, 0xf900, 0xfb00, 0xff41, 0x1d400, 0x1f600};
    for (int round = 0; round < 20000; round++) {
        char s[256];
        size_t n = 0;
        tn_buf out;
        for (uint32_t k = roll(12); k; k--)
            n += tn__utf8_put(start[roll(sizeof start / sizeof *start)] + roll(48), s + n);
        s[n] = 0;
        for (int form = 0; form < 4; form++) {
            char *want = reference_form(s, form & 1, form & 2);
            tn_buf_init(&out, 10000);
            assert_int_equal(tn__unicode_form(s, n, form & 1, form & 2, &out), 0);
            assert_string_equal(out.data, want);
            tn_buf_free(&out);
            free(want);
        }
    }
}

static void byte_alphabet_is_a_bijection(void **state) {
    (void)state;
    bool seen[0x200] = {false};
    for (int i = 0; i < 256; i++) {
        char c = (char)i;
        uint32_t cp;
        tn_buf out;
        tn_buf_init(&out, 8);
        assert_int_equal(tn__byte_level_put(&c, 1, &out), 0);
        assert_int_equal(tn__utf8_get(out.data, &cp), out.len);
        assert_int_equal(tn__byte_level_get(cp), i);
        assert_true(cp < 0x200 && !seen[cp]);
        seen[cp] = true;
        tn_buf_free(&out);
    }
    assert_int_equal(tn__byte_level_get(0x144), -1);
    assert_int_equal(tn__byte_level_get(' '), -1);
    assert_int_equal(tn__byte_level_get(0x10ffff), -1);
}

static void replace_and_strip_keep_order(void **state) {
    (void)state;
    tn_normalizer norm = {0};
    tn_matcher m = {0};
    tn_buf out;
    tn_buf_init(&out, 1000);
    assert_int_equal(tn__normalizer_add(&norm, (tn_norm_step){.kind = TN_NORM_STRIP, .left = true}, NULL), 0);
    assert_int_equal(tn__normalizer_add_replace(&norm, " {2,}", 5, false, "_", 1, NULL), 0);
    assert_int_equal(tn__normalizer_add_replace(&norm, ".", 1, true, "<>", 2, NULL), 0);
    assert_int_equal(tn__normalizer_add_prepend(&norm, "^", 1, NULL), 0);
    assert_int_equal(tn__normalize(&norm, &m, "  a   b. c ", 11, &out, NULL), 0);
    assert_string_equal(out.data, "^a_b<> c ");
    assert_int_equal(tn__normalize(&norm, &m, "", 0, &out, NULL), 0);
    assert_int_equal(out.len, 0);
    tn_buf_free(&out);
    tn__matcher_fini(&m);
    tn__normalizer_fini(&norm);
}

/* --- expressions
 * ------------------------------------------------------------------------------------------------- */

/* All matches, separated by '|'. */
static char *matches(const char *re, const char *text) {
    tn_pattern *p = NULL;
    tn_matcher m = {0};
    tn_error err = {0};
    tn_buf out;
    size_t from = 0, a, b;
    int rc = tn__pattern_new(re, strlen(re), false, &p, &err);
    if (rc) printf("# %s\n", err.text);
    assert_int_equal(rc, 0);
    tn_buf_init(&out, 10000);
    while ((rc = tn__pattern_find(p, &m, text, strlen(text), from, &a, &b, &err)) == 1) {
        tn_buf_add(&out, text + a, b - a);
        tn_buf_addc(&out, '|');
        from = b;
    }
    assert_int_equal(rc, 0);
    tn__matcher_fini(&m);
    tn__pattern_free(p);
    return tn_buf_steal(&out, NULL);
}

static void expressions_mean_what_they_mean_in_their_files(void **state) {
    (void)state;
    static const char *const cases[][3] = {
        /* white space is Unicode's, U+180E is none */
        {"\\s+",
         "a\xc2\x85\xe3\x80\x80"
         "b\xe1\xa0\x8e"
         "c \n",
         "\xc2\x85\xe3\x80\x80| \n|"},
        {"[^\\s]+",
         "a\xc2\xa0"
         "b",
         "a|b|"},
        {"[\\S]+",
         "a\xc2\xa0"
         "b",
         "a|b|"},
        {"\\S+", "\xe1\xa0\x8e x", "\xe1\xa0\x8e|x|"},
        {"(?i:'s|'t)", "'S 't 'x", "'S|'t|"},
        {"\\w+", "na\xc3\xafve_1 \xe0\xa4\xa8\xe0\xa4\xbf-\xd9\xa3",
         "na\xc3\xafve_1|\xe0\xa4\xa8\xe0\xa4\xbf|\xd9\xa3|"},
        {"\\h+", "xyz0fA-", "0fA|"},
        {"[a-z&&[^aeiou]]+", "hello", "h|ll|"},
        {"[\\p{L}&&[\\p{Lu}]]+", "aBCd", "BC|"},
        {"[^a-z&&[^aeiou]]+", "hello", "e|o|"},
        {"[a-c[x-z]]+", "abyzk", "abyz|"},
        {"[]a]+", "a]b", "a]|"},
        {"[[:digit:]x]+", "12xy", "12x|"},
        {"\\u0041\\x{42}+", "ABBC", "ABB|"},
        {"\\p{N}{1,3}", "12345", "123|45|"},
        {"a?+b++", "abbb", "abbb|"},
        {"x*", "axxb", "xx|"}, /* empty matches are passed over */
        {"b$", "ab\nb", "b|b|"},
        {"(?<=a)b", "abb", "b|"},
        {"\\[\\]\\-\\\\", "[]-\\", "[]-\\|"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *got = matches(cases[i][0], cases[i][1]);
        if (strcmp(got ? got : "", cases[i][2]) != 0) printf("# %s gives %s\n", cases[i][0], got);
        assert_string_equal(got ? got : "", cases[i][2]);
        free(got);
    }
}

static void bad_expressions_are_refused(void **state) {
    (void)state;
    static const struct {
        const char *re;
        int rc;
    } cases[] = {
        {"(a", TN_EFORMAT},    {"a{2,1}", TN_EFORMAT},  {"\\p{Nonsense}", TN_EFORMAT},
        {"[z-a]", TN_EFORMAT}, {"*", TN_EFORMAT},       {"[a", TN_ENOTSUP},
        {"[a&&", TN_ENOTSUP},  {"[a&&]", TN_ENOTSUP},   {"a\\", TN_ENOTSUP},
        {"\\p{L", TN_ENOTSUP}, {"\\Ka", TN_ENOTSUP},    {"\\u12", TN_ENOTSUP},
        {"[\\W]", TN_ENOTSUP}, {"[a[^b]]", TN_ENOTSUP}, {"[[[[[[[[[[[[a]]]]]]]]]]]]", TN_ENOTSUP},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tn_pattern *p = NULL;
        tn_error err = {0};
        int rc = tn__pattern_new(cases[i].re, strlen(cases[i].re), false, &p, &err);
        if (rc != cases[i].rc) printf("# %s: %d %s\n", cases[i].re, rc, err.text);
        assert_int_equal(rc, cases[i].rc);
        assert_true(err.text[0] != 0);
        assert_null(p);
    }
}

static void exponential_expressions_stop(void **state) {
    (void)state;
    static const char *const re[] = {"(a+)+$", "(a|aa)+b", "(?:(?:a?){30}){30}b"};
    char text[60];
    memset(text, 'a', sizeof text);
    text[sizeof text - 1] = '!';
    for (size_t i = 0; i < sizeof re / sizeof *re; i++) {
        tn_pattern *p = NULL;
        tn_matcher m = {0};
        tn_error err = {0};
        size_t a, b;
        assert_int_equal(tn__pattern_new(re[i], strlen(re[i]), false, &p, &err), 0);
        int rc = tn__pattern_find(p, &m, text, sizeof text, 0, &a, &b, &err);
        printf("# %s: %d %s\n", re[i], rc, err.text);
        assert_true(rc == TN_ELIMIT || rc == 0);
        if (rc) assert_non_null(strstr(err.text, "limit"));
        tn__matcher_fini(&m);
        tn__pattern_free(p);
    }
}

/* --- splitting
 * --------------------------------------------------------------------------------------------------- */

static char *split_all(tn_split_step step, const char *re, const char *text) {
    tn_splitter sp = {0};
    tn_matcher m = {0};
    tn_words w;
    tn_buf out;
    tn_buf_init(&out, 10000);
    tn__words_init(&w, 10000);
    if (re) assert_int_equal(tn__pattern_new(re, strlen(re), true, &step.pattern, NULL), 0);
    assert_int_equal(tn__splitter_add(&sp, step, NULL), 0);
    assert_int_equal(tn__split(&sp, &m, true, text, strlen(text), &w, NULL), 0);
    for (size_t i = 0; i < w.n; i++) {
        tn_buf_add(&out, w.text.data + w.word[i].off, w.word[i].len);
        tn_buf_addc(&out, '|');
    }
    tn__words_fini(&w);
    tn__matcher_fini(&m);
    tn__splitter_fini(&sp);
    return tn_buf_steal(&out, NULL);
}

static void behaviors_place_the_matches(void **state) {
    (void)state;
    static const struct {
        tn_split_behavior b;
        bool invert;
        const char *want;
    } cases[] = {
        {TN_SPLIT_ISOLATED, false, "the|-|final|-|-|countdown|-|"},
        {TN_SPLIT_REMOVED, false, "the|final|countdown|"},
        {TN_SPLIT_REMOVED, true, "-|-|-|-|"},
        {TN_SPLIT_WITH_PREVIOUS, false, "the-|final-|-|countdown-|"},
        {TN_SPLIT_WITH_NEXT, false, "the|-final|-|-countdown|-|"},
        {TN_SPLIT_CONTIGUOUS, false, "the|-|final|--|countdown|-|"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tn_split_step st = {.kind = TN_SPLIT_PATTERN, .behavior = cases[i].b, .invert = cases[i].invert};
        char *got = split_all(st, "-", "the-final--countdown-");
        assert_string_equal(got, cases[i].want);
        free(got);
    }
}

static void other_splitters_split(void **state) {
    (void)state;
    static const struct {
        tn_split_step step;
        const char *text, *want;
    } cases[] = {
        {{.kind = TN_SPLIT_WORDS}, "Hey friend!     How are you?!?", "Hey|friend|!|How|are|you|?!?|"},
        {{.kind = TN_SPLIT_SPACE, .behavior = TN_SPLIT_REMOVED},
         " a  b\xe3\x80\x80"
         "c ",
         "a|b|c|"},
        {{.kind = TN_SPLIT_PUNCT, .behavior = TN_SPLIT_ISOLATED},
         "a$\xe3\x80\x82"
         "b",
         "a|$|\xe3\x80\x82|b|"},
        {{.kind = TN_SPLIT_DIGITS, .behavior = TN_SPLIT_CONTIGUOUS},
         "Call 123\xc2\xbd now",
         "Call |123\xc2\xbd| now|"},
        {{.kind = TN_SPLIT_DIGITS, .behavior = TN_SPLIT_ISOLATED}, "a12", "a|1|2|"},
        {{.kind = TN_SPLIT_FIXED, .length = 2},
         "a\xc3\xa9"
         "bcd",
         "a\xc3\xa9|bc|d|"},
        {{.kind = TN_SPLIT_METASPACE,
          .behavior = TN_SPLIT_WITH_NEXT,
          .split = true,
          .prepend = TN_PREPEND_ALWAYS,
          .content = "_",
          .length = 1},
         "Hey my  friend ",
         "_Hey|_my|_|_friend|_|"},
        {{.kind = TN_SPLIT_METASPACE, .prepend = TN_PREPEND_FIRST, .content = "_", .length = 1},
         " a b",
         "_a_b|"},
        {{.kind = TN_SPLIT_BYTE_LEVEL}, " \xc3\xa9", "\xc4\xa0\xc3\x83\xc2\xa9|"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *got = split_all(cases[i].step, NULL, cases[i].text);
        assert_string_equal(got, cases[i].want);
        free(got);
    }
}

/* --- search tree, merging
 * ---------------------------------------------------------------------------------------- */

static void longest_key_is_found(void **state) {
    (void)state;
    char text[64][8];
    tn_trie_key keys[64];
    tn_trie t;
    for (int i = 0; i < 64; i++) {
        uint32_t n = 1 + roll(6);
        for (uint32_t k = 0; k < n; k++) text[i][k] = (char)('a' + roll(3));
        keys[i] = (tn_trie_key){text[i], n, (uint32_t)i};
    }
    assert_int_equal(tn__trie_init(&t, keys, 64, NULL), 0);
    for (int round = 0; round < 10000; round++) {
        char s[10];
        size_t n = 1 + roll(10), want = 0;
        uint32_t got;
        for (size_t k = 0; k < n; k++) s[k] = (char)('a' + roll(3));
        for (int i = 0; i < 64; i++)
            if (keys[i].len <= n && keys[i].len > want && memcmp(keys[i].s, s, keys[i].len) == 0)
                want = keys[i].len;
        assert_int_equal(tn__trie_longest(&t, 0, s, n, &got), want);
    }
    tn__trie_fini(&t);
    assert_int_equal(tn__trie_init(&t, keys, 0, NULL), 0);
    uint32_t got;
    assert_int_equal(tn__trie_longest(&t, 0, "a", 1, &got), 0);
}

/* The definition: while a pair can be joined, join the first of the lowest rank. */
static size_t naive_merge(const tn_bpe *b, uint32_t *id, size_t n) {
    for (;;) {
        const tn_merge *best = NULL;
        size_t at = 0;
        for (size_t i = 0; i + 1 < n; i++) {
            const tn_merge *m = tn__bpe_merge_slot(b, id[i], id[i + 1]);
            if (m->left != TN_BPE_NONE && (!best || m->rank < best->rank)) best = m, at = i;
        }
        if (!best) return n;
        id[at] = best->id;
        memmove(id + at + 1, id + at + 2, (n - at - 2) * sizeof *id);
        n--;
    }
}

static void merging_follows_the_definition(void **state) {
    (void)state;
    static const char *const pieces[] = {"a",  "b",   "c",    "ab",   "bc",   "ca",  "abc",
                                         "aa", "aaa", "aaaa", "bcab", "abab", "cab", "bb"};
    enum { N = sizeof pieces / sizeof *pieces };
    for (int round = 0; round < 400; round++) {
        tn_vocab v = {0};
        tn_bpe b;
        tn_bpe_work w = {0};
        float score[N];
        bool usable[N];
        for (uint32_t i = 0; i < N; i++) {
            score[i] = (float)roll(5);
            usable[i] = true;
            assert_int_equal(tn__vocab_add(&v, i, pieces[i], strlen(pieces[i]), TN_VOCAB_UNIQUE, NULL), 0);
        }
        tn__bpe_init(&b, &v, false);
        assert_int_equal(tn__bpe_merges_from_scores(&b, score, usable, NULL), 0);
        for (int k = 0; k < 20; k++) {
            char s[200];
            uint32_t id[200], n = 1 + roll(k % 2 ? 20 : 200);
            tn_ids got = {0};
            for (uint32_t i = 0; i < n; i++) id[i] = roll(3), s[i] = (char)('a' + id[i]);
            size_t want = naive_merge(&b, id, n);
            assert_int_equal(tn__bpe_encode(&b, &w, s, n, &got, NULL), 0);
            assert_int_equal(got.len, want);
            assert_memory_equal(got.data, id, want * sizeof *id);
            tn_ids_free(&got);
        }
        tn__bpe_work_fini(&w);
        tn__bpe_fini(&b);
        tn__vocab_fini(&v);
    }
}

/* --- decoding
 * ---------------------------------------------------------------------------------------------------- */

/* Pieces, separated by '|', through d. */
static char *decode(const tn_decoder *d, unsigned flags, const char *pieces) {
    tn_dec_stream *s = tn__dec_stream_new(d, flags);
    tn_buf out;
    tn_buf_init(&out, 1000);
    assert_non_null(s);
    for (const char *p = pieces; *p;) {
        size_t n = strcspn(p, "|");
        assert_int_equal(tn__dec_stream_push(s, p, n, &out), 0);
        p += n + (p[n] == '|');
    }
    assert_int_equal(tn__dec_stream_finish(s, &out), 0);
    tn__dec_stream_free(s);
    return tn_buf_steal(&out, NULL);
}

static void decoder_steps(void **state) {
    (void)state;
    static const struct {
        tn_dec_step step[3];
        const char *content[3], *pieces, *want;
    } cases[] = {
        {{{.kind = TN_DEC_SUFFIX}}, {"</w>"}, "low|er</w>|new</w>", "lower new"},
        {{{.kind = TN_DEC_JOIN_SPACE}}, {NULL}, "a|b", "a b"},
        {{{.kind = TN_DEC_WORDPIECE, .cleanup = true}},
         {"##"},
         "do|not|##able|.|it|'|s|##x",
         "do notable. it ' sx"},
        {{{.kind = TN_DEC_METASPACE}}, {"_"}, "_a|_b|_", "a b "},
        {{{.kind = TN_DEC_METASPACE, .keep_first = true}}, {"_"}, "_a|_b", " a b"},
        {{{.kind = TN_DEC_STRIP, .start = 1, .stop = 1}}, {"."}, "..a..|b.", ".a.b"},
        {{{.kind = TN_DEC_FUSE}, {.kind = TN_DEC_STRIP, .start = 2, .stop = 2}},
         {NULL, "."},
         ".|..a.|..|b|.|.|.",
         ".a...b."},
        {{{.kind = TN_DEC_BYTE_FALLBACK}},
         {NULL},
         "<0xE5>|<0xA5>|<0xBD>|x|<0xE5>|<0xA5>|y",
         "\xe5\xa5\xbdx\xef\xbf\xbd\xef\xbf\xbdy"},
        {{{.kind = TN_DEC_BYTE_LEVEL}},
         {NULL},
         "\xc4\xa0"
         "a|\xc3\xa5|\xc2\xa5\xc2\xbd|\xc3\xa5",
         " a\xe5\xa5\xbd\xef\xbf\xbd"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tn_decoder d = {0};
        for (int k = 0; k < 3; k++) {
            const char *c = cases[i].content[k];
            if (k && !cases[i].step[k].kind) break;
            assert_int_equal(tn__decoder_add(&d, cases[i].step[k], c, c ? strlen(c) : 0, NULL), 0);
        }
        for (unsigned flags = 0; flags <= TN_STREAM_EAGER; flags++) {
            char *got = decode(&d, flags, cases[i].pieces);
            if (strcmp(got, cases[i].want) != 0) printf("# case %zu gives %s\n", i, got);
            assert_string_equal(got, cases[i].want);
            free(got);
        }
        tn__decoder_fini(&d);
    }
}

static void replacing_after_fuse_sees_across_pieces(void **state) {
    (void)state;
    tn_decoder d = {0};
    assert_int_equal(tn__decoder_add(&d, (tn_dec_step){.kind = TN_DEC_FUSE}, NULL, 0, NULL), 0);
    assert_int_equal(tn__decoder_add_replace(&d, "abab", 4, true, "X", 1, NULL), 0);
    char *got = decode(&d, 0, "a|b|a|b|ab|abc|ab|a|z|aba");
    assert_string_equal(got, "XXcabazaba");
    free(got);
    assert_int_equal(tn__decoder_add_replace(&d, "a+", 2, false, "X", 1, NULL), TN_ENOTSUP);
    tn__decoder_fini(&d);
}

/* --- JSON from front to back
 * ------------------------------------------------------------------------------------- */

static void reader_takes_json_and_nothing_else(void **state) {
    (void)state;
    static const char *const good[] = {
        "{}", " [ ] ", "\"a\\u00e9\\ud83d\\ude00\\n\"", "-0.5e+3", "[1,[2,{\"a\":null}],true]", "0"};
    static const char *const bad[] = {
        "",   "{",     "[1,]",      "{\"a\":}", "{\"a\" 1}", "\"\\x\"", "\"\\ud800\"", "\"a",
        "01", "1.",    "-",         "nul",      "[1 2]",     "\"\n\"",  "{,}",         "\"\\udc00\"",
        "1e", "{1:2}", "\"\\u12\"", "]",        "[\"a\":1]", ".5"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        tn_json_reader r;
        tn_error err = {0};
        tn__jr_init(&r, good[i], strlen(good[i]), "test", &err);
        assert_int_equal(tn__jr_skip(&r), 0);
        assert_int_equal(tn__jr_peek(&r), 0);
        tn__jr_fini(&r);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        tn_json_reader r;
        tn_error err = {0};
        tn__jr_init(&r, bad[i], strlen(bad[i]), "test", &err);
        int rc = tn__jr_skip(&r);
        if (rc != TN_EFORMAT) printf("# %s is taken up to %td\n", bad[i], r.at - r.start);
        assert_true(rc == TN_EFORMAT || (rc == 0 && tn__jr_peek(&r) != 0));
        tn__jr_fini(&r);
    }
    tn_json_reader r;
    char deep[1000];
    tn_error err = {0};
    memset(deep, '[', sizeof deep);
    tn__jr_init(&r, deep, sizeof deep, "test", &err);
    assert_int_equal(tn__jr_skip(&r), TN_EFORMAT);
    assert_non_null(strstr(err.text, "nested"));
    tn__jr_fini(&r);
}

static void reader_gives_strings_and_numbers(void **state) {
    (void)state;
    static const char text[] =
        "[\"plain\", \"\\u0000\\\"\\u00e9\", 9007199254740993, 18446744073709551616, -1.5e1]";
    tn_json_reader r;
    tn_error err = {0};
    const char *s;
    size_t n;
    uint64_t u;
    double d;
    tn__jr_init(&r, text, sizeof text - 1, "test", &err);
    assert_int_equal(tn__jr_take(&r, '['), 0);
    assert_int_equal(tn__jr_string(&r, &s, &n), 0);
    assert_true(n == 5 && memcmp(s, "plain", 5) == 0);
    assert_int_equal(tn__jr_next(&r, ']', false), 1);
    assert_int_equal(tn__jr_string(&r, &s, &n), 0);
    assert_true(n == 4 && memcmp(s, "\0\"\xc3\xa9", 4) == 0);
    assert_int_equal(tn__jr_next(&r, ']', false), 1);
    assert_int_equal(tn__jr_uint(&r, &u), 0);
    assert_true(u == 9007199254740993u);
    assert_int_equal(tn__jr_next(&r, ']', false), 1);
    assert_int_equal(tn__jr_uint(&r, &u), TN_EFORMAT);
    assert_int_equal(tn__jr_number(&r, &d), 0);
    assert_int_equal(tn__jr_next(&r, ']', false), 1);
    assert_int_equal(tn__jr_number(&r, &d), 0);
    assert_true(d == -15);
    assert_int_equal(tn__jr_next(&r, ']', false), 0);
    tn__jr_fini(&r);
}

/* --- character maps
 * ---------------------------------------------------------------------------------------------- */

static void hostile_character_maps_do_no_harm(void **state) {
    (void)state;
    for (int round = 0; round < 2000; round++) {
        unsigned char blob[256];
        tn_charsmap *c = NULL;
        tn_error err = {0};
        size_t n = 1 + roll(sizeof blob);
        for (size_t i = 0; i < n; i++) blob[i] = (unsigned char)roll(256);
        uint32_t trie = roll(n) & ~3u;
        for (int i = 0; i < 4 && (size_t)i < n; i++) blob[i] = (unsigned char)(trie >> 8 * i);
        if (roll(2)) blob[n - 1] = 0;
        if (tn__charsmap_new(blob, n, &c, &err)) {
            assert_true(err.text[0] != 0);
            continue;
        }
        for (int longest = 0; longest < 2; longest++) {
            tn_buf out;
            tn_buf_init(&out, 100000);
            assert_int_equal(
                tn__charsmap_apply(c, longest, "abc \xc3\xa9\xcc\x81\xf0\x9f\x98\x80z", 14, &out), 0);
            tn_buf_free(&out);
        }
        tn__charsmap_free(c);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_code_point_round_trips),
        cmocka_unit_test(ill_formed_parts_become_one_replacement_each),
        cmocka_unit_test(forms_agree_with_utf8proc),
        cmocka_unit_test(byte_alphabet_is_a_bijection),
        cmocka_unit_test(replace_and_strip_keep_order),
        cmocka_unit_test(expressions_mean_what_they_mean_in_their_files),
        cmocka_unit_test(bad_expressions_are_refused),
        cmocka_unit_test(exponential_expressions_stop),
        cmocka_unit_test(behaviors_place_the_matches),
        cmocka_unit_test(other_splitters_split),
        cmocka_unit_test(longest_key_is_found),
        cmocka_unit_test(merging_follows_the_definition),
        cmocka_unit_test(decoder_steps),
        cmocka_unit_test(replacing_after_fuse_sees_across_pieces),
        cmocka_unit_test(reader_takes_json_and_nothing_else),
        cmocka_unit_test(reader_gives_strings_and_numbers),
        cmocka_unit_test(hostile_character_maps_do_no_harm),
    };
    return unit_main(tests);
}
