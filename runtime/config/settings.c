/* SPDX-License-Identifier: Apache-2.0 */
#include "config/settings.h"

#include <stdlib.h>
#include <string.h>

#include "config/assign.h"
#include "config/value.h"

static int no_memory(tn_error *err) {
    return tn_fail(err, TN_ENOMEM, "out of memory for the settings");
}

/* ---- Fields ---- */

static bool is_row_of(const tn_setting_row *row, const tn_model_settings *model) {
    return (row->section == TN_SECTION_MODEL) == (model != NULL);
}

void *tn_settings_field(const tn_settings *s, const tn_model_settings *model, const tn_setting_row *row) {
    const void *base = model;
    if (row->section == TN_SECTION_SERVER) base = &s->server;
    if (row->section == TN_SECTION_CACHE) base = &s->cache;
    if (row->section == TN_SECTION_LIMITS) base = &s->limits;
    if (row->section == TN_SECTION_MEDIA) base = &s->media;
    return (char *)base + row->offset;
}

tn_setting_source *tn_settings_source_of(const tn_settings *s, const tn_model_settings *model,
                                         const tn_setting_row *row) {
    return (model ? model->sources : s->sources) + tn_setting_index(row);
}

/* Defaults of a model, or of the sections without titles. */
static int set_defaults(tn_settings *s, tn_model_settings *model, tn_error *err) {
    tn_setting_place place = {.where = "default"};
    int rc = 0;
    for (size_t i = 0; i < tn_setting_row_count && !rc; i++) {
        const tn_setting_row *row = &tn_setting_rows[i];
        if (!is_row_of(row, model)) continue;
        tn_setting_clear(row, tn_settings_field(s, model, row));
        if (row->def) rc = tn_setting_parse(row, row->def, &place, tn_settings_field(s, model, row), err);
    }
    return rc;
}

static void clear_fields(tn_settings *s, tn_model_settings *model) {
    for (size_t i = 0; i < tn_setting_row_count; i++)
        if (is_row_of(&tn_setting_rows[i], model))
            tn_setting_clear(&tn_setting_rows[i], tn_settings_field(s, model, &tn_setting_rows[i]));
}

/* ---- The whole ---- */

int tn_settings_new(tn_settings **ret, tn_error *err) {
    tn_settings *s = calloc(1, sizeof *s);
    if (s) s->sources = calloc(tn_setting_row_count, sizeof *s->sources);
    int rc = s && s->sources ? set_defaults(s, NULL, err) : no_memory(err);
    if (rc)
        tn_settings_free(s);
    else
        *ret = s;
    return rc;
}

static void model_fini(tn_settings *s, tn_model_settings *m) {
    clear_fields(s, m);
    free(m->name);
    free(m->sources);
}

static void module_fini(tn_module_settings *m) {
    for (size_t i = 0; i < m->n_args; i++) {
        free((char *)m->args[i].key);
        free((char *)m->args[i].value);
    }
    free(m->args);
    free(m->sources);
    free(m->id);
}

void tn_settings_free(tn_settings *s) {
    if (!s) return;
    clear_fields(s, NULL);
    for (size_t i = 0; i < s->n_models; i++) model_fini(s, &s->models[i]);
    for (size_t i = 0; i < s->n_modules; i++) module_fini(&s->modules[i]);
    free(s->models);
    free(s->modules);
    tn_string_list_free(&s->files);
    tn_string_list_free(&s->names);
    free(s->sources);
    free(s);
}

int tn_settings_intern(tn_settings *s, const char *text, const char **ret, tn_error *err) {
    int rc = tn_string_list_add(&s->names, text, err);
    if (!rc) *ret = s->names.item[s->names.n - 1];
    return rc;
}

/* ---- Models and modules ---- */

static tn_model_settings *model_named(const tn_settings *s, const char *name) {
    for (size_t i = 0; i < s->n_models; i++)
        if (strcmp(s->models[i].name, name) == 0) return &s->models[i];
    return NULL;
}

static int check_name(const char *what, const char *name, tn_setting_source declared, tn_error *err) {
    char where[TN_SETTING_WHERE_BYTES];
    const char *wrong = tn_model_name_check(name);
    if (!wrong) return 0;
    tn_setting_where(declared, where);
    return tn_fail(err, TN_EINVAL, "%s: %s \"%.60s\": %s", where, what, name, wrong);
}

