/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers and padding, as the % operator and str.format share them. */
#ifndef TN_TEXT_JINJA_FORMATTING_H
#define TN_TEXT_JINJA_FORMATTING_H

#include "text/jinja/run.h"

#define TN_JPRECISION_MAX 400 /* digits asked for */

typedef struct tn_jformat {
    char align;        /* '<', '>', '^', or '=': fill between sign and digits */
    char sign;         /* '-': only minus; '+' and ' ': before others too */
    char type;         /* d x X o b e E f F g G %, or 0 for what str() would give */
    char grouping;     /* ',' or '_' every three digits (four for x, o, b), or 0 */
    bool alternate;    /* "#" */
    tn_jval fill;      /* one character */
    int64_t width;     /* characters at least */
    int64_t precision; /* or -1 */
} tn_jformat;

/* prefix (sign, 0x) and body, padded to f->width. */
int tn_jformat_padded(tn_jrun *r, tn_jsink *s, const tn_jformat *f, const char *prefix, tn_jval body);
/* precision is then the least number of digits. */
int tn_jformat_int(tn_jrun *r, tn_jsink *s, const tn_jformat *f, int64_t v);
int tn_jformat_float(tn_jrun *r, tn_jsink *s, const tn_jformat *f, double v);

#endif
