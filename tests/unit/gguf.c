/* SPDX-License-Identifier: Apache-2.0 */
/* GGUF files: what a good one gives, and that damaged and lying ones get a message and nothing worse. Files
 * are read from allocations of exactly their size, so that a sanitizer sees a read past the end. */
#include "unit/unit.h"

#include <glob.h>
#include <math.h>

#include "unit/files.h"
#include "unit/model_files.h"
#include "weights/gguf.h"

/* Opens a copy of exactly n bytes; the copy's owner is the caller. */
static int open_copy(const void *data, size_t n, void **ret_copy, tn_gguf **ret, tn_error *err) {
    *ret = NULL;
    *ret_copy = malloc(n ? n : 1);
    memcpy(*ret_copy, n ? data : "", n);
    return tn_gguf_open_memory(*ret_copy, n, "file", ret, err);
}

/* Opening b must fail with code and say `says`; frees b. */
static void refuse(tn_buf *b, int code, const char *says) {
    tn_gguf *g;
    void *copy;
    tn_error err = {0};
    assert_int_equal(b->status, 0);
    int rc = open_copy(b->data, b->len, &copy, &g, &err);
    if (rc != code || !strstr(err.text, says))
        fail_msg("got %d \"%s\", not %d \"%s\"", rc, err.text, code, says);
    assert_int_equal(err.code, code);
    free(copy);
    tn_buf_free(b);
}

static tn_buf empty(void) {
    tn_buf b;
    tn_buf_init(&b, FILE_MAX);
    return b;
}

/* --- good files --- */

static void values_come_back(void **state) {
    (void)state;
    tn_buf b = empty();
    tn_gguf *g;
    tn_error err = {0};
    put_sample_gguf(&b);
    if (tn_gguf_open_memory(b.data, b.len, "file", &g, &err)) fail_msg("%s", err.text);
    assert_int_equal(tn_gguf_kv_count(g), SAMPLE_KV);
    assert_int_equal(tn_gguf_find(g, "a.u8")->u, 200);
    assert_int_equal(tn_gguf_find(g, "a.i8")->i, -100);
    assert_int_equal(tn_gguf_find(g, "a.u16")->u, 60000);
    assert_int_equal(tn_gguf_find(g, "a.i16")->i, -30000);
    assert_true(tn_gguf_find(g, "a.u32")->u == 4000000000u);
    assert_true(tn_gguf_find(g, "a.i32")->i == -2000000000);
    assert_true(tn_gguf_find(g, "a.u64")->u == UINT64_MAX);
    assert_true(tn_gguf_find(g, "a.i64")->i == INT64_MIN);
    assert_true(tn_gguf_find(g, "a.f32")->f == 0.5);
    assert_true(tn_gguf_find(g, "a.f64")->f == 1e300);
    assert_int_equal(tn_gguf_find(g, "a.bool")->u, 1);
    const tn_gguf_value *s = tn_gguf_find(g, "a.string");
    assert_int_equal(s->len, 6);
    assert_memory_equal(s->data, "h\xc3\xa9llo", 6);
    assert_int_equal(tn_gguf_find(g, "a.empty")->len, 0);
    assert_null(tn_gguf_find(g, "a.absent"));
    const char *key;
    assert_int_equal(tn_gguf_kv_at(g, 1, &key)->i, -100);
    assert_string_equal(key, "a.i8");
    assert_null(tn_gguf_kv_at(g, SAMPLE_KV, &key));
    tn_gguf_close(g);
    tn_buf_free(&b);
}

