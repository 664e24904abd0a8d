/* SPDX-License-Identifier: Apache-2.0 */
/* Where media come from, without a network: base64, data URIs, files below roots, and which addresses are
 * public. */
#include "unit/unit.h"

#include <arpa/inet.h>
#include <ftw.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/stat.h>

#include "base/status.h"
#include "media/address.h"
#include "media/base64.h"
#include "media/fetch.h"
#include "media/source.h"
#include "unit/files.h"

/* Fetches text; the bytes are want (of want_len), or the failure is code and says words. */
static void gives(const tn_fetch_limits *l, const char *text, const char *want, size_t want_len) {
    tn_fetched f;
    tn_error err = {0};
    if (tn_fetch(l, text, strlen(text), &f, &err)) fail_msg("%s: %s", text, err.text);
    if (f.len != want_len || memcmp(f.bytes, want, want_len) != 0) fail_msg("%s: other bytes", text);
    tn_fetched_free(&f);
}

static void refuses(const tn_fetch_limits *l, const char *text, int code, const char *words) {
    tn_fetched f = {(uint8_t *)1, 1};
    tn_error err = {0};
    int rc = tn_fetch(l, text, strlen(text), &f, &err);
    if (rc != code || !strstr(err.text, words))
        fail_msg("%s: %s \"%s\", not %s \"%s\"", text, tn_status_name(rc), err.text, tn_status_name(code),
                 words);
    assert_true(!f.bytes && !f.len);
}

/* ---- Base64 ---- */

