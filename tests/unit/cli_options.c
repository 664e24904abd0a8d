/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/unit.h"

#include "base/suggest.h"
#include "cli/command.h"
#include "cli/options.h"

typedef struct group_args {
    const char *word;
    uint64_t count;
} group_args;

typedef struct test_args {
    bool flag;
    const char *text;
    double real;
    tn_opt_list list;
    group_args group;
} test_args;

static const tn_option_row group[] = {
    {TN_OPT_WORD, .name = "word", .words = "f32|auto", .help = "", .offset = offsetof(group_args, word)},
    {TN_OPT_UINT, 'n', .name = "count", .arg = "N", .min = 1, .max = 9,
     .offset = offsetof(group_args, count)},
    {.kind = TN_OPT_END},
};
static const tn_option_row table[] = {
    {TN_OPT_FLAG, 'f', .name = "flag", .offset = offsetof(test_args, flag)},
    {TN_OPT_STRING, .name = "text", .arg = "TEXT", .offset = offsetof(test_args, text)},
    {TN_OPT_REAL, .name = "real", .arg = "X", .min = 0, .max = 2, .offset = offsetof(test_args, real)},
    {TN_OPT_LIST, .name = "list", .arg = "N,...", .min = 0, .max = 64, .offset = offsetof(test_args, list)},
    {TN_OPT_GROUP, .group = group, .offset = offsetof(test_args, group)},
    {.kind = TN_OPT_END},
};

/* Parses the words of a line (blanks between them) into args; *ret_rest gets the first operand or NULL. */
static int parse(const char *line, bool stop, test_args *args, const char **ret_rest, tn_error *err) {
    static char copy[256], *argv[32];
    int argc = 0, first;
    snprintf(copy, sizeof copy, "prog %s", line);
    for (char *word = strtok(copy, " "); word; word = strtok(NULL, " ")) argv[argc++] = word;
    argv[argc] = NULL;
    *args = (test_args){0};
    int rc = tn_options_parse(table, argc, argv, stop, args, &first, err);
    *ret_rest = rc ? NULL : argv[first];
    return rc;
}

static void values_land_in_their_fields(void **state) {
    (void)state;
    test_args args;
    const char *rest;
    tn_error err = {0};
    assert_int_equal(
        parse("-f one --text=a --real 0.25 --list 1,2,64 --word auto -n 9", false, &args, &rest, &err), 0);
    assert_true(args.flag);
    assert_string_equal(args.text, "a");
    assert_true(args.real == 0.25);
    assert_int_equal(args.list.n, 3);
    assert_int_equal(args.list.value[2], 64);
    assert_string_equal(args.group.word, "auto");
    assert_int_equal(args.group.count, 9);
    assert_string_equal(rest, "one");
}

static void double_dash_and_first_operand_end_the_options(void **state) {
    (void)state;
    test_args args;
    const char *rest;
    tn_error err = {0};
    assert_int_equal(parse("-f -- --text", false, &args, &rest, &err), 0);
    assert_string_equal(rest, "--text");
    assert_int_equal(parse("-f sub --nonsense", true, &args, &rest, &err), 0);
    assert_string_equal(rest, "sub");
    assert_int_equal(parse("sub -f", false, &args, &rest, &err), 0);
    assert_true(args.flag);
}

