/* SPDX-License-Identifier: Apache-2.0 */
/* Every element type against the values that an independent implementation reads from the same blocks
 * (vectors/blocks), bit for bit; the small floating-point formats over all their values. */
#include "unit/unit.h"

#include <jansson.h>
#include <math.h>

#include "base/file.h"
#include "base/json.h"
#include "weights/float.h"
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

/* --- conversions --- */

/* The value of a format with a sign bit, n_exp bits of exponent (bias half its range) and n_man of mantissa.
 */
static double small_float(uint32_t bits, int n_exp, int n_man) {
    int exp = (int)(bits >> n_man & ((1u << n_exp) - 1)), bias = (1 << (n_exp - 1)) - 1;
    double man = (double)(bits & ((1u << n_man) - 1)) * ldexp(1, -n_man);
    double mag = exp ? ldexp(1 + man, exp - bias) : ldexp(man, 1 - bias);
    return bits >> (n_exp + n_man) & 1 ? -mag : mag;
}

static void f16_widens_exactly(void **state) {
    (void)state;
    for (uint32_t h = 0; h < 0x10000; h++) {
        float f = tn_f16_to_f32((uint16_t)h);
        if ((h & 0x7fff) > 0x7c00)
            assert_true(isnan(f));
        else if ((h & 0x7fff) == 0x7c00)
            assert_true(isinf(f) && (f > 0) == (h == 0x7c00));
        else
            assert_true((double)f == small_float(h, 5, 10) && (signbit(f) != 0) == (h >> 15));
        if (isnan(f))
            assert_true((tn_f32_to_f16(f) & 0x7fff) > 0x7c00);
        else
            assert_int_equal(tn_f32_to_f16(f), h);
    }
}

/* Between neighbours the middle goes to the even one, all else to the nearer. */
static void f16_narrows_to_nearest_even(void **state) {
    (void)state;
    for (uint32_t h = 0; h < 0x7c00; h++) {
        float lo = tn_f16_to_f32((uint16_t)h), hi = h == 0x7bff ? 65536.0f : tn_f16_to_f32((uint16_t)(h + 1));
        float mid = (lo + hi) / 2;
        for (uint32_t sign = 0; sign <= 0x8000; sign += 0x8000) {
            float s = sign ? -1.0f : 1.0f;
            assert_int_equal(tn_f32_to_f16(s * mid), sign | (h + (h & 1)));
            assert_int_equal(tn_f32_to_f16(s * nextafterf(mid, 0)), sign | h);
            assert_int_equal(tn_f32_to_f16(s * nextafterf(mid, INFINITY)), sign | (h + 1));
        }
    }
    assert_int_equal(tn_f32_to_f16(INFINITY), 0x7c00);
    assert_int_equal(tn_f32_to_f16(-1e30f), 0xfc00);
    assert_int_equal(tn_f32_to_f16(1e-30f), 0);
}

static void bf16_converts_both_ways(void **state) {
    (void)state;
    for (uint32_t b = 0; b < 0x7f80; b++) {
        float lo = tn_bf16_to_f32((uint16_t)b), mid = tn_f32_from_bits(b << 16 | 0x8000);
        assert_int_equal(tn_f32_bits(lo), b << 16);
        assert_int_equal(tn_f32_to_bf16(lo), b);
        assert_int_equal(tn_f32_to_bf16(-lo), b | 0x8000);
        assert_int_equal(tn_f32_to_bf16(mid), b + (b & 1));
        assert_int_equal(tn_f32_to_bf16(tn_f32_from_bits(tn_f32_bits(mid) - 1)), b);
        assert_int_equal(tn_f32_to_bf16(tn_f32_from_bits(tn_f32_bits(mid) + 1)), b + 1);
    }
    assert_int_equal(tn_f32_to_bf16(INFINITY), 0x7f80);
    assert_true(isnan(tn_bf16_to_f32(tn_f32_to_bf16(tn_f32_from_bits(0x7f800001)))));
}

static void block_floats_widen_exactly(void **state) {
    (void)state;
    for (uint32_t v = 0; v < 256; v++) {
        float f = tn_e4m3_to_f32((uint8_t)v);
        if ((v & 0x7f) == 0x7f)
            assert_true(isnan(f));
        else
            assert_true((double)f == small_float(v, 4, 3));
        f = tn_e8m0_to_f32((uint8_t)v);
        if (v == 255)
            assert_true(isnan(f));
        else
            assert_true((double)f == ldexp(1, (int)v - 127));
        assert_true((double)tn_e8m0_half_to_f32((uint8_t)v) == ldexp(1, (int)v - 128));
    }
    for (uint32_t v = 0; v < 16; v++) assert_true((double)tn_e2m1_to_f32(v) == small_float(v, 2, 1));
}

static void types_have_names(void **state) {
    (void)state;
    for (uint32_t type = 0; type <= TN_TYPE_Q2_0; type++)
        assert_true((tn_type_info_get(type) == NULL) == (tn_type_removed_name(type) != NULL));
    assert_string_equal(tn_type_removed_name(33), "Q4_0_8_8");
    assert_null(tn_type_removed_name(43));
    assert_null(tn_type_removed_name(UINT32_MAX));
    static const uint32_t none[] = {4, 5, 9, 15, 31, 36, 43, 999, 1009, UINT32_MAX};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) assert_null(tn_type_info_get(none[i]));
    assert_string_equal(tn_type_info_get(TN_TYPE_AFFINE)->name, "AFFINE");
    assert_int_equal(tn_type_info_get(TN_TYPE_MLX_NVFP4)->block_elems, 16);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_match_exactly),        cmocka_unit_test(f16_widens_exactly),
        cmocka_unit_test(f16_narrows_to_nearest_even), cmocka_unit_test(bf16_converts_both_ways),
        cmocka_unit_test(block_floats_widen_exactly),  cmocka_unit_test(types_have_names),
    };
    return unit_main(tests);
}
