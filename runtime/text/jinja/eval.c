/* SPDX-License-Identifier: Apache-2.0 */
/* Expressions. */
#include "text/jinja/chars.h"
#include "text/jinja/eval.h"

#include "text/jinja/ops.h"

static TN_JASIDE int eval_list(tn_jrun *r, const tn_jnode *n, tn_jtype type, tn_jval *ret) {
    tn_jlist *list;
    TN_TRY(tn_jlist_new(r, n->n, &list));
    for (const tn_jnode *c = n->u.list.first; c; c = c->next) {
        TN_TRY(tn_jeval(r, c, &list->item[list->n]));
        list->n++;
    }
    *ret = tn_jof_list(type, list);
    return 0;
}

static TN_JASIDE int eval_dict(tn_jrun *r, const tn_jnode *n, tn_jval *ret) {
    tn_jdict *d;
    TN_TRY(tn_jdict_new(r, n->n, &d));
    for (const tn_jnode *c = n->u.list.first; c; c = c->next->next) {
        tn_jval key, value;
        TN_TRY(tn_jeval(r, c, &key));
        TN_TRY(tn_jeval(r, c->next, &value));
        TN_TRY(tn_jdict_set(r, d, key, value));
    }
    *ret = tn_jof_dict(TN_J_DICT, d);
    return 0;
}

static TN_JASIDE int eval_binary(tn_jrun *r, const tn_jnode *n, tn_jval *ret) {
    tn_jval a, b;
    TN_TRY(tn_jeval(r, n->u.binary.left, &a));
    TN_TRY(tn_jeval(r, n->u.binary.right, &b));
    r->line = n->line;
    return tn_jbinary(r, n->u.binary.op, a, b, ret);
}

static int eval_logic(tn_jrun *r, const tn_jnode *n, tn_jval *ret) {
    TN_TRY(tn_jeval(r, n->u.binary.left, ret));
    if (tn_jtruth(*ret) == (n->kind == TN_JN_OR)) return 0;
    return tn_jeval(r, n->u.binary.right, ret);
}

static TN_JASIDE int eval_compare(tn_jrun *r, const tn_jnode *n, tn_jval *ret) {
    tn_jval a, b;
    bool yes = true;
    TN_TRY(tn_jeval(r, n->u.compare.first, &a));
    for (const tn_jnode *o = n->u.compare.operands; yes && o; o = o->next) {
        TN_TRY(tn_jeval(r, o->u.operand.value, &b));
        TN_TRY(tn_jcompare_values(r, o->u.operand.op, a, b, &yes));
        a = b;
    }
    *ret = tn_jbool(yes);
    return 0;
}

static TN_JASIDE int eval_concat(tn_jrun *r, const tn_jnode *n, tn_jval *ret) {
    tn_jval part;
    *ret = tn_jstringz("");
    for (const tn_jnode *c = n->u.list.first; c; c = c->next) {
        TN_TRY(tn_jeval(r, c, &part));
        TN_TRY(tn_jto_str(r, part, &part));
        TN_TRY(tn_jconcat(r, *ret, part, ret));
    }
    ret->flags = 0;
    return 0;
}

static TN_JASIDE int eval_cond(tn_jrun *r, const tn_jnode *n, tn_jval *ret) {
    static const char why[] = "the inline if was false and has no else: it is undefined";
    TN_TRY(tn_jeval(r, n->u.cond.test, ret));
    if (tn_jtruth(*ret)) return tn_jeval(r, n->u.cond.yes, ret);
    if (n->u.cond.no) return tn_jeval(r, n->u.cond.no, ret);
    *ret = tn_jundefined(TN_J_UNDEF_TEXT, TN_J_UNDEFINED, why, sizeof why - 1);
    return 0;
}

