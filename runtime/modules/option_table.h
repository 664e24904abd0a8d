/* SPDX-License-Identifier: Apache-2.0 */
/* A module's option table: checking the table itself, and turning configuration text into checked values. */
#ifndef TN_MODULES_OPTION_TABLE_H
#define TN_MODULES_OPTION_TABLE_H

#include <stddef.h>
#include <tenon/module.h>

/* One line of configuration: key = value. Borrowed. */
typedef struct tn_option_arg {
    const char *key, *value;
} tn_option_arg;

/* Whether the table keeps the rules of tenon/module.h: names, types, ranges, and defaults that are allowed
 * values. NULL is an empty table. where names the module in messages. TN_EMODULE. [any thread] */
int tn_option_table_check(const tn_option *table, const char *where, tn_error *err);

/* How many options a checked table has. [any thread] */
size_t tn_option_table_count(const tn_option *table);

/* "bool", "int", "float", "string", "enum", or NULL. [any thread] */
const char *tn_option_type_name(uint32_t type);

/* Checks args against a checked table and fills in defaults. *ret_values: one value per option, in table
 * order, in one allocation with its strings (tn_option_values_free), NULL for an empty table. where names the
 * module in messages. TN_EINVAL: an unknown key (the nearest valid one is named), a key given twice, a value
 * of another type, out of range or not among the choices (what is allowed is named), an option without a
 * default that was not given. TN_ENOMEM. [any thread] */
int tn_option_table_parse(const tn_option *table, const tn_option_arg *args, size_t n_args, const char *where,
                          tn_option_value **ret_values, tn_error *err);
void tn_option_values_free(tn_option_value *values);

#endif
