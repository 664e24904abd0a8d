/* SPDX-License-Identifier: Apache-2.0 */
/* The program as a module sees it. */
#include "unit/unit.h"

#include <unistd.h>

#include "base/log.h"
#include "modules/host.h"

/* What fn leaves on stderr; free() it. */
static char *stderr_of(void (*fn)(const tn_host *host), const tn_host *host) {
    FILE *file = tmpfile();
    int saved = dup(STDERR_FILENO);
    assert_non_null(file);
    fflush(stderr);
    assert_true(dup2(fileno(file), STDERR_FILENO) >= 0);
    fn(host);
    fflush(stderr);
    assert_true(dup2(saved, STDERR_FILENO) >= 0);
    close(saved);
    char *text = calloc(1, 1 << 20);
    assert_non_null(text);
    rewind(file);
    size_t n = fread(text, 1, (1 << 20) - 1, file);
    text[n] = 0;
    fclose(file);
    return text;
}

static void say_each(const tn_host *host) {
    tn_host_logf(host, TN_SEVERITY_ERROR, "number %d", 1);
    host->log(host, TN_SEVERITY_DEBUG, "not shown");
    host->log(host, TN_SEVERITY_HOST_MISBEHAVES, "step before start");
    host->log(host, TN_SEVERITY_MODULE_MISBEHAVES, "lost count");
    host->log(host, 1234, "odd");
    host->log(host, TN_SEVERITY_WARN, NULL);
}

static void the_log_names_speaker_and_culprit(void **state) {
    (void)state;
    tn_host_table t;
    tn_host_init(&t, "llama");
    char *text = stderr_of(say_each, &t.host);
    assert_string_equal(text, "tenon: error: llama: number 1\n"
                              "tenon: error: llama: tenon misbehaves: step before start\n"
                              "tenon: error: llama: the module misbehaves: lost count\n"
                              "tenon: error: llama: (unknown severity) odd\n"
                              "tenon: warn: llama: (no text)\n");
    free(text);
}

static void pour(const tn_host *host) {
    for (int i = 0; i < 10000; i++) host->log(host, TN_SEVERITY_WARN, "again");
}

static void a_flood_is_dammed(void **state) {
    (void)state;
    tn_host_table t;
    size_t lines = 0;
    tn_host_init(&t, "noisy");
    char *text = stderr_of(pour, &t.host);
    for (const char *p = text; (p = strchr(p, '\n')); p++) lines++;
    assert_true(lines >= TN_HOST_LOG_PER_SECOND);
    assert_true(lines < 2000); /* a slow machine may take several seconds over it */
    free(text);
}

static void services_are_found_by_exact_id(void **state) {
    (void)state;
    static const int service = 7, other = 8;
    tn_host_table t;
    tn_error err = {0};
    tn_host_init(&t, "m");
    assert_int_equal(t.host.size, sizeof(tn_host));
    assert_int_equal(t.host.abi_minor, TN_ABI_MINOR);
    assert_string_equal(t.host.name, "m");
    assert_int_equal(tn_host_add_service("test.seven/1", &service, &err), 0);
    assert_ptr_equal(t.host.get_service(&t.host, "test.seven/1"), &service);
    assert_null(t.host.get_service(&t.host, "test.seven/2"));
    assert_null(t.host.get_service(&t.host, "test.seven/11"));
    assert_null(t.host.get_service(&t.host, ""));
    assert_null(t.host.get_service(&t.host, NULL));
    assert_int_equal(tn_host_add_service("test.seven/1", &other, &err), TN_EINVAL);
    assert_int_equal(tn_host_add_service("test.seven", &other, &err), TN_EINVAL);
    assert_int_equal(tn_host_add_service("test.seven/", &other, &err), TN_EINVAL);
    assert_int_equal(tn_host_add_service("/1", &other, &err), TN_EINVAL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_log_names_speaker_and_culprit),
        cmocka_unit_test(a_flood_is_dammed),
        cmocka_unit_test(services_are_found_by_exact_id),
    };
    return unit_main(tests);
}
