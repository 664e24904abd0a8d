/* SPDX-License-Identifier: Apache-2.0 */
/* Configuration files as a run of assignments. The one place that knows libconfuse, whose lexer is global:
 * one reader at a time. */
#ifndef TN_CONFIG_READER_H
#define TN_CONFIG_READER_H

#include "config/table.h"

/* One value as it stands in a file; borrowed during the call. */
typedef struct tn_config_item {
    tn_setting_section section;
    const char *title;         /* NULL where sections have none */
    const char *key;           /* NULL: the section as such, at its end */
    const tn_setting_row *row; /* the key's; NULL in module sections */
    const char *text;          /* the value, or one of a list; "" for an empty list */
    bool first;                /* of a list; true for what is not one */
    uint32_t line, section_line;
} tn_config_item;

/* Returns 0 or fails the whole. */
typedef int (*tn_config_item_fn)(void *ctx, const tn_config_item *item, tn_error *err);

/* Parses a text. name is its file's, for messages. TN_EINVAL ("NAME:LINE: ..."), TN_ELIMIT, TN_ENOMEM, what
 * each returned. [control thread] */
int tn_config_read(const char *name, const char *text, size_t len, tn_config_item_fn each, void *ctx,
                   tn_error *err);

#endif
