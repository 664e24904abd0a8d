/* SPDX-License-Identifier: Apache-2.0 */
/* For loops and the loop variable. A loop's filter is applied when the loop gets to an item, or looks ahead
 * to it for loop.last and its like, because the filter may depend on what the body does. */
#include "text/jinja/eval.h"
#include "text/jinja/ops.h"

/* Whether the loop's filter lets v through. */
static TN_JASIDE int passes(tn_jrun *r, const tn_jloop *loop, tn_jval v, bool *ret) {
    tn_jscope *scope, *outer = r->scope;
    tn_jval test;
    *ret = true;
    if (!loop->node->u.loop.filter) return 0;
    TN_TRY(tn_jscope_new(r, loop->scope, &scope));
    r->scope = scope;
    TN_TRY(tn_jassign(r, loop->node->u.loop.target, v));
    TN_TRY(tn_jeval(r, loop->node->u.loop.filter, &test));
    r->scope = outer;
    *ret = tn_jtruth(test);
    return 0;
}

/* The next item of the source that passes, absent at its end. */
static int fetch(tn_jrun *r, tn_jloop *loop, tn_jval *ret) {
    *ret = tn_jabsent();
    while (loop->next < loop->source.n) {
        bool ok;
        tn_jval v = loop->range ? tn_jrange_item(loop->range, loop->next) : loop->source.item[loop->next];
        loop->next++;
        TN_TRY(passes(r, loop, v, &ok));
        if (!ok) continue;
        *ret = v;
        return 0;
    }
    return 0;
}

static int look_ahead(tn_jrun *r, tn_jloop *loop) {
    return loop->ahead.type == TN_J_ABSENT ? fetch(r, loop, &loop->ahead) : 0;
}

/* On to the next item; absent at the end. */
static int advance(tn_jrun *r, tn_jloop *loop, bool first) {
    loop->previous = loop->current;
    TN_TRY(look_ahead(r, loop));
    loop->current = loop->ahead;
    loop->ahead = tn_jabsent();
    if (!first) loop->index++;
    return 0;
}

/* Counts the items; with a filter that means applying it to the rest. */
static TN_JASIDE int count(tn_jrun *r, tn_jloop *loop) {
    tn_jlist *rest;
    if (loop->counted) return 0;
    loop->counted = true;
    if (!loop->node->u.loop.filter) {
        loop->length = loop->source.n;
        return 0;
    }
    TN_TRY(tn_jlist_new(r, 0, &rest));
    TN_TRY(look_ahead(r, loop));
    for (tn_jval v = loop->ahead; v.type != TN_J_ABSENT;) {
        TN_TRY(tn_jlist_add(r, rest, v));
        TN_TRY(fetch(r, loop, &v));
    }
    loop->length = loop->index + 1 + rest->n;
    loop->ahead = tn_jabsent();
    loop->source = *rest;
    loop->range = NULL;
    loop->next = 0;
    return 0;
}

static int attr_counted(tn_jrun *r, tn_jloop *loop, tn_jval name, tn_jval *ret) {
    TN_TRY(count(r, loop));
    int64_t n = (int64_t)loop->length, i = (int64_t)loop->index;
    *ret = tn_jint(tn_jstring_is(name, "length") ? n : tn_jstring_is(name, "revindex") ? n - i : n - i - 1);
    return 0;
}

/* The item before or after. */
static tn_jval neighbour(tn_jval v, const char *why) {
    return v.type == TN_J_ABSENT ? tn_jundefined(TN_J_UNDEF_TEXT, TN_J_LOOP, why, strlen(why)) : v;
}

static int attr_ahead(tn_jrun *r, tn_jloop *loop, tn_jval name, tn_jval *ret) {
    TN_TRY(look_ahead(r, loop));
    *ret = tn_jstring_is(name, "last") ? tn_jbool(loop->ahead.type == TN_J_ABSENT)
                                       : neighbour(loop->ahead, "there is no next item");
    return 0;
}

int tn_jloop_attr(tn_jrun *r, tn_jval v, tn_jval name, tn_jval *ret) {
    tn_jloop *loop = v.u.loop;
    if (tn_jstring_is(name, "index"))
        *ret = tn_jint((int64_t)loop->index + 1);
    else if (tn_jstring_is(name, "index0"))
        *ret = tn_jint((int64_t)loop->index);
    else if (tn_jstring_is(name, "first"))
        *ret = tn_jbool(loop->index == 0);
    else if (tn_jstring_is(name, "depth"))
        *ret = tn_jint(loop->depth + 1);
    else if (tn_jstring_is(name, "depth0"))
        *ret = tn_jint(loop->depth);
    else if (tn_jstring_is(name, "previtem"))
        *ret = neighbour(loop->previous, "there is no previous item");
    else if (tn_jstring_is(name, "last") || tn_jstring_is(name, "nextitem"))
        return attr_ahead(r, loop, name, ret);
    else if (tn_jstring_is(name, "length") || tn_jstring_is(name, "revindex") ||
             tn_jstring_is(name, "revindex0"))
        return attr_counted(r, loop, name, ret);
    else
        *ret = tn_jabsent();
    return 0;
}

