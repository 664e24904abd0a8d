/* SPDX-License-Identifier: Apache-2.0 */
/* Tokenizers of the size that published ones have, made here: what loading costs, how fast encoding is, and
 * inputs that make careless algorithms quadratic. The numbers are printed; the limits are far above them, so
 * that a busy machine does not fail, and far below what a quadratic step would take. */
#include "unit/unit.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <time.h>

#include "base/buf.h"
#include "text/tokenizer.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { SANITIZED = 1 };
#else
enum { SANITIZED = 0 };
#endif

enum { LETTERS = 26, SHORT = 26 + 26 * 26 + 26 * 26 * 26, LONG = 270000, MEBIBYTE = 1 << 20 };

/* Processor time: the machine may be busy. */
static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double peak_mib(void) {
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (double)u.ru_maxrss / 1024;
}

/* The i-th string of n letters. */
static void letters(char *s, unsigned i, int n) {
    s[n] = 0;
    while (n--) {
        s[n] = (char)('a' + i % LETTERS);
        i /= LETTERS;
    }
}

static void add_merge(tn_buf *b, const char *left, int left_len, const char *right, bool *first) {
    tn_buf_addf(b, "%s\n      [\n        \"%.*s\",\n        \"%s\"\n      ]", *first ? "" : ",", left_len,
                left, right);
    *first = false;
}

/* Every way to put a piece of n letters together. */
static void add_cuts(tn_buf *b, unsigned count, int n, bool *first) {
    char s[8];
    for (unsigned i = 0; i < count; i++) {
        letters(s, i, n);
        for (int cut = 1; cut < n && cut < 3; cut++) add_merge(b, s, cut, s + cut, first);
    }
}

/* All words of up to three letters and many of four, and every merge among them, printed as such files are.
 */
static void make_tokenizer(tn_buf *b) {
    char s[8];
    unsigned id = 0, count[] = {0, 26, 26 * 26, 26 * 26 * 26, LONG};
    bool first = true;
    tn_buf_adds(
        b,
        "{\n  \"version\": \"1.0\",\n  \"added_tokens\": [],\n  \"normalizer\": {\"type\": \"NFC\"},\n"
        "  \"pre_tokenizer\": {\"type\": \"Sequence\", \"pretokenizers\": [{\"type\": \"Split\", \"pattern\": "
        "{\"Regex\": \"[^\\\\r\\\\n\\\\p{L}\\\\p{N}]?\\\\p{L}+|\\\\p{N}| ?[^\\\\s\\\\p{L}\\\\p{N}]+[\\\\r\\\\n]*"
        "|\\\\s*[\\\\r\\\\n]+|\\\\s+(?!\\\\S)|\\\\s+\"}, \"behavior\": \"Isolated\", \"invert\": false}, "
        "{\"type\": \"ByteLevel\", \"add_prefix_space\": false, \"use_regex\": false}]},\n"
        "  \"decoder\": {\"type\": \"ByteLevel\"},\n  \"model\": {\n    \"type\": \"BPE\",\n    \"vocab\": {");
    for (int n = 1; n <= 4; n++)
        for (unsigned i = 0; i < count[n]; i++) {
            letters(s, i, n);
            tn_buf_addf(b, "%s\n      \"%s\": %u", id ? "," : "", s, id);
            id++;
        }
    tn_buf_addf(b, ",\n      \"\\u0120\": %u,\n      \".\": %u\n    },\n    \"merges\": [", id, id + 1);
    for (int n = 2; n <= 4; n++) add_cuts(b, count[n], n, &first);
    tn_buf_adds(b, "\n    ]\n  }\n}\n");
}

static void write_file(const char *path, const tn_buf *b) {
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(b->data, 1, b->len, f), b->len);
    assert_int_equal(fclose(f), 0);
}

static char big_path[] = "/tmp/tenon-tokenizer-XXXXXX";

