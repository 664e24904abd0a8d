/* SPDX-License-Identifier: Apache-2.0 */
/* Tokens and nodes for the parts of the parser. */
#include "text/jinja/chars.h"
#include "text/jinja/parser.h"

bool tn_jtoken_is(const tn_jtoken *t, const char *word) {
    return t->type == TN_JT_NAME && tn_jstring_is(t->value, word);
}

bool tn_jaccept(tn_jparser *p, tn_jtok type) {
    if (tn_jpeek(p)->type != type) return false;
    tn_jskip(p);
    return true;
}

bool tn_jaccept_name(tn_jparser *p, const char *word) {
    if (!tn_jtoken_is(tn_jpeek(p), word)) return false;
    tn_jskip(p);
    return true;
}

int tn_junexpected(tn_jparser *p, const char *expected) {
    const tn_jtoken *t = tn_jpeek(p);
    const char *got = "";
    int n = 0;
    switch (t->type) {
    case TN_JT_END: got = "the end of the template", n = 23; break;
    case TN_JT_DATA: got = "text", n = 4; break;
    case TN_JT_STRING: got = "a string", n = 8; break;
    case TN_JT_INT:
    case TN_JT_FLOAT: got = "a number", n = 8; break;
    default: got = t->value.u.s, n = tn_jcut(t->value, 40);
    }
    return tn_fail(p->err, TN_EFORMAT, "line %u: expected %s, got %.*s", t->line, expected, n, got);
}

int tn_jexpect(tn_jparser *p, tn_jtok type, const char *what) {
    return tn_jaccept(p, type) ? 0 : tn_junexpected(p, what);
}

int tn_jexpect_name(tn_jparser *p, const char *word) {
    return tn_jaccept_name(p, word) ? 0 : tn_junexpected(p, word);
}

int tn_jidentifier(tn_jparser *p, const char *what, tn_jval *ret) {
    const tn_jtoken *t = tn_jpeek(p);
    TN_TRY(tn_jexpect(p, TN_JT_NAME, what));
    *ret = t->value;
    return 0;
}

int tn_jparse_enter(tn_jparser *p) {
    if (p->nest >= TN_JPARSE_NEST_MAX)
        return tn_fail(p->err, TN_ELIMIT, "line %u: expressions and blocks are over %d levels deep",
                       tn_jpeek(p)->line, TN_JPARSE_NEST_MAX);
    p->nest++;
    return 0;
}

static int nomem(tn_jparser *p) {
    return tn_fail(p->err, p->arena->status,
                   p->arena->status == TN_ENOMEM ? "out of memory" : "template too large");
}

int tn_jnode_new(tn_jparser *p, tn_jnode_kind kind, tn_jnode **ret) {
    tn_jnode *n = tn_jarena_zalloc(p->arena, sizeof *n);
    if (!n) return nomem(p);
    n->kind = kind;
    n->line = tn_jpeek(p)->line;
    n->height = 1;
    *ret = n;
    return 0;
}

int tn_jadopt(tn_jparser *p, tn_jnode *n, tn_jnode *child) {
    if (!child) return 0;
    if (child->height >= n->height) n->height = child->height + 1;
    if (n->height <= TN_JTREE_MAX) return 0;
    return tn_fail(p->err, TN_ELIMIT, "line %u: an expression or block with over %d parts inside each other",
                   n->line, TN_JTREE_MAX);
}

int tn_jrow_add(tn_jparser *p, tn_jnode *n, tn_jrow *row, tn_jnode *child) {
    if (!row->first)
        row->first = child;
    else
        *row->end = child;
    row->end = &child->next;
    row->n++;
    return tn_jadopt(p, n, child);
}

int tn_jnode_unary(tn_jparser *p, tn_jnode_kind kind, tn_jnode *operand, tn_jnode **ret) {
    tn_jnode *n = NULL;
    TN_TRY(tn_jnode_new(p, kind, &n));
    n->u.unary.operand = operand;
    *ret = n;
    return tn_jadopt(p, n, operand);
}
