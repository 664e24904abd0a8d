/* SPDX-License-Identifier: Apache-2.0 */
/* Tests: what may stand after `is`. */
#include "text/jinja/letters.h"
#include "text/jinja/native.h"
#include "text/jinja/ops.h"

static int answer(tn_jval *ret, bool yes) {
    *ret = tn_jbool(yes);
    return 0;
}

static int is_defined(tn_jrun *r, const tn_jcall *c, tn_jval *ret) {
    return answer(ret, c->self.type != TN_J_UNDEFINED);
}

static int is_undefined(tn_jrun *r, const tn_jcall *c, tn_jval *ret) {
    return answer(ret, c->self.type == TN_J_UNDEFINED);
}

static int is_none(tn_jrun *r, const tn_jcall *c, tn_jval *ret) {
    return answer(ret, c->self.type == TN_J_NONE);
}

static int is_boolean(tn_jrun *r, const tn_jcall *c, tn_jval *ret) {
    return answer(ret, c->self.type == TN_J_BOOL);
}

static int is_true(tn_jrun *r, const tn_jcall *c, tn_jval *ret) {
    return answer(ret, c->self.type == TN_J_BOOL && c->self.u.b);
}

static int is_false(tn_jrun *r, const tn_jcall *c, tn_jval *ret) {
    return answer(ret, c->self.type == TN_J_BOOL && !c->self.u.b);
}

static int is_integer(tn_jrun *r, const tn_jcall *c, tn_jval *ret) {
    return answer(ret, c->self.type == TN_J_INT);
}

static int is_float(tn_jrun *r, const tn_jcall *c, tn_jval *ret) {
    return answer(ret, c->self.type == TN_J_FLOAT);
}

static int is_number(tn_jrun *r, const tn_jcall *c, tn_jval *ret) {
    return answer(ret, tn_jis_number(c->self));
}

static int is_string(tn_jrun *r, const tn_jcall *c, tn_jval *ret) {
    return answer(ret, tn_jis_string(c->self));
}

static int is_mapping(tn_jrun *r, const tn_jcall *c, tn_jval *ret) {
    return answer(ret, c->self.type == TN_J_DICT);
}

static int is_sequence(tn_jrun *r, const tn_jcall *c, tn_jval *ret) {
    size_t n;
    return answer(ret, tn_jlength(c->self, &n) && c->self.type != TN_J_VIEW);
}

static int is_iterable(tn_jrun *r, const tn_jcall *c, tn_jval *ret) {
    size_t n;
    return answer(ret, tn_jlength(c->self, &n) || c->self.type == TN_J_ITERATOR || c->self.type == TN_J_LOOP);
}

static int is_callable(tn_jrun *r, const tn_jcall *c, tn_jval *ret) {
    switch (c->self.type) {
    case TN_J_UNDEFINED: /* it can be called, which fails */
    case TN_J_FUNCTION:
    case TN_J_METHOD:
    case TN_J_MACRO:
    case TN_J_LOOP:
    case TN_J_JOINER: return answer(ret, true);
    default: return answer(ret, false);
    }
}

/* self % divisor == remainder (0 or 1 of 2). */
static int modulo(tn_jrun *r, tn_jval v, tn_jval divisor, int64_t remainder, tn_jval *ret) {
    tn_jval m;
    bool same;
    TN_TRY(tn_jbinary(r, TN_JT_MOD, v, divisor, &m));
    TN_TRY(tn_jequal(r, m, tn_jint(remainder), &same));
    return answer(ret, same);
}

static int is_odd(tn_jrun *r, const tn_jcall *c, tn_jval *ret) {
    return modulo(r, c->self, tn_jint(2), 1, ret);
}

static int is_even(tn_jrun *r, const tn_jcall *c, tn_jval *ret) {
    return modulo(r, c->self, tn_jint(2), 0, ret);
}

static int is_divisibleby(tn_jrun *r, const tn_jcall *c, tn_jval *ret) {
    return modulo(r, c->self, c->arg[0], 0, ret);
}

static int compare(tn_jrun *r, const tn_jcall *c, tn_jcompare op, tn_jval *ret) {
    bool yes;
    TN_TRY(tn_jcompare_values(r, op, c->self, c->arg[0], &yes));
    return answer(ret, yes);
}

