/* SPDX-License-Identifier: Apache-2.0 */
/* What is said about names that no setting has. */
#ifndef TN_CONFIG_UNKNOWN_H
#define TN_CONFIG_UNKNOWN_H

#include "config/table.h"

/* Both return TN_EINVAL with the nearest name, or the section where the name would be right. where:
 * "FILE:LINE", "--set". */
int tn_section_unknown(const char *where, const char *name, tn_error *err);
int tn_setting_unknown(const char *where, tn_setting_section section, const char *key, tn_error *err);

#endif
