/* SPDX-License-Identifier: Apache-2.0 */
/* Statements: text, {{ }} and {% %}. */
#include "text/jinja/chars.h"
#include "text/jinja/parser.h"

/* Statements up to a tag with one of the words of `ends` ("elif else endif"), which stays the current token.
 */
static int parse_body(tn_jparser *p, const char *ends, tn_jnode *owner, tn_jnode **ret);

/* Whether the current name is among the words. */
static bool at_word(const tn_jparser *p, const char *words) {
    const tn_jtoken *t = tn_jpeek(p);
    if (t->type != TN_JT_NAME) return false;
    for (const char *w = words; *w;) {
        size_t n = strcspn(w, " ");
        if (n == t->value.len && memcmp(w, t->value.u.s, n) == 0) return true;
        w += n + (w[n] == ' ');
    }
    return false;
}

static int end_tag(tn_jparser *p) {
    return tn_jexpect(p, TN_JT_BLOCK_END, "'%}'");
}

/* "%} ... {% end %}": the end's "%}" is left for the caller. */
static int parse_block_body(tn_jparser *p, const char *end, tn_jnode *owner, tn_jnode **ret) {
    TN_TRY(end_tag(p));
    TN_TRY(parse_body(p, end, owner, ret));
    return tn_jexpect_name(p, end);
}

/* The branches after if or elif; an elif becomes an if in the else branch. That nests as deep as there are
 * branches, so they are linked here in a loop and their height is counted once. */
static int parse_if(tn_jparser *p, tn_jnode **ret) {
    tn_jnode *first, *n;
    TN_TRY(tn_jnode_new(p, TN_JN_IF, &first));
    for (n = first;;) {
        TN_TRY(tn_jparse_tuple(p, false, NULL, &n->u.branch.test));
        TN_TRY(tn_jadopt(p, first, n->u.branch.test));
        TN_TRY(end_tag(p));
        TN_TRY(parse_body(p, "elif else endif", first, &n->u.branch.yes));
        if (!tn_jaccept_name(p, "elif")) break;
        TN_TRY(tn_jnode_new(p, TN_JN_IF, &n->u.branch.no));
        n = n->u.branch.no;
        n->n = 1;
    }
    if (tn_jaccept_name(p, "else")) {
        TN_TRY(end_tag(p));
        TN_TRY(parse_body(p, "endif", first, &n->u.branch.no));
    }
    *ret = first;
    return tn_jexpect_name(p, "endif");
}

static int parse_loop_body(tn_jparser *p, tn_jnode *n) {
    bool outer = p->in_loop;
    TN_TRY(end_tag(p));
    p->in_loop = true;
    TN_TRY(parse_body(p, "else endfor", n, &n->u.loop.body));
    p->in_loop = outer;
    if (tn_jaccept_name(p, "else")) {
        TN_TRY(end_tag(p));
        TN_TRY(parse_body(p, "endfor", n, &n->u.loop.otherwise));
    }
    return tn_jexpect_name(p, "endfor");
}

static int parse_for(tn_jparser *p, tn_jnode **ret) {
    tn_jnode *n;
    TN_TRY(tn_jnode_new(p, TN_JN_FOR, &n));
    TN_TRY(tn_jparse_target(p, false, &n->u.loop.target));
    TN_TRY(tn_jadopt(p, n, n->u.loop.target));
    TN_TRY(tn_jexpect_name(p, "in"));
    TN_TRY(tn_jparse_tuple(p, false, "recursive", &n->u.loop.items));
    TN_TRY(tn_jadopt(p, n, n->u.loop.items));
    if (tn_jaccept_name(p, "if")) {
        TN_TRY(tn_jparse_expression(p, true, &n->u.loop.filter));
        TN_TRY(tn_jadopt(p, n, n->u.loop.filter));
    }
    n->u.loop.recursive = tn_jaccept_name(p, "recursive");
    *ret = n;
    return parse_loop_body(p, n);
}

/* A body that runs as a function of its own: break and continue of a loop around it do not reach in. */
static int parse_function_body(tn_jparser *p, const char *end, tn_jnode *owner, tn_jnode **ret) {
    bool in_loop = p->in_loop;
    p->in_loop = false;
    TN_TRY(parse_block_body(p, end, owner, ret));
    p->in_loop = in_loop;
    return 0;
}

