/* SPDX-License-Identifier: Apache-2.0 */
/* Operators, from loosest to tightest: if-else, or, and, not, comparisons, + -, ~, * / // %, **. What they
 * stand between is in parse_primary.c. */
#include "text/jinja/parser.h"

static int parse_or(tn_jparser *p, tn_jnode **ret);

/* ret = kind(left, right) at the line of the current token. */
static int binary(tn_jparser *p, tn_jnode_kind kind, tn_jtok op, tn_jnode *left, tn_jnode *right,
                  tn_jnode **ret) {
    tn_jnode *n;
    TN_TRY(tn_jnode_new(p, kind, &n));
    n->u.binary.left = left;
    n->u.binary.right = right;
    n->u.binary.op = op;
    TN_TRY(tn_jadopt(p, n, left));
    *ret = n;
    return tn_jadopt(p, n, right);
}

static int parse_conditional(tn_jparser *p, tn_jnode **ret) {
    TN_TRY(parse_or(p, ret));
    while (tn_jaccept_name(p, "if")) {
        tn_jnode *n;
        TN_TRY(tn_jnode_new(p, TN_JN_COND, &n));
        n->u.cond.yes = *ret;
        TN_TRY(tn_jadopt(p, n, *ret));
        TN_TRY(parse_or(p, &n->u.cond.test));
        TN_TRY(tn_jadopt(p, n, n->u.cond.test));
        if (tn_jaccept_name(p, "else")) {
            TN_TRY(tn_jparse_expression(p, true, &n->u.cond.no));
            TN_TRY(tn_jadopt(p, n, n->u.cond.no));
        }
        *ret = n;
    }
    return 0;
}

int tn_jparse_expression(tn_jparser *p, bool conditional, tn_jnode **ret) {
    TN_TRY(tn_jparse_enter(p));
    TN_TRY(conditional ? parse_conditional(p, ret) : parse_or(p, ret));
    tn_jparse_leave(p);
    return 0;
}

/* The operator of a comparison at the current token, skipped. */
static bool accept_compare(tn_jparser *p, tn_jcompare *ret) {
    static const tn_jcompare of[] = {[TN_JT_EQ - TN_JT_EQ] = TN_JC_EQ, [TN_JT_NE - TN_JT_EQ] = TN_JC_NE,
                                     [TN_JT_LT - TN_JT_EQ] = TN_JC_LT, [TN_JT_LE - TN_JT_EQ] = TN_JC_LE,
                                     [TN_JT_GT - TN_JT_EQ] = TN_JC_GT, [TN_JT_GE - TN_JT_EQ] = TN_JC_GE};
    tn_jtok type = tn_jpeek(p)->type;
    if (type >= TN_JT_EQ && type <= TN_JT_GE) {
        *ret = of[type - TN_JT_EQ];
    } else if (tn_jtoken_is(tn_jpeek(p), "in")) {
        *ret = TN_JC_IN;
    } else if (tn_jtoken_is(tn_jpeek(p), "not") && tn_jtoken_is(tn_jpeek2(p), "in")) {
        *ret = TN_JC_NOT_IN;
        tn_jskip(p);
    } else {
        return false;
    }
    tn_jskip(p);
    return true;
}

/* Unlike Python's, ** groups from the left and signs bind tighter. */
static int parse_pow(tn_jparser *p, tn_jnode **ret) {
    TN_TRY(tn_jparse_unary(p, ret));
    while (tn_jaccept(p, TN_JT_POW)) {
        tn_jnode *right;
        TN_TRY(tn_jparse_unary(p, &right));
        TN_TRY(binary(p, TN_JN_BINARY, TN_JT_POW, *ret, right, ret));
    }
    return 0;
}