static void arrays_are_walked(void **state) {
    (void)state;
    tn_buf b = empty();
    tn_gguf *g;
    tn_gguf_value v;
    put_sample_gguf(&b);
    assert_int_equal(tn_gguf_open_memory(b.data, b.len, "file", &g, NULL), 0);
    tn_gguf_iter it = tn_gguf_iter_begin(tn_gguf_find(g, "b.string"));
    const char *want[] = {"x", "", "yz"};
    for (int i = 0; i < 3; i++) {
        assert_true(tn_gguf_iter_next(&it, &v));
        assert_int_equal(v.len, strlen(want[i]));
        assert_memory_equal(v.data, want[i], v.len);
    }
    assert_false(tn_gguf_iter_next(&it, &v));
    it = tn_gguf_iter_begin(tn_gguf_find(g, "b.i16"));
    assert_true(tn_gguf_iter_next(&it, &v) && v.i == 1);
    assert_true(tn_gguf_iter_next(&it, &v) && v.i == -2);
    assert_false(tn_gguf_iter_next(&it, &v));
    it = tn_gguf_iter_begin(tn_gguf_find(g, "b.none"));
    assert_false(tn_gguf_iter_next(&it, &v));
    it = tn_gguf_iter_begin(tn_gguf_find(g, "a.u32"));
    assert_false(tn_gguf_iter_next(&it, &v));
    tn_gguf_close(g);
    tn_buf_free(&b);
}

static void tensors_come_back(void **state) {
    (void)state;
    tn_buf b = empty();
    tn_gguf *g;
    float row[32];
    put_sample_gguf(&b);
    assert_int_equal(tn_gguf_open_memory(b.data, b.len, "file", &g, NULL), 0);
    assert_int_equal(tn_gguf_tensor_count(g), SAMPLE_TENSORS);
    const tn_tensor *t = tn_gguf_tensor_find(g, "f32");
    assert_int_equal(t->n_dim, 2);
    assert_int_equal(t->dim[0], 2);
    assert_int_equal(t->dim[1], 3);
    assert_int_equal(t->bytes, 24);
    tn_tensor_dequantize(t, 1, 1, 2, row);
    assert_true(row[0] == 4 && row[1] == 5);
    t = tn_gguf_tensor_find(g, "q8");
    tn_tensor_dequantize(t, 1, 0, 32, row);
    for (int j = 0; j < 32; j++) assert_true(row[j] == (float)(j - 16) * 0.5f);
    assert_null(tn_gguf_tensor_find(g, "q9"));
    assert_null(tn_gguf_tensor_at(g, SAMPLE_TENSORS));
    tn_gguf_close(g);
    tn_buf_free(&b);
}

static void vocabulary_only_file_is_fine(void **state) {
    (void)state;
    tn_buf b = empty();
    tn_gguf *g;
    put_header(&b, 0, 1);
    put_kv_u32(&b, "k", 1);
    assert_int_equal(tn_gguf_open_memory(b.data, b.len, "file", &g, NULL), 0);
    assert_int_equal(tn_gguf_tensor_count(g), 0);
    tn_gguf_close(g);
    tn_buf_free(&b);
}

static void alignment_is_obeyed(void **state) {
    (void)state;
    tn_buf b = empty();
    tn_gguf *g;
    float v;
    put_header(&b, 2, 1);
    put_kv_u32(&b, "general.alignment", 8);
    put_tensor(&b, "a", 1, 1, TN_TYPE_F32, 0);
    put_tensor(&b, "b", 1, 1, TN_TYPE_F32, 8);
    put_padding(&b, 8);
    put_f32(&b, 1), put_f32(&b, 2), put_f32(&b, 3);
    assert_int_equal(tn_gguf_open_memory(b.data, b.len, "file", &g, NULL), 0);
    tn_tensor_dequantize(tn_gguf_tensor_find(g, "b"), 0, 0, 1, &v);
    assert_true(v == 3);
    tn_gguf_close(g);
    tn_buf_free(&b);
}

/* --- damage --- */

static void every_truncation_is_refused(void **state) {
    (void)state;
    tn_buf b = empty();
    tn_gguf *g;
    void *copy;
    put_sample_gguf(&b);
    for (size_t n = 0; n < b.len; n++) {
        tn_error err = {0};
        int rc = open_copy(b.data, n, &copy, &g, &err);
        if (rc != TN_EFORMAT || !err.text[0]) fail_msg("%zu of %zu bytes: %d \"%s\"", n, b.len, rc, err.text);
        assert_null(g);
        free(copy);
    }
    tn_buf_free(&b);
}

