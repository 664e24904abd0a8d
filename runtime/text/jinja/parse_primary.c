/* SPDX-License-Identifier: Apache-2.0 */
/* What operators stand between: names, literals, brackets; then attributes, subscripts and calls; then
 * filters and tests. And targets of assignments, which look like them. */
#include "text/jinja/native.h"
#include "text/jinja/parser.h"

static int parse_signed(tn_jparser *p, bool filters, tn_jnode **ret);

static int constant(tn_jparser *p, tn_jval v, tn_jnode **ret) {
    TN_TRY(tn_jnode_new(p, TN_JN_CONST, ret));
    (*ret)->u.value = v;
    return 0;
}

static bool tuple_ends(tn_jparser *p, const char *end_word) {
    switch (tn_jpeek(p)->type) {
    case TN_JT_VAR_END:
    case TN_JT_BLOCK_END:
    case TN_JT_RPAREN: return true;
    default: return end_word && tn_jtoken_is(tn_jpeek(p), end_word);
    }
}

/* The rest of a tuple whose first item is there, up to what ends it. */
static int parse_tuple_rest(tn_jparser *p, tn_jnode *first, bool conditional, const char *end_word,
                            tn_jnode **ret) {
    tn_jnode *n;
    tn_jrow row = {0};
    TN_TRY(tn_jnode_new(p, TN_JN_TUPLE, &n));
    TN_TRY(tn_jrow_add(p, n, &row, first));
    while (tn_jaccept(p, TN_JT_COMMA) && !tuple_ends(p, end_word)) {
        tn_jnode *item;
        TN_TRY(tn_jparse_expression(p, conditional, &item));
        TN_TRY(tn_jrow_add(p, n, &row, item));
    }
    n->u.list.first = row.first;
    n->n = row.n;
    *ret = n;
    return 0;
}

int tn_jparse_tuple(tn_jparser *p, bool conditional, const char *end_word, tn_jnode **ret) {
    if (tuple_ends(p, end_word)) return tn_junexpected(p, "an expression");
    TN_TRY(tn_jparse_expression(p, conditional, ret));
    if (tn_jpeek(p)->type != TN_JT_COMMA) return 0;
    return parse_tuple_rest(p, *ret, conditional, end_word, ret);
}

static int parse_parenthesis(tn_jparser *p, tn_jnode **ret) {
    if (tn_jaccept(p, TN_JT_RPAREN)) return tn_jnode_new(p, TN_JN_TUPLE, ret);
    TN_TRY(tn_jparse_tuple(p, true, NULL, ret));
    return tn_jexpect(p, TN_JT_RPAREN, "')'");
}

static int parse_list(tn_jparser *p, tn_jnode **ret) {
    tn_jnode *n, *item;
    tn_jrow row = {0};
    TN_TRY(tn_jnode_new(p, TN_JN_LIST, &n));
    while (tn_jpeek(p)->type != TN_JT_RBRACKET) {
        if (row.n) TN_TRY(tn_jexpect(p, TN_JT_COMMA, "',' or ']'"));
        if (tn_jpeek(p)->type == TN_JT_RBRACKET) break;
        TN_TRY(tn_jparse_expression(p, true, &item));
        TN_TRY(tn_jrow_add(p, n, &row, item));
    }
    tn_jskip(p);
    n->u.list.first = row.first;
    n->n = row.n;
    *ret = n;
    return 0;
}

static int parse_dict(tn_jparser *p, tn_jnode **ret) {
    tn_jnode *n, *item;
    tn_jrow row = {0};
    TN_TRY(tn_jnode_new(p, TN_JN_DICT, &n));
    while (tn_jpeek(p)->type != TN_JT_RBRACE) {
        if (row.n) TN_TRY(tn_jexpect(p, TN_JT_COMMA, "',' or '}'"));
        if (tn_jpeek(p)->type == TN_JT_RBRACE) break;
        TN_TRY(tn_jparse_expression(p, true, &item));
        TN_TRY(tn_jrow_add(p, n, &row, item));
        TN_TRY(tn_jexpect(p, TN_JT_COLON, "':'"));
        TN_TRY(tn_jparse_expression(p, true, &item));
        TN_TRY(tn_jrow_add(p, n, &row, item));
    }
    tn_jskip(p);
    n->u.list.first = row.first;
    n->n = row.n / 2;
    *ret = n;
    return 0;
}

