/* SPDX-License-Identifier: Apache-2.0 */
/* safetensors files: what a good one gives, and that damaged and lying ones get a message and nothing worse.
 */
#include "unit/unit.h"

#include "unit/model_files.h"

static tn_buf empty(void) {
    tn_buf b;
    tn_buf_init(&b, FILE_MAX);
    return b;
}

/* Opens a copy of exactly n bytes; the copy's owner is the caller. */
static int open_copy(const void *data, size_t n, void **ret_copy, tn_safetensors **ret, tn_error *err) {
    *ret = NULL;
    *ret_copy = malloc(n ? n : 1);
    memcpy(*ret_copy, n ? data : "", n);
    return tn_safetensors_open_memory(*ret_copy, n, "file", ret, err);
}

/* Opening b must fail with code and say `says`; frees b. */
static void refuse(tn_buf *b, int code, const char *says) {
    tn_safetensors *s;
    void *copy;
    tn_error err = {0};
    assert_int_equal(b->status, 0);
    int rc = open_copy(b->data, b->len, &copy, &s, &err);
    if (rc != code || !strstr(err.text, says))
        fail_msg("got %d \"%s\", not %d \"%s\"", rc, err.text, code, says);
    assert_int_equal(err.code, code);
    free(copy);
    tn_buf_free(b);
}

static void put_sample(tn_buf *b) {
    put_safetensors(b, sample_safetensors, SAMPLE_SAFETENSORS_BYTES);
    char *data = b->data + b->len - SAMPLE_SAFETENSORS_BYTES;
    const float a[6] = {1, 2, 3, 4, 5, 6};
    const int64_t scalar = -5;
    data[0] = 1;
    memcpy(data + 1, a, sizeof a);
    memcpy(data + 25, "\x80\x3f\x00\xc0\x00\x00\x80\x7f", 8); /* 1, -2, 0, inf */
    memcpy(data + 33, &scalar, sizeof scalar);
}

static void tensors_come_back(void **state) {
    (void)state;
    tn_buf b = empty();
    tn_safetensors *s;
    tn_error err = {0};
    float v[4];
    put_sample(&b);
    if (tn_safetensors_open_memory(b.data, b.len, "file", &s, &err)) fail_msg("%s", err.text);
    assert_string_equal(tn_safetensors_path(s), "file");
    assert_string_equal(json_string_value(json_object_get(tn_safetensors_metadata(s), "format")), "pt");
    assert_int_equal(tn_safetensors_tensor_count(s), 4);
    assert_string_equal(tn_safetensors_tensor_at(s, 1)->name, "b.c");
    assert_null(tn_safetensors_tensor_at(s, 4));
    assert_null(tn_safetensors_tensor_find(s, "__metadata__"));
    tn_tensor_dequantize(tn_safetensors_tensor_find(s, "a"), 1, 1, 2, v);
    assert_true(v[0] == 5 && v[1] == 6);
    tn_tensor_dequantize(tn_safetensors_tensor_find(s, "b.c"), 0, 0, 4, v);
    assert_true(v[0] == 1 && v[1] == -2 && v[2] == 0 && v[3] > 1e38f);
    const tn_tensor *scalar = tn_safetensors_tensor_find(s, "s");
    assert_true(scalar->n_dim == 1 && scalar->dim[0] == 1 && scalar->bytes == 8);
    tn_tensor_dequantize(scalar, 0, 0, 1, v);
    assert_true(v[0] == -5);
    assert_int_equal(tn_safetensors_tensor_find(s, "u")->n_dim, 3);
    tn_tensor_dequantize(tn_safetensors_tensor_find(s, "u"), 0, 0, 1, v);
    assert_true(v[0] == 1);
    tn_safetensors_close(s);
    tn_buf_free(&b);
}

/* One row [-2 (or its two's complement), 1] of each type. */
static void every_type_is_converted(void **state) {
    (void)state;
    static const struct {
        const char *dtype;
        uint64_t bytes;
        uint64_t first, second;
        float want;
    } types[] = {
        {"F64", 8, 0xc000000000000000, 0x3ff0000000000000, -2},
        {"F32", 4, 0xc0000000, 0x3f800000, -2},
        {"F16", 2, 0xc000, 0x3c00, -2},
        {"BF16", 2, 0xc000, 0x3f80, -2},
        {"I64", 8, (uint64_t)-2, 1, -2},
        {"I32", 4, (uint32_t)-2, 1, -2},
        {"I16", 2, 0xfffe, 1, -2},
        {"I8", 1, 0xfe, 1, -2},
        {"U64", 8, (uint64_t)-2, 1, 18446744073709551616.0f},
        {"U32", 4, 0xfffffffe, 1, 4294967296.0f},
        {"U16", 2, 0xfffe, 1, 65534},
        {"U8", 1, 0xfe, 1, 254},
        {"BOOL", 1, 1, 1, 1},
    };
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        char header[200];
        float v[2];
        tn_safetensors *s;
        tn_buf b = empty();
        unsigned n = (unsigned)types[i].bytes;
        snprintf(header, sizeof header, "{\"t\":{\"dtype\":\"%s\",\"shape\":[2],\"data_offsets\":[0,%u]}}",
                 types[i].dtype, 2 * n);
        put_safetensors(&b, header, 0);
        tn_buf_add(&b, &types[i].first, n), tn_buf_add(&b, &types[i].second, n);
        assert_int_equal(tn_safetensors_open_memory(b.data, b.len, "file", &s, NULL), 0);
        tn_tensor_dequantize(tn_safetensors_tensor_find(s, "t"), 0, 0, 2, v);
        if (v[0] != types[i].want || v[1] != 1)
            fail_msg("%s: %g %g", types[i].dtype, (double)v[0], (double)v[1]);
        tn_safetensors_close(s);
        tn_buf_free(&b);
    }
}

