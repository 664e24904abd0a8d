/* SPDX-License-Identifier: Apache-2.0 */
/* Characters of well-formed UTF-8 by number, and the properties that Python's str methods go by. Everything
 * here expects well-formed text. */
#ifndef TN_TEXT_JINJA_CHARS_H
#define TN_TEXT_JINJA_CHARS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "text/jinja/value.h"
#include "text/utf8.h"

/* Whether all n bytes are below 0x80. */
bool tn_jutf8_ascii(const char *s, size_t n);
/* The code point at s (n > 0 bytes are there) and how many bytes it takes. */
size_t tn_jutf8_next(const char *s, size_t n, uint32_t *ret_cp);
/* How many bytes the code point before s[n] takes (n > 0), and which it is. */
size_t tn_jutf8_prev(const char *s, size_t n, uint32_t *ret_cp);
/* Code points in n bytes. */
size_t tn_jutf8_count(const char *s, size_t n);
/* Byte offset of code point i, n when there are not as many. */
size_t tn_jutf8_offset(const char *s, size_t n, size_t i);
bool tn_jcp_space(uint32_t cp);            /* str.isspace, and \s of a pattern */
bool tn_jcp_printable(uint32_t cp);        /* str.isprintable */
bool tn_jcp_linebreak(uint32_t cp);        /* where str.splitlines splits */
bool tn_jcp_name(uint32_t cp, bool first); /* may stand in (start) an identifier */

/* For "%.*s" in a message: the bytes of string v that end with a character and are no more than max. */
int tn_jcut(tn_jval v, size_t max);

/* s without white space at its ends. */
void tn_jutf8_trim_left(const char **s, size_t *n);
void tn_jutf8_trim_right(const char *s, size_t *n);

#endif