static int parse_set(tn_jparser *p, tn_jnode **ret) {
    tn_jnode *n;
    TN_TRY(tn_jnode_new(p, TN_JN_SET, &n));
    *ret = n;
    TN_TRY(tn_jparse_target(p, true, &n->u.set.target));
    TN_TRY(tn_jadopt(p, n, n->u.set.target));
    if (tn_jaccept(p, TN_JT_ASSIGN)) {
        TN_TRY(tn_jparse_tuple(p, true, NULL, &n->u.set.value));
        return tn_jadopt(p, n, n->u.set.value);
    }
    n->kind = TN_JN_SET_BLOCK;
    TN_TRY(tn_jparse_filters(p, NULL, false, &n->u.set.value));
    TN_TRY(tn_jadopt(p, n, n->u.set.value));
    return parse_function_body(p, "endset", n, &n->u.set.body);
}

static int parse_filter_block(tn_jparser *p, tn_jnode **ret) {
    tn_jnode *n;
    TN_TRY(tn_jnode_new(p, TN_JN_FILTER_BLOCK, &n));
    *ret = n;
    TN_TRY(tn_jparse_filters(p, NULL, true, &n->u.set.value));
    TN_TRY(tn_jadopt(p, n, n->u.set.value));
    return parse_function_body(p, "endfilter", n, &n->u.set.body);
}

static int parse_with(tn_jparser *p, tn_jnode **ret) {
    tn_jnode *n, *part;
    tn_jrow targets = {0}, values = {0};
    TN_TRY(tn_jnode_new(p, TN_JN_WITH, &n));
    while (tn_jpeek(p)->type != TN_JT_BLOCK_END) {
        if (targets.n) TN_TRY(tn_jexpect(p, TN_JT_COMMA, "',' or '%}'"));
        TN_TRY(tn_jnode_new(p, TN_JN_NAME, &part));
        TN_TRY(tn_jidentifier(p, "a name", &part->u.name));
        TN_TRY(tn_jrow_add(p, n, &targets, part));
        TN_TRY(tn_jexpect(p, TN_JT_ASSIGN, "'='"));
        TN_TRY(tn_jparse_expression(p, true, &part));
        TN_TRY(tn_jrow_add(p, n, &values, part));
    }
    n->u.with.targets = targets.first;
    n->u.with.values = values.first;
    *ret = n;
    return parse_block_body(p, "endwith", n, &n->u.with.body);
}

static int parse_signature(tn_jparser *p, tn_jnode *n, tn_jsignature *ret) {
    tn_jrow params = {0}, defaults = {0};
    tn_jnode *part;
    TN_TRY(tn_jexpect(p, TN_JT_LPAREN, "'('"));
    while (tn_jpeek(p)->type != TN_JT_RPAREN) {
        if (params.n) TN_TRY(tn_jexpect(p, TN_JT_COMMA, "',' or ')'"));
        TN_TRY(tn_jnode_new(p, TN_JN_NAME, &part));
        TN_TRY(tn_jidentifier(p, "the name of a parameter", &part->u.name));
        TN_TRY(tn_jrow_add(p, n, &params, part));
        if (tn_jaccept(p, TN_JT_ASSIGN)) {
            TN_TRY(tn_jparse_expression(p, true, &part));
            TN_TRY(tn_jrow_add(p, n, &defaults, part));
        } else if (defaults.n) {
            return tn_junexpected(p, "a default for this parameter too");
        }
    }
    tn_jskip(p);
    *ret = (tn_jsignature){
        .params = params.first, .defaults = defaults.first, .n_params = params.n, .n_defaults = defaults.n};
    return 0;
}

static bool has_param(const tn_jsignature *signature, const char *name) {
    for (const tn_jnode *p = signature->params; p; p = p->next)
        if (tn_jstring_is(p->u.name, name)) return true;
    return false;
}

/* The body of a macro or call block, noting which of caller, kwargs and varargs it mentions. What an inner
 * one mentions counts for the outer one as well. */
