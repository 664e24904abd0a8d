/* SPDX-License-Identifier: Apache-2.0 */
/* Arithmetic. */
#include "text/jinja/ops.h"

#include <math.h>

#include "base/checked.h"

static int overflow(tn_jrun *r) {
    return tn_jfail(r, TN_ENOTSUP, "integers over 64 bits are not supported");
}

static int zero_division(tn_jrun *r) {
    return tn_jfail(r, TN_EINVAL, "division by zero");
}

static const char *op_name(tn_jtok op) {
    switch (op) {
    case TN_JT_ADD: return "+";
    case TN_JT_SUB: return "-";
    case TN_JT_MUL: return "*";
    case TN_JT_DIV: return "/";
    case TN_JT_FLOORDIV: return "//";
    case TN_JT_MOD: return "%";
    default: return "**";
    }
}

static int unsupported(tn_jrun *r, tn_jtok op, tn_jval a, tn_jval b) {
    if (a.type == TN_J_UNDEFINED) return tn_jundefined_error(r, a);
    if (b.type == TN_J_UNDEFINED) return tn_jundefined_error(r, b);
    if (op == TN_JT_ADD && tn_jis_string(a))
        return tn_jfail(r, TN_EINVAL, "can only concatenate str (not \"%s\") to str", tn_jtype_name(b));
    return tn_jfail(r, TN_EINVAL, "unsupported operand types for %s: '%s' and '%s'", op_name(op),
                    tn_jtype_name(a), tn_jtype_name(b));
}

/* Quotient and remainder rounded towards minus infinity. */
static int64_t floor_div(int64_t a, int64_t b) {
    return a / b - (a % b != 0 && (a < 0) != (b < 0));
}
static int64_t floor_mod(int64_t a, int64_t b) {
    int64_t m = a % b;
    return m != 0 && (m < 0) != (b < 0) ? m + b : m;
}

static bool int_pow(int64_t base, int64_t exponent, int64_t *ret) {
    int64_t result = 1;
    while (exponent > 0) {
        if (exponent & 1 && __builtin_mul_overflow(result, base, &result)) return false;
        exponent >>= 1;
        if (exponent && __builtin_mul_overflow(base, base, &base)) return false;
    }
    *ret = result;
    return true;
}

static int float_op(tn_jrun *r, tn_jtok op, double a, double b, tn_jval *ret) {
    double v = 0, m;
    if (b == 0 && (op == TN_JT_DIV || op == TN_JT_FLOORDIV || op == TN_JT_MOD)) return zero_division(r);
    switch (op) {
    case TN_JT_ADD: v = a + b; break;
    case TN_JT_SUB: v = a - b; break;
    case TN_JT_MUL: v = a * b; break;
    case TN_JT_DIV: v = a / b; break;
    case TN_JT_FLOORDIV:
    case TN_JT_MOD:
        m = fmod(a, b);
        if (m != 0 && (m < 0) != (b < 0)) m += b;
        if (m == 0) m = copysign(0.0, b);
        v = op == TN_JT_MOD ? m : floor((a - m) / b + 0.5);
        break;
    default:
        if (a == 0 && b < 0) return zero_division(r);
        v = pow(a, b);
        if (isnan(v) && !isnan(a) && !isnan(b))
            return tn_jfail(r, TN_ENOTSUP, "complex numbers are not supported");
        if (isinf(v) && !isinf(a) && !isinf(b)) return tn_jfail(r, TN_EINVAL, "result too large");
    }
    *ret = tn_jfloat(v);
    return 0;
}

static int int_op(tn_jrun *r, tn_jtok op, int64_t a, int64_t b, tn_jval *ret) {
    int64_t v = 0;
    bool bad = false;
    if (op == TN_JT_DIV || (op == TN_JT_POW && b < 0)) return float_op(r, op, (double)a, (double)b, ret);
    if (b == 0 && (op == TN_JT_FLOORDIV || op == TN_JT_MOD)) return zero_division(r);
    switch (op) {
    case TN_JT_ADD: bad = __builtin_add_overflow(a, b, &v); break;
    case TN_JT_SUB: bad = __builtin_sub_overflow(a, b, &v); break;
    case TN_JT_MUL: bad = __builtin_mul_overflow(a, b, &v); break;
    case TN_JT_FLOORDIV:
        bad = a == INT64_MIN && b == -1;
        v = bad ? 0 : floor_div(a, b);
        break;
    case TN_JT_MOD: v = b == -1 ? 0 : floor_mod(a, b); break;
    default: bad = !int_pow(a, b, &v);
    }
    *ret = tn_jint(v);
    return bad ? overflow(r) : 0;
}

static int repeat_string(tn_jrun *r, tn_jval s, int64_t n, tn_jval *ret) {
    tn_jsink sink = {0};
    if (n < 0) n = 0;
    TN_TRY(tn_jscan(r, (size_t)n));
    TN_TRY(tn_jsink_fill(r, &sink, s.u.s, s.len, (size_t)n));
    *ret = tn_jstring_as(s, sink.data ? sink.data : "", sink.len);
    return 0;
}

