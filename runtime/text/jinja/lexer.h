/* SPDX-License-Identifier: Apache-2.0 */
/* Source to tokens. White space control (the signs in {%- -%} {%+ +%}, trim_blocks, lstrip_blocks), comments
 * and raw blocks end here: the parser sees text as it will be written. */
#ifndef TN_TEXT_JINJA_LEXER_H
#define TN_TEXT_JINJA_LEXER_H

#include <tenon/status.h>

#include "text/jinja/arena.h"
#include "text/jinja/value.h"

typedef enum tn_jtok {
    TN_JT_END, /* of the source */
    TN_JT_DATA,
    TN_JT_VAR_BEGIN,
    TN_JT_VAR_END,
    TN_JT_BLOCK_BEGIN,
    TN_JT_BLOCK_END,
    TN_JT_NAME,
    TN_JT_STRING,
    TN_JT_INT,
    TN_JT_FLOAT,
    TN_JT_ADD,
    TN_JT_SUB,
    TN_JT_MUL,
    TN_JT_DIV,
    TN_JT_FLOORDIV,
    TN_JT_MOD,
    TN_JT_POW,
    TN_JT_TILDE,
    TN_JT_EQ,
    TN_JT_NE,
    TN_JT_LT,
    TN_JT_LE,
    TN_JT_GT,
    TN_JT_GE,
    TN_JT_ASSIGN,
    TN_JT_DOT,
    TN_JT_COMMA,
    TN_JT_COLON,
    TN_JT_PIPE,
    TN_JT_SEMICOLON,
    TN_JT_LPAREN,
    TN_JT_RPAREN,
    TN_JT_LBRACKET,
    TN_JT_RBRACKET,
    TN_JT_LBRACE,
    TN_JT_RBRACE
} tn_jtok;

typedef struct tn_jtoken {
    tn_jtok type;
    uint32_t line;
    tn_jval value; /* string: data, the name, the text of a string, an operator as written; or the number */
} tn_jtoken;

typedef struct tn_jtokens {
    tn_jtoken *token; /* the last is TN_JT_END */
    size_t n, cap;
} tn_jtokens;

/* Tokens of src, in arena; strings with escapes in text. Both point into src, which must be valid UTF-8 with
 * "\n" as its only line end. TN_EFORMAT, TN_ENOTSUP, TN_ELIMIT, TN_ENOMEM. */
int tn_jlex(tn_jarena *arena, tn_jarena *text, const char *src, size_t len, tn_jtokens *ret, tn_error *err);

/* A copy of src with every line end as "\n" and without the last one. NULL when out of memory. */
char *tn_jsource(tn_jarena *arena, const char *src, size_t len, size_t *ret_len);

#endif