static int loop_cycle(tn_jrun *r, const tn_jcall *c, tn_jval *ret) {
    if (!c->args->n_positional) return tn_jfail(r, TN_EINVAL, "no items for cycling given");
    *ret = c->args->positional[c->self.u.loop->index % c->args->n_positional];
    return 0;
}

static int loop_changed(tn_jrun *r, const tn_jcall *c, tn_jval *ret) {
    tn_jloop *loop = c->self.u.loop;
    tn_jlist *seen;
    bool same = false;
    TN_TRY(tn_jlist_new(r, c->args->n_positional, &seen));
    for (size_t i = 0; i < c->args->n_positional; i++) TN_TRY(tn_jlist_add(r, seen, c->args->positional[i]));
    tn_jval now = tn_jof_list(TN_J_TUPLE, seen);
    if (loop->changed.type != TN_J_ABSENT) TN_TRY(tn_jequal(r, loop->changed, now, &same));
    if (!same) loop->changed = now;
    *ret = tn_jbool(!same);
    return 0;
}

const tn_jnative tn_jloop_methods[] = {
    {"cycle", loop_cycle, NULL, 0},
    {"changed", loop_changed, NULL, 0},
    {NULL, NULL, NULL, 0},
};

/* An empty scope for the next round: the last one's, unless something still needs that. */
static int clear_scope(tn_jrun *r, tn_jscope *outer, tn_jscope **io) {
    tn_jscope *s = *io;
    if (!s || s->kept) return tn_jscope_new(r, outer, io);
    while (s->first) {
        tn_jbinding *b = s->first;
        s->first = b->next;
        b->next = s->spare;
        s->spare = b;
    }
    return 0;
}

/* One round of the body. */
static int run_round(tn_jrun *r, tn_jloop *loop, tn_jscope *scope) {
    r->scope = scope;
    TN_TRY(tn_jscope_set(r, scope, tn_jstringz("loop"), (tn_jval){.type = TN_J_LOOP, .u.loop = loop}));
    TN_TRY(tn_jassign(r, loop->node->u.loop.target, loop->current));
    return tn_jexec(r, loop->node->u.loop.body);
}

static TN_JASIDE int run_otherwise(tn_jrun *r, tn_jloop *loop) {
    if (!loop->node->u.loop.otherwise) return 0;
    TN_TRY(tn_jscope_new(r, loop->scope, &r->scope));
    return tn_jexec(r, loop->node->u.loop.otherwise);
}

static int run_rounds(tn_jrun *r, tn_jloop *loop) {
    tn_jscope *scope = NULL;
    TN_TRY(advance(r, loop, true));
    if (loop->current.type == TN_J_ABSENT) return run_otherwise(r, loop);
    while (loop->current.type != TN_J_ABSENT) {
        TN_TRY(tn_jsteps(r, 1));
        TN_TRY(clear_scope(r, loop->scope, &scope));
        int rc = run_round(r, loop, scope);
        if (rc == TN_JFLOW_BREAK) return 0;
        if (rc && rc != TN_JFLOW_CONTINUE) return rc;
        TN_TRY(advance(r, loop, false));
    }
    return 0;
}

static int run_loop(tn_jrun *r, const tn_jnode *n, tn_jscope *scope, tn_jval items, uint32_t depth) {
    tn_jscope *outer = r->scope;
    tn_jloop *loop = tn_jzalloc(r, sizeof *loop);
    if (!loop) return tn_jnomem(r);
    loop->node = n;
    loop->scope = scope;
    loop->depth = depth;
    if (items.type == TN_J_RANGE) {
        loop->range = items.u.range;
        loop->source.n = items.u.range->n;
    } else {
        TN_TRY(tn_jiterate(r, items, &loop->source));
    }
    int rc = run_rounds(r, loop);
    r->scope = outer;
    return rc;
}

int tn_jexec_for(tn_jrun *r, const tn_jnode *n) {
    tn_jval items;
    TN_TRY(tn_jeval(r, n->u.loop.items, &items));
    return run_loop(r, n, r->scope, items, 0);
}

int tn_jloop_call(tn_jrun *r, const tn_jloop *loop, const tn_jargs *args, tn_jval *ret) {
    if (!loop->node->u.loop.recursive)
        return tn_jfail(r, TN_EINVAL, "the loop must be marked 'recursive' to be called");
    if (args->n_positional != 1 || args->n_keyword)
        return tn_jfail(r, TN_EINVAL, "loop() takes one argument, the items");
    tn_jsink sink = {0}, *out = r->out;
    TN_TRY(tn_jenter(r));
    r->out = &sink;
    int rc = run_loop(r, loop->node, loop->scope, args->positional[0], loop->depth + 1);
    r->out = out;
    r->depth--;
    *ret = tn_jsink_value(&sink);
    return rc;
}