static int parse_mul(tn_jparser *p, tn_jnode **ret) {
    TN_TRY(parse_pow(p, ret));
    for (;;) {
        tn_jtok op = tn_jpeek(p)->type;
        tn_jnode *right;
        if (op != TN_JT_MUL && op != TN_JT_DIV && op != TN_JT_FLOORDIV && op != TN_JT_MOD) return 0;
        tn_jskip(p);
        TN_TRY(parse_pow(p, &right));
        TN_TRY(binary(p, TN_JN_BINARY, op, *ret, right, ret));
    }
}

static int parse_concat(tn_jparser *p, tn_jnode **ret) {
    TN_TRY(parse_mul(p, ret));
    if (tn_jpeek(p)->type != TN_JT_TILDE) return 0;
    tn_jrow row = {0};
    tn_jnode *n;
    TN_TRY(tn_jnode_new(p, TN_JN_CONCAT, &n));
    TN_TRY(tn_jrow_add(p, n, &row, *ret));
    while (tn_jaccept(p, TN_JT_TILDE)) {
        tn_jnode *next;
        TN_TRY(parse_mul(p, &next));
        TN_TRY(tn_jrow_add(p, n, &row, next));
    }
    n->u.list.first = row.first;
    n->n = row.n;
    *ret = n;
    return 0;
}

static int parse_add(tn_jparser *p, tn_jnode **ret) {
    TN_TRY(parse_concat(p, ret));
    for (;;) {
        tn_jtok op = tn_jpeek(p)->type;
        tn_jnode *right;
        if (op != TN_JT_ADD && op != TN_JT_SUB) return 0;
        tn_jskip(p);
        TN_TRY(parse_concat(p, &right));
        TN_TRY(binary(p, TN_JN_BINARY, op, *ret, right, ret));
    }
}

/* The rest of a comparison that begins with first. */
static int parse_operands(tn_jparser *p, tn_jcompare op, tn_jnode *first, tn_jnode **ret) {
    tn_jnode *n, *operand;
    tn_jrow row = {0};
    TN_TRY(tn_jnode_new(p, TN_JN_COMPARE, &n));
    n->u.compare.first = first;
    TN_TRY(tn_jadopt(p, n, first));
    do {
        TN_TRY(tn_jnode_new(p, TN_JN_OPERAND, &operand));
        operand->u.operand.op = op;
        TN_TRY(parse_add(p, &operand->u.operand.value));
        TN_TRY(tn_jadopt(p, operand, operand->u.operand.value));
        TN_TRY(tn_jrow_add(p, n, &row, operand));
    } while (accept_compare(p, &op));
    n->u.compare.operands = row.first;
    *ret = n;
    return 0;
}

static int parse_compare(tn_jparser *p, tn_jnode **ret) {
    tn_jcompare op;
    TN_TRY(parse_add(p, ret));
    return accept_compare(p, &op) ? parse_operands(p, op, *ret, ret) : 0;
}

static int parse_not(tn_jparser *p, tn_jnode **ret) {
    if (!tn_jaccept_name(p, "not")) return parse_compare(p, ret);
    tn_jnode *operand;
    TN_TRY(tn_jparse_enter(p));
    TN_TRY(parse_not(p, &operand));
    tn_jparse_leave(p);
    return tn_jnode_unary(p, TN_JN_NOT, operand, ret);
}

static int parse_and(tn_jparser *p, tn_jnode **ret) {
    TN_TRY(parse_not(p, ret));
    while (tn_jaccept_name(p, "and")) {
        tn_jnode *right;
        TN_TRY(parse_not(p, &right));
        TN_TRY(binary(p, TN_JN_AND, TN_JT_END, *ret, right, ret));
    }
    return 0;
}

static int parse_or(tn_jparser *p, tn_jnode **ret) {
    TN_TRY(parse_and(p, ret));
    while (tn_jaccept_name(p, "or")) {
        tn_jnode *right;
        TN_TRY(parse_and(p, &right));
        TN_TRY(binary(p, TN_JN_OR, TN_JT_END, *ret, right, ret));
    }
    return 0;
}