static int parse_name(tn_jparser *p, tn_jnode **ret) {
    static const struct {
        const char *word;
        tn_jtype type;
        bool b;
    } constants[] = {{"true", TN_J_BOOL, true},   {"True", TN_J_BOOL, true},  {"false", TN_J_BOOL, false},
                     {"False", TN_J_BOOL, false}, {"none", TN_J_NONE, false}, {"None", TN_J_NONE, false}};
    for (size_t i = 0; i < sizeof constants / sizeof *constants; i++)
        if (tn_jaccept_name(p, constants[i].word))
            return constant(p, constants[i].type == TN_J_NONE ? tn_jnone() : tn_jbool(constants[i].b), ret);
    p->saw_caller |= tn_jtoken_is(tn_jpeek(p), "caller");
    p->saw_kwargs |= tn_jtoken_is(tn_jpeek(p), "kwargs");
    p->saw_varargs |= tn_jtoken_is(tn_jpeek(p), "varargs");
    TN_TRY(tn_jnode_new(p, TN_JN_NAME, ret));
    return tn_jidentifier(p, "a name", &(*ret)->u.name);
}

/* Strings in a row are one string. */
static int parse_strings(tn_jparser *p, tn_jnode **ret) {
    size_t begin = p->at, n = 0;
    tn_jval v = tn_jpeek(p)->value;
    while (tn_jpeek(p)->type == TN_JT_STRING) {
        n += tn_jpeek(p)->value.len;
        tn_jskip(p);
    }
    if (p->at - begin > 1) {
        char *text = tn_jarena_alloc(p->arena, n + 1);
        if (!text) return tn_fail(p->err, p->arena->status, "template too large");
        v = tn_jstring(text, n);
        for (size_t i = begin; i < p->at; i++) {
            const tn_jval *part = &p->tokens->token[i].value;
            if (part->len) memcpy(text, part->u.s, part->len);
            text += part->len;
        }
    }
    return constant(p, v, ret);
}

static int parse_primary(tn_jparser *p, tn_jnode **ret) {
    const tn_jtoken *t = tn_jpeek(p);
    switch (t->type) {
    case TN_JT_NAME: return parse_name(p, ret);
    case TN_JT_STRING: return parse_strings(p, ret);
    case TN_JT_INT:
    case TN_JT_FLOAT: tn_jskip(p); return constant(p, t->value, ret);
    case TN_JT_LPAREN: tn_jskip(p); return parse_parenthesis(p, ret);
    case TN_JT_LBRACKET: tn_jskip(p); return parse_list(p, ret);
    case TN_JT_LBRACE: tn_jskip(p); return parse_dict(p, ret);
    default: return tn_junexpected(p, "an expression");
    }
}

/* One part of [a, b:c, ...]. */
static int parse_subscribed(tn_jparser *p, tn_jnode **ret) {
    tn_jnode *part[3] = {NULL, NULL, NULL}, *n;
    size_t i = 0;
    for (;; i++) {
        tn_jtok type = tn_jpeek(p)->type;
        if (type != TN_JT_COLON && type != TN_JT_RBRACKET && type != TN_JT_COMMA)
            TN_TRY(tn_jparse_expression(p, true, &part[i]));
        if (i == 2 || !tn_jaccept(p, TN_JT_COLON)) break;
    }
    if (i == 0) {
        *ret = part[0];
        return *ret ? 0 : tn_junexpected(p, "an expression");
    }
    TN_TRY(tn_jnode_new(p, TN_JN_SLICE, &n));
    n->u.slice.start = part[0];
    n->u.slice.stop = part[1];
    n->u.slice.step = part[2];
    for (i = 0; i < 3; i++) TN_TRY(tn_jadopt(p, n, part[i]));
    *ret = n;
    return 0;
}

