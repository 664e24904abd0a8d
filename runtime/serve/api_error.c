/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/status.h"
#include "serve/api_json.h"

static const char *type_of(unsigned status) {
    switch (status) {
    case 401: return "authentication_error";
    case 403: return "permission_error";
    case 429: return "rate_limit_error";
    default: return status >= 500 ? "server_error" : "invalid_request_error";
    }
}

static const char *code_of(unsigned status) {
    switch (status) {
    case 401: return "invalid_api_key";
    case 404: return "not_found";
    case 405: return "method_not_allowed";
    case 413: return "request_too_large";
    case 429: return "rate_limit_exceeded";
    case 500: return "internal_error";
    case 503: return "unavailable";
    default: return NULL;
    }
}

int tn_api_fail(tn_api_error *e, unsigned status, const char *code, const char *param, const char *fmt, ...) {
    va_list args;
    e->status = status;
    e->type = type_of(status);
    e->code = code ? code : code_of(status);
    snprintf(e->param, sizeof e->param, "%s", param ? param : "");
    va_start(args, fmt);
    vsnprintf(e->message, sizeof e->message, fmt, args);
    va_end(args);
    return -1;
}

static unsigned status_of(int code) {
    if (code == TN_ENOENT) return 404;
    switch (tn_status_classify(code)) {
    case TN_CLASS_INPUT: return 400;
    case TN_CLASS_ENV: return 503;
    default: return 500;
    }
}

int tn_api_fail_status(tn_api_error *e, int code, const char *param, const char *text) {
    return tn_api_fail(e, status_of(code), NULL, param, "%s", text);
}

/* {"error": {...}}; messages may have been cut inside a character. */
static json_t *error_json(const tn_api_error *e) {
    json_t *message = tn_api_text(e->message, strlen(e->message));
    json_t *param = e->param[0] ? tn_api_text(e->param, strlen(e->param)) : json_null();
    return json_pack("{s:{s:o, s:s, s:o, s:s?}}", "error", "message", message, "type", e->type, "param",
                     param, "code", e->code);
}

void tn_api_error_body(const tn_api_error *e, tn_buf *out) {
    tn_api_print(error_json(e), out);
}

void tn_api_event_error(const tn_api_error *e, tn_buf *out) {
    tn_api_print_event(error_json(e), out);
}
