/* SPDX-License-Identifier: Apache-2.0 */
/* Settings against the machine that they are for. */
#ifndef TN_CONFIG_CHECK_H
#define TN_CONFIG_CHECK_H

#include "config/settings.h"
#include "modules/registry.h"

/* Whether every module with a section is there and takes its keys and values, whether every pinned family is
 * there, and whether template files and folders of media are. Opens the modules that have sections. The
 * message begins with the setting's place. TN_EINVAL, TN_ENOENT, and what tn_registry_load gives. [control
 * thread] */
int tn_settings_check(const tn_settings *s, tn_registry *r, tn_error *err);

#endif
