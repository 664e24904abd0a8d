/* SPDX-License-Identifier: Apache-2.0 */
/* Judging a module's entry: may this program use it, and if not, why and what can be done. */
#ifndef TN_MODULES_ENTRY_H
#define TN_MODULES_ENTRY_H

#include <stdbool.h>
#include <tenon/module.h>

/* Checks size and version first and reads nothing else unless they fit; then id, strings, option table,
 * get_factory. Runs no code of the module. where names the module in messages: its file. TN_EABI (built for
 * another ABI; both versions and the remedy are named), TN_EMODULE (breaks a rule of tenon/module.h).
 * [control] */
int tn_entry_check(const tn_module *entry, const char *where, tn_error *err);

/* Runs get_factory for the first time: an id that nobody has must give NULL. entry has passed tn_entry_check;
 * host lives until the process ends. TN_EMODULE. [control] */
int tn_entry_check_factories(const tn_module *entry, const tn_host *host, const char *where, tn_error *err);

/* Whether id may name a module: 1 to 64 of a-z 0-9 . _ -, a letter or digit first. [any thread] */
bool tn_module_id_valid(const char *id);

#endif
