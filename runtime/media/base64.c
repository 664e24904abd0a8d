/* SPDX-License-Identifier: Apache-2.0 */
#include "media/base64.h"

/* 0 .. 63, or 64 for what is no digit. */
static unsigned digit(char c) {
    if (c >= 'A' && c <= 'Z') return (unsigned)(c - 'A');
    if (c >= 'a' && c <= 'z') return (unsigned)(c - 'a') + 26;
    if (c >= '0' && c <= '9') return (unsigned)(c - '0') + 52;
    if (c == '+') return 62;
    return c == '/' ? 63 : 64;
}

static size_t padding(const char *text, size_t len) {
    if (len < 4 || text[len - 1] != '=') return 0;
    return text[len - 2] == '=' ? 2 : 1;
}

size_t tn_base64_size(const char *text, size_t len) {
    return len < 4 ? 0 : len / 4 * 3 - padding(text, len);
}

static int fail_digit(const char *text, size_t at, tn_error *err) {
    unsigned char c = (unsigned char)text[at];
    if (c > ' ' && c < 0x7f)
        return tn_fail(err, TN_EINVAL, "base64: character %zu is '%c', which is none of A-Z a-z 0-9 + /",
                       at + 1, c);
    return tn_fail(err, TN_EINVAL, "base64: character %zu is 0x%02x, which is none of A-Z a-z 0-9 + /",
                   at + 1, c);
}

int tn_base64_decode(const char *text, size_t len, uint8_t *ret, tn_error *err) {
    size_t n = len - padding(text, len), out = 0;
    uint32_t bits = 0;
    if (len % 4)
        return tn_fail(err, TN_EINVAL, "base64: %zu characters are no multiple of 4: it is cut or not padded",
                       len);
    for (size_t i = 0; i < n; i++) {
        unsigned d = digit(text[i]);
        if (d == 64) return fail_digit(text, i, err);
        bits = bits << 6 | d;
        if (i % 4 == 0) continue;
        ret[out++] = (uint8_t)(bits >> (6 - 2 * (i % 4)));
    }
    if (n % 4 && (bits & (n % 4 == 2 ? 0xf : 0x3)))
        return tn_fail(err, TN_EINVAL, "base64: the last character before the padding has bits left over");
    return 0;
}

void tn_base64_encode(const uint8_t *bytes, size_t n, char *ret) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < n; i += 3) {
        const size_t left = n - i;
        uint32_t bits = (uint32_t)bytes[i] << 16;
        if (left > 1) bits |= (uint32_t)bytes[i + 1] << 8;
        if (left > 2) bits |= bytes[i + 2];
        for (size_t k = 0; k < 4; k++) *ret++ = k > left ? '=' : digits[bits >> (18 - 6 * k) & 63];
    }
}