/* Whatever one byte is changed to, the file is refused with a message or can be read throughout. */
static void every_flipped_byte_is_survived(void **state) {
    (void)state;
    static const uint8_t flips[] = {0x01, 0x02, 0x08, 0x20, 0x80, 0xff};
    tn_buf b = empty();
    size_t start = put_sample_gguf(&b), refused = 0;
    void *copy;
    tn_gguf *g;
    for (size_t i = 0; i < start; i++)
        for (size_t f = 0; f < sizeof flips; f++) {
            tn_error err = {0};
            b.data[i] = (char)((uint8_t)b.data[i] ^ flips[f]);
            if (open_copy(b.data, b.len, &copy, &g, &err)) {
                assert_true(err.code < 0 && err.text[0]);
                refused++;
            } else {
                walk_gguf(g);
            }
            tn_gguf_close(g);
            free(copy);
            b.data[i] = (char)((uint8_t)b.data[i] ^ flips[f]);
        }
    assert_true(refused > start);
    tn_buf_free(&b);
}

/* --- lies, each with its message --- */

static void headers_that_lie_are_refused(void **state) {
    (void)state;
    tn_buf b = empty();
    tn_buf_adds(&b, "GGML\3\0\0\0");
    refuse(&b, TN_EFORMAT, "not a GGUF file");
    tn_buf_add(&b, "GGUF\0\0\0\3\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 24);
    refuse(&b, TN_ENOTSUP, "big-endian");
    tn_buf_add(&b, "GGUF\1\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 24);
    refuse(&b, TN_ENOTSUP, "version 1");
    put_header(&b, 0, UINT64_MAX);
    refuse(&b, TN_EFORMAT, "metadata entries");
    put_header(&b, UINT64_MAX, 0);
    refuse(&b, TN_EFORMAT, "tensors");
    put_header(&b, 0, 1u << 17);
    put_zeros(&b, 14 << 17);
    refuse(&b, TN_ELIMIT, "the limit is 65536");
}

static void metadata_that_lies_is_refused(void **state) {
    (void)state;
    static const struct {
        uint32_t elem;
        uint64_t n;
        int code;
        const char *says;
    } arrays[] = {
        {TN_GGUF_U8, UINT64_MAX, TN_EFORMAT, "needs 18446744073709551615 bytes"},
        {TN_GGUF_U64, UINT64_MAX / 8 + 2, TN_EFORMAT, "needs 18446744073709551615 bytes"},
        {TN_GGUF_STRING, UINT64_MAX, TN_EFORMAT, "key"},
        {TN_GGUF_ARRAY, 1, TN_ENOTSUP, "arrays of arrays"},
        {13, 1, TN_EFORMAT, "element type 13"},
        {UINT32_MAX, 1, TN_EFORMAT, "element type 4294967295"},
    };
    tn_buf b = empty();
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++) {
        put_header(&b, 0, 1);
        put_array(&b, "key", arrays[i].elem, arrays[i].n);
        put_zeros(&b, 64);
        refuse(&b, arrays[i].code, arrays[i].says);
    }
    put_header(&b, 0, 1), put_key(&b, "key", 13), put_zeros(&b, 64);
    refuse(&b, TN_EFORMAT, "key: unknown value type 13");
    put_header(&b, 0, 1), put_key(&b, "key", TN_GGUF_BOOL), tn_buf_addc(&b, 2);
    refuse(&b, TN_EFORMAT, "key: a bool is 2");
    put_header(&b, 0, 1), put_array(&b, "key", TN_GGUF_BOOL, 2), tn_buf_addc(&b, 1), tn_buf_addc(&b, 7);
    refuse(&b, TN_EFORMAT, "key: a bool is 7");
    put_header(&b, 0, 1), put_key(&b, "key", TN_GGUF_STRING), put_u64(&b, UINT64_MAX - 3), put_zeros(&b, 64);
    refuse(&b, TN_EFORMAT, "needs 18446744073709551612 bytes");
    put_header(&b, 0, 2), put_kv_u32(&b, "key", 1), put_kv_u32(&b, "key", 2);
    refuse(&b, TN_EFORMAT, "key occurs twice");
}

static void keys_that_lie_are_refused(void **state) {
    (void)state;
    tn_buf b = empty();
    put_header(&b, 0, 1), put_kv_u32(&b, "", 1), put_zeros(&b, 64);
    refuse(&b, TN_EFORMAT, "empty metadata key");
    put_header(&b, 0, 1), put_kv_u32(&b, "a\nb", 1);
    refuse(&b, TN_EFORMAT, "not printable");
    put_header(&b, 0, 1), put_kv_u32(&b, "a\xff", 1);
    refuse(&b, TN_EFORMAT, "not printable");
    put_header(&b, 0, 1), put_u64(&b, 1 << 12), put_zeros(&b, 1 << 13);
    refuse(&b, TN_ELIMIT, "4096 bytes long, the limit is 1024");
    put_header(&b, 0, 1), put_u64(&b, UINT64_MAX), put_zeros(&b, 64);
    refuse(&b, TN_EFORMAT, "metadata key");
}

static void alignments_that_lie_are_refused(void **state) {
    (void)state;
    tn_buf b = empty();
    put_header(&b, 0, 1), put_kv_u32(&b, "general.alignment", 0);
    refuse(&b, TN_EFORMAT, "power of two");
    put_header(&b, 0, 1), put_kv_u32(&b, "general.alignment", 24);
    refuse(&b, TN_EFORMAT, "power of two");
    put_header(&b, 0, 1), put_kv_u16(&b, "general.alignment", 32);
    refuse(&b, TN_EFORMAT, "general.alignment has value type 2");
    put_header(&b, 1, 1), put_kv_u32(&b, "general.alignment", 1u << 31);
    put_tensor(&b, "t", 1, 1, TN_TYPE_F32, 0), put_zeros(&b, 64);
    refuse(&b, TN_EFORMAT, "pass the file's end");
}

static void tensors_that_lie_are_refused(void **state) {
    (void)state;
    static const struct {
        uint64_t rows, cols, offset;
        uint32_t type;
        int code;
        const char *says;
    } cases[] = {
        {1, 0, 0, TN_TYPE_F32, TN_EFORMAT, "t has an empty dimension"},
        {0, 1, 0, TN_TYPE_F32, TN_EFORMAT, "t has an empty dimension"},
        {UINT64_MAX, 2, 0, TN_TYPE_F32, TN_EFORMAT, "product of its dimensions overflows"},
        {1ull << 32, 1ull << 32, 0, TN_TYPE_F32, TN_EFORMAT, "product of its dimensions overflows"},
        {1ull << 31, 1ull << 31, 0, TN_TYPE_F32, TN_EFORMAT, "size in bytes overflows"},
        {1ull << 30, 1ull << 30, 0, TN_TYPE_F32, TN_EFORMAT, "pass the file's end"},
        {1, 33, 0, TN_TYPE_Q8_0, TN_EFORMAT, "rows of 33 elements, Q8_0 needs a multiple of 32"},
        {1, 17, 0, TN_TYPE_F32, TN_EFORMAT, "68 bytes at offset 0"},
        {1, 16, 32, TN_TYPE_F32, TN_EFORMAT, "64 bytes at offset 32"},
        {1, 1, 64, TN_TYPE_F32, TN_EFORMAT, "4 bytes at offset 64"},
        {1, 1, 4, TN_TYPE_F32, TN_EFORMAT, "offset 4 is not a multiple of the alignment 32"},
        {1, 1, UINT64_MAX - 31, TN_TYPE_F32, TN_EFORMAT, "pass the file's end"},
        {1, 32, 0, 4, TN_ENOTSUP, "t has type Q4_2 (4)"},
        {1, 32, 0, 31, TN_ENOTSUP, "t has type Q4_0_4_4 (31)"},
        {1, 32, 0, 36, TN_ENOTSUP, "t has type IQ4_NL_4_4 (36)"},
        {1, 32, 0, 9, TN_ENOTSUP, "t has type Q8_1 (9)"},
        {1, 32, 0, 43, TN_ENOTSUP, "t has the unknown type 43"},
        {1, 32, 0, TN_TYPE_AFFINE, TN_ENOTSUP, "t has the unknown type 1000"},
        {1, 32, 0, TN_TYPE_U8, TN_ENOTSUP, "t has the unknown type 1001"},
        {1, 32, 0, UINT32_MAX, TN_ENOTSUP, "t has the unknown type 4294967295"},
    };
    tn_buf b = empty();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        put_header(&b, 1, 0);
        put_tensor(&b, "t", cases[i].rows, cases[i].cols, cases[i].type, cases[i].offset);
        put_padding(&b, 32);
        put_zeros(&b, 64);
        refuse(&b, cases[i].code, cases[i].says);
    }
}

