/* SPDX-License-Identifier: Apache-2.0 */
/* Filters of numbers. */
#include <math.h>
#include <stdio.h>

#include "text/jinja/filters.h"
#include "text/jinja/literal.h"

static int filter_abs(tn_jrun *r, const tn_jcall *c, tn_jval *ret) {
    if (!tn_jis_number(c->self)) return tn_jnegate(r, c->self, true, ret);
    bool negative = c->self.type == TN_J_FLOAT ? signbit(c->self.u.f) != 0 : tn_jas_int(c->self) < 0;
    return tn_jnegate(r, c->self, negative, ret);
}

/* int(f): *ret_ok is false for what has no integer value. */
static int truncate_float(tn_jrun *r, double f, int64_t *ret, bool *ret_ok) {
    *ret_ok = isfinite(f);
    if (!*ret_ok) return 0;
    if (!(f > -9223372036854775808.0 && f < 9223372036854775808.0))
        return tn_jfail(r, TN_ENOTSUP, "integers over 64 bits are not supported");
    *ret = (int64_t)f;
    return 0;
}

static int string_to_int(tn_jrun *r, tn_jval s, int base, int64_t *ret, bool *ret_ok) {
    double f;
    *ret_ok = tn_jparse_int(s.u.s, s.len, base, ret);
    if (*ret_ok || !tn_jparse_float(s.u.s, s.len, &f)) return 0;
    return truncate_float(r, f, ret, ret_ok);
}

static int filter_int(tn_jrun *r, const tn_jcall *c, tn_jval *ret) {
    int64_t base, i = 0;
    bool ok = tn_jis_int(c->self);
    TN_TRY(tn_jarg_int(r, c, 1, 10, &base));
    if (base != 0 && (base < 2 || base > 36))
        return tn_jfail(r, TN_EINVAL, "int() base must be 0 or 2 to 36");
    if (c->self.type == TN_J_UNDEFINED) return tn_jundefined_error(r, c->self);
    if (ok) i = tn_jas_int(c->self);
    if (c->self.type == TN_J_FLOAT && isinf(c->self.u.f))
        return tn_jfail(r, TN_EINVAL, "infinity is no integer");
    if (c->self.type == TN_J_FLOAT) TN_TRY(truncate_float(r, c->self.u.f, &i, &ok));
    if (tn_jis_string(c->self)) TN_TRY(string_to_int(r, c->self, (int)base, &i, &ok));
    *ret = ok ? tn_jint(i) : tn_jarg_given(c, 0) ? c->arg[0] : tn_jint(0);
    return 0;
}

static int filter_float(tn_jrun *r, const tn_jcall *c, tn_jval *ret) {
    double f = 0;
    bool ok = tn_jis_number(c->self);
    if (c->self.type == TN_J_UNDEFINED) return tn_jundefined_error(r, c->self);
    if (ok) f = tn_jas_float(c->self);
    if (tn_jis_string(c->self)) ok = tn_jparse_float(c->self.u.s, c->self.len, &f);
    *ret = ok ? tn_jfloat(f) : tn_jarg_given(c, 0) ? c->arg[0] : tn_jfloat(0);
    return 0;
}

/* round(f, digits): to the nearest decimal of that many digits, ties to even, as the C library prints it. */
static double round_to(double f, int64_t digits) {
    char text[400];
    if (!isfinite(f) || digits > 300) return f;
    if (digits < 0) {
        double p = pow(10, (double)-digits);
        return isfinite(p) ? nearbyint(f / p) * p : 0 * f;
    }
    snprintf(text, sizeof text, "%.*f", digits > 60 ? 60 : (int)digits, f);
    double v = 0;
    return tn_jparse_float(text, strlen(text), &v) ? v : f;
}

static int filter_round(tn_jrun *r, const tn_jcall *c, tn_jval *ret) {
    int64_t precision;
    tn_jval method;
    TN_TRY(tn_jarg_int(r, c, 0, 0, &precision));
    TN_TRY(tn_jarg_string(r, c, 1, "common", &method));
    bool common = tn_jstring_is(method, "common"), up = tn_jstring_is(method, "ceil");
    if (!common && !up && !tn_jstring_is(method, "floor"))
        return tn_jfail(r, TN_EINVAL, "round() method must be common, ceil or floor");
    if (!tn_jis_number(c->self)) return tn_jnegate(r, c->self, true, ret);
    if (common && tn_jis_int(c->self) && precision >= 0) {
        *ret = tn_jint(tn_jas_int(c->self));
        return 0;
    }
    double f = tn_jas_float(c->self), p = pow(10, (double)precision);
    if (common)
        f = round_to(f, precision);
    else
        f = (up ? ceil(f * p) : floor(f * p)) / p;
    *ret = common && tn_jis_int(c->self) ? tn_jint((int64_t)f) : tn_jfloat(f);
    return 0;
}

static int filter_filesizeformat(tn_jrun *r, const tn_jcall *c, tn_jval *ret) {
    static const char *const decimal[] = {"kB", "MB", "GB", "TB", "PB", "EB", "ZB", "YB"};
    static const char *const binary[] = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB", "ZiB", "YiB"};
    bool two = tn_jarg_bool(c, 0, false);
    double base = two ? 1024 : 1000, bytes = 0, unit = base;
    char text[400];
    tn_jsink s = {0};
    if (tn_jis_number(c->self))
        bytes = tn_jas_float(c->self);
    else if (!tn_jis_string(c->self) || !tn_jparse_float(c->self.u.s, c->self.len, &bytes))
        return tn_jfail(r, TN_EINVAL, "filesizeformat needs a number, not %s", tn_jtype_name(c->self));
    size_t i = 0;
    for (; i < 7 && bytes >= unit * base; i++) unit *= base;
    if (bytes == 1)
        snprintf(text, sizeof text, "1 Byte");
    else if (bytes < base)
        snprintf(text, sizeof text, "%.0f Bytes", trunc(bytes));
    else
        snprintf(text, sizeof text, "%.1f %s", bytes / unit, two ? binary[i] : decimal[i]);
    TN_TRY(tn_jsink_addz(r, &s, text));
    *ret = tn_jsink_value(&s);
    return 0;
}

const tn_jnative tn_jfilters_number[] = {
    {"abs", filter_abs, "", 0},
    {"int", filter_int, "default base", 0},
    {"float", filter_float, "default", 0},
    {"round", filter_round, "precision method", 0},
    {"filesizeformat", filter_filesizeformat, "binary", 0},
    {NULL, NULL, NULL, 0},
};
