/* SPDX-License-Identifier: Apache-2.0 */
/* The parsed template: a tree in the template's arena, never changed after parsing. */
#ifndef TN_TEXT_JINJA_AST_H
#define TN_TEXT_JINJA_AST_H

#include "text/jinja/arena.h"
#include "text/jinja/lexer.h"
#include "text/jinja/value.h"

/* The deepest tree (bounds the recursion of whoever walks it). */
#define TN_JTREE_MAX 300

typedef enum tn_jnode_kind {
    /* Expressions. */
    TN_JN_CONST,   /* value */
    TN_JN_NAME,    /* name */
    TN_JN_LIST,    /* list */
    TN_JN_TUPLE,   /* list; also a target of set and for */
    TN_JN_DICT,    /* list: key, value, key, value, ... */
    TN_JN_NOT,     /* unary */
    TN_JN_NEG,     /* unary */
    TN_JN_POS,     /* unary */
    TN_JN_BINARY,  /* binary: arithmetic */
    TN_JN_AND,     /* binary */
    TN_JN_OR,      /* binary */
    TN_JN_COMPARE, /* compare */
    TN_JN_OPERAND, /* operand: one operator of a comparison and what stands right of it */
    TN_JN_CONCAT,  /* list */
    TN_JN_COND,    /* cond */
    TN_JN_ATTR,    /* attr */
    TN_JN_ITEM,    /* item */
    TN_JN_SLICE,   /* slice, only as the index of an item */
    TN_JN_CALL,    /* call: what is called, arguments */
    TN_JN_FILTER,  /* call: what is filtered (NULL in a block's filter), filter, arguments */
    TN_JN_TEST,    /* call: what is tested, test, arguments */
    TN_JN_KEYWORD, /* keyword: a named argument */
    TN_JN_NSREF,   /* attr: target `object.name` of set */
    /* Statements. */
    TN_JN_DATA,         /* value */
    TN_JN_OUTPUT,       /* unary */
    TN_JN_IF,           /* branch */
    TN_JN_FOR,          /* loop */
    TN_JN_SET,          /* set */
    TN_JN_SET_BLOCK,    /* set: filters in value, or NULL */
    TN_JN_WITH,         /* with */
    TN_JN_MACRO,        /* macro */
    TN_JN_CALL_BLOCK,   /* call_block */
    TN_JN_FILTER_BLOCK, /* set: filters in value */
    TN_JN_SCOPE,        /* set: body only: variables set inside stay inside */
    TN_JN_BREAK,
    TN_JN_CONTINUE
} tn_jnode_kind;

typedef enum tn_jcompare {
    TN_JC_EQ,
    TN_JC_NE,
    TN_JC_LT,
    TN_JC_LE,
    TN_JC_GT,
    TN_JC_GE,
    TN_JC_IN,
    TN_JC_NOT_IN
} tn_jcompare;

typedef struct tn_jnode tn_jnode;

typedef struct tn_jcall_args {
    tn_jnode *positional; /* in a row by next */
    tn_jnode *keyword;    /* TN_JN_KEYWORD in a row */
    tn_jnode *star;       /* *list, or NULL */
    tn_jnode *star_star;  /* **dict, or NULL */
    uint32_t n_positional, n_keyword;
} tn_jcall_args;

typedef struct tn_jsignature {
    tn_jnode *params;   /* TN_JN_NAME in a row */
    tn_jnode *defaults; /* of the last n_defaults parameters, in a row */
    uint32_t n_params, n_defaults;
    bool catch_kwargs, catch_varargs, caller; /* the body mentions kwargs, varargs, caller */
} tn_jsignature;

struct tn_jnode {
    tn_jnode_kind kind;
    uint32_t line;
    uint32_t height; /* of the tree below, 1 for a leaf */
    uint32_t n;      /* list: how many; branch: 1 if this is an elif */
    tn_jnode *next;  /* in a row */
    union {
        tn_jval value;
        tn_jval name;
        struct {
            tn_jnode *first;
        } list;
        struct {
            tn_jnode *operand;
        } unary;
        struct {
            tn_jnode *left, *right;
            tn_jtok op;
        } binary;
        struct {
            tn_jnode *first, *operands; /* a row */
        } compare;
        struct {
            tn_jnode *value;
            tn_jcompare op;
        } operand;
        struct {
            tn_jnode *test, *yes, *no;
        } cond; /* no may be NULL */
        struct {
            tn_jnode *object;
            tn_jval name;
        } attr; /* nsref: object is a name */
        struct {
            tn_jnode *object, *index;
        } item;
        struct {
            tn_jnode *start, *stop, *step;
        } slice; /* each may be NULL */
        struct {
            tn_jnode *object;
            tn_jval name;
            const struct tn_jnative *native;
            tn_jcall_args args;
            bool negated;
        } call;
        struct {
            tn_jval name;
            tn_jnode *value;
        } keyword;
        struct {
            tn_jnode *test, *yes, *no;
        } branch; /* rows; no: the else branch, or the elif alone */
        struct {
            tn_jnode *target, *items, *filter, *body, *otherwise;
            bool recursive;
        } loop;
        struct {
            tn_jnode *target, *value, *body;
        } set;
        struct {
            tn_jnode *targets, *values, *body;
        } with;
        struct {
            tn_jval name;
            tn_jsignature signature;
            tn_jnode *body;
        } macro;
        struct {
            tn_jnode *call;
            tn_jsignature signature;
            tn_jnode *body;
        } call_block;
    } u;
};

/* Parses tokens into a row of statements (NULL for an empty template). TN_EFORMAT, TN_ENOTSUP, TN_ELIMIT,
 * TN_ENOMEM. */
int tn_jparse(tn_jarena *arena, const tn_jtokens *tokens, tn_jnode **ret_body, tn_error *err);

#endif