/* Loading in a process of its own, so that its memory is its own. Returns what the child reports. */
static void load_big(double ret[2]) {
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        tn_tokenizer *t = NULL;
        tn_error err = {0};
        double before = peak_mib(), start = now();
        int rc = tn_tokenizer_load_file(big_path, &t, &err);
        double out[2] = {now() - start, peak_mib() - before};
        if (rc) fprintf(stderr, "%s\n", err.text);
        _exit(rc != 0 || write(fds[1], out, sizeof out) != (ssize_t)sizeof out);
    }
    int status;
    close(fds[1]);
    assert_int_equal(read(fds[0], ret, 2 * sizeof *ret), 2 * sizeof *ret);
    close(fds[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

static void thirty_megabytes_load(void **state) {
    (void)state;
    tn_buf b;
    double cost[2];
    int fd = mkstemp(big_path);
    assert_true(fd >= 0);
    close(fd);
    tn_buf_init(&b, 64 * MEBIBYTE);
    make_tokenizer(&b);
    assert_int_equal(b.status, 0);
    write_file(big_path, &b);
    double mib = (double)b.len / MEBIBYTE;
    tn_buf_free(&b);
    load_big(cost);
    printf("# tokenizer.json of %.1f MiB: %.2f s, peak memory +%.1f MiB (the mapped file included)\n", mib,
           cost[0], cost[1]);
    assert_true(mib > 28);
    assert_true(cost[0] < 60);
    if (!SANITIZED) assert_true(cost[1] < 4 * mib);
}

static tn_tokenizer *big(void) {
    tn_tokenizer *t = NULL;
    tn_error err = {0};
    assert_int_equal(tn_tokenizer_load_file(big_path, &t, &err), 0);
    return t;
}

/* Encodes, prints and bounds the time, decodes back. */
static void run(const tn_tokenizer *t, const char *what, const char *s, size_t n) {
    tn_ids ids = {0};
    tn_buf out;
    tn_error err = {0};
    double start = now();
    int rc = tn_tokenizer_encode(t, s, n, TN_ENCODE_PARSE_SPECIAL, &ids, &err);
    double encode = now() - start;
    if (rc) printf("# %s: %s\n", what, err.text);
    assert_int_equal(rc, 0);
    tn_buf_init(&out, 4 * n + 16);
    start = now();
    assert_int_equal(tn_tokenizer_decode(t, ids.data, ids.len, 0, &out, &err), 0);
    double decode = now() - start;
    printf("# %s, %.2f MiB: encoded in %.3f s to %zu tokens, decoded in %.3f s\n", what, (double)n / MEBIBYTE,
           encode, ids.len, decode);
    assert_int_equal(out.len, n);
    assert_memory_equal(out.data, s, n);
    assert_true(encode < 30);
    assert_true(decode < 30);
    tn_buf_free(&out);
    tn_ids_free(&ids);
}

static void words_encode_fast(void **state) {
    (void)state;
    tn_tokenizer *t = big();
    char *s = malloc(MEBIBYTE);
    uint32_t x = 1;
    assert_non_null(s);
    for (size_t i = 0; i < MEBIBYTE; i++) {
        x = x * 1664525 + 1013904223;
        unsigned r = x >> 24;
        s[i] = r < 40 ? ' ' : r < 44 ? '.' : (char)('a' + r % LETTERS);
    }
    run(t, "random words", s, MEBIBYTE);
    free(s);
    tn_tokenizer_free(t);
}

static void one_long_word_is_not_quadratic(void **state) {
    (void)state;
    tn_tokenizer *t = big();
    char *s = malloc(MEBIBYTE);
    assert_non_null(s);
    memset(s, 'a', MEBIBYTE);
    run(t, "one letter repeated", s, MEBIBYTE);
    memset(s, ' ', MEBIBYTE);
    run(t, "spaces", s, MEBIBYTE);
    memset(s, '.', MEBIBYTE);
    run(t, "dots", s, MEBIBYTE);
    for (size_t i = 0; i < MEBIBYTE; i++) s[i] = (char)('a' + (i * 7 + i / 26) % LETTERS);
    run(t, "one word of many letters", s, MEBIBYTE);
    free(s);
    tn_tokenizer_free(t);
    unlink(big_path);
}

static void small_tokenizers_bear_repetition(void **state) {
    static const char *const names[] = {"llama3",       "llama2",  "gemma",   "xlmr",
                                        "bert_uncased", "gpt_oss", "deepseek"};
    static const char *const units[] = {"a", " ",  "1", "\xcc\x81\xcc\xa3", "\xe5\xa5\xbd", "\n", "<",
                                        "A", "a ", "'"};
    (void)state;
    char path[8192];
    char *s = malloc(MEBIBYTE + 8);
    assert_non_null(s);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        tn_tokenizer *t = NULL;
        tn_error err = {0};
        snprintf(path, sizeof path, "%s/tokenizers/%s", unit_vectors(), names[i]);
        if (tn_tokenizer_load_dir(path, &t, &err)) unit_skip("%s", err.text);
        for (size_t k = 0; k < sizeof units / sizeof *units; k++) {
            size_t n = 0, unit = strlen(units[k]);
            for (; n + unit <= MEBIBYTE; n += unit) memcpy(s + n, units[k], unit);
            tn_ids ids = {0};
            double start = now();
            int rc = tn_tokenizer_encode(t, s, n, TN_ENCODE_PARSE_SPECIAL, &ids, &err);
            double took = now() - start;
            if (rc || took > 0.5)
                printf("# %s, 1 MiB of unit %zu: status %d, %.2f s, %zu tokens\n", names[i], k, rc, took,
                       ids.len);
            assert_int_equal(rc, 0);
            assert_true(took < 30);
            tn_ids_free(&ids);
        }
        tn_tokenizer_free(t);
    }
    free(s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(thirty_megabytes_load),
        cmocka_unit_test(words_encode_fast),
        cmocka_unit_test(one_long_word_is_not_quadratic),
        cmocka_unit_test(small_tokenizers_bear_repetition),
    };
    return unit_main(tests);
}
