/* SPDX-License-Identifier: Apache-2.0 */
#include "config/assign.h"

#include <stdlib.h>
#include <string.h>

#include "config/reader.h"
#include "config/unknown.h"
#include "config/value.h"

/* Within one file a key is set once; elsewhere the later value wins. */
static int check_twice(const tn_assignment *a, const tn_setting_source *old, tn_error *err) {
    char where[TN_SETTING_WHERE_BYTES];
    if (!a->first || a->source.origin != TN_FROM_FILE || old->name != a->source.name) return 0;
    tn_setting_where(a->source, where);
    return tn_fail(err, TN_EINVAL, "%s: %s.%s is set on line %u already", where, tn_section_names[a->section],
                   a->key, old->line);
}

static int assign_row(tn_settings *s, tn_model_settings *model, const tn_setting_row *row,
                      const tn_assignment *a, tn_error *err) {
    char where[TN_SETTING_WHERE_BYTES];
    tn_setting_source *source = tn_settings_source_of(s, model, row);
    void *field = tn_settings_field(s, model, row);
    int rc = check_twice(a, source, err);
    if (rc) return rc;
    tn_setting_where(a->source, where);
    if (row->kind == TN_SETTING_LIST && a->first) tn_setting_clear(row, field);
    rc = tn_setting_parse(row, a->text, &(tn_setting_place){where, a->dir}, field, err);
    if (!rc) *source = a->source;
    return rc;
}

/* The place of key among the arguments, made when it is new. */
static int find_argument(tn_module_settings *m, const char *key, size_t *ret, tn_error *err) {
    for (*ret = 0; *ret < m->n_args; ++*ret)
        if (strcmp(m->args[*ret].key, key) == 0) return 0;
    tn_option_arg *args = realloc(m->args, (m->n_args + 1) * sizeof *args);
    if (args) m->args = args;
    tn_setting_source *sources = args ? realloc(m->sources, (m->n_args + 1) * sizeof *sources) : NULL;
    if (sources) m->sources = sources;
    char *copy = sources ? strdup(key) : NULL;
    if (!copy) return tn_fail(err, TN_ENOMEM, "out of memory for the settings");
    sources[m->n_args] = (tn_setting_source){0};
    args[m->n_args++] = (tn_option_arg){.key = copy};
    return 0;
}

static int assign_argument(tn_module_settings *m, const tn_assignment *a, tn_error *err) {
    char where[TN_SETTING_WHERE_BYTES];
    const char *wrong = tn_setting_text_check(a->text);
    size_t i;
    tn_setting_where(a->source, where);
    if (wrong) return tn_fail(err, TN_EINVAL, "%s: module.%s.%s: %s", where, m->id, a->key, wrong);
    int rc = find_argument(m, a->key, &i, err);
    if (!rc) rc = check_twice(a, &m->sources[i], err);
    if (rc) return rc;
    char *value = strdup(a->text);
    if (!value) return tn_fail(err, TN_ENOMEM, "out of memory for the settings");
    free((char *)m->args[i].value);
    m->args[i].value = value;
    m->sources[i] = a->source;
    return 0;
}

int tn_settings_assign(tn_settings *s, const tn_assignment *a, tn_error *err) {
    char where[TN_SETTING_WHERE_BYTES];
    tn_model_settings *model = NULL;
    tn_module_settings *module = NULL;
    int rc = 0;
    if (a->section == TN_SECTION_MODEL)
        rc = tn_settings_add_model(s, a->title, a->section_source, &model, err);
    if (a->section == TN_SECTION_MODULE)
        rc = tn_settings_add_module(s, a->title, a->section_source, &module, err);
    if (rc || !a->key) return rc;
    if (module) return assign_argument(module, a, err);
    const tn_setting_row *row = tn_setting_find(a->section, a->key);
    if (row) return assign_row(s, model, row, a, err);
    tn_setting_where(a->source, where);
    return tn_setting_unknown(where, a->section, a->key, err);
}

/* ---- Files ---- */

typedef struct file_reading {
    tn_settings *settings;
    const char *name, *dir;
} file_reading;

static int on_item(void *ctx, const tn_config_item *item, tn_error *err) {
    const file_reading *f = ctx;
    tn_assignment a = {
        .section = item->section,
        .title = item->title,
        .key = item->key,
        .text = item->text,
        .first = item->first,
        .source = {TN_FROM_FILE, item->line, f->name},
        .section_source = {TN_FROM_FILE, item->section_line, f->name},
        .dir = f->dir,
    };
    return tn_settings_assign(f->settings, &a, err);
}

int tn_settings_read(tn_settings *s, const char *name, const char *text, size_t len, tn_error *err) {
    const char *slash = strrchr(name, '/');
    char *dir = slash ? strndup(name, slash == name ? 1 : (size_t)(slash - name)) : strdup(".");
    if (!dir) return tn_fail(err, TN_ENOMEM, "out of memory for the settings");
    int rc = tn_config_read(name, text, len, on_item, &(file_reading){s, name, dir}, err);
    free(dir);
    return rc;
}
