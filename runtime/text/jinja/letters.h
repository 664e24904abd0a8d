/* SPDX-License-Identifier: Apache-2.0 */
/* Letters and their case, over whole strings, by Unicode's full mappings as Python applies them. */
#ifndef TN_TEXT_JINJA_LETTERS_H
#define TN_TEXT_JINJA_LETTERS_H

#include "text/jinja/run.h"

typedef enum tn_jcase { TN_JCASE_UPPER, TN_JCASE_LOWER, TN_JCASE_TITLE, TN_JCASE_FOLD } tn_jcase;

/* s in one case. TITLE is for single characters. */
int tn_jstring_case(tn_jrun *r, tn_jval s, tn_jcase to, tn_jval *ret);
/* str.title and str.capitalize. */
int tn_jstring_title(tn_jrun *r, tn_jval s, tn_jval *ret);
int tn_jstring_capitalize(tn_jrun *r, tn_jval s, tn_jval *ret);
/* str.isupper or str.islower. */
bool tn_jstring_cased(tn_jval s, bool upper);
/* Appends the character at offset at of s in another case; what is around it can matter. */
int tn_jcase_add(tn_jrun *r, tn_jsink *sink, tn_jval s, size_t at, tn_jcase to);

#endif
