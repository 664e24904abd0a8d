/* SPDX-License-Identifier: Apache-2.0 */
/* The registry over real shared objects, most of them bad: each is refused for its own reason, the others
 * work. */
#include "unit/unit.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "modules/registry.h"
#include "modules/work_dir.h"

static char g_built[4096]; /* where the test modules are */
static char g_scanner[4096];

/* The build's file of a test module. */
static const char *built(const char *name) {
    static char path[8192];
    snprintf(path, sizeof path, "%s/%s.so", g_built, name);
    return path;
}

static tn_registry *open_path(const char *path, const char *cache) {
    tn_registry *r = NULL;
    tn_error err = {0};
    tn_registry_config config = {
        .search_path = path, .cache_file = cache, .scan = {.program = g_scanner, .timeout_ms = 5000}};
    assert_int_equal(tn_registry_new(&config, &r, &err), 0);
    assert_non_null(r);
    return r;
}

static const tn_module_problem *problem_of(const tn_registry *r, const char *path) {
    for (size_t i = 0; i < tn_registry_problem_count(r); i++)
        if (strcmp(tn_registry_problem_at(r, i)->path, path) == 0) return tn_registry_problem_at(r, i);
    fail_msg("no problem is reported for %s", path);
    return NULL;
}

static void assert_refused(const tn_registry *r, const char *path, int code, const char *why) {
    const tn_module_problem *p = problem_of(r, path);
    assert_int_equal(p->code, code);
    if (!strstr(p->text, why)) fail_msg("%s\ndoes not say \"%s\"", p->text, why);
    if (strncmp(p->text, path, strlen(path)) != 0) fail_msg("%s\ndoes not begin with the file", p->text);
}

static void each_bad_module_is_refused_for_its_reason(void **state) {
    (void)state;
    static const struct {
        const char *name;
        int code;
        const char *why;
    } bad[] = {
        {"bad_major", TN_EABI, "built for module ABI 7.1, this tenon has 0.1: rebuild it"},
        {"bad_minor", TN_EABI, "built for module ABI 0.99, this tenon has 0.1: rebuild it"},
        {"bad_size_none", TN_EMODULE, "says it has 4 bytes, less than the 8"},
        {"bad_size_small", TN_EABI, "has 40 bytes, not 48: rebuild it"},
        {"bad_size_large", TN_EABI, "has 4096 bytes, not 48: rebuild it"},
        {"bad_null_id", TN_EMODULE, "has no id (NULL)"},
        {"bad_id", TN_EMODULE, "\"../up\" cannot be a module's id"},
        {"bad_option", TN_EMODULE, "the default of option \"mode\" is not one of its values"},
        {"bad_factory", TN_EMODULE, "an id that nobody knows: it must return NULL"},
        {"bad_no_entry", TN_EMODULE, "exports neither bad_no_entry_LTX_tn_module_entry nor tn_module_entry"},
        {"bad_undefined", TN_EIO, "undefined symbol: tn_nobody_has_this"},
        {"bad_crash", TN_EMODULE, "crashes when it is opened: Aborted (signal 6)"},
        {"bad_segv", TN_EMODULE, "when it is opened"},
        {"bad_hang", TN_EMODULE, "hangs: opening it was not done after 5000 ms"},
        {"bad_exit", TN_EMODULE, "ends the process when it is opened (exit status 0)"},
    };
    size_t n = sizeof bad / sizeof *bad;
    tn_registry *r = open_path(g_built, "off");
    for (size_t i = 0; i < n; i++) assert_refused(r, built(bad[i].name), bad[i].code, bad[i].why);
    assert_int_equal(tn_registry_problem_count(r), n);
    assert_int_equal(tn_registry_count(r), 2);
    assert_string_equal(tn_registry_at(r, 0)->id, "good");
    assert_string_equal(tn_registry_at(r, 1)->id, "good_printing");
    assert_null(tn_registry_at(r, 2));
    tn_registry_free(r);
}

