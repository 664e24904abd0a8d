/* SPDX-License-Identifier: Apache-2.0 */
#include "text/jinja/run.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/checked.h"
#include "text/jinja/chars.h"

int tn_jfail(tn_jrun *r, int code, const char *fmt, ...) {
    char text[400]; /* leaves room for the place, so that nothing is cut later */
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    return tn_fail(r->err, code, "%.*s", tn_jcut(tn_jstringz(text), sizeof text - 2), text);
}

int tn_jnomem(tn_jrun *r) {
    if (r->arena.status == TN_ENOMEM) return tn_jfail(r, TN_ENOMEM, "out of memory");
    return tn_jfail(r, TN_ELIMIT, "needs more than the %zu bytes of memory a render may take", r->arena.max);
}

int tn_jsteps(tn_jrun *r, uint64_t n) {
    if (n <= r->steps_max - r->steps) {
        r->steps += n;
        return 0;
    }
    return tn_jfail(r, TN_ELIMIT, "needs more than the %llu steps a render may take",
                    (unsigned long long)r->steps_max);
}

int tn_jscan(tn_jrun *r, size_t n) {
    return tn_jsteps(r, n / 32);
}

int tn_jenter(tn_jrun *r) {
    if (r->depth >= TN_JDEPTH_MAX)
        return tn_jfail(r, TN_ELIMIT, "expressions, blocks and calls are over %d levels deep", TN_JDEPTH_MAX);
    r->depth++;
    return 0;
}

int tn_jnest_enter(tn_jrun *r) {
    if (r->nest >= TN_JNEST_MAX)
        return tn_jfail(r, TN_ELIMIT, "lists and dicts are over %d levels deep", TN_JNEST_MAX);
    r->nest++;
    return 0;
}

int tn_jsink_reserve(tn_jrun *r, tn_jsink *s, size_t n) {
    size_t need;
    if (!tn_add_size(s->len, n, &need)) need = SIZE_MAX;
    if (need <= s->cap) return 0;
    size_t cap = s->cap ? s->cap : 32;
    while (cap < need && cap <= SIZE_MAX / 2) cap *= 2;
    if (cap < need) cap = need;
    char *data = tn_jalloc(r, cap);
    if (!data) return tn_jnomem(r);
    if (s->len) memcpy(data, s->data, s->len);
    s->data = data;
    s->cap = cap;
    return 0;
}

int tn_jsink_add(tn_jrun *r, tn_jsink *s, const char *bytes, size_t n) {
    if (!n) return 0;
    TN_TRY(tn_jsink_reserve(r, s, n));
    memcpy(s->data + s->len, bytes, n);
    s->len += n;
    return 0;
}

int tn_jsink_addz(tn_jrun *r, tn_jsink *s, const char *text) {
    return tn_jsink_add(r, s, text, strlen(text));
}

int tn_jsink_addc(tn_jrun *r, tn_jsink *s, char c) {
    return tn_jsink_add(r, s, &c, 1);
}

int tn_jsink_cp(tn_jrun *r, tn_jsink *s, uint32_t cp) {
    char bytes[4];
    return tn_jsink_add(r, s, bytes, tn__utf8_put(cp, bytes));
}

int tn_jsink_fill(tn_jrun *r, tn_jsink *s, const char *bytes, size_t len, size_t n) {
    size_t total;
    if (!tn_mul_size(len, n, &total)) total = SIZE_MAX;
    TN_TRY(tn_jsink_reserve(r, s, total));
    for (size_t i = 0; i < n && len; i++) {
        memcpy(s->data + s->len, bytes, len);
        s->len += len;
    }
    return 0;
}
