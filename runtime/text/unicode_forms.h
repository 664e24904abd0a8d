/* SPDX-License-Identifier: Apache-2.0 */
/* Unicode normalisation forms over utf8proc, in linear time for any input. */
#ifndef TN_TEXT_UNICODE_FORMS_H
#define TN_TEXT_UNICODE_FORMS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

/* Appends NFC / NFD / NFKC / NFKD of well-formed s[0, n). TN_ENOMEM, or out's limit. [any thread] */
int tn__unicode_form(const char *s, size_t n, bool compatibility, bool compose, tn_buf *out);

#endif