static void shapes_and_names_that_lie_are_refused(void **state) {
    (void)state;
    tn_buf b = empty();
    for (uint32_t n = 0; n <= 5; n += 5) {
        put_header(&b, 1, 0);
        put_string(&b, "t");
        put_u32(&b, n);
        for (int i = 0; i < 8; i++) put_u64(&b, 1);
        refuse(&b, TN_EFORMAT, n ? "t has 5 dimensions" : "t has 0 dimensions");
    }
    put_header(&b, 2, 0);
    put_tensor(&b, "t", 1, 1, TN_TYPE_F32, 0), put_tensor(&b, "t", 1, 1, TN_TYPE_F32, 32);
    put_padding(&b, 32), put_zeros(&b, 64);
    refuse(&b, TN_EFORMAT, "tensor t occurs twice");
    put_header(&b, 1, 0), put_u64(&b, 2000), put_zeros(&b, 4000);
    refuse(&b, TN_ELIMIT, "tensor name");
    put_header(&b, 1, 0), put_tensor(&b, "\x1b[2J", 1, 1, TN_TYPE_F32, 0), put_zeros(&b, 64);
    refuse(&b, TN_EFORMAT, "not printable");
}

/* --- split models --- */

typedef struct part {
    const char *tensor;
    int no, count, total; /* -1: not said */
} part;

