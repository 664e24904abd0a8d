/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/command.h"

#include <stdarg.h>
#include <string.h>

#include "base/status.h"

/* Positive, so that it cannot be mistaken for a status; no exit status of a command. */
enum { RC_USAGE = 1000 };

#define ADDRESS(name) &tn_cmd_##name,
const tn_command *const tn_commands[] = {TN_COMMANDS(ADDRESS) NULL};
#undef ADDRESS

const tn_command *tn_command_find(const char *name) {
    for (const tn_command *const *c = tn_commands; *c; c++)
        if (strcmp((*c)->name, name) == 0) return *c;
    return NULL;
}

int tn_usage(tn_error *err, const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    err->code = TN_EINVAL;
    vsnprintf(err->text, sizeof err->text, fmt, args);
    va_end(args);
    return RC_USAGE;
}

int tn_usage_status(int rc) {
    return rc == TN_EINVAL ? RC_USAGE : rc;
}

int tn_exit_status(int rc) {
    if (rc == RC_USAGE) return TN_EXIT_USAGE;
    if (rc >= 0) return rc;
    if (rc == TN_ECANCELED) return TN_EXIT_INTERRUPTED;
    switch (tn_status_classify(rc)) {
    case TN_CLASS_OK: return TN_EXIT_OK;
    case TN_CLASS_INPUT: return TN_EXIT_INPUT;
    case TN_CLASS_ENV: return TN_EXIT_ENV;
    case TN_CLASS_BUG: break;
    }
    return TN_EXIT_BUG;
}
