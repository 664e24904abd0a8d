/* SPDX-License-Identifier: Apache-2.0 */
/* What several filters share. */
#ifndef TN_TEXT_JINJA_FILTERS_H
#define TN_TEXT_JINJA_FILTERS_H

#include "text/jinja/native.h"
#include "text/jinja/ops.h"

/* v's attribute as filters name it: "a.b.0" or a number; otherwise (absent: none) stands in for what is
 * undefined. */
int tn_jattribute_of(tn_jrun *r, tn_jval v, tn_jval attribute, tn_jval otherwise, tn_jval *ret);
/* What v is sorted, grouped and compared by. */
int tn_jsort_key(tn_jrun *r, tn_jval v, tn_jval attribute, tn_jval otherwise, bool cased, tn_jval *ret);

#endif
