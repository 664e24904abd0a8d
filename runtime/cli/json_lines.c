/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/json_lines.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/status.h"
#include "cli/output.h"

int tn_json_lines(tn_json_line_fn *fn, void *ctx, tn_error *err) {
    tn_buf line;
    bool more = true;
    int rc = 0;
    tn_buf_init(&line, TN_JSON_LINE_MAX);
    for (size_t number = 1; !rc; number++) {
        rc = tn_input_line(stdin, "a line of standard input", &line, &more, err);
        if (rc || !more) break;
        rc = fn(ctx, line.data ? line.data : "", line.len, err);
        if (rc) tn_error_prefix(err, rc, "line %zu", number);
        if (!rc) rc = tn_output_flush(err);
    }
    tn_buf_free(&line);
    return rc;
}

int tn_json_put(const json_t *value, tn_error *err) {
    /* ASCII, because a reader may take U+2028 and its like for the end of a line. */
    char *text = value ? json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY | JSON_ENSURE_ASCII) : NULL;
    if (!text) return tn_fail(err, TN_ENOMEM, "out of memory for a line of output");
    puts(text);
    free(text);
    return 0;
}

int tn_json_put_string(const char *text, size_t len, tn_error *err) {
    json_t *value = json_stringn(text, len);
    int rc = tn_json_put(value, err);
    json_decref(value);
    return rc;
}

void tn_json_put_ids(const tn_ids *ids) {
    putchar('[');
    for (size_t i = 0; i < ids->len; i++) printf(i ? ",%d" : "%d", (int)ids->data[i]);
    puts("]");
}