static int parse_subscript(tn_jparser *p, tn_jnode *object, tn_jnode **ret) {
    tn_jnode *n, *index;
    TN_TRY(tn_jnode_new(p, TN_JN_ITEM, &n));
    TN_TRY(parse_subscribed(p, &index));
    if (tn_jpeek(p)->type == TN_JT_COMMA) {
        tn_jrow row = {0};
        tn_jnode *tuple, *part = index;
        TN_TRY(tn_jnode_new(p, TN_JN_TUPLE, &tuple));
        TN_TRY(tn_jrow_add(p, tuple, &row, part));
        while (tn_jaccept(p, TN_JT_COMMA)) {
            TN_TRY(parse_subscribed(p, &part));
            TN_TRY(tn_jrow_add(p, tuple, &row, part));
        }
        tuple->u.list.first = row.first;
        tuple->n = row.n;
        index = tuple;
    }
    TN_TRY(tn_jexpect(p, TN_JT_RBRACKET, "']'"));
    n->u.item.object = object;
    n->u.item.index = index;
    TN_TRY(tn_jadopt(p, n, object));
    *ret = n;
    return tn_jadopt(p, n, index);
}

static int parse_dot(tn_jparser *p, tn_jnode *object, tn_jnode **ret) {
    tn_jnode *n;
    const tn_jtoken *t = tn_jpeek(p);
    if (t->type == TN_JT_INT) {
        TN_TRY(tn_jnode_new(p, TN_JN_ITEM, &n));
        tn_jskip(p);
        n->u.item.object = object;
        TN_TRY(constant(p, t->value, &n->u.item.index));
        TN_TRY(tn_jadopt(p, n, n->u.item.index));
    } else {
        TN_TRY(tn_jnode_new(p, TN_JN_ATTR, &n));
        n->u.attr.object = object;
        TN_TRY(tn_jidentifier(p, "a name or number after '.'", &n->u.attr.name));
    }
    *ret = n;
    return tn_jadopt(p, n, object);
}

static int parse_keyword(tn_jparser *p, tn_jnode **ret) {
    TN_TRY(tn_jnode_new(p, TN_JN_KEYWORD, ret));
    TN_TRY(tn_jidentifier(p, "a name", &(*ret)->u.keyword.name));
    tn_jskip(p);
    TN_TRY(tn_jparse_expression(p, true, &(*ret)->u.keyword.value));
    return tn_jadopt(p, *ret, (*ret)->u.keyword.value);
}

/* One argument, into args or the rows. */
static int parse_argument(tn_jparser *p, tn_jnode *n, tn_jcall_args *args, tn_jrow *positional,
                          tn_jrow *keyword) {
    tn_jnode *arg;
    if (tn_jaccept(p, TN_JT_MUL)) {
        if (args->star || args->star_star) return tn_junexpected(p, "one * before **");
        TN_TRY(tn_jparse_expression(p, true, &args->star));
        return tn_jadopt(p, n, args->star);
    }
    if (tn_jaccept(p, TN_JT_POW)) {
        if (args->star_star) return tn_junexpected(p, "one **");
        TN_TRY(tn_jparse_expression(p, true, &args->star_star));
        return tn_jadopt(p, n, args->star_star);
    }
    if (tn_jpeek(p)->type == TN_JT_NAME && tn_jpeek2(p)->type == TN_JT_ASSIGN) {
        if (args->star_star) return tn_junexpected(p, "** as the last argument");
        TN_TRY(parse_keyword(p, &arg));
        return tn_jrow_add(p, n, keyword, arg);
    }
    if (keyword->n || args->star || args->star_star)
        return tn_junexpected(p, "a named argument after named ones");
    TN_TRY(tn_jparse_expression(p, true, &arg));
    return tn_jrow_add(p, n, positional, arg);
}

