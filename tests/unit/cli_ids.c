/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/unit.h"

#include <unistd.h>

#include "cli/ids.h"

static const char *const name = "cli_ids.tmp.json";

static void write_file(const char *text) {
    FILE *file = fopen(name, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void lists_on_the_command_line(void **state) {
    (void)state;
    tn_ids ids;
    tn_error err = {0};
    assert_int_equal(tn_ids_parse("1, 2,2147483647", &ids, &err), 0);
    assert_int_equal(ids.len, 3);
    assert_int_equal(ids.data[2], INT32_MAX);
    tn_ids_free(&ids);
    assert_int_equal(tn_ids_parse("", &ids, &err), 0);
    assert_int_equal(ids.len, 0);
    tn_ids_free(&ids);
}

static void wrong_lists_are_refused(void **state) {
    (void)state;
    static const struct {
        const char *text, *says;
    } cases[] = {
        {"1,,2", "number 2 is ''"},
        {"1,", "number 2 is ''"},
        {"1 2", "number 1 is '1 2'"},
        {"3,2147483648,4", "number 2 is '2147483648'"},
        {",", "number 1 is ''"},
        {"1,-1", "number 2 is '-1'"},
        {"99999999999999999999999999", "number 1"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tn_ids ids;
        tn_error err = {0};
        assert_int_equal(tn_ids_parse(cases[i].text, &ids, &err), TN_EINVAL);
        if (!strstr(err.text, cases[i].says)) fail_msg("%s: %s", cases[i].text, err.text);
        assert_null(ids.data);
    }
}

static void files_hold_an_array(void **state) {
    (void)state;
    static const struct {
        const char *text;
        int rc;
        size_t n;
    } cases[] = {
        {"[1, 2, 3]", 0, 3},       {"[]", 0, 0},
        {"[1.0]", TN_EINVAL, 0},   {"[-1]", TN_EINVAL, 0},
        {"{}", TN_EINVAL, 0},      {"[1", TN_EFORMAT, 0},
        {"[\"1\"]", TN_EINVAL, 0}, {"[2147483648]", TN_EINVAL, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tn_ids ids;
        tn_error err = {0};
        write_file(cases[i].text);
        assert_int_equal(tn_ids_parse(name, &ids, &err), cases[i].rc);
        assert_int_equal(ids.len, cases[i].n);
        if (cases[i].rc) assert_non_null(strstr(err.text, name));
        tn_ids_free(&ids);
    }
    unlink(name);
    tn_ids ids;
    tn_error err = {0};
    assert_int_equal(tn_ids_parse(name, &ids, &err), TN_ENOENT);
}

static void files_hold_lists(void **state) {
    (void)state;
    tn_ids *lists;
    size_t n;
    tn_error err = {0};
    write_file("[[1,2],[],[3]]");
    assert_int_equal(tn_ids_load_lists(name, &lists, &n, &err), 0);
    assert_int_equal(n, 3);
    assert_int_equal(lists[0].len, 2);
    assert_int_equal(lists[1].len, 0);
    assert_int_equal(lists[2].data[0], 3);
    tn_ids_free_lists(lists, n);
    write_file("[[1],[2,\"x\"]]");
    assert_int_equal(tn_ids_load_lists(name, &lists, &n, &err), TN_EINVAL);
    assert_non_null(strstr(err.text, "list 1: element 1"));
    write_file("[1]");
    assert_int_equal(tn_ids_load_lists(name, &lists, &n, &err), TN_EINVAL);
    unlink(name);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_on_the_command_line),
        cmocka_unit_test(wrong_lists_are_refused),
        cmocka_unit_test(files_hold_an_array),
        cmocka_unit_test(files_hold_lists),
    };
    return unit_main(tests);
}
