/* SPDX-License-Identifier: Apache-2.0 */
#include "weights/names.h"

#include <tenon/status.h>
#include <utf8proc.h>

bool tn_name_printable(const char *name, size_t len) {
    const utf8proc_uint8_t *s = (const utf8proc_uint8_t *)name;
    while (len) {
        utf8proc_int32_t c;
        utf8proc_ssize_t n = utf8proc_iterate(s, (utf8proc_ssize_t)len, &c);
        if (n <= 0 || c < 0x20 || (c >= 0x7f && c < 0xa0)) return false;
        s += n;
        len -= (size_t)n;
    }
    return true;
}

json_t *tn_names_new(void) {
    return json_object();
}

int tn_names_add(json_t *names, const char *name, uint64_t position) {
    if (json_object_get(names, name)) return TN_EFORMAT;
    return json_object_set_new(names, name, json_integer((json_int_t)position)) ? TN_ENOMEM : 0;
}

bool tn_names_find(const json_t *names, const char *name, uint64_t *ret_position) {
    const json_t *value = json_object_get(names, name);
    if (!value) return false;
    *ret_position = (uint64_t)json_integer_value(value);
    return true;
}