static int is_eq(tn_jrun *r, const tn_jcall *c, tn_jval *ret) {
    return compare(r, c, TN_JC_EQ, ret);
}
static int is_ne(tn_jrun *r, const tn_jcall *c, tn_jval *ret) {
    return compare(r, c, TN_JC_NE, ret);
}
static int is_lt(tn_jrun *r, const tn_jcall *c, tn_jval *ret) {
    return compare(r, c, TN_JC_LT, ret);
}
static int is_le(tn_jrun *r, const tn_jcall *c, tn_jval *ret) {
    return compare(r, c, TN_JC_LE, ret);
}
static int is_gt(tn_jrun *r, const tn_jcall *c, tn_jval *ret) {
    return compare(r, c, TN_JC_GT, ret);
}
static int is_ge(tn_jrun *r, const tn_jcall *c, tn_jval *ret) {
    return compare(r, c, TN_JC_GE, ret);
}
static int is_in(tn_jrun *r, const tn_jcall *c, tn_jval *ret) {
    return compare(r, c, TN_JC_IN, ret);
}

/* Identity, which for small values is equality of type and value. */
static int is_sameas(tn_jrun *r, const tn_jcall *c, tn_jval *ret) {
    tn_jval a = c->self, b = c->arg[0];
    bool same = a.type == b.type;
    if (same && (a.type <= TN_J_STRING))
        TN_TRY(tn_jequal(r, a, b, &same));
    else if (same)
        same = a.u.s == b.u.s;
    return answer(ret, same);
}

static int is_escaped(tn_jrun *r, const tn_jcall *c, tn_jval *ret) {
    return answer(ret, tn_jis_string(c->self) && (c->self.flags & TN_J_MARKUP));
}

static int is_lower(tn_jrun *r, const tn_jcall *c, tn_jval *ret) {
    tn_jval s;
    TN_TRY(tn_jto_str(r, c->self, &s));
    return answer(ret, tn_jstring_cased(s, false));
}

static int is_upper(tn_jrun *r, const tn_jcall *c, tn_jval *ret) {
    tn_jval s;
    TN_TRY(tn_jto_str(r, c->self, &s));
    return answer(ret, tn_jstring_cased(s, true));
}

static int is_filter(tn_jrun *r, const tn_jcall *c, tn_jval *ret) {
    return answer(ret, tn_jis_string(c->self) && tn_jfilter_find(c->self));
}

static int is_test(tn_jrun *r, const tn_jcall *c, tn_jval *ret) {
    return answer(ret, tn_jis_string(c->self) && tn_jtest_find(c->self));
}

static const tn_jnative tests[] = {
    {"defined", is_defined, "", 0},
    {"undefined", is_undefined, "", 0},
    {"none", is_none, "", 0},
    {"boolean", is_boolean, "", 0},
    {"true", is_true, "", 0},
    {"false", is_false, "", 0},
    {"integer", is_integer, "", 0},
    {"float", is_float, "", 0},
    {"number", is_number, "", 0},
    {"string", is_string, "", 0},
    {"mapping", is_mapping, "", 0},
    {"sequence", is_sequence, "", 0},
    {"iterable", is_iterable, "", 0},
    {"callable", is_callable, "", 0},
    {"odd", is_odd, "", 0},
    {"even", is_even, "", 0},
    {"divisibleby", is_divisibleby, "num", 1},
    {"eq", is_eq, "other", 1},
    {"==", is_eq, "other", 1},
    {"equalto", is_eq, "other", 1},
    {"ne", is_ne, "other", 1},
    {"!=", is_ne, "other", 1},
    {"lt", is_lt, "other", 1},
    {"<", is_lt, "other", 1},
    {"lessthan", is_lt, "other", 1},
    {"le", is_le, "other", 1},
    {"<=", is_le, "other", 1},
    {"gt", is_gt, "other", 1},
    {">", is_gt, "other", 1},
    {"greaterthan", is_gt, "other", 1},
    {"ge", is_ge, "other", 1},
    {">=", is_ge, "other", 1},
    {"in", is_in, "seq", 1},
    {"sameas", is_sameas, "other", 1},
    {"escaped", is_escaped, "", 0},
    {"lower", is_lower, "", 0},
    {"upper", is_upper, "", 0},
    {"filter", is_filter, "", 0},
    {"test", is_test, "", 0},
    {NULL, NULL, NULL, 0},
};

const tn_jnative *tn_jtest_find(tn_jval name) {
    return tn_jnative_in(tests, name);
}
