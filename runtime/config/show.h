/* SPDX-License-Identifier: Apache-2.0 */
/* Settings for a reader: every value and where it came from, secrets masked. */
#ifndef TN_CONFIG_SHOW_H
#define TN_CONFIG_SHOW_H

#include <jansson.h>

#include "base/buf.h"
#include "config/settings.h"

/* Appends "SECTION.KEY = VALUE  # SOURCE" lines; "(what that means)" stands for a value that nobody set. */
void tn_settings_show(const tn_settings *s, tn_buf *out);
/* Appends every setting there is: its key, what it may be, its default, what it does. */
void tn_settings_keys(tn_buf *out);
/* {"files": [...], "server": {KEY: {"value": ..., "from": "default"|"file"|"environment"|"flag", "name": ...,
 * "line": N}}, "cache", "limits", "media": alike, "models": {NAME: {KEY: ...}}, "modules": {ID: {KEY: ...}}}.
 * A new reference; NULL when out of memory. */
json_t *tn_settings_json(const tn_settings *s);

#endif