static void damaged_files_are_refused_and_others_load(void **state) {
    (void)state;
    work_dir d;
    struct stat st;
    char words[4096];
    memset(words, 'w', sizeof words);
    assert_true(work_dir_init(&d));
    assert_int_equal(stat(built("good"), &st), 0);
    const char *half = work_dir_at(&d, "half.so"), *text = work_dir_at(&d, "text.so"),
               *empty = work_dir_at(&d, "empty.so"), *renamed = work_dir_at(&d, "renamed.so"),
               *head = work_dir_at(&d, "head.so");
    assert_true(work_dir_copy(built("good"), half, (size_t)st.st_size / 2));
    assert_true(work_dir_copy(built("good"), head, 40));
    assert_true(work_dir_copy(built("good"), renamed, (size_t)-1));
    assert_true(work_dir_copy(built("good"), work_dir_at(&d, "good.so"), (size_t)-1));
    assert_true(work_dir_write(text, words, sizeof words));
    assert_true(work_dir_write(empty, "", 0));
    assert_true(work_dir_write(work_dir_at(&d, "good.la"), "not a libtool archive", 21));
    assert_non_null(work_dir_folder(&d, "folder.so"));
    assert_int_equal(symlink("nowhere", work_dir_at(&d, "dangling.so")), 0);
    tn_registry *r = open_path(d.path, "off");
    assert_refused(r, half, TN_EIO, "cut off: it has");
    assert_refused(r, head, TN_EIO, "cannot be opened: file too short");
    assert_refused(r, text, TN_EIO, "invalid ELF header");
    assert_refused(r, empty, TN_EIO, "file too short");
    assert_refused(r, renamed, TN_EMODULE, "exports neither renamed_LTX_tn_module_entry nor tn_module_entry");
    assert_int_equal(tn_registry_problem_count(r), 5);
    assert_int_equal(tn_registry_count(r), 1);
    assert_non_null(tn_registry_find(r, "good"));
    tn_registry_free(r);
    work_dir_fini(&d);
}

static void first_on_the_path_wins(void **state) {
    (void)state;
    work_dir d;
    char path[4096];
    assert_true(work_dir_init(&d));
    const char *a = work_dir_folder(&d, "a"), *b = work_dir_folder(&d, "b");
    const char *in_a = work_dir_at(&d, "a/good.so"), *in_b = work_dir_at(&d, "b/good.so");
    assert_true(work_dir_copy(built("good"), in_a, (size_t)-1));
    assert_true(work_dir_copy(built("good"), in_b, (size_t)-1));
    snprintf(path, sizeof path, "/no/such/folder::%s:%s:%s", b, a, b);
    tn_registry *r = open_path(path, "off");
    assert_int_equal(tn_registry_count(r), 1);
    assert_string_equal(tn_registry_find(r, "good")->path, in_b);
    assert_refused(r, in_a, TN_OK, "module \"good\" is already there from");
    assert_int_equal(tn_registry_problem_count(r), 1);
    tn_registry_free(r);
    work_dir_fini(&d);
}

static void facts_and_factories_of_a_good_module(void **state) {
    (void)state;
    tn_error err = {0};
    const void *factory = NULL;
    const tn_loaded *loaded = NULL;
    tn_registry *r = open_path(built("good"), "off");
    const tn_module_info *m = tn_registry_find(r, "good");
    assert_non_null(m);
    assert_string_equal(m->version, "1.2.3");
    assert_string_equal(m->licence, "MIT");
    assert_string_equal(m->path, built("good"));
    assert_true(tn_module_offers(m, "tenon.family/0"));
    assert_false(tn_module_offers(m, "tenon.modality/0"));
    assert_int_equal(json_array_size(json_object_get(m->facts, "options")), 3);
    assert_int_equal(tn_registry_factory(r, m, "tenon.family/0", &factory, &err), 0);
    assert_int_equal(*(const int *)factory, 42);
    assert_int_equal(tn_registry_factory(r, m, "tenon.family/1", &factory, &err), TN_ENOENT);
    assert_non_null(strstr(err.text, "has no tenon.family/1"));
    assert_int_equal(tn_registry_factory(r, m, "tenon.family/00", &factory, &err), TN_ENOENT);
    assert_int_equal(tn_registry_load(r, m, &loaded, &err), 0);
    assert_string_equal(loaded->entry->options[0].name, "window");
    assert_null(tn_registry_find(r, "goo"));
    tn_registry_free(r);
}