static int repeat_list(tn_jrun *r, tn_jval list, int64_t n, tn_jval *ret) {
    tn_jlist *out;
    size_t total;
    if (n < 0) n = 0;
    if (!tn_mul_size(list.u.list->n, (size_t)n, &total)) total = SIZE_MAX;
    TN_TRY(tn_jsteps(r, total));
    TN_TRY(tn_jlist_new(r, total, &out));
    for (out->n = 0; out->n < total; out->n++) out->item[out->n] = list.u.list->item[out->n % list.u.list->n];
    *ret = tn_jof_list((tn_jtype)list.type, out);
    return 0;
}

static int join_lists(tn_jrun *r, tn_jval a, tn_jval b, tn_jval *ret) {
    tn_jlist *out;
    size_t n = a.u.list->n;
    TN_TRY(tn_jlist_new(r, n + b.u.list->n, &out));
    TN_TRY(tn_jsteps(r, (n + b.u.list->n) / 16));
    if (n) memcpy(out->item, a.u.list->item, n * sizeof *out->item);
    if (b.u.list->n) memcpy(out->item + n, b.u.list->item, b.u.list->n * sizeof *out->item);
    out->n = n + b.u.list->n;
    *ret = tn_jof_list((tn_jtype)a.type, out);
    return 0;
}

/* The room that ends where a ends, if n more bytes fit there. */
static tn_jroom *room_after(tn_jrun *r, tn_jval a, size_t n) {
    for (size_t i = 0; i < sizeof r->room / sizeof *r->room; i++) {
        tn_jroom *room = &r->room[i];
        if (room->data && a.u.s + a.len == room->data + room->len &&
            (uintptr_t)a.u.s >= (uintptr_t)room->data && n <= room->cap - room->len)
            return room;
    }
    return NULL;
}

int tn_jconcat(tn_jrun *r, tn_jval a, tn_jval b, tn_jval *ret) {
    if (!b.len || !a.len) {
        *ret = b.len ? b : a;
        ret->flags = a.flags;
        return 0;
    }
    tn_jroom *room = room_after(r, a, b.len);
    if (room) {
        memcpy(room->data + room->len, b.u.s, b.len);
        room->len += b.len;
        *ret = tn_jstring_as(a, a.u.s, a.len + b.len);
        return tn_jscan(r, b.len);
    }
    size_t len, cap;
    if (!tn_add_size(a.len, b.len, &len)) len = SIZE_MAX;
    if (len < 256 || !tn_mul_size(len, 2, &cap)) cap = len;
    char *data = tn_jalloc(r, cap);
    if (!data) return tn_jnomem(r);
    memcpy(data, a.u.s, a.len);
    memcpy(data + a.len, b.u.s, b.len);
    if (cap > len) r->room[r->room_next++ % (sizeof r->room / sizeof *r->room)] = (tn_jroom){data, len, cap};
    *ret = tn_jstring_as(a, data, len);
    return tn_jscan(r, len);
}

/* + of strings: if either is marked as safe, the other is escaped and so is the result. */
static int add_strings(tn_jrun *r, tn_jval a, tn_jval b, tn_jval *ret) {
    if ((a.flags | b.flags) & TN_J_MARKUP) {
        TN_TRY(tn_jescape(r, a, &a));
        TN_TRY(tn_jescape(r, b, &b));
    }
    return tn_jconcat(r, a, b, ret);
}

int tn_jbinary(tn_jrun *r, tn_jtok op, tn_jval a, tn_jval b, tn_jval *ret) {
    if (tn_jis_int(a) && tn_jis_int(b)) return int_op(r, op, tn_jas_int(a), tn_jas_int(b), ret);
    if (tn_jis_number(a) && tn_jis_number(b)) return float_op(r, op, tn_jas_float(a), tn_jas_float(b), ret);
    if (op == TN_JT_ADD && tn_jis_string(a) && tn_jis_string(b)) return add_strings(r, a, b, ret);
    if (op == TN_JT_ADD && tn_jis_list(a) && a.type == b.type) return join_lists(r, a, b, ret);
    if (op == TN_JT_MUL && tn_jis_int(a)) {
        tn_jval swap = a;
        a = b;
        b = swap;
    }
    if (op == TN_JT_MUL && tn_jis_int(b)) {
        if (tn_jis_string(a)) return repeat_string(r, a, tn_jas_int(b), ret);
        if (tn_jis_list(a)) return repeat_list(r, a, tn_jas_int(b), ret);
    }
    if (op == TN_JT_MOD && tn_jis_string(a)) return tn_jprintf(r, a, b, ret);
    return unsupported(r, op, a, b);
}

int tn_jnegate(tn_jrun *r, tn_jval v, bool minus, tn_jval *ret) {
    if (v.type == TN_J_UNDEFINED) return tn_jundefined_error(r, v);
    if (!tn_jis_number(v))
        return tn_jfail(r, TN_EINVAL, "bad operand type for unary %c: '%s'", minus ? '-' : '+',
                        tn_jtype_name(v));
    if (v.type == TN_J_FLOAT)
        *ret = tn_jfloat(minus ? -v.u.f : v.u.f);
    else if (minus && tn_jas_int(v) == INT64_MIN)
        return overflow(r);
    else
        *ret = tn_jint(minus ? -tn_jas_int(v) : tn_jas_int(v));
    return 0;
}