static void test_base64(void **state) {
    static const char *const good[][2] = {{"", ""},
                                          {"Zg==", "f"},
                                          {"Zm8=", "fo"},
                                          {"Zm9v", "foo"},
                                          {"Zm9vYg==", "foob"},
                                          {"Zm9vYmE=", "fooba"},
                                          {"Zm9vYmFy", "foobar"}};
    static const char *const bad[][2] = {
        {"Zg=", "3 characters are no multiple of 4"},
        {"Zg", "2 characters"},
        {"Z===", "'='"},
        {"====", "'='"},
        {"Zg==Zg==", "character 3 is '='"},
        {"Zm9v\nYg=", "character 5 is 0x0a"},
        {"Zm9v\nYg=\n", "9 characters are no multiple of 4"},
        {"Zm 9", "0x20"},
        {"Zm-_", "character 3 is '-'"},
        {"Zh==", "bits left over"},
        {"Zm9=", "bits left over"},
        {"Zm9\x80", "0x80"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        uint8_t out[16];
        size_t n = strlen(good[i][0]);
        assert_int_equal(tn_base64_size(good[i][0], n), strlen(good[i][1]));
        assert_int_equal(tn_base64_decode(good[i][0], n, out, NULL), 0);
        assert_memory_equal(out, good[i][1], strlen(good[i][1]));
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        uint8_t out[16];
        tn_error err = {0};
        assert_int_equal(tn_base64_decode(bad[i][0], strlen(bad[i][0]), out, &err), TN_EINVAL);
        if (!strstr(err.text, bad[i][1])) fail_msg("%s: %s", bad[i][0], err.text);
    }
}

static void test_data(void **state) {
    const tn_fetch_limits l = {.max_bytes = 9};
    static const char png[] = "\x89PNG\r\n\x1a\n\0\0\0\r";
    (void)state;
    gives(&l, "data:image/png;base64,Zm9v", "foo", 3);
    gives(&l, "data:;base64,", "", 0);
    gives(&l, "DATA:text/plain;charset=utf-8;BASE64,Zm9vYmFyYmF6", "foobarbaz", 9);
    refuses(&l, "data:image/png;base64,Zm9vYmFyYmF6IQ==", TN_ELIMIT,
            "10 bytes, the limit is 9 (media.max_bytes)");
    refuses(&l, "data:image/png;base64,Zm9", TN_EINVAL, "base64");
    refuses(&l, "data:image/png,Zm9v", TN_ENOTSUP, "base64");
    refuses(&l, "data:image/png;base64", TN_ENOTSUP, "base64");
    refuses(&l, "data:base64,Zm9v", TN_ENOTSUP, "base64");
    refuses(&l, "data:image/png;base64;x=y,Zm9v", TN_ENOTSUP, "base64");
    const tn_fetch_limits more = {.max_bytes = 1000};
    gives(&more, "iVBORw0KGgoAAAAN", png, 12);
    refuses(&more, "iVBORw0KGgoAAAAN!", TN_EINVAL, "base64");
    refuses(&more, "", TN_EINVAL, "empty");
    refuses(&more, "iVBORw0KGgo", TN_EINVAL, "taken for a path"); /* too short for a picture */
    refuses(&more, "Zm9vYmFyYmF6Zm9vYmFyYmF6", TN_EINVAL, "taken for a path");
}

/* ---- Files ---- */

static int remove_entry(const char *path, const struct stat *st, int flag, struct FTW *ftw) {
    (void)st;
    (void)flag;
    (void)ftw;
    return remove(path);
}

static void remove_tree(const char *dir) {
    assert_int_equal(nftw(dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS), 0);
}

static void make_dir(const char *dir, const char *name) {
    char path[4200];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    assert_int_equal(mkdir(path, 0700), 0);
}

static void make_link(const char *dir, const char *name, const char *to) {
    char path[4200];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    assert_int_equal(symlink(to, path), 0);
}

static void refuses_path(const tn_fetch_limits *l, const char *dir, const char *name) {
    char path[4200];
    snprintf(path, sizeof path, "%s%s%s", dir, *dir ? "/" : "", name);
    refuses(l, path, TN_EINVAL, "there is no such file below media.roots");
}

static void test_roots(void **state) {
    const char *dir = unit_temp_dir();
    char root[4200], other[4200], path[4200], uri[4300];
    (void)state;
    make_dir(dir, "root");
    make_dir(dir, "root/sub");
    make_dir(dir, "root2");
    make_dir(dir, "second");
    unit_write_in(dir, "root/a.png", "A");
    unit_write_in(dir, "root/sub/b c.png", "BC");
    unit_write_in(dir, "root2/secret", "S");
    unit_write_in(dir, "second/d", "D");
    snprintf(root, sizeof root, "%s/root/", dir); /* a slash at the end changes nothing */
    snprintf(other, sizeof other, "%s/second", dir);
    make_link(dir, "root/inside", "sub/b c.png");
    make_link(dir, "root/up", "..");
    make_link(dir, "root/out", "../root2/secret");
    make_link(dir, "root/etc", "/etc");
    make_link(dir, "root/loop", "loop");
    make_link(dir, "alias", "root");
    snprintf(path, sizeof path, "%s/root/pipe", dir);
    assert_int_equal(mkfifo(path, 0600), 0);
    const char *roots[] = {root, other};
    const tn_fetch_limits l = {.max_bytes = 2, .roots = roots, .n_roots = 2};

    gives(&l, "a.png", "A", 1);
    gives(&l, "d", "D", 1);
    gives(&l, "./sub/../a.png", "A", 1);
    gives(&l, "inside", "BC", 2);
    snprintf(path, sizeof path, "%s/root/sub/b c.png", dir);
    gives(&l, path, "BC", 2);
    snprintf(path, sizeof path, "%s/alias/a.png", dir);
    gives(&l, path, "A", 1);
    snprintf(uri, sizeof uri, "file://%s/root/sub/b%%20c.png", dir);
    gives(&l, uri, "BC", 2);
    snprintf(uri, sizeof uri, "file://localhost%s/root/a.png", dir);
    gives(&l, uri, "A", 1);

    static const char *const outside[] = {
        "root/none",
        "root",
        "root/sub",
        "root/out",
        "root/up/root2/secret",
        "root2/secret",
        "root/../root2/secret",
        "root/etc/passwd",
        "root/loop",
        "root/pipe",
        "root/a.png/x",
        "root/",
        "alias/../root2/secret",
    };
    for (size_t i = 0; i < sizeof outside / sizeof *outside; i++) refuses_path(&l, dir, outside[i]);
    refuses_path(&l, "", "../root2/secret");
    refuses_path(&l, "", "/etc/passwd");
    refuses_path(&l, "", "/dev/zero");
    refuses_path(&l, "", "out");
    refuses(&l, "file://elsewhere/a.png", TN_EINVAL, "absolute path");
    refuses(&l, "file:a.png", TN_EINVAL, "absolute path");
    refuses(&l, "file:///a%2", TN_EINVAL, "'%'");
    refuses(&l, "file:///a%00b", TN_EINVAL, "'%'");
    snprintf(uri, sizeof uri, "file://%s/root/%%2e%%2e/root2/secret", dir);
    refuses(&l, uri, TN_EINVAL, "there is no such file below media.roots");
    unit_write_in(dir, "root/large", "123");
    refuses(&l, "large", TN_ELIMIT, "3 bytes, the limit is 2");
    const tn_fetch_limits closed = {.max_bytes = 2};
    refuses(&closed, "a.png", TN_EINVAL, "opens no files (media.roots)");
    remove_tree(dir);
}

/* Swaps a folder and a link out of the root, again and again. */
typedef struct swapping {
    char here[4300], folder[4300], link[4300];
    atomic_bool stop;
} swapping;

static void *swap_loop(void *arg) {
    swapping *s = arg;
    while (!s->stop) {
        rename(s->here, s->folder);
        rename(s->link, s->here);
        rename(s->here, s->link);
        rename(s->folder, s->here);
    }
    return NULL;
}

/* What is opened is what was looked at. */
static void test_race(void **state) {
    const char *dir = unit_temp_dir();
    char root[4200];
    swapping s = {.stop = false};
    pthread_t thread;
    int found = 0;
    (void)state;
    make_dir(dir, "root");
    make_dir(dir, "root/now");
    make_dir(dir, "secret");
    unit_write_in(dir, "root/now/f", "IN");
    unit_write_in(dir, "secret/f", "NO");
    make_link(dir, "root/link", "../secret");
    snprintf(root, sizeof root, "%s/root", dir);
    snprintf(s.here, sizeof s.here, "%s/now", root);
    snprintf(s.folder, sizeof s.folder, "%s/folder", root);
    snprintf(s.link, sizeof s.link, "%s/link", root);
    const char *roots[] = {root};
    const tn_fetch_limits l = {.max_bytes = 2, .roots = roots, .n_roots = 1};
    assert_int_equal(pthread_create(&thread, NULL, swap_loop, &s), 0);
    for (int i = 0; i < 20000; i++) {
        tn_fetched f;
        if (tn_fetch(&l, "now/f", 5, &f, NULL)) continue;
        if (f.len != 2 || memcmp(f.bytes, "IN", 2) != 0) fail_msg("a file outside of the root was read");
        found++;
        tn_fetched_free(&f);
    }
    s.stop = true;
    pthread_join(thread, NULL);
    if (found == 0) fail_msg("the file was never there");
    remove_tree(dir);
}

/* The command line's own files. */
static void test_own_files(void **state) {
    const char *dir = unit_temp_dir();
    char path[4200];
    const tn_fetch_limits l = {.max_bytes = 2, .own_files = true};
    (void)state;
    unit_write_in(dir, "a", "A");
    make_link(dir, "link", "a");
    snprintf(path, sizeof path, "%s/link", dir);
    gives(&l, path, "A", 1);
    snprintf(path, sizeof path, "%s/none", dir);
    refuses(&l, path, TN_ENOENT, "No such file");
    refuses(&l, dir, TN_EINVAL, "not a regular file");
    remove_tree(dir);
}

/* ---- Other sources ---- */

static void test_schemes(void **state) {
    const tn_fetch_limits l = {.max_bytes = 9};
    static const char *const schemes[] = {"ftp://a/",  "gopher://a/", "dict://a:1/x", "scp://a/",
                                          "ldap://a/", "smb://a/",    "HTTPX://a/",   "javascript://x",
                                          "s3://b/k",  "unix+x://a"};
    (void)state;
    for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++)
        refuses(&l, schemes[i], TN_ENOTSUP, "is not fetched; http, https, data and file are");
    refuses(&l, "http://a.example/", TN_EINVAL, "fetches no URLs (media.allow_url)");
    refuses(&l, "a\tb", TN_EINVAL, "0x09 at byte 1");
}