/* Writes DIR/m-0000I-of-00003.gguf, or a name of one's own. */
static void write_part(const char *dir, const char *name, part p) {
    char path[4200];
    tn_buf b = empty();
    put_header(&b, 1, (uint64_t)((p.no >= 0) + (p.count >= 0) + (p.total >= 0)));
    if (p.no >= 0) put_kv_u16(&b, "split.no", (uint16_t)p.no);
    if (p.count >= 0) put_kv_u16(&b, "split.count", (uint16_t)p.count);
    if (p.total >= 0) put_key(&b, "split.tensors.count", TN_GGUF_I32), put_u32(&b, (uint32_t)p.total);
    put_tensor(&b, p.tensor, 1, 1, TN_TYPE_F32, 0);
    put_padding(&b, 32);
    put_f32(&b, (float)p.no);
    snprintf(path, sizeof path, "%s/%s", dir, name);
    unit_write(path, b.data, b.len);
    tn_buf_free(&b);
}

static void write_parts(const char *dir) {
    write_part(dir, "m-00001-of-00003.gguf", (part){"a", 0, 3, 3});
    write_part(dir, "m-00002-of-00003.gguf", (part){"b", 1, 3, -1});
    write_part(dir, "m-00003-of-00003.gguf", (part){"c", 2, 3, -1});
}

static int open_in(const char *dir, const char *name, tn_gguf **ret, tn_error *err) {
    char path[4200];
    *ret = NULL;
    snprintf(path, sizeof path, "%s/%s", dir, name);
    return tn_gguf_open(path, ret, err);
}

static void refuse_in(const char *dir, const char *name, int code, const char *says) {
    tn_gguf *g;
    tn_error err = {0};
    int rc = open_in(dir, name, &g, &err);
    if (rc != code || !strstr(err.text, says))
        fail_msg("got %d \"%s\", not %d \"%s\"", rc, err.text, code, says);
}

static void split_files_are_one_model(void **state) {
    (void)state;
    const char *dir = unit_temp_dir();
    tn_gguf *g;
    tn_error err = {0};
    write_parts(dir);
    if (open_in(dir, "m-00001-of-00003.gguf", &g, &err)) fail_msg("%s", err.text);
    assert_int_equal(tn_gguf_tensor_count(g), 3);
    for (int i = 0; i < 3; i++) {
        float v;
        tn_tensor_dequantize(tn_gguf_tensor_find(g, (const char *[]){"a", "b", "c"}[i]), 0, 0, 1, &v);
        assert_true(v == (float)i);
    }
    tn_gguf_close(g);
    unit_remove_dir(dir);
}

