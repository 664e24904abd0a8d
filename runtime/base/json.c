/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json.h"

#include <stdlib.h>

#include "base/file.h"

int tn_json_parse(const char *text, size_t len, const char *name, json_t **ret, tn_error *err) {
    json_error_t je;
    json_t *value = json_loadb(text, len, JSON_ALLOW_NUL | JSON_DECODE_ANY, &je);
    if (!value && json_error_code(&je) == json_error_numeric_overflow)
        value = json_loadb(text, len, JSON_ALLOW_NUL | JSON_DECODE_ANY | JSON_DECODE_INT_AS_REAL, &je);
    if (!value) {
        /* jansson leaves the place unset where memory ran out, not always with the code for it */
        if (json_error_code(&je) == json_error_out_of_memory || je.line < 0)
            return tn_fail(err, TN_ENOMEM, "%s: out of memory", name);
        return tn_fail(err, TN_EFORMAT, "%s: not valid JSON at line %d, column %d: %s", name, je.line,
                       je.column, je.text);
    }
    *ret = value;
    return 0;
}

int tn_json_load(const char *path, size_t max, json_t **ret, tn_error *err) {
    char *text;
    size_t len;
    int rc = tn_file_read(path, max, &text, &len, err);
    if (rc) return rc;
    rc = tn_json_parse(text, len, path, ret, err);
    free(text);
    return rc;
}
