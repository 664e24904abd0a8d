/* SPDX-License-Identifier: Apache-2.0 */
/* GGUF files: the fixtures as a whole. */
#include "unit/unit.h"

#include <glob.h>
#include <math.h>

#include "weights/gguf.h"

static void check_finite(const tn_tensor *t, const char *path) {
    uint64_t cols = tn_tensor_cols(t), rows = tn_tensor_rows(t);
    float *row = malloc(cols * sizeof *row);
    for (uint64_t r = 0; r < rows; r++) {
        tn_tensor_dequantize(t, r, 0, cols, row);
        for (uint64_t i = 0; i < cols; i++)
            if (!isfinite(row[i]))
                fail_msg("%s: %s: row %llu is not finite", path, t->name, (unsigned long long)r);
    }
    free(row);
}

static void check_file(const char *path) {
    tn_gguf *g;
    tn_error err = {0};
    if (tn_gguf_open(path, &g, &err)) fail_msg("%s", err.text);
    const tn_gguf_value *arch = tn_gguf_find(g, "general.architecture");
    assert_non_null(arch);
    assert_int_equal(arch->type, TN_GGUF_STRING);
    assert_non_null(tn_gguf_tensor_find(g, "token_embd.weight"));
    assert_null(tn_gguf_tensor_find(g, "no such tensor"));
    for (uint64_t i = 0; i < tn_gguf_tensor_count(g); i++) {
        const tn_tensor *t = tn_gguf_tensor_at(g, i);
        assert_ptr_equal(t, tn_gguf_tensor_find(g, t->name));
        check_finite(t, path);
    }
    const tn_gguf_value *tokens = tn_gguf_find(g, "tokenizer.ggml.tokens");
    assert_non_null(tokens);
    tn_gguf_value v;
    uint64_t n = 0;
    for (tn_gguf_iter it = tn_gguf_iter_begin(tokens); tn_gguf_iter_next(&it, &v); n++)
        assert_int_equal(v.type, TN_GGUF_STRING);
    assert_int_equal(n, tokens->len);
    assert_null(tn_gguf_find(g, "no such key"));
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
        cmocka_unit_test(fixtures_are_read),
    };
    return unit_main(tests);
}
