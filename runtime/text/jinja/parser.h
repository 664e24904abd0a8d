/* SPDX-License-Identifier: Apache-2.0 */
/* The parser's state, shared by its parts: operators, primaries, statements. */
#ifndef TN_TEXT_JINJA_PARSER_H
#define TN_TEXT_JINJA_PARSER_H

#include "text/jinja/ast.h"

/* Brackets, operators that nest and blocks inside each other. */
#define TN_JPARSE_NEST_MAX 100

typedef struct tn_jparser {
    tn_jarena *arena;
    const tn_jtokens *tokens;
    size_t at;
    uint32_t nest;
    bool in_loop;                             /* break and continue are allowed */
    bool saw_caller, saw_kwargs, saw_varargs; /* in the macro being parsed */
    tn_error *err;
} tn_jparser;

/* A row under construction. */
typedef struct tn_jrow {
    tn_jnode *first, **end;
    uint32_t n;
} tn_jrow;

static inline const tn_jtoken *tn_jpeek(const tn_jparser *p) {
    return &p->tokens->token[p->at];
}
static inline const tn_jtoken *tn_jpeek2(const tn_jparser *p) {
    return &p->tokens->token[p->at + (p->at + 1 < p->tokens->n)];
}
static inline void tn_jskip(tn_jparser *p) {
    p->at += p->at + 1 < p->tokens->n;
}
/* Whether the token is the name word. */
bool tn_jtoken_is(const tn_jtoken *t, const char *word);
/* Skips the current token if it is of that type, or that name. */
bool tn_jaccept(tn_jparser *p, tn_jtok type);
bool tn_jaccept_name(tn_jparser *p, const char *word);
/* The same or an error. */
int tn_jexpect(tn_jparser *p, tn_jtok type, const char *what);
int tn_jexpect_name(tn_jparser *p, const char *word);
int tn_jidentifier(tn_jparser *p, const char *what, tn_jval *ret);
/* Fails at the current token: "line 3: expected x, got y". */
int tn_junexpected(tn_jparser *p, const char *expected);

int tn_jparse_enter(tn_jparser *p);
static inline void tn_jparse_leave(tn_jparser *p) {
    p->nest--;
}

int tn_jnode_new(tn_jparser *p, tn_jnode_kind kind, tn_jnode **ret);
int tn_jnode_unary(tn_jparser *p, tn_jnode_kind kind, tn_jnode *operand, tn_jnode **ret);
/* Makes child (may be NULL) part of n: keeps n's height. */
int tn_jadopt(tn_jparser *p, tn_jnode *n, tn_jnode *child);
/* Appends to a row that belongs to n. {0} is an empty row. */
int tn_jrow_add(tn_jparser *p, tn_jnode *n, tn_jrow *row, tn_jnode *child);

/* An expression. Without conditional, `a if b else c` must be in brackets. */
int tn_jparse_expression(tn_jparser *p, bool conditional, tn_jnode **ret);
/* The operand of an operator: signs, a primary, what follows it, filters and tests. */
int tn_jparse_unary(tn_jparser *p, tn_jnode **ret);
/* One expression, or several with commas between as a tuple. end_word may end it (or NULL). */
int tn_jparse_tuple(tn_jparser *p, bool conditional, const char *end_word, tn_jnode **ret);
/* What stands left of = and in for: a name, `name.attribute` if ns, or a tuple of those. */
int tn_jparse_target(tn_jparser *p, bool ns, tn_jnode **ret);
/* Filters after an expression: `| a | b(...)`; bare: the first has no bar before it. */
int tn_jparse_filters(tn_jparser *p, tn_jnode *object, bool bare, tn_jnode **ret);
int tn_jparse_call_args(tn_jparser *p, tn_jnode *n, tn_jcall_args *ret);

#endif
