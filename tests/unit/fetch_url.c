/* SPDX-License-Identifier: Apache-2.0 */
/* URLs, against a server on the loopback that is public for the test where a rule says so, and that counts
 * who comes: what is refused must not even have been connected to. */
#include "unit/unit.h"

#include <pthread.h>
#include <sys/socket.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/status.h"
#include "media/fetch.h"
#include "unit/web.h"

/* One that may be reached, one that may not. */
static web *server, *forbidden;
static char rule[64];
static const char *rules[] = {rule};
static tn_fetch_limits limits;

static int start(void **state) {
    (void)state;
    server = web_start(AF_INET);
    forbidden = web_start(AF_INET);
    assert_true(server && forbidden);
    snprintf(rule, sizeof rule, "127.0.0.1:%u", server->port);
    return 0;
}

static int reset(void **state) {
    (void)state;
    limits = (tn_fetch_limits){.max_bytes = 100000,
                               .timeout_s = 20,
                               .allow_url = true,
                               .allow_private = rules,
                               .n_allow_private = 1};
    return 0;
}

/* "http://127.0.0.1:PORT" + path. */
static const char *url_of(const web *w, const char *path) {
    static char text[2][1024];
    static int next;
    char *ret = text[next++ % 2];
    snprintf(ret, sizeof text[0], "http://127.0.0.1:%u%s", w->port, path);
    return ret;
}

static void gives(const char *url, size_t len) {
    tn_fetched f;
    tn_error err = {0};
    if (tn_fetch(&limits, url, strlen(url), &f, &err)) fail_msg("%s: %s", url, err.text);
    if (f.len != len) fail_msg("%s: %zu bytes, not %zu", url, f.len, len);
    for (size_t i = 0; i < len; i++) assert_int_equal(f.bytes[i], 'x');
    tn_fetched_free(&f);
}

/* The words are separated by '|'. */
static void refuses(const char *url, int code, const char *words) {
    tn_fetched f;
    tn_error err = {0};
    char list[256], *rest = list;
    int rc = tn_fetch(&limits, url, strlen(url), &f, &err);
    if (rc != code)
        fail_msg("%s: %s \"%s\", not %s", url, tn_status_name(rc), err.text, tn_status_name(code));
    snprintf(list, sizeof list, "%s", words);
    for (char *word; (word = strsep(&rest, "|"));)
        if (!strstr(err.text, word)) fail_msg("%s: \"%s\" lacks \"%s\"", url, err.text, word);
    assert_true(!f.bytes && !f.len);
}

/* ---- What is fetched ---- */

static void test_bodies(void **state) {
    (void)state;
    gives(url_of(server, "/bytes/0"), 0);
    gives(url_of(server, "/bytes/5"), 5);
    gives(url_of(server, "/bytes/100000"), 100000);
    gives(url_of(server, "/chunked/54321"), 54321);
    gives(url_of(server, "/bytes/7?query=1#fragment"), 7);
    assert_null(strstr(server->request, "fragment"));
    gives(url_of(server, "/again/5"), 3);
    gives(url_of(server, "/to//bytes/4"), 4);
    gives(url_of(server, "/relative"), 4);
}

/* Nothing that a caller did not write goes along. */
static void test_request(void **state) {
    (void)state;
    gives(url_of(server, "/bytes/1"), 1);
    assert_non_null(strstr(server->request, "User-Agent: tenon\r\n"));
    assert_null(strstr(server->request, "Authorization"));
    assert_null(strstr(server->request, "Cookie"));
    assert_null(strstr(server->request, "Accept-Encoding"));
    assert_null(strstr(server->request, "Referer"));
    tn_fetched f; /* packed bytes stay packed: nothing is blown up */
    const char *gzip = url_of(server, "/gzip");
    assert_int_equal(tn_fetch(&limits, gzip, strlen(gzip), &f, NULL), 0);
    assert_int_equal(f.len, 6);
    assert_memory_equal(f.bytes, "packed", 6);
    tn_fetched_free(&f);
}

