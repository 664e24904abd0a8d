/* SPDX-License-Identifier: Apache-2.0 */
/* Statements and variables. */
#include "text/jinja/chars.h"
#include "text/jinja/eval.h"
#include "text/jinja/ops.h"

int tn_jscope_new(tn_jrun *r, tn_jscope *outer, tn_jscope **ret) {
    *ret = tn_jzalloc(r, sizeof **ret);
    if (!*ret) return tn_jnomem(r);
    (*ret)->outer = outer;
    return 0;
}

static bool same_name(tn_jval a, tn_jval b) {
    return a.len == b.len && (a.u.s == b.u.s || memcmp(a.u.s, b.u.s, a.len) == 0);
}

int tn_jscope_set(tn_jrun *r, tn_jscope *scope, tn_jval name, tn_jval value) {
    size_t n = 0;
    for (tn_jbinding *b = scope->first; b; b = b->next, n++)
        if (same_name(b->name, name)) {
            b->value = value;
            return 0;
        }
    tn_jbinding *b = scope->spare;
    if (b)
        scope->spare = b->next;
    else if (!(b = tn_jalloc(r, sizeof *b)))
        return tn_jnomem(r);
    *b = (tn_jbinding){scope->first, name, value};
    scope->first = b;
    return tn_jsteps(r, n / 16);
}

int tn_jlookup(tn_jrun *r, tn_jval name, tn_jval *ret) {
    size_t n = 0;
    for (const tn_jscope *s = r->scope; s; s = s->outer)
        for (const tn_jbinding *b = s->first; b; b = b->next, n++)
            if (same_name(b->name, name)) {
                *ret = b->value;
                return tn_jsteps(r, n / 16);
            }
    TN_TRY(tn_jdict_get(r, r->vars, name, ret));
    if (ret->type != TN_J_ABSENT) return 0;
    const tn_jnative *global = tn_jglobal_find(name);
    if (global)
        *ret = (tn_jval){.type = TN_J_FUNCTION, .u.function = global};
    else
        *ret = tn_jundefined(TN_J_UNDEF_NAME, TN_J_UNDEFINED, name.u.s, name.len);
    return tn_jsteps(r, n / 16);
}

static TN_JASIDE int assign_attr(tn_jrun *r, const tn_jnode *target, tn_jval v) {
    tn_jval object, name = target->u.attr.object->u.name;
    TN_TRY(tn_jlookup(r, name, &object));
    if (object.type != TN_J_NAMESPACE)
        return tn_jfail(r, TN_EINVAL, "cannot assign to an attribute of '%.*s': it is no namespace",
                        tn_jcut(name, 40), name.u.s);
    return tn_jdict_set(r, object.u.dict, target->u.attr.name, v);
}

static TN_JASIDE int assign_tuple(tn_jrun *r, const tn_jnode *target, tn_jval v) {
    tn_jlist list;
    if (v.type == TN_J_UNDEFINED) return tn_jundefined_error(r, v);
    TN_TRY(tn_jiterate(r, v, &list));
    if (list.n != target->n)
        return tn_jfail(r, TN_EINVAL, "%s values to unpack (expected %u, got %zu)",
                        list.n > target->n ? "too many" : "not enough", target->n, list.n);
    size_t i = 0;
    for (const tn_jnode *t = target->u.list.first; t; t = t->next) TN_TRY(tn_jassign(r, t, list.item[i++]));
    return 0;
}

int tn_jassign(tn_jrun *r, const tn_jnode *target, tn_jval v) {
    switch (target->kind) {
    case TN_JN_NAME: return tn_jscope_set(r, r->scope, target->u.name, v);
    case TN_JN_NSREF: return assign_attr(r, target, v);
    default: return assign_tuple(r, target, v);
    }
}

int tn_jcapture(tn_jrun *r, const tn_jnode *row, tn_jscope *scope, tn_jval *ret) {
    tn_jsink sink = {0}, *out = r->out;
    tn_jscope *outer = r->scope;
    r->out = &sink;
    r->scope = scope;
    int rc = tn_jexec(r, row);
    r->out = out;
    r->scope = outer;
    *ret = tn_jsink_value(&sink);
    return rc;
}

static int capture_inside(tn_jrun *r, const tn_jnode *row, tn_jval *ret) {
    tn_jscope *scope;
    TN_TRY(tn_jscope_new(r, r->scope, &scope));
    return tn_jcapture(r, row, scope, ret);
}

static TN_JASIDE int exec_output(tn_jrun *r, const tn_jnode *n) {
    tn_jval v;
    TN_TRY(tn_jeval(r, n->u.unary.operand, &v));
    return tn_jwrite_str(r, r->out, v);
}

static TN_JASIDE int exec_if(tn_jrun *r, const tn_jnode *n) {
    for (;;) {
        tn_jval test;
        TN_TRY(tn_jeval(r, n->u.branch.test, &test));
        if (tn_jtruth(test)) return tn_jexec(r, n->u.branch.yes);
        const tn_jnode *no = n->u.branch.no;
        if (!no || no->kind != TN_JN_IF || !no->n) return tn_jexec(r, no);
        n = no;
    }
}

