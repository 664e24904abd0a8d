/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/unit.h"

#include <unistd.h>

#include "cli/npy.h"

static const char *const name = "cli_npy.tmp.npy";

static size_t read_all(uint8_t *ret, size_t size) {
    FILE *file = fopen(name, "rb");
    assert_non_null(file);
    size_t n = fread(ret, 1, size, file);
    fclose(file);
    return n;
}

static void header_and_rows_are_as_numpy_wants(void **state) {
    (void)state;
    const float data[6] = {0.5f, -1, 2, 3, 4, 1e30f};
    uint8_t bytes[256];
    char text[128] = {0};
    tn_npy npy;
    tn_error err = {0};
    assert_int_equal(tn_npy_open(&npy, name, 2, 3, &err), 0);
    assert_int_equal(tn_npy_write(&npy, data, 1, &err), 0);
    assert_int_equal(tn_npy_write(&npy, data + 3, 1, &err), 0);
    assert_int_equal(tn_npy_close(&npy, &err), 0);
    assert_int_equal(read_all(bytes, sizeof bytes), 128 + 24);
    assert_memory_equal(bytes, "\x93NUMPY\x01\x00\x76\x00", 10);
    memcpy(text, bytes + 10, 118);
    assert_non_null(strstr(text, "'shape': (2, 3), }"));
    assert_int_equal(text[117], '\n');
    assert_memory_equal(bytes + 128, data, sizeof data);
    unlink(name);
}

static void wrong_number_of_rows_leaves_no_file(void **state) {
    (void)state;
    const float row[2] = {0};
    tn_npy npy;
    tn_error err = {0};
    assert_int_equal(tn_npy_open(&npy, name, 1, 2, &err), 0);
    assert_int_equal(tn_npy_close(&npy, &err), TN_EINVAL);
    assert_int_equal(access(name, F_OK), -1);
    assert_int_equal(tn_npy_open(&npy, name, 1, 2, &err), 0);
    assert_int_equal(tn_npy_write(&npy, row, 1, &err), 0);
    assert_int_equal(tn_npy_write(&npy, row, 1, &err), TN_EINVAL);
    tn_npy_abort(&npy);
    tn_npy_abort(&npy);
    assert_int_equal(access(name, F_OK), -1);
}

static void largest_shape_fits_the_header(void **state) {
    (void)state;
    uint8_t bytes[128];
    tn_npy npy;
    tn_error err = {0};
    assert_int_equal(tn_npy_open(&npy, name, UINT64_MAX, UINT64_MAX, &err), 0);
    fflush(npy.file);
    assert_int_equal(read_all(bytes, sizeof bytes), 128);
    assert_memory_equal(bytes + 125, "  \n", 3);
    tn_npy_abort(&npy);
}

static void failures_are_reported(void **state) {
    (void)state;
    const float row[4096] = {0};
    tn_npy npy;
    tn_error err = {0};
    assert_int_equal(tn_npy_open(&npy, "no/such/folder.npy", 1, 1, &err), TN_EIO);
    assert_non_null(strstr(err.text, "no/such/folder.npy"));
    if (access("/dev/full", W_OK) != 0) skip();
    assert_int_equal(tn_npy_open(&npy, "/dev/full", 1, 4096, &err), 0);
    int rc = tn_npy_write(&npy, row, 1, &err);
    assert_int_equal(rc ? rc : tn_npy_close(&npy, &err), TN_EIO);
    tn_npy_abort(&npy);
    assert_int_equal(access("/dev/full", F_OK), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(header_and_rows_are_as_numpy_wants),
        cmocka_unit_test(wrong_number_of_rows_leaves_no_file),
        cmocka_unit_test(largest_shape_fits_the_header),
        cmocka_unit_test(failures_are_reported),
    };
    return unit_main(tests);
}
