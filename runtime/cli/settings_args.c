/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/settings_args.h"

#include <stdlib.h>
#include <string.h>

enum { FLAGS_MAX = 1 + sizeof(((tn_opt_strings *)0)->value) / sizeof(const char *) };

#define AT(field) .offset = offsetof(tn_settings_args, field)
const tn_option_row tn_settings_options[] = {
    {TN_OPT_STRING, 'c', .name = "config", .arg = "FILE", .hint = TN_COMPLETE_FILE,
     .help = "the configuration file (default: tenon.conf(5) says where it is looked for)", AT(file)},
    {TN_OPT_STRINGS, 'm', .name = "model", .arg = "MODEL", .hint = TN_COMPLETE_MODEL,
     .help = "serve this model and no other; may be given several times", AT(models)},
    {TN_OPT_STRING, .name = "listen", .arg = "HOST:PORT", .help = "where to listen (server.listen)",
     AT(listen)},
    {TN_OPT_STRINGS, .name = "set", .arg = "KEY=VALUE",
     .help = "set SECTION.KEY or model.NAME.KEY; may be given several times", AT(set)},
    {.kind = TN_OPT_END},
};

/* "server.listen=..." into key and value. *ret_key is the caller's (free). */
static int split(const char *text, char **ret_key, const char **ret_value, tn_error *err) {
    const char *equal = strchr(text, '=');
    if (!equal) return tn_fail(err, TN_EINVAL, "--set takes KEY=VALUE, not '%.200s'", text);
    *ret_key = strndup(text, (size_t)(equal - text));
    *ret_value = equal + 1;
    return *ret_key ? 0 : tn_fail(err, TN_ENOMEM, "out of memory");
}

int tn_settings_args_load(const tn_settings_args *args, tn_settings **ret, tn_error *err) {
    tn_settings_flag flags[FLAGS_MAX];
    char *keys[FLAGS_MAX] = {0};
    size_t n = 0;
    int rc = 0;
    for (uint32_t i = 0; i < args->set.n && !rc; i++, n++) {
        flags[n].flag = "--set";
        rc = split(args->set.value[i], &keys[n], &flags[n].value, err);
        flags[n].key = keys[n];
    }
    if (args->listen)
        flags[n++] = (tn_settings_flag){.flag = "--listen", .key = "server.listen", .value = args->listen};
    tn_settings_overrides o = {.file = args->file,
                               .flags = flags,
                               .n_flags = n,
                               .models = args->models.value,
                               .n_models = args->models.n};
    if (!rc) rc = tn_settings_load(&o, ret, err);
    for (size_t i = 0; i < args->set.n; i++) free(keys[i]);
    return rc;
}
