/* SPDX-License-Identifier: Apache-2.0 */
/* Modules that are part of the program: found without any path, judged as files are, and first in line. */
#include "unit/unit.h"

#include "modules/registry.h"

static char g_scanner[4096], g_file[4096];

static void several_modules_live_in_one_program(void **state) {
    (void)state;
    tn_registry *r = NULL;
    tn_error err = {0};
    const void *a = NULL, *b = NULL;
    tn_registry_config config = {.search_path = "", .cache_file = "off"};
    assert_int_equal(tn_registry_new(&config, &r, &err), 0);
    assert_int_equal(tn_registry_count(r), 2);
    const tn_module_info *ma = tn_registry_find(r, "inside_a"), *mb = tn_registry_find(r, "inside_b");
    assert_non_null(ma);
    assert_non_null(mb);
    assert_null(ma->path);
    assert_string_equal(ma->version, "1.2.3");
    assert_true(tn_module_offers(ma, "tenon.family/0"));
    assert_int_equal(tn_registry_factory(r, ma, "tenon.family/0", &a, &err), 0);
    assert_int_equal(tn_registry_factory(r, mb, "tenon.family/0", &b, &err), 0);
    assert_int_equal(*(const int *)a, 42);
    assert_ptr_not_equal(a, b);
    tn_registry_free(r);
}

static void a_bad_one_is_refused(void **state) {
    (void)state;
    tn_registry *r = NULL;
    tn_error err = {0};
    tn_registry_config config = {.search_path = "", .cache_file = "off"};
    assert_int_equal(tn_registry_new(&config, &r, &err), 0);
    assert_int_equal(tn_registry_problem_count(r), 1);
    const tn_module_problem *p = tn_registry_problem_at(r, 0);
    assert_int_equal(p->code, TN_EABI);
    assert_null(p->path);
    assert_non_null(
        strstr(p->text, "preopened module inside_bad: built for module ABI 0.99, this tenon has 0.1"));
    tn_registry_free(r);
}

static void files_are_found_beside_them(void **state) {
    (void)state;
    tn_registry *r = NULL;
    tn_error err = {0};
    const void *factory = NULL;
    tn_registry_config config = {.search_path = g_file, .cache_file = "off", .scan = {.program = g_scanner}};
    assert_int_equal(tn_registry_new(&config, &r, &err), 0);
    assert_int_equal(tn_registry_count(r), 3);
    const tn_module_info *good = tn_registry_at(r, 2);
    assert_string_equal(good->id, "good");
    assert_int_equal(tn_registry_factory(r, good, "tenon.family/0", &factory, &err), 0);
    tn_registry_free(r);
}

int main(void) {
    const char *build = getenv("TN_BUILDDIR");
    tn_loader_set_symbols(lt_preloaded_symbols);
    snprintf(g_scanner, sizeof g_scanner, "%s/tests/modules/scanner", build ? build : ".");
    snprintf(g_file, sizeof g_file, "%s/tests/modules/.libs/good.so", build ? build : ".");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(several_modules_live_in_one_program),
        cmocka_unit_test(a_bad_one_is_refused),
        cmocka_unit_test(files_are_found_beside_them),
    };
    return unit_main(tests);
}