/* ---- Addresses ---- */

typedef union any_address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
} any_address;

static any_address address_of(const char *text, uint16_t port) {
    any_address a = {0};
    if (inet_pton(AF_INET, text, &a.v4.sin_addr) == 1) {
        a.v4.sin_family = AF_INET;
        a.v4.sin_port = htons(port);
    } else {
        assert_int_equal(inet_pton(AF_INET6, text, &a.v6.sin6_addr), 1);
        a.v6.sin6_family = AF_INET6;
        a.v6.sin6_port = htons(port);
    }
    return a;
}

static bool is_public(const char *text) {
    any_address a = address_of(text, 80);
    return tn_address_is_public(&a.any);
}

static void test_public(void **state) {
    static const char *const public[] = {
        "1.1.1.1",         "8.8.8.8",         "9.255.255.255", "11.0.0.0",        "100.63.255.255",
        "100.128.0.0",     "128.0.0.0",       "126.255.0.1",   "169.253.255.255", "172.15.255.255",
        "172.32.0.0",      "192.167.255.255", "192.169.0.0",   "198.17.255.1",    "198.20.0.0",
        "223.255.255.255", "2606:4700::1111", "2a00::1",       "2400::1",         "2001:200::1",
        "64:ff9b::808:808"};
    static const char *const special[] = {"0.0.0.0",
                                          "0.1.2.3",
                                          "10.0.0.0",
                                          "10.255.255.255",
                                          "100.64.0.0",
                                          "100.127.255.255",
                                          "127.0.0.1",
                                          "127.255.255.255",
                                          "169.254.0.1",
                                          "169.254.169.254",
                                          "172.16.0.0",
                                          "172.31.255.255",
                                          "192.0.0.1",
                                          "192.0.2.1",
                                          "192.88.99.1",
                                          "192.168.0.1",
                                          "198.18.0.1",
                                          "198.19.255.255",
                                          "198.51.100.7",
                                          "203.0.113.9",
                                          "224.0.0.1",
                                          "239.255.255.255",
                                          "240.0.0.1",
                                          "255.255.255.255",
                                          "::",
                                          "::1",
                                          "::ffff:127.0.0.1",
                                          "::ffff:8.8.8.8",
                                          "::8.8.8.8",
                                          "64:ff9b::7f00:1",
                                          "64:ff9b::a00:1",
                                          "64:ff9b:1::1",
                                          "100::1",
                                          "2001::1",
                                          "2001:0:4136:e378::1",
                                          "2001:db8::1",
                                          "2002:7f00:1::1",
                                          "2002:808:808::1",
                                          "3fff::1",
                                          "fc00::1",
                                          "fd12:3456::1",
                                          "fe80::1",
                                          "fec0::1",
                                          "ff02::1",
                                          "5f00::1"};
    (void)state;
    for (size_t i = 0; i < sizeof public / sizeof *public; i++)
        if (!is_public(public[i])) fail_msg("%s is public", public[i]);
    for (size_t i = 0; i < sizeof special / sizeof *special; i++)
        if (is_public(special[i])) fail_msg("%s is not public", special[i]);
    assert_false(tn_address_is_public(&(struct sockaddr){.sa_family = AF_UNIX}));
}