int tn_settings_add_model(tn_settings *s, const char *name, tn_setting_source declared,
                          tn_model_settings **ret, tn_error *err) {
    *ret = model_named(s, name);
    if (*ret) return 0;
    int rc = check_name("model", name, declared, err);
    if (rc) return rc;
    if (s->n_models == TN_SETTINGS_MODELS)
        return tn_fail(err, TN_ELIMIT, "more than %d models are configured", TN_SETTINGS_MODELS);
    tn_model_settings *models = realloc(s->models, (s->n_models + 1) * sizeof *models);
    if (!models) return no_memory(err);
    s->models = models;
    tn_model_settings *m = &models[s->n_models];
    *m = (tn_model_settings){.name = strdup(name),
                             .sources = calloc(tn_setting_row_count, sizeof *m->sources),
                             .declared = declared};
    rc = m->name && m->sources ? set_defaults(s, m, err) : no_memory(err);
    if (rc) {
        model_fini(s, m);
        return rc;
    }
    s->n_models++;
    *ret = m;
    return 0;
}

void tn_settings_drop_model(tn_settings *s, size_t i) {
    model_fini(s, &s->models[i]);
    s->n_models--;
    memmove(&s->models[i], &s->models[i + 1], (s->n_models - i) * sizeof *s->models);
}

int tn_settings_add_module(tn_settings *s, const char *id, tn_setting_source declared,
                           tn_module_settings **ret, tn_error *err) {
    for (size_t i = 0; i < s->n_modules; i++)
        if (strcmp(s->modules[i].id, id) == 0) {
            *ret = &s->modules[i];
            return 0;
        }
    int rc = check_name("module", id, declared, err);
    if (rc) return rc;
    if (s->n_modules == TN_SETTINGS_MODULES)
        return tn_fail(err, TN_ELIMIT, "more than %d modules are configured", TN_SETTINGS_MODULES);
    tn_module_settings *modules = realloc(s->modules, (s->n_modules + 1) * sizeof *modules);
    if (!modules) return no_memory(err);
    s->modules = modules;
    modules[s->n_modules] = (tn_module_settings){.id = strdup(id), .declared = declared};
    if (!modules[s->n_modules].id) return no_memory(err);
    *ret = &modules[s->n_modules++];
    return 0;
}

/* ---- Look-ups ---- */

const tn_model_settings *tn_settings_model(const tn_settings *s, const char *name) {
    for (size_t i = 0; i < s->n_models; i++) {
        const tn_model_settings *m = &s->models[i];
        bool unnamed = !name || !*name;
        if (unnamed ? m->is_default : strcmp(m->name, name) == 0) return m;
        for (size_t k = 0; !unnamed && k < m->aliases.n; k++)
            if (strcmp(m->aliases.item[k], name) == 0) return m;
    }
    return NULL;
}

const tn_module_settings *tn_settings_module(const tn_settings *s, const char *id) {
    for (size_t i = 0; i < s->n_modules; i++)
        if (strcmp(s->modules[i].id, id) == 0) return &s->modules[i];
    return NULL;
}

tn_media_limits tn_settings_media(const tn_settings *s) {
    const tn_media_settings *m = &s->media;
    return (tn_media_limits){
        .max_items = (uint32_t)m->max_items,
        .fetch = {.max_bytes = m->max_bytes,
                  .timeout_s = m->fetch_timeout_s,
                  .allow_url = m->allow_url,
                  .allow_private = (const char *const *)m->allow_private.item,
                  .n_allow_private = m->allow_private.n,
                  .roots = (const char *const *)m->roots.item,
                  .n_roots = m->roots.n},
        .max_pixels = m->max_pixels,
        .max_frames = (uint32_t)m->max_frames,
        .max_duration_s = m->max_duration_s,
        .decode_timeout_s = m->decode_timeout_s,
        .tower_cache_bytes = m->vision_cache,
        .pixels_cache_bytes = m->pixel_cache,
    };
}

static tn_setting_source module_source(const tn_module_settings *m, const char *key) {
    for (size_t i = 0; m && i < m->n_args; i++)
        if (strcmp(m->args[i].key, key) == 0) return m->sources[i];
    return (tn_setting_source){0};
}

tn_setting_source tn_settings_source(const tn_settings *s, const char *section, const char *title,
                                     const char *key) {
    tn_setting_section which = tn_section_find(section);
    if (which == TN_SECTION_MODULE) return module_source(title ? tn_settings_module(s, title) : NULL, key);
    const tn_setting_row *row = tn_setting_find(which, key);
    const tn_model_settings *model = which == TN_SECTION_MODEL && title ? model_named(s, title) : NULL;
    if (!row || !is_row_of(row, model)) return (tn_setting_source){0};
    return *tn_settings_source_of(s, model, row);
}

void tn_setting_where(tn_setting_source source, char *ret) {
    const char *name = source.name ? source.name : "default";
    if (source.origin == TN_FROM_FILE)
        snprintf(ret, TN_SETTING_WHERE_BYTES, "%.350s:%u", name, source.line);
    else
        snprintf(ret, TN_SETTING_WHERE_BYTES, "%.350s", name);
}
