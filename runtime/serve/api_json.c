/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/api_json.h"

#include "text/utf8.h"

json_t *tn_api_text(const char *bytes, size_t len) {
    tn_buf lossy;
    if (tn__utf8_valid(bytes, len)) return json_stringn_nocheck(bytes, len);
    tn_buf_init(&lossy, SIZE_MAX);
    json_t *text = tn__utf8_lossy(bytes, len, &lossy) ? NULL : json_stringn_nocheck(lossy.data, lossy.len);
    tn_buf_free(&lossy);
    return text;
}

static int append(const char *bytes, size_t len, void *out) {
    return tn_buf_add(out, bytes, len) ? -1 : 0;
}

void tn_api_print(json_t *value, tn_buf *out) {
    /* Reals are log probabilities: nine digits give every float back. */
    size_t flags = JSON_COMPACT | JSON_REAL_PRECISION(9);
    if (!value || json_dump_callback(value, append, out, flags) != 0)
        if (!out->status) out->status = TN_ENOMEM;
    json_decref(value);
}

void tn_api_print_event(json_t *value, tn_buf *out) {
    tn_buf_adds(out, "data: ");
    tn_api_print(value, out);
    tn_buf_adds(out, "\n\n");
}
