/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/unit.h"

#include "base/buf.h"

static void appends_keep_content_and_terminator(void **state) {
    (void)state;
    tn_buf b;
    tn_buf_init(&b, 1000);
    for (int i = 0; i < 100; i++) assert_int_equal(tn_buf_addf(&b, "%d,", i % 10), 0);
    assert_int_equal(b.len, 200);
    assert_int_equal(strlen(b.data), 200);
    assert_memory_equal(b.data, "0,1,2,", 6);
    tn_buf_free(&b);
}

static void limit_is_exact_and_sticks(void **state) {
    (void)state;
    tn_buf b;
    tn_buf_init(&b, 4);
    assert_int_equal(tn_buf_adds(&b, "abcd"), 0);
    assert_int_equal(tn_buf_addc(&b, 'e'), TN_ELIMIT);
    assert_string_equal(b.data, "abcd");
    assert_int_equal(tn_buf_add(&b, "", 0), TN_ELIMIT);
    assert_null(tn_buf_steal(&b, NULL));
    assert_int_equal(tn_buf_adds(&b, "ok"), 0);
    tn_buf_free(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(appends_keep_content_and_terminator),
        cmocka_unit_test(limit_is_exact_and_sticks),
    };
    return unit_main(tests);
}