static void every_truncation_is_refused(void **state) {
    (void)state;
    tn_buf b = empty();
    tn_safetensors *s;
    void *copy;
    put_sample(&b);
    for (size_t n = 0; n < b.len; n++) {
        tn_error err = {0};
        int rc = open_copy(b.data, n, &copy, &s, &err);
        if (rc != TN_EFORMAT || !err.text[0]) fail_msg("%zu of %zu bytes: %d \"%s\"", n, b.len, rc, err.text);
        free(copy);
    }
    tn_buf_free(&b);
}

/* Whatever one byte is changed to, the file is refused with a message or can be read throughout. */
static void every_flipped_byte_is_survived(void **state) {
    (void)state;
    static const uint8_t flips[] = {0x01, 0x02, 0x08, 0x20, 0x80, 0xff};
    tn_buf b = empty();
    size_t refused = 0;
    void *copy;
    tn_safetensors *s;
    put_sample(&b);
    for (size_t i = 0; i < b.len - SAMPLE_SAFETENSORS_BYTES; i++)
        for (size_t f = 0; f < sizeof flips; f++) {
            tn_error err = {0};
            b.data[i] = (char)((uint8_t)b.data[i] ^ flips[f]);
            if (open_copy(b.data, b.len, &copy, &s, &err)) {
                assert_true(err.code < 0 && err.text[0]);
                refused++;
            } else {
                walk_safetensors(s);
            }
            tn_safetensors_close(s);
            free(copy);
            b.data[i] = (char)((uint8_t)b.data[i] ^ flips[f]);
        }
    assert_true(refused > b.len);
    tn_buf_free(&b);
}

static void lengths_that_lie_are_refused(void **state) {
    (void)state;
    tn_buf b = empty();
    put_u64(&b, UINT64_MAX), tn_buf_adds(&b, "{}");
    refuse(&b, TN_EFORMAT, "18446744073709551615 bytes");
    put_u64(&b, 3), tn_buf_adds(&b, "{}");
    refuse(&b, TN_EFORMAT, "3 bytes");
    tn_buf_init(&b, (33 << 20) + 8);
    put_u64(&b, 33 << 20);
    for (int i = 0; i < 33; i++) {
        static const char mebibyte[1 << 20];
        tn_buf_add(&b, mebibyte, sizeof mebibyte);
    }
    refuse(&b, TN_ELIMIT, "the limit is 33554432");
}

