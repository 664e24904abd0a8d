/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "cli/common.h"
#include "cli/frame.h"
#include "cli/settings_args.h"
#include "config/check.h"
#include "config/show.h"
#include "weights/mmproj.h"

typedef struct config_args {
    tn_settings_args settings;
    bool json;
} config_args;

static const tn_option_row options[] = {
    {TN_OPT_GROUP, .group = tn_settings_options, .offset = offsetof(config_args, settings)},
    {TN_OPT_FLAG, .name = "json", .help = "show: print JSON", .offset = offsetof(config_args, json)},
    {.kind = TN_OPT_END},
};

enum { TEXT_MAX = 16 << 20 };

/* ---- check ---- */

static int check_path(const tn_settings *s, const tn_model_settings *m, tn_error *err) {
    tn_setting_source source = tn_settings_source(s, "model", m->name, "path");
    char *path = NULL, *mmproj = NULL;
    int rc = tn_model_path_find(m->path, &path, err);
    if (!rc && m->mmproj && strcmp(m->mmproj, "none") != 0) {
        source = tn_settings_source(s, "model", m->name, "mmproj");
        rc = tn_mmproj_resolve(path, m->mmproj, &mmproj, err);
    }
    free(path);
    free(mmproj);
    if (!rc) return 0;
    if (source.line) return tn_error_prefix(err, rc, "%s:%u: model %s", source.name, source.line, m->name);
    return tn_error_prefix(err, rc, "%s: model %s", source.name ? source.name : "default", m->name);
}

static int check_modules(const tn_settings *s, tn_error *err) {
    tn_registry *registry = NULL;
    int rc = tn_registry_new(NULL, &registry, err);
    if (!rc) tn_registry_log_problems(registry);
    if (!rc) rc = tn_settings_check(s, registry, err);
    tn_registry_free(registry);
    return rc;
}

static int check(const tn_settings *s, tn_error *err) {
    int rc = check_modules(s, err);
    for (size_t i = 0; i < s->n_models && !rc; i++) rc = check_path(s, &s->models[i], err);
    if (rc) return rc;
    for (size_t i = 0; i < s->files.n; i++) printf("%s: ok\n", s->files.item[i]);
    if (!s->files.n) printf("no configuration file: defaults are ok\n");
    return 0;
}

/* ---- show ---- */

static int show_json(const tn_settings *s, tn_error *err) {
    json_t *value = tn_settings_json(s);
    int rc = value ? json_dumpf(value, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(15)) : -1;
    json_decref(value);
    if (rc) return tn_fail(err, TN_ENOMEM, "the JSON text could not be built");
    printf("\n");
    return 0;
}

static int show(const tn_settings *s, bool json, tn_error *err) {
    tn_buf out;
    if (json) return show_json(s, err);
    tn_buf_init(&out, TEXT_MAX);
    tn_settings_show(s, &out);
    return tn_frame_print(&out, err);
}

static int keys(tn_error *err) {
    tn_buf out;
    tn_buf_init(&out, TEXT_MAX);
    tn_settings_keys(&out);
    return tn_frame_print(&out, err);
}

static int run(void *args, int n, char **operands, tn_error *err) {
    const config_args *a = args;
    tn_settings *s = NULL;
    bool is_check = strcmp(operands[0], "check") == 0, is_show = strcmp(operands[0], "show") == 0;
    (void)n;
    if (a->json && !is_show) return tn_usage(err, "--json goes with show");
    if (strcmp(operands[0], "keys") == 0) return keys(err);
    if (!is_check && !is_show) return tn_usage(err, "check, show or keys is expected, not %s", operands[0]);
    int rc = tn_settings_args_load(&a->settings, &s, err);
    if (!rc) rc = is_check ? check(s, err) : show(s, a->json, err);
    tn_settings_free(s);
    return rc;
}

const tn_command tn_cmd_config = {
    .name = "config",
    .operands = "check|show|keys",
    .help = "check or show the configuration",
    .about =
        "check reads tenon.conf and conf.d as serve would, looks for models, modules and templates, and names the\n"
        "place of the first mistake. show prints every setting with where its value came from: a file and line, an\n"
        "environment variable, a flag, or the default. keys lists all settings. Clients' keys are never shown.",
    .options = options,
    .min_operands = 1,
    .max_operands = 1,
    .args_size = sizeof(config_args),
    .run = run,
};