static void bad_splits_are_refused(void **state) {
    (void)state;
    const char *dir = unit_temp_dir();
    const char *first = "m-00001-of-00003.gguf", *second = "m-00002-of-00003.gguf";
    write_parts(dir);
    refuse_in(dir, second, TN_EINVAL, "m-00001-of-00003.gguf");
    write_part(dir, second, (part){"a", 1, 3, -1});
    refuse_in(dir, first, TN_EFORMAT, "tensor a occurs twice");
    write_part(dir, second, (part){"b", 2, 3, -1});
    refuse_in(dir, first, TN_EFORMAT, "m-00002-of-00003.gguf: its metadata say part 3 of 3");
    write_part(dir, second, (part){"b", -1, -1, -1});
    refuse_in(dir, first, TN_EFORMAT, "m-00002-of-00003.gguf");
    unit_remove(dir, second);
    refuse_in(dir, first, TN_ENOENT, "m-00002-of-00003.gguf: missing");
    write_part(dir, second, (part){"b", 1, 3, -1});
    write_part(dir, first, (part){"a", 0, 3, 4});
    refuse_in(dir, first, TN_EFORMAT, "split.tensors.count is 4");
    write_part(dir, first, (part){"a", 0, 4, 3});
    refuse_in(dir, first, TN_EFORMAT, "part 1 of 4");
    write_part(dir, "alone.gguf", (part){"a", 0, 3, 3});
    refuse_in(dir, "alone.gguf", TN_EFORMAT, "its name must end in -00001-of-00003.gguf");
    refuse_in(dir, "absent.gguf", TN_ENOENT, "absent.gguf");
    unit_remove_dir(dir);
}

/* --- fixtures --- */

static void check_file(const char *path) {
    tn_gguf *g;
    tn_error err = {0};
    if (tn_gguf_open(path, &g, &err)) fail_msg("%s", err.text);
    assert_int_equal(tn_gguf_find(g, "general.architecture")->type, TN_GGUF_STRING);
    assert_non_null(tn_gguf_tensor_find(g, "token_embd.weight"));
    for (uint64_t i = 0; i < tn_gguf_tensor_count(g); i++) {
        const tn_tensor *t = tn_gguf_tensor_at(g, i);
        assert_ptr_equal(t, tn_gguf_tensor_find(g, t->name));
        if (!isfinite(walk_tensor(t))) fail_msg("%s: %s is not finite", path, t->name);
    }
    const tn_gguf_value *tokens = tn_gguf_find(g, "tokenizer.ggml.tokens");
    assert_int_equal(tn_gguf_tensor_find(g, "token_embd.weight")->dim[0], tokens->len);
    tn_gguf_value v;
    uint64_t n = 0;
    for (tn_gguf_iter it = tn_gguf_iter_begin(tokens); tn_gguf_iter_next(&it, &v); n++)
        assert_int_equal(v.type, TN_GGUF_STRING);
    assert_int_equal(n, tokens->len);
    tn_gguf_close(g);
}

static void fixtures_are_read(void **state) {
    (void)state;
    char pattern[4200];
    glob_t found;
    snprintf(pattern, sizeof pattern, "%s/gguf/*/*.gguf", unit_vectors());
    if (glob(pattern, 0, NULL, &found)) unit_skip("no %s", pattern);
    for (size_t i = 0; i < found.gl_pathc; i++) check_file(found.gl_pathv[i]);
    globfree(&found);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_come_back),
        cmocka_unit_test(arrays_are_walked),
        cmocka_unit_test(tensors_come_back),
        cmocka_unit_test(vocabulary_only_file_is_fine),
        cmocka_unit_test(alignment_is_obeyed),
        cmocka_unit_test(every_truncation_is_refused),
        cmocka_unit_test(every_flipped_byte_is_survived),
        cmocka_unit_test(headers_that_lie_are_refused),
        cmocka_unit_test(metadata_that_lies_is_refused),
        cmocka_unit_test(keys_that_lie_are_refused),
        cmocka_unit_test(alignments_that_lie_are_refused),
        cmocka_unit_test(tensors_that_lie_are_refused),
        cmocka_unit_test(shapes_and_names_that_lie_are_refused),
        cmocka_unit_test(split_files_are_one_model),
        cmocka_unit_test(bad_splits_are_refused),
        cmocka_unit_test(fixtures_are_read),
    };
    return unit_main(tests);
}
