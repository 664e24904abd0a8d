/* SPDX-License-Identifier: Apache-2.0 */
/* UTF-8 and the character classes that tokenizers name. Knows base only. All functions: [any thread] */
#ifndef TN_TEXT_UTF8_H
#define TN_TEXT_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

/* What stands at s[0, n), n > 0: k > 0, a character of k bytes, *ret_cp is its code point; k < 0, a maximal
 * ill-formed part of -k bytes; 0, the beginning of a character whose other bytes are missing. */
int tn__utf8_next(const char *s, size_t n, uint32_t *ret_cp);
/* The character at s of well-formed text; its length in bytes. */
size_t tn__utf8_get(const char *s, uint32_t *ret_cp);
/* Writes cp as UTF-8; the number of bytes, 1 to 4. */
size_t tn__utf8_put(uint32_t cp, char dst[4]);
/* Start of the last character of well-formed s[0, n), n > 0. */
size_t tn__utf8_last(const char *s, size_t n);
/* Whether all of s[0, n) is well-formed. */
bool tn__utf8_valid(const char *s, size_t n);
/* Appends s[0, n) with each maximal ill-formed part replaced by U+FFFD. */
int tn__utf8_lossy(const char *s, size_t n, tn_buf *dst);

/* Unicode's White_Space. */
bool tn__is_space(uint32_t cp);
/* ASCII punctuation and symbols, or general category P. */
bool tn__is_punct(uint32_t cp);
/* General categories Nd, Nl, No. */
bool tn__is_numeric(uint32_t cp);
/* General category Mn. */
bool tn__is_mark_nonspacing(uint32_t cp);
/* General categories Cc, Cf, Co, Cs (not Cn: unassigned characters are kept). */
bool tn__is_other(uint32_t cp);
/* Letters, marks, decimal digits, connectors: what \w matches. */
bool tn__is_word(uint32_t cp);
/* Full lower case of one character; the number of code points, 1 or 2. */
size_t tn__to_lower(uint32_t cp, uint32_t dst[2]);

#endif