static TN_JASIDE int exec_set(tn_jrun *r, const tn_jnode *n) {
    tn_jval v;
    if (n->kind == TN_JN_SET) {
        TN_TRY(tn_jeval(r, n->u.set.value, &v));
    } else {
        TN_TRY(capture_inside(r, n->u.set.body, &v));
        TN_TRY(tn_jeval_filters(r, n->u.set.value, v, &v));
    }
    return tn_jassign(r, n->u.set.target, v);
}

static TN_JASIDE int exec_filter_block(tn_jrun *r, const tn_jnode *n) {
    tn_jval v;
    TN_TRY(capture_inside(r, n->u.set.body, &v));
    TN_TRY(tn_jeval_filters(r, n->u.set.value, v, &v));
    return tn_jwrite_str(r, r->out, v);
}

/* Runs row with scope as the innermost one. */
static int exec_in(tn_jrun *r, const tn_jnode *row, tn_jscope *scope) {
    tn_jscope *outer = r->scope;
    r->scope = scope;
    int rc = tn_jexec(r, row);
    r->scope = outer;
    return rc;
}

static TN_JASIDE int exec_with(tn_jrun *r, const tn_jnode *n) {
    tn_jscope *scope;
    TN_TRY(tn_jscope_new(r, r->scope, &scope));
    const tn_jnode *target = n->u.with.targets;
    for (const tn_jnode *value = n->u.with.values; value; value = value->next, target = target->next) {
        tn_jval v;
        TN_TRY(tn_jeval(r, value, &v));
        TN_TRY(tn_jscope_set(r, scope, target->u.name, v));
    }
    return exec_in(r, n->u.with.body, scope);
}

static TN_JASIDE int exec_scope(tn_jrun *r, const tn_jnode *n) {
    tn_jscope *scope;
    TN_TRY(tn_jscope_new(r, r->scope, &scope));
    return exec_in(r, n->u.set.body, scope);
}

static TN_JASIDE int exec_macro(tn_jrun *r, const tn_jnode *n) {
    tn_jval macro;
    TN_TRY(tn_jmacro_new(r, n->u.macro.name, &n->u.macro.signature, n->u.macro.body, &macro));
    return tn_jscope_set(r, r->scope, n->u.macro.name, macro);
}

/* The call with the body as one more argument, `caller`. */
static TN_JASIDE int exec_call_block(tn_jrun *r, const tn_jnode *n) {
    const tn_jnode *call = n->u.call_block.call;
    tn_jval callee, caller, v;
    tn_jargs args;
    TN_TRY(
        tn_jmacro_new(r, tn_jstringz("caller"), &n->u.call_block.signature, n->u.call_block.body, &caller));
    TN_TRY(tn_jeval(r, call->u.call.object, &callee));
    TN_TRY(tn_jeval_args(r, &call->u.call.args, &args));
    tn_jkeyword *keyword = tn_jalloc(r, (args.n_keyword + 1) * sizeof *keyword);
    if (!keyword) return tn_jnomem(r);
    if (args.n_keyword) memcpy(keyword, args.keyword, args.n_keyword * sizeof *keyword);
    keyword[args.n_keyword++] = (tn_jkeyword){tn_jstringz("caller"), caller};
    args.keyword = keyword;
    TN_TRY(tn_jcall_value(r, callee, &args, &v));
    return tn_jwrite_str(r, r->out, v);
}

static int exec_node(tn_jrun *r, const tn_jnode *n) {
    switch (n->kind) {
    case TN_JN_DATA: return tn_jsink_add(r, r->out, n->u.value.u.s, n->u.value.len);
    case TN_JN_OUTPUT: return exec_output(r, n);
    case TN_JN_IF: return exec_if(r, n);
    case TN_JN_FOR: return tn_jexec_for(r, n);
    case TN_JN_SET:
    case TN_JN_SET_BLOCK: return exec_set(r, n);
    case TN_JN_WITH: return exec_with(r, n);
    case TN_JN_MACRO: return exec_macro(r, n);
    case TN_JN_CALL_BLOCK: return exec_call_block(r, n);
    case TN_JN_FILTER_BLOCK: return exec_filter_block(r, n);
    case TN_JN_SCOPE: return exec_scope(r, n);
    case TN_JN_BREAK: return TN_JFLOW_BREAK;
    case TN_JN_CONTINUE: return TN_JFLOW_CONTINUE;
    default: return tn_jfail(r, TN_EBUG, "statement of unknown kind %d", (int)n->kind);
    }
}

int tn_jexec(tn_jrun *r, const tn_jnode *row) {
    TN_TRY(tn_jenter(r));
    int rc = 0;
    for (; row && !rc; row = row->next) {
        rc = tn_jsteps(r, 1);
        r->line = row->line;
        if (!rc) rc = exec_node(r, row);
    }
    r->depth--;
    return rc;
}