int tn_jparse_call_args(tn_jparser *p, tn_jnode *n, tn_jcall_args *ret) {
    tn_jrow positional = {0}, keyword = {0};
    bool first = true;
    *ret = (tn_jcall_args){0};
    TN_TRY(tn_jexpect(p, TN_JT_LPAREN, "'('"));
    while (tn_jpeek(p)->type != TN_JT_RPAREN) {
        if (!first) TN_TRY(tn_jexpect(p, TN_JT_COMMA, "',' or ')'"));
        if (tn_jpeek(p)->type == TN_JT_RPAREN) break;
        TN_TRY(parse_argument(p, n, ret, &positional, &keyword));
        first = false;
    }
    tn_jskip(p);
    ret->positional = positional.first;
    ret->keyword = keyword.first;
    ret->n_positional = positional.n;
    ret->n_keyword = keyword.n;
    return 0;
}

static int parse_call(tn_jparser *p, tn_jnode *object, tn_jnode **ret) {
    tn_jnode *n;
    TN_TRY(tn_jnode_new(p, TN_JN_CALL, &n));
    n->u.call.object = object;
    TN_TRY(tn_jadopt(p, n, object));
    *ret = n;
    return tn_jparse_call_args(p, n, &n->u.call.args);
}

/* Attributes, subscripts and calls after an expression. */
static int parse_postfix(tn_jparser *p, tn_jnode **io) {
    for (;;) {
        if (tn_jpeek(p)->type == TN_JT_LPAREN)
            TN_TRY(parse_call(p, *io, io));
        else if (tn_jaccept(p, TN_JT_DOT))
            TN_TRY(parse_dot(p, *io, io));
        else if (tn_jaccept(p, TN_JT_LBRACKET))
            TN_TRY(parse_subscript(p, *io, io));
        else
            return 0;
    }
}

/* A filter's or test's name. None of ours has dots in it. */
static int parse_native_name(tn_jparser *p, tn_jval *ret) {
    TN_TRY(tn_jidentifier(p, "the name of a filter or test", ret));
    return tn_jpeek(p)->type == TN_JT_DOT ? tn_junexpected(p, "a filter or test without dots in its name")
                                          : 0;
}

static int parse_filter(tn_jparser *p, tn_jnode *object, tn_jnode **ret) {
    tn_jnode *n;
    TN_TRY(tn_jnode_new(p, TN_JN_FILTER, &n));
    n->u.call.object = object;
    TN_TRY(tn_jadopt(p, n, object));
    TN_TRY(parse_native_name(p, &n->u.call.name));
    n->u.call.native = tn_jfilter_find(n->u.call.name);
    *ret = n;
    return tn_jpeek(p)->type == TN_JT_LPAREN ? tn_jparse_call_args(p, n, &n->u.call.args) : 0;
}

int tn_jparse_filters(tn_jparser *p, tn_jnode *object, bool bare, tn_jnode **ret) {
    *ret = object;
    while (bare || tn_jaccept(p, TN_JT_PIPE)) {
        bare = false;
        TN_TRY(parse_filter(p, *ret, ret));
    }
    return 0;
}

/* Whether a test's argument may follow without brackets: `is divisibleby 3`. */
static bool bare_argument(tn_jparser *p) {
    const tn_jtoken *t = tn_jpeek(p);
    switch (t->type) {
    case TN_JT_NAME: return !tn_jtoken_is(t, "else") && !tn_jtoken_is(t, "or") && !tn_jtoken_is(t, "and");
    case TN_JT_STRING:
    case TN_JT_INT:
    case TN_JT_FLOAT:
    case TN_JT_LBRACKET:
    case TN_JT_LBRACE: return true;
    default: return false;
    }
}

static int parse_test(tn_jparser *p, tn_jnode *object, tn_jnode **ret) {
    tn_jnode *n;
    TN_TRY(tn_jnode_new(p, TN_JN_TEST, &n));
    n->u.call.object = object;
    TN_TRY(tn_jadopt(p, n, object));
    n->u.call.negated = tn_jaccept_name(p, "not");
    TN_TRY(parse_native_name(p, &n->u.call.name));
    n->u.call.native = tn_jtest_find(n->u.call.name);
    *ret = n;
    if (tn_jpeek(p)->type == TN_JT_LPAREN) return tn_jparse_call_args(p, n, &n->u.call.args);
    if (!bare_argument(p)) return 0;
    if (tn_jtoken_is(tn_jpeek(p), "is")) return tn_junexpected(p, "one test at a time");
    tn_jnode *arg;
    tn_jrow row = {0};
    TN_TRY(tn_jparse_enter(p));
    TN_TRY(parse_primary(p, &arg));
    TN_TRY(parse_postfix(p, &arg));
    tn_jparse_leave(p);
    TN_TRY(tn_jrow_add(p, n, &row, arg));
    n->u.call.args.positional = arg;
    n->u.call.args.n_positional = 1;
    return 0;
}

