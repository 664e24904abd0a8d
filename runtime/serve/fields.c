/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/fields.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

tn_path tn_path_field(const char *path, const char *name) {
    tn_path p;
    snprintf(p.text, sizeof p.text, "%s%s%s", path, *path ? "." : "", name);
    return p;
}

tn_path tn_path_item(const char *path, size_t index) {
    tn_path p;
    snprintf(p.text, sizeof p.text, "%s[%zu]", path, index);
    return p;
}

/* ---- What stands there, for messages ----------------------------------------------------------------- */

typedef struct shown {
    char text[160];
} shown;

/* The beginning of a string, quoted as in JSON. */
static void show_string(const json_t *v, shown *s) {
    enum { MOST = 40 };
    const char *text = json_string_value(v);
    size_t len = json_string_length(v), n = len;
    if (n > MOST) n = MOST;
    while (n < len && n > 0 && (text[n] & 0xc0) == 0x80) n--;
    json_t *part = json_stringn(text, n);
    char *quoted = part ? json_dumps(part, JSON_ENCODE_ANY) : NULL;
    snprintf(s->text, sizeof s->text, "%s%s",
             quoted && strlen(quoted) < sizeof s->text - 8 ? quoted : "a string", n < len ? "..." : "");
    free(quoted);
    json_decref(part);
}

static shown show(const json_t *v) {
    shown s = {"absent"};
    switch (v ? json_typeof(v) : JSON_NULL) {
    case JSON_OBJECT: snprintf(s.text, sizeof s.text, "an object"); break;
    case JSON_ARRAY: snprintf(s.text, sizeof s.text, "an array of %zu", json_array_size(v)); break;
    case JSON_STRING: show_string(v, &s); break;
    case JSON_INTEGER: snprintf(s.text, sizeof s.text, "%" JSON_INTEGER_FORMAT, json_integer_value(v)); break;
    case JSON_REAL: snprintf(s.text, sizeof s.text, "%.10g", json_real_value(v)); break;
    case JSON_TRUE: snprintf(s.text, sizeof s.text, "true"); break;
    case JSON_FALSE: snprintf(s.text, sizeof s.text, "false"); break;
    case JSON_NULL: snprintf(s.text, sizeof s.text, "%s", v ? "null" : "absent"); break;
    }
    return s;
}

int tn_value_wrong(const json_t *value, const char *path, tn_api_error *e, const char *expected, ...) {
    char text[256];
    va_list args;
    va_start(args, expected);
    vsnprintf(text, sizeof text, expected, args);
    va_end(args);
    return tn_api_fail(e, 400, NULL, path, "%s is %s; it must be %s", path, show(value).text, text);
}

/* ---- Values ------------------------------------------------------------------------------------------ */

bool tn_value_whole(const json_t *v, int64_t min, int64_t max, int64_t *ret) {
    int64_t n;
    if (json_is_integer(v)) {
        n = json_integer_value(v);
    } else if (json_is_real(v)) {
        double d = json_real_value(v);
        if (!(d >= -0x1p53 && d <= 0x1p53)) return false;
        n = (int64_t)d;
        if ((double)n != d) return false;
    } else {
        return false;
    }
    if (n < min || n > max) return false;
    *ret = n;
    return true;
}

int tn_value_name(const json_t *v, const char *path, tn_api_error *e, const char **ret) {
    if (!json_is_string(v)) return tn_value_wrong(v, path, e, "a string");
    if (strlen(json_string_value(v)) != json_string_length(v))
        return tn_value_wrong(v, path, e, "a string without NUL characters");
    *ret = json_string_value(v);
    return 0;
}

/* ---- Fields ------------------------------------------------------------------------------------------ */

json_t *tn_fields_get(const tn_fields *f, const char *name) {
    json_t *v = json_object_get(f->object, name);
    return json_is_null(v) ? NULL : v;
}

