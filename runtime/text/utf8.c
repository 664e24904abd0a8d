/* SPDX-License-Identifier: Apache-2.0 */
#include "text/utf8.h"

#include <string.h>
#include <utf8proc.h>

/* The range that the second byte must have after lead (Unicode 15, table 3-7), and how many bytes follow. */
static int follow(unsigned char lead, unsigned char *lo, unsigned char *hi) {
    *lo = 0x80;
    *hi = 0xbf;
    if (lead >= 0xc2 && lead <= 0xdf) return 1;
    if (lead >= 0xe0 && lead <= 0xef) {
        if (lead == 0xe0) *lo = 0xa0;
        if (lead == 0xed) *hi = 0x9f;
        return 2;
    }
    if (lead >= 0xf0 && lead <= 0xf4) {
        if (lead == 0xf0) *lo = 0x90;
        if (lead == 0xf4) *hi = 0x8f;
        return 3;
    }
    return -1;
}

int tn__utf8_next(const char *s, size_t n, uint32_t *ret_cp) {
    const unsigned char *u = (const unsigned char *)s;
    unsigned char lo, hi;
    if (u[0] < 0x80) {
        *ret_cp = u[0];
        return 1;
    }
    int more = follow(u[0], &lo, &hi);
    if (more < 0) return -1;
    uint32_t cp = u[0] & (0x3fu >> more);
    for (int i = 1; i <= more; i++) {
        if ((size_t)i >= n) return 0;
        if (u[i] < lo || u[i] > hi) return -i;
        cp = cp << 6 | (u[i] & 0x3f);
        lo = 0x80;
        hi = 0xbf;
    }
    *ret_cp = cp;
    return more + 1;
}

size_t tn__utf8_get(const char *s, uint32_t *ret_cp) {
    const unsigned char *u = (const unsigned char *)s;
    if (u[0] < 0x80) return *ret_cp = u[0], 1;
    if (u[0] < 0xe0) return *ret_cp = (u[0] & 0x1fu) << 6 | (u[1] & 0x3fu), 2;
    if (u[0] < 0xf0) return *ret_cp = (u[0] & 0x0fu) << 12 | (u[1] & 0x3fu) << 6 | (u[2] & 0x3fu), 3;
    *ret_cp = (u[0] & 0x07u) << 18 | (u[1] & 0x3fu) << 12 | (u[2] & 0x3fu) << 6 | (u[3] & 0x3fu);
    return 4;
}

size_t tn__utf8_put(uint32_t cp, char dst[4]) {
    if (cp < 0x80) return dst[0] = (char)cp, 1;
    if (cp < 0x800) {
        dst[0] = (char)(0xc0 | cp >> 6);
        dst[1] = (char)(0x80 | (cp & 0x3f));
        return 2;
    }
    if (cp < 0x10000) {
        dst[0] = (char)(0xe0 | cp >> 12);
        dst[1] = (char)(0x80 | (cp >> 6 & 0x3f));
        dst[2] = (char)(0x80 | (cp & 0x3f));
        return 3;
    }
    dst[0] = (char)(0xf0 | cp >> 18);
    dst[1] = (char)(0x80 | (cp >> 12 & 0x3f));
    dst[2] = (char)(0x80 | (cp >> 6 & 0x3f));
    dst[3] = (char)(0x80 | (cp & 0x3f));
    return 4;
}

size_t tn__utf8_last(const char *s, size_t n) {
    size_t i = n - 1;
    while (i && ((unsigned char)s[i] & 0xc0) == 0x80) i--;
    return i;
}

/* Bytes at s[0, n) that are ASCII, eight at a time. */
static size_t ascii_run(const char *s, size_t n) {
    size_t i = 0;
    for (uint64_t w; i + 8 <= n; i += 8) {
        memcpy(&w, s + i, 8);
        if (w & 0x8080808080808080u) break;
    }
    while (i < n && (unsigned char)s[i] < 0x80) i++;
    return i;
}

bool tn__utf8_valid(const char *s, size_t n) {
    uint32_t cp;
    for (size_t i = ascii_run(s, n); i < n;) {
        int k = tn__utf8_next(s + i, n - i, &cp);
        if (k <= 0) return false;
        i += (size_t)k;
        if (i < n && (unsigned char)s[i] < 0x80) i += ascii_run(s + i, n - i);
    }
    return true;
}

int tn__utf8_lossy(const char *s, size_t n, tn_buf *dst) {
    uint32_t cp;
    size_t from = 0;
    for (size_t i = 0; i < n;) {
        int k = tn__utf8_next(s + i, n - i, &cp);
        if (k > 0) {
            i += (size_t)k;
            continue;
        }
        tn_buf_add(dst, s + from, i - from);
        tn_buf_add(dst, "\xef\xbf\xbd", 3);
        i = k == 0 ? n : i + (size_t)-k;
        from = i;
    }
    return tn_buf_add(dst, s + from, n - from);
}

bool tn__is_space(uint32_t cp) {
    if (cp < 0x80) return cp == ' ' || (cp >= 9 && cp <= 13);
    return cp == 0x85 || cp == 0xa0 || cp == 0x1680 || (cp >= 0x2000 && cp <= 0x200a) || cp == 0x2028 ||
           cp == 0x2029 || cp == 0x202f || cp == 0x205f || cp == 0x3000;
}

static bool category_in(uint32_t cp, utf8proc_category_t first, utf8proc_category_t last) {
    utf8proc_category_t c = utf8proc_category((utf8proc_int32_t)cp);
    return c >= first && c <= last;
}

bool tn__is_punct(uint32_t cp) {
    if (cp < 0x80)
        return (cp >= 33 && cp <= 47) || (cp >= 58 && cp <= 64) || (cp >= 91 && cp <= 96) ||
               (cp >= 123 && cp <= 126);
    return category_in(cp, UTF8PROC_CATEGORY_PC, UTF8PROC_CATEGORY_PO);
}

bool tn__is_numeric(uint32_t cp) {
    return category_in(cp, UTF8PROC_CATEGORY_ND, UTF8PROC_CATEGORY_NO);
}

bool tn__is_mark_nonspacing(uint32_t cp) {
    return cp >= 0x300 && utf8proc_category((utf8proc_int32_t)cp) == UTF8PROC_CATEGORY_MN;
}

bool tn__is_other(uint32_t cp) {
    return category_in(cp, UTF8PROC_CATEGORY_CC, UTF8PROC_CATEGORY_CO);
}

bool tn__is_word(uint32_t cp) {
    utf8proc_category_t c = utf8proc_category((utf8proc_int32_t)cp);
    return (c >= UTF8PROC_CATEGORY_LU && c <= UTF8PROC_CATEGORY_NL) || c == UTF8PROC_CATEGORY_PC ||
           cp == 0x200c || cp == 0x200d || (cp >= 0x24b6 && cp <= 0x24e9);
}

size_t tn__to_lower(uint32_t cp, uint32_t dst[2]) {
    dst[0] = (uint32_t)utf8proc_tolower((utf8proc_int32_t)cp);
    if (cp != 0x130) return 1;
    dst[0] = 'i';
    dst[1] = 0x307; /* the one unconditional lower case of two characters */
    return 2;
}
