/* SPDX-License-Identifier: Apache-2.0 */
/* Methods of strings that shape them: strip, pad, join. */
#include "text/jinja/native.h"
#include "text/jinja/ops.h"
#include "text/jinja/strings.h"
#include "text/jinja/chars.h"

/* Whether the k bytes at p are a character to strip. */
static bool strips(tn_jval chars, const char *p, size_t k, uint32_t cp) {
    if (!tn_jis_string(chars)) return tn_jcp_space(cp);
    return chars.len && memmem(chars.u.s, chars.len, p, k) != NULL;
}

tn_jval tn_jstring_strip(tn_jval s, tn_jval chars, int sides) {
    uint32_t cp;
    while (sides & TN_JSTRIP_LEFT && s.len) {
        size_t k = tn_jutf8_next(s.u.s, s.len, &cp);
        if (!strips(chars, s.u.s, k, cp)) break;
        s.u.s += k;
        s.len -= k;
    }
    while (sides & TN_JSTRIP_RIGHT && s.len) {
        size_t k = tn_jutf8_prev(s.u.s, s.len, &cp);
        if (!strips(chars, s.u.s + s.len - k, k, cp)) break;
        s.len -= k;
    }
    return s;
}

static int strip(tn_jrun *r, const tn_jcall *c, int sides, tn_jval *ret) {
    tn_jval chars = tn_jnone();
    if (tn_jarg_some(c, 0)) {
        TN_TRY(tn_jarg_string(r, c, 0, "", &chars));
        TN_TRY(tn_jsteps(r, c->self.len / 64 * (chars.len / 64 + 1)));
    }
    *ret = tn_jstring_strip(c->self, chars, sides);
    return 0;
}

static int method_strip(tn_jrun *r, const tn_jcall *c, tn_jval *ret) {
    return strip(r, c, TN_JSTRIP_BOTH, ret);
}
static int method_lstrip(tn_jrun *r, const tn_jcall *c, tn_jval *ret) {
    return strip(r, c, TN_JSTRIP_LEFT, ret);
}
static int method_rstrip(tn_jrun *r, const tn_jcall *c, tn_jval *ret) {
    return strip(r, c, TN_JSTRIP_RIGHT, ret);
}

int tn_jstring_pad(tn_jrun *r, tn_jval s, int64_t width, tn_jval fill, int sides, tn_jval *ret) {
    tn_jsink sink = {0};
    int64_t n = (int64_t)tn_jutf8_count(s.u.s, s.len);
    *ret = s;
    if (tn_jutf8_count(fill.u.s, fill.len) != 1)
        return tn_jfail(r, TN_EINVAL, "the fill character must be one character");
    if (width <= n) return 0;
    uint64_t pad = (uint64_t)(width - n), left = sides == TN_JSTRIP_LEFT ? pad : 0;
    if (sides == TN_JSTRIP_BOTH) left = pad / 2 + (pad & (uint64_t)width & 1);
    TN_TRY(tn_jsink_fill(r, &sink, fill.u.s, fill.len, (size_t)left));
    TN_TRY(tn_jsink_add(r, &sink, s.u.s, s.len));
    TN_TRY(tn_jsink_fill(r, &sink, fill.u.s, fill.len, (size_t)(pad - left)));
    *ret = tn_jstring_as(s, sink.data, sink.len);
    return tn_jscan(r, sink.len);
}

static int pad(tn_jrun *r, const tn_jcall *c, int sides, tn_jval *ret) {
    int64_t width;
    tn_jval fill;
    TN_TRY(tn_jarg_int(r, c, 0, 0, &width));
    TN_TRY(tn_jarg_string(r, c, 1, " ", &fill));
    return tn_jstring_pad(r, c->self, width, fill, sides, ret);
}

