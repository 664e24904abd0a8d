/* SPDX-License-Identifier: Apache-2.0 */
/* One setting's value: from text into its field, back into text, and freed. Knows the table, not where values
 * come from. */
#ifndef TN_CONFIG_VALUE_H
#define TN_CONFIG_VALUE_H

#include <jansson.h>

#include "base/buf.h"
#include "config/table.h"

/* Where a text was found. */
typedef struct tn_setting_place {
    const char *where; /* what messages begin with: "FILE:LINE", "TENON_SERVER_LISTEN", "--listen" */
    const char *dir;   /* relative paths begin here; NULL: the working directory */
} tn_setting_place;

/* What a stated limit allows. */
enum { TN_SETTING_TEXT_BYTES = 4096, TN_SETTING_LIST_ITEMS = 1024 };

/* Replaces *field by the value of text, or appends one item to a list. An empty item of a list is no item.
 * TN_EINVAL says place, key, what is expected and what was found (secrets excepted), and leaves the field as
 * it was; TN_ENOMEM. */
int tn_setting_parse(const tn_setting_row *row, const char *text, const tn_setting_place *place, void *field,
                     tn_error *err);
/* Frees what the field holds and makes it unset; a field of zeros is fine. */
void tn_setting_clear(const tn_setting_row *row, void *field);
/* *to, which is unset, becomes a copy of *from, a field of the same kind. TN_ENOMEM. */
int tn_setting_copy(const tn_setting_row *row, const void *from, void *to, tn_error *err);

/* Whether nobody gave it a value, not even a default. */
bool tn_setting_is_unset(const tn_setting_row *row, const void *field);
/* The value as a configuration file would have it, secrets masked; nothing when it is unset. */
void tn_setting_print(const tn_setting_row *row, const void *field, tn_buf *out);
/* Appends text in double quotes, as a configuration file would have it. */
void tn_setting_quote(const char *text, tn_buf *out);
/* The same as JSON: sizes in bytes, times in seconds; null when it is unset or memory ran out. A new
 * reference. */
json_t *tn_setting_json(const tn_setting_row *row, const void *field);

/* What makes a text unusable as a value (control characters, broken UTF-8, too long), or NULL. */
const char *tn_setting_text_check(const char *text);
/* Appends a copy of text; TN_ENOMEM. */
int tn_string_list_add(tn_string_list *list, const char *text, tn_error *err);
void tn_string_list_free(tn_string_list *list);

#endif
