/* SPDX-License-Identifier: Apache-2.0 */
/* Every element type against the values that an independent implementation reads from the same blocks
 * (vectors/blocks), bit for bit. */
#include "unit/unit.h"

#include <jansson.h>

#include "base/file.h"
#include "base/json.h"
#include "weights/tensor.h"

static void read_all(const char *name, const char *suffix, char **ret, size_t *ret_len) {
    char path[4200];
    tn_error err = {0};
    snprintf(path, sizeof path, "%s/blocks/%s%s", unit_vectors(), name, suffix);
    int rc = tn_file_read(path, 1 << 24, ret, ret_len, &err);
    if (rc) fail_msg("%s", err.text);
}

static void check_values(const char *name, const float *got, const char *want, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (memcmp(&got[i], want + i * 4, 4) != 0) {
            float w;
            memcpy(&w, want + i * 4, 4);
            fail_msg("%s: element %zu is %a, not %a", name, i, (double)got[i], (double)w);
        }
}

static void check_type(const char *name, const json_t *facts) {
    uint32_t type = (uint32_t)json_integer_value(json_object_get(facts, "type"));
    uint64_t rows = (uint64_t)json_integer_value(json_object_get(facts, "rows"));
    uint64_t cols = (uint64_t)json_integer_value(json_object_get(facts, "cols"));
    const tn_type_info *info = tn_type_info_get(type);
    if (!info) fail_msg("%s: type %u is unknown", name, type);
    assert_string_equal(info->name, name);
    assert_int_equal(info->block_elems, json_integer_value(json_object_get(facts, "block")));
    assert_int_equal(info->block_bytes, json_integer_value(json_object_get(facts, "bytes")));

    char *bin, *want;
    size_t bin_len, want_len;
    read_all(name, ".bin", &bin, &bin_len);
    read_all(name, ".f32", &want, &want_len);
    assert_int_equal(want_len, rows * cols * 4);
    /* A byte off any alignment, and in memory that ends with the data, so that a sanitizer sees an overrun.
     */
    uint8_t *odd = malloc(bin_len + 1);
    float *got = malloc(want_len);
    memcpy(odd + 1, bin, bin_len);
    tn_tensor t = {.name = name,
                   .type = (tn_type)type,
                   .n_dim = 2,
                   .dim = {rows, cols},
                   .data = odd + 1,
                   .bytes = bin_len};
    assert_int_equal(tn_tensor_row_bytes(&t) * rows, bin_len);
    for (uint64_t r = 0; r < rows; r++) tn_tensor_dequantize(&t, r, 0, cols, got + r * cols);
    check_values(name, got, want, rows * cols);
    /* Parts of a row. */
    uint64_t first = info->block_elems, count = cols - 2 * first;
    tn_tensor_dequantize(&t, 1, first, count, got);
    check_values(name, got, want + (cols + first) * 4, count);
    free(bin), free(want), free(odd), free(got);
}

static void blocks_match_exactly(void **state) {
    (void)state;
    char path[4200];
    tn_error err = {0};
    json_t *index, *facts;
    const char *name;
    snprintf(path, sizeof path, "%s/blocks/index.json", unit_vectors());
    if (tn_json_load(path, 1 << 20, &index, &err)) fail_msg("%s", err.text);
    assert_true(json_object_size(index) >= 20);
    json_object_foreach(index, name, facts) check_type(name, facts);
    json_decref(index);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_match_exactly),
    };
    return unit_main(tests);
}