/* Filters, tests, and calls of what those gave. */
static int parse_suffixes(tn_jparser *p, tn_jnode **io) {
    for (;;) {
        if (tn_jpeek(p)->type == TN_JT_PIPE)
            TN_TRY(tn_jparse_filters(p, *io, false, io));
        else if (tn_jaccept_name(p, "is"))
            TN_TRY(parse_test(p, *io, io));
        else if (tn_jpeek(p)->type == TN_JT_LPAREN)
            TN_TRY(parse_call(p, *io, io));
        else
            return 0;
    }
}

static int parse_sign(tn_jparser *p, tn_jnode **ret) {
    bool minus = tn_jpeek(p)->type == TN_JT_SUB;
    tn_jnode *operand;
    tn_jskip(p);
    TN_TRY(tn_jparse_enter(p));
    TN_TRY(parse_signed(p, false, &operand));
    tn_jparse_leave(p);
    return tn_jnode_unary(p, minus ? TN_JN_NEG : TN_JN_POS, operand, ret);
}

static int parse_signed(tn_jparser *p, bool filters, tn_jnode **ret) {
    tn_jtok type = tn_jpeek(p)->type;
    if (type == TN_JT_SUB || type == TN_JT_ADD)
        TN_TRY(parse_sign(p, ret));
    else
        TN_TRY(parse_primary(p, ret));
    TN_TRY(parse_postfix(p, ret));
    return filters ? parse_suffixes(p, ret) : 0;
}

int tn_jparse_unary(tn_jparser *p, tn_jnode **ret) {
    return parse_signed(p, true, ret);
}

static int parse_simple_target(tn_jparser *p, bool ns, tn_jnode **ret) {
    const tn_jtoken *t = tn_jpeek(p);
    if (tn_jaccept(p, TN_JT_LPAREN)) {
        TN_TRY(tn_jparse_enter(p));
        TN_TRY(tn_jparse_target(p, ns, ret));
        tn_jparse_leave(p);
        return tn_jexpect(p, TN_JT_RPAREN, "')'");
    }
    if (t->type != TN_JT_NAME) return tn_junexpected(p, "a name to assign to");
    TN_TRY(parse_name(p, ret));
    if ((*ret)->kind != TN_JN_NAME)
        return tn_fail(p->err, TN_EFORMAT, "line %u: cannot assign to a constant", t->line);
    if (!ns || !tn_jaccept(p, TN_JT_DOT)) return 0;
    tn_jnode *n;
    TN_TRY(tn_jnode_new(p, TN_JN_NSREF, &n));
    n->u.attr.object = *ret;
    TN_TRY(tn_jadopt(p, n, *ret));
    *ret = n;
    return tn_jidentifier(p, "a name after '.'", &n->u.attr.name);
}

int tn_jparse_target(tn_jparser *p, bool ns, tn_jnode **ret) {
    tn_jnode *n, *item;
    tn_jrow row = {0};
    TN_TRY(parse_simple_target(p, ns, ret));
    if (tn_jpeek(p)->type != TN_JT_COMMA) return 0;
    TN_TRY(tn_jnode_new(p, TN_JN_TUPLE, &n));
    TN_TRY(tn_jrow_add(p, n, &row, *ret));
    while (tn_jaccept(p, TN_JT_COMMA)) {
        tn_jtok type = tn_jpeek(p)->type;
        if (type != TN_JT_NAME && type != TN_JT_LPAREN) break;
        if (tn_jtoken_is(tn_jpeek(p), "in")) break;
        TN_TRY(parse_simple_target(p, ns, &item));
        TN_TRY(tn_jrow_add(p, n, &row, item));
    }
    n->u.list.first = row.first;
    n->n = row.n;
    *ret = n;
    return 0;
}
