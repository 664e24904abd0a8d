/* SPDX-License-Identifier: Apache-2.0 */
#include "text/json_get.h"

#include <string.h>

static int wrong(const char *key, const char *where, const char *what, tn_error *err) {
    return tn_fail(err, TN_EFORMAT, "%s: \"%s\" must be %s", where, key, what);
}

static const json_t *get(const json_t *obj, const char *key) {
    const json_t *v = json_object_get(obj, key);
    return v && !json_is_null(v) ? v : NULL;
}

int tn__json_opt_string(const json_t *obj, const char *key, const char *where, const char **ret,
                        size_t *ret_len, tn_error *err) {
    const json_t *v = get(obj, key);
    *ret = NULL;
    *ret_len = 0;
    if (!v) return 0;
    if (!json_is_string(v)) return wrong(key, where, "a string", err);
    *ret = json_string_value(v);
    *ret_len = json_string_length(v);
    return 0;
}

int tn__json_string(const json_t *obj, const char *key, const char *where, const char **ret, size_t *ret_len,
                    tn_error *err) {
    int rc = tn__json_opt_string(obj, key, where, ret, ret_len, err);
    return rc || *ret ? rc : wrong(key, where, "there, as a string", err);
}

int tn__json_bool(const json_t *obj, const char *key, const char *where, bool *ret, tn_error *err) {
    const json_t *v = get(obj, key);
    if (!v) return 0;
    if (!json_is_boolean(v)) return wrong(key, where, "true or false", err);
    *ret = json_is_true(v);
    return 0;
}

int tn__json_size(const json_t *obj, const char *key, const char *where, size_t max, size_t *ret,
                  tn_error *err) {
    const json_t *v = get(obj, key);
    if (!v) return 0;
    if (!json_is_integer(v) || json_integer_value(v) < 0)
        return wrong(key, where, "an integer from 0 on", err);
    if ((uint64_t)json_integer_value(v) > max)
        return tn_fail(err, TN_ELIMIT, "%s: \"%s\" is %lld, the limit is %zu", where, key,
                       (long long)json_integer_value(v), max);
    *ret = (size_t)json_integer_value(v);
    return 0;
}

int tn__json_type(const json_t *obj, const char *where, const char **ret, tn_error *err) {
    size_t len;
    if (!json_is_object(obj)) return tn_fail(err, TN_EFORMAT, "%s must be an object", where);
    int rc = tn__json_string(obj, "type", where, ret, &len, err);
    if (!rc && strlen(*ret) != len) rc = wrong("type", where, "without NUL", err);
    return rc;
}