static int method_center(tn_jrun *r, const tn_jcall *c, tn_jval *ret) {
    return pad(r, c, TN_JSTRIP_BOTH, ret);
}
static int method_ljust(tn_jrun *r, const tn_jcall *c, tn_jval *ret) {
    return pad(r, c, TN_JSTRIP_RIGHT, ret);
}
static int method_rjust(tn_jrun *r, const tn_jcall *c, tn_jval *ret) {
    return pad(r, c, TN_JSTRIP_LEFT, ret);
}

static int method_zfill(tn_jrun *r, const tn_jcall *c, tn_jval *ret) {
    tn_jval s = c->self;
    int64_t width;
    bool sign = s.len && (*s.u.s == '-' || *s.u.s == '+');
    TN_TRY(tn_jarg_int(r, c, 0, 0, &width));
    tn_jval digits = tn_jstring_as(s, s.u.s + sign, s.len - sign);
    if (width < 1) width = 1;
    TN_TRY(tn_jstring_pad(r, digits, width - sign, tn_jstringz("0"), TN_JSTRIP_LEFT, ret));
    return sign ? tn_jconcat(r, tn_jstring_as(s, s.u.s, 1), *ret, ret) : 0;
}

static int method_expandtabs(tn_jrun *r, const tn_jcall *c, tn_jval *ret) {
    tn_jsink sink = {0};
    int64_t size;
    size_t column = 0;
    TN_TRY(tn_jarg_int(r, c, 0, 8, &size));
    for (size_t i = 0; i < c->self.len; i++) {
        char ch = c->self.u.s[i];
        size_t fill = size > 0 ? (size_t)size - column % (size_t)size : 0;
        if (ch == '\t') {
            TN_TRY(tn_jsink_fill(r, &sink, " ", 1, fill));
            column += fill;
            continue;
        }
        TN_TRY(tn_jsink_addc(r, &sink, ch));
        column = ch == '\n' || ch == '\r' ? 0 : column + (((unsigned char)ch & 0xc0) != 0x80);
    }
    *ret = tn_jstring_as(c->self, sink.data ? sink.data : "", sink.len);
    return 0;
}

static int method_join(tn_jrun *r, const tn_jcall *c, tn_jval *ret) {
    tn_jlist list;
    tn_jsink sink = {0};
    TN_TRY(tn_jiterate(r, c->arg[0], &list));
    for (size_t i = 0; i < list.n; i++) {
        tn_jval v = list.item[i];
        if (!tn_jis_string(v))
            return tn_jfail(r, TN_EINVAL, "join(): item %zu must be a string, not %s", i, tn_jtype_name(v));
        if (c->self.flags & TN_J_MARKUP) TN_TRY(tn_jescape(r, v, &v));
        if (i) TN_TRY(tn_jsink_add(r, &sink, c->self.u.s, c->self.len));
        TN_TRY(tn_jsink_add(r, &sink, v.u.s, v.len));
    }
    *ret = tn_jstring_as(c->self, sink.data ? sink.data : "", sink.len);
    return tn_jsteps(r, list.n);
}

static const tn_jnative shape[] = {
    {"strip", method_strip, "chars", 0},
    {"lstrip", method_lstrip, "chars", 0},
    {"rstrip", method_rstrip, "chars", 0},
    {"center", method_center, "width fillchar", 1},
    {"ljust", method_ljust, "width fillchar", 1},
    {"rjust", method_rjust, "width fillchar", 1},
    {"zfill", method_zfill, "width", 1},
    {"expandtabs", method_expandtabs, "tabsize", 0},
    {"join", method_join, "iterable", 1},
    {"format", tn_jstring_format, NULL, 0},
    {NULL, NULL, NULL, 0},
};

const tn_jnative *tn_jstring_method_find(tn_jval name) {
    static const tn_jnative *const tables[] = {shape, tn_jmethods_search, tn_jmethods_letters};
    const tn_jnative *found = NULL;
    for (size_t i = 0; !found && i < sizeof tables / sizeof *tables; i++)
        found = tn_jnative_in(tables[i], name);
    return found;
}
