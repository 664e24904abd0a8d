/* SPDX-License-Identifier: 0BSD OR Apache-2.0 */
/* Status codes and the error object that travel between the host and its modules.
 *
 * A function that can fail returns 0 or a negative code of the table below and, when the caller passed a
 * tn_error, leaves one sentence for a human in it. The code says whose fault it is: a caller's input, the
 * environment, or us. */
#ifndef TENON_STATUS_H
#define TENON_STATUS_H

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

/* X(name, value, class, sentence). Classes: input (what was asked or given is wrong), env (files, memory,
 * machine), bug (ours or a module's). Values are never reused. */
#define TN_STATUS_TABLE(X)                                                                                   \
    X(TN_EINVAL, -1, input, "invalid argument or value")                                                     \
    X(TN_EFORMAT, -2, input, "damaged or contradictory data")                                                \
    X(TN_ENOTSUP, -3, input, "valid, but not supported")                                                     \
    X(TN_ENOENT, -4, input, "not found")                                                                     \
    X(TN_ELIMIT, -5, input, "over a stated limit")                                                           \
    X(TN_ERAISED, -6, input, "raised by a template")                                                         \
    X(TN_ECANCELED, -7, input, "cancelled")                                                                  \
    X(TN_ENOMEM, -20, env, "out of memory")                                                                  \
    X(TN_EIO, -21, env, "input/output failed")                                                               \
    X(TN_EABI, -22, env, "module does not fit this program")                                                 \
    X(TN_EDEVICE, -23, env, "device failed")                                                                 \
    X(TN_EBUG, -40, bug, "internal error")                                                                   \
    X(TN_EMODULE, -41, bug, "module misbehaved")

enum tn_status {
    TN_OK = 0,
#define TN_STATUS_ENUM(name, value, cls, text) name = value,
    TN_STATUS_TABLE(TN_STATUS_ENUM)
#undef TN_STATUS_ENUM
};

/* One failure, for a human. Owned by whoever declares it; initialise with {0}. Never half-written: text is
 * always NUL-terminated UTF-8 (long texts are cut). */
typedef struct tn_error {
    int32_t code; /* 0 or one of tn_status */
    uint32_t reserved;
    char text[504];
} tn_error;

#if defined(__GNUC__)
#    define TN_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#else
#    define TN_PRINTF(fmt, args)
#endif

/* Fills err (may be NULL) and returns code, so that a failing function can end in `return tn_fail(err,
 * TN_E..., ...)`. The text says what, where, the value and the limit, and what to do. [any thread] */
static inline int tn_fail(tn_error *err, int code, const char *fmt, ...) TN_PRINTF(3, 4);
static inline int tn_fail(tn_error *err, int code, const char *fmt, ...) {
    if (err) {
        va_list args;
        err->code = code;
        va_start(args, fmt);
        vsnprintf(err->text, sizeof err->text, fmt, args);
        va_end(args);
    }
    return code;
}

#ifdef __cplusplus
}
#endif
#endif
