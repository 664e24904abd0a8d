/* SPDX-License-Identifier: Apache-2.0 */
/* JSON to values of a render. */
#ifndef TN_TEXT_JINJA_CONVERT_H
#define TN_TEXT_JINJA_CONVERT_H

#include <jansson.h>

#include "text/jinja/run.h"

/* Strings stay where they are, in json. An error for text that is not UTF-8 and for what is nested too
 * deeply. */
int tn_jfrom_json(tn_jrun *r, const json_t *json, tn_jval *ret);

#endif
