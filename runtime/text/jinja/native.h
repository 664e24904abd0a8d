/* SPDX-License-Identifier: Apache-2.0 */
/* Filters, tests, methods and functions of the environment: how they are listed, found and called. */
#ifndef TN_TEXT_JINJA_NATIVE_H
#define TN_TEXT_JINJA_NATIVE_H

#include "text/jinja/run.h"

#define TN_JARGS_MAX 8 /* most parameters of a native function */

/* Arguments of a call, as evaluated. */
typedef struct tn_jkeyword {
    tn_jval name, value;
} tn_jkeyword;

typedef struct tn_jargs {
    const tn_jval *positional;
    const tn_jkeyword *keyword;
    size_t n_positional, n_keyword;
} tn_jargs;

typedef struct tn_jcall {
    const struct tn_jnative *native;
    tn_jval self;              /* what is filtered, tested, or whose method it is */
    tn_jval arg[TN_JARGS_MAX]; /* by parameter; absent when not passed */
    const tn_jargs *args;      /* as passed */
} tn_jcall;

typedef int (*tn_jnative_fn)(tn_jrun *r, const tn_jcall *c, tn_jval *ret);

/* One entry of a table. params: names with spaces between; the first n_required must be passed; NULL:
 * anything may be, and fn looks at c->args itself. */
typedef struct tn_jnative {
    const char *name;
    tn_jnative_fn fn;
    const char *params;
    int n_required;
} tn_jnative;

/* NULL when there is none of that name. [any thread] */
const tn_jnative *tn_jfilter_find(tn_jval name);
const tn_jnative *tn_jtest_find(tn_jval name);
const tn_jnative *tn_jglobal_find(tn_jval name);
const tn_jnative *tn_jstring_method_find(tn_jval name);
/* The method of v's type. *ret_mutates: there is none because it would change v. */
const tn_jnative *tn_jmethod_find(tn_jval v, tn_jval name, bool *ret_mutates);
/* In a table that ends with a NULL name. */
const tn_jnative *tn_jnative_in(const tn_jnative *table, tn_jval name);

int tn_jnative_call(tn_jrun *r, const tn_jnative *native, tn_jval self, const tn_jargs *args, tn_jval *ret);
/* Calls any value that can be. */
int tn_jcall_value(tn_jrun *r, tn_jval callee, const tn_jargs *args, tn_jval *ret);

/* Argument i with a default for when it was not passed; an error when it is of another type. */
int tn_jarg_int(tn_jrun *r, const tn_jcall *c, int i, int64_t otherwise, int64_t *ret);
int tn_jarg_string(tn_jrun *r, const tn_jcall *c, int i, const char *otherwise, tn_jval *ret);
/* Anything goes as a truth. */
bool tn_jarg_bool(const tn_jcall *c, int i, bool otherwise);
static inline bool tn_jarg_given(const tn_jcall *c, int i) {
    return c->arg[i].type != TN_J_ABSENT;
}
/* Whether the argument is there and not none. */
static inline bool tn_jarg_some(const tn_jcall *c, int i) {
    return c->arg[i].type != TN_J_ABSENT && c->arg[i].type != TN_J_NONE;
}

extern const tn_jnative tn_jfilters_text[], tn_jfilters_items[], tn_jfilters_select[], tn_jfilters_number[];
extern const tn_jnative tn_jmethods_search[], tn_jmethods_letters[];

#endif
