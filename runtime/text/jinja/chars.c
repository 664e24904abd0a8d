/* SPDX-License-Identifier: Apache-2.0 */
#include "text/jinja/chars.h"

#include <string.h>
#include <utf8proc.h>

bool tn_jutf8_ascii(const char *s, size_t n) {
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        uint64_t word;
        memcpy(&word, s + i, 8);
        if (word & UINT64_C(0x8080808080808080)) return false;
    }
    for (; i < n; i++)
        if (s[i] & 0x80) return false;
    return true;
}

size_t tn_jutf8_next(const char *s, size_t n, uint32_t *ret_cp) {
    const unsigned char *u = (const unsigned char *)s;
    if (u[0] < 0x80) {
        *ret_cp = u[0];
        return 1;
    }
    size_t k = u[0] < 0xe0 ? 2 : u[0] < 0xf0 ? 3 : 4;
    if (k > n) {
        *ret_cp = 0xfffd;
        return n;
    }
    uint32_t cp = u[0] & (0xffu >> (k + 1));
    for (size_t i = 1; i < k; i++) cp = cp << 6 | (u[i] & 0x3fu);
    *ret_cp = cp;
    return k;
}

size_t tn_jutf8_prev(const char *s, size_t n, uint32_t *ret_cp) {
    size_t k = 1;
    while (k < n && k < 4 && ((unsigned char)s[n - k] & 0xc0) == 0x80) k++;
    tn_jutf8_next(s + n - k, k, ret_cp);
    return k;
}

/* Eight bytes at a time: a byte that is 10xxxxxx continues a character. */
size_t tn_jutf8_count(const char *s, size_t n) {
    size_t more = 0, i = 0;
    for (; i + 8 <= n; i += 8) {
        uint64_t word;
        memcpy(&word, s + i, 8);
        more += (size_t)__builtin_popcountll(word >> 7 & ~word >> 6 & UINT64_C(0x0101010101010101));
    }
    for (; i < n; i++) more += ((unsigned char)s[i] & 0xc0) == 0x80;
    return n - more;
}

size_t tn_jutf8_offset(const char *s, size_t n, size_t i) {
    size_t at = 0;
    for (; at < n; at++)
        if (((unsigned char)s[at] & 0xc0) != 0x80 && i-- == 0) break;
    return at;
}

bool tn_jcp_space(uint32_t cp) {
    if (cp < 0x80) return (cp >= 9 && cp <= 13) || (cp >= 28 && cp <= 32);
    if (cp >= 0x2000 && cp <= 0x200a) return true;
    return cp == 0x85 || cp == 0xa0 || cp == 0x1680 || cp == 0x2028 || cp == 0x2029 || cp == 0x202f ||
           cp == 0x205f || cp == 0x3000;
}

bool tn_jcp_linebreak(uint32_t cp) {
    return (cp >= 10 && cp <= 13) || (cp >= 0x1c && cp <= 0x1e) || cp == 0x85 || cp == 0x2028 || cp == 0x2029;
}

bool tn_jcp_printable(uint32_t cp) {
    if (cp < 0x80) return cp >= 0x20 && cp < 0x7f;
    switch (utf8proc_category((utf8proc_int32_t)cp)) {
    case UTF8PROC_CATEGORY_CC:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_CS:
    case UTF8PROC_CATEGORY_CO:
    case UTF8PROC_CATEGORY_CN:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP:
    case UTF8PROC_CATEGORY_ZS: return false;
    default: return true;
    }
}

bool tn_jcp_name(uint32_t cp, bool first) {
    if (cp < 0x80) {
        if (cp == '_' || (cp >= 'a' && cp <= 'z') || (cp >= 'A' && cp <= 'Z')) return true;
        return !first && cp >= '0' && cp <= '9';
    }
    switch (utf8proc_category((utf8proc_int32_t)cp)) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
    case UTF8PROC_CATEGORY_NL: return true;
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_MC:
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_PC: return !first;
    default: return false;
    }
}

int tn_jcut(tn_jval v, size_t max) {
    size_t n = v.len;
    if (n > max)
        for (n = max; n && ((unsigned char)v.u.s[n] & 0xc0) == 0x80;) n--;
    return (int)n;
}

void tn_jutf8_trim_left(const char **s, size_t *n) {
    while (*n) {
        uint32_t cp;
        size_t k = tn_jutf8_next(*s, *n, &cp);
        if (!tn_jcp_space(cp)) return;
        *s += k;
        *n -= k;
    }
}

void tn_jutf8_trim_right(const char *s, size_t *n) {
    while (*n) {
        uint32_t cp;
        size_t k = tn_jutf8_prev(s, *n, &cp);
        if (!tn_jcp_space(cp)) return;
        *n -= k;
    }
}
