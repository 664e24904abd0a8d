/* SPDX-License-Identifier: Apache-2.0 */
/* Case by Unicode's full mappings (one character may become three, and what follows a capital sigma decides
 * which small one it becomes), and the is... methods of strings. */
#include "text/jinja/letters.h"

#include <utf8proc.h>

#include "text/jinja/native.h"
#include "text/jinja/chars.h"

static utf8proc_category_t category(uint32_t cp) {
    return utf8proc_category((utf8proc_int32_t)cp);
}
static uint32_t to_upper(uint32_t cp) {
    return (uint32_t)utf8proc_toupper((utf8proc_int32_t)cp);
}
static uint32_t to_lower(uint32_t cp) {
    return (uint32_t)utf8proc_tolower((utf8proc_int32_t)cp);
}
static uint32_t to_title(uint32_t cp) {
    return (uint32_t)utf8proc_totitle((utf8proc_int32_t)cp);
}

/* Characters whose upper case is more than one character (SpecialCasing), but for U+1F80 to U+1FAF, which are
 * regular. */
static const struct {
    uint16_t cp, upper[3];
} special[] = {
    {0x00df, {0x53, 0x53, 0x0}},     {0x0149, {0x2bc, 0x4e, 0x0}},    {0x01f0, {0x4a, 0x30c, 0x0}},
    {0x0390, {0x399, 0x308, 0x301}}, {0x03b0, {0x3a5, 0x308, 0x301}}, {0x0587, {0x535, 0x552, 0x0}},
    {0x1e96, {0x48, 0x331, 0x0}},    {0x1e97, {0x54, 0x308, 0x0}},    {0x1e98, {0x57, 0x30a, 0x0}},
    {0x1e99, {0x59, 0x30a, 0x0}},    {0x1e9a, {0x41, 0x2be, 0x0}},    {0x1f50, {0x3a5, 0x313, 0x0}},
    {0x1f52, {0x3a5, 0x313, 0x300}}, {0x1f54, {0x3a5, 0x313, 0x301}}, {0x1f56, {0x3a5, 0x313, 0x342}},
    {0x1fb2, {0x1fba, 0x399, 0x0}},  {0x1fb3, {0x391, 0x399, 0x0}},   {0x1fb4, {0x386, 0x399, 0x0}},
    {0x1fb6, {0x391, 0x342, 0x0}},   {0x1fb7, {0x391, 0x342, 0x399}}, {0x1fbc, {0x391, 0x399, 0x0}},
    {0x1fc2, {0x1fca, 0x399, 0x0}},  {0x1fc3, {0x397, 0x399, 0x0}},   {0x1fc4, {0x389, 0x399, 0x0}},
    {0x1fc6, {0x397, 0x342, 0x0}},   {0x1fc7, {0x397, 0x342, 0x399}}, {0x1fcc, {0x397, 0x399, 0x0}},
    {0x1fd2, {0x399, 0x308, 0x300}}, {0x1fd3, {0x399, 0x308, 0x301}}, {0x1fd6, {0x399, 0x342, 0x0}},
    {0x1fd7, {0x399, 0x308, 0x342}}, {0x1fe2, {0x3a5, 0x308, 0x300}}, {0x1fe3, {0x3a5, 0x308, 0x301}},
    {0x1fe4, {0x3a1, 0x313, 0x0}},   {0x1fe6, {0x3a5, 0x342, 0x0}},   {0x1fe7, {0x3a5, 0x308, 0x342}},
    {0x1ff2, {0x1ffa, 0x399, 0x0}},  {0x1ff3, {0x3a9, 0x399, 0x0}},   {0x1ff4, {0x38f, 0x399, 0x0}},
    {0x1ff6, {0x3a9, 0x342, 0x0}},   {0x1ff7, {0x3a9, 0x342, 0x399}}, {0x1ffc, {0x3a9, 0x399, 0x0}},
    {0xfb00, {0x46, 0x46, 0x0}},     {0xfb01, {0x46, 0x49, 0x0}},     {0xfb02, {0x46, 0x4c, 0x0}},
    {0xfb03, {0x46, 0x46, 0x49}},    {0xfb04, {0x46, 0x46, 0x4c}},    {0xfb05, {0x53, 0x54, 0x0}},
    {0xfb06, {0x53, 0x54, 0x0}},     {0xfb13, {0x544, 0x546, 0x0}},   {0xfb14, {0x544, 0x535, 0x0}},
    {0xfb15, {0x544, 0x53b, 0x0}},   {0xfb16, {0x54e, 0x546, 0x0}},   {0xfb17, {0x544, 0x53d, 0x0}},
};