static void mistakes_are_named(void **state) {
    (void)state;
    static const struct {
        const char *line, *says;
    } cases[] = {
        {"--flga", "did you mean '--flag'"},
        {"--zzzzzzz", "'--zzzzzzz'"},
        {"-x", "unknown option '-x'"},
        {"--flag=1", "--flag takes no value"},
        {"--text", "--text needs a value: TEXT"},
        {"-n", "--count needs a value: N"},
        {"-n 0", "from 1 to 9, not '0'"},
        {"-n 10", "from 1 to 9, not '10'"},
        {"-n +1", "not '+1'"},
        {"-n 99999999999999999999999", "whole number"},
        {"--real 2.5", "from 0 to 2, not '2.5'"},
        {"--real nan", "not 'nan'"},
        {"--real 0x1", "not '0x1'"},
        {"--real 1e999", "not '1e999'"},
        {"--list 1,,2", "not ''"},
        {"--list 1,65", "not '65'"},
        {"--word f16", "--word takes f32|auto, not 'f16'"},
        {"--word f3", "--word takes"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        test_args args;
        const char *rest;
        tn_error err = {0};
        assert_int_equal(parse(cases[i].line, false, &args, &rest, &err), TN_EINVAL);
        if (!strstr(err.text, cases[i].says)) fail_msg("%s: %s", cases[i].line, err.text);
    }
}

static void lists_are_bounded(void **state) {
    (void)state;
    test_args args;
    const char *rest;
    tn_error err = {0};
    char line[128] = "--list 0";
    for (int i = 0; i < 31; i++) strcat(line, ",0");
    assert_int_equal(parse(line, false, &args, &rest, &err), 0);
    strcat(line, ",0");
    assert_int_equal(parse(line, false, &args, &rest, &err), TN_EINVAL);
    assert_non_null(strstr(err.text, "at most 32"));
}

static void slips_are_recognised(void **state) {
    (void)state;
    static const char *const names[] = {"tokenize", "detokenize", "render", "run", NULL};
    assert_string_equal(tn_did_you_mean("tokenise", names), "tokenize");
    assert_string_equal(tn_did_you_mean("rnu", names), "run");
    assert_string_equal(tn_did_you_mean("detok", names), "detokenize");
    assert_null(tn_did_you_mean("serve", names));
    assert_null(tn_did_you_mean("", names));
}

static void every_command_is_complete(void **state) {
    (void)state;
    tn_option_row rows[TN_OPT_MAX];
    for (const tn_command *const *c = tn_commands; *c; c++) {
        assert_ptr_equal(tn_command_find((*c)->name), *c);
        assert_non_null((*c)->run);
        assert_true(strlen((*c)->help) > 0 && strlen((*c)->about) > 0);
        size_t n = tn_options_flatten((*c)->options, rows);
        for (size_t i = 0; i < n; i++) {
            if (rows[i].kind != TN_OPT_FLAG) assert_non_null(rows[i].arg);
            for (size_t j = 0; j < i; j++) {
                assert_string_not_equal(rows[i].name, rows[j].name);
                if (rows[i].letter) assert_int_not_equal(rows[i].letter, rows[j].letter);
            }
        }
    }
}

static void exit_statuses_follow_the_class(void **state) {
    (void)state;
    tn_error err = {0};
    assert_int_equal(tn_exit_status(0), 0);
    assert_int_equal(tn_exit_status(TN_EFORMAT), TN_EXIT_INPUT);
    assert_int_equal(tn_exit_status(TN_ERAISED), TN_EXIT_INPUT);
    assert_int_equal(tn_exit_status(tn_usage(&err, "x")), TN_EXIT_USAGE);
    assert_int_equal(tn_exit_status(TN_ENOMEM), TN_EXIT_ENV);
    assert_int_equal(tn_exit_status(TN_EBUG), TN_EXIT_BUG);
    assert_int_equal(tn_exit_status(-9999), TN_EXIT_BUG);
    assert_int_equal(tn_exit_status(TN_ECANCELED), TN_EXIT_INTERRUPTED);
    assert_int_equal(tn_exit_status(5), 5);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_land_in_their_fields),
        cmocka_unit_test(double_dash_and_first_operand_end_the_options),
        cmocka_unit_test(mistakes_are_named),
        cmocka_unit_test(lists_are_bounded),
        cmocka_unit_test(slips_are_recognised),
        cmocka_unit_test(every_command_is_complete),
        cmocka_unit_test(exit_statuses_follow_the_class),
    };
    return unit_main(tests);
}
