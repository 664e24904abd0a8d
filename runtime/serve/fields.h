/* SPDX-License-Identifier: Apache-2.0 */
/* Typed reading of a request's JSON. Every failure names the field, says what stands there and what has to.
 *
 * A field whose value is null counts as absent. Booleans and strings are never numbers; a real that is whole
 * (5.0) is an integer. All functions: [any thread] */
#ifndef TN_SERVE_FIELDS_H
#define TN_SERVE_FIELDS_H

#include <stdbool.h>

#include "serve/api.h"

/* An object that fields are read from. */
typedef struct tn_fields {
    json_t *object;   /* borrowed */
    const char *path; /* where it stands: "" for the body, "messages[2]" */
    tn_api_error *e;
} tn_fields;

/* "messages[2]" + "content", "tools" + 3: what an error calls a value. Long paths are cut. */
typedef struct tn_path {
    char text[sizeof((tn_api_error *)0)->param];
} tn_path;
tn_path tn_path_field(const char *path, const char *name);
tn_path tn_path_item(const char *path, size_t index);

/* Fails with 400: "PATH is VALUE; it must be EXPECTED". Strings are quoted and cut, arrays and objects not
 * shown. */
int tn_value_wrong(const json_t *value, const char *path, tn_api_error *e, const char *expected, ...)
    TN_PRINTF(4, 5);
/* Whether v is a whole number within [min, max]. Reals beyond 2^53 are not: their digits are lost. */
bool tn_value_whole(const json_t *v, int64_t min, int64_t max, int64_t *ret);
/* A string without NUL. 0, or -1 with e filled. */
int tn_value_name(const json_t *v, const char *path, tn_api_error *e, const char **ret);

/* The value, or NULL where the field is absent or null. Borrowed. */
json_t *tn_fields_get(const tn_fields *f, const char *name);
/* Fails with 400 about a field, in own words. */
int tn_fields_fail(const tn_fields *f, const char *name, const char *fmt, ...) TN_PRINTF(3, 4);
/* The same for a field that has to be there. */
int tn_fields_missing(const tn_fields *f, const char *name, const char *expected);

/* 1: there, *ret is set; 0: absent, *ret as it was; -1: wrong, e filled. Limits belong to the range. */
int tn_fields_bool(const tn_fields *f, const char *name, bool *ret);
int tn_fields_whole(const tn_fields *f, const char *name, int64_t min, int64_t max, int64_t *ret);
int tn_fields_number(const tn_fields *f, const char *name, double min, double max, double *ret);
/* A field with several names, NULL after the last: the first that is given, an error when another one says
 * something else. Absent: names[0]. */
int tn_fields_alias(const tn_fields *f, const char *const *names, const char **ret_name);
int tn_fields_string(const tn_fields *f, const char *name, const char **ret, size_t *ret_len);
/* A string without NUL: names, kinds. */
int tn_fields_name(const tn_fields *f, const char *name, const char **ret);
int tn_fields_array(const tn_fields *f, const char *name, json_t **ret);
int tn_fields_object(const tn_fields *f, const char *name, json_t **ret);

#endif