/* The upper case of cp if it is more than one character, else 0 of them. */
static size_t special_upper(uint32_t cp, uint32_t out[3]) {
    static const uint32_t base[] = {0x1f08, 0x1f28, 0x1f68};
    if (cp >= 0x1f80 && cp <= 0x1faf) {
        out[0] = base[(cp - 0x1f80) >> 4] + (cp & 7);
        out[1] = 0x399;
        return 2;
    }
    for (size_t i = 0; i < sizeof special / sizeof *special; i++) {
        if (special[i].cp != cp) continue;
        size_t n = special[i].upper[2] ? 3 : 2;
        for (size_t k = 0; k < n; k++) out[k] = special[i].upper[k];
        return n;
    }
    return 0;
}

static size_t upper(uint32_t cp, uint32_t out[3]) {
    size_t n = cp < 0xdf ? 0 : special_upper(cp, out);
    if (n) return n;
    out[0] = to_upper(cp);
    return 1;
}

/* Title case: the first character of the upper case, the rest small; an iota goes below. */
static size_t title(uint32_t cp, uint32_t out[3]) {
    size_t n = cp < 0xdf ? 0 : special_upper(cp, out);
    bool greek = cp >= 0x1f80 && cp <= 0x1fff;
    if (!n || (greek && to_title(cp) != cp) || category(cp) == UTF8PROC_CATEGORY_LT) {
        out[0] = to_title(cp);
        return 1;
    }
    for (size_t i = 1; i < n && cp != 0x149; i++) out[i] = out[i] == 0x399 ? 0x345 : to_lower(out[i]);
    return n;
}

static bool is_lower(uint32_t cp) {
    return category(cp) == UTF8PROC_CATEGORY_LL || cp == 0xaa || cp == 0xba ||
           (cp >= 0x2170 && cp <= 0x217f) || (cp >= 0x24d0 && cp <= 0x24e9) || (cp >= 0x2b0 && cp <= 0x2b8);
}

static bool is_upper(uint32_t cp) {
    return category(cp) == UTF8PROC_CATEGORY_LU || (cp >= 0x2160 && cp <= 0x216f) ||
           (cp >= 0x24b6 && cp <= 0x24cf);
}

static bool is_cased(uint32_t cp) {
    return is_lower(cp) || is_upper(cp) || category(cp) == UTF8PROC_CATEGORY_LT;
}

/* Characters that do not part a word from what stands before them. */
static bool is_case_ignorable(uint32_t cp) {
    static const uint16_t marks[] = {0x27,   0x2e,   0x3a,   0xb7,   0x387,  0x55f,  0x5f4,  0x2018, 0x2019,
                                     0x2024, 0x2027, 0xfe13, 0xfe52, 0xfe55, 0xff07, 0xff0e, 0xff1a};
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++)
        if (marks[i] == cp) return true;
    switch (category(cp)) {
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_ME:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_SK: return true;
    default: return false;
    }
}

/* Whether the character at offset at (k bytes) of s ends a word: a letter before it and none after it. */
static bool ends_word(tn_jval s, size_t at, size_t k) {
    uint32_t cp = 0;
    size_t before = at;
    while (before && (before -= tn_jutf8_prev(s.u.s, before, &cp), is_case_ignorable(cp)))
        if (!before) return false;
    if (!at || !is_cased(cp)) return false;
    for (size_t after = at + k; after < s.len;) {
        after += tn_jutf8_next(s.u.s + after, s.len - after, &cp);
        if (!is_case_ignorable(cp)) return !is_cased(cp);
    }
    return true;
}

static size_t lower(tn_jval s, size_t at, size_t k, uint32_t cp, uint32_t out[3]) {
    out[0] = to_lower(cp);
    if (cp == 0x3a3 && ends_word(s, at, k)) out[0] = 0x3c2;
    if (cp != 0x130) return 1;
    out[0] = 'i';
    out[1] = 0x307;
    return 2;
}

static size_t fold(uint32_t cp, uint32_t out[3]) {
    utf8proc_int32_t folded[4];
    int boundary = 0;
    utf8proc_ssize_t n =
        utf8proc_decompose_char((utf8proc_int32_t)cp, folded, 4, UTF8PROC_CASEFOLD, &boundary);
    if (n < 1 || n > 3) return out[0] = cp, 1;
    for (utf8proc_ssize_t i = 0; i < n; i++) out[i] = (uint32_t)folded[i];
    return (size_t)n;
}

int tn_jcase_add(tn_jrun *r, tn_jsink *sink, tn_jval s, size_t at, tn_jcase to) {
    uint32_t cp, out[3];
    size_t k = tn_jutf8_next(s.u.s + at, s.len - at, &cp);
    size_t n = to == TN_JCASE_UPPER   ? upper(cp, out)
               : to == TN_JCASE_LOWER ? lower(s, at, k, cp, out)
               : to == TN_JCASE_TITLE ? title(cp, out)
                                      : fold(cp, out);
    for (size_t i = 0; i < n; i++) TN_TRY(tn_jsink_cp(r, sink, out[i]));
    return 0;
}

