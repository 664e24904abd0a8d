/* SPDX-License-Identifier: Apache-2.0 */
/* Heads of GGUF files as the reader sees them, files that appear whole or not at all, and which tensor gets
 * which type. */
#include "unit/unit.h"

#include <sys/stat.h>

#include "base/new_file.h"
#include "convert/mix.h"
#include "weights/gguf_write.h"

/* A value of every type, in file order; strings may hold any bytes. */
static void put_everything(tn_gguf_meta *m) {
    static const char bytes[] = {1, 0, 2, -1, 3, 0, 4, 0};
    tn_gguf_put_u32(m, "u32", 0xfffffffe);
    tn_gguf_put_i32(m, "i32", -5);
    tn_gguf_put_f32(m, "f32", 0.1f);
    tn_gguf_put_bool(m, "bool", true);
    tn_gguf_put_string(m, "string", "a\0b", 3);
    tn_gguf_put_value(m, "u8", &(tn_gguf_value){.type = TN_GGUF_U8, .u = 200});
    tn_gguf_put_value(m, "i8", &(tn_gguf_value){.type = TN_GGUF_I8, .i = -100});
    tn_gguf_put_value(m, "u16", &(tn_gguf_value){.type = TN_GGUF_U16, .u = 60000});
    tn_gguf_put_value(m, "i16", &(tn_gguf_value){.type = TN_GGUF_I16, .i = -30000});
    tn_gguf_put_value(m, "u64", &(tn_gguf_value){.type = TN_GGUF_U64, .u = UINT64_MAX});
    tn_gguf_put_value(m, "i64", &(tn_gguf_value){.type = TN_GGUF_I64, .i = INT64_MIN});
    tn_gguf_put_value(m, "f64", &(tn_gguf_value){.type = TN_GGUF_F64, .f = 0.1});
    tn_gguf_put_value(m, "i16s", &(tn_gguf_value){TN_GGUF_ARRAY, TN_GGUF_I16, {0}, bytes, 4});
    tn_gguf_put_array(m, "strings", TN_GGUF_STRING, 3);
    tn_gguf_item_string(m, "", 0);
    tn_gguf_item_string(m, "x", 1);
    tn_gguf_item_string(m, "yz", 2);
    tn_gguf_put_array(m, "floats", TN_GGUF_F32, 1);
    tn_gguf_item_f32(m, -1.5f);
    tn_gguf_put_array(m, "ints", TN_GGUF_I32, 1);
    tn_gguf_item_i32(m, -7);
}

static void check_value(const tn_gguf *g, const char *key, tn_gguf_type type, int64_t i, double f) {
    const tn_gguf_value *v = tn_gguf_find(g, key);
    if (!v) fail_msg("%s is missing", key);
    assert_int_equal(v->type, type);
    if (type == TN_GGUF_F32 || type == TN_GGUF_F64)
        assert_true(v->f == f);
    else
        assert_int_equal(v->i, i);
}

static void metadata_of_every_type_come_back(void **state) {
    (void)state;
    tn_gguf_meta m, copy;
    tn_gguf_entry entries[] = {{.name = "a.weight", .type = TN_TYPE_Q4_K, .n_dim = 2, .dim = {3, 512}},
                               {.name = "b", .type = TN_TYPE_F32, .n_dim = 1, .dim = {5}},
                               {.name = "c", .type = TN_TYPE_Q8_0, .n_dim = 3, .dim = {2, 3, 32}}};
    tn_buf head;
    tn_gguf *g;
    tn_error err = {0};
    uint64_t size;
    const char *key;
    tn_buf_init(&head, 1 << 20);
    tn_gguf_meta_init(&m), tn_gguf_meta_init(&copy);
    put_everything(&m);
    assert_int_equal(tn_gguf_head(&m, entries, 3, &head, &size, &err), 0);
    assert_int_equal(head.len % TN_GGUF_ALIGNMENT, 0);
    assert_int_equal(entries[0].bytes, 3 * 2 * 144);
    assert_int_equal(entries[2].offset, head.len + 864 + 32);
    assert_int_equal(size, entries[2].offset + 224); /* 6 * 34, padded */
    char *file = calloc(1, size);
    memcpy(file, head.data, head.len);
    if (tn_gguf_open_memory(file, size, "file", &g, &err)) fail_msg("%s", err.text);
    check_value(g, "u32", TN_GGUF_U32, 0xfffffffe, 0);
    check_value(g, "i32", TN_GGUF_I32, -5, 0);
    check_value(g, "f32", TN_GGUF_F32, 0, 0.1f);
    check_value(g, "bool", TN_GGUF_BOOL, 1, 0);
    check_value(g, "u8", TN_GGUF_U8, 200, 0);
    check_value(g, "i8", TN_GGUF_I8, -100, 0);
    check_value(g, "u16", TN_GGUF_U16, 60000, 0);
    check_value(g, "i16", TN_GGUF_I16, -30000, 0);
    check_value(g, "u64", TN_GGUF_U64, -1, 0);
    check_value(g, "i64", TN_GGUF_I64, INT64_MIN, 0);
    check_value(g, "f64", TN_GGUF_F64, 0, 0.1);
    for (uint64_t i = 0; i < tn_gguf_kv_count(g); i++) {
        const tn_gguf_value *v = tn_gguf_kv_at(g, i, &key);
        tn_gguf_put_value(&copy, key, v);
    }
    assert_int_equal(copy.n, m.n);
    assert_int_equal(copy.bytes.len, m.bytes.len);
    assert_memory_equal(copy.bytes.data, m.bytes.data, m.bytes.len);
    const tn_tensor *t = tn_gguf_tensor_find(g, "c");
    assert_true(t && t->n_dim == 3 && t->dim[0] == 2 && t->dim[1] == 3 && t->dim[2] == 32);
    assert_int_equal(t->data - (const uint8_t *)file, entries[2].offset);
    tn_gguf_close(g);
    tn_gguf_meta_fini(&m), tn_gguf_meta_fini(&copy);
    tn_buf_free(&head);
    free(file);
}