static int parse_macro_body(tn_jparser *p, const char *end, tn_jnode *n, tn_jsignature *signature,
                            tn_jnode **ret) {
    bool caller = p->saw_caller, kwargs = p->saw_kwargs, varargs = p->saw_varargs;
    p->saw_caller = p->saw_kwargs = p->saw_varargs = false;
    TN_TRY(parse_function_body(p, end, n, ret));
    signature->caller = p->saw_caller && !has_param(signature, "caller");
    signature->catch_kwargs = p->saw_kwargs && !has_param(signature, "kwargs");
    signature->catch_varargs = p->saw_varargs && !has_param(signature, "varargs");
    p->saw_caller |= caller;
    p->saw_kwargs |= kwargs;
    p->saw_varargs |= varargs;
    return 0;
}

static int parse_macro(tn_jparser *p, tn_jnode **ret) {
    tn_jnode *n;
    TN_TRY(tn_jnode_new(p, TN_JN_MACRO, &n));
    TN_TRY(tn_jidentifier(p, "the name of the macro", &n->u.macro.name));
    TN_TRY(parse_signature(p, n, &n->u.macro.signature));
    *ret = n;
    return parse_macro_body(p, "endmacro", n, &n->u.macro.signature, &n->u.macro.body);
}

static int parse_call_block(tn_jparser *p, tn_jnode **ret) {
    tn_jnode *n;
    TN_TRY(tn_jnode_new(p, TN_JN_CALL_BLOCK, &n));
    if (tn_jpeek(p)->type == TN_JT_LPAREN) TN_TRY(parse_signature(p, n, &n->u.call_block.signature));
    tn_jsignature *signature = &n->u.call_block.signature;
    TN_TRY(tn_jparse_expression(p, true, &n->u.call_block.call));
    TN_TRY(tn_jadopt(p, n, n->u.call_block.call));
    if (n->u.call_block.call->kind != TN_JN_CALL) return tn_junexpected(p, "a call");
    *ret = n;
    return parse_macro_body(p, "endcall", n, signature, &n->u.call_block.body);
}

/* A body with variables of its own and nothing else to it. */
static int parse_scope(tn_jparser *p, const char *end, tn_jnode **ret) {
    TN_TRY(tn_jnode_new(p, TN_JN_SCOPE, ret));
    return parse_function_body(p, end, *ret, &(*ret)->u.set.body);
}

static int parse_block(tn_jparser *p, tn_jnode **ret) {
    const tn_jtoken *name = tn_jpeek(p);
    TN_TRY(tn_jexpect(p, TN_JT_NAME, "the name of the block"));
    while (tn_jaccept_name(p, "scoped") || tn_jaccept_name(p, "required")) continue;
    TN_TRY(parse_scope(p, "endblock", ret));
    const tn_jtoken *t = tn_jpeek(p);
    if (t->type == TN_JT_NAME && t->value.len == name->value.len &&
        !memcmp(t->value.u.s, name->value.u.s, t->value.len))
        tn_jskip(p);
    return 0;
}

static int parse_autoescape(tn_jparser *p, tn_jnode **ret) {
    tn_jnode *on;
    TN_TRY(tn_jparse_expression(p, true, &on));
    if (on->kind != TN_JN_CONST || tn_jtruth(on->u.value))
        return tn_fail(p->err, TN_ENOTSUP,
                       "line %u: autoescape is not supported, only {%% autoescape false %%}", on->line);
    TN_TRY(tn_jnode_new(p, TN_JN_SCOPE, ret));
    return parse_block_body(p, "endautoescape", *ret, &(*ret)->u.set.body);
}

static int parse_output(tn_jparser *p, tn_jnode **ret) {
    TN_TRY(tn_jnode_new(p, TN_JN_OUTPUT, ret));
    TN_TRY(tn_jparse_tuple(p, true, NULL, &(*ret)->u.unary.operand));
    return tn_jadopt(p, *ret, (*ret)->u.unary.operand);
}

/* {% print a, b %} writes one after the other, {{ a, b }} a tuple. */
static int parse_print(tn_jparser *p, tn_jnode **ret) {
    tn_jnode *all, *part;
    tn_jrow row = {0};
    TN_TRY(tn_jnode_new(p, TN_JN_OUTPUT, ret));
    TN_TRY(tn_jnode_new(p, TN_JN_CONCAT, &all));
    while (tn_jpeek(p)->type != TN_JT_BLOCK_END) {
        if (row.n) TN_TRY(tn_jexpect(p, TN_JT_COMMA, "',' or '%}'"));
        TN_TRY(tn_jparse_expression(p, true, &part));
        TN_TRY(tn_jrow_add(p, all, &row, part));
    }
    all->u.list.first = row.first;
    all->n = row.n;
    (*ret)->u.unary.operand = all;
    return tn_jadopt(p, *ret, all);
}