static void the_cache_replaces_scans_until_the_file_changes(void **state) {
    (void)state;
    work_dir d;
    assert_true(work_dir_init(&d));
    const char *file = work_dir_at(&d, "good.so"), *cache = work_dir_at(&d, "cache/tenon/modules.json");
    assert_true(work_dir_copy(built("good"), file, (size_t)-1));
    tn_registry_free(open_path(d.path, cache));
    assert_int_equal(access(cache, R_OK), 0);

    tn_registry *r = NULL;
    tn_error err = {0};
    tn_registry_config blind = {
        .search_path = d.path, .cache_file = cache, .scan = {.program = "/no/such/program"}};
    assert_int_equal(tn_registry_new(&blind, &r, &err), 0);
    assert_int_equal(tn_registry_count(r), 1);
    assert_string_equal(tn_registry_at(r, 0)->version, "1.2.3");
    tn_registry_free(r);

    struct timespec times[2] = {{.tv_sec = 1000000000}, {.tv_sec = 1000000000}};
    assert_int_equal(utimensat(AT_FDCWD, file, times, 0), 0);
    assert_int_equal(tn_registry_new(&blind, &r, &err), 0);
    assert_int_equal(tn_registry_count(r), 0);
    assert_refused(r, file, TN_EIO, "/no/such/program cannot be started");
    tn_registry_free(r);
    work_dir_fini(&d);
}

static void a_damaged_cache_is_as_good_as_none(void **state) {
    (void)state;
    static const char *const contents[] = {
        "",
        "{",
        "[]",
        "null",
        "{\"release\": 1, \"abi\": [], \"files\": 3}",
        "{\"release\": \"0.1.0\", \"abi\": \"0.1\", \"files\": []}",
        "{\"release\": \"0.0.0\", \"abi\": \"0.1\", \"files\": {}}",
    };
    work_dir d;
    assert_true(work_dir_init(&d));
    const char *cache = work_dir_at(&d, "modules.json");
    for (size_t i = 0; i < sizeof contents / sizeof *contents; i++) {
        assert_true(work_dir_write(cache, contents[i], strlen(contents[i])));
        tn_registry *r = open_path(built("good"), cache);
        assert_int_equal(tn_registry_count(r), 1);
        tn_registry_free(r);
    }
    /* A known file with facts that are none. */
    struct stat st;
    char text[9000];
    char *real = realpath(built("good"), NULL);
    assert_non_null(real);
    assert_int_equal(stat(real, &st), 0);
    long long mtime = (long long)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
    int n = snprintf(
        text, sizeof text,
        "{\"release\":\"%s\",\"abi\":\"0.1\",\"files\":{\"%s\":{\"size\":%lld,\"mtime_ns\":%lld,\"facts\":{\"id\":"
        "\"../../x\",\"version\":\"1\",\"licence\":\"1\",\"abi\":\"0.1\",\"factories\":[],\"options\":[]}}}}",
        "0.1.0", real, (long long)st.st_size, mtime);
    free(real);
    assert_true(work_dir_write(cache, text, (size_t)n));
    tn_registry *r = open_path(built("good"), cache);
    assert_non_null(tn_registry_find(r, "good"));
    tn_registry_free(r);
    work_dir_fini(&d);
}

static void paths_may_be_relative(void **state) {
    (void)state;
    work_dir d;
    tn_error err = {0};
    char before[4096];
    const void *factory;
    json_t *facts = NULL;
    tn_scan_config scan = {.program = g_scanner};
    assert_non_null(getcwd(before, sizeof before));
    assert_true(work_dir_init(&d));
    assert_true(work_dir_copy(built("good"), work_dir_at(&d, "good.so"), (size_t)-1));
    assert_int_equal(chdir(d.path), 0);
    assert_int_equal(tn_scan_file(&scan, "good.so", &facts, &err), 0);
    json_decref(facts);
    tn_registry *r = open_path(".", "off");
    assert_int_equal(chdir("/"), 0);
    const tn_module_info *m = tn_registry_find(r, "good");
    assert_non_null(m);
    assert_int_equal(m->path[0], '/');
    assert_int_equal(tn_registry_factory(r, m, "tenon.family/0", &factory, &err), 0);
    tn_registry_free(r);
    assert_int_equal(chdir(before), 0);
    work_dir_fini(&d);
}

