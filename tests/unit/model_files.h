/* SPDX-License-Identifier: Apache-2.0 */
/* Model files made in a test: pieces to write GGUF and safetensors from, and walks over what was read.
 * Include after unit.h, or alone in a fuzz target. */
#ifndef TN_TESTS_MODEL_FILES_H
#define TN_TESTS_MODEL_FILES_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "weights/checkpoint.h"
#include "weights/safetensors.h"

enum { FILE_MAX = 1 << 24 };

static inline void put_u16(tn_buf *b, uint16_t v) {
    tn_buf_add(b, &v, sizeof v);
}
static inline void put_u32(tn_buf *b, uint32_t v) {
    tn_buf_add(b, &v, sizeof v);
}
static inline void put_u64(tn_buf *b, uint64_t v) {
    tn_buf_add(b, &v, sizeof v);
}
static inline void put_f32(tn_buf *b, float v) {
    tn_buf_add(b, &v, sizeof v);
}
static inline void put_f64(tn_buf *b, double v) {
    tn_buf_add(b, &v, sizeof v);
}
static inline void put_zeros(tn_buf *b, size_t n) {
    while (n--) tn_buf_addc(b, 0);
}
static inline void put_string(tn_buf *b, const char *s) {
    put_u64(b, strlen(s));
    tn_buf_adds(b, s);
}

/* --- GGUF --- */

static inline void put_header(tn_buf *b, uint64_t n_tensors, uint64_t n_kv) {
    tn_buf_adds(b, "GGUF");
    put_u32(b, 3);
    put_u64(b, n_tensors);
    put_u64(b, n_kv);
}

/* A key and its type; the value follows. */
static inline void put_key(tn_buf *b, const char *key, uint32_t type) {
    put_string(b, key);
    put_u32(b, type);
}

static inline void put_kv_u16(tn_buf *b, const char *key, uint16_t v) {
    put_key(b, key, TN_GGUF_U16);
    put_u16(b, v);
}

static inline void put_kv_u32(tn_buf *b, const char *key, uint32_t v) {
    put_key(b, key, TN_GGUF_U32);
    put_u32(b, v);
}

static inline void put_array(tn_buf *b, const char *key, uint32_t elem, uint64_t n) {
    put_key(b, key, TN_GGUF_ARRAY);
    put_u32(b, elem);
    put_u64(b, n);
}

/* A two-dimensional tensor's record. */
static inline void put_tensor(tn_buf *b, const char *name, uint64_t rows, uint64_t cols, uint32_t type,
                              uint64_t offset) {
    put_string(b, name);
    put_u32(b, 2);
    put_u64(b, cols);
    put_u64(b, rows);
    put_u32(b, type);
    put_u64(b, offset);
}

static inline void put_padding(tn_buf *b, size_t alignment) {
    while (b->len % alignment) tn_buf_addc(b, 0);
}

enum { SAMPLE_KV = 22, SAMPLE_TENSORS = 3 };

static inline void put_sample_scalars(tn_buf *b) {
    put_key(b, "a.u8", TN_GGUF_U8), tn_buf_addc(b, (char)200);
    put_key(b, "a.i8", TN_GGUF_I8), tn_buf_addc(b, -100);
    put_kv_u16(b, "a.u16", 60000);
    put_key(b, "a.i16", TN_GGUF_I16), put_u16(b, (uint16_t)-30000);
    put_kv_u32(b, "a.u32", 4000000000u);
    put_key(b, "a.i32", TN_GGUF_I32), put_u32(b, (uint32_t)-2000000000);
    put_key(b, "a.u64", TN_GGUF_U64), put_u64(b, UINT64_MAX);
    put_key(b, "a.i64", TN_GGUF_I64), put_u64(b, (uint64_t)INT64_MIN);
    put_key(b, "a.f32", TN_GGUF_F32), put_f32(b, 0.5f);
    put_key(b, "a.f64", TN_GGUF_F64), put_f64(b, 1e300);
    put_key(b, "a.bool", TN_GGUF_BOOL), tn_buf_addc(b, 1);
    put_key(b, "a.string", TN_GGUF_STRING), put_string(b, "h\xc3\xa9llo");
    put_key(b, "a.empty", TN_GGUF_STRING), put_string(b, "");
}

