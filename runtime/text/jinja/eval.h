/* SPDX-License-Identifier: Apache-2.0 */
/* Walking the tree: expressions, statements, variables, loops and macros. */
#ifndef TN_TEXT_JINJA_EVAL_H
#define TN_TEXT_JINJA_EVAL_H

#include "text/jinja/ast.h"
#include "text/jinja/native.h"
#include "text/jinja/run.h"

/* What a statement returns besides 0 and errors. */
enum { TN_JFLOW_BREAK = 1, TN_JFLOW_CONTINUE = 2 };

typedef struct tn_jbinding {
    struct tn_jbinding *next;
    tn_jval name, value;
} tn_jbinding;

/* Variables of a loop's round, a macro's call, a block. What is not found here is looked for outside. */
typedef struct tn_jscope {
    struct tn_jscope *outer;
    tn_jbinding *first, *spare; /* spare: of earlier rounds of the loop, to be used again */
    bool kept;                  /* a macro was defined inside and may look here later */
} tn_jscope;

typedef struct tn_jmacro {
    tn_jval name;
    const tn_jsignature *signature;
    const tn_jnode *body;
    tn_jscope *scope; /* where it was defined */
} tn_jmacro;

typedef struct tn_jloop {
    const tn_jnode *node;
    tn_jscope *scope; /* around the loop */
    tn_jlist source;
    const tn_jrange *range;           /* the source's items if it is one: source has only their number */
    size_t next;                      /* in source, of what was not looked at yet */
    tn_jval current, previous, ahead; /* ahead: absent, or the item that was looked at before its round */
    size_t index;                     /* of current, from 0 */
    size_t length;                    /* items in all, if counted */
    bool counted;
    uint32_t depth;  /* of recursion, from 0 */
    tn_jval changed; /* what loop.changed saw last, or absent */
} tn_jloop;

int tn_jeval(tn_jrun *r, const tn_jnode *n, tn_jval *ret);
/* Applies a block's row of filters to v. */
int tn_jeval_filters(tn_jrun *r, const tn_jnode *filters, tn_jval v, tn_jval *ret);
int tn_jeval_args(tn_jrun *r, const tn_jcall_args *args, tn_jargs *ret);
/* A row of statements; 0, an error or a flow. */
int tn_jexec(tn_jrun *r, const tn_jnode *row);
/* The same in a scope inside `outer`, its output as a string. */
int tn_jcapture(tn_jrun *r, const tn_jnode *row, tn_jscope *scope, tn_jval *ret);

int tn_jscope_new(tn_jrun *r, tn_jscope *outer, tn_jscope **ret);
int tn_jscope_set(tn_jrun *r, tn_jscope *scope, tn_jval name, tn_jval value);
int tn_jlookup(tn_jrun *r, tn_jval name, tn_jval *ret);
/* Assigns v to a target: a name, a namespace's attribute, or a tuple of targets. */
int tn_jassign(tn_jrun *r, const tn_jnode *target, tn_jval v);

int tn_jexec_for(tn_jrun *r, const tn_jnode *n);
/* loop(items) in a recursive loop. */
int tn_jloop_call(tn_jrun *r, const tn_jloop *loop, const tn_jargs *args, tn_jval *ret);

int tn_jmacro_new(tn_jrun *r, tn_jval name, const tn_jsignature *signature, const tn_jnode *body,
                  tn_jval *ret);
int tn_jmacro_call(tn_jrun *r, const tn_jmacro *m, const tn_jargs *args, tn_jval *ret);
int tn_jmacro_attr(tn_jrun *r, tn_jval macro, tn_jval name, tn_jval *ret);

extern const tn_jnative tn_jloop_methods[];

#endif