static void a_module_changed_after_the_scan_is_noticed(void **state) {
    (void)state;
    work_dir d;
    tn_error err = {0};
    const tn_loaded *loaded;
    assert_true(work_dir_init(&d));
    const char *file = work_dir_at(&d, "good.so");
    assert_true(work_dir_copy(built("good"), file, (size_t)-1));
    tn_registry *r = open_path(d.path, "off");
    const tn_module_info *m = tn_registry_find(r, "good");
    assert_non_null(m);
    assert_int_equal(unlink(file), 0);
    assert_int_equal(tn_registry_load(r, m, &loaded, &err), TN_EIO);
    assert_non_null(strstr(err.text, "no such file"));
    tn_registry_free(r);
    work_dir_fini(&d);
}

static void a_program_without_the_option_does_not_start_itself_for_ever(void **state) {
    (void)state;
    json_t *facts;
    tn_error err = {0};
    tn_scan_config config = {.program = g_scanner};
    assert_int_equal(setenv("TENON_MODULE_SCAN_INSIDE", "1", 1), 0);
    assert_int_equal(tn_scan_file(&config, built("good"), &facts, &err), TN_EBUG);
    assert_int_equal(unsetenv("TENON_MODULE_SCAN_INSIDE"), 0);
    assert_non_null(strstr(err.text, "takes no --scan-module"));
    config.program = "/bin/true";
    assert_int_equal(tn_scan_file(&config, built("good"), &facts, &err), TN_EMODULE);
    config.program = "/bin/echo";
    assert_int_equal(tn_scan_file(&config, built("good"), &facts, &err), TN_EMODULE);
    assert_non_null(strstr(err.text, "cannot be understood"));
}

typedef struct worker {
    tn_registry *r;
    const void *factory;
    int rc;
} worker;

static void *take_factory(void *arg) {
    worker *w = arg;
    tn_error err = {0};
    const tn_module_info *m = tn_registry_find(w->r, "good");
    for (int i = 0; i < 50 && !w->rc; i++)
        w->rc = tn_registry_factory(w->r, m, "tenon.family/0", &w->factory, &err);
    return NULL;
}

static void many_threads_open_one_module(void **state) {
    (void)state;
    enum { N = 8 };
    pthread_t thread[N];
    worker w[N];
    work_dir d;
    assert_true(work_dir_init(&d));
    assert_true(work_dir_copy(built("good"), work_dir_at(&d, "good.so"), (size_t)-1));
    tn_registry *r = open_path(d.path, "off");
    for (int i = 0; i < N; i++) {
        w[i] = (worker){.r = r};
        assert_int_equal(pthread_create(&thread[i], NULL, take_factory, &w[i]), 0);
    }
    for (int i = 0; i < N; i++) assert_int_equal(pthread_join(thread[i], NULL), 0);
    for (int i = 0; i < N; i++) {
        assert_int_equal(w[i].rc, 0);
        assert_ptr_equal(w[i].factory, w[0].factory);
    }
    tn_registry_free(r);
    work_dir_fini(&d);
}

int main(void) {
    const char *build = getenv("TN_BUILDDIR");
    snprintf(g_built, sizeof g_built, "%s/tests/modules/.libs", build ? build : ".");
    snprintf(g_scanner, sizeof g_scanner, "%s/tests/modules/scanner", build ? build : ".");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_bad_module_is_refused_for_its_reason),
        cmocka_unit_test(damaged_files_are_refused_and_others_load),
        cmocka_unit_test(first_on_the_path_wins),
        cmocka_unit_test(facts_and_factories_of_a_good_module),
        cmocka_unit_test(the_cache_replaces_scans_until_the_file_changes),
        cmocka_unit_test(a_damaged_cache_is_as_good_as_none),
        cmocka_unit_test(paths_may_be_relative),
        cmocka_unit_test(a_module_changed_after_the_scan_is_noticed),
        cmocka_unit_test(a_program_without_the_option_does_not_start_itself_for_ever),
        cmocka_unit_test(many_threads_open_one_module),
    };
    return unit_main(tests);
}
