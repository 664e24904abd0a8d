/* SPDX-License-Identifier: Apache-2.0 */
/* What methods and filters of strings share. */
#ifndef TN_TEXT_JINJA_STRINGS_H
#define TN_TEXT_JINJA_STRINGS_H

#include "text/jinja/run.h"

enum { TN_JSTRIP_LEFT = 1, TN_JSTRIP_RIGHT = 2, TN_JSTRIP_BOTH = 3 };

/* s without the characters in chars (absent or none: white space) at the sides asked for. */
tn_jval tn_jstring_strip(tn_jval s, tn_jval chars, int sides);
/* s with the first max (negative: all) occurrences of from replaced. */
int tn_jstring_replace(tn_jrun *r, tn_jval s, tn_jval from, tn_jval to, int64_t max, tn_jval *ret);
/* str.splitlines. */
int tn_jstring_lines(tn_jrun *r, tn_jval s, bool keep_ends, tn_jlist *ret);
/* s between fill so that it is width characters long; sides as above (LEFT: filled on the left). */
int tn_jstring_pad(tn_jrun *r, tn_jval s, int64_t width, tn_jval fill, int sides, tn_jval *ret);
/* str.format. */
struct tn_jcall;
int tn_jstring_format(tn_jrun *r, const struct tn_jcall *c, tn_jval *ret);

#endif