/* A proxy of the environment would make the look at addresses worthless. */
static void test_no_proxy(void **state) {
    char proxy[64];
    (void)state;
    int before = forbidden->n_connections;
    snprintf(proxy, sizeof proxy, "http://127.0.0.1:%u", forbidden->port);
    setenv("http_proxy", proxy, 1);
    setenv("all_proxy", proxy, 1);
    gives(url_of(server, "/bytes/1"), 1);
    unsetenv("http_proxy");
    unsetenv("all_proxy");
    assert_int_equal(forbidden->n_connections, before);
}

/* ---- Where it may not go ---- */

#define PRIVATE "not of the public internet|media.allow_private"

static void test_private(void **state) {
    static const char *const hosts[] = {
        "http://127.0.0.1",
        "http://127.1",
        "http://2130706433",
        "http://0x7f000001",
        "http://0177.0.0.1",
        "http://0x7f.1",
        "http://127.0.0.1.",
        "http://127.000.000.001",
        "http://0",
        "http://[::ffff:127.0.0.1]",
        "http://[::ffff:7f00:1]",
        "http://[::1]",
        "http://[::]",
        "http://[64:ff9b::7f00:1]",
        "http://[2002:7f00:1::]",
        "http://localhost",
        "http://LOCALHOST.",
        "http://%6cocalhost",
        "https://127.0.0.1",
    };
    (void)state;
    int before = forbidden->n_connections;
    for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++) {
        char url[128];
        tn_error err = {0};
        tn_fetched f;
        snprintf(url, sizeof url, "%s:%u/bytes/1", hosts[i], forbidden->port);
        int rc = tn_fetch(&limits, url, strlen(url), &f, &err);
        if (rc != TN_EINVAL) fail_msg("%s: %s \"%s\"", url, tn_status_name(rc), err.text);
    }
    assert_int_equal(forbidden->n_connections, before);
    static const char *const special[] = {
        "http://10.0.0.1/",   "http://192.168.1.1/", "http://172.16.0.1/", "http://169.254.169.254/latest/",
        "http://100.64.0.1/", "http://0.0.0.0/",     "http://224.0.0.1/",  "http://255.255.255.255/",
        "http://192.0.2.1/",
    };
    for (size_t i = 0; i < sizeof special / sizeof *special; i++) refuses(special[i], TN_EINVAL, PRIVATE);
    refuses("http://127.0.0.1:1/", TN_EINVAL, PRIVATE); /* the rule is for another port */
}

/* A name is looked at as what it leads to, not as what it is called. */
static void test_names(void **state) {
    char url[128], name_rule[64];
    const char *by_name[] = {name_rule};
    (void)state;
    int before = forbidden->n_connections;
    snprintf(url, sizeof url, "http://localhost:%u/bytes/2", forbidden->port);
    refuses(url, TN_EINVAL, "localhost leads to an address that is " PRIVATE);
    assert_int_equal(forbidden->n_connections, before);
    snprintf(url, sizeof url, "http://localhost:%u/bytes/2", server->port);
    gives(url, 2); /* permitted by its address */
    snprintf(name_rule, sizeof name_rule, "LocalHost:%u", forbidden->port);
    limits.allow_private = by_name;
    snprintf(url, sizeof url, "http://localhost:%u/bytes/2", forbidden->port);
    gives(url, 2);
    refuses(url_of(forbidden, "/bytes/1"), TN_EINVAL, PRIVATE); /* the same place by another name */
    refuses("http://no-such-host.invalid/", TN_EINVAL, "no-such-host.invalid");
}

