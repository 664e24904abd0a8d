/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers and strings as they are written in a template, and numbers as Python reads and prints them. */
#ifndef TN_TEXT_JINJA_LITERAL_H
#define TN_TEXT_JINJA_LITERAL_H

#include "text/jinja/arena.h"
#include "text/jinja/value.h"

/* The number at s (a digit) and how many bytes it takes; after a dot only an integer. False when it needs
 * over 64 bits. */
bool tn_jliteral_number(const char *s, size_t n, bool after_dot, tn_jval *ret, size_t *ret_n);
/* The string between quotes, escapes resolved. False with *ret_why set (what is wrong), or NULL (no memory).
 */
bool tn_jliteral_string(tn_jarena *arena, const char *s, size_t n, tn_jval *ret, const char **ret_why);

/* int(s, base) and float(s) of Python: white space around, signs and underscores allowed; base 0 goes by the
 * prefix. False when s is not one (or over 64 bits). */
bool tn_jparse_int(const char *s, size_t n, int base, int64_t *ret);
bool tn_jparse_float(const char *s, size_t n, double *ret);

#define TN_JFLOAT_TEXT 64 /* bytes that hold any float printed */
/* repr(f): the shortest digits that give f back. buf holds the text. */
void tn_jprint_float(double f, char buf[TN_JFLOAT_TEXT]);

#endif
