/* SPDX-License-Identifier: Apache-2.0 */
/* Where a picture is, as somebody writes it: data URIs, base64, file URIs, paths, and an operator's rules of
 * addresses. What is taken for base64 decodes to the bytes whose base64 it is, or not at all; no path leads
 * out of the text; nothing but data is opened, since no files and no URLs are allowed. */
#include "fuzz/fuzz.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "media/address.h"
#include "media/fetch.h"
#include "media/source.h"

#define CHECK(condition)                                                                                     \
    do {                                                                                                     \
        if (!(condition)) abort();                                                                           \
    } while (0)

enum { MAX_BYTES = 4096 };

/* Base64 has one spelling of each text: this one. */
static void check_encoding(const tn_fetched *f, const char *base64, size_t n) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    CHECK(n == (f->len + 2) / 3 * 4);
    for (size_t i = 0; i < f->len; i += 3) {
        uint32_t bits = 0;
        for (size_t k = 0; k < 3; k++) bits = bits << 8 | (i + k < f->len ? f->bytes[i + k] : 0);
        for (size_t k = 0; k < 4; k++) {
            char want = k > f->len - i ? '=' : digits[bits >> (18 - 6 * k) & 63];
            CHECK(base64[i / 3 * 4 + k] == want);
        }
    }
}

static void check_source(const char *text, size_t len) {
    tn_source_kind kind;
    tn_error err = {0};
    tn_fetched f;
    const tn_fetch_limits limits = {.max_bytes = MAX_BYTES};
    int classified = tn_source_classify(text, len, &kind, &err);
    CHECK(classified == 0 || err.text[0]);
    int rc = tn_fetch(&limits, text, len, &f, &err);
    CHECK((rc == 0) == (f.bytes != NULL) && (rc == 0 || err.text[0]));
    CHECK(!classified || rc == classified);
    if (rc == 0) {
        size_t n;
        CHECK(kind == TN_SOURCE_DATA || kind == TN_SOURCE_BASE64);
        const char *base64 = tn_source_base64(text, len, kind, &n);
        CHECK(f.len <= MAX_BYTES && base64 + n == text + len);
        check_encoding(&f, base64, n);
    }
    tn_fetched_free(&f);
    char *path = NULL;
    if (classified || (kind != TN_SOURCE_FILE && kind != TN_SOURCE_PATH)) return;
    if (tn_source_path(text, len, kind, &path, &err)) return;
    CHECK(strlen(path) <= len && (kind == TN_SOURCE_PATH || path[0] == '/'));
    free(path);
}

/* A rule that is not valid permits nothing, and no rule permits another port than its own. */
static void check_rule(const uint8_t *data, size_t size) {
    char *rule = strndup((const char *)data, size);
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(80)};
    if (size >= 4) memcpy(&to.sin_addr, data, 4);
    bool valid = !tn_address_rule_check(rule);
    bool permits = tn_address_rule_permits(rule, "host", (const struct sockaddr *)&to);
    CHECK(valid || !permits);
    free(rule);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    /* A copy with a NUL behind it, as JSON strings are. */
    char *text = malloc(size + 1);
    CHECK(text);
    if (size) memcpy(text, data, size);
    text[size] = 0;
    check_source(text, size);
    check_rule(data, size);
    free(text);
    return 0;
}

static const char *const seeds[] = {
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNk+A8AAQUBAScY42YAAAAASUVORK5CYII=",
    "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAAMCAgICAgMCAgIDAwMDBAYEBAQEBAgGBgUGCQgKCgkICQkKDA8MCgsOCwkJDRENDg8QEBEQCgwSExIQEw8QEBA=",
    "data:;base64,",
    "DATA:a/b;charset=x;base64,QUI=",
    "https://example.org:8443/a?b#c",
    "file:///srv/a%20b%2Fc.png",
    "file://localhost/x",
    "images/cat.png",
    "10.0.0.0/8",
    "[fd00::1]:8080",
    "images.lan:80",
    "fe80::/10",
};

bool fuzz_seed(unsigned i, tn_buf *ret) {
    if (i >= sizeof seeds / sizeof *seeds) return false;
    tn_buf_adds(ret, seeds[i]);
    return true;
}