static int parse_jump(tn_jparser *p, tn_jnode_kind kind, tn_jnode **ret) {
    if (!p->in_loop)
        return tn_fail(p->err, TN_EFORMAT, "line %u: %s outside a loop", tn_jpeek(p)->line,
                       kind == TN_JN_BREAK ? "break" : "continue");
    return tn_jnode_new(p, kind, ret);
}

/* The statement whose word was just skipped. */
static int parse_tag(tn_jparser *p, const tn_jtoken *word, tn_jnode **ret) {
    static const struct {
        const char *word;
        int (*parse)(tn_jparser *p, tn_jnode **ret);
    } tags[] = {{"if", parse_if},       {"for", parse_for},         {"set", parse_set},
                {"macro", parse_macro}, {"call", parse_call_block}, {"filter", parse_filter_block},
                {"with", parse_with},   {"block", parse_block},     {"autoescape", parse_autoescape},
                {"print", parse_print}};
    for (size_t i = 0; i < sizeof tags / sizeof *tags; i++)
        if (tn_jtoken_is(word, tags[i].word)) return tags[i].parse(p, ret);
    if (tn_jtoken_is(word, "break")) return parse_jump(p, TN_JN_BREAK, ret);
    if (tn_jtoken_is(word, "continue")) return parse_jump(p, TN_JN_CONTINUE, ret);
    if (tn_jtoken_is(word, "generation")) return parse_scope(p, "endgeneration", ret);
    int n = tn_jcut(word->value, 40);
    if (tn_jtoken_is(word, "include") || tn_jtoken_is(word, "import") || tn_jtoken_is(word, "from") ||
        tn_jtoken_is(word, "extends"))
        return tn_fail(p->err, TN_ENOTSUP,
                       "line %u: {%% %.*s %%} is not supported: a chat template is one file", word->line, n,
                       word->value.u.s);
    p->at--;
    return tn_junexpected(p, "a statement (or the end of the block it stands in)");
}

static int parse_statement(tn_jparser *p, tn_jnode **ret) {
    const tn_jtoken *word = tn_jpeek(p);
    TN_TRY(tn_jexpect(p, TN_JT_NAME, "a statement"));
    TN_TRY(tn_jparse_enter(p));
    TN_TRY(parse_tag(p, word, ret));
    tn_jparse_leave(p);
    return end_tag(p);
}

static int parse_part(tn_jparser *p, tn_jnode **ret) {
    const tn_jtoken *t = tn_jpeek(p);
    if (t->type == TN_JT_DATA) {
        TN_TRY(tn_jnode_new(p, TN_JN_DATA, ret));
        (*ret)->u.value = t->value;
        tn_jskip(p);
        return 0;
    }
    if (t->type == TN_JT_VAR_BEGIN) {
        tn_jskip(p);
        TN_TRY(parse_output(p, ret));
        return tn_jexpect(p, TN_JT_VAR_END, "'}}'");
    }
    return parse_statement(p, ret);
}

static int parse_body(tn_jparser *p, const char *ends, tn_jnode *owner, tn_jnode **ret) {
    tn_jrow row = {0};
    while (tn_jpeek(p)->type != TN_JT_END) {
        tn_jnode *n;
        if (tn_jaccept(p, TN_JT_BLOCK_BEGIN) && at_word(p, ends)) break;
        TN_TRY(parse_part(p, &n));
        TN_TRY(tn_jrow_add(p, owner, &row, n));
    }
    if (tn_jpeek(p)->type == TN_JT_END && *ends) return tn_junexpected(p, ends);
    *ret = row.first;
    return 0;
}

int tn_jparse(tn_jarena *arena, const tn_jtokens *tokens, tn_jnode **ret_body, tn_error *err) {
    tn_jparser p = {.arena = arena, .tokens = tokens, .err = err};
    tn_jnode root = {.height = 1};
    return parse_body(&p, "", &root, ret_body);
}
