/* SPDX-License-Identifier: Apache-2.0 */
/* Checkpoint directories and files: the fixtures as a whole. */
#include "unit/unit.h"

#include <glob.h>
#include <math.h>

#include "weights/checkpoint.h"

static void check_finite(const tn_tensor *t, const char *path) {
    uint64_t cols = tn_tensor_cols(t), rows = tn_tensor_rows(t);
    float *row = malloc(cols * sizeof *row);
    for (uint64_t r = 0; r < rows; r++) {
        tn_tensor_dequantize(t, r, 0, cols, row);
        for (uint64_t i = 0; i < cols; i++)
            if (!isfinite(row[i])) fail_msg("%s: %s: row %llu is not finite", path, t->name, (unsigned long long)r);
    }
    free(row);
}

static void check_directory(const char *path) {
    tn_checkpoint *c;
    tn_error err = {0};
    if (tn_checkpoint_open(path, &c, &err)) fail_msg("%s", err.text);
    assert_string_equal(tn_checkpoint_path(c), path);
    assert_non_null(tn_checkpoint_config(c));
    assert_null(tn_checkpoint_gguf(c));
    assert_true(tn_checkpoint_tensor_count(c) > 5);
    assert_true(tn_checkpoint_bytes(c) > 1000);
    for (uint64_t i = 0; i < tn_checkpoint_tensor_count(c); i++) {
        const tn_tensor *t = tn_checkpoint_tensor_at(c, i);
        assert_ptr_equal(t, tn_checkpoint_tensor_find(c, t->name));
        assert_null(strstr(t->name, ".scales"));
        check_finite(t, path);
    }
    tn_checkpoint_close(c);
}

static void check_all(const char *pattern) {
    char full[4200];
    glob_t found;
    snprintf(full, sizeof full, "%s/%s", unit_vectors(), pattern);
    if (glob(full, GLOB_ONLYDIR, NULL, &found)) {
        print_message("# no %s\n", full);
        skip();
    }
    for (size_t i = 0; i < found.gl_pathc; i++) check_directory(found.gl_pathv[i]);
    globfree(&found);
}

static void models_are_read(void **state) {
    (void)state;
    check_all("models/*");
}

static void mlx_directories_are_read(void **state) {
    (void)state;
    check_all("mlx/*");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(models_are_read),
        cmocka_unit_test(mlx_directories_are_read),
    };
    return unit_main(tests);
}
