/* SPDX-License-Identifier: 0BSD OR Apache-2.0 */
/* A module as somebody outside writes it, in C and, the same file, in C++. */
#include <tenon/module.h>

static const tn_option options[] = {
    TN_OPTION_ENUM_INIT("mood", "calm", "calm|lively", "how it speaks"),
    TN_OPTION_END,
};

static const void *get_factory(const tn_host *host, const char *factory_id) {
    tn_host_logf(host, TN_SEVERITY_DEBUG, "somebody wants %s", factory_id);
    return NULL;
}

#ifdef __cplusplus
TN_MODULE_ENTRY("org.example.stranger", "2.0", "LGPL-3.0-only", options, get_factory);
#else
TN_MODULE_ENTRY(.id = "org.example.stranger", .version = "2.0", .licence = "LGPL-3.0-only",
                .options = options, .get_factory = get_factory);
#endif
