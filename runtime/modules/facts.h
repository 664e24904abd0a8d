/* SPDX-License-Identifier: Apache-2.0 */
/* What there is to know of a module without opening it, as JSON: what a scan prints, the cache keeps and
 * `tenon modules --json` shows.
 *
 *     {"id": "llama", "version": "0.1.0", "licence": "Apache-2.0", "abi": "0.1", "factories":
 * ["tenon.family/0"], "options": [{"name": "window", "type": "int", "help": "...", "default": "4096", "min":
 * 1, "max": 1048576}]}
 *
 * default is null for an option that must be given; an enum has "choices": ["low", "high"] in place of min
 * and max. */
#ifndef TN_MODULES_FACTS_H
#define TN_MODULES_FACTS_H

#include <jansson.h>
#include <stdbool.h>
#include <tenon/status.h>

#include "modules/loader.h"

/* The ABI of this program as text: "0.1". */
#define TN_ABI_TEXT_(major, minor)  #major "." #minor
#define TN_ABI_TEXT__(major, minor) TN_ABI_TEXT_(major, minor)
#define TN_ABI_TEXT                 TN_ABI_TEXT__(TN_ABI_MAJOR, TN_ABI_MINOR)

/* The facts of an opened module: a new reference, or NULL when out of memory. Asks it for every factory that
 * this program knows. [control] */
json_t *tn_facts_new(const tn_loaded *loaded);

/* Whether value has the form above: it comes from a child process or a file, so nothing of it is believed
 * before. [any thread] */
bool tn_facts_valid(const json_t *value);

#endif
