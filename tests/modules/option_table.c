/* SPDX-License-Identifier: Apache-2.0 */
/* Option tables: what a table may be, and what configuration text becomes. */
#include "unit/unit.h"

#include "modules/option_table.h"

static const tn_option table[] = {
    TN_OPTION_BOOL_INIT("verbose", "no", "say more"),
    TN_OPTION_INT_INIT("window", "4096", -8, 1 << 20, "tokens"),
    TN_OPTION_FLOAT_INIT("scale", "1.5", 0.5, 2.0, "factor"),
    TN_OPTION_STRING_INIT("label", "plain", "any text"),
    TN_OPTION_ENUM_INIT("mode", "low", "low|medium|high", "effort"),
    TN_OPTION_END,
};

static void defaults_fill_what_is_not_given(void **state) {
    (void)state;
    tn_option_value *v = NULL;
    tn_error err = {0};
    const tn_option_arg args[] = {{"window", "-8"}, {"mode", "high"}, {"verbose", "on"}};
    assert_int_equal(tn_option_table_count(table), 5);
    assert_int_equal(tn_option_table_check(table, "m", &err), 0);
    assert_int_equal(tn_option_table_parse(table, args, 3, "m", &v, &err), 0);
    assert_int_equal(v[0].i, 1);
    assert_int_equal(v[1].i, -8);
    assert_true(v[2].f == 1.5);
    assert_string_equal(v[3].s, "plain");
    assert_int_equal(v[4].i, 2);
    assert_string_equal(v[4].s, "high");
    assert_int_equal(v[1].was_given, 1);
    assert_int_equal(v[2].was_given, 0);
    assert_int_equal(v[4].type, TN_OPTION_ENUM);
    tn_option_values_free(v);
}

static void values_own_their_strings(void **state) {
    (void)state;
    tn_option_value *v = NULL;
    tn_error err = {0};
    char text[] = "mine";
    const tn_option_arg args[] = {{"label", text}};
    assert_int_equal(tn_option_table_parse(table, args, 1, "m", &v, &err), 0);
    memset(text, 'x', 4);
    assert_string_equal(v[3].s, "mine");
    tn_option_values_free(v);
}

static void an_empty_table_takes_nothing(void **state) {
    (void)state;
    static const tn_option none[] = {TN_OPTION_END};
    tn_option_value *v = (tn_option_value *)1;
    tn_error err = {0};
    const tn_option_arg args[] = {{"window", "1"}};
    assert_int_equal(tn_option_table_parse(NULL, NULL, 0, "m", &v, &err), 0);
    assert_null(v);
    assert_int_equal(tn_option_table_parse(none, args, 1, "m", &v, &err), TN_EINVAL);
    assert_int_equal(tn_option_table_parse(NULL, args, 1, "m", &v, &err), TN_EINVAL);
}

