/* SPDX-License-Identifier: Apache-2.0 */
/* A module that does nothing yet: the one to copy. doc/modules.md walks through making it yours. */
#include <tenon/module.h>

static const tn_option options[] = {
    TN_OPTION_BOOL_INIT("greet", "false", "say hello in the log when a factory is asked for"),
    TN_OPTION_END,
};

/* Every factory that this module offers has a line here; an unknown id gives NULL. */
static const void *get_factory(const tn_host *host, const char *factory_id) {
    tn_host_logf(host, TN_SEVERITY_TRACE, "asked for %s", factory_id);
    return NULL;
}

TN_MODULE_ENTRY(.id = "template", .version = "0.1.0", .licence = "Apache-2.0", .options = options,
                .get_factory = get_factory);