static inline void put_sample_arrays(tn_buf *b) {
    put_array(b, "b.u8", TN_GGUF_U8, 3), tn_buf_adds(b, "abc");
    put_array(b, "b.i16", TN_GGUF_I16, 2), put_u16(b, 1), put_u16(b, (uint16_t)-2);
    put_array(b, "b.u32", TN_GGUF_U32, 2), put_u32(b, 7), put_u32(b, 8);
    put_array(b, "b.f32", TN_GGUF_F32, 2), put_f32(b, 1.5f), put_f32(b, -2.5f);
    put_array(b, "b.f64", TN_GGUF_F64, 1), put_f64(b, 3);
    put_array(b, "b.i64", TN_GGUF_I64, 1), put_u64(b, (uint64_t)-9);
    put_array(b, "b.bool", TN_GGUF_BOOL, 2), tn_buf_addc(b, 0), tn_buf_addc(b, 1);
    put_array(b, "b.string", TN_GGUF_STRING, 3), put_string(b, "x"), put_string(b, ""), put_string(b, "yz");
    put_array(b, "b.none", TN_GGUF_STRING, 0);
}

/* A small valid file with a value of every type and three tensors: "f32" [2, 3], "q8" [2, 32] in Q8_0, "q4"
 * [1, 256] in Q4_K. Returns where the data begin. */
static inline size_t put_sample_gguf(tn_buf *b) {
    put_header(b, SAMPLE_TENSORS, SAMPLE_KV);
    put_sample_scalars(b);
    put_sample_arrays(b);
    put_tensor(b, "f32", 2, 3, TN_TYPE_F32, 0);
    put_tensor(b, "q8", 2, 32, TN_TYPE_Q8_0, 32);
    put_tensor(b, "q4", 1, 256, TN_TYPE_Q4_K, 128);
    put_padding(b, 32);
    size_t start = b->len;
    for (int i = 0; i < 6; i++) put_f32(b, (float)i);
    put_zeros(b, 8);
    for (int i = 0; i < 2; i++) {
        put_u16(b, 0x3800); /* 0.5 */
        for (int j = 0; j < 32; j++) tn_buf_addc(b, (char)(j - 16 * i));
    }
    put_zeros(b, 128 - 32 - 68);
    for (int i = 0; i < 144; i++) tn_buf_addc(b, (char)(i * 7));
    return start;
}

/* --- safetensors --- */

/* length, header, then zeros */
static inline void put_safetensors(tn_buf *b, const char *header, size_t data_bytes) {
    put_u64(b, strlen(header));
    tn_buf_adds(b, header);
    put_zeros(b, data_bytes);
}

static const char sample_safetensors[] =
    "{\"__metadata__\":{\"format\":\"pt\"},\"a\":{\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":[1,25]},"
    "\"b.c\":{\"dtype\":\"BF16\",\"shape\":[4],\"data_offsets\":[25,33]},"
    "\"s\":{\"dtype\":\"I64\",\"shape\":[],\"data_offsets\":[33,41]},\"u\":{\"dtype\":\"BOOL\",\"shape\":[1,1,1],"
    "\"data_offsets\":[0,1]}} ";
enum { SAMPLE_SAFETENSORS_BYTES = 41 };

/* --- walks: touch every byte that was accepted --- */

/* The sum of a tensor's elements, so that nothing is optimised away. */
static inline double walk_tensor(const tn_tensor *t) {
    uint64_t cols = tn_tensor_cols(t), rows = tn_tensor_rows(t);
    double sum = 0;
    float *row = (float *)malloc((size_t)cols * sizeof *row);
    for (uint64_t r = 0; row && r < rows; r++) {
        tn_tensor_dequantize(t, r, 0, cols, row);
        for (uint64_t i = 0; i < cols; i++) sum += (double)row[i];
    }
    free(row);
    return sum;
}

static inline uint64_t walk_value(const tn_gguf_value *v) {
    uint64_t sum = v->type + v->len;
    if (v->type == TN_GGUF_STRING)
        for (uint64_t i = 0; i < v->len; i++) sum += (unsigned char)v->data[i];
    tn_gguf_value e;
    for (tn_gguf_iter it = tn_gguf_iter_begin(v); tn_gguf_iter_next(&it, &e);)
        if (e.type != TN_GGUF_ARRAY) sum += walk_value(&e);
    return sum;
}

static inline double walk_gguf(const tn_gguf *g) {
    double sum = 0;
    const char *key;
    for (uint64_t i = 0; i < tn_gguf_kv_count(g); i++) sum += (double)walk_value(tn_gguf_kv_at(g, i, &key));
    for (uint64_t i = 0; i < tn_gguf_tensor_count(g); i++) sum += walk_tensor(tn_gguf_tensor_at(g, i));
    return sum;
}

static inline double walk_safetensors(const tn_safetensors *s) {
    double sum = 0;
    for (uint64_t i = 0; i < tn_safetensors_tensor_count(s); i++)
        sum += walk_tensor(tn_safetensors_tensor_at(s, i));
    return sum;
}

#endif