static void test_rules(void **state) {
    static const struct {
        const char *rule, *host, *address;
        uint16_t port;
        bool permits;
    } cases[] = {
        {"10.0.0.5", "x", "10.0.0.5", 1, true},
        {"10.0.0.5", "x", "10.0.0.6", 1, false},
        {"10.0.0.0/8", "x", "10.255.1.2", 9, true},
        {"10.0.0.0/8", "x", "11.0.0.0", 9, false},
        {"172.16.0.0/12", "x", "172.31.0.1", 9, true},
        {"172.16.0.0/12", "x", "172.32.0.1", 9, false},
        {"127.0.0.1:80", "x", "127.0.0.1", 80, true},
        {"127.0.0.1:80", "x", "127.0.0.1", 81, false},
        {"127.0.0.1:80", "x", "127.0.0.2", 80, false},
        {"::1", "x", "::1", 7, true},
        {"[::1]:8080", "x", "::1", 8080, true},
        {"[::1]:8080", "x", "::1", 8081, false},
        {"fd00::/8", "x", "fdff::1", 1, true},
        {"fd00::/8", "x", "fe00::1", 1, false},
        {"fe80::/10", "x", "febf::1", 1, true},
        {"fe80::/10", "x", "fec0::1", 1, false},
        {"127.0.0.0/8", "x", "::ffff:127.0.0.1", 1, false},
        {"a.lan:80", "a.lan", "10.0.0.1", 80, true},
        {"a.lan:80", "A.LAN", "10.0.0.1", 80, true},
        {"a.lan:80", "a.lan", "10.0.0.1", 81, false},
        {"a.lan:80", "b.a.lan", "10.0.0.1", 80, false},
        {"a.lan:80", "a.lan.evil", "10.0.0.1", 80, false},
        {"10.0.0.1/32", "x", "10.0.0.1", 1, true},
        {"::1/128", "x", "::1", 1, true},
    };
    static const char *const bad[] = {"",
                                      "a.lan",
                                      "a.lan:",
                                      "a.lan:0",
                                      "a.lan:65536",
                                      ":80",
                                      "10.0.0.0/",
                                      "10.0.0.0/0",
                                      "10.0.0.0/33",
                                      "10.0.0.1/8",
                                      "a.lan/8",
                                      "::1/129",
                                      "[::1]",
                                      "[::1]:",
                                      "[::1",
                                      "[10.0.0.1]:80",
                                      "10.0.0.999:80",
                                      "a b:80",
                                      "fd00::1/8",
                                      "10.0.0.0/+8",
                                      "http://a:80",
                                      "*"};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        any_address a = address_of(cases[i].address, cases[i].port);
        if (tn_address_rule_check(cases[i].rule)) fail_msg("%s", cases[i].rule);
        if (tn_address_rule_permits(cases[i].rule, cases[i].host, &a.any) != cases[i].permits)
            fail_msg("%s, %s port %u", cases[i].rule, cases[i].address, cases[i].port);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (!tn_address_rule_check(bad[i])) fail_msg("\"%s\" is taken for a rule", bad[i]);
    char text[TN_ADDRESS_TEXT];
    any_address v6 = address_of("2001:db8::1", 443);
    tn_address_print(&v6.any, text);
    assert_string_equal(text, "2001:db8::1 port 443");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_base64),    cmocka_unit_test(test_data),    cmocka_unit_test(test_roots),
        cmocka_unit_test(test_own_files), cmocka_unit_test(test_schemes), cmocka_unit_test(test_public),
        cmocka_unit_test(test_rules),     cmocka_unit_test(test_race),
    };
    return unit_main(tests);
}