static size_t char_size(tn_jval s, size_t at) {
    uint32_t cp;
    return tn_jutf8_next(s.u.s + at, s.len - at, &cp);
}

int tn_jstring_case(tn_jrun *r, tn_jval s, tn_jcase to, tn_jval *ret) {
    tn_jsink sink = {0};
    TN_TRY(tn_jsteps(r, s.len / 16));
    TN_TRY(tn_jsink_reserve(r, &sink, s.len));
    for (size_t at = 0; at < s.len; at += char_size(s, at)) TN_TRY(tn_jcase_add(r, &sink, s, at, to));
    *ret = tn_jstring_as(s, sink.data ? sink.data : "", sink.len);
    return 0;
}

int tn_jstring_title(tn_jrun *r, tn_jval s, tn_jval *ret) {
    tn_jsink sink = {0};
    bool inside = false;
    TN_TRY(tn_jsteps(r, s.len / 16));
    for (size_t at = 0, k; at < s.len; at += k) {
        uint32_t cp;
        k = tn_jutf8_next(s.u.s + at, s.len - at, &cp);
        TN_TRY(tn_jcase_add(r, &sink, s, at, inside ? TN_JCASE_LOWER : TN_JCASE_TITLE));
        inside = is_cased(cp);
    }
    *ret = tn_jstring_as(s, sink.data ? sink.data : "", sink.len);
    return 0;
}

int tn_jstring_capitalize(tn_jrun *r, tn_jval s, tn_jval *ret) {
    tn_jsink sink = {0};
    TN_TRY(tn_jsteps(r, s.len / 16));
    for (size_t at = 0; at < s.len; at += char_size(s, at))
        TN_TRY(tn_jcase_add(r, &sink, s, at, at ? TN_JCASE_LOWER : TN_JCASE_TITLE));
    *ret = tn_jstring_as(s, sink.data ? sink.data : "", sink.len);
    return 0;
}

bool tn_jstring_cased(tn_jval s, bool want_upper) {
    bool cased = false;
    for (size_t at = 0; at < s.len;) {
        uint32_t cp;
        at += tn_jutf8_next(s.u.s + at, s.len - at, &cp);
        if (category(cp) == UTF8PROC_CATEGORY_LT || (want_upper ? is_lower(cp) : is_upper(cp))) return false;
        cased |= want_upper ? is_upper(cp) : is_lower(cp);
    }
    return cased;
}

static int method_upper(tn_jrun *r, const tn_jcall *c, tn_jval *ret) {
    return tn_jstring_case(r, c->self, TN_JCASE_UPPER, ret);
}

static int method_lower(tn_jrun *r, const tn_jcall *c, tn_jval *ret) {
    return tn_jstring_case(r, c->self, TN_JCASE_LOWER, ret);
}

static int method_casefold(tn_jrun *r, const tn_jcall *c, tn_jval *ret) {
    return tn_jstring_case(r, c->self, TN_JCASE_FOLD, ret);
}

static int method_title(tn_jrun *r, const tn_jcall *c, tn_jval *ret) {
    return tn_jstring_title(r, c->self, ret);
}

static int method_capitalize(tn_jrun *r, const tn_jcall *c, tn_jval *ret) {
    return tn_jstring_capitalize(r, c->self, ret);
}

static int method_swapcase(tn_jrun *r, const tn_jcall *c, tn_jval *ret) {
    tn_jsink sink = {0};
    for (size_t at = 0, k; at < c->self.len; at += k) {
        uint32_t cp;
        k = tn_jutf8_next(c->self.u.s + at, c->self.len - at, &cp);
        TN_TRY(is_upper(cp)   ? tn_jcase_add(r, &sink, c->self, at, TN_JCASE_LOWER)
               : is_lower(cp) ? tn_jcase_add(r, &sink, c->self, at, TN_JCASE_UPPER)
                              : tn_jsink_cp(r, &sink, cp));
    }
    *ret = tn_jstring_as(c->self, sink.data ? sink.data : "", sink.len);
    return 0;
}

static bool is_alpha(uint32_t cp) {
    utf8proc_category_t cat = category(cp);
    return cat >= UTF8PROC_CATEGORY_LU && cat <= UTF8PROC_CATEGORY_LO;
}

static bool is_decimal(uint32_t cp) {
    return category(cp) == UTF8PROC_CATEGORY_ND;
}

/* Decimal digits and those above, below and inside something. */
static bool is_digit(uint32_t cp) {
    return is_decimal(cp) || cp == 0xb2 || cp == 0xb3 || cp == 0xb9 || cp == 0x2070 ||
           (cp >= 0x2074 && cp <= 0x2079) || (cp >= 0x2080 && cp <= 0x2089) ||
           (cp >= 0x2460 && cp <= 0x2468) || (cp >= 0x2776 && cp <= 0x277e);
}