static void wrong_input_is_explained(void **state) {
    (void)state;
    static const struct {
        const char *key, *value, *why;
    } bad[] = {
        {"windw", "1", "module m: unknown option \"windw\": did you mean \"window\"?"},
        {"Mode", "low", "did you mean \"mode\"?"},
        {"temperature", "1", "unknown option \"temperature\": `tenon modules inspect` lists those it has"},
        {"", "1", "unknown option \"\""},
        {"verbose", "maybe", "option \"verbose\" cannot be \"maybe\": true or false is expected"},
        {"verbose", "", "true or false is expected"},
        {"window", "-9", "a whole number from -8 to 1048576 is expected"},
        {"window", "1048577", "a whole number from -8 to 1048576 is expected"},
        {"window", "99999999999999999999", "a whole number from -8 to 1048576 is expected"},
        {"window", "12k", "a whole number"},
        {"window", " 12", "a whole number"},
        {"window", "0x10", "a whole number"},
        {"window", "", "a whole number"},
        {"scale", "0.4", "a number from 0.5 to 2 is expected"},
        {"scale", "nan", "a number from 0.5 to 2 is expected"},
        {"scale", "inf", "a number"},
        {"scale", "0x1p0", "a number"},
        {"scale", "1,5", "a number"},
        {"scale", "1e999", "a number"},
        {"label", "\xff", "UTF-8 of at most 4096 bytes is expected"},
        {"mode", "lo", "one of low|medium|high is expected"},
        {"mode", "low|medium", "one of low|medium|high is expected"},
        {"mode", "", "one of low|medium|high is expected"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        const tn_option_arg args[] = {{bad[i].key, bad[i].value}};
        tn_option_value *v = NULL;
        tn_error err = {0};
        assert_int_equal(tn_option_table_parse(table, args, 1, "module m", &v, &err), TN_EINVAL);
        assert_null(v);
        if (!strstr(err.text, bad[i].why)) fail_msg("%s\ndoes not say \"%s\"", err.text, bad[i].why);
    }
}

static void a_key_counts_once_and_a_needed_one_is_missed(void **state) {
    (void)state;
    static const tn_option needed[] = {TN_OPTION_STRING_INIT("file", NULL, "where it is"), TN_OPTION_END};
    const tn_option_arg twice[] = {{"window", "1"}, {"window", "2"}};
    tn_option_value *v = NULL;
    tn_error err = {0};
    assert_int_equal(tn_option_table_parse(table, twice, 2, "m", &v, &err), TN_EINVAL);
    assert_non_null(strstr(err.text, "\"window\" is given twice"));
    assert_int_equal(tn_option_table_check(needed, "m", &err), 0);
    assert_int_equal(tn_option_table_parse(needed, NULL, 0, "m", &v, &err), TN_EINVAL);
    assert_non_null(strstr(err.text, "\"file\" must be given: where it is"));
}

static void long_input_is_harmless(void **state) {
    (void)state;
    char *text = malloc(100001);
    tn_option_value *v = NULL;
    tn_error err = {0};
    assert_non_null(text);
    memset(text, 'w', 100000);
    text[100000] = 0;
    const tn_option_arg key[] = {{text, "1"}}, value[] = {{"label", text}}, number[] = {{"window", text}};
    assert_int_equal(tn_option_table_parse(table, key, 1, "m", &v, &err), TN_EINVAL);
    assert_int_equal(tn_option_table_parse(table, value, 1, "m", &v, &err), TN_EINVAL);
    assert_int_equal(tn_option_table_parse(table, number, 1, "m", &v, &err), TN_EINVAL);
    text[4096] = 0;
    assert_int_equal(tn_option_table_parse(table, value, 1, "m", &v, &err), 0);
    assert_int_equal(strlen(v[3].s), 4096);
    tn_option_values_free(v);
    free(text);
}

static void bad_tables_are_told(void **state) {
    (void)state;
    static const struct {
        tn_option option;
        const char *why;
    } bad[] = {
        {TN_OPTION_BOOL_INIT("Loud", "no", "x"), "has a name that is not"},
        {TN_OPTION_BOOL_INIT("", "no", "x"), "has a name that is not"},
        {TN_OPTION_BOOL_INIT("loud", "no", NULL), "has no help"},
        {TN_OPTION_BOOL_INIT("loud", "perhaps", "x"), "the default of option \"loud\""},
        {TN_OPTION_INT_INIT("n", "5", 6, 4, "x"), "an empty range"},
        {TN_OPTION_INT_INIT("n", "5", 6, 9, "x"), "the default of option \"n\""},
        {TN_OPTION_FLOAT_INIT("f", "5", 0.0 / 1.0, -1.0, "x"), "an empty range"},
        {TN_OPTION_ENUM_INIT("e", "a", NULL, "x"), "no valid choices"},
        {TN_OPTION_ENUM_INIT("e", "a", "a||b", "x"), "no valid choices"},
        {TN_OPTION_ENUM_INIT("e", "a", "|a", "x"), "no valid choices"},
        {TN_OPTION_ENUM_INIT("e", "c", "a|b", "x"), "the default of option \"e\""},
        {{"t", "x", "1", NULL, 0, 0, 0, 0, 77, 0}, "an unknown type"},
        {TN_OPTION_BOOL_INIT("again", "no", "x"), "a name that another has"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        const tn_option two[] = {TN_OPTION_BOOL_INIT("again", "no", "x"), bad[i].option, TN_OPTION_END};
        tn_error err = {0};
        assert_int_equal(tn_option_table_check(two, "m", &err), TN_EMODULE);
        if (!strstr(err.text, bad[i].why)) fail_msg("%s\ndoes not say \"%s\"", err.text, bad[i].why);
    }
}

static void a_table_without_an_end_is_not_followed(void **state) {
    (void)state;
    static char names[TN_OPTION_MAX + 1][8];
    tn_option many[TN_OPTION_MAX + 1];
    tn_error err = {0};
    for (int i = 0; i <= TN_OPTION_MAX; i++) {
        snprintf(names[i], sizeof names[i], "o%d", i);
        many[i] = (tn_option)TN_OPTION_BOOL_INIT(names[i], "no", "x");
    }
    assert_int_equal(tn_option_table_check(many, "m", &err), TN_EMODULE);
    assert_non_null(strstr(err.text, "without TN_OPTION_END"));
    many[TN_OPTION_MAX].name = NULL;
    assert_int_equal(tn_option_table_check(many, "m", &err), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_fill_what_is_not_given),
        cmocka_unit_test(values_own_their_strings),
        cmocka_unit_test(an_empty_table_takes_nothing),
        cmocka_unit_test(wrong_input_is_explained),
        cmocka_unit_test(a_key_counts_once_and_a_needed_one_is_missed),
        cmocka_unit_test(long_input_is_harmless),
        cmocka_unit_test(bad_tables_are_told),
        cmocka_unit_test(a_table_without_an_end_is_not_followed),
    };
    return unit_main(tests);
}
