/* SPDX-License-Identifier: Apache-2.0 */
/* Base64 (RFC 4648, section 4), read strictly: no blanks, padding where it belongs, no bits left over. */
#ifndef TN_MEDIA_BASE64_H
#define TN_MEDIA_BASE64_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <tenon/status.h>

/* Bytes that text of len characters stands for, by its length and padding alone. */
size_t tn_base64_size(const char *text, size_t len);

/* Writes tn_base64_size() bytes. TN_EINVAL says what stands where instead. [any thread] */
int tn_base64_decode(const char *text, size_t len, uint8_t *ret, tn_error *err);

/* Characters that n bytes become, padding included; and those characters, without a NUL. [any thread] */
static inline size_t tn_base64_length(size_t n) {
    return (n + 2) / 3 * 4;
}
void tn_base64_encode(const uint8_t *bytes, size_t n, char *ret);

#endif