static TN_JASIDE int eval_slice(tn_jrun *r, tn_jval object, const tn_jnode *n, tn_jval *ret) {
    const tn_jnode *part[3] = {n->u.slice.start, n->u.slice.stop, n->u.slice.step};
    tn_jval v[3];
    for (size_t i = 0; i < 3; i++) {
        v[i] = tn_jabsent();
        if (part[i]) TN_TRY(tn_jeval(r, part[i], &v[i]));
    }
    return tn_jslice(r, object, v, ret);
}

static TN_JASIDE int eval_item(tn_jrun *r, const tn_jnode *n, tn_jval *ret) {
    tn_jval object, key;
    TN_TRY(tn_jeval(r, n->u.item.object, &object));
    if (n->u.item.index->kind == TN_JN_SLICE) return eval_slice(r, object, n->u.item.index, ret);
    TN_TRY(tn_jeval(r, n->u.item.index, &key));
    r->line = n->line;
    return tn_jgetitem(r, object, key, ret);
}

static TN_JASIDE int eval_attr(tn_jrun *r, const tn_jnode *n, tn_jval *ret) {
    tn_jval object;
    TN_TRY(tn_jeval(r, n->u.attr.object, &object));
    r->line = n->line;
    return tn_jgetattr(r, object, n->u.attr.name, ret);
}

static TN_JASIDE int eval_call(tn_jrun *r, const tn_jnode *n, tn_jval *ret) {
    tn_jval callee;
    tn_jargs args;
    TN_TRY(tn_jeval(r, n->u.call.object, &callee));
    TN_TRY(tn_jeval_args(r, &n->u.call.args, &args));
    r->line = n->line;
    return tn_jcall_value(r, callee, &args, ret);
}

static TN_JASIDE int no_native(tn_jrun *r, const tn_jnode *n) {
    int len = tn_jcut(n->u.call.name, 40);
    return tn_jfail(r, TN_ENOTSUP, "there is no %s '%.*s'", n->kind == TN_JN_TEST ? "test" : "filter", len,
                    n->u.call.name.u.s);
}

static TN_JASIDE int apply_native(tn_jrun *r, const tn_jnode *n, tn_jval self, tn_jval *ret) {
    tn_jargs args;
    if (!n->u.call.native) return no_native(r, n);
    TN_TRY(tn_jeval_args(r, &n->u.call.args, &args));
    r->line = n->line;
    return tn_jnative_call(r, n->u.call.native, self, &args, ret);
}

static TN_JASIDE int eval_native(tn_jrun *r, const tn_jnode *n, tn_jval *ret) {
    tn_jval self;
    TN_TRY(tn_jeval(r, n->u.call.object, &self));
    TN_TRY(apply_native(r, n, self, ret));
    if (n->kind == TN_JN_TEST) *ret = tn_jbool(tn_jtruth(*ret) != n->u.call.negated);
    return 0;
}

/* The filters of a block are a chain whose innermost one filters nothing yet. */
int tn_jeval_filters(tn_jrun *r, const tn_jnode *filters, tn_jval v, tn_jval *ret) {
    *ret = v;
    if (!filters) return 0;
    TN_TRY(tn_jeval_filters(r, filters->u.call.object, v, ret));
    return apply_native(r, filters, *ret, ret);
}

static TN_JASIDE int eval_unary(tn_jrun *r, const tn_jnode *n, tn_jval *ret) {
    tn_jval v;
    TN_TRY(tn_jeval(r, n->u.unary.operand, &v));
    if (n->kind != TN_JN_NOT) return tn_jnegate(r, v, n->kind == TN_JN_NEG, ret);
    *ret = tn_jbool(!tn_jtruth(v));
    return 0;
}

