/* SPDX-License-Identifier: Apache-2.0 */
/* What there is to say about modules, as text for people and as JSON: the content of `tenon modules`. */
#ifndef TN_MODULES_LIST_H
#define TN_MODULES_LIST_H

#include <jansson.h>

#include "base/buf.h"
#include "modules/registry.h"

/* Appends a table of the usable modules and, below it, what was passed over and why. */
void tn_modules_list_text(const tn_registry *r, tn_buf *out);
/* {"abi": "0.1", "modules": [facts with "path" (null: part of the program)], "problems": [{"path", "code":
 * "TN_EABI", "text"}]}: a new reference, or NULL when out of memory. */
json_t *tn_modules_list_json(const tn_registry *r);

/* Appends all facts of one module, options explained. path: its file, or NULL when it is part of the program.
 */
void tn_module_text(const json_t *facts, const char *path, tn_buf *out);
/* The facts with "path": a new reference, or NULL when out of memory. */
json_t *tn_module_json(const json_t *facts, const char *path);

/* Less than, equal to or greater than 0 as version a is older than, the same as or newer than b: numbers
 * compare as numbers ("1.10" is newer than "1.9"), everything else as text. [any thread] */
int tn_version_compare(const char *a, const char *b);

#endif