static void sizes_that_no_file_can_have_are_refused(void **state) {
    (void)state;
    tn_gguf_meta m;
    tn_buf head;
    tn_error err = {0};
    uint64_t size;
    tn_gguf_entry deep = {.name = "deep", .type = TN_TYPE_F32, .n_dim = 5, .dim = {1, 1, 1, 1, 1}};
    tn_gguf_entry huge = {.name = "huge", .type = TN_TYPE_F32, .n_dim = 2, .dim = {1ull << 40, 1ull << 40}};
    tn_buf_init(&head, 1 << 20);
    tn_gguf_meta_init(&m);
    assert_int_equal(tn_gguf_head(&m, &deep, 1, &head, &size, &err), TN_ELIMIT);
    assert_int_equal(tn_gguf_head(&m, &huge, 1, &head, &size, &err), TN_ELIMIT);
    tn_gguf_meta_fini(&m);
    tn_buf_free(&head);
}

static void a_file_appears_at_its_end(void **state) {
    (void)state;
    char dir[] = "/tmp/tenon-new-file-XXXXXX", path[64];
    struct stat st;
    tn_new_file f;
    tn_error err = {0};
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/file", dir);
    mode_t mask = umask(022);
    assert_int_equal(tn_new_file_open(&f, path, false, &err), 0);
    assert_int_equal(tn_new_file_resize(&f, 100, &err), 0);
    assert_int_equal(tn_new_file_write(&f, 50, "x", 1, &err), 0);
    assert_int_not_equal(stat(path, &st), 0);
    assert_int_equal(tn_new_file_finish(&f, &err), 0);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_size, 100);
    assert_int_equal(st.st_mode & 0777, 0644);
    umask(mask);
    assert_int_equal(tn_new_file_open(&f, path, false, &err), TN_EINVAL);
    assert_int_equal(tn_new_file_open(&f, path, true, &err), 0);
    tn_new_file_abort(&f);
    tn_new_file_abort(&f);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(dir), 0); /* nothing else is in it */
}

/* --- mixes --- */

static tn_type chosen(const char *mix, const char *name, uint64_t cols, uint32_t rank, uint32_t of) {
    tn_mix_tensor t = {.name = name, .n_dim = 2, .cols = cols, .rank = rank, .of = of};
    tn_type wanted;
    assert_true(tn_mix_takes(&t));
    return tn_mix_choose(tn_mix_find(mix), &t, &wanted);
}

static bool takes(const char *name, uint32_t n_dim) {
    return tn_mix_takes(&(tn_mix_tensor){.name = name, .n_dim = n_dim, .cols = 256});
}

static void mixes_are_those_of_published_files(void **state) {
    (void)state;
    static const uint32_t more[] = {0, 1, 2, 3, 6, 9, 12, 15, 18, 21, 24, 27, 28, 29, 30, 31};
    for (uint32_t i = 0, k = 0; i < 32; i++) {
        bool is_more = k < 16 && more[k] == i;
        k += is_more;
        assert_int_equal(chosen("Q4_K_M", "blk.7.attn_v.weight", 4096, i, 32),
                         is_more ? TN_TYPE_Q6_K : TN_TYPE_Q4_K);
        assert_int_equal(chosen("Q5_K_M", "blk.7.ffn_down_exps.weight", 4096, i, 32),
                         is_more ? TN_TYPE_Q6_K : TN_TYPE_Q5_K);
        assert_int_equal(chosen("Q4_K_S", "blk.7.ffn_down.weight", 4096, i, 32),
                         i < 4 ? TN_TYPE_Q5_K : TN_TYPE_Q4_K);
    }
    assert_int_equal(chosen("Q4_K_M", "output.weight", 4096, 0, 0), TN_TYPE_Q6_K);
    assert_int_equal(chosen("Q4_0", "output.weight", 4096, 0, 0), TN_TYPE_Q6_K);
    assert_int_equal(chosen("Q4_K_M", "token_embd.weight", 4096, 0, 0), TN_TYPE_Q4_K);
    assert_int_equal(chosen("Q4_K_M", "blk.7.attn_qkv.weight", 4096, 0, 32), TN_TYPE_Q5_K);
    assert_int_equal(chosen("Q8_0", "output.weight", 4096, 0, 0), TN_TYPE_Q8_0);
    assert_int_equal(chosen("Q4_K_M", "blk.7.ffn_up.weight", 4000, 0, 32), TN_TYPE_Q8_0);
    assert_int_equal(chosen("Q4_0", "blk.7.ffn_up.weight", 4001, 0, 32), TN_TYPE_F16);
    assert_false(takes("blk.0.attn_norm.weight", 2) || takes("blk.0.ffn_gate_inp.weight", 2));
    assert_false(takes("blk.0.attn_q.bias", 2) || takes("output_norm.weight", 1) ||
                 takes("rope_freqs.weight", 1));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(metadata_of_every_type_come_back),
        cmocka_unit_test(sizes_that_no_file_can_have_are_refused),
        cmocka_unit_test(a_file_appears_at_its_end),
        cmocka_unit_test(mixes_are_those_of_published_files),
    };
    return unit_main(tests);
}