static void test_ipv6(void **state) {
    char url[128], v6_rule[64];
    const char *v6_rules[] = {v6_rule};
    (void)state;
    web *v6 = web_start(AF_INET6);
    if (!v6) unit_skip("no IPv6 loopback here");
    snprintf(url, sizeof url, "http://[::1]:%u/bytes/6", v6->port);
    refuses(url, TN_EINVAL, PRIVATE);
    assert_int_equal(v6->n_connections, 0);
    snprintf(v6_rule, sizeof v6_rule, "[::1]:%u", v6->port);
    limits.allow_private = v6_rules;
    gives(url, 6);
}

static void test_redirects(void **state) {
    char url[512];
    (void)state;
    int before = forbidden->n_connections;
    snprintf(url, sizeof url, "/to/%s", url_of(forbidden, "/bytes/1"));
    refuses(url_of(server, url), TN_EINVAL, "redirected: http://127.0.0.1|" PRIVATE);
    snprintf(url, sizeof url, "/to/http://localhost:%u/", forbidden->port);
    refuses(url_of(server, url), TN_EINVAL, "redirected: http://localhost|" PRIVATE);
    snprintf(url, sizeof url, "/to///[::ffff:127.0.0.1]:%u/", forbidden->port);
    refuses(url_of(server, url), TN_EINVAL, "redirected|" PRIVATE);
    assert_int_equal(forbidden->n_connections, before);
    refuses(url_of(server, "/to/http://169.254.169.254/latest/meta-data/"), TN_EINVAL, PRIVATE);
    refuses(url_of(server, "/to/file:///etc/passwd"), TN_ENOTSUP, "redirected|only http and https");
    refuses(url_of(server, "/to/ftp://192.0.2.1/x"), TN_ENOTSUP, "redirected|only http and https");
    refuses(url_of(server, "/to/gopher://127.0.0.1:70/x"), TN_ENOTSUP, "redirected|only http and https");
    refuses(url_of(server, "/to/data:image/png;base64,AAAA"), TN_EINVAL, "redirected|not a URL");
    refuses(url_of(server, "/to/http://user:pw@192.0.2.1/"), TN_EINVAL, "user's name or password");
}

static void test_redirect_loops(void **state) {
    (void)state;
    int before = server->n_requests;
    refuses(url_of(server, "/again/6"), TN_ELIMIT, "more than 5 redirects");
    assert_int_equal(server->n_requests - before, 6);
    before = server->n_requests;
    refuses(url_of(server, "/again/1000000"), TN_ELIMIT, "more than 5 redirects");
    assert_int_equal(server->n_requests - before, 6);
}

static void test_urls(void **state) {
    char url[64];
    (void)state;
    refuses("http://", TN_EINVAL, "this is not a URL");
    refuses("http://a b/", TN_EINVAL, "this is not a URL");
    refuses("http://[::1/", TN_EINVAL, "this is not a URL");
    refuses("http://127.0.0.1:99999/", TN_EINVAL, "this is not a URL");
    refuses("http://user@192.0.2.1/", TN_EINVAL, "user's name or password");
    refuses("http://user:pw@192.0.2.1/", TN_EINVAL, "user's name or password");
    snprintf(url, sizeof url, "http://127.0.0.1:%u@192.0.2.1/", server->port); /* a host in disguise */
    refuses(url, TN_EINVAL, "user's name or password");
    limits.allow_url = false;
    int before = server->n_connections;
    refuses(url_of(server, "/bytes/1"), TN_EINVAL, "fetches no URLs (media.allow_url)");
    assert_int_equal(server->n_connections, before);
}

/* ---- What it may cost ---- */

static void test_sizes(void **state) {
    (void)state;
    refuses(url_of(server, "/bytes/100001"), TN_ELIMIT,
            "100001 bytes, the limit is 100000 (media.max_bytes)");
    refuses(url_of(server, "/chunked/100001"), TN_ELIMIT, "more bytes than the limit, 100000");
    refuses(url_of(server, "/endless"), TN_ELIMIT, "more bytes than the limit, 100000");
    refuses(url_of(server, "/lie/99999"), TN_EINVAL, "127.0.0.1");
    refuses(url_of(server, "/lie/9999999999999"), TN_ELIMIT, "9999999999999 bytes");
    refuses(url_of(server, "/headers"), TN_ELIMIT, "headers");
}