/* Headers over 64 bytes of data. */
static void headers_that_lie_are_refused(void **state) {
    (void)state;
    static const struct {
        const char *header;
        int code;
        const char *says;
    } cases[] = {
        {"", TN_EFORMAT, "not valid JSON"},
        {"[]", TN_EFORMAT, "not a JSON object"},
        {"{\"t\":", TN_EFORMAT, "not valid JSON"},
        {"{} x", TN_EFORMAT, "not valid JSON"},
        {"{\"t\":1}", TN_EFORMAT, "t has no dtype"},
        {"{\"\":{}}", TN_EFORMAT, "empty or not printable"},
        {"{\"a\\n\":{}}", TN_EFORMAT, "empty or not printable"},
        {"{\"a\\u0000\":{}}", TN_EFORMAT, "not valid JSON"},
        {"{\"t\":{\"dtype\":\"F8_E4M3\",\"shape\":[4],\"data_offsets\":[0,4]}}", TN_ENOTSUP,
         "t has element type F8_E4M3"},
        {"{\"t\":{\"dtype\":\"F4\\n\",\"shape\":[4],\"data_offsets\":[0,4]}}", TN_ENOTSUP, "(unprintable)"},
        {"{\"t\":{\"dtype\":7,\"shape\":[4],\"data_offsets\":[0,4]}}", TN_EFORMAT, "t has no dtype"},
        {"{\"t\":{\"dtype\":\"I8\",\"data_offsets\":[0,4]}}", TN_EFORMAT, "t has no shape"},
        {"{\"t\":{\"dtype\":\"I8\",\"shape\":4,\"data_offsets\":[0,4]}}", TN_EFORMAT, "t has no shape"},
        {"{\"t\":{\"dtype\":\"I8\",\"shape\":[0],\"data_offsets\":[0,0]}}", TN_EFORMAT,
         "not a positive integer"},
        {"{\"t\":{\"dtype\":\"I8\",\"shape\":[-4],\"data_offsets\":[0,4]}}", TN_EFORMAT,
         "not a positive integer"},
        {"{\"t\":{\"dtype\":\"I8\",\"shape\":[4.0],\"data_offsets\":[0,4]}}", TN_EFORMAT,
         "not a positive integer"},
        {"{\"t\":{\"dtype\":\"I8\",\"shape\":[\"4\"],\"data_offsets\":[0,4]}}", TN_EFORMAT,
         "not a positive integer"},
        {"{\"t\":{\"dtype\":\"I8\",\"shape\":[18446744073709551616],\"data_offsets\":[0,4]}}", TN_EFORMAT,
         "not valid JSON"},
        {"{\"t\":{\"dtype\":\"I8\",\"shape\":[4294967296,4294967296],\"data_offsets\":[0,0]}}", TN_EFORMAT,
         "overflows"},
        {"{\"t\":{\"dtype\":\"F64\",\"shape\":[4611686018427387904],\"data_offsets\":[0,0]}}", TN_EFORMAT,
         "overflows"},
        {"{\"t\":{\"dtype\":\"I8\",\"shape\":[1,1,1,1,1,1,1],\"data_offsets\":[0,1]}}", TN_ELIMIT,
         "t has 7 dimensions"},
        {"{\"t\":{\"dtype\":\"I8\",\"shape\":[4]}}", TN_EFORMAT, "data_offsets is not"},
        {"{\"t\":{\"dtype\":\"I8\",\"shape\":[4],\"data_offsets\":[0]}}", TN_EFORMAT, "data_offsets is not"},
        {"{\"t\":{\"dtype\":\"I8\",\"shape\":[4],\"data_offsets\":[4,0]}}", TN_EFORMAT,
         "data_offsets is not"},
        {"{\"t\":{\"dtype\":\"I8\",\"shape\":[4],\"data_offsets\":[-4,0]}}", TN_EFORMAT,
         "data_offsets is not"},
        {"{\"t\":{\"dtype\":\"I8\",\"shape\":[4],\"data_offsets\":[0,\"4\"]}}", TN_EFORMAT,
         "data_offsets is not"},
        {"{\"t\":{\"dtype\":\"I8\",\"shape\":[4],\"data_offsets\":[61,65]}}", TN_EFORMAT, "ends at byte 65"},
        {"{\"t\":{\"dtype\":\"I8\",\"shape\":[4],\"data_offsets\":[0,5]}}", TN_EFORMAT, "makes 4 bytes"},
        {"{\"t\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[0,4]}}", TN_EFORMAT, "makes 16 bytes"},
        {"{\"t\":{\"dtype\":\"I8\",\"shape\":[1],\"data_offsets\":[0,1]},\"t\":{\"dtype\":\"I8\",\"shape\":[1],"
         "\"data_offsets\":[1,2]}}",
         TN_EFORMAT, "duplicate"},
    };
    tn_buf b = empty();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        put_safetensors(&b, cases[i].header, 64);
        refuse(&b, cases[i].code, cases[i].says);
    }
}

static void deep_and_long_headers_are_refused(void **state) {
    (void)state;
    tn_buf b = empty(), header = empty();
    for (int i = 0; i < 100000; i++) tn_buf_addc(&header, '[');
    put_safetensors(&b, header.data, 0);
    refuse(&b, TN_EFORMAT, "not valid JSON");
    tn_buf_clear(&header);
    tn_buf_adds(&header, "{\"");
    for (int i = 0; i < 2000; i++) tn_buf_addc(&header, 'n');
    tn_buf_adds(&header, "\":{\"dtype\":\"I8\",\"shape\":[1],\"data_offsets\":[0,1]}}");
    put_safetensors(&b, header.data, 1);
    refuse(&b, TN_ELIMIT, "2000 bytes, the limit is 1024");
    tn_buf_free(&header);
}

static void absent_and_empty_files_are_refused(void **state) {
    (void)state;
    tn_safetensors *s;
    tn_error err = {0};
    assert_int_equal(tn_safetensors_open("/nonexistent/model.safetensors", &s, &err), TN_ENOENT);
    assert_non_null(strstr(err.text, "/nonexistent/model.safetensors"));
    assert_int_equal(tn_safetensors_open("/dev/null", &s, &err), TN_EIO);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tensors_come_back),
        cmocka_unit_test(every_type_is_converted),
        cmocka_unit_test(every_truncation_is_refused),
        cmocka_unit_test(every_flipped_byte_is_survived),
        cmocka_unit_test(lengths_that_lie_are_refused),
        cmocka_unit_test(headers_that_lie_are_refused),
        cmocka_unit_test(deep_and_long_headers_are_refused),
        cmocka_unit_test(absent_and_empty_files_are_refused),
    };
    return unit_main(tests);
}
