/* SPDX-License-Identifier: Apache-2.0 */
#include "text/jinja/value.h"

#include "text/jinja/chars.h"

const char *tn_jtype_name(tn_jval v) {
    static const char *const names[] = {
        [TN_J_ABSENT] = "absent",
        [TN_J_UNDEFINED] = "Undefined",
        [TN_J_NONE] = "NoneType",
        [TN_J_BOOL] = "bool",
        [TN_J_INT] = "int",
        [TN_J_FLOAT] = "float",
        [TN_J_STRING] = "str",
        [TN_J_LIST] = "list",
        [TN_J_TUPLE] = "tuple",
        [TN_J_DICT] = "dict",
        [TN_J_VIEW] = "dict_items",
        [TN_J_RANGE] = "range",
        [TN_J_ITERATOR] = "generator",
        [TN_J_NAMESPACE] = "Namespace",
        [TN_J_LOOP] = "LoopContext",
        [TN_J_MACRO] = "Macro",
        [TN_J_FUNCTION] = "function",
        [TN_J_METHOD] = "method",
        [TN_J_CYCLER] = "Cycler",
        [TN_J_JOINER] = "Joiner",
    };
    return v.type < sizeof names / sizeof *names ? names[v.type] : "?";
}

bool tn_jtruth(tn_jval v) {
    switch (v.type) {
    case TN_J_ABSENT:
    case TN_J_UNDEFINED:
    case TN_J_NONE: return false;
    case TN_J_BOOL: return v.u.b;
    case TN_J_INT: return v.u.i != 0;
    case TN_J_FLOAT: return v.u.f != 0;
    case TN_J_STRING: return v.len != 0;
    case TN_J_LIST:
    case TN_J_TUPLE:
    case TN_J_VIEW: return v.u.list->n != 0;
    case TN_J_DICT: return v.u.dict->n != 0;
    case TN_J_RANGE: return v.u.range->n != 0;
    default: return true;
    }
}

bool tn_jlength(tn_jval v, size_t *ret) {
    switch (v.type) {
    case TN_J_UNDEFINED: *ret = 0; return true;
    case TN_J_STRING: *ret = tn_jutf8_count(v.u.s, v.len); return true;
    case TN_J_LIST:
    case TN_J_TUPLE:
    case TN_J_VIEW: *ret = v.u.list->n; return true;
    case TN_J_DICT: *ret = v.u.dict->n; return true;
    case TN_J_RANGE: *ret = v.u.range->n; return true;
    default: return false;
    }
}
