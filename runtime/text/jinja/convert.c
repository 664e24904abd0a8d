/* SPDX-License-Identifier: Apache-2.0 */
#include "text/jinja/convert.h"

#include "text/jinja/chars.h"

static int string_of(tn_jrun *r, const char *s, size_t n, tn_jval *ret) {
    if (!tn__utf8_valid(s, n)) return tn_jfail(r, TN_EINVAL, "a string of the input is not valid UTF-8");
    *ret = tn_jstring(s, n);
    return 0;
}

static int list_of(tn_jrun *r, const json_t *json, tn_jval *ret) {
    tn_jlist *list;
    TN_TRY(tn_jlist_new(r, json_array_size(json), &list));
    for (; list->n < json_array_size(json); list->n++)
        TN_TRY(tn_jfrom_json(r, json_array_get(json, list->n), &list->item[list->n]));
    *ret = tn_jof_list(TN_J_LIST, list);
    return 0;
}

static int dict_of(tn_jrun *r, const json_t *json, tn_jval *ret) {
    json_t *object = (json_t *)json; /* its iterators do not change it */
    tn_jdict *d;
    TN_TRY(tn_jdict_new(r, json_object_size(json), &d));
    for (void *at = json_object_iter(object); at; at = json_object_iter_next(object, at)) {
        tn_jval key, value;
        TN_TRY(string_of(r, json_object_iter_key(at), json_object_iter_key_len(at), &key));
        TN_TRY(tn_jfrom_json(r, json_object_iter_value(at), &value));
        TN_TRY(tn_jdict_set(r, d, key, value));
    }
    *ret = tn_jof_dict(TN_J_DICT, d);
    return 0;
}

int tn_jfrom_json(tn_jrun *r, const json_t *json, tn_jval *ret) {
    int rc = 0;
    switch (json_typeof(json)) {
    case JSON_NULL: *ret = tn_jnone(); return 0;
    case JSON_TRUE: *ret = tn_jbool(true); return 0;
    case JSON_FALSE: *ret = tn_jbool(false); return 0;
    case JSON_INTEGER: *ret = tn_jint(json_integer_value(json)); return 0;
    case JSON_REAL: *ret = tn_jfloat(json_real_value(json)); return 0;
    case JSON_STRING: return string_of(r, json_string_value(json), json_string_length(json), ret);
    default: break;
    }
    TN_TRY(tn_jnest_enter(r));
    rc = json_is_array(json) ? list_of(r, json, ret) : dict_of(r, json, ret);
    tn_jnest_leave(r);
    return rc;
}