int tn_fields_fail(const tn_fields *f, const char *name, const char *fmt, ...) {
    char text[sizeof f->e->message];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    tn_path path = tn_path_field(f->path, name);
    return tn_api_fail(f->e, 400, NULL, path.text, "%s: %s", path.text, text);
}

int tn_fields_missing(const tn_fields *f, const char *name, const char *expected) {
    tn_path path = tn_path_field(f->path, name);
    return tn_api_fail(f->e, 400, NULL, path.text, "%s is missing; it must be %s", path.text, expected);
}

int tn_fields_bool(const tn_fields *f, const char *name, bool *ret) {
    const json_t *v = tn_fields_get(f, name);
    if (!v) return 0;
    if (!json_is_boolean(v))
        return tn_value_wrong(v, tn_path_field(f->path, name).text, f->e, "true or false");
    *ret = json_is_true(v);
    return 1;
}

int tn_fields_whole(const tn_fields *f, const char *name, int64_t min, int64_t max, int64_t *ret) {
    const json_t *v = tn_fields_get(f, name);
    if (!v) return 0;
    if (!tn_value_whole(v, min, max, ret))
        return tn_value_wrong(v, tn_path_field(f->path, name).text, f->e,
                              "a whole number from %" PRId64 " to %" PRId64, min, max);
    return 1;
}

int tn_fields_number(const tn_fields *f, const char *name, double min, double max, double *ret) {
    const json_t *v = tn_fields_get(f, name);
    if (!v) return 0;
    double d = json_number_value(v);
    if (!json_is_number(v) || !(d >= min && d <= max))
        return tn_value_wrong(v, tn_path_field(f->path, name).text, f->e, "a number from %g to %g", min, max);
    *ret = d;
    return 1;
}

/* 1 and 1.0 are the same value, which json_equal does not know. */
static bool same_value(const json_t *a, const json_t *b) {
    if (json_is_number(a) && json_is_number(b)) return json_number_value(a) == json_number_value(b);
    return json_equal(a, b);
}

int tn_fields_alias(const tn_fields *f, const char *const *names, const char **ret_name) {
    const char *found = NULL;
    for (const char *const *n = names; *n; n++) {
        const json_t *v = tn_fields_get(f, *n);
        if (v && found && !same_value(v, tn_fields_get(f, found)))
            return tn_fields_fail(f, *n, "is %s, and %s, which means the same, is %s; give one of them",
                                  show(v).text, found, show(tn_fields_get(f, found)).text);
        if (v && !found) found = *n;
    }
    *ret_name = found ? found : names[0];
    return 0;
}

int tn_fields_string(const tn_fields *f, const char *name, const char **ret, size_t *ret_len) {
    const json_t *v = tn_fields_get(f, name);
    if (!v) return 0;
    if (!json_is_string(v)) return tn_value_wrong(v, tn_path_field(f->path, name).text, f->e, "a string");
    *ret = json_string_value(v);
    *ret_len = json_string_length(v);
    return 1;
}

int tn_fields_name(const tn_fields *f, const char *name, const char **ret) {
    const json_t *v = tn_fields_get(f, name);
    if (!v) return 0;
    return tn_value_name(v, tn_path_field(f->path, name).text, f->e, ret) ? -1 : 1;
}

int tn_fields_array(const tn_fields *f, const char *name, json_t **ret) {
    json_t *v = tn_fields_get(f, name);
    if (!v) return 0;
    if (!json_is_array(v)) return tn_value_wrong(v, tn_path_field(f->path, name).text, f->e, "an array");
    *ret = v;
    return 1;
}

int tn_fields_object(const tn_fields *f, const char *name, json_t **ret) {
    json_t *v = tn_fields_get(f, name);
    if (!v) return 0;
    if (!json_is_object(v)) return tn_value_wrong(v, tn_path_field(f->path, name).text, f->e, "an object");
    *ret = v;
    return 1;
}
