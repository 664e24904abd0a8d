/* SPDX-License-Identifier: Apache-2.0 */
/* Finding and calling what is written in C, and calling values. */
#include "text/jinja/chars.h"
#include "text/jinja/native.h"

#include "text/jinja/eval.h"
#include "text/jinja/ops.h"

const tn_jnative *tn_jnative_in(const tn_jnative *table, tn_jval name) {
    for (; table->name; table++)
        if (tn_jstring_is(name, table->name)) return table;
    return NULL;
}

const tn_jnative *tn_jfilter_find(tn_jval name) {
    static const tn_jnative *const tables[] = {tn_jfilters_text, tn_jfilters_items, tn_jfilters_select,
                                               tn_jfilters_number};
    const tn_jnative *found = NULL;
    for (size_t i = 0; !found && i < sizeof tables / sizeof *tables; i++)
        found = tn_jnative_in(tables[i], name);
    return found;
}

static int param_count(const char *params) {
    int n = *params != 0;
    for (; *params; params++) n += *params == ' ';
    return n;
}

/* The position of the parameter called name, or -1. */
static int param_index(const char *params, tn_jval name) {
    for (int i = 0; *params; i++) {
        size_t n = strcspn(params, " ");
        if (n == name.len && memcmp(params, name.u.s, n) == 0) return i;
        params += n + (params[n] == ' ');
    }
    return -1;
}

static TN_JASIDE int bind_keywords(tn_jrun *r, tn_jcall *c) {
    for (size_t i = 0; i < c->args->n_keyword; i++) {
        const tn_jkeyword *k = &c->args->keyword[i];
        int at = param_index(c->native->params, k->name), n = tn_jcut(k->name, 40);
        if (at < 0)
            return tn_jfail(r, TN_EINVAL, "%s() got an unexpected keyword argument '%.*s'", c->native->name,
                            n, k->name.u.s);
        if (tn_jarg_given(c, at))
            return tn_jfail(r, TN_EINVAL, "%s() got several values for argument '%.*s'", c->native->name, n,
                            k->name.u.s);
        c->arg[at] = k->value;
    }
    return 0;
}

static TN_JASIDE int bind(tn_jrun *r, tn_jcall *c) {
    int n = param_count(c->native->params);
    if (c->args->n_positional > (size_t)n)
        return tn_jfail(r, TN_EINVAL, "%s() takes at most %d arguments (%zu given)", c->native->name, n,
                        c->args->n_positional);
    for (size_t i = 0; i < c->args->n_positional; i++) c->arg[i] = c->args->positional[i];
    TN_TRY(bind_keywords(r, c));
    for (int i = 0; i < c->native->n_required; i++)
        if (!tn_jarg_given(c, i))
            return tn_jfail(r, TN_EINVAL, "%s() needs %d arguments (%zu given)", c->native->name,
                            c->native->n_required, c->args->n_positional + c->args->n_keyword);
    return 0;
}

int tn_jnative_call(tn_jrun *r, const tn_jnative *native, tn_jval self, const tn_jargs *args, tn_jval *ret) {
    tn_jcall c = {.native = native, .self = self, .args = args};
    TN_TRY(tn_jsteps(r, 1));
    if (tn_jis_string(self)) TN_TRY(tn_jscan(r, self.len));
    if (native->params) TN_TRY(bind(r, &c));
    TN_TRY(tn_jenter(r));
    int rc = native->fn(r, &c, ret);
    r->depth--;
    return rc;
}

/* A joiner gives nothing the first time and its separator afterwards. */
static TN_JASIDE int call_joiner(tn_jcycler *j, tn_jval *ret) {
    *ret = j->next++ ? j->list.item[0] : tn_jstringz("");
    return 0;
}

int tn_jcall_value(tn_jrun *r, tn_jval callee, const tn_jargs *args, tn_jval *ret) {
    switch (callee.type) {
    case TN_J_UNDEFINED: return tn_jundefined_error(r, callee);
    case TN_J_FUNCTION: return tn_jnative_call(r, callee.u.function, tn_jabsent(), args, ret);
    case TN_J_METHOD: return tn_jnative_call(r, callee.u.method->native, callee.u.method->self, args, ret);
    case TN_J_MACRO: return tn_jmacro_call(r, callee.u.macro, args, ret);
    case TN_J_LOOP: return tn_jloop_call(r, callee.u.loop, args, ret);
    case TN_J_JOINER: return call_joiner(callee.u.cycler, ret);
    default: return tn_jfail(r, TN_EINVAL, "'%s' object is not callable", tn_jtype_name(callee));
    }
}

static int wrong_type(tn_jrun *r, const tn_jcall *c, int i, const char *wanted) {
    if (c->arg[i].type == TN_J_UNDEFINED) return tn_jundefined_error(r, c->arg[i]);
    return tn_jfail(r, TN_EINVAL, "%s(): argument %d must be %s, not %s", c->native->name, i + 1, wanted,
                    tn_jtype_name(c->arg[i]));
}

int tn_jarg_int(tn_jrun *r, const tn_jcall *c, int i, int64_t otherwise, int64_t *ret) {
    *ret = otherwise;
    if (!tn_jarg_given(c, i)) return 0;
    if (!tn_jis_int(c->arg[i])) return wrong_type(r, c, i, "an integer");
    *ret = tn_jas_int(c->arg[i]);
    return 0;
}

int tn_jarg_string(tn_jrun *r, const tn_jcall *c, int i, const char *otherwise, tn_jval *ret) {
    if (!tn_jarg_given(c, i)) {
        *ret = tn_jstringz(otherwise);
        return 0;
    }
    if (!tn_jis_string(c->arg[i])) return wrong_type(r, c, i, "a string");
    *ret = c->arg[i];
    return 0;
}

bool tn_jarg_bool(const tn_jcall *c, int i, bool otherwise) {
    return tn_jarg_given(c, i) ? tn_jtruth(c->arg[i]) : otherwise;
}
