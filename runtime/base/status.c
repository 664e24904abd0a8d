/* SPDX-License-Identifier: Apache-2.0 */
#include "base/status.h"

#include <string.h>

const char *tn_status_name(int code) {
    switch (code) {
    case TN_OK: return "TN_OK";
#define CASE(name, value, cls, text)                                                                         \
    case name: return #name;
        TN_STATUS_TABLE(CASE)
#undef CASE
    }
    return "TN_E?";
}

const char *tn_status_text(int code) {
    switch (code) {
    case TN_OK: return "success";
#define CASE(name, value, cls, text)                                                                         \
    case name: return text;
        TN_STATUS_TABLE(CASE)
#undef CASE
    }
    return "unknown status";
}

tn_status_class tn_status_classify(int code) {
    enum { input = TN_CLASS_INPUT, env = TN_CLASS_ENV, bug = TN_CLASS_BUG };
    switch (code) {
    case TN_OK: return TN_CLASS_OK;
#define CASE(name, value, cls, text)                                                                         \
    case name: return (tn_status_class)cls;
        TN_STATUS_TABLE(CASE)
#undef CASE
    }
    return TN_CLASS_BUG;
}

int tn_error_prefix(tn_error *err, int code, const char *fmt, ...) {
    if (!err) return code;
    char old[sizeof err->text];
    memcpy(old, err->text, sizeof old);
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(err->text, sizeof err->text, fmt, args);
    va_end(args);
    if (n >= 0 && (size_t)n < sizeof err->text) {
        int room = (int)sizeof err->text - n;
        snprintf(err->text + n, (size_t)room, ": %.*s", room, old); /* cut at the end, as every text */
    }
    if (err->code == 0) err->code = code;
    return err->code;
}
