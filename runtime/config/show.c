/* SPDX-License-Identifier: Apache-2.0 */
#include "config/show.h"

#include "config/assign.h"
#include "config/value.h"

static void add_source(tn_setting_source source, tn_buf *out) {
    char where[TN_SETTING_WHERE_BYTES];
    tn_setting_where(source, where);
    tn_buf_addf(out, "  # %s\n", where);
}

/* A list that nobody gave is empty, as one that was given may be. */
static bool is_unset(const tn_settings *s, const tn_model_settings *model, const tn_setting_row *row) {
    if (row->kind == TN_SETTING_LIST && !row->def)
        return tn_settings_source_of(s, model, row)->origin == TN_FROM_DEFAULT;
    return tn_setting_is_unset(row, tn_settings_field(s, model, row));
}

static void show_row(const tn_settings *s, const tn_model_settings *model, const tn_setting_row *row,
                     tn_buf *out) {
    const void *field = tn_settings_field(s, model, row);
    if (model)
        tn_buf_addf(out, "model.%s.%s = ", model->name, row->key);
    else
        tn_buf_addf(out, "%s.%s = ", tn_section_names[row->section], row->key);
    if (is_unset(s, model, row))
        tn_buf_addf(out, "(%s)", row->unset);
    else
        tn_setting_print(row, field, out);
    add_source(*tn_settings_source_of(s, model, row), out);
}

/* The rows of a model, or of the sections without titles. */
static void show_rows(const tn_settings *s, const tn_model_settings *model, tn_buf *out) {
    for (size_t i = 0; i < tn_setting_row_count; i++)
        if ((tn_setting_rows[i].section == TN_SECTION_MODEL) == (model != NULL))
            show_row(s, model, &tn_setting_rows[i], out);
}

static void show_module(const tn_module_settings *m, tn_buf *out) {
    for (size_t i = 0; i < m->n_args; i++) {
        tn_buf_addf(out, "module.%s.%s = ", m->id, m->args[i].key);
        tn_setting_quote(m->args[i].value, out);
        add_source(m->sources[i], out);
    }
}

void tn_settings_show(const tn_settings *s, tn_buf *out) {
    show_rows(s, NULL, out);
    for (size_t i = 0; i < s->n_models; i++) show_rows(s, &s->models[i], out);
    for (size_t i = 0; i < s->n_modules; i++) show_module(&s->modules[i], out);
}

/* ---- JSON ---- */

/* Takes value over. */
static json_t *with_source(json_t *value, tn_setting_source source) {
    static const char *const origins[] = {"default", "file", "environment", "flag"};
    json_t *entry = json_pack("{s:o,s:s}", "value", value, "from", origins[source.origin]);
    if (source.name) json_object_set_new(entry, "name", json_string(source.name));
    if (source.line) json_object_set_new(entry, "line", json_integer(source.line));
    return entry;
}

static json_t *rows_json(const tn_settings *s, const tn_model_settings *model, tn_setting_section section) {
    json_t *object = json_object();
    for (size_t i = 0; i < tn_setting_row_count; i++) {
        const tn_setting_row *row = &tn_setting_rows[i];
        if (row->section != section) continue;
        json_t *value =
            is_unset(s, model, row) ? json_null() : tn_setting_json(row, tn_settings_field(s, model, row));
        json_object_set_new(object, row->key, with_source(value, *tn_settings_source_of(s, model, row)));
    }
    return object;
}

static json_t *module_json(const tn_module_settings *m) {
    json_t *object = json_object();
    for (size_t i = 0; i < m->n_args; i++)
        json_object_set_new(object, m->args[i].key,
                            with_source(json_string(m->args[i].value), m->sources[i]));
    return object;
}

json_t *tn_settings_json(const tn_settings *s) {
    json_t *files = json_array(), *models = json_object(), *modules = json_object();
    for (size_t i = 0; i < s->files.n; i++) json_array_append_new(files, json_string(s->files.item[i]));
    for (size_t i = 0; i < s->n_models; i++)
        json_object_set_new(models, s->models[i].name, rows_json(s, &s->models[i], TN_SECTION_MODEL));
    for (size_t i = 0; i < s->n_modules; i++)
        json_object_set_new(modules, s->modules[i].id, module_json(&s->modules[i]));
    return json_pack("{s:o,s:o,s:o,s:o,s:o,s:o,s:o}", "files", files, "server",
                     rows_json(s, NULL, TN_SECTION_SERVER), "cache", rows_json(s, NULL, TN_SECTION_CACHE),
                     "limits", rows_json(s, NULL, TN_SECTION_LIMITS), "media",
                     rows_json(s, NULL, TN_SECTION_MEDIA), "models", models, "modules", modules);
}