static int eval_node(tn_jrun *r, const tn_jnode *n, tn_jval *ret) {
    switch (n->kind) {
    case TN_JN_CONST: *ret = n->u.value; return 0;
    case TN_JN_NAME: return tn_jlookup(r, n->u.name, ret);
    case TN_JN_LIST: return eval_list(r, n, TN_J_LIST, ret);
    case TN_JN_TUPLE: return eval_list(r, n, TN_J_TUPLE, ret);
    case TN_JN_DICT: return eval_dict(r, n, ret);
    case TN_JN_NOT:
    case TN_JN_NEG:
    case TN_JN_POS: return eval_unary(r, n, ret);
    case TN_JN_BINARY: return eval_binary(r, n, ret);
    case TN_JN_AND:
    case TN_JN_OR: return eval_logic(r, n, ret);
    case TN_JN_COMPARE: return eval_compare(r, n, ret);
    case TN_JN_CONCAT: return eval_concat(r, n, ret);
    case TN_JN_COND: return eval_cond(r, n, ret);
    case TN_JN_ATTR: return eval_attr(r, n, ret);
    case TN_JN_ITEM: return eval_item(r, n, ret);
    case TN_JN_CALL: return eval_call(r, n, ret);
    case TN_JN_FILTER:
    case TN_JN_TEST: return eval_native(r, n, ret);
    default: return tn_jfail(r, TN_EINVAL, "a slice cannot stand here");
    }
}

int tn_jeval(tn_jrun *r, const tn_jnode *n, tn_jval *ret) {
    TN_TRY(tn_jsteps(r, 1));
    TN_TRY(tn_jenter(r));
    r->line = n->line;
    int rc = eval_node(r, n, ret);
    r->depth--;
    return rc;
}

static int add_keyword(tn_jrun *r, tn_jkeyword *keyword, size_t *io_n, tn_jval name, tn_jval value) {
    if (!tn_jis_string(name)) return tn_jfail(r, TN_EINVAL, "keywords must be strings");
    for (size_t i = 0; i < *io_n; i++)
        if (keyword[i].name.len == name.len && !memcmp(keyword[i].name.u.s, name.u.s, name.len))
            return tn_jfail(r, TN_EINVAL, "got several values for argument '%.*s'", tn_jcut(name, 40),
                            name.u.s);
    keyword[(*io_n)++] = (tn_jkeyword){name, value};
    return tn_jsteps(r, *io_n / 8);
}

static TN_JASIDE int eval_keywords(tn_jrun *r, const tn_jcall_args *args, tn_jargs *ret) {
    tn_jval more = tn_jabsent();
    size_t n = args->n_keyword;
    if (args->star_star) {
        TN_TRY(tn_jeval(r, args->star_star, &more));
        if (more.type != TN_J_DICT)
            return tn_jfail(r, TN_EINVAL, "argument after ** must be a mapping, not %s", tn_jtype_name(more));
        n += more.u.dict->n;
    }
    if (!n) return 0;
    tn_jkeyword *keyword = tn_jalloc(r, n * sizeof *keyword);
    if (!keyword) return tn_jnomem(r);
    for (const tn_jnode *k = args->keyword; k; k = k->next) {
        tn_jval v;
        TN_TRY(tn_jeval(r, k->u.keyword.value, &v));
        TN_TRY(add_keyword(r, keyword, &ret->n_keyword, k->u.keyword.name, v));
    }
    for (size_t i = 0; more.type == TN_J_DICT && i < more.u.dict->n; i++)
        TN_TRY(
            add_keyword(r, keyword, &ret->n_keyword, more.u.dict->entry[i].key, more.u.dict->entry[i].value));
    ret->keyword = keyword;
    return 0;
}

int tn_jeval_args(tn_jrun *r, const tn_jcall_args *args, tn_jargs *ret) {
    tn_jlist list = {0}, more = {0};
    *ret = (tn_jargs){0};
    for (const tn_jnode *a = args->positional; a; a = a->next) {
        tn_jval v;
        TN_TRY(tn_jeval(r, a, &v));
        TN_TRY(tn_jlist_add(r, &list, v));
    }
    if (args->star) {
        tn_jval v;
        TN_TRY(tn_jeval(r, args->star, &v));
        TN_TRY(tn_jiterate(r, v, &more));
        for (size_t i = 0; i < more.n; i++) TN_TRY(tn_jlist_add(r, &list, more.item[i]));
    }
    ret->positional = list.item;
    ret->n_positional = list.n;
    return eval_keywords(r, args, ret);
}
