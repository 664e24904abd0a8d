/* SPDX-License-Identifier: Apache-2.0 */
/* Macros, and the bodies of call blocks, which are macros without a name of their own. */
#include "text/jinja/chars.h"
#include "text/jinja/eval.h"
#include "text/jinja/ops.h"

int tn_jmacro_new(tn_jrun *r, tn_jval name, const tn_jsignature *signature, const tn_jnode *body,
                  tn_jval *ret) {
    tn_jmacro *m = tn_jalloc(r, sizeof *m);
    if (!m) return tn_jnomem(r);
    *m = (tn_jmacro){name, signature, body, r->scope};
    for (tn_jscope *s = r->scope; s && !s->kept; s = s->outer) s->kept = true;
    *ret = (tn_jval){.type = TN_J_MACRO, .u.macro = m};
    return 0;
}

static int name_len(tn_jval name) {
    return tn_jcut(name, 60);
}

/* The value passed for a parameter by name, which is then marked as used. */
static tn_jval take_keyword(const tn_jargs *args, bool *used, tn_jval name) {
    for (size_t i = 0; i < args->n_keyword; i++) {
        const tn_jkeyword *k = &args->keyword[i];
        if (used[i] || k->name.len != name.len || memcmp(k->name.u.s, name.u.s, name.len)) continue;
        used[i] = true;
        return k->value;
    }
    return tn_jabsent();
}

/* Parameters from arguments, then from defaults, which may use the parameters before them. */
static TN_JASIDE int bind_params(tn_jrun *r, const tn_jmacro *m, const tn_jargs *args, bool *used) {
    static const char why[] = "a parameter of a macro was not provided";
    const tn_jsignature *s = m->signature;
    const tn_jnode *otherwise = s->defaults;
    size_t i = 0;
    for (const tn_jnode *p = s->params; p; p = p->next, i++) {
        tn_jval v = i < args->n_positional ? args->positional[i] : take_keyword(args, used, p->u.name);
        bool has_default = i >= s->n_params - s->n_defaults;
        if (v.type == TN_J_ABSENT && has_default) TN_TRY(tn_jeval(r, otherwise, &v));
        if (v.type == TN_J_ABSENT) v = tn_jundefined(TN_J_UNDEF_TEXT, TN_J_MACRO, why, sizeof why - 1);
        if (has_default) otherwise = otherwise->next;
        TN_TRY(tn_jscope_set(r, r->scope, p->u.name, v));
    }
    return 0;
}

static TN_JASIDE int bind_caller(tn_jrun *r, const tn_jmacro *m, const tn_jargs *args, bool *used) {
    static const char why[] = "no caller defined: the macro was not called by a call block";
    if (!m->signature->caller) return 0;
    tn_jval v = take_keyword(args, used, tn_jstringz("caller"));
    if (v.type == TN_J_ABSENT) v = tn_jundefined(TN_J_UNDEF_TEXT, TN_J_MACRO, why, sizeof why - 1);
    return tn_jscope_set(r, r->scope, tn_jstringz("caller"), v);
}

/* Arguments left over: into kwargs and varargs, or errors. */
static TN_JASIDE int bind_rest(tn_jrun *r, const tn_jmacro *m, const tn_jargs *args, const bool *used) {
    tn_jdict *kwargs;
    tn_jlist *varargs;
    TN_TRY(tn_jdict_new(r, 0, &kwargs));
    TN_TRY(tn_jlist_new(r, 0, &varargs));
    for (size_t i = 0; i < args->n_keyword; i++) {
        if (used[i]) continue;
        if (!m->signature->catch_kwargs)
            return tn_jfail(r, TN_EINVAL, "macro '%.*s' takes no keyword argument '%.*s'", name_len(m->name),
                            m->name.u.s, name_len(args->keyword[i].name), args->keyword[i].name.u.s);
        TN_TRY(tn_jdict_set(r, kwargs, args->keyword[i].name, args->keyword[i].value));
    }
    if (args->n_positional > m->signature->n_params && !m->signature->catch_varargs)
        return tn_jfail(r, TN_EINVAL, "macro '%.*s' takes not more than %u argument(s)", name_len(m->name),
                        m->name.u.s, m->signature->n_params);
    for (size_t i = m->signature->n_params; i < args->n_positional; i++)
        TN_TRY(tn_jlist_add(r, varargs, args->positional[i]));
    if (m->signature->catch_kwargs)
        TN_TRY(tn_jscope_set(r, r->scope, tn_jstringz("kwargs"), tn_jof_dict(TN_J_DICT, kwargs)));
    if (m->signature->catch_varargs)
        TN_TRY(tn_jscope_set(r, r->scope, tn_jstringz("varargs"), tn_jof_list(TN_J_TUPLE, varargs)));
    return 0;
}

/* Binds the arguments in scope. */
static int bind(tn_jrun *r, const tn_jmacro *m, const tn_jargs *args, tn_jscope *scope) {
    tn_jscope *outer = r->scope;
    bool *used = tn_jzalloc(r, args->n_keyword + 1);
    if (!used) return tn_jnomem(r);
    r->scope = scope;
    TN_TRY(bind_caller(r, m, args, used));
    TN_TRY(bind_params(r, m, args, used));
    TN_TRY(bind_rest(r, m, args, used));
    r->scope = outer;
    return 0;
}

int tn_jmacro_call(tn_jrun *r, const tn_jmacro *m, const tn_jargs *args, tn_jval *ret) {
    tn_jscope *scope;
    TN_TRY(tn_jenter(r));
    TN_TRY(tn_jscope_new(r, m->scope, &scope));
    TN_TRY(bind(r, m, args, scope));
    TN_TRY(tn_jcapture(r, m->body, scope, ret));
    r->depth--;
    return 0;
}

static TN_JASIDE int param_names(tn_jrun *r, const tn_jsignature *s, tn_jval *ret) {
    tn_jlist *list;
    TN_TRY(tn_jlist_new(r, s->n_params, &list));
    for (const tn_jnode *p = s->params; p; p = p->next) TN_TRY(tn_jlist_add(r, list, p->u.name));
    *ret = tn_jof_list(TN_J_TUPLE, list);
    return 0;
}

int tn_jmacro_attr(tn_jrun *r, tn_jval macro, tn_jval name, tn_jval *ret) {
    const tn_jmacro *m = macro.u.macro;
    *ret = tn_jabsent();
    if (tn_jstring_is(name, "name")) *ret = m->name;
    if (tn_jstring_is(name, "arguments")) return param_names(r, m->signature, ret);
    if (tn_jstring_is(name, "catch_kwargs")) *ret = tn_jbool(m->signature->catch_kwargs);
    if (tn_jstring_is(name, "catch_varargs")) *ret = tn_jbool(m->signature->catch_varargs);
    if (tn_jstring_is(name, "caller")) *ret = tn_jbool(m->signature->caller);
    return 0;
}
