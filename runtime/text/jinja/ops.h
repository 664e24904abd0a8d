/* SPDX-License-Identifier: Apache-2.0 */
/* What can be done with values: operators, attributes and items, printing. All follow Python, as the sandbox
 * of transformers restricts it. */
#ifndef TN_TEXT_JINJA_OPS_H
#define TN_TEXT_JINJA_OPS_H

#include "text/jinja/ast.h"
#include "text/jinja/run.h"

/* a op b for an arithmetic operator's token. */
int tn_jbinary(tn_jrun *r, tn_jtok op, tn_jval a, tn_jval b, tn_jval *ret);
int tn_jnegate(tn_jrun *r, tn_jval v, bool minus, tn_jval *ret);
int tn_jequal(tn_jrun *r, tn_jval a, tn_jval b, bool *ret);
/* *ret: -1, 0, 1, or 2 when neither is less (NaN). An error for types that have no order. */
int tn_jorder(tn_jrun *r, tn_jval a, tn_jval b, int *ret);
int tn_jcontains(tn_jrun *r, tn_jval container, tn_jval item, bool *ret);
int tn_jcompare_values(tn_jrun *r, tn_jcompare op, tn_jval a, tn_jval b, bool *ret);

/* The positions of n keys in ascending (descending) order; equal ones stay in their order. */
int tn_jsort(tn_jrun *r, const tn_jval *key, size_t n, bool descending, size_t **ret_order);

/* object.name, object[key], object[start:stop:step] (absent parts allowed); undefined when there is none. */
int tn_jgetattr(tn_jrun *r, tn_jval object, tn_jval name, tn_jval *ret);
int tn_jgetitem(tn_jrun *r, tn_jval object, tn_jval key, tn_jval *ret);
int tn_jslice(tn_jrun *r, tn_jval object, const tn_jval part[3], tn_jval *ret);
/* Attributes of the loop variable. */
int tn_jloop_attr(tn_jrun *r, tn_jval loop, tn_jval name, tn_jval *ret);
/* Fails because v is undefined and says which name that is. */
int tn_jundefined_error(tn_jrun *r, tn_jval v);

/* str(v) and repr(v), appended or as a string. */
int tn_jwrite_str(tn_jrun *r, tn_jsink *s, tn_jval v);
int tn_jwrite_repr(tn_jrun *r, tn_jsink *s, tn_jval v);
int tn_jto_str(tn_jrun *r, tn_jval v, tn_jval *ret);
/* A string with & < > ' " escaped and marked; a marked one as it is. */
int tn_jescape(tn_jrun *r, tn_jval v, tn_jval *ret);

/* a + b of strings; appending again and again to the same string copies only the new part. */
int tn_jconcat(tn_jrun *r, tn_jval a, tn_jval b, tn_jval *ret);

/* json.dumps(v) with its arguments. indent: absent, none, a number or a string. */
typedef struct tn_jdump {
    bool ascii, sort_keys;
    tn_jval indent;                        /* string, or absent: one line */
    tn_jval item_separator, key_separator; /* strings */
} tn_jdump;
int tn_jtojson(tn_jrun *r, tn_jval v, const tn_jdump *how, tn_jsink *s);

/* The string `format % args`. */
int tn_jprintf(tn_jrun *r, tn_jval format, tn_jval args, tn_jval *ret);

#endif
