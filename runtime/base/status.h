/* SPDX-License-Identifier: Apache-2.0 */
/* Names, sentences and classes of the status codes in tenon/status.h, and building on an error's text. */
#ifndef TN_BASE_STATUS_H
#define TN_BASE_STATUS_H

#include <tenon/status.h>

typedef enum tn_status_class { TN_CLASS_OK, TN_CLASS_INPUT, TN_CLASS_ENV, TN_CLASS_BUG } tn_status_class;

/* "TN_EINVAL", and its sentence; an unknown code gives "TN_E?". Static strings. [any thread] */
const char *tn_status_name(int code);
const char *tn_status_text(int code);
/* Whose fault a code is; unknown codes are bugs. [any thread] */
tn_status_class tn_status_classify(int code);

/* Puts "fmt: " before the text already in err (may be NULL) and returns err's code, or code when err is NULL:
 * `return tn_error_prefix(err, rc, "%s", path)`. [any thread] */
int tn_error_prefix(tn_error *err, int code, const char *fmt, ...) TN_PRINTF(3, 4);

#endif
