/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/ids.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"

void tn_ids_free_lists(tn_ids *lists, size_t n) {
    for (size_t i = 0; i < n; i++) tn_ids_free(&lists[i]);
    free(lists);
}

/* Room for n ids; n 0 leaves NULL. */
static int ids_alloc(tn_ids *ids, size_t n, const char *name, tn_error *err) {
    *ids = (tn_ids){0};
    if (n > TN_IDS_MAX)
        return tn_fail(err, TN_ELIMIT, "%s: %zu ids, at most %d are taken", name, n, TN_IDS_MAX);
    if (n == 0) return 0;
    ids->data = calloc(n, sizeof *ids->data);
    if (!ids->data) return tn_fail(err, TN_ENOMEM, "%s: out of memory for %zu ids", name, n);
    ids->len = ids->cap = n;
    return 0;
}

/* One number of a list: digits with blanks around them. Returns its end (a comma or the text's end), NULL
 * when wrong. */
static const char *parse_id(const char *at, int32_t *ret) {
    int64_t value = 0;
    at += strspn(at, " \t\n");
    size_t digits = strspn(at, "0123456789");
    if (digits == 0) return NULL;
    for (; digits; digits--, at++) {
        value = value * 10 + (*at - '0');
        if (value > INT32_MAX) return NULL;
    }
    at += strspn(at, " \t\n");
    *ret = (int32_t)value;
    return *at == ',' || *at == '\0' ? at : NULL;
}

static int parse_list(const char *text, tn_ids *ret, tn_error *err) {
    size_t n = 1;
    if (text[strspn(text, " \t\n")] == '\0') return ids_alloc(ret, 0, "ids", err);
    for (const char *c = text; *c; c++) n += *c == ',';
    int rc = ids_alloc(ret, n, "ids", err);
    if (rc) return rc;
    for (size_t i = 0; i < n; i++) {
        const char *end = parse_id(text, &ret->data[i]);
        if (!end) {
            tn_ids_free(ret);
            return tn_fail(err, TN_EINVAL, "ids: number %zu is '%.*s', expected 0 to %d", i + 1,
                           (int)strcspn(text, ","), text, INT32_MAX);
        }
        text = end + 1;
    }
    return 0;
}

int tn_ids_from_json(const json_t *value, const char *name, tn_ids *ret, tn_error *err) {
    *ret = (tn_ids){0};
    if (!json_is_array(value)) return tn_fail(err, TN_EINVAL, "%s: expected an array of token ids", name);
    int rc = ids_alloc(ret, json_array_size(value), name, err);
    for (size_t i = 0; !rc && i < ret->len; i++) {
        const json_t *item = json_array_get(value, i);
        json_int_t id = json_is_integer(item) ? json_integer_value(item) : -1;
        if (id < 0 || id > INT32_MAX)
            rc = tn_fail(err, TN_EINVAL, "%s: element %zu is not a whole number from 0 to %d", name, i,
                         INT32_MAX);
        else
            ret->data[i] = (int32_t)id;
    }
    if (rc) tn_ids_free(ret);
    return rc;
}

int tn_ids_parse(const char *text, tn_ids *ret, tn_error *err) {
    json_t *value;
    *ret = (tn_ids){0};
    if (strspn(text, "0123456789,+- \t\n") == strlen(text)) return parse_list(text, ret, err);
    int rc = tn_json_load(text, TN_IDS_FILE_MAX, &value, err);
    if (rc) return rc;
    rc = tn_ids_from_json(value, text, ret, err);
    json_decref(value);
    return rc;
}

static int lists_from_json(const json_t *value, const char *path, tn_ids **ret_lists, size_t *ret_n,
                           tn_error *err) {
    size_t n = json_array_size(value);
    if (!json_is_array(value))
        return tn_fail(err, TN_EINVAL, "%s: expected an array of arrays of token ids", path);
    if (n > TN_IDS_LISTS_MAX)
        return tn_fail(err, TN_ELIMIT, "%s: %zu lists, at most %d are taken", path, n, TN_IDS_LISTS_MAX);
    tn_ids *lists = calloc(n ? n : 1, sizeof *lists);
    if (!lists) return tn_fail(err, TN_ENOMEM, "%s: out of memory", path);
    for (size_t i = 0; i < n; i++) {
        char name[4200];
        snprintf(name, sizeof name, "%s: list %zu", path, i);
        int rc = tn_ids_from_json(json_array_get(value, i), name, &lists[i], err);
        if (rc) {
            tn_ids_free_lists(lists, n);
            return rc;
        }
    }
    *ret_lists = lists;
    *ret_n = n;
    return 0;
}

int tn_ids_load_lists(const char *path, tn_ids **ret_lists, size_t *ret_n, tn_error *err) {
    json_t *value;
    int rc = tn_json_load(path, TN_IDS_FILE_MAX, &value, err);
    if (rc) return rc;
    rc = lists_from_json(value, path, ret_lists, ret_n, err);
    json_decref(value);
    return rc;
}