static bool is_numeric(uint32_t cp) {
    utf8proc_category_t cat = category(cp);
    return cat == UTF8PROC_CATEGORY_ND || cat == UTF8PROC_CATEGORY_NL || cat == UTF8PROC_CATEGORY_NO;
}

static bool is_alnum(uint32_t cp) {
    return is_alpha(cp) || is_numeric(cp);
}

/* Whether s is not empty (or may be) and every character passes. */
static int every(const tn_jcall *c, bool (*passes)(uint32_t), bool empty, tn_jval *ret) {
    bool yes = c->self.len > 0 || empty;
    for (size_t at = 0; yes && at < c->self.len;) {
        uint32_t cp;
        at += tn_jutf8_next(c->self.u.s + at, c->self.len - at, &cp);
        yes = passes(cp);
    }
    *ret = tn_jbool(yes);
    return 0;
}

static int method_isalpha(tn_jrun *r, const tn_jcall *c, tn_jval *ret) {
    return every(c, is_alpha, false, ret);
}
static int method_isalnum(tn_jrun *r, const tn_jcall *c, tn_jval *ret) {
    return every(c, is_alnum, false, ret);
}
static int method_isdecimal(tn_jrun *r, const tn_jcall *c, tn_jval *ret) {
    return every(c, is_decimal, false, ret);
}
static int method_isdigit(tn_jrun *r, const tn_jcall *c, tn_jval *ret) {
    return every(c, is_digit, false, ret);
}
static int method_isnumeric(tn_jrun *r, const tn_jcall *c, tn_jval *ret) {
    return every(c, is_numeric, false, ret);
}
static int method_isspace(tn_jrun *r, const tn_jcall *c, tn_jval *ret) {
    return every(c, tn_jcp_space, false, ret);
}
static int method_isprintable(tn_jrun *r, const tn_jcall *c, tn_jval *ret) {
    return every(c, tn_jcp_printable, true, ret);
}

static int method_isascii(tn_jrun *r, const tn_jcall *c, tn_jval *ret) {
    *ret = tn_jbool(tn_jutf8_ascii(c->self.u.s, c->self.len));
    return 0;
}

static int method_isidentifier(tn_jrun *r, const tn_jcall *c, tn_jval *ret) {
    bool yes = c->self.len > 0;
    for (size_t at = 0, k; yes && at < c->self.len; at += k) {
        uint32_t cp;
        k = tn_jutf8_next(c->self.u.s + at, c->self.len - at, &cp);
        yes = tn_jcp_name(cp, at == 0);
    }
    *ret = tn_jbool(yes);
    return 0;
}

static int method_isupper(tn_jrun *r, const tn_jcall *c, tn_jval *ret) {
    *ret = tn_jbool(tn_jstring_cased(c->self, true));
    return 0;
}

static int method_islower(tn_jrun *r, const tn_jcall *c, tn_jval *ret) {
    *ret = tn_jbool(tn_jstring_cased(c->self, false));
    return 0;
}

/* Capitals only where a word begins, small letters only inside one. */
static int method_istitle(tn_jrun *r, const tn_jcall *c, tn_jval *ret) {
    bool yes = false, inside = false;
    for (size_t at = 0; at < c->self.len;) {
        uint32_t cp;
        at += tn_jutf8_next(c->self.u.s + at, c->self.len - at, &cp);
        bool capital = is_upper(cp) || category(cp) == UTF8PROC_CATEGORY_LT;
        *ret = tn_jbool(false);
        if ((capital && inside) || (is_lower(cp) && !inside)) return 0;
        inside = capital || is_lower(cp);
        yes |= inside;
    }
    *ret = tn_jbool(yes);
    return 0;
}

const tn_jnative tn_jmethods_letters[] = {
    {"upper", method_upper, "", 0},
    {"lower", method_lower, "", 0},
    {"title", method_title, "", 0},
    {"capitalize", method_capitalize, "", 0},
    {"casefold", method_casefold, "", 0},
    {"swapcase", method_swapcase, "", 0},
    {"isalpha", method_isalpha, "", 0},
    {"isalnum", method_isalnum, "", 0},
    {"isascii", method_isascii, "", 0},
    {"isdecimal", method_isdecimal, "", 0},
    {"isdigit", method_isdigit, "", 0},
    {"isnumeric", method_isnumeric, "", 0},
    {"isspace", method_isspace, "", 0},
    {"isprintable", method_isprintable, "", 0},
    {"isidentifier", method_isidentifier, "", 0},
    {"isupper", method_isupper, "", 0},
    {"islower", method_islower, "", 0},
    {"istitle", method_istitle, "", 0},
    {NULL, NULL, NULL, 0},
};