static void test_statuses(void **state) {
    (void)state;
    refuses(url_of(server, "/status/404"), TN_EINVAL, "status 404");
    refuses(url_of(server, "/status/500"), TN_EINVAL, "status 500");
    refuses(url_of(server, "/status/304"), TN_EINVAL, "status 304");
    refuses(url_of(server, "/status/302"), TN_EINVAL, "status 302"); /* a redirect to nowhere */
    refuses(url_of(server, "/nothing"), TN_EINVAL, "127.0.0.1");     /* closes without a word */
}

/* Ends within twice the limit, wherever the time goes. */
static void test_times(void **state) {
    static const char *const paths[] = {"/slow", "/silent"};
    (void)state;
    limits.timeout_s = 0.5;
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        double start_s = tn_clock_s();
        refuses(url_of(server, paths[i]), TN_ELIMIT, "longer than 0.5 s (media.fetch_timeout)");
        double took = tn_clock_s() - start_s;
        if (took < 0.4 || took > 5) fail_msg("%s took %g s", paths[i], took);
    }
}

/* ---- Cancelling ---- */

typedef struct patience {
    double until;
    int asked;
} patience;

static bool cancelled(void *ctx) {
    patience *p = ctx;
    p->asked++;
    return tn_clock_s() > p->until;
}

static void test_cancel(void **state) {
    static const char *const paths[] = {"/slow", "/silent", "/endless"};
    (void)state;
    limits.max_bytes = UINT64_C(1) << 32;
    for (size_t i = 0; i < 2; i++) {
        double start_s = tn_clock_s();
        patience p = {.until = start_s + 0.3};
        limits.cancelled = cancelled;
        limits.ctx = &p;
        refuses(url_of(server, paths[i]), TN_ECANCELED, "cancelled");
        if (tn_clock_s() - start_s > 5)
            fail_msg("%s: cancelled after %g s", paths[i], tn_clock_s() - start_s);
        assert_true(p.asked > 1);
    }
    patience gone = {.until = 0};
    int before = server->n_connections;
    limits.ctx = &gone;
    refuses(url_of(server, paths[2]), TN_ECANCELED, "cancelled");
    assert_int_equal(server->n_connections, before);
}

/* ---- Many at once ---- */

static void *fetch_often(void *arg) {
    const char *url = arg;
    for (int i = 0; i < 10; i++) {
        tn_fetched f;
        if (tn_fetch(&limits, url, strlen(url), &f, NULL)) return "failed";
        if (f.len != 3) return "other bytes";
        tn_fetched_free(&f);
    }
    return NULL;
}

static void test_threads(void **state) {
    pthread_t threads[8];
    char url[256];
    (void)state;
    snprintf(url, sizeof url, "%s", url_of(server, "/again/2"));
    for (int i = 0; i < 8; i++) assert_int_equal(pthread_create(&threads[i], NULL, fetch_often, url), 0);
    for (int i = 0; i < 8; i++) {
        void *failure;
        pthread_join(threads[i], &failure);
        if (failure) fail_msg("%s", (const char *)failure);
    }
}

#define FRESH(test) cmocka_unit_test_setup(test, reset)

int main(void) {
    const struct CMUnitTest tests[] = {
        FRESH(test_bodies), FRESH(test_request), FRESH(test_no_proxy),  FRESH(test_private),
        FRESH(test_names),  FRESH(test_ipv6),    FRESH(test_redirects), FRESH(test_redirect_loops),
        FRESH(test_urls),   FRESH(test_sizes),   FRESH(test_statuses),  FRESH(test_times),
        FRESH(test_cancel), FRESH(test_threads),
    };
    tn_log_setup(TN_LOG_ERROR, TN_LOG_TEXT);
    unit_filter();
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, start, NULL);
}
