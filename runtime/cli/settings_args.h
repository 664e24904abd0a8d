/* SPDX-License-Identifier: Apache-2.0 */
/* Options of the commands that read tenon.conf: which file, and what stands over it. */
#ifndef TN_CLI_SETTINGS_ARGS_H
#define TN_CLI_SETTINGS_ARGS_H

#include "cli/options.h"
#include "config/settings.h"

/* --config, --model, --listen, --set. */
typedef struct tn_settings_args {
    const char *file, *listen;
    tn_opt_strings models, set;
} tn_settings_args;

/* Table for a TN_OPT_GROUP row; the struct lies at the row's offset. */
extern const tn_option_row tn_settings_options[];

/* tn_settings_load() as the options say. TN_EINVAL also for a --set that is not KEY=VALUE. [control thread]
 */
int tn_settings_args_load(const tn_settings_args *args, tn_settings **ret, tn_error *err);

#endif
